//! The section `[shutdown]` of the configuration.

use std::time::Duration;

/// How the node stops. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShutdownConfig {
    /// How long a stopping node waits for calls to end before it closes them.
    pub grace: Duration,
}
