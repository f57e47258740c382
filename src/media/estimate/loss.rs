//! Is a loss our doing? Packets are lost where a queue overflows, where a policer has its limit, and at random on the air;
//! only the first two get better when less is sent.
//!
//! Like libwebrtc's `LossBasedBweV2` we tell what a path loses whatever is sent (inherent loss) from what it loses because
//! of our rate. Where that fits both to the same observations and needs rates that differ, we make the experiment: losses
//! that come with a queue are the queue's; without one the rate is lowered a little, below what was delivered. If the
//! losses go, it was the rate, and it stays; if they stay, they are the path's: the rate is given back at once, and such
//! losses are not looked at again until there are more of them.

use super::window::Losses;

/// Fewer packets than this, or a shorter time, say nothing.
const PACKETS_MIN: u32 = 20;
const WATCH_US: i64 = 1_000_000;
/// A watch is begun anew when it is older than what the window remembers.
const WATCH_US_MAX: i64 = 1_400_000;
/// Losses are not looked into before they are so much more than the path always loses: repair is cheaper.
const EXCESS: f64 = 0.02;
/// So many times as far off as chance explains.
const DEVIATIONS: f64 = 3.0;
/// Losses in fewer runs than this are one accident.
const RUNS_MIN: u32 = 3;
/// Losses with a queue this long are taken to be the queue's.
const QUEUE_US: i64 = 30_000;
/// Losses that matter although little is sent, or although the queue is another's.
const HEAVY: f64 = 0.15;

/// What is tried, and what is kept, of what was delivered.
const BELOW_DELIVERED: f64 = 0.95;
/// An experiment takes nothing more than this.
const TRIAL_MIN: f64 = 0.6;
/// Packets to judge a trial by.
const TRIAL_PACKETS: u32 = 40;
/// The rate was the cause if so little of the excess is left.
const EXPLAINED: f64 = 0.4;
/// How quickly the inherent loss follows what is seen, up and down, per watch.
const FOLLOW_UP: f64 = 0.1;
const FOLLOW_DOWN: f64 = 0.5;
/// A path that loses more than this at random is not believed to.
const INHERENT_MAX: f64 = 0.5;

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
    /// When the newest packet told about left.
    pub newest_us: i64,
    pub bps: f64,
    pub queue_us: i64,
    pub application_limited: bool,
    /// The queue is another's.
    pub shared: bool,
    pub round_trip_us: i64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct LossControl {
    inherent: f64,
    /// Packets that left since then are watched.
    since_us: i64,
    /// The longest queue meanwhile.
    queue_us: i64,
    trial: Option<Trial>,
    /// No heavy losses are looked into before, when little is sent.
    spared_until_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    bps_before: f64,
    loss_before: f64,
}

impl Default for LossControl {
    fn default() -> Self {
        LossControl {
            inherent: 0.0,
            since_us: i64::MIN,
            queue_us: 0,
            trial: None,
            spared_until_us: i64::MIN,
        }
    }
}

impl LossControl {
    /// Share of packets that the path loses whatever is sent.
    pub(super) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// The rate is not to be touched by others, up at least.
    pub(super) fn is_trying(&self) -> bool {
        self.trial.is_some()
    }

    /// What was lost so far has another reason: the rate was changed, or nothing passed at all.
    pub(super) fn restart(&mut self, now_us: i64) {
        self.since_us = now_us;
        self.queue_us = 0;
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
            if self.trial.is_none() && losses.span_us > WATCH_US_MAX {
                self.watch_from(scene.newest_us);
            }
            return Demand::Nothing;
        }
        let seen = losses.share();
        if let Some(trial) = self.trial {
            if losses.told < TRIAL_PACKETS && losses.span_us < WATCH_US_MAX {
                return Demand::Nothing;
            }
            return self.judge(scene, &trial, seen);
        }
        let queue_us = self.queue_us;
        self.watch_from(scene.newest_us);
        if !self.is_excess(losses) {
            let follow = if seen < self.inherent { FOLLOW_DOWN } else { FOLLOW_UP };
            // A queue that overflows now and then is not the path's nature.
            if seen < self.inherent || queue_us < QUEUE_US {
                self.inherent = (self.inherent + follow * (seen - self.inherent)).min(INHERENT_MAX);
            }
            return Demand::Nothing;
        }
        let heavy = seen - self.inherent > HEAVY;
        let delivered = losses.arrived_bps / (1.0 - self.inherent);
        let lower = (BELOW_DELIVERED * delivered).min(scene.bps);
        if queue_us > QUEUE_US {
            return if scene.shared && !heavy {
                Demand::Nothing
            } else {
                Demand::Cut(lower)
            };
        }
        if scene.application_limited {
            // To lower the rate would mean to take a layer away. Worth it only when the layer is of little use anyway.
            if !heavy || scene.now_us < self.spared_until_us {
                self.inherent = (self.inherent + FOLLOW_DOWN * (seen - self.inherent)).min(INHERENT_MAX);
                return Demand::Nothing;
            }
            self.spared_until_us = scene.now_us + 30_000_000;
        }
        self.trial = Some(Trial {
            bps_before: scene.bps,
            loss_before: seen,
        });
        // What is under way left at the old rate.
        self.since_us = scene.now_us + scene.round_trip_us / 4;
        let least = if scene.application_limited {
            0.0
        } else {
            TRIAL_MIN * scene.bps
        };
        Demand::Try(lower.max(least))
    }

    fn judge(&mut self, scene: &Scene, trial: &Trial, seen: f64) -> Demand {
        self.trial = None;
        let queue_us = self.queue_us;
        self.watch_from(scene.newest_us);
        let left = (seen - self.inherent) / (trial.loss_before - self.inherent).max(EXCESS);
        if left < EXPLAINED || queue_us > QUEUE_US {
            return Demand::Cut(scene.bps);
        }
        self.inherent = seen.min(INHERENT_MAX);
        Demand::GiveBack(trial.bps_before)
    }

    fn watch_from(&mut self, newest_us: i64) {
        self.since_us = newest_us;
        self.queue_us = 0;
    }

    /// More than the path always loses, and more than chance explains.
    fn is_excess(&self, losses: &Losses) -> bool {
        let (told, lost) = (f64::from(losses.told), f64::from(losses.lost));
        // Losses in runs vary more than single ones.
        let burst = (lost / f64::from(losses.runs.max(1))).clamp(1.0, 20.0);
        let expected = told * self.inherent;
        let deviation = ((expected * (1.0 - self.inherent)).max(1.0) * burst).sqrt();
        losses.runs >= RUNS_MIN && losses.share() > self.inherent + EXCESS && lost > expected + DEVIATIONS * deviation
    }
}
