//! Who a request is from: the other end of its connection, or whom a proxy that is trusted names.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

/// A header that names more stations than this is not read further.
const STATIONS_MAX: usize = 32;

/// The address a request comes from, as far as it can be believed. An extension of every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClientAddress(pub(super) IpAddr);

/// `[http] trusted_proxies` and `client_header`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Networks of proxies whose header is believed; none: nobody's is.
    pub networks: Vec<IpNet>,
    /// The header they write.
    pub header: ClientHeader,
}

/// Which header names the client. One, because a proxy that writes one may pass on whatever stands in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientHeader {
    /// `X-Forwarded-For`, as most proxies have it.
    ForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl ClientHeader {
    fn name(self) -> HeaderName {
        match self {
            ClientHeader::ForwardedFor => HeaderName::from_static("x-forwarded-for"),
            ClientHeader::Forwarded => header::FORWARDED,
        }
    }

    /// The address that one entry of the header names.
    fn address(self, entry: &str) -> Option<IpAddr> {
        match self {
            ClientHeader::ForwardedFor => address_of(entry),
            ClientHeader::Forwarded => {
                let named = |pair: &str| {
                    let (name, value) = pair.split_once('=')?;
                    name.trim().eq_ignore_ascii_case("for").then(|| value.trim().to_owned())
                };
                address_of(entry.split(';').find_map(named)?.trim_matches('"'))
            }
        }
    }
}

impl TrustedProxies {
    fn trust(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// The client of a request that came from `peer`. Each proxy adds whom it heard at the end of the list, so the list is read
    /// from there, for as long as whoever wrote an entry is trusted.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let lines: Vec<&str> = headers
            .get_all(self.header.name())
            .iter()
            .filter_map(|line| line.to_str().ok())
            .collect();
        let entries = lines.iter().rev().flat_map(|line| line.rsplit(','));
        for entry in entries.take(STATIONS_MAX) {
            if !self.trust(client) {
                break;
            }
            // "unknown", and what is none: the last station that is known stands for whoever is behind it.
            let Some(address) = self.header.address(entry.trim()) else {
                break;
            };
            client = address;
        }
        ClientAddress(client)
    }
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`.
fn address_of(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    plain
        .or_else(with_port)
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

/// How many signalling sockets each client has open. IPv6 clients are counted by their /64, which is one household's.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenSockets {
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One of them; counted until it is dropped.
#[derive(Debug)]
pub(super) struct OpenSocket {
    sockets: OpenSockets,
    of: IpAddr,
}

impl OpenSockets {
    /// One more, if the client may have it. `most` = 0: as many as it likes.
    pub(super) fn open(&self, client: ClientAddress, most: usize) -> Option<OpenSocket> {
        let of = household(client.0);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(of).or_default();
        if most > 0 && *count >= most {
            return None;
        }
        *count += 1;
        Some(OpenSocket {
            sockets: self.clone(),
            of,
        })
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let mut counts = self.sockets.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn client(networks: &[&str], header: ClientHeader, peer: &str, lines: &[&str]) -> IpAddr {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), line.parse().unwrap());
        }
        TrustedProxies { networks, header }.client(ip(peer), &headers).0
    }

    #[test]
    fn a_header_is_believed_only_as_far_as_its_writers_are_trusted() {
        let xff = ClientHeader::ForwardedFor;
        let ours = &["10.0.0.0/8", "::1/128"][..];
        for (trusted, peer, lines, expected) in [
            (&[][..], "10.0.0.1", &["203.0.113.7"][..], "10.0.0.1"),
            (ours, "198.51.100.1", &["203.0.113.7"], "198.51.100.1"),
            (ours, "10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            (ours, "::ffff:10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            (ours, "::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            // What the client made up stands left of what the proxies saw.
            (ours, "10.0.0.1", &["1.2.3.4, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (ours, "10.0.0.1", &["1.2.3.4", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
            (ours, "10.0.0.1", &["203.0.113.7, unknown"], "10.0.0.1"),
            (ours, "10.0.0.1", &[""], "10.0.0.1"),
        ] {
            assert_eq!(client(trusted, xff, peer, lines), ip(expected), "{peer} {lines:?}");
        }
        let forwarded = ClientHeader::Forwarded;
        let lines = &["for=1.2.3.4, For=\"[2001:db8::7]:4711\";proto=https;by=10.0.0.1"][..];
        assert_eq!(client(ours, forwarded, "10.0.0.1", lines), ip("2001:db8::7"));
        assert_eq!(client(ours, forwarded, "10.0.0.1", &["proto=https"]), ip("10.0.0.1"));
    }

    #[test]
    fn sockets_of_one_client_are_counted_until_they_close() {
        let sockets = OpenSockets::default();
        let [one, same, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"].map(|text| ClientAddress(ip(text)));
        let first = sockets.open(one, 2).unwrap();
        let _second = sockets.open(same, 2).unwrap();
        assert!(sockets.open(one, 2).is_none());
        assert!(sockets.open(other, 2).is_some() && sockets.open(one, 0).is_some());
        drop(first);
        assert!(sockets.open(one, 2).is_some());
        drop(_second);
        assert!(sockets.counts.lock().unwrap().is_empty());
    }
}
