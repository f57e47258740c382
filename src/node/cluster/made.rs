//! Rooms that were made ahead, and the key that signs webhooks, are the same on all nodes: a table has them, and each node a copy, by which
//! it lives while the table cannot be reached.
//!
//! A change is written into the table by compare-and-set first, and then taken in. What follows from calls (a room was used, or is over for
//! good) is written here first, and then into the table; neither is ever taken back, so copies can be put together in any order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::super::records::{Records, RecordsClosed};
use super::super::{Inner, Node, unix_ms};
use super::{Cluster, Shared};
use crate::cluster::{Change, LEASE, Table, WriteError, room_key};
use crate::records::{Edit, Edited, RoomRecord};
use crate::room::Manage;
use crate::wire::RoomId;

/// A bus that was lost is asked for anew this often.
const AGAIN: Duration = Duration::from_secs(1);
/// Somebody else's change came first: so often.
const ATTEMPTS: usize = 8;
/// Once the table has told what it has, what it lacks is written into it.
const SWEEP_AFTER: Duration = Duration::from_secs(3);
/// Rooms that are looked at together.
const SWEEP_PAGE: usize = 500;
/// Rooms that are written at the same time.
const AT_ONCE: usize = 16;
/// Longest entry. A message holds a megabyte.
const RECORD_BYTES_MAX: usize = 512 << 10;
/// How long a room may take to hear of its settings before others are told of theirs.
const TELLING: Duration = Duration::from_secs(2);
/// Where the key pair that signs webhooks stands.
const WEBHOOKS_KEY: &str = "webhooks";

/// Which copy of a room it is: its version, and what only ever goes one way.
type CopyOf = (u64, bool, bool);

const fn copy_of(record: &RoomRecord) -> CopyOf {
    (record.version, record.used, record.deactivated)
}

/// Why a room cannot be made or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It cannot be kept here.
    #[error(transparent)]
    Records(#[from] RecordsClosed),
    /// It cannot be told to the other nodes.
    #[error("rooms are the same on all nodes, and the others cannot be reached now; try again in a moment")]
    Cut,
    /// It is more than nodes tell each other.
    #[error("a room of a cluster has at most {RECORD_BYTES_MAX} bytes of settings")]
    TooLarge,
}

impl Cluster {
    /// Makes or changes a room on all nodes. Where they cannot be reached and this one may be alone, here, and there later.
    pub(in crate::node) async fn edit(&self, records: &Records, edit: Edit) -> Result<Edited, EditError> {
        let room = edit.record.room.clone();
        let is_alone = || self.shared.may_be_alone && self.is_alone();
        let mut last = Edited::Missing;
        for _ in 0..ATTEMPTS {
            let kept = match self.shared.read_made(&room).await {
                Ok(kept) => kept,
                Err(()) if is_alone() => return Ok(records.edit(edit).await?),
                Err(()) => return Err(EditError::Cut),
            };
            let id = room.clone();
            let (known, is_full) = records
                .read(move |store| Ok((store.room(id.as_str())?, store.is_full()?)))
                .await?;
            let revision = kept.as_ref().map(|(_, revision)| *revision);
            let known = together(kept.map(|(kept, _)| kept), known.map(|(known, _)| known));
            let record = match edit.clone().onto(known, is_full, unix_ms()) {
                Edited::Kept(record) => record,
                other @ (Edited::Other(_) | Edited::Missing | Edited::Full) => {
                    last = other;
                    break;
                }
            };
            let value = packed(&record).ok_or(EditError::TooLarge)?;
            match self
                .shared
                .directory
                .bus()
                .write(Table::Made, room_key(&room), value, revision)
                .await
            {
                Ok(_) => return Ok(Edited::Kept(records.adopt(record).await?.0)),
                Err(WriteError::Conflict) => last = Edited::Other(record),
                Err(WriteError::Bus(_)) if is_alone() => return Ok(records.edit(edit).await?),
                Err(WriteError::Bus(_)) => return Err(EditError::Cut),
            }
        }
        if let Edited::Other(other) = &last {
            // What is there is taken in, so that whoever tries again begins with it.
            records.adopt(other.clone()).await?;
        }
        Ok(last)
    }

    /// Takes in what the table says of a room, if it can be asked: somebody may just have made it on another node.
    pub(in crate::node) async fn freshen(&self, records: &Records, room: &RoomId) {
        if let Ok(Some((kept, _))) = self.shared.read_made(room).await {
            // What cannot be written is as it was.
            let _changed = take_in(records, kept).await;
        }
    }

    /// Tells a living room of this node what holds for it now.
    pub(in crate::node) async fn tell_settings(&self, node: &Arc<Inner>, room: &RoomId) {
        // One after the other, so that what was read first is not told last.
        let _turn = self.shared.telling.lock().await;
        tell_settings(node, room).await;
    }
}

/// Tells a living room of this node what holds for it now. A room that nobody is in hears of it when it begins.
pub(in crate::node) async fn tell_settings(node: &Arc<Inner>, room: &RoomId) {
    if node.directory.by_id(room).is_none() {
        return;
    }
    let Some(preset) = node.records.preset(room).await else {
        return;
    };
    let node = Node {
        inner: Arc::clone(node),
    };
    let told = node.manage(room, Manage::Preset(Box::new(preset)));
    let _late = tokio::time::timeout(TELLING, told).await;
}

impl Shared {
    /// What the table has of a room, with its revision. What cannot be read, by a release that is too old, is as if it could not be asked.
    async fn read_made(&self, room: &RoomId) -> Result<Option<(RoomRecord, u64)>, ()> {
        let entry = self.directory.read(Table::Made, room_key(room)).await.map_err(drop)?;
        let Some(entry) = entry else { return Ok(None) };
        let record = serde_json::from_slice(&entry.value).map_err(drop)?;
        Ok(Some((record, entry.revision)))
    }

    /// Writes what is known here into the table, where that says less.
    async fn push(&self, records: &Records, known: RoomRecord) -> Result<(), ()> {
        for _ in 0..ATTEMPTS {
            let kept = self.read_made(&known.room).await?;
            let revision = kept.as_ref().map(|(_, revision)| *revision);
            let kept = kept.map(|(kept, _)| kept);
            let Some(whole) = together(kept.clone(), Some(known.clone())) else {
                return Ok(());
            };
            let Some(value) = packed(&whole) else { return Ok(()) };
            if kept.as_ref() != Some(&whole) {
                let written = self
                    .directory
                    .bus()
                    .write(Table::Made, room_key(&whole.room), value, revision);
                match written.await {
                    Ok(_) => {}
                    Err(WriteError::Conflict) => continue,
                    Err(WriteError::Bus(_)) => return Err(()),
                }
            }
            if whole != known {
                records.adopt(whole).await.map_err(drop)?;
            }
            return Ok(());
        }
        Ok(())
    }

    /// All that is kept here and that the table has not told of goes into it.
    async fn sweep(&self, records: &Records, told: &HashMap<RoomId, CopyOf>) {
        let mut after: Option<RoomId> = None;
        loop {
            let from = after.clone();
            let page = records.read(move |store| store.rooms_after(from.as_ref().map(RoomId::as_str), SWEEP_PAGE));
            let Ok(page) = page.await else { return };
            let Some(last) = page.items.last() else { return };
            after = Some(last.room.clone());
            let lacking = page
                .items
                .into_iter()
                .filter(|known| told.get(&known.room) != Some(&copy_of(known)));
            stream::iter(lacking)
                .for_each_concurrent(AT_ONCE, |known| async {
                    // What cannot be told now is told when the table answers again.
                    let _later = self.push(records, known).await;
                })
                .await;
        }
    }

    /// Agrees with the others on the key that signs webhooks. False: they cannot be reached.
    async fn share_key(&self, records: &Records) -> bool {
        for _ in 0..ATTEMPTS {
            let kept = match self.directory.bus().read(Table::Keys, WEBHOOKS_KEY.to_owned()).await {
                Ok(kept) => kept,
                Err(_) => return false,
            };
            if let Some(kept) = kept {
                return records.adopt_key(kept.value.to_vec()).await.is_ok();
            }
            let Ok(own) = records.key().await else { return false };
            let written = self
                .directory
                .bus()
                .write(Table::Keys, WEBHOOKS_KEY.to_owned(), own.into(), None);
            // Whoever was first is read, even if it was us.
            if matches!(written.await, Err(WriteError::Bus(_))) {
                return false;
            }
        }
        false
    }
}

/// The key is agreed on before anything is signed; who is cut off from the start signs with its own.
pub(super) async fn agree(node: Arc<Inner>, shared: Arc<Shared>) {
    let began = Instant::now();
    while !shared.share_key(&node.records).await {
        if began.elapsed() >= LEASE {
            node.records.settle_key();
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Follows the table, for as long as the node lives.
pub(super) async fn follow(node: Arc<Inner>, cluster: Cluster) {
    let shared = Arc::clone(&cluster.shared);
    let mut changed = node.records.changes();
    'watch: loop {
        if let Ok(mut changes) = shared.directory.bus().watch(Table::Made).await {
            let mut told = HashMap::new();
            let mut sweep = Some(Instant::now() + SWEEP_AFTER);
            loop {
                let soon = sweep.unwrap_or_else(Instant::now);
                tokio::select! {
                    change = changes.next() => {
                        let Some(change) = change else { break };
                        let Some(record) = read(&change) else { continue };
                        if sweep.is_some() {
                            told.insert(record.room.clone(), copy_of(&record));
                        }
                        let room = record.room.clone();
                        if take_in(&node.records, record).await == Some(true) {
                            cluster.tell_settings(&node, &room).await;
                        }
                    }
                    record = changed.recv() => match record {
                        Ok(record) => {
                            if shared.push(&node.records, record).await.is_err() {
                                // When the table answers again, the watch begins anew, and what it lacks is written.
                                break;
                            }
                        }
                        Err(RecvError::Lagged(_)) => sweep = Some(Instant::now()),
                        Err(RecvError::Closed) => return,
                    },
                    // It is watched anew, and written what it lacks.
                    () = shared.anew.notified() => continue 'watch,
                    () = tokio::time::sleep_until(soon), if sweep.is_some() => {
                        shared.sweep(&node.records, &told).await;
                        (told, sweep) = (HashMap::new(), None);
                        // The table may have forgotten the key as well.
                        shared.share_key(&node.records).await;
                    }
                }
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn read(change: &Change) -> Option<RoomRecord> {
    let entry = change.entry.as_ref()?;
    let read = serde_json::from_slice(&entry.value);
    if read.is_err() {
        tracing::warn!("a room that another node made cannot be read");
    }
    read.ok()
}

/// True: something has changed by it here.
async fn take_in(records: &Records, kept: RoomRecord) -> Option<bool> {
    let id = kept.room.clone();
    let known = records.read(move |store| store.room(id.as_str())).await.ok()?;
    // Most of what is told is known already, and nothing is written for that.
    if known.is_some_and(|(known, _)| RoomRecord::together(kept.clone(), known.clone()) == known) {
        return Some(false);
    }
    let (_, changed) = records.adopt(kept).await.ok()?;
    Some(changed)
}

fn together(kept: Option<RoomRecord>, known: Option<RoomRecord>) -> Option<RoomRecord> {
    match (kept, known) {
        (Some(kept), Some(known)) => Some(RoomRecord::together(kept, known)),
        (one, other) => one.or(other),
    }
}

/// `None`: it is too long.
fn packed(record: &RoomRecord) -> Option<Bytes> {
    let bytes = serde_json::to_vec(record).expect("rooms have only string keys, so they can be written");
    (bytes.len() <= RECORD_BYTES_MAX).then(|| Bytes::from(bytes))
}
