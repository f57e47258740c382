//! How a link is made: by asking, by being asked, or both at once.

use std::time::{Duration, Instant};

use super::{
    Decision, LinkEvent, Links, RequestId,
    attempt::{Attempt, Wish},
    counters::FrameDrop,
    fault::Fault,
    knock::{Knock, Request},
    link::{Link, Terms},
    tombs::Epitaph,
};
use crate::wire::{
    ErrorCode, RoomId,
    link::{LinkId, PAYLOAD_BYTES_MAX, Person, Rights, RoomAddress},
};

impl Links {
    pub(super) fn handle_open(&mut self, now: Instant, room: RoomId, wish: Wish) {
        let Self { desk, pairs, .. } = self;
        if room == desk.own.room {
            return desk.answer_all(wish.ask, Err(ErrorCode::SameRoom));
        }
        if wish
            .payload
            .as_ref()
            .is_some_and(|json| json.as_str().len() > PAYLOAD_BYTES_MAX)
        {
            return desk.answer_all(wish.ask, Err(ErrorCode::MessageTooLarge));
        }
        if let Some(pair) = pairs.get_mut(&room) {
            match (wish.ask, &mut pair.link, &mut pair.attempt) {
                (Some(ask), Some(link), _) => return link.join(desk, ask),
                (Some(ask), None, Some(attempt)) => return attempt.join(now, desk, &room, ask, wish.wait_until),
                (None, Some(_), _) | (None, _, Some(_)) => return,
                (_, None, None) => {}
            }
        } else if pairs.len() >= desk.limits.links {
            return desk.answer_all(wish.ask, Err(ErrorCode::LinkLimit));
        }
        let per_second = desk.limits.opens_per_second.max(1);
        let interval = Duration::from_secs(1) / per_second;
        if wish.ask.is_some() && !self.opens.allow(now, interval, per_second) {
            return desk.answer_all(wish.ask, Err(ErrorCode::RateLimited));
        }
        let attempt = Attempt::new(now, desk, wish);
        let pair = pairs.entry(room.clone()).or_default();
        match &mut pair.knock {
            // They asked first: who asks back agrees.
            Some(knock) if knock.is_undecided() => knock.accept(now, desk, &room, attempt.rights),
            Some(_) => {}
            None if attempt.is_away() => {}
            None => attempt.send(desk, &room),
        }
        pair.attempt = Some(attempt);
    }

    pub(super) fn handle_request(&mut self, now: Instant, room: RoomId, by: Person, request: Request) {
        let Self { desk, pairs, .. } = self;
        if let Some(epitaph) = desk.tombs.get(now, &request.link) {
            return desk.send(&room, &request.link, epitaph.body());
        }
        if let Some(pair) = pairs.get_mut(&room) {
            return pair.meet(now, desk, &room, request);
        }
        let interval = Duration::from_secs(1) / desk.limits.opens_per_second.max(1);
        let refusal = if pairs.len() >= desk.limits.links {
            Some(ErrorCode::LinkLimit)
        } else if !self.requests.allow(now, interval, desk.limits.requests_burst) {
            Some(ErrorCode::RateLimited)
        } else {
            None
        };
        if let Some(code) = refusal {
            let epitaph = Epitaph::Refused(code);
            desk.send(&room, &request.link, epitaph.body());
            return desk.bury(now, request.link, epitaph);
        }
        let payload = request.payload.clone();
        let knock = Knock::new(now, desk, request);
        let request = knock.request;
        pairs.entry(room.clone()).or_default().knock = Some(knock);
        desk.tell(LinkEvent::Requested {
            request,
            room,
            by,
            payload,
        });
    }

    pub(super) fn handle_decide(&mut self, now: Instant, request: RequestId, decision: Decision) {
        let Self { desk, pairs, .. } = self;
        let waits = |knock: &Knock| knock.request == request && knock.is_undecided();
        let Some((room, pair)) = pairs
            .iter_mut()
            .find(|(_, pair)| pair.knock.as_ref().is_some_and(waits))
        else {
            return;
        };
        match (decision, &mut pair.knock) {
            (Decision::Ask, Some(knock)) => knock.wait(desk, room),
            (Decision::Accept { rights }, Some(knock)) => {
                knock.accept(now, desk, room, rights);
                if Fault::HalfOpen.is_planted() {
                    pair.open_accepted(now, desk, room);
                }
            }
            (Decision::Refuse { code }, knock) => {
                if let Some(knock) = knock.take() {
                    knock.refuse(now, desk, room, code);
                }
            }
            (Decision::Ask | Decision::Accept { .. }, None) => {}
        }
    }

    /// What the other room says to a request of ours.
    pub(super) fn handle_answer(&mut self, now: Instant, from: RoomAddress, id: LinkId, answer: Answer) {
        let Self { desk, pairs, .. } = self;
        let RoomAddress { room, session } = from;
        if let Some(pair) = pairs.get_mut(&room) {
            if let Some(link) = pair.link.as_mut().filter(|link| link.terms.id == id) {
                // They have not heard yet that we have heard.
                if let (Answer::Accepted(_), true) = (answer, link.terms.session == session) {
                    link.probe();
                }
                return;
            }
            let yields = pair.yields();
            if let Some(attempt) = pair.attempt.as_mut().filter(|attempt| attempt.link == id) {
                match answer {
                    _ if yields => {}
                    Answer::Pending => attempt.pending(now, &session),
                    Answer::Accepted(held) => {
                        let terms = Terms {
                            id,
                            session,
                            held,
                            given: attempt.rights,
                            payload: attempt.payload.clone(),
                            room,
                        };
                        let asks = std::mem::take(&mut attempt.asks);
                        pair.link = Some(Link::open(now, desk, terms, asks));
                        pair.attempt = None;
                    }
                    Answer::Refused(code @ (ErrorCode::RoomNotFound | ErrorCode::RoomNotLive)) => {
                        pair.away(now, desk, code);
                    }
                    Answer::Refused(code) => {
                        if let Some(attempt) = pair.attempt.take() {
                            attempt.fail(now, desk, code);
                        }
                    }
                }
                return;
            }
        }
        desk.counters.drop(FrameDrop::UnknownLink);
        match answer {
            Answer::Pending | Answer::Accepted(_) => desk.disown(now, &room, &id),
            Answer::Refused(_) => {}
        }
    }
}

/// What is said to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Answer {
    Pending,
    /// With what we may do there.
    Accepted(Rights),
    Refused(ErrorCode),
}
