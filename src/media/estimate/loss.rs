//! Is a loss our doing? Packets are lost where a queue overflows, where a policer has its limit, and at random on the air;
//! only the first two get better when less is sent.
//!
//! Losses that come with a queue are the queue's. For the others two explanations are held against what was seen at
//! different rates, as libwebrtc's `LossBasedBweV2` does: the path loses the share p of whatever is sent (inherent loss); or
//! it loses p, and besides everything above a capacity C. The likelier one is believed. When new losses begin and all
//! observations were made at one rate, both fit alike, and we make the experiment: the rate goes down for a second, a little
//! below what was delivered. If the losses go, it was the rate, and it stays there; if they do not, it is given back.

use arrayvec::ArrayVec;

use super::window::Losses;

/// One observation: fewer packets than this, or a shorter time, say nothing.
const PACKETS_MIN: u32 = 20;
const WATCH_US: i64 = 1_000_000;
/// The window remembers no longer.
const WATCH_US_MAX: i64 = 1_400_000;
/// Observations that are compared.
const OBSERVATIONS: usize = 12;
/// Losses are not looked into before they are so much more than the path always loses: repair is cheaper.
const EXCESS: f64 = 0.02;
/// So many times as far off as chance explains.
const DEVIATIONS: f64 = 3.0;
/// Losses in fewer runs than this are one accident.
const RUNS_MIN: u32 = 3;
/// Losses with a queue this long are taken to be the queue's.
const QUEUE_US: i64 = 30_000;
/// Losses that matter although little is sent.
const HEAVY: f64 = 0.15;
/// Of what is allowed so little is sent.
const MUCH_MORE: f64 = 0.7;
/// How much likelier a capacity must be, as a natural logarithm: twenty times.
const LIKELIER: f64 = 3.0;
/// The least rate observed against the highest, for a capacity between them to be seen. An experiment makes as much.
const CONTRAST: f64 = 0.93;
/// A path that loses more than this, whatever is sent, is of no use for what was sent.
const INHERENT_MAX: f64 = 0.3;
/// No packet is lost or passes for certain.
const CHANCE: std::ops::RangeInclusive<f64> = 0.001..=0.999;

/// What losses leave of the rate while the queue is another's. CUBIC keeps 0.7 of its window (RFC 9438 section 4.6), and
/// rises more quickly than we do.
const SHARED_BACK_OFF: f64 = 0.8;

/// What is tried, and what is kept, of what was delivered.
const BELOW_DELIVERED: f64 = 0.95;
/// An experiment takes nothing more than this, unless the rate was not used anyway.
const TRIAL_MIN: f64 = 0.6;
/// A capacity that losses showed is kept to so long, twice as long each time up to two minutes: a policer lets bursts pass,
/// so that probes do not see it, and only losses would.
const LIMIT_US: i64 = 8_000_000;
const LIMIT_DOUBLINGS: u32 = 4;
const LIMIT_FORGOTTEN_US: i64 = 120_000_000;
/// While little is sent, an experiment costs somebody a layer: not more often than this.
const TRIAL_INTERVAL_US: i64 = 30_000_000;

/// What losses ask for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Demand {
    Nothing,
    /// To go down to this, for good: the path is full.
    Cut(f64),
    /// To go down to this and see.
    Try(f64),
    /// To go back up to this: it was not the rate.
    GiveBack(f64),
}

/// What is to be known for a judgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scene {
    pub now_us: i64,
    /// When the latest packets left of which it is known whether they are lost.
    pub settled_us: i64,
    pub bps: f64,
    pub queue_us: i64,
    pub application_limited: bool,
    /// Cuts for a queue go no lower.
    pub floor_bps: f64,
    /// The queue is another's.
    pub shared: bool,
    pub round_trip_us: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LossControl {
    inherent: f64,
    seen: ArrayVec<Losses, OBSERVATIONS>,
    /// Packets that left since then are watched.
    since_us: i64,
    /// The longest queue meanwhile.
    queue_us: i64,
    /// The rate before the experiment that is being made.
    trial: Option<f64>,
    /// One was made since the path became what it is.
    tried: bool,
    spared_until_us: i64,
    /// The capacity that losses showed, how long it is kept to, and how often it was shown.
    limit_bps: f64,
    limited_until_us: i64,
    relapses: u32,
}

impl Default for LossControl {
    fn default() -> Self {
        LossControl {
            inherent: 0.0,
            seen: ArrayVec::new(),
            since_us: i64::MIN,
            queue_us: 0,
            trial: None,
            tried: false,
            spared_until_us: i64::MIN,
            limit_bps: 0.0,
            limited_until_us: i64::MIN,
            relapses: 0,
        }
    }
}

impl LossControl {
    /// Share of packets that the path loses whatever is sent.
    pub(super) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// Whether more than `bps` must not be looked for: losses would not show it, or show it too late.
    pub(super) fn most_bps(&self, now_us: i64, bps: f64) -> Option<f64> {
        if self.trial.is_some() {
            return Some(bps);
        }
        (now_us < self.limited_until_us).then_some(self.limit_bps)
    }

    /// What was lost so far has another reason: the rate was changed, or nothing passed at all.
    pub(super) fn restart(&mut self, now_us: i64) {
        self.watch_from(now_us);
        self.trial = None;
    }

    /// Packets that left since then count.
    pub(super) fn since_us(&self) -> i64 {
        self.since_us
    }

    /// After a feedback, with the losses since [`Self::since_us`].
    pub(super) fn update(&mut self, scene: &Scene, losses: &Losses) -> Demand {
        self.queue_us = self.queue_us.max(scene.queue_us);
        if losses.told < PACKETS_MIN || losses.span_us < WATCH_US {
            if losses.span_us > WATCH_US_MAX {
                self.watch_from(scene.settled_us);
                return self.trial.take().map_or(Demand::Nothing, Demand::GiveBack);
            }
            return Demand::Nothing;
        }
        let queue_us = std::mem::take(&mut self.queue_us);
        self.watch_from(scene.settled_us);
        if queue_us > QUEUE_US {
            self.trial = None;
            return self.with_queue(scene, losses);
        }
        let capacity = self.learn(losses);
        let excess = losses.share() > self.inherent + EXCESS;
        let most = BELOW_DELIVERED * losses.arrived_bps / (1.0 - self.inherent);
        // Media varies by itself, and where much more was allowed than it took, its highs and lows are no experiment: a layer is not
        // given up for a loss that repair is cheaper for.
        let spared = losses.sent_bps < MUCH_MORE * scene.bps
            && self.trial.is_none()
            && losses.share() < self.inherent.min(HEAVY) + HEAVY;
        if let Some(capacity) = capacity.filter(|capacity| *capacity < losses.sent_bps && excess && !spared) {
            self.trial = None;
            return self.keep_to(scene, capacity);
        }
        if excess && self.inherent >= INHERENT_MAX {
            self.trial = None;
            return Demand::Cut(most.min(scene.bps));
        }
        if let Some(before) = self.trial.take() {
            return match capacity {
                Some(capacity) => self.keep_to(scene, capacity),
                None => Demand::GiveBack(before),
            };
        }
        if self.tried || !is_beyond(losses, 0.0) {
            return Demand::Nothing;
        }
        let mut least = TRIAL_MIN * scene.bps;
        if scene.application_limited {
            if losses.share() < HEAVY || scene.now_us < self.spared_until_us {
                return Demand::Nothing;
            }
            self.spared_until_us = scene.now_us + TRIAL_INTERVAL_US;
            least = TRIAL_MIN * losses.sent_bps;
        }
        self.trial = Some(scene.bps);
        self.tried = true;
        // What is under way left at the old rate.
        self.since_us = scene.now_us + scene.round_trip_us / 4;
        Demand::Try((BELOW_DELIVERED * losses.arrived_bps).min(scene.bps).max(least))
    }

    fn keep_to(&mut self, scene: &Scene, capacity: f64) -> Demand {
        if scene.now_us - self.limited_until_us.max(0) > LIMIT_FORGOTTEN_US {
            self.relapses = 0;
        }
        self.limit_bps = BELOW_DELIVERED * capacity;
        self.limited_until_us = scene.now_us + LIMIT_US * (1 << self.relapses);
        self.relapses = (self.relapses + 1).min(LIMIT_DOUBLINGS);
        Demand::Cut(self.limit_bps.min(scene.bps))
    }

    fn with_queue(&mut self, scene: &Scene, losses: &Losses) -> Demand {
        if !is_beyond(losses, self.inherent) {
            return Demand::Nothing;
        }
        if scene.shared {
            return Demand::Cut((SHARED_BACK_OFF * scene.bps).max(scene.floor_bps));
        }
        let delivered = losses.arrived_bps / (1.0 - self.inherent);
        Demand::Cut((BELOW_DELIVERED * delivered).max(scene.floor_bps).min(scene.bps))
    }

    /// Takes an observation in; the capacity, if one explains what was seen.
    fn learn(&mut self, losses: &Losses) -> Option<f64> {
        if self.seen.is_full() {
            self.seen.remove(0);
        }
        self.seen.push(*losses);
        let capacity = self.explain();
        let expected = loss_at(losses.sent_bps, self.inherent, capacity);
        if !is_beyond(losses, expected) && !is_below(losses, expected) {
            return capacity;
        }
        // The path is not what it was.
        self.seen.clear();
        self.tried = false;
        self.seen.push(*losses);
        self.explain()
    }

    /// Sets the inherent loss; the capacity, if what was seen is to be explained by one.
    fn explain(&mut self) -> Option<f64> {
        let (mut told, mut lost) = (0, 0);
        for seen in &self.seen {
            told += seen.told;
            lost += seen.lost;
        }
        let mean = f64::from(lost) / f64::from(told.max(1));
        self.inherent = mean.min(INHERENT_MAX);
        if mean < EXCESS / 2.0 {
            return None;
        }
        let without = self.likelihood(mean, None);
        let least = self.seen.iter().map(Losses::share).fold(mean, f64::min);
        let contrast = self.has_contrast();
        let mut best = (without + LIKELIER, None);
        for inherent in [0.0, least, mean] {
            let capacity = self.capacity_at(inherent).filter(|_| contrast);
            let likelihood = self.likelihood(inherent, capacity);
            if capacity.is_some() && likelihood > best.0 {
                best = (likelihood, capacity);
                self.inherent = inherent.min(INHERENT_MAX);
            }
        }
        best.1
    }

    /// The capacity by which observations with more than this inherent loss are explained best: what they delivered.
    fn capacity_at(&self, inherent: f64) -> Option<f64> {
        let (mut weight, mut sum) = (0.0, 0.0);
        for seen in self.seen.iter().filter(|seen| seen.share() > inherent + EXCESS) {
            weight += f64::from(seen.told);
            sum += f64::from(seen.told) * seen.arrived_bps / (1.0 - inherent);
        }
        (weight > 0.0).then(|| sum / weight)
    }

    /// Observations at one rate, give or take what media varies, are told apart by chance alone.
    fn has_contrast(&self) -> bool {
        let rates = || self.seen.iter().map(|seen| seen.sent_bps);
        rates().fold(f64::INFINITY, f64::min) < CONTRAST * rates().fold(0.0, f64::max)
    }

    /// Logarithm of the likelihood of what was seen, losses in runs counted as so many fewer.
    fn likelihood(&self, inherent: f64, capacity: Option<f64>) -> f64 {
        self.seen
            .iter()
            .map(|seen| {
                let loss = loss_at(seen.sent_bps, inherent, capacity).clamp(*CHANCE.start(), *CHANCE.end());
                let (lost, passed) = (f64::from(seen.lost), f64::from(seen.told - seen.lost));
                lost * loss.ln() + passed * (1.0 - loss).ln()
            })
            .sum::<f64>()
            / self.burst()
    }

    /// How much more the losses seen vary than single ones would.
    fn burst(&self) -> f64 {
        let (lost, runs) = self
            .seen
            .iter()
            .fold((0, 0), |(lost, runs), seen| (lost + seen.lost, runs + seen.runs));
        burst(lost, runs)
    }

    fn watch_from(&mut self, at_us: i64) {
        self.since_us = at_us;
        self.queue_us = 0;
    }
}

/// The share lost of what is sent at this rate.
fn loss_at(sent_bps: f64, inherent: f64, capacity: Option<f64>) -> f64 {
    let beyond = capacity.map_or(0.0, |capacity| (1.0 - capacity / sent_bps.max(1.0)).max(0.0));
    inherent + (1.0 - inherent) * beyond
}

/// The variance of losses in so many runs against that of as many single ones, if the lengths of runs are geometric (as on
/// a Gilbert-Elliott path): twice their mean, less one.
fn burst(lost: u32, runs: u32) -> f64 {
    (2.0 * f64::from(lost) / f64::from(runs.max(1)) - 1.0).clamp(1.0, 40.0)
}

fn deviation(losses: &Losses, expected: f64) -> f64 {
    let told = f64::from(losses.told);
    ((told * expected * (1.0 - expected)).max(1.0) * burst(losses.lost, losses.runs)).sqrt()
}

/// More was lost than expected, and more than chance explains.
fn is_beyond(losses: &Losses, expected: f64) -> bool {
    losses.runs >= RUNS_MIN
        && losses.share() > expected + EXCESS
        && f64::from(losses.lost) > expected * f64::from(losses.told) + DEVIATIONS * deviation(losses, expected)
}

fn is_below(losses: &Losses, expected: f64) -> bool {
    losses.share() < expected - EXCESS
        && f64::from(losses.lost) < expected * f64::from(losses.told) - DEVIATIONS * deviation(losses, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(sent_bps: f64, loss: f64) -> Losses {
        let told = 200;
        let lost = (loss * f64::from(told)) as u32;
        Losses {
            told,
            lost,
            runs: lost,
            sent_bps,
            arrived_bps: sent_bps * (1.0 - loss),
            span_us: WATCH_US,
        }
    }

    /// What is asked for when losses begin just as media becomes more.
    fn asked(allowed_bps: f64, loss: f64) -> Demand {
        let mut control = LossControl::default();
        let mut demand = Demand::Nothing;
        for second in 0..6 {
            let losses = if second < 3 {
                observed(8e5, 0.0)
            } else {
                observed(1.2e6, loss)
            };
            let scene = Scene {
                now_us: second * WATCH_US,
                settled_us: second * WATCH_US,
                bps: allowed_bps,
                queue_us: 0,
                application_limited: allowed_bps > 1.5e6,
                floor_bps: 0.0,
                shared: false,
                round_trip_us: 50_000,
            };
            demand = control.update(&scene, &losses);
            if demand != Demand::Nothing {
                break;
            }
        }
        demand
    }

    #[test]
    fn light_losses_cost_nothing_while_much_more_is_allowed_than_is_sent() {
        assert_eq!(asked(3e6, 0.06), Demand::Nothing);
        assert!(
            matches!(asked(1.2e6, 0.06), Demand::Cut(_) | Demand::Try(_)),
            "filled, it may be the rate"
        );
        assert!(
            matches!(asked(3e6, 0.25), Demand::Cut(_) | Demand::Try(_)),
            "heavy ones are looked into"
        );
    }
}
