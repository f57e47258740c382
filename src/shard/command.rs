//! What the control and handshake planes tell a shard. Data only.
//!
//! Commands are idempotent where they can be, and one that names something unknown is ignored: the two planes are not
//! in step, and a room may speak of a transport that its client has just taken away.

use bytes::Bytes;

use crate::media::{EgressKey, Feedback, Limits, PayloadTypes, SourceKey};
use crate::packet::Kind;
use crate::packet::extension::ExtensionMap;
use crate::transport::ice::Credentials;
use crate::transport::negotiation::ReceiveLine;
use crate::transport::srtp::KeyingMaterial;

/// One shard of a node, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub u16);

/// One transport of a node. The high half is the number of its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransportKey(pub u64);

impl TransportKey {
    /// The `nth` transport of a room.
    pub const fn new(room: u32, nth: u32) -> Self {
        Self(((room as u64) << 32) | nth as u64)
    }

    /// The number of its room, unique in the node.
    pub const fn room(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The number of the room a source belongs to: the high half of its key, as for transports and egresses.
pub const fn room_of(source: SourceKey) -> u32 {
    (source.0 >> 32) as u32
}

/// One thing to do.
#[derive(Debug)]
pub enum ShardCommand {
    /// A participant is about to connect.
    AddTransport {
        /// Its name from now on.
        transport: TransportKey,
        /// The credentials of our answer.
        ice: Credentials,
    },
    /// The client restarted ICE.
    SetIce {
        /// Whose.
        transport: TransportKey,
        /// The credentials of our new answer. The old ones work until the new ones are used.
        ice: Credentials,
    },
    /// The participant is gone, and all that came with it: sources, egresses, keys, addresses.
    RemoveTransport {
        /// Whose.
        transport: TransportKey,
    },
    /// DTLS is done.
    InstallKeys {
        /// Whose.
        transport: TransportKey,
        /// For both directions.
        keys: KeyingMaterial,
    },
    /// Send a DTLS datagram to the selected address.
    SendDtls {
        /// Whose.
        transport: TransportKey,
        /// One or more records.
        datagram: Bytes,
    },
    /// A new answer holds: what the client may send, and the extension ids of both directions.
    SetReceive {
        /// Whose.
        transport: TransportKey,
        /// All m-lines the client may send on.
        lines: Vec<ReceiveLine>,
        /// Ids of the whole bundle.
        extensions: ExtensionMap,
    },
    /// The client publishes on one of its m-lines.
    Publish {
        /// Whose.
        transport: TransportKey,
        /// On which m-line.
        mid: String,
        /// The new source's name.
        source: SourceKey,
        /// Audio or video.
        kind: Kind,
        /// A microphone: heard in a large room if it is among the loudest.
        is_voice: bool,
        /// How many encodings were agreed, at least 1.
        encodings: usize,
    },
    /// The source is fed by another shard.
    AddReplica {
        /// The same name as at home.
        source: SourceKey,
        /// Audio or video.
        kind: Kind,
        /// As at home.
        is_voice: bool,
        /// How many encodings.
        encodings: usize,
        /// Extension ids of the transport that sends it.
        extensions: ExtensionMap,
        /// Where the publisher is.
        home: ShardId,
    },
    /// How large the pictures of a source are, as its publisher says.
    SetSize {
        /// Which, at home or a replica.
        source: SourceKey,
        /// Pixels across and down of the largest encoding.
        size: (u16, u16),
    },
    /// The source or replica is over; what was bound to it idles.
    RemoveSource {
        /// Which.
        source: SourceKey,
    },
    /// The publisher muted it, or not: while muted nothing is forwarded.
    SetMuted {
        /// Which, at home.
        source: SourceKey,
        /// Whether.
        muted: bool,
    },
    /// Forward only the loudest voices of a room, or all of them again.
    SetLoudest {
        /// The number of the room.
        room: u32,
        /// How many at a time; 0: all.
        most: usize,
    },
    /// Hand every packet of the source to another shard as well, or no longer.
    Relay {
        /// Which, at home.
        source: SourceKey,
        /// To where.
        to: ShardId,
        /// Begin or end.
        on: bool,
    },
    /// One half of a seat: an SSRC that the client agreed to receive.
    AddEgress {
        /// Whose.
        transport: TransportKey,
        /// Its name from now on.
        egress: EgressKey,
        /// Audio or video.
        kind: Kind,
        /// Fixed for as long as the seat lives.
        ssrc: u32,
        /// Of retransmissions, when RTX was agreed.
        rtx_ssrc: Option<u32>,
        /// One for the whole transport.
        cname: String,
        /// What the client decodes, and under which numbers.
        payload_types: PayloadTypes,
        /// How the client tells what arrives.
        feedback: Feedback,
    },
    /// The client took the seat out of its SDP.
    RemoveEgress {
        /// Which.
        egress: EgressKey,
    },
    /// Fill the seat with this source (in place of what was there).
    Bind {
        /// Which seat half.
        egress: EgressKey,
        /// With what; it has to be on this shard, at home or as a replica.
        source: SourceKey,
        /// What the subscriber wants of it.
        limits: Limits,
    },
    /// Empty the seat.
    Unbind {
        /// Which seat half.
        egress: EgressKey,
    },
    /// Say how a transport is doing and why; answered by [`super::event::ShardEvent::Explained`].
    Explain {
        /// Which.
        transport: TransportKey,
        /// To be named in the answer.
        ask: u32,
    },
    /// The subscriber wants more or less.
    SetLimits {
        /// Which seat half.
        egress: EgressKey,
        /// What it wants.
        limits: Limits,
    },
}
