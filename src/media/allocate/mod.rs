//! Shares out one subscriber's bandwidth: which layer of each video fits, and why not a better one.
//!
//! Sound is not here: its caller takes it off the budget first, and it is never paused. Then every video gets its lowest
//! layer, in the order of their claims, before any gets a second. What is left goes step by step to where it is worth
//! most: a step is worth the weight of its video for each bit of the rate it leads to, so rates end up in proportion
//! to weights. A step that does not fit ends the climb of its video; smaller ones of others are still tried.
//!
//! What is there stays as long as it fits, and goes at once when it does not. What is new has to leave headroom, and after
//! a step down a video waits before it goes up again, twice as long each time that going up did not last. So an
//! estimate that trembles switches nothing.

mod ladder;
mod memory;
mod reason;
#[cfg(test)]
mod tests;

use std::cmp::{Ordering, Reverse};
use std::time::Instant;

pub use reason::Reason;

use super::{Claim, EgressKey, Layers, Limits, SourceKey, Target};
use ladder::{Rung, push_rungs};
use memory::{Decided, Memories};

/// What a step up has to leave free, in percent of all that is sent then. An estimate that trembles by 5 % each way
/// trembles by 10.5 % between its ends.
const HEADROOM_PERCENT: u64 = 15;

/// By which part of the budget the lowest layers of what is shown may exceed it.
const OVERDRAFT: u64 = 4;

/// What is there already is worth so much more than the same thing elsewhere: equals do not displace each other.
const KEPT_WORTH: (u64, u64) = (5, 4);

/// Weight per so many bits per second is what worth is counted in.
const WORTH_SCALE: u64 = 1 << 24;

/// One video that a subscriber receives, or would.
#[derive(Clone, Copy, Debug)]
pub struct Video<'a> {
    /// The seat half it is for.
    pub key: EgressKey,
    /// What sits there now.
    pub source: SourceKey,
    /// What the subscriber asked for.
    pub limits: Limits,
    /// What there is.
    pub layers: &'a Layers,
    /// Its publisher holds it back.
    pub muted: bool,
}

/// What was decided about one video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The seat half.
    pub key: EgressKey,
    /// What it may have.
    pub target: Target,
    /// Bits per second set aside for it; none while nothing arrives.
    pub bps: u64,
    /// What all that the subscriber asked for would take.
    pub wished_bps: u64,
    /// Why it is not more.
    pub reason: Reason,
}

/// Shares out the bandwidth of one subscriber, again and again.
#[derive(Debug, Default)]
pub struct Allocator {
    memories: Memories,
    decisions: Vec<Decision>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    rungs: Vec<Rung>,
    plans: Vec<Plan>,
    /// Places of `plans`, best claim first, of those that compete.
    order: Vec<usize>,
    steps: Vec<Step>,
}

/// What is being made of one video.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Where its rungs begin, and how many there are.
    first: usize,
    rungs: usize,
    /// So many of them were there before.
    kept: usize,
    /// Nothing was decided about it before.
    fresh: bool,
    held_until: Option<Instant>,
    /// Nothing arrives of it.
    idle: bool,
    /// So many of its rungs it gets; none is paused.
    taken: usize,
    refused: Option<Refused>,
    weight: u64,
}

/// Why a rung was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Budget,
    Held(Instant),
}

/// A rung that may be taken after the one below it.
#[derive(Clone, Copy, Debug)]
struct Step {
    worth: u64,
    /// Place in the order: who comes first among equals.
    rank: usize,
    plan: usize,
    rung: usize,
}

/// What there is to give.
#[derive(Clone, Copy, Debug)]
struct Purse {
    budget: u64,
    /// Given, or set aside for somebody who waits.
    spent: u64,
}

impl Purse {
    /// What more of the budget it takes to spend so much more.
    fn needed(self, bps: u64, headroom: bool) -> u64 {
        let percent = if headroom { HEADROOM_PERCENT } else { 0 };
        bps + (self.spent + bps) * percent / 100
    }

    fn left(self) -> u64 {
        self.budget.saturating_sub(self.spent)
    }

    /// Takes so much if it is there, or nearly: a picture that is shown in its lowest layer is not given up for the little by
    /// which an estimate lies below what the path delivered when it was cut.
    fn take_lowest(&mut self, bps: u64, is_shown: bool) -> bool {
        let most = self.budget + if is_shown { self.budget / OVERDRAFT } else { 0 };
        let there = self.spent + bps <= most;
        self.spent += if there { bps } else { 0 };
        there
    }

    /// Takes so much if it is there.
    fn take(&mut self, bps: u64, headroom: bool) -> bool {
        let there = self.spent + self.needed(bps, headroom) <= self.budget;
        self.spent += if there { bps } else { 0 };
        there
    }
}

impl Allocator {
    /// Decides about every video anew. `budget`: bits per second for video; `None`: nobody knows, so everything.
    pub fn allocate(&mut self, now: Instant, budget: Option<u64>, videos: &[Video<'_>]) -> &[Decision] {
        self.scratch.plan(&self.memories, videos);
        let mut purse = Purse {
            budget: budget.unwrap_or(u64::MAX / 2),
            spent: 0,
        };
        self.scratch.share(now, &mut purse, videos);
        self.decisions.clear();
        for (video, plan) in videos.iter().zip(&self.scratch.plans) {
            self.decisions.push(self.scratch.decide(purse, video, plan));
        }
        let decided = videos.iter().zip(&self.scratch.plans).zip(&self.decisions);
        let decided = decided.filter(|((video, _), _)| !video.limits.paused);
        self.memories.keep(
            now,
            decided.map(|((video, plan), decision)| Decided {
                key: video.key,
                source: video.source,
                target: decision.target,
                moved: if plan.idle {
                    Ordering::Equal
                } else {
                    plan.taken.cmp(&plan.kept)
                },
            }),
        );
        &self.decisions
    }

    /// What was decided last.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }
}

impl Scratch {
    /// What each video could be given, and what it has.
    fn plan(&mut self, memories: &Memories, videos: &[Video<'_>]) {
        self.rungs.clear();
        self.plans.clear();
        for (at, video) in videos.iter().enumerate() {
            let memory = memories.of(at, video.key, video.source);
            let first = self.rungs.len();
            let kept = if video.limits.paused {
                0
            } else {
                push_rungs(
                    &mut self.rungs,
                    video.layers,
                    video.limits,
                    memory.map(|memory| memory.target),
                )
            };
            self.plans.push(Plan {
                first,
                rungs: self.rungs.len() - first,
                kept,
                fresh: memory.is_none(),
                held_until: memory.and_then(|memory| memory.held_until),
                // What was paused because it did not fit waits for a place like the others: its publisher may have stopped
                // it for that very reason.
                idle: (video.muted || video.layers.is_idle()) && memory.is_none_or(|memory| !memory.target.paused),
                taken: 0,
                refused: None,
                weight: weight(video.limits),
            });
        }
    }

    /// Spends the purse.
    fn share(&mut self, now: Instant, purse: &mut Purse, videos: &[Video<'_>]) {
        self.order.clear();
        let competes = |at: &usize| !self.plans[*at].idle && self.plans[*at].rungs > 0;
        self.order.extend((0..videos.len()).filter(competes));
        self.order.sort_unstable_by_key(|at| {
            let Video { key, limits, .. } = videos[*at];
            (Reverse(limits.claim), Reverse(limits.pixels), key)
        });
        for at in 0..self.order.len() {
            self.climb(now, purse, self.order[at]);
        }
        self.steps.clear();
        for (rank, &at) in self.order.iter().enumerate() {
            let plan = &self.plans[at];
            if plan.taken == 0 {
                continue;
            }
            for rung in 1..plan.rungs {
                let (more, than) = if rung < plan.kept { KEPT_WORTH } else { (1, 1) };
                let bps = self.rungs[plan.first + rung].bps.max(1);
                self.steps.push(Step {
                    worth: plan.weight * WORTH_SCALE * more / than / bps,
                    rank,
                    plan: at,
                    rung,
                });
            }
        }
        self.steps
            .sort_unstable_by_key(|step| (Reverse(step.worth), step.rank, step.rung));
        for at in 0..self.steps.len() {
            let step = self.steps[at];
            if self.plans[step.plan].taken == step.rung {
                self.climb(now, purse, step.plan);
            }
        }
        for at in 0..self.plans.len() {
            if self.plans[at].idle {
                self.rest(*purse, at);
            }
        }
    }

    /// Takes the next rung of a video if that can be, or notes why not.
    fn climb(&mut self, now: Instant, purse: &mut Purse, at: usize) {
        let plan = &mut self.plans[at];
        if plan.refused.is_some() {
            return;
        }
        let bps = step_bps(&self.rungs, plan, plan.taken);
        let known = plan.is_known(plan.taken);
        let fits = match plan.taken {
            0 => purse.take_lowest(bps, plan.kept > 0),
            _ => purse.take(bps, !known),
        };
        let held = plan.held_until.filter(|until| *until > now && !known);
        match held {
            // Paid for all the same: or others would have it for the time being.
            Some(until) if fits => plan.refused = Some(Refused::Held(until)),
            None if fits => plan.taken += 1,
            Some(_) | None => plan.refused = Some(Refused::Budget),
        }
    }

    /// What nothing arrives of takes nothing from the others. It is ready for what fits beside them, or keeps what it had.
    fn rest(&mut self, purse: Purse, at: usize) {
        let plan = &mut self.plans[at];
        let rungs = &self.rungs[plan.first..plan.first + plan.rungs];
        let fits = rungs.iter().filter(|rung| rung.bps <= purse.left()).count();
        plan.taken = fits.max(plan.kept).max(1).min(plan.rungs);
    }

    fn decide(&self, purse: Purse, video: &Video<'_>, plan: &Plan) -> Decision {
        let rungs = &self.rungs[plan.first..plan.first + plan.rungs];
        let taken = plan.taken.checked_sub(1).and_then(|at| rungs.get(at));
        let reason = match (plan.refused, taken) {
            _ if video.limits.paused => Reason::PausedByWish,
            _ if plan.idle => Reason::NotLive,
            (Some(Refused::Held(until)), _) => Reason::Settling { until },
            (Some(Refused::Budget), Some(_)) => {
                let step = step_bps(&self.rungs, plan, plan.taken);
                Reason::Budget {
                    needed_bps: purse.needed(step, !plan.is_known(plan.taken)),
                    left_bps: purse.left(),
                }
            }
            (Some(Refused::Budget), None) => Reason::PausedNoBudget {
                needed_bps: step_bps(&self.rungs, plan, 0),
                left_bps: purse.left(),
            },
            (None, Some(rung)) if !rung.live => Reason::NotLive,
            (None, Some(_)) if video.layers.is_all_within(video.limits) => Reason::Everything,
            (None, Some(_)) => Reason::Wish,
            (None, None) => Reason::NotLive,
        };
        Decision {
            key: video.key,
            target: taken.map_or(PAUSED, |rung| rung.target),
            bps: taken.filter(|_| !plan.idle).map_or(0, |rung| rung.bps),
            wished_bps: rungs.last().filter(|_| !plan.idle).map_or(0, |rung| rung.bps),
            reason,
        }
    }
}

impl Plan {
    /// A rung that was there before, or the lowest of a video that is new: neither is a step up.
    fn is_known(&self, rung: usize) -> bool {
        rung < self.kept || (rung == 0 && self.fresh)
    }
}

/// What a rung takes beside the one below it.
fn step_bps(rungs: &[Rung], plan: &Plan, rung: usize) -> u64 {
    let of = |rung: usize| rungs.get(plan.first + rung).map_or(0, |rung| rung.bps);
    match rung.checked_sub(1) {
        Some(below) => of(rung) - of(below),
        None => of(rung),
    }
}

const PAUSED: Target = Target {
    encoding: 0,
    spatial: 0,
    temporal: 0,
    paused: true,
};

/// How much rates of other videos a video is worth, by its claim and the size at which it is shown.
fn weight(limits: Limits) -> u64 {
    let claim = match limits.claim {
        Claim::Usual => 1,
        Claim::Speaking => 2,
        Claim::Screen => 4,
        Claim::Pinned => 8,
    };
    // From 1 at some 90 lines to 8 at 1080; each doubling of the area counts one.
    let size = match limits.pixels {
        0 => 5,
        pixels => pixels.ilog2().saturating_sub(12).clamp(1, 8),
    };
    claim * u64::from(size)
}
