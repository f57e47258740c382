//! `manifest.json`: what is in the folder of a recording, and who was there.

use serde::Serialize;

use crate::packet::Codec;
use crate::wire::signal::{RecordingEnd, SourceKind};
use crate::wire::{ParticipantId, RoomId};

/// People of a room that are written down. Whoever comes and goes without end must not make the manifest grow without end.
pub(super) const PEOPLE_MAX: usize = 20_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) version: u32,
    pub(super) recording: String,
    pub(super) room: RoomId,
    pub(super) session: String,
    pub(super) started_at_ms: u64,
    /// `None` while it goes on, and for ever if the server died.
    pub(super) ended_at_ms: Option<u64>,
    pub(super) end: Option<RecordingEnd>,
    pub(super) participants: Vec<Person>,
    pub(super) files: Vec<File>,
    /// What was published and not recorded.
    pub(super) skipped: Vec<Skipped>,
    pub(super) links: Vec<Link>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    #[serde(skip)]
    pub(super) member: u32,
    pub(super) participant: ParticipantId,
    pub(super) display_name: String,
    pub(super) joined_at_ms: u64,
    pub(super) left_at_ms: Option<u64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) file: String,
    pub(super) participant: ParticipantId,
    pub(super) tracks: Vec<FileTrack>,
    /// Of its first frame, since the recording began.
    pub(super) start_ms: u64,
    pub(super) duration_ms: u64,
    pub(super) bytes: u64,
    pub(super) complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FileTrack {
    pub(super) source: SourceKind,
    pub(super) codec: Codec,
}

#[derive(Debug, Serialize)]
pub(super) struct Skipped {
    pub(super) participant: ParticipantId,
    pub(super) source: SourceKind,
    pub(super) reason: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Link {
    pub(super) room: RoomId,
    pub(super) opened_at_ms: u64,
    pub(super) closed_at_ms: Option<u64>,
    pub(super) participants: Vec<LinkedPerson>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkedPerson {
    pub(super) participant: ParticipantId,
    pub(super) display_name: String,
    pub(super) seen_at_ms: u64,
    pub(super) left_at_ms: Option<u64>,
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
