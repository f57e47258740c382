//! The sources of a shard: those whose publishers are here, and replicas of those on other shards.

use std::time::Instant;

use ahash::AHashMap;

use super::command::ShardId;
use super::demand::Away;
use super::tap::Tap;
use crate::media::{Demand, ENCODINGS_MAX, EgressKey, Source, SourceKey, TransportSlot};
use crate::packet::Codec;
use crate::packet::av1::DependencyDescriptorReader;
use crate::packet::extension::ExtensionMap;

/// A stretch of one encoding whose sequence numbers belong together. Every packet names its own, so that the news of
/// another one is not lost with the packet that brings it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    /// [`super::receive::ReceivedStream::run`]; 0 before the first packet.
    pub(super) stream: u64,
    /// [`SourceEntry::resumed`] at home: what was held back there is no loss.
    pub(super) resumed: u32,
}

/// One source with what the shard needs around it.
pub(super) struct SourceEntry {
    pub(super) source: Source,
    pub(super) home: Home,
    pub(super) muted: bool,
    /// Shards that get every packet too, one bit each.
    pub(super) relay_to: u64,
    /// Which run of its publisher's packets each encoding is in.
    pub(super) runs: [Run; ENCODINGS_MAX],
    /// How often it was unmuted, or let through again after others had been louder.
    pub(super) resumed: u32,
    /// A microphone, which has to be among the loudest of a large room to be heard.
    pub(super) is_voice: bool,
    /// What is wanted of it on other shards.
    pub(super) away: Away,
    /// Who records it, at home.
    pub(super) tap: Option<Tap>,
    /// What the room, or the shard it comes from, was told last of who wants what.
    pub(super) told: Option<Demand>,
    /// Codec of each encoding, and the packet that brought it: a change is told to the room.
    pub(super) codecs: [Option<(Codec, u64)>; ENCODINGS_MAX],
    /// What the last keyframe of each encoding said about the frames after it, in a dependency descriptor.
    pub(super) descriptors: [DependencyDescriptorReader; ENCODINGS_MAX],
    /// Who is attached, to be emptied with the source.
    pub(super) attached: Vec<EgressKey>,
    /// The level last told to the room: silence is told once.
    pub(super) last_level: u8,
}

impl SourceEntry {
    /// Whether anybody receives it, here or on another shard.
    pub(super) fn is_watched(&self) -> bool {
        self.relay_to != 0 || !self.source.is_empty()
    }

    /// A packet of this run is to be forwarded: another run than before has other numbers.
    #[inline]
    pub(super) fn enter_run(&mut self, encoding: usize, run: Run) {
        let before = self.runs[encoding];
        if before != run {
            self.runs[encoding] = run;
            if let Some((_, since)) = &mut self.codecs[encoding] {
                *since = 0;
            }
            if before.stream == run.stream {
                self.source.skip(encoding);
            } else {
                self.source.restart_encoding(encoding);
            }
        }
    }

    /// Is this packet the first of its codec? One that comes late, or again, from before a change is not.
    #[inline]
    pub(super) fn is_new_codec(&mut self, encoding: usize, codec: Codec, index: u64) -> bool {
        let known = &mut self.codecs[encoding];
        if known.is_some_and(|(known, since)| known == codec || index < since) {
            return false;
        }
        *known = Some((codec, index));
        true
    }

    /// Wants a keyframe of all encodings that were ever seen, if anybody watches.
    pub(super) fn request_keyframes(&mut self, now: Instant) {
        if self.is_watched() {
            let seen = self.codecs.iter().enumerate().filter(|(_, codec)| codec.is_some());
            seen.for_each(|(encoding, _)| self.source.request_keyframe_of(now, encoding));
        }
    }
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

    pub(super) fn get(&self, key: SourceKey) -> Option<&SourceEntry> {
        self.slots.get(*self.by_key.get(&key)?)
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
