//! What a participant asks about other rooms. The node knows them; the room keeps the answer in its place among the others.

use std::time::Instant;

use super::{Output, Room, rate::Talk, requests::Refusal, roster::MemberKey};
use crate::wire::{
    RoomId,
    signal::{self, ServerMessage},
};

/// A question to the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Is anybody in this room?
    Presence(RoomId),
    /// Which rooms are listed by this word?
    Rooms(String),
}

/// Whose question it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupKey {
    member: MemberKey,
    request: u32,
}

impl Room {
    pub(super) fn look_up(
        &mut self,
        now: Instant,
        member: MemberKey,
        request: u32,
        lookup: Lookup,
    ) -> Result<(), Refusal> {
        self.pace(now, member, Talk::State)?;
        let key = LookupKey { member, request };
        self.outputs.push_back(Output::LookUp { key, lookup });
        Ok(())
    }

    pub(super) fn handle_found(&mut self, key: LookupKey, answer: &ServerMessage) {
        self.tell_encoded(key.member, Some(key.request), signal::encode(answer));
    }
}
