//! The task around the DTLS association and the SCTP association of one transport.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
// These take memory for what waits in them and no more: each participant has a few, which are nearly always empty.
use futures_channel::mpsc as light;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc;

use super::Inner;
use super::room_task::RoomMessage;
use super::traces::{Span, Trace};
use crate::room::{DataEvent, Input};
use crate::shard::{Mail, ShardCommand, ShardHandle, TransportKey};
use crate::transport::dtls::{Dtls, DtlsClosed, DtlsOutput};
use crate::transport::fingerprint::Fingerprint;
use crate::transport::sctp::{Sctp, SctpError, SctpOutput};
use crate::transport::srtp::KeyingMaterial;
use crate::wire::limits::DATA_BYTES_MAX;

/// A handshake is a handful of datagrams; SCTP paces itself by its window.
const DATAGRAMS_CAPACITY: usize = 64;
const ORDERS_CAPACITY: usize = 256;
/// A client that has not finished DTLS by then will not.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Browsers say goodbye and shake hands again on the same path when the first m-line of the bundle is stopped. A client that
/// has not done so by then is gone.
const RETURN_TIMEOUT: Duration = Duration::from_secs(10);

/// What the room wants of it.
pub(super) enum Order {
    /// One binary message.
    Send { channel: u16, data: Bytes },
    /// Say goodbye and end.
    Close,
}

/// The task seen from its room.
pub(super) struct Handshake {
    orders: light::Sender<Order>,
}

impl Handshake {
    /// Never waits: a reader that is too slow loses its channel, not the room its time.
    pub(super) fn order(&mut self, order: Order) {
        // Full or gone. A full queue of data means SCTP is stalled; dropping here is what its own bound would do.
        let _ = self.orders.try_send(order);
    }
}

/// With whom, and of what it is a part.
pub(super) struct HandshakeConfig {
    pub(super) transport: TransportKey,
    /// Of the client's certificate.
    pub(super) fingerprint: Fingerprint,
    /// Of the join that this is a part of.
    pub(super) trace: Option<Trace>,
}

/// Starts the task, and tells the shard where the datagrams go before the room goes on.
pub(super) async fn start(
    node: &Arc<Inner>,
    config: HandshakeConfig,
    shard: ShardHandle,
    room: mpsc::WeakSender<RoomMessage>,
) -> Handshake {
    let HandshakeConfig {
        transport,
        fingerprint: expected,
        trace,
    } = config;
    let (datagrams, inbox) = light::channel(DATAGRAMS_CAPACITY);
    let (orders, ordered) = light::channel(ORDERS_CAPACITY);
    // A stopped shard means that the node is stopping.
    let _ = shard.send(Mail::Handshake { transport, datagrams }).await;
    // Boxed, like the rarer of its doings: each participant has one of these tasks for the whole call, and it would otherwise be as
    // large as all that it may ever do.
    let task = Box::new(HandshakeTask {
        expected,
        dtls: Dtls::new(&node.identity, expected),
        sctp: Sctp::new(DATA_BYTES_MAX),
        links: Links {
            node: Arc::clone(node),
            transport,
            shard,
            room,
        },
        began: Instant::now(),
        first_datagram: None,
        connected: false,
        return_by: None,
        channels: BTreeSet::new(),
        trace,
    });
    let lost = Links {
        node: Arc::clone(node),
        transport,
        shard: task.links.shard.clone(),
        room: task.links.room.clone(),
    };
    let supervised = Arc::clone(node);
    node.metrics.handshakes.inc();
    node.tasks.spawn(async move {
        // A panic in here is a bug, and costs one transport: nothing that it could leave half done is used afterwards.
        if AssertUnwindSafe(task.run(inbox, ordered)).catch_unwind().await.is_err() {
            supervised.metrics.panics.inc();
            Box::pin(lost.tell(Input::HandshakeClosed { transport })).await;
        }
        supervised.metrics.handshakes.dec();
    });
    Handshake { orders }
}

struct HandshakeTask {
    /// Of the client's certificate.
    expected: Fingerprint,
    dtls: Dtls,
    sctp: Sctp,
    links: Links,
    /// When the offer was answered.
    began: Instant,
    first_datagram: Option<Instant>,
    connected: bool,
    /// The client said goodbye and may come back until then.
    return_by: Option<Instant>,
    /// Data channels the room knows of.
    channels: BTreeSet<u16>,
    /// Until it is told how the handshake went.
    trace: Option<Trace>,
}

/// The ways to the other planes. Apart from the machines, which may not be shared while something waits.
struct Links {
    node: Arc<Inner>,
    transport: TransportKey,
    shard: ShardHandle,
    room: mpsc::WeakSender<RoomMessage>,
}

impl HandshakeTask {
    async fn run(mut self: Box<Self>, mut datagrams: light::Receiver<Bytes>, mut orders: light::Receiver<Order>) {
        loop {
            let deadline = self.poll_timeout();
            tokio::select! {
                datagram = datagrams.next() => match datagram {
                    Some(datagram) => {
                        let now = Instant::now();
                        self.first_datagram.get_or_insert(now);
                        self.dtls.handle_datagram(now, &datagram);
                    }
                    // The shard has let go of the transport.
                    None => return,
                },
                order = orders.next() => match order {
                    Some(Order::Send { channel, data }) => {
                        Box::pin(self.send(channel, &data)).await;
                    }
                    Some(Order::Close) | None => {
                        self.dtls.close(Instant::now());
                        Box::pin(self.drain()).await;
                        return;
                    }
                },
                () = super::room_task::sleep_until(deadline), if deadline.is_some() => {
                    let now = Instant::now();
                    if self.has_failed_to_finish(now) {
                        Box::pin(self.fail()).await;
                        return;
                    }
                    self.dtls.handle_timeout(now);
                    self.sctp.handle_timeout(now);
                }
            }
            if !Box::pin(self.drain()).await {
                Box::pin(self.fail()).await;
                return;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.dtls.poll_timeout(), self.sctp.poll_timeout(), self.give_up_at()]
            .into_iter()
            .flatten()
            .min()
    }

    /// When the client has had time enough to finish DTLS.
    fn give_up_at(&self) -> Option<Instant> {
        if self.connected {
            return None;
        }
        self.return_by
            .or_else(|| self.first_datagram.map(|first| first + HANDSHAKE_TIMEOUT))
    }

    fn has_failed_to_finish(&self, now: Instant) -> bool {
        self.give_up_at().is_some_and(|at| now >= at)
    }

    /// Sends a message. A reliable channel whose client does not read is closed: it would break its promise.
    async fn send(&mut self, channel: u16, data: &[u8]) {
        let now = Instant::now();
        match self.sctp.send(now, channel, data, true) {
            Ok(_) | Err(SctpError::NoChannel | SctpError::TooLarge) => {}
            Err(SctpError::Full) => {
                self.sctp.close(now, channel);
                self.forget_channel(channel).await;
            }
        }
    }

    async fn forget_channel(&mut self, channel: u16) {
        if self.channels.remove(&channel) {
            self.links.data(DataEvent::Closed { channel }).await;
        }
    }

    /// The client said goodbye. It may mean the path's DTLS and not the call: everything is ready for another handshake with
    /// the same certificate, and until then media goes on with the old keys.
    async fn await_return(&mut self) {
        self.dtls = Dtls::new(&self.links.node.identity, self.expected);
        self.sctp = Sctp::new(DATA_BYTES_MAX);
        self.connected = false;
        self.first_datagram = None;
        self.return_by = Some(Instant::now() + RETURN_TIMEOUT);
        for channel in std::mem::take(&mut self.channels) {
            self.links.data(DataEvent::Closed { channel }).await;
        }
    }

    async fn fail(&mut self) {
        // Who does not come back has not failed; it has gone.
        if !self.connected && self.return_by.is_none() {
            self.links.node.metrics.handshake_failures.inc();
            self.tell_trace(Some("failed"));
        }
        self.links
            .tell(Input::HandshakeClosed {
                transport: self.links.transport,
            })
            .await;
    }

    /// How the client came to be connected: the way to it was found by the time of its first datagram.
    fn tell_trace(&mut self, error: Option<&str>) {
        let Some(trace) = self.trace.take() else { return };
        let traces = &self.links.node.metrics.traces;
        let (first, error_before) = match self.first_datagram {
            Some(first) => (first, None),
            None => (Instant::now(), error),
        };
        let connectivity = Span::part(trace, "connectivity", self.began).until(first);
        traces.tell(connectivity.failed(error_before));
        if self.first_datagram.is_some() {
            traces.tell(Span::part(trace, "dtls", first).failed(error));
        }
    }

    /// Does all that both machines want done, until neither wants anything. False when DTLS is over.
    async fn drain(&mut self) -> bool {
        loop {
            if let Some(output) = self.dtls.poll_output() {
                match output {
                    DtlsOutput::Transmit(datagram) => {
                        self.links.send_dtls(datagram).await;
                    }
                    DtlsOutput::Connected(keys) => {
                        self.connected = true;
                        self.return_by = None;
                        self.tell_trace(None);
                        self.links.node.metrics.calls.connected(self.began.elapsed());
                        if let Some(first) = self.first_datagram {
                            self.links
                                .node
                                .metrics
                                .handshake_seconds
                                .observe(first.elapsed().as_secs_f64());
                        }
                        // Without an agreed SRTP profile there are data channels and no media.
                        if let Some(keys) = keys {
                            self.links.install_keys(keys).await;
                        }
                    }
                    DtlsOutput::ApplicationData(data) => self.sctp.handle_datagram(Instant::now(), data),
                    DtlsOutput::Closed(DtlsClosed::ByPeer) if self.connected => self.await_return().await,
                    DtlsOutput::Closed(why) => {
                        tracing::debug!(?why, "DTLS is closed");
                        return false;
                    }
                }
            } else if let Some(output) = self.sctp.poll_output() {
                match output {
                    SctpOutput::Transmit(packet) => {
                        // Refused before DTLS is connected or after it is closed; SCTP sends again or is over.
                        let _ = self.dtls.write(Instant::now(), &packet);
                    }
                    SctpOutput::ChannelOpened {
                        channel,
                        label,
                        protocol,
                        ..
                    } => {
                        self.channels.insert(channel);
                        self.links
                            .data(DataEvent::Opened {
                                channel,
                                label,
                                protocol,
                            })
                            .await;
                    }
                    SctpOutput::Message { channel, data, .. } => {
                        self.links.data(DataEvent::Message { channel, data }).await
                    }
                    SctpOutput::ChannelClosed { channel } => self.forget_channel(channel).await,
                    SctpOutput::BufferedLow { .. } | SctpOutput::Closed => {}
                }
            } else {
                return true;
            }
        }
    }
}

impl Links {
    async fn send_dtls(&self, datagram: Bytes) {
        self.command(ShardCommand::SendDtls {
            transport: self.transport,
            datagram,
        })
        .await;
    }

    async fn install_keys(&self, keys: KeyingMaterial) {
        self.command(ShardCommand::InstallKeys {
            transport: self.transport,
            keys,
        })
        .await;
    }

    async fn command(&self, command: ShardCommand) {
        // A stopped shard means that the node is stopping.
        let _ = self.shard.send(Mail::Command(command)).await;
    }

    async fn data(&self, event: DataEvent) {
        self.tell(Input::Data {
            transport: self.transport,
            event,
        })
        .await;
    }

    async fn tell(&self, input: Input) {
        if let Some(room) = self.room.upgrade() {
            // A room that has ended needs no telling.
            let _ = room.send(RoomMessage::Input(input)).await;
        }
    }
}
