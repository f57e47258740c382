//! TURN servers for those who cannot reach the node by themselves.

use std::time::Instant;

use super::{Room, rate::Talk, requests::Answer, roster::MemberKey};
use crate::wire::{
    ParticipantId,
    signal::{IceServer, OkFields, ServerMessage},
};

impl Room {
    /// The servers with credentials for a participant, and how long these are good for in milliseconds.
    pub(super) fn ice_servers(&self, participant: &ParticipantId) -> (Vec<IceServer>, Option<u64>) {
        let ttl = self.config.turn.iter().map(|turn| turn.ttl).min();
        let servers = self.config.turn.iter().map(|turn| {
            let credentials = turn.credentials(self.unix_ms / 1_000, self.id.as_str(), participant.as_str());
            IceServer {
                urls: turn.urls.clone(),
                username: credentials.username,
                credential: credentials.credential,
            }
        });
        (servers.collect(), ttl.map(|ttl| ttl.as_millis() as u64))
    }

    /// Fresh credentials for somebody whose old ones end.
    pub(super) fn renew_ice_servers(&mut self, now: Instant, member: MemberKey) -> Answer {
        self.pace(now, member, Talk::State)?;
        let servers = self.roster.id(member).map(|id| self.ice_servers(&id));
        let (ice_servers, ice_servers_ttl_ms) = servers.unwrap_or_default();
        Ok(ServerMessage::Ok(OkFields {
            ice_servers: Some(ice_servers),
            ice_servers_ttl_ms,
            ..OkFields::default()
        }))
    }
}
