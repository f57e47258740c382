//! Who speaks: levels from the shards, merged, and told when they change.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::roster::MemberKey;

/// Between two `speakers` events.
pub(super) const SPEAKERS_INTERVAL: Duration = Duration::from_millis(250);
/// Entries of one event.
const SPEAKERS_MAX: usize = 8;
/// Levels (0 silence to 127) from here on are speech; quieter ones are breath and keyboards.
const SPEECH_LEVEL_MIN: u8 = 77;
/// How long somebody who spoke is a recent speaker, who gets a seat before those who did not.
const RECENT: Duration = Duration::from_secs(15);
/// A shard tells levels several times a second; one that is older than this is of somebody who fell silent.
const LEVEL_LIFE: Duration = Duration::from_secs(1);

/// Levels of one room.
#[derive(Debug, Default)]
pub(super) struct Speakers {
    levels: BTreeMap<MemberKey, (u8, Instant)>,
    spoke_at: BTreeMap<MemberKey, Instant>,
    told: Vec<(MemberKey, u8)>,
}

impl Speakers {
    /// A member's microphone is this loud. True when it begins to speak after a pause.
    pub(super) fn hear(&mut self, now: Instant, member: MemberKey, level: u8) -> bool {
        self.levels.insert(member, (level.min(127), now));
        if level < SPEECH_LEVEL_MIN {
            return false;
        }
        let before = self.spoke_at.insert(member, now);
        before.is_none_or(|at| now.saturating_duration_since(at) >= RECENT)
    }

    /// Forgets a member, or a muted microphone.
    pub(super) fn forget(&mut self, member: MemberKey) {
        self.levels.remove(&member);
        self.spoke_at.remove(&member);
    }

    /// When a recent speaker spoke last.
    pub(super) fn recent(&self, now: Instant, member: MemberKey) -> Option<Instant> {
        self.spoke_at
            .get(&member)
            .copied()
            .filter(|at| now.saturating_duration_since(*at) < RECENT)
    }

    /// Who speaks now, loudest first, if that is not what was told last.
    pub(super) fn changed(&mut self, now: Instant) -> Option<Vec<(MemberKey, u8)>> {
        self.levels
            .retain(|_, (_, at)| now.saturating_duration_since(*at) < LEVEL_LIFE);
        let loud = self.levels.iter().filter(|(_, (level, _))| *level >= SPEECH_LEVEL_MIN);
        let mut speakers: Vec<(MemberKey, u8)> = loud.map(|(member, (level, _))| (*member, *level)).collect();
        speakers.sort_by_key(|(member, level)| (std::cmp::Reverse(*level), *member));
        speakers.truncate(SPEAKERS_MAX);
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
        !self.levels.is_empty() || !self.told.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speakers_are_told_loudest_first_and_only_when_they_change() {
        let (mut speakers, start) = (Speakers::default(), Instant::now());
        let (ann, bob, cat) = (MemberKey(1), MemberKey(2), MemberKey(3));
        assert!(speakers.hear(start, ann, 90));
        assert!(speakers.hear(start, bob, 100));
        assert!(!speakers.hear(start, cat, 20), "breath is no speech");
        assert_eq!(speakers.changed(start), Some(vec![(bob, 100), (ann, 90)]));
        assert_eq!(speakers.changed(start), None);
        assert!(
            !speakers.hear(start + Duration::from_secs(1), ann, 90),
            "still speaking"
        );
        assert_eq!(speakers.changed(start + Duration::from_secs(1)), Some(vec![(ann, 90)]));
        assert_eq!(speakers.changed(start + Duration::from_secs(3)), Some(vec![]));
        assert!(!speakers.is_lively());
        assert!(speakers.recent(start + Duration::from_secs(3), bob).is_some());
        assert!(speakers.recent(start + Duration::from_secs(30), bob).is_none());
    }
}
