//! The sources of a shard: those whose publishers are here, and replicas of those on other shards.

use ahash::AHashMap;

use super::command::ShardId;
use crate::media::{ENCODINGS_MAX, EgressKey, Source, SourceKey, TransportSlot};
use crate::packet::Codec;
use crate::packet::av1::DependencyDescriptorReader;
use crate::packet::extension::ExtensionMap;

/// One source with what the shard needs around it.
pub(super) struct SourceEntry {
    pub(super) source: Source,
    pub(super) home: Home,
    pub(super) muted: bool,
    /// Shards that get every packet too, one bit each.
    pub(super) relay_to: u64,
    /// Codec of the last packet of each encoding: a change is told to the room.
    pub(super) codecs: [Option<Codec>; ENCODINGS_MAX],
    /// What the last keyframe of each encoding said about the frames after it (AV1).
    pub(super) descriptors: [DependencyDescriptorReader; ENCODINGS_MAX],
    /// Who is attached, to be emptied with the source.
    pub(super) attached: Vec<EgressKey>,
    /// The level last told to the room: silence is told once.
    pub(super) last_level: u8,
}

/// Where the packets come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Home {
    /// A transport of this shard.
    Here(TransportSlot),
    /// Another shard, which opens the packets; ids of their extensions beside it.
    Shard(ShardId, ExtensionMap),
}

/// Sources by key, in dense slots.
#[derive(Default)]
pub(super) struct Sources {
    slots: slab::Slab<SourceEntry>,
    by_key: AHashMap<SourceKey, usize>,
}

impl Sources {
    pub(super) fn insert(&mut self, key: SourceKey, entry: SourceEntry) {
        let slot = self.slots.insert(entry);
        if let Some(before) = self.by_key.insert(key, slot) {
            self.slots.try_remove(before);
        }
    }

    pub(super) fn remove(&mut self, key: SourceKey) -> Option<SourceEntry> {
        self.slots.try_remove(self.by_key.remove(&key)?)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: SourceKey) -> Option<&mut SourceEntry> {
        self.slots.get_mut(*self.by_key.get(&key)?)
    }

    pub(super) fn contains(&self, key: SourceKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut SourceEntry> {
        self.slots.iter_mut().map(|(_, entry)| entry)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = SourceKey> + '_ {
        self.slots.iter().map(|(_, entry)| entry.source.key())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
