//! What is shown of rooms to those outside, as the rooms themselves last said.

use std::collections::{BTreeSet, HashMap};

use crate::wire::limits::{ROOMS_BYTES_MAX, ROOMS_MAX};
use crate::wire::signal::Presence;

/// The presence of each room, by the room's number, and the numbers by listing.
#[derive(Debug, Default)]
pub(super) struct Presences {
    shown: HashMap<u32, Shown>,
    listed: HashMap<String, BTreeSet<u32>>,
}

#[derive(Debug)]
struct Shown {
    presence: Presence,
    listing: Option<String>,
}

impl Presences {
    /// A room shows this from now on.
    pub(super) fn show(&mut self, number: u32, presence: Presence, listing: Option<String>) {
        self.hide(number);
        if let Some(listing) = &listing {
            self.listed.entry(listing.clone()).or_default().insert(number);
        }
        self.shown.insert(number, Shown { presence, listing });
    }

    /// A room is no more.
    pub(super) fn hide(&mut self, number: u32) {
        let Some(Shown {
            listing: Some(listing), ..
        }) = self.shown.remove(&number)
        else {
            return;
        };
        if let Some(rooms) = self.listed.get_mut(&listing) {
            rooms.remove(&number);
            if rooms.is_empty() {
                self.listed.remove(&listing);
            }
        }
    }

    /// What a room shows.
    pub(super) fn of(&self, number: u32) -> Option<&Presence> {
        self.shown.get(&number).map(|shown| &shown.presence)
    }

    /// Rooms listed by this word, oldest first: as many as fit into one answer.
    pub(super) fn listed(&self, listing: &str) -> Vec<Presence> {
        let numbers = self.listed.get(listing).into_iter().flatten();
        let shown = numbers.filter_map(|number| self.of(*number));
        let mut rooms: Vec<Presence> = shown.take(ROOMS_MAX).cloned().collect();
        fit(&mut rooms);
        rooms
    }
}

/// Keeps of these the first: as many as fit into one answer.
pub(super) fn fit(rooms: &mut Vec<Presence>) {
    let mut bytes = 0;
    let fits = |presence: &&Presence| {
        bytes += size(presence);
        bytes <= ROOMS_BYTES_MAX
    };
    let count = rooms.iter().take_while(fits).count();
    rooms.truncate(count.min(ROOMS_MAX));
}

/// About as many bytes as it is written in.
fn size(presence: &Presence) -> usize {
    let json = |json: &Option<crate::wire::Json>| json.as_ref().map_or(0, |json| json.as_str().len());
    let owner = presence.owner.as_ref();
    let owner = owner.map_or(0, |owner| owner.display_name.len() + json(&owner.metadata));
    512 + json(&presence.info) + owner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Json, RoomId};

    fn presence(room: &str, info: usize) -> Presence {
        Presence {
            exists: true,
            info: Some(Json::new(&"x".repeat(info).into())),
            ..Presence::nobody(RoomId::new(room).unwrap(), 9)
        }
    }

    #[test]
    fn a_room_is_found_by_its_latest_listing_until_it_ends() {
        let mut presences = Presences::default();
        let names = |presences: &Presences, listing: &str| -> Vec<String> {
            let rooms = presences.listed(listing);
            rooms.iter().map(|room| room.room.as_str().to_owned()).collect()
        };
        presences.show(2, presence("b", 1), Some("public".to_owned()));
        presences.show(1, presence("a", 1), Some("public".to_owned()));
        assert_eq!(names(&presences, "public"), ["a", "b"]);
        presences.show(1, presence("a", 1), Some("other".to_owned()));
        assert_eq!(
            (names(&presences, "public"), names(&presences, "other")),
            (vec!["b".to_owned()], vec!["a".to_owned()])
        );
        presences.show(2, presence("b", 1), None);
        assert!(names(&presences, "public").is_empty() && presences.of(2).is_some());
        presences.hide(1);
        presences.hide(2);
        assert!(presences.shown.is_empty() && presences.listed.is_empty());
    }

    #[test]
    fn an_answer_holds_so_many_rooms_and_so_many_bytes() {
        let mut presences = Presences::default();
        for number in 0..200 {
            presences.show(number, presence("small", 1), Some("small".to_owned()));
            presences.show(1_000 + number, presence("large", 16_000), Some("large".to_owned()));
        }
        assert_eq!(presences.listed("small").len(), ROOMS_MAX);
        let large = serde_json::to_string(&presences.listed("large")).unwrap();
        assert!(
            large.len() <= ROOMS_BYTES_MAX && large.len() > ROOMS_BYTES_MAX / 2,
            "{}",
            large.len()
        );
    }
}
