//! The claims as they are written, and the rules between them.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};

use crate::wire::limits::ID_BYTES_MAX;
use crate::wire::{ParticipantId, RoomId};

use super::{Grant, LEEWAY, TokenError, TokenRequest};

/// The only version with roles, `roomId` and `participantId`.
const VERSION: u64 = 2;

/// What the holder of a token may do. One word each in the claim `permissions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// `allow_join`: enters at once, and judges the requests of those who have to ask.
    pub allow_join: bool,
    /// `ask_join`: waits in the lobby until somebody inside lets it in. Excludes the other two.
    pub ask_join: bool,
    /// `allow_mod`: controls other participants' microphone and camera, and removes them.
    pub allow_mod: bool,
    /// `link`: links its room with others, and acts over links.
    pub link: bool,
    /// `link_accept`: answers rooms that ask for a link, as `allow_mod` does.
    pub link_accept: bool,
}

impl Permissions {
    /// Every word, in the order of the documentation.
    pub const WORDS: [&'static str; 5] = ["allow_join", "ask_join", "allow_mod", "link", "link_accept"];

    /// Reads words. Words not known are skipped: a permission only ever adds, so they can do no harm.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut permissions = Permissions::default();
        for word in words {
            match word {
                "allow_join" => permissions.allow_join = true,
                "ask_join" => permissions.ask_join = true,
                "allow_mod" => permissions.allow_mod = true,
                "link" => permissions.link = true,
                "link_accept" => permissions.link_accept = true,
                _ => {}
            }
        }
        permissions
    }

    /// The words of the claim.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let held = [
            self.allow_join,
            self.ask_join,
            self.allow_mod,
            self.link,
            self.link_accept,
        ];
        Self::WORDS
            .into_iter()
            .zip(held)
            .filter(|(_, held)| *held)
            .map(|(word, _)| word)
    }

    /// One way in: `ask_join` excludes `allow_join` and `allow_mod`.
    pub fn are_lawful(self) -> bool {
        (self.allow_join || self.allow_mod) != self.ask_join
    }
}

/// The protected header (RFC 7515 section 4), as far as it is read. Everything else, `kid` and `jwk` among it, is ignored.
#[derive(Deserialize)]
pub(super) struct ProtectedHeader {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) crit: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claims {
    pub(super) apikey: String,
    permissions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    room_id: Option<RoomId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    participant_id: Option<ParticipantId>,
    #[serde(deserialize_with = "numeric_date")]
    exp: u64,
    #[serde(
        default,
        deserialize_with = "numeric_date_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    iat: Option<u64>,
    #[serde(
        default,
        deserialize_with = "numeric_date_or_none",
        skip_serializing_if = "Option::is_none"
    )]
    nbf: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    switch: Option<bool>,
}

impl Claims {
    pub(super) fn new(key_id: &str, request: &TokenRequest, now_secs: u64) -> Self {
        Claims {
            apikey: key_id.to_owned(),
            permissions: request.permissions.words().map(str::to_owned).collect(),
            version: Some(VERSION),
            roles: request.rest_only.then(|| vec!["crawler".to_owned()]),
            room_id: request.room.clone(),
            participant_id: request.participant.clone(),
            exp: now_secs.saturating_add(request.ttl.as_secs()),
            iat: Some(now_secs),
            nbf: None,
            jti: request.token_id.clone(),
            switch: None,
        }
    }

    /// The checks that need no key. `roomId`, `participantId` and `roles` bind whatever `version` says: a token of an
    /// older version that names a room was not meant for every room.
    pub(super) fn into_grant(self, now_secs: u64) -> Result<Grant, TokenError> {
        let leeway = LEEWAY.as_secs();
        if self.version.is_some_and(|version| version != 1 && version != VERSION) {
            return Err(TokenError::WrongVersion);
        }
        if now_secs >= self.exp.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        let begins = [self.nbf, self.iat].into_iter().flatten().max();
        if begins.is_some_and(|begins| begins > now_secs.saturating_add(leeway)) {
            return Err(TokenError::NotYetValid);
        }
        let permissions = Permissions::from_words(self.permissions.iter().map(String::as_str));
        if !permissions.are_lawful() {
            return Err(TokenError::InvalidPermissions);
        }
        if self.jti.as_ref().is_some_and(|jti| jti.len() > ID_BYTES_MAX) {
            return Err(TokenError::Malformed("jti is longer than 128 bytes"));
        }
        let plays = |role: &str| {
            self.roles
                .as_ref()
                .is_none_or(|roles| roles.iter().any(|held| held == role))
        };
        let expires_at = UNIX_EPOCH.checked_add(Duration::from_secs(self.exp));
        Ok(Grant {
            may_join: plays("rtc"),
            may_call_rest: plays("crawler"),
            issued_at: self.iat,
            expires_at: expires_at.ok_or(TokenError::Malformed("exp is too far away"))?,
            key_id: self.apikey,
            room: self.room_id,
            participant: self.participant_id,
            permissions,
            one_shot: self.switch == Some(true) && self.jti.is_some(),
            token_id: self.jti,
        })
    }
}

/// A member that is there counts, even when it is `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// `NumericDate` of RFC 7519 section 2: seconds since 1970, perhaps with a fraction, which is dropped.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let whole = number.as_u64().or_else(|| {
        let seconds = number
            .as_f64()
            .filter(|seconds| (0.0..=u64::MAX as f64).contains(seconds))?;
        Some(seconds as u64)
    });
    whole.ok_or_else(|| serde::de::Error::custom("not a NumericDate"))
}

fn numeric_date_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    numeric_date(deserializer).map(Some)
}
