use super::super::rtp::FIXED_HEADER_LEN;
use super::{ExtensionKind, ExtensionMap, Extensions, MAX_ONE_BYTE_ID};

/// X in the first octet of the header.
const EXTENSION_BIT: u8 = 0x10;
/// Profile and length words in front of the elements.
const BLOCK_HEADER_LEN: usize = 4;
/// Longest value of the one-byte form.
const MAX_ONE_BYTE_LEN: usize = 16;

/// The two forms of RFC 8285. A receiver that did not offer `extmap-allow-mixed` must see one form only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExtensionForm {
    /// Ids 1 to 14, values of 1 to 16 octets.
    OneByte,
    /// Ids 1 to 255, values of 0 to 255 octets.
    TwoByte,
}

impl ExtensionForm {
    /// The short form if an element with this id and length fits into it.
    #[inline]
    const fn needed(id: u8, len: usize) -> ExtensionForm {
        if id <= MAX_ONE_BYTE_ID && len >= 1 && len <= MAX_ONE_BYTE_LEN {
            ExtensionForm::OneByte
        } else {
            ExtensionForm::TwoByte
        }
    }
}

/// Writes an extension block behind the fixed header of a packet, in the buffer the packet is built in.
#[derive(Debug)]
pub struct ExtensionWriter<'p> {
    packet: &'p mut [u8],
    form: ExtensionForm,
    /// Where the next element goes.
    at: usize,
}

impl<'p> ExtensionWriter<'p> {
    /// `packet` begins with a written fixed header without CSRCs; the block goes behind it, over what is there.
    pub fn new(packet: &'p mut [u8], form: ExtensionForm) -> Self {
        ExtensionWriter {
            packet,
            form,
            at: FIXED_HEADER_LEN + BLOCK_HEADER_LEN,
        }
    }

    /// Appends one element. `false`, and nothing written, when the form cannot hold it or the buffer has no room.
    pub fn push(&mut self, id: u8, value: &[u8]) -> bool {
        let Ok(len) = u8::try_from(value.len()) else {
            return false;
        };
        if id == 0 {
            return false;
        }
        let (prefix, prefix_len) = match (self.form, ExtensionForm::needed(id, value.len())) {
            (ExtensionForm::OneByte, ExtensionForm::OneByte) => ([id << 4 | (len - 1), 0], 1),
            (ExtensionForm::OneByte, ExtensionForm::TwoByte) => return false,
            (ExtensionForm::TwoByte, _) => ([id, len], 2),
        };
        let end = self.at + prefix_len + value.len();
        // Room is asked for up to the next multiple of four, so that `finish` always can pad.
        if end.next_multiple_of(4) > self.packet.len() {
            return false;
        }
        self.packet[self.at..self.at + prefix_len].copy_from_slice(&prefix[..prefix_len]);
        self.packet[self.at + prefix_len..end].copy_from_slice(value);
        self.at = end;
        true
    }

    /// Pads the block, writes its header and sets or clears the X bit. Returns the length of the whole RTP header: the
    /// payload goes there. Without elements there is no block and it is 12.
    pub fn finish(self) -> usize {
        let start = FIXED_HEADER_LEN + BLOCK_HEADER_LEN;
        if self.at == start {
            if let Some(first) = self.packet.first_mut() {
                *first &= !EXTENSION_BIT;
            }
            return FIXED_HEADER_LEN;
        }
        let end = self.at.next_multiple_of(4);
        self.packet[self.at..end].fill(0);
        let profile: [u8; 2] = match self.form {
            ExtensionForm::OneByte => [0xbe, 0xde],
            ExtensionForm::TwoByte => [0x10, 0x00],
        };
        // At most nine kinds of at most 257 octets, or what a caller's datagram holds: never 2^16 words.
        let words = u16::try_from((end - start) / 4).unwrap_or(u16::MAX);
        self.packet[FIXED_HEADER_LEN..FIXED_HEADER_LEN + 2].copy_from_slice(&profile);
        self.packet[FIXED_HEADER_LEN + 2..start].copy_from_slice(&words.to_be_bytes());
        self.packet[0] |= EXTENSION_BIT;
        end
    }
}

/// Writes those of `extensions` that `map` has an id for behind the fixed header in `packet`, in the shortest form that
/// holds them all, and returns the length of the whole RTP header. An element the buffer has no room for is left out.
pub fn write_extensions(packet: &mut [u8], map: &ExtensionMap, extensions: &Extensions<'_>) -> usize {
    let mut form = ExtensionForm::OneByte;
    extensions.each(map, |id, value| {
        if ExtensionForm::needed(id, value.len()) == ExtensionForm::TwoByte {
            form = ExtensionForm::TwoByte;
        }
    });
    let mut writer = ExtensionWriter::new(packet, form);
    extensions.each(map, |id, value| {
        writer.push(id, value);
    });
    writer.finish()
}

impl Extensions<'_> {
    /// Visits what is present and has an id, in a fixed order.
    #[inline]
    fn each(&self, map: &ExtensionMap, mut visit: impl FnMut(u8, &[u8])) {
        let mut visit = |kind, value: Option<&[u8]>| {
            if let (Some(id), Some(value)) = (map.id(kind), value) {
                visit(id, value);
            }
        };
        let abs_send_time = self.abs_send_time.map(u32::to_be_bytes);
        let transport_cc = self.transport_cc.map(u16::to_be_bytes);
        let audio_level = self.audio_level.map(|level| [level.to_byte()]);
        let video_orientation = self.video_orientation.map(|byte| [byte]);
        visit(ExtensionKind::Mid, self.mid);
        visit(ExtensionKind::Rid, self.rid);
        visit(ExtensionKind::RepairedRid, self.repaired_rid);
        visit(
            ExtensionKind::AbsSendTime,
            abs_send_time.as_ref().map(|bytes| &bytes[1..]),
        );
        visit(
            ExtensionKind::TransportCc,
            transport_cc.as_ref().map(|bytes| &bytes[..]),
        );
        visit(ExtensionKind::AudioLevel, audio_level.as_ref().map(|bytes| &bytes[..]));
        visit(
            ExtensionKind::VideoOrientation,
            video_orientation.as_ref().map(|bytes| &bytes[..]),
        );
        visit(
            ExtensionKind::PlayoutDelay,
            self.playout_delay.as_ref().map(|bytes| &bytes[..]),
        );
        visit(ExtensionKind::DependencyDescriptor, self.dependency_descriptor);
    }
}
