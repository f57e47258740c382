//! Rooms in which only the loudest are heard.

use ahash::AHashMap;

use super::command::room_of;
use super::sources::SourceEntry;
use crate::media::{Inbound, LoudestN, SourceKey};

/// The voices that are forwarded, by room. Rooms in which everybody is heard are not in it.
///
/// Each shard chooses among all voices that reach it: its own, and those that other shards let through. A voice that is among
/// the loudest of all is among the loudest of its own shard, so nobody is missed; and whoever receives gets no more than
/// the room's number of them, wherever they come from.
#[derive(Default)]
pub(super) struct Loudest {
    rooms: AHashMap<u32, LoudestN>,
}

impl Loudest {
    /// So many voices at a time are heard in this room; 0: all of them.
    pub(super) fn set(&mut self, room: u32, most: usize) {
        if most == 0 {
            self.rooms.remove(&room);
        } else if let Some(loudest) = self.rooms.get_mut(&room) {
            loudest.set_most(most);
        } else {
            self.rooms.insert(room, LoudestN::new(most));
        }
    }

    /// The source has ended.
    pub(super) fn remove(&mut self, source: SourceKey) {
        if let Some(loudest) = self.rooms.get_mut(&room_of(source)) {
            loudest.remove(source);
        }
    }

    /// Hears one packet of sound, and says whether it goes to everybody or only to who pinned it.
    pub(super) fn admit(&mut self, entry: &mut SourceEntry, packet: &Inbound<'_>) -> bool {
        let Some(voice) = entry.source.hear(packet) else {
            return !entry.source.is_held_back();
        };
        let key = entry.source.key();
        let among = self.rooms.get_mut(&room_of(key)).filter(|_| entry.is_voice);
        let passes = among.is_none_or(|loudest| loudest.admit(packet.now, key, voice));
        if passes && entry.source.is_held_back() {
            // Those on other shards have not seen what was held back here.
            entry.resumed += 1;
        }
        entry.source.hold_back(!passes);
        passes
    }
}
