//! Which node owns which room, as the table says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
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
    /// Entries of rooms that have ended here, and that could not be removed yet.
    left: HashMap<RoomId, u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ours {
    /// Of our entry; `None`: the table could not be asked.
    revision: Option<u64>,
    /// Occurrences of the room that live here, or are about to.
    lives: usize,
    /// What lives here ends here; who comes now begins the room elsewhere.
    given_up: bool,
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
        self.epoch.store(epoch, Ordering::SeqCst);
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

    /// Makes a room ours, unless it is somebody's who is alive. To be given back by [`Self::release`], once for each time.
    ///
    /// # Errors
    /// When the table cannot be asked. With `alone` the room is ours all the same, until [`Self::reclaim`] says otherwise.
    pub async fn claim(&self, room: &RoomId, alone: bool) -> Result<Claim, BusError> {
        // Before anything is asked: whoever releases it meanwhile sees that it lives again.
        self.rooms().ours.entry(room.clone()).or_default().lives += 1;
        let claimed = self.take(room).await;
        match claimed {
            Ok(Ok(revision)) => {
                self.note(room, revision);
                Ok(Claim::Ours)
            }
            Ok(Err(node)) => {
                self.drop_life(room);
                Ok(Claim::Theirs(node))
            }
            Err(_) if alone => Ok(Claim::Ours),
            Err(error) => {
                self.drop_life(room);
                Err(error)
            }
        }
    }

    /// An occurrence of a room has ended here.
    pub async fn release(&self, room: &RoomId) {
        if let Some(revision) = self.drop_life(room) {
            self.remove(room, revision).await;
        }
    }

    /// An entry that is somebody else's by now stays; one that cannot be removed now is, when the table answers again.
    async fn remove(&self, room: &RoomId, revision: u64) {
        let removed = self.bus.remove(Table::Rooms, key(room), revision).await;
        let mut rooms = self.rooms();
        if matches!(removed, Err(WriteError::Bus(_))) && rooms.left.len() < REMEMBERED_MAX {
            rooms.left.insert(room.clone(), revision);
        } else {
            rooms.left.remove(room);
        }
    }

    /// What lives of all rooms here ends here: whoever wants to be in one of them begins it on another node.
    pub async fn give_up_all(&self) {
        let ours: Vec<(RoomId, Option<u64>)> = {
            let mut rooms = self.rooms();
            rooms.ours.values_mut().for_each(|ours| ours.given_up = true);
            let taken = rooms.ours.iter_mut();
            taken.map(|(room, ours)| (room.clone(), ours.revision.take())).collect()
        };
        for (room, revision) in ours {
            if let Some(revision) = revision {
                self.remove(&room, revision).await;
            }
        }
    }

    /// Whether what lives of a room here ends here.
    pub fn has_given_up(&self, room: &RoomId) -> bool {
        self.rooms().ours.get(room).is_some_and(|ours| ours.given_up)
    }

    /// Claims again what lives here, after the lease was lost or the table could not be asked. Answers what belongs to others now.
    ///
    /// # Errors
    /// When the table cannot be asked.
    pub async fn reclaim(&self) -> Result<Vec<(RoomId, NodeId)>, BusError> {
        let kept = |(room, ours): (&RoomId, &Ours)| (!ours.given_up).then(|| room.clone());
        let ours: Vec<RoomId> = self.rooms().ours.iter().filter_map(kept).collect();
        let left: Vec<(RoomId, u64)> = self.rooms().left.drain().collect();
        for (room, revision) in left {
            self.remove(&room, revision).await;
        }
        let mut lost = Vec::new();
        for room in ours {
            match self.take(&room).await? {
                Ok(revision) => self.note(&room, revision),
                Err(node) => {
                    if let Some(ours) = self.rooms().ours.get_mut(&room) {
                        (ours.revision, ours.given_up) = (None, true);
                    }
                    lost.push((room, node));
                }
            }
        }
        Ok(lost)
    }

    /// Whether every room that lives here is ours by the table, and no other.
    pub fn is_claimed(&self) -> bool {
        self.rooms()
            .ours
            .values()
            .all(|ours| ours.revision.is_some() || ours.given_up)
    }

    /// Writes our name, unless somebody alive has the room. Answers the new revision, or who has it.
    async fn take(&self, room: &RoomId) -> Result<Result<u64, NodeId>, BusError> {
        let owner = Owner {
            room: room.clone(),
            node: self.own.clone(),
            epoch: self.epoch.load(Ordering::SeqCst),
        };
        let value = Bytes::from(serde_json::to_vec(&owner).expect("an owner is made of texts and numbers"));
        for _ in 0..ATTEMPTS {
            let after = match self.entry(room).await? {
                None => None,
                // Written again even if it is ours: a removal that is on its way names the revision before.
                Some((owner, revision)) if owner.node == self.own => Some(revision),
                Some((owner, _)) if self.holds(&owner).await? => return Ok(Err(owner.node)),
                Some((_, revision)) => Some(revision),
            };
            match self.bus.write(Table::Rooms, key(room), value.clone(), after).await {
                Ok(revision) => return Ok(Ok(revision)),
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
        let Some(entry) = self.read(Table::Rooms, key(room)).await? else {
            return Ok(None);
        };
        // What cannot be read was written by a newer release; its owner cannot be told, so nobody is disturbed.
        let owner = serde_json::from_slice(&entry.value).map_err(|_| BusError::Unreachable)?;
        Ok(Some((owner, entry.revision)))
    }

    /// After a failure nobody waits for the next one, for a while: what asks one after the other would stand still.
    async fn read(&self, table: Table, key: String) -> Result<Option<Entry>, BusError> {
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed().is_some_and(|at| at.elapsed() < FAILED) {
            return Err(BusError::Unreachable);
        }
        let read = self.bus.read(table, key).await;
        *failed() = read.is_err().then(Instant::now);
        read
    }

    fn note(&self, room: &RoomId, revision: u64) {
        let mut rooms = self.rooms();
        rooms.found.remove(room);
        if let Some(ours) = rooms.ours.get_mut(room) {
            (ours.revision, ours.given_up) = (Some(revision), false);
        }
    }

    /// One occurrence less. After the last, the revision of the entry that is to be removed.
    fn drop_life(&self, room: &RoomId) -> Option<u64> {
        let mut rooms = self.rooms();
        let ours = rooms.ours.get_mut(room)?;
        ours.lives = ours.lives.saturating_sub(1);
        if ours.lives > 0 {
            return None;
        }
        rooms.ours.remove(room).and_then(|ours| ours.revision)
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        // Nothing in here can leave it half changed.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a lease says; `None`: it cannot be read, by a release older than its own.
pub(super) fn read_lease(lease: &Entry) -> Option<NodeInfo> {
    serde_json::from_slice(&lease.value).ok()
}

/// Rooms are called anything; keys are letters and digits.
fn key(room: &RoomId) -> String {
    use std::fmt::Write;
    let mut key = String::with_capacity(room.as_str().len() * 2);
    for byte in room.as_str().bytes() {
        // Writing to a string cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}
