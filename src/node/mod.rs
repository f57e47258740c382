//! Runs it all: shards, room tasks, handshake tasks, named queues. The only home of `spawn`.
//!
//! | queue | from → to | capacity | when full |
//! |---|---|---|---|
//! | mail | room, handshake → shard | 4 096 | the sender waits |
//! | events | shard → room | 1 024 | levels and statistics are dropped, state changes kept and tried again |
//! | inbox | sockets, HTTP, handshakes → room | 256 | the sender waits: a client that floods slows only itself |
//! | frames | room → socket | 1 024, or 2 MiB | the socket is closed with 4008; the session may resume |
//! | datagrams | shard → handshake | 64 | dropped and counted; DTLS sends again |
//! | operators' orders | api → serve | 4 | answered 503 |
//! | orders | room → handshake | 256 | a data message is dropped |
//! | notes | room, HTTP → keeper | 65 536 | an event is not recorded, and counted; HTTP waits |
//! | news | keeper → webhooks | 1 024 | the keeper waits |
//!
//! Those of recordings are in `recording.rs`.

mod admission;
mod archive;
mod attached;
mod cluster;
mod config;
mod directory;
mod everywhere;
mod frames;
mod handshake;
mod metrics;
mod presence;
mod recording;
mod records;
mod room_task;
mod serve;
mod shelf;
mod traces;
mod turn;
mod webhooks;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use attached::{Attached, Closed};
pub use cluster::{Arrivals, Cluster, ClusterConfig, EditError, HandedOn, Relay, RelayEvent, Route};
pub use config::{RecordingConfig, ShutdownConfig};
pub use everywhere::{Found, Home, LivingRooms, Sessions};
pub use frames::{FrameReceiver, SocketFrame};
pub use metrics::{Calls, Metrics, Queue, Queues};
pub use records::{Records, RecordsClosed};
pub use serve::{
    Configuration, KERNEL_BUFFER_BYTES, Load, SetLog, advertised_addresses, interface_addresses, listen_address, serve,
};
pub use shelf::{NoRecordingId, Recorded, RecordingId, Removed, Shelf};
pub use traces::{Span, Trace, Traces, TracesConfig, TracesEndpoint};
pub use webhooks::{EndpointError, check_endpoint, read_signing_key};

use crate::cluster::{Bus, Claim, NodeId};
use crate::room::{HttpKey, HttpReply, Input, Lookup, Manage, RoomConfig, SocketKey, Verify};
use crate::shard::{Mail, ShardHandle, ShardId};
use crate::transport::dtls::DtlsIdentity;
use crate::transport::ice::Credentials;
use crate::transport::negotiation::LocalTransport;
use crate::transport::turn::TurnServers;
use crate::wire::signal::{Presence, ServerMessage};
use crate::wire::{ResumeKey, RoomId};
use admission::Admission;
use directory::{Directory, RoomHandle};
use room_task::RoomMessage;

/// A room that ends between being found and being told is looked for again this often.
const ENTER_ATTEMPTS: usize = 8;
/// How long a stopping node waits for webhooks that can be delivered.
const LAST_DELIVERY: Duration = Duration::from_secs(2);

/// How long a stopping node waits for the disk to take the ends of recordings.
const RECORDINGS_TIMEOUT: Duration = Duration::from_secs(5);

/// One running server process, as `api` sees it. Cheap to clone.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    shards: Vec<ShardHandle>,
    /// Where clients reach any shard; the port is the shard's.
    advertised: Vec<IpAddr>,
    /// Whether they do so over TCP as well.
    tcp: bool,
    identity: Arc<DtlsIdentity>,
    /// What rooms that begin are made of.
    room_config: RwLock<Arc<RoomConfig>>,
    /// Stands in the resume keys of this node's sessions.
    tag: u32,
    verify: Verify,
    /// Participants of one room on one shard before the room grows onto another.
    room_spread: usize,
    directory: Directory,
    metrics: Metrics,
    /// Rooms at home on each shard. Transports come a moment after their room, and rooms that begin together must not all
    /// find the same shard empty.
    rooms_at: Vec<AtomicUsize>,
    draining: AtomicBool,
    admission: Admission,
    records: Records,
    /// Other nodes, if there may be any.
    cluster: Option<Cluster>,
    next_key: AtomicU64,
    tasks: TaskTracker,
    /// Where recordings go, if there are any.
    recording: Option<RecordingConfig>,
    /// Those that were made.
    shelf: Option<Shelf>,
    recordings: TaskTracker,
    /// Recordings that still go on end now.
    closing: CancellationToken,
}

/// What a node is made of.
pub struct NodeParts {
    /// Running shards, at least one.
    pub shards: Vec<ShardHandle>,
    /// Addresses put into answers, best first.
    pub advertised: Vec<IpAddr>,
    /// Whether the shards take TCP.
    pub tcp: bool,
    /// The certificate all transports show.
    pub identity: Arc<DtlsIdentity>,
    /// Limits of every room.
    pub room: RoomConfig,
    /// Judges tokens that participants hand to each other.
    pub verify: Verify,
    /// Participants of one room on one shard before the room grows onto another.
    pub room_spread: usize,
    /// Where recordings go; `None`: nothing is recorded.
    pub recording: Option<RecordingConfig>,
    /// Counters.
    pub metrics: Metrics,
    /// What is kept beyond the life of a room.
    pub records: Records,
    /// How other nodes are reached, and what is said of this one; `None`: it is alone.
    pub cluster: Option<(Arc<dyn Bus>, ClusterConfig)>,
}

impl Inner {
    fn room_config(&self) -> Arc<RoomConfig> {
        // Nothing can leave it half changed.
        Arc::clone(&self.room_config.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers what somebody asks about rooms. Waits for nobody when the node is alone, or the room is here.
    async fn look_up(&self, lookup: Lookup) -> ServerMessage {
        match lookup {
            Lookup::Presence(room) => {
                let shown = match (self.directory.presence(&room), &self.cluster) {
                    (None, Some(cluster)) => cluster.presence(&room).await,
                    (shown, _) => shown,
                };
                ServerMessage::Presence(
                    shown.unwrap_or_else(|| Presence::nobody(room, self.room_config().max_participants)),
                )
            }
            Lookup::Rooms(listing) => {
                let mut rooms = self.directory.listed(&listing);
                if let Some(cluster) = &self.cluster {
                    rooms.extend(cluster.listed(&listing).await);
                    presence::fit(&mut rooms);
                }
                ServerMessage::Rooms { rooms }
            }
        }
    }

    /// Whether [`Self::look_up`] may take its time.
    fn looks_far(&self, lookup: &Lookup) -> bool {
        self.cluster.is_some()
            && match lookup {
                Lookup::Presence(room) => self.directory.presence(room).is_none(),
                Lookup::Rooms(_) => true,
            }
    }
}

/// A place for one participant's media.
pub struct Place {
    /// The shard.
    pub shard: ShardId,
    /// Our side of the path.
    pub local: LocalTransport,
}

impl Node {
    /// Puts a node together, with what other nodes hand on. Of a node that is alone nothing runs until the first room is entered.
    pub fn new(parts: NodeParts) -> (Self, Option<Arrivals>) {
        let [tag, low, high] = random_words();
        let (mut cluster, mut started, mut arrivals) = (None, None, None);
        if let Some((bus, config)) = parts.cluster {
            let own = NodeId::of_process(&config.name, tag);
            let epoch = u64::from(high) << 32 | u64::from(low);
            let (place, parts, handed_on) = Cluster::new(bus, own, &config, epoch);
            (cluster, started, arrivals) = (Some(place), Some(parts), Some(handed_on));
        }
        let room_config = RoomConfig {
            node_tag: tag,
            recording: parts.recording.is_some(),
            ..parts.room
        };
        let inner = Arc::new(Inner {
            rooms_at: parts.shards.iter().map(|_| AtomicUsize::new(0)).collect(),
            shards: parts.shards,
            advertised: parts.advertised,
            tcp: parts.tcp,
            identity: parts.identity,
            admission: Admission::new(Instant::now(), room_config.max_delay),
            room_config: RwLock::new(Arc::new(room_config)),
            tag,
            verify: parts.verify,
            records: parts.records,
            room_spread: parts.room_spread.max(1),
            directory: Directory::default(),
            shelf: parts
                .recording
                .as_ref()
                .map(|config| Shelf::new(config, &parts.metrics)),
            metrics: parts.metrics,
            draining: AtomicBool::new(false),
            cluster,
            next_key: AtomicU64::new(1),
            tasks: TaskTracker::new(),
            recording: parts.recording,
            recordings: TaskTracker::new(),
            closing: CancellationToken::new(),
        });
        if let Some(shelf) = &inner.shelf {
            tokio::spawn(inner.closing.clone().run_until_cancelled_owned(shelf.clone().sweep()));
        }
        if let (Some(cluster), Some(parts)) = (&inner.cluster, started) {
            cluster.start(&inner, parts);
        }
        (Self { inner }, arrivals)
    }

    /// The recordings that lie here; `None`: nothing is recorded.
    pub fn shelf(&self) -> Option<&Shelf> {
        self.inner.shelf.as_ref()
    }

    /// Its place among others; `None`: it is alone.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.inner.cluster.as_ref()
    }

    /// Where a room is, or is to begin if it may.
    ///
    /// # Errors
    /// When that cannot be known.
    pub async fn route(&self, room: &RoomId, may_begin: bool) -> Result<Route, Closed> {
        let Some(cluster) = &self.inner.cluster else {
            return Ok(Route::Here);
        };
        let is_here = || self.inner.directory.by_id(room).is_some() && !cluster.has_given_up(room);
        if self.is_ready() && is_here() {
            return Ok(Route::Here);
        }
        match cluster
            .route(&self.inner.records, room, may_begin, self.is_ready())
            .await
        {
            Ok(route) => Ok(route.unwrap_or(Route::Here)),
            Err(_) => Err(Closed::Cut),
        }
    }

    /// Where the session of a resume key is.
    pub fn route_of(&self, key: &ResumeKey) -> Route {
        let elsewhere = self
            .inner
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.by_tag(key.node()));
        elsewhere.map_or(Route::Here, Route::There)
    }

    /// What is kept beyond the life of a room.
    pub fn records(&self) -> &Records {
        &self.inner.records
    }

    /// Does something to a living room, for whoever may manage it; [`HttpReply::NotFound`]: nobody is in it.
    ///
    /// # Errors
    /// When the room cannot be reached.
    pub async fn manage(&self, room: &RoomId, manage: Manage) -> Result<HttpReply, Closed> {
        let ask = |request, _| Input::Manage {
            request,
            manage: Box::new(manage.clone()),
        };
        self.ask(room, false, ask).await
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// TURN servers that clients are told of.
    pub fn turn(&self) -> Vec<TurnServers> {
        self.inner.room_config().turn.clone()
    }

    /// Rooms that begin from now on are made of this. Those that are there get the TURN servers, because what they hand out has to
    /// be what the TURN servers take.
    pub async fn reconfigure_rooms(&self, config: RoomConfig) {
        let node_tag = self.inner.tag;
        let servers = config.turn.clone();
        let before = std::mem::replace(
            &mut *self.inner.room_config.write().unwrap_or_else(PoisonError::into_inner),
            Arc::new(RoomConfig { node_tag, ..config }),
        );
        if before.turn != servers {
            self.tell_rooms(None, || Input::Turn {
                servers: servers.clone(),
            })
            .await;
        }
    }

    /// Tells every room of this node something, or the one that is named, if it is here.
    pub async fn tell_rooms(&self, only: Option<&RoomId>, input: impl Fn() -> Input) {
        let rooms = match only {
            Some(room) => self.inner.directory.by_id(room).into_iter().collect(),
            None => self.inner.directory.all(),
        };
        for room in rooms {
            // A room that has ended needs no telling.
            let _ended = room.inbox.send(RoomMessage::Input(input())).await;
        }
    }

    /// Whether somebody is, or was a moment ago, in a room of this node.
    pub fn has(&self, room: &RoomId) -> bool {
        self.inner.directory.by_id(room).is_some()
    }

    /// Port and transports of each shard.
    pub fn shards(&self) -> impl Iterator<Item = (u16, u64)> {
        let shards = self.inner.shards.iter();
        shards.map(|shard| (shard.local_addr.port(), shard.counters.transports.get()))
    }

    /// The rooms of this node after this one, by name, as they show themselves: at most so many.
    pub fn rooms(&self, after: Option<&RoomId>, most: usize) -> Vec<Presence> {
        self.inner.directory.shown(after, most)
    }

    /// True until [`Node::drain`].
    pub fn is_ready(&self) -> bool {
        !self.inner.draining.load(Ordering::Relaxed)
    }

    /// A name for a new socket.
    pub fn socket_key(&self) -> SocketKey {
        SocketKey(self.inner.next_key.fetch_add(1, Ordering::Relaxed))
    }

    /// Leads a socket to a room and waits for the room's first word. With `may_begin`, the room begins if it is not there. `join`
    /// makes the input from where the media will live.
    ///
    /// # Errors
    /// While draining, when the room is not there and may not begin, or when it cannot be entered.
    pub async fn join(
        &self,
        room: &RoomId,
        socket: SocketKey,
        may_begin: bool,
        join: impl Fn(Place) -> Input,
    ) -> Result<Attached, Closed> {
        self.check_time()?;
        for _ in 0..ENTER_ATTEMPTS {
            let handle = if may_begin {
                self.enter(room).await?
            } else {
                let known = self.inner.directory.by_id(room);
                known.ok_or(if self.is_ready() {
                    Closed::NoRoom
                } else {
                    Closed::Draining
                })?
            };
            let place = self.place(&handle);
            if let Some(attached) = attach(handle, socket, join(place)).await {
                return Ok(attached);
            }
        }
        Err(Closed::Busy)
    }

    /// Leads a socket back to the room that its resume key names; `None` when that room is gone.
    pub async fn resume(&self, key: &ResumeKey, socket: SocketKey, resume: Input) -> Option<Attached> {
        if key.node() != self.inner.tag {
            return None;
        }
        let handle = self.inner.directory.by_number(key.room())?;
        attach(handle, socket, resume).await
    }

    /// Answers what somebody who is in no room asks about rooms.
    pub async fn look_up(&self, lookup: Lookup) -> ServerMessage {
        self.inner.look_up(lookup).await
    }

    /// Asks a room something over HTTP. With `create`, somebody comes in: the room begins if it is not there.
    ///
    /// # Errors
    /// While draining, or when the room cannot be entered.
    pub async fn ask(
        &self,
        room: &RoomId,
        create: bool,
        input: impl Fn(HttpKey, Place) -> Input,
    ) -> Result<HttpReply, Closed> {
        if create {
            self.check_time()?;
        }
        for _ in 0..ENTER_ATTEMPTS {
            let handle = if create {
                self.enter(room).await?
            } else {
                match self.inner.directory.by_id(room) {
                    Some(handle) => handle,
                    None => return Ok(HttpReply::NotFound),
                }
            };
            let key = HttpKey(self.inner.next_key.fetch_add(1, Ordering::Relaxed));
            let (reply, answer) = oneshot::channel();
            let input = input(key, self.place(&handle));
            if handle.inbox.send(RoomMessage::Ask { key, reply, input }).await.is_ok()
                && let Ok(reply) = answer.await
            {
                return Ok(reply);
            }
        }
        Err(Closed::Busy)
    }

    /// Lets nobody in any more, tells everybody, and waits until all rooms are empty or `grace` is over.
    pub async fn drain(&self, grace: Duration) {
        self.inner.draining.store(true, Ordering::Relaxed);
        let told_and_gone = async {
            if let Some(cluster) = &self.inner.cluster {
                // Whoever is told to join again finds the room nobody's, and begins it on another node.
                cluster.give_up_rooms().await;
            }
            for room in self.inner.directory.all() {
                // A room that is gone needs no telling.
                let _ = room.inbox.send(RoomMessage::Input(Input::Drain)).await;
            }
            self.inner.tasks.close();
            self.inner.tasks.wait().await;
        };
        if tokio::time::timeout(grace, told_and_gone).await.is_err() {
            tracing::warn!(
                rooms = self.inner.directory.len(),
                "shutting down with rooms still open"
            );
        }
        self.inner.closing.cancel();
        self.inner.recordings.close();
        if tokio::time::timeout(RECORDINGS_TIMEOUT, self.inner.recordings.wait())
            .await
            .is_err()
        {
            tracing::warn!("a recording is not written to its end");
        }
        self.inner.records.stop(LAST_DELIVERY).await;
        for shard in &self.inner.shards {
            // A shard that has stopped by itself needs no telling.
            let _ = shard.send(Mail::Stop).await;
        }
        if let Some(cluster) = &self.inner.cluster {
            cluster.leave().await;
        }
    }

    fn check_time(&self) -> Result<(), Closed> {
        if self.inner.admission.is_open() {
            Ok(())
        } else {
            Err(Closed::Late)
        }
    }

    async fn enter(&self, room: &RoomId) -> Result<RoomHandle, Closed> {
        if let Some(handle) = self.inner.directory.by_id(room) {
            return Ok(handle);
        }
        if let Some(cluster) = &self.inner.cluster {
            self.may_begin(self.inner.directory.len())?;
            let fresh = cluster.freshen(&self.inner.records, room);
            match tokio::join!(cluster.claim(room), fresh).0 {
                Ok(Claim::Ours) => {}
                Ok(Claim::Theirs(node)) => return Err(Closed::Elsewhere(node)),
                Err(_) => return Err(Closed::Cut),
            }
        }
        let preset = self.inner.records.preset(room).await;
        let mut began = false;
        let start = |number| {
            began = true;
            let home = self.least_loaded();
            room_task::start(Arc::clone(&self.inner), room.clone(), number, home, preset)
        };
        let entered = self.inner.directory.enter(room, |rooms| self.may_begin(rooms), start);
        if !began && let Some(cluster) = &self.inner.cluster {
            cluster.release(room).await;
        }
        entered
    }

    /// Asked under the directory's lock, so that a room is either refused or among those that a drain tells.
    fn may_begin(&self, rooms: usize) -> Result<(), Closed> {
        if !self.is_ready() {
            Err(Closed::Draining)
        } else if rooms >= self.inner.room_config().max_rooms {
            Err(Closed::Full)
        } else {
            Ok(())
        }
    }

    fn least_loaded(&self) -> ShardId {
        let load = |(shard, rooms): &(&ShardHandle, &AtomicUsize)| {
            shard.counters.transports.get() + rooms.load(Ordering::Relaxed) as u64
        };
        let least = self.inner.shards.iter().zip(&self.inner.rooms_at).min_by_key(load);
        least.map_or(ShardId(0), |(shard, _)| shard.id)
    }

    /// A room stays on its home shard until that holds `room_spread` of its participants; then it grows.
    fn place(&self, room: &RoomHandle) -> Place {
        let at_home = room.participants.load(Ordering::Relaxed) < self.inner.room_spread;
        let shard = if at_home { room.home } else { self.least_loaded() };
        let port = self.inner.shards[usize::from(shard.0)].local_addr.port();
        let candidates = self
            .inner
            .advertised
            .iter()
            .map(|ip| SocketAddr::new(*ip, port))
            .collect();
        let local = LocalTransport {
            ice: Credentials::random(),
            fingerprint: self.inner.identity.fingerprint(),
            candidates,
            tcp: self.inner.tcp,
        };
        Place { shard, local }
    }
}

/// `None`: the room ended before it said anything.
async fn attach(room: RoomHandle, socket: SocketKey, first: Input) -> Option<Attached> {
    let (frames, mut receiver) = frames::queue();
    room.inbox
        .send(RoomMessage::Attach { socket, frames, first })
        .await
        .ok()?;
    let next = Some(receiver.recv().await?);
    Some(Attached {
        next,
        frames: receiver,
        room,
    })
}

/// Three unguessable numbers.
fn random_words() -> [u32; 3] {
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    let mut words = bytes
        .chunks_exact(4)
        .map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

/// From 0 to 1.
fn chance() -> f64 {
    f64::from(random_words()[0]) / f64::from(u32::MAX)
}

/// Milliseconds since 1970, for what people read.
fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64
}
