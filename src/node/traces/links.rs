//! How long a link takes to open, seen from both rooms: from the request until it is answered.

use std::collections::HashMap;
use std::time::Instant;

use super::{Span, Traces};
use crate::wire::RoomId;
use crate::wire::link::{LinkBody, LinkFrame, LinkId};

/// Links of one room that are opening, or opened lately: both sides repeat themselves.
const LINKS_MAX: usize = 256;

/// Links of a room that are opening.
pub(in crate::node) struct OpeningLinks {
    traces: Traces,
    /// `None`: it has been told of.
    known: HashMap<LinkId, Option<Opening>>,
}

#[derive(Clone, Debug)]
struct Opening {
    began: Instant,
    /// Who asked whom.
    rooms: [RoomId; 2],
    /// This room asked.
    is_ours: bool,
}

impl OpeningLinks {
    pub(in crate::node) fn new(traces: Traces) -> Self {
        Self {
            traces,
            known: HashMap::new(),
        }
    }

    /// Another room says this.
    pub(in crate::node) fn heard(&mut self, frame: &LinkFrame) {
        self.pass(frame, false);
    }

    /// This room says this.
    pub(in crate::node) fn said(&mut self, frame: &LinkFrame) {
        self.pass(frame, true);
    }

    fn pass(&mut self, frame: &LinkFrame, is_ours: bool) {
        if !self.traces.is_on() {
            return;
        }
        match &frame.body {
            LinkBody::Request { .. } => self.begin(frame, is_ours),
            LinkBody::Accept { .. } => self.end(frame, !is_ours, None),
            LinkBody::Refuse { code } => self.end(frame, !is_ours, Some(code.as_str())),
            LinkBody::Close { .. } => {
                self.end(frame, is_ours, Some("closed"));
                self.end(frame, !is_ours, Some("closed"));
            }
            LinkBody::Pending | LinkBody::Data { .. } | LinkBody::Ack { .. } => {}
        }
    }

    fn begin(&mut self, request: &LinkFrame, is_ours: bool) {
        if self.known.contains_key(&request.link) {
            return;
        }
        if self.known.len() >= LINKS_MAX {
            self.known.retain(|_, opening| opening.is_some());
        }
        if self.known.len() < LINKS_MAX {
            let opening = Opening {
                began: Instant::now(),
                rooms: [request.from.room.clone(), request.to.clone()],
                is_ours,
            };
            self.known.insert(request.link.clone(), Some(opening));
        }
    }

    /// `of_ours`: it answers what this room asked, or else what it was asked.
    fn end(&mut self, frame: &LinkFrame, of_ours: bool, error: Option<&str>) {
        let Some(known) = self.known.get_mut(&frame.link) else {
            return;
        };
        let Some(opening) = known.take_if(|opening| opening.is_ours == of_ours) else {
            return;
        };
        let Some(trace) = self.traces.of_link(&frame.link) else {
            return;
        };
        let span = if of_ours {
            Span::root(trace, "link.open", opening.began)
        } else {
            Span::part(trace, "link.answer", opening.began)
        };
        let [from, to] = opening.rooms;
        let span = span
            .with("enfilade.from", from.as_str())
            .with("enfilade.to", to.as_str());
        self.traces.tell(span.failed(error));
    }
}
