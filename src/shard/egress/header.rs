//! The RTP header of a packet on its way out (RFC 3550 section 5.1, RFC 8285), but for what is known only when it leaves.

use crate::media::Outbound;
use crate::packet::extension::{ExtensionForm, ExtensionKind, ExtensionMap, ExtensionWriter};
use crate::packet::rtp::{FIXED_HEADER_LEN, FixedHeader};

/// 12 bytes, then extensions: 4 for their block, 255 for the largest descriptor, 18 for all others, rounded up.
pub(super) const HEADER_BYTES_MAX: usize = 304;
/// P in the first octet.
const PADDING_BIT: u8 = 0x20;

/// A written header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) len: usize,
    /// Where in it the transport-wide number goes; 0 for nowhere.
    pub(super) number_at: u8,
}

/// Writes the header of `packet` into `out`, which holds [`HEADER_BYTES_MAX`]. `transport_cc` is the id of the transport-wide
/// number, which is left 0: it is given when the packet leaves, by [`number`].
#[inline]
pub(super) fn write(out: &mut [u8], packet: &Outbound<'_>, map: &ExtensionMap, transport_cc: Option<u8>) -> Written {
    let fixed = FixedHeader {
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence_number: packet.sequence as u16,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    out[..FIXED_HEADER_LEN].copy_from_slice(&fixed.to_bytes());
    let extensions = &packet.extensions;
    if extensions.is_empty() {
        return write_transport_cc(out, transport_cc);
    }
    let descriptor = extensions
        .dependency_descriptor
        .and_then(|descriptor| Some((map.id(ExtensionKind::DependencyDescriptor)?, descriptor)));
    // Ids above 14 are never agreed for the short elements (the answer maps what the client offered, and browsers number from
    // 1), so only a long descriptor needs the two-byte form.
    let form = match &descriptor {
        Some((id, descriptor)) if *id > 14 || descriptor.len() > 16 => ExtensionForm::TwoByte,
        Some(_) | None => ExtensionForm::OneByte,
    };
    let mut writer = ExtensionWriter::new(out, form);
    // The first element: behind the block's four bytes and its own one or two.
    let number_at = match (transport_cc.is_some_and(|id| writer.push(id, &[0; 2])), form) {
        (false, _) => 0,
        (true, ExtensionForm::OneByte) => FIXED_HEADER_LEN as u8 + 5,
        (true, ExtensionForm::TwoByte) => FIXED_HEADER_LEN as u8 + 6,
    };
    if let (Some(level), Some(id)) = (extensions.audio_level, map.id(ExtensionKind::AudioLevel)) {
        writer.push(id, &[level.to_byte()]);
    }
    if let (Some(orientation), Some(id)) = (extensions.video_orientation, map.id(ExtensionKind::VideoOrientation)) {
        writer.push(id, &[orientation]);
    }
    if let (Some(delay), Some(id)) = (extensions.playout_delay, map.id(ExtensionKind::PlayoutDelay)) {
        writer.push(id, &delay);
    }
    if let Some((id, descriptor)) = descriptor {
        let mut value = [0; 255];
        let len = descriptor.len();
        if len <= value.len() {
            value[..3].copy_from_slice(&descriptor.head);
            value[3..len].copy_from_slice(descriptor.rest);
            writer.push(id, &value[..len]);
        }
    }
    let len = writer.finish();
    Written { len, number_at }
}

/// The common case of video: nothing but the transport-wide number, so the block is eight known bytes.
#[inline]
fn write_transport_cc(out: &mut [u8], transport_cc: Option<u8>) -> Written {
    const END: usize = FIXED_HEADER_LEN + 8;
    match transport_cc {
        Some(id @ 1..=14) => {
            out[0] |= 0x10;
            out[FIXED_HEADER_LEN..END].copy_from_slice(&[0xbe, 0xde, 0, 1, (id << 4) | 1, 0, 0, 0]);
            Written {
                len: END,
                number_at: FIXED_HEADER_LEN as u8 + 5,
            }
        }
        // An id above 14 needs the two-byte form, which no browser makes us use here; the number is left out.
        Some(_) | None => Written {
            len: FIXED_HEADER_LEN,
            number_at: 0,
        },
    }
}

/// Puts the transport-wide number into a written header.
#[inline]
pub(super) fn number(header: &mut [u8], at: u8, number: u16) {
    let at = usize::from(at);
    header[at..at + 2].copy_from_slice(&number.to_be_bytes());
}

/// Says in a written header that padding follows the payload.
#[inline]
pub(super) fn set_padding(header: &mut [u8]) {
    header[0] |= PADDING_BIT;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{DescriptorOut, OutExtensions, Patch, Traffic};
    use crate::packet::extension::{AudioLevel, read_extensions};
    use crate::packet::rtp::RtpHeader;

    fn map() -> ExtensionMap {
        let mut map = ExtensionMap::default();
        map.set(ExtensionKind::TransportCc, 3);
        map.set(ExtensionKind::AudioLevel, 5);
        map.set(ExtensionKind::VideoOrientation, 6);
        map.set(ExtensionKind::PlayoutDelay, 7);
        map.set(ExtensionKind::DependencyDescriptor, 8);
        map
    }

    fn outbound(extensions: OutExtensions<'_>) -> Outbound<'_> {
        Outbound {
            marker: true,
            payload_type: 96,
            sequence: 0x1_0007,
            timestamp: 9,
            ssrc: 0x5ea7,
            extensions,
            original: None,
            payload: &[],
            patch: Patch::default(),
            padding: 0,
            traffic: Traffic::Video,
            ends_frame: true,
        }
    }

    #[test]
    fn the_number_given_later_is_read_with_every_other_extension_in_either_form() {
        let rest = [9; 252];
        let everything = |rest| OutExtensions {
            audio_level: Some(AudioLevel::from_byte(0x85)),
            video_orientation: Some(2),
            playout_delay: Some([1, 2, 3]),
            dependency_descriptor: Some(DescriptorOut { head: [1, 2, 3], rest }),
        };
        for extensions in [
            OutExtensions::default(),
            everything(&rest[..13]),
            everything(&rest[..14]),
            everything(&rest),
        ] {
            let mut out = [0xaa; HEADER_BYTES_MAX];
            let written = write(&mut out, &outbound(extensions), &map(), Some(3));
            number(&mut out, written.number_at, 0xbeef);
            let header = RtpHeader::parse(&out[..written.len]).unwrap();
            assert_eq!(header.header_len, written.len);
            let read = read_extensions(&out[..written.len], &header, &map());
            assert_eq!(read.transport_cc, Some(0xbeef));
            assert_eq!(read.audio_level, extensions.audio_level);
            assert_eq!(read.video_orientation, extensions.video_orientation);
            assert_eq!(read.playout_delay, extensions.playout_delay);
            let sent = extensions.dependency_descriptor.map(|sent| sent.len());
            assert_eq!(read.dependency_descriptor.map(<[u8]>::len), sent);
        }
    }

    #[test]
    fn who_did_not_agree_on_numbers_gets_none() {
        let mut out = [0; HEADER_BYTES_MAX];
        let written = write(&mut out, &outbound(OutExtensions::default()), &map(), None);
        assert_eq!((written.len, written.number_at), (FIXED_HEADER_LEN, 0));
    }
}
