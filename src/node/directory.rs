//! Which rooms are alive on this node. The one table that several tasks share; held for a lookup, never across an await.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use super::presence::Presences;
use super::room_task::RoomMessage;
use crate::shard::ShardId;
use crate::wire::RoomId;
use crate::wire::signal::Presence;

/// A room seen from outside its task.
#[derive(Clone)]
pub(super) struct RoomHandle {
    pub(super) inbox: mpsc::Sender<RoomMessage>,
    /// Where its media lives first.
    pub(super) home: ShardId,
    /// Transports it has now; only used to decide when it grows onto another shard.
    pub(super) participants: Arc<AtomicUsize>,
}

#[derive(Default)]
pub(super) struct Directory {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    by_id: HashMap<RoomId, (u32, RoomHandle)>,
    by_number: HashMap<u32, RoomId>,
    last_number: u32,
    presences: Presences,
}

impl Directory {
    /// The room, begun by `start` if it is not there and `may_begin`, asked with the number of rooms, allows it. `start` gets a
    /// number that no living room has.
    pub(super) fn enter<E>(
        &self,
        id: &RoomId,
        may_begin: impl FnOnce(usize) -> Result<(), E>,
        start: impl FnOnce(u32) -> RoomHandle,
    ) -> Result<RoomHandle, E> {
        let mut tables = self.lock();
        if let Some((_, room)) = tables.by_id.get(id)
            && !room.inbox.is_closed()
        {
            return Ok(room.clone());
        }
        may_begin(tables.by_id.len())?;
        loop {
            tables.last_number = tables.last_number.wrapping_add(1);
            if !tables.by_number.contains_key(&tables.last_number) {
                break;
            }
        }
        let number = tables.last_number;
        let room = start(number);
        tables.by_number.insert(number, id.clone());
        tables.by_id.insert(id.clone(), (number, room.clone()));
        Ok(room)
    }

    /// The living room of this id.
    pub(super) fn by_id(&self, id: &RoomId) -> Option<RoomHandle> {
        let tables = self.lock();
        let (_, room) = tables.by_id.get(id)?;
        (!room.inbox.is_closed()).then(|| room.clone())
    }

    pub(super) fn by_number(&self, number: u32) -> Option<RoomHandle> {
        let tables = self.lock();
        let (found, room) = tables.by_id.get(tables.by_number.get(&number)?)?;
        (*found == number).then(|| room.clone())
    }

    /// The room has ended. A newer room of the same id stays.
    pub(super) fn remove(&self, id: &RoomId, number: u32) {
        let mut tables = self.lock();
        tables.by_number.remove(&number);
        tables.presences.hide(number);
        if tables.by_id.get(id).is_some_and(|(found, _)| *found == number) {
            tables.by_id.remove(id);
        }
    }

    /// A living room shows this to those outside.
    pub(super) fn show(&self, number: u32, presence: Presence, listing: Option<String>) {
        self.lock().presences.show(number, presence, listing);
    }

    /// What the living room of this id shows.
    pub(super) fn presence(&self, id: &RoomId) -> Option<Presence> {
        let tables = self.lock();
        let (number, room) = tables.by_id.get(id)?;
        tables
            .presences
            .of(*number)
            .filter(|_| !room.inbox.is_closed())
            .cloned()
    }

    /// What rooms with this listing show.
    pub(super) fn listed(&self, listing: &str) -> Vec<Presence> {
        self.lock().presences.listed(listing)
    }

    /// What the rooms after this one show, by name: at most so many.
    pub(super) fn shown(&self, after: Option<&RoomId>, most: usize) -> Vec<Presence> {
        let tables = self.lock();
        let mut rooms: Vec<(&RoomId, u32)> = tables
            .by_id
            .iter()
            .filter(|(id, _)| after.is_none_or(|after| *id > after))
            .map(|(id, (number, _))| (id, *number))
            .collect();
        rooms.sort_unstable();
        let shown = rooms.into_iter().filter_map(|(_, number)| tables.presences.of(number));
        shown.take(most).cloned().collect()
    }

    pub(super) fn all(&self) -> Vec<RoomHandle> {
        self.lock().by_id.values().map(|(_, room)| room.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().by_id.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tables> {
        // Nothing in here can leave the tables half changed, so a panic elsewhere while holding them does no harm.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room() -> (RoomHandle, mpsc::Receiver<RoomMessage>) {
        let (inbox, messages) = mpsc::channel(1);
        let handle = RoomHandle {
            inbox,
            home: ShardId(0),
            participants: Arc::default(),
        };
        (handle, messages)
    }

    #[test]
    fn a_living_room_is_entered_whatever_the_limit_and_a_new_one_within_it() {
        let (directory, (first, inbox)) = (Directory::default(), room());
        let (a, b): (RoomId, RoomId) = ("a".parse().unwrap(), "b".parse().unwrap());
        let one = |rooms: usize| if rooms < 1 { Ok(()) } else { Err("full") };
        assert!(directory.enter(&a, one, |_| first).is_ok());
        assert_eq!(directory.enter(&b, one, |_| unreachable!()).err(), Some("full"));
        assert!(directory.enter(&a, one, |_| unreachable!()).is_ok());
        drop(inbox);
        assert!(directory.by_id(&a).is_none(), "its task has ended");
    }
}
