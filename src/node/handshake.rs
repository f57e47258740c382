//! The task around the DTLS association and the SCTP association of one transport.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Inner;
use super::room_task::RoomMessage;
use crate::room::{DataEvent, Input};
use crate::shard::{Mail, ShardCommand, ShardHandle, TransportKey};
use crate::transport::dtls::{Dtls, DtlsOutput};
use crate::transport::fingerprint::Fingerprint;
use crate::transport::sctp::{Sctp, SctpOutput};
use crate::transport::srtp::KeyingMaterial;
use crate::wire::limits::DATA_BYTES_MAX;

/// A handshake is a handful of datagrams; SCTP paces itself by its window.
const DATAGRAMS_CAPACITY: usize = 64;
const ORDERS_CAPACITY: usize = 256;
/// A client that has not finished DTLS by then will not.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the room wants of it.
pub(super) enum Order {
    /// One binary message.
    Send { channel: u16, data: Bytes },
    /// Say goodbye and end.
    Close,
}

/// The task seen from its room.
pub(super) struct Handshake {
    orders: mpsc::Sender<Order>,
}

impl Handshake {
    /// Never waits: a reader that is too slow loses its channel, not the room its time.
    pub(super) fn order(&self, order: Order) {
        // Full or gone. A full queue of data means SCTP is stalled; dropping here is what its own bound would do.
        let _ = self.orders.try_send(order);
    }
}

/// Starts the task, and tells the shard where the datagrams go before the room goes on.
pub(super) async fn start(
    node: &Arc<Inner>,
    transport: TransportKey,
    shard: ShardHandle,
    expected: Fingerprint,
    room: mpsc::WeakSender<RoomMessage>,
) -> Handshake {
    let (datagrams, inbox) = mpsc::channel(DATAGRAMS_CAPACITY);
    let (orders, ordered) = mpsc::channel(ORDERS_CAPACITY);
    // A stopped shard means that the node is stopping.
    let _ = shard.send(Mail::Handshake { transport, datagrams }).await;
    let task = HandshakeTask {
        dtls: Dtls::new(&node.identity, expected),
        sctp: Sctp::new(DATA_BYTES_MAX),
        links: Links {
            node: Arc::clone(node),
            transport,
            shard,
            room,
        },
        first_datagram: None,
        connected: false,
    };
    let supervised = Arc::clone(node);
    node.metrics.handshakes.inc();
    node.tasks.spawn(async move {
        let run = supervised.tasks.spawn(task.run(inbox, ordered));
        // A panic in here is a bug, and costs one transport.
        if run.await.is_err() {
            supervised.metrics.panics.inc();
        }
        supervised.metrics.handshakes.dec();
    });
    Handshake { orders }
}

struct HandshakeTask {
    dtls: Dtls,
    sctp: Sctp,
    links: Links,
    first_datagram: Option<Instant>,
    connected: bool,
}

/// The ways to the other planes. Apart from the machines, which may not be shared while something waits.
struct Links {
    node: Arc<Inner>,
    transport: TransportKey,
    shard: ShardHandle,
    room: mpsc::WeakSender<RoomMessage>,
}

impl HandshakeTask {
    async fn run(mut self, mut datagrams: mpsc::Receiver<Bytes>, mut orders: mpsc::Receiver<Order>) {
        loop {
            let deadline = self.poll_timeout();
            tokio::select! {
                datagram = datagrams.recv() => match datagram {
                    Some(datagram) => {
                        let now = Instant::now();
                        self.first_datagram.get_or_insert(now);
                        self.dtls.handle_datagram(now, &datagram);
                    }
                    // The shard has let go of the transport.
                    None => return,
                },
                order = orders.recv() => match order {
                    Some(Order::Send { channel, data }) => {
                        // Refused when the channel is gone or full: a full reliable channel is closed by the machine itself.
                        let _ = self.sctp.send(Instant::now(), channel, &data, true);
                    }
                    Some(Order::Close) | None => {
                        self.dtls.close(Instant::now());
                        self.drain().await;
                        return;
                    }
                },
                () = super::room_task::sleep_until(deadline), if deadline.is_some() => {
                    let now = Instant::now();
                    if self.has_failed_to_finish(now) {
                        self.fail().await;
                        return;
                    }
                    self.dtls.handle_timeout(now);
                    self.sctp.handle_timeout(now);
                }
            }
            if !self.drain().await {
                self.fail().await;
                return;
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let give_up = if self.connected {
            None
        } else {
            self.first_datagram.map(|first| first + HANDSHAKE_TIMEOUT)
        };
        [self.dtls.poll_timeout(), self.sctp.poll_timeout(), give_up]
            .into_iter()
            .flatten()
            .min()
    }

    fn has_failed_to_finish(&self, now: Instant) -> bool {
        !self.connected
            && self
                .first_datagram
                .is_some_and(|first| now >= first + HANDSHAKE_TIMEOUT)
    }

    async fn fail(&mut self) {
        if !self.connected {
            self.links.node.metrics.handshake_failures.inc();
        }
        self.links
            .tell(Input::HandshakeClosed {
                transport: self.links.transport,
            })
            .await;
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
                    SctpOutput::ChannelClosed { channel } => self.links.data(DataEvent::Closed { channel }).await,
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
