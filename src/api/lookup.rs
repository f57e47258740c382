//! Questions about rooms, asked by a socket that is in none.

use std::time::SystemTime;

use super::Api;
use super::signal::refused;
use super::token::{Grant, TokenError};
use crate::room::Lookup;
use crate::wire::signal::{PresenceRequest, RoomsRequest, ServerMessage, SignalError, Token};

impl Api {
    fn verify(&self, token: Option<Token>) -> Result<Grant, TokenError> {
        let token = token.ok_or(TokenError::Missing)?;
        self.keys.verify(&token.0, SystemTime::now())
    }

    /// Is anybody in a room? Takes a token that opens it.
    pub(super) async fn presence(&self, request: PresenceRequest) -> Result<ServerMessage, SignalError> {
        let grant = self.verify(request.token).map_err(refused)?;
        grant.check_room(&request.room).map_err(refused)?;
        Ok(self.node.look_up(Lookup::Presence(request.room)).await)
    }

    /// Which rooms are listed? Takes a token that opens any room.
    pub(super) async fn rooms(&self, request: RoomsRequest) -> Result<ServerMessage, SignalError> {
        let grant = self.verify(request.token).map_err(refused)?;
        if !grant.may_join {
            return Err(refused(TokenError::WrongRole));
        }
        Ok(self.node.look_up(Lookup::Rooms(request.listing)).await)
    }
}
