//! Runs the media plane: one thread, one UDP socket (and the TCP connections of those who have no UDP), everything that
//! happens to packets.
//!
//! A turn of the loop: read the mailbox, read what has come, handle each datagram (which fills the egress), flush the egress,
//! run what is due. Nothing here blocks but the poll and the naps of a busy shard, and nothing on the packet path locks,
//! allocates in steady state, or reads a clock more than once a batch.

pub mod command;
pub mod counters;
pub mod egress;
pub mod event;

mod clock;
mod commands;
mod config;
mod demand;
mod downlinks;
mod explain;
mod inbound;
mod loudest;
mod mailbox;
mod moderation;
mod post;
mod probe;
mod receive;
mod relay;
mod rtcp;
mod socket;
mod sources;
mod start;
mod table;
mod tap;
mod tcp;
#[cfg(test)]
mod tests;
mod ticks;
mod transports;
mod ways;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use slab::Slab;
use tokio::sync::mpsc;

pub use command::{ShardCommand, ShardId, TransportKey};
pub use config::MediaConfig;
pub use counters::{Counter, DoorReason, ShardCounters};
pub use event::{Jitter, ShardEvent, TransportStats};
pub use mailbox::{Mail, ShardHandle, Stopped};
pub use socket::{Arrival, Offload, Via, offload};
pub use start::{ShardConfig, ShardThread, start};
pub use tap::{TapMail, Tapped, TappedPacket};
pub use tcp::{CloseReason, TcpCounters};

use crate::media::{EgressKey, HistoryLimits, SourceKey, TransportSlot};
use clock::NtpClock;
use egress::Egress;
use loudest::Loudest;
use moderation::Moderation;
use post::Post;
use relay::RelayEnds;
use socket::{MediaSocket, ReceiveBuffers};
use sources::Sources;
use table::Table;
use transports::TransportEntry;
use ways::Ways;

/// How often NACKs, transport feedback and reports are looked at.
const TICK: Duration = Duration::from_millis(20);
/// Batches read before the mailbox gets a turn: a flood on the socket must not starve the control plane.
const BATCHES_PER_TURN: usize = 16;
/// Messages read before the socket gets a turn.
const MAIL_PER_TURN: usize = 256;

const SOCKET: mio::Token = mio::Token(0);
const WAKE: mio::Token = mio::Token(1);
const LISTENER: mio::Token = mio::Token(2);
/// Events taken in one turn; more wait for the next.
const EVENTS_PER_TURN: usize = 256;

/// What a turn at the mailbox left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MailLeft {
    /// Nothing: its waker tells of the next message.
    None,
    /// Perhaps more. Whoever sent it has woken us already and will not do it again, so we come back at once.
    Some,
    /// No more will ever be read.
    Stopped,
}

/// The state of one media thread.
struct Shard {
    id: ShardId,
    socket: Arc<MediaSocket>,
    /// Where everything leaves.
    ways: Ways,
    counters: Arc<ShardCounters>,
    table: Table,
    transports: Slab<TransportEntry>,
    sources: Sources,
    loudest: Loudest,
    egress_slots: AHashMap<EgressKey, TransportSlot>,
    egress: Egress,
    post: Post,
    relay: RelayEnds,
    peers: Vec<ShardHandle>,
    clock: NtpClock,
    consent_timeout: Duration,
    history: HistoryLimits,
    /// Sources that may owe their publisher a keyframe request, or the news of who wants what; asked at the end of the turn.
    keyframes_due: Vec<SourceKey>,
    /// Subscribers whose bandwidth is to be shared out anew; done at the end of the turn.
    downlinks_due: Vec<TransportSlot>,
    /// Subscribers whose probe goes on before the next visit, or from whom nothing will have been heard for too long by then.
    probing: Vec<TransportSlot>,
    moderation: Moderation,
    next_tick: Instant,
    ticks: u64,
    /// When a packet that is missing is asked for, as far as there are any, and not sooner than that.
    nacks_at: Option<Instant>,
    nacks_from: Instant,
    /// Scratch for STUN answers and RTCP compounds.
    scratch: Vec<u8>,
    /// Scratch for NACKs.
    lost: Vec<u16>,
    /// What is read from a TCP connection.
    tcp_buffer: Vec<u8>,
}

impl Shard {
    /// Runs until told to stop.
    fn run(mut self, mut poll: mio::Poll, mut inbox: mpsc::Receiver<Mail>) -> io::Result<()> {
        let mut events = mio::Events::with_capacity(EVENTS_PER_TURN);
        let mut buffers = ReceiveBuffers::new();
        // The poll is edge-triggered: what was readable once stays so until a read says WouldBlock.
        let mut readable = true;
        let mut mail = MailLeft::None;
        loop {
            let now = Instant::now();
            let wait = if readable || mail == MailLeft::Some || self.ways.tcp().is_busy() {
                Duration::ZERO
            } else {
                [self.egress.poll_timeout(), self.next_probe(), self.nacks_at]
                    .into_iter()
                    .flatten()
                    .fold(self.next_tick, Instant::min)
                    .saturating_duration_since(now)
            };
            let nap = self.moderation.rest(now).min(wait);
            let wait = if nap.is_zero() {
                wait
            } else {
                std::thread::sleep(nap);
                Duration::ZERO
            };
            match poll.poll(&mut events, Some(wait)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            readable |= self.heed(&events);
            let now = Instant::now();
            self.moderation.wake(now, readable || !events.is_empty());
            // Before the socket: the first check of a client that has its answer already must find its transport.
            mail = self.read_mail(now, &mut inbox);
            if mail == MailLeft::Stopped {
                return Ok(());
            }
            if readable {
                readable = self.read_socket(&mut buffers);
            }
            let now = Instant::now();
            self.read_connections(now);
            self.read_relay(now);
            self.run_ticks(now);
            self.run_nacks(now);
            self.run_probes(now);
            self.share_out(now);
            self.request_keyframes(now);
            self.flush();
        }
    }

    /// Notes what the kernel has to tell. True when the UDP socket became readable.
    fn heed(&mut self, events: &mio::Events) -> bool {
        let mut readable = false;
        for event in events {
            match event.token() {
                SOCKET => readable = true,
                WAKE => {}
                LISTENER => self.ways.tcp().note_listener(),
                _ => self.ways.tcp().note(event),
            }
        }
        readable
    }

    /// Reads batches until the socket is empty or others want a turn. True when there may be more.
    fn read_socket(&mut self, buffers: &mut ReceiveBuffers) -> bool {
        let mut more = true;
        for _ in 0..BATCHES_PER_TURN {
            let now = Instant::now();
            match self.receive_batch(now, buffers) {
                Ok(_) => {
                    // The other shards need not wait for ours to have read everything.
                    self.relay.wake();
                    self.share_out(now);
                    self.request_keyframes(now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                // ICMP errors of earlier sends surface here; they concern one destination, never the socket.
                Err(_) => {}
            }
        }
        // What was read together leaves together.
        self.flush();
        more
    }

    fn read_mail(&mut self, now: Instant, inbox: &mut mpsc::Receiver<Mail>) -> MailLeft {
        for _ in 0..MAIL_PER_TURN {
            match inbox.try_recv() {
                Ok(Mail::Stop) => return MailLeft::Stopped,
                Ok(mail) => self.handle_mail(now, mail),
                Err(mpsc::error::TryRecvError::Empty) => return MailLeft::None,
                Err(mpsc::error::TryRecvError::Disconnected) => return MailLeft::Stopped,
            }
        }
        MailLeft::Some
    }

    fn flush(&mut self) {
        self.egress.flush(Instant::now(), &self.ways, &self.counters);
        self.relay.wake();
    }
}
