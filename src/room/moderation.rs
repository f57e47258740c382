//! What moderators do to others.

use std::{collections::BTreeMap, time::Instant};

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

/// Most who are kept out of one room at a time.
const BLOCKED_MAX: usize = 1_000;

/// Who is kept out of the room, each until a time in milliseconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    until: BTreeMap<ParticipantId, u64>,
}

impl Blocked {
    /// False when there is no place: nobody is let in early to make one.
    fn add(&mut self, id: &ParticipantId, unix_ms: u64, block_ms: u32) -> bool {
        if self.until.len() >= BLOCKED_MAX {
            self.until.retain(|_, until| *until > unix_ms);
        }
        let has_place = self.until.len() < BLOCKED_MAX || self.until.contains_key(id);
        if has_place {
            self.until.insert(id.clone(), unix_ms + u64::from(block_ms));
        }
        has_place
    }

    /// Is this id kept out now?
    pub(super) fn keeps_out(&self, id: &ParticipantId, unix_ms: u64) -> bool {
        self.until.get(id).is_some_and(|until| *until > unix_ms)
    }
}

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

    /// With `block_ms` this id is let in no more for so long, as long as the room lives.
    pub(super) fn remove(
        &mut self,
        now: Instant,
        member: MemberKey,
        whom: &ParticipantId,
        block_ms: Option<u32>,
    ) -> Answer {
        self.moderator(member)?;
        let target = self.present(whom)?;
        if target == member {
            let sentence = "to go oneself there is leave";
            return Err(Refusal::field(ErrorCode::InvalidField, "participant", sentence));
        }
        if let Some(block_ms) = block_ms
            && !self.blocked.add(whom, self.unix_ms, block_ms)
        {
            let sentence = "too many are kept out of this room already";
            return Err(Refusal::field(ErrorCode::StoreFull, "blockMs", sentence));
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
