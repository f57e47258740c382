//! What a participant does with media, as it says itself.

use std::time::Instant;

use super::{Room, roster::MemberKey};
use crate::wire::signal::Mode;

impl Room {
    /// Takes over a new mode: ends what it forbids, gives back what it allows. False if it is the old one.
    pub(super) fn set_mode(&mut self, now: Instant, member: MemberKey, mode: Mode) -> bool {
        let Some(participant) = self.roster.get_mut(member) else {
            return false;
        };
        if std::mem::replace(&mut participant.mode, mode) == mode {
            return false;
        }
        if mode != Mode::SendAndReceive {
            let publications: Vec<_> = self.publications.of(member).map(|publication| publication.id).collect();
            for publication in publications {
                self.remove_publication(now, publication);
            }
        }
        self.want_everything(now, member);
        true
    }
}
