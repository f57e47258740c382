//! Decides about links between rooms. Pure. `docs/LINKS.md` is the protocol as a page.
//!
//! [`Links`] is one room's side of all its links. It is told what happens ([`LinkInput`]) and says what to do
//! ([`LinkOutput`]). Frames may be lost, repeated, reordered and late; the other room may vanish and come back as
//! another session. What comes out is as if none of that could happen: each message once and in order, one
//! [`LinkEvent::Closed`] for each [`LinkEvent::Opened`], one [`LinkEvent::Answered`] for each [`Ask`].
//!
//! A room owns its links: `room` knows this module, and this module knows nothing of rooms but their names. So what may be
//! asked, who is told and what crosses is decided in one place, and a link is the same on one node and between two.
//!
//! Between two rooms there is at most one of three: an `Attempt` (we ask), a `Knock` (they ask), a
//! `Link`; or both of the first, when both ask. Nothing that is received is ever sent on.

mod attempt;
mod counters;
mod desk;
mod fault;
mod frames;
mod handshake;
mod inbox;
mod io;
mod knock;
mod limits;
mod link;
mod outbox;
mod pace;
mod pair;
mod roster;
mod talk;
#[cfg(test)]
pub(crate) mod tests;
mod tombs;

use std::{collections::BTreeMap, time::Instant};

pub use counters::{FrameDrop, LinkCounters};
pub use io::{Ask, Decision, LinkEvent, LinkInput, LinkOutput, Question, RequestId};
pub use limits::LinkLimits;

use desk::Desk;
use pace::Rate;
use pair::Pair;

use crate::wire::{
    ErrorCode, Json, ParticipantId, RoomId,
    link::{LinkEnd, LinkMessage, Person, Rights, RoomAddress},
    signal::LinkCloseReason,
};

/// All links of one room session.
#[derive(Clone, Debug)]
pub struct Links {
    desk: Desk,
    /// By the other room.
    pairs: BTreeMap<RoomId, Pair>,
    opens: Rate,
    requests: Rate,
    ended: bool,
}

/// An open link, for somebody who has just come in.
#[derive(Clone, Copy, Debug)]
pub struct LinkView<'a> {
    /// The other room.
    pub room: &'a RoomId,
    /// Of whoever asked for it.
    pub payload: Option<&'a Json>,
    /// What we may do there.
    pub rights: Rights,
    /// Nothing has been heard of it for a while.
    pub stale: bool,
    link: &'a link::Link,
}

/// How much of a link's bounds is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkLoad {
    /// Messages of ours that wait for a place on the way.
    pub waiting: usize,
    /// Messages of ours that are not acknowledged yet.
    pub on_the_way: usize,
    /// Messages of theirs that wait for one before them.
    pub early: usize,
    /// Questions of theirs that wait for our reply.
    pub questions: usize,
}

impl<'a> LinkView<'a> {
    /// How much of its bounds is used.
    pub fn load(&self) -> LinkLoad {
        self.link.load()
    }

    /// Who is there, by id.
    pub fn participants(&self) -> impl Iterator<Item = &'a Person> + use<'a> {
        self.link.mirror.people().iter()
    }
}

impl Links {
    /// No links yet. The session in `own` must never have been used before: ids of links are made from it.
    pub fn new(own: RoomAddress, limits: LinkLimits) -> Self {
        Self {
            desk: Desk::new(own, limits),
            pairs: BTreeMap::new(),
            opens: Rate::default(),
            requests: Rate::default(),
            ended: false,
        }
    }

    /// Takes in something that happened. [`Links::poll_output`] is to be drained afterwards.
    pub fn handle(&mut self, now: Instant, input: LinkInput) {
        if self.ended {
            return;
        }
        match input {
            LinkInput::Open {
                ask,
                room,
                payload,
                by,
                wait,
                rights,
            } => {
                let wish = attempt::Wish {
                    ask: Some(ask),
                    payload,
                    by,
                    rights,
                    wait_until: now + wait,
                };
                self.handle_open(now, room, wish);
            }
            LinkInput::Reopen {
                room,
                payload,
                by,
                within,
                rights,
            } => {
                let wish = attempt::Wish {
                    ask: None,
                    payload,
                    by,
                    rights,
                    wait_until: now + within,
                };
                self.handle_open(now, room, wish);
            }
            LinkInput::Decide { request, decision } => self.handle_decide(now, request, decision),
            LinkInput::Close { room } => self.handle_close(now, &room),
            LinkInput::CloseAll => self.handle_close_all(now),
            LinkInput::Chat { ask, room, chat } => {
                let checked = chat.check().is_ok();
                self.handle_ask(ask, &room, checked, LinkMessage::Chat(chat));
            }
            LinkInput::Switch { ask, room, switch } => {
                let checked = switch.check().is_ok();
                self.handle_ask(ask, &room, checked, LinkMessage::Switch(switch));
            }
            LinkInput::End { ask, room, by } => self.handle_ask(ask, &room, true, LinkMessage::End { by }),
            LinkInput::Reply { room, question, result } => {
                if let Some(link) = self.link_mut(&room) {
                    link.settle(question, result);
                }
            }
            LinkInput::Joined { person } => {
                if self.desk.people.insert(&person) {
                    self.tell_change(&person.id, Some(&person));
                }
            }
            LinkInput::Left { participant } => {
                if self.desk.people.remove(&participant) {
                    self.tell_change(&participant, None);
                }
            }
            LinkInput::Ended => return self.handle_ended(),
            LinkInput::Frame { frame } => self.handle_frame(now, frame),
            LinkInput::Unreachable { room, session, code } => {
                self.handle_unreachable(now, &room, session.as_ref(), code);
            }
            LinkInput::Tick => {}
        }
        for (room, pair) in &mut self.pairs {
            pair.tick(now, &mut self.desk, room);
        }
        self.pairs.retain(|_, pair| !pair.is_empty());
    }

    /// The next thing to do. To be called until there is none, after each [`Links::handle`].
    pub fn poll_output(&mut self) -> Option<LinkOutput> {
        self.desk.outputs.pop_front()
    }

    /// When to send [`LinkInput::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.pairs.values().filter_map(|pair| pair.timeout(&self.desk)).min()
    }

    /// The open links, by the id of the other room.
    pub fn views(&self) -> impl Iterator<Item = LinkView<'_>> {
        let links = self.pairs.values().filter_map(|pair| pair.link.as_ref());
        links.filter(|link| link.is_told()).map(|link| LinkView {
            room: &link.terms.room,
            payload: link.terms.payload.as_ref(),
            rights: link.terms.held,
            stale: link.stale,
            link,
        })
    }

    /// Is there a link with this room?
    pub fn is_open(&self, room: &RoomId) -> bool {
        self.pairs
            .get(room)
            .and_then(|pair| pair.link.as_ref())
            .is_some_and(link::Link::is_told)
    }

    /// How many links there are, those that are being made or waited for included.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Is there nothing at all, not even an attempt?
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// What was counted since the room session began.
    pub const fn counters(&self) -> &LinkCounters {
        &self.desk.counters
    }

    fn link_mut(&mut self, room: &RoomId) -> Option<&mut link::Link> {
        self.pairs.get_mut(room).and_then(|pair| pair.link.as_mut())
    }

    fn handle_ask(&mut self, ask: Ask, room: &RoomId, checked: bool, message: LinkMessage) {
        let Some(link) = self.pairs.get_mut(room).and_then(|pair| pair.link.as_mut()) else {
            return self.desk.answer(ask, Err(ErrorCode::NoSuchLink));
        };
        if checked {
            link.ask(&mut self.desk, ask, message);
        } else {
            self.desk.answer(ask, Err(ErrorCode::MessageTooLarge));
        }
    }

    /// Only what happens in this very room comes here (I2).
    fn tell_change(&mut self, id: &ParticipantId, person: Option<&Person>) {
        for link in self.pairs.values_mut().filter_map(|pair| pair.link.as_mut()) {
            link.change(&mut self.desk, id, person);
        }
    }

    fn handle_close(&mut self, now: Instant, room: &RoomId) {
        let link = self.pairs.get_mut(room).and_then(|pair| pair.link.take());
        if let Some(link) = link {
            let over = link::Over {
                said: Some(LinkEnd::Closed),
                reason: LinkCloseReason::ClosedLocal,
            };
            link.end(now, &mut self.desk, over);
        }
    }

    fn handle_close_all(&mut self, now: Instant) {
        for (room, pair) in &mut self.pairs {
            pair.forbid(now, &mut self.desk, room);
        }
    }

    fn handle_ended(&mut self) {
        for (room, pair) in std::mem::take(&mut self.pairs) {
            pair.say_ended(&mut self.desk, &room);
        }
        self.ended = true;
    }
}

#[cfg(test)]
impl Links {
    /// Moves everything back in time: for comparing states that differ in nothing else.
    fn shift(&mut self, now: Instant, back: std::time::Duration) {
        self.pairs.values_mut().for_each(|pair| pair.shift(now, back));
        self.desk.tombs.shift(now, back);
        self.opens.shift(now, back);
        self.requests.shift(now, back);
    }

    /// All that decides what happens next, as a text.
    fn digest(&self) -> String {
        let Self {
            desk,
            pairs,
            opens,
            requests,
            ended,
        } = self;
        format!("{pairs:?} {opens:?} {requests:?} {ended} {}", desk.digest())
    }
}
