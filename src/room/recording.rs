//! Recordings of the room: who may begin one, what goes into it, who is told. What is done about it is the recorder's matter.

use super::{
    HttpKey, HttpReply, Output, Room, hex,
    publication::Publication,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
    seat::Place,
};
use crate::{
    federation::LinkEvent,
    recording::{Order, RecorderNews, Subject, TakeKey},
    wire::{
        ErrorCode, ParticipantId,
        signal::{LinkInfo, OkFields, RecordingInfo, RecordingState, ServerMessage},
    },
};

/// Recordings of a session that are remembered when they are over, the last ones.
const REMEMBERED_MAX: usize = 32;

/// All of this session, the latest last.
#[derive(Debug, Default)]
pub(super) struct Recordings {
    all: Vec<RecordingInfo>,
    /// Who waits over HTTP for the last one to begin or to end.
    asked: Vec<HttpKey>,
}

impl Recordings {
    /// The one that is being made, or is about to be, or is being written.
    pub(super) fn live(&self) -> Option<&RecordingInfo> {
        self.all.last().filter(|last| !last.state.is_over())
    }

    /// Does what is published go into a recording?
    pub(super) fn is_on(&self) -> bool {
        let is_on = |live: &RecordingInfo| matches!(live.state, RecordingState::Starting | RecordingState::Started);
        self.live().is_some_and(is_on)
    }

    fn set(&mut self, state: RecordingState) -> Option<RecordingInfo> {
        let last = self.all.last_mut()?;
        last.state = state;
        Some(last.clone())
    }
}

fn take_of(place: Place) -> TakeKey {
    TakeKey {
        member: place.member.0,
        screen: place.screen,
        rank: place.rank,
    }
}

impl Room {
    pub(super) fn request_recording(&mut self, member: MemberKey) -> Answer {
        self.recording_allowed(member)?;
        let by = self.roster.id(member);
        let recording = self.start_recording(by)?;
        Ok(ServerMessage::Ok(OkFields {
            recording: Some(recording),
            ..OkFields::default()
        }))
    }

    pub(super) fn request_recording_end(&mut self, member: MemberKey) -> Answer {
        self.recording_allowed(member)?;
        self.stop_recording(None)?;
        Ok(ok())
    }

    fn recording_allowed(&self, member: MemberKey) -> Result<(), Refusal> {
        if self.roster.get(member).is_some_and(|one| one.grant.moderate) {
            return Ok(());
        }
        let sentence = "the token does not allow recording (allow_mod)";
        Err(Refusal::new(ErrorCode::Forbidden, sentence))
    }

    pub(super) fn handle_http_recording_start(&mut self, request: HttpKey) {
        if self.is_empty() {
            return self.outputs.push_back(Output::HttpReply {
                request,
                reply: HttpReply::NotFound,
            });
        }
        match self.start_recording(None) {
            Ok(_) => self.recordings.asked.push(request),
            Err(refusal) => self.refuse_recording(request, refusal),
        }
    }

    pub(super) fn handle_http_recording_stop(&mut self, request: HttpKey, recording: &str) {
        match self.stop_recording(Some(recording)) {
            Ok(()) => self.recordings.asked.push(request),
            Err(refusal) => self.refuse_recording(request, refusal),
        }
    }

    pub(super) fn handle_http_recordings(&mut self, request: HttpKey) {
        let recordings = self.recordings.all.clone();
        let reply = HttpReply::Recordings { recordings };
        self.outputs.push_back(Output::HttpReply { request, reply });
    }

    fn refuse_recording(&mut self, request: HttpKey, refusal: Refusal) {
        let reply = HttpReply::Refused {
            code: refusal.code,
            message: refusal.message,
        };
        self.outputs.push_back(Output::HttpReply { request, reply });
    }

    fn start_recording(&mut self, by: Option<ParticipantId>) -> Result<String, Refusal> {
        if !self.config.recording {
            let sentence = "this server does not record; recording.directory is not set";
            return Err(Refusal::new(ErrorCode::RecordingOff, sentence));
        }
        if self.recordings.live().is_some() {
            let sentence = "the room is recorded already, or the last recording is still being written";
            return Err(Refusal::new(ErrorCode::RecordingRuns, sentence));
        }
        let recording = hex(&(self.random)());
        let info = RecordingInfo {
            recording: recording.clone(),
            state: RecordingState::Starting,
            by,
            started_at_ms: self.unix_ms,
            reason: None,
            length_ms: None,
            bytes: None,
        };
        if self.recordings.all.len() >= REMEMBERED_MAX {
            self.recordings.all.remove(0);
        }
        self.recordings.all.push(info.clone());
        self.outputs.push_back(Output::RecordingBegin {
            subject: Box::new(Subject {
                id: recording.clone(),
                room: self.id.clone(),
                session: self.session.clone(),
            }),
        });
        for link in self.linking.infos() {
            self.record_link(&link);
        }
        for member in self.roster.keys() {
            self.record_person(member);
            let published: Vec<Publication> = self.publications.of(member).cloned().collect();
            published.iter().for_each(|publication| self.record(publication));
        }
        self.listen_anew();
        self.tell_recording(Some(info));
        Ok(recording)
    }

    fn stop_recording(&mut self, named: Option<&str>) -> Result<(), Refusal> {
        let live = self.recordings.live();
        let Some(live) = live.filter(|live| named.is_none_or(|named| named == live.recording)) else {
            let sentence = "the room has no such recording, or it has ended";
            return Err(Refusal::new(ErrorCode::NoSuchRecording, sentence));
        };
        if live.state != RecordingState::Stopping {
            self.end_taps();
            self.outputs.push_back(Output::RecordingEnd);
            let info = self.recordings.set(RecordingState::Stopping);
            self.listen_anew();
            self.tell_recording(info);
        }
        Ok(())
    }

    /// What the recorder tells.
    pub(super) fn handle_recorder(&mut self, recording: &str, news: RecorderNews) {
        if self.recordings.live().is_none_or(|live| live.recording != recording) {
            return;
        }
        let before = self.recordings.live().map(|live| live.state);
        let info = match news {
            RecorderNews::Started if self.recordings.is_on() => self.recordings.set(RecordingState::Started),
            RecorderNews::Started => None,
            RecorderNews::Ended(ending) => {
                if self.recordings.is_on() {
                    self.end_taps();
                }
                if let Some(last) = self.recordings.all.last_mut() {
                    last.reason = Some(ending.end);
                    last.length_ms = u64::try_from(ending.length.as_millis()).ok();
                    last.bytes = Some(ending.bytes);
                }
                self.listen_anew();
                self.recordings.set(ending.end.state())
            }
        };
        let Some(info) = info else { return };
        for request in std::mem::take(&mut self.recordings.asked) {
            let never_began = before == Some(RecordingState::Starting) && info.state == RecordingState::Failed;
            let reply = if never_began {
                HttpReply::Refused {
                    code: ErrorCode::RecordingFailed,
                    message: "nothing could be written to the folder of recordings".to_owned(),
                }
            } else {
                HttpReply::Recording(Box::new(info.clone()))
            };
            self.outputs.push_back(Output::HttpReply { request, reply });
        }
        self.tell_recording(Some(info));
    }

    fn tell_recording(&mut self, info: Option<RecordingInfo>) {
        if let Some(info) = info {
            self.note_recording(&info);
            self.tell_others(None, &ServerMessage::Recording(info));
        }
    }

    fn order(&mut self, order: Order) {
        if self.recordings.is_on() {
            self.outputs.push_back(Output::Record { order: Box::new(order) });
        }
    }

    /// Whether somebody listens to a sound is otherwise with a recording.
    fn listen_anew(&mut self) {
        for member in self.roster.keys() {
            self.viewers_changed(member);
        }
    }

    fn end_taps(&mut self) {
        for member in self.roster.keys() {
            let published: Vec<_> = self.publications.of(member).map(|one| (one.key, one.shard)).collect();
            for (source, shard) in published {
                self.order(Order::TrackEnded { source, shard });
            }
        }
    }

    /// Somebody is here.
    pub(super) fn record_person(&mut self, member: MemberKey) {
        let at_ms = self.unix_ms;
        if let Some(person) = self.person(member) {
            self.order(Order::Joined {
                member: member.0,
                participant: person.id,
                display_name: person.display_name,
                at_ms,
            });
        }
    }

    /// And is no more.
    pub(super) fn record_departure(&mut self, member: MemberKey) {
        let at_ms = self.unix_ms;
        self.order(Order::Left {
            member: member.0,
            at_ms,
        });
    }

    /// Something is published. Of two versions only the first is recorded.
    pub(super) fn record(&mut self, publication: &Publication) {
        if publication.backup_of.is_some() {
            return;
        }
        let (take, kind) = (take_of(publication.place), publication.source);
        self.order(if publication.encrypted {
            Order::Encrypted { take, kind }
        } else {
            Order::Track {
                source: publication.key,
                shard: publication.shard,
                take,
                kind,
                size: publication.size(),
            }
        });
    }

    /// It is over.
    pub(super) fn record_end(&mut self, publication: &Publication) {
        let (source, shard) = (publication.key, publication.shard);
        self.order(Order::TrackEnded { source, shard });
    }

    fn record_link(&mut self, link: &LinkInfo) {
        let at_ms = self.unix_ms;
        let room = link.link.clone();
        self.order(Order::Linked { room, at_ms });
        for person in &link.participants {
            self.order(Order::LinkedPerson {
                room: link.link.clone(),
                participant: person.id.clone(),
                display_name: person.display_name.clone(),
                at_ms,
            });
        }
    }

    /// Who is in linked rooms is written down beside who is here.
    pub(super) fn record_link_event(&mut self, event: &LinkEvent) {
        let at_ms = self.unix_ms;
        match event {
            LinkEvent::Opened { room, participants, .. } => {
                self.order(Order::Linked {
                    room: room.clone(),
                    at_ms,
                });
                for person in participants {
                    self.order(Order::LinkedPerson {
                        room: room.clone(),
                        participant: person.id.clone(),
                        display_name: person.display_name.clone(),
                        at_ms,
                    });
                }
            }
            LinkEvent::Closed { room, .. } => self.order(Order::Unlinked {
                room: room.clone(),
                at_ms,
            }),
            LinkEvent::Roster { room, joined, left } => {
                for person in joined {
                    self.order(Order::LinkedPerson {
                        room: room.clone(),
                        participant: person.id.clone(),
                        display_name: person.display_name.clone(),
                        at_ms,
                    });
                }
                for participant in left {
                    self.order(Order::LinkedPersonLeft {
                        room: room.clone(),
                        participant: participant.clone(),
                        at_ms,
                    });
                }
            }
            LinkEvent::Answered { .. }
            | LinkEvent::Requested { .. }
            | LinkEvent::RequestEnded { .. }
            | LinkEvent::Chat { .. }
            | LinkEvent::Gap { .. }
            | LinkEvent::Switch { .. }
            | LinkEvent::End { .. }
            | LinkEvent::State { .. } => {}
        }
    }
}
