//! Starts the shards of a node: binds, spawns, and hands out handles.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use slab::Slab;
use tokio::sync::mpsc;

use super::clock::NtpClock;
use super::command::ShardId;
use super::counters::ShardCounters;
use super::egress::Egress;
use super::loudest::Loudest;
use super::mailbox::{Mail, ShardHandle};
use super::moderation::Moderation;
use super::post::Post;
use super::relay::{RelayEnds, SHARDS_MAX};
use super::socket::MediaSocket;
use super::sources::Sources;
use super::table::Table;
use super::tcp::{self, Connections};
use super::ways::Ways;
use super::{LISTENER, SOCKET, Shard, TICK, WAKE};
use crate::media::HistoryLimits;

/// How the media plane is laid out.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// How many threads, at least 1, at most 64.
    pub shards: usize,
    /// What to bind; an unspecified IPv6 address takes IPv4 too.
    pub listen: IpAddr,
    /// Shard `i` gets this port plus `i`; 0 lets the kernel choose each.
    pub first_port: u16,
    /// Asked of the kernel for each direction of each socket; it may give less.
    pub kernel_buffer_bytes: usize,
    /// A transport without a valid connectivity check for this long is lost.
    pub consent_timeout: Duration,
    /// What is kept of each received encoding.
    pub history: HistoryLimits,
    /// Take clients over TCP as well, on the same ports.
    pub tcp: bool,
    /// Send bursts as one segmented datagram where the kernel can.
    pub segmentation: bool,
    /// How long a busy shard leaves its socket alone, to read and send more at a time; zero: never.
    pub moderation: Duration,
}

/// A running media thread; its result is why it ended.
pub type ShardThread = JoinHandle<io::Result<()>>;

/// Binds all sockets, then starts all threads: either the whole plane runs or nothing does.
///
/// # Errors
/// When a port cannot be bound or a thread cannot be started.
pub fn start(config: &ShardConfig) -> io::Result<(Vec<ShardHandle>, Vec<ShardThread>)> {
    let (handles, ready) = assemble(config)?;
    let mut threads = Vec::with_capacity(ready.len());
    for (handle, Ready { shard, poll, inbox }) in handles.iter().zip(ready) {
        threads.push(
            std::thread::Builder::new()
                .name(format!("shard-{}", handle.id.0))
                .spawn(move || shard.run(poll, inbox))?,
        );
    }
    Ok((handles, threads))
}

/// A shard that only needs a thread.
pub(super) struct Ready {
    pub(super) shard: Shard,
    pub(super) poll: mio::Poll,
    pub(super) inbox: mpsc::Receiver<Mail>,
}

/// Binds all sockets and connects the shards with each other.
pub(super) fn assemble(config: &ShardConfig) -> io::Result<(Vec<ShardHandle>, Vec<Ready>)> {
    let shards = config.shards.clamp(1, SHARDS_MAX);
    let mut parts = Vec::with_capacity(shards);
    let mut handles = Vec::with_capacity(shards);
    let mut wakers = Vec::with_capacity(shards);
    for id in 0..shards as u16 {
        let port = if config.first_port == 0 {
            0
        } else {
            config.first_port.saturating_add(id)
        };
        let address = SocketAddr::new(config.listen, port);
        let mut socket = MediaSocket::bind(address, config.kernel_buffer_bytes)
            .map_err(|error| io::Error::new(error.kind(), format!("cannot bind UDP {address}: {error}")))?;
        // The same port, so that one rule of a firewall is for both.
        let address = socket.local_addr()?;
        let listener = config.tcp.then(|| tcp::listen(address)).transpose();
        let listener = listener.map_err(|error| {
            let sentence = format!("cannot listen on TCP {address} (media.tcp = false does without): {error}");
            io::Error::new(error.kind(), sentence)
        })?;
        let poll = mio::Poll::new()?;
        poll.registry()
            .register(socket.source(), SOCKET, mio::Interest::READABLE)?;
        let waker = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
        let counters = Arc::new(ShardCounters::default());
        let connections = Connections::new(listener, LISTENER, poll.registry(), Arc::clone(&counters))?;
        let (handle, inbox) = ShardHandle::new(ShardId(id), address, Arc::clone(&counters), Arc::clone(&waker));
        handles.push(handle);
        wakers.push(waker);
        parts.push((Arc::new(socket), connections, poll, counters, inbox));
    }
    let mut ready = Vec::with_capacity(shards);
    for (((socket, connections, poll, counters, inbox), relay), handle) in
        parts.into_iter().zip(RelayEnds::mesh(&wakers)).zip(&handles)
    {
        let now = Instant::now();
        let shard = Shard {
            id: handle.id,
            ways: Ways::new(Arc::clone(&socket), connections),
            socket,
            counters,
            table: Table::default(),
            transports: Slab::new(),
            sources: Sources::default(),
            loudest: Loudest::default(),
            egress_slots: AHashMap::new(),
            egress: Egress::new(config.segmentation),
            post: Post::default(),
            relay,
            peers: handles.clone(),
            clock: NtpClock::start(now),
            consent_timeout: config.consent_timeout,
            history: config.history,
            keyframes_due: Vec::new(),
            downlinks_due: Vec::new(),
            probing: Vec::new(),
            next_tick: now + TICK,
            moderation: Moderation::new(Instant::now(), config.moderation),
            ticks: 0,
            nacks_at: None,
            nacks_from: now,
            scratch: Vec::with_capacity(1_500),
            lost: Vec::new(),
            tcp_buffer: Vec::new(),
        };
        ready.push(Ready { shard, poll, inbox });
    }
    Ok((handles, ready))
}
