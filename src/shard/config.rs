//! The section `[media]` of the configuration.

use std::net::IpAddr;
use std::time::Duration;

/// How the media plane listens and what it remembers. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaConfig {
    /// Address of every shard's socket. `::` also takes IPv4, and means `0.0.0.0` on a machine without IPv6.
    pub listen: IpAddr,
    /// UDP port of shard 0; shard n listens on `first_port + n`.
    pub first_port: u16,
    /// Whether every shard takes clients over TCP as well, on its UDP port's number.
    pub tcp: bool,
    /// Number of shards; 0 means one per core.
    pub shards: usize,
    /// Participants of one room on one shard before the room grows onto another.
    pub room_spread: usize,
    /// Addresses clients reach the shards at, best first. Empty: the machine's interface addresses, and loopback
    /// as well in development mode.
    pub advertised: Vec<IpAddr>,
    /// A transport without a valid connectivity check for this long is closed (RFC 7675).
    pub consent_timeout: Duration,
    /// Whether UDP generic segmentation offload is used where the kernel has it.
    pub gso: bool,
    /// How long a busy shard leaves its socket alone, to read and send more at a time; zero: never.
    pub moderation: Duration,
    /// How old a packet may be and still be sent again.
    pub history_age: Duration,
    /// Most memory kept for retransmission per received encoding, in bytes.
    pub history_size: usize,
}
