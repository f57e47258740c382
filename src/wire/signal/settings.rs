//! What a room's owner decides about it.

use serde::{Deserialize, Serialize};

use super::request::Token;
use crate::packet::Codec;
use crate::wire::{Json, link::Rights};

/// Settings to change. What is `None` stays as it is; inside, `None` means none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Whoever comes has to know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Option<Token>>,
    /// Within the server's limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_participants: Option<Option<u32>>,
    /// The room closes for all when its owner has left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_with_owner: Option<bool>,
    /// The room outlives its last participant by the server's departure time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_empty: Option<bool>,
    /// The word by which it is found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listing: Option<Option<String>>,
    /// Told by `presence`; JSON `null` for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Json>,
    /// Newcomers wait to be let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lobby: Option<bool>,
    /// Codecs that may be sent, best first; `None`: those of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codecs: Option<Option<Vec<Codec>>>,
    /// Most pictures sent to a participant who does not say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_n: Option<Option<u32>>,
    /// What becomes of rooms that ask for a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_policy: Option<LinkPolicy>,
    /// What linked rooms may do here. Counts for links made from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_rights: Option<Rights>,
}

/// The settings in force, as everybody in the room may see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsInfo {
    /// Has it a password?
    pub password_protected: bool,
    /// `null`: the server's limit.
    pub max_participants: Option<u32>,
    /// The room closes for all when its owner has left.
    pub close_with_owner: bool,
    /// The room outlives its last participant by the server's departure time.
    pub keep_empty: bool,
    /// The word by which it is found.
    pub listing: Option<String>,
    /// Told by `presence`.
    pub info: Option<Json>,
    /// Newcomers wait to be let in.
    pub lobby: bool,
    /// Codecs that may be sent, best first; `null`: those of the server.
    #[serde(default)]
    pub codecs: Option<Vec<Codec>>,
    /// Most pictures sent to a participant who does not say otherwise; `null`: as the server's configuration says.
    pub last_n: Option<u32>,
    /// What becomes of rooms that ask for a link.
    pub link_policy: LinkPolicy,
    /// What linked rooms may do here.
    pub link_rights: Rights,
}

/// What becomes of a room that asks for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkPolicy {
    /// It gets one.
    Auto,
    /// Somebody here is asked.
    Ask,
    /// It gets none.
    Deny,
}

impl LinkPolicy {
    /// The word on the wire and in the configuration.
    pub fn from_word(text: &str) -> Option<Self> {
        Some(match text {
            "auto" => LinkPolicy::Auto,
            "ask" => LinkPolicy::Ask,
            "deny" => LinkPolicy::Deny,
            _ => return None,
        })
    }
}
