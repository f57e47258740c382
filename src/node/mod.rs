//! Runs it all: shards, room tasks, handshake tasks, named queues. The only home of `spawn`.
//!
//! | queue | from → to | capacity | when full |
//! |---|---|---|---|
//! | mail | room, handshake → shard | 4 096 | the sender waits |
//! | events | shard → room | 1 024 | levels and statistics are dropped, state changes kept and tried again |
//! | inbox | sockets, HTTP, handshakes → room | 256 | the sender waits: a client that floods slows only itself |
//! | frames | room → socket | 1 024, or 2 MiB | the socket is closed with 4008; the session may resume |
//! | datagrams | shard → handshake | 64 | dropped and counted; DTLS sends again |
//! | orders | room → handshake | 256 | a data message is dropped |

mod admission;
mod config;
mod directory;
mod frames;
mod handshake;
mod metrics;
mod presence;
mod room_task;
mod serve;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

pub use config::ShutdownConfig;
pub use frames::{FrameReceiver, SocketFrame};
pub use metrics::Metrics;
pub use serve::serve;

use crate::room::{HttpKey, HttpReply, Input, Lookup, RoomConfig, SocketKey, Verify};
use crate::shard::{Mail, ShardHandle, ShardId};
use crate::transport::dtls::DtlsIdentity;
use crate::transport::ice::Credentials;
use crate::transport::negotiation::LocalTransport;
use crate::transport::turn::TurnServers;
use crate::wire::signal::{Presence, ServerMessage};
use crate::wire::{ErrorCode, RoomId};
use admission::Admission;
use directory::{Directory, RoomHandle};
use room_task::RoomMessage;

/// A room that ends between being found and being told is looked for again this often.
const ENTER_ATTEMPTS: usize = 8;

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
    room_config: RoomConfig,
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
    next_key: AtomicU64,
    tasks: TaskTracker,
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
    /// Counters.
    pub metrics: Metrics,
}

impl Inner {
    fn presence(&self, room: &RoomId) -> Presence {
        let shown = self.directory.presence(room);
        shown.unwrap_or_else(|| Presence::nobody(room.clone(), self.room_config.max_participants))
    }

    /// Answers what somebody in one room asks about others.
    fn look_up(&self, lookup: Lookup) -> ServerMessage {
        match lookup {
            Lookup::Presence(room) => ServerMessage::Presence(self.presence(&room)),
            Lookup::Rooms(listing) => ServerMessage::Rooms {
                rooms: self.directory.listed(&listing),
            },
        }
    }
}

/// Why nobody is let in now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The node is going away.
    #[error("this node is shutting down; connect again")]
    Draining,
    /// The node has as many rooms as it may have.
    #[error("this server has as many rooms as it may have; try again later")]
    Full,
    /// Nobody is in the room, and it was not to begin.
    #[error("nobody is in the room")]
    NoRoom,
    /// What is there already keeps the node busy.
    #[error("this server has no time for somebody new; try again in a moment")]
    Late,
    /// The room ended again and again while it was being entered.
    #[error("the room could not be entered; try again")]
    Busy,
}

impl Closed {
    /// The code of the client protocol.
    pub const fn code(self) -> ErrorCode {
        match self {
            Closed::Draining => ErrorCode::NodeDraining,
            Closed::Full => ErrorCode::RoomLimit,
            Closed::NoRoom => ErrorCode::RoomNotFound,
            Closed::Late | Closed::Busy => ErrorCode::Overloaded,
        }
    }
}

/// The node's side of a socket: where its frames come from, and where its messages go.
pub struct Attached {
    /// The room's answer, already taken out of the queue.
    answer: Option<SocketFrame>,
    frames: FrameReceiver,
    /// The room it belongs to.
    room: RoomHandle,
}

impl Attached {
    /// The next frame to write; `None` when the room has let go of the socket.
    pub async fn next_frame(&mut self) -> Option<SocketFrame> {
        match self.answer.take() {
            Some(answer) => Some(answer),
            None => self.frames.recv().await,
        }
    }

    /// Whether the room is over, so that it can let go of nobody for being slow.
    pub fn is_over(&self) -> bool {
        self.room.inbox.is_closed()
    }

    /// Passes on what the client sent. Waits while the room is busy.
    ///
    /// # Errors
    /// When the room is gone.
    pub async fn send(&self, input: Input) -> Result<(), Closed> {
        self.room
            .inbox
            .send(RoomMessage::Input(input))
            .await
            .map_err(|_| Closed::Busy)
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
    /// Puts a node together. Nothing runs until the first room is entered.
    pub fn new(parts: NodeParts) -> Self {
        let inner = Inner {
            rooms_at: parts.shards.iter().map(|_| AtomicUsize::new(0)).collect(),
            shards: parts.shards,
            advertised: parts.advertised,
            tcp: parts.tcp,
            identity: parts.identity,
            admission: Admission::new(Instant::now(), parts.room.max_delay),
            room_config: parts.room,
            verify: parts.verify,
            room_spread: parts.room_spread.max(1),
            directory: Directory::default(),
            metrics: parts.metrics,
            draining: AtomicBool::new(false),
            next_key: AtomicU64::new(1),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The counters.
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// TURN servers that clients are told of.
    pub fn turn(&self) -> Option<&TurnServers> {
        self.inner.room_config.turn.as_ref()
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
                self.enter(room)?
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
    pub async fn resume(&self, room_number: u32, socket: SocketKey, resume: Input) -> Option<Attached> {
        let handle = self.inner.directory.by_number(room_number)?;
        attach(handle, socket, resume).await
    }

    /// What a room shows to those outside.
    pub fn presence(&self, room: &RoomId) -> Presence {
        self.inner.presence(room)
    }

    /// What rooms with this listing show.
    pub fn rooms(&self, listing: &str) -> Vec<Presence> {
        self.inner.directory.listed(listing)
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
                self.enter(room)?
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
        for shard in &self.inner.shards {
            // A shard that has stopped by itself needs no telling.
            let _ = shard.send(Mail::Stop).await;
        }
    }

    fn check_time(&self) -> Result<(), Closed> {
        if self.inner.admission.is_open() {
            Ok(())
        } else {
            Err(Closed::Late)
        }
    }

    fn enter(&self, room: &RoomId) -> Result<RoomHandle, Closed> {
        let start = |number| {
            let home = self.least_loaded();
            room_task::start(Arc::clone(&self.inner), room.clone(), number, home)
        };
        self.inner.directory.enter(room, |rooms| self.may_begin(rooms), start)
    }

    /// Asked under the directory's lock, so that a room is either refused or among those that a drain tells.
    fn may_begin(&self, rooms: usize) -> Result<(), Closed> {
        if !self.is_ready() {
            Err(Closed::Draining)
        } else if rooms >= self.inner.room_config.max_rooms {
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
    let answer = Some(receiver.recv().await?);
    Some(Attached {
        answer,
        frames: receiver,
        room,
    })
}

/// Milliseconds since 1970, for what people read.
fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_millis() as u64
}
