//! What there is between this room and one other.

use std::{sync::Arc, time::Instant};

use super::{
    FrameDrop,
    attempt::Attempt,
    desk::Desk,
    fault::Fault,
    knock::{Expiry, Knock, Request},
    link::{Link, Over},
};
use crate::wire::{ErrorCode, RoomId, link::LinkEnd, signal::LinkCloseReason};

/// A link, or what may become one. With a link there is nothing else.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    pub(super) attempt: Option<Attempt>,
    pub(super) knock: Option<Knock>,
    pub(super) link: Option<Link>,
}

impl Pair {
    pub(super) const fn is_empty(&self) -> bool {
        self.attempt.is_none() && self.knock.is_none() && self.link.is_none()
    }

    /// When both ask, one request is enough: while theirs is there, ours waits for what becomes of it.
    pub(super) fn yields(&self) -> bool {
        self.knock.is_some() && !Fault::NoGlare.is_planted()
    }

    /// They ask for a link while there is something between us already. That displaces nothing, for the frame may be late;
    /// but what there is gets said again, and if they do not know it any more, they say so and their next request finds
    /// nothing in its way.
    pub(super) fn meet(&mut self, now: Instant, desk: &mut Desk, room: &RoomId, request: Request) {
        if let Some(link) = &mut self.link {
            if link.terms.id != request.link {
                link.probe();
            }
            desk.counters.drop(FrameDrop::Superseded);
        } else if let Some(knock) = &self.knock {
            knock.repeat_answer(desk, room);
        } else if let Some(attempt) = &mut self.attempt {
            // Both ask. The lower name goes first, on both sides; whoever asks agrees.
            let ours_is_first = (&desk.own.room, &attempt.link) < (room, &request.link);
            if ours_is_first && !Fault::NoGlare.is_planted() {
                attempt.resume(now, desk, room);
                desk.counters.drop(FrameDrop::Superseded);
                return;
            }
            let mut knock = Knock::new(now, desk, request);
            knock.accept(now, desk, room, attempt.rights);
            self.knock = Some(knock);
        }
    }

    /// Their request is over without a link. Ours goes on.
    pub(super) fn resume(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        if let Some(attempt) = &mut self.attempt {
            attempt.resume(now, desk, room);
        }
    }

    /// Nobody is there to answer our request.
    pub(super) fn away(&mut self, now: Instant, desk: &mut Desk, code: ErrorCode) {
        let keep = self
            .attempt
            .as_mut()
            .is_some_and(|attempt| attempt.away(now, &desk.limits, code));
        if keep {
            if let Some(attempt) = &mut self.attempt {
                attempt.answer(now, desk);
            }
        } else if let Some(attempt) = self.attempt.take() {
            attempt.fail(now, desk, code);
        }
    }

    /// Their request is void.
    pub(super) fn withdraw(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        if let Some(knock) = self.knock.take() {
            knock.withdraw(now, desk);
            self.resume(now, desk, room);
        }
    }

    /// They close what we are asking for.
    pub(super) fn turned_down(&mut self, now: Instant, desk: &mut Desk, said: LinkEnd) {
        match said {
            LinkEnd::Ended | LinkEnd::Unknown => self.away(now, desk, ErrorCode::RoomNotFound),
            LinkEnd::Closed | LinkEnd::Policy | LinkEnd::Overflow => {
                if let Some(attempt) = self.attempt.take() {
                    attempt.fail(now, desk, ErrorCode::LinkDenied);
                }
            }
        }
    }

    /// They are heard on a link that we accepted: it is open.
    pub(super) fn open_accepted(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) -> bool {
        let asks = self
            .attempt
            .as_ref()
            .map_or_else(Vec::new, |attempt| attempt.asks.clone());
        let link = self
            .knock
            .as_ref()
            .and_then(|knock| knock.open(now, desk, room.clone(), asks));
        let opened = link.is_some();
        if opened {
            self.link = link;
            self.knock = None;
            if let Some(attempt) = self.attempt.take() {
                attempt.give_way(now, desk);
            }
        }
        opened
    }

    pub(super) fn end(&mut self, now: Instant, desk: &mut Desk, over: Over) {
        if let Some(link) = self.link.take() {
            link.end(now, desk, over);
        }
    }

    /// What time brings, and what was left to be said.
    pub(super) fn tick(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        match self.knock.as_mut().map(|knock| knock.tick(now, desk, room)) {
            Some(Expiry::Undecided) => {
                if let Some(knock) = self.knock.take() {
                    knock.refuse(now, desk, room, ErrorCode::LinkTimeout);
                }
                self.resume(now, desk, room);
            }
            Some(Expiry::Unheard) => {
                self.knock = None;
                self.resume(now, desk, room);
            }
            Some(Expiry::No) | None => {}
        }
        let yields = self.yields();
        let failed = self
            .attempt
            .as_mut()
            .and_then(|attempt| attempt.tick(now, desk, room, yields));
        if let Some(code) = failed
            && let Some(attempt) = self.attempt.take()
        {
            desk.close(room, &attempt.link, LinkEnd::Closed);
            attempt.fail(now, desk, code);
        }
        if let Some(over) = self.link.as_mut().and_then(|link| link.tick(now, desk)) {
            self.end(now, desk, over);
        }
        if let Some(link) = &mut self.link {
            link.flush(now, desk);
        }
    }

    pub(super) fn timeout(&self, desk: &Desk) -> Option<Instant> {
        let knock = self.knock.as_ref().map(Knock::timeout);
        let attempt = self.attempt.as_ref().map(|attempt| attempt.timeout(self.yields()));
        let link = self.link.as_ref().map(|link| link.timeout(desk));
        [knock, attempt, link].into_iter().flatten().min()
    }

    /// The room's rules no longer allow it.
    pub(super) fn forbid(&mut self, now: Instant, desk: &mut Desk, room: &RoomId) {
        let over = Over {
            said: Some(LinkEnd::Policy),
            reason: LinkCloseReason::Policy,
        };
        self.end(now, desk, over);
        if let Some(knock) = self.knock.take() {
            if knock.is_undecided() {
                knock.refuse(now, desk, room, ErrorCode::LinkDenied);
            } else {
                desk.close(room, &knock.link, LinkEnd::Policy);
                knock.withdraw(now, desk);
            }
        }
        if let Some(attempt) = self.attempt.take() {
            desk.close(room, &attempt.link, LinkEnd::Policy);
            attempt.fail(now, desk, ErrorCode::LinkDenied);
        }
    }

    /// The room session is over, and with it everything here. The room needs to hear nothing any more.
    pub(super) fn say_ended(self, desk: &mut Desk, room: &RoomId) {
        let asked = self.attempt.map(|attempt| attempt.link);
        let accepted = self.knock.map(|knock| knock.link);
        let open = self.link.map(|link| link.terms.id);
        for link in [asked, accepted, open].into_iter().flatten() {
            desk.close(room, &link, LinkEnd::Ended);
        }
    }

    /// There is nobody: neither for the link nor for what might have become one.
    pub(super) fn unreachable(
        &mut self,
        now: Instant,
        desk: &mut Desk,
        room: &RoomId,
        session: Option<&Arc<str>>,
        code: ErrorCode,
    ) {
        let concerns = |own: &Arc<str>| session.is_none_or(|session| session == own);
        if self.link.as_ref().is_some_and(|link| concerns(&link.terms.session)) {
            let over = Over {
                said: None,
                reason: if matches!(code, ErrorCode::RoomNotFound | ErrorCode::RoomNotLive) {
                    LinkCloseReason::RemoteEnded
                } else if code == ErrorCode::NodeLost {
                    LinkCloseReason::NodeLost
                } else {
                    LinkCloseReason::Unreachable
                },
            };
            self.end(now, desk, over);
        }
        match self.knock.take_if(|knock| concerns(&knock.session)) {
            Some(knock) => {
                knock.withdraw(now, desk);
                self.resume(now, desk, room);
            }
            None if self.yields() => {}
            None => {
                if self.attempt.as_ref().is_some_and(|attempt| attempt.concerns(session)) {
                    self.away(now, desk, code);
                }
            }
        }
    }
}

#[cfg(test)]
impl Pair {
    pub(super) fn shift(&mut self, now: Instant, back: std::time::Duration) {
        if let Some(attempt) = &mut self.attempt {
            attempt.shift(now, back);
        }
        if let Some(knock) = &mut self.knock {
            knock.shift(back);
        }
        if let Some(link) = &mut self.link {
            link.shift(now, back);
        }
    }
}
