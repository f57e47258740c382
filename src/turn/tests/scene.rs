//! A server whose outputs are done, and clients made with the library's own attributes.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{Getter, Message, MessageType, Method, Setter, TransactionId};
use rtc_stun::textattrs::TextAttribute;
use rtc_turn::proto::data::Data;
use rtc_turn::proto::peeraddr::PeerAddress;
use rtc_turn::proto::reqtrans::RequestedTransport;

use rtc_turn::proto::PROTO_UDP;

use crate::transport::turn::TurnServers;
use crate::turn::*;

pub(super) const UNIX: u64 = 1_700_000_000;
pub(super) const MEDIA: &str = "203.0.113.7:7882";
pub(super) const MEDIA_V6: &str = "[2001:db8::7]:7882";

/// A server, the clock, and what it said last.
pub(super) struct Scene {
    pub(super) turn: Turn,
    pub(super) now: Instant,
    pub(super) unix: u64,
    pub(super) servers: TurnServers,
    pub(super) next_port: u16,
    pub(super) even: bool,
    pub(super) closed: Vec<AllocationId>,
    pub(super) opened: Vec<AllocationId>,
    pub(super) sent: Vec<(SocketAddr, Vec<u8>)>,
    pub(super) received: Vec<Vec<u8>>,
}

/// One client with its credentials and the nonce it was given.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) nonce: String,
}

pub(super) fn peers(allowed: &[&str]) -> Peers {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    let media = |known_as: &str, inside: &str| MediaAddress {
        known_as: address(known_as),
        inside: address(inside),
    };
    let media = vec![media(MEDIA, "127.0.1.0:7882"), media(MEDIA_V6, MEDIA_V6)];
    let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
    let own = ["203.0.113.7", "2001:db8::7", "198.51.100.9", "127.0.0.1", "::1"];
    let own = own.iter().map(|text| text.parse().unwrap()).collect();
    Peers::new(media, allowed, own, vec![7880, 3478])
}

impl Scene {
    pub(super) fn new(allowed: &[&str], max_allocations: usize) -> Scene {
        let servers = TurnServers {
            urls: Vec::new(),
            secret: TurnSecret::random(),
            ttl: Duration::from_secs(300),
            is_ours: true,
        };
        let advertised: Vec<IpAddr> = [MEDIA, MEDIA_V6]
            .map(|text| text.parse::<SocketAddr>().unwrap().ip())
            .to_vec();
        Scene {
            turn: Turn::new(servers.secret.clone(), peers(allowed), &advertised, max_allocations),
            now: Instant::now(),
            unix: UNIX,
            servers,
            next_port: 50_000,
            even: false,
            closed: Vec::new(),
            opened: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
        }
    }

    pub(super) fn caller(&self, user: &str, port: u16, way: Way) -> Caller {
        let credentials = self.servers.credentials(self.unix, "room", user);
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        Caller {
            client: Client { way, address },
            username: credentials.username,
            password: credentials.credential,
            nonce: String::new(),
        }
    }

    /// Hands bytes to the server and does what it says. The answers.
    pub(super) fn give(&mut self, client: Client, bytes: &[u8]) -> Result<Vec<Message>, TurnDrop> {
        let result = self.turn.handle_client(self.now, self.unix, client, bytes);
        let answers = self.drain();
        result.map(|()| answers)
    }

    pub(super) fn drain(&mut self) -> Vec<Message> {
        let mut answers = Vec::new();
        while let Some(output) = self.turn.poll_output() {
            match output {
                Output::Answer { bytes, .. } => {
                    let mut message = Message::new();
                    message.unmarshal_binary(&bytes).unwrap();
                    answers.push(message);
                }
                Output::ToClient { bytes, .. } => self.received.push(bytes),
                Output::ToPeer { to, bytes, .. } => self.sent.push((to, bytes)),
                Output::Open {
                    allocation, is_even, ..
                } => {
                    self.even |= is_even;
                    self.next_port += 1;
                    self.opened.push(allocation);
                    self.turn.opened(self.now, allocation, Some(self.next_port));
                }
                Output::Close { allocation } => self.closed.push(allocation),
            }
        }
        answers
    }

    /// A signed request, which gets a nonce first if need be. The answer, whose signature is right unless it is a challenge.
    pub(super) fn ask(&mut self, caller: &mut Caller, method: Method, with: &[&dyn Setter]) -> Message {
        loop {
            let request = caller.request(method, with);
            let mut answer = self.give(caller.client, &request).unwrap().pop().unwrap();
            assert_eq!(answer.transaction_id.0, request[8..20]);
            let code = code(&answer);
            if [401, 438].contains(&code) {
                let nonce = TextAttribute::get_from_as(&answer, ATTR_NONCE).unwrap().text;
                if std::mem::replace(&mut caller.nonce, nonce).is_empty() || code == 438 {
                    continue;
                }
            } else {
                let provider = AwsLcRsProvider::new();
                MessageIntegrity::check(&mut answer, &caller.key(), provider.crypto()).unwrap();
            }
            return answer;
        }
    }

    /// Gives a caller its first nonce.
    pub(super) fn challenge(&mut self, caller: &mut Caller) {
        let challenge = self
            .give(caller.client, &caller.request(METHOD_ALLOCATE, &[&udp()]))
            .unwrap();
        caller.nonce = TextAttribute::get_from_as(&challenge[0], ATTR_NONCE).unwrap().text;
    }

    pub(super) fn allocate(&mut self, caller: &mut Caller) -> u16 {
        code(&self.ask(caller, METHOD_ALLOCATE, &[&udp()]))
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.unix += time.as_secs();
        self.turn.handle_timeout(self.now);
        self.drain();
    }
}

impl Caller {
    pub(super) fn key(&self) -> Vec<u8> {
        let provider = AwsLcRsProvider::new();
        let (username, password) = (self.username.clone(), self.password.clone());
        MessageIntegrity::long_term_integrity_key(username, REALM.to_owned(), password, provider.crypto()).unwrap()
    }

    pub(super) fn message(&self, method: Method, with: &[&dyn Setter]) -> Message {
        let mut message = Message::new();
        message.transaction_id = TransactionId::new();
        message.typ = MessageType::new(method, CLASS_REQUEST);
        message.write_header();
        for setter in with {
            setter.add_to(&mut message).unwrap();
        }
        message
    }

    pub(super) fn request(&self, method: Method, with: &[&dyn Setter]) -> Vec<u8> {
        let mut message = self.message(method, with);
        if !self.nonce.is_empty() {
            for (kind, text) in [
                (ATTR_USERNAME, self.username.as_str()),
                (ATTR_REALM, REALM),
                (ATTR_NONCE, &self.nonce),
            ] {
                TextAttribute::new(kind, text.to_owned()).add_to(&mut message).unwrap();
            }
            let provider = AwsLcRsProvider::new();
            let integrity = MessageIntegrity::new_raw_integrity_with_provider(self.key(), provider.crypto());
            integrity.add_to(&mut message).unwrap();
        }
        message.raw
    }

    pub(super) fn send(&self, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        let mut message = self.message(METHOD_SEND, &[&peer_of(peer), &Data(data.to_vec())]);
        message.set_type(MessageType::new(METHOD_SEND, CLASS_INDICATION));
        message.raw
    }
}

pub(super) fn udp() -> RequestedTransport {
    RequestedTransport { protocol: PROTO_UDP }
}

pub(super) fn peer_of(peer: SocketAddr) -> PeerAddress {
    PeerAddress {
        ip: peer.ip(),
        port: peer.port(),
    }
}

/// 0: it is a success.
pub(super) fn code(answer: &Message) -> u16 {
    let mut code = ErrorCodeAttribute::default();
    code.get_from(answer).map_or(0, |()| code.code.0)
}

pub(super) fn media() -> SocketAddr {
    MEDIA.parse().unwrap()
}
