//! Redundant audio (RFC 2198): older frames in front of the newest, the primary.

use super::{Malformed, bytes::be24};

/// One frame of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// What the frame is coded in; as negotiated, like the payload type of a packet.
    pub payload_type: u8,
    /// How much older than the packet's timestamp, in units of its clock; 14 bits, 0 for the primary.
    pub timestamp_offset: u16,
    /// The frame; empty for a redundant frame that was silence.
    pub payload: &'a [u8],
}

/// The frames of `payload`, oldest first as they came, the primary last.
///
/// # Errors
/// When the headers have no end, or the redundant frames do not fit.
pub fn blocks(payload: &[u8]) -> Result<RedBlocks<'_>, Malformed> {
    let mut headers_len = 0;
    let mut redundant_len = 0;
    loop {
        let first = *payload.get(headers_len).ok_or(Malformed("RED header"))?;
        if first & 0x80 == 0 {
            break;
        }
        let bits = be24(payload, headers_len + 1).ok_or(Malformed("RED header"))?;
        redundant_len += usize::from(bits as u16 & 0x3ff);
        headers_len += 4;
    }
    let (headers, frames) = payload.split_at(headers_len + 1);
    if frames.len() < redundant_len {
        return Err(Malformed("RED block"));
    }
    Ok(RedBlocks { headers, frames })
}

/// The payload type and frame of the primary block: what a receiver without RED gets.
///
/// # Errors
/// As [`blocks`].
pub fn primary(payload: &[u8]) -> Result<(u8, &[u8]), Malformed> {
    let primary = blocks(payload)?.last().ok_or(Malformed("RED block"))?;
    Ok((primary.payload_type, primary.payload))
}

/// See [`blocks`].
#[derive(Clone, Copy, Debug)]
pub struct RedBlocks<'a> {
    /// From the next block's header on.
    headers: &'a [u8],
    /// From the next block's frame on.
    frames: &'a [u8],
}

impl<'a> Iterator for RedBlocks<'a> {
    type Item = RedBlock<'a>;

    fn next(&mut self) -> Option<RedBlock<'a>> {
        let first = *self.headers.first()?;
        let payload_type = first & 0x7f;
        if first & 0x80 == 0 {
            self.headers = &[];
            return Some(RedBlock {
                payload_type,
                timestamp_offset: 0,
                payload: std::mem::take(&mut self.frames),
            });
        }
        let bits = be24(self.headers, 1)?;
        let (payload, frames) = self.frames.split_at_checked(usize::from(bits as u16 & 0x3ff))?;
        self.headers = self.headers.get(4..)?;
        self.frames = frames;
        Some(RedBlock {
            payload_type,
            timestamp_offset: (bits >> 10) as u16,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(redundant: &[(u16, Vec<u8>)], primary: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        for (offset, frame) in redundant {
            let bits = u32::from(*offset) << 10 | u32::try_from(frame.len()).unwrap();
            payload.push(0x80 | 111);
            payload.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        payload.push(111);
        redundant.iter().for_each(|(_, frame)| payload.extend_from_slice(frame));
        payload.extend_from_slice(primary);
        payload
    }

    #[test]
    fn a_primary_alone_is_all_but_the_first_octet() {
        assert_eq!(primary(&[111, 1, 2, 3]), Ok((111, &[1, 2, 3][..])));
        assert_eq!(primary(&[111]), Ok((111, &[][..])));
    }

    #[test]
    fn lengths_have_10_bits_and_offsets_14() {
        let payload = build(&[(0x3fff, vec![7; 1023]), (960, Vec::new())], b"new");
        let found: Vec<_> = blocks(&payload).unwrap().collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].timestamp_offset, found[0].payload.len()), (0x3fff, 1023));
        assert_eq!((found[1].timestamp_offset, found[1].payload.len()), (960, 0));
        assert_eq!(
            found[2],
            RedBlock {
                payload_type: 111,
                timestamp_offset: 0,
                payload: b"new"
            }
        );
    }

    #[test]
    fn headers_without_end_and_frames_past_the_end_are_refused() {
        assert!(blocks(&[]).is_err());
        assert!(blocks(&[0xef, 0, 0, 0]).is_err());
        assert!(blocks(&[0xef, 0, 0]).is_err());
        assert!(blocks(&[0xef, 0, 0, 3, 111, 1, 2]).is_err());
        assert!(blocks(&[0xef, 0, 0, 3, 111, 1, 2, 3]).is_ok());
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(found) = blocks(&bytes) {
                let total: usize = found.map(|block| block.payload.len()).sum();
                prop_assert!(total < bytes.len());
                prop_assert!(primary(&bytes).is_ok());
            }
        }

        #[test]
        fn every_frame_reads_back(
            redundant in proptest::collection::vec((0..0x4000_u16, proptest::collection::vec(any::<u8>(), 0..40)), 0..6),
            newest in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let payload = build(&redundant, &newest);
            let mut found: Vec<_> = blocks(&payload).unwrap().map(|b| (b.timestamp_offset, b.payload.to_vec())).collect();
            prop_assert_eq!(found.pop(), Some((0, newest.clone())));
            prop_assert_eq!(found, redundant);
            prop_assert_eq!(primary(&payload).unwrap().1, &newest[..]);
        }
    }
}
