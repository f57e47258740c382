//! Cheap endpoints, many on one thread: real ICE, DTLS and SRTP, but pictures that are built once and packets that are counted
//! by their clear headers.
//!
//! The thread wakes on a tick and drains every socket that has something. So whoever sends to it never pays for waking
//! it, and what it costs itself does not depend on how packets are spaced. How late its ticks are is part of every
//! report.

mod dtls;
mod feedback;
mod ice;
mod peer;
mod receiving;
mod rtcp;
mod sending;
mod tally;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;
use enfilade::transport::fingerprint::Fingerprint;
use slab::Slab;
use tokio::sync::oneshot;

pub(crate) use ice::Credentials;
pub(crate) use peer::{PLAIN_HELLO, PeerConfig, Receiving, Security};
pub(crate) use sending::{Pace, Shape, StreamConfig};
pub(crate) use tally::Tally;

use dtls::Identity;
use peer::Peer;

/// How often the sockets are looked at.
const TICK: Duration = Duration::from_micros(250);
/// Sockets that are told of in one tick; more follow in the next.
const EVENTS: usize = 1024;

/// Commands that wait for the next tick; who has more waits for it.
const COMMANDS: usize = 1024;

/// One of the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeerId(usize);

/// How the thread passes its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Sleeps until the next tick.
    #[default]
    Ticks,
    /// Never sleeps: arrival times are exact, and a core is taken.
    Spins,
}

enum Command {
    Connect {
        config: Box<PeerConfig>,
        reply: oneshot::Sender<anyhow::Result<PeerId>>,
    },
    Remove(PeerId),
    /// Streams send so many times as much as they were made for.
    SetRate(f64),
    Count(oneshot::Sender<Tally>),
    /// Whether anything of these came yet.
    HasMedia(PeerId, oneshot::Sender<Option<Instant>>),
}

/// The thread, from outside.
#[derive(Clone)]
pub(crate) struct Engine {
    commands: mpsc::SyncSender<Command>,
    fingerprint: Fingerprint,
}

impl Engine {
    /// Starts the thread. It ends with the last clone of the engine.
    pub(crate) fn start(waiting: Waiting) -> anyhow::Result<Self> {
        let identity = Arc::new(Identity::generate()?);
        let fingerprint = identity.fingerprint();
        let (commands, inbox) = mpsc::sync_channel(COMMANDS);
        let core = Core::new(identity, waiting)?;
        std::thread::Builder::new()
            .name("endpoints".to_owned())
            .spawn(move || core.run(&inbox))?;
        Ok(Self { commands, fingerprint })
    }

    /// What offers promise.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// An endpoint, once its keys are there.
    pub(crate) async fn connect(&self, config: PeerConfig) -> anyhow::Result<PeerId> {
        let (reply, answer) = oneshot::channel();
        let config = Box::new(config);
        self.send(Command::Connect { config, reply });
        answer.await.context("the endpoints' thread is gone")?
    }

    /// It is not heard of again. The server will notice.
    pub(crate) fn remove(&self, peer: PeerId) {
        self.send(Command::Remove(peer));
    }

    /// All streams send so many times as much as they were made for.
    pub(crate) fn set_rate(&self, factor: f64) {
        self.send(Command::SetRate(factor));
    }

    /// All that was counted so far.
    pub(crate) async fn count(&self) -> anyhow::Result<Tally> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Count(reply));
        answer.await.context("the endpoints' thread is gone")
    }

    /// When the first packet of media came.
    pub(crate) async fn first_media(&self, peer: PeerId) -> anyhow::Result<Option<Instant>> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::HasMedia(peer, reply));
        answer.await.context("the endpoints' thread is gone")
    }

    fn send(&self, command: Command) {
        // Without the thread no answer comes, and that is what callers notice.
        let _gone = self.commands.send(command);
    }
}

/// What is due, and for whom.
type Due = Reverse<(Instant, PeerId)>;

struct Core {
    identity: Arc<Identity>,
    waiting: Waiting,
    poll: mio::Poll,
    peers: Slab<Peer>,
    due: BinaryHeap<Due>,
    epoch: Instant,
    rate: f64,
    tally: Tally,
    buffer: Vec<u8>,
}

impl Core {
    fn new(identity: Arc<Identity>, waiting: Waiting) -> anyhow::Result<Self> {
        Ok(Self {
            identity,
            waiting,
            poll: mio::Poll::new()?,
            peers: Slab::new(),
            due: BinaryHeap::new(),
            epoch: Instant::now(),
            rate: 1.0,
            tally: Tally::default(),
            buffer: vec![0; 1 << 16],
        })
    }

    fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        let mut events = mio::Events::with_capacity(EVENTS);
        let mut ready = Vec::new();
        let mut tick = Instant::now();
        loop {
            loop {
                match inbox.try_recv() {
                    Ok(command) => self.obey(command),
                    Err(mpsc::TryRecvError::Empty) => break,
                    Err(mpsc::TryRecvError::Disconnected) => return,
                }
            }
            if self.poll.poll(&mut events, Some(Duration::ZERO)).is_ok() {
                ready.clear();
                ready.extend(events.iter().map(|event| event.token().0));
                for at in &ready {
                    self.read(*at);
                }
            }
            self.run_due(Instant::now());
            // How late the next look is, whether the last one took too long or the sleep.
            let due = tick + TICK;
            if self.waiting == Waiting::Ticks {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let now = Instant::now();
            if now >= due || self.waiting == Waiting::Ticks {
                self.tally.late(now.saturating_duration_since(due));
                tick = due.max(now);
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect { config, reply } => {
                let result = self.connect(*config, reply);
                if let Err((reply, error)) = result {
                    let _gone = reply.send(Err(error));
                }
            }
            Command::Remove(peer) => {
                if let Some(peer) = self.peers.try_remove(peer.0) {
                    // Closing it takes it out of the poll.
                    self.tally.add_peer(&peer.tally());
                }
            }
            Command::SetRate(rate) => {
                self.rate = rate;
                for (_, peer) in &mut self.peers {
                    peer.set_rate(rate);
                }
            }
            Command::Count(reply) => {
                let mut tally = self.tally.clone();
                for (_, peer) in &self.peers {
                    tally.add_peer(&peer.tally());
                }
                let _gone = reply.send(tally);
            }
            Command::HasMedia(peer, reply) => {
                let first = self.peers.get(peer.0).and_then(Peer::first_media);
                let _gone = reply.send(first);
            }
        }
    }

    fn connect(
        &mut self,
        config: PeerConfig,
        reply: oneshot::Sender<anyhow::Result<PeerId>>,
    ) -> Result<(), (oneshot::Sender<anyhow::Result<PeerId>>, anyhow::Error)> {
        let now = Instant::now();
        let entry = self.peers.vacant_entry();
        let id = PeerId(entry.key());
        let made = Peer::new(&self.identity, config, now, self.epoch).and_then(|mut peer| {
            peer.register(&self.poll, id)?;
            Ok(peer)
        });
        match made {
            Ok(mut peer) => {
                peer.set_rate(self.rate);
                peer.await_connection(id, reply);
                entry.insert(peer);
                self.plan(id);
                Ok(())
            }
            Err(error) => Err((reply, error)),
        }
    }

    fn read(&mut self, at: usize) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        peer.read(Instant::now(), &mut self.buffer, &mut self.tally);
        self.plan(PeerId(at));
    }

    fn run_due(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at > now {
                return;
            }
            self.due.pop();
            let Some(peer) = self.peers.get_mut(id.0) else { continue };
            // It has planned something earlier since, or is not the one that planned this.
            if peer.planned != Some(at) {
                continue;
            }
            peer.planned = None;
            peer.run(now);
            self.plan(id);
        }
    }

    /// Has an endpoint looked at when it wants to be.
    fn plan(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(id.0) else { return };
        let Some(due) = peer.due() else { return };
        if peer.planned.is_none_or(|planned| due < planned) {
            peer.planned = Some(due);
            self.due.push(Reverse((due, id)));
        }
    }
}

/// Where a socket binds that is to reach this address.
fn local_for(remote: SocketAddr) -> SocketAddr {
    if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0_u16; 8], 0).into()
    }
}
