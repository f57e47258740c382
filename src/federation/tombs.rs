//! Links that are over. Frames of them may still be on their way: they get the same answer again and revive nothing.

use std::{collections::VecDeque, time::Instant};

use super::LinkLimits;
use crate::wire::{
    ErrorCode,
    link::{LinkBody, LinkEnd, LinkId},
};

/// What was said last of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Epitaph {
    /// There was none.
    Refused(ErrorCode),
    /// It ended.
    Closed(LinkEnd),
}

#[derive(Clone, Debug)]
struct Tomb {
    link: LinkId,
    epitaph: Epitaph,
    until: Instant,
}

/// Bounded: the oldest are forgotten first.
#[derive(Clone, Debug, Default)]
pub(super) struct Tombs(VecDeque<Tomb>);

impl Epitaph {
    pub(super) const fn body(self) -> LinkBody {
        match self {
            Epitaph::Refused(code) => LinkBody::Refuse { code },
            Epitaph::Closed(reason) => LinkBody::Close { reason },
        }
    }
}

impl Tombs {
    /// Remembers that the link is over.
    pub(super) fn insert(&mut self, now: Instant, limits: &LinkLimits, link: LinkId, epitaph: Epitaph) {
        self.0.retain(|tomb| tomb.until > now && tomb.link != link);
        while self.0.len() >= limits.tombs.max(1) {
            self.0.pop_front();
        }
        let until = now + limits.tomb;
        self.0.push_back(Tomb { link, epitaph, until });
    }

    /// What was said of it.
    pub(super) fn get(&self, now: Instant, link: &LinkId) -> Option<Epitaph> {
        let tomb = self.0.iter().find(|tomb| tomb.link == *link && tomb.until > now)?;
        Some(tomb.epitaph)
    }
}

#[cfg(test)]
impl Tombs {
    pub(super) fn shift(&mut self, now: Instant, back: std::time::Duration) {
        self.0.retain(|tomb| tomb.until > now);
        self.0.iter_mut().for_each(|tomb| tomb.until -= back);
    }
}
