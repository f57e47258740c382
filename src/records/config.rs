//! The sections `[records]` and `[webhooks]` of the configuration.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};

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
    /// Where sessions are kept as well, and read from.
    pub postgres: Option<PostgresConfig>,
}

/// A PostgreSQL database that has the sessions of all nodes. Defaults: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Where it is, and who we are there.
    pub url: PostgresUrl,
    /// Certificates of the authorities that vouch for it, in PEM; `None`: those that the system trusts.
    pub authorities: Option<PathBuf>,
    /// The name of this node, for people who read the database.
    pub node: String,
}

/// `postgres://user:password@host/database`. Its password is not shown.
#[derive(Clone)]
pub struct PostgresUrl {
    parsed: tokio_postgres::Config,
}

impl PostgresUrl {
    /// Reads a URL. TLS is spoken, and the certificate checked, with `sslmode=require` or `verify-full`.
    ///
    /// # Errors
    /// Why it is none, without quoting it.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err("it does not begin with postgres://".to_owned());
        }
        // There is no way here that would not check the certificate.
        let text = text.replace("sslmode=verify-full", "sslmode=require");
        let parsed: tokio_postgres::Config = text.parse().map_err(|error| super::archive::explain(&error))?;
        if parsed.get_hosts().is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self { parsed })
    }

    /// Whether what is sent can be read on the way: no TLS, and not on this machine.
    pub fn is_exposed(&self) -> bool {
        let is_far = |host: &Host| match host {
            Host::Tcp(name) => {
                let address: Result<IpAddr, _> = name.parse();
                name != "localhost" && !address.is_ok_and(|address| address.is_loopback())
            }
            Host::Unix(_) => false,
        };
        !self.wants_tls() && self.parsed.get_hosts().iter().any(is_far)
    }

    pub(super) fn wants_tls(&self) -> bool {
        self.parsed.get_ssl_mode() == SslMode::Require
    }

    pub(super) fn parsed(&self) -> tokio_postgres::Config {
        self.parsed.clone()
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.parsed == other.parsed
    }
}

impl Eq for PostgresUrl {}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, database) = (self.parsed.get_hosts(), self.parsed.get_dbname());
        f.debug_struct("PostgresUrl")
            .field("hosts", &hosts)
            .field("database", &database)
            .finish_non_exhaustive()
    }
}

/// Who is told. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhooksConfig {
    /// Are told of every room.
    pub endpoints: Vec<String>,
    /// Signs what they are told, beside the key pair.
    pub secret: Option<WebhookSecret>,
    /// The key pair; `None`: one that is made, and kept in the records.
    pub signing_key: Option<WebhookKey>,
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

/// A key pair of the operator that signs webhooks, in PKCS #8. Not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(Arc<[u8]>);

impl WebhookKey {
    /// Wraps a key pair that was found to be one.
    pub fn new(pkcs8: &[u8]) -> Self {
        Self(pkcs8.into())
    }

    /// Its bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
