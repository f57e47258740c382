//! How many voices are heard at a time: all of them, or in a large room the loudest few.

use std::collections::BTreeMap;

use super::Room;
use crate::shard::command::{ShardCommand, ShardId};

/// What the shards of a room were told.
#[derive(Debug, Default)]
pub(super) struct Voices {
    /// The room is large.
    few: bool,
    /// Every shard on which somebody of the room is or was, with the number of voices it was told; 0: all.
    told: BTreeMap<ShardId, usize>,
}

impl Voices {
    /// Somebody of the room is on this shard.
    pub(super) fn use_shard(&mut self, shard: ShardId) {
        self.told.entry(shard).or_default();
    }

    /// A room that has grown large has to lose a quarter before it is small again.
    fn count(&mut self, people: usize, above: usize) -> bool {
        self.few = people > if self.few { above - above / 4 } else { above };
        self.few
    }
}

impl Room {
    /// Tells the shards, if that has changed.
    pub(super) fn settle_voices(&mut self) {
        let few = self.voices.count(self.roster.len(), self.config.loudest_above);
        let most = if few { self.config.loudest } else { 0 };
        let room = self.number;
        for (shard, told) in &mut self.voices.told {
            if std::mem::replace(told, most) != most {
                self.outputs.push_back(super::Output::Shard {
                    shard: *shard,
                    command: ShardCommand::SetLoudest { room, most },
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_grows_large_and_small_again_without_flickering() {
        let mut voices = Voices::default();
        let large = |voices: &mut Voices, people: &[usize]| -> Vec<bool> {
            people.iter().map(|people| voices.count(*people, 20)).collect()
        };
        assert_eq!(
            large(&mut voices, &[1, 20, 21, 20, 16, 15, 16, 20, 21]),
            [false, false, true, true, true, false, false, false, true]
        );
        let mut tiny = Voices::default();
        let counted: Vec<bool> = [0, 1, 0].into_iter().map(|people| tiny.count(people, 0)).collect();
        assert_eq!(counted, [false, true, false]);
    }
}
