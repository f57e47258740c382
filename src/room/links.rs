//! What a room makes of its links: who here may do what, and who is told. What crosses is decided in [`crate::federation`].

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    LinksConfig, Output, Room,
    rate::Talk,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
};
use crate::{
    federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links, Question, RequestId},
    wire::{
        ErrorCode, Json, ParticipantId, RoomId,
        link::{LinkChat, LinkSwitch, Person, RoomAddress},
        signal::{self, LinkChatInfo, LinkInfo, LinkPolicy, OkFields, ServerMessage, Switch, SwitchRequest, Token},
    },
};

/// Judges a token that somebody is to be handed: is it good for joining this room at this time (milliseconds since 1970)?
pub type Verify = Arc<dyn Fn(&Token, &RoomId, u64) -> Result<(), (ErrorCode, String)> + Send + Sync>;

/// One addressee is asked to switch so often by one room or sender.
const SWITCHES_MAX: usize = 3;
/// In this time.
const SWITCHES_WINDOW: Duration = Duration::from_secs(60);
/// Addressees and askers that are counted at the same time; the longest silent are forgotten first.
const SWITCHERS_MAX: usize = 1_000;

/// The links of a room, and who here waits for what.
pub(super) struct Linking {
    links: Links,
    verify: Verify,
    /// How long a request waits for its answer.
    decide: Duration,
    last_ask: u64,
    asks: BTreeMap<Ask, Asked>,
    /// Rooms that ask for a link and wait for somebody here to answer; whoever comes meanwhile is told as well.
    requests: BTreeMap<RequestId, Requested>,
    switches: Switches,
    is_over: bool,
}

/// Who waits for an answer, and to what.
struct Asked {
    member: MemberKey,
    request: u32,
    what: Wanted,
}

enum Wanted {
    Open(RoomId),
    Chat { sent: LinkChatInfo, echo: bool },
    Switch,
    End,
}

struct Requested {
    message: ServerMessage,
    expires_at: Instant,
    by: Option<ParticipantId>,
}

/// Who asked whom to switch, and when.
#[derive(Default)]
struct Switches(BTreeMap<(Asker, ParticipantId), VecDeque<Instant>>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Asker {
    Here(ParticipantId),
    Linked(RoomId),
}

impl Switches {
    fn allow(&mut self, now: Instant, asker: Asker, whom: &ParticipantId) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < SWITCHES_WINDOW;
        if self.0.len() >= SWITCHERS_MAX {
            self.0.retain(|_, times| times.back().is_some_and(is_recent));
        }
        let key = (asker, whom.clone());
        if self.0.len() >= SWITCHERS_MAX && !self.0.contains_key(&key) {
            return false;
        }
        let times = self.0.entry(key).or_default();
        while times.front().is_some_and(|at| !is_recent(at)) {
            times.pop_front();
        }
        let allowed = times.len() < SWITCHES_MAX;
        if allowed {
            times.push_back(now);
        }
        allowed
    }
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

    fn ask(&mut self, member: MemberKey, request: u32, what: Wanted) -> Ask {
        self.last_ask += 1;
        let ask = Ask(self.last_ask);
        self.asks.insert(ask, Asked { member, request, what });
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

    fn person(&self, member: MemberKey) -> Option<Person> {
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
                let info = LinkInfo {
                    link: room,
                    payload,
                    rights,
                    participants,
                    stale: false,
                };
                self.tell_others(None, &ServerMessage::LinkOpened(info));
            }
            LinkEvent::Closed { room: link, reason } => {
                self.tell_others(None, &ServerMessage::LinkClosed { link, reason });
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

    fn link_reply(&mut self, now: Instant, room: RoomId, question: Question, result: Result<(), ErrorCode>) {
        self.link_input(now, LinkInput::Reply { room, question, result });
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
        self.link_input(now, LinkInput::Decide { request, decision });
    }

    fn link_answered(&mut self, ask: Ask, result: Result<(), ErrorCode>) {
        let Some(Asked { member, request, what }) = self.linking.asks.remove(&ask) else {
            return;
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

    /// `Ok(None)` of these: the answer comes when the other room has answered.
    pub(super) fn link_open(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        room: RoomId,
        payload: Option<Json>,
        wait: Duration,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let by = self.link_allowed(member)?;
        let ask = self.linking.ask(member, request, Wanted::Open(room.clone()));
        let rights = self.settings.link_rights;
        let open = LinkInput::Open {
            ask,
            room,
            payload,
            by,
            wait,
            rights,
        };
        self.link_input(now, open);
        Ok(None)
    }

    pub(super) fn link_close(&mut self, now: Instant, member: MemberKey, room: RoomId) -> Answer {
        self.link_allowed(member)?;
        self.link_there(&room)?;
        self.link_input(now, LinkInput::Close { room });
        Ok(ok())
    }

    pub(super) fn link_respond(&mut self, now: Instant, member: MemberKey, request: u32, accept: bool) -> Answer {
        let judge = self.roster.get(member).filter(|one| one.grant.judge);
        let Some(judge) = judge.map(|one| one.id.clone()) else {
            let sentence = "the token does not allow answering rooms that ask for a link (link_accept)";
            return Err(Refusal::new(ErrorCode::Forbidden, sentence));
        };
        let request = RequestId(request);
        let Some(requested) = self.linking.requests.get_mut(&request) else {
            let sentence = "there is no such request (any more)";
            return Err(Refusal::field(ErrorCode::NoSuchRequest, "request", sentence));
        };
        requested.by = Some(judge);
        let decision = if accept {
            Decision::Accept {
                rights: self.settings.link_rights,
            }
        } else {
            Decision::Refuse {
                code: ErrorCode::LinkDenied,
            }
        };
        self.link_input(now, LinkInput::Decide { request, decision });
        Ok(ok())
    }

    pub(super) fn link_chat(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        room: RoomId,
        text: String,
        echo: bool,
    ) -> Result<Option<ServerMessage>, Refusal> {
        self.talk_allowed(member)?;
        self.link_there(&room)?;
        self.pace(now, member, Talk::Link)?;
        let Some(from) = self.person(member) else {
            return Err(Refusal::new(ErrorCode::Forbidden, "you are not in the room"));
        };
        let chat = LinkChat {
            message: self.next_message(),
            from,
            text,
            timestamp_ms: self.unix_ms,
        };
        let sent = chat_info(&room, chat.clone());
        let ask = self.linking.ask(member, request, Wanted::Chat { sent, echo });
        self.link_input(now, LinkInput::Chat { ask, room, chat });
        Ok(None)
    }

    pub(super) fn link_end(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        room: RoomId,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let by = self.link_allowed(member)?;
        self.link_there(&room)?;
        let ask = self.linking.ask(member, request, Wanted::End);
        self.link_input(now, LinkInput::End { ask, room, by });
        Ok(None)
    }

    pub(super) fn switch(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        switch: SwitchRequest,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let SwitchRequest {
            participant,
            link,
            room,
            token,
            payload,
        } = switch;
        let check_token = |this: &Self| {
            let refused = |(code, sentence): (ErrorCode, String)| Refusal::field(code, "token", sentence);
            (this.linking.verify)(&token, &room, this.unix_ms).map_err(refused)
        };
        let Some(link) = link else {
            let sender = self.roster.get(member).filter(|one| one.grant.moderate);
            let Some(sender) = sender.map(|one| one.id.clone()) else {
                let sentence = "the token does not allow asking others to switch (allow_mod)";
                return Err(Refusal::new(ErrorCode::Forbidden, sentence));
            };
            check_token(self)?;
            let switch = Switch {
                room,
                token,
                payload,
                participant: sender.clone(),
                link: None,
            };
            self.hand_over(now, Asker::Here(sender), &participant, switch)
                .map_err(|code| Refusal::field(code, "participant", sentence(code)))?;
            return Ok(Some(ok()));
        };
        let by = self.link_allowed(member)?;
        self.link_there(&link)?;
        if room != self.id && room != link {
            return Err(Refusal::field(
                ErrorCode::SwitchRoom,
                "room",
                sentence(ErrorCode::SwitchRoom),
            ));
        }
        check_token(self)?;
        let ask = self.linking.ask(member, request, Wanted::Switch);
        let switch = LinkSwitch {
            participant,
            by,
            room,
            token,
            payload,
        };
        let input = LinkInput::Switch {
            ask,
            room: link,
            switch,
        };
        self.link_input(now, input);
        Ok(None)
    }

    /// Somebody over there asks somebody here. The far room checked all of this too; we trust only ourselves.
    fn switch_here(&mut self, now: Instant, link: &RoomId, switch: LinkSwitch) -> Result<(), ErrorCode> {
        let LinkSwitch {
            participant,
            by,
            room,
            token,
            payload,
        } = switch;
        if room != self.id && room != *link {
            return Err(ErrorCode::SwitchRoom);
        }
        (self.linking.verify)(&token, &room, self.unix_ms).map_err(|(code, _)| code)?;
        let switch = Switch {
            room,
            token,
            payload,
            participant: by.id,
            link: Some(link.clone()),
        };
        self.hand_over(now, Asker::Linked(link.clone()), &participant, switch)
    }

    /// To the addressee's session and nowhere else.
    fn hand_over(&mut self, now: Instant, asker: Asker, whom: &ParticipantId, switch: Switch) -> Result<(), ErrorCode> {
        let member = self.roster.find(whom).ok_or(ErrorCode::NoSuchParticipant)?;
        if self.roster.get(member).is_none_or(|one| one.session.is_none()) {
            // A WHIP publisher has nobody to ask.
            return Err(ErrorCode::NoSuchParticipant);
        }
        if !self.linking.switches.allow(now, asker, whom) {
            return Err(ErrorCode::RateLimited);
        }
        self.tell(member, &ServerMessage::Switch(switch));
        Ok(())
    }

    fn link_allowed(&self, member: MemberKey) -> Result<Person, Refusal> {
        let allowed = self.roster.get(member).is_some_and(|one| one.grant.link);
        self.person(member).filter(|_| allowed).ok_or_else(|| {
            let sentence = "the token does not allow linking rooms (link)";
            Refusal::new(ErrorCode::Forbidden, sentence)
        })
    }

    fn link_there(&self, room: &RoomId) -> Result<(), Refusal> {
        if self.linking.links.is_open(room) {
            return Ok(());
        }
        Err(Refusal::field(
            ErrorCode::NoSuchLink,
            "link",
            sentence(ErrorCode::NoSuchLink),
        ))
    }
}

fn chat_info(link: &RoomId, chat: LinkChat) -> LinkChatInfo {
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

/// What a person is told beside the code of something that another room or the link refused.
const fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::SameRoom => "a room is not linked with itself",
        ErrorCode::RoomNotFound => "there is no such room",
        ErrorCode::RoomNotLive => "nobody is in that room",
        ErrorCode::LinkDenied => "that room does not want the link",
        ErrorCode::LinkTimeout => "nobody in that room answered",
        ErrorCode::LinkLimit => "one of the rooms has all the links it may have",
        ErrorCode::NoSuchLink => "this room is not linked with that one",
        ErrorCode::LinkRight => "that room does not allow this over a link",
        ErrorCode::LinkClosed => "the link closed before the answer came",
        ErrorCode::LinkOverflow => "the link carries no more at present; try again",
        ErrorCode::SwitchRoom => "over a link one can only be asked into one of the two linked rooms",
        ErrorCode::NoSuchParticipant => "there is no such participant in that room",
        ErrorCode::RateLimited => "too many in a short time; slow down",
        ErrorCode::NodeDraining => "that room's node is going away",
        _ => "that room refused",
    }
}
