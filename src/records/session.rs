//! What is kept of a room session: when it was, who was there, how they were connected, and which links it had.

use serde::{Deserialize, Serialize};

use crate::room::{EndReason, Sample};
use crate::wire::signal::{LeaveReason, LinkCloseReason, Mode, SourceKind};
use crate::wire::{ParticipantId, PublicationId, RoomId};

/// Pieces of sound and picture kept of one stay.
const MEDIA_MAX: usize = 64;
/// Samples kept of one stay. When they are as many, each two become one: a long stay is seen in less detail.
const SAMPLES_MAX: usize = 120;

/// A room session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub session: String,
    /// Its room.
    pub room: RoomId,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970; `None`: it goes on.
    pub end_ms: Option<u64>,
    /// Why it ended.
    pub reason: Option<EndWord>,
    /// Webhooks that were made of it.
    pub webhooks: u64,
    /// Stays that are kept.
    pub stays: u32,
    /// Stays that are not, because there were too many.
    pub stays_lost: u64,
    /// Links that are kept.
    pub links: u32,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndWord {
    /// Everybody has left.
    Empty,
    /// Closed for all.
    Closed,
    /// It lasted as long as it may.
    Timeout,
    /// Its node went away, or another has the room.
    Moved,
    /// Its node died. The end is the last time anything was heard of the node.
    NodeLost,
}

impl From<EndReason> for EndWord {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Empty => EndWord::Empty,
            EndReason::Closed => EndWord::Closed,
            EndReason::Timeout => EndWord::Timeout,
            EndReason::Moved => EndWord::Moved,
        }
    }
}

/// One stay of a participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StayRecord {
    /// Who.
    pub participant: ParticipantId,
    /// As others saw it last.
    pub name: String,
    /// As it came.
    pub mode: Mode,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970; `None`: it goes on.
    pub end_ms: Option<u64>,
    /// Why it ended; `None` with an end: the node died.
    pub reason: Option<LeaveReason>,
    /// What it sent.
    pub media: Vec<MediaRecord>,
    /// How it was connected.
    pub samples: Vec<SampleRecord>,
}

/// One source, from its first offer to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaRecord {
    /// Its id in the session.
    pub publication: PublicationId,
    /// What it is.
    pub source: SourceKind,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970; `None`: it goes on.
    pub end_ms: Option<u64>,
}

/// How a connection was over a while.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// The end of the while, in milliseconds since 1970.
    pub at_ms: u64,
    /// Share of the client's packets that did not arrive.
    pub loss_up: f32,
    /// Share of our packets that did not arrive.
    pub loss_down: f32,
    /// The longest round trip, in milliseconds.
    pub round_trip_ms: Option<u32>,
    /// The worst score, 5 (excellent) to 1 (bad).
    pub score: u8,
}

/// One link, from its opening to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinkRecord {
    /// The other room.
    pub link: RoomId,
    /// Milliseconds since 1970.
    pub start_ms: u64,
    /// Milliseconds since 1970; `None`: it is open.
    pub end_ms: Option<u64>,
    /// Why it ended.
    pub reason: Option<LinkCloseReason>,
}

impl StayRecord {
    /// Only who and when: for lists.
    #[must_use]
    pub fn bare(self) -> Self {
        Self {
            media: Vec::new(),
            samples: Vec::new(),
            ..self
        }
    }

    pub(super) fn publish(&mut self, publication: PublicationId, source: SourceKind, at_ms: u64) {
        if self.media.len() < MEDIA_MAX {
            self.media.push(MediaRecord {
                publication,
                source,
                start_ms: at_ms,
                end_ms: None,
            });
        }
    }

    pub(super) fn unpublish(&mut self, publication: PublicationId, at_ms: u64) {
        let mut media = self.media.iter_mut();
        if let Some(one) = media.find(|one| one.publication == publication && one.end_ms.is_none()) {
            one.end_ms = Some(at_ms);
        }
    }

    pub(super) fn end(&mut self, at_ms: u64, reason: Option<LeaveReason>) {
        self.end_ms = Some(at_ms);
        self.reason = reason;
        for one in self.media.iter_mut().filter(|one| one.end_ms.is_none()) {
            one.end_ms = Some(at_ms);
        }
    }

    pub(super) fn measure(&mut self, sample: &Sample, at_ms: u64) {
        if self.samples.len() >= SAMPLES_MAX {
            let pairs = self.samples.chunks(2).map(|pair| match pair {
                [one, other] => one.with(other),
                rest => rest[0],
            });
            self.samples = pairs.collect();
        }
        let millis = |time: std::time::Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        self.samples.push(SampleRecord {
            at_ms,
            loss_up: sample.loss_up,
            loss_down: sample.loss_down,
            round_trip_ms: sample.round_trip.map(millis),
            score: sample.score,
        });
    }
}

impl SampleRecord {
    fn with(&self, later: &Self) -> Self {
        Self {
            at_ms: later.at_ms,
            loss_up: (self.loss_up + later.loss_up) / 2.0,
            loss_down: (self.loss_down + later.loss_down) / 2.0,
            round_trip_ms: self.round_trip_ms.max(later.round_trip_ms),
            score: self.score.min(later.score),
        }
    }
}
