//! Opus: a TOC byte (RFC 6716 section 3.1) and whatever follows.

use super::Payload;

/// CELT, full band, 20 ms, mono, one frame.
const TOC: u8 = 0xf8;

pub(super) fn payload(content: &[u8]) -> Payload {
    let mut bytes = vec![TOC];
    bytes.extend_from_slice(content);
    Payload {
        bytes,
        marker: false,
        dependency_descriptor: None,
    }
}
