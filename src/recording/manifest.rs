//! `manifest.json`: what is in the folder of a recording, and who was there.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::packet::Codec;
use crate::wire::signal::{RecordingEnd, SourceKind};
use crate::wire::{ParticipantId, RoomId};

/// People of a room that are written down. Whoever comes and goes without end must not make the manifest grow without end.
pub(super) const PEOPLE_MAX: usize = 20_000;

/// What is in the folder of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Of this form.
    pub version: u32,
    /// Its id.
    pub recording: String,
    /// Of which room.
    pub room: RoomId,
    /// Of which session of it.
    pub session: String,
    /// In milliseconds since 1970.
    pub started_at_ms: u64,
    /// `None` while it goes on, and for ever if the server died.
    pub ended_at_ms: Option<u64>,
    /// Why it ended.
    pub end: Option<RecordingEnd>,
    /// Who was there.
    pub participants: Vec<Person>,
    /// What there is to play.
    pub files: Vec<File>,
    /// What was published and not recorded.
    pub skipped: Vec<Skipped>,
    /// Which rooms were linked.
    pub links: Vec<Link>,
}

/// Somebody who was in the room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    #[serde(skip)]
    pub(super) member: u32,
    /// Who.
    pub participant: ParticipantId,
    /// As others saw it.
    pub display_name: String,
    /// In milliseconds since 1970.
    pub joined_at_ms: u64,
    /// In milliseconds since 1970.
    pub left_at_ms: Option<u64>,
}

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    /// Its name.
    pub file: String,
    /// Who.
    pub participant: ParticipantId,
    /// What is in it.
    pub tracks: Vec<FileTrack>,
    /// Of its first frame, since the recording began.
    pub start_ms: u64,
    /// How long it plays.
    pub duration_ms: u64,
    /// How large it is.
    pub bytes: u64,
    /// Whether it was written to its end.
    pub complete: bool,
}

/// A track of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileTrack {
    /// Of which kind.
    pub source: SourceKind,
    /// In which codec.
    pub codec: Codec,
}

/// Something that was published and not recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Who.
    pub participant: ParticipantId,
    /// Of which kind.
    pub source: SourceKind,
    /// Why not.
    pub reason: Cow<'static, str>,
}

/// A room that was linked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The room.
    pub room: RoomId,
    /// In milliseconds since 1970.
    pub opened_at_ms: u64,
    /// In milliseconds since 1970.
    pub closed_at_ms: Option<u64>,
    /// Who was seen there.
    pub participants: Vec<LinkedPerson>,
}

/// Somebody who was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkedPerson {
    /// Who.
    pub participant: ParticipantId,
    /// As others saw it.
    pub display_name: String,
    /// In milliseconds since 1970.
    pub seen_at_ms: u64,
    /// In milliseconds since 1970.
    pub left_at_ms: Option<u64>,
}

impl Manifest {
    pub(super) fn joined(&mut self, member: u32, participant: ParticipantId, display_name: String, at_ms: u64) {
        if self.participants.len() < PEOPLE_MAX {
            self.participants.push(Person {
                member,
                participant,
                display_name,
                joined_at_ms: at_ms,
                left_at_ms: None,
            });
        }
    }

    pub(super) fn left(&mut self, member: u32, at_ms: u64) {
        let person = self
            .participants
            .iter_mut()
            .rev()
            .find(|person| person.member == member);
        if let Some(person) = person {
            person.left_at_ms.get_or_insert(at_ms);
        }
    }

    /// Whose file or source this is.
    pub(super) fn who(&self, member: u32) -> Option<&ParticipantId> {
        let person = self.participants.iter().rev().find(|person| person.member == member);
        person.map(|person| &person.participant)
    }

    pub(super) fn linked(&mut self, room: RoomId, at_ms: u64) {
        if self.links.len() < PEOPLE_MAX {
            self.links.push(Link {
                room,
                opened_at_ms: at_ms,
                closed_at_ms: None,
                participants: Vec::new(),
            });
        }
    }

    fn link(&mut self, room: &RoomId) -> Option<&mut Link> {
        let mut open = self.links.iter_mut().rev();
        open.find(|link| link.room == *room && link.closed_at_ms.is_none())
    }

    pub(super) fn unlinked(&mut self, room: &RoomId, at_ms: u64) {
        if let Some(link) = self.link(room) {
            link.closed_at_ms = Some(at_ms);
            let present = link
                .participants
                .iter_mut()
                .filter(|person| person.left_at_ms.is_none());
            present.for_each(|person| person.left_at_ms = Some(at_ms));
        }
    }

    pub(super) fn linked_person(
        &mut self,
        room: &RoomId,
        participant: ParticipantId,
        display_name: String,
        at_ms: u64,
    ) {
        let Some(link) = self.link(room) else { return };
        let is_full = link.participants.len() >= PEOPLE_MAX;
        let known = link
            .participants
            .iter_mut()
            .rev()
            .find(|person| person.participant == participant);
        match known.filter(|person| person.left_at_ms.is_none()) {
            Some(person) => person.display_name = display_name,
            None if !is_full => link.participants.push(LinkedPerson {
                participant,
                display_name,
                seen_at_ms: at_ms,
                left_at_ms: None,
            }),
            None => {}
        }
    }

    pub(super) fn linked_person_left(&mut self, room: &RoomId, participant: &ParticipantId, at_ms: u64) {
        let person = self.link(room).and_then(|link| {
            link.participants
                .iter_mut()
                .rev()
                .find(|person| person.participant == *participant)
        });
        if let Some(person) = person {
            person.left_at_ms.get_or_insert(at_ms);
        }
    }
}
