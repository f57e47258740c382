//! STUN (RFC 8489) as far as an ICE-lite agent needs it: reads Binding requests, writes Binding responses.
//!
//! Reading borrows from the datagram and allocates nothing. Every length is checked before it is used, and whatever
//! stands behind MESSAGE-INTEGRITY is ignored, except FINGERPRINT.

use arrayvec::ArrayVec;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

mod response;

use response::crc32;

const HEADER_LEN: usize = 20;
const ATTRIBUTE_HEADER_LEN: usize = 4;
const MAGIC_COOKIE: [u8; 4] = 0x2112_A442u32.to_be_bytes();
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const INTEGRITY_LEN: usize = 20;
const FINGERPRINT_LEN: usize = 4;
/// RFC 8489 section 14.3: a USERNAME is shorter than 509 bytes.
const MAX_USERNAME_LEN: usize = 508;
/// How many attributes a 420 response names.
const MAX_UNKNOWN: usize = 8;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_INDICATION: u16 = 0x0011;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

/// Attribute types (RFC 8489 section 18.3, RFC 8445 section 16.1).
mod attribute {
    pub(super) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(super) const USERNAME: u16 = 0x0006;
    pub(super) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(super) const ERROR_CODE: u16 = 0x0009;
    pub(super) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub(super) const REALM: u16 = 0x0014;
    pub(super) const NONCE: u16 = 0x0015;
    pub(super) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub(super) const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub(super) const USERHASH: u16 = 0x001E;
    pub(super) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(super) const PRIORITY: u16 = 0x0024;
    pub(super) const USE_CANDIDATE: u16 = 0x0025;
    pub(super) const FINGERPRINT: u16 = 0x8028;
    pub(super) const ICE_CONTROLLED: u16 = 0x8029;
    pub(super) const ICE_CONTROLLING: u16 = 0x802A;
}

/// Why a STUN message was dropped. Nothing was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StunDrop {
    /// Not a STUN message, or an attribute that does not fit its own length.
    #[error("malformed")]
    Malformed,
    /// A well-formed message that is no Binding request: indications, responses, other methods.
    #[error("not a binding request")]
    NotARequest,
    /// FINGERPRINT is there and wrong.
    #[error("wrong fingerprint")]
    Fingerprint,
    /// No USERNAME or no MESSAGE-INTEGRITY: nobody of ours asks like that.
    #[error("no credentials")]
    NoCredentials,
    /// The user name is not this transport's.
    #[error("unknown user name")]
    UnknownUser,
    /// MESSAGE-INTEGRITY does not match the password.
    #[error("wrong message integrity")]
    Integrity,
    /// The answer would be longer than the question, which no real connectivity check is short enough for.
    #[error("shorter than its answer")]
    ShorterThanAnswer,
}

impl StunDrop {
    /// Every reason, for counters.
    pub const ALL: [StunDrop; 7] = [
        StunDrop::Malformed,
        StunDrop::NotARequest,
        StunDrop::Fingerprint,
        StunDrop::NoCredentials,
        StunDrop::UnknownUser,
        StunDrop::Integrity,
        StunDrop::ShorterThanAnswer,
    ];

    /// A stable name for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            StunDrop::Malformed => "malformed",
            StunDrop::NotARequest => "not_a_request",
            StunDrop::Fingerprint => "fingerprint",
            StunDrop::NoCredentials => "no_credentials",
            StunDrop::UnknownUser => "unknown_user",
            StunDrop::Integrity => "integrity",
            StunDrop::ShorterThanAnswer => "shorter_than_answer",
        }
    }
}

/// True for a Binding indication: what an agent sends to keep a path open when it sends nothing else (RFC 8445 section 11). Nobody
/// has signed it, and nobody answers it.
pub fn is_keepalive(datagram: &[u8]) -> bool {
    datagram.first_chunk() == Some(&BINDING_INDICATION.to_be_bytes()) && is_whole(datagram).is_ok()
}

/// Every attribute fits, and FINGERPRINT is right when it is there.
fn is_whole(datagram: &[u8]) -> Result<(), StunDrop> {
    let mut attributes = Attributes::of_message(datagram)?;
    while let Some(attribute) = attributes.next()? {
        if attribute.kind == attribute::FINGERPRINT {
            check_fingerprint(datagram, &attribute)?;
        }
    }
    Ok(())
}

/// An ICE password, ready to sign and verify (short-term credentials, RFC 8489 section 9.1).
#[derive(Clone)]
pub struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// The key of a password. SASLprep changes nothing about the characters that ICE allows.
    pub fn new(pwd: &str) -> IntegrityKey {
        IntegrityKey(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, pwd.as_bytes()))
    }

    /// HMAC-SHA1 over the message up to MESSAGE-INTEGRITY at `end`, with the header's length reaching to its end.
    fn sign(&self, message: &[u8], end: usize) -> hmac::Tag {
        let covered = end + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN - HEADER_LEN;
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&message[..2]);
        context.update(&(covered as u16).to_be_bytes());
        context.update(&message[4..end]);
        context.sign()
    }
}

/// A Binding request, read but not yet believed: see [`BindingRequest::verify`].
#[derive(Clone, Debug)]
pub struct BindingRequest<'a> {
    datagram: &'a [u8],
    integrity_at: Option<usize>,
    /// USERNAME: ours, a colon, theirs.
    pub username: Option<&'a [u8]>,
    /// USE-CANDIDATE: the client nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLED: the client believes that we lead, which a lite agent cannot.
    pub ice_controlled: bool,
    /// Attributes that may not be ignored (type below 0x8000) and that we do not know; the first few.
    pub unknown: ArrayVec<u16, MAX_UNKNOWN>,
}

impl<'a> BindingRequest<'a> {
    /// Reads a Binding request and checks its FINGERPRINT when it has one.
    ///
    /// # Errors
    /// [`StunDrop::Malformed`], [`StunDrop::NotARequest`], [`StunDrop::Fingerprint`].
    pub fn parse(datagram: &'a [u8]) -> Result<BindingRequest<'a>, StunDrop> {
        let mut attributes = Attributes::of_message(datagram)?;
        if u16::from_be_bytes([datagram[0], datagram[1]]) != BINDING_REQUEST {
            return Err(StunDrop::NotARequest);
        }
        let mut request = BindingRequest {
            datagram,
            integrity_at: None,
            username: None,
            use_candidate: false,
            ice_controlled: false,
            unknown: ArrayVec::new(),
        };
        while let Some(attribute) = attributes.next()? {
            if attribute.kind == attribute::FINGERPRINT {
                check_fingerprint(datagram, &attribute)?;
            } else if request.integrity_at.is_none() {
                request.take(&attribute)?;
            }
        }
        Ok(request)
    }

    /// An attribute in front of MESSAGE-INTEGRITY, or that attribute itself. The first of its kind counts.
    fn take(&mut self, attribute: &Attribute<'a>) -> Result<(), StunDrop> {
        let len = attribute.value.len();
        let length_fits = match attribute.kind {
            attribute::USERNAME => {
                self.username.get_or_insert(attribute.value);
                len <= MAX_USERNAME_LEN
            }
            attribute::MESSAGE_INTEGRITY => {
                self.integrity_at = Some(attribute.at);
                len == INTEGRITY_LEN
            }
            attribute::USE_CANDIDATE => {
                self.use_candidate = true;
                len == 0
            }
            attribute::ICE_CONTROLLED => {
                self.ice_controlled = true;
                len == 8
            }
            attribute::ICE_CONTROLLING => len == 8,
            attribute::PRIORITY => len == 4,
            // Known, and without a meaning in a request with short-term credentials: ignored (RFC 8489 section 6.3).
            attribute::MAPPED_ADDRESS
            | attribute::ERROR_CODE
            | attribute::UNKNOWN_ATTRIBUTES
            | attribute::REALM
            | attribute::NONCE
            | attribute::MESSAGE_INTEGRITY_SHA256
            | attribute::PASSWORD_ALGORITHM
            | attribute::USERHASH
            | attribute::XOR_MAPPED_ADDRESS => true,
            0x8000.. => true,
            unknown => {
                // More unknown attributes than the answer has room for change nothing about it.
                let _ = self.unknown.try_push(unknown);
                true
            }
        };
        if length_fits { Ok(()) } else { Err(StunDrop::Malformed) }
    }

    /// Checks MESSAGE-INTEGRITY. Only now may the request have any effect.
    ///
    /// # Errors
    /// [`StunDrop::NoCredentials`], [`StunDrop::Integrity`].
    pub fn verify(&self, key: &IntegrityKey) -> Result<(), StunDrop> {
        let at = self.integrity_at.ok_or(StunDrop::NoCredentials)?;
        let sent = self
            .datagram
            .get(at + ATTRIBUTE_HEADER_LEN..at + ATTRIBUTE_HEADER_LEN + INTEGRITY_LEN)
            .ok_or(StunDrop::Malformed)?;
        verify_slices_are_equal(key.sign(self.datagram, at).as_ref(), sent).map_err(|_| StunDrop::Integrity)
    }
}

/// The part of a request's USERNAME before the colon: whose transport it is for. Believes nothing, allocates nothing,
/// and does not look behind MESSAGE-INTEGRITY.
pub fn username_local_ufrag(datagram: &[u8]) -> Option<&str> {
    let mut attributes = Attributes::of_message(datagram).ok()?;
    while let Some(attribute) = attributes.next().ok()? {
        match attribute.kind {
            attribute::USERNAME => {
                let ufrag = attribute.value.split(|byte| *byte == b':').next()?;
                return std::str::from_utf8(ufrag).ok();
            }
            attribute::MESSAGE_INTEGRITY => return None,
            _ => {}
        }
    }
    None
}

struct Attribute<'a> {
    kind: u16,
    /// Offset of the attribute's own header.
    at: usize,
    value: &'a [u8],
}

/// Walks over the attributes of one message.
struct Attributes<'a> {
    datagram: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    /// The attributes behind a valid STUN header whose length is that of the datagram.
    fn of_message(datagram: &'a [u8]) -> Result<Attributes<'a>, StunDrop> {
        let header = datagram.first_chunk::<HEADER_LEN>().ok_or(StunDrop::Malformed)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let well_formed =
            header[0] < 4 && header[4..8] == MAGIC_COOKIE && len % 4 == 0 && len == datagram.len() - HEADER_LEN;
        if well_formed {
            Ok(Attributes {
                datagram,
                at: HEADER_LEN,
            })
        } else {
            Err(StunDrop::Malformed)
        }
    }

    fn next(&mut self) -> Result<Option<Attribute<'a>>, StunDrop> {
        let rest = &self.datagram[self.at..];
        if rest.is_empty() {
            return Ok(None);
        }
        let (header, rest) = rest
            .split_first_chunk::<ATTRIBUTE_HEADER_LEN>()
            .ok_or(StunDrop::Malformed)?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let padded = len.next_multiple_of(4);
        if padded > rest.len() {
            return Err(StunDrop::Malformed);
        }
        let attribute = Attribute {
            kind: u16::from_be_bytes([header[0], header[1]]),
            at: self.at,
            value: &rest[..len],
        };
        self.at += ATTRIBUTE_HEADER_LEN + padded;
        Ok(Some(attribute))
    }
}

/// FINGERPRINT is the last attribute and covers everything before it (RFC 8489 section 14.7).
fn check_fingerprint(datagram: &[u8], attribute: &Attribute<'_>) -> Result<(), StunDrop> {
    let Ok(sent) = <[u8; FINGERPRINT_LEN]>::try_from(attribute.value) else {
        return Err(StunDrop::Malformed);
    };
    if attribute.at + ATTRIBUTE_HEADER_LEN + FINGERPRINT_LEN != datagram.len() {
        return Err(StunDrop::Malformed);
    }
    let right = crc32(&datagram[..attribute.at]) ^ FINGERPRINT_XOR;
    if u32::from_be_bytes(sent) == right {
        Ok(())
    } else {
        Err(StunDrop::Fingerprint)
    }
}

#[cfg(test)]
pub(crate) mod tests;
