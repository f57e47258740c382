//! What a participant asks over its session.

use std::time::{Duration, Instant};

use super::{Frame, Lookup, Output, Room, SocketKey, close, rate::Talk, roster::MemberKey};
use crate::wire::{
    ErrorCode, Json, ParticipantId, PublicationId,
    signal::{
        self, ClientMessage, Envelope, LeaveReason, Mode, OkFields, ServerMessage, SignalError, TopicMessage,
        WishRequest,
    },
};

/// Why a request was not done. Nothing has changed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) code: ErrorCode,
    pub(super) message: String,
    pub(super) field: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
        }
    }

    pub(super) fn field(code: ErrorCode, field: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: Some(field),
        }
    }
}

pub(super) type Answer = Result<ServerMessage, Refusal>;

pub(super) fn ok() -> ServerMessage {
    ServerMessage::Ok(OkFields::default())
}

impl Room {
    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        unix_ms: u64,
        socket: SocketKey,
        message: Result<Envelope, SignalError>,
    ) {
        let Some(member) = self.roster.at_socket(socket) else {
            return self.handle_waiter(socket, message);
        };
        let Some(session) = self
            .roster
            .get_mut(member)
            .and_then(|participant| participant.session.as_mut())
        else {
            return;
        };
        let Envelope { id, message } = match message {
            Ok(envelope) => envelope,
            Err(error) => {
                // Answered, so a resume does not ask for it again.
                session.last_request = session.last_request.max(error.id.unwrap_or(0));
                return self.tell_encoded(member, error.id, signal::encode(&error.to_message()));
            }
        };
        if let ClientMessage::Ping { last_seq } = message {
            session.outbox.acknowledge(last_seq.unwrap_or(0));
            let frame = Frame::new(signal::frame(None, Some(id), &signal::encode(&ServerMessage::Pong)));
            return self.outputs.push_back(Output::Send { socket, frame });
        }
        let answer = if id <= session.last_request {
            let sentence = format!("ids count up; the last one was {}", session.last_request);
            Err(Refusal::field(ErrorCode::OutOfOrder, "id", sentence))
        } else {
            session.last_request = id;
            self.request(now, unix_ms, member, id, message)
        };
        match answer {
            Ok(None) => {}
            Ok(Some(answer)) => self.tell_encoded(member, Some(id), signal::encode(&answer)),
            Err(Refusal { code, message, field }) => {
                let error = ServerMessage::Error {
                    code,
                    message,
                    field: field.map(str::to_owned),
                };
                self.tell_encoded(member, Some(id), signal::encode(&error));
            }
        }
    }

    /// Does what is asked. `Ok(None)`: the answer is already out.
    fn request(
        &mut self,
        now: Instant,
        unix_ms: u64,
        member: MemberKey,
        id: u32,
        message: ClientMessage,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let answer = match message {
            ClientMessage::Join(_) | ClientMessage::Resume(_) => {
                Err(Refusal::new(ErrorCode::AlreadyJoined, "this socket has joined already"))
            }
            ClientMessage::Leave => {
                self.tell_encoded(member, Some(id), signal::encode(&ok()));
                self.depart(now, member, LeaveReason::Left, Some((close::NORMAL, "left")));
                return Ok(None);
            }
            ClientMessage::Ping { .. } => Ok(ServerMessage::Pong),
            ClientMessage::Offer { sdp, publish } => self.offer(now, member, &sdp, &publish),
            ClientMessage::Publish(line) => self.publish(now, member, &line).map(|publication| {
                ServerMessage::Ok(OkFields {
                    publication: Some(publication),
                    ..OkFields::default()
                })
            }),
            ClientMessage::Unpublish { publication } => self.unpublish(now, member, publication).map(|()| ok()),
            ClientMessage::Mute { publication, muted } => self.mute(now, member, publication, muted).map(|()| ok()),
            ClientMessage::Subscribe(wish) => self.wish(now, member, wish.publication, Some(wish)),
            ClientMessage::Unsubscribe { publication } => self.wish(now, member, publication, None),
            ClientMessage::View { last_n } => self.view(member, last_n.map(usize::from)),
            ClientMessage::Chat { text, to } => self.chat(now, unix_ms, member, text, to),
            ClientMessage::TopicPublish {
                topic,
                message,
                to,
                persist,
            } => self.topic_publish(now, unix_ms, member, topic, message, to, persist),
            ClientMessage::TopicSubscribe { topic } => self.topic_subscribe(member, &topic),
            ClientMessage::TopicUnsubscribe { topic } => {
                if self.topics.unsubscribe(&topic, member) {
                    Ok(ok())
                } else {
                    let sentence = "you are not subscribed to this topic";
                    Err(Refusal::field(ErrorCode::NotSubscribed, "topic", sentence))
                }
            }
            ClientMessage::Update {
                display_name,
                metadata,
                mode,
            } => self.update(now, member, display_name, metadata, mode),
            ClientMessage::Remove { participant, block_ms } => self.remove(now, member, &participant, block_ms),
            ClientMessage::RoomUpdate { settings } => self.room_update(now, unix_ms, member, *settings).map(|()| ok()),
            ClientMessage::RecordingStart => self.request_recording(member),
            ClientMessage::RecordingStop => self.request_recording_end(member),
            ClientMessage::RoomClose => self.room_close(member).map(|()| ok()),
            ClientMessage::Presence(asked) => {
                self.look_up_presence(now, member, id, asked)?;
                return Ok(None);
            }
            ClientMessage::Rooms(asked) => {
                self.look_up(now, member, id, Lookup::Rooms(asked.listing))?;
                return Ok(None);
            }
            ClientMessage::MediaRequest {
                participant,
                source,
                on,
            } => self.media_request(now, member, &participant, source, on),
            ClientMessage::Stats { participant } => return self.stats(now, (member, id), participant.as_ref()),
            ClientMessage::Pin {
                participant,
                camera,
                screen,
            } => self.pin(now, member, participant, camera, screen),
            ClientMessage::StoreSet { key, value } => self.store_set(now, member, key, value),
            ClientMessage::StoreGet { key } => self.store_get(now, member, key.as_deref()),
            ClientMessage::IceServers => self.renew_ice_servers(now, member),
            ClientMessage::EntryRespond { participant, allow } => {
                self.entry_respond(now, unix_ms, member, &participant, allow)
            }
            ClientMessage::LinkOpen { room, payload, wait_ms } => {
                let wait = Duration::from_millis(wait_ms.into());
                return self.link_open(now, (member, id), room, payload, wait);
            }
            ClientMessage::LinkClose { link } => self.link_close(now, member, link),
            ClientMessage::LinkRespond { request, accept } => self.link_respond(now, member, request, accept),
            ClientMessage::LinkChat { link, text, echo } => {
                return self.link_chat(now, (member, id), link, text, echo);
            }
            ClientMessage::LinkEnd { link } => return self.link_end(now, (member, id), link),
            ClientMessage::Switch(switch) => return self.switch(now, (member, id), switch),
        };
        answer.map(Some)
    }

    /// Takes one of the participant's allowance.
    pub(super) fn pace(&mut self, now: Instant, member: MemberKey, talk: Talk) -> Result<(), Refusal> {
        let participant = self.roster.get_mut(member);
        if participant.is_some_and(|participant| participant.rates.allow(now, talk)) {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::RateLimited,
            "too many in a short time; slow down",
        ))
    }

    fn wish(&mut self, now: Instant, member: MemberKey, id: PublicationId, wish: Option<WishRequest>) -> Answer {
        let unknown = || {
            Refusal::field(
                ErrorCode::NoSuchPublication,
                "publication",
                "there is no such publication",
            )
        };
        let publication = self.publications.get(id).filter(|one| one.backup_of.is_none());
        let publication = publication.ok_or_else(unknown)?;
        let place = publication.place;
        let participant = self.roster.get_mut(member).ok_or_else(unknown)?;
        if !participant.grant.subscribe {
            return Err(Refusal::new(ErrorCode::Forbidden, "the token does not allow receiving"));
        }
        if place.member == member {
            let sentence = "one's own publication cannot be subscribed to";
            return Err(Refusal::field(ErrorCode::InvalidField, "publication", sentence));
        }
        participant.wishes.set(id, wish);
        self.look_at_place(now, member, place);
        Ok(ok())
    }

    pub(super) fn talk_allowed(&self, member: MemberKey) -> Result<(), Refusal> {
        match self.roster.get(member) {
            Some(participant) if participant.grant.talk => Ok(()),
            Some(_) | None => Err(Refusal::new(
                ErrorCode::Forbidden,
                "the token does not allow sending messages",
            )),
        }
    }

    pub(super) fn addressees(&self, to: &[ParticipantId]) -> Result<Vec<MemberKey>, Refusal> {
        let found = to.iter().map(|id| {
            let sentence = format!("{id} is not in the room");
            self.roster
                .find(id)
                .ok_or_else(|| Refusal::field(ErrorCode::NoSuchParticipant, "to", sentence))
        });
        let mut members = found.collect::<Result<Vec<MemberKey>, Refusal>>()?;
        members.sort_unstable();
        members.dedup();
        Ok(members)
    }

    fn chat(
        &mut self,
        now: Instant,
        unix_ms: u64,
        member: MemberKey,
        text: String,
        to: Option<Vec<ParticipantId>>,
    ) -> Answer {
        self.talk_allowed(member)?;
        let receivers = match &to {
            Some(to) => self.addressees(to)?,
            None => self.roster.keys(),
        };
        self.pace(now, member, Talk::Chat)?;
        let message = self.next_message();
        if let Some(sender) = self.roster.get(member) {
            let (participant, display_name) = (sender.id.clone(), sender.display_name.clone());
            let id = message.clone();
            let body = ServerMessage::Chat {
                message: id,
                participant,
                display_name,
                text,
                to,
                timestamp_ms: unix_ms,
            };
            let body = signal::encode(&body);
            for receiver in receivers.into_iter().filter(|receiver| *receiver != member) {
                self.tell_encoded(receiver, None, body.clone());
            }
        }
        Ok(sent(message, unix_ms))
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one message")]
    fn topic_publish(
        &mut self,
        now: Instant,
        unix_ms: u64,
        member: MemberKey,
        topic: String,
        payload: Json,
        to: Option<Vec<ParticipantId>>,
        persist: bool,
    ) -> Answer {
        self.talk_allowed(member)?;
        let addressees = to.as_deref().map(|to| self.addressees(to)).transpose()?;
        self.pace(now, member, Talk::Topic)?;
        let Some(sender) = self.roster.get(member) else {
            return Err(Refusal::new(ErrorCode::Forbidden, "you are not in the room"));
        };
        let (participant, display_name) = (sender.id.clone(), sender.display_name.clone());
        let id = self.next_message();
        let message = TopicMessage {
            message: id.clone(),
            topic,
            participant,
            display_name,
            payload,
            timestamp_ms: unix_ms,
        };
        // What was meant for some is not kept for all.
        if persist && addressees.is_none() {
            let full = |code| Refusal::field(code, "persist", "the room keeps all the topic messages it may keep");
            self.topics.keep(message.clone()).map_err(full)?;
        }
        let receivers = self.topics.subscribers(&message.topic);
        let body = signal::encode(&ServerMessage::TopicMessage(message));
        for receiver in receivers {
            if addressees.as_ref().is_none_or(|to| to.contains(&receiver)) {
                self.tell_encoded(receiver, None, body.clone());
            }
        }
        Ok(sent(id, unix_ms))
    }

    fn topic_subscribe(&mut self, member: MemberKey, topic: &str) -> Answer {
        let full = |code| Refusal::field(code, "topic", "no more topics are possible");
        let messages = self.topics.subscribe(topic, member).map_err(full)?;
        Ok(ServerMessage::Ok(OkFields {
            messages: Some(messages),
            ..OkFields::default()
        }))
    }

    fn update(
        &mut self,
        now: Instant,
        member: MemberKey,
        display_name: Option<String>,
        metadata: Option<Json>,
        mode: Option<Mode>,
    ) -> Answer {
        self.pace(now, member, Talk::State)?;
        let mode = mode.filter(|mode| self.set_mode(now, member, *mode));
        if let Some(participant) = self.roster.get_mut(member) {
            if let Some(name) = &display_name {
                participant.display_name.clone_from(name);
            }
            if metadata.is_some() {
                participant.metadata = metadata.clone().filter(Json::is_something);
            }
            let id = participant.id.clone();
            self.presence_changed |= self.owner == Some(member);
            let message = ServerMessage::ParticipantUpdated {
                participant: id,
                display_name,
                metadata,
                mode,
            };
            self.tell_others(Some(member), &message);
            self.link_joined(now, member);
        }
        Ok(ok())
    }
}

fn sent(message: String, unix_ms: u64) -> ServerMessage {
    ServerMessage::Ok(OkFields {
        message: Some(message),
        timestamp_ms: Some(unix_ms),
        ..OkFields::default()
    })
}
