//! What is revoked, and whom it puts out: a token, somebody, or everything issued before a moment.

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

use super::{Room, close};
use crate::wire::{
    ErrorCode, ParticipantId, RoomId,
    signal::{ByeCode, LeaveReason},
};

/// What names the token that somebody came in with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// The id of the key that signed it.
    pub key: Arc<str>,
    /// Its own name (`jti`), if it has one.
    pub token: Option<Arc<str>>,
    /// When it was issued (`iat`), in seconds since 1970, if it says so.
    pub issued_at: Option<u64>,
}

/// Tokens and people who are let in no more. All conditions that are given have to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revocation {
    /// Only tokens signed by this key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Only the token of this `jti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Only in this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Only whoever has this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub participant: Option<ParticipantId>,
    /// Only tokens issued before this, in seconds since 1970. One that does not say when it was issued counts as old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<u64>,
}

impl Revocation {
    /// Whether it says enough to be meant: a key or a room alone would lock out everybody.
    pub const fn is_lawful(&self) -> bool {
        self.jti.is_some() || self.participant.is_some() || self.issued_before.is_some()
    }

    /// Whether it concerns whoever comes with this token as that participant. What is not known yet is not met.
    pub fn hits(&self, pass: &Pass, room: Option<&RoomId>, participant: Option<&ParticipantId>) -> bool {
        let is_old = |before: u64| pass.issued_at.is_none_or(|at| at < before);
        self.key.as_deref().is_none_or(|key| key == &*pass.key)
            && self.jti.as_deref().is_none_or(|jti| pass.token.as_deref() == Some(jti))
            && self.room.as_ref().is_none_or(|only| room == Some(only))
            && self.participant.as_ref().is_none_or(|only| participant == Some(only))
            && self.issued_before.is_none_or(is_old)
    }
}

impl Room {
    /// Puts out whom it concerns: those who are here, who wait, who watch, and whose socket is gone but who could come back.
    pub(super) fn handle_revoked(&mut self, now: Instant, revocation: &Revocation) {
        let sentence = "your token, or your right to be here, was revoked";
        self.turn_away_if(ErrorCode::TokenRevoked, sentence, |room, id, pass| {
            revocation.hits(pass, Some(room), Some(id))
        });
        for key in self.viewers.keys() {
            let viewer = self.viewers.get(key);
            if viewer.is_some_and(|viewer| revocation.hits(&viewer.pass, Some(&self.id), None)) {
                self.drop_viewer(key);
            }
        }
        for member in self.roster.keys() {
            let participant = self.roster.get(member);
            if participant.is_some_and(|one| revocation.hits(&one.pass, Some(&self.id), Some(&one.id))) {
                self.say_bye(member, ByeCode::TokenRevoked, sentence, false, None);
                self.depart(now, member, LeaveReason::Removed, Some((close::REMOVED, "revoked")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revocation_hits_what_meets_all_its_conditions_and_nothing_that_is_not_known() {
        let pass = |token: Option<&str>, issued_at| Pass {
            key: "main".into(),
            token: token.map(Into::into),
            issued_at,
        };
        let (room, ada) = (RoomId::new("r").unwrap(), ParticipantId::new("ada").unwrap());
        let jti = Revocation {
            jti: Some("t1".to_owned()),
            ..Revocation::default()
        };
        assert!(jti.hits(&pass(Some("t1"), None), None, None));
        assert!(!jti.hits(&pass(Some("t2"), None), None, None) && !jti.hits(&pass(None, None), None, None));
        let person = Revocation {
            room: Some(room.clone()),
            participant: Some(ada.clone()),
            ..Revocation::default()
        };
        let anything = pass(None, Some(1));
        assert!(person.hits(&anything, Some(&room), Some(&ada)));
        assert!(!person.hits(&anything, None, Some(&ada)) && !person.hits(&anything, Some(&room), None));
        let old = Revocation {
            issued_before: Some(100),
            key: Some("main".to_owned()),
            ..Revocation::default()
        };
        let hits = [Some(99), Some(100), None].map(|at| old.hits(&pass(None, at), None, None));
        assert_eq!(hits, [true, false, true]);
        let of_key = Revocation {
            key: Some("main".to_owned()),
            ..Revocation::default()
        };
        assert!(old.is_lawful() && person.is_lawful() && jti.is_lawful() && !of_key.is_lawful());
    }
}
