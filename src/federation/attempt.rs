//! A link that we ask for.

use std::{sync::Arc, time::Instant};

use super::{Ask, LinkLimits, desk::Desk, pace::Repeat, tombs::Epitaph};
use crate::wire::{
    ErrorCode, Json, RoomId,
    link::{LinkBody, LinkEnd, LinkId, Person, Rights},
};

/// Asked for until it is answered, given up, or made by the other side's request.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) link: LinkId,
    /// Everybody who waits for it.
    pub(super) asks: Vec<Ask>,
    pub(super) payload: Option<Json>,
    by: Person,
    /// What they may do here.
    pub(super) rights: Rights,
    /// Until then a room that is not there is asked again.
    wait_until: Instant,
    /// Until then it has to answer.
    deadline: Instant,
    repeat: Repeat,
    /// It was not there when last asked.
    away: Option<ErrorCode>,
    /// The occurrence that said it is thinking about it.
    session: Option<Arc<str>>,
}

/// What somebody wants.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) ask: Ask,
    pub(super) payload: Option<Json>,
    pub(super) by: Person,
    pub(super) rights: Rights,
    pub(super) wait_until: Instant,
}

/// Those who wait for one link. More than this nobody needs.
pub(super) const ASKS_MAX: usize = 64;

impl Attempt {
    pub(super) fn new(now: Instant, desk: &mut Desk, wish: Wish) -> Self {
        Self {
            link: desk.next_link(),
            asks: vec![wish.ask],
            payload: wish.payload,
            by: wish.by,
            rights: wish.rights,
            wait_until: wish.wait_until,
            deadline: now + desk.limits.give_up,
            repeat: pace(now, &desk.limits),
            away: None,
            session: None,
        }
    }

    /// One more waits for it.
    pub(super) fn join(&mut self, desk: &mut Desk, ask: Ask, wait_until: Instant) {
        if self.asks.len() >= ASKS_MAX {
            desk.answer(ask, Err(ErrorCode::RateLimited));
            return;
        }
        self.asks.push(ask);
        self.wait_until = self.wait_until.max(wait_until);
    }

    pub(super) fn send(&self, desk: &mut Desk, room: &RoomId) {
        let request = LinkBody::Request {
            payload: self.payload.clone(),
            by: self.by.clone(),
            rights: self.rights,
        };
        desk.send(room, &self.link, request);
    }

    /// Asks from the start, the time that is left being what it is.
    pub(super) fn resume(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        self.away = None;
        self.repeat = pace(now, &desk.limits);
        self.send(desk, room);
    }

    /// The other side thinks about it. It is asked on, slowly: its answer may get lost.
    pub(super) fn pending(&mut self, now: Instant, session: &Arc<str>) {
        self.session = Some(Arc::clone(session));
        self.repeat.slow_down(now);
    }

    /// Is what is said of this session said of the one that was asked?
    pub(super) fn concerns(&self, session: Option<&Arc<str>>) -> bool {
        session.is_none_or(|session| self.session.as_ref() == Some(session))
    }

    /// Nobody is there. False: it is not worth asking again.
    pub(super) fn away(&mut self, now: Instant, limits: &LinkLimits, code: ErrorCode) -> bool {
        self.session = None;
        self.away = Some(code);
        self.repeat = Repeat::new(now, limits.retry, limits.retry);
        now < self.wait_until
    }

    /// It came to nothing.
    pub(super) fn fail(self, now: Instant, desk: &mut Desk, code: ErrorCode) {
        desk.bury(now, self.link, Epitaph::Closed(LinkEnd::Closed));
        desk.answer_all(self.asks, Err(code));
    }

    /// There is a link by their request, which answers those who wait.
    pub(super) fn give_way(self, now: Instant, desk: &mut Desk) {
        desk.bury(now, self.link, Epitaph::Closed(LinkEnd::Closed));
    }

    /// What time brings: the code with which it ends, if it does. One that `yields` to their request only waits.
    pub(super) fn tick(&mut self, now: Instant, desk: &mut Desk, room: &RoomId, yields: bool) -> Option<ErrorCode> {
        match self.away {
            Some(code) if !yields => {
                if now >= self.wait_until {
                    return Some(code);
                }
                if self.repeat.is_due(now) {
                    self.deadline = now + desk.limits.give_up;
                    // Another name: they may remember that they refused the last one.
                    self.link = desk.next_link();
                    self.resume(now, desk, room);
                }
            }
            Some(_) | None => {
                if now >= self.deadline {
                    return Some(ErrorCode::LinkTimeout);
                }
                if !yields && self.repeat.is_due(now) {
                    self.send(desk, room);
                }
            }
        }
        None
    }

    pub(super) fn timeout(&self, yields: bool) -> Instant {
        match self.away {
            _ if yields => self.deadline,
            Some(_) => self.repeat.next.min(self.wait_until),
            None => self.repeat.next.min(self.deadline),
        }
    }
}

fn pace(now: Instant, limits: &LinkLimits) -> Repeat {
    Repeat::new(now, limits.repeat_first, limits.repeat_max)
}

#[cfg(test)]
impl Attempt {
    pub(super) fn shift(&mut self, now: Instant, back: std::time::Duration) {
        // A wait that is over is written as over now, so that equal states look equal.
        self.wait_until = self.wait_until.max(now) - back;
        self.deadline = self.deadline.max(now) - back;
        self.repeat.shift(back);
    }
}
