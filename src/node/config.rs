//! The sections `[shutdown]` and `[recording]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use crate::recording::Limits;

/// Where recordings go, and how large they may be. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingConfig {
    /// Each recording is a folder in it.
    pub directory: PathBuf,
    /// Of each recording.
    pub limits: Limits,
    /// Recordings end when less than this is free, in bytes.
    pub min_free: u64,
    /// How long recordings are kept after their end; nothing: for ever.
    pub retention: Duration,
}

/// How the node stops. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// How long a stopping node waits for calls to end before it closes them.
    pub grace: Duration,
}
