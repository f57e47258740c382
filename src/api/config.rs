//! The section `[http]` of the configuration.

use std::net::SocketAddr;
use std::time::Duration;

use super::{TlsFiles, TrustedProxies};

/// How the HTTP side listens and what it accepts. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// Address and port of every HTTP route.
    pub listen: SocketAddr,
    /// Certificate and key; `None`: without TLS.
    pub tls: Option<TlsFiles>,
    /// Whose word is taken for the address of a client.
    pub trusted_proxies: TrustedProxies,
    /// Most signalling sockets of one client; 0: as many as it likes.
    pub max_sockets_per_client: usize,
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
