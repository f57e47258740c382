//! Who sits where: one subscriber's seats. Sticky: who sits, stays, until gone or until somebody with a better claim
//! finds no free seat. Every decision costs at most one look at each seat.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use super::roster::MemberKey;
use crate::{
    media::{EgressKey, Limits, SourceKey},
    packet::Kind,
    shard::command::ShardId,
    transport::negotiation::SendLine,
    wire::{ParticipantId, PublicationId, SeatIndex, signal::SeatEntry, signal::SubscriptionState},
};

/// What sits in a seat: one participant's microphone and camera, or its screen and the screen's sound. Further sources
/// of the same kind have places of a higher rank. Sorts by join order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) member: MemberKey,
    pub(super) screen: bool,
    pub(super) rank: u8,
}

impl Place {
    pub(super) const fn first(member: MemberKey) -> Self {
        Self {
            member,
            screen: false,
            rank: 0,
        }
    }

    pub(super) const fn last(member: MemberKey) -> Self {
        Self {
            member,
            screen: true,
            rank: u8::MAX,
        }
    }
}

/// Who comes first when seats are short, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    Usual,
    Speaker,
    Screen,
    Pinned,
}

/// What a place needs, and its claim to a seat, as this subscriber sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) audio: bool,
    pub(super) video: bool,
    pub(super) class: Class,
    pub(super) spoke_at: Option<Instant>,
}

/// A seat half's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) publication: PublicationId,
    pub(super) source: SourceKey,
    pub(super) home: ShardId,
    pub(super) limits: Limits,
}

/// One m-line that the client receives on.
#[derive(Debug)]
pub(super) struct Half {
    pub(super) egress: EgressKey,
    pub(super) line: SendLine,
    pub(super) bound: Option<Bound>,
    /// The `subscription` event told last; `None`: nothing but the silent "active".
    pub(super) told: Option<(PublicationId, SubscriptionState)>,
    /// Who sits here sends this publication in a codec that the line does not carry.
    pub(super) undecodable: Option<PublicationId>,
}

impl Half {
    pub(super) const fn new(egress: EgressKey, line: SendLine) -> Self {
        Self {
            egress,
            line,
            bound: None,
            told: None,
            undecodable: None,
        }
    }
}

/// An audio and a video m-line, or one of them.
#[derive(Debug, Default)]
pub(super) struct Seat {
    pub(super) audio: Option<Half>,
    pub(super) video: Option<Half>,
    pub(super) occupant: Option<Place>,
}

impl Seat {
    pub(super) const fn half_mut(&mut self, kind: Kind) -> &mut Option<Half> {
        match kind {
            Kind::Audio => &mut self.audio,
            Kind::Video => &mut self.video,
        }
    }

    pub(super) fn halves(&self) -> impl Iterator<Item = &Half> {
        self.audio.iter().chain(self.video.iter())
    }

    /// How much of a need it can carry, then how much it could at all. Nothing of the need: `None`.
    fn fit(&self, need: &Need) -> Option<(usize, usize)> {
        let (audio, video) = (self.audio.is_some(), self.video.is_some());
        let carried = usize::from(need.audio && audio) + usize::from(need.video && video);
        (carried > 0).then_some((carried, usize::from(audio) + usize::from(video)))
    }

    /// The event for this seat, if it is not what was told last.
    pub(super) fn tell(&self, seat: u16, participant: Option<ParticipantId>, told: &mut Told) -> Option<SeatEntry> {
        let shown = |half: &Option<Half>| half.as_ref().and_then(|half| half.bound).map(|bound| bound.publication);
        let now = (participant, shown(&self.audio), shown(&self.video));
        if now == *told {
            return None;
        }
        told.clone_from(&now);
        Some(SeatEntry {
            seat: SeatIndex(seat),
            participant: now.0,
            audio: now.1,
            video: now.2,
        })
    }
}

/// Participant, audio and video of the `seats` event told last of a seat.
pub(super) type Told = (Option<ParticipantId>, Option<PublicationId>, Option<PublicationId>);

/// What a new answer changed.
#[derive(Debug, Default)]
pub(super) struct LineChange {
    pub(super) added: Vec<(EgressKey, SendLine)>,
    pub(super) removed: Vec<Half>,
}

/// The seats of one subscriber, who sits in them, and who waits.
#[derive(Debug, Default)]
pub(super) struct Seating {
    /// Boxed, for most people have one or two of them, and a map has room for eleven.
    pub(super) seats: BTreeMap<u16, Box<Seat>>,
    /// By seat, kept while a seat is gone: the client still knows it if it comes back.
    pub(super) told: BTreeMap<u16, Told>,
    seated: BTreeMap<Place, u16>,
    waiting: BTreeSet<Place>,
    /// Seats to look at again.
    dirty: BTreeSet<u16>,
    wanted_told: usize,
}

impl Seating {
    /// Takes over the lines of a new answer. Lines that stay keep their egress and occupant.
    pub(super) fn set_lines(&mut self, lines: &[SendLine], new_egress: &mut dyn FnMut() -> EgressKey) -> LineChange {
        let mut change = LineChange::default();
        let mut old = std::mem::take(&mut self.seats);
        for line in lines {
            let Ok(index) = u16::try_from(line.seat) else { continue };
            let seat = self.seats.entry(index).or_default();
            let before = old.get_mut(&index).and_then(|seat| seat.half_mut(line.kind).take());
            let half = match before {
                Some(half) if half.line == *line => half,
                before => {
                    change.removed.extend(before);
                    let half = Half::new(new_egress(), line.clone());
                    change.added.push((half.egress, line.clone()));
                    half
                }
            };
            *seat.half_mut(line.kind) = Some(half);
        }
        for (index, mut before) in old {
            change
                .removed
                .extend(before.audio.take().into_iter().chain(before.video.take()));
            match self.seats.get_mut(&index) {
                Some(seat) => seat.occupant = before.occupant,
                None => {
                    self.dirty.remove(&index);
                    if let Some(place) = before.occupant {
                        self.seated.remove(&place);
                        self.waiting.insert(place);
                    }
                }
            }
        }
        self.dirty.extend(self.seats.keys());
        change
    }

    /// Seats those who wait, best first, as far as there are free seats.
    pub(super) fn fill(&mut self, need: &dyn Fn(Place) -> Need) {
        let free: Vec<u16> = self
            .seats
            .iter()
            .filter(|(_, s)| s.occupant.is_none())
            .map(|(index, _)| *index)
            .collect();
        for index in free {
            self.promote(index, need);
        }
    }

    /// The place is wanted, or what it needs has changed.
    pub(super) fn want(&mut self, place: Place, need: &dyn Fn(Place) -> Need) {
        if let Some(index) = self.seated.get(&place) {
            self.dirty.insert(*index);
            return;
        }
        self.waiting.insert(place);
        self.settle(place, need);
    }

    /// The place is not wanted (any more); its seat goes to who waits.
    pub(super) fn unwant(&mut self, place: Place, need: &dyn Fn(Place) -> Need) {
        self.waiting.remove(&place);
        if let Some(index) = self.stand_up(place) {
            self.promote(index, need);
        }
    }

    /// The place's claim grew.
    pub(super) fn reconsider(&mut self, place: Place, need: &dyn Fn(Place) -> Need) {
        if self.waiting.contains(&place) {
            self.settle(place, need);
        }
    }

    fn settle(&mut self, place: Place, need: &dyn Fn(Place) -> Need) {
        let wanted = need(place);
        let free = self.seats.iter().filter(|(_, seat)| seat.occupant.is_none());
        let fits = free.filter_map(|(index, seat)| seat.fit(&wanted).map(|fit| (fit, std::cmp::Reverse(*index))));
        if let Some((_, std::cmp::Reverse(index))) = fits.max() {
            self.sit(place, index);
            return;
        }
        let taken = self.seats.iter().filter_map(|(index, seat)| {
            let occupant = seat.occupant?;
            seat.fit(&wanted)?;
            let claim = need(occupant);
            (claim.class < wanted.class).then_some(((claim.class, claim.spoke_at, std::cmp::Reverse(occupant)), *index))
        });
        if let Some((_, index)) = taken.min() {
            if let Some(occupant) = self.seats.get(&index).and_then(|seat| seat.occupant) {
                self.stand_up(occupant);
                self.waiting.insert(occupant);
            }
            self.sit(place, index);
        }
    }

    fn sit(&mut self, place: Place, index: u16) {
        if let Some(seat) = self.seats.get_mut(&index) {
            seat.occupant = Some(place);
            self.seated.insert(place, index);
            self.waiting.remove(&place);
            self.dirty.insert(index);
        }
    }

    fn stand_up(&mut self, place: Place) -> Option<u16> {
        let index = self.seated.remove(&place)?;
        if let Some(seat) = self.seats.get_mut(&index) {
            seat.occupant = None;
        }
        self.dirty.insert(index);
        Some(index)
    }

    fn promote(&mut self, index: u16, need: &dyn Fn(Place) -> Need) {
        let Some(seat) = self.seats.get(&index) else { return };
        let claims = self.waiting.iter().filter_map(|place| {
            let need = need(*place);
            seat.fit(&need)
                .map(|fit| (need.class, need.spoke_at, fit.0, std::cmp::Reverse(*place)))
        });
        if let Some((.., std::cmp::Reverse(place))) = claims.max() {
            self.sit(place, index);
        }
    }

    /// Is the place wanted, seated or not?
    #[cfg(test)]
    pub(super) fn knows(&self, place: Place) -> bool {
        self.seated.contains_key(&place) || self.waiting.contains(&place)
    }

    /// The seat of a place, if it has one, is to be looked at again.
    pub(super) fn look_at(&mut self, place: Place) {
        self.dirty.extend(self.seated.get(&place));
    }

    /// Every seat is to be looked at again.
    pub(super) fn look_at_all(&mut self) {
        self.dirty.extend(self.seats.keys());
    }

    /// Takes the seats to look at again.
    pub(super) fn take_dirty(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.dirty)
    }

    /// How many seats would show everybody, if that is more than there are and not what was told last.
    pub(super) fn wanted(&mut self, seats: usize, max: usize) -> Option<u16> {
        let wanted = (self.seated.len() + self.waiting.len()).min(max);
        if wanted <= seats || wanted == self.wanted_told {
            return None;
        }
        self.wanted_told = wanted;
        u16::try_from(wanted).ok()
    }

    /// Halves that have a source.
    pub(super) fn bound(&self) -> impl Iterator<Item = (&Half, Bound)> {
        self.seats
            .values()
            .flat_map(|seat| seat.halves())
            .filter_map(|half| half.bound.map(|bound| (half, bound)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(seat: usize, kind: Kind) -> SendLine {
        SendLine {
            mid: format!("{seat}{kind:?}"),
            kind,
            ssrc: seat as u32 * 2 + u32::from(kind == Kind::Video),
            rtx_ssrc: None,
            cname: "c".to_owned(),
            seat,
            codecs: Vec::new(),
            nack: true,
            transport_cc: true,
            remb: false,
        }
    }

    fn seating(seats: usize) -> Seating {
        let mut seating = Seating::default();
        set(&mut seating, seats);
        seating
    }

    fn set(seating: &mut Seating, seats: usize) -> LineChange {
        let lines: Vec<SendLine> = (0..seats)
            .flat_map(|n| [line(n, Kind::Audio), line(n, Kind::Video)])
            .collect();
        let mut next = 1000 * seats as u64;
        seating.set_lines(&lines, &mut || {
            next += 1;
            EgressKey(next)
        })
    }

    fn place(member: u32) -> Place {
        Place::first(MemberKey(member))
    }

    fn usual(place: Place) -> Need {
        let class = if place.screen { Class::Screen } else { Class::Usual };
        Need {
            audio: true,
            video: true,
            class,
            spoke_at: None,
        }
    }

    fn occupants(seating: &Seating) -> Vec<Option<u32>> {
        seating
            .seats
            .values()
            .map(|seat| seat.occupant.map(|place| place.member.0))
            .collect()
    }

    #[test]
    fn who_sits_stays_and_a_free_seat_goes_to_who_waited_longest() {
        let mut seating = seating(2);
        (1..=4).for_each(|n| seating.want(place(n), &usual));
        assert_eq!(occupants(&seating), [Some(1), Some(2)]);
        assert_eq!(seating.wanted(2, 50), Some(4));
        assert_eq!(seating.wanted(2, 50), None);
        seating.take_dirty();
        seating.unwant(place(1), &usual);
        assert_eq!(occupants(&seating), [Some(3), Some(2)]);
        assert_eq!(seating.take_dirty(), BTreeSet::from([0]), "only the seat that changed");
    }

    #[test]
    fn screens_pins_and_speakers_take_seats_only_when_they_are_short() {
        let start = Instant::now();
        let mut seating = seating(3);
        (1..=3).for_each(|n| seating.want(place(n), &usual));
        let speaks = |p: Place| {
            let spoke_at = [5, 2]
                .contains(&p.member.0)
                .then_some(start + Duration::from_secs(u64::from(p.member.0)));
            let class = if spoke_at.is_some() {
                Class::Speaker
            } else {
                usual(p).class
            };
            Need {
                class,
                spoke_at,
                ..usual(p)
            }
        };
        seating.want(place(4), &usual);
        assert_eq!(
            occupants(&seating),
            [Some(1), Some(2), Some(3)],
            "equal claims never move anybody"
        );
        seating.want(place(5), &speaks);
        assert_eq!(
            occupants(&seating),
            [Some(1), Some(2), Some(5)],
            "the last who joined and is silent goes"
        );
        let screen = Place {
            screen: true,
            ..place(6)
        };
        seating.want(screen, &|p| if p.screen { usual(p) } else { speaks(p) });
        assert_eq!(occupants(&seating), [Some(6), Some(2), Some(5)]);
        let pinned = |p: Place| {
            if p == place(1) {
                Need {
                    class: Class::Pinned,
                    ..usual(p)
                }
            } else {
                speaks(p)
            }
        };
        seating.reconsider(place(1), &pinned);
        assert_eq!(
            occupants(&seating),
            [Some(6), Some(1), Some(5)],
            "of the speakers, who spoke longest ago"
        );
        assert!(seating.knows(place(2)) && seating.knows(place(3)));
    }

    #[test]
    fn new_seats_are_filled_and_old_ones_keep_their_occupants() {
        let mut seating = seating(1);
        (1..=3).for_each(|n| seating.want(place(n), &usual));
        let change = set(&mut seating, 3);
        assert_eq!((change.added.len(), change.removed.len()), (4, 0));
        seating.fill(&usual);
        assert_eq!(occupants(&seating), [Some(1), Some(2), Some(3)]);
        let change = set(&mut seating, 2);
        assert_eq!((change.added.len(), change.removed.len()), (0, 2));
        assert_eq!(occupants(&seating), [Some(1), Some(2)]);
        assert_eq!(seating.wanted(2, 50), Some(3));
    }

    #[test]
    fn a_seat_is_chosen_by_what_it_can_carry() {
        let mut seating = Seating::default();
        let lines = [line(0, Kind::Audio), line(1, Kind::Audio), line(1, Kind::Video)];
        seating.set_lines(&lines, &mut || EgressKey(1));
        let video_only = |p| Need {
            audio: false,
            ..usual(p)
        };
        seating.want(place(1), &video_only);
        assert_eq!(occupants(&seating), [None, Some(1)]);
        seating.want(place(2), &video_only);
        assert_eq!(occupants(&seating), [None, Some(1)], "an audio seat is of no use to it");
        seating.want(place(3), &usual);
        assert_eq!(occupants(&seating), [Some(3), Some(1)]);
    }
}
