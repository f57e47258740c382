//! Source description (RFC 3550 section 6.5) and lists of SSRCs.

use super::super::Malformed;
use super::super::bytes::be32;

/// SDES item types (RFC 3550 section 6.5): the end of a chunk, and the canonical name.
const ITEM_END: u8 = 0;
pub(super) const ITEM_CNAME: u8 = 1;

/// A list of SSRCs.
#[derive(Clone, Copy, Debug)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
}

impl<'a> Ssrcs<'a> {
    pub(super) fn parse(bytes: &'a [u8], count: u8) -> Result<Self, Malformed> {
        let rest = bytes.get(..4 * usize::from(count)).ok_or(Malformed("SSRC list"))?;
        Ok(Ssrcs { rest })
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let (ssrc, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*ssrc))
    }
}

/// What is told about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The source.
    pub ssrc: u32,
    /// Its canonical name: the same for streams whose lips and voice belong together. Text of the sender's, unchecked.
    pub cname: Option<&'a [u8]>,
}

/// The chunks of a source description, up to the first that does not fit: at most 31.
#[derive(Clone, Copy, Debug)]
pub struct SdesChunks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> SdesChunks<'a> {
    pub(super) fn new(bytes: &'a [u8], count: u8) -> Self {
        SdesChunks {
            rest: bytes,
            left: count,
        }
    }

    fn chunk(&mut self) -> Option<SdesChunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let ssrc = be32(self.rest, 0)?;
        let mut cname = None;
        let mut at = 4;
        loop {
            let item = *self.rest.get(at)?;
            if item == ITEM_END {
                // At least one null octet, then up to the next word.
                self.rest = self.rest.get((at + 1).next_multiple_of(4)..)?;
                return Some(SdesChunk { ssrc, cname });
            }
            let len = usize::from(*self.rest.get(at + 1)?);
            let text = self.rest.get(at + 2..at + 2 + len)?;
            if item == ITEM_CNAME {
                cname = Some(text);
            }
            at += 2 + len;
        }
    }
}

impl<'a> Iterator for SdesChunks<'a> {
    type Item = SdesChunk<'a>;

    fn next(&mut self) -> Option<SdesChunk<'a>> {
        let chunk = self.chunk();
        if chunk.is_none() {
            self.left = 0;
        }
        chunk
    }
}
