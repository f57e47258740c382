//! Ports and addresses: whether the server can listen where it is to, and whether clients find it there.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use super::Finding;
use crate::config::{Config, Mode};
use crate::node::{advertised_addresses, interface_addresses, listen_address};

/// How long another machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let runs = is_running(config.http.listen);
    let mut findings = vec![http(config.http.listen, runs)];
    findings.extend(media_ports(config, runs));
    findings.extend(advertised(config));
    findings.extend(secure_pages(config));
    findings.extend(nats(config));
    findings
}

/// Whether something that says `ok` on `/healthz` listens there, over TLS or not.
fn is_running(listen: SocketAddr) -> bool {
    let address = if listen.ip().is_unspecified() {
        SocketAddr::from(([127, 0, 0, 1], listen.port()))
    } else {
        listen
    };
    let asked = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = [0; 16];
        let read = stream.read(&mut answer)?;
        // A server with TLS answers plain text with an alert (RFC 8446 section 6): a record of type 21.
        Ok(answer[..read].starts_with(b"HTTP/1.1 200") || answer[0] == 21)
    };
    asked().unwrap_or(false)
}

fn http(listen: SocketAddr, runs: bool) -> Finding {
    let about = "HTTP port";
    match TcpListener::bind(listen) {
        Ok(_) => Finding::good(about, format!("{listen} is free")),
        Err(_) if runs => Finding::good(about, format!("{listen} answers: the server runs already")),
        Err(error) => Finding::bad(about, format!("{listen}: {error}"), advice_of(&error, "http.listen")),
    }
}

fn media_ports(config: &Config, runs: bool) -> Vec<Finding> {
    let about = "media ports";
    let media = &config.media;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = if media.shards == 0 { cores } else { media.shards };
    let ip = listen_address(media.listen);
    let last = usize::from(media.first_port) + shards - 1;
    let Ok(last) = u16::try_from(last) else {
        let found = format!("{shards} shards do not fit above {}", media.first_port);
        return vec![Finding::bad(about, found, "lower media.first_port or media.shards")];
    };
    let mut findings = Vec::new();
    for port in media.first_port..=last {
        let udp = UdpSocket::bind((ip, port)).map(drop);
        let tcp = if media.tcp {
            TcpListener::bind((ip, port)).map(drop)
        } else {
            Ok(())
        };
        for (protocol, bound) in [("UDP", udp), ("TCP", tcp)] {
            match bound {
                Ok(()) => {}
                Err(_) if runs => {}
                Err(error) => findings.push(Finding::bad(
                    about,
                    format!("{protocol} {port}: {error}"),
                    advice_of(&error, "media.first_port"),
                )),
            }
        }
    }
    if findings.is_empty() {
        let protocols = if media.tcp { "UDP and TCP" } else { "UDP" };
        let state = if runs { "in use by the server" } else { "free" };
        let found = format!(
            "{} to {last}, {protocols}: {state}; the firewall has to let them in",
            media.first_port
        );
        findings.push(Finding::good(about, found));
    }
    findings
}

fn advice_of(error: &io::Error, key: &str) -> String {
    let kind = error.kind();
    if kind == io::ErrorKind::AddrInUse {
        format!("something else has it: see ss -lntup, or change {key}")
    } else if kind == io::ErrorKind::PermissionDenied {
        format!("ports below 1024 take a privilege (AmbientCapabilities=CAP_NET_BIND_SERVICE), or change {key}")
    } else if kind == io::ErrorKind::AddrNotAvailable {
        format!("no interface of this machine has that address: change {key}")
    } else {
        format!("see what forbids it, or change {key}")
    }
}

fn advertised(config: &Config) -> Vec<Finding> {
    let own = interface_addresses().unwrap_or_default();
    match advertised_addresses(config) {
        Err(error) => vec![Finding::bad(
            "addresses",
            format!("{error:#}"),
            "set media.advertised to the address at which clients reach this machine",
        )],
        Ok(addresses) => judge(&addresses, &own.into_iter().collect(), config.mode),
    }
}

fn judge(addresses: &[IpAddr], own: &BTreeSet<IpAddr>, mode: Mode) -> Vec<Finding> {
    let about = "addresses";
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let found = format!("clients are told {}", shown.join(", "));
    let is_production = match mode {
        Mode::Production => true,
        Mode::Development => false,
    };
    if is_production && addresses.iter().all(IpAddr::is_loopback) {
        let advice = "nobody but this machine reaches that: set media.advertised to its public address";
        return vec![Finding::bad(about, found, advice)];
    }
    if is_production && addresses.iter().all(|ip| !is_public(ip)) {
        let advice = "only a private network reaches these: behind NAT set media.advertised to the public address";
        return vec![Finding::warn(about, found, advice)];
    }
    let mut findings = vec![Finding::good(about, found)];
    let foreign: Vec<String> = addresses
        .iter()
        .filter(|ip| !own.contains(*ip))
        .map(ToString::to_string)
        .collect();
    if !foreign.is_empty() {
        findings.push(Finding::warn(
            about,
            format!("{} is on no interface of this machine", foreign.join(", ")),
            "right behind 1:1 NAT, if it forwards the media ports unchanged; otherwise media.advertised is wrong",
        ));
    }
    findings
}

fn is_public(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let carrier_grade = v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || carrier_grade)
        }
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()),
    }
}

fn secure_pages(config: &Config) -> Option<Finding> {
    let http = &config.http;
    (http.tls.is_none() && !http.listen.ip().is_loopback()).then(|| {
        Finding::warn(
            "TLS",
            format!("{} speaks plain HTTP", http.listen),
            "browsers give no camera to such pages: set http.tls_certificate and tls_key, or put a TLS proxy in front and \
             listen on loopback",
        )
    })
}

fn nats(config: &Config) -> Vec<Finding> {
    let servers = config.cluster.nats.iter().flat_map(|nats| &nats.servers);
    servers.map(|server| reach(server)).collect()
}

fn reach(server: &str) -> Finding {
    let about = "NATS";
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let host = if host.contains(':') {
        host.to_owned()
    } else {
        format!("{host}:4222")
    };
    let connected = host.to_socket_addrs().and_then(|mut addresses| {
        let address = addresses.next().ok_or(io::ErrorKind::NotFound)?;
        TcpStream::connect_timeout(&address, PATIENCE)
    });
    match connected {
        Ok(_) => Finding::good(about, format!("{host} answers")),
        Err(error) => Finding::bad(about, format!("{host}: {error}"), "start it, or change cluster.nats"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Health;
    use super::*;

    fn worst(addresses: &[&str], own: &[&str], mode: Mode) -> Option<Health> {
        let parse = |list: &[&str]| -> Vec<IpAddr> { list.iter().map(|ip| ip.parse().unwrap()).collect() };
        let findings = judge(&parse(addresses), &parse(own).into_iter().collect(), mode);
        findings.into_iter().map(|finding| finding.health).max()
    }

    #[test]
    fn addresses_that_clients_cannot_reach_are_named() {
        let (production, development) = (Mode::Production, Mode::Development);
        assert_eq!(worst(&["127.0.0.1"], &["127.0.0.1"], production), Some(Health::Bad));
        assert_eq!(worst(&["127.0.0.1"], &["127.0.0.1"], development), Some(Health::Good));
        assert_eq!(
            worst(&["10.0.0.5", "fd00::1"], &["10.0.0.5"], production),
            Some(Health::Warn)
        );
        assert_eq!(worst(&["203.0.113.7"], &["10.0.0.5"], production), Some(Health::Warn));
        assert_eq!(
            worst(&["203.0.113.7"], &["203.0.113.7"], production),
            Some(Health::Good)
        );
    }

    #[test]
    fn a_port_that_is_taken_is_bad_unless_the_server_has_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let finding = http(address, false);
        assert_eq!(finding.health, Health::Bad);
        assert!(finding.advice.unwrap().contains("something else has it"));
        assert_eq!(http(address, true).health, Health::Good);
    }
}
