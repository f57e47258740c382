//! Whom the relay reaches: this node's own media ports, and networks that the operator names. Everything else is refused, so that
//! nobody gets into a network by way of us.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// Nobody is reached there, whatever is allowed: no single host (unspecified, multicast, broadcast), or an IPv4 address in other
/// clothes (mapped, compatible, NAT64, 6to4, Teredo), which would pass by whatever is said about the address itself.
const NEVER: [&str; 11] = [
    "0.0.0.0/8",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "192.88.99.0/24",
    "::/96",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "2001::/32",
    "2002::/16",
    "ff00::/8",
];

/// No part of the Internet (RFC 6890): only who names a network inside one of these means it. `0.0.0.0/0` does not. The loopback of
/// IPv6 has to be exempt from `::/96` for that.
const INSIDE: [&str; 17] = [
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::1/128",
    "100::/64",
    "2001:db8::/32",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
];

/// One media port of this node: what clients know it by, and how it is reached from within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaAddress {
    /// The advertised address.
    pub known_as: SocketAddr,
    /// Where to send what is for it. Behind a 1:1 NAT that is another.
    pub inside: SocketAddr,
}

/// Who may be reached through the relay.
#[derive(Clone, Debug)]
pub struct Peers {
    media: Vec<MediaAddress>,
    allowed: Vec<IpNet>,
    own: Vec<IpAddr>,
    listeners: Vec<u16>,
    never: Vec<IpNet>,
    inside: Vec<IpNet>,
}

impl Peers {
    /// `media`: our media ports. `allowed`: networks the operator named. `own`: every address of this machine, and `listeners` the
    /// ports that something of ours listens at there, which stay out of reach in an allowed network, too.
    pub fn new(media: Vec<MediaAddress>, allowed: Vec<IpNet>, own: Vec<IpAddr>, listeners: Vec<u16>) -> Peers {
        let networks = |texts: &[&str]| texts.iter().filter_map(|text| text.parse().ok()).collect();
        Peers {
            media,
            allowed,
            own,
            listeners,
            never: networks(&NEVER),
            inside: networks(&INSIDE),
        }
    }

    /// Whether a permission for this address may be had. A permission is for an address with all its ports (RFC 8656 section 9).
    pub fn allows_address(&self, ip: IpAddr) -> bool {
        self.media.iter().any(|media| media.known_as.ip() == ip) || self.is_allowed_network(ip)
    }

    /// Whether something may be sent there.
    pub fn allows(&self, peer: SocketAddr) -> bool {
        if self.media.iter().any(|media| media.known_as == peer) {
            return true;
        }
        let is_ours = peer.ip().is_loopback() || self.own.contains(&peer.ip());
        let is_listener = is_ours && self.listeners.contains(&peer.port());
        peer.port() != 0 && !is_listener && self.is_allowed_network(peer.ip())
    }

    /// Where to send what is for a peer.
    pub(super) fn inside(&self, peer: SocketAddr) -> SocketAddr {
        let media = self.media.iter().find(|media| media.known_as == peer);
        media.map_or(peer, |media| media.inside)
    }

    /// Whose it is what came from there.
    pub(super) fn known_as(&self, from: SocketAddr) -> SocketAddr {
        let media = self.media.iter().find(|media| media.inside == from);
        media.map_or(from, |media| media.known_as)
    }

    fn is_allowed_network(&self, ip: IpAddr) -> bool {
        let is_loopback = ip.is_loopback();
        if !is_loopback && self.never.iter().any(|network| network.contains(&ip)) {
            return false;
        }
        let inside = self.inside.iter().find(|network| network.contains(&ip));
        let is_meant = |network: &IpNet| inside.is_none_or(|inside| inside.contains(network));
        let mut allowed = self.allowed.iter();
        allowed.any(|network| network.contains(&ip) && is_meant(network))
    }
}
