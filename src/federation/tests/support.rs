//! Names and people for tests.

use std::sync::Arc;

use crate::wire::{
    ParticipantId, RoomId,
    link::{Person, RoomAddress},
};

pub(crate) fn person(id: &str) -> Person {
    Person {
        id: ParticipantId::new(id).unwrap(),
        display_name: id.to_uppercase(),
    }
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

pub(crate) fn address(id: &str, session: &str) -> RoomAddress {
    RoomAddress {
        room: room(id),
        session: Arc::from(session),
    }
}
