//! What moderators do to others.

use std::time::Instant;

use super::{
    Room, close,
    rate::Talk,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
};
use crate::wire::{
    ErrorCode, ParticipantId,
    signal::{ByeCode, LeaveReason, ServerMessage, SourceKind},
};

impl Room {
    fn moderator(&self, member: MemberKey) -> Result<(), Refusal> {
        match self.roster.get(member) {
            Some(participant) if participant.grant.moderate => Ok(()),
            Some(_) | None => Err(Refusal::new(
                ErrorCode::Forbidden,
                "the token does not allow acting on others (allow_mod)",
            )),
        }
    }

    /// Somebody who is here.
    pub(super) fn present(&self, id: &ParticipantId) -> Result<MemberKey, Refusal> {
        self.roster.find(id).ok_or_else(|| {
            let sentence = format!("{id} is not in the room");
            Refusal::field(ErrorCode::NoSuchParticipant, "participant", sentence)
        })
    }

    pub(super) fn remove(&mut self, now: Instant, member: MemberKey, whom: &ParticipantId) -> Answer {
        self.moderator(member)?;
        let target = self.present(whom)?;
        if target == member {
            let sentence = "to go oneself there is leave";
            return Err(Refusal::field(ErrorCode::InvalidField, "participant", sentence));
        }
        self.say_bye(target, ByeCode::Removed, "a moderator removed you", false, None);
        self.depart(now, target, LeaveReason::Removed, Some((close::REMOVED, "removed")));
        Ok(ok())
    }

    /// Off is done here, and may be undone by its addressee; on is asked.
    pub(super) fn media_request(
        &mut self,
        now: Instant,
        member: MemberKey,
        whom: &ParticipantId,
        source: SourceKind,
        on: bool,
    ) -> Answer {
        self.moderator(member)?;
        let target = self.present(whom)?;
        self.pace(now, member, Talk::State)?;
        if let Some(from) = self.roster.id(member) {
            self.request_media(target, source, on, from);
        }
        Ok(ok())
    }

    /// Tells somebody, and does what needs no asking.
    pub(super) fn request_media(&mut self, target: MemberKey, source: SourceKind, on: bool, from: ParticipantId) {
        // Who publishes by WHIP cannot be asked: what a moderator muted, a moderator lets be heard again.
        let is_asked = self.roster.get(target).is_some_and(|one| one.session.is_some());
        if !(on && is_asked) {
            let of_kind = |kind: SourceKind| kind == source || (source == SourceKind::Screen && kind.is_screen());
            let publications = self.publications.of(target).filter(|one| of_kind(one.source));
            let publications: Vec<_> = publications.map(|one| one.id).collect();
            for publication in publications {
                self.set_muted(publication, !on);
            }
        }
        let requested = ServerMessage::MediaRequested {
            participant: from,
            source,
            on,
        };
        self.tell(target, &requested);
    }
}
