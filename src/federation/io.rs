//! What the links of a room are told and what they want done. Data only.

use std::{sync::Arc, time::Duration};

use crate::wire::{
    ErrorCode, Json, ParticipantId, RoomId,
    link::{LinkChat, LinkFrame, LinkSwitch, Person, Rights},
    signal::LinkCloseReason,
};

/// Something a room asked of its links and waits for. Chosen by the room, never used twice in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ask(pub u64);

/// A request for a link that waits for our decision. Never used twice in a room session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u32);

/// A question of a linked room (chat, switch, end) that waits for our reply. Never used twice in a room session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Question(pub u64);

/// Something that happened. `room` is always the other room.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkInput {
    /// Somebody here, who may, wants a link. Answered by [`LinkEvent::Answered`], at once if there is one already.
    Open {
        /// Whose answer.
        ask: Ask,
        /// With which room.
        room: RoomId,
        /// Told to everybody in both rooms.
        payload: Option<Json>,
        /// Who.
        by: Person,
        /// How long to wait for a room that is not there.
        wait: Duration,
        /// What that room may do here.
        rights: Rights,
    },
    /// The other room's node died, and the link with it: this room wants it back when that room lives again. Nobody waits for an
    /// answer; the pauses between two attempts grow, and differ from room to room.
    Reopen {
        /// With which room.
        room: RoomId,
        /// As it was told before.
        payload: Option<Json>,
        /// Who here may link, and so asks.
        by: Person,
        /// For how long it is tried.
        within: Duration,
        /// What that room may do here.
        rights: Rights,
    },
    /// What this room says to [`LinkEvent::Requested`]. One that is settled already is ignored.
    Decide {
        /// Which.
        request: RequestId,
        /// What.
        decision: Decision,
    },
    /// Somebody here, who may, closes a link. No link: nothing happens.
    Close {
        /// Which.
        room: RoomId,
    },
    /// The room's rules no longer allow links.
    CloseAll,
    /// Somebody here says something over there. Answered by [`LinkEvent::Answered`].
    Chat {
        /// Whose answer.
        ask: Ask,
        /// Which link.
        room: RoomId,
        /// What.
        chat: LinkChat,
    },
    /// Somebody here, who may, asks somebody over there to switch. Answered by [`LinkEvent::Answered`].
    Switch {
        /// Whose answer.
        ask: Ask,
        /// Which link.
        room: RoomId,
        /// What.
        switch: LinkSwitch,
    },
    /// Somebody here, who may, ends the room over there. Answered by [`LinkEvent::Answered`].
    End {
        /// Whose answer.
        ask: Ask,
        /// Which link.
        room: RoomId,
        /// Who.
        by: Person,
    },
    /// What came of [`LinkEvent::Chat`], [`LinkEvent::Switch`] or [`LinkEvent::End`].
    Reply {
        /// Which link.
        room: RoomId,
        /// To what.
        question: Question,
        /// `Err`: why it was not done.
        result: Result<(), ErrorCode>,
    },
    /// Somebody came into this room, or has a new name. Only people that others see.
    Joined {
        /// Who.
        person: Person,
    },
    /// Somebody left this room.
    Left {
        /// Who.
        participant: ParticipantId,
    },
    /// This room session is over: tells every link. Nothing comes in afterwards.
    Ended,
    /// From another room, unchecked but for its form.
    Frame {
        /// What.
        frame: LinkFrame,
    },
    /// There is nobody to take a frame: the room of that name has no live session, or its session is over, or its node is.
    Unreachable {
        /// Which room.
        room: RoomId,
        /// Of which session that is said; `None`: of any.
        session: Option<Arc<str>>,
        /// What is known of it, as the code for somebody who wants a link: `room-not-found` or `room-not-live`.
        code: ErrorCode,
    },
    /// [`super::Links::poll_timeout`] has come.
    Tick,
}

/// Does this room want the link?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Accept {
        /// What that room may do here.
        rights: Rights,
    },
    /// No.
    Refuse {
        /// Told to whoever asked.
        code: ErrorCode,
    },
    /// Somebody is being asked; a later [`LinkInput::Decide`] settles it. Without one it ends after 30 s.
    Ask,
}

/// Something to do, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkOutput {
    /// Give this to the room of this name. May be lost, repeated or late: all of that is mended here.
    Send {
        /// To which room.
        to: RoomId,
        /// What.
        frame: Box<LinkFrame>,
    },
    /// Tell the room.
    Event(LinkEvent),
}

/// Something the room has to know. `room` is always the other room.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// An answer to `Open`, `Chat`, `Switch` or `End`. Exactly one for each [`Ask`].
    Answered {
        /// Whose.
        ask: Ask,
        /// `Err`: why it was not done.
        result: Result<(), ErrorCode>,
    },
    /// Another room asks for a link. The room answers with [`LinkInput::Decide`], at once or later.
    Requested {
        /// To be named in the decision.
        request: RequestId,
        /// Which room.
        room: RoomId,
        /// Who over there.
        by: Person,
        /// From there.
        payload: Option<Json>,
    },
    /// A request that [`Decision::Ask`] left open is settled: by us, by time, or because they gave up.
    RequestEnded {
        /// Which.
        request: RequestId,
        /// Did it become a link?
        accepted: bool,
    },
    /// There is a link, and it is known who is there.
    Opened {
        /// With which room.
        room: RoomId,
        /// Of whoever asked for it.
        payload: Option<Json>,
        /// What we may do there.
        rights: Rights,
        /// Who is there, if that may be known.
        participants: Vec<Person>,
    },
    /// It is over, and everybody of it is gone. Exactly one for each `Opened`.
    Closed {
        /// With which room.
        room: RoomId,
        /// Why.
        reason: LinkCloseReason,
        /// As it was told when it opened.
        payload: Option<Json>,
    },
    /// Who came and went over there; somebody in `joined` who is known has a new name. Nobody comes twice or goes unknown.
    Roster {
        /// Where.
        room: RoomId,
        /// Came, or has a new name.
        joined: Vec<Person>,
        /// Went.
        left: Vec<ParticipantId>,
    },
    /// Somebody over there says this to everybody here. To be replied to.
    Chat {
        /// Where.
        room: RoomId,
        /// To be named in the reply.
        question: Question,
        /// What.
        chat: LinkChat,
    },
    /// So many chat messages from there were dropped.
    Gap {
        /// Where.
        room: RoomId,
        /// How many.
        lost: u32,
    },
    /// Somebody over there asks somebody here to switch. They have the right. To be replied to.
    Switch {
        /// Where.
        room: RoomId,
        /// To be named in the reply.
        question: Question,
        /// What.
        switch: LinkSwitch,
    },
    /// Somebody over there ends this room. They have the right. To be replied to before the room closes.
    End {
        /// Where.
        room: RoomId,
        /// To be named in the reply.
        question: Question,
        /// Who over there.
        by: Person,
    },
    /// Nothing has been heard of that room for a while, or it is back.
    State {
        /// Where.
        room: RoomId,
        /// Nothing has been heard.
        stale: bool,
    },
}
