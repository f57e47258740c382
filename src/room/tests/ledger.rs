//! Keeps a room's events and holds what those who read them rely on.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    room::{Happening, RoomEvent},
    wire::{ParticipantId, PublicationId, RoomId},
};

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) events: Vec<RoomEvent>,
    is_open: bool,
    sequence: u64,
    here: BTreeMap<u32, ParticipantId>,
    stays: BTreeSet<u32>,
    publications: BTreeMap<PublicationId, u32>,
    links: BTreeSet<RoomId>,
}

impl Ledger {
    pub(super) fn write(&mut self, event: RoomEvent) {
        if !matches!(event.what, Happening::Measured { .. }) {
            self.sequence += 1;
        }
        assert_eq!(event.sequence, self.sequence, "numbers have no gap");
        match &event.what {
            Happening::SessionStarted => assert!(!std::mem::replace(&mut self.is_open, true)),
            Happening::SessionEnded { .. } => {
                assert!(std::mem::take(&mut self.is_open));
                assert!(self.here.is_empty() && self.publications.is_empty() && self.links.is_empty());
            }
            Happening::Joined { stay, participant, .. } => {
                assert!(self.stays.insert(*stay), "a stay is never used twice");
                assert!(!self.here.values().any(|one| one == participant), "once at a time");
                self.here.insert(*stay, participant.clone());
            }
            Happening::Left { stay, participant, .. } => {
                assert_eq!(
                    self.here.remove(stay).as_ref(),
                    Some(participant),
                    "who left had joined"
                );
            }
            Happening::Published { stay, publication, .. } => {
                assert!(self.here.contains_key(stay));
                assert!(self.publications.insert(*publication, *stay).is_none());
            }
            Happening::Unpublished { stay, publication } => {
                assert_eq!(self.publications.remove(publication), Some(*stay));
            }
            Happening::LinkOpened { link } => assert!(self.links.insert(link.clone())),
            Happening::LinkClosed { link, .. } => assert!(self.links.remove(link)),
            Happening::Recording(_) => {}
            Happening::Measured { samples } => {
                assert!(!samples.is_empty());
                assert!(samples.iter().all(|sample| self.here.contains_key(&sample.stay)));
            }
        }
        assert!(self.is_open || matches!(event.what, Happening::SessionEnded { .. }));
        self.events.push(event);
    }

    /// Who is here, as events tell it.
    pub(super) fn here(&self) -> BTreeSet<&str> {
        self.here.values().map(ParticipantId::as_str).collect()
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    pub(super) fn publications(&self) -> usize {
        self.publications.len()
    }
}
