//! A subscriber: reports what arrived as libwebrtc does, and counts what a person would notice.

use enfilade::packet::rtcp::{ReportBlock, write};

use crate::voice::{Listener, Voice};

/// libwebrtc reports every 50 to 250 ms, such that reports take 5 % of the bitrate: every 100 ms at first, every 50 ms
/// from some 0.4 Mb/s on.
const INTERVAL_MS: u64 = 100;
const INTERVAL_BUSY_MS: u64 = 50;
const BUSY_PACKETS: usize = 4;
/// Receiver reports come each second.
const RECEIVER_REPORT_MS: u64 = 1_000;

#[derive(Default)]
pub(crate) struct Receiver {
    /// Extended number, arrival in milliseconds; what the next report tells, ascending by number.
    arrivals: Vec<(u64, u64)>,
    highest: Option<u64>,
    /// The first number that no report has covered.
    next: u64,
    next_report_ms: u64,
    busy: bool,
    count: u8,
    /// Where the receiver's clock stands at time 0.
    clock_offset_ms: u64,
    seen: std::collections::HashSet<u64>,
    /// Payload bytes per 100 ms, and audio packets.
    pub(crate) received_bytes: Vec<u64>,
    pub(crate) audio_received: u64,
    /// When the last came, and the longest time without.
    audio_ms: Option<u64>,
    pub(crate) audio_gap_ms: u64,
    pub(crate) listener: Listener,
    next_receiver_report_ms: u64,
    /// As of the last receiver report: highest number, packets received since.
    reported: u64,
    received: u64,
}

impl Receiver {
    pub(crate) fn new(clock_offset_ms: u64) -> Self {
        Receiver {
            clock_offset_ms,
            ..Receiver::default()
        }
    }

    pub(crate) fn receive(&mut self, now_ms: u64, sequence: u16, bytes: usize, voice: Option<Voice>) {
        let highest = self.highest.unwrap_or(u64::from(sequence) + (1 << 16));
        let off = sequence.wrapping_sub(highest as u16) as i16;
        let number = highest.saturating_add_signed(i64::from(off));
        if self.highest.is_none() {
            self.next = number;
            self.reported = number - 1;
        }
        self.highest = Some(highest.max(number));
        if !self.seen.insert(number) {
            return;
        }
        self.received += 1;
        let slot = (now_ms / 100) as usize;
        if self.received_bytes.len() <= slot {
            self.received_bytes.resize(slot + 1, 0);
        }
        self.received_bytes[slot] += bytes as u64;
        if let Some(voice) = voice {
            self.audio_received += 1;
            self.listener.receive(voice);
            if let Some(last_ms) = self.audio_ms.replace(now_ms) {
                self.audio_gap_ms = self.audio_gap_ms.max(now_ms - last_ms);
            }
        }
        let at = self.arrivals.partition_point(|(other, _)| *other < number);
        self.arrivals.insert(at, (number, now_ms));
        if self.seen.len() > 40_000 {
            let low = self.highest.unwrap_or_default().saturating_sub(10_000);
            self.seen.retain(|number| *number >= low);
        }
    }

    pub(crate) fn poll(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if now_ms < self.next_report_ms || self.arrivals.is_empty() {
            return None;
        }
        self.busy = self.arrivals.len() >= BUSY_PACKETS;
        self.next_report_ms = now_ms + if self.busy { INTERVAL_BUSY_MS } else { INTERVAL_MS };
        let first = self.arrivals[0].0;
        let mut packets = Vec::new();
        // What was lost since the last report begins this one.
        if self.next < first && first - self.next < 1_000 {
            packets.push((self.next as u16, None));
        }
        for (number, at_ms) in self.arrivals.drain(..) {
            packets.push((number as u16, Some((at_ms + self.clock_offset_ms) * 1000)));
            self.next = self.next.max(number + 1);
        }
        let mut compound = Vec::new();
        if now_ms >= self.next_receiver_report_ms {
            self.next_receiver_report_ms = now_ms + RECEIVER_REPORT_MS;
            self.report(&mut compound);
        }
        let mut rest = packets.as_slice();
        while !rest.is_empty() {
            let reported = write::transport_cc(&mut compound, 1, 2, self.count, rest);
            if reported == 0 {
                break;
            }
            self.count = self.count.wrapping_add(1);
            rest = &rest[reported..];
        }
        Some(compound)
    }

    /// What was lost since the last receiver report, of all that was sent: as if it were one stream.
    fn report(&mut self, compound: &mut Vec<u8>) {
        let highest = self.highest.unwrap_or_default();
        let expected = highest - self.reported;
        let lost = expected.saturating_sub(self.received);
        (self.reported, self.received) = (highest, 0);
        let report = ReportBlock {
            ssrc: 2,
            fraction_lost: (256 * lost / expected.max(1)).min(255) as u8,
            cumulative_lost: 0,
            extended_highest_sequence: highest as u32,
            jitter: 0,
            last_sr: 0,
            delay_since_last_sr: 0,
        };
        write::receiver_report(compound, 1, &[report]);
    }

    /// Bits per second of UDP payload that arrived.
    pub(crate) fn rate_bps(&self, from_ms: u64, to_ms: u64) -> f64 {
        let (from, to) = ((from_ms / 100) as usize, (to_ms / 100) as usize);
        let bytes: u64 = (from..to).filter_map(|slot| self.received_bytes.get(slot)).sum();
        bytes as f64 * 8_000.0 / (to_ms - from_ms) as f64
    }
}
