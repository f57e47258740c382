//! Who speaks: levels from the shards, merged, and told when they change.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::roster::MemberKey;
use crate::media::speaker::Floor;

/// Between two `speakers` events.
pub(super) const SPEAKERS_INTERVAL: Duration = Duration::from_millis(250);
/// Entries of one event.
const SPEAKERS_MAX: usize = 8;
/// How long somebody who spoke is a recent speaker, who gets a seat before those who did not.
const RECENT: Duration = Duration::from_secs(15);

/// Levels of one room.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    floor: Floor<MemberKey>,
    spoke_at: BTreeMap<MemberKey, Instant>,
    told: Vec<(MemberKey, u8)>,
}

impl Speakers {
    /// A member's microphone is this loud (0 is silence, 127 full scale). True when it begins to speak after a pause.
    pub(super) fn hear(&mut self, now: Instant, member: MemberKey, level: u8) -> bool {
        if !self.floor.observe(now, member, f32::from(level.min(127))) {
            return false;
        }
        let before = self.spoke_at.insert(member, now);
        before.is_none_or(|at| now.saturating_duration_since(at) >= RECENT)
    }

    /// Forgets a member, or a muted microphone.
    pub(super) fn forget(&mut self, member: MemberKey) {
        self.floor.remove(member);
        self.spoke_at.remove(&member);
    }

    /// Takes out those who have not spoken for so long that they are no recent speakers any more.
    pub(super) fn lapsed(&mut self, now: Instant) -> Vec<MemberKey> {
        let is_over = |(_, at): &(&MemberKey, &Instant)| now.saturating_duration_since(**at) >= RECENT;
        let over: Vec<MemberKey> = self
            .spoke_at
            .iter()
            .filter(is_over)
            .map(|(member, _)| *member)
            .collect();
        for member in &over {
            self.spoke_at.remove(member);
        }
        over
    }

    /// When [`Self::lapsed`] has somebody to tell of, if nobody speaks again.
    pub(super) fn next_lapse(&self) -> Option<Instant> {
        self.spoke_at.values().min().map(|at| *at + RECENT)
    }

    /// When a recent speaker spoke last.
    pub(super) fn recent(&self, now: Instant, member: MemberKey) -> Option<Instant> {
        self.spoke_at
            .get(&member)
            .copied()
            .filter(|at| now.saturating_duration_since(*at) < RECENT)
    }

    /// Who speaks now, the dominant speaker first, if that is not what was told last.
    pub(super) fn changed(&mut self, now: Instant) -> Option<Vec<(MemberKey, u8)>> {
        self.floor.poll(now);
        let order = self.floor.order().iter().take(SPEAKERS_MAX);
        let speakers: Vec<(MemberKey, u8)> = order
            .map(|member| (*member, self.floor.loudness(*member) as u8))
            .collect();
        if speakers == self.told {
            return None;
        }
        self.told.clone_from(&speakers);
        Some(speakers)
    }

    /// Who was told to speak last time.
    pub(super) fn told(&self) -> &[(MemberKey, u8)] {
        &self.told
    }

    /// Is there a level that may yet change what was told?
    pub(super) fn is_lively(&self) -> bool {
        !self.floor.order().is_empty() || !self.told.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: MemberKey = MemberKey(1);
    const BOB: MemberKey = MemberKey(2);
    const CAT: MemberKey = MemberKey(3);

    fn after(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn speakers_are_told_when_they_change_and_the_loudest_begins() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        assert!(speakers.hear(start, ANN, 90));
        assert!(speakers.hear(start, BOB, 100));
        assert!(!speakers.hear(start, CAT, 20), "breath is no speech");
        assert_eq!(speakers.changed(start), Some(vec![(BOB, 100), (ANN, 90)]));
        assert_eq!(speakers.changed(start), None);
        assert!(!speakers.hear(start + after(1000), ANN, 90), "still speaking");
        assert_eq!(speakers.changed(start + after(1000)), Some(vec![(ANN, 90)]));
        assert_eq!(speakers.changed(start + after(3000)), Some(vec![]));
        assert!(!speakers.is_lively());
        assert!(speakers.recent(start + after(3000), BOB).is_some());
        assert!(speakers.recent(start + after(30_000), BOB).is_none());
        assert_eq!(speakers.next_lapse(), Some(start + after(15_000)));
        assert_eq!(speakers.lapsed(start + after(15_000)), [BOB]);
        assert_eq!(speakers.lapsed(start + after(16_000)), [ANN]);
        assert_eq!(speakers.next_lapse(), None);
    }

    /// Levels of Ann and Bob as a shard tells them, some four times a second: who is said to be first over time.
    fn firsts(script: impl Fn(u64) -> [u8; 2]) -> Vec<Option<MemberKey>> {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        let mut firsts = Vec::new();
        for at in (0..10_000).step_by(240) {
            let now = start + after(at);
            for (member, level) in [ANN, BOB].into_iter().zip(script(at)) {
                speakers.hear(now, member, level);
            }
            if let Some(told) = speakers.changed(now) {
                firsts.push(told.first().map(|(member, _)| *member));
            }
        }
        firsts.dedup();
        firsts
    }

    #[test]
    fn who_is_first_changes_with_the_turn_and_not_with_every_syllable() {
        let wobble = |at: u64| {
            if (at / 240).is_multiple_of(2) {
                [95, 100]
            } else {
                [100, 95]
            }
        };
        assert_eq!(firsts(wobble), [Some(BOB)]);
        let interjection = |at: u64| {
            if (3000..3300).contains(&at) {
                [95, 110]
            } else {
                [95, 40]
            }
        };
        assert_eq!(firsts(interjection), [Some(ANN)]);
        let turn = |at: u64| if at < 5000 { [95, 40] } else { [40, 95] };
        assert_eq!(firsts(turn), [Some(ANN), Some(BOB)]);
        let interruption = |at: u64| if at < 5000 { [90, 0] } else { [90, 105] };
        assert_eq!(firsts(interruption), [Some(ANN), Some(BOB)]);
        let end = |at: u64| if at < 5000 { [90, 0] } else { [0, 0] };
        assert_eq!(firsts(end), [Some(ANN), None]);
    }
}
