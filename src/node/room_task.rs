//! The task around one [`Room`]: feeds it, and does what it says.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::directory::RoomHandle;
use super::frames::{FrameSender, NotTaken, SocketFrame};
use super::handshake::{self, Handshake, Order};
use super::recording::Recording;
use super::traces::{OpeningLinks, Span, Trace};
use super::{Inner, Queue, unix_ms};
use crate::federation::LinkCounters;
use crate::recording;
use crate::room::{HttpKey, HttpReply, Input, Output, Preset, Room, RoomConfig, SocketKey};
use crate::shard::{Mail, ShardEvent, ShardId, TransportKey};
use crate::wire::link::{LinkBody, LinkFrame};
use crate::wire::signal::ClientMessage;
use crate::wire::{ErrorCode, RoomId};

const INBOX_CAPACITY: usize = 256;
const EVENTS_CAPACITY: usize = 1_024;
/// How long the end of a link is kept for a room whose inbox is full.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// RFC 6455 leaves 4000 to 4999 to applications: the socket did not read as fast as the room spoke.
const TOO_SLOW: u16 = 4008;

/// What reaches a room from outside.
pub(super) enum RoomMessage {
    /// A socket that joins or resumes, and where its frames go.
    Attach {
        socket: SocketKey,
        frames: FrameSender,
        first: Input,
    },
    /// An HTTP request, and where its reply goes.
    Ask {
        key: HttpKey,
        reply: oneshot::Sender<HttpReply>,
        input: Input,
    },
    /// Anything else.
    Input(Input),
}

/// Begins a room. Its task ends by itself when the room is empty.
pub(super) fn start(node: Arc<Inner>, id: RoomId, number: u32, home: ShardId, preset: Option<Preset>) -> RoomHandle {
    let (inbox, messages) = mpsc::channel(INBOX_CAPACITY);
    let participants = Arc::new(AtomicUsize::new(0));
    let handle = RoomHandle {
        inbox: inbox.clone(),
        home,
        participants: Arc::clone(&participants),
    };
    node.metrics.rooms.inc();
    node.rooms_at[usize::from(home.0)].fetch_add(1, Ordering::Relaxed);
    let tasks = node.tasks.clone();
    tasks.spawn(async move {
        let (name, config, verify) = (
            id.clone(),
            RoomConfig::clone(&node.room_config()),
            Arc::clone(&node.verify),
        );
        let mut room = Room::new(name, number, config, Box::new(random), verify);
        room.prepare(preset.unwrap_or_default());
        let session = room.session().to_owned();
        let task = RoomTask {
            room,
            node: Arc::clone(&node),
            number,
            sockets: HashMap::new(),
            asked: HashMap::new(),
            handshakes: HashMap::new(),
            // Weak: the task must not keep its own inbox open.
            inbox: inbox.downgrade(),
            participants,
            links: 0,
            link_counters: LinkCounters::default(),
            recording: None,
            opening: OpeningLinks::new(node.metrics.traces.clone()),
            traced: None,
        };
        drop(inbox);
        // A room that panics is a bug, and costs this room alone.
        if node.tasks.spawn(task.run(messages)).await.is_err() {
            node.metrics.panics.inc();
            tracing::error!(number, "a room task died");
        }
        node.records.over(session).await;
        node.directory.remove(&id, number);
        node.metrics.rooms.dec();
        node.rooms_at[usize::from(home.0)].fetch_sub(1, Ordering::Relaxed);
        for shard in &node.shards {
            // A shard that has stopped holds nothing to close.
            let _ = shard.send(Mail::RoomClosed { number }).await;
        }
        if let Some(cluster) = &node.cluster {
            cluster.release(&id).await;
        }
    });
    handle
}

struct RoomTask {
    room: Room,
    node: Arc<Inner>,
    number: u32,
    sockets: HashMap<SocketKey, FrameSender>,
    asked: HashMap<HttpKey, oneshot::Sender<HttpReply>>,
    handshakes: HashMap<TransportKey, Handshake>,
    inbox: mpsc::WeakSender<RoomMessage>,
    participants: Arc<AtomicUsize>,
    /// Links as they were last counted.
    links: i64,
    /// What they counted, as it was last added to the metrics.
    link_counters: LinkCounters,
    /// The one that was begun last.
    recording: Option<Recording>,
    opening: OpeningLinks,
    /// Of whom the message at hand is, if that is traced, and when it came.
    traced: Option<(Trace, Instant)>,
}

/// Whatever way a room ends, its links are no longer counted.
impl Drop for RoomTask {
    fn drop(&mut self) {
        self.node.metrics.link_ends.sub(self.links);
    }
}

impl RoomTask {
    async fn run(mut self, mut messages: mpsc::Receiver<RoomMessage>) {
        let (sender, mut events) = mpsc::channel::<ShardEvent>(EVENTS_CAPACITY);
        for shard in &self.node.shards {
            let opened = Mail::RoomOpened {
                number: self.number,
                events: sender.clone(),
            };
            if shard.send(opened).await.is_err() {
                return;
            }
        }
        let mut closing = false;
        loop {
            let deadline = self.room.poll_timeout();
            let input = tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    self.node.metrics.queues.seen(Queue::ShardEvents, events.len() + 1);
                    if let ShardEvent::Stats { stats, .. } = &event {
                        self.node.metrics.calls.measured(stats);
                    }
                    Input::Shard { event }
                }
                message = messages.recv() => match message {
                    Some(message) => {
                        self.node.metrics.queues.seen(Queue::Room, messages.len() + 1);
                        self.register(message)
                    }
                    None => return,
                },
                () = sleep_until(deadline), if deadline.is_some() => Input::Tick,
            };
            self.trace(&input);
            self.room.handle(Instant::now(), unix_ms(), input);
            closing |= self.perform().await;
            self.count_links();
            if closing {
                // Whoever found this room a moment ago finds the inbox closed and enters anew; what is already in it is answered
                // by dropping it, which its sender sees.
                messages.close();
                return;
            }
        }
    }

    /// Takes note of what a trace is made of.
    fn trace(&mut self, input: &Input) {
        self.traced = None;
        if let Input::Link { frame } = input {
            self.opening.heard(frame);
        }
        if let Input::Message {
            socket,
            message: Ok(envelope),
        } = input
            && matches!(envelope.message, ClientMessage::Offer { .. })
        {
            let trace = self.node.metrics.traces.of_socket(*socket);
            self.traced = trace.map(|trace| (trace, Instant::now()));
        }
    }

    fn count_links(&mut self) {
        let links = i64::try_from(self.room.links()).unwrap_or(i64::MAX);
        self.node.metrics.link_ends.add(links - self.links);
        self.links = links;
        let counters = self.room.link_counters();
        if *counters != self.link_counters {
            for ((event, now), (_, before)) in counters.events().zip(self.link_counters.events()) {
                self.node
                    .metrics
                    .link_events
                    .with_label_values(&[event])
                    .inc_by(now - before);
            }
            self.link_counters = counters.clone();
        }
    }

    fn register(&mut self, message: RoomMessage) -> Input {
        match message {
            RoomMessage::Attach { socket, frames, first } => {
                self.sockets.insert(socket, frames);
                first
            }
            RoomMessage::Ask { key, reply, input } => {
                self.asked.insert(key, reply);
                input
            }
            RoomMessage::Input(input) => {
                if let Input::SocketClosed { socket, .. } = &input {
                    self.sockets.remove(socket);
                }
                input
            }
        }
    }

    /// Does everything the room wants done. True when the room is empty.
    async fn perform(&mut self) -> bool {
        let mut empty = false;
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Send { socket, frame } => self.write(socket, SocketFrame::Text(frame)),
                Output::Refuse { socket, frame } => {
                    self.write(socket, SocketFrame::Refused(frame));
                    self.sockets.remove(&socket);
                }
                Output::CloseSocket { socket, code, reason } => {
                    self.write(socket, SocketFrame::Close { code, reason });
                    self.sockets.remove(&socket);
                }
                Output::Shard { shard, command } => {
                    let Some(handle) = self.node.shards.get(usize::from(shard.0)) else {
                        continue;
                    };
                    // A stopped shard means that the node is stopping.
                    let _ = handle.send(Mail::Command(command)).await;
                    self.node.metrics.queues.seen(Queue::Shard, handle.waiting());
                }
                Output::StartHandshake {
                    transport,
                    shard,
                    fingerprint,
                } => {
                    let Some(handle) = self.node.shards.get(usize::from(shard.0)).cloned() else {
                        continue;
                    };
                    self.stop_handshake(transport);
                    self.participants.fetch_add(1, Ordering::Relaxed);
                    let trace = self.traced.map(|(trace, began)| {
                        self.node.metrics.traces.tell(Span::part(trace, "negotiation", began));
                        trace
                    });
                    let config = handshake::HandshakeConfig {
                        transport,
                        fingerprint,
                        trace,
                    };
                    let started = handshake::start(&self.node, config, handle, self.inbox.clone()).await;
                    self.handshakes.insert(transport, started);
                }
                Output::StopHandshake { transport } => self.stop_handshake(transport),
                Output::SendData {
                    transport,
                    channel,
                    data,
                } => {
                    if let Some(handshake) = self.handshakes.get_mut(&transport) {
                        handshake.order(Order::Send { channel, data });
                    }
                }
                Output::HttpReply { request, reply } => {
                    if let Some(asked) = self.asked.remove(&request) {
                        // Its client may have gone away meanwhile.
                        let _ = asked.send(reply);
                    }
                }
                Output::ToRoom { room, frame } => self.hand_to_room(room, frame),
                Output::Presence { presence, listing } => {
                    self.node.directory.show(self.number, *presence, listing);
                }
                Output::LookUp { key, lookup } if self.node.looks_far(&lookup) => {
                    let (node, inbox) = (Arc::clone(&self.node), self.inbox.clone());
                    self.node.tasks.spawn(async move {
                        let answer = Box::new(node.look_up(lookup).await);
                        if let Some(inbox) = inbox.upgrade() {
                            // A room that has ended has nobody who asks.
                            let _ended = inbox.send(RoomMessage::Input(Input::Found { key, answer })).await;
                        }
                    });
                }
                Output::LookUp { key, lookup } => {
                    let answer = Box::new(self.node.look_up(lookup).await);
                    self.room
                        .handle(Instant::now(), unix_ms(), Input::Found { key, answer });
                }
                Output::Event(event) => self.node.records.tell(event),
                Output::RecordingBegin { subject } => {
                    // Without it the room begins none.
                    let config = self.node.recording.clone();
                    let inbox = self.inbox.clone();
                    self.recording = config.map(|config| Recording::start(&self.node, config, *subject, inbox));
                }
                Output::Record { order } => self.record(*order).await,
                Output::RecordingEnd => {
                    if let Some(recording) = &self.recording {
                        recording.stop();
                    }
                }
                Output::Empty => empty = true,
            }
        }
        empty
    }

    fn write(&mut self, socket: SocketKey, frame: SocketFrame) {
        let Some(frames) = self.sockets.get_mut(&socket) else {
            return;
        };
        match frames.send(frame) {
            Ok(()) => self.node.metrics.queues.seen(Queue::Socket, frames.waiting()),
            Err(NotTaken::Gone) => {
                self.sockets.remove(&socket);
            }
            Err(NotTaken::TooSlow) => {
                // The queue is dropped with its frames; the socket's task sees the end of it and closes with 4008. What was
                // in it is replayed if the client resumes.
                self.sockets.remove(&socket);
                tracing::info!(code = TOO_SLOW, "a socket is too slow and is closed");
                let closed = Input::SocketClosed {
                    socket,
                    going_away: false,
                };
                self.room.handle(Instant::now(), unix_ms(), closed);
            }
        }
    }

    /// Never waits for another room, which may be waiting for this one. What finds no place is lost, and the link sends it again;
    /// only a farewell, which nobody is left to repeat, is carried by a task of its own.
    fn hand_to_room(&mut self, to: RoomId, frame: Box<LinkFrame>) {
        self.opening.said(&frame);
        let is_farewell = matches!(frame.body, LinkBody::Close { .. });
        let handed = match self.node.directory.by_id(&to) {
            Some(room) => room
                .inbox
                .try_send(RoomMessage::Input(Input::Link { frame }))
                .map_err(|error| match error {
                    mpsc::error::TrySendError::Full(message) => Some((room.inbox.clone(), message)),
                    mpsc::error::TrySendError::Closed(_) => None,
                }),
            None => match &self.node.cluster {
                Some(cluster) => {
                    let taken = cluster.hand_on(self.room.id().clone(), to, frame);
                    let result = if taken { "sent" } else { "full" };
                    return self.node.metrics.link_frames.with_label_values(&[result]).inc();
                }
                None => Err(None),
            },
        };
        let frames = &self.node.metrics.link_frames;
        match handed {
            Ok(()) => frames.with_label_values(&["handed"]).inc(),
            Err(Some((inbox, message))) => {
                frames.with_label_values(&["full"]).inc();
                if is_farewell {
                    self.node.tasks.spawn(async move {
                        // A room that stays full for so long, or has ended, needs no farewell.
                        let _ = tokio::time::timeout(FAREWELL_TIMEOUT, inbox.send(message)).await;
                    });
                }
            }
            Err(None) => {
                frames.with_label_values(&["nobody"]).inc();
                let unreachable = Input::LinkUnreachable {
                    room: to,
                    session: None,
                    code: ErrorCode::RoomNotFound,
                };
                self.room.handle(Instant::now(), unix_ms(), unreachable);
            }
        }
    }

    async fn record(&mut self, order: recording::Order) {
        let Some(recording) = &self.recording else { return };
        let (mail, is_taken) = recording.order(order);
        if let Some((shard, mail)) = mail
            && let Some(shard) = self.node.shards.get(usize::from(shard.0))
        {
            // A stopped shard means that the node is stopping.
            let _stopped = shard.send(mail).await;
        }
        if !is_taken {
            // The recorder sees the end of its orders, and ends.
            self.recording = None;
        }
    }

    fn stop_handshake(&mut self, transport: TransportKey) {
        if let Some(mut handshake) = self.handshakes.remove(&transport) {
            self.participants.fetch_sub(1, Ordering::Relaxed);
            handshake.order(Order::Close);
        }
    }
}

pub(super) async fn sleep_until(deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
