//! Sources that are needed on shards other than their own.

use std::collections::BTreeMap;

use crate::{media::SourceKey, shard::command::ShardId};

/// How many seats of each foreign shard show each source. A replica lives exactly as long as that is not zero.
#[derive(Debug, Default)]
pub(super) struct Feeds {
    uses: BTreeMap<(SourceKey, ShardId), u32>,
}

impl Feeds {
    /// One more seat; true if it is the first there.
    pub(super) fn acquire(&mut self, source: SourceKey, shard: ShardId) -> bool {
        let uses = self.uses.entry((source, shard)).or_default();
        *uses += 1;
        *uses == 1
    }

    /// One seat less; true if it was the last there.
    pub(super) fn release(&mut self, source: SourceKey, shard: ShardId) -> bool {
        let Some(uses) = self.uses.get_mut(&(source, shard)) else {
            return false;
        };
        *uses -= 1;
        if *uses > 0 {
            return false;
        }
        self.uses.remove(&(source, shard));
        true
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> &BTreeMap<(SourceKey, ShardId), u32> {
        &self.uses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_lives_from_the_first_seat_to_the_last() {
        let (mut feeds, source, shard) = (Feeds::default(), SourceKey(1), ShardId(2));
        assert!(feeds.acquire(source, shard));
        assert!(!feeds.acquire(source, shard));
        assert!(feeds.acquire(source, ShardId(3)));
        assert!(!feeds.release(source, shard));
        assert!(feeds.release(source, shard));
        assert!(!feeds.release(source, shard));
        assert_eq!(feeds.all().len(), 1);
    }
}
