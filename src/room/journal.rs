//! What becomes known outside of what happens in a room: every coming and going of a room session, numbered.
//!
//! A session begins with its first participant and ends when the room does. Its events count up from 1 without a gap, everybody joins before
//! they leave, and whoever joined has left before the session ends: whoever reads the events in order never has to mend anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Output, Room, quality::score, roster::MemberKey};
use crate::shard::event::TransportStats;
use crate::wire::{
    ParticipantId, PublicationId, RoomId,
    signal::{LeaveReason, LinkCloseReason, Mode, RecordingInfo, SourceKind},
};

/// How often the state of connections is put on record.
const MEASURE_INTERVAL: Duration = Duration::from_secs(30);

/// Something that happened in a room session.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    /// Where.
    pub room: RoomId,
    /// The id of the occurrence.
    pub session: Arc<str>,
    /// From 1, without a gap. [`Happening::Measured`] takes no number: it has that of the event before it.
    pub sequence: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What.
    pub what: Happening,
}

/// What happened. `stay` is one stay of a participant, never used twice in a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Happening {
    /// Somebody came into a room where nobody was.
    SessionStarted,
    /// The room is over.
    SessionEnded {
        /// Why.
        reason: EndReason,
    },
    /// Somebody came in.
    Joined {
        /// This stay.
        stay: u32,
        /// Who.
        participant: ParticipantId,
        /// As others see it.
        display_name: String,
        /// What it does with media.
        mode: Mode,
    },
    /// Somebody went.
    Left {
        /// Which stay.
        stay: u32,
        /// Who.
        participant: ParticipantId,
        /// As others saw it last.
        display_name: String,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody sends something.
    Published {
        /// Whose stay.
        stay: u32,
        /// Which.
        publication: PublicationId,
        /// What it is.
        source: SourceKind,
    },
    /// It is over.
    Unpublished {
        /// Whose stay.
        stay: u32,
        /// Which.
        publication: PublicationId,
    },
    /// There is a link.
    LinkOpened {
        /// With which room.
        link: RoomId,
    },
    /// It is over.
    LinkClosed {
        /// With which room.
        link: RoomId,
        /// Why.
        reason: LinkCloseReason,
    },
    /// A recording begins, runs or ends. One that ends with its room may have ended after the session.
    Recording(RecordingInfo),
    /// How connections have been since the last time.
    Measured {
        /// Of whom there was something to measure.
        samples: Vec<Sample>,
    },
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Everybody has left.
    Empty,
    /// Closed for all.
    Closed,
    /// It lasted as long as it may.
    Timeout,
    /// The node went away, or another has the room.
    Moved,
}

/// How somebody's connection was over a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Whose stay.
    pub stay: u32,
    /// Mean share of the client's packets that did not arrive here.
    pub loss_up: f32,
    /// Mean share of our packets that did not arrive there.
    pub loss_down: f32,
    /// The longest round trip.
    pub round_trip: Option<Duration>,
    /// The worst score, 5 (excellent) to 1 (bad).
    pub score: u8,
}

/// The numbering, and what has to be said before the session may end.
#[derive(Debug, Default)]
pub(super) struct Journal {
    is_open: bool,
    sequence: u64,
    links: BTreeSet<RoomId>,
    measured: BTreeMap<MemberKey, Measured>,
    measure_at: Option<Instant>,
    /// The session ends because it lasted as long as it may.
    pub(super) is_overdue: bool,
}

#[derive(Debug, Default)]
struct Measured {
    count: u32,
    loss_up: f32,
    loss_down: f32,
    round_trip: Option<Duration>,
    score: u8,
}

impl Measured {
    fn add(&mut self, stats: &TransportStats) {
        let score = score(stats);
        self.score = if self.count == 0 { score } else { self.score.min(score) };
        self.count += 1;
        self.loss_up += stats.loss_up;
        self.loss_down += stats.loss_down;
        self.round_trip = self.round_trip.max(stats.round_trip);
    }

    fn sample(&self, member: MemberKey) -> Sample {
        let count = self.count.max(1) as f32;
        Sample {
            stay: member.0,
            loss_up: self.loss_up / count,
            loss_down: self.loss_down / count,
            round_trip: self.round_trip,
            score: self.score,
        }
    }
}

impl Room {
    fn write_down(&mut self, what: Happening) {
        if !matches!(what, Happening::Measured { .. }) {
            self.journal.sequence += 1;
        }
        self.outputs.push_back(Output::Event(Box::new(RoomEvent {
            room: self.id.clone(),
            session: Arc::from(self.session.as_str()),
            sequence: self.journal.sequence,
            at_ms: self.unix_ms,
            what,
        })));
    }

    pub(super) fn note_joined(&mut self, member: MemberKey) {
        let Some(participant) = self.roster.get(member) else {
            return;
        };
        let joined = Happening::Joined {
            stay: member.0,
            participant: participant.id.clone(),
            display_name: participant.display_name.clone(),
            mode: participant.mode,
        };
        if !std::mem::replace(&mut self.journal.is_open, true) {
            self.write_down(Happening::SessionStarted);
        }
        self.write_down(joined);
    }

    pub(super) fn note_left(&mut self, gone: &super::participant::Participant, reason: LeaveReason) {
        if let Some(measured) = self.journal.measured.remove(&gone.key) {
            let samples = vec![measured.sample(gone.key)];
            self.write_down(Happening::Measured { samples });
        }
        self.write_down(Happening::Left {
            stay: gone.key.0,
            participant: gone.id.clone(),
            display_name: gone.display_name.clone(),
            reason,
        });
    }

    pub(super) fn note_published(&mut self, member: MemberKey, publication: PublicationId, source: SourceKind) {
        let stay = member.0;
        self.write_down(Happening::Published {
            stay,
            publication,
            source,
        });
    }

    pub(super) fn note_unpublished(&mut self, member: MemberKey, publication: PublicationId) {
        let stay = member.0;
        self.write_down(Happening::Unpublished { stay, publication });
    }

    pub(super) fn note_link_opened(&mut self, link: &RoomId) {
        if self.journal.is_open && self.journal.links.insert(link.clone()) {
            self.write_down(Happening::LinkOpened { link: link.clone() });
        }
    }

    pub(super) fn note_link_closed(&mut self, link: &RoomId, reason: LinkCloseReason) {
        if self.journal.links.remove(link) {
            let link = link.clone();
            self.write_down(Happening::LinkClosed { link, reason });
        }
    }

    pub(super) fn note_recording(&mut self, info: &RecordingInfo) {
        if self.journal.is_open {
            self.write_down(Happening::Recording(info.clone()));
        }
    }

    pub(super) fn note_stats(&mut self, now: Instant, member: MemberKey, stats: &TransportStats) {
        self.journal.measured.entry(member).or_default().add(stats);
        let due = *self.journal.measure_at.get_or_insert(now + MEASURE_INTERVAL);
        if now >= due {
            self.journal.measure_at = Some(now + MEASURE_INTERVAL);
            let measured = std::mem::take(&mut self.journal.measured);
            let samples = measured.iter().map(|(member, one)| one.sample(*member)).collect();
            self.write_down(Happening::Measured { samples });
        }
    }

    /// The room may be dropped: what is still open is closed.
    pub(super) fn end_session(&mut self) {
        if !std::mem::take(&mut self.journal.is_open) {
            return;
        }
        for link in std::mem::take(&mut self.journal.links) {
            let reason = LinkCloseReason::LocalEnded;
            self.write_down(Happening::LinkClosed { link, reason });
        }
        self.began_at = None;
        let reason = if std::mem::take(&mut self.journal.is_overdue) {
            EndReason::Timeout
        } else if self.draining {
            EndReason::Moved
        } else if self.closed {
            EndReason::Closed
        } else {
            EndReason::Empty
        };
        self.write_down(Happening::SessionEnded { reason });
    }
}
