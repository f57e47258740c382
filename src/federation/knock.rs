//! A link that another room asks for.

use std::{sync::Arc, time::Instant};

use super::{
    Ask, LinkEvent, RequestId,
    desk::Desk,
    link::{Link, Terms},
    pace::Repeat,
    tombs::Epitaph,
};
use crate::wire::{
    ErrorCode, Json, RoomId,
    link::{LinkBody, LinkEnd, LinkId, Rights},
};

/// Waits for our decision, or, accepted, for a sign that they know.
#[derive(Clone, Debug)]
pub(super) struct Knock {
    pub(super) link: LinkId,
    /// The occurrence of the other room.
    pub(super) session: Arc<str>,
    pub(super) request: RequestId,
    payload: Option<Json>,
    /// What we may do there.
    offered: Rights,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Our room has not said anything yet, or (`asked`) that it asks somebody.
    Undecided { asked: bool, until: Instant },
    /// We want it and say so until they are heard on it.
    Accepted {
        given: Rights,
        until: Instant,
        repeat: Repeat,
    },
}

/// What a frame says that asks for a link.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) link: LinkId,
    pub(super) session: Arc<str>,
    pub(super) payload: Option<Json>,
    pub(super) offered: Rights,
}

impl Knock {
    pub(super) fn new(now: Instant, desk: &mut Desk, request: Request) -> Self {
        Self {
            link: request.link,
            session: request.session,
            request: desk.next_request(),
            payload: request.payload,
            offered: request.offered,
            phase: Phase::Undecided {
                asked: false,
                until: now + desk.limits.decide,
            },
        }
    }

    pub(super) const fn is_undecided(&self) -> bool {
        matches!(self.phase, Phase::Undecided { .. })
    }

    /// Somebody is being asked.
    pub(super) fn wait(&mut self, desk: &mut Desk, room: &RoomId) {
        if let Phase::Undecided { asked, .. } = &mut self.phase {
            *asked = true;
            self.repeat_answer(desk, room);
        }
    }

    /// We want it.
    pub(super) fn accept(&mut self, now: Instant, desk: &mut Desk, room: &RoomId, given: Rights) {
        self.tell_ended(desk, true);
        self.phase = Phase::Accepted {
            given,
            until: now + desk.limits.accept,
            repeat: Repeat::new(now, desk.limits.repeat_first, desk.limits.repeat_max),
        };
        self.repeat_answer(desk, room);
    }

    /// We do not want it (any more).
    pub(super) fn refuse(self, now: Instant, desk: &mut Desk, room: &RoomId, code: ErrorCode) {
        let epitaph = Epitaph::Refused(code);
        desk.send(room, &self.link, epitaph.body());
        self.bury(now, desk, epitaph);
    }

    /// They do not want it any more, or are gone.
    pub(super) fn withdraw(self, now: Instant, desk: &mut Desk) {
        self.bury(now, desk, Epitaph::Closed(LinkEnd::Unknown));
    }

    fn bury(self, now: Instant, desk: &mut Desk, epitaph: Epitaph) {
        self.tell_ended(desk, false);
        desk.bury(now, self.link, epitaph);
    }

    fn tell_ended(&self, desk: &mut Desk, accepted: bool) {
        if let Phase::Undecided { asked: true, .. } = self.phase {
            let request = self.request;
            desk.tell(LinkEvent::RequestEnded { request, accepted });
        }
    }

    /// They ask again, or ask for another while this one is not settled.
    pub(super) fn repeat_answer(&self, desk: &mut Desk, room: &RoomId) {
        let body = match self.phase {
            Phase::Undecided { .. } => LinkBody::Pending,
            Phase::Accepted { given, .. } => LinkBody::Accept { rights: given },
        };
        desk.send_to(room, Some(&self.session), &self.link, body);
    }

    /// They are heard on it: it is open, if we accepted it.
    pub(super) fn open(&self, now: Instant, desk: &mut Desk, room: RoomId, asks: Vec<Ask>) -> Option<Link> {
        let Phase::Accepted { given, .. } = self.phase else {
            return None;
        };
        let terms = Terms {
            id: self.link.clone(),
            room,
            session: Arc::clone(&self.session),
            payload: self.payload.clone(),
            held: self.offered,
            given,
        };
        Some(Link::open(now, desk, terms, asks))
    }

    /// What time brings.
    pub(super) fn tick(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) -> Expiry {
        match &mut self.phase {
            Phase::Undecided { until, .. } if now >= *until => Expiry::Undecided,
            Phase::Accepted { until, .. } if now >= *until => Expiry::Unheard,
            Phase::Undecided { .. } => Expiry::No,
            Phase::Accepted { repeat, .. } => {
                if repeat.is_due(now) {
                    self.repeat_answer(desk, room);
                }
                Expiry::No
            }
        }
    }

    pub(super) fn timeout(&self) -> Instant {
        match self.phase {
            Phase::Undecided { until, .. } => until,
            Phase::Accepted { until, repeat, .. } => until.min(repeat.next),
        }
    }
}

/// Is its time over?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expiry {
    /// Not yet.
    No,
    /// Nobody decided.
    Undecided,
    /// We accepted and heard nothing.
    Unheard,
}

#[cfg(test)]
impl Knock {
    pub(super) fn shift(&mut self, back: std::time::Duration) {
        match &mut self.phase {
            Phase::Undecided { until, .. } => *until -= back,
            Phase::Accepted { until, repeat, .. } => {
                *until -= back;
                repeat.shift(back);
            }
        }
    }
}
