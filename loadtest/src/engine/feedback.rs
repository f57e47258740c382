//! Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), as a browser sends it.

use std::time::{Duration, Instant};

use super::rtcp;

/// How often.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
/// More is not told of in one packet: what is older than this many numbers is left out.
const NUMBERS_MAX: u64 = 1_000;
/// Units of the draft: of deltas, and of the reference time.
const DELTA_US: i64 = 250;
const REFERENCE_US: i64 = 64_000;

/// What came since the last feedback.
#[derive(Debug, Default)]
pub(super) struct Feedback {
    /// Extended number, and microseconds since the epoch.
    arrived: Vec<(u64, i64)>,
    highest: Option<u64>,
    /// The first number of the next feedback.
    next: Option<u64>,
    count: u8,
}

impl Feedback {
    pub(super) fn arrived(&mut self, now: Instant, epoch: Instant, number: u16) {
        let highest = self.highest.unwrap_or(1 << 16 | u64::from(number));
        let extended = highest.wrapping_add_signed(i64::from(number.wrapping_sub(highest as u16) as i16));
        self.highest = Some(highest.max(extended));
        let us = now.saturating_duration_since(epoch).as_micros() as i64;
        self.arrived.push((extended, us));
    }

    /// The packet, if there is anything to tell.
    pub(super) fn write(&mut self, sender: u32, media: u32, out: &mut Vec<u8>) -> bool {
        self.arrived.sort_unstable();
        self.arrived.dedup_by_key(|(number, _)| *number);
        let Some(&(last, _)) = self.arrived.last() else {
            return false;
        };
        let first = self.arrived[0]
            .0
            .min(self.next.unwrap_or(u64::MAX))
            .max(last.saturating_sub(NUMBERS_MAX));
        self.arrived.retain(|(number, _)| *number >= first);
        self.next = self.next.max(Some(last + 1));
        let earliest = self.arrived.iter().map(|(_, us)| *us).min().unwrap_or_default();
        let reference = earliest / REFERENCE_US;
        let mut symbols: Vec<u8> = Vec::with_capacity((last - first + 1) as usize);
        let mut deltas = Vec::new();
        let (mut at, mut before) = (self.arrived.iter().peekable(), reference * REFERENCE_US);
        for number in first..=last {
            if at.peek().is_none_or(|(next, _)| *next != number) {
                symbols.push(0);
                continue;
            }
            let Some((_, us)) = at.next() else { break };
            let delta = ((us - before) / DELTA_US).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
            before += delta * DELTA_US;
            if let Ok(small) = u8::try_from(delta) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend((delta as i16).to_be_bytes());
            }
        }
        self.arrived.clear();
        rtcp::begin(out, 15, rtcp::TRANSPORT_FEEDBACK);
        out.extend(sender.to_be_bytes());
        out.extend(media.to_be_bytes());
        out.extend((first as u16).to_be_bytes());
        out.extend((symbols.len() as u16).to_be_bytes());
        out.extend(&(reference as u32).to_be_bytes()[1..]);
        out.push(self.count);
        self.count = self.count.wrapping_add(1);
        for chunk in symbols.chunks(7) {
            // A vector of seven symbols of two bits.
            let mut word = 0b11_u16 << 14;
            for (at, symbol) in chunk.iter().enumerate() {
                word |= u16::from(*symbol) << (12 - 2 * at);
            }
            out.extend(word.to_be_bytes());
        }
        out.extend(deltas);
        rtcp::finish(out);
        true
    }
}

#[cfg(test)]
mod tests {
    use enfilade::packet::rtcp::{RtcpBlock, blocks};

    use super::*;

    #[test]
    fn a_server_reads_what_came_and_when() {
        let epoch = Instant::now();
        let mut feedback = Feedback::default();
        // Around the wrap of numbers; one is missing, one is late, one comes after a pause.
        let came = [(65_534_u16, 100), (65_535, 101), (1, 103), (0, 104), (3, 900)];
        for (number, ms) in came {
            feedback.arrived(epoch + Duration::from_millis(ms), epoch, number);
        }
        let mut packet = Vec::new();
        assert!(feedback.write(1, 2, &mut packet));
        let Some(RtcpBlock::TransportCc(told)) = blocks(&packet).next() else {
            panic!("not read as feedback: {packet:?}");
        };
        let reference_ms = i64::from(told.reference_time) * 64;
        let read: Vec<(u16, Option<i64>)> = told
            .arrivals()
            .map(|(number, us)| (number, us.map(|us| reference_ms + (us + 500) / 1_000)))
            .collect();
        let expected = [
            (65_534, Some(100)),
            (65_535, Some(101)),
            (0, Some(104)),
            (1, Some(103)),
            (2, None),
            (3, Some(900)),
        ];
        assert_eq!(read, expected);
        assert!(!feedback.write(1, 2, &mut packet), "nothing new");
        feedback.arrived(epoch + Duration::from_millis(950), epoch, 6);
        assert!(feedback.write(1, 2, &mut packet));
        let Some(RtcpBlock::TransportCc(told)) = blocks(&packet).next() else {
            panic!("not read as feedback");
        };
        assert_eq!(told.arrivals().map(|(number, _)| number).collect::<Vec<_>>(), [4, 5, 6]);
    }
}
