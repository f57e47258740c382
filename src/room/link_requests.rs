//! What participants ask of their room's links.

use std::time::{Duration, Instant};

use super::{
    Room,
    links::{Asker, Wanted, chat_info},
    rate::Talk,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
};
use crate::{
    federation::{Decision, LinkInput, RequestId},
    wire::{
        ErrorCode, Json, RoomId,
        link::{LinkChat, Person},
        signal::ServerMessage,
    },
};

impl Room {
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
        let ask = self
            .linking
            .ask(Asker::Member(member, request), Wanted::Open(room.clone()));
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
        let ask = self
            .linking
            .ask(Asker::Member(member, request), Wanted::Chat { sent, echo });
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
        let ask = self.linking.ask(Asker::Member(member, request), Wanted::End);
        self.link_input(now, LinkInput::End { ask, room, by });
        Ok(None)
    }

    pub(super) fn link_allowed(&self, member: MemberKey) -> Result<Person, Refusal> {
        let allowed = self.roster.get(member).is_some_and(|one| one.grant.link);
        self.person(member).filter(|_| allowed).ok_or_else(|| {
            let sentence = "the token does not allow linking rooms (link)";
            Refusal::new(ErrorCode::Forbidden, sentence)
        })
    }

    pub(super) fn link_there(&self, room: &RoomId) -> Result<(), Refusal> {
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

/// What a person is told beside the code of something that another room or the link refused.
const SENTENCES: [(ErrorCode, &str); 14] = [
    (ErrorCode::SameRoom, "a room is not linked with itself"),
    (ErrorCode::RoomNotFound, "there is no such room"),
    (ErrorCode::RoomNotLive, "nobody is in that room"),
    (ErrorCode::LinkDenied, "that room does not want the link"),
    (ErrorCode::LinkTimeout, "nobody in that room answered"),
    (ErrorCode::LinkLimit, "one of the rooms has all the links it may have"),
    (ErrorCode::NoSuchLink, "this room is not linked with that one"),
    (ErrorCode::LinkRight, "that room does not allow this over a link"),
    (ErrorCode::LinkClosed, "the link closed before the answer came"),
    (
        ErrorCode::LinkOverflow,
        "the link carries no more at present; try again",
    ),
    (
        ErrorCode::SwitchRoom,
        "over a link one can only be asked into one of the two linked rooms",
    ),
    (
        ErrorCode::NoSuchParticipant,
        "there is no such participant in that room",
    ),
    (ErrorCode::RateLimited, "too many in a short time; slow down"),
    (ErrorCode::NodeDraining, "that room's node is going away"),
];

pub(super) fn sentence(code: ErrorCode) -> &'static str {
    let known = SENTENCES.iter().find(|(known, _)| *known == code);
    known.map_or("that room refused", |(_, sentence)| sentence)
}
