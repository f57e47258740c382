//! Offers that need no SDP, a shard that only keeps books, and clients that know only what they were sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    media::{EgressKey, Limits, SourceKey},
    packet::{Codec, Kind, extension::ExtensionMap},
    room::{Grant, HttpKey, HttpOffer, HttpReply, Input, Negotiate, Output, Room, RoomConfig, SocketKey},
    shard::{
        command::{ShardCommand, ShardId, TransportKey},
        event::ShardEvent,
    },
    transport::{
        fingerprint::Fingerprint,
        ice::Credentials,
        negotiation::{CodecLine, LocalTransport, Negotiated, NegotiationError, ReceiveLine, SendLine},
    },
    wire::{
        ParticipantId, ResumeKey, RoomId,
        signal::{
            self, ByeCode, ClientMessage, JoinRequest, LeaveReason, ParticipantInfo, PublicationInfo, ServerMessage,
        },
    },
};

pub(super) const WINDOW: Duration = Duration::from_secs(10);

/// Reads offers such as `send 1 video vp8 3` (mid, kind, codecs, encodings), `seat 0 video 11 vp8,h264` (seat, kind,
/// mid, codecs), `restart`, and a real `a=fingerprint` line.
#[derive(Debug)]
struct Canned {
    local: LocalTransport,
    base: u64,
}

pub(super) fn canned(local: LocalTransport, seed: u64) -> Box<dyn Negotiate> {
    Box::new(Canned { local, base: seed })
}

fn kind(text: &str) -> Kind {
    if text == "audio" { Kind::Audio } else { Kind::Video }
}

fn codecs(text: &str) -> Vec<CodecLine> {
    let codec = |name: &str| match name {
        "opus" => Codec::Opus,
        "vp9" => Codec::Vp9,
        "av1" => Codec::Av1,
        _ => Codec::Vp8,
    };
    let line = |(n, name): (usize, &str)| CodecLine {
        payload_type: 100 + n as u8,
        codec: codec(name),
        rtx_payload_type: None,
        fmtp: String::new(),
    };
    text.split(',').enumerate().map(line).collect()
}

impl Negotiate for Canned {
    fn answer(&mut self, offer: &str) -> Result<Negotiated, NegotiationError> {
        let mut negotiated = Negotiated {
            sdp: "answer".to_owned(),
            remote_fingerprint: super::super::negotiate::fingerprint_of(offer).unwrap_or(Fingerprint([0; 32])),
            ice_restarted: None,
            receive: Vec::new(),
            send: Vec::new(),
            data: None,
            extensions: ExtensionMap::default(),
        };
        for line in offer.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["send", mid, media, names, encodings] => negotiated.receive.push(ReceiveLine {
                    mid: mid.to_owned(),
                    kind: kind(media),
                    codecs: codecs(names),
                    rids: (1..=encodings.parse().unwrap()).map(|n: usize| n.to_string()).collect(),
                    ssrcs: Vec::new(),
                    nack: true,
                    transport_cc: true,
                    remb: false,
                }),
                ["seat", seat, media, mid, names] => negotiated.send.push(SendLine {
                    mid: mid.to_owned(),
                    kind: kind(media),
                    ssrc: self.base as u32 ^ (mid.parse::<u32>().unwrap() << 8),
                    rtx_ssrc: None,
                    cname: "c".to_owned(),
                    seat: seat.parse().unwrap(),
                    codecs: codecs(names),
                    nack: true,
                    transport_cc: true,
                    remb: false,
                }),
                ["restart"] => negotiated.ice_restarted = Some(self.local.ice.clone()),
                ["bad"] => return Err(NegotiationError::NothingInCommon),
                _ => {}
            }
        }
        Ok(negotiated)
    }
}

/// An offer that sends microphone (mid 0) and camera (mid 1) and has this many seats.
pub(super) fn offer(seats: usize) -> String {
    format!("send 0 audio opus 1\nsend 1 video vp8 3\n{}", seat_lines(seats))
}

pub(super) fn seat_lines(seats: usize) -> String {
    let seat = |n: usize| {
        format!(
            "seat {n} audio {} opus\nseat {n} video {} vp8,vp9\n",
            10 + 2 * n,
            11 + 2 * n
        )
    };
    (0..seats).map(seat).collect()
}

pub(super) fn fingerprint(byte: u8) -> String {
    format!("a=fingerprint:{}\n", Fingerprint([byte; 32]))
}

fn local() -> LocalTransport {
    LocalTransport {
        ice: Credentials {
            ufrag: "ufrag".to_owned(),
            pwd: "password".to_owned(),
        },
        fingerprint: Fingerprint([9; 32]),
        candidates: vec![SocketAddr::from(([127, 0, 0, 1], 7882))],
    }
}

/// Keeps the books a shard would keep and complains about what a shard could not do.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) transports: BTreeMap<TransportKey, ShardId>,
    pub(super) handshakes: BTreeSet<TransportKey>,
    /// With the transport at home, `None` for a replica.
    pub(super) sources: BTreeMap<(ShardId, SourceKey), Option<TransportKey>>,
    pub(super) relays: BTreeSet<(ShardId, SourceKey, ShardId)>,
    pub(super) egresses: BTreeMap<EgressKey, (ShardId, TransportKey)>,
    pub(super) bound: BTreeMap<EgressKey, (SourceKey, Limits)>,
    pub(super) muted: BTreeSet<SourceKey>,
    pub(super) commands: usize,
}

impl Books {
    fn apply(&mut self, shard: ShardId, command: ShardCommand) {
        self.commands += 1;
        match command {
            ShardCommand::AddTransport { transport, .. } => {
                assert!(self.transports.insert(transport, shard).is_none());
            }
            ShardCommand::SetIce { transport, .. } | ShardCommand::SetReceive { transport, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
            }
            ShardCommand::RemoveTransport { transport } => {
                assert_eq!(self.transports.remove(&transport), Some(shard));
                self.egresses.retain(|_, (_, of)| *of != transport);
                let egresses = &self.egresses;
                self.bound.retain(|egress, _| egresses.contains_key(egress));
            }
            ShardCommand::InstallKeys { .. } | ShardCommand::SendDtls { .. } => unreachable!("not the room's"),
            ShardCommand::Publish { transport, source, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                assert!(self.sources.insert((shard, source), Some(transport)).is_none());
            }
            ShardCommand::AddReplica { source, home, .. } => {
                assert!(self.sources.contains_key(&(home, source)), "a replica of nothing");
                assert!(
                    self.sources.insert((shard, source), None).is_none(),
                    "one replica per shard"
                );
            }
            ShardCommand::RemoveSource { source } => {
                assert!(self.sources.remove(&(shard, source)).is_some());
                assert!(
                    !self
                        .bound
                        .iter()
                        .any(|(e, (s, _))| *s == source && self.egresses[e].0 == shard)
                );
            }
            ShardCommand::SetMuted { source, muted } => {
                assert!(self.sources.get(&(shard, source)).is_some_and(Option::is_some));
                if muted {
                    self.muted.insert(source)
                } else {
                    self.muted.remove(&source)
                };
            }
            ShardCommand::Relay { source, to, on: true } => {
                assert!(self.sources.contains_key(&(to, source)), "the replica is there first");
                assert!(self.relays.insert((shard, source, to)));
            }
            ShardCommand::Relay { source, to, on: false } => assert!(self.relays.remove(&(shard, source, to))),
            ShardCommand::AddEgress { transport, egress, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                assert!(self.egresses.insert(egress, (shard, transport)).is_none());
            }
            ShardCommand::RemoveEgress { egress } => {
                assert!(self.egresses.remove(&egress).is_some());
                self.bound.remove(&egress);
            }
            ShardCommand::Bind { egress, source, limits } => {
                assert_eq!(self.egresses[&egress].0, shard);
                assert!(
                    self.sources.contains_key(&(shard, source)),
                    "bound to a source that is not there"
                );
                self.bound.insert(egress, (source, limits));
            }
            ShardCommand::Unbind { egress } => assert!(self.bound.remove(&egress).is_some()),
            ShardCommand::SetLimits { egress, limits } => self.bound.get_mut(&egress).expect("bound").1 = limits,
        }
    }
}

/// What a client knows, from its messages alone.
#[derive(Debug, Default)]
pub(super) struct Client {
    pub(super) socket: Option<SocketKey>,
    /// Sent but not yet read.
    pub(super) wire: Vec<String>,
    pub(super) id: Option<ParticipantId>,
    pub(super) key: Option<String>,
    pub(super) next_request: u32,
    pub(super) last_seq: u64,
    pub(super) others: BTreeMap<ParticipantId, ParticipantInfo>,
    pub(super) seats: BTreeMap<u16, signal::SeatEntry>,
    pub(super) answers: BTreeMap<u32, ServerMessage>,
    pub(super) asked: BTreeSet<u32>,
    pub(super) pongs: usize,
    pub(super) log: Vec<ServerMessage>,
    pub(super) bye: Option<ByeCode>,
    pub(super) left: Vec<(ParticipantId, LeaveReason)>,
    pub(super) last_request: Option<u32>,
}

impl Client {
    pub(super) fn read_all(&mut self) {
        for frame in std::mem::take(&mut self.wire) {
            self.read(&frame);
        }
    }

    fn read(&mut self, frame: &str) {
        let mut value: serde_json::Value = serde_json::from_str(frame).unwrap();
        let fields = value.as_object_mut().unwrap();
        let seq = fields.remove("seq").and_then(|seq| seq.as_u64());
        let re = fields.remove("re").and_then(|re| u32::try_from(re.as_u64()?).ok());
        let message: ServerMessage = serde_json::from_value(value).unwrap();
        match seq {
            Some(seq) => {
                assert_eq!(seq, self.last_seq + 1, "no gap, nothing twice: {frame}");
                self.last_seq = seq;
            }
            None => assert!(matches!(
                message,
                ServerMessage::Pong | ServerMessage::Resumed { .. } | ServerMessage::Error { .. }
            )),
        }
        if let Some(re) = re
            && !matches!(message, ServerMessage::Pong | ServerMessage::Resumed { .. })
        {
            assert!(
                self.answers.insert(re, message.clone()).is_none(),
                "{re} answered twice"
            );
        }
        self.learn(&message);
        self.log.push(message);
    }

    fn publications(&mut self, of: &ParticipantId) -> &mut Vec<PublicationInfo> {
        &mut self
            .others
            .get_mut(of)
            .unwrap_or_else(|| panic!("{of} is unknown"))
            .publications
    }

    fn learn(&mut self, message: &ServerMessage) {
        match message.clone() {
            ServerMessage::Joined(joined) => {
                self.id = Some(joined.participant.id);
                self.key = Some(joined.resume.key);
                self.others = joined
                    .participants
                    .into_iter()
                    .map(|info| (info.id.clone(), info))
                    .collect();
            }
            ServerMessage::ParticipantJoined { participant } => {
                assert!(self.others.insert(participant.id.clone(), participant).is_none());
            }
            ServerMessage::ParticipantLeft { participant, reason } => {
                assert!(self.others.remove(&participant).is_some());
                self.left.push((participant, reason));
            }
            ServerMessage::ParticipantUpdated {
                participant,
                display_name,
                metadata,
            } => {
                let info = self.others.get_mut(&participant).unwrap();
                info.display_name = display_name.unwrap_or(info.display_name.clone());
                if metadata.is_some() {
                    info.metadata = metadata.filter(|metadata| metadata.as_str() != "null");
                }
            }
            ServerMessage::PublicationAdded {
                participant,
                publication,
            } => {
                self.publications(&participant).push(publication);
            }
            ServerMessage::PublicationUpdated {
                participant,
                publication,
            } => {
                let all = self.publications(&participant);
                let known = all.iter_mut().find(|known| known.id == publication.id);
                *known.unwrap() = publication;
            }
            ServerMessage::PublicationRemoved {
                participant,
                publication,
            } => {
                let all = self.publications(&participant);
                let before = all.len();
                all.retain(|known| known.id != publication);
                assert_eq!(all.len() + 1, before);
            }
            ServerMessage::Seats { seats } => {
                for seat in seats {
                    assert!(
                        seat.participant.as_ref().is_none_or(|id| self.others.contains_key(id)),
                        "{seat:?}"
                    );
                    self.seats.insert(seat.seat.0, seat);
                }
            }
            ServerMessage::Bye { code, .. } => self.bye = Some(code),
            ServerMessage::Resumed { last_request } => self.last_request = Some(last_request),
            ServerMessage::Pong => self.pongs += 1,
            ServerMessage::Ok(_)
            | ServerMessage::Error { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::SeatsWanted { .. }
            | ServerMessage::Speakers { .. }
            | ServerMessage::Quality { .. }
            | ServerMessage::Subscription { .. }
            | ServerMessage::Chat { .. }
            | ServerMessage::TopicMessage(_)
            | ServerMessage::Transport { .. } => {}
        }
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
    /// Who ever published by WHIP.
    pub(super) whips: BTreeSet<ParticipantId>,
    next_socket: u64,
}

pub(super) fn config() -> RoomConfig {
    RoomConfig {
        resume_window: WINDOW,
        departure_timeout: Duration::ZERO,
        max_rooms: 10,
        max_participants: 100,
        max_publications: 16,
        max_seats: 50,
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with_config(config())
    }

    pub(super) fn with_config(config: RoomConfig) -> Self {
        let mut n = 0_u128;
        let random = Box::new(move || {
            n += 1;
            (n * 0x9e37_79b9_7f4a_7c15).to_le_bytes()
        });
        let now = Instant::now();
        Self {
            room: Room::with_negotiation(RoomId::new("r1").unwrap(), 7, config, random, canned),
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
                assert!(!self.closed.contains_key(&socket), "output to a closed socket: {frame}");
                let client = self.by_socket[&socket];
                self.clients[client].wire.push(frame);
            }
            Output::Refuse { socket, frame } => self.refused.push((socket, frame)),
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
            Output::Empty => self.empty += 1,
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
        SocketKey(self.next_socket)
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
        };
        change(&mut join);
        let shard = ShardId(shard);
        self.input(Input::Join {
            socket,
            request: 1,
            join: Box::new(join),
            grant,
            shard,
            local: local(),
        });
        self.clients[number].read_all();
        number
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
        self.input(Input::SocketClosed { socket });
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

    /// Everything that has to be true whenever the room has come to rest.
    pub(super) fn check(&self) {
        let room = &self.room;
        let mut bound = BTreeMap::new();
        let mut feeds: BTreeMap<(SourceKey, ShardId), u32> = BTreeMap::new();
        let members = room
            .roster
            .iter()
            .flat_map(|member| member.seating.bound().map(|b| (member.path.shard, b)));
        let viewers = room.viewers.iter().flat_map(|viewer| {
            viewer
                .halves()
                .filter_map(|half| half.bound.map(|b| (viewer.path.shard, (half, b))))
        });
        for (shard, (half, source)) in members.chain(viewers) {
            bound.insert(half.egress, (source.source, source.limits));
            if source.home != shard {
                *feeds.entry((source.source, shard)).or_default() += 1;
            }
        }
        assert_eq!(bound, self.books.bound);
        assert_eq!(&feeds, room.feeds.all());
        let replicas: BTreeSet<_> = self
            .books
            .sources
            .iter()
            .filter(|(_, home)| home.is_none())
            .map(|(k, _)| *k)
            .collect();
        assert_eq!(
            replicas,
            feeds.keys().map(|(source, shard)| (*shard, *source)).collect()
        );
        assert_eq!(self.books.relays.len(), replicas.len());
        assert_eq!(self.books.handshakes, self.books.transports.keys().copied().collect());

        let truth: BTreeMap<ParticipantId, ParticipantInfo> = room
            .roster
            .iter()
            .map(|one| (one.id.clone(), one.info(room.publications.infos(one.key))))
            .collect();
        for participant in room.roster.iter() {
            let Some(session) = &participant.session else { continue };
            let (messages, bytes) = session.outbox.size();
            assert!(messages <= 1_000 && bytes <= 1 << 20);
            assert!(participant.wishes.len() <= self.books.sources.len());
            let Some(client) = session.socket.map(|socket| &self.clients[self.by_socket[&socket]]) else {
                continue;
            };
            assert_eq!(client.wire, Vec::<String>::new());
            assert_eq!(client.last_seq, session.outbox.last());
            let mut others = truth.clone();
            others.remove(&participant.id);
            assert_eq!(client.others, others, "what {} knows", participant.id);
            for request in &client.asked {
                assert!(client.answers.contains_key(request), "request {request} is unanswered");
            }
            for (index, seat) in &participant.seating.seats {
                let sits = seat.occupant.and_then(|place| room.roster.id(place.member));
                let told = client.seats.get(index).cloned();
                assert_eq!(told.as_ref().and_then(|told| told.participant.clone()), sits);
                let shown = |half: &Option<_>| -> Option<_> {
                    let half: &super::super::seat::Half = half.as_ref()?;
                    half.bound.map(|bound| bound.publication)
                };
                assert_eq!(told.as_ref().and_then(|told| told.audio), shown(&seat.audio));
                assert_eq!(told.as_ref().and_then(|told| told.video), shown(&seat.video));
            }
        }
    }
}

fn http_offer(sdp: &str, shard: u16) -> Box<HttpOffer> {
    Box::new(HttpOffer {
        sdp: sdp.to_owned(),
        grant: Grant::JOIN,
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
