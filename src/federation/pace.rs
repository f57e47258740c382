//! When something may happen again: growing pauses, and rates.

use std::time::{Duration, Instant};

/// Something that is repeated, each pause twice as long as the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    pub(super) next: Instant,
    pause: Duration,
    max: Duration,
}

impl Repeat {
    /// Happens now, and again after `first`.
    pub(super) fn new(now: Instant, first: Duration, max: Duration) -> Self {
        Self {
            next: now + first,
            pause: first,
            max,
        }
    }

    /// If it is time: yes, and the next pause begins.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.pause = (self.pause * 2).min(self.max);
            self.next = now + self.pause;
        }
        due
    }

    /// From now on at the longest pause.
    pub(super) fn slow_down(&mut self, now: Instant) {
        if self.pause < self.max {
            self.pause = self.max;
            self.next = now + self.max;
        }
    }
}

/// An allowance that comes back with time: so many at once, then one for each `interval`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// When all of it will be back.
    full_at: Option<Instant>,
}

impl Rate {
    /// Takes one; false when there is none.
    pub(super) fn allow(&mut self, now: Instant, interval: Duration, burst: u32) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        let allowed = full_at.saturating_duration_since(now) + interval <= interval * burst;
        self.full_at = if allowed {
            Some(full_at + interval)
        } else {
            Some(full_at)
        };
        allowed
    }

    /// Is it as if nothing had been taken?
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

#[cfg(test)]
impl Repeat {
    pub(super) fn shift(&mut self, back: Duration) {
        self.next -= back;
    }
}

#[cfg(test)]
impl Rate {
    /// A full allowance is written as nothing, so that equal states look equal.
    pub(super) fn shift(&mut self, now: Instant, back: Duration) {
        self.full_at = self.full_at.filter(|at| *at > now).map(|at| at - back);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut repeat = Repeat::new(start, Duration::from_millis(250), Duration::from_secs(1));
        let due: Vec<u64> = (0..5_000).filter(|ms| repeat.is_due(at(*ms))).collect();
        assert_eq!(due, [250, 750, 1750, 2750, 3750, 4750]);
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut rate = Rate::default();
        let mut allowed = |ms| rate.allow(start + Duration::from_millis(ms), Duration::from_millis(20), 100);
        assert_eq!((0..300).filter(|_| allowed(0)).count(), 100);
        assert_eq!((1..=1000).filter(|ms| allowed(*ms)).count(), 50);
        assert_eq!((0..300).filter(|_| allowed(60_000)).count(), 100);
    }
}
