//! What participants publish.

use std::collections::BTreeMap;

use super::{roster::MemberKey, seat::Place};
use crate::{
    media::SourceKey,
    packet::{Codec, Kind},
    shard::command::ShardId,
    transport::negotiation::{CodecLine, SendLine},
    wire::{
        Json, PublicationId,
        signal::{PublicationInfo, SourceKind},
    },
};

/// The fact that a participant offers a source.
#[derive(Clone, Debug)]
pub(super) struct Publication {
    pub(super) id: PublicationId,
    pub(super) place: Place,
    pub(super) source: SourceKind,
    pub(super) key: SourceKey,
    pub(super) shard: ShardId,
    pub(super) mid: String,
    /// What the m-line may carry.
    pub(super) codecs: Vec<CodecLine>,
    /// What it does carry, once known.
    pub(super) codec: Option<Codec>,
    pub(super) encodings: u8,
    pub(super) muted: bool,
    pub(super) width: Option<u32>,
    pub(super) height: Option<u32>,
    pub(super) metadata: Option<Json>,
    /// It is the backup of this one: nobody is told of it.
    pub(super) backup_of: Option<PublicationId>,
    /// Its frames are encrypted end to end: nobody decodes them who was not given the key by its publisher.
    pub(super) encrypted: bool,
}

impl Publication {
    pub(super) const fn kind(&self) -> Kind {
        self.source.kind()
    }

    /// Does it have to be among the loudest of a large room? The sound of a screen need not.
    pub(super) const fn is_voice(&self) -> bool {
        matches!(self.source, SourceKind::Microphone)
    }

    pub(super) const fn owner(&self) -> MemberKey {
        self.place.member
    }

    /// The publication as others know it: of a backup, what it is the backup of.
    pub(super) fn known_as(&self) -> PublicationId {
        self.backup_of.unwrap_or(self.id)
    }

    /// Can the m-line carry what the publication sends, or, while that is not known, anything that it may send?
    pub(super) fn is_carried_by(&self, line: &SendLine) -> bool {
        let possible = self
            .codecs
            .iter()
            .filter(|own| self.codec.is_none_or(|codec| codec == own.codec));
        possible.into_iter().any(|own| line.format_for(own).is_some())
    }

    /// Pixels across and down of the largest encoding, if its publisher said.
    pub(super) fn size(&self) -> Option<(u16, u16)> {
        let side = |pixels: Option<u32>| pixels.and_then(|pixels| u16::try_from(pixels).ok());
        Some((side(self.width)?, side(self.height)?))
    }

    /// As others see it.
    pub(super) fn info(&self) -> PublicationInfo {
        PublicationInfo {
            id: self.id,
            source: self.source,
            kind: self.kind(),
            muted: self.muted,
            codec: self.codec,
            encodings: self.encodings,
            width: self.width,
            height: self.height,
            metadata: self.metadata.clone(),
            encrypted: self.encrypted,
        }
    }
}

/// All publications of a room: by id, by source, by owner, and by the place in a seat where they are heard or seen.
#[derive(Debug, Default)]
pub(super) struct Publications {
    by_id: BTreeMap<PublicationId, Publication>,
    by_source: BTreeMap<SourceKey, PublicationId>,
    by_place: BTreeMap<(Place, bool), PublicationId>,
    /// By what they are the backup of. They have no place of their own.
    backups: BTreeMap<PublicationId, PublicationId>,
}

const fn is_video(kind: Kind) -> bool {
    matches!(kind, Kind::Video)
}

impl Publications {
    pub(super) fn get(&self, id: PublicationId) -> Option<&Publication> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: PublicationId) -> Option<&mut Publication> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn by_source(&self, source: SourceKey) -> Option<PublicationId> {
        self.by_source.get(&source).copied()
    }

    pub(super) fn at(&self, place: Place, kind: Kind) -> Option<&Publication> {
        self.by_place
            .get(&(place, is_video(kind)))
            .and_then(|id| self.by_id.get(id))
    }

    pub(super) fn insert(&mut self, publication: Publication) {
        self.by_source.insert(publication.key, publication.id);
        match publication.backup_of {
            Some(main) => self.backups.insert(main, publication.id),
            None => self
                .by_place
                .insert((publication.place, is_video(publication.kind())), publication.id),
        };
        self.by_id.insert(publication.id, publication);
    }

    pub(super) fn remove(&mut self, id: PublicationId) -> Option<Publication> {
        let publication = self.by_id.remove(&id)?;
        self.by_source.remove(&publication.key);
        match publication.backup_of {
            Some(main) => self.backups.remove(&main),
            None => self.by_place.remove(&(publication.place, is_video(publication.kind()))),
        };
        Some(publication)
    }

    /// The backup of a publication.
    pub(super) fn backup_of(&self, id: PublicationId) -> Option<&Publication> {
        self.backups.get(&id).and_then(|id| self.by_id.get(id))
    }

    /// What a subscriber with this m-line gets of a publication: itself, or else its backup, if it can decode either.
    pub(super) fn version_for<'a>(&'a self, line: &SendLine, main: &'a Publication) -> Option<&'a Publication> {
        let versions = std::iter::once(main).chain(self.backup_of(main.id));
        versions.into_iter().find(|version| version.is_carried_by(line))
    }

    /// A member's publications and their backups.
    pub(super) fn all_of(&self, member: MemberKey) -> impl Iterator<Item = &Publication> {
        self.of(member)
            .flat_map(|main| std::iter::once(main).chain(self.backup_of(main.id)))
    }

    /// A member's publications, in the order of their places.
    pub(super) fn of(&self, member: MemberKey) -> impl Iterator<Item = &Publication> {
        let range = (Place::first(member), false)..=(Place::last(member), true);
        self.by_place.range(range).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// A member's publications as others see them, in the order of their ids.
    pub(super) fn infos(&self, member: MemberKey) -> Vec<PublicationInfo> {
        let mut infos: Vec<PublicationInfo> = self.of(member).map(Publication::info).collect();
        infos.sort_by_key(|info| info.id);
        infos
    }

    /// The places in seats that somebody fills, in join order.
    pub(super) fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = self.by_place.keys().map(|(place, _)| *place).collect();
        places.dedup();
        places
    }

    /// Where a new source of a member belongs: beside the other half of the same rank if there is one.
    pub(super) fn free_place(&self, member: MemberKey, source: SourceKind) -> Place {
        let place = |rank| Place {
            member,
            screen: source.is_screen(),
            rank,
        };
        let free = |rank: &u8| !self.by_place.contains_key(&(place(*rank), is_video(source.kind())));
        place((0..u8::MAX).find(free).unwrap_or(u8::MAX))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A camera of member 1 with three encodings up to 1280x720.
    pub(in crate::room) fn camera(id: u32) -> Publication {
        Publication {
            id: PublicationId(id),
            place: Place {
                member: MemberKey(1),
                screen: false,
                rank: 0,
            },
            source: SourceKind::Camera,
            key: SourceKey(u64::from(id)),
            shard: ShardId(0),
            mid: "1".to_owned(),
            codecs: Vec::new(),
            codec: None,
            encodings: 3,
            muted: false,
            width: Some(1280),
            height: Some(720),
            metadata: None,
            backup_of: None,
            encrypted: false,
        }
    }

    #[test]
    fn microphone_and_camera_of_one_rank_share_a_place() {
        let mut publications = Publications::default();
        let owner = MemberKey(1);
        let mut add = |id, source: SourceKind| {
            let place = publications.free_place(owner, source);
            publications.insert(Publication {
                source,
                place,
                ..camera(id)
            });
            place
        };
        let main = add(1, SourceKind::Camera);
        assert_eq!(add(2, SourceKind::Microphone), main);
        let screen = add(3, SourceKind::Screen);
        assert_eq!(add(4, SourceKind::ScreenAudio), screen);
        assert_ne!(screen, main);
        let second = add(5, SourceKind::Camera);
        assert_eq!((second.rank, second.screen), (1, false));
        assert_eq!(publications.places(), [main, second, screen]);
        assert_eq!(publications.of(owner).count(), 5);
        assert_eq!(publications.of(MemberKey(2)).count(), 0);
        assert_eq!(
            publications.remove(PublicationId(1)).map(|p| p.id),
            Some(PublicationId(1))
        );
        assert_eq!(publications.free_place(owner, SourceKind::Camera), main);
        assert!(publications.at(main, Kind::Video).is_none());
        assert!(publications.at(main, Kind::Audio).is_some());
    }
}
