//! Decides about people: who is here, what is published, who wants what, who sits in which seat. Pure.
//!
//! [`Room`] holds the maps and sends each [`Input`] to its place; what is decided is decided in the modules named after
//! their nouns, each with its own tests. Media never comes here: the room says which source fills which seat
//! ([`crate::shard::command::ShardCommand`]), and the shards do it.
//!
//! Everything that is iterated is in join order, so the same inputs give the same outputs.

mod agenda;
mod backup;
mod channel;
mod config;
mod demand;
mod events;
mod explain;
mod feed;
mod fill;
mod grant;
mod http;
mod ice_servers;
mod io;
mod journal;
mod link_requests;
mod links;
mod lobby;
mod lookup;
mod manage;
mod mode;
mod moderation;
mod negotiate;
mod offers;
mod owner;
mod participant;
mod people;
mod pin;
mod preset;
mod publication;
mod publishing;
mod quality;
mod rate;
mod recording;
mod requests;
mod revocation;
mod roster;
mod seat;
mod session;
mod settings;
mod speaker;
mod store;
mod subscription;
mod switch;
#[cfg(test)]
mod tests;
mod topic;
mod view;
mod viewer;
mod voices;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

pub use config::{LinksConfig, RoomConfig};
pub use grant::Grant;
pub use io::{DataEvent, Frame, HttpKey, HttpOffer, HttpPatch, HttpReply, Input, Output, SocketKey};
pub use journal::{EndReason, Happening, RoomEvent, Sample};
pub use links::Verify;
pub use lookup::{Lookup, LookupKey};
pub use manage::Manage;
pub use negotiate::{Negotiate, NewNegotiation};
pub use preset::Preset;
pub use revocation::{Pass, Revocation};

use agenda::{Agenda, Timer};
use roster::{MemberKey, Owner, Roster, ViewerKey};

use crate::{
    federation::{LinkCounters, LinkInput},
    media::SourceKey,
    shard::command::{ShardCommand, ShardId, TransportKey},
    wire::{
        RoomId,
        limits::SEATS_MAX,
        link::RoomAddress,
        signal::{self, ServerMessage},
    },
};

/// Sixteen unguessable bytes, each time others.
pub type Random = Box<dyn FnMut() -> [u8; 16] + Send>;

/// From so many people on, who comes and goes is told to all together,
const CROWD: usize = 32;
/// as late as this,
const CROWD_WAITS: Duration = Duration::from_millis(100);
/// or as soon as there are so many.
const CROWD_NEWS: usize = 10;
/// It is told to so many at a time, with pauses: all of a large room at once would be very much to write in one moment.
const CROWD_PAUSE: Duration = Duration::from_millis(1);

/// Close codes of the WebSocket, from 4000 ours (RFC 6455 section 7.4.2).
mod close {
    /// After `leave`.
    pub(super) const NORMAL: u16 = 1000;
    /// The session went on on another socket.
    pub(super) const RESUMED: u16 = 4000;
    /// The participant joined again.
    pub(super) const DUPLICATE: u16 = 4001;
    /// Put out.
    pub(super) const REMOVED: u16 = 4003;
    /// The room is closed.
    pub(super) const ROOM_CLOSED: u16 = 4010;
}

/// One live occurrence of a room.
pub struct Room {
    id: RoomId,
    number: u32,
    /// The id of this occurrence.
    session: String,
    config: RoomConfig,
    random: Random,
    new_negotiation: NewNegotiation,
    settings: settings::RoomSettings,
    preset: Preset,
    journal: journal::Journal,
    /// When the session began, for its longest duration.
    began_at: Option<Instant>,
    owner: Option<MemberKey>,
    roster: Roster,
    /// Who was told last in this round of telling a crowd.
    crowd_told: Option<MemberKey>,
    lobby: lobby::Lobby,
    publications: publication::Publications,
    backups: backup::Backups,
    viewers: viewer::Viewers,
    feeds: feed::Feeds,
    topics: topic::Topics,
    store: store::Store,
    pins: pin::Pins,
    blocked: moderation::Blocked,
    recordings: recording::Recordings,
    speakers: speaker::Speakers,
    qualities: quality::Qualities,
    explains: explain::Explains,
    channels: channel::Channels,
    demands: demand::Demands,
    voices: voices::Voices,
    agenda: Agenda,
    /// Whose seats have to be looked at before this input is done with.
    dirty: BTreeSet<Owner>,
    /// Sources that end once nobody is shown them any more.
    ended: Vec<(ShardId, SourceKey)>,
    linking: links::Linking,
    /// The time for people, of the input that is being handled.
    unix_ms: u64,
    last: Counters,
    draining: bool,
    /// Set by an input that ends the room, and done when the input itself is answered.
    closing: Option<owner::Closing>,
    /// Closed for all. Whoever comes begins anew.
    closed: bool,
    /// Those outside have to be shown something else.
    presence_changed: bool,
    outputs: VecDeque<Output>,
}

/// The last number given of each kind.
#[derive(Debug, Default)]
struct Counters {
    member: u32,
    viewer: u32,
    publication: u32,
    transport: u32,
    source: u32,
    egress: u32,
    message: u64,
}

fn next(counter: &mut u32) -> u32 {
    *counter += 1;
    *counter
}

impl Room {
    /// An empty room. `number` is unique in the node and becomes the high half of the keys of transports, sources and
    /// egresses. `random` has to be unguessable: resume keys and HTTP resources come from it.
    pub fn new(id: RoomId, number: u32, config: RoomConfig, random: Random, verify: Verify) -> Self {
        Self::with_negotiation(id, number, config, random, verify, negotiate::by_sdp)
    }

    /// The same with another way of answering offers.
    pub fn with_negotiation(
        id: RoomId,
        number: u32,
        config: RoomConfig,
        mut random: Random,
        verify: Verify,
        new_negotiation: NewNegotiation,
    ) -> Self {
        let session = hex(&random());
        let address = RoomAddress {
            room: id.clone(),
            session: Arc::from(session.as_str()),
        };
        Self {
            linking: links::Linking::new(address, &config.links, verify),
            unix_ms: 0,
            session,
            topics: topic::Topics::default(),
            store: store::Store::default(),
            pins: pin::Pins::default(),
            blocked: moderation::Blocked::default(),
            recordings: recording::Recordings::default(),
            id,
            number,
            settings: settings::RoomSettings::new(&config),
            preset: Preset::default(),
            journal: journal::Journal::default(),
            began_at: None,
            owner: None,
            config,
            random,
            new_negotiation,
            roster: Roster::default(),
            crowd_told: None,
            lobby: lobby::Lobby::default(),
            publications: publication::Publications::default(),
            backups: backup::Backups::default(),
            viewers: viewer::Viewers::default(),
            feeds: feed::Feeds::default(),
            speakers: speaker::Speakers::default(),
            qualities: quality::Qualities::default(),
            explains: explain::Explains::default(),
            channels: channel::Channels::default(),
            demands: demand::Demands::default(),
            voices: voices::Voices::default(),
            agenda: Agenda::default(),
            dirty: BTreeSet::new(),
            ended: Vec::new(),
            last: Counters::default(),
            draining: false,
            closing: None,
            closed: false,
            presence_changed: false,
            outputs: VecDeque::new(),
        }
    }

    /// Its reusable name.
    pub const fn id(&self) -> &RoomId {
        &self.id
    }

    /// Its number in the node.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// The id of this occurrence.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// How many participants are here (WHEP viewers are none).
    pub fn participants(&self) -> usize {
        self.roster.len()
    }

    /// What its links counted since the session began.
    pub const fn link_counters(&self) -> &LinkCounters {
        self.linking.links.counters()
    }

    /// With how many rooms it is linked.
    pub fn links(&self) -> usize {
        self.linking.len()
    }

    /// Is nobody here, nobody watching, and nobody waiting?
    pub fn is_empty(&self) -> bool {
        self.roster.len() == 0 && self.viewers.is_empty() && self.lobby.is_empty()
    }

    /// Takes in something that happened. `unix_ms`: the time for people, in milliseconds since 1970.
    pub fn handle(&mut self, now: Instant, unix_ms: u64, input: Input) {
        let was_empty = self.is_empty();
        self.unix_ms = unix_ms;
        match input {
            Input::Join {
                socket,
                request,
                join,
                grant,
                pass,
                shard,
                local,
            } => {
                self.handle_join(
                    now,
                    unix_ms,
                    people::Arrival {
                        socket,
                        request,
                        grant,
                        pass,
                        shard,
                        local,
                    },
                    *join,
                );
            }
            Input::Resume {
                socket,
                request,
                versions,
                key,
                last_seq,
            } => {
                self.handle_resume(socket, request, &versions, &key, last_seq);
            }
            Input::Message { socket, message } => self.handle_message(now, unix_ms, socket, message),
            Input::SocketClosed { socket, going_away } => self.handle_socket_closed(now, socket, going_away),
            Input::Shard { event } => self.handle_shard(now, event),
            Input::HandshakeClosed { transport } => self.handle_lost(now, transport),
            Input::Data { transport, event } => self.handle_data(transport, event),
            Input::Whip {
                request,
                participant,
                offer,
            } => {
                self.handle_whip(now, unix_ms, request, participant, *offer);
            }
            Input::Whep {
                request,
                publisher,
                offer,
            } => self.handle_whep(now, request, publisher, *offer),
            Input::HttpDelete { request, resource } => self.handle_http_delete(now, request, &resource),
            Input::Manage { request, manage } => self.handle_manage(now, request, *manage),
            Input::HttpRecordingStart { request } => self.handle_http_recording_start(request),
            Input::HttpRecordingStop { request, recording } => self.handle_http_recording_stop(request, &recording),
            Input::HttpRecordings { request } => self.handle_http_recordings(request),
            Input::Recorder { recording, news } => self.handle_recorder(&recording, news),
            Input::HttpStats { request } => self.handle_http_stats(request),
            Input::Revoked { revocation } => self.handle_revoked(now, &revocation),
            Input::Turn { servers } => self.config.turn = servers,
            Input::HttpPatch {
                request,
                resource,
                patch,
            } => self.handle_http_patch(request, &resource, &patch),
            Input::Link { frame } => self.link_input(now, LinkInput::Frame { frame: *frame }),
            Input::LinkUnreachable { room, session, code } => {
                self.link_input(now, LinkInput::Unreachable { room, session, code });
            }
            Input::Found { key, answer } => self.handle_found(key, &answer),
            Input::Drain => self.handle_drain(now),
            Input::Superseded => self.handle_superseded(now),
            Input::Close => self.closing = Some(owner::Closing { by: None }),
            Input::Tick => {}
        }
        self.handle_due(now);
        self.links_due(now);
        if let Some(closing) = self.closing.take() {
            self.handle_close(now, closing);
        }
        self.fill_seats(now);
        self.settle_demand(now);
        self.settle_voices();
        self.settle_backups(now);
        self.watch_emptiness(now, was_empty);
        self.end_links_first(now);
        self.show_presence();
    }

    /// The next thing to do. To be called until there is none, after each [`Room::handle`].
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to send [`Input::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.agenda.next(), self.linking.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn handle_due(&mut self, now: Instant) {
        while let Some(timer) = self.agenda.pop_due(now) {
            match timer {
                Timer::Away(owner) => self.handle_away(now, owner),
                Timer::Lobby(waiter) => self.handle_waited(waiter),
                Timer::Speakers => self.tell_speakers(now),
                Timer::Hush => self.handle_hush(now),
                Timer::Quality => self.tell_quality(),
                Timer::Demand => self.demand_due(),
                Timer::Crowd => self.tell_crowd(now),
                Timer::Backup(publication) => self.handle_backup_idle(publication),
                Timer::SessionEnd => self.handle_session_end(),
                Timer::Departure => {
                    if self.is_empty() {
                        self.outputs.push_back(Output::Empty);
                    }
                }
            }
        }
    }

    fn watch_emptiness(&mut self, now: Instant, was_empty: bool) {
        let kept = self.settings.keep_empty && !self.draining && !self.closed;
        let departure = Some(self.departure_timeout()).filter(|time| kept && !time.is_zero());
        match (was_empty, self.is_empty(), departure) {
            (false, true, None) => self.outputs.push_back(Output::Empty),
            (true, true, None) if self.closed || self.draining => self.outputs.push_back(Output::Empty),
            (false, true, Some(departure)) => self.agenda.set(Timer::Departure, now + departure),
            (true, false, _) => self.agenda.cancel(Timer::Departure),
            // Somebody knocked at an empty room and was refused: it is as empty as before, and nobody waits for it.
            (true, true, _) if self.agenda.next().is_none() && !matches!(self.outputs.back(), Some(Output::Empty)) => {
                self.outputs.push_back(Output::Empty);
            }
            (true, true, _) | (false, false, _) => {}
        }
    }

    /// Who a room is linked with learns of its end before the room is dropped.
    fn end_links_first(&mut self, now: Instant) {
        if matches!(self.outputs.back(), Some(Output::Empty)) {
            self.outputs.pop_back();
            self.link_input(now, LinkInput::Ended);
            self.end_session();
            self.outputs.push_back(Output::Empty);
        }
    }

    fn command(&mut self, shard: ShardId, command: ShardCommand) {
        self.outputs.push_back(Output::Shard { shard, command });
    }

    /// Seats of one participant.
    fn seats_max(&self) -> usize {
        self.config.max_seats.min(SEATS_MAX)
    }

    fn next_transport(&mut self) -> TransportKey {
        TransportKey::new(self.number, next(&mut self.last.transport))
    }

    fn random_bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&(self.random)());
        bytes[16..].copy_from_slice(&(self.random)());
        bytes
    }

    fn next_message(&mut self) -> String {
        self.last.message += 1;
        format!("m-{}", self.last.message)
    }

    /// Sends one message to one session, which keeps it until it was seen.
    fn tell(&mut self, member: MemberKey, message: &ServerMessage) {
        self.tell_encoded(member, None, signal::encode(message));
    }

    /// Sends one message to everybody with a session but one. Written out once.
    fn tell_others(&mut self, but: Option<MemberKey>, message: &ServerMessage) {
        let body = signal::encode(message);
        for member in self.roster.keys() {
            if Some(member) != but {
                self.tell_encoded(member, None, Arc::clone(&body));
            }
        }
    }

    fn tell_encoded(&mut self, member: MemberKey, re: Option<u32>, body: Arc<str>) {
        let Some(session) = self
            .roster
            .get_mut(member)
            .and_then(|participant| participant.session.as_mut())
        else {
            return;
        };
        session.send_waiting(&mut self.outputs);
        let seq = session.outbox.push(re, Arc::clone(&body));
        if let Some(socket) = session.socket {
            self.outputs.push_back(Output::Send {
                socket,
                frame: Frame::new(signal::frame(Some(seq), re, &body)),
            });
        }
    }

    /// Tells everybody but one who comes and goes. In a crowd at most ten times a second, since each is told to all: a thousand people who
    /// come in one after the other would be a million messages, each written by itself.
    fn tell_coming_or_going(&mut self, now: Instant, but: Option<MemberKey>, message: &ServerMessage) {
        if self.roster.len() < CROWD {
            return self.tell_others(but, message);
        }
        let body = signal::encode(message);
        let mut most = 0;
        let everybody = self.roster.sessions_after(None);
        for (_, session) in everybody.filter(|(member, _)| Some(*member) != but) {
            let waiting = session.outbox.push_to_wait(Arc::clone(&body));
            if waiting >= session::WAITING_MAX {
                session.send_waiting(&mut self.outputs);
            }
            most = most.max(waiting);
        }
        if most == CROWD_NEWS {
            self.agenda.set(Timer::Crowd, now);
        } else {
            self.agenda.set_first(Timer::Crowd, now + CROWD_WAITS);
        }
    }

    /// Some of them, one after the other in rounds.
    fn tell_crowd(&mut self, now: Instant) {
        let mut waiting = self
            .roster
            .sessions_after(self.crowd_told)
            .filter(|(_, session)| session.outbox.is_waiting());
        let mut told = None;
        for (member, session) in waiting.by_ref().take(CROWD) {
            session.send_waiting(&mut self.outputs);
            told = Some(member);
        }
        let goes_on = waiting.next().is_some();
        drop(waiting);
        self.crowd_told = told.filter(|_| goes_on);
        if goes_on {
            self.agenda.set(Timer::Crowd, now + CROWD_PAUSE);
        } else if self
            .roster
            .sessions_after(None)
            .any(|(_, session)| session.outbox.is_waiting())
        {
            self.agenda.set_first(Timer::Crowd, now + CROWD_WAITS);
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room")
            .field("id", &self.id)
            .field("participants", &self.roster.len())
            .finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ViewerKey {
    const fn owner(self) -> Owner {
        Owner::Viewer(self)
    }
}

impl MemberKey {
    const fn owner(self) -> Owner {
        Owner::Member(self)
    }
}
