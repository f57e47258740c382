//! Beginning, changing and ending publications.

use std::time::Instant;

use super::{
    Room, agenda::Timer, next, publication::Publication, rate::Talk, requests::Refusal, roster::MemberKey, seat::Place,
};
use crate::{
    media::SourceKey,
    packet::{Codec, Kind},
    shard::command::ShardCommand,
    wire::{
        ErrorCode, Json, ParticipantId, PublicationId,
        signal::{Mode, PublishLine, ServerMessage, SourceKind},
    },
};

impl Room {
    pub(super) fn publish(
        &mut self,
        now: Instant,
        member: MemberKey,
        line: &PublishLine,
    ) -> Result<PublicationId, Refusal> {
        let no_line = || {
            let sentence = format!("no m-line with mid {:?} is agreed on which you send", line.mid);
            Refusal::field(ErrorCode::NoSuchLine, "mid", sentence)
        };
        let participant = self.roster.get(member).ok_or_else(no_line)?;
        if !participant.grant.publish {
            return Err(Refusal::new(
                ErrorCode::Forbidden,
                "the token does not allow publishing",
            ));
        }
        if participant.mode != Mode::SendAndReceive {
            let sentence = "nothing is published in this mode; update can change it";
            return Err(Refusal::new(ErrorCode::Forbidden, sentence));
        }
        let live = participant.path.live.as_ref().ok_or_else(no_line)?;
        let agreed = live
            .receive
            .iter()
            .find(|agreed| agreed.mid == line.mid)
            .ok_or_else(no_line)?;
        if agreed.kind != line.source.kind() {
            let sentence = "the m-line carries the other kind of media";
            return Err(Refusal::field(ErrorCode::LineInUse, "mid", sentence));
        }
        if let Some(known) = self
            .publications
            .all_of(member)
            .find(|publication| publication.mid == line.mid)
        {
            // The same again, as after a repeated offer, is no mistake.
            if known.source == line.source && known.backup_of == line.backup_of {
                return Ok(known.id);
            }
            return Err(Refusal::field(
                ErrorCode::LineInUse,
                "mid",
                "another source is published on the m-line",
            ));
        }
        let place = match line.backup_of {
            Some(main) => self.place_of_backup(member, line, main)?,
            None => self.place_of_source(member, line)?,
        };
        let (transport, shard, owner) = (live.transport, participant.path.shard, participant.id.clone());
        let (codecs, encodings) = (agreed.codecs.clone(), agreed.rids.len().clamp(1, usize::from(u8::MAX)));
        self.pace(now, member, Talk::State)?;

        let muted = match line.backup_of.and_then(|main| self.publications.get(main)) {
            Some(main) => main.muted,
            None => line.muted,
        };
        let key = SourceKey((u64::from(self.number) << 32) | u64::from(next(&mut self.last.source)));
        let publication = Publication {
            id: PublicationId(next(&mut self.last.publication)),
            place,
            source: line.source,
            key,
            shard,
            mid: line.mid.clone(),
            codecs,
            codec: None,
            encodings: u8::try_from(encodings).unwrap_or(u8::MAX),
            muted,
            width: line.width,
            height: line.height,
            metadata: line.metadata.clone().filter(Json::is_something),
            backup_of: line.backup_of,
            encrypted: line.encrypted,
        };
        let (mid, kind, is_voice) = (line.mid.clone(), line.source.kind(), publication.is_voice());
        self.command(
            shard,
            ShardCommand::Publish {
                transport,
                mid,
                source: key,
                kind,
                is_voice,
                encodings,
            },
        );
        if let Some(size) = publication.size() {
            self.command(shard, ShardCommand::SetSize { source: key, size });
        }
        if muted {
            self.command(
                shard,
                ShardCommand::SetMuted {
                    source: key,
                    muted: true,
                },
            );
        }
        let (id, info) = (publication.id, publication.info());
        self.demands.add(now, id, publication.encodings);
        self.record(&publication);
        self.publications.insert(publication);
        if line.backup_of.is_none() {
            self.note_published(member, id, line.source);
            self.tell_others(
                Some(member),
                &ServerMessage::PublicationAdded {
                    participant: owner.clone(),
                    publication: info,
                },
            );
        }
        self.look_at_place_everywhere(now, place, &owner);
        Ok(id)
    }

    /// Where a source that is published now belongs, if it may be.
    fn place_of_source(&self, member: MemberKey, line: &PublishLine) -> Result<Place, Refusal> {
        let same = self
            .publications
            .of(member)
            .filter(|p| p.source == line.source && p.metadata == line.metadata.clone().filter(Json::is_something));
        if same.count() > 0 {
            let sentence = "you publish such a source already; metadata can tell two apart";
            return Err(Refusal::field(ErrorCode::TooManyPublications, "source", sentence));
        }
        if self.publications.of(member).count() >= self.config.max_publications {
            return Err(Refusal::new(
                ErrorCode::TooManyPublications,
                "you publish all the sources you may publish",
            ));
        }
        Ok(self.publications.free_place(member, line.source))
    }

    /// The same for another version of a source.
    fn place_of_backup(&self, member: MemberKey, line: &PublishLine, main: PublicationId) -> Result<Place, Refusal> {
        let refuse = |code, sentence: &str| Refusal::field(code, "backupOf", sentence);
        let publication = self.publications.get(main).filter(|one| one.backup_of.is_none());
        let publication = publication.ok_or_else(|| {
            refuse(
                ErrorCode::NoSuchPublication,
                "there is no such publication to be the backup of",
            )
        })?;
        if publication.owner() != member {
            return Err(refuse(ErrorCode::NotYours, "the publication is somebody else's"));
        }
        if publication.kind() != Kind::Video || publication.source != line.source {
            let sentence = "a backup is another version of the same picture";
            return Err(refuse(ErrorCode::InvalidField, sentence));
        }
        if publication.encrypted != line.encrypted {
            let sentence = "a backup is encrypted if the publication is, and not otherwise";
            return Err(refuse(ErrorCode::InvalidField, sentence));
        }
        if self.publications.backup_of(main).is_some() {
            return Err(refuse(ErrorCode::TooManyPublications, "it has a backup already"));
        }
        Ok(publication.place)
    }

    /// The publication, if it is this member's own.
    fn own(&mut self, member: MemberKey, id: PublicationId) -> Result<&mut Publication, Refusal> {
        let refuse = |code, sentence: &str| Refusal::field(code, "publication", sentence);
        match self.publications.get_mut(id) {
            None => Err(refuse(ErrorCode::NoSuchPublication, "there is no such publication")),
            Some(publication) if publication.owner() != member => {
                Err(refuse(ErrorCode::NotYours, "the publication is somebody else's"))
            }
            Some(publication) => Ok(publication),
        }
    }

    pub(super) fn unpublish(&mut self, now: Instant, member: MemberKey, id: PublicationId) -> Result<(), Refusal> {
        self.own(member, id)?;
        self.pace(now, member, Talk::State)?;
        self.remove_publication(now, id);
        Ok(())
    }

    pub(super) fn mute(
        &mut self,
        now: Instant,
        member: MemberKey,
        id: PublicationId,
        muted: bool,
    ) -> Result<(), Refusal> {
        if self.own(member, id)?.muted == muted {
            return Ok(());
        }
        self.pace(now, member, Talk::State)?;
        self.set_muted(id, muted);
        Ok(())
    }

    /// Mutes a publication or lets it be heard and seen again, and tells everybody but its owner.
    pub(super) fn set_muted(&mut self, id: PublicationId, muted: bool) {
        let Some(publication) = self.publications.get_mut(id).filter(|one| one.muted != muted) else {
            return;
        };
        publication.muted = muted;
        let is_main = publication.backup_of.is_none();
        let (shard, source, kind) = (publication.shard, publication.key, publication.source);
        let owner = publication.owner();
        self.command(shard, ShardCommand::SetMuted { source, muted });
        self.views_changed();
        if muted && kind == SourceKind::Microphone {
            self.speakers.forget(owner);
        }
        if is_main {
            self.tell_updated(id);
            if let Some(backup) = self.publications.backup_of(id).map(|backup| backup.id) {
                self.set_muted(backup, muted);
            }
        }
    }

    fn tell_updated(&mut self, id: PublicationId) {
        let Some(publication) = self.publications.get(id) else {
            return;
        };
        let (owner, info) = (publication.owner(), publication.info());
        if let Some(participant) = self.roster.id(owner) {
            let message = ServerMessage::PublicationUpdated {
                participant,
                publication: info,
            };
            self.tell_others(Some(owner), &message);
        }
    }

    /// The first packet has come: now it is known what the source carries.
    pub(super) fn set_codec(&mut self, now: Instant, source: SourceKey, codec: Codec) {
        let id = self.publications.by_source(source);
        let Some(publication) = id.and_then(|id| self.publications.get_mut(id)) else {
            return;
        };
        if publication.codec == Some(codec) || publication.kind() != codec.kind() {
            return;
        }
        publication.codec = Some(codec);
        let (id, place, owner) = (publication.id, publication.place, publication.owner());
        if publication.backup_of.is_none() {
            self.tell_updated(id);
        }
        if let Some(owner) = self.roster.id(owner) {
            self.look_at_place_everywhere(now, place, &owner);
        }
    }

    /// Ends a publication whose owner stays.
    pub(super) fn remove_publication(&mut self, now: Instant, id: PublicationId) {
        let Some((owner, is_main)) = self
            .publications
            .get(id)
            .map(|one| (one.owner(), one.backup_of.is_none()))
        else {
            return;
        };
        let Some(participant) = self.roster.id(owner) else {
            return;
        };
        if is_main {
            let message = ServerMessage::PublicationRemoved {
                participant: participant.clone(),
                publication: id,
            };
            self.tell_others(Some(owner), &message);
        }
        self.end_publication(now, id, &participant);
    }

    /// Takes a publication out of everything; others were told by their own event.
    pub(super) fn end_publication(&mut self, now: Instant, id: PublicationId, owner: &ParticipantId) {
        if let Some(backup) = self.publications.backup_of(id).map(|backup| backup.id) {
            self.end_publication(now, backup, owner);
        }
        let Some(publication) = self.publications.remove(id) else {
            return;
        };
        self.record_end(&publication);
        match publication.backup_of {
            Some(main) => self.backups.ended(main),
            None => {
                self.note_unpublished(publication.owner(), id);
                self.backups.forget(id);
                self.agenda.cancel(Timer::Backup(id));
            }
        }
        if publication.source.kind() == Kind::Audio && !publication.source.is_screen() {
            self.speakers.forget(publication.owner());
        }
        for participant in self.roster.iter_mut() {
            participant.wishes.forget(id);
        }
        self.demands.remove(id);
        self.ended.push((publication.shard, publication.key));
        self.look_at_place_everywhere(now, publication.place, owner);
    }
}
