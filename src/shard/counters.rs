//! What a shard counts. One writer (the shard), any number of readers (the metrics page).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::tcp::TcpCounters;
use crate::media::DropReason;

/// A number only its shard writes: adding is a plain load and store, never a locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Call from the owning shard's thread only.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Sets a gauge. Call from the owning shard's thread only.
    #[inline]
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value, from any thread.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Why a datagram was turned away before it became a media packet, or at the last step out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorReason {
    /// First byte belongs to no protocol we speak (RFC 7983).
    UnknownProtocol,
    /// STUN that is no answerable Binding request, or whose credentials are unknown or wrong.
    StunRefused,
    /// Not STUN, and from an address no ICE check has validated.
    UnknownAddress,
    /// Media before the DTLS handshake is done.
    NoKeys,
    /// Not a readable RTP header, or an SRTP packet shorter than its tag.
    Malformed,
    /// The authentication tag is wrong.
    Unauthentic,
    /// Seen before, or too old to tell.
    Replayed,
    /// Belongs to no negotiated m-line.
    UnknownStream,
    /// A payload type that was not negotiated.
    UnknownPayloadType,
    /// The handshake task is behind.
    HandshakeQueueFull,
    /// The other shard is behind.
    RelayFull,
    /// The kernel's send buffer is full.
    SocketFull,
    /// The kernel refused to send.
    SocketError,
    /// The client's TCP connection takes no more for now.
    ConnectionFull,
    /// Nowhere to send it yet, or no longer.
    NotConnected,
    /// Larger than a datagram that reaches everybody.
    TooLarge,
    /// More waits on the path than it carries within a reasonable time.
    PacerFull,
    /// Of a picture that the path turned out not to carry, while it waited there.
    Abandoned,
    /// Feedback about more packets than are ever in flight.
    FeedbackTooLong,
    /// The recorder is behind: the disk is too slow, or the node has too much to do.
    RecorderFull,
}

impl DoorReason {
    /// Every reason, in the order of their counters.
    pub const ALL: [DoorReason; 20] = [
        DoorReason::UnknownProtocol,
        DoorReason::StunRefused,
        DoorReason::UnknownAddress,
        DoorReason::NoKeys,
        DoorReason::Malformed,
        DoorReason::Unauthentic,
        DoorReason::Replayed,
        DoorReason::UnknownStream,
        DoorReason::UnknownPayloadType,
        DoorReason::HandshakeQueueFull,
        DoorReason::RelayFull,
        DoorReason::SocketFull,
        DoorReason::SocketError,
        DoorReason::ConnectionFull,
        DoorReason::NotConnected,
        DoorReason::TooLarge,
        DoorReason::PacerFull,
        DoorReason::Abandoned,
        DoorReason::FeedbackTooLong,
        DoorReason::RecorderFull,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            DoorReason::UnknownProtocol => "unknown_protocol",
            DoorReason::StunRefused => "stun_refused",
            DoorReason::UnknownAddress => "unknown_address",
            DoorReason::NoKeys => "no_keys",
            DoorReason::Malformed => "malformed",
            DoorReason::Unauthentic => "unauthentic",
            DoorReason::Replayed => "replayed",
            DoorReason::UnknownStream => "unknown_stream",
            DoorReason::UnknownPayloadType => "unknown_payload_type",
            DoorReason::HandshakeQueueFull => "handshake_queue_full",
            DoorReason::RelayFull => "relay_full",
            DoorReason::SocketFull => "socket_full",
            DoorReason::SocketError => "socket_error",
            DoorReason::ConnectionFull => "connection_full",
            DoorReason::NotConnected => "not_connected",
            DoorReason::TooLarge => "too_large",
            DoorReason::PacerFull => "pacer_full",
            DoorReason::Abandoned => "abandoned",
            DoorReason::FeedbackTooLong => "feedback_too_long",
            DoorReason::RecorderFull => "recorder_full",
        }
    }
}

/// Everything one shard counts.
#[derive(Debug, Default)]
pub struct ShardCounters {
    /// Datagrams received, of every kind.
    pub datagrams_in: Counter,
    /// Bytes of them (payload of UDP, or of a frame over TCP).
    pub bytes_in: Counter,
    /// Media packets accepted.
    pub packets_in: Counter,
    /// Media packets sent, once per subscriber.
    pub packets_out: Counter,
    /// Bytes of them (payload of UDP, or of a frame over TCP).
    pub bytes_out: Counter,
    /// System calls they took: `packets_out / sends` is what segmentation saves.
    pub sends: Counter,
    /// Packets asked for again by subscribers and resent.
    pub retransmissions: Counter,
    /// Packets asked for again from publishers.
    pub nacks_out: Counter,
    /// Keyframes asked for from publishers.
    pub keyframe_requests: Counter,
    /// Videos that went up a layer because bandwidth allowed it.
    pub layers_up: Counter,
    /// Videos that went down a layer, or were paused, because bandwidth demanded it.
    pub layers_down: Counter,
    /// Bytes of padding sent to learn what a path carries.
    pub probe_bytes: Counter,
    /// Packets handed to other shards.
    pub relayed: Counter,
    /// Processor time of the shard's thread in microseconds, as of half a second ago at most.
    pub cpu_micros: Counter,
    /// Subscribers of whom it is known what their path carries.
    pub downlinks: Counter,
    /// What their paths carry, all together, in bits per second.
    pub downlink_bps: Counter,
    /// Videos that are forwarded in a lower layer than was asked for, for want of bandwidth.
    pub videos_reduced: Counter,
    /// Videos that are not forwarded for want of bandwidth.
    pub videos_paused: Counter,
    /// Transports on this shard now.
    pub transports: Counter,
    /// Sources on this shard now, replicas included.
    pub sources: Counter,
    /// Of TCP connections.
    pub tcp: TcpCounters,
    door: [Counter; DoorReason::ALL.len()],
    dropped: [Counter; DropReason::ALL.len()],
}

impl ShardCounters {
    /// Counts a datagram turned away.
    #[inline]
    pub(crate) fn turn_away(&self, reason: DoorReason) {
        self.turn_away_many(reason, 1);
    }

    /// Counts several at once.
    #[inline]
    pub(crate) fn turn_away_many(&self, reason: DoorReason, datagrams: u64) {
        self.door[reason as usize].add(datagrams);
    }

    /// Counts a packet not forwarded to one subscriber.
    #[inline]
    pub(crate) fn drop_packet(&self, reason: DropReason) {
        self.dropped[reason as usize].add(1);
    }

    /// How often each door reason occurred.
    pub fn turned_away(&self) -> impl Iterator<Item = (DoorReason, u64)> + '_ {
        DoorReason::ALL
            .into_iter()
            .map(|reason| (reason, self.door[reason as usize].get()))
    }

    /// How often each forwarding reason occurred.
    pub fn dropped(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL
            .into_iter()
            .map(|reason| (reason, self.dropped[reason as usize].get()))
    }
}

#[cfg(test)]
mod tests {
    use super::DoorReason;
    use crate::media::DropReason;

    #[test]
    fn an_operator_finds_every_reason_explained() {
        let manual = include_str!("../../docs/OPERATING.md");
        let doors = DoorReason::ALL.into_iter().map(DoorReason::as_str);
        for reason in doors.chain(DropReason::ALL.into_iter().map(DropReason::as_str)) {
            assert!(manual.contains(&format!("`{reason}`")), "{reason} is not explained");
        }
    }
}
