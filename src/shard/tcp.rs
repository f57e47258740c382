//! Media over TCP, for clients in networks without UDP (RFC 6544): the passive end, on the port of the UDP socket.
//!
//! A connection is one more way to a transport. What comes over it, datagrams framed by RFC 4571, goes the way of all
//! datagrams, and belongs to nobody until a valid ICE check has come over this very connection. Until then a stranger costs
//! one file descriptor for ten seconds at most, and there are few of those:
//!
//! | bound | how many | beyond it |
//! |---|---|---|
//! | connections | [`CONNECTIONS_MAX`] | newcomers are closed at once |
//! | unproven ones | [`UNPROVEN_MAX`] | the oldest of them is closed |
//! | unproven ones of one source | [`UNPROVEN_PER_SOURCE_MAX`] | newcomers from there are closed at once |
//! | time until the first valid check | [`PROOF_TIMEOUT`] | closed |
//! | frames before it | [`STRANGE_FRAMES_MAX`] | closed |
//! | time since the last word of a proven one | [`IDLE_TIMEOUT`] | closed |
//! | proven ones of one transport | [`crate::transport::ice::MAX_TUPLES`] | the oldest is closed |
//! | bytes read ahead | one frame | a larger frame closes |
//! | bytes waiting to be sent | [`connection::QUEUE_BYTES_MAX`] | whole frames are dropped |

mod connection;
mod counts;
mod framing;
mod inbound;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use slab::Slab;
use socket2::{Domain, Protocol, Socket, Type};

use super::counters::{DoorReason, ShardCounters};
use super::socket::unmap;
use crate::media::TransportSlot;
use crate::transport::ice::{ConnectionId, Remote};
use connection::{Brought, Connection, Sent};
pub use counts::{CloseReason, TcpCounters};

/// Most connections of a shard.
const CONNECTIONS_MAX: usize = 4_096;
/// Most that have not shown a valid check yet. A flood from many addresses pushes out its own first.
const UNPROVEN_MAX: usize = 512;
/// Most of them from one source: enough for an office whose people join at the same moment, since a check follows its connection
/// within a round trip.
const UNPROVEN_PER_SOURCE_MAX: usize = 64;
/// A client that has not sent a valid check by then will not.
const PROOF_TIMEOUT: Duration = Duration::from_secs(10);
/// A browser's first frame is a check; others go on with media where a connection broke, and check in their own time. A second
/// of a large call is enough for them, and an end for who only wants to keep us busy.
const STRANGE_FRAMES_MAX: u16 = 512;
/// Browsers check even the pairs they do not use every 25 s, as long as they keep them; others send keepalives as often.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Accepted before others get a turn.
const ACCEPTS_PER_TURN: usize = 64;
/// Connections that wait in the kernel.
const BACKLOG: i32 = 256;
/// Room for several reads of a busy connection, and always for a whole frame.
const READ_BUFFER_BYTES: usize = 64 << 10;

/// Tokens below this are not connections.
const FIRST_CONNECTION: usize = 8;

/// A connection that has ended.
#[derive(Clone, Copy, Debug)]
struct Ended {
    /// What ICE knew it as.
    remote: Remote,
    /// Whose it was.
    slot: Option<TransportSlot>,
}

/// The listener of a shard and its connections.
pub(super) struct Connections {
    /// `None`: this shard takes no TCP.
    listener: Option<mio::net::TcpListener>,
    registry: mio::Registry,
    counters: Arc<ShardCounters>,
    places: Slab<Connection>,
    generations: Vec<u32>,
    /// Unproven connections, oldest first. Those that were proven or closed meanwhile are still named.
    unproven: VecDeque<(Instant, ConnectionId)>,
    unproven_count: usize,
    unproven_by_source: AHashMap<IpAddr, usize>,
    /// Connections that may have something to read.
    ready: Vec<ConnectionId>,
    /// Connections found broken while sending, to be buried when the shard is at leisure.
    broken: Vec<ConnectionId>,
    may_accept: bool,
    /// Accepting failed: not before the next tick again.
    may_retry: bool,
    scratch: Vec<u8>,
}

/// Opens the passive end on `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<mio::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Connections of the process before us may linger (RFC 9293 section 3.6.1); the port is ours all the same.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(mio::net::TcpListener::from_std(socket.into()))
}

impl Connections {
    /// Without any connection yet. The listener is registered under `token`.
    pub(super) fn new(
        mut listener: Option<mio::net::TcpListener>,
        token: mio::Token,
        registry: &mio::Registry,
        counters: Arc<ShardCounters>,
    ) -> io::Result<Self> {
        let registry = registry.try_clone()?;
        if let Some(listener) = &mut listener {
            registry.register(listener, token, mio::Interest::READABLE)?;
        }
        Ok(Self {
            may_accept: listener.is_some(),
            listener,
            registry,
            counters,
            places: Slab::new(),
            generations: Vec::new(),
            unproven: VecDeque::new(),
            unproven_count: 0,
            may_retry: false,
            unproven_by_source: AHashMap::new(),
            ready: Vec::new(),
            broken: Vec::new(),
            scratch: Vec::new(),
        })
    }

    /// The listener has something to accept.
    pub(super) fn note_listener(&mut self) {
        self.may_accept = true;
    }

    /// Something happened at a connection.
    pub(super) fn note(&mut self, event: &mio::event::Event) {
        let index = event.token().0.wrapping_sub(FIRST_CONNECTION);
        let Some(place) = self.places.get_mut(index) else {
            return;
        };
        let id = ConnectionId {
            index: index as u32,
            generation: place.generation,
        };
        if event.is_writable() && !place.flush() {
            self.broken.push(id);
        }
        let has_news = event.is_readable() || event.is_read_closed() || event.is_error();
        if has_news && !place.is_ready {
            place.is_ready = true;
            self.ready.push(id);
        }
    }

    /// True when there is something to do without waiting for the kernel.
    pub(super) fn is_busy(&self) -> bool {
        self.may_accept || !self.ready.is_empty() || !self.broken.is_empty()
    }

    /// Accepts who waits, as many as get a turn.
    fn accept(&mut self, now: Instant) {
        if !std::mem::take(&mut self.may_accept) {
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = &self.listener else { return };
            match listener.accept() {
                Ok((stream, from)) => self.admit(now, stream, unmap(from)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // That client gave up before its turn.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // No file descriptors, most likely: a stranger's is the one to give back. The rest waits in the kernel until
                // the next tick.
                Err(_) => {
                    self.counters.tcp.close(CloseReason::Unaccepted);
                    self.close_oldest_unproven();
                    self.may_retry = true;
                    return;
                }
            }
        }
        self.may_accept = true;
    }

    fn admit(&mut self, now: Instant, stream: mio::net::TcpStream, from: SocketAddr) {
        self.counters.tcp.accepted.add(1);
        let of_source = self.unproven_by_source.get(&source(from)).copied().unwrap_or_default();
        // Dropping the stream closes it.
        if self.places.len() >= CONNECTIONS_MAX {
            return self.counters.tcp.close(CloseReason::Full);
        }
        if of_source >= UNPROVEN_PER_SOURCE_MAX {
            return self.counters.tcp.close(CloseReason::SourceFull);
        }
        if self.unproven_count >= UNPROVEN_MAX {
            self.close_oldest_unproven();
        }
        let index = self.places.vacant_key();
        if index >= self.generations.len() {
            self.generations.resize(index + 1, 0);
        }
        let mut place = Connection::new(stream, from, self.generations[index], now);
        let (token, both) = (
            mio::Token(FIRST_CONNECTION + index),
            mio::Interest::READABLE | mio::Interest::WRITABLE,
        );
        if self.registry.register(place.source(), token, both).is_err() {
            return self.counters.tcp.close(CloseReason::Unaccepted);
        }
        let id = ConnectionId {
            index: index as u32,
            generation: place.generation,
        };
        self.places.insert(place);
        if self.unproven.len() >= 2 * UNPROVEN_MAX {
            let mut unproven = std::mem::take(&mut self.unproven);
            unproven.retain(|(_, id)| self.is_unproven(*id));
            self.unproven = unproven;
        }
        self.unproven.push_back((now, id));
        self.unproven_count += 1;
        *self.unproven_by_source.entry(source(from)).or_default() += 1;
        self.counters.tcp.open.set(self.places.len() as u64);
    }

    fn close_oldest_unproven(&mut self) {
        while let Some((_, id)) = self.unproven.pop_front() {
            if self.is_unproven(id) {
                self.close(id, CloseReason::CrowdedOut);
                return;
            }
        }
    }

    /// Takes the connections that may have something to read. Who is read until nothing is left need not come back.
    fn take_ready(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.ready)
    }

    /// Gives back an emptied list of [`Connections::take_ready`], so that it need not grow anew.
    fn return_ready(&mut self, mut list: Vec<ConnectionId>) {
        list.clear();
        list.append(&mut self.ready);
        self.ready = list;
    }

    /// Connections found broken since the last call.
    fn take_broken(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.broken)
    }

    /// Reads a connection into `buffer`, which is [`READ_BUFFER_BYTES`] long. `None` when there is no such connection.
    fn read(&mut self, now: Instant, id: ConnectionId, buffer: &mut [u8]) -> Option<(SocketAddr, Brought)> {
        let place = self.get_mut(id)?;
        let brought = place.read(buffer);
        if place.slot.is_some() && matches!(brought, Brought::Bytes(_)) {
            place.alive_at = now;
        }
        place.is_ready = matches!(brought, Brought::Bytes(_));
        let from = place.from;
        if place.is_ready {
            self.ready.push(id);
        }
        Some((from, brought))
    }

    /// Keeps the beginning of a frame until the rest comes.
    fn keep(&mut self, id: ConnectionId, partial: &[u8]) {
        if let Some(place) = self.get_mut(id) {
            place.keep(partial);
        }
    }

    /// Whose datagrams come over this connection.
    #[inline]
    pub(super) fn slot(&self, id: ConnectionId) -> Option<TransportSlot> {
        self.get(id)?.slot
    }

    /// A valid check of this transport came over it: the newest proof wins.
    pub(super) fn prove(&mut self, now: Instant, id: ConnectionId, slot: TransportSlot) {
        let Some(place) = self.get_mut(id) else { return };
        place.alive_at = now;
        let (from, first) = (place.from, place.slot.replace(slot).is_none());
        if first {
            self.count_as_proven(from);
        }
    }

    /// Counts a frame that came over a connection; false when an unproven one has sent too many. `None`: it is closed.
    fn tolerates(&mut self, id: ConnectionId) -> Option<bool> {
        let place = self.get_mut(id)?;
        if place.slot.is_none() {
            place.strange = place.strange.saturating_add(1);
        }
        Some(place.slot.is_some() || place.strange <= STRANGE_FRAMES_MAX)
    }

    /// Sends `contents` as frames of `segment` bytes each; `None`: as one frame.
    ///
    /// # Errors
    /// The connection is no longer there.
    pub(super) fn send(&mut self, id: ConnectionId, contents: &[u8], segment: Option<usize>) -> io::Result<()> {
        let place = self
            .places
            .get_mut(id.index as usize)
            .filter(|place| place.generation == id.generation);
        let Some(place) = place else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        match place.send(contents, segment.unwrap_or(contents.len()), &mut self.scratch) {
            Sent::Taken => {}
            Sent::Dropped(frames) => self.counters.turn_away_many(DoorReason::ConnectionFull, frames),
            Sent::Broken => self.broken.push(id),
        }
        Ok(())
    }

    /// Closes a connection. `None` when it is closed already.
    fn close(&mut self, id: ConnectionId, why: CloseReason) -> Option<Ended> {
        self.get(id)?;
        let mut place = self.places.remove(id.index as usize);
        self.generations[id.index as usize] = id.generation.wrapping_add(1);
        // An error means that the kernel knows of it no more.
        let _ = self.registry.deregister(place.source());
        if place.slot.is_none() {
            self.count_as_proven(place.from);
        }
        self.counters.tcp.close(why);
        self.counters.tcp.open.set(self.places.len() as u64);
        Some(Ended {
            remote: Remote {
                address: place.from,
                connection: Some(id),
            },
            slot: place.slot,
        })
    }

    /// Connections of this transport.
    fn of(&self, slot: TransportSlot) -> Vec<ConnectionId> {
        let of_slot = self.places.iter().filter(|(_, place)| place.slot == Some(slot));
        of_slot.map(|(index, place)| id(index, place)).collect()
    }

    /// Unproven connections whose time is over. Called every tick, which also gives the listener another chance after an
    /// error.
    fn overdue(&mut self, now: Instant) -> Vec<ConnectionId> {
        self.may_accept |= std::mem::take(&mut self.may_retry);
        let mut overdue = Vec::new();
        while let Some(&(since, id)) = self.unproven.front() {
            let is_unproven = self.is_unproven(id);
            if is_unproven && now < since + PROOF_TIMEOUT {
                break;
            }
            self.unproven.pop_front();
            if is_unproven {
                overdue.push(id);
            }
        }
        overdue
    }

    /// Proven connections from which nothing has come for a long time.
    fn idle(&self, now: Instant) -> Vec<ConnectionId> {
        let is_idle = |place: &Connection| place.slot.is_some() && now >= place.alive_at + IDLE_TIMEOUT;
        let idle = self.places.iter().filter(|(_, place)| is_idle(place));
        idle.map(|(index, place)| id(index, place)).collect()
    }

    fn is_unproven(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|place| place.slot.is_none())
    }

    fn count_as_proven(&mut self, from: SocketAddr) {
        self.unproven_count -= 1;
        let source = source(from);
        if let Some(count) = self.unproven_by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.unproven_by_source.remove(&source);
            }
        }
    }

    fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let place = self.places.get(id.index as usize)?;
        (place.generation == id.generation).then_some(place)
    }

    fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let place = self.places.get_mut(id.index as usize)?;
        (place.generation == id.generation).then_some(place)
    }
}

fn id(index: usize, place: &Connection) -> ConnectionId {
    ConnectionId {
        index: index as u32,
        generation: place.generation,
    }
}

/// What counts as one source: an IPv4 address, or the /64 that one IPv6 customer has at the least.
fn source(from: SocketAddr) -> IpAddr {
    match from.ip() {
        IpAddr::V4(v4) => v4.into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) >> 64 << 64).into(),
    }
}
