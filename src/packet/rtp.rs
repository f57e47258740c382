//! The RTP header (RFC 3550 section 5.1), read where it lies.
//!
//! SRTP leaves the header in the clear, so [`RtpHeader::parse`] serves before decryption. Padding is inside
//! the encrypted part: [`payload_len_without_padding`] serves after it.

use super::Malformed;
use super::bytes::{be16, be32};

/// Octets of the header before CSRCs and extension.
pub const FIXED_HEADER_LEN: usize = 12;

/// What the header says. Offsets are from the start of the packet it was parsed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// M: for video the last packet of a frame, for audio the first after silence.
    pub marker: bool,
    /// P: the last octet of the decrypted packet counts the padding before it, itself included.
    pub padding: bool,
    /// 7 bits; what it means is negotiated.
    pub payload_type: u8,
    /// Wraps at 2^16.
    pub sequence_number: u16,
    /// In units of the codec's clock; wraps at 2^32.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: u32,
    /// Where the payload begins: fixed part, CSRCs and extension together.
    pub header_len: usize,
    /// The extension block, when X is set.
    pub extension: Option<ExtensionBlock>,
}

/// Where the header extension lies (RFC 3550 section 5.3.1); what is in it is [`super::extension`]'s matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// "Defined by profile": `0xBEDE` and `0x100x` are the forms of RFC 8285.
    pub profile: u16,
    /// First octet after the profile and length words.
    pub offset: usize,
    /// In octets; a multiple of four.
    pub len: usize,
}

impl RtpHeader {
    /// Reads the header of `packet`, encrypted or not.
    ///
    /// # Errors
    /// When the version is not 2, or CSRCs or extension do not fit.
    #[inline]
    pub fn parse(packet: &[u8]) -> Result<RtpHeader, Malformed> {
        let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk().ok_or(Malformed("RTP header"))?;
        if fixed[0] >> 6 != 2 {
            return Err(Malformed("RTP version"));
        }
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(fixed[0] & 0x0f);
        let mut extension = None;
        if fixed[0] & 0x10 != 0 {
            let (Some(profile), Some(words)) = (be16(packet, header_len), be16(packet, header_len + 2)) else {
                return Err(Malformed("RTP extension"));
            };
            let block = ExtensionBlock {
                profile,
                offset: header_len + 4,
                len: 4 * usize::from(words),
            };
            header_len = block.offset + block.len;
            extension = Some(block);
        }
        if packet.len() < header_len {
            return Err(Malformed("RTP header"));
        }
        Ok(RtpHeader {
            marker: fixed[1] & 0x80 != 0,
            padding: fixed[0] & 0x20 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence_number: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            header_len,
            extension,
        })
    }
}

/// Octets of payload in a decrypted `packet` (authentication tag removed) once its padding is taken off.
/// `Ok(0)` is a packet of padding only: a bandwidth probe, kept out of forwarding.
///
/// # Errors
/// When P is set and the padding count is 0 or more than what follows the header, or when `packet` is shorter than
/// its own header.
#[inline]
pub fn payload_len_without_padding(header: &RtpHeader, packet: &[u8]) -> Result<usize, Malformed> {
    let payload = packet.get(header.header_len..).ok_or(Malformed("RTP header"))?;
    if !header.padding {
        return Ok(payload.len());
    }
    // An empty payload has no octet to count with, which makes P a lie.
    match payload.last() {
        None | Some(0) => Err(Malformed("RTP padding")),
        Some(&count) => payload
            .len()
            .checked_sub(usize::from(count))
            .ok_or(Malformed("RTP padding")),
    }
}

/// The fixed header of a packet we send: no padding, no CSRC; the extension bit is set by whoever writes the extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedHeader {
    /// M.
    pub marker: bool,
    /// 7 bits; the eighth is ignored.
    pub payload_type: u8,
    /// Wraps at 2^16.
    pub sequence_number: u16,
    /// In units of the codec's clock.
    pub timestamp: u32,
    /// Which stream.
    pub ssrc: u32,
}

impl FixedHeader {
    /// The twelve octets.
    #[inline]
    pub fn to_bytes(self) -> [u8; FIXED_HEADER_LEN] {
        let [s0, s1] = self.sequence_number.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [i0, i1, i2, i3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        [0x80, second, s0, s1, t0, t1, t2, t3, i0, i1, i2, i3]
    }
}

/// The sequence number of what may be an RTP packet, without the rest of the header.
pub fn sequence_number(packet: &[u8]) -> Option<u16> {
    be16(packet, 2)
}

/// The SSRC of what may be an RTP packet, without the rest of the header.
pub fn ssrc(packet: &[u8]) -> Option<u32> {
    be32(packet, 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc_shared::marshal::{Marshal, Unmarshal};
    use rtp::header::Header;
    use rtp::packet::Packet;

    use super::*;

    fn packet(first: u8, tail: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0xe0, 0x12, 0x34, 0, 0, 0, 1, 0xca, 0xfe, 0xba, 0xbe];
        packet.extend_from_slice(tail);
        packet
    }

    #[test]
    fn reads_every_fixed_field() {
        let header = RtpHeader::parse(&packet(0x80, b"x")).unwrap();
        assert!(header.marker && !header.padding);
        assert_eq!((header.payload_type, header.sequence_number), (0x60, 0x1234));
        assert_eq!((header.timestamp, header.ssrc), (1, 0xcafe_babe));
        assert_eq!((header.header_len, header.extension), (12, None));
    }

    #[test]
    fn refuses_versions_other_than_two() {
        for version in [0, 1, 3] {
            assert_eq!(
                RtpHeader::parse(&packet(version << 6, b"x")),
                Err(Malformed("RTP version"))
            );
        }
    }

    #[test]
    fn refuses_csrcs_and_extensions_past_the_end() {
        assert!(RtpHeader::parse(&packet(0x82, &[0; 7])).is_err());
        assert!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0])).is_err());
        assert!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0, 2, 0, 0, 0, 0])).is_err());
        assert!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0, 0])).is_ok());
    }

    #[test]
    fn every_padding_count_against_every_payload_length() {
        for padding in 0..=255_u8 {
            for payload_len in 0..=64_usize {
                let mut bytes = packet(0xa0, &vec![7; payload_len]);
                if let Some(last) = bytes[FIXED_HEADER_LEN..].last_mut() {
                    *last = padding;
                }
                let header = RtpHeader::parse(&bytes).unwrap();
                let lawful = padding != 0 && usize::from(padding) <= payload_len;
                let expected = if lawful {
                    Ok(payload_len - usize::from(padding))
                } else {
                    Err(Malformed("RTP padding"))
                };
                assert_eq!(
                    payload_len_without_padding(&header, &bytes),
                    expected,
                    "{padding} of {payload_len}"
                );
            }
        }
    }

    #[test]
    fn without_the_padding_bit_the_last_octet_is_payload() {
        let bytes = packet(0x80, &[1, 2, 255]);
        let header = RtpHeader::parse(&bytes).unwrap();
        assert_eq!(payload_len_without_padding(&header, &bytes), Ok(3));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            if let Ok(header) = RtpHeader::parse(&bytes) {
                prop_assert!(header.header_len <= bytes.len());
                if let Ok(len) = payload_len_without_padding(&header, &bytes) {
                    prop_assert!(header.header_len + len <= bytes.len());
                }
            }
        }

        #[test]
        fn agrees_with_an_independent_writer(
            (marker, payload_type, sequence_number) in (any::<bool>(), 0..128_u8, any::<u16>()),
            (timestamp, ssrc) in (any::<u32>(), any::<u32>()),
            csrc in proptest::collection::vec(any::<u32>(), 0..16),
            extension in proptest::option::of((1..15_u8, proptest::collection::vec(any::<u8>(), 1..17))),
            payload in proptest::collection::vec(any::<u8>(), 0..32),
        ) {
            let mut theirs = Packet {
                header: Header { version: 2, marker, payload_type, sequence_number, timestamp, ssrc, csrc, ..Default::default() },
                payload: payload.clone().into(),
            };
            if let Some((id, value)) = &extension {
                theirs.header.set_extension(*id, value.clone().into()).unwrap();
            }
            let bytes = theirs.marshal().unwrap();
            let ours = RtpHeader::parse(&bytes).unwrap();
            prop_assert_eq!(ours.marker, marker);
            prop_assert_eq!(ours.payload_type, payload_type);
            prop_assert_eq!(ours.sequence_number, sequence_number);
            prop_assert_eq!(ours.timestamp, timestamp);
            prop_assert_eq!(ours.ssrc, ssrc);
            prop_assert_eq!(&bytes[ours.header_len..], &payload[..]);
            prop_assert_eq!(ours.extension.map(|block| block.profile), extension.map(|_| 0xbede));
        }

        #[test]
        fn what_we_write_an_independent_reader_understands(
            (marker, payload_type, sequence_number) in (any::<bool>(), 0..128_u8, any::<u16>()),
            (timestamp, ssrc) in (any::<u32>(), any::<u32>()),
        ) {
            let bytes = FixedHeader { marker, payload_type, sequence_number, timestamp, ssrc }.to_bytes();
            let theirs = Header::unmarshal(&mut &bytes[..]).unwrap();
            prop_assert_eq!(theirs.version, 2);
            prop_assert_eq!((theirs.marker, theirs.payload_type, theirs.sequence_number), (marker, payload_type, sequence_number));
            prop_assert_eq!((theirs.timestamp, theirs.ssrc), (timestamp, ssrc));
            let ours = RtpHeader::parse(&bytes).unwrap();
            prop_assert_eq!((ours.sequence_number, ours.timestamp, ours.ssrc), (sequence_number, timestamp, ssrc));
        }
    }
}
