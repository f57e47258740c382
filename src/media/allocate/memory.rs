//! What was decided before, so that what is decided now does not swing.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use crate::media::{EgressKey, SourceKey, Target};

/// After a step down, before the next one up.
const HOLD_MIN: Duration = Duration::from_secs(2);
const HOLD_MAX: Duration = Duration::from_secs(64);
/// After which a picture that is not shown at all is tried again: nothing is worse.
const HOLD_PAUSED: Duration = Duration::from_secs(16);

/// A step up that is taken back within this time, or within twice the wait before it, has failed. One that lasted longer was
/// right when it was made.
const LASTED_MIN: Duration = Duration::from_secs(20);

/// Of one video.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    key: EgressKey,
    source: SourceKey,
    pub(super) target: Target,
    /// Not up before.
    pub(super) held_until: Option<Instant>,
    /// How long the last step down held.
    hold: Duration,
    up_at: Option<Instant>,
}

impl Memory {
    /// The next decision, `moved` against the one before because bandwidth allowed or demanded it.
    fn decide(&mut self, now: Instant, target: Target, moved: Ordering) {
        self.target = target;
        match moved {
            Ordering::Equal => {}
            Ordering::Greater => self.up_at = Some(now),
            Ordering::Less => {
                let lasted = self.up_at.take().map(|at| now.saturating_duration_since(at));
                let failed = lasted.is_some_and(|lasted| lasted < LASTED_MIN.max(2 * self.hold));
                self.hold = if failed {
                    (self.hold * 2).min(HOLD_MAX)
                } else {
                    HOLD_MIN
                };
                let hold = if target.paused {
                    self.hold.min(HOLD_PAUSED)
                } else {
                    self.hold
                };
                self.held_until = Some(now + hold);
            }
        }
        self.held_until = self.held_until.filter(|until| *until > now);
    }
}

/// Of all videos of a subscriber, in the order in which they were last decided.
#[derive(Debug, Default)]
pub(super) struct Memories {
    now: Vec<Memory>,
    before: Vec<Memory>,
}

/// What was decided about one video.
pub(super) struct Decided {
    pub(super) key: EgressKey,
    pub(super) source: SourceKey,
    pub(super) target: Target,
    pub(super) moved: Ordering,
}

impl Memories {
    /// What was decided about the video that is `at`-th now, and most likely was then. Another source on the same seat half is
    /// another video.
    pub(super) fn of(&self, at: usize, key: EgressKey, source: SourceKey) -> Option<&Memory> {
        find(&self.now, at, key, source)
    }

    /// Takes over what was decided. Videos that are not mentioned are forgotten.
    pub(super) fn keep(&mut self, now: Instant, decided: impl Iterator<Item = Decided>) {
        std::mem::swap(&mut self.now, &mut self.before);
        self.now.clear();
        for (
            at,
            Decided {
                key,
                source,
                target,
                moved,
            },
        ) in decided.enumerate()
        {
            let known = find(&self.before, at, key, source).copied();
            let mut memory = known.unwrap_or(Memory {
                key,
                source,
                target,
                held_until: None,
                hold: HOLD_MIN,
                up_at: None,
            });
            memory.decide(now, target, if known.is_some() { moved } else { Ordering::Equal });
            self.now.push(memory);
        }
    }
}

fn find(memories: &[Memory], at: usize, key: EgressKey, source: SourceKey) -> Option<&Memory> {
    let there = memories.get(at).filter(|memory| memory.key == key);
    let memory = there.or_else(|| memories.iter().find(|memory| memory.key == key))?;
    (memory.source == source).then_some(memory)
}
