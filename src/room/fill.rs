//! From wishes to seats to shard commands. What should be in a seat is worked out afresh and compared with what is in
//! it: the same for a new publication, a changed wish, a late codec, a new answer.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};

use super::{
    Output, Room,
    backup::{Backups, need_of as backup_need_of},
    feed::Feeds,
    participant::Participant,
    publication::{Publication, Publications},
    roster::{MemberKey, Owner, Roster, ViewerKey},
    seat::{Bound, Class, Half, Need, Place},
    speaker::Speakers,
    subscription::Wishes,
    view::limits_of,
    viewer::preference,
};
use crate::{
    media::{Claim, Limits},
    packet::{Kind, extension::ExtensionMap},
    shard::command::{ShardCommand, ShardId},
    wire::{
        ParticipantId, PublicationId,
        signal::{ServerMessage, SubscriptionState},
    },
};

const KINDS: [Kind; 2] = [Kind::Audio, Kind::Video];

/// What a place needs of one subscriber's seats.
fn need_of(publications: &Publications, speakers: &Speakers, wishes: &Wishes, now: Instant, place: Place) -> Need {
    let wanted = |kind| {
        publications
            .at(place, kind)
            .map(|publication| publication.id)
            .filter(|id| wishes.wants(*id))
    };
    let (audio, video) = (wanted(Kind::Audio), wanted(Kind::Video));
    let spoke_at = speakers.recent(now, place.member);
    let class = if audio.into_iter().chain(video).any(|id| wishes.is_pinned(id)) {
        Class::Pinned
    } else if place.screen {
        Class::Screen
    } else if spoke_at.is_some() {
        Class::Speaker
    } else {
        Class::Usual
    };
    Need {
        audio: audio.is_some(),
        video: video.is_some(),
        class,
        spoke_at,
    }
}

/// Notes whether the half needs another version of what should be in it.
fn note_need(backups: &mut Backups, owner: Owner, half: &mut Half, at: Option<&Publication>) {
    let need = at.and_then(|publication| Some((publication.id, backup_need_of(&half.line, publication)?)));
    let before = std::mem::replace(&mut half.undecodable, need.as_ref().map(|(id, _)| *id));
    if let Some(before) = before.filter(|before| need.as_ref().is_none_or(|(id, _)| id != before)) {
        backups.note(owner, before, None);
    }
    if let Some((id, codecs)) = need {
        backups.note(owner, id, Some(codecs));
    }
}

/// The seat half shows this no longer; the last one on a foreign shard ends the replica there.
pub(super) fn release(feeds: &mut Feeds, outputs: &mut VecDeque<Output>, shard: ShardId, bound: &Bound) {
    let Bound { source, home, .. } = *bound;
    if home != shard && feeds.release(source, shard) {
        let relay = ShardCommand::Relay {
            source,
            to: shard,
            on: false,
        };
        outputs.push_back(Output::Shard {
            shard: home,
            command: relay,
        });
        outputs.push_back(Output::Shard {
            shard,
            command: ShardCommand::RemoveSource { source },
        });
    }
}

/// Where commands about seats go.
struct Binder<'a> {
    feeds: &'a mut Feeds,
    outputs: &'a mut VecDeque<Output>,
    shard: ShardId,
    /// Pictures that were given a seat, or with other limits.
    expected: Vec<(PublicationId, Limits)>,
}

impl Binder<'_> {
    fn command(&mut self, shard: ShardId, command: ShardCommand) {
        self.outputs.push_back(Output::Shard { shard, command });
    }

    /// Makes the half show what it should. `extensions` are those of the publisher's transport.
    fn bind(&mut self, half: &mut Half, should: Option<(&Publication, Limits)>, extensions: ExtensionMap) {
        let egress = half.egress;
        let bound = should.map(|(publication, limits)| Bound {
            publication: publication.known_as(),
            source: publication.key,
            home: publication.shard,
            limits,
        });
        let before = std::mem::replace(&mut half.bound, bound);
        let known = before.map(|before| (before.source, before.limits));
        let expected = should.filter(|(publication, limits)| {
            publication.kind() == Kind::Video && known != Some((publication.key, *limits))
        });
        self.expected
            .extend(expected.map(|(publication, limits)| (publication.id, limits)));
        match (before, should) {
            (None, None) => {}
            (Some(before), None) => {
                self.command(self.shard, ShardCommand::Unbind { egress });
                release(self.feeds, self.outputs, self.shard, &before);
            }
            (Some(before), Some((publication, limits))) if before.source == publication.key => {
                if before.limits != limits {
                    self.command(self.shard, ShardCommand::SetLimits { egress, limits });
                }
            }
            (before, Some((publication, limits))) => {
                let (source, home) = (publication.key, publication.shard);
                if home != self.shard && self.feeds.acquire(source, self.shard) {
                    let (kind, encodings) = (publication.kind(), usize::from(publication.encodings));
                    let replica = ShardCommand::AddReplica {
                        source,
                        kind,
                        is_voice: publication.is_voice(),
                        encodings,
                        extensions,
                        home,
                    };
                    self.command(self.shard, replica);
                    if let Some(size) = publication.size() {
                        self.command(self.shard, ShardCommand::SetSize { source, size });
                    }
                    self.command(
                        home,
                        ShardCommand::Relay {
                            source,
                            to: self.shard,
                            on: true,
                        },
                    );
                }
                self.command(self.shard, ShardCommand::Bind { egress, source, limits });
                if let Some(before) = before {
                    release(self.feeds, self.outputs, self.shard, &before);
                }
            }
        }
    }
}

/// Header extension ids of each publisher, for replicas. Taken before seats are changed, which borrows the roster.
fn extensions_of(roster: &Roster, publication: &Publication) -> ExtensionMap {
    let live = roster
        .get(publication.owner())
        .and_then(|owner| owner.path.live.as_ref());
    live.map(|live| live.extensions).unwrap_or_default()
}

impl Room {
    /// Something about a place changed: who wants it, its publications, its claim.
    pub(super) fn look_at_place(&mut self, now: Instant, member: MemberKey, place: Place) {
        let Self {
            roster,
            publications,
            speakers,
            dirty,
            demands,
            ..
        } = self;
        demands.look_again(place);
        let Some(participant) = roster.get_mut(member) else {
            return;
        };
        look(participant, publications, speakers, now, place);
        dirty.insert(member.owner());
    }

    /// The same for everybody.
    pub(super) fn look_at_place_everywhere(&mut self, now: Instant, place: Place, owner: &ParticipantId) {
        let Self {
            roster,
            publications,
            speakers,
            dirty,
            viewers,
            demands,
            ..
        } = self;
        demands.look_again(place);
        for participant in roster.iter_mut().filter(|participant| participant.key != place.member) {
            look(participant, publications, speakers, now, place);
            dirty.insert(participant.key.owner());
        }
        dirty.extend(viewers.of(owner).map(ViewerKey::owner));
    }

    /// A newcomer, or who has a new mode, wants what is there, or none of it.
    pub(super) fn want_everything(&mut self, now: Instant, member: MemberKey) {
        for place in self.publications.places() {
            if place.member != member {
                self.look_at_place(now, member, place);
            }
        }
    }

    /// Seats came free or are new.
    pub(super) fn fill_free_seats(&mut self, now: Instant, member: MemberKey) {
        let Self {
            roster,
            publications,
            speakers,
            dirty,
            ..
        } = self;
        let Some(Participant { seating, wishes, .. }) = roster.get_mut(member) else {
            return;
        };
        seating.fill(&|place| need_of(publications, speakers, wishes, now, place));
        dirty.insert(member.owner());
    }

    /// Somebody begins to speak, or has not spoken for long: those who have no seat for it look again.
    pub(super) fn reconsider_speaker(&mut self, now: Instant, speaker: MemberKey) {
        let Self {
            roster,
            publications,
            speakers,
            dirty,
            ..
        } = self;
        let mut places: Vec<Place> = publications.of(speaker).map(|publication| publication.place).collect();
        places.dedup();
        for Participant {
            key, seating, wishes, ..
        } in roster.iter_mut()
        {
            for place in &places {
                seating.reconsider(*place, &|place| need_of(publications, speakers, wishes, now, place));
                // Its picture has a better claim now to what bandwidth there is, or no longer.
                seating.look_at(*place);
            }
            dirty.insert(key.owner());
        }
    }

    /// Makes every changed seat show what it should, and tells its owner. Then sources that ended may go.
    pub(super) fn fill_seats(&mut self, now: Instant) {
        for owner in std::mem::take(&mut self.dirty) {
            match owner {
                Owner::Member(member) => self.fill_member(now, member),
                Owner::Viewer(viewer) => self.fill_viewer(now, viewer),
            }
        }
        for (shard, source) in std::mem::take(&mut self.ended) {
            self.command(shard, ShardCommand::RemoveSource { source });
        }
    }

    fn fill_member(&mut self, now: Instant, member: MemberKey) {
        let seats_max = self.seats_max();
        let Some(participant) = self.roster.get_mut(member) else {
            return;
        };
        let mut seats = std::mem::take(&mut participant.seating.seats);
        let mut told = std::mem::take(&mut participant.seating.told);
        let mut dirty = participant.seating.take_dirty();
        let wanted = participant.seating.wanted(seats.len(), seats_max);
        let (mut entries, mut states) = (Vec::new(), BTreeMap::new());
        let mut expected = Vec::new();
        if let Some(participant) = self.roster.get(member) {
            let shard = participant.path.shard;
            let pictures = self.pictures(now, participant, &seats);
            if pictures.is_some() {
                // Who comes into view puts somebody else out of it.
                dirty.extend(seats.keys());
            }
            let mut binder = Binder {
                feeds: &mut self.feeds,
                outputs: &mut self.outputs,
                shard,
                expected: Vec::new(),
            };
            for index in dirty {
                let Some(seat) = seats.get_mut(&index) else { continue };
                let occupant = seat.occupant;
                for kind in KINDS {
                    let Some(half) = seat.half_mut(kind) else { continue };
                    let at = occupant.and_then(|place| self.publications.at(place, kind));
                    let in_view = |publication: &&Publication| match &pictures {
                        Some(pictures) if kind == Kind::Video => pictures.contains(&publication.place),
                        Some(_) | None => true,
                    };
                    let at = at
                        .filter(|publication| participant.wants(publication.id))
                        .filter(in_view);
                    let paused = at.is_some_and(|publication| participant.wishes.is_paused(publication.id));
                    note_need(&mut self.backups, member.owner(), half, at.filter(|_| !paused));
                    let supported = at.and_then(|publication| self.publications.version_for(&half.line, publication));
                    let extensions = supported.map(|p| extensions_of(&self.roster, p)).unwrap_or_default();
                    let should =
                        supported.map(|p| (p, limits_of(participant, &self.publications, &self.speakers, now, p)));
                    binder.bind(half, should, extensions);
                    let state = at.map(|publication| {
                        let state = if supported.is_none() {
                            SubscriptionState::CodecNotSupported
                        } else if paused {
                            SubscriptionState::Paused
                        } else {
                            SubscriptionState::Active
                        };
                        (publication.id, state)
                    });
                    if let Some((publication, state)) = news(half, state) {
                        states.insert(publication, state);
                    }
                }
                let sits = occupant.and_then(|place| self.roster.id(place.member));
                entries.extend(seat.tell(index, sits, told.entry(index).or_default()));
            }
            expected = binder.expected;
        }
        for (publication, limits) in expected {
            self.demands.expect(now, publication, limits);
        }
        if let Some(participant) = self.roster.get_mut(member) {
            participant.seating.seats = seats;
            participant.seating.told = told;
        }
        if !entries.is_empty() {
            self.tell(member, &ServerMessage::Seats { seats: entries });
        }
        for (publication, state) in states {
            self.tell(
                member,
                &ServerMessage::Subscription {
                    publication,
                    state,
                    encoding: None,
                    reason: None,
                },
            );
        }
        if let Some(count) = wanted {
            self.tell(member, &ServerMessage::SeatsWanted { count });
        }
    }

    fn fill_viewer(&mut self, now: Instant, key: ViewerKey) {
        let Self {
            viewers,
            roster,
            publications,
            backups,
            feeds,
            outputs,
            demands,
            ..
        } = self;
        let Some(viewer) = viewers.get_mut(key) else { return };
        let publisher = roster.find(&viewer.publisher);
        let mut binder = Binder {
            feeds,
            outputs,
            shard: viewer.path.shard,
            expected: Vec::new(),
        };
        for (kind, half) in [(Kind::Audio, &mut viewer.audio), (Kind::Video, &mut viewer.video)] {
            let Some(half) = half else { continue };
            // Who watches by WHEP has no keys.
            let of_publisher = |source| {
                let mut own = publisher.into_iter().flat_map(|publisher| publications.of(publisher));
                own.find(|publication| publication.source == source && !publication.encrypted)
            };
            let best = preference(kind).into_iter().find_map(of_publisher);
            note_need(backups, key.owner(), half, best);
            let mut published = preference(kind).into_iter().filter_map(of_publisher);
            let shown = published.find_map(|publication| publications.version_for(&half.line, publication));
            let extensions = shown
                .map(|publication| extensions_of(roster, publication))
                .unwrap_or_default();
            binder.bind(half, shown.map(|publication| (publication, watched())), extensions);
        }
        for (publication, limits) in binder.expected {
            demands.expect(now, publication, limits);
        }
    }
}

/// Who watches one participant alone hears them, be others louder or not.
fn watched() -> Limits {
    Limits {
        claim: Claim::Pinned,
        ..Limits::default()
    }
}

fn look(participant: &mut Participant, publications: &Publications, speakers: &Speakers, now: Instant, place: Place) {
    let receives = participant.receives();
    let Participant { seating, wishes, .. } = participant;
    let need = |place| need_of(publications, speakers, wishes, now, place);
    let Need { audio, video, .. } = need(place);
    if receives && (audio || video) {
        seating.want(place, &need);
        seating.reconsider(place, &need);
    } else {
        seating.unwant(place, &need);
    }
}

/// What to tell of a half's state: changes, but not that something which nobody doubted is active.
fn news(
    half: &mut Half,
    state: Option<(crate::wire::PublicationId, SubscriptionState)>,
) -> Option<(crate::wire::PublicationId, SubscriptionState)> {
    let before = half.told.take();
    half.told = state.filter(|(publication, state)| {
        *state != SubscriptionState::Active || before.is_some_and(|(known, _)| known == *publication)
    });
    if half.told == before { None } else { half.told }
}
