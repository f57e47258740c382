//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1): which
//! packets of a transport arrived, and when.

mod build;

pub use build::{MAX_TRANSPORT_CC_LEN, transport_cc};

use super::super::Malformed;
use super::super::bytes::{be16, be24, be32};

/// The unit of arrival deltas.
const TICK_US: i64 = 250;
/// The unit of the reference time.
const REFERENCE_US: i64 = 64_000;
const REFERENCE_TICKS: i64 = REFERENCE_US / TICK_US;

/// Octets in front of the chunks, SSRCs included.
const FIXED_LEN: usize = 16;

/// Status symbols. The fourth two-bit value is reserved; like the value for "not received" it has no delta.
const NOT_RECEIVED: u8 = 0;
const SMALL_DELTA: u8 = 1;
const LARGE_DELTA: u8 = 2;

/// One feedback block, checked when it was parsed: its chunks cover the count, and each arrival has its delta.
#[derive(Clone, Copy, Debug)]
pub struct TransportCcFeedback<'a> {
    /// Who reports.
    pub sender_ssrc: u32,
    /// Any stream of the transport; the report is about all of them.
    pub media_ssrc: u32,
    /// Transport-wide sequence number of the first packet reported.
    pub base_sequence: u16,
    /// Packets reported, arrived or not.
    pub status_count: u16,
    /// What arrival times count from: 24 bits in units of 64 ms, for [`ReferenceClock`].
    pub reference_time: u32,
    /// Runs on with each feedback sent, so that lost feedback shows; wraps.
    pub feedback_count: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportCcFeedback<'a> {
    /// `body` is the block behind its four-octet header.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let malformed = Malformed("transport-cc feedback");
        let half = |at| be16(body, at).ok_or(malformed);
        let word = |at| be32(body, at).ok_or(malformed);
        let feedback_count = *body.get(15).ok_or(malformed)?;
        let status_count = half(10)?;
        let rest = &body[FIXED_LEN..];
        let mut at = 0;
        let mut left = status_count;
        let mut delta_len = 0;
        while left > 0 {
            let chunk = Chunk::new(be16(rest, at).ok_or(malformed)?, left);
            delta_len += chunk.delta_len();
            left -= chunk.len;
            at += 2;
        }
        let (chunks, deltas) = rest.split_at(at);
        if deltas.len() < delta_len {
            return Err(malformed);
        }
        Ok(TransportCcFeedback {
            sender_ssrc: word(0)?,
            media_ssrc: word(4)?,
            base_sequence: half(8)?,
            status_count,
            reference_time: be24(body, 12).ok_or(malformed)?,
            feedback_count,
            chunks,
            deltas,
        })
    }

    /// Each packet reported, from `base_sequence` on, with its arrival in microseconds after the reference time; `None` is
    /// not arrived. Arrivals may lie before the reference time when packets overtook each other.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            chunks: self.chunks,
            deltas: self.deltas,
            chunk: Chunk::default(),
            left: self.status_count,
            sequence: self.base_sequence,
            ticks: 0,
        }
    }
}

/// See [`TransportCcFeedback::arrivals`].
#[derive(Clone, Copy, Debug)]
pub struct Arrivals<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    /// What is left of the chunk being read.
    chunk: Chunk,
    left: u16,
    sequence: u16,
    /// Arrival of the last packet that did.
    ticks: i64,
}

impl Iterator for Arrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<(u16, Option<i64>)> {
        // A run of length 0 is lawful and says nothing. All reported: no chunk is left.
        while self.chunk.len == 0 {
            self.chunk = Chunk::new(be16(self.chunks, 0)?, self.left);
            self.chunks = &self.chunks[2..];
        }
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        self.left -= 1;
        let delta = match self.chunk.pop() {
            SMALL_DELTA => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                i64::from(delta)
            }
            LARGE_DELTA => {
                let (&delta, rest) = self.deltas.split_first_chunk()?;
                self.deltas = rest;
                i64::from(i16::from_be_bytes(delta))
            }
            _ => return Some((sequence, None)),
        };
        self.ticks += delta;
        Some((sequence, Some(self.ticks * TICK_US)))
    }
}

/// A packet status chunk, unrolled from the front.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// Symbols left, never more than the feedback has packets left.
    len: u16,
    /// Two bits each, the next one lowest. A run has one, which stays.
    symbols: u32,
    run: bool,
}

impl Chunk {
    /// `left` is how many packets are not covered yet.
    fn new(bits: u16, left: u16) -> Chunk {
        if bits & 0x8000 == 0 {
            return Chunk {
                len: (bits & 0x1fff).min(left),
                symbols: u32::from(bits >> 13 & 3),
                run: true,
            };
        }
        let (len, width) = if bits & 0x4000 == 0 { (14, 1) } else { (7, 2) };
        let mut symbols = 0;
        // The first symbol is in the highest bits.
        for index in 0..len {
            let symbol = bits >> (14 - width * (index + 1)) & ((1 << width) - 1);
            symbols |= u32::from(symbol) << (2 * index);
        }
        Chunk {
            len: len.min(left),
            symbols,
            run: false,
        }
    }

    fn pop(&mut self) -> u8 {
        let symbol = (self.symbols & 3) as u8;
        if !self.run {
            self.symbols >>= 2;
        }
        self.len -= 1;
        symbol
    }

    /// Octets of deltas that belong to it.
    fn delta_len(&self) -> usize {
        let delta_len = |symbol| match symbol {
            SMALL_DELTA => 1,
            LARGE_DELTA => 2,
            _ => 0,
        };
        if self.run {
            return usize::from(self.len) * delta_len((self.symbols & 3) as u8);
        }
        (0..self.len)
            .map(|index| delta_len((self.symbols >> (2 * index) & 3) as u8))
            .sum()
    }
}

/// Makes one running clock of the 24-bit reference times of a transport's feedback, which wrap every 12.4 days.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceClock {
    /// The highest reference so far, in units of 64 ms.
    last: Option<i64>,
}

impl ReferenceClock {
    /// `reference_time` in microseconds on a clock that does not wrap: the one nearest to the last.
    pub fn unwrap_us(&mut self, reference_time: u32) -> i64 {
        let reference_time = i64::from(reference_time & 0xff_ffff);
        let unwrapped = match self.last {
            None => reference_time,
            Some(last) => {
                let ahead = (reference_time - last) & 0xff_ffff;
                last + if ahead < 0x80_0000 { ahead } else { ahead - 0x100_0000 }
            }
        };
        self.last = Some(unwrapped);
        unwrapped * REFERENCE_US
    }
}
