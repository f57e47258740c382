//! A link that we ask for.

use std::{sync::Arc, time::Duration, time::Instant};

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
    /// Until then a room that is not there is asked again, because somebody waits for it.
    wait_until: Instant,
    /// The same because there was a link, and the other room's node died.
    again: Option<Again>,
    /// Until then it has to answer.
    deadline: Instant,
    repeat: Repeat,
    /// It was not there when last asked.
    away: Option<ErrorCode>,
    /// The occurrence that said it is thinking about it.
    session: Option<Arc<str>>,
}

/// A link that is to be opened again. Nobody waits for it, so it has time; many rooms may want it at once, so each has pauses
/// of its own.
#[derive(Clone, Debug)]
struct Again {
    until: Instant,
    /// The next pause, before it is spread.
    pause: Duration,
}

/// What somebody wants.
#[derive(Debug)]
pub(super) struct Wish {
    /// `None`: nobody waits for it, the link is opened again.
    pub(super) ask: Option<Ask>,
    pub(super) payload: Option<Json>,
    pub(super) by: Person,
    pub(super) rights: Rights,
    pub(super) wait_until: Instant,
}

/// Those who wait for one link. More than this nobody needs.
pub(super) const ASKS_MAX: usize = 64;

impl Attempt {
    pub(super) fn new(now: Instant, desk: &mut Desk, wish: Wish) -> Self {
        let again = Again {
            until: wish.wait_until,
            pause: desk.limits.retry,
        };
        let is_again = wish.ask.is_none();
        let mut attempt = Self {
            link: desk.next_link(),
            asks: wish.ask.into_iter().collect(),
            payload: wish.payload,
            by: wish.by,
            rights: wish.rights,
            wait_until: if is_again { now } else { wish.wait_until },
            again: is_again.then_some(again),
            deadline: now + desk.limits.give_up,
            repeat: pace(now, &desk.limits),
            away: None,
            session: None,
        };
        if is_again {
            attempt.away(now, &desk.limits, ErrorCode::NodeLost);
        }
        attempt
    }

    /// One more waits for it. Who finds one that had time makes it one that has not.
    pub(super) fn join(&mut self, now: Instant, desk: &mut Desk, room: &RoomId, ask: Ask, wait_until: Instant) {
        if self.asks.len() >= ASKS_MAX {
            desk.answer(ask, Err(ErrorCode::RateLimited));
            return;
        }
        self.asks.push(ask);
        self.wait_until = self.wait_until.max(wait_until);
        if self.again.is_some() && self.away.is_some() {
            self.ask_again(now, desk, room);
        }
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
        let pause = match &mut self.again {
            Some(again) if now >= self.wait_until => {
                let pause = again.pause;
                again.pause = (pause * 2).min(limits.retry_max);
                spread(pause, &self.link)
            }
            Some(_) | None => limits.retry,
        };
        self.repeat = Repeat::new(now, pause, pause);
        now < self.wait_until || self.is_again(now)
    }

    /// Is it known that nobody is there?
    pub(super) const fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Is it asked on although nobody waits for it?
    fn is_again(&self, now: Instant) -> bool {
        self.again.as_ref().is_some_and(|again| now < again.until)
    }

    /// Those who wait have waited long enough.
    pub(super) fn answer(&mut self, now: Instant, desk: &mut Desk) {
        if let Some(code) = self.away.filter(|_| now >= self.wait_until) {
            desk.answer_all(std::mem::take(&mut self.asks), Err(code));
        }
    }

    fn ask_again(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        self.deadline = now + desk.limits.give_up;
        // Another name: they may remember that they refused the last one.
        self.link = desk.next_link();
        self.resume(now, desk, room);
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
                self.answer(now, desk);
                if now >= self.wait_until && !self.is_again(now) {
                    return Some(code);
                }
                if self.repeat.is_due(now) {
                    self.ask_again(now, desk, room);
                }
            }
            Some(_) | None => {
                if now >= self.deadline {
                    let code = ErrorCode::LinkTimeout;
                    if !self.is_again(now) {
                        return Some(code);
                    }
                    self.away(now, &desk.limits, code);
                    self.answer(now, desk);
                    return None;
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
            Some(_) if self.asks.is_empty() => {
                let until = self.again.as_ref().map_or(self.wait_until, |again| again.until);
                self.repeat.next.min(until.max(self.wait_until))
            }
            Some(_) => self.repeat.next.min(self.wait_until),
            None => self.repeat.next.min(self.deadline),
        }
    }
}

fn pace(now: Instant, limits: &LinkLimits) -> Repeat {
    Repeat::new(now, limits.repeat_first, limits.repeat_max)
}

/// Half of a pause to all of it: other attempts, which have other names, have other pauses.
fn spread(pause: Duration, link: &LinkId) -> Duration {
    // FNV-1a: the same on every node, and nobody gains by choosing its input.
    let hash = link.0.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    pause / 2 + (pause / 2).mul_f64((hash >> 40) as f64 / (1_u64 << 24) as f64)
}

#[cfg(test)]
impl Attempt {
    pub(super) fn shift(&mut self, now: Instant, back: std::time::Duration) {
        // A wait that is over is written as over now, so that equal states look equal.
        self.wait_until = self.wait_until.max(now) - back;
        self.deadline = self.deadline.max(now) - back;
        if let Some(again) = &mut self.again {
            again.until = again.until.max(now) - back;
        }
        self.repeat.shift(back);
    }
}
