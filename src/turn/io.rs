//! What goes into the server and what comes out of it.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;

/// `[turn_server]`. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnConfig {
    /// UDP and TCP.
    pub listen: Option<SocketAddr>,
    /// TLS over TCP, with the certificate of `[http]`.
    pub tls_listen: Option<SocketAddr>,
    /// What clients call this server; `None`: by its first advertised address.
    pub name: Option<String>,
    /// Networks that may be reached through it, beside our own media ports.
    pub allow_peers: Vec<IpNet>,
    /// Ports of relayed addresses.
    pub ports: RangeInclusive<u16>,
    /// Most allocations at one time.
    pub max_allocations: usize,
    /// How long credentials are good for (`[turn] ttl`).
    pub ttl: Duration,
}

/// By what a client reaches us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A connection.
    Tcp,
    /// A connection with TLS.
    Tls,
}

/// A client: RFC 8656's 5-tuple, the listener of each way being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// How it comes.
    pub way: Way,
    /// From where.
    pub address: SocketAddr,
}

/// Names an allocation, and no other after it.
pub type AllocationId = u64;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send an answer. `code` 0: it is a success.
    Answer {
        /// To whom.
        client: Client,
        /// The message.
        bytes: Vec<u8>,
        /// Of ERROR-CODE.
        code: u16,
    },
    /// Send what a peer sent.
    ToClient {
        /// To whom.
        client: Client,
        /// ChannelData or a Data indication.
        bytes: Vec<u8>,
    },
    /// Send what a client sent.
    ToPeer {
        /// By whose socket.
        allocation: AllocationId,
        /// Where to.
        to: SocketAddr,
        /// The data.
        bytes: Vec<u8>,
    },
    /// Open a socket and say how that went: [`super::Turn::opened`].
    Open {
        /// For whom.
        allocation: AllocationId,
        /// Of which family.
        is_ipv6: bool,
        /// Its port has to be even.
        is_even: bool,
    },
    /// Close its socket.
    Close {
        /// Whose.
        allocation: AllocationId,
    },
}

/// Why something was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TurnDrop {
    /// Neither a STUN message nor ChannelData, or one whose lengths lie.
    #[error("malformed")]
    Malformed,
    /// A message that no client sends to a server.
    #[error("unexpected")]
    Unexpected,
    /// Data of a client that has no allocation, or for one that is gone.
    #[error("no allocation")]
    NoAllocation,
    /// Data for or from an address that there is no permission for, or on a channel that is not bound.
    #[error("no permission")]
    NoPermission,
    /// Data for an address that is not relayed to.
    #[error("forbidden peer")]
    Forbidden,
}

impl TurnDrop {
    /// A stable name for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            TurnDrop::Malformed => "malformed",
            TurnDrop::Unexpected => "unexpected",
            TurnDrop::NoAllocation => "no-allocation",
            TurnDrop::NoPermission => "no-permission",
            TurnDrop::Forbidden => "forbidden-peer",
        }
    }
}
