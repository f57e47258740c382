//! The sections `[records]` and `[webhooks]` of the configuration.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What is kept. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordsConfig {
    /// Where; `None`: in memory, until the server stops.
    pub directory: Option<PathBuf>,
    /// How long sessions are kept after their end.
    pub retention: Duration,
    /// Most sessions that are kept; the oldest that have ended go first.
    pub max_sessions: usize,
    /// Most rooms that may be made ahead.
    pub max_rooms: usize,
}

/// Who is told. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Are told of every room.
    pub endpoints: Vec<String>,
    /// Signs what they are told, beside the key pair.
    pub secret: Option<WebhookSecret>,
    /// Whether rooms may name endpoints on private networks.
    pub allow_private: bool,
    /// Most webhooks that wait to be taken.
    pub max_waiting: usize,
    /// How long one is tried.
    pub retry_for: Duration,
    /// How long an endpoint may take to answer.
    pub timeout: Duration,
}

/// The secret shared with those who are told. Not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// Wraps a secret; the configuration has checked its length.
    pub const fn new(secret: String) -> Self {
        Self(secret)
    }

    /// Its bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
