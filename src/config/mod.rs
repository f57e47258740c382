//! What the server was told: defaults, file, environment and flags overlaid, checked once, handed down by value.
//!
//! `config/default.toml` documents every key and is the only home of a default. The type of a section lives beside
//! its user (`[room]` in `room`, `[media]` in `shard`, ...); the ranges live in `sections`, beside the reading. Nothing
//! below this module reads the environment.

mod changes;
mod layers;
mod problem;
mod reader;
mod sections;
#[cfg(test)]
mod tests;
mod units;

use std::path::PathBuf;

use crate::api::HttpConfig;
use crate::api::token::Key;
use crate::node::{ClusterConfig, RecordingConfig, ShutdownConfig, TracesConfig};
use crate::records::{RecordsConfig, WebhooksConfig};
use crate::room::RoomConfig;
use crate::shard::MediaConfig;
use crate::turn::TurnConfig;

pub use problem::{ConfigError, Origin, Problem};
pub use units::{parse_duration, parse_size};

use layers::Layers;

/// The embedded defaults, as text.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

/// A complete, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whether this is a developer's machine or a service.
    pub mode: Mode,
    /// `[http]`: signalling, WHIP, WHEP, health, metrics, the page.
    pub http: HttpConfig,
    /// `[media]`: shards, ports, advertised addresses.
    pub media: MediaConfig,
    /// `[room]`: windows and limits of rooms.
    pub room: RoomConfig,
    /// `[[keys]]` and the entries of `keys_file`: never empty, ids are unique.
    pub keys: Vec<Key>,
    /// `[turn_server]`: the TURN server inside.
    pub turn_server: TurnConfig,
    /// `[log]`: what is logged and how.
    pub log: LogConfig,
    /// `[cluster]`: other nodes.
    pub cluster: ClusterConfig,
    /// `[records]`: what is kept beyond the life of a room.
    pub records: RecordsConfig,
    /// `[webhooks]`: who is told.
    pub webhooks: WebhooksConfig,
    /// `[telemetry]`: where traces go; `None`: there are none.
    pub telemetry: Option<TracesConfig>,
    /// `[recording]`: where recordings go; `None`: nothing is recorded.
    pub recording: Option<RecordingConfig>,
    /// `[shutdown]`: how the node stops.
    pub shutdown: ShutdownConfig,
}

/// Whether this is a developer's machine or a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The development key is accepted, loopback is advertised.
    Development,
    /// Only keys of the operator are accepted.
    Production,
}

impl Mode {
    /// The word of the configuration file.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Development => "development",
            Mode::Production => "production",
        }
    }
}

/// What is logged and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Form of a line.
    pub format: LogFormat,
    /// Which lines: a directive list of `tracing_subscriber::EnvFilter`.
    pub filter: String,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Where values are taken from, beside the embedded defaults. Later fields win.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file of `--config` or `ENFILADE_CONFIG`.
    pub file: Option<PathBuf>,
    /// Environment variables; those not beginning with `ENFILADE_` are ignored.
    pub environment: Vec<(String, String)>,
    /// `section.key` and value, as given by flags.
    pub flags: Vec<(String, String)>,
}

/// A checked configuration together with the origin of each of its values.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    layers: Layers,
}

impl Loaded {
    /// The values in force as TOML, each with its origin, secrets redacted.
    pub fn to_toml(&self) -> String {
        self.layers.to_toml(&self.config.keys)
    }
}

/// Overlays the sources and checks the result.
///
/// # Errors
/// Every problem found, not only the first: unknown keys, wrong types, values out of range, each with its origin.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut problems = Vec::new();
    let layers = Layers::overlay(sources, &mut problems);
    let config = sections::read(&layers, &mut problems);
    if problems.is_empty() {
        Ok(Loaded { config, layers })
    } else {
        Err(ConfigError { problems })
    }
}

impl Config {
    /// The embedded defaults and nothing else: development mode.
    pub fn development() -> Self {
        load(&Sources::default())
            .expect("the embedded defaults are tested to be lawful")
            .config
    }

    /// Whether the well-known development key is among the keys: anybody may then issue tokens.
    pub fn accepts_development_key(&self) -> bool {
        self.keys.iter().any(sections::is_development_key)
    }

    /// Lawful but risky settings, one sentence each, to be logged at start.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.accepts_development_key() && !self.http.listen.ip().is_loopback() {
            warnings.push(format!(
                "http.listen = {} is reachable from other machines while the development key, which everybody knows, is accepted",
                self.http.listen
            ));
        }
        let tells_somebody = !self.webhooks.endpoints.is_empty();
        if tells_somebody && self.records.directory.is_none() {
            let text =
                "webhooks that wait are lost when the server stops: give records.directory a folder to keep them in";
            warnings.push(text.to_owned());
        }
        let postgres = self.records.postgres.as_ref();
        if postgres.is_some_and(|postgres| postgres.url.is_exposed()) {
            let text = "what goes to records.postgres can be read on the way: add ?sslmode=require to its URL";
            warnings.push(text.to_owned());
        }
        if postgres.is_some() && self.records.directory.is_none() {
            let text = "while PostgreSQL is away, what happened waits in memory, and is lost when the server stops: give records.directory a folder";
            warnings.push(text.to_owned());
        }
        warnings
    }
}
