//! A participant's signalling session: numbered messages, kept until seen, so that a new socket can take it up again.

use std::{collections::VecDeque, fmt, sync::Arc};

use super::{Frame, Output, SocketKey};
use crate::wire::{ResumeKey, signal};

/// Messages kept for a resume.
const KEPT_MAX: usize = 1_000;
/// Bytes kept for a resume.
const KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Messages that may wait to be sent with more of them: all of them are still kept then.
pub(super) const WAITING_MAX: usize = 32;

/// One session, attached to a socket or waiting for the next.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: ResumeKey,
    pub(super) socket: Option<SocketKey>,
    /// The largest request id seen; all up to it have been answered.
    pub(super) last_request: u32,
    pub(super) outbox: Outbox,
}

impl Session {
    pub(super) fn new(key: ResumeKey, socket: SocketKey, request: u32) -> Self {
        Self {
            key,
            socket: Some(socket),
            last_request: request,
            outbox: Outbox::default(),
        }
    }

    /// Sends what has waited for more of it.
    pub(super) fn send_waiting(&mut self, outputs: &mut VecDeque<Output>) {
        let socket = self.socket;
        let frames = self.outbox.take_waiting();
        // Without a socket they are kept for the next one.
        outputs.extend(frames.filter_map(|frame| socket.map(|socket| Output::Send { socket, frame })));
    }
}

/// More was missed than is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap;

struct Kept {
    re: Option<u32>,
    body: Arc<str>,
}

impl Kept {
    fn frame(&self, seq: u64) -> Frame {
        Frame::new(signal::frame(Some(seq), self.re, &self.body))
    }
}

impl fmt::Debug for Kept {
    /// Without the body, which is for the client alone: it may hold a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kept({:?}, {} bytes)", self.re, self.body.len())
    }
}

/// Messages with their numbers. Bounded: the oldest are dropped first, and a resume that would need them fails.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Number of the last message; 0 before the first.
    last: u64,
    kept: VecDeque<Kept>,
    bytes: usize,
    /// The latest of those kept that were not sent yet.
    waiting: usize,
}

impl Outbox {
    /// Numbers a message and keeps it. The body is shared with the other sessions it goes to.
    pub(super) fn push(&mut self, re: Option<u32>, body: Arc<str>) -> u64 {
        self.last += 1;
        self.bytes += body.len();
        self.kept.push_back(Kept { re, body });
        while self.kept.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            self.drop_oldest();
        }
        self.last
    }

    /// Numbers and keeps a message that may wait for more of its kind. Answers how many do, [`WAITING_MAX`] at most.
    pub(super) fn push_to_wait(&mut self, body: Arc<str>) -> usize {
        self.push(None, body);
        self.waiting += 1;
        self.waiting
    }

    /// Frames of those that waited, in order; they are sent now.
    pub(super) fn take_waiting(&mut self) -> impl Iterator<Item = Frame> + '_ {
        // Whoever says it has seen what was not sent does without it.
        let count = std::mem::take(&mut self.waiting).min(self.kept.len());
        let numbered = (self.first_kept()..).zip(&self.kept);
        numbered
            .skip(self.kept.len() - count)
            .map(|(seq, kept)| kept.frame(seq))
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.bytes -= oldest.body.len();
        }
    }

    fn first_kept(&self) -> u64 {
        self.last + 1 - self.kept.len() as u64
    }

    /// Number of the last message that was sent.
    #[cfg(test)]
    pub(super) const fn last_sent(&self) -> u64 {
        self.last - self.waiting as u64
    }

    /// The client has seen everything up to this number. One that was never sent is ignored.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        while seq <= self.last && self.first_kept() <= seq {
            self.drop_oldest();
        }
    }

    /// Nothing of what was said so far will be asked for.
    pub(super) fn acknowledge_all(&mut self) {
        self.acknowledge(self.last);
    }

    /// Frames after this number, in order, those that waited among them.
    pub(super) fn since(&mut self, seq: u64) -> Result<Vec<Frame>, Gap> {
        let first = self.first_kept();
        if seq > self.last || seq + 1 < first {
            return Err(Gap);
        }
        self.waiting = 0;
        let skipped = usize::try_from(seq + 1 - first).unwrap_or(usize::MAX);
        let numbered = (first..).zip(&self.kept).skip(skipped);
        Ok(numbered.map(|(seq, kept)| kept.frame(seq)).collect())
    }

    /// Whether something waits.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Arc<str> {
        Arc::from(format!("{{\"type\":\"{text}\"}}"))
    }

    #[test]
    fn missed_messages_come_once_and_in_order() {
        let mut outbox = Outbox::default();
        for n in 1..=5 {
            assert_eq!(outbox.push((n == 4).then_some(9), body(&n.to_string())), n);
        }
        let missed = outbox.since(3).unwrap().into_iter().map(Frame::into_text);
        assert_eq!(
            missed.collect::<Vec<String>>(),
            [r#"{"seq":4,"re":9,"type":"4"}"#, r#"{"seq":5,"type":"5"}"#]
        );
        assert_eq!(outbox.since(5).unwrap(), []);
        assert_eq!(outbox.since(0).unwrap().len(), 5);
        assert_eq!(outbox.since(6), Err(Gap), "a number that was never given");
    }

    #[test]
    fn what_was_seen_is_not_kept() {
        let mut outbox = Outbox::default();
        (0..5).for_each(|_| assert!(outbox.push(None, body("x")) > 0));
        outbox.acknowledge(99);
        assert_eq!(outbox.size().0, 5);
        outbox.acknowledge(3);
        outbox.acknowledge(2);
        assert_eq!(outbox.size().0, 2);
        assert_eq!(outbox.since(3).map(|frames| frames.len()), Ok(2));
        assert_eq!(outbox.since(2), Err(Gap));
    }

    #[test]
    fn what_waits_is_sent_once_and_in_order_whether_asked_for_or_missed() {
        let mut outbox = Outbox::default();
        outbox.push(None, body("sent"));
        assert_eq!([outbox.push_to_wait(body("a")), outbox.push_to_wait(body("b"))], [1, 2]);
        assert_eq!(outbox.last_sent(), 1);
        let texts: Vec<_> = outbox.take_waiting().map(Frame::into_text).collect();
        assert_eq!(texts, [r#"{"seq":2,"type":"a"}"#, r#"{"seq":3,"type":"b"}"#]);
        assert_eq!(outbox.take_waiting().count(), 0);
        outbox.push_to_wait(body("c"));
        assert_eq!(outbox.since(3).map(|frames| frames.len()), Ok(1));
        assert_eq!(outbox.take_waiting().count(), 0, "a resume has asked for it");
        outbox.push_to_wait(body("d"));
        outbox.acknowledge(5);
        assert_eq!(outbox.take_waiting().count(), 0, "seen, says who was not told");
    }

    #[test]
    fn what_is_kept_for_a_client_does_not_show_in_debug() {
        let mut outbox = Outbox::default();
        outbox.push(None, body("secret"));
        let shown = format!("{outbox:?}{:?}", outbox.since(0));
        assert!(shown.contains("bytes") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn the_outbox_is_bounded_in_number_and_bytes() {
        let mut outbox = Outbox::default();
        (0..KEPT_MAX + 10).for_each(|_| assert!(outbox.push(None, body("x")) > 0));
        assert_eq!(outbox.size().0, KEPT_MAX);
        assert_eq!(outbox.since(9), Err(Gap));
        assert!(outbox.since(10).is_ok());
        outbox.push(None, body(&"x".repeat(KEPT_BYTES_MAX)));
        assert_eq!(outbox.size(), (0, 0));
        assert_eq!(outbox.since(outbox.last_sent()), Ok(Vec::new()));
    }
}
