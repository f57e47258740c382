//! Tokens: JWT (RFC 7519) signed with HS256 and the claims of the VideoSDK API: issued and verified here and nowhere else.
//!
//! Verification follows RFC 8725: one algorithm, chosen by us; the key is looked up by the claim `apikey` among the
//! configured ones and never taken from the header; everything is bounded; time is an argument. Whoever holds no
//! secret learns from the refusals nothing but whether a key id exists, which is public.

mod claims;
mod error;
mod key;
mod revocations;
mod spent;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};

pub use claims::Permissions;
pub use error::TokenError;
pub use key::{Key, Secret};
pub use revocations::{Entry, Full, Revocations};
pub use spent::Spent;

use claims::{Claims, ProtectedHeader};

use crate::room::{Pass, Revocation, Verify};
use crate::wire::limits::TOKEN_BYTES_MAX;
use crate::wire::{ParticipantId, RoomId};

/// Clocks of issuer and server may differ by this much.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// What a verified token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Id of the key that signed the token.
    pub key_id: String,
    /// The only room the token is for; `None`: any room.
    pub room: Option<RoomId>,
    /// The only participant the token is for; `None`: the client names itself.
    pub participant: Option<ParticipantId>,
    /// What the holder may do.
    pub permissions: Permissions,
    /// Whether the token may be used to join rooms (role `rtc`, or no roles).
    pub may_join: bool,
    /// Whether the token may be used for the REST API (role `crawler`, or no roles).
    pub may_call_rest: bool,
    /// The claim `iat`: when it was issued, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// When the token ends; a call that is under way goes on.
    pub expires_at: SystemTime,
    /// The claim `jti`: the issuer's name for this one token.
    pub token_id: Option<String>,
    /// The claim `switch`, beside a `jti`: whoever was handed it joins with it once.
    pub one_shot: bool,
}

impl Grant {
    /// Whether the holder runs the server: a token of the role `crawler` alone, which lets nobody into a call, with `allow_mod`. A
    /// token without roles is good for everything else, and clients hold those.
    pub fn is_admin(&self) -> bool {
        self.may_call_rest && !self.may_join && self.permissions.allow_mod
    }

    /// What names the token, so that it can be revoked.
    pub fn pass(&self) -> Pass {
        Pass {
            key: self.key_id.as_str().into(),
            token: self.token_id.as_deref().map(Into::into),
            issued_at: self.issued_at,
        }
    }

    /// Checks that the token is for joining, and for this room.
    ///
    /// # Errors
    /// [`TokenError::WrongRole`], [`TokenError::WrongRoom`].
    pub fn check_room(&self, room: &RoomId) -> Result<(), TokenError> {
        if !self.may_join {
            return Err(TokenError::WrongRole);
        }
        self.check_bound(room)
    }

    /// Checks that the token is for this room, whatever it is for.
    ///
    /// # Errors
    /// [`TokenError::WrongRoom`].
    pub fn check_bound(&self, room: &RoomId) -> Result<(), TokenError> {
        if self.room.as_ref().is_some_and(|bound| bound != room) {
            return Err(TokenError::WrongRoom);
        }
        Ok(())
    }

    /// Checks that the token is for joining, for this room and for this participant.
    ///
    /// # Errors
    /// [`TokenError::WrongRole`], [`TokenError::WrongRoom`], [`TokenError::WrongParticipant`].
    pub fn check_join(&self, room: &RoomId, participant: &ParticipantId) -> Result<(), TokenError> {
        self.check_room(room)?;
        if self.participant.as_ref().is_some_and(|bound| bound != participant) {
            return Err(TokenError::WrongParticipant);
        }
        Ok(())
    }
}

/// What to put into a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRequest {
    /// The only room the token is for.
    pub room: Option<RoomId>,
    /// The only participant the token is for.
    pub participant: Option<ParticipantId>,
    /// What the holder may do.
    pub permissions: Permissions,
    /// How long the token lives.
    pub ttl: Duration,
    /// The claim `jti`.
    pub token_id: Option<String>,
    /// Good for the REST API and for nothing else (`roles: ["crawler"]`); with `allow_mod` its holder runs the server.
    pub rest_only: bool,
}

/// Issues a token signed by `key`.
///
/// # Errors
/// [`TokenError::InvalidPermissions`] when the permissions contradict each other or are none,
/// [`TokenError::TooLarge`] when the token would not be accepted for its length.
pub fn issue(key: &Key, request: &TokenRequest, now: SystemTime) -> Result<String, TokenError> {
    if !request.permissions.are_lawful() {
        return Err(TokenError::InvalidPermissions);
    }
    let claims = Claims::new(&key.id, request, unix_seconds(now));
    let encoding_key = EncodingKey::from_secret(key.secret.expose());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &encoding_key)
        .map_err(|_| TokenError::Malformed("it cannot be written as JSON"))?;
    if token.len() > TOKEN_BYTES_MAX {
        Err(TokenError::TooLarge)
    } else {
        Ok(token)
    }
}

/// The keys by which tokens are verified, and what was revoked. Cheap to look up and to clone; clones share both, so that what is
/// replaced or revoked is so everywhere at once. Redacted in `Debug`.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<RwLock<BTreeMap<String, DecodingKey>>>,
    revocations: Revocations,
}

impl Keyring {
    /// Takes the keys of the configuration.
    pub fn new(keys: &[Key]) -> Self {
        Keyring {
            keys: Arc::new(RwLock::new(decoding(keys))),
            revocations: Revocations::default(),
        }
    }

    /// From now on these keys count, and no others.
    pub fn replace(&self, keys: &[Key]) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = decoding(keys);
    }

    /// What was revoked.
    pub fn revocations(&self) -> &Revocations {
        &self.revocations
    }

    /// Checks a verified token against what was revoked, for whoever comes into this room by it.
    ///
    /// # Errors
    /// [`TokenError::Revoked`].
    pub fn check_revoked(
        &self,
        grant: &Grant,
        room: &RoomId,
        participant: Option<&ParticipantId>,
        now: SystemTime,
    ) -> Result<(), TokenError> {
        match self.revocation(grant, room, participant, now) {
            Some(_) => Err(TokenError::Revoked),
            None => Ok(()),
        }
    }

    /// The same, and by what it was revoked.
    pub fn revocation(
        &self,
        grant: &Grant,
        room: &RoomId,
        participant: Option<&ParticipantId>,
        now: SystemTime,
    ) -> Option<Revocation> {
        let participant = grant.participant.as_ref().or(participant);
        self.revocations
            .find(&grant.pass(), Some(room), participant, unix_seconds(now))
    }

    /// The same for rooms, whose participants hand tokens to each other: is this one good for joining that room?
    pub fn verifier(self) -> Verify {
        Arc::new(move |token, room, unix_ms| {
            let now = UNIX_EPOCH + Duration::from_millis(unix_ms);
            let grant = self.verify(&token.0, now);
            let checked = grant.and_then(|grant| {
                grant.check_room(room)?;
                self.check_revoked(&grant, room, None, now)
            });
            checked.map_err(|error| (error.code(), error.to_string()))
        })
    }

    /// Verifies a token: form, algorithm, key, signature, then time and claims, then whether it was revoked, in this order.
    ///
    /// # Errors
    /// Why the token is refused. Never contains any part of the token.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Grant, TokenError> {
        if token.is_empty() {
            return Err(TokenError::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLarge);
        }
        let (message, signature) = token
            .rsplit_once('.')
            .ok_or(TokenError::Malformed("it has no three parts"))?;
        let (header, payload) = message
            .split_once('.')
            .ok_or(TokenError::Malformed("it has no three parts"))?;
        let header: ProtectedHeader = object_of(header)?;
        if header.alg != "HS256" {
            return Err(TokenError::WrongAlgorithm);
        }
        if header.crit.is_some() {
            return Err(TokenError::CriticalHeader);
        }
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(TokenError::Malformed("its header says it is not a JWT"));
        }
        let claims: Claims = object_of(payload)?;
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let key = keys.get(&claims.apikey).ok_or(TokenError::UnknownKey)?;
        // The comparison inside is in constant time. An error is a signature that is not base64url.
        let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, Algorithm::HS256);
        drop(keys);
        let grant = match verified {
            Ok(true) => claims.into_grant(unix_seconds(now))?,
            Ok(false) | Err(_) => return Err(TokenError::WrongSignature),
        };
        let (room, participant) = (grant.room.as_ref(), grant.participant.as_ref());
        match self
            .revocations
            .find(&grant.pass(), room, participant, unix_seconds(now))
        {
            Some(_) => Err(TokenError::Revoked),
            None => Ok(grant),
        }
    }
}

fn decoding(keys: &[Key]) -> BTreeMap<String, DecodingKey> {
    let decoding = |key: &Key| (key.id.clone(), DecodingKey::from_secret(key.secret.expose()));
    keys.iter().map(decoding).collect()
}

/// Decodes base64url and then a JSON object without duplicate members among those we read.
fn object_of<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::Malformed("a part of it is not base64url"))?;
    // The derived reader would also take an array for a struct.
    if bytes.first() != Some(&b'{') {
        return Err(TokenError::Malformed("a part of it is not a JSON object"));
    }
    serde_json::from_slice(&bytes)
        .map_err(|_| TokenError::Malformed("a claim is missing, twice there, of a wrong type or no lawful id"))
}

/// Whole seconds since 1970; a clock before 1970 counts as 1970.
fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
