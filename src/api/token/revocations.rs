//! What was revoked: few entries, each with its end. Told to every node of a cluster (`api/revoked.rs`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::room::{Pass, Revocation};
use crate::wire::{ParticipantId, RoomId};

/// Most entries at a time. All are looked through for every token.
const ENTRIES_MAX: usize = 10_000;

/// A revocation and when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What is revoked.
    #[serde(flatten)]
    pub revocation: Revocation,
    /// Until when, in seconds since 1970.
    pub until: u64,
}

/// There are as many revocations as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// What was revoked, by name. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl Revocations {
    /// Adds an entry. `now`: seconds since 1970.
    ///
    /// # Errors
    /// [`Full`]: nothing is forgotten before its end to make room.
    pub fn add(&self, name: String, entry: Entry, now: u64) -> Result<(), Full> {
        let mut entries = self.lock();
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, entry| entry.until > now);
        }
        if entries.len() >= ENTRIES_MAX && !entries.contains_key(&name) {
            return Err(Full);
        }
        entries.insert(name, entry);
        Ok(())
    }

    /// Takes an entry back; what it was.
    pub fn remove(&self, name: &str) -> Option<Entry> {
        self.lock().remove(name)
    }

    /// Whether there is an entry of this name.
    pub fn has(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }

    /// Those that have not ended, by name.
    pub fn list(&self, now: u64) -> Vec<(String, Entry)> {
        let mut entries = self.lock();
        entries.retain(|_, entry| entry.until > now);
        entries
            .iter()
            .map(|(name, entry)| (name.clone(), entry.clone()))
            .collect()
    }

    /// By what somebody with this token, as far as room and participant are known, is let in no more.
    pub fn find(
        &self,
        pass: &Pass,
        room: Option<&RoomId>,
        participant: Option<&ParticipantId>,
        now: u64,
    ) -> Option<Revocation> {
        let entries = self.lock();
        let hits = |entry: &&Entry| entry.until > now && entry.revocation.hits(pass, room, participant);
        entries.values().find(hits).map(|entry| entry.revocation.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // Nothing in here can leave it half changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(jti: &str, until: u64) -> Entry {
        Entry {
            revocation: Revocation {
                jti: Some(jti.to_owned()),
                ..Revocation::default()
            },
            until,
        }
    }

    #[test]
    fn a_revocation_holds_until_its_end_or_until_it_is_taken_back() {
        let revocations = Revocations::default();
        let pass = Pass {
            token: Some("t".into()),
            ..Pass::default()
        };
        revocations.add("one".to_owned(), entry("t", 100), 0).unwrap();
        let hits = |now| revocations.find(&pass, None, None, now).is_some();
        assert!(hits(99) && !hits(100));
        assert_eq!(revocations.list(99).len(), 1);
        assert!(revocations.remove("one").is_some() && revocations.remove("one").is_none());
        assert!(!hits(0));
    }

    #[test]
    fn a_full_list_forgets_only_what_has_ended() {
        let revocations = Revocations::default();
        for number in 0..ENTRIES_MAX {
            revocations.add(number.to_string(), entry("t", 100), 0).unwrap();
        }
        assert_eq!(revocations.add("more".to_owned(), entry("t", 200), 99), Err(Full));
        assert_eq!(revocations.add("more".to_owned(), entry("t", 200), 100), Ok(()));
        assert_eq!(revocations.list(100).len(), 1);
    }
}
