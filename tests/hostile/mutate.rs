//! Random and mutated datagrams from a seed, so that a failure can be repeated.

/// xorshift64*: small, fast, and the same everywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }

    fn fill(&mut self, bytes: &mut Vec<u8>, len: usize) {
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(len);
    }
}

/// Bytes at the end of a STUN message that its integrity does not cover: FINGERPRINT (RFC 8489 section 14.7).
const FINGERPRINT_LEN: usize = 8;

pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first < 4) && datagram.get(4..8) == Some(&[0x21, 0x12, 0xa4, 0x42])
}

/// One datagram that no honest client sends.
pub(crate) fn datagram(dice: &mut Dice, seeds: &[Vec<u8>], out: &mut Vec<u8>) {
    out.clear();
    let seed = &seeds[dice.below(seeds.len())];
    match dice.below(8) {
        0 => {
            let len = dice.below(1_473);
            dice.fill(out, len);
        }
        1 => {
            // Short, and of a class of RFC 7983 by its first byte.
            let len = 1 + dice.below(64);
            dice.fill(out, len);
            out[0] = [0, 1, 2, 3, 20, 22, 23, 25, 63, 128, 129, 191, 192][dice.below(13)];
        }
        2 => {
            out.extend_from_slice(&seed[..dice.below(seed.len())]);
        }
        3 => {
            out.extend_from_slice(seed);
            let len = (seed.len() + 1 + dice.below(200)).min(1_472);
            dice.fill(out, len);
        }
        4 => {
            let other = &seeds[dice.below(seeds.len())];
            out.extend_from_slice(&seed[..dice.below(seed.len() + 1)]);
            out.extend_from_slice(&other[dice.below(other.len() + 1)..]);
        }
        5 => {
            // Extreme values where lengths and counts live.
            out.extend_from_slice(seed);
            let at = dice.below(out.len().min(64));
            out[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)];
        }
        _ => {
            out.extend_from_slice(seed);
            for _ in 0..1 + dice.below(4) {
                let at = dice.below(out.len());
                out[at] ^= 1 << dice.below(8);
            }
        }
    }
    // A connectivity check with valid integrity is no attack but a client that moved, wherever it comes from.
    let covered = seed.len().saturating_sub(FINGERPRINT_LEN);
    if is_stun(seed) && out.get(..covered) == seed.get(..covered) && covered > 20 {
        out[covered - 1] ^= 0x55;
    }
}
