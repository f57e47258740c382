//! What has to be true of a room, its shards' books and its clients whenever the room has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use super::World;
use crate::media::SourceKey;
use crate::packet::Kind;
use crate::room::participant::Participant;
use crate::room::roster::Owner;
use crate::room::seat::Half;
use crate::shard::command::ShardId;
use crate::wire::ParticipantId;
use crate::wire::signal::{ParticipantInfo, Pin};

impl World {
    /// Everything that has to be true whenever the room has come to rest.
    pub(in crate::room::tests) fn check(&self) {
        let room = &self.room;
        let here: BTreeSet<&str> = room.roster.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(self.ledger.here(), here);
        let published = room.roster.iter().map(|one| room.publications.of(one.key).count());
        assert_eq!(self.ledger.publications(), published.sum::<usize>());
        let mut bound = BTreeMap::new();
        let mut feeds: BTreeMap<(SourceKey, ShardId), u32> = BTreeMap::new();
        let members = room
            .roster
            .iter()
            .flat_map(|member| member.seating.bound().map(|b| (member.path.shard, b)));
        let viewers = room.viewers.iter().flat_map(|(_, viewer)| {
            viewer
                .halves()
                .filter_map(|half| half.bound.map(|b| (viewer.path.shard, (half, b))))
        });
        for (shard, (half, source)) in members.chain(viewers) {
            bound.insert(half.egress, (source.source, source.limits));
            if source.home != shard {
                *feeds.entry((source.source, shard)).or_default() += 1;
            }
        }
        assert_eq!(bound, self.books.bound);
        assert_eq!(&feeds, room.feeds.all());
        let replicas: BTreeSet<_> = self
            .books
            .sources
            .iter()
            .filter(|(_, home)| home.is_none())
            .map(|(k, _)| *k)
            .collect();
        assert_eq!(
            replicas,
            feeds.keys().map(|(source, shard)| (*shard, *source)).collect()
        );
        assert_eq!(self.books.relays.len(), replicas.len());
        assert_eq!(self.books.handshakes, self.books.transports.keys().copied().collect());

        let seats = room.roster.iter().flat_map(|member| {
            let halves = member.seating.seats.values().flat_map(|seat| seat.halves());
            halves.map(|half| (Owner::Member(member.key), half))
        });
        let watched = room
            .viewers
            .iter()
            .flat_map(|(key, viewer)| viewer.halves().map(move |half| (Owner::Viewer(key), half)));
        let needs = seats.chain(watched);
        let needs: BTreeSet<_> = needs
            .filter_map(|(owner, half)| Some((half.undecodable?, owner)))
            .collect();
        assert_eq!(needs, room.backups.needs());
        assert!(
            needs
                .iter()
                .all(|(publication, _)| room.publications.get(*publication).is_some())
        );

        for voice in room.roster.iter().flat_map(|one| room.publications.of(one.key)) {
            let listens =
                |one: &Participant| one.key != voice.owner() && one.wants(voice.id) && !one.wishes.is_paused(voice.id);
            let watched = room.roster.id(voice.owner()).unwrap();
            let heard = room.roster.iter().any(listens) || room.viewers.of(&watched).next().is_some();
            let is_voice = voice.kind() == Kind::Audio;
            assert!(!is_voice || room.demands.is_wanted(voice.id) == heard, "{:?}", voice.id);
        }
        let truth: BTreeMap<ParticipantId, ParticipantInfo> = room
            .roster
            .iter()
            .map(|one| (one.id.clone(), one.info(room.publications.infos(one.key))))
            .collect();
        assert!(room.owner.is_none_or(|owner| room.roster.get(owner).is_some()));
        for participant in room.roster.iter() {
            let Some(session) = &participant.session else { continue };
            let (messages, bytes) = session.outbox.size();
            assert!(messages <= 1_000 && bytes <= 1 << 20);
            assert!(participant.wishes.len() <= self.books.sources.len());
            let Some(client) = session.socket.map(|socket| &self.clients[self.by_socket[&socket]]) else {
                continue;
            };
            assert_eq!(client.wire, Vec::<String>::new());
            assert_eq!(client.last_seq, session.outbox.last_sent());
            let mut others = truth.clone();
            others.remove(&participant.id);
            assert!(
                session.outbox.is_waiting() || client.others == others,
                "{} knows {:?}, not {others:?}",
                participant.id,
                client.others
            );
            assert!(
                room.owner.is_some() || participant.grant.ask,
                "{} could own it",
                participant.id
            );
            assert_eq!(
                (&client.owner, &client.settings),
                (&room.owner_id(), &Some(room.settings.info()))
            );
            let waiting = if participant.grant.ask {
                BTreeSet::new()
            } else {
                room.lobby.ids()
            };
            assert_eq!(client.lobby, waiting);
            let pins = |pins: &mut dyn Iterator<Item = &Pin>| -> Vec<_> {
                let mut pins: Vec<_> = pins
                    .map(|pin| (pin.participant.clone(), pin.camera, pin.screen))
                    .collect();
                pins.sort();
                pins
            };
            assert_eq!(pins(&mut client.pins.values()), pins(&mut room.pins.all().iter()));
            for request in &client.asked {
                assert!(client.answers.contains_key(request), "request {request} is unanswered");
            }
            for (index, seat) in &participant.seating.seats {
                let sits = seat.occupant.and_then(|place| room.roster.id(place.member));
                let told = client.seats.get(index).cloned();
                assert_eq!(told.as_ref().and_then(|told| told.participant.clone()), sits);
                let shown = |half: &Option<_>| -> Option<_> {
                    let half: &Half = half.as_ref()?;
                    half.bound.map(|bound| bound.publication)
                };
                assert_eq!(told.as_ref().and_then(|told| told.audio), shown(&seat.audio));
                assert_eq!(told.as_ref().and_then(|told| told.video), shown(&seat.video));
            }
        }
    }
}
