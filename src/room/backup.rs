//! Backups: a second version of a picture in another codec, sent while somebody who wants to see it cannot decode the
//! first. The server asks the publisher for it, binds each subscriber to the version that it can decode, and lets it go
//! some time after nobody needs it. To others a publication and its backup are one publication.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    Room,
    agenda::Timer,
    publication::Publication,
    roster::{Owner, Roster},
};
use crate::{
    packet::{Codec, Kind},
    transport::negotiation::SendLine,
    wire::{ParticipantId, PublicationId, signal::ServerMessage},
};

/// How long a backup is kept that nobody needs. Somebody who reloads the page should not cost a keyframe of a new encoder.
const LINGER: Duration = Duration::from_secs(10);
/// How many of those who need it the publisher is told by name.
const NAMED_MAX: usize = 8;

/// Who needs backups, and what was asked for.
#[derive(Debug, Default)]
pub(super) struct Backups {
    by_publication: BTreeMap<PublicationId, Backup>,
    /// What has to be looked at again.
    changed: BTreeSet<PublicationId>,
}

/// Of one publication.
#[derive(Debug, Default)]
struct Backup {
    /// Who cannot decode the publication itself, and in which of the publisher's other codecs they could.
    needed_by: BTreeMap<Owner, BTreeSet<Codec>>,
    /// Asked of the publisher last; empty: nothing, or to let it go.
    asked: Vec<Codec>,
}

impl Backups {
    /// A seat half is for this publication, or no longer; `needs`: it cannot decode it.
    pub(super) fn note(&mut self, owner: Owner, publication: PublicationId, needs: Option<BTreeSet<Codec>>) {
        let changed = match needs {
            Some(codecs) => {
                let backup = self.by_publication.entry(publication).or_default();
                backup.needed_by.insert(owner, codecs.clone()) != Some(codecs)
            }
            None => {
                let backup = self.by_publication.get_mut(&publication);
                backup.is_some_and(|backup| backup.needed_by.remove(&owner).is_some())
            }
        };
        if changed {
            self.changed.insert(publication);
        }
    }

    /// The participant or viewer is gone.
    pub(super) fn leave(&mut self, owner: Owner) {
        for (publication, backup) in &mut self.by_publication {
            if backup.needed_by.remove(&owner).is_some() {
                self.changed.insert(*publication);
            }
        }
    }

    /// The publisher ended the backup; whether it is wanted again is to be seen.
    pub(super) fn ended(&mut self, publication: PublicationId) {
        if let Some(backup) = self.by_publication.get_mut(&publication) {
            backup.asked.clear();
            self.changed.insert(publication);
        }
    }

    /// Which publications cannot be decoded by whom.
    #[cfg(test)]
    pub(super) fn needs(&self) -> BTreeSet<(PublicationId, Owner)> {
        let all = self.by_publication.iter();
        all.flat_map(|(id, backup)| backup.needed_by.keys().map(|owner| (*id, *owner)))
            .collect()
    }

    /// The publication is over.
    pub(super) fn forget(&mut self, publication: PublicationId) {
        self.by_publication.remove(&publication);
        self.changed.remove(&publication);
    }
}

impl Backup {
    /// In which codecs it should be: those that help most of who needs it, in the publisher's order.
    fn codecs(&self, publication: &Publication) -> Vec<Codec> {
        let helped = |codec: Codec| self.needed_by.values().filter(|codecs| codecs.contains(&codec)).count();
        let most = publication
            .codecs
            .iter()
            .map(|line| helped(line.codec))
            .max()
            .unwrap_or(0);
        let mut codecs = Vec::new();
        for line in publication.codecs.iter().filter(|line| helped(line.codec) == most) {
            if most > 0 && !codecs.contains(&line.codec) {
                codecs.push(line.codec);
            }
        }
        codecs
    }
}

/// What a seat that cannot decode a publication could decode of the codecs on its m-line. `None`: it needs no backup.
pub(super) fn need_of(line: &SendLine, publication: &Publication) -> Option<BTreeSet<Codec>> {
    if publication.kind() != Kind::Video || publication.is_carried_by(line) {
        return None;
    }
    let other = publication
        .codecs
        .iter()
        .filter(|own| publication.codec != Some(own.codec));
    let decodable = other.filter(|own| line.format_for(own).is_some());
    Some(decodable.map(|own| own.codec).collect())
}

impl Room {
    /// Asks for what is needed since the last time, and remembers to let go what is not.
    pub(super) fn settle_backups(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.backups.changed) {
            let Some(backup) = self.backups.by_publication.get(&id) else {
                continue;
            };
            if backup.needed_by.is_empty() {
                self.agenda.set_first(Timer::Backup(id), now + LINGER);
                continue;
            }
            self.agenda.cancel(Timer::Backup(id));
            let Some(publication) = self.publications.get(id) else {
                continue;
            };
            let codecs = backup.codecs(publication);
            let present = self.publications.backup_of(id);
            let serves = present.is_some_and(|present| present.codecs.iter().any(|own| codecs.contains(&own.codec)));
            if !codecs.is_empty() && !serves && codecs != backup.asked {
                let named = named(&self.roster, backup);
                self.ask_backup(id, codecs, named);
            }
        }
    }

    /// Nobody has needed it for a while.
    pub(super) fn handle_backup_idle(&mut self, id: PublicationId) {
        let backup = self.backups.by_publication.get(&id);
        if backup.is_none_or(|backup| !backup.needed_by.is_empty()) {
            return;
        }
        self.backups.by_publication.remove(&id);
        if self.publications.backup_of(id).is_some() {
            self.ask_backup(id, Vec::new(), Vec::new());
        }
    }

    fn ask_backup(&mut self, id: PublicationId, codecs: Vec<Codec>, needed_by: Vec<ParticipantId>) {
        let Some((owner, codec)) = self.publications.get(id).map(|one| (one.owner(), one.codec)) else {
            return;
        };
        if let Some(backup) = self.backups.by_publication.get_mut(&id) {
            backup.asked.clone_from(&codecs);
        }
        let message = ServerMessage::PublicationBackup {
            publication: id,
            codec,
            wanted: !codecs.is_empty(),
            codecs,
            needed_by,
        };
        self.tell(owner, &message);
    }
}

fn named(roster: &Roster, backup: &Backup) -> Vec<ParticipantId> {
    let members = backup.needed_by.keys().filter_map(|owner| match owner {
        Owner::Member(member) => roster.id(*member),
        Owner::Viewer(_) => None,
    });
    members.take(NAMED_MAX).collect()
}
