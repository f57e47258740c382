use super::super::bytes::{be16, be24};
use super::super::rtp::RtpHeader;
use super::{AudioLevel, ExtensionKind, ExtensionMap, Extensions, MAX_ONE_BYTE_ID};

const ONE_BYTE_PROFILE: u16 = 0xbede;
/// The low four bits are "appbits", ours to ignore (RFC 8285 section 4.3).
const TWO_BYTE_PROFILE: u16 = 0x1000;

/// Reads what `map` knows of the extensions of `packet`, whose header is `header`.
///
/// Never refuses a packet: reading ends at the first element that does not fit, an unknown id or a value of the wrong
/// length is passed over, and where an element comes twice the later one counts.
pub fn read_extensions<'a>(packet: &'a [u8], header: &RtpHeader, map: &ExtensionMap) -> Extensions<'a> {
    let mut found = Extensions::default();
    let Some(block) = header.extension else {
        return found;
    };
    let Some(mut rest) = packet.get(block.offset..block.offset.saturating_add(block.len)) else {
        return found;
    };
    let next = match block.profile {
        ONE_BYTE_PROFILE => next_one_byte,
        profile if profile & 0xfff0 == TWO_BYTE_PROFILE => next_two_byte,
        _ => return found,
    };
    while let Some((id, value, tail)) = next(rest) {
        rest = tail;
        if let Some(kind) = map.kind(id) {
            found.take(kind, value);
        }
    }
    found
}

/// An element's id and value, and what comes behind it.
type Element<'a> = (u8, &'a [u8], &'a [u8]);

fn next_one_byte(mut rest: &[u8]) -> Option<Element<'_>> {
    while let Some((0, tail)) = rest.split_first().map(|(first, tail)| (*first, tail)) {
        rest = tail;
    }
    let (&first, tail) = rest.split_first()?;
    let id = first >> 4;
    // Id 0 with a length, and id 15, both end the whole block (RFC 8285 section 4.2).
    if id == 0 || id > MAX_ONE_BYTE_ID {
        return None;
    }
    let (value, tail) = tail.split_at_checked(usize::from(first & 0x0f) + 1)?;
    Some((id, value, tail))
}

fn next_two_byte(mut rest: &[u8]) -> Option<Element<'_>> {
    while let Some((0, tail)) = rest.split_first().map(|(first, tail)| (*first, tail)) {
        rest = tail;
    }
    let (&[id, len], tail) = rest.split_first_chunk()?;
    let (value, tail) = tail.split_at_checked(usize::from(len))?;
    Some((id, value, tail))
}

impl<'a> Extensions<'a> {
    fn take(&mut self, kind: ExtensionKind, value: &'a [u8]) {
        let text = (!value.is_empty()).then_some(value);
        match kind {
            ExtensionKind::Mid => self.mid = text.or(self.mid),
            ExtensionKind::Rid => self.rid = text.or(self.rid),
            ExtensionKind::RepairedRid => self.repaired_rid = text.or(self.repaired_rid),
            ExtensionKind::DependencyDescriptor => {
                self.dependency_descriptor = text.or(self.dependency_descriptor);
            }
            ExtensionKind::AbsSendTime => {
                if value.len() == 3 {
                    self.abs_send_time = be24(value, 0);
                }
            }
            // The second version of the extension appends a feedback request, which we pass over.
            ExtensionKind::TransportCc => self.transport_cc = be16(value, 0).or(self.transport_cc),
            ExtensionKind::AudioLevel => {
                if let [byte] = value {
                    self.audio_level = Some(AudioLevel::from_byte(*byte));
                }
            }
            ExtensionKind::VideoOrientation => {
                if let [byte] = value {
                    self.video_orientation = Some(*byte);
                }
            }
            ExtensionKind::PlayoutDelay => {
                if let Ok(bytes) = value.try_into() {
                    self.playout_delay = Some(bytes);
                }
            }
        }
    }
}
