//! What publishers are told to send: what somebody wants, at once; what nobody wants any more, not before a while has passed.
//!
//! Of pictures the shards say who wants what. Of sound the room says whether anybody would listen, seat or no seat: who has no
//! seat has to be heard to get one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    Room,
    agenda::Timer,
    participant::Participant,
    roster::{MemberKey, Owner, ViewerKey},
    seat::Place,
};
use crate::{
    media::{Limits, SourceKey},
    packet::Kind,
    wire::{PublicationId, signal::ServerMessage},
};

/// Encodings that one byte tells of; more than any source has.
const ENCODINGS_MAX: u8 = 8;

/// What is wanted of one publication, and what its publisher knows of it.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    encodings: u8,
    /// By somebody, now.
    wanted: u8,
    /// By nobody now, but for less than the delay.
    kept: u8,
    /// Since when each encoding is only kept.
    since: [Instant; ENCODINGS_MAX as usize],
    told: u8,
}

impl Wanted {
    /// A publisher sends everything until told otherwise.
    fn new(now: Instant, encodings: u8) -> Self {
        let encodings = encodings.clamp(1, ENCODINGS_MAX);
        let all = u8::MAX >> (ENCODINGS_MAX - encodings);
        Self {
            encodings,
            wanted: 0,
            kept: all,
            since: [now; ENCODINGS_MAX as usize],
            told: all,
        }
    }

    fn all(&self) -> u8 {
        u8::MAX >> (ENCODINGS_MAX - self.encodings)
    }

    /// These are wanted, and no others.
    fn want(&mut self, now: Instant, encodings: u8) {
        let wanted = encodings & self.all();
        let before = std::mem::replace(&mut self.wanted, wanted);
        self.kept &= !self.wanted;
        self.keep(now, before & !self.wanted);
    }

    /// These may be wanted in a moment.
    fn keep(&mut self, now: Instant, encodings: u8) {
        let kept = encodings & self.all() & !self.wanted;
        self.kept |= kept;
        for at in ones(kept) {
            self.since[at] = now;
        }
    }

    /// What the publisher has to be told, if that is not what it was told last.
    fn settle(&mut self, now: Instant, delay: Duration) -> Option<u8> {
        for at in ones(self.kept) {
            if self.since[at] + delay <= now {
                self.kept &= !(1 << at);
            }
        }
        let on = self.wanted | self.kept;
        (std::mem::replace(&mut self.told, on) != on).then_some(on)
    }

    /// When there may be something to tell.
    fn due(&self, delay: Duration) -> Option<Instant> {
        ones(self.kept).map(|at| self.since[at] + delay).min()
    }
}

/// The places of the ones in a byte.
fn ones(bits: u8) -> impl Iterator<Item = usize> {
    (0..usize::from(ENCODINGS_MAX)).filter(move |at| bits & (1 << at) != 0)
}

/// What is wanted of everything that is published in a room.
#[derive(Debug, Default)]
pub(super) struct Demands {
    by_publication: BTreeMap<PublicationId, Wanted>,
    /// Somebody who would listen to it: as long as that holds, nobody else has to be looked for.
    listeners: BTreeMap<PublicationId, Owner>,
    /// Whose sound may have got its first listener, or lost its last.
    unsettled: BTreeSet<Place>,
    changed: BTreeSet<PublicationId>,
}

impl Demands {
    /// Something is published.
    pub(super) fn add(&mut self, now: Instant, publication: PublicationId, encodings: u8) {
        self.by_publication.insert(publication, Wanted::new(now, encodings));
        self.changed.insert(publication);
    }

    /// It is not any more.
    pub(super) fn remove(&mut self, publication: PublicationId) {
        self.by_publication.remove(&publication);
        self.listeners.remove(&publication);
        // The timer may have been for it alone.
        self.changed.insert(publication);
    }

    /// Who wants the sound of this place may have changed.
    pub(super) fn look_again(&mut self, place: Place) {
        self.unsettled.insert(place);
    }

    fn want(&mut self, now: Instant, publication: PublicationId, encodings: u8) {
        if let Some(wanted) = self.by_publication.get_mut(&publication) {
            wanted.want(now, encodings);
            self.changed.insert(publication);
        }
    }

    /// A seat is given to a picture: its shard will soon say the same, and the publisher need not wait for it.
    pub(super) fn expect(&mut self, now: Instant, publication: PublicationId, limits: Limits) {
        if let Some(wanted) = self.by_publication.get_mut(&publication).filter(|_| !limits.paused) {
            let highest = limits.max_encoding.min(wanted.encodings - 1);
            wanted.keep(now, u8::MAX >> (ENCODINGS_MAX - 1 - highest));
            self.changed.insert(publication);
        }
    }

    fn settle(&mut self, now: Instant, delay: Duration) -> Vec<(PublicationId, Vec<bool>)> {
        let changed = std::mem::take(&mut self.changed);
        let news = changed.into_iter().filter_map(|publication| {
            let wanted = self.by_publication.get_mut(&publication)?;
            let on = wanted.settle(now, delay)?;
            let encodings = (0..wanted.encodings).map(|at| on & (1 << at) != 0).collect();
            Some((publication, encodings))
        });
        news.collect()
    }

    /// Does anybody want it now?
    #[cfg(test)]
    pub(super) fn is_wanted(&self, publication: PublicationId) -> bool {
        self.by_publication
            .get(&publication)
            .is_some_and(|wanted| wanted.wanted != 0)
    }

    fn due(&self, delay: Duration) -> Option<Instant> {
        self.by_publication
            .values()
            .filter_map(|wanted| wanted.due(delay))
            .min()
    }
}

impl Room {
    /// A shard says what is wanted of a source of pictures.
    pub(super) fn handle_demand(&mut self, now: Instant, source: SourceKey, encodings: u8) {
        let publication = self.publications.by_source(source);
        let known = publication.and_then(|publication| self.publications.get(publication));
        if let Some(publication) = known.filter(|known| known.kind() == Kind::Video) {
            self.demands.want(now, publication.id, encodings);
        }
    }

    /// Somebody who may have been the only listener is gone.
    pub(super) fn listener_left(&mut self, owner: Owner) {
        let lost = self
            .demands
            .listeners
            .iter()
            .filter(|(_, listener)| **listener == owner);
        let places = lost.filter_map(|(publication, _)| Some(self.publications.get(*publication)?.place));
        let places: Vec<Place> = places.collect();
        self.demands.unsettled.extend(places);
    }

    /// Who watches a participant by WHEP has changed.
    pub(super) fn viewers_changed(&mut self, publisher: MemberKey) {
        let places = self.publications.of(publisher).map(|publication| publication.place);
        let places: Vec<Place> = places.collect();
        self.demands.unsettled.extend(places);
    }

    /// The time of something that is only kept may be over.
    pub(super) fn demand_due(&mut self) {
        let all: Vec<PublicationId> = self.demands.by_publication.keys().copied().collect();
        self.demands.changed.extend(all);
    }

    /// Tells publishers what has changed.
    pub(super) fn settle_demand(&mut self, now: Instant) {
        for place in std::mem::take(&mut self.demands.unsettled) {
            self.settle_listener(now, place);
        }
        if self.demands.changed.is_empty() {
            return;
        }
        let delay = self.config.dynacast_delay;
        for (publication, encodings) in self.demands.settle(now, delay) {
            if let Some(owner) = self.publications.get(publication).map(|known| known.owner()) {
                self.tell(owner, &ServerMessage::PublicationWanted { publication, encodings });
            }
        }
        match self.demands.due(delay) {
            Some(at) => self.agenda.set(Timer::Demand, at),
            None => self.agenda.cancel(Timer::Demand),
        }
    }

    /// Finds out whether anybody would listen to the sound of a place.
    fn settle_listener(&mut self, now: Instant, place: Place) {
        let Some(publication) = self.publications.at(place, Kind::Audio).map(|known| known.id) else {
            return;
        };
        let listens =
            |one: &Participant| one.key != place.member && one.wants(publication) && !one.wishes.is_paused(publication);
        let known = match self.demands.listeners.get(&publication) {
            Some(Owner::Member(member)) => self.roster.get(*member).filter(|one| listens(one)),
            Some(Owner::Viewer(_)) | None => None,
        };
        let member = known.or_else(|| self.roster.iter().find(|one| listens(one)));
        let viewer = || {
            self.viewers
                .of(&self.roster.id(place.member)?)
                .next()
                .map(ViewerKey::owner)
        };
        let listener = member.map(|one| one.key.owner()).or_else(viewer);
        match listener {
            Some(listener) => self.demands.listeners.insert(publication, listener),
            None => self.demands.listeners.remove(&publication),
        };
        let is_heard = listener.is_some() || self.recordings.is_on();
        self.demands.want(now, publication, u8::from(is_heard));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_secs(5);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn what_is_wanted_is_told_at_once_and_what_is_not_after_the_delay() {
        let start = Instant::now();
        let mut wanted = Wanted::new(start, 3);
        wanted.want(start, 0b011);
        assert_eq!(wanted.settle(start, DELAY), None, "everything is sent from the start");
        assert_eq!(wanted.due(DELAY), Some(start + DELAY));
        assert_eq!(wanted.settle(start + secs(5), DELAY), Some(0b011));
        wanted.want(start + secs(6), 0b100);
        assert_eq!(wanted.settle(start + secs(6), DELAY), Some(0b111));
        wanted.want(start + secs(8), 0b101);
        assert_eq!(wanted.settle(start + secs(10), DELAY), None);
        assert_eq!(wanted.settle(start + secs(11), DELAY), Some(0b101));
        wanted.want(start + secs(12), 0);
        assert_eq!(wanted.settle(start + secs(17), DELAY), Some(0));
        assert_eq!(wanted.due(DELAY), None);
    }

    #[test]
    fn who_comes_back_in_time_changes_nothing() {
        let start = Instant::now();
        let mut wanted = Wanted::new(start, 1);
        wanted.want(start, 1);
        for second in 1..30 {
            let now = start + secs(second);
            wanted.want(now, u8::from(second % 4 == 0));
            assert_eq!(wanted.settle(now, DELAY), None);
        }
    }

    #[test]
    fn what_is_expected_is_on_at_once_and_goes_off_if_nobody_comes() {
        let start = Instant::now();
        let mut wanted = Wanted::new(start, 3);
        assert_eq!(wanted.settle(start + secs(9), DELAY), Some(0));
        wanted.keep(start + secs(10), 0b101);
        assert_eq!(wanted.settle(start + secs(10), DELAY), Some(0b101));
        wanted.want(start + secs(11), 0b001);
        assert_eq!(wanted.settle(start + secs(15), DELAY), Some(0b001));
    }

    #[test]
    fn what_nobody_has_agreed_on_is_wanted_by_nobody() {
        let start = Instant::now();
        let mut wanted = Wanted::new(start, 2);
        wanted.want(start, u8::MAX);
        assert_eq!(wanted.settle(start, DELAY), None);
        assert_eq!(wanted.wanted, 0b11);
        assert_eq!(Wanted::new(start, 200).encodings, ENCODINGS_MAX);
    }
}
