//! A TURN server (RFC 8656) for clients whose network lets them reach nothing but its port: decides, and touches no socket.
//!
//! It is there to reach this node's own media ports and relays nowhere else, unless the operator names networks (`peers.rs`). Its
//! users are those the node gives credentials to (`transport/turn.rs`). Messages are the `rtc-stun` and `rtc-turn` family's; what
//! is done with them is here, because the servers that exist as libraries remember something for each stranger that knocks, or
//! have no say about peers and users. Nothing is kept for whoever has not shown credentials.

mod allocation;
mod message;
mod nonce;
mod peers;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rtc_stun::attributes::{
    ATTR_DATA, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_USERNAME,
};
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
    METHOD_DATA, METHOD_REFRESH, METHOD_SEND, MessageType,
};
use rtc_turn::proto::PROTO_UDP;
use rtc_turn::proto::channum::ChannelNumber;
use rtc_turn::proto::lifetime::DEFAULT_LIFETIME;

use crate::transport::turn::TurnSecret;
use allocation::{Allocation, Refusal, User};
use message::{Answer, Key, Received};
use nonce::Nonces;

pub use peers::{MediaAddress, Peers};

/// Short, because every challenge carries it.
const REALM: &str = "enfilade";
/// Longest life of an allocation that nobody refreshes (RFC 8656 section 7.2).
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// Allocations of one user: a browser makes one for each URL and interface, twice over while it restarts ICE.
pub const ALLOCATIONS_PER_USER_MAX: usize = 12;
/// Largest message or ChannelData that is read, in bytes: a datagram of data and what is around it.
pub const MESSAGE_BYTES_MAX: usize = 2_048;
const CHANNEL_HEADER_LEN: usize = 4;

/// `[turn_server]`. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnConfig {
    /// UDP and TCP.
    pub listen: Option<SocketAddr>,
    /// TLS over TCP, with the certificate of `[http]`.
    pub tls_listen: Option<SocketAddr>,
    /// What clients call this server; `None`: by its first advertised address.
    pub name: Option<String>,
    /// Networks that may be reached through it, beside our own media ports.
    pub allow_peers: Vec<IpNet>,
    /// Ports of relayed addresses.
    pub ports: RangeInclusive<u16>,
    /// Most allocations at one time.
    pub max_allocations: usize,
    /// How long credentials are good for (`[turn] ttl`).
    pub ttl: Duration,
}

/// By what a client reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection with TLS.
    Tls,
}

/// A client: RFC 8656's 5-tuple, the listener of each way being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// How it comes.
    pub way: Way,
    /// From where.
    pub address: SocketAddr,
}

/// Names an allocation, and no other after it.
pub type AllocationId = u64;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send an answer. `code` 0: it is a success.
    Answer {
        /// To whom.
        client: Client,
        /// The message.
        bytes: Vec<u8>,
        /// Of ERROR-CODE.
        code: u16,
    },
    /// Send what a peer sent.
    ToClient {
        /// To whom.
        client: Client,
        /// ChannelData or a Data indication.
        bytes: Vec<u8>,
    },
    /// Send what a client sent.
    ToPeer {
        /// By whose socket.
        allocation: AllocationId,
        /// Where to.
        to: SocketAddr,
        /// The data.
        bytes: Vec<u8>,
    },
    /// Open a socket and say how that went: [`Turn::opened`].
    Open {
        /// For whom.
        allocation: AllocationId,
        /// Of which family.
        is_ipv6: bool,
    },
    /// Close its socket.
    Close {
        /// Whose.
        allocation: AllocationId,
    },
}

/// Why something was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TurnDrop {
    /// Neither a STUN message nor ChannelData, or one whose lengths lie.
    #[error("malformed")]
    Malformed,
    /// A message that no client sends to a server.
    #[error("unexpected")]
    Unexpected,
    /// Data of a client that has no allocation, or for one that is gone.
    #[error("no allocation")]
    NoAllocation,
    /// Data for or from an address that there is no permission for, or on a channel that is not bound.
    #[error("no permission")]
    NoPermission,
    /// Data for an address that is not relayed to.
    #[error("forbidden peer")]
    Forbidden,
}

impl TurnDrop {
    /// A stable name for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            TurnDrop::Malformed => "malformed",
            TurnDrop::Unexpected => "unexpected",
            TurnDrop::NoAllocation => "no-allocation",
            TurnDrop::NoPermission => "no-permission",
            TurnDrop::Forbidden => "forbidden-peer",
        }
    }
}

/// The server.
pub struct Turn {
    secret: TurnSecret,
    nonces: Nonces,
    peers: Peers,
    /// What relayed addresses are told to be, by family; where there is none, none can be had.
    relayed: [Option<IpAddr>; 2],
    max_allocations: usize,
    allocations: HashMap<Client, Allocation>,
    clients: HashMap<AllocationId, Client>,
    users: HashMap<String, usize>,
    last_id: AllocationId,
    outputs: VecDeque<Output>,
}

/// What a request comes to.
type Answered = Result<Answer, u16>;

impl Turn {
    /// A server whose users have passwords made of `secret`, and whose relayed addresses are told to be among `advertised`.
    pub fn new(secret: TurnSecret, peers: Peers, advertised: &[IpAddr], max_allocations: usize) -> Turn {
        let first = |is_ipv6| advertised.iter().copied().find(|ip| ip.is_ipv6() == is_ipv6);
        Turn {
            secret,
            nonces: Nonces::new(),
            peers,
            relayed: [first(false), first(true)],
            max_allocations,
            allocations: HashMap::new(),
            clients: HashMap::new(),
            users: HashMap::new(),
            last_id: 0,
            outputs: VecDeque::new(),
        }
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Allocations now.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Whether a client has one.
    pub fn has_allocation(&self, client: &Client) -> bool {
        self.allocations.contains_key(client)
    }

    /// A client sent a message, whole and nothing else. `unix_secs`: seconds since 1970, by which credentials end.
    ///
    /// # Errors
    /// It was dropped without an answer.
    pub fn handle_client(
        &mut self,
        now: Instant,
        unix_secs: u64,
        client: Client,
        bytes: &[u8],
    ) -> Result<(), TurnDrop> {
        match bytes.first().map(|first| first >> 6) {
            Some(0) => {}
            Some(1) => return self.channel_data(now, client, bytes),
            Some(_) | None => return Err(TurnDrop::Malformed),
        }
        let mut message = Received::read(bytes).ok_or(TurnDrop::Malformed)?;
        let MessageType { method, class } = message.kind();
        if class == CLASS_INDICATION && method == METHOD_SEND {
            return self.send(now, client, &message);
        }
        if class != CLASS_REQUEST {
            return Err(TurnDrop::Unexpected);
        }
        if method == METHOD_BINDING {
            let bytes = message.success().mapped(canonical(client.address)).unsigned();
            self.answer(client, bytes, 0);
            return Ok(());
        }
        if ![
            METHOD_ALLOCATE,
            METHOD_REFRESH,
            METHOD_CREATE_PERMISSION,
            METHOD_CHANNEL_BIND,
        ]
        .contains(&method)
        {
            return Err(TurnDrop::Unexpected);
        }
        let user = match self.authenticate(unix_secs, client, &mut message) {
            Ok(user) => user,
            Err(code) => {
                let mut answer = message.error(code);
                if code != BAD_REQUEST {
                    answer = answer.challenge(REALM, &self.nonces.make(unix_secs, client.address));
                }
                self.answer(client, answer.unsigned(), code);
                return Ok(());
            }
        };
        let unknown = message.unknown();
        let answered = if !unknown.is_empty() {
            let bytes = message.error(UNKNOWN_ATTRIBUTE).unknown(&unknown).signed(&user.key);
            self.answer(client, bytes, UNKNOWN_ATTRIBUTE);
            return Ok(());
        } else if method == METHOD_ALLOCATE {
            match self.allocate(now, client, &message, &user) {
                Ok(None) => return Ok(()),
                Ok(Some(answer)) => Ok(answer),
                Err(code) => Err(code),
            }
        } else if self
            .allocations
            .get(&client)
            .is_none_or(|one| one.user.username != user.username)
        {
            let code = if self.has_allocation(&client) {
                WRONG_CREDENTIALS
            } else {
                MISMATCH
            };
            Err(code)
        } else if method == METHOD_REFRESH {
            self.refresh(now, client, &message)
        } else if method == METHOD_CREATE_PERMISSION {
            self.create_permission(now, client, &message)
        } else {
            self.bind_channel(now, client, &message)
        };
        let (bytes, code) = match answered {
            Ok(answer) => (answer.signed(&user.key), 0),
            Err(code) => (message.error(code).signed(&user.key), code),
        };
        self.answer(client, bytes, code);
        Ok(())
    }

    /// The socket of an allocation is open at this port, or could not be opened.
    pub fn opened(&mut self, now: Instant, id: AllocationId, port: Option<u16>) {
        let Some(client) = self.clients.get(&id).copied() else {
            return;
        };
        let Some(allocation) = self.allocations.get_mut(&client) else {
            return;
        };
        let kind = MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST);
        let ip = self.relayed[usize::from(allocation.is_ipv6)];
        if let (Some(ip), Some(port)) = (ip, port) {
            allocation.relayed = Some(SocketAddr::new(ip, port));
            allocation.ends_at = now + allocation.lifetime;
            let answer = Answer::success(kind, allocation.transaction);
            let bytes = describe(answer, client, allocation).signed(&allocation.user.key);
            return self.answer(client, bytes, 0);
        }
        let (transaction, key) = (allocation.transaction, allocation.user.key.clone());
        self.remove(client);
        let bytes = Answer::error(kind, transaction, INSUFFICIENT_CAPACITY).signed(&key);
        self.answer(client, bytes, INSUFFICIENT_CAPACITY);
    }

    /// Something came to the socket of an allocation.
    ///
    /// # Errors
    /// It was dropped.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        id: AllocationId,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), TurnDrop> {
        let client = *self.clients.get(&id).ok_or(TurnDrop::NoAllocation)?;
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        let peer = self.peers.known_as(canonical(from));
        let channel = allocation.channel_of(now, peer);
        let bytes = match channel {
            Some(number) => {
                let len = u16::try_from(bytes.len()).map_err(|_| TurnDrop::Malformed)?;
                let mut framed = Vec::with_capacity(CHANNEL_HEADER_LEN + bytes.len() + 3);
                framed.extend_from_slice(&number.to_be_bytes());
                framed.extend_from_slice(&len.to_be_bytes());
                framed.extend_from_slice(bytes);
                if client.way != Way::Udp {
                    // RFC 8656 section 12.5: in a stream the next message begins at a multiple of four.
                    framed.resize(framed.len().next_multiple_of(4), 0);
                }
                framed
            }
            None if allocation.permits(now, peer.ip()) => {
                let kind = MessageType::new(METHOD_DATA, CLASS_INDICATION);
                let mut transaction = [0; 12];
                // Nobody answers an indication: the name of it matters to nobody.
                transaction[..8].copy_from_slice(&id.to_be_bytes());
                Answer::new(kind, transaction, CLASS_INDICATION)
                    .peer(peer)
                    .data(bytes)
                    .unsigned()
            }
            None => return Err(TurnDrop::NoPermission),
        };
        self.outputs.push_back(Output::ToClient { client, bytes });
        Ok(())
    }

    /// The connection of a client has ended, and its allocation with it (RFC 8656 section 3.1).
    pub fn gone(&mut self, client: Client) {
        self.remove(client);
    }

    /// Ends what has run out. To be called every few seconds.
    pub fn handle_timeout(&mut self, now: Instant) {
        let ended = self
            .allocations
            .iter()
            .filter(|(_, allocation)| allocation.ends_at <= now);
        let ended: Vec<Client> = ended.map(|(client, _)| *client).collect();
        for client in ended {
            self.remove(client);
        }
    }

    /// RFC 8489 section 9.2.4. Credentials that have ended are good for the allocation that was made with them.
    fn authenticate(&self, unix_secs: u64, client: Client, message: &mut Received) -> Result<User, u16> {
        if !message.is_signed() {
            return Err(UNAUTHORIZED);
        }
        let username = message.text(ATTR_USERNAME).ok_or(BAD_REQUEST)?.to_owned();
        let nonce = message.text(ATTR_NONCE).ok_or(BAD_REQUEST)?;
        if !self.nonces.is_fresh(nonce, unix_secs, client.address) {
            return Err(STALE_NONCE);
        }
        if message.text(ATTR_REALM).ok_or(BAD_REQUEST)? != REALM {
            return Err(UNAUTHORIZED);
        }
        let allocation = self.allocations.get(&client);
        let known = allocation
            .map(|allocation| &allocation.user)
            .filter(|user| user.username == username);
        let user = match known {
            Some(user) => user.clone(),
            None => {
                let (ends, name) = username.split_once(':').ok_or(UNAUTHORIZED)?;
                let ends: u64 = ends.parse().map_err(|_| UNAUTHORIZED)?;
                if ends < unix_secs {
                    return Err(UNAUTHORIZED);
                }
                let key = Key::new(&username, REALM, self.secret.password(&username)).ok_or(UNAUTHORIZED)?;
                let name = name.to_owned();
                User { name, username, key }
            }
        };
        if message.is_signed_with(&user.key) {
            Ok(user)
        } else {
            Err(UNAUTHORIZED)
        }
    }

    /// `None`: the answer comes when the socket is open.
    fn allocate(
        &mut self,
        now: Instant,
        client: Client,
        message: &Received,
        user: &User,
    ) -> Result<Option<Answer>, u16> {
        if let Some(allocation) = self.allocations.get(&client) {
            if allocation.transaction != message.transaction() {
                return Err(MISMATCH);
            }
            let answer = || describe(message.success(), client, allocation);
            return Ok(allocation.relayed.map(|_| answer()));
        }
        match message.first_of_four(ATTR_REQUESTED_TRANSPORT) {
            None => return Err(BAD_REQUEST),
            Some(protocol) if protocol != PROTO_UDP.0 => return Err(UNSUPPORTED_TRANSPORT),
            Some(_) => {}
        }
        if message.wants_reservation() {
            return Err(INSUFFICIENT_CAPACITY);
        }
        let is_ipv6 = match message.value(ATTR_REQUESTED_ADDRESS_FAMILY) {
            None => false,
            Some(_) => match message.first_of_four(ATTR_REQUESTED_ADDRESS_FAMILY) {
                Some(1) => false,
                Some(2) => true,
                Some(_) | None => return Err(UNSUPPORTED_FAMILY),
            },
        };
        if self.relayed[usize::from(is_ipv6)].is_none() {
            return Err(UNSUPPORTED_FAMILY);
        }
        if self
            .users
            .get(&user.name)
            .is_some_and(|count| *count >= ALLOCATIONS_PER_USER_MAX)
        {
            return Err(QUOTA_REACHED);
        }
        if self.allocations.len() >= self.max_allocations {
            return Err(INSUFFICIENT_CAPACITY);
        }
        self.last_id += 1;
        let mut allocation = Allocation::new(self.last_id, user.clone(), message.transaction(), is_ipv6, now);
        allocation.lifetime = lifetime(message.lifetime());
        allocation.ends_at = now + allocation.lifetime;
        *self.users.entry(user.name.clone()).or_default() += 1;
        self.clients.insert(allocation.id, client);
        let allocation_id = allocation.id;
        self.allocations.insert(client, allocation);
        self.outputs.push_back(Output::Open {
            allocation: allocation_id,
            is_ipv6,
        });
        Ok(None)
    }

    fn refresh(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if let Some(family) = message.first_of_four(ATTR_REQUESTED_ADDRESS_FAMILY)
            && (family == 2) != allocation.is_ipv6
        {
            return Err(FAMILY_MISMATCH);
        }
        if message.lifetime() == Some(Duration::ZERO) {
            self.remove(client);
            return Ok(message.success().lifetime(Duration::ZERO));
        }
        allocation.lifetime = lifetime(message.lifetime());
        allocation.ends_at = now + allocation.lifetime;
        Ok(message.success().lifetime(allocation.lifetime))
    }

    fn create_permission(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let peers = message.peers().filter(|peers| !peers.is_empty()).ok_or(BAD_REQUEST)?;
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if peers.iter().any(|peer| peer.is_ipv6() != allocation.is_ipv6) {
            return Err(FAMILY_MISMATCH);
        }
        if !peers.iter().all(|peer| self.peers.allows_address(peer.ip())) {
            return Err(FORBIDDEN);
        }
        let ips: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
        allocation.permit(now, &ips).map_err(code_of)?;
        Ok(message.success())
    }

    fn bind_channel(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let peers = message.peers().ok_or(BAD_REQUEST)?;
        let (Some(number), [peer]) = (message.channel(), peers.as_slice()) else {
            return Err(BAD_REQUEST);
        };
        if !ChannelNumber(number).valid() {
            return Err(BAD_REQUEST);
        }
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if peer.is_ipv6() != allocation.is_ipv6 {
            return Err(FAMILY_MISMATCH);
        }
        if !self.peers.allows(*peer) {
            return Err(FORBIDDEN);
        }
        allocation.bind(now, number, *peer).map_err(code_of)?;
        Ok(message.success())
    }

    /// RFC 8656 section 11.2.
    fn send(&mut self, now: Instant, client: Client, message: &Received) -> Result<(), TurnDrop> {
        let peers = message.peers().ok_or(TurnDrop::Malformed)?;
        let (Some(data), [peer]) = (message.value(ATTR_DATA), peers.as_slice()) else {
            return Err(TurnDrop::Malformed);
        };
        self.relay(now, client, *peer, data, true)
    }

    fn channel_data(&mut self, now: Instant, client: Client, bytes: &[u8]) -> Result<(), TurnDrop> {
        let (header, rest) = bytes
            .split_first_chunk::<CHANNEL_HEADER_LEN>()
            .ok_or(TurnDrop::Malformed)?;
        let number = u16::from_be_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let data = rest.get(..len).ok_or(TurnDrop::Malformed)?;
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        let peer = allocation.peer_of(now, number).ok_or(TurnDrop::NoPermission)?;
        self.relay(now, client, peer, data, false)
    }

    fn relay(
        &mut self,
        now: Instant,
        client: Client,
        peer: SocketAddr,
        data: &[u8],
        ask: bool,
    ) -> Result<(), TurnDrop> {
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        if allocation.relayed.is_none() || allocation.ends_at <= now {
            return Err(TurnDrop::NoAllocation);
        }
        // A permission is for all ports of an address, but of ours only the media ports are reached.
        if !self.peers.allows(peer) {
            return Err(TurnDrop::Forbidden);
        }
        if ask && !allocation.permits(now, peer.ip()) {
            return Err(TurnDrop::NoPermission);
        }
        self.outputs.push_back(Output::ToPeer {
            allocation: allocation.id,
            to: self.peers.inside(peer),
            bytes: data.to_vec(),
        });
        Ok(())
    }

    fn remove(&mut self, client: Client) {
        let Some(allocation) = self.allocations.remove(&client) else {
            return;
        };
        self.clients.remove(&allocation.id);
        if let Some(count) = self.users.get_mut(&allocation.user.name) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&allocation.user.name);
            }
        }
        self.outputs.push_back(Output::Close {
            allocation: allocation.id,
        });
    }

    fn answer(&mut self, client: Client, bytes: Vec<u8>, code: u16) {
        self.outputs.push_back(Output::Answer { client, bytes, code });
    }
}

/// What an answer to Allocate says (RFC 8656 section 7.3).
fn describe(answer: Answer, client: Client, allocation: &Allocation) -> Answer {
    let answer = match allocation.relayed {
        Some(relayed) => answer.relayed(relayed),
        None => answer,
    };
    answer.lifetime(allocation.lifetime).mapped(canonical(client.address))
}

/// RFC 8656 section 7.2: not less than the default, not more than our longest.
fn lifetime(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, LIFETIME_MAX)
}

fn code_of(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Taken => BAD_REQUEST,
        Refusal::Full => INSUFFICIENT_CAPACITY,
    }
}

/// A socket that takes both families shows IPv4 in the clothes of IPv6.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

// RFC 8489 section 14.8, RFC 8656 section 19.
const BAD_REQUEST: u16 = 400;
const UNAUTHORIZED: u16 = 401;
const FORBIDDEN: u16 = 403;
const UNKNOWN_ATTRIBUTE: u16 = 420;
const MISMATCH: u16 = 437;
const STALE_NONCE: u16 = 438;
const UNSUPPORTED_FAMILY: u16 = 440;
const WRONG_CREDENTIALS: u16 = 441;
const UNSUPPORTED_TRANSPORT: u16 = 442;
const FAMILY_MISMATCH: u16 = 443;
const QUOTA_REACHED: u16 = 486;
const INSUFFICIENT_CAPACITY: u16 = 508;
