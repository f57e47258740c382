//! Who wants what of a source: from the subscribers of every shard to the shard of its publisher, and from there to the room.
//!
//! Told when it has changed, at the end of a turn. A replica that finds its home's mailbox full tells it with the next tick.

use super::command::ShardId;
use super::event::ShardEvent;
use super::mailbox::Mail;
use super::sources::{Home, SourceEntry};
use super::{Shard, command};
use crate::media::{Demand, SourceKey};
use crate::packet::Kind;

/// What the other shards want of a source whose home is here.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// At most one entry for each shard that gets its packets.
    shards: Vec<(ShardId, Demand)>,
}

impl Away {
    /// What a shard wants from now on.
    pub(super) fn set(&mut self, shard: ShardId, demand: Demand) {
        match self.shards.iter_mut().find(|(known, _)| *known == shard) {
            Some((_, known)) => *known = demand,
            None => self.shards.push((shard, demand)),
        }
    }

    /// A shard gets its packets no longer.
    pub(super) fn remove(&mut self, shard: ShardId) {
        self.shards.retain(|(known, _)| *known != shard);
    }

    /// Of all of them together.
    fn demand(&self) -> Demand {
        let wanted = self.shards.iter().map(|(_, demand)| *demand);
        wanted.fold(Demand::default(), Demand::and)
    }

    /// A bit for each shard on which somebody wants it whatever others do.
    pub(super) fn pinned(&self) -> u64 {
        let pinned = self.shards.iter().filter(|(_, demand)| demand.pinned);
        pinned.fold(0, |bits, (shard, _)| bits | 1 << (shard.0 % 64))
    }
}

impl SourceEntry {
    /// What is wanted of it, here and on other shards.
    pub(super) fn demand(&self) -> Demand {
        self.source.demand().and(self.away.demand())
    }
}

impl Shard {
    /// Tells whoever is next on the way to the publisher, if what is wanted has changed.
    pub(super) fn tell_demand(&mut self, key: SourceKey) {
        let Some(entry) = self.sources.get_mut(key) else { return };
        let demand = entry.demand();
        if entry.told == Some(demand) {
            return;
        }
        match entry.home {
            Home::Here(_) => {
                // Who is heard is the room's to say: a voice that nobody has a seat for has to be listened to all the same.
                let is_news = entry.told.is_none_or(|told| told.encodings != demand.encodings);
                entry.told = Some(demand);
                if is_news && entry.source.kind() == Kind::Video {
                    let event = ShardEvent::Demand {
                        source: key,
                        encodings: demand.encodings,
                    };
                    self.post.send(command::room_of(key), event);
                }
            }
            Home::Shard(home, _) => {
                let wanted = Mail::Demand {
                    source: key,
                    from: self.id,
                    demand,
                };
                if self
                    .peers
                    .get(usize::from(home.0))
                    .is_some_and(|home| home.try_send(wanted))
                {
                    entry.told = Some(demand);
                }
            }
        }
    }

    /// A replica says what is wanted of it. One that is being taken down counts no more.
    pub(super) fn handle_demand(&mut self, source: SourceKey, from: ShardId, demand: Demand) {
        if let Some(entry) = self.sources.get_mut(source)
            && entry.relay_to & (1 << (from.0 % 64)) != 0
        {
            entry.away.set(from, demand);
            self.keyframes_due.push(source);
        }
    }
}
