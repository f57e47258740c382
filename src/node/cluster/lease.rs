//! Keeps this node's lease, and notices whose is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::{Notify, mpsc};

use crate::cluster::{Change, Changes, Directory, LEASE, NodeEvent, NodeId, NodeInfo, RENEW, Table, WriteError};
use crate::wire::RoomId;

/// Leases are looked at this often.
const LOOK: Duration = Duration::from_millis(250);
/// A bus that was lost is asked for anew this often.
const AGAIN: Duration = Duration::from_millis(500);

/// What the rest of the node is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LeaseEvent {
    /// Another node came or went.
    Node(NodeEvent),
    /// A room that lives here belongs to another node now.
    Lost(RoomId, NodeId),
}

/// What a lease says now.
pub(super) type Describe = Box<dyn Fn() -> NodeInfo + Send + Sync>;

/// One node's lease.
pub(super) struct Lease {
    pub(super) directory: Arc<Directory>,
    pub(super) describe: Describe,
    pub(super) events: mpsc::Sender<LeaseEvent>,
    /// Whether it has not been renewed for as long as a lease is good.
    pub(super) alone: Arc<AtomicBool>,
    pub(super) epoch: u64,
    /// Of the entry, as far as we know it.
    pub(super) revision: Option<u64>,
    pub(super) renewed: Instant,
    /// Rooms are being claimed again.
    pub(super) reclaiming: Arc<AtomicBool>,
    /// Told when the tables may have missed something, or forgotten everything.
    pub(super) anew: Arc<Notify>,
}

impl Lease {
    /// Renews the lease and watches the others', until `stop`; then removes it.
    pub(super) async fn run(mut self, mut stop: mpsc::Receiver<()>) {
        let mut renew = tokio::time::interval(RENEW);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes: Option<Changes> = None;
        let mut watched = Instant::now();
        loop {
            if changes.is_none() && watched.elapsed() >= AGAIN {
                watched = Instant::now();
                changes = self.directory.bus().watch(Table::Nodes).await.ok();
            }
            tokio::select! {
                _ = renew.tick() => self.renew().await,
                _ = look.tick() => self.give_up().await,
                change = next(&mut changes) => match change {
                    Some(change) => self.observe(change).await,
                    None => changes = None,
                },
                _ = stop.recv() => break,
            }
        }
        if let Some(revision) = self.revision {
            let key = self.directory.own().as_str().to_owned();
            // Otherwise the others notice that it is not renewed.
            let _kept = self.directory.bus().remove(Table::Nodes, key, revision).await;
        }
    }

    async fn renew(&mut self) {
        let key = self.directory.own().as_str().to_owned();
        let info = NodeInfo {
            epoch: self.epoch,
            ..(self.describe)()
        };
        let value = Bytes::from(serde_json::to_vec(&info).expect("a lease is made of texts and numbers"));
        let began = Instant::now();
        match self
            .directory
            .bus()
            .write(Table::Nodes, key, value, self.revision)
            .await
        {
            Ok(revision) => {
                let is_new = self.revision.replace(revision).is_none();
                // Whoever was cut off, or stood still, has not heard the others, and gives up nobody for that.
                if self.renewed.elapsed() > RENEW * 2 {
                    self.directory.nodes().excuse(Instant::now());
                }
                self.renewed = began;
                self.directory.is_reachable();
                let was_alone = self.alone.swap(false, Ordering::SeqCst);
                if is_new || was_alone {
                    self.anew.notify_one();
                }
                if is_new || was_alone || !self.directory.is_claimed() {
                    self.reclaim();
                }
            }
            Err(WriteError::Conflict) => self.find_out().await,
            Err(WriteError::Bus(_)) => {
                if self.renewed.elapsed() >= LEASE && !self.alone.swap(true, Ordering::SeqCst) {
                    tracing::warn!(
                        "the cluster cannot be reached: calls go on, and others may take over the rooms of this node"
                    );
                }
            }
        }
    }

    /// The entry is another than we thought: a renewal that was written although its answer was lost, or somebody gave us up.
    async fn find_out(&mut self) {
        let key = self.directory.own().as_str().to_owned();
        let Ok(entry) = self.directory.bus().read(Table::Nodes, key).await else {
            return;
        };
        let ours = entry.and_then(|entry| {
            let info: NodeInfo = serde_json::from_slice(&entry.value).ok()?;
            (info.epoch == self.epoch).then_some(entry.revision)
        });
        if ours.is_none() && self.revision.is_some() {
            tracing::warn!("this node was given up by the others, and begins anew among them");
            self.epoch = self.epoch.wrapping_add(1);
            self.directory.set_epoch(self.epoch);
        }
        self.revision = ours;
    }

    /// In a task of its own, and one at a time: many rooms take longer than a lease is good.
    fn reclaim(&self) {
        if self.reclaiming.swap(true, Ordering::SeqCst) {
            return;
        }
        let (directory, events, reclaiming) = (
            Arc::clone(&self.directory),
            self.events.clone(),
            Arc::clone(&self.reclaiming),
        );
        tokio::spawn(async move {
            for (room, node) in directory.reclaim().await {
                // The receiver lives as long as the node.
                let _ended = events.send(LeaseEvent::Lost(room, node)).await;
            }
            reclaiming.store(false, Ordering::SeqCst);
        });
    }

    async fn observe(&mut self, change: Change) {
        let Some(node) = NodeId::new(&change.key) else { return };
        let lease = change.entry.and_then(|entry| {
            let info = serde_json::from_slice(&entry.value).ok()?;
            Some((info, entry.revision))
        });
        let event = self.directory.nodes().observe(Instant::now(), node, lease);
        self.tell(event).await;
    }

    async fn tell(&self, event: Option<NodeEvent>) {
        let Some(event) = event else { return };
        if let NodeEvent::Went(node) = &event {
            self.directory.forget_node(node);
        }
        // The receiver lives as long as the node.
        let _ended = self.events.send(LeaseEvent::Node(event)).await;
    }

    /// Removes the leases that are over. Whoever cannot reach the table removes nothing.
    async fn give_up(&mut self) {
        if self.renewed.elapsed() > RENEW * 2 {
            return;
        }
        let over: Vec<(NodeId, u64)> = {
            let nodes = self.directory.nodes();
            let others = nodes.over(Instant::now(), self.directory.own());
            others.map(|(node, revision)| (node.clone(), revision)).collect()
        };
        for (node, revision) in over {
            if node == *self.directory.own() {
                continue;
            }
            let key = node.as_str().to_owned();
            match self.directory.bus().remove(Table::Nodes, key.clone(), revision).await {
                Ok(()) => {
                    tracing::warn!(%node, "a node has not renewed its lease and is given up");
                    let event = self.directory.nodes().observe(Instant::now(), node, None);
                    self.tell(event).await;
                }
                // It lives, or another was quicker; what the watch has missed is asked for.
                Err(WriteError::Conflict) => {
                    if let Ok(entry) = self.directory.bus().read(Table::Nodes, key.clone()).await {
                        self.observe(Change { key, entry }).await;
                    }
                }
                Err(WriteError::Bus(_)) => return,
            }
        }
    }
}

/// The next change; waits for ever while nothing is watched.
async fn next(changes: &mut Option<Changes>) -> Option<Change> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
