//! What a room does later, and when.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::{lobby::WaiterKey, roster::Owner};
use crate::wire::PublicationId;

/// Why the clock matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The owner's socket, or its never connected transport, has been away for as long as allowed.
    Away(Owner),
    /// Somebody has waited to be let in for as long as allowed.
    Lobby(WaiterKey),
    /// Tell who speaks.
    Speakers,
    /// Somebody has not spoken for so long that it counts no more.
    Hush,
    /// Tell how good connections are.
    Quality,
    /// Tell publishers what nobody wants any more.
    Demand,
    /// Tell a crowd who came and went.
    Crowd,
    /// Nobody has needed a backup of the publication for a while.
    Backup(PublicationId),
    /// The session has lasted as long as it may.
    SessionEnd,
    /// Nobody has been here for the departure time.
    Departure,
}

/// At most one time for each timer.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    by_time: BTreeSet<(Instant, Timer)>,
    by_timer: BTreeMap<Timer, Instant>,
}

impl Agenda {
    /// Sets a timer, or moves it.
    pub(super) fn set(&mut self, timer: Timer, at: Instant) {
        self.cancel(timer);
        self.by_time.insert((at, timer));
        self.by_timer.insert(timer, at);
    }

    /// Sets a timer unless it is already set.
    pub(super) fn set_first(&mut self, timer: Timer, at: Instant) {
        if !self.by_timer.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, timer: Timer) {
        if let Some(at) = self.by_timer.remove(&timer) {
            self.by_time.remove(&(at, timer));
        }
    }

    /// The next time there is something to do.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes a timer whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let &(at, timer) = self.by_time.first().filter(|(at, _)| *at <= now)?;
        self.by_time.remove(&(at, timer));
        self.by_timer.remove(&timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timer_has_one_time_and_fires_once() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut agenda = Agenda::default();
        agenda.set(Timer::Speakers, after(5));
        agenda.set(Timer::Speakers, after(20));
        agenda.set(Timer::Quality, after(10));
        agenda.set_first(Timer::Quality, after(1));
        assert_eq!(agenda.next(), Some(after(10)));
        assert_eq!(agenda.pop_due(after(9)), None);
        assert_eq!(agenda.pop_due(after(30)), Some(Timer::Quality));
        agenda.cancel(Timer::Speakers);
        assert_eq!(agenda.pop_due(after(30)), None);
        assert_eq!(agenda.next(), None);
    }
}
