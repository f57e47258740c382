//! Our own sender reports, on each seat's clock (RFC 3550 section 6.4.1), and what receivers answer.

use std::time::{Duration, Instant};

use crate::packet::rtcp::{ReportBlock, SenderInfo};

use super::TransportSlot;

/// How often each egress reports. Browsers need two reports before they can sync lips.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// A round trip longer than this is a receiver's mistake.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// One sender report to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderNumbers {
    /// Where it goes.
    pub transport: TransportSlot,
    /// The seat's SSRC.
    pub ssrc: u32,
    /// Clocks and counters.
    pub info: SenderInfo,
}

/// The round trip that a report block tells, `ntp` being now as 32.32 seconds since 1900.
pub fn round_trip(ntp: u64, block: &ReportBlock) -> Option<Duration> {
    if block.last_sr == 0 {
        return None;
    }
    let now = (ntp >> 16) as u32;
    let trip = now.wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr);
    // A clock that was set back or a lying receiver gives a large value.
    let trip = Duration::from_micros((u64::from(trip) * 1_000_000) >> 16);
    (trip <= ROUND_TRIP_MAX).then_some(trip)
}

/// A duration in 1/65536 s, as reports have it.
pub(super) fn compact(duration: Duration) -> u32 {
    let whole = duration.as_secs().min(0xffff) as u32;
    (whole << 16) | ((u64::from(duration.subsec_nanos()) << 16) / 1_000_000_000) as u32
}

/// When a source's forwarders report.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Option<Instant>,
    /// Somebody's first packet has just gone out.
    first: bool,
}

impl Schedule {
    /// A forwarder's first packet of this source goes out: its report follows at once.
    pub(super) fn begin(&mut self, now: Instant) {
        self.first = true;
        self.next.get_or_insert(now + REPORT_INTERVAL);
    }

    /// Nobody is left to report to.
    pub(super) fn end(&mut self) {
        *self = Schedule::default();
    }

    /// Whether to look for reports at all, and if so whether everyone's is due.
    pub(super) fn poll(&mut self, now: Instant) -> Option<bool> {
        let regular = self.next.is_some_and(|next| next <= now);
        if regular {
            self.next = Some(now + REPORT_INTERVAL);
        }
        (std::mem::take(&mut self.first) || regular).then_some(regular)
    }

    /// When [`Self::poll`] has something to say. `now` when it has already.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        if self.first {
            // Before now, whenever now is.
            self.next.and_then(|next| next.checked_sub(REPORT_INTERVAL))
        } else {
            self.next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_what_the_delay_leaves() {
        let sent = 0x1234_5678_9abc_def0u64;
        let block = ReportBlock {
            last_sr: (sent >> 16) as u32,
            delay_since_last_sr: compact(Duration::from_millis(250)),
            ..ReportBlock::default()
        };
        let now = sent + (350u64 << 32) / 1000;
        let trip = round_trip(now, &block).expect("plausible");
        assert!((99..=101).contains(&trip.as_millis()), "{trip:?}");
    }

    #[test]
    fn a_report_without_a_sender_report_and_a_lying_one_tell_nothing() {
        assert_eq!(round_trip(u64::MAX, &ReportBlock::default()), None);
        let block = ReportBlock {
            last_sr: 0xffff_0000,
            delay_since_last_sr: 5,
            ..ReportBlock::default()
        };
        assert_eq!(round_trip(0, &block).filter(|trip| trip.as_secs() > 1), None);
        let future = ReportBlock {
            last_sr: 10 << 16,
            ..ReportBlock::default()
        };
        assert_eq!(round_trip(9 << 32, &future), None);
    }

    #[test]
    fn ntp_wraps_in_2036_without_a_jump() {
        let sent = u64::MAX - (1 << 30);
        let block = ReportBlock {
            last_sr: (sent >> 16) as u32,
            ..ReportBlock::default()
        };
        let trip = round_trip(sent.wrapping_add(1 << 31), &block).expect("plausible");
        assert!((499..=501).contains(&trip.as_millis()), "{trip:?}");
    }

    #[test]
    fn the_first_report_is_due_at_once_and_then_every_half_second() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut schedule = Schedule::default();
        assert_eq!(schedule.poll(start), None);
        assert_eq!(schedule.poll_timeout(), None);
        schedule.begin(start);
        assert!(schedule.poll_timeout() <= Some(start));
        assert_eq!(schedule.poll(start), Some(false));
        assert_eq!(schedule.poll(start + ms(499)), None);
        assert_eq!(schedule.poll_timeout(), Some(start + ms(500)));
        assert_eq!(schedule.poll(start + ms(500)), Some(true));
        schedule.begin(start + ms(600));
        assert_eq!(schedule.poll(start + ms(600)), Some(false));
        assert_eq!(schedule.poll(start + ms(1000)), Some(true));
    }
}
