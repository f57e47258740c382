//! Those who wait to be let in. They are in nobody's roster, receive nothing, and do nothing but wait or leave.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Frame, Grant, Output, Pass, Room, SocketKey,
    agenda::Timer,
    close,
    people::Arrival,
    rate::Knocks,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
};
use crate::wire::{
    ErrorCode, ParticipantId, RoomId,
    signal::{self, ClientMessage, Envelope, Intent, JoinRequest, ServerMessage, SignalError},
};

/// Somebody who waits, by rank of coming; never used twice in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WaiterKey(u32);

/// Somebody who waits.
#[derive(Debug)]
struct Waiter {
    /// The id it will have.
    id: ParticipantId,
    arrival: Arrival,
    join: JoinRequest,
    version: u32,
}

/// All who wait, in the order they came. Each has one socket and an id of its own.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    last: u32,
    knocks: Knocks,
    waiters: BTreeMap<WaiterKey, Waiter>,
    by_id: BTreeMap<ParticipantId, WaiterKey>,
    by_socket: BTreeMap<SocketKey, WaiterKey>,
}

impl Lobby {
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(super) fn knows(&self, id: &ParticipantId) -> bool {
        self.by_id.contains_key(id)
    }

    fn insert(&mut self, waiter: Waiter) -> WaiterKey {
        self.last += 1;
        let key = WaiterKey(self.last);
        self.by_id.insert(waiter.id.clone(), key);
        self.by_socket.insert(waiter.arrival.socket, key);
        self.waiters.insert(key, waiter);
        key
    }

    fn remove(&mut self, key: WaiterKey) -> Option<Waiter> {
        let waiter = self.waiters.remove(&key)?;
        self.by_id.remove(&waiter.id);
        self.by_socket.remove(&waiter.arrival.socket);
        Some(waiter)
    }

    #[cfg(test)]
    pub(super) fn ids(&self) -> std::collections::BTreeSet<ParticipantId> {
        assert_eq!(
            (self.by_id.len(), self.by_socket.len()),
            (self.waiters.len(), self.waiters.len())
        );
        self.by_id.keys().cloned().collect()
    }

    fn keys(&self) -> Vec<WaiterKey> {
        self.waiters.keys().copied().collect()
    }
}

impl Waiter {
    fn requested(&self) -> ServerMessage {
        let name = self.join.display_name.as_deref().unwrap_or(self.id.as_str());
        ServerMessage::EntryRequested {
            participant: self.id.clone(),
            display_name: name.to_owned(),
            metadata: self.join.metadata.clone().filter(crate::wire::Json::is_something),
        }
    }
}

impl Room {
    /// Does somebody inside have to say yes first? Whoever begins a room has nobody to ask, unless its token says so.
    pub(super) fn has_to_wait(&self, grant: Grant) -> bool {
        grant.ask || (self.settings.lobby && !grant.moderate && self.roster.len() > 0)
    }

    /// Somebody waits from now on.
    pub(super) fn wait(&mut self, now: Instant, arrival: Arrival, join: JoinRequest, version: u32) {
        let (socket, request) = (arrival.socket, arrival.request);
        if !self.lobby.knocks.allow(now) {
            let sentence = "too many ask to be let in within a short time; try again";
            return self.refuse(socket, request, ErrorCode::RateLimited, sentence);
        }
        let id = join.participant.clone().unwrap_or_else(|| self.make_up_id());
        if let Some(earlier) = self.lobby.by_id.get(&id).copied() {
            self.turn_away(
                earlier,
                None,
                ErrorCode::EntryDenied,
                "you asked again from somewhere else",
            );
        }
        if self.lobby.waiters.len() >= self.config.max_lobby {
            return self.refuse(
                socket,
                request,
                ErrorCode::LobbyFull,
                "too many wait to be let in already",
            );
        }
        let waiter = Waiter {
            id: id.clone(),
            arrival,
            join: JoinRequest {
                participant: Some(id),
                ..join
            },
            version,
        };
        let requested = waiter.requested();
        let key = self.lobby.insert(waiter);
        self.agenda.set(Timer::Lobby(key), now + self.config.lobby_timeout);
        self.say_to_waiter(socket, Some(request), &ServerMessage::Waiting);
        self.tell_judges(&requested);
    }

    fn say_to_waiter(&mut self, socket: SocketKey, re: Option<u32>, message: &ServerMessage) {
        let frame = Frame::new(signal::frame(None, re, &signal::encode(message)));
        self.outputs.push_back(Output::Send { socket, frame });
    }

    /// Tells those who may let others in.
    fn tell_judges(&mut self, message: &ServerMessage) {
        let body = signal::encode(message);
        for judge in self.roster.keys() {
            if self.judges(judge) {
                self.tell_encoded(judge, None, body.clone());
            }
        }
    }

    fn judges(&self, member: MemberKey) -> bool {
        self.roster.get(member).is_some_and(|one| !one.grant.ask)
    }

    /// A newcomer who may let others in learns who waits.
    pub(super) fn tell_who_waits(&mut self, newcomer: MemberKey) {
        if self.judges(newcomer) {
            let waiting: Vec<_> = self.lobby.waiters.values().map(Waiter::requested).collect();
            for requested in waiting {
                self.tell(newcomer, &requested);
            }
        }
    }

    /// Takes somebody out of the lobby, and tells the judges.
    fn settle(&mut self, key: WaiterKey, allow: bool, by: Option<ParticipantId>) -> Option<Waiter> {
        let waiter = self.lobby.remove(key)?;
        self.agenda.cancel(Timer::Lobby(key));
        self.tell_judges(&ServerMessage::EntryResponded {
            participant: waiter.id.clone(),
            allow,
            by,
        });
        Some(waiter)
    }

    fn turn_away(&mut self, key: WaiterKey, by: Option<ParticipantId>, code: ErrorCode, sentence: &str) {
        if let Some(Waiter { arrival, .. }) = self.settle(key, false, by) {
            self.refuse(arrival.socket, arrival.request, code, sentence);
        }
    }

    /// Nobody waits any more.
    pub(super) fn turn_everybody_away(&mut self, code: ErrorCode, sentence: &str) {
        for key in self.lobby.keys() {
            self.turn_away(key, None, code, sentence);
        }
    }

    /// Those who wait and whom this concerns, by the room, their id and what names their token, wait no more.
    pub(super) fn turn_away_if(
        &mut self,
        code: ErrorCode,
        sentence: &str,
        concerns: impl Fn(&RoomId, &ParticipantId, &Pass) -> bool,
    ) {
        for key in self.lobby.keys() {
            let waiter = self.lobby.waiters.get(&key);
            if waiter.is_some_and(|one| concerns(&self.id, &one.id, &one.arrival.pass)) {
                self.turn_away(key, None, code, sentence);
            }
        }
    }

    pub(super) fn handle_waited(&mut self, key: WaiterKey) {
        self.turn_away(key, None, ErrorCode::EntryTimeout, "nobody inside has answered");
    }

    /// Somebody inside says yes or no. The first answer counts.
    pub(super) fn entry_respond(
        &mut self,
        now: Instant,
        unix_ms: u64,
        member: MemberKey,
        whom: &ParticipantId,
        allow: bool,
    ) -> Answer {
        if !self.judges(member) {
            let sentence = "who was let in lets nobody else in (allow_join)";
            return Err(Refusal::new(ErrorCode::Forbidden, sentence));
        }
        let Some(key) = self.lobby.by_id.get(whom).copied() else {
            let sentence = format!("{whom} does not wait (any more)");
            return Err(Refusal::field(ErrorCode::NoSuchParticipant, "participant", sentence));
        };
        let by = self.roster.id(member);
        if !allow {
            self.turn_away(key, by, ErrorCode::EntryDenied, "somebody inside said no");
        } else if self.is_place_for(Some(whom)) {
            self.let_in(now, unix_ms, key, by);
        } else {
            let sentence = "the room has all the participants it may have; who waits goes on waiting";
            return Err(Refusal::new(ErrorCode::RoomFull, sentence));
        }
        Ok(ok())
    }

    fn let_in(&mut self, now: Instant, unix_ms: u64, key: WaiterKey, by: Option<ParticipantId>) {
        if let Some(Waiter {
            arrival, join, version, ..
        }) = self.settle(key, true, by)
        {
            self.enter(now, unix_ms, arrival, join, version);
        }
    }

    /// The lobby is no more: who waits for it alone comes in, as far as there is place and nothing else in the way.
    pub(super) fn open_lobby(&mut self, now: Instant, unix_ms: u64, by: Option<ParticipantId>) {
        for key in self.lobby.keys() {
            let Some(Waiter { id, arrival, join, .. }) = self.lobby.waiters.get(&key) else {
                continue;
            };
            // The room may have got a password instead.
            let entry = self.check_entry(Some(id), arrival.grant, Intent::Any, join.password.as_ref());
            if !self.has_to_wait(arrival.grant) && entry.is_ok() {
                self.let_in(now, unix_ms, key, by.clone());
            }
        }
    }

    /// From a socket that is nobody's session.
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else is for those inside")]
    pub(super) fn handle_waiter(&mut self, socket: SocketKey, message: Result<Envelope, SignalError>) {
        let Some(key) = self.lobby.by_socket.get(&socket).copied() else {
            return;
        };
        let (re, answer) = match message {
            Err(error) => (error.id, error.to_message()),
            Ok(Envelope { id, message }) => match message {
                ClientMessage::Ping { .. } => (Some(id), ServerMessage::Pong),
                ClientMessage::Leave => {
                    self.settle(key, false, None);
                    self.say_to_waiter(socket, Some(id), &ok());
                    let (code, reason) = (close::NORMAL, "left");
                    return self.outputs.push_back(Output::CloseSocket { socket, code, reason });
                }
                _ => {
                    let sentence = "you wait to be let in; until then there is only leave";
                    (Some(id), SignalError::new(ErrorCode::JoinFirst, sentence).to_message())
                }
            },
        };
        self.say_to_waiter(socket, re, &answer);
    }

    /// A socket that was nobody's session is gone.
    pub(super) fn handle_waiter_gone(&mut self, socket: SocketKey) {
        if let Some(key) = self.lobby.by_socket.get(&socket).copied() {
            self.settle(key, false, None);
        }
    }
}
