//! How somebody's connection is doing, and why what is forwarded is not more.

use serde::{Deserialize, Serialize};

use crate::wire::{ParticipantId, PublicationId};

/// Of one participant. Rates are bits per second of UDP payload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// What goes to the participant.
    pub down: DownStats,
    /// What comes from there.
    pub up: UpStats,
    /// The pictures that are forwarded, or would be.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// Of one participant of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantStats {
    /// Whose.
    pub participant: ParticipantId,
    /// The rest.
    #[serde(flatten)]
    pub stats: Stats,
}

/// What goes to a participant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DownStats {
    /// What the path carries; `null`: the client does not tell enough to know.
    pub estimate_bps: Option<u64>,
    /// What is sent.
    pub sent_bps: u64,
    /// Of these, for the second time.
    pub resent_bps: u64,
    /// How fast packets leave; `null`: as they come.
    pub pacing_bps: Option<u64>,
    /// Set aside for sound.
    pub audio_bps: u64,
    /// Set aside for pictures.
    pub video_bps: u64,
    /// What all pictures would take as they were asked for.
    pub wanted_bps: u64,
    /// Share of packets lost, 0 to 1.
    pub loss: f64,
    /// Milliseconds there and back.
    pub round_trip_ms: Option<u64>,
    /// What queues on the way cost, in milliseconds.
    pub queue_delay_ms: Option<u64>,
    /// Why the estimate is not higher.
    pub limited_by: Option<PathLimit>,
}

/// Why an estimate is not higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PathLimit {
    /// Nothing was measured yet.
    Start,
    /// Packets queue up on the way.
    Delay,
    /// Packets are lost on the way.
    Loss,
    /// Too little is sent to know more.
    Application,
    /// The client's own limit.
    Receiver,
    /// The configured maximum.
    Maximum,
    /// Nothing: it is rising.
    Nothing,
}

/// What comes from a participant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UpStats {
    /// What is received.
    pub received_bps: u64,
    /// Share of packets lost before repair, 0 to 1.
    pub loss: f64,
    /// Milliseconds there and back.
    pub round_trip_ms: Option<u64>,
    /// What the participant publishes.
    pub publications: Vec<PublicationStats>,
}

/// What is received of a publication.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicationStats {
    /// Which.
    pub publication: PublicationId,
    /// Its encodings, low to high.
    pub encodings: Vec<EncodingStats>,
}

/// What is received of an encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodingStats {
    /// Does it arrive?
    pub live: bool,
    /// Its rate; of one that does not arrive, what it was or is expected to be.
    pub bps: u64,
    /// Pixels across, as far as known.
    pub width: Option<u16>,
    /// Pixels down, as far as known.
    pub height: Option<u16>,
}

/// What a participant gets of a publication, and why not more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionStats {
    /// Which.
    pub publication: PublicationId,
    /// The encoding that is forwarded, lowest 0; `null`: none.
    pub encoding: Option<u8>,
    /// Up to which spatial layer of it.
    pub spatial: Option<u8>,
    /// Up to which temporal layer of it.
    pub temporal: Option<u8>,
    /// Pixels across, as far as known.
    pub width: Option<u16>,
    /// Pixels down, as far as known.
    pub height: Option<u16>,
    /// What is set aside for it.
    pub bps: u64,
    /// What it would take as it was asked for.
    pub wanted_bps: u64,
    /// Why it is not more: `everything`, `wish`, `paused-by-wish`, `not-live`, `budget`, `paused-no-budget`, `settling`.
    pub reason: String,
    /// The same as a sentence for a person.
    pub text: String,
}
