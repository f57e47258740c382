//! Questions over a link: chat, switch and end, each answered once.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::{Ask, LinkLimits, Question, pace::Rate};
use crate::wire::{
    ErrorCode, ParticipantId,
    link::{LinkMessage, Rights},
};

/// Of ours: what was asked and who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) ask: Ask,
    /// It asks the other room to end.
    pub(super) is_end: bool,
}

/// Of theirs: one that waits for our reply.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    /// Number of its message.
    seq: u64,
    /// Who is asked to switch.
    addressee: Option<ParticipantId>,
}

/// The open questions of a link, in both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Talk {
    asked: BTreeMap<u64, Asked>,
    heard: BTreeMap<Question, Heard>,
    chats: Rate,
    switches: BTreeMap<ParticipantId, Rate>,
}

impl Talk {
    /// Ours went out with this number.
    pub(super) fn sent(&mut self, seq: u64, ask: Ask, message: &LinkMessage) {
        let is_end = matches!(message, LinkMessage::End { .. });
        self.asked.insert(seq, Asked { ask, is_end });
    }

    /// Who waits for the reply to this number.
    pub(super) fn replied(&mut self, seq: u64) -> Option<Ask> {
        self.asked.remove(&seq).map(|asked| asked.ask)
    }

    /// Ours that nobody replied to.
    pub(super) fn asked(&self) -> impl ExactSizeIterator<Item = Asked> {
        self.asked.values().copied()
    }

    /// How many of theirs wait for our reply.
    pub(super) fn heard_len(&self) -> usize {
        self.heard.len()
    }

    /// May this one of theirs be put to the room?
    pub(super) fn admit(
        &mut self,
        now: Instant,
        limits: &LinkLimits,
        given: Rights,
        message: &LinkMessage,
    ) -> Result<(), ErrorCode> {
        if !needed(message).is_none_or(|right| right(given)) {
            return Err(ErrorCode::LinkRight);
        }
        if self.heard.len() >= limits.questions {
            return Err(ErrorCode::LinkOverflow);
        }
        let allowed = match message {
            LinkMessage::Chat(_) => {
                let interval = Duration::from_secs(1) / limits.chats_per_second.max(1);
                self.chats.allow(now, interval, limits.chats_burst)
            }
            LinkMessage::Switch(switch) => self.may_switch(now, limits, &switch.participant),
            LinkMessage::End { .. }
            | LinkMessage::Snapshot { .. }
            | LinkMessage::Roster { .. }
            | LinkMessage::Gap { .. }
            | LinkMessage::Reply { .. } => true,
        };
        if allowed { Ok(()) } else { Err(ErrorCode::RateLimited) }
    }

    /// One at a time for each addressee, and few in a minute.
    fn may_switch(&mut self, now: Instant, limits: &LinkLimits, addressee: &ParticipantId) -> bool {
        let pending = self
            .heard
            .values()
            .any(|heard| heard.addressee.as_ref() == Some(addressee));
        self.switches.retain(|_, rate| !rate.is_full(now));
        if pending || self.switches.len() >= limits.questions && !self.switches.contains_key(addressee) {
            return false;
        }
        let per_minute = limits.switches_per_minute.max(1);
        let rate = self.switches.entry(addressee.clone()).or_default();
        rate.allow(now, Duration::from_secs(60) / per_minute, per_minute)
    }

    /// Theirs was put to the room.
    pub(super) fn put(&mut self, question: Question, seq: u64, message: &LinkMessage) {
        let addressee = match message {
            LinkMessage::Switch(switch) => Some(switch.participant.clone()),
            LinkMessage::Chat(_)
            | LinkMessage::End { .. }
            | LinkMessage::Snapshot { .. }
            | LinkMessage::Roster { .. }
            | LinkMessage::Gap { .. }
            | LinkMessage::Reply { .. } => None,
        };
        self.heard.insert(question, Heard { seq, addressee });
    }

    /// The number of theirs, once.
    pub(super) fn settle(&mut self, question: Question) -> Option<u64> {
        self.heard.remove(&question).map(|heard| heard.seq)
    }
}

/// The right that a message needs.
pub(super) fn needed(message: &LinkMessage) -> Option<fn(Rights) -> bool> {
    match message {
        LinkMessage::Chat(_) => Some(|rights| rights.chat),
        LinkMessage::Switch(_) => Some(|rights| rights.switch),
        LinkMessage::End { .. } => Some(|rights| rights.end),
        LinkMessage::Snapshot { .. }
        | LinkMessage::Roster { .. }
        | LinkMessage::Gap { .. }
        | LinkMessage::Reply { .. } => None,
    }
}

#[cfg(test)]
impl Talk {
    pub(super) fn shift(&mut self, now: Instant, back: Duration) {
        self.chats.shift(now, back);
        self.switches.retain(|_, rate| !rate.is_full(now));
        self.switches.values_mut().for_each(|rate| rate.shift(now, back));
    }
}
