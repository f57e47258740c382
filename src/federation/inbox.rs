//! The other room's stream: each message once, in order.

use std::collections::BTreeMap;

use super::{FrameDrop, fault::Fault};
use crate::wire::link::LinkMessage;

/// What has come and waits for what is missing before it. Bounded by the window.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    /// Everything up to here was given on.
    done: u64,
    waiting: BTreeMap<u64, LinkMessage>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is new.
    Kept,
    /// It was there already.
    Duplicate,
    /// It is not taken.
    Dropped(FrameDrop),
}

impl Inbox {
    /// Everything up to here has come.
    pub(super) fn ack(&self) -> u64 {
        if Fault::AckAhead.is_planted() {
            return self.waiting.last_key_value().map_or(self.done, |(seq, _)| *seq);
        }
        self.done
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn insert(&mut self, seq: u64, message: LinkMessage, window: usize) -> Arrival {
        if seq == 0 {
            return Arrival::Dropped(FrameDrop::Malformed);
        }
        if seq <= self.done || self.waiting.contains_key(&seq) {
            if Fault::NoDedupe.is_planted() {
                self.done = seq - 1;
                self.waiting.insert(seq, message);
            }
            return Arrival::Duplicate;
        }
        if seq - self.done > window as u64 {
            return Arrival::Dropped(FrameDrop::BeyondWindow);
        }
        self.waiting.insert(seq, message);
        Arrival::Kept
    }

    /// The next message in order, with its number.
    pub(super) fn next(&mut self) -> Option<(u64, LinkMessage)> {
        if Fault::OutOfOrder.is_planted() {
            let (seq, message) = self.waiting.pop_first()?;
            self.done = self.done.max(seq);
            return Some((seq, message));
        }
        let message = self.waiting.remove(&(self.done + 1))?;
        self.done += 1;
        Some((self.done, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(lost: u32) -> LinkMessage {
        LinkMessage::Gap { lost }
    }

    fn drain(inbox: &mut Inbox) -> Vec<u64> {
        std::iter::from_fn(|| inbox.next()).map(|(seq, _)| seq).collect()
    }

    #[test]
    fn messages_come_out_once_and_in_order_whatever_the_way_did() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.insert(2, gap(2), 4), Arrival::Kept);
        assert_eq!(inbox.insert(2, gap(2), 4), Arrival::Duplicate);
        assert!(drain(&mut inbox).is_empty());
        assert_eq!(inbox.ack(), 0);
        assert_eq!(inbox.insert(1, gap(1), 4), Arrival::Kept);
        assert_eq!(drain(&mut inbox), [1, 2]);
        assert_eq!(inbox.insert(1, gap(1), 4), Arrival::Duplicate);
        assert_eq!((inbox.ack(), inbox.waiting()), (2, 0));
    }

    #[test]
    fn what_lies_beyond_the_window_or_has_no_number_is_not_kept() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.insert(5, gap(5), 4), Arrival::Dropped(FrameDrop::BeyondWindow));
        assert_eq!(
            inbox.insert(u64::MAX, gap(5), 4),
            Arrival::Dropped(FrameDrop::BeyondWindow)
        );
        assert_eq!(inbox.insert(0, gap(0), 4), Arrival::Dropped(FrameDrop::Malformed));
        assert_eq!(inbox.insert(4, gap(4), 4), Arrival::Kept);
        assert_eq!(inbox.waiting(), 1);
    }
}
