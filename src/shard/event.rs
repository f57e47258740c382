//! What a shard tells a room. Data only.

use std::time::Duration;

use super::command::TransportKey;
use crate::media::{Decision, DownlinkStats, Layer, News, SourceKey};
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
    /// Bandwidth takes something of a video away from a subscriber, or gives it back.
    Served {
        /// Whose.
        transport: TransportKey,
        /// What.
        news: News,
    },
    /// The answer to [`super::command::ShardCommand::Explain`].
    Explained {
        /// Which question.
        ask: u32,
        /// `None`: there is no such transport.
        explained: Option<Box<Explained>>,
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
    /// Share of the bit rate of all videos as they were asked for that the path has room for; `None` where that is not known, or
    /// nothing is asked for.
    pub video_served: Option<f32>,
}

/// How a transport is doing, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    /// What goes to the client; `None`: it never had a seat.
    pub down: Option<DownlinkStats>,
    /// How fast packets leave, in bits per second; `None`: as they come.
    pub pacing_bps: Option<u64>,
    /// What both sides report.
    pub path: TransportStats,
    /// What the client publishes.
    pub sources: Vec<ExplainedSource>,
    /// What it gets of others.
    pub videos: Vec<ExplainedVideo>,
}

/// What arrives of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedSource {
    /// Which.
    pub source: SourceKey,
    /// All encodings together, in bits per second.
    pub arriving_bps: u64,
    /// Each of them whole, low to high.
    pub encodings: Vec<Layer>,
}

/// What goes out of a video, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExplainedVideo {
    /// Which.
    pub source: SourceKey,
    /// What it may have, and why not more.
    pub decision: Decision,
    /// What is forwarded now; `None`: nothing.
    pub layer: Option<Layer>,
}
