//! The mark inside each payload.

const MAGIC: [u8; 4] = *b"EnFi";
const LEN: usize = 17;
/// Descriptors and headers in front of the stamp are shorter than this.
const SEARCHED: usize = 96;

/// Whose packet this is. It survives every rewriting of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Number of the source, chosen by the publisher.
    pub source: u32,
    /// Encoding, low to high.
    pub layer: u8,
    /// Picture since the start of the encoding.
    pub frame: u32,
    /// Packet in the picture, from 0.
    pub index: u16,
    /// Packets of the picture.
    pub count: u16,
}

impl Stamp {
    /// Content of about `len` bytes that begins with the stamp.
    pub(super) fn content(&self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.max(LEN));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&self.source.to_be_bytes());
        bytes.push(self.layer);
        bytes.extend_from_slice(&self.frame.to_be_bytes());
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.count.to_be_bytes());
        // Sizes differ a little inside a picture, as they do in life.
        let len = len.saturating_sub(usize::from(self.index % 2));
        while bytes.len() < len {
            bytes.push((bytes.len() as u8).wrapping_mul(31) ^ self.frame as u8);
        }
        bytes
    }

    /// Finds the stamp near the beginning of a payload.
    pub fn find(payload: &[u8]) -> Option<Stamp> {
        let start = payload
            .iter()
            .take(SEARCHED)
            .enumerate()
            .find_map(|(at, byte)| (*byte == MAGIC[0] && payload[at..].starts_with(&MAGIC)).then_some(at))?;
        let field = payload.get(start..start + LEN)?;
        let wide = |at: usize| u32::from_be_bytes([field[at], field[at + 1], field[at + 2], field[at + 3]]);
        let short = |at: usize| u16::from_be_bytes([field[at], field[at + 1]]);
        Some(Stamp {
            source: wide(4),
            layer: field[8],
            frame: wide(9),
            index: short(13),
            count: short(15),
        })
    }
}
