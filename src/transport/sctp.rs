//! Data channels: SCTP over DTLS (RFC 8831, RFC 8261) on `sctp-proto`, with the opening of channels (RFC 8832) ours.
//!
//! The client opens channels and the server never does, so stream ids cannot clash. Everything is bounded: channels,
//! message size, and what waits for a client that does not read.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload, PayloadProtocolIdentifier,
    ReliabilityType, ServerConfig, StreamEvent, TransportConfig,
};

use dcep::{Dcep, Open, Reliability};

pub mod dcep;
#[cfg(test)]
mod tests;

/// Largest message in either direction; what our answers announce as `a=max-message-size`.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;
/// Channels of one transport. Chromium has as many at most, with ids below this.
pub const MAX_CHANNELS: usize = 1024;
/// What may wait to be sent on one channel.
pub const MAX_CHANNEL_BUFFER_BYTES: usize = 1024 * 1024;
/// What may wait to be sent on all channels of a transport together.
pub const MAX_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// A channel that had more than this waiting reports when it has less: [`SctpOutput::BufferedLow`].
pub const LOW_BUFFER_BYTES: usize = 256 * 1024;
/// Incomplete messages of a client, all channels together. A client that exceeds it is aborted.
const RECEIVE_BUFFER_BYTES: u32 = 1024 * 1024;

/// The library keeps associations by address. A transport has one, and addresses are the shard's business.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

/// What the caller has to do or know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctpOutput {
    /// Hand this packet to DTLS.
    Transmit(Bytes),
    /// The client opened a channel, and may already use it.
    ChannelOpened {
        /// SCTP stream id, the channel's name from here on.
        channel: u16,
        /// What the application calls it.
        label: String,
        /// Sub-protocol, often empty.
        protocol: String,
        /// Messages arrive in the order they were sent.
        ordered: bool,
        /// How hard either side tries to deliver.
        reliability: Reliability,
    },
    /// A whole message.
    Message {
        /// On which channel.
        channel: u16,
        /// May be empty.
        data: Bytes,
        /// Bytes when true; text when false, and then not checked to be UTF-8.
        binary: bool,
    },
    /// The client closed a channel. Its id may come back as another channel.
    ChannelClosed {
        /// Which.
        channel: u16,
    },
    /// Less than [`LOW_BUFFER_BYTES`] wait on a channel that had more.
    BufferedLow {
        /// Which.
        channel: u16,
    },
    /// The association is gone, with all its channels; nothing follows.
    Closed,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// On its way, or waiting to be.
    Queued,
    /// Too much was waiting, and the channel is not a reliable one.
    Dropped,
}

/// A message that cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SctpError {
    /// No such channel, or none any more.
    #[error("there is no such data channel")]
    NoChannel,
    /// Larger than the client takes.
    #[error("the message is larger than the client accepts")]
    TooLarge,
    /// The client does not read fast enough, and the channel promises to deliver. Whoever owns the client decides.
    #[error("too much is waiting to be sent to this client")]
    Full,
}

/// The data channels of one transport.
pub struct Sctp {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    channels: BTreeMap<u16, Reliability>,
    outputs: VecDeque<SctpOutput>,
    /// The client's limit.
    max_message_bytes: usize,
    closed: bool,
}

impl std::fmt::Debug for Sctp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sctp")
            .field("channels", &self.channels)
            .field("closed", &self.closed)
            .finish_non_exhaustive()
    }
}

impl Sctp {
    /// Waits for the client's association. `max_message_bytes` is what the client's offer says it accepts.
    pub fn new(max_message_bytes: usize) -> Sctp {
        let max_message_bytes = max_message_bytes.min(MAX_MESSAGE_BYTES);
        let transport = TransportConfig::default()
            .with_max_receive_buffer_size(RECEIVE_BUFFER_BYTES)
            .with_max_receive_message_size(MAX_MESSAGE_BYTES as u32)
            .with_max_send_message_size(max_message_bytes.max(1) as u32)
            .with_max_num_inbound_streams(MAX_CHANNELS as u16)
            .with_max_num_outbound_streams(MAX_CHANNELS as u16)
            // What browsers use: the second of RFC 9260 is meant for whole hosts, and felt in a conversation.
            .with_rto_initial_ms(500)
            .with_rto_min_ms(400)
            .with_rto_max_ms(5_000);
        let mut server = ServerConfig::new();
        server.transport = Arc::new(transport);
        Sctp {
            endpoint: Endpoint::new(Arc::new(EndpointConfig::default()), Some(Arc::new(server))),
            association: None,
            channels: BTreeMap::new(),
            outputs: VecDeque::new(),
            max_message_bytes,
            closed: false,
        }
    }

    /// Takes a packet that DTLS decrypted. Anything may be in it.
    pub fn handle_datagram(&mut self, now: Instant, packet: Bytes) {
        self.guarded(|sctp| {
            match sctp.endpoint.handle(now, PEER, None, None, packet) {
                Some((handle, DatagramEvent::NewAssociation(association))) if sctp.association.is_none() => {
                    // One client, one association: further INITs make no state.
                    sctp.endpoint.reject_new_associations();
                    sctp.association = Some((handle, association));
                }
                Some((handle, DatagramEvent::AssociationEvent(event))) => {
                    if let Some((own, association)) = &mut sctp.association
                        && *own == handle
                    {
                        association.handle_event(event);
                    }
                }
                Some((_, DatagramEvent::NewAssociation(_))) | None => {}
            }
            sctp.process(now);
        });
    }

    /// Repeats what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.guarded(|sctp| {
            if let Some((_, association)) = &mut sctp.association {
                association.handle_timeout(now);
            }
            sctp.process(now);
        });
    }

    /// When [`Sctp::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.association
            .as_ref()
            .and_then(|(_, association)| association.poll_timeout())
    }

    /// What to do next; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<SctpOutput> {
        self.outputs.pop_front()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// See [`SctpError`]. The channel stays as it was.
    pub fn send(&mut self, now: Instant, channel: u16, data: &[u8], binary: bool) -> Result<Sent, SctpError> {
        let reliability = *self.channels.get(&channel).ok_or(SctpError::NoChannel)?;
        if data.len() > self.max_message_bytes {
            return Err(SctpError::TooLarge);
        }
        if !self.has_room(channel, data.len()) {
            return match reliability {
                Reliability::Reliable => Err(SctpError::Full),
                Reliability::MaxRetransmits(_) | Reliability::MaxLifetime(_) => Ok(Sent::Dropped),
            };
        }
        // SCTP cannot carry nothing, so nothing is one byte with a name of its own (RFC 8831 section 6.6).
        let (data, protocol) = match (binary, data.is_empty()) {
            (false, false) => (data, PayloadProtocolIdentifier::String),
            (false, true) => (&[0][..], PayloadProtocolIdentifier::StringEmpty),
            (true, false) => (data, PayloadProtocolIdentifier::Binary),
            (true, true) => (&[0][..], PayloadProtocolIdentifier::BinaryEmpty),
        };
        self.guarded(|sctp| {
            let (_, association) = sctp.association.as_mut()?;
            association.stream(channel).ok()?.write_with_ppi(data, protocol).ok()?;
            sctp.process(now);
            Some(Sent::Queued)
        })
        .flatten()
        .ok_or(SctpError::NoChannel)
    }

    /// Closes a channel (RFC 8831 section 6.7). What still waits is sent first. No output reports it.
    pub fn close(&mut self, now: Instant, channel: u16) {
        if self.channels.remove(&channel).is_some() {
            self.guarded(|sctp| {
                sctp.reset_stream(channel);
                sctp.process(now);
            });
        }
    }

    /// Bytes that wait to be sent, or to be acknowledged, on a channel.
    pub fn buffered_bytes(&mut self, channel: u16) -> usize {
        let Some((_, association)) = &mut self.association else {
            return 0;
        };
        association
            .stream(channel)
            .and_then(|stream| stream.buffered_amount())
            .unwrap_or(0)
    }

    fn has_room(&mut self, channel: u16, more: usize) -> bool {
        if self.buffered_bytes(channel) + more > MAX_CHANNEL_BUFFER_BYTES {
            return false;
        }
        let channels: Vec<u16> = self.channels.keys().copied().collect();
        let total: usize = channels.into_iter().map(|channel| self.buffered_bytes(channel)).sum();
        total + more <= MAX_BUFFER_BYTES
    }

    /// Asks the association for everything it has to say.
    fn process(&mut self, now: Instant) {
        while let Some((handle, association)) = &mut self.association {
            while association.accept_stream().is_some() {}
            let Some(event) = association.poll() else {
                while let Some(transmit) = association.poll_transmit(now) {
                    if let Payload::RawEncode(packets) = transmit.payload {
                        self.outputs.extend(packets.into_iter().map(SctpOutput::Transmit));
                    }
                }
                while let Some(event) = association.poll_endpoint_event() {
                    self.endpoint.handle_event(*handle, event);
                }
                break;
            };
            self.handle_event(event);
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            if let Payload::RawEncode(packets) = transmit.payload {
                self.outputs.extend(packets.into_iter().map(SctpOutput::Transmit));
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enums grow, and most of them does not concern us"
    )]
    fn handle_event(&mut self, event: Event) {
        match event {
            // Our INIT ACK said how many streams there are. The library makes any that is used, and looks through all
            // of them for every packet.
            Event::Stream(StreamEvent::Opened { id }) if usize::from(id) >= MAX_CHANNELS => self.abort(),
            Event::Stream(StreamEvent::Opened { id } | StreamEvent::Readable { id }) => self.read_stream(id),
            Event::Stream(StreamEvent::Finished { id }) => self.forget_channel(id),
            Event::Stream(StreamEvent::BufferedAmountLow { id }) if self.channels.contains_key(&id) => {
                self.outputs.push_back(SctpOutput::BufferedLow { channel: id });
            }
            Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.closed = true,
            _ => {}
        }
    }

    fn read_stream(&mut self, id: u16) {
        loop {
            let Some((_, association)) = &mut self.association else {
                return;
            };
            let Ok(Some(chunks)) = association.stream(id).and_then(|mut stream| stream.read_sctp()) else {
                return;
            };
            let protocol = chunks.ppi;
            let mut data = vec![0; chunks.len()];
            if chunks.read(&mut data).is_err() {
                return;
            }
            let (data, binary) = match protocol {
                PayloadProtocolIdentifier::Dcep => {
                    self.handle_dcep(id, &data);
                    continue;
                }
                PayloadProtocolIdentifier::String => (Bytes::from(data), false),
                PayloadProtocolIdentifier::StringEmpty => (Bytes::new(), false),
                PayloadProtocolIdentifier::Binary => (Bytes::from(data), true),
                PayloadProtocolIdentifier::BinaryEmpty => (Bytes::new(), true),
                PayloadProtocolIdentifier::Unknown => continue,
            };
            if self.channels.contains_key(&id) {
                self.outputs.push_back(SctpOutput::Message {
                    channel: id,
                    data,
                    binary,
                });
            } else {
                // Data on a stream that nobody opened, or that we just closed.
                self.reset_stream(id);
            }
        }
    }

    fn handle_dcep(&mut self, id: u16, message: &[u8]) {
        match Dcep::parse(message) {
            Ok(Dcep::Open(open)) if !self.channels.contains_key(&id) && self.channels.len() < MAX_CHANNELS => {
                self.open_channel(id, open);
            }
            // We open nothing, so there is nothing to acknowledge.
            Ok(Dcep::Ack) => {}
            // A second OPEN, one too many, or one that cannot be read closes the stream (RFC 8832 section 6).
            Ok(Dcep::Open(_)) | Err(_) => {
                self.forget_channel(id);
                self.reset_stream(id);
            }
        }
    }

    fn open_channel(&mut self, id: u16, open: Open) {
        let Some((_, association)) = &mut self.association else {
            return;
        };
        let Ok(mut stream) = association.stream(id) else { return };
        // The acknowledgement goes first: it is reliable whatever the channel is (RFC 8832 section 6).
        let (kind, value) = match open.reliability {
            Reliability::Reliable => (ReliabilityType::Reliable, 0),
            Reliability::MaxRetransmits(count) => (ReliabilityType::Rexmit, count),
            Reliability::MaxLifetime(milliseconds) => (ReliabilityType::Timed, milliseconds),
        };
        let opened = stream
            .write_with_ppi(&Dcep::Ack.encode(), PayloadProtocolIdentifier::Dcep)
            .and_then(|_| stream.set_reliability_params(!open.ordered, kind, value))
            .and_then(|()| stream.set_buffered_amount_low_threshold(LOW_BUFFER_BYTES));
        if opened.is_ok() {
            self.channels.insert(id, open.reliability);
            self.outputs.push_back(SctpOutput::ChannelOpened {
                channel: id,
                label: open.label,
                protocol: open.protocol,
                ordered: open.ordered,
                reliability: open.reliability,
            });
        }
    }

    fn forget_channel(&mut self, id: u16) {
        if self.channels.remove(&id).is_some() {
            self.outputs.push_back(SctpOutput::ChannelClosed { channel: id });
        }
    }

    fn abort(&mut self) {
        if let Some((_, association)) = &mut self.association {
            // Cannot fail: it only forgets. The event it leaves ends us.
            let _ = association.close();
        }
    }

    fn reset_stream(&mut self, id: u16) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            // Fails when the association is ending, which closes the stream as well.
            let _ = stream.close();
        }
    }

    /// The library parses what clients send. Should it panic, one transport loses its data channels and nothing else
    /// happens: it shares no state with any other, and is dropped here without being asked again.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut Sctp) -> T) -> Option<T> {
        if self.closed {
            return None;
        }
        let result = catch_unwind(AssertUnwindSafe(|| call(self))).ok();
        self.closed |= result.is_none();
        if self.closed {
            self.association = None;
            self.channels.clear();
            self.outputs.push_back(SctpOutput::Closed);
        }
        result
    }
}
