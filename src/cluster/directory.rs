//! Which node owns which room, as the table says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::{Bus, BusError, Entry, NodeId, NodeInfo, Nodes, Table, WriteError};
use crate::wire::RoomId;

/// An owner that was found is believed for so long; whoever is asked and is not the owner says so.
const BELIEVED: Duration = Duration::from_secs(2);
/// Tables that did not answer are not asked again for so long, unless it is known that they are back.
const FAILED: Duration = Duration::from_secs(2);
/// So many owners are remembered; beyond that, all are forgotten.
const REMEMBERED_MAX: usize = 10_000;
/// A room whose entry changes under our hands so often is somebody else's affair.
const ATTEMPTS: usize = 6;
/// Rooms that are claimed again, or given up, at the same time.
const AT_ONCE: usize = 32;

/// What the table says of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    /// The name once more: the key cannot be read.
    room: RoomId,
    node: NodeId,
    /// Of its lease. An entry of another epoch is nobody's.
    epoch: u64,
}

/// What came of claiming a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is ours.
    Ours,
    /// It belongs to this node.
    Theirs(NodeId),
}

/// One node's view of all owners, and the rooms it owns itself.
#[derive(Debug)]
pub struct Directory {
    bus: Arc<dyn Bus>,
    own: NodeId,
    epoch: AtomicU64,
    nodes: Mutex<Nodes>,
    rooms: Mutex<Rooms>,
    /// The tables did not answer then.
    failed: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Rooms {
    /// Rooms that live here.
    ours: HashMap<RoomId, Ours>,
    found: HashMap<RoomId, (NodeId, Instant)>,
    /// Entries of rooms that have ended here, until they are removed; `None`: it is not known whether there is one.
    left: HashMap<RoomId, Option<u64>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ours {
    /// Of our entry, as it was last written.
    revision: Option<u64>,
    /// It was written under the epoch of now.
    claimed: bool,
    /// Occurrences of the room that live here, or are about to.
    lives: usize,
    /// Of these, the ones that are just being claimed.
    claiming: usize,
    /// What lives here ends here; who comes now begins the room elsewhere.
    given_up: bool,
}

/// An entry that was written.
#[derive(Clone, Copy, Debug)]
struct Written {
    revision: u64,
    epoch: u64,
}

/// One occurrence of a room that is being claimed. Whoever stops waiting for it gives it back.
struct Life<'a> {
    directory: &'a Directory,
    room: &'a RoomId,
    kept: bool,
    /// What was written is known.
    noted: bool,
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        let mut rooms = self.directory.rooms();
        if let Some(ours) = rooms.ours.get_mut(self.room) {
            ours.claiming = ours.claiming.saturating_sub(1);
            // It may have been written, or not.
            ours.claimed &= self.noted;
        }
        drop(rooms);
        if !self.kept
            && let Some(revision) = self.directory.drop_life(self.room)
        {
            self.directory.leave(self.room, revision);
        }
    }
}

impl Directory {
    /// For the node of this name, which has no lease yet.
    pub fn new(bus: Arc<dyn Bus>, own: NodeId) -> Self {
        Self {
            bus,
            own,
            epoch: AtomicU64::new(0),
            nodes: Mutex::default(),
            rooms: Mutex::default(),
            failed: Mutex::default(),
        }
    }

    /// This node.
    pub fn own(&self) -> &NodeId {
        &self.own
    }

    /// The bus.
    pub fn bus(&self) -> &Arc<dyn Bus> {
        &self.bus
    }

    /// The nodes that have leases. Held for a look, never across an await.
    pub fn nodes(&self) -> MutexGuard<'_, Nodes> {
        // Nothing in here can leave it half changed.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of our lease, from now on. What was claimed before has to be claimed again.
    pub fn set_epoch(&self, epoch: u64) {
        let mut rooms = self.rooms();
        self.epoch.store(epoch, Ordering::SeqCst);
        rooms.ours.values_mut().for_each(|ours| ours.claimed = false);
    }

    /// The tables answer again.
    pub fn is_reachable(&self) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Who owns a room. `None`: nobody.
    ///
    /// # Errors
    /// When that is not known and cannot be asked.
    pub async fn find(&self, room: &RoomId) -> Result<Option<NodeId>, BusError> {
        let now = Instant::now();
        if let Some((node, at)) = self.rooms().found.get(room)
            && now.saturating_duration_since(*at) < BELIEVED
        {
            return Ok(Some(node.clone()));
        }
        let Some((owner, _)) = self.entry(room).await? else {
            return Ok(None);
        };
        if owner.node != self.own && !self.holds(&owner).await? {
            return Ok(None);
        }
        let mut rooms = self.rooms();
        if rooms.found.len() >= REMEMBERED_MAX {
            rooms.found.clear();
        }
        if owner.node != self.own {
            rooms.found.insert(room.clone(), (owner.node.clone(), now));
        }
        Ok(Some(owner.node))
    }

    /// What was found of a room is wrong.
    pub fn forget(&self, room: &RoomId) {
        self.rooms().found.remove(room);
    }

    /// Gives up a node that is not there any more, as it was last seen: one that has renewed its lease since keeps it.
    ///
    /// # Errors
    /// When it lives, or the table cannot be asked.
    pub async fn give_up(&self, node: &NodeId) -> Result<(), WriteError> {
        let revision = self.nodes().revision(node);
        match revision {
            Some(revision) => self.bus.remove(Table::Nodes, node.as_str().to_owned(), revision).await,
            None => Ok(()),
        }
    }

    /// What was found of a node's rooms is wrong: it is gone.
    pub fn forget_node(&self, node: &NodeId) {
        self.rooms().found.retain(|_, (owner, _)| owner != node);
    }

    /// Makes a room ours, unless it is somebody's who is alive. To be given back by [`Self::release`], once for each time it is ours.
    ///
    /// # Errors
    /// When the table cannot be asked. With `alone` the room is ours all the same, until [`Self::reclaim`] says otherwise.
    pub async fn claim(&self, room: &RoomId, alone: bool) -> Result<Claim, BusError> {
        {
            // Before anything is asked: whoever releases it meanwhile sees that it lives again.
            let mut rooms = self.rooms();
            let ours = rooms.ours.entry(room.clone()).or_default();
            (ours.lives, ours.claiming) = (ours.lives + 1, ours.claiming + 1);
        }
        let mut life = Life {
            directory: self,
            room,
            kept: false,
            noted: false,
        };
        match self.take(room).await {
            Ok(Ok(written)) => {
                if let Some(ours) = self.rooms().ours.get_mut(room) {
                    ours.given_up = false;
                }
                self.note(room, written);
                (life.kept, life.noted) = (true, true);
                Ok(Claim::Ours)
            }
            Ok(Err(node)) => Ok(Claim::Theirs(node)),
            Err(_) if alone => {
                life.kept = true;
                Ok(Claim::Ours)
            }
            Err(error) => Err(error),
        }
    }

    /// An occurrence of a room has ended here.
    pub async fn release(&self, room: &RoomId) {
        if let Some(revision) = self.drop_life(room) {
            self.remove(room, revision).await;
        }
    }

    /// What lives of all rooms here ends here: whoever wants to be in one of them begins it on another node. What cannot be told to the
    /// others in the time it may take goes with our lease.
    pub async fn give_up_all(&self, patience: Duration) {
        let ours: Vec<(RoomId, Option<u64>)> = {
            let mut rooms = self.rooms();
            let given_up = rooms.ours.iter_mut().filter_map(|(room, ours)| {
                (ours.given_up, ours.claimed) = (true, false);
                Some((room.clone(), Some(ours.revision.take()?)))
            });
            given_up.collect()
        };
        let removing =
            stream::iter(&ours).for_each_concurrent(AT_ONCE, |(room, revision)| self.remove(room, *revision));
        let _late = tokio::time::timeout(patience, removing).await;
    }

    /// Whether what lives of a room here ends here.
    pub fn has_given_up(&self, room: &RoomId) -> bool {
        self.rooms().ours.get(room).is_some_and(|ours| ours.given_up)
    }

    /// Claims again what lives here and is not ours by the table, after the lease was lost or the table could not be asked, and removes
    /// what has ended. Answers what belongs to others now; what cannot be settled is for the next time.
    pub async fn reclaim(&self) -> Vec<(RoomId, NodeId)> {
        let (left, unclaimed) = {
            let rooms = self.rooms();
            let left: Vec<(RoomId, Option<u64>)> = rooms.left.iter().map(|(room, at)| (room.clone(), *at)).collect();
            let unclaimed = rooms.ours.iter().filter(|(_, ours)| ours.is_to_be_claimed());
            let unclaimed: Vec<RoomId> = unclaimed.map(|(room, _)| room.clone()).collect();
            (left, unclaimed)
        };
        stream::iter(&left)
            .for_each_concurrent(AT_ONCE, |(room, revision)| self.remove(room, *revision))
            .await;
        let taken = stream::iter(unclaimed).map(|room| async move {
            let taken = self.take(&room).await;
            (room, taken)
        });
        let mut taken = std::pin::pin!(taken.buffer_unordered(AT_ONCE));
        let mut lost = Vec::new();
        while let Some((room, taken)) = taken.next().await {
            match taken {
                Ok(Ok(written)) => {
                    if let Some(revision) = self.note(&room, written) {
                        // It has ended meanwhile.
                        self.remove(&room, Some(revision)).await;
                    }
                }
                Ok(Err(node)) => {
                    if let Some(ours) = self.rooms().ours.get_mut(&room) {
                        (ours.revision, ours.given_up) = (None, true);
                        lost.push((room, node));
                    }
                }
                Err(_) => {}
            }
        }
        lost
    }

    /// Whether every room that lives here is ours by the table, or is just being claimed, and no other is.
    pub fn is_claimed(&self) -> bool {
        let rooms = self.rooms();
        rooms.left.is_empty() && !rooms.ours.values().any(Ours::is_to_be_claimed)
    }

    /// Writes our name, unless somebody alive has the room. Answers what was written, or who has it.
    async fn take(&self, room: &RoomId) -> Result<Result<Written, NodeId>, BusError> {
        for _ in 0..ATTEMPTS {
            let after = match self.entry(room).await? {
                None => None,
                // Written again even if it is ours: a removal that is on its way names the revision before.
                Some((owner, revision)) if owner.node == self.own => Some(revision),
                Some((owner, _)) if self.holds(&owner).await? => return Ok(Err(owner.node)),
                Some((_, revision)) => Some(revision),
            };
            let owner = Owner {
                room: room.clone(),
                node: self.own.clone(),
                epoch: self.epoch.load(Ordering::SeqCst),
            };
            let value = Bytes::from(serde_json::to_vec(&owner).expect("an owner is made of texts and numbers"));
            match self.bus.write(Table::Rooms, room_key(room), value, after).await {
                Ok(revision) => {
                    let epoch = owner.epoch;
                    return Ok(Ok(Written { revision, epoch }));
                }
                Err(WriteError::Conflict) => {}
                Err(WriteError::Bus(error)) => return Err(error),
            }
        }
        Err(BusError::Unreachable)
    }

    /// Whether this node's lease still has this epoch. Asked of the table where ours may be late.
    async fn holds(&self, owner: &Owner) -> Result<bool, BusError> {
        if self
            .nodes()
            .info(&owner.node)
            .is_some_and(|info| info.epoch == owner.epoch)
        {
            return Ok(true);
        }
        let lease = self.read(Table::Nodes, owner.node.as_str().to_owned()).await?;
        let info = lease.and_then(|lease| read_lease(&lease));
        Ok(info.is_some_and(|info| info.epoch == owner.epoch))
    }

    async fn entry(&self, room: &RoomId) -> Result<Option<(Owner, u64)>, BusError> {
        let Some(entry) = self.read(Table::Rooms, room_key(room)).await? else {
            return Ok(None);
        };
        // What cannot be read was written by a newer release; its owner cannot be told, so nobody is disturbed.
        let owner = serde_json::from_slice(&entry.value).map_err(|_| BusError::Unreachable)?;
        Ok(Some((owner, entry.revision)))
    }

    /// An entry as it is now. After a failure nobody waits for the next one, for a while: what asks one after the other would stand still.
    ///
    /// # Errors
    /// When the table does not answer, or has not a moment ago.
    pub async fn read(&self, table: Table, key: String) -> Result<Option<Entry>, BusError> {
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed().is_some_and(|at| at.elapsed() < FAILED) {
            return Err(BusError::Unreachable);
        }
        let read = self.bus.read(table, key).await;
        if read.is_err() {
            *failed() = Some(Instant::now());
        }
        read
    }

    /// Our entry was written. The revision by which it is to be removed again if nothing lives here any more that it could be for.
    fn note(&self, room: &RoomId, written: Written) -> Option<u64> {
        let mut rooms = self.rooms();
        rooms.found.remove(room);
        rooms.left.remove(room);
        let current = self.epoch.load(Ordering::SeqCst) == written.epoch;
        let Some(ours) = rooms.ours.get_mut(room).filter(|ours| !ours.given_up) else {
            return Some(written.revision);
        };
        // Of two that were written, the later one stands.
        if ours.revision.is_none_or(|revision| revision < written.revision) {
            (ours.revision, ours.claimed) = (Some(written.revision), current);
        }
        None
    }

    /// An entry that is somebody else's by now stays; one that cannot be removed now is, when the table answers again.
    async fn remove(&self, room: &RoomId, revision: Option<u64>) {
        // First of all: whoever stops waiting for this leaves it to the next time.
        self.leave(room, revision);
        let known = match revision {
            Some(revision) => Ok(Some(revision)),
            None => self.revision_of_nobody(room).await,
        };
        let removed = match known {
            Ok(None) => true,
            Ok(Some(known)) => {
                let removed = self.bus.remove(Table::Rooms, room_key(room), known).await;
                !matches!(removed, Err(WriteError::Bus(_)))
            }
            Err(_) => false,
        };
        let mut rooms = self.rooms();
        if removed && rooms.left.get(room) == Some(&revision) {
            rooms.left.remove(room);
        }
    }

    /// Of an entry that names us although nothing of the room lives here.
    async fn revision_of_nobody(&self, room: &RoomId) -> Result<Option<u64>, BusError> {
        let entry = self.entry(room).await?;
        let lives = self.rooms().ours.contains_key(room);
        let ours = entry.filter(|(owner, _)| owner.node == self.own && !lives);
        Ok(ours.map(|(_, revision)| revision))
    }

    fn leave(&self, room: &RoomId, revision: Option<u64>) {
        let mut rooms = self.rooms();
        if rooms.left.len() < REMEMBERED_MAX {
            rooms.left.insert(room.clone(), revision);
        }
    }

    /// One occurrence less. After the last, the revision of the entry that is to be removed, as far as it is known.
    fn drop_life(&self, room: &RoomId) -> Option<Option<u64>> {
        let mut rooms = self.rooms();
        let ours = rooms.ours.get_mut(room)?;
        ours.lives = ours.lives.saturating_sub(1);
        if ours.lives > 0 {
            return None;
        }
        let ours = rooms.ours.remove(room)?;
        // What was given up is somebody else's, or nobody's; what was written under another epoch may have been written again.
        (!ours.given_up).then_some(ours.revision.filter(|_| ours.claimed))
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Nothing in here can leave it half changed.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ours {
    fn is_to_be_claimed(&self) -> bool {
        !self.claimed && !self.given_up && self.claiming == 0
    }
}

/// What a lease says; `None`: it cannot be read, by a release older than its own.
pub(super) fn read_lease(lease: &Entry) -> Option<NodeInfo> {
    serde_json::from_slice(&lease.value).ok()
}

/// The key of a room in tables: rooms are called anything; keys are letters and digits.
pub fn room_key(room: &RoomId) -> String {
    use std::fmt::Write;
    let mut key = String::with_capacity(room.as_str().len() * 2);
    for byte in room.as_str().bytes() {
        // Writing to a string cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}
