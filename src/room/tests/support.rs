//! A room with its shards' books and its clients.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

mod checks;

pub(super) use super::canned::{fingerprint, offer, seat_lines};
use super::{books::Books, canned::canned, client::Client, ledger::Ledger};
use crate::{
    media::SourceKey,
    room::{
        Grant, HttpKey, HttpOffer, HttpReply, Input, LinksConfig, Lookup, NewNegotiation, Output, Pass, Room,
        RoomConfig, SocketKey,
    },
    shard::{
        command::{ShardId, TransportKey},
        event::ShardEvent,
    },
    transport::{
        fingerprint::Fingerprint,
        ice::Credentials,
        negotiation::{CodecPolicy, LocalTransport},
    },
    wire::{
        ErrorCode, ParticipantId, ResumeKey, RoomId,
        link::{LinkFrame, Rights},
        signal::{self, ClientMessage, Intent, JoinRequest, LinkPolicy, Mode, Presence, ServerMessage, Token},
    },
};

pub(super) const WINDOW: Duration = Duration::from_secs(10);

fn local() -> LocalTransport {
    LocalTransport {
        ice: Credentials {
            ufrag: "ufrag".to_owned(),
            pwd: "password".to_owned(),
        },
        fingerprint: Fingerprint([9; 32]),
        candidates: vec![SocketAddr::from(([127, 0, 0, 1], 7882))],
        tcp: false,
    }
}

/// A token for a room is `for-` and its name.
fn verify(token: &Token, room: &RoomId, _: u64) -> Result<(), (ErrorCode, String)> {
    if token.0 == format!("for-{room}") {
        Ok(())
    } else if token.0.starts_with("for-") {
        Err((ErrorCode::TokenRoom, "another room".to_owned()))
    } else {
        Err((ErrorCode::TokenInvalid, "no token".to_owned()))
    }
}

/// A room, its shards' books, and its clients.
pub(super) struct World {
    pub(super) room: Room,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) books: Books,
    pub(super) clients: Vec<Client>,
    pub(super) by_socket: BTreeMap<SocketKey, usize>,
    pub(super) closed: BTreeMap<SocketKey, u16>,
    pub(super) refused: Vec<(SocketKey, String)>,
    pub(super) replies: BTreeMap<HttpKey, HttpReply>,
    pub(super) data: Vec<(TransportKey, u16, bytes::Bytes)>,
    pub(super) empty: usize,
    /// What became known outside.
    pub(super) ledger: Ledger,
    /// On their way to linked rooms.
    pub(super) to_rooms: VecDeque<(RoomId, Box<LinkFrame>)>,
    /// What recorders were told.
    pub(super) recorded: Vec<Output>,
    /// What those outside see, and the listing.
    pub(super) shown: Option<(Presence, Option<String>)>,
    /// Who ever published by WHIP.
    pub(super) whips: BTreeSet<ParticipantId>,
    next_socket: u64,
}

pub(super) fn config() -> RoomConfig {
    RoomConfig {
        turn: Vec::new(),
        resume_window: WINDOW,
        departure_timeout: Duration::ZERO,
        max_rooms: 10,
        max_delay: Duration::ZERO,
        max_participants: 100,
        max_publications: 16,
        max_seats: 50,
        dynacast_delay: Duration::from_secs(5),
        loudest: 5,
        loudest_above: 20,
        last_n: 0,
        lobby_timeout: Duration::from_secs(300),
        max_lobby: 3,
        codecs: CodecPolicy::default(),
        recording: false,
        node_tag: 0,
        links: LinksConfig {
            policy: LinkPolicy::Auto,
            rights: Rights::ALL,
            open_to_all: false,
            max_links: 16,
            stale_after: Duration::from_secs(5),
            lost_after: Duration::from_secs(30),
            reopen_within: Duration::from_secs(60),
        },
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_config(config())
    }

    pub(super) fn with_config(config: RoomConfig) -> Self {
        Self::with_negotiation(config, canned)
    }

    pub(super) fn with_negotiation(config: RoomConfig, negotiation: NewNegotiation) -> Self {
        Self::named("r1", 7, config, negotiation)
    }

    pub(super) fn named(room: &str, number: u32, config: RoomConfig, negotiation: NewNegotiation) -> Self {
        let mut n = u128::from(number) << 64;
        let random = Box::new(move || {
            n += 1;
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()
        });
        let now = Instant::now();
        Self {
            room: Room::with_negotiation(
                RoomId::new(room).unwrap(),
                number,
                config,
                random,
                Arc::new(verify),
                negotiation,
            ),
            now,
            start: now,
            books: Books::default(),
            clients: Vec::new(),
            by_socket: BTreeMap::new(),
            closed: BTreeMap::new(),
            refused: Vec::new(),
            replies: BTreeMap::new(),
            data: Vec::new(),
            empty: 0,
            ledger: Ledger::default(),
            to_rooms: VecDeque::new(),
            recorded: Vec::new(),
            shown: None,
            whips: BTreeSet::new(),
            next_socket: 0,
        }
    }

    pub(super) fn input(&mut self, input: Input) {
        let unix_ms = 1_700_000_000_000 + (self.now - self.start).as_millis() as u64;
        self.room.handle(self.now, unix_ms, input);
        while let Some(output) = self.room.poll_output() {
            self.apply(output);
        }
    }

    fn apply(&mut self, output: Output) {
        match output {
            Output::Send { socket, frame } => {
                assert!(
                    !self.closed.contains_key(&socket),
                    "output to a closed socket: {}",
                    frame.as_str()
                );
                let client = self.by_socket[&socket];
                self.clients[client].wire.push(frame.into_text());
            }
            Output::Refuse { socket, frame } => self.refused.push((socket, frame.into_text())),
            Output::CloseSocket { socket, code, .. } => {
                assert!(self.closed.insert(socket, code).is_none());
                let client = &mut self.clients[self.by_socket[&socket]];
                if client.socket == Some(socket) {
                    client.socket = None;
                }
            }
            Output::Shard { shard, command } => self.books.apply(shard, command),
            Output::StartHandshake { transport, shard, .. } => {
                assert_eq!(self.books.transports.get(&transport), Some(&shard));
                assert!(self.books.handshakes.insert(transport));
            }
            Output::StopHandshake { transport } => assert!(self.books.handshakes.remove(&transport)),
            Output::SendData {
                transport,
                channel,
                data,
            } => self.data.push((transport, channel, data)),
            Output::HttpReply { request, reply } => assert!(self.replies.insert(request, reply).is_none()),
            Output::ToRoom { room, frame } => self.to_rooms.push_back((room, frame)),
            Output::LookUp { key, lookup } => {
                let answer = Box::new(match lookup {
                    Lookup::Presence(room) => ServerMessage::Presence(Presence::nobody(room, 9)),
                    Lookup::Rooms(_) => ServerMessage::Rooms { rooms: Vec::new() },
                });
                self.room.handle(self.now, 0, Input::Found { key, answer });
            }
            recorded @ (Output::RecordingBegin { .. } | Output::Record { .. } | Output::RecordingEnd) => {
                self.recorded.push(recorded);
            }
            Output::Presence { presence, listing } => self.shown = Some((*presence, listing)),
            Output::Event(event) => self.ledger.write(*event),
            Output::Empty => {
                assert!(
                    !self.ledger.is_open(),
                    "a room that may be dropped has ended its session"
                );
                self.empty += 1;
            }
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.input(Input::Tick);
        }
        self.now = end;
    }

    fn socket(&mut self) -> SocketKey {
        self.next_socket += 1;
        SocketKey(self.next_socket + (u64::from(self.room.number()) << 32))
    }

    /// Joins and returns the number of the client.
    pub(super) fn join(&mut self, id: &str) -> usize {
        self.join_with(id, Grant::JOIN, 0, |_| {})
    }

    pub(super) fn join_with(
        &mut self,
        id: &str,
        grant: Grant,
        shard: u16,
        change: impl FnOnce(&mut JoinRequest),
    ) -> usize {
        let socket = self.socket();
        let client = Client {
            socket: Some(socket),
            next_request: 2,
            ..Client::default()
        };
        self.clients.push(client);
        let number = self.clients.len() - 1;
        self.clients[number].asked.insert(1);
        self.by_socket.insert(socket, number);
        let mut join = JoinRequest {
            versions: vec![1],
            token: None,
            room: None,
            participant: Some(ParticipantId::new(id).unwrap()),
            display_name: None,
            metadata: None,
            auto_subscribe: true,
            client: None,
            intent: Intent::Any,
            password: None,
            mode: Mode::SendAndReceive,
            settings: None,
        };
        change(&mut join);
        let shard = ShardId(shard);
        self.input(Input::Join {
            socket,
            request: 1,
            join: Box::new(join),
            grant,
            pass: Pass {
                token: Some(format!("token-of-{id}").into()),
                ..Pass::default()
            },
            shard,
            local: local(),
        });
        self.clients[number].read_all();
        number
    }

    /// Joins in a way that is refused, and returns the code.
    pub(super) fn refused(&mut self, id: &str, grant: Grant, change: impl FnOnce(&mut JoinRequest)) -> String {
        let before = self.refused.len();
        self.join_with(id, grant, 0, change);
        let (_, frame) = self.refused.get(before).expect("a refusal");
        let error: serde_json::Value = serde_json::from_str(frame).unwrap();
        error["code"].as_str().unwrap().to_owned()
    }

    /// Sends a request and returns its id. What comes is on the wire until it is read.
    pub(super) fn ask(&mut self, client: usize, message: ClientMessage) -> u32 {
        let one = &mut self.clients[client];
        let id = one.next_request;
        one.next_request += 1;
        one.asked.insert(id);
        let Some(socket) = one.socket else { return id };
        let text = serde_json::to_string(&signal::Envelope {
            id,
            message: message.clone(),
        })
        .unwrap();
        let read = signal::decode(&text);
        assert_eq!(
            read.as_ref().map(|envelope| &envelope.message),
            Ok(&message),
            "what is written is read"
        );
        self.input(Input::Message { socket, message: read });
        id
    }

    /// Sends raw text, reads everything, and returns the answer.
    pub(super) fn say(&mut self, client: usize, mut fields: serde_json::Value) -> ServerMessage {
        let id = self.clients[client].next_request;
        self.clients[client].next_request += 1;
        fields["id"] = id.into();
        let socket = self.clients[client].socket.expect("connected");
        self.input(Input::Message {
            socket,
            message: signal::decode(&fields.to_string()),
        });
        self.read_all();
        self.clients[client]
            .answers
            .get(&id)
            .unwrap_or_else(|| panic!("no answer to {fields}"))
            .clone()
    }

    /// Offers microphone, camera and seats, and publishes both.
    pub(super) fn media(&mut self, client: usize, seats: usize) -> Vec<u32> {
        let publish = serde_json::json!([{"mid":"0","source":"microphone"},{"mid":"1","source":"camera","width":1280,"height":720}]);
        match self.say(
            client,
            serde_json::json!({"type":"offer","sdp":offer(seats),"publish":publish}),
        ) {
            ServerMessage::Answer { publications, .. } => {
                publications.iter().map(|entry| entry.publication.0).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn read_all(&mut self) {
        self.clients
            .iter_mut()
            .filter(|client| client.socket.is_some())
            .for_each(Client::read_all);
    }

    /// The socket breaks; of what is on the wire only the first frames arrived.
    pub(super) fn cut(&mut self, client: usize, arrived: usize) {
        let one = &mut self.clients[client];
        let Some(socket) = one.socket.take() else { return };
        one.wire.truncate(arrived);
        one.read_all();
        self.closed.insert(socket, 1006);
        self.input(Input::SocketClosed {
            socket,
            going_away: false,
        });
    }

    /// The page is closed: the browser says so as it closes the socket.
    pub(super) fn go_away(&mut self, client: usize) {
        let socket = self.clients[client].socket.take().unwrap();
        self.input(Input::SocketClosed {
            socket,
            going_away: true,
        });
    }

    /// Comes back. `Err`: the refusal.
    pub(super) fn resume(&mut self, client: usize) -> Result<(), String> {
        let socket = self.socket();
        let one = &mut self.clients[client];
        let before = one.socket.take();
        let key = ResumeKey::parse(one.key.as_deref().unwrap()).unwrap();
        let (request, last_seq) = (one.next_request, one.last_seq);
        // What is still on its way to the old socket is never read.
        let unread = std::mem::take(&mut one.wire);
        self.by_socket.insert(socket, client);
        let refused = self.refused.len();
        self.clients[client].socket = Some(socket);
        self.input(Input::Resume {
            socket,
            request,
            versions: vec![1],
            key,
            last_seq,
        });
        if let Some((_, frame)) = self.refused.get(refused) {
            self.clients[client].socket = before;
            self.clients[client].wire = unread;
            return Err(frame.clone());
        }
        Ok(())
    }

    pub(super) fn shard(&mut self, event: ShardEvent) {
        self.input(Input::Shard { event });
    }

    pub(super) fn transport(&self, client: usize) -> TransportKey {
        let id = self.clients[client].id.as_ref().unwrap();
        let member = self.room.roster.find(id).unwrap();
        self.room.roster.get(member).unwrap().path.transport().unwrap()
    }

    pub(super) fn source(&self, publication: u32) -> SourceKey {
        self.room
            .publications
            .get(crate::wire::PublicationId(publication))
            .unwrap()
            .key
    }

    pub(super) fn whip(&mut self, request: u64, id: &str, sdp: &str) -> HttpReply {
        let participant = ParticipantId::new(id).unwrap();
        self.whips.insert(participant.clone());
        let offer = http_offer(sdp, 0);
        self.input(Input::Whip {
            request: HttpKey(request),
            participant,
            offer,
        });
        self.replies[&HttpKey(request)].clone()
    }

    pub(super) fn whep(&mut self, request: u64, publisher: &str, sdp: &str, shard: u16) -> HttpReply {
        let publisher = ParticipantId::new(publisher).unwrap();
        self.input(Input::Whep {
            request: HttpKey(request),
            publisher,
            offer: http_offer(sdp, shard),
        });
        self.replies[&HttpKey(request)].clone()
    }
}

fn http_offer(sdp: &str, shard: u16) -> Box<HttpOffer> {
    Box::new(HttpOffer {
        sdp: sdp.to_owned(),
        grant: Grant::JOIN,
        pass: Pass::default(),
        shard: ShardId(shard),
        local: local(),
    })
}

impl World {
    /// Says `leave`; the answer is read although the socket is closed after it.
    pub(super) fn say_leave(&mut self, client: usize) {
        self.ask(client, ClientMessage::Leave);
        self.clients[client].read_all();
    }
}

pub(super) fn id(text: &str) -> ParticipantId {
    ParticipantId::new(text).unwrap()
}

/// The code of an error.
pub(super) fn code(message: &ServerMessage) -> Option<ErrorCode> {
    match message {
        ServerMessage::Error { code, .. } => Some(*code),
        _ => None,
    }
}

/// How many messages like this the client got.
pub(super) fn count(world: &World, client: usize, like: impl Fn(&ServerMessage) -> bool) -> usize {
    world.clients[client].log.iter().filter(|message| like(message)).count()
}
