//! Messages of TURN (RFC 8656) as the library reads and writes them, behind a door that checks what it does not: the message is as
//! long as it says, and what stands behind MESSAGE-INTEGRITY, where anybody on the way can write, is gone before anybody looks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{
    ATTR_CHANNEL_NUMBER, ATTR_DATA, ATTR_ERROR_CODE, ATTR_EVEN_PORT, ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE,
    ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT, ATTR_RESERVATION_TOKEN,
    ATTR_UNKNOWN_ATTRIBUTES, ATTR_USERNAME, ATTR_XOR_PEER_ADDRESS, ATTR_XOR_RELAYED_ADDRESS, ATTR_XORMAPPED_ADDRESS,
    AttrType,
};
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{CLASS_ERROR_RESPONSE, CLASS_SUCCESS_RESPONSE, Message, MessageClass, MessageType, Setter};
use rtc_stun::xoraddr::XorMappedAddress;

const HEADER_LEN: usize = 20;
const INTEGRITY_LEN: usize = 20;
const MAGIC_COOKIE: u32 = 0x2112_A442;
/// Attributes that must be understood and are (RFC 8489 section 18.3, RFC 8656 section 18). RESERVATION-TOKEN is
/// understood and refused.
const KNOWN: [AttrType; 11] = [
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_CHANNEL_NUMBER,
    ATTR_LIFETIME,
    ATTR_XOR_PEER_ADDRESS,
    ATTR_DATA,
    ATTR_REQUESTED_ADDRESS_FAMILY,
    ATTR_REQUESTED_TRANSPORT,
    ATTR_EVEN_PORT,
];
/// How many attributes a 420 answer names.
const UNKNOWN_MAX: usize = 8;

/// The key of long-term credentials (RFC 8489 section 9.2.2). It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(username: &str, realm: &str, password: String) -> Option<Key> {
        let provider = AwsLcRsProvider::new();
        MessageIntegrity::long_term_integrity_key(username.to_owned(), realm.to_owned(), password, provider.crypto())
            .ok()
            .map(Key)
    }
}

/// A message somebody sent; not yet believed.
pub(super) struct Received(Message);

impl Received {
    /// `None`: it is no STUN message, or its lengths lie.
    pub(super) fn read(bytes: &[u8]) -> Option<Received> {
        let header = bytes.first_chunk::<HEADER_LEN>()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[0] >> 6 != 0 || len % 4 != 0 || len != bytes.len() - HEADER_LEN {
            return None;
        }
        let end = integrity_end(bytes)?;
        let mut message = Message::new();
        message.raw = bytes.get(..end)?.to_vec();
        let covered = u16::try_from(end - HEADER_LEN).ok()?;
        message.raw.get_mut(2..4)?.copy_from_slice(&covered.to_be_bytes());
        message.decode().ok()?;
        Some(Received(message))
    }

    pub(super) fn kind(&self) -> MessageType {
        self.0.typ
    }

    pub(super) fn transaction(&self) -> [u8; 12] {
        self.0.transaction_id.0
    }

    pub(super) fn value(&self, kind: AttrType) -> Option<&[u8]> {
        let attribute = self.0.attributes.0.iter().find(|attribute| attribute.typ == kind);
        attribute.map(|attribute| attribute.value.as_slice())
    }

    pub(super) fn text(&self, kind: AttrType) -> Option<&str> {
        std::str::from_utf8(self.value(kind)?).ok()
    }

    pub(super) fn is_signed(&self) -> bool {
        self.value(ATTR_MESSAGE_INTEGRITY).is_some()
    }

    pub(super) fn is_signed_with(&mut self, key: &Key) -> bool {
        let provider = AwsLcRsProvider::new();
        MessageIntegrity::check(&mut self.0, &key.0, provider.crypto()).is_ok()
    }

    /// Asked for in seconds.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        let bytes: [u8; 4] = self.value(ATTR_LIFETIME)?.try_into().ok()?;
        Some(Duration::from_secs(u32::from_be_bytes(bytes).into()))
    }

    /// The first byte of an attribute of four, which is all that REQUESTED-TRANSPORT and REQUESTED-ADDRESS-FAMILY say.
    pub(super) fn first_of_four(&self, kind: AttrType) -> Option<u8> {
        let bytes: [u8; 4] = self.value(kind)?.try_into().ok()?;
        Some(bytes[0])
    }

    pub(super) fn channel(&self) -> Option<u16> {
        let bytes: [u8; 4] = self.value(ATTR_CHANNEL_NUMBER)?.try_into().ok()?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn wants_even_port(&self) -> bool {
        self.value(ATTR_EVEN_PORT).is_some()
    }

    /// The next port as well, or one that was put aside before.
    pub(super) fn wants_reservation(&self) -> bool {
        let of_next = self.value(ATTR_EVEN_PORT).and_then(<[u8]>::first);
        of_next.is_some_and(|bits| bits & 0x80 != 0) || self.value(ATTR_RESERVATION_TOKEN).is_some()
    }

    /// Every XOR-PEER-ADDRESS; `None` when one is malformed.
    pub(super) fn peers(&self) -> Option<Vec<SocketAddr>> {
        let attributes = self.0.attributes.0.iter();
        attributes
            .filter(|attribute| attribute.typ == ATTR_XOR_PEER_ADDRESS)
            .map(|attribute| self.unxor(&attribute.value))
            .collect()
    }

    /// RFC 8489 section 14.2.
    fn unxor(&self, value: &[u8]) -> Option<SocketAddr> {
        let (head, octets) = value.split_first_chunk::<4>()?;
        let port = u16::from_be_bytes([head[2], head[3]]) ^ (MAGIC_COOKIE >> 16) as u16;
        let mut pad = [0; 16];
        pad[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        pad[4..].copy_from_slice(&self.transaction());
        let ip = match head[1] {
            1 => {
                let octets: [u8; 4] = octets.try_into().ok()?;
                IpAddr::V4(Ipv4Addr::from(u32::from_be_bytes(octets) ^ MAGIC_COOKIE))
            }
            2 => {
                let octets: [u8; 16] = octets.try_into().ok()?;
                IpAddr::V6(Ipv6Addr::from(u128::from_be_bytes(octets) ^ u128::from_be_bytes(pad)))
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }

    /// Attributes that may not be ignored and that we do not know; the first few.
    pub(super) fn unknown(&self) -> Vec<AttrType> {
        let kinds = self.0.attributes.0.iter().map(|attribute| attribute.typ);
        kinds
            .filter(|kind| kind.0 < 0x8000 && !KNOWN.contains(kind) && *kind != ATTR_RESERVATION_TOKEN)
            .take(UNKNOWN_MAX)
            .collect()
    }

    pub(super) fn success(&self) -> Answer {
        Answer::success(self.kind(), self.transaction())
    }

    pub(super) fn error(&self, code: u16) -> Answer {
        Answer::error(self.kind(), self.transaction(), code)
    }
}

/// Where the message ends for us: behind MESSAGE-INTEGRITY if there is one. `None`: an attribute does not fit.
fn integrity_end(bytes: &[u8]) -> Option<usize> {
    let mut at = HEADER_LEN;
    while at < bytes.len() {
        let head = bytes.get(at..at + 4)?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let end = at + 4 + len.next_multiple_of(4);
        if end > bytes.len() {
            return None;
        }
        if u16::from_be_bytes([head[0], head[1]]) == ATTR_MESSAGE_INTEGRITY.0 {
            return (len == INTEGRITY_LEN).then_some(end);
        }
        at = end;
    }
    Some(at)
}

/// A message being written.
pub(super) struct Answer(Message);

impl Answer {
    pub(super) fn new(request: MessageType, transaction: [u8; 12], class: MessageClass) -> Answer {
        let mut message = Message::new();
        message.typ = MessageType::new(request.method, class);
        message.transaction_id.0 = transaction;
        message.write_header();
        Answer(message)
    }

    pub(super) fn success(request: MessageType, transaction: [u8; 12]) -> Answer {
        Answer::new(request, transaction, CLASS_SUCCESS_RESPONSE)
    }

    /// With `code` (300 to 699) and no reason phrase.
    pub(super) fn error(request: MessageType, transaction: [u8; 12], code: u16) -> Answer {
        let mut answer = Answer::new(request, transaction, CLASS_ERROR_RESPONSE);
        let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
        answer.0.add(ATTR_ERROR_CODE, &value);
        answer
    }

    pub(super) fn mapped(self, address: SocketAddr) -> Answer {
        self.address(ATTR_XORMAPPED_ADDRESS, address)
    }

    pub(super) fn relayed(self, address: SocketAddr) -> Answer {
        self.address(ATTR_XOR_RELAYED_ADDRESS, address)
    }

    pub(super) fn peer(self, address: SocketAddr) -> Answer {
        self.address(ATTR_XOR_PEER_ADDRESS, address)
    }

    fn address(mut self, kind: AttrType, address: SocketAddr) -> Answer {
        let (ip, port) = (address.ip(), address.port());
        // It fails for no address.
        let _always = XorMappedAddress { ip, port }.add_to_as(&mut self.0, kind);
        self
    }

    pub(super) fn lifetime(mut self, lifetime: Duration) -> Answer {
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        self.0.add(ATTR_LIFETIME, &seconds.to_be_bytes());
        self
    }

    pub(super) fn challenge(mut self, realm: &str, nonce: &str) -> Answer {
        self.0.add(ATTR_REALM, realm.as_bytes());
        self.0.add(ATTR_NONCE, nonce.as_bytes());
        self
    }

    pub(super) fn unknown(mut self, kinds: &[AttrType]) -> Answer {
        let list: Vec<u8> = kinds.iter().flat_map(|kind| kind.0.to_be_bytes()).collect();
        self.0.add(ATTR_UNKNOWN_ATTRIBUTES, &list);
        self
    }

    pub(super) fn data(mut self, bytes: &[u8]) -> Answer {
        self.0.add(ATTR_DATA, bytes);
        self
    }

    pub(super) fn signed(mut self, key: &Key) -> Vec<u8> {
        let provider = AwsLcRsProvider::new();
        let integrity = MessageIntegrity::new_raw_integrity_with_provider(key.0.clone(), provider.crypto());
        // Without a signature the client takes the answer for somebody else's, and asks again.
        let _asked_again = integrity.add_to(&mut self.0);
        self.0.raw
    }

    pub(super) fn unsigned(self) -> Vec<u8> {
        self.0.raw
    }
}
