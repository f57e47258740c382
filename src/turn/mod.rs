//! A TURN server (RFC 8656) for clients whose network lets them reach nothing but its port: decides, and touches no socket.
//!
//! It is there to reach this node's own media ports and relays nowhere else, unless the operator names networks (`peers.rs`). Its
//! users are those the node gives credentials to (`transport/turn.rs`). Messages are the `rtc-stun` and `rtc-turn` family's; what
//! is done with them is here, because the servers that exist as libraries remember something for each stranger that knocks, or
//! have no say about peers and users. Nothing is kept for whoever has not shown credentials.

mod allocation;
mod data;
mod io;
mod message;
mod nonce;
mod peers;
mod requests;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rtc_stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use rtc_stun::message::{
    CLASS_INDICATION, CLASS_REQUEST, METHOD_ALLOCATE, METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION,
    METHOD_REFRESH, METHOD_SEND, MessageType,
};

use crate::transport::turn::TurnSecret;
use allocation::{Allocation, User};
use message::{Answer, Key, Received};
use nonce::Nonces;

use requests::describe;

pub use io::{AllocationId, Client, Output, TurnConfig, TurnDrop, Way};
pub use peers::{MediaAddress, Peers};

/// Short, because every challenge carries it.
const REALM: &str = "enfilade";
/// Longest life of an allocation that nobody refreshes (RFC 8656 section 7.2).
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// Allocations of one user: a browser makes one for each URL and interface, twice over while it restarts ICE.
pub const ALLOCATIONS_PER_USER_MAX: usize = 12;
/// Largest message or ChannelData that is read, in bytes: a datagram of data and what is around it.
pub const MESSAGE_BYTES_MAX: usize = 2_048;

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
