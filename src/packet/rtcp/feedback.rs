//! Feedback that asks for packets, keyframes or less (RFC 4585, RFC 5104, draft-alvestrand-rmcat-remb-03).

use super::super::Malformed;
use super::super::bytes::{be24, be32};
use super::Ssrcs;

/// The sequence numbers of a generic NACK, in the order they are asked for: 17 at most per four octets received.
#[derive(Clone, Copy, Debug)]
pub struct LostSequences<'a> {
    rest: &'a [u8],
    /// Of the pair being read: PID, and the bits of PID and BLP not yet given out, PID's lowest.
    first: u16,
    mask: u32,
}

impl<'a> LostSequences<'a> {
    /// `pairs` are the PID and BLP of RFC 4585 section 6.2.1; an incomplete one at the end is passed over.
    pub(super) fn new(pairs: &'a [u8]) -> Self {
        LostSequences {
            rest: pairs,
            first: 0,
            mask: 0,
        }
    }
}

impl Iterator for LostSequences<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 {
            let (&[p0, p1, b0, b1], rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            self.first = u16::from_be_bytes([p0, p1]);
            self.mask = u32::from(u16::from_be_bytes([b0, b1])) << 1 | 1;
        }
        let offset = self.mask.trailing_zeros();
        self.mask &= self.mask - 1;
        // 17 bits, so the offset is at most 16.
        Some(self.first.wrapping_add(offset as u16))
    }
}

/// One stream of a full intra request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream that needs a keyframe.
    pub ssrc: u32,
    /// A repeated number is the same request sent again (RFC 5104 section 4.3.1.2).
    pub sequence_number: u8,
}

/// The streams of a full intra request.
#[derive(Clone, Copy, Debug)]
pub struct FirEntries<'a> {
    rest: &'a [u8],
}

impl<'a> FirEntries<'a> {
    pub(super) fn new(entries: &'a [u8]) -> Self {
        FirEntries { rest: entries }
    }
}

impl Iterator for FirEntries<'_> {
    type Item = FirEntry;

    fn next(&mut self) -> Option<FirEntry> {
        let (entry, rest) = self.rest.split_at_checked(8)?;
        self.rest = rest;
        Some(FirEntry {
            ssrc: be32(entry, 0)?,
            sequence_number: *entry.get(4)?,
        })
    }
}

/// `bytes` is what follows the four letters.
pub(super) fn parse_remb(bytes: &[u8]) -> Result<(u64, Ssrcs<'_>), Malformed> {
    let (Some(&count), Some(bits), Some(ssrcs)) = (bytes.first(), be24(bytes, 1), bytes.get(4..)) else {
        return Err(Malformed("REMB"));
    };
    let (exponent, mantissa) = (bits >> 18, u64::from(bits & 0x3_ffff));
    // The exponent goes to 63: a bitrate no u64 holds is as good as no limit.
    let bitrate_bps = if mantissa.leading_zeros() >= exponent {
        mantissa << exponent
    } else {
        u64::MAX
    };
    Ok((bitrate_bps, Ssrcs::parse(ssrcs, count)?))
}

/// The exponent and mantissa word of `bitrate_bps`, rounded down to 18 significant bits.
pub(super) fn remb_bits(bitrate_bps: u64) -> [u8; 3] {
    let exponent = (u64::BITS - bitrate_bps.leading_zeros()).saturating_sub(18);
    let [_, _, _, _, _, high, middle, low] = (bitrate_bps >> exponent).to_be_bytes();
    // At most 46, six bits.
    [(exponent as u8) << 2 | high, middle, low]
}
