//! The vectors of RFC 5769, an independent implementation (`rtc-stun`) as client and judge, and every
//! attribute at every length.

use super::*;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_FINGERPRINT, ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USERNAME, AttrType};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST as REQUEST, Getter, Message, Setter, TransactionId};
use rtc_stun::uattrs::UnknownAttributes;
use rtc_stun::xoraddr::XorMappedAddress;
use std::net::SocketAddr;

/// A connectivity check as a full agent sends it, built by `rtc-stun`.
pub(crate) struct Check<'a> {
    pub(crate) username: &'a str,
    pub(crate) pwd: &'a str,
    /// Attributes in front of MESSAGE-INTEGRITY.
    pub(crate) extra: &'a [(u16, &'a [u8])],
    /// Attributes between MESSAGE-INTEGRITY and FINGERPRINT.
    pub(crate) behind: &'a [(u16, &'a [u8])],
}

impl Check<'_> {
    pub(crate) fn build(&self) -> Vec<u8> {
        let provider = AwsLcRsProvider::new();
        let mut message = Message::new();
        let id = TransactionId::new();
        message.build(&[Box::new(id), Box::new(REQUEST)]).unwrap();
        message.add(ATTR_USERNAME, self.username.as_bytes());
        message.add(ATTR_PRIORITY, &[0x6e, 0, 1, 0xff]);
        for (kind, value) in self.extra {
            message.add(AttrType(*kind), value);
        }
        MessageIntegrity::new_raw_integrity_with_provider(self.pwd.as_bytes(), provider.crypto())
            .add_to(&mut message)
            .unwrap();
        for (kind, value) in self.behind {
            message.add(AttrType(*kind), value);
        }
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }
}

pub(crate) const CONTROLLING: (u16, &[u8]) = (ATTR_ICE_CONTROLLING.0, &[7; 8]);

/// What `rtc-stun` makes of a response: error code, unknown attributes, mapped address. Panics on a wrong fingerprint
/// or message integrity, or when the transaction id is not that of `request`.
pub(crate) fn judge(response: &[u8], request: &[u8], pwd: &str) -> (Option<u16>, Vec<u16>, Option<SocketAddr>) {
    let provider = AwsLcRsProvider::new();
    let mut message = Message {
        raw: response.to_vec(),
        ..Message::new()
    };
    message.decode().unwrap();
    assert_eq!(message.transaction_id.0, request[8..20]);
    assert!(message.contains(ATTR_FINGERPRINT));
    FINGERPRINT.check(&message).unwrap();
    MessageIntegrity::check(&mut message, pwd.as_bytes(), provider.crypto()).unwrap();
    let mut code = ErrorCodeAttribute::default();
    let code = code.get_from(&message).ok().map(|()| code.code.0);
    let mut unknown = UnknownAttributes(Vec::new());
    let unknown = match unknown.get_from(&message) {
        Ok(()) => unknown.0.iter().map(|kind| kind.0).collect(),
        Err(_) => Vec::new(),
    };
    let mut mapped = XorMappedAddress::default();
    let mapped = mapped
        .get_from(&message)
        .ok()
        .map(|()| SocketAddr::new(mapped.ip, mapped.port));
    (code, unknown, mapped)
}

/// A message of one hand-made attribute; `declared` is the length it claims.
pub(crate) fn message_with(kind: u16, declared: u16, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0, 1];
    message.extend_from_slice(&((body.len() + 4) as u16).to_be_bytes());
    message.extend_from_slice(&MAGIC_COOKIE);
    message.extend_from_slice(&[9; 12]);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&declared.to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// RFC 5769 section 2.1.
const RFC_5769_REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae\
    802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36\
    000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
const RFC_5769_PWD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn a_keepalive_is_a_whole_binding_indication() {
    let mut indication = Message::new();
    let kind =
        rtc_stun::message::MessageType::new(rtc_stun::message::METHOD_BINDING, rtc_stun::message::CLASS_INDICATION);
    indication
        .build(&[Box::new(TransactionId::new()), Box::new(kind)])
        .unwrap();
    assert!(is_keepalive(&indication.raw));
    FINGERPRINT.add_to(&mut indication).unwrap();
    assert!(is_keepalive(&indication.raw));
    let last = indication.raw.len() - 1;
    indication.raw[last] ^= 1;
    assert!(!is_keepalive(&indication.raw), "wrong fingerprint");
    for len in 0..indication.raw.len() {
        assert!(!is_keepalive(&indication.raw[..len]), "{len} bytes");
    }
    assert!(!is_keepalive(&hex(RFC_5769_REQUEST)), "a request");
}

#[test]
fn reads_and_verifies_the_request_of_rfc_5769() {
    let datagram = hex(RFC_5769_REQUEST);
    assert_eq!(username_local_ufrag(&datagram), Some("evtj"));
    let request = BindingRequest::parse(&datagram).unwrap();
    assert_eq!(request.username, Some(&b"evtj:h6vY"[..]));
    assert!(request.ice_controlled && !request.use_candidate && request.unknown.is_empty());
    assert_eq!(request.verify(&IntegrityKey::new(RFC_5769_PWD)), Ok(()));
    assert_eq!(
        request.verify(&IntegrityKey::new("VOkJxbRl1RmTxUk/WvJxBu")),
        Err(StunDrop::Integrity)
    );
}

/// RFC 5769 sections 2.2 and 2.3: what the mapped addresses look like.
#[test]
fn writes_the_mapped_addresses_of_rfc_5769() {
    let datagram = hex(RFC_5769_REQUEST);
    let request = BindingRequest::parse(&datagram).unwrap();
    let key = IntegrityKey::new(RFC_5769_PWD);
    let mut response = Vec::new();
    for (from, want) in [
        ("192.0.2.1:32853", "002000080001a147e112a643"),
        ("[::ffff:192.0.2.1]:32853", "002000080001a147e112a643"),
        (
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
            "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
        ),
    ] {
        request.write_success(from.parse().unwrap(), &key, &mut response);
        let want = hex(want);
        assert_eq!(response[HEADER_LEN..HEADER_LEN + want.len()], want);
        let (code, _, mapped) = judge(&response, &datagram, RFC_5769_PWD);
        let canonical: SocketAddr = from.parse().unwrap();
        assert_eq!((code, mapped.unwrap().ip()), (None, canonical.ip().to_canonical()));
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    let datagram = hex(RFC_5769_REQUEST);
    let key = IntegrityKey::new(RFC_5769_PWD);
    for at in 0..datagram.len() * 8 {
        let mut flipped = datagram.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        let accepted = BindingRequest::parse(&flipped).is_ok_and(|request| request.verify(&key).is_ok());
        // A flip in FINGERPRINT's own type makes it another optional attribute behind MESSAGE-INTEGRITY, which is
        // ignored; one that makes it comprehension-required is ignored there as well.
        let fingerprint_type = datagram.len() - 8..datagram.len() - 6;
        assert_eq!(accepted, fingerprint_type.contains(&(at / 8)), "bit {at}");
    }
}

/// T2: a message of every attribute type at every length, whole, cut short, and claiming more than there is.
#[test]
fn every_attribute_at_every_length() {
    let body = [0xa5u8; 68];
    let strangers_key = IntegrityKey::new("stranger");
    for kind in 0..=u16::MAX {
        for len in 0..=64u16 {
            let whole = message_with(kind, len, &body[..usize::from(len).next_multiple_of(4)]);
            if let Ok(request) = BindingRequest::parse(&whole) {
                if request.integrity_at.is_some() {
                    assert!(request.verify(&strangers_key).is_err());
                }
                assert_eq!(kind == attribute::USERNAME, request.username.is_some());
            }
            let _ = username_local_ufrag(&whole);
            if len % 16 == 1 || len == 64 {
                let cut = message_with(kind, len, &body[..usize::from(len).next_multiple_of(4) - 4]);
                assert_eq!(BindingRequest::parse(&cut).unwrap_err(), StunDrop::Malformed);
                assert!(username_local_ufrag(&cut).is_none());
            }
        }
    }
}

#[test]
fn every_truncation_is_malformed() {
    let datagram = hex(RFC_5769_REQUEST);
    for len in 0..datagram.len() {
        assert_eq!(
            BindingRequest::parse(&datagram[..len]).unwrap_err(),
            StunDrop::Malformed
        );
        assert_eq!(username_local_ufrag(&datagram[..len]), None);
    }
}

#[test]
fn only_binding_requests_are_read() {
    for message_type in 0..0x400u16 {
        let mut datagram = hex(RFC_5769_REQUEST);
        datagram[..2].copy_from_slice(&message_type.to_be_bytes());
        let want = if message_type == BINDING_REQUEST {
            None
        } else {
            Some(StunDrop::NotARequest)
        };
        assert_eq!(
            BindingRequest::parse(&datagram)
                .err()
                .filter(|e| *e != StunDrop::Fingerprint),
            want
        );
    }
}

/// T3: behind MESSAGE-INTEGRITY anybody on the way can write.
#[test]
fn attributes_behind_message_integrity_mean_nothing() {
    let datagram = Check {
        username: "ufrag:theirs",
        pwd: "password",
        extra: &[CONTROLLING],
        behind: &[
            (attribute::USE_CANDIDATE, &[]),
            (attribute::USERNAME, b"other:theirs"),
            (attribute::ICE_CONTROLLED, &[1; 8]),
            (0x7fff, &[1, 2, 3]),
        ],
    }
    .build();
    let request = BindingRequest::parse(&datagram).unwrap();
    request.verify(&IntegrityKey::new("password")).unwrap();
    assert!(!request.use_candidate && !request.ice_controlled && request.unknown.is_empty());
    assert_eq!(request.username, Some(&b"ufrag:theirs"[..]));
    let username_last = message_with(
        attribute::MESSAGE_INTEGRITY,
        20,
        &[&[0; 20][..], &[0, 6, 0, 1, b'x', 0, 0, 0]].concat(),
    );
    assert_eq!(username_local_ufrag(&username_last), None);
}

#[test]
fn unknown_required_attributes_are_named_and_optional_ones_are_not() {
    let many: Vec<(u16, &[u8])> = (0x7000..0x7014).map(|kind| (kind, &[][..])).collect();
    for (extra, want) in [
        (&[(0x7abc, &b"xyz"[..]), (0xC057, &[0; 4][..])][..], vec![0x7abc]),
        (&many[..], (0x7000..0x7000 + MAX_UNKNOWN as u16).collect()),
    ] {
        let datagram = Check {
            username: "ufrag:theirs",
            pwd: "password",
            extra,
            behind: &[],
        }
        .build();
        let request = BindingRequest::parse(&datagram).unwrap();
        let mut response = Vec::new();
        request.write_error(420, &IntegrityKey::new("password"), &mut response);
        assert_eq!(judge(&response, &datagram, "password"), (Some(420), want, None));
    }
}

#[test]
fn first_attribute_of_a_kind_counts() {
    let datagram = Check {
        username: "first:theirs",
        pwd: "password",
        extra: &[(attribute::USERNAME, b"second:theirs")],
        behind: &[],
    }
    .build();
    assert_eq!(username_local_ufrag(&datagram), Some("first"));
    assert_eq!(
        BindingRequest::parse(&datagram).unwrap().username,
        Some(&b"first:theirs"[..])
    );
}

#[test]
fn fingerprint_has_to_be_last() {
    let mut datagram = hex(RFC_5769_REQUEST);
    datagram.extend_from_slice(&[0x80, 0x22, 0, 0]);
    datagram[3] += 4;
    assert_eq!(BindingRequest::parse(&datagram).unwrap_err(), StunDrop::Malformed);
}
