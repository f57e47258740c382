//! Feedback to publishers about what arrived: transport-wide arrival times, or REMB for those without.
//!
//! Without either a browser stays at its start bitrate and never sends its highest simulcast encoding.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::packet::rtcp::write;

/// Time between two reports; the shorter one on busy transports, as libwebrtc does within 5 % of the bitrate.
const INTERVAL: Duration = Duration::from_millis(100);
const INTERVAL_BUSY: Duration = Duration::from_millis(50);

/// More packets than this in a report make a transport busy: some 5 Mb/s.
const BUSY_PACKETS: usize = 50;

/// Arrivals kept for the next report. 50 ms of 400 Mb/s; beyond it the oldest are not reported.
const ARRIVALS_MAX: usize = 2000;

/// A gap in transport-wide numbers wider than this is not reported as loss, but as a new start.
const GAP_MAX: u64 = 2000;

/// Records transport-wide sequence numbers of one publishing transport
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01): one counter across all its SSRCs.
#[derive(Debug, Default)]
pub struct ArrivalRecorder {
    epoch: Option<Instant>,
    /// Extended numbers and arrival in microseconds since the epoch, ascending by number.
    arrivals: VecDeque<(u64, u64)>,
    highest: u64,
    /// The first number that no report has covered yet.
    next: Option<u64>,
    media_ssrc: u32,
    count: u8,
    due: Option<Instant>,
    busy: bool,
    /// Reused for every report.
    scratch: Vec<(u16, Option<u64>)>,
}

impl ArrivalRecorder {
    /// An authenticated packet with this number arrived on `ssrc`.
    pub fn record(&mut self, now: Instant, sequence: u16, ssrc: u32) {
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => {
                self.epoch = Some(now);
                // One cycle up, so that packets from before the first have numbers too.
                self.highest = u64::from(sequence) + (1 << 16);
                now
            }
        };
        let off = sequence.wrapping_sub(self.highest as u16) as i16;
        let Some(number) = self.highest.checked_add_signed(i64::from(off)) else {
            return;
        };
        self.highest = self.highest.max(number);
        self.media_ssrc = ssrc;
        let arrival = now.saturating_duration_since(epoch).as_micros() as u64;
        match self.arrivals.back() {
            Some((last, _)) if *last >= number => {
                match self.arrivals.binary_search_by_key(&number, |(number, _)| *number) {
                    Ok(_) => return,
                    Err(at) => self.arrivals.insert(at, (number, arrival)),
                }
            }
            Some(_) | None => self.arrivals.push_back((number, arrival)),
        }
        if self.arrivals.len() > ARRIVALS_MAX {
            self.arrivals.pop_front();
        }
        let interval = if self.busy { INTERVAL_BUSY } else { INTERVAL };
        self.due.get_or_insert(now + interval);
    }

    /// Appends the report that is due to a compound, as one or more blocks. False when none is.
    pub fn poll(&mut self, now: Instant, sender_ssrc: u32, compound: &mut Vec<u8>) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        let Some(&(first, _)) = self.arrivals.front() else {
            return false;
        };
        self.scratch.clear();
        // What was lost since the last report begins this one.
        if let Some(next) = self.next.filter(|next| *next < first && first - next < GAP_MAX) {
            self.scratch.push((next as u16, None));
        }
        let mut previous = first;
        for (number, arrival) in self.arrivals.drain(..) {
            if number - previous >= GAP_MAX {
                // Too far for one report: what came before is old enough to be left out.
                self.scratch.clear();
            }
            previous = number;
            self.scratch.push((number as u16, Some(arrival)));
        }
        self.next = Some(self.next.unwrap_or_default().max(previous + 1));
        self.busy = self.scratch.len() > BUSY_PACKETS;
        let mut rest = self.scratch.as_slice();
        while !rest.is_empty() {
            let reported = write::transport_cc(compound, sender_ssrc, self.media_ssrc, self.count, rest);
            if reported == 0 {
                break;
            }
            self.count = self.count.wrapping_add(1);
            rest = rest.get(reported..).unwrap_or_default();
        }
        true
    }

    /// When [`Self::poll`] has a report.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

/// How often a REMB is repeated.
const REMB_INTERVAL: Duration = Duration::from_secs(1);

/// Enough for three simulcast encodings of 720p: what a publisher may use before we know anything.
const REMB_FLOOR_BPS: u64 = 5_000_000;

/// A bitrate for publishers without transport-wide feedback: generous, since we do not estimate their path. It
/// lets them rise to twice what they send now, up to a cap.
#[derive(Debug)]
pub struct Remb {
    max_bps: u64,
    octets: u64,
    since: Option<Instant>,
}

impl Remb {
    /// Never allows more than `max_bps` bits per second.
    pub fn new(max_bps: u64) -> Self {
        Remb {
            max_bps,
            octets: 0,
            since: None,
        }
    }

    /// A packet of so many octets arrived. The first makes a REMB due at once.
    pub fn receive(&mut self, octets: usize) {
        self.octets += octets as u64;
    }

    /// The bitrate to send, when it is time for one.
    pub fn poll(&mut self, now: Instant) -> Option<u64> {
        if self.octets == 0 {
            return None;
        }
        let rate = match self.since {
            None => 0,
            Some(since) => {
                let elapsed = now.saturating_duration_since(since);
                if elapsed < REMB_INTERVAL {
                    return None;
                }
                self.octets.saturating_mul(8_000) / (elapsed.as_millis() as u64).max(1)
            }
        };
        self.since = Some(now);
        self.octets = 0;
        Some(rate.saturating_mul(2).max(REMB_FLOOR_BPS).min(self.max_bps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::rtcp::{RtcpBlock, blocks};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The statuses of all reports in a compound.
    fn read(compound: &[u8]) -> Vec<(u16, bool)> {
        let mut all = Vec::new();
        for block in blocks(compound) {
            let RtcpBlock::TransportCc(feedback) = block else {
                panic!("{block:?}")
            };
            all.extend(feedback.arrivals().map(|arrival| (arrival.0, arrival.1.is_some())));
        }
        all
    }

    #[test]
    fn numbers_wrap_and_losses_between_reports_are_told() {
        let (mut recorder, start, mut compound) = (ArrivalRecorder::default(), Instant::now(), Vec::new());
        for (at, sequence) in [(0, 65_526u16), (1, 65_527), (3, 65_529)] {
            recorder.record(start + ms(at), sequence, 5);
        }
        assert!(!recorder.poll(start + ms(99), 1, &mut compound));
        assert!(recorder.poll(start + ms(100), 1, &mut compound));
        assert_eq!(
            read(&compound),
            [(65_526, true), (65_527, true), (65_528, false), (65_529, true)]
        );
        compound.clear();
        recorder.record(start + ms(120), 2, 5);
        recorder.record(start + ms(121), 65_535, 5);
        assert!(recorder.poll(start + ms(220), 1, &mut compound));
        let told = read(&compound);
        assert_eq!(told.first(), Some(&(65_530, false)));
        assert_eq!(told.last(), Some(&(2, true)));
        assert_eq!(told.iter().filter(|(_, arrived)| *arrived).count(), 2);
        assert_eq!(recorder.poll_timeout(), None);
    }

    #[test]
    fn a_busy_transport_reports_twice_as_often() {
        let (mut recorder, start, mut compound) = (ArrivalRecorder::default(), Instant::now(), Vec::new());
        let mut reports = 0;
        for at in 0..1000u64 {
            recorder.record(start + ms(at), at as u16, 5);
            reports += usize::from(recorder.poll(start + ms(at), 1, &mut compound));
        }
        assert!((10..=20).contains(&reports), "{reports}");
        assert!(read(&compound).iter().all(|(_, arrived)| *arrived));
    }

    #[test]
    fn a_leap_in_the_numbers_is_a_new_start_and_a_flood_is_bounded() {
        let (mut recorder, start, mut compound) = (ArrivalRecorder::default(), Instant::now(), Vec::new());
        recorder.record(start, 10, 5);
        recorder.record(start, 20_000, 5);
        assert!(recorder.poll(start + ms(100), 1, &mut compound));
        assert_eq!(read(&compound), [(20_000, true)]);
        for number in 0..30_000u32 {
            recorder.record(start + ms(200), number as u16, 5);
        }
        assert!(recorder.arrivals.len() <= ARRIVALS_MAX);
    }

    #[test]
    fn remb_comes_with_the_first_packet_and_leaves_room_to_rise() {
        let (mut remb, start) = (Remb::new(20_000_000), Instant::now());
        assert_eq!(remb.poll(start), None);
        remb.receive(1000);
        assert_eq!(remb.poll(start), Some(REMB_FLOOR_BPS));
        remb.receive(500_000);
        assert_eq!(remb.poll(start + ms(999)), None);
        assert_eq!(remb.poll(start + ms(1000)), Some(8_000_000));
        remb.receive(50_000_000);
        assert_eq!(remb.poll(start + ms(2000)), Some(20_000_000));
    }
}
