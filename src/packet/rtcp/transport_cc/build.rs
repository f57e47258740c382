use super::super::write::block;
use super::super::{FMT_TRANSPORT_CC, TRANSPORT_FEEDBACK};
use super::{FIXED_LEN, LARGE_DELTA, NOT_RECEIVED, REFERENCE_TICKS, SMALL_DELTA, TICK_US};

/// No feedback block is longer than this, in octets: it shares a datagram with other blocks and the SRTCP trailer.
pub const MAX_TRANSPORT_CC_LEN: usize = 1100;

/// A run's length has 13 bits.
const MAX_RUN: u16 = 0x1fff;

/// Appends one feedback block that reports `packets`: transport-wide sequence numbers, ascending with wraparound, each
/// with its arrival in microseconds on any clock that starts at 0, or `None`. Numbers left out are reported as not arrived.
///
/// Returns how many of `packets` the block reports. The rest, when a delta or the block would not fit, goes in a next call
/// with the next `feedback_count`. Zero, and nothing written, means that nothing in `packets` has arrived: a loss is
/// only known by a later arrival.
pub fn transport_cc(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    media_ssrc: u32,
    feedback_count: u8,
    packets: &[(u16, Option<u64>)],
) -> usize {
    let Some(&(base_sequence, _)) = packets.first() else {
        return 0;
    };
    let Some(first_arrival) = packets.iter().find_map(|(_, arrival)| *arrival) else {
        return 0;
    };
    let reference_ticks = ticks(first_arrival) / REFERENCE_TICKS * REFERENCE_TICKS;
    let reference = (reference_ticks / REFERENCE_TICKS).to_be_bytes();
    let mut reported = Reported::default();
    block(out, TRANSPORT_FEEDBACK, |out| {
        let start = out.len();
        out.extend_from_slice(&sender_ssrc.to_be_bytes());
        out.extend_from_slice(&media_ssrc.to_be_bytes());
        out.extend_from_slice(&base_sequence.to_be_bytes());
        // The count, known at the end.
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&reference[5..]);
        out.push(feedback_count);

        reported = put_chunks(out, packets, reference_ticks);
        out[start + 10..start + 12].copy_from_slice(&reported.statuses.to_be_bytes());

        for delta in Deltas::new(&packets[..reported.packets], reference_ticks) {
            match u8::try_from(delta) {
                Ok(small) => out.push(small),
                Err(_) => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        out.resize(start + (out.len() - start).next_multiple_of(4), 0);
        FMT_TRANSPORT_CC
    });
    reported.packets
}

fn ticks(arrival_us: u64) -> i64 {
    // A clock in microseconds that starts at 0 gets to 2^63 after 292,000 years.
    i64::try_from(arrival_us).unwrap_or(i64::MAX) / TICK_US
}

/// The deltas of those packets that arrived, up to the first too large for 16 bits.
struct Deltas<'p> {
    packets: std::slice::Iter<'p, (u16, Option<u64>)>,
    last: i64,
}

impl<'p> Deltas<'p> {
    fn new(packets: &'p [(u16, Option<u64>)], reference_ticks: i64) -> Self {
        Deltas {
            packets: packets.iter(),
            last: reference_ticks,
        }
    }
}

impl Iterator for Deltas<'_> {
    type Item = i16;

    fn next(&mut self) -> Option<i16> {
        let arrival = ticks(self.packets.find_map(|(_, arrival)| *arrival)?);
        let delta = i16::try_from(arrival - self.last).ok()?;
        self.last = arrival;
        Some(delta)
    }
}

#[derive(Default)]
struct Reported {
    packets: usize,
    statuses: u16,
}

/// Appends the chunks for as many packets as fit together with their deltas.
fn put_chunks(out: &mut Vec<u8>, packets: &[(u16, Option<u64>)], reference_ticks: i64) -> Reported {
    let chunks_start = out.len();
    let mut deltas = Deltas::new(packets, reference_ticks);
    let mut delta_len = 0;
    let mut open = OpenChunk::default();
    let mut reported = Reported::default();
    let mut next_sequence = packets.first().map_or(0, |(sequence, _)| *sequence);
    for &(sequence, arrival) in packets {
        let gap = sequence.wrapping_sub(next_sequence);
        // Behind its predecessor, or beyond what the count can say.
        if gap >= 0x8000 || u32::from(reported.statuses) + u32::from(gap) + 1 > u32::from(u16::MAX) {
            break;
        }
        let (symbol, len) = match arrival {
            None => (NOT_RECEIVED, 0),
            Some(_) => match deltas.next() {
                None => break,
                Some(0..=255) => (SMALL_DELTA, 1),
                Some(_) => (LARGE_DELTA, 2),
            },
        };
        // The gap takes at most five runs and the open chunk at most three, of two octets each; the block has a header.
        let chunks_len = out.len() - chunks_start;
        if 4 + FIXED_LEN + chunks_len + 16 + delta_len + len > MAX_TRANSPORT_CC_LEN {
            break;
        }
        for _ in 0..gap {
            open.push(NOT_RECEIVED, out);
        }
        open.push(symbol, out);
        delta_len += len;
        next_sequence = sequence.wrapping_add(1);
        reported.packets += 1;
        reported.statuses += gap + 1;
    }
    open.close(out);
    reported
}

/// The chunk being filled: symbols that still may become a run, 14 of one bit, or 7 of two bits.
#[derive(Default)]
struct OpenChunk {
    /// The first 14; a longer chunk is a run of the first.
    symbols: [u8; 14],
    len: u16,
    mixed: bool,
    large: bool,
}

impl OpenChunk {
    fn push(&mut self, symbol: u8, out: &mut Vec<u8>) {
        if !self.accepts(symbol) {
            self.emit(out);
        }
        if let Some(slot) = self.symbols.get_mut(usize::from(self.len)) {
            *slot = symbol;
        }
        self.mixed |= symbol != self.symbols[0];
        self.large |= symbol == LARGE_DELTA;
        self.len += 1;
    }

    fn accepts(&self, symbol: u8) -> bool {
        let same = !self.mixed && self.symbols[0] == symbol;
        match self.len {
            0..7 => true,
            7..14 => same || !(self.large || symbol == LARGE_DELTA),
            _ => same && self.len < MAX_RUN,
        }
    }

    /// Writes a full chunk and keeps the symbols that did not go into it.
    fn emit(&mut self, out: &mut Vec<u8>) {
        let written = if !self.mixed {
            out.extend_from_slice(&(u16::from(self.symbols[0]) << 13 | self.len).to_be_bytes());
            self.len
        } else if self.len == 14 {
            out.extend_from_slice(&self.vector(0x8000, 14, 1));
            14
        } else {
            out.extend_from_slice(&self.vector(0xc000, 7, 2));
            self.len.min(7)
        };
        let kept = usize::from(self.len - written);
        let mut rest = OpenChunk::default();
        for &symbol in self.symbols.iter().skip(usize::from(written)).take(kept) {
            rest.symbols[usize::from(rest.len)] = symbol;
            rest.mixed |= symbol != rest.symbols[0];
            rest.large |= symbol == LARGE_DELTA;
            rest.len += 1;
        }
        *self = rest;
    }

    /// The symbols past `len` are those of "not received", which readers pass over.
    fn vector(&self, kind: u16, count: u16, width: u16) -> [u8; 2] {
        let mut bits = kind;
        for (index, &symbol) in (0..count.min(self.len)).zip(&self.symbols) {
            bits |= u16::from(symbol) << (14 - width * (index + 1));
        }
        bits.to_be_bytes()
    }

    /// Writes what is left.
    fn close(mut self, out: &mut Vec<u8>) {
        if self.mixed && !self.large && self.len > 7 {
            out.extend_from_slice(&self.vector(0x8000, 14, 1));
            return;
        }
        while self.len > 0 {
            self.emit(out);
        }
    }
}
