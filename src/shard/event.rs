//! What a shard tells a room. Data only.

use std::time::Duration;

use super::command::TransportKey;
use crate::media::SourceKey;
use crate::packet::Codec;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardEvent {
    /// ICE has an address and the keys are there: media can flow. Again when it came back after one of the next two.
    Connected {
        /// Whose.
        transport: TransportKey,
    },
    /// The TCP connection it used has ended, and nothing can be sent until an ICE check comes from elsewhere: a browser makes
    /// another connection, or its client restarts ICE. [`ShardEvent::Connected`] or [`ShardEvent::Lost`] follows.
    Interrupted {
        /// Whose.
        transport: TransportKey,
    },
    /// No valid ICE check for the consent time (RFC 7675): nothing is sent there any more.
    Lost {
        /// Whose.
        transport: TransportKey,
    },
    /// The first packet of an encoding, or the first one in another codec.
    StreamStarted {
        /// Of which source.
        source: SourceKey,
        /// Which encoding, low to high.
        encoding: u8,
        /// In which codec.
        codec: Codec,
    },
    /// Which encodings of a source of pictures are wanted ([`crate::media::Demand`]).
    Demand {
        /// Of which source.
        source: SourceKey,
        /// A bit for each encoding; 0: nobody watches.
        encodings: u8,
    },
    /// Smoothed audio levels of the sources that were heard lately. Replaces the one before; may be lost.
    Levels {
        /// Source and level: 0 (silence) to 127 (loudest).
        levels: Vec<(SourceKey, u8)>,
    },
    /// How a transport is doing. Replaces the one before; may be lost.
    Stats {
        /// Whose.
        transport: TransportKey,
        /// The numbers.
        stats: TransportStats,
    },
}

/// What a shard knows about the quality of one path, over the last two seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TransportStats {
    /// Share of the client's packets that did not arrive here, 0 to 1, before repair.
    pub loss_up: f32,
    /// Share of our packets that did not arrive there, 0 to 1, as the client reports.
    pub loss_down: f32,
    /// Round trip by RTCP, once known.
    pub round_trip: Option<Duration>,
}
