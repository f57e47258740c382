//! What a shard tells a room. Data only.

use std::time::Duration;

use super::command::TransportKey;
use crate::media::{Decision, DownlinkStats, Layer, News, SourceKey};
use crate::packet::{Codec, Kind};

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
    /// Interarrival jitter of what the client sends, as our reports tell it (RFC 3550 section 6.4.1).
    pub jitter_up: Jitter,
    /// The same of what we send, as the client reports it.
    pub jitter_down: Jitter,
}

/// The largest of the streams of each kind, in microseconds. Packets of one picture leave together and arrive one after the other,
/// which counts as jitter of video.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Jitter {
    /// `None`: there was no report.
    pub audio_us: Option<u32>,
    /// The same for video.
    pub video_us: Option<u32>,
}

impl Jitter {
    /// Notes a report block about a stream.
    pub fn note(&mut self, kind: Kind, jitter: u32) {
        let (hertz, largest) = match kind {
            Kind::Audio => (Codec::Opus.clock_rate_hz(), &mut self.audio_us),
            Kind::Video => (Codec::Vp8.clock_rate_hz(), &mut self.video_us),
        };
        let micros = u64::from(jitter) * 1_000_000 / u64::from(hertz);
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        *largest = Some(largest.map_or(micros, |largest| largest.max(micros)));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_that_of_the_worst_stream_of_a_kind_on_its_own_clock() {
        let mut jitter = Jitter::default();
        for (kind, units) in [
            (Kind::Audio, 480),
            (Kind::Audio, 96),
            (Kind::Video, 900),
            (Kind::Video, 1_800),
        ] {
            jitter.note(kind, units);
        }
        assert_eq!((jitter.audio_us, jitter.video_us), (Some(10_000), Some(20_000)));
        jitter.note(Kind::Video, u32::MAX);
        assert_eq!(jitter.video_us, Some(u32::MAX), "a client may say anything");
    }
}
