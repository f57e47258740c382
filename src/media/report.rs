//! Our own sender reports, on each seat's clock (RFC 3550 section 6.4.1), and what receivers answer.

use std::time::Duration;

use crate::packet::rtcp::{ReportBlock, SenderInfo};

use super::TransportSlot;

/// A round trip longer than this is a receiver's mistake.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(10);

/// One sender report to send. A regular one goes twice a second: browsers need two before they can sync lips.
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
}
