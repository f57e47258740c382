//! How many pictures a participant is sent at a time.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    Room,
    participant::Participant,
    publication::{Publication, Publications},
    requests::{Answer, ok},
    roster::MemberKey,
    seat::{Place, Seat},
    speaker::Speakers,
};
use crate::{
    media::{self, Limits},
    packet::Kind,
};

/// Who is in view stays there although another one spoke later, if not by more than this.
const STAY: Duration = Duration::from_secs(2);

/// A place's claim to be in view, best last: pinned, a screen, spoke last, is in view already, has been here longer.
type Claim = (bool, bool, Option<Instant>, bool, Reverse<Place>);

impl Room {
    /// `view`: so many pictures at most; `None`: as the room's settings say, or the configuration.
    pub(super) fn view(&mut self, member: MemberKey, last_n: Option<usize>) -> Answer {
        if let Some(participant) = self.roster.get_mut(member) {
            participant.last_n = last_n;
            participant.seating.look_at_all();
            self.dirty.insert(member.owner());
        }
        Ok(ok())
    }

    /// Most pictures of a participant; `None`: no limit.
    fn last_n(&self, participant: &Participant) -> Option<usize> {
        let of_room = || self.settings.last_n.map(|n| n as usize);
        let of_server = || Some(self.config.last_n).filter(|n| *n > 0);
        participant.last_n.or_else(of_room).or_else(of_server)
    }

    /// The room's number is another one.
    pub(super) fn look_at_every_view(&mut self) {
        for participant in self.roster.iter_mut() {
            participant.seating.look_at_all();
            self.dirty.insert(participant.key.owner());
        }
    }

    /// Who spoke last has changed, or whose picture there is: those who see only some of them may see others now.
    pub(super) fn views_changed(&mut self) {
        let limited = self.roster.iter().filter(|one| self.last_n(one).is_some());
        let limited: Vec<MemberKey> = limited.map(|one| one.key).collect();
        self.dirty.extend(limited.into_iter().map(MemberKey::owner));
    }

    /// Whose pictures a participant is sent; `None`: everybody's who has a seat. What costs nothing, because it is muted or
    /// paused, is not counted.
    pub(super) fn pictures(
        &self,
        now: Instant,
        participant: &Participant,
        seats: &BTreeMap<u16, Box<Seat>>,
    ) -> Option<BTreeSet<Place>> {
        let most = self.last_n(participant)?;
        let mut free = BTreeSet::new();
        let mut claims: Vec<Claim> = Vec::new();
        for seat in seats.values() {
            let (Some(place), Some(half)) = (seat.occupant, &seat.video) else {
                continue;
            };
            let Some(publication) = self.publications.at(place, Kind::Video) else {
                continue;
            };
            if !participant.wants(publication.id) || self.publications.version_for(&half.line, publication).is_none() {
                continue;
            }
            if publication.muted || participant.wishes.is_paused(publication.id) {
                free.insert(place);
                continue;
            }
            let is_shown = half.bound.is_some_and(|bound| bound.publication == publication.id);
            let spoke_at = self.speakers.recent(now, place.member);
            let counted = spoke_at.map(|at| if is_shown { at + STAY } else { at });
            let is_pinned = participant.wishes.is_pinned(publication.id);
            claims.push((is_pinned, place.screen, counted, is_shown, Reverse(place)));
        }
        claims.sort_unstable();
        let seen = claims.into_iter().rev().take(most).map(|(.., Reverse(place))| place);
        free.extend(seen);
        Some(free)
    }
}

/// What a participant wants of a publication, in the words of the media plane. Who pins a picture pins the voice
/// as well, and the other way round.
pub(super) fn limits_of(
    participant: &Participant,
    publications: &Publications,
    speakers: &Speakers,
    now: Instant,
    publication: &Publication,
) -> Limits {
    let limits = participant.wishes.limits(publication);
    let halves = [Kind::Audio, Kind::Video].map(|kind| publications.at(publication.place, kind));
    let is_pinned = |half: &&Publication| participant.wishes.is_pinned(half.id);
    let claim = if halves.iter().flatten().any(is_pinned) {
        media::Claim::Pinned
    } else if publication.kind() == Kind::Audio {
        media::Claim::Usual
    } else if publication.place.screen {
        media::Claim::Screen
    } else if speakers.recent(now, publication.owner()).is_some() {
        media::Claim::Speaking
    } else {
        media::Claim::Usual
    };
    Limits { claim, ..limits }
}
