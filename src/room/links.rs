//! What a room makes of its links: who here may do what, and who is told. What crosses is decided in [`crate::federation`].

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    HttpKey, HttpReply, LinksConfig, Output, Room, link_requests::sentence, requests::ok, roster::MemberKey,
    switch::Switches,
};
use crate::{
    federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links, Question, RequestId},
    wire::{
        ErrorCode, Json, ParticipantId, RoomId,
        link::{LinkChat, Person, RoomAddress},
        signal::{self, LinkChatInfo, LinkCloseReason, LinkInfo, LinkPolicy, OkFields, ServerMessage, Token},
    },
};

/// Judges a token that somebody is to be handed: is it good for joining this room at this time (milliseconds since 1970)?
pub type Verify = Arc<dyn Fn(&Token, &RoomId, u64) -> Result<(), (ErrorCode, String)> + Send + Sync>;

/// The links of a room, and who here waits for what.
pub(super) struct Linking {
    pub(super) links: Links,
    pub(super) verify: Verify,
    /// How long a request waits for its answer.
    decide: Duration,
    last_ask: u64,
    asks: BTreeMap<Ask, Asked>,
    /// Rooms that ask for a link and wait for somebody here to answer; whoever comes meanwhile is told as well.
    pub(super) requests: BTreeMap<RequestId, Requested>,
    pub(super) switches: Switches,
    is_over: bool,
    /// For how long a link is tried again whose other room's node died.
    reopen_within: Duration,
}

/// Who waits for an answer, and to what.
struct Asked {
    who: Asker,
    what: Wanted,
}

/// Who asked.
#[derive(Clone, Copy)]
pub(super) enum Asker {
    /// Somebody here, by a request of this number.
    Member(MemberKey, u32),
    /// Whoever manages the room.
    Http(HttpKey),
}

pub(super) enum Wanted {
    Open(RoomId),
    Chat { sent: LinkChatInfo, echo: bool },
    Switch,
    End,
}

pub(super) struct Requested {
    message: ServerMessage,
    expires_at: Instant,
    pub(super) by: Option<ParticipantId>,
}

impl Linking {
    pub(super) fn new(own: RoomAddress, config: &LinksConfig, verify: Verify) -> Self {
        let limits = LinkLimits {
            links: config.max_links,
            stale: config.stale_after,
            dead: config.lost_after,
            ..LinkLimits::default()
        };
        Self {
            decide: limits.decide,
            links: Links::new(own, limits),
            verify,
            last_ask: 0,
            asks: BTreeMap::new(),
            requests: BTreeMap::new(),
            switches: Switches::default(),
            is_over: false,
            reopen_within: config.reopen_within,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        if self.is_over { None } else { self.links.poll_timeout() }
    }

    /// As a newcomer is told.
    pub(super) fn infos(&self) -> Vec<LinkInfo> {
        let info = |view: crate::federation::LinkView<'_>| LinkInfo {
            link: view.room.clone(),
            payload: view.payload.cloned(),
            rights: view.rights,
            participants: view.participants().cloned().collect(),
            stale: view.stale,
        };
        self.links.views().map(info).collect()
    }

    /// How many links are open.
    pub(super) fn len(&self) -> usize {
        self.links.views().count()
    }

    pub(super) fn ask(&mut self, who: Asker, what: Wanted) -> Ask {
        self.last_ask += 1;
        let ask = Ask(self.last_ask);
        self.asks.insert(ask, Asked { who, what });
        ask
    }
}

impl Room {
    /// Tells the links something, and does what comes of it.
    pub(super) fn link_input(&mut self, now: Instant, input: LinkInput) {
        if self.linking.is_over {
            return;
        }
        self.linking.is_over = matches!(input, LinkInput::Ended);
        self.linking.links.handle(now, input);
        while let Some(output) = self.linking.links.poll_output() {
            match output {
                LinkOutput::Send { to, frame } => self.outputs.push_back(Output::ToRoom { room: to, frame }),
                LinkOutput::Event(event) => self.link_event(now, event),
            }
        }
    }

    pub(super) fn links_due(&mut self, now: Instant) {
        if self.linking.next_timeout().is_some_and(|at| at <= now) {
            self.link_input(now, LinkInput::Tick);
        }
    }

    pub(super) fn person(&self, member: MemberKey) -> Option<Person> {
        self.roster.get(member).map(|participant| Person {
            id: participant.id.clone(),
            display_name: participant.display_name.clone(),
        })
    }

    /// Somebody came or has a new name: linked rooms are told.
    pub(super) fn link_joined(&mut self, now: Instant, member: MemberKey) {
        if let Some(person) = self.person(member) {
            self.link_input(now, LinkInput::Joined { person });
        }
    }

    /// Tells somebody who may answer them of the rooms that ask for a link.
    pub(super) fn tell_link_requests(&mut self, now: Instant, newcomer: MemberKey) {
        if !self.roster.get(newcomer).is_some_and(|one| one.grant.judge) {
            return;
        }
        let left = |requested: &Requested| {
            let mut message = requested.message.clone();
            if let ServerMessage::LinkRequested { expires_ms, .. } = &mut message {
                *expires_ms = requested.expires_at.saturating_duration_since(now).as_millis() as u64;
            }
            message
        };
        let messages: Vec<ServerMessage> = self.linking.requests.values().map(left).collect();
        for message in messages {
            self.tell(newcomer, &message);
        }
    }

    fn tell_link_judges(&mut self, message: &ServerMessage) {
        let body = signal::encode(message);
        let judges = self.roster.iter().filter(|one| one.grant.judge).map(|one| one.key);
        for judge in judges.collect::<Vec<MemberKey>>() {
            self.tell_encoded(judge, None, Arc::clone(&body));
        }
    }

    fn link_event(&mut self, now: Instant, event: LinkEvent) {
        self.record_link_event(&event);
        match event {
            LinkEvent::Answered { ask, result } => self.link_answered(ask, result),
            LinkEvent::Requested {
                request,
                room,
                by,
                payload,
            } => self.link_requested(now, request, room, by, payload),
            LinkEvent::RequestEnded { request, accepted } => {
                if let Some(requested) = self.linking.requests.remove(&request) {
                    self.tell_link_judges(&ServerMessage::LinkRequestEnded {
                        request: request.0,
                        accepted,
                        by: requested.by,
                    });
                }
            }
            LinkEvent::Opened {
                room,
                payload,
                rights,
                participants,
            } => {
                self.note_link_opened(&room);
                let info = LinkInfo {
                    link: room,
                    payload,
                    rights,
                    participants,
                    stale: false,
                };
                self.tell_others(None, &ServerMessage::LinkOpened(info));
            }
            LinkEvent::Closed { room, reason, payload } => {
                let link = room.clone();
                self.note_link_closed(&link, reason);
                self.tell_others(None, &ServerMessage::LinkClosed { link, reason });
                if reason == LinkCloseReason::NodeLost {
                    self.link_again(now, room, payload);
                }
            }
            LinkEvent::Roster {
                room: link,
                joined,
                left,
            } => self.tell_others(None, &ServerMessage::LinkRoster { link, joined, left }),
            LinkEvent::Chat { room, question, chat } => {
                self.tell_others(None, &ServerMessage::LinkChat(chat_info(&room, chat)));
                self.link_reply(now, room, question, Ok(()));
            }
            LinkEvent::Gap { room: link, lost } => self.tell_others(None, &ServerMessage::LinkGap { link, lost }),
            LinkEvent::Switch { room, question, switch } => {
                let result = self.switch_here(now, &room, switch);
                self.link_reply(now, room, question, result);
            }
            LinkEvent::End { room, question, by } => {
                self.link_reply(now, room.clone(), question, Ok(()));
                tracing::info!(room = %self.id, link = %room, by = %by.id, "ended over a link");
                self.closing = Some(super::owner::Closing { by: None });
            }
            LinkEvent::State { room: link, stale } => {
                self.tell_others(None, &ServerMessage::LinkState { link, stale });
            }
        }
    }

    /// The other room's node died. Its people come back elsewhere, and the link with them, if somebody here may still link.
    fn link_again(&mut self, now: Instant, room: RoomId, payload: Option<Json>) {
        let within = self.linking.reopen_within;
        if within.is_zero() || self.draining || self.settings.link_policy == LinkPolicy::Deny {
            return;
        }
        let may: Vec<MemberKey> = self
            .roster
            .iter()
            .filter(|one| one.grant.link)
            .map(|one| one.key)
            .collect();
        let by = self
            .owner
            .filter(|owner| may.contains(owner))
            .or_else(|| may.first().copied());
        if let Some(by) = by.and_then(|key| self.person(key)) {
            let rights = self.settings.link_rights;
            self.link_input_inside(
                now,
                LinkInput::Reopen {
                    room,
                    payload,
                    by,
                    within,
                    rights,
                },
            );
        }
    }

    fn link_reply(&mut self, now: Instant, room: RoomId, question: Question, result: Result<(), ErrorCode>) {
        self.link_input_inside(now, LinkInput::Reply { room, question, result });
    }

    /// The same while outputs are done: what comes of it is done when it is its turn. Many messages come at once when the first
    /// of them is late, and must not lead into each other.
    fn link_input_inside(&mut self, now: Instant, input: LinkInput) {
        self.linking.links.handle(now, input);
    }

    fn link_requested(&mut self, now: Instant, request: RequestId, room: RoomId, by: Person, payload: Option<Json>) {
        let decision = if self.draining {
            Decision::Refuse {
                code: ErrorCode::NodeDraining,
            }
        } else if self.roster.len() == 0 {
            Decision::Refuse {
                code: ErrorCode::RoomNotLive,
            }
        } else {
            match self.settings.link_policy {
                LinkPolicy::Auto => Decision::Accept {
                    rights: self.settings.link_rights,
                },
                LinkPolicy::Ask => Decision::Ask,
                LinkPolicy::Deny => Decision::Refuse {
                    code: ErrorCode::LinkDenied,
                },
            }
        };
        if decision == Decision::Ask {
            let message = ServerMessage::LinkRequested {
                request: request.0,
                room,
                participant: by.id,
                display_name: by.display_name,
                payload,
                expires_ms: self.linking.decide.as_millis() as u64,
            };
            self.tell_link_judges(&message);
            let requested = Requested {
                message,
                expires_at: now + self.linking.decide,
                by: None,
            };
            self.linking.requests.insert(request, requested);
        }
        self.link_input_inside(now, LinkInput::Decide { request, decision });
    }

    fn link_answered(&mut self, ask: Ask, result: Result<(), ErrorCode>) {
        let Some(Asked { who, what }) = self.linking.asks.remove(&ask) else {
            return;
        };
        let (member, request) = match who {
            Asker::Member(member, request) => (member, request),
            Asker::Http(request) => {
                let refused = |code| HttpReply::Refused {
                    code,
                    message: sentence(code).to_owned(),
                };
                let reply = result.map_or_else(refused, |()| HttpReply::Done);
                return self.outputs.push_back(Output::HttpReply { request, reply });
            }
        };
        let answer = match (result, what) {
            (Ok(()), Wanted::Open(room)) => ServerMessage::Ok(OkFields {
                link: Some(room),
                ..OkFields::default()
            }),
            (Ok(()), Wanted::Chat { sent, echo }) => {
                let answer = ServerMessage::Ok(OkFields {
                    message: Some(sent.message.clone()),
                    timestamp_ms: Some(sent.timestamp_ms),
                    ..OkFields::default()
                });
                if echo {
                    self.tell_others(Some(member), &ServerMessage::LinkChatSent(sent));
                }
                answer
            }
            (Ok(()), Wanted::Switch | Wanted::End) => ok(),
            (Err(code), _) => ServerMessage::Error {
                code,
                message: sentence(code).to_owned(),
                field: None,
            },
        };
        self.tell_encoded(member, Some(request), signal::encode(&answer));
    }
}

pub(super) fn chat_info(link: &RoomId, chat: LinkChat) -> LinkChatInfo {
    let LinkChat {
        message,
        from,
        text,
        timestamp_ms,
    } = chat;
    LinkChatInfo {
        link: link.clone(),
        message,
        participant: from.id,
        display_name: from.display_name,
        text,
        timestamp_ms,
    }
}
