//! One open link: a numbered stream in each direction over a way that may lose, repeat, reorder and delay.

use std::{sync::Arc, time::Instant};

use super::{
    Ask, FrameDrop, LinkEvent, LinkLoad, Question,
    attempt::ASKS_MAX,
    desk::Desk,
    fault::Fault,
    inbox::{Arrival, Inbox},
    outbox::{Numbered, Outbox},
    roster::{Difference, Mirror},
    talk::{Talk, needed},
    tombs::Epitaph,
};
use crate::wire::{
    ErrorCode, Json, ParticipantId, RoomId,
    link::{LinkBody, LinkEnd, LinkId, LinkMessage, Person, Rights},
    signal::LinkCloseReason,
};

/// What both sides agreed on.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) id: LinkId,
    pub(super) room: RoomId,
    /// The occurrence of the other room.
    pub(super) session: Arc<str>,
    pub(super) payload: Option<Json>,
    /// What we may do there.
    pub(super) held: Rights,
    /// What they may do here.
    pub(super) given: Rights,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Over {
    /// What the other room is told; `None`: it knows, or is not there.
    pub(super) said: Option<LinkEnd>,
    /// What our room is told.
    pub(super) reason: LinkCloseReason,
}

#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) terms: Terms,
    pub(super) mirror: Mirror,
    pub(super) stale: bool,
    outbox: Outbox,
    inbox: Inbox,
    talk: Talk,
    heard_at: Instant,
    sent_at: Instant,
    ack_due: bool,
    /// Our room hears of a link when it is known who is there: then nobody is seen coming who was there before. Until then:
    /// who waits for the link.
    greeting: Option<Vec<Ask>>,
}

impl Link {
    /// It is open from now on.
    pub(super) fn open(now: Instant, desk: &mut Desk, terms: Terms, asks: Vec<Ask>) -> Self {
        let mut outbox = Outbox::default();
        if terms.given.roster || Fault::NoRights.is_planted() {
            outbox.push_snapshot();
        }
        let knows_all = !terms.held.roster;
        let mut link = Self {
            terms,
            mirror: Mirror::default(),
            stale: false,
            outbox,
            inbox: Inbox::default(),
            talk: Talk::default(),
            heard_at: now,
            sent_at: now,
            ack_due: true,
            greeting: Some(asks),
        };
        if knows_all {
            link.greet(desk);
        }
        link
    }

    /// Has our room heard of it?
    pub(super) const fn is_told(&self) -> bool {
        self.greeting.is_none()
    }

    /// One more wants it.
    pub(super) fn join(&mut self, desk: &mut Desk, ask: Ask) {
        match &mut self.greeting {
            Some(asks) if asks.len() < ASKS_MAX => asks.push(ask),
            Some(_) => desk.answer(ask, Err(ErrorCode::RateLimited)),
            None => desk.answer(ask, Ok(())),
        }
    }

    /// Our room hears of it.
    pub(super) fn greet(&mut self, desk: &mut Desk) {
        if let Some(asks) = self.greeting.take() {
            desk.tell(LinkEvent::Opened {
                room: self.terms.room.clone(),
                payload: self.terms.payload.clone(),
                rights: self.terms.held,
                participants: self.mirror.people().iter().cloned().collect(),
            });
            if self.stale {
                self.tell_state(desk);
            }
            desk.answer_all(asks, Ok(()));
        }
    }

    /// It is over.
    pub(super) fn end(self, now: Instant, desk: &mut Desk, over: Over) {
        let Terms {
            id,
            room,
            session,
            payload,
            ..
        } = self.terms;
        if let Some(reason) = over.said {
            desk.send_to(&room, Some(&session), &id, LinkBody::Close { reason });
        }
        desk.bury(now, id, Epitaph::Closed(over.said.unwrap_or(LinkEnd::Unknown)));
        for asked in self.talk.asked() {
            let done = asked.is_end && over.reason == LinkCloseReason::RemoteEnded;
            desk.answer(asked.ask, if done { Ok(()) } else { Err(ErrorCode::LinkClosed) });
        }
        desk.answer_all(self.outbox.asks(), Err(ErrorCode::LinkClosed));
        if let Some(asks) = self.greeting {
            return desk.answer_all(asks, Err(ErrorCode::LinkClosed));
        }
        if Fault::ForgetGhosts.is_planted() && over.reason == LinkCloseReason::Unreachable {
            return;
        }
        desk.tell(LinkEvent::Closed {
            room,
            reason: over.reason,
            payload,
        });
    }

    /// A sign of life of the right session.
    pub(super) fn hear(&mut self, now: Instant, desk: &mut Desk) {
        self.heard_at = now;
        if std::mem::take(&mut self.stale) {
            self.tell_state(desk);
        }
    }

    /// The other side seems not to know that it is open: something has to be said.
    pub(super) const fn probe(&mut self) {
        self.ack_due = true;
    }

    /// How far our stream has come there. False if that cannot be.
    pub(super) fn acknowledged(&mut self, now: Instant, desk: &mut Desk, ack: u64) -> bool {
        let possible = self.outbox.acknowledge(now, ack, &desk.limits).is_ok();
        if !possible {
            desk.counters.drop(FrameDrop::Impossible);
        }
        possible
    }

    /// A message of their stream.
    pub(super) fn receive(&mut self, now: Instant, desk: &mut Desk, seq: u64, message: LinkMessage) -> Option<Over> {
        self.ack_due = true;
        match self.inbox.insert(seq, message, desk.limits.window) {
            Arrival::Kept => {}
            Arrival::Duplicate => desk.counters.duplicates += 1,
            Arrival::Dropped(reason) => desk.counters.drop(reason),
        }
        while let Some((seq, message)) = self.inbox.next() {
            if let Some(over) = self.take(now, desk, seq, message) {
                return Some(over);
            }
        }
        None
    }

    fn take(&mut self, now: Instant, desk: &mut Desk, seq: u64, message: LinkMessage) -> Option<Over> {
        let is_complete = !matches!(message, LinkMessage::Snapshot { more: true, .. });
        if !matches!(message, LinkMessage::Snapshot { .. }) {
            self.greet(desk);
        }
        match message {
            LinkMessage::Snapshot { participants, more } => {
                let over = self.show(desk, |mirror| mirror.page(participants, more));
                if is_complete {
                    self.greet(desk);
                }
                return over;
            }
            LinkMessage::Roster { joined, left } => return self.show(desk, |mirror| mirror.change(joined, left)),
            LinkMessage::Gap { lost } => {
                let room = self.terms.room.clone();
                desk.tell(LinkEvent::Gap { room, lost });
            }
            LinkMessage::Reply { to, code } => match self.talk.replied(to) {
                Some(ask) => desk.answer(ask, code.map_or(Ok(()), Err)),
                None => desk.counters.drop(FrameDrop::Impossible),
            },
            message @ (LinkMessage::Chat(_) | LinkMessage::Switch(_) | LinkMessage::End { .. }) => {
                self.put(now, desk, seq, message);
            }
        }
        None
    }

    fn show(&mut self, desk: &mut Desk, change: impl FnOnce(&mut Mirror) -> Difference) -> Option<Over> {
        if !self.terms.held.roster && !Fault::NoRights.is_planted() {
            desk.counters.drop(FrameDrop::NoRight);
            return None;
        }
        let difference = change(&mut self.mirror);
        if Fault::ForwardRoster.is_planted() {
            difference
                .joined
                .iter()
                .for_each(|person| _ = desk.people.insert(person));
        }
        if !difference.is_empty() && self.is_told() {
            let Difference { joined, left } = difference;
            let room = self.terms.room.clone();
            desk.tell(LinkEvent::Roster { room, joined, left });
        }
        (self.mirror.people().len() > desk.limits.people).then_some(Over::OVERFLOW)
    }

    /// Puts a question of theirs to the room, or says at once why not.
    fn put(&mut self, now: Instant, desk: &mut Desk, seq: u64, message: LinkMessage) {
        let mut given = self.terms.given;
        if Fault::NoRights.is_planted() {
            given = Rights::ALL;
        }
        if let Err(code) = self.talk.admit(now, &desk.limits, given, &message) {
            if code == ErrorCode::LinkRight {
                desk.counters.drop(FrameDrop::NoRight);
            }
            self.reply(seq, Err(code));
            return;
        }
        let (room, question) = (self.terms.room.clone(), desk.next_question());
        self.talk.put(question, seq, &message);
        match message {
            LinkMessage::Chat(chat) => desk.tell(LinkEvent::Chat { room, question, chat }),
            LinkMessage::Switch(switch) => desk.tell(LinkEvent::Switch { room, question, switch }),
            LinkMessage::End { by } => desk.tell(LinkEvent::End { room, question, by }),
            LinkMessage::Snapshot { .. }
            | LinkMessage::Roster { .. }
            | LinkMessage::Gap { .. }
            | LinkMessage::Reply { .. } => {}
        }
    }

    fn reply(&mut self, to: u64, result: Result<(), ErrorCode>) {
        let code = result.err();
        self.outbox.push_message(None, LinkMessage::Reply { to, code });
    }

    /// What our room says to a question of theirs.
    pub(super) fn settle(&mut self, question: Question, result: Result<(), ErrorCode>) {
        if let Some(seq) = self.talk.settle(question) {
            self.reply(seq, result);
        }
    }

    /// A question of ours.
    pub(super) fn ask(&mut self, desk: &mut Desk, ask: Ask, message: LinkMessage) {
        let may = needed(&message).is_none_or(|right| right(self.terms.held));
        if !may && !Fault::NoRights.is_planted() {
            desk.answer(ask, Err(ErrorCode::LinkRight));
            return;
        }
        if self.talk.asked().len() + self.outbox.asks().count() >= desk.limits.questions {
            desk.answer(ask, Err(ErrorCode::LinkOverflow));
            return;
        }
        self.outbox.push_message(Some(ask), message);
        self.make_room(desk);
        if self.outbox.is_over(&desk.limits) && self.outbox.withdraw(ask) {
            desk.answer(ask, Err(ErrorCode::LinkOverflow));
        }
    }

    /// Somebody of ours came (or has a new name) or went.
    pub(super) fn change(&mut self, desk: &mut Desk, id: &ParticipantId, person: Option<&Person>) {
        if self.terms.given.roster || Fault::NoRights.is_planted() {
            self.outbox.push_change(id, person, &desk.limits);
            self.make_room(desk);
        }
    }

    fn make_room(&mut self, desk: &mut Desk) {
        let lost = self.outbox.shrink(&desk.limits);
        desk.counters.lost += lost.len() as u64;
        desk.answer_all(lost, Err(ErrorCode::LinkOverflow));
    }

    /// What time brings.
    pub(super) fn tick(&mut self, now: Instant, desk: &mut Desk) -> Option<Over> {
        if now >= self.heard_at + desk.limits.dead && !Fault::NoDeadline.is_planted() {
            return Some(Over {
                said: Some(LinkEnd::Unknown),
                reason: LinkCloseReason::Unreachable,
            });
        }
        // Replies are never dropped: a side that asks and asks and takes no reply is one to be rid of.
        let replies_unread = self.outbox.size().0 > desk.limits.queue + desk.limits.questions;
        if self.outbox.is_stuck(now, desk.limits.dead) || replies_unread {
            return Some(Over::OVERFLOW);
        }
        if !self.stale && now >= self.heard_at + desk.limits.stale {
            self.stale = true;
            self.tell_state(desk);
        }
        for (seq, message) in self.outbox.resend(now) {
            desk.counters.resent += 1;
            self.send(now, desk, seq, message);
        }
        None
    }

    fn tell_state(&self, desk: &mut Desk) {
        if !self.is_told() {
            return;
        }
        let (room, stale) = (self.terms.room.clone(), self.stale);
        desk.tell(LinkEvent::State { room, stale });
    }

    /// Sends what may be sent; an acknowledgement by itself only if nothing carries it.
    pub(super) fn flush(&mut self, now: Instant, desk: &mut Desk) {
        while let Some(Numbered { seq, message, ask }) = self.outbox.next(now, &desk.people, &desk.limits) {
            if let Some(ask) = ask {
                self.talk.sent(seq, ask, &message);
            }
            self.send(now, desk, seq, message);
        }
        if self.ack_due || now >= self.sent_at + desk.limits.heartbeat() {
            let ack = self.inbox.ack();
            self.say(now, desk, LinkBody::Ack { ack });
        }
    }

    fn send(&mut self, now: Instant, desk: &mut Desk, seq: u64, message: LinkMessage) {
        let ack = self.inbox.ack();
        self.say(now, desk, LinkBody::Data { seq, ack, message });
    }

    fn say(&mut self, now: Instant, desk: &mut Desk, body: LinkBody) {
        let Terms { id, room, session, .. } = &self.terms;
        desk.send_to(room, Some(session), id, body);
        self.sent_at = now;
        self.ack_due = false;
    }

    /// When [`Link::tick`] or [`Link::flush`] has something to do.
    pub(super) fn timeout(&self, desk: &Desk) -> Instant {
        let limits = &desk.limits;
        let silence = if self.stale { limits.dead } else { limits.stale };
        let own = (self.heard_at + silence).min(self.sent_at + limits.heartbeat());
        self.outbox.timeout(limits).map_or(own, |at| own.min(at))
    }

    pub(super) fn load(&self) -> LinkLoad {
        let (waiting, on_the_way) = self.outbox.size();
        LinkLoad {
            waiting,
            on_the_way,
            early: self.inbox.waiting(),
            questions: self.talk.heard_len(),
        }
    }
}

impl Over {
    /// Frames of another session with the name of this link: one of us lives in the past.
    pub(super) const ANOTHER_SESSION: Over = Over {
        said: Some(LinkEnd::Unknown),
        reason: LinkCloseReason::RemoteEnded,
    };
    /// More than a link may cost.
    pub(super) const OVERFLOW: Over = Over {
        said: Some(LinkEnd::Overflow),
        reason: LinkCloseReason::Limit,
    };
}

#[cfg(test)]
impl Link {
    pub(super) fn shift(&mut self, now: Instant, back: std::time::Duration) {
        self.outbox.shift(now, back);
        self.talk.shift(now, back);
        self.heard_at -= back;
        self.sent_at -= back;
    }
}
