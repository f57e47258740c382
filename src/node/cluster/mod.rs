//! This node among others: keeps its lease, hands on what is for a room elsewhere, and takes in what is for a room here.
//!
//! | queue | from → to | capacity | when full |
//! |---|---|---|---|
//! | outgoing | rooms → the bus | 4 096 frames | the frame is lost; its link sends it again |
//! | incoming | the bus → rooms | 1 024 frames | the same |
//! | relayed | the bus → one relayed socket | 256 texts, or 4 MiB | the socket is let go of; its client resumes |
//! | arrivals | the bus → api | 64 | the socket is told to come again |
//! | questions | the bus → api | 64 at the same time | not answered; whoever asked is told that there is no time |

mod inbox;
mod lease;
mod links;
mod lists;
mod made;
mod relay;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

pub use made::EditError;
pub(super) use made::tell_settings;
pub use relay::{Relay, RelayEvent};

use super::Inner;
use super::records::Records;
use super::room_task::RoomMessage;
use crate::cluster::{
    Answer, Bus, BusError, Claim, Directory, HttpAnswer, HttpQuestion, LEASE, Load, NodeEvent, NodeId, NodeInfo,
    PROTOCOL, Question, RENEW, pack, place, unpack,
};
use crate::room::Input;
use crate::wire::link::LinkFrame;
use crate::wire::signal::Presence;
use crate::wire::{ErrorCode, RoomId};
use lease::{Lease, LeaseEvent};
use links::{Outgoing, Talks};
use relay::Relays;

/// Relayed sockets that wait to be taken.
const ARRIVALS_MAX: usize = 64;
const EVENTS_MAX: usize = 256;
/// How long another node may take to answer. A lease that is over is noticed sooner.
const PATIENCE: Duration = Duration::from_secs(6);
/// A bus that does not answer is asked again this often.
const AGAIN: Duration = Duration::from_millis(200);
/// A node that the bus does not know may just be connecting again.
const LOOK_AGAIN: Duration = Duration::from_millis(700);
/// How long it may take to tell the others that all rooms are given up, before people are told.
const GIVING_UP: Duration = Duration::from_secs(2);
/// How long it may take to remove the lease.
const LEAVING: Duration = Duration::from_secs(3);
/// How long all others may take to say which rooms they list.
const LISTING_PATIENCE: Duration = Duration::from_secs(1);

/// The section `[cluster]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Where NATS is; `None`: one node alone.
    pub nats: Option<crate::cluster::NatsConfig>,
    /// What the operator calls this node.
    pub name: String,
    /// And the place it is in.
    pub region: String,
    /// Whether rooms begin while the others cannot be reached.
    pub alone: bool,
}

/// A node's place among others.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

struct Shared {
    directory: Arc<Directory>,
    region: String,
    may_be_alone: bool,
    /// The lease has not been renewed for as long as it is good.
    alone: Arc<AtomicBool>,
    relays: Arc<Relays>,
    talks: Arc<Talks>,
    outgoing: mpsc::Sender<Outgoing>,
    /// Settings are told to one living room at a time.
    telling: tokio::sync::Mutex<()>,
    /// The tables may have missed something, or forgotten everything.
    anew: Arc<tokio::sync::Notify>,
    stop: mpsc::Sender<()>,
}

/// A request over HTTP that another node handed on.
pub struct HandedOn {
    /// Its head.
    pub question: HttpQuestion,
    /// Its body.
    pub body: Bytes,
    /// Where the response goes.
    pub reply: oneshot::Sender<(HttpAnswer, Bytes)>,
}

/// What other nodes hand on for rooms here.
pub struct Arrivals {
    /// Sockets they hold.
    pub sockets: mpsc::Receiver<Relay>,
    /// Requests they got.
    pub requests: mpsc::Receiver<HandedOn>,
}

/// What `run` needs beside the node.
pub(super) struct ClusterParts {
    frames: mpsc::Receiver<Outgoing>,
    stop: mpsc::Receiver<()>,
    sockets: mpsc::Sender<Relay>,
    requests: mpsc::Sender<HandedOn>,
    epoch: u64,
}

/// Where a room is, or is to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// On this node.
    Here,
    /// On another.
    There(NodeId),
}

/// Where messages for a node go.
fn node_subject(node: &NodeId) -> String {
    format!("node.{node}")
}

/// Where questions for a node go.
fn question_subject(node: &NodeId) -> String {
    format!("ask.{node}")
}

impl Cluster {
    pub(super) fn new(
        bus: Arc<dyn Bus>,
        own: NodeId,
        config: &ClusterConfig,
        epoch: u64,
    ) -> (Self, ClusterParts, Arrivals) {
        let directory = Arc::new(Directory::new(bus, own));
        directory.set_epoch(epoch);
        let (outgoing, frames) = mpsc::channel(links::WAITING_MAX);
        let (stop, stopped) = mpsc::channel(1);
        let (sockets, sockets_in) = mpsc::channel(ARRIVALS_MAX);
        let (requests, requests_in) = mpsc::channel(ARRIVALS_MAX);
        let shared = Shared {
            relays: Relays::new(Arc::clone(&directory)),
            directory,
            region: config.region.clone(),
            may_be_alone: config.alone,
            alone: Arc::default(),
            talks: Arc::default(),
            outgoing,
            telling: tokio::sync::Mutex::default(),
            anew: Arc::default(),
            stop,
        };
        let parts = ClusterParts {
            frames,
            stop: stopped,
            sockets,
            requests,
            epoch,
        };
        let arrivals = Arrivals {
            sockets: sockets_in,
            requests: requests_in,
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            parts,
            arrivals,
        )
    }

    /// Starts everything that runs by itself.
    pub(super) fn start(&self, node: &Arc<Inner>, parts: ClusterParts) {
        let shared = Arc::clone(&self.shared);
        let (events, happened) = mpsc::channel(EVENTS_MAX);
        let (of_node, of_shared) = (Arc::clone(node), Arc::clone(&shared));
        let describe = move || {
            let metrics = &of_node.metrics;
            let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
            metrics.cluster_relays.set(count(of_shared.relays.len()));
            metrics
                .cluster_cut_off
                .set(i64::from(of_shared.alone.load(Ordering::SeqCst)));
            describe(&of_node, &of_shared.region)
        };
        let lease = Lease {
            directory: Arc::clone(&shared.directory),
            describe: Box::new(describe),
            events,
            alone: Arc::clone(&shared.alone),
            epoch: parts.epoch,
            revision: None,
            renewed: Instant::now(),
            reclaiming: Arc::default(),
            anew: Arc::clone(&shared.anew),
        };
        tokio::spawn(lease.run(parts.stop));
        tokio::spawn(attend(Arc::clone(node), Arc::clone(&shared), happened));
        let inbox = inbox::Inbox {
            node: Arc::clone(node),
            shared: Arc::clone(&shared),
            sockets: parts.sockets,
            requests: parts.requests,
        };
        tokio::spawn(inbox.run());
        node.records.hold_key();
        tokio::spawn(made::agree(Arc::clone(node), Arc::clone(&shared)));
        tokio::spawn(made::follow(Arc::clone(node), self.clone()));
        let of_node = Arc::clone(node);
        let nobody = move |from: RoomId, to: RoomId, code: ErrorCode| {
            let node = Arc::clone(&of_node);
            async move { tell_unreachable(&node, &from, to, None, code).await }
        };
        tokio::spawn(links::carry(
            Arc::clone(&shared.directory),
            Arc::clone(&shared.talks),
            parts.frames,
            nobody,
        ));
    }

    /// How the others are reached.
    pub fn bus(&self) -> Arc<dyn Bus> {
        Arc::clone(self.shared.directory.bus())
    }

    /// This node.
    pub fn own(&self) -> &NodeId {
        self.shared.directory.own()
    }

    /// Whether the others cannot be reached.
    pub fn is_alone(&self) -> bool {
        self.shared.alone.load(Ordering::SeqCst)
    }

    /// Where a room is; one that is not there, and may begin, where it is to begin. `None`: it is not there and may not begin,
    /// or nobody takes it.
    ///
    /// # Errors
    /// When that is not known and cannot be asked.
    pub(super) async fn route(
        &self,
        records: &Records,
        room: &RoomId,
        may_begin: bool,
        may_be_here: bool,
    ) -> Result<Option<Route>, BusError> {
        let directory = &self.shared.directory;
        let to = |node: NodeId| {
            if node == *directory.own() {
                Route::Here
            } else {
                Route::There(node)
            }
        };
        match self.insist(|| directory.find(room)).await {
            Ok(Some(node)) if may_be_here || node != *directory.own() => Ok(Some(to(node))),
            Ok(_) if may_begin => {
                let near = self.near(records, room).await;
                let nodes = directory.nodes();
                let open: Vec<_> = nodes
                    .iter()
                    .filter(|(node, _)| may_be_here || *node != directory.own())
                    .collect();
                let chosen = place(&open, room, directory.own(), &self.shared.region, &near).cloned();
                // Before our own lease is written nobody is known.
                Ok(Some(chosen.map_or(Route::Here, to)))
            }
            Ok(_) => Ok(None),
            Err(_) if self.shared.may_be_alone => Ok(Some(Route::Here)),
            Err(error) => Err(error),
        }
    }

    /// The nodes of rooms that a room is linked with as a rule, or was just now: what it was made with says which, and rooms here that want
    /// it back.
    async fn near(&self, records: &Records, room: &RoomId) -> Vec<NodeId> {
        let directory = &self.shared.directory;
        let id = room.clone();
        let made = records.read(move |store| store.room(id.as_str())).await.ok().flatten();
        let rooms = made.and_then(|(record, _)| record.settings.near).unwrap_or_default();
        let found = futures_util::future::join_all(rooms.iter().map(|near| directory.find(near))).await;
        // A room that nobody has yet is near nothing.
        let mut near: Vec<NodeId> = found.into_iter().filter_map(|found| found.ok().flatten()).collect();
        near.extend((0..self.shared.talks.with(room)).map(|_| self.own().clone()));
        near
    }

    /// The node of this tag, if it is another that has a lease.
    pub(super) fn by_tag(&self, tag: u32) -> Option<NodeId> {
        let nodes = self.shared.directory.nodes();
        nodes.by_tag(tag).filter(|node| *node != self.own()).cloned()
    }

    /// What was believed of a room is wrong.
    pub fn forget(&self, room: &RoomId) {
        self.shared.directory.forget(room);
    }

    /// A relay to another node.
    pub fn relay(&self, to: NodeId) -> Relay {
        self.shared.relays.open(to)
    }

    /// Whether what lives of a room here ends here, because another node has the room or is to have it.
    pub(super) fn has_given_up(&self, room: &RoomId) -> bool {
        self.shared.directory.has_given_up(room)
    }

    pub(super) async fn claim(&self, room: &RoomId) -> Result<Claim, BusError> {
        let directory = &self.shared.directory;
        match self.insist(|| directory.claim(room, false)).await {
            Err(_) if self.shared.may_be_alone => directory.claim(room, true).await,
            claimed => claimed,
        }
    }

    /// A bus that is away for a moment is waited for: until this node counts as cut off, it does not go its own way.
    async fn insist<T, F>(&self, ask: impl Fn() -> F) -> Result<T, BusError>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        let until = Instant::now() + LEASE;
        loop {
            match ask().await {
                Err(_) if !self.is_alone() && Instant::now() < until => tokio::time::sleep(AGAIN).await,
                answer => return answer,
            }
        }
    }

    pub(super) async fn release(&self, room: &RoomId) {
        self.shared.directory.release(room).await;
    }

    /// Nothing that lives here is this node's any more: whoever comes begins it elsewhere.
    pub(super) async fn give_up_rooms(&self) {
        self.shared.directory.give_up_all(GIVING_UP).await;
    }

    /// Removes the lease. Nothing may be expected of the others afterwards.
    pub(super) async fn leave(&self) {
        // It has been told so already.
        let _told = self.shared.stop.try_send(());
        // Where the table cannot be reached, the others notice that the lease is not renewed.
        let _late = tokio::time::timeout(LEAVING, self.shared.stop.closed()).await;
    }

    /// Hands a frame on. False when there is no place for it.
    pub(super) fn hand_on(&self, from: RoomId, to: RoomId, frame: Box<LinkFrame>) -> bool {
        self.shared.outgoing.try_send(Outgoing { from, to, frame }).is_ok()
    }

    /// Whether a node is there. One that the bus does not know, and that has not renewed its lease for two turns either, is given up at
    /// once rather than when its lease is over: somebody waits for its rooms.
    pub async fn is_there(&self, node: &NodeId) -> bool {
        let directory = &self.shared.directory;
        loop {
            match self.ask(node, Question::There, &[], LOOK_AGAIN).await {
                Err(BusError::Nobody) => {}
                // Whatever else it is, it is no proof.
                Ok(_) | Err(BusError::Late | BusError::Unreachable | BusError::TooLarge) => return true,
            }
            match directory.nodes().silence(Instant::now(), node) {
                None => return false,
                Some(silence) if silence > RENEW * 2 => break,
                // It may just be connecting again.
                Some(_) => {}
            }
            tokio::time::sleep(LOOK_AGAIN / 3).await;
        }
        if directory.give_up(node).await.is_err() {
            return true;
        }
        tracing::warn!(%node, "a node is not on the bus any more and is given up");
        // What is believed of its rooms goes when the table tells of it.
        for _ in 0..20 {
            if directory.nodes().info(node).is_none() {
                break;
            }
            tokio::time::sleep(LOOK_AGAIN / 10).await;
        }
        false
    }

    /// Hands a request on and waits for the response.
    ///
    /// # Errors
    /// When the other node does not answer.
    pub async fn hand_request_on(
        &self,
        node: &NodeId,
        question: HttpQuestion,
        body: &[u8],
    ) -> Result<(HttpAnswer, Bytes), BusError> {
        match self.ask(node, Question::Http(question), body, PATIENCE).await? {
            (Answer::Http(answer), body) => Ok((answer, body)),
            (Answer::Rooms | Answer::List { .. } | Answer::Unsupported, _) => Err(BusError::Late),
        }
    }

    /// What a room of another node shows; `None`: it is not there.
    pub(super) async fn presence(&self, room: &RoomId) -> Option<Presence> {
        let node = self.shared.directory.find(room).await.ok()?;
        let node = node.filter(|node| node != self.own())?;
        let question = Question::Presence { room: room.clone() };
        match self.ask(&node, question, &[], LISTING_PATIENCE).await {
            Ok((Answer::Rooms, body)) => rooms_of(&body).pop(),
            Ok(_) | Err(_) => None,
        }
    }

    /// What rooms of all other nodes with this listing show. Who does not answer is left out.
    pub(super) async fn listed(&self, listing: &str) -> Vec<Presence> {
        let nodes: Vec<NodeId> = {
            let nodes = self.shared.directory.nodes();
            let others = nodes.iter().filter(|(node, _)| *node != self.own());
            others.map(|(node, _)| node.clone()).collect()
        };
        let asked = nodes.iter().map(|node| {
            let listing = listing.to_owned();
            self.ask(node, Question::Rooms { listing }, &[], LISTING_PATIENCE)
        });
        let answers = futures_util::future::join_all(asked).await;
        let rooms = answers.into_iter().filter_map(|answer| match answer {
            Ok((Answer::Rooms, body)) => Some(rooms_of(&body)),
            Ok(_) | Err(_) => None,
        });
        rooms.flatten().collect()
    }

    async fn ask(
        &self,
        node: &NodeId,
        question: Question,
        body: &[u8],
        patience: Duration,
    ) -> Result<(Answer, Bytes), BusError> {
        let packed = pack(self.own(), question, body);
        let directory = &self.shared.directory;
        let answer = directory.bus().ask(question_subject(node), packed, patience).await?;
        let (head, body) = unpack::<Answer>(&answer).map_err(|_| BusError::Nobody)?;
        Ok((head.what, body))
    }
}

/// What cannot be read is nothing.
fn rooms_of(body: &[u8]) -> Vec<Presence> {
    serde_json::from_slice(body).unwrap_or_default()
}

/// What our lease says now, but for its epoch.
fn describe(node: &Inner, region: &str) -> NodeInfo {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let transports: u64 = node.shards.iter().map(|shard| shard.counters.transports.get()).sum();
    NodeInfo {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        epoch: 0,
        tag: node.tag,
        region: region.to_owned(),
        draining: node.draining.load(Ordering::Relaxed),
        load: Load {
            rooms: count(node.directory.len()),
            transports: u32::try_from(transports).unwrap_or(u32::MAX),
            shards: count(node.shards.len()),
            late: !node.admission.is_open(),
        },
    }
}

/// Does what has to be done when nodes go, and when rooms turn out to be others'.
async fn attend(node: Arc<Inner>, shared: Arc<Shared>, mut events: mpsc::Receiver<LeaseEvent>) {
    while let Some(event) = events.recv().await {
        let known = shared.directory.nodes().iter().count();
        node.metrics.cluster_nodes.set(i64::try_from(known).unwrap_or(i64::MAX));
        match event {
            LeaseEvent::Node(NodeEvent::Came(other)) if other == *shared.directory.own() => {
                tracing::info!(node = %other, "this node is a part of the cluster");
            }
            LeaseEvent::Node(NodeEvent::Came(other)) => tracing::info!(node = %other, "a node is there"),
            LeaseEvent::Node(NodeEvent::Went(other)) => {
                tracing::info!(node = %other, "a node is gone");
                shared.relays.gone(&other);
                for (here, there) in shared.talks.gone(&other) {
                    tell_unreachable(&node, &here, there, None, ErrorCode::NodeLost).await;
                }
            }
            LeaseEvent::Lost(room, other) => {
                tracing::warn!(node = %other, "a room of this node belongs to another by now and ends here");
                if let Some(handle) = node.directory.by_id(&room) {
                    // A room that is gone needs no telling.
                    let _gone = handle.inbox.send(RoomMessage::Input(Input::Superseded)).await;
                }
            }
        }
    }
}

async fn tell_unreachable(node: &Inner, here: &RoomId, there: RoomId, session: Option<Arc<str>>, code: ErrorCode) {
    let Some(handle) = node.directory.by_id(here) else {
        return;
    };
    let unreachable = Input::LinkUnreachable {
        room: there,
        session,
        code,
    };
    // A room that is gone needs no telling.
    let _gone = handle.inbox.send(RoomMessage::Input(unreachable)).await;
}
