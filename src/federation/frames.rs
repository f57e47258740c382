//! Frames of other rooms: checked, and given to whom they concern.

use std::{sync::Arc, time::Instant};

use super::{FrameDrop, Links, fault::Fault, handshake::Answer, knock::Request, link::Over, tombs::Epitaph};
use crate::wire::{
    ErrorCode, RoomId,
    link::{LINK_VERSION, LinkBody, LinkEnd, LinkFrame, LinkId, LinkMessage, RoomAddress},
    signal::LinkCloseReason,
};

impl Links {
    pub(super) fn handle_frame(&mut self, now: Instant, frame: LinkFrame) {
        self.desk.counters.received += 1;
        let own = &self.desk.own.room;
        if frame.to != *own || frame.from.room == *own || frame.check().is_err() {
            return self.desk.counters.drop(FrameDrop::Malformed);
        }
        let LinkFrame {
            v,
            link,
            from,
            to_session,
            body,
            ..
        } = frame;
        if v != LINK_VERSION {
            self.desk.counters.drop(FrameDrop::Malformed);
            if let LinkBody::Request { .. } = body {
                let code = ErrorCode::UnsupportedVersion;
                self.desk.send(&from.room, &link, LinkBody::Refuse { code });
            }
            return;
        }
        let meant = to_session.is_none_or(|session| session == self.desk.own.session);
        if !meant && !Fault::IgnoreSession.is_planted() {
            self.desk.counters.drop(FrameDrop::OtherSession);
            return match body {
                LinkBody::Pending | LinkBody::Accept { .. } | LinkBody::Data { .. } | LinkBody::Ack { .. } => {
                    self.desk.disown(now, &from.room, &link);
                }
                LinkBody::Request { .. } | LinkBody::Refuse { .. } | LinkBody::Close { .. } => {}
            };
        }
        match body {
            LinkBody::Request { payload, by, rights } => {
                let RoomAddress { room, session } = from;
                let request = Request {
                    link,
                    session,
                    payload,
                    offered: rights,
                };
                self.handle_request(now, room, by, request);
            }
            LinkBody::Pending => self.handle_answer(now, from, link, Answer::Pending),
            LinkBody::Accept { rights } => self.handle_answer(now, from, link, Answer::Accepted(rights)),
            LinkBody::Refuse { code } => self.handle_answer(now, from, link, Answer::Refused(code)),
            LinkBody::Data { seq, ack, message } => self.handle_stream(now, &from, &link, ack, Some((seq, message))),
            LinkBody::Ack { ack } => self.handle_stream(now, &from, &link, ack, None),
            LinkBody::Close { reason } => self.handle_closed(now, &from, link, reason),
        }
    }

    /// A message, or only how far ours have come.
    fn handle_stream(
        &mut self,
        now: Instant,
        from: &RoomAddress,
        id: &LinkId,
        ack: u64,
        data: Option<(u64, LinkMessage)>,
    ) {
        let Self { desk, pairs, .. } = self;
        let RoomAddress { room, session } = from;
        let same = |known: &Arc<str>| known == session || Fault::IgnoreSession.is_planted();
        if let Some(pair) = pairs.get_mut(room) {
            let knock = pair.knock.as_ref().filter(|knock| knock.link == *id);
            match knock.map(|knock| same(&knock.session)) {
                Some(true) if !pair.open_accepted(now, desk, room) => {
                    return desk.counters.drop(FrameDrop::Impossible);
                }
                Some(false) => {
                    desk.counters.drop(FrameDrop::OtherSession);
                    pair.withdraw(now, desk, room);
                    return desk.disown(now, room, id);
                }
                Some(true) | None => {}
            }
            if let Some(link) = pair.link.as_mut().filter(|link| link.terms.id == *id) {
                let over = if !same(&link.terms.session) {
                    desk.counters.drop(FrameDrop::OtherSession);
                    Some(Over::ANOTHER_SESSION)
                } else if link.acknowledged(now, desk, ack) {
                    link.hear(now, desk);
                    match data {
                        Some((seq, message)) => link.receive(now, desk, seq, message),
                        None => {
                            // Nothing more is on its way that would have to be waited for.
                            link.greet(desk);
                            None
                        }
                    }
                } else {
                    None
                };
                if let Some(over) = over {
                    pair.end(now, desk, over);
                }
                return;
            }
        }
        desk.counters.drop(FrameDrop::UnknownLink);
        desk.disown(now, room, id);
    }

    fn handle_closed(&mut self, now: Instant, from: &RoomAddress, id: LinkId, said: LinkEnd) {
        let Self { desk, pairs, .. } = self;
        let RoomAddress { room, session } = from;
        if let Some(pair) = pairs.get_mut(room) {
            if let Some(link) = pair.link.as_ref().filter(|link| link.terms.id == id) {
                let reason = if link.terms.session == *session {
                    reason(said)
                } else {
                    LinkCloseReason::RemoteEnded
                };
                return pair.end(now, desk, Over { said: None, reason });
            }
            if pair.knock.as_ref().is_some_and(|knock| knock.link == id) {
                return pair.withdraw(now, desk, room);
            }
            if pair.attempt.as_ref().is_some_and(|attempt| attempt.link == id) {
                if !pair.yields() {
                    pair.turned_down(now, desk, said);
                }
                return;
            }
        }
        // It may have overtaken the request that it is about.
        desk.counters.drop(FrameDrop::UnknownLink);
        if desk.tombs.get(now, &id).is_none() {
            desk.bury(now, id, Epitaph::Closed(LinkEnd::Unknown));
        }
    }

    pub(super) fn handle_unreachable(
        &mut self,
        now: Instant,
        room: &RoomId,
        session: Option<&Arc<str>>,
        code: ErrorCode,
    ) {
        if let Some(pair) = self.pairs.get_mut(room) {
            pair.unreachable(now, &mut self.desk, room, session, code);
        }
    }
}

/// What a link that they end is over for.
const fn reason(said: LinkEnd) -> LinkCloseReason {
    match said {
        LinkEnd::Closed => LinkCloseReason::ClosedRemote,
        LinkEnd::Ended => LinkCloseReason::RemoteEnded,
        LinkEnd::Unknown => LinkCloseReason::Unreachable,
        LinkEnd::Policy => LinkCloseReason::Policy,
        LinkEnd::Overflow => LinkCloseReason::Limit,
    }
}
