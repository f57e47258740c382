//! The section `[http]` of the configuration.

use std::net::SocketAddr;
use std::time::Duration;

/// How the HTTP side listens and what it accepts. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port of every HTTP route.
    pub listen: SocketAddr,
    /// Web origins besides the server's own: `scheme://host[:port]` in lower case as browsers send them, or `*` alone.
    pub allowed_origins: Vec<String>,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// Largest request head, in bytes.
    pub max_header: usize,
    /// Interval of pings on a signalling socket; it closes after two silent ones.
    pub ping_interval: Duration,
    /// Time a connection has for its request head, and a signalling socket for its first message.
    pub first_message_timeout: Duration,
}
