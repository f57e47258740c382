//! How much may leave a path at once: a token bucket at the pacing rate, kept as one moment in time.

use std::time::{Duration, Instant};

/// What may leave at once after a pause: as much as drains in this time, so that most frames leave in one burst. The pacing rate
/// is 1.5 times what the path is thought to carry: there a burst stands for 30 ms at most, and so long may a voice behind it wait.
const BURST_TIME: Duration = Duration::from_millis(20);
/// But never less than three full packets, or small frames of a slow path would be taken apart.
const BURST_BYTES_MIN: usize = 3 * 1_250;
/// What never waits (audio, probes) is counted, but delays the rest by no more than this beyond a burst.
const DEBT_MAX: Duration = Duration::from_millis(100);
/// Slower than any estimate; only to divide by.
const RATE_MIN_BPS: u64 = 8_000;

/// Lets packets leave at a rate, with bursts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    bps: u64,
    /// When all that has left will have drained, at the rate.
    drained: Instant,
    burst: Duration,
}

impl Pacer {
    /// Nothing has left yet.
    pub(super) fn new(now: Instant, bps: u64) -> Self {
        let mut pacer = Pacer {
            bps: bps.max(RATE_MIN_BPS),
            drained: now,
            burst: BURST_TIME,
        };
        pacer.burst = BURST_TIME.max(pacer.time(BURST_BYTES_MIN));
        pacer
    }

    /// Another rate from now on. What has left before drains at it, too.
    pub(super) fn set_rate(&mut self, now: Instant, bps: u64) {
        let left = self.drained.saturating_duration_since(now);
        let mut pacer = Pacer::new(now, bps);
        pacer.drained += left
            .mul_f64(self.bps as f64 / pacer.bps as f64)
            .min(pacer.burst + DEBT_MAX);
        *self = pacer;
    }

    /// Whether so many bytes may leave now; if so they are counted.
    #[inline]
    pub(super) fn take(&mut self, now: Instant, bytes: usize) -> bool {
        let drained = self.drained.max(now) + self.time(bytes);
        let fits = drained <= now + self.burst;
        if fits {
            self.drained = drained;
        }
        fits
    }

    /// So many bytes leave now, whether they fit or not.
    #[inline]
    pub(super) fn spend(&mut self, now: Instant, bytes: usize) {
        let drained = self.drained.max(now) + self.time(bytes);
        self.drained = drained.min(now + self.burst + DEBT_MAX);
    }

    /// When so many bytes may leave.
    pub(super) fn ready(&self, bytes: usize) -> Instant {
        let ahead = self.drained + self.time(bytes);
        ahead.checked_sub(self.burst).unwrap_or(self.drained)
    }

    /// How many bytes leave in a time.
    pub(super) fn bytes_in(&self, time: Duration) -> usize {
        (self.bps as u128 * time.as_micros() / 8_000_000) as usize
    }

    #[inline]
    fn time(&self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 8_000_000_000 / self.bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// How many packets of this size leave in a second, looked at every millisecond, after a pause.
    fn in_a_second(pacer: &mut Pacer, start: Instant, bytes: usize) -> usize {
        (0..1000)
            .map(|ms| (0..).take_while(|_| pacer.take(start + MS * ms, bytes)).count())
            .sum()
    }

    #[test]
    fn the_rate_is_kept_and_a_pause_saves_up_no_more_than_a_burst() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 8_000_000);
        assert_eq!(in_a_second(&mut pacer, start, 1_000), 999 + 20);
        let later = start + MS * 60_000;
        assert_eq!((0..).take_while(|_| pacer.take(later, 1_000)).count(), 20);
        assert!(!pacer.take(later, 1_000));
        assert_eq!(pacer.ready(1_000), later + MS);
        assert!(pacer.take(later + MS, 1_000));
    }

    #[test]
    fn however_slow_the_path_three_packets_leave_together() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now, 100_000);
        assert_eq!((0..).take_while(|_| pacer.take(now, 1_250)).count(), 3);
        assert_eq!(pacer.ready(1_250), now + MS * 100);
    }

    #[test]
    fn what_never_waits_delays_the_rest_but_not_forever() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now, 1_000_000);
        pacer.spend(now, 3_750);
        assert!(!pacer.take(now, 125));
        assert_eq!(pacer.ready(125), now + MS);
        pacer.spend(now, 1_000_000);
        assert_eq!(pacer.ready(125), now + DEBT_MAX + MS);
    }

    #[test]
    fn a_new_rate_holds_for_what_has_left_before() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now, 4_000_000);
        assert!(pacer.take(now, 10_000));
        pacer.set_rate(now, 8_000_000);
        assert!(pacer.take(now, 10_000), "twice as much drains in the time");
        assert!(!pacer.take(now, 1));
        pacer.set_rate(now, 0);
        assert!(!pacer.take(now, 1));
    }
}
