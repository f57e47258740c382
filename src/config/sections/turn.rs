//! The sections `[turn]` and `[turn_server]`.

use super::kept::text_or_file;
use super::{count, hours, secs};
use crate::config::reader::Reader;
use crate::config::units::parse_duration;
use crate::transport::turn::{TurnSecret, TurnServers, is_turn_url};
use crate::turn::TurnConfig;

pub(super) fn turn(reader: &mut Reader<'_>) -> Option<TurnServers> {
    let problems_before = reader.problems.len();
    let urls = reader.list(
        "turn.urls",
        "expected a list of URLs like [\"turn:turn.example.org:3478\", \"turns:turn.example.org:443?transport=tcp\"]",
        |text| is_turn_url(text).then(|| text.to_owned()),
    );
    let ttl = reader.duration("turn.ttl", secs(60)..=hours(24));
    let secret = text_or_file(reader, "turn.secret", "turn.secret_file");
    let secret_key = match reader.layers.entry("turn.secret_file").value.as_str() {
        Some("") => "turn.secret",
        Some(_) | None => "turn.secret_file",
    };
    if reader.problems.len() > problems_before {
        return None;
    }
    let lawful = (TurnSecret::LEN_MIN..=TurnSecret::LEN_MAX).contains(&secret.len());
    if (!urls.is_empty() || !secret.is_empty()) && !lawful {
        let (low, high) = (TurnSecret::LEN_MIN, TurnSecret::LEN_MAX);
        let expected = format!("expected a secret of {low} to {high} bytes, the same as the TURN server's");
        return reader.refuse(secret_key, &expected, None);
    }
    (!urls.is_empty()).then(|| TurnServers {
        urls,
        secret: TurnSecret::new(secret),
        ttl,
        is_ours: false,
    })
}

pub(super) fn turn_server(reader: &mut Reader<'_>) -> TurnConfig {
    let address = |text: &str| text.is_empty().then_some(None).or_else(|| text.parse().ok().map(Some));
    let expected = "expected an address and a port like \"0.0.0.0:3478\", or nothing";
    let listen = reader.text("turn_server.listen", None, expected, address);
    let tls_listen = reader.text("turn_server.tls_listen", None, expected, address);
    let name = reader.text(
        "turn_server.name",
        None,
        "expected a host name like \"turn.example.org\", or nothing",
        |text| {
            let is_name = is_turn_url(&format!("turn:{text}:3478"));
            text.is_empty()
                .then_some(None)
                .or_else(|| is_name.then(|| Some(text.to_owned())))
        },
    );
    let allow_peers = reader.list(
        "turn_server.allow_peers",
        "expected a list of networks like [\"192.0.2.0/24\", \"2001:db8::/32\"]",
        |text| text.parse().ok(),
    );
    let problems_before = reader.problems.len();
    let first = reader.count("turn_server.first_port", 1024..=u16::MAX);
    let last = reader.count("turn_server.last_port", 1024..=u16::MAX);
    if tls_listen.is_some() && reader.layers.entry("http.tls_certificate").value.as_str() == Some("") {
        let expected = "expected http.tls_certificate and http.tls_key beside it";
        reader.refuse("turn_server.tls_listen", expected, ());
    }
    // What is wrong with it is said where it belongs.
    let ttl = reader.layers.entry("turn.ttl").value.as_str().and_then(parse_duration);
    if reader.problems.len() == problems_before && last < first {
        reader.refuse(
            "turn_server.last_port",
            "expected no less than turn_server.first_port",
            (),
        );
    }
    TurnConfig {
        listen,
        tls_listen,
        name,
        allow_peers,
        ports: first..=last,
        max_allocations: count(reader, "turn_server.max_allocations", 1, 60_000),
        ttl: ttl.unwrap_or_default(),
    }
}
