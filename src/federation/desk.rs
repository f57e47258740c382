//! What all links of a room share.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use super::{
    Ask, LinkCounters, LinkEvent, LinkLimits, LinkOutput, Question, RequestId,
    roster::People,
    tombs::{Epitaph, Tombs},
};
use crate::wire::{
    ErrorCode, RoomId,
    link::{LINK_VERSION, LinkBody, LinkEnd, LinkFrame, LinkId, RoomAddress},
};

#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) own: RoomAddress,
    pub(super) limits: LinkLimits,
    /// Who is here.
    pub(super) people: People,
    pub(super) tombs: Tombs,
    pub(super) counters: LinkCounters,
    pub(super) outputs: VecDeque<LinkOutput>,
    last_link: u64,
    last_request: u32,
    last_question: u64,
}

impl Desk {
    pub(super) fn new(own: RoomAddress, limits: LinkLimits) -> Self {
        Self {
            own,
            limits,
            people: People::default(),
            tombs: Tombs::default(),
            counters: LinkCounters::default(),
            outputs: VecDeque::new(),
            last_link: 0,
            last_request: 0,
            last_question: 0,
        }
    }

    /// To whoever has the name.
    pub(super) fn send(&mut self, to: &RoomId, link: &LinkId, body: LinkBody) {
        self.send_to(to, None, link, body);
    }

    /// To one occurrence of a room.
    pub(super) fn send_to(&mut self, to: &RoomId, session: Option<&Arc<str>>, link: &LinkId, body: LinkBody) {
        self.counters.sent += 1;
        let frame = Box::new(LinkFrame {
            v: LINK_VERSION,
            link: link.clone(),
            from: self.own.clone(),
            to: to.clone(),
            to_session: session.cloned(),
            body,
        });
        self.outputs.push_back(LinkOutput::Send { to: to.clone(), frame });
    }

    pub(super) fn close(&mut self, to: &RoomId, link: &LinkId, reason: LinkEnd) {
        self.send(to, link, LinkBody::Close { reason });
    }

    /// Says that there is no such link (any more), and why if that is known.
    pub(super) fn disown(&mut self, now: Instant, to: &RoomId, link: &LinkId) {
        let reason = match self.tombs.get(now, link) {
            Some(Epitaph::Closed(reason)) => reason,
            Some(Epitaph::Refused(_)) | None => LinkEnd::Unknown,
        };
        self.close(to, link, reason);
    }

    pub(super) fn tell(&mut self, event: LinkEvent) {
        self.outputs.push_back(LinkOutput::Event(event));
    }

    pub(super) fn answer(&mut self, ask: Ask, result: Result<(), ErrorCode>) {
        self.tell(LinkEvent::Answered { ask, result });
    }

    pub(super) fn answer_all(&mut self, asks: impl IntoIterator<Item = Ask>, result: Result<(), ErrorCode>) {
        for ask in asks {
            self.answer(ask, result);
        }
    }

    /// Remembers that a link is over.
    pub(super) fn bury(&mut self, now: Instant, link: LinkId, epitaph: Epitaph) {
        self.tombs.insert(now, &self.limits, link, epitaph);
    }

    /// Unique because the session is.
    pub(super) fn next_link(&mut self) -> LinkId {
        self.last_link += 1;
        LinkId(Arc::from(format!("{}.{}", self.own.session, self.last_link)))
    }

    pub(super) const fn next_request(&mut self) -> RequestId {
        self.last_request += 1;
        RequestId(self.last_request)
    }

    pub(super) const fn next_question(&mut self) -> Question {
        self.last_question += 1;
        Question(self.last_question)
    }
}

#[cfg(test)]
impl Desk {
    /// All that decides what happens next, as a text.
    pub(super) fn digest(&self) -> String {
        let last = (self.last_link, self.last_request, self.last_question);
        format!("{:?} {:?} {last:?}", self.people, self.tombs)
    }
}
