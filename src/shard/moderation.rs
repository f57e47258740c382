//! Interrupt moderation, as network cards do it: an idle shard wakes at once, a busy one looks at its socket on a tick.
//!
//! Waking for a single packet costs as much as forwarding it to several people, and packets that are read together leave
//! together. So who is woken often, or has little time left, naps between two looks. After a twentieth of a second of calm the
//! next packet does not wait.

use std::time::{Duration, Instant};

/// What is decided holds for so long.
const WINDOW: Duration = Duration::from_millis(50);
/// Naps begin when there were more wakes than this in the time of a tick,
const WAKES_PER_TICK: u32 = 2;
/// or when less than this share of the time was left, in percent.
const BUSY_PERCENT: u32 = 40;
/// They go on while at least every other look finds something, or the share is half of that: who naps is not woken more often
/// than once a tick, and what is read together costs less.
const LOOKS_PER_FIND: u32 = 2;
const CALM_PERCENT: u32 = BUSY_PERCENT / 2;

/// When a shard naps.
#[derive(Debug)]
pub(super) struct Moderation {
    /// Longest nap. Zero: never.
    tick: Duration,
    window_ends: Instant,
    woke_at: Instant,
    wakes: u32,
    busy: Duration,
    naps: bool,
}

impl Moderation {
    /// Wakes at once until there is a reason not to.
    pub(super) fn new(now: Instant, tick: Duration) -> Self {
        Moderation {
            tick,
            window_ends: now + WINDOW,
            woke_at: now,
            wakes: 0,
            busy: Duration::ZERO,
            naps: false,
        }
    }

    /// A turn begins. `for_work`: somebody has sent something.
    pub(super) fn wake(&mut self, now: Instant, for_work: bool) {
        if self.tick.is_zero() {
            return;
        }
        self.woke_at = now;
        self.wakes += u32::from(for_work);
    }

    /// A turn ends: for how long the socket is left alone.
    pub(super) fn rest(&mut self, now: Instant) -> Duration {
        if self.tick.is_zero() {
            return Duration::ZERO;
        }
        self.busy += now.saturating_duration_since(self.woke_at);
        if now >= self.window_ends {
            self.decide(now);
        }
        if self.naps {
            (self.woke_at + self.tick).saturating_duration_since(now)
        } else {
            Duration::ZERO
        }
    }

    fn decide(&mut self, now: Instant) {
        let passed = WINDOW + now.saturating_duration_since(self.window_ends);
        let percent = |share: u32| self.busy * 100 >= passed * share;
        self.naps = if self.naps {
            self.tick * self.wakes * LOOKS_PER_FIND >= passed || percent(CALM_PERCENT)
        } else {
            self.tick * self.wakes >= passed * WAKES_PER_TICK || percent(BUSY_PERCENT)
        };
        self.window_ends = now + WINDOW;
        self.wakes = 0;
        self.busy = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_micros(500);

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    /// Packets come so often, and each takes so long: the longest nap of the last tenth of a second, and how many wakes there were,
    /// in a quarter of one.
    fn play(moderation: &mut Moderation, now: &mut Instant, every: Duration, work: Duration) -> (Duration, u32) {
        let begun = *now;
        let (mut rest, mut longest, mut wakes) = (Duration::ZERO, Duration::ZERO, 0);
        let mut next = begun;
        while *now < begun + us(250_000) {
            *now = (*now + rest).max(next);
            moderation.wake(*now, true);
            wakes += 1;
            while next <= *now {
                next += every;
                *now += work;
            }
            rest = moderation.rest(*now);
            if *now > begun + us(150_000) {
                longest = longest.max(rest);
            }
        }
        (longest, wakes)
    }

    #[test]
    fn who_is_woken_seldom_is_woken_at_once() {
        let mut now = Instant::now();
        let mut moderation = Moderation::new(now, TICK);
        let (rest, _) = play(&mut moderation, &mut now, us(4_000), us(200));
        assert_eq!(rest, Duration::ZERO);
    }

    #[test]
    fn who_is_woken_often_naps_and_wakes_once_a_tick_and_stops_when_it_is_calm() {
        let mut now = Instant::now();
        let mut moderation = Moderation::new(now, TICK);
        let (rest, wakes) = play(&mut moderation, &mut now, us(50), us(5));
        assert!(rest > Duration::ZERO && rest < TICK, "{rest:?}");
        assert!(wakes < 2_000, "{wakes} for 5 000 packets");
        let (rest, _) = play(&mut moderation, &mut now, us(5_000), us(5));
        assert_eq!(rest, Duration::ZERO);
    }

    #[test]
    fn who_has_little_time_left_naps_although_it_is_woken_seldom() {
        let mut now = Instant::now();
        let mut moderation = Moderation::new(now, us(1_000));
        let (rest, _) = play(&mut moderation, &mut now, us(800), us(500));
        assert!(rest > Duration::ZERO, "{rest:?}");
    }

    #[test]
    fn without_a_tick_nobody_naps() {
        let mut now = Instant::now();
        let mut moderation = Moderation::new(now, Duration::ZERO);
        assert_eq!(play(&mut moderation, &mut now, us(50), us(45)).0, Duration::ZERO);
    }
}
