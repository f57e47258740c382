//! What a participant asks about other rooms. The node knows them; the room keeps the answer in its place among the others.

use std::time::Instant;

use super::{Output, Room, rate::Talk, requests::Refusal, roster::MemberKey};
use crate::wire::{
    ErrorCode, RoomId,
    signal::{self, PresenceRequest, ServerMessage},
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

    /// Of another room as much is told as to somebody who is in none: to whoever holds a token for it.
    pub(super) fn look_up_presence(
        &mut self,
        now: Instant,
        member: MemberKey,
        request: u32,
        asked: PresenceRequest,
    ) -> Result<(), Refusal> {
        let PresenceRequest { token, room } = asked;
        if room != self.id {
            let token = token.ok_or_else(|| {
                let sentence = "of another room one asks with a token for it";
                Refusal::field(ErrorCode::TokenMissing, "token", sentence)
            })?;
            let refused = |(code, sentence): (ErrorCode, String)| Refusal::field(code, "token", sentence);
            (self.linking.verify)(&token, &room, self.unix_ms).map_err(refused)?;
        }
        self.look_up(now, member, request, Lookup::Presence(room))
    }

    pub(super) fn handle_found(&mut self, key: LookupKey, answer: &ServerMessage) {
        self.tell_encoded(key.member, Some(key.request), signal::encode(answer));
    }
}
