//! Datagrams in a byte stream (RFC 4571): before each its length in two bytes, most significant first.

use std::ops::Range;

/// Bytes of the length before each frame.
pub(crate) const LENGTH_BYTES: usize = 2;

/// Largest frame that is read: no client of ours sends what would not fit into an Ethernet frame, and what waits to be
/// completed is kept for each connection.
pub(crate) const FRAME_BYTES_MAX: usize = 2_048;

/// What the bytes of a stream begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A whole frame; the next one begins where this range ends. Empty for the null packet (RFC 4571 section 2).
    Frame(Range<usize>),
    /// Not yet a whole frame.
    Partial,
    /// A length that is never read.
    TooLarge,
}

/// Looks at `bytes` from `at` on.
pub(crate) fn next(bytes: &[u8], at: usize) -> Next {
    let Some([high, low]) = bytes.get(at..at + LENGTH_BYTES) else {
        return Next::Partial;
    };
    let begin = at + LENGTH_BYTES;
    let end = begin + usize::from(u16::from_be_bytes([*high, *low]));
    if end - begin > FRAME_BYTES_MAX {
        Next::TooLarge
    } else if end > bytes.len() {
        Next::Partial
    } else {
        Next::Frame(begin..end)
    }
}

/// Appends one frame. What is longer than the length can say is refused: false.
pub(crate) fn push(stream: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Ok(len) = u16::try_from(datagram.len()) else {
        return false;
    };
    stream.extend_from_slice(&len.to_be_bytes());
    stream.extend_from_slice(datagram);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_however_the_stream_is_cut() {
        let sizes = [0, 1, 20, 1_200, 0, FRAME_BYTES_MAX];
        let mut stream = Vec::new();
        for (value, size) in sizes.iter().enumerate() {
            assert!(push(&mut stream, &vec![value as u8; *size]));
        }
        for cut in 0..=stream.len() {
            let (mut seen, mut at, mut len) = (Vec::new(), 0, cut);
            loop {
                match next(&stream[..len], at) {
                    Next::Frame(range) => {
                        at = range.end;
                        seen.push(range.len());
                    }
                    Next::Partial if len < stream.len() => len = stream.len(),
                    Next::Partial => break,
                    Next::TooLarge => panic!("cut at {cut}"),
                }
            }
            assert_eq!((seen.as_slice(), at), (&sizes[..], stream.len()));
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_known_before_its_bytes_come() {
        let limit = FRAME_BYTES_MAX as u16;
        assert_eq!(next(&(limit + 1).to_be_bytes(), 0), Next::TooLarge);
        assert_eq!(next(&[0xff, 0xff], 0), Next::TooLarge);
        assert_eq!(next(&limit.to_be_bytes(), 0), Next::Partial);
        assert_eq!(next(&[0xff], 0), Next::Partial);
        assert!(!push(&mut Vec::new(), &vec![0; 65_536]));
    }
}
