//! How much to send: up by a little while the path is quiet, down to what it delivered when a queue grows.
//!
//! GCC's rate controller (draft-ietf-rmcat-gcc-02 section 5.5, libwebrtc `aimd_rate_control`), with two differences. Near
//! the capacity remembered it rises by a rate that does not depend on the round trip, so that near and far subscribers of
//! one bottleneck get alike; and while media does not fill the estimate it stands still, in both directions.
//!
//! A queue that another flow fills until it overflows (TCP's) stays whatever we do. While it is there, it is not heeded:
//! the rate rises as if there were none, and losses cut it ([`super::loss`]), as they do the other flow's.

use super::delay::Trend;
use super::window::Rates;

/// What is left of the delivered rate when a queue grows (GCC section 5.5: between 0.8 and 0.95), so that it drains.
const BACK_OFF: f64 = 0.85;
/// And when the queue is long.
const BACK_OFF_LONG: f64 = 0.7;
/// Growth per second while the capacity is not known (GCC section 5.5).
const RISE_FAR: f64 = 1.08;
/// Growth per second near the capacity known, at 1 Mb/s; elsewhere with a small power of the rate. Growth that hardly
/// depends on the rate, cuts that are proportional: flows that share a bottleneck come to equal shares.
const RISE_NEAR_BPS: f64 = 50_000.0;
const RISE_NEAR_POWER: f64 = 0.15;
/// Not further above what is sent than this, since nothing is known about there (GCC section 5.5).
const ABOVE_SENT: f64 = 1.5;
const ABOVE_SENT_BPS: f64 = 10_000.0;
/// Less than this share of the estimate sent is too little to learn from.
const APPLICATION_LIMITED: f64 = 0.85;
/// A queue longer than this does not let the estimate rise. Shorter ones are those of bursts.
const QUEUE_QUIET_US: i64 = 60_000;

/// The least a call needs: cuts go no lower before the path is shown to carry less. A queue that another flow fills, and
/// that stays whatever we send, would take us to nothing.
pub(super) const CALL_BPS: f64 = 150_000.0;
/// It carries less when less than this share of what is sent has arrived for so long.
const SHORT: f64 = 0.9;
const SHORT_US: i64 = 4_000_000;
/// While the queue is another's, arriving with less than this share is still a reason to cut.
const SHORT_SHARED: f64 = 0.75;

/// What the controller did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Held,
    Raised,
    /// Down to what the path delivers.
    Cut,
}

/// What is to be known for a decision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub trend: Trend,
    pub queue_us: i64,
    /// Over half a second.
    pub rates: Rates,
    /// Bits per second that a path delivers that has a queue.
    pub delivered_bps: f64,
    /// Share of packets that the path loses whatever is sent.
    pub inherent_loss: f64,
    /// Whether the queue is another's, so that waiting for it to drain is vain.
    pub shared: bool,
    /// Losses allow no more. `Some` also while an experiment is made with the rate.
    pub most_bps: Option<f64>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct RateControl {
    bps: f64,
    capacity: Capacity,
    last_update_us: Option<i64>,
    application_limited: bool,
    /// Since when less arrives than is sent.
    short_since_us: Option<i64>,
    /// The path carries less than a call needs.
    narrow: bool,
}

impl RateControl {
    pub(super) fn new(start_bps: f64) -> Self {
        RateControl {
            bps: start_bps,
            capacity: Capacity::default(),
            last_update_us: None,
            application_limited: false,
            short_since_us: None,
            narrow: false,
        }
    }

    pub(super) fn bps(&self) -> f64 {
        self.bps
    }

    /// Less is sent than could be.
    pub(super) fn is_application_limited(&self) -> bool {
        self.application_limited
    }

    /// Cuts that queues ask for go no lower.
    pub(super) fn floor_bps(&self) -> f64 {
        if self.narrow { 0.0 } else { CALL_BPS.min(self.bps) }
    }

    /// Something else knows better.
    pub(super) fn set(&mut self, bps: f64) {
        self.bps = bps;
    }

    /// A probe got through at this rate.
    pub(super) fn raise_to(&mut self, bps: f64) {
        if bps > self.bps {
            if self.capacity.is_below(bps) {
                self.capacity = Capacity::default();
            }
            self.bps = bps;
        }
    }

    /// The path showed that it carries this and no more.
    pub(super) fn is_full_at(&mut self, bps: f64) {
        self.capacity.record(bps);
    }

    /// After each feedback.
    pub(super) fn update(&mut self, now_us: i64, conditions: &Conditions) -> Move {
        let elapsed_s = self
            .last_update_us
            .map_or(0.0, |last| ((now_us - last) as f64 / 1e6).clamp(0.0, 0.5));
        self.last_update_us = Some(now_us);
        self.application_limited = conditions.rates.sent_bps < APPLICATION_LIMITED * self.bps;
        let passed = conditions.rates.arrived_bps
            / (1.0 - conditions.inherent_loss).max(0.1)
            / conditions.rates.sent_bps.max(1.0);
        if passed >= SHORT {
            self.short_since_us = None;
        } else {
            let since = *self.short_since_us.get_or_insert(now_us);
            self.narrow |= now_us - since > SHORT_US;
        }
        self.narrow &= conditions.rates.arrived_bps < CALL_BPS;
        match conditions.trend {
            Trend::Growing | Trend::Standing if !conditions.shared || passed < SHORT_SHARED => self.cut(conditions),
            // Full, and of no use to anybody.
            Trend::Steady if conditions.shared && self.narrow && passed < SHORT => self.cut(conditions),
            Trend::Shrinking => Move::Held,
            Trend::Unknown | Trend::Steady | Trend::Growing | Trend::Standing => {
                if self.application_limited || (conditions.queue_us > QUEUE_QUIET_US && !conditions.shared) {
                    return Move::Held;
                }
                self.raise(elapsed_s, conditions)
            }
        }
    }

    fn cut(&mut self, conditions: &Conditions) -> Move {
        // What a path loses at random it would have delivered.
        let delivered = conditions.delivered_bps / (1.0 - conditions.inherent_loss).max(0.1);
        self.capacity.record(delivered);
        // A long queue is to be gone in a second or so.
        let drain = 1.0 - conditions.queue_us as f64 / 1e6;
        let target = (delivered * drain.clamp(BACK_OFF_LONG, BACK_OFF)).max(self.floor_bps());
        if target >= self.bps {
            return Move::Held;
        }
        self.bps = target;
        Move::Cut
    }

    fn raise(&mut self, elapsed_s: f64, conditions: &Conditions) -> Move {
        if self.capacity.is_below(conditions.rates.arrived_bps) {
            self.capacity = Capacity::default();
        }
        let raised = if self.capacity.is_near(self.bps) {
            self.bps + RISE_NEAR_BPS * (self.bps / 1e6).powf(RISE_NEAR_POWER) * elapsed_s
        } else {
            self.bps * RISE_FAR.powf(elapsed_s)
        };
        let most =
            (ABOVE_SENT * conditions.rates.sent_bps + ABOVE_SENT_BPS).min(conditions.most_bps.unwrap_or(f64::MAX));
        if raised.min(most) <= self.bps {
            return Move::Held;
        }
        self.bps = raised.min(most);
        Move::Raised
    }
}

/// What was delivered whenever a queue grew: the capacity, as far as it is ours (libwebrtc `link_capacity_estimator`).
#[derive(Clone, Copy, Debug, Default)]
struct Capacity {
    /// Smoothed, in kb/s, and its variance divided by it.
    kbps: Option<f64>,
    variance: f64,
}

/// Weight of the newest.
const CAPACITY_WEIGHT: f64 = 0.05;
/// The variance, divided by the mean, in kb/s: at 1 Mb/s a deviation of 20 to 50 kb/s.
const CAPACITY_VARIANCE: std::ops::RangeInclusive<f64> = 0.4..=2.5;
/// What lies so many deviations off is another capacity.
const CAPACITY_DEVIATIONS: f64 = 3.0;

impl Capacity {
    fn record(&mut self, bps: f64) {
        let kbps = bps / 1e3;
        match self.kbps {
            Some(known) if (kbps - known).abs() <= self.reach_kbps() => {
                let off = known - kbps;
                let mean = known + CAPACITY_WEIGHT * (kbps - known);
                let variance = (1.0 - CAPACITY_WEIGHT) * self.variance + CAPACITY_WEIGHT * off * off / mean.max(1.0);
                self.variance = variance.clamp(*CAPACITY_VARIANCE.start(), *CAPACITY_VARIANCE.end());
                self.kbps = Some(mean);
            }
            Some(_) | None => {
                self.kbps = Some(kbps);
                self.variance = *CAPACITY_VARIANCE.start();
            }
        }
    }

    fn reach_kbps(&self) -> f64 {
        CAPACITY_DEVIATIONS * (self.variance * self.kbps.unwrap_or_default()).sqrt()
    }

    /// More is delivered than it ever carried.
    fn is_below(&self, bps: f64) -> bool {
        self.kbps.is_some_and(|known| bps / 1e3 > known + self.reach_kbps())
    }

    /// `bps` is where the path got full before, or beyond.
    fn is_near(&self, bps: f64) -> bool {
        self.kbps.is_some_and(|known| bps / 1e3 > known - self.reach_kbps())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivering(sent_bps: f64, arrived_bps: f64, trend: Trend) -> Conditions {
        let rates = Rates {
            sent_bps,
            arrived_bps,
            told: 100,
            lost: 0,
        };
        Conditions {
            trend,
            queue_us: 0,
            rates,
            delivered_bps: arrived_bps,
            inherent_loss: 0.0,
            shared: false,
            most_bps: None,
        }
    }

    fn run(control: &mut RateControl, from_ms: i64, seconds: i64, conditions: impl Fn(f64) -> Conditions) {
        for at in 0..seconds * 10 {
            let now = conditions(control.bps());
            control.update((from_ms + at * 100) * 1000, &now);
        }
    }

    #[test]
    fn far_from_any_known_capacity_it_rises_by_eight_percent_a_second() {
        let mut control = RateControl::new(1e6);
        run(&mut control, 0, 10, |bps| delivering(bps, bps, Trend::Steady));
        assert!((2.1e6..2.2e6).contains(&control.bps()), "{}", control.bps());
    }

    #[test]
    fn media_that_stays_below_holds_it_where_it_is() {
        let mut control = RateControl::new(3e6);
        run(&mut control, 0, 600, |_| delivering(5e5, 5e5, Trend::Steady));
        assert_eq!(control.bps(), 3e6);
        assert!(control.is_application_limited());
    }

    #[test]
    fn a_queue_that_grows_takes_it_below_what_is_delivered_and_then_it_rises_slowly() {
        let mut control = RateControl::new(2e6);
        let moved = control.update(0, &delivering(2e6, 1e6, Trend::Growing));
        assert_eq!((moved, control.bps()), (Move::Cut, 850_000.0));
        // Until near the capacity by eight percent, from there by some 50 kb/s a second.
        run(&mut control, 0, 3, |bps| delivering(bps, bps, Trend::Steady));
        assert!((950_000.0..1_050_000.0).contains(&control.bps()), "{}", control.bps());
        let before = control.bps();
        run(&mut control, 3_000, 1, |bps| delivering(bps, bps, Trend::Steady));
        assert!(
            (40_000.0..60_000.0).contains(&(control.bps() - before)),
            "{}",
            control.bps()
        );
    }

    #[test]
    fn random_loss_is_not_what_the_path_cannot_carry() {
        let mut control = RateControl::new(2e6);
        let mut conditions = delivering(2e6, 8e5, Trend::Growing);
        conditions.inherent_loss = 0.2;
        control.update(0, &conditions);
        assert!((849_999.0..850_001.0).contains(&control.bps()));
    }

    #[test]
    fn a_cut_leaves_what_a_call_needs_until_the_path_is_shown_to_carry_less() {
        let mut control = RateControl::new(3e5);
        control.update(0, &delivering(3e5, 1e5, Trend::Growing));
        assert_eq!(control.bps(), CALL_BPS);
        let overflowing = |bps| delivering(bps, 1e5_f64.min(bps), Trend::Standing);
        run(&mut control, 100, 3, overflowing);
        assert_eq!(control.bps(), CALL_BPS);
        run(&mut control, 3_100, 2, overflowing);
        assert!(control.bps() < 1e5, "{}", control.bps());
    }

    #[test]
    fn a_queue_of_anothers_that_grows_is_not_heeded_unless_little_arrives() {
        let mut control = RateControl::new(1e6);
        let shared = |bps, arrived| Conditions {
            queue_us: 200_000,
            shared: true,
            ..delivering(bps, arrived, Trend::Growing)
        };
        run(&mut control, 0, 5, |bps| shared(bps, 0.95 * bps));
        assert!(control.bps() > 1e6, "{}", control.bps());
        run(&mut control, 5_000, 1, |_| shared(1e6, 5e5));
        assert!(control.bps() < 5e5, "{}", control.bps());
    }

    #[test]
    fn a_queue_that_stands_holds_it_unless_it_is_anothers() {
        let mut control = RateControl::new(1e6);
        let standing = |shared| {
            move |bps| Conditions {
                queue_us: 200_000,
                shared,
                ..delivering(bps, bps, Trend::Steady)
            }
        };
        run(&mut control, 0, 5, standing(false));
        assert_eq!(control.bps(), 1e6);
        run(&mut control, 5_000, 5, standing(true));
        assert!(control.bps() > 1.4e6);
    }
}
