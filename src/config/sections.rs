//! The sections, their ranges and the rules between them.

mod kept;
mod turn;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use toml::{Table, Value};

use super::layers::{Layers, read_table};
use super::problem::{Origin, Problem};
use super::reader::Reader;
use super::{Config, DEFAULT_TOML, LogConfig, LogFormat, Mode};
use crate::api::token::{Key, Secret};
use crate::api::{ClientHeader, HttpConfig, TlsFiles, TrustedProxies};
use crate::cluster::NatsConfig;
use crate::node::{ClusterConfig, RecordingConfig, ShutdownConfig, TracesConfig, TracesEndpoint};
use crate::packet::{Codec, Kind};
use crate::recording::Limits;
use crate::room::{LinksConfig, RoomConfig};
use crate::shard::MediaConfig;
use crate::transport::negotiation::CodecPolicy;
use crate::wire::limits::SEATS_MAX;
use crate::wire::link::Rights;
use crate::wire::signal::LinkPolicy;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// Longest id of a key, in bytes.
const KEY_ID_LEN_MAX: usize = 128;

pub(super) fn read(layers: &Layers, problems: &mut Vec<Problem>) -> Config {
    let mut reader = Reader { layers, problems };
    let mode = reader.choice(
        "mode",
        &[("development", Mode::Development), ("production", Mode::Production)],
    );
    Config {
        mode,
        http: http(&mut reader),
        media: media(&mut reader),
        room: room(&mut reader, mode),
        keys: keys(&mut reader, mode),
        turn_server: turn::turn_server(&mut reader),
        log: log(&mut reader),
        cluster: cluster(&mut reader),
        records: kept::records(&mut reader),
        webhooks: kept::webhooks(&mut reader, mode),
        recording: recording(&mut reader),
        telemetry: telemetry(&mut reader),
        shutdown: ShutdownConfig {
            grace: reader.duration("shutdown.grace", secs(0)..=hours(24)),
        },
    }
}

fn http(reader: &mut Reader<'_>) -> HttpConfig {
    HttpConfig {
        listen: reader.socket_address("http.listen"),
        tls: tls(reader),
        trusted_proxies: TrustedProxies {
            networks: reader.list(
                "http.trusted_proxies",
                "expected a list of addresses or networks like [\"10.0.0.0/8\", \"127.0.0.1\", \"::1/128\"]",
                |text| {
                    text.parse()
                        .ok()
                        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
                },
            ),
            header: reader.choice(
                "http.client_header",
                &[
                    ("x-forwarded-for", ClientHeader::ForwardedFor),
                    ("forwarded", ClientHeader::Forwarded),
                ],
            ),
        },
        max_sockets_per_client: count(reader, "http.max_sockets_per_client", 0, 1_000_000),
        allowed_origins: reader.list(
            "http.allowed_origins",
            "expected a list of origins like [\"https://meet.example.org\"], in lower case, without a path, or [\"*\"]",
            |text| (text == "*" || is_origin(text)).then(|| text.to_owned()),
        ),
        max_body: reader.size("http.max_body", KIB..=16 * MIB),
        max_header: reader.size("http.max_header", 8 * KIB..=MIB),
        ping_interval: reader.duration("http.ping_interval", secs(1)..=secs(300)),
        first_message_timeout: reader.duration("http.first_message_timeout", secs(1)..=secs(60)),
    }
}

/// The files are read here too, so that whoever checks a configuration hears of a certificate that the server would not take.
fn tls(reader: &mut Reader<'_>) -> Option<TlsFiles> {
    let any = |text: &str| Some(text.to_owned());
    let expected = "expected the path of a file in PEM, or nothing";
    let certificate = reader.text("http.tls_certificate", String::new(), expected, any);
    let key = reader.text("http.tls_key", String::new(), expected, any);
    let files = match (certificate.is_empty(), key.is_empty()) {
        (true, true) => return None,
        (false, true) => return reader.refuse("http.tls_certificate", "expected http.tls_key beside it", None),
        (true, false) => return reader.refuse("http.tls_key", "expected http.tls_certificate beside it", None),
        (false, false) => TlsFiles {
            certificate: certificate.into(),
            key: key.into(),
        },
    };
    match files.check() {
        Ok(_) => Some(files),
        Err(error) => reader.refuse(
            "http.tls_certificate",
            &format!("expected a certificate and its key that a server can show: {error}"),
            None,
        ),
    }
}

fn media(reader: &mut Reader<'_>) -> MediaConfig {
    let problems_before = reader.problems.len();
    let media = MediaConfig {
        listen: reader.address("media.listen"),
        first_port: reader.count("media.first_port", 1..=u16::MAX),
        tcp: reader.flag("media.tcp"),
        shards: usize::from(reader.count("media.shards", 0..=64_u16)),
        room_spread: usize::from(reader.count("media.room_spread", 1..=10_000_u16)),
        advertised: reader.list(
            "media.advertised",
            "expected a list of addresses clients can send to, like [\"203.0.113.7\", \"2001:db8::7\"]",
            |text| text.parse().ok().filter(is_sendable),
        ),
        consent_timeout: reader.duration("media.consent_timeout", secs(5)..=secs(120)),
        gso: reader.flag("media.gso"),
        moderation: reader.duration("media.moderation", Duration::ZERO..=Duration::from_millis(1)),
        history_age: reader.duration("media.history_age", Duration::from_millis(50)..=secs(10)),
        history_size: reader.size("media.history_size", 64 * KIB..=64 * MIB),
    };
    let last_port = usize::from(media.first_port) + media.shards.saturating_sub(1);
    if reader.problems.len() == problems_before && last_port > usize::from(u16::MAX) {
        let expected = format!(
            "expected at most {}: media.shards ports begin here",
            65_536 - media.shards
        );
        reader.refuse("media.first_port", &expected, ());
    }
    media
}

fn room(reader: &mut Reader<'_>, mode: Mode) -> RoomConfig {
    RoomConfig {
        resume_window: reader.duration("room.resume_window", secs(0)..=secs(300)),
        departure_timeout: reader.duration("room.departure_timeout", secs(0)..=hours(24)),
        max_rooms: count(reader, "room.max_rooms", 1, 1_000_000),
        max_delay: reader.duration("room.max_delay", secs(0)..=secs(10)),
        max_participants: count(reader, "room.max_participants", 1, 100_000),
        max_publications: count(reader, "room.max_publications", 1, 64),
        max_seats: count(reader, "room.max_seats", 1, SEATS_MAX as u32),
        dynacast_delay: reader.duration("room.dynacast_delay", secs(0)..=hours(24)),
        loudest: count(reader, "room.loudest", 0, 50),
        loudest_above: count(reader, "room.loudest_above", 0, 100_000),
        last_n: count(reader, "room.last_n", 0, SEATS_MAX as u32),
        lobby_timeout: reader.duration("room.lobby_timeout", secs(1)..=hours(24)),
        max_lobby: count(reader, "room.max_lobby", 1, 10_000),
        codecs: codecs(reader),
        turn: turn::turn(reader).into_iter().collect(),
        links: links(reader, mode),
        recording: false,
        node_tag: 0,
    }
}

fn recording(reader: &mut Reader<'_>) -> Option<RecordingConfig> {
    let expected = "expected the path of a folder from the root on, like \"/var/lib/enfilade\", or nothing";
    let directory = reader.text("recording.directory", String::new(), expected, |text| {
        (text.is_empty() || Path::new(text).is_absolute()).then(|| text.to_owned())
    });
    let tebibyte = MIB * MIB;
    let limits = Limits {
        bytes_max: reader.size("recording.max_size", MIB..=tebibyte) as u64,
        length_max: reader.duration("recording.max_length", secs(1)..=hours(48)),
        keyframe_interval: reader.duration("recording.keyframe_interval", secs(1)..=hours(1)),
    };
    let min_free = reader.size("recording.min_free", 0..=tebibyte) as u64;
    let retention = reader.duration("recording.retention", secs(0)..=hours(24 * 3_660));
    (!directory.is_empty()).then(|| RecordingConfig {
        directory: directory.into(),
        limits,
        min_free,
        retention,
    })
}

fn telemetry(reader: &mut Reader<'_>) -> Option<TracesConfig> {
    let expected = "expected a URL like \"http://127.0.0.1:4318\", or nothing";
    let url = reader.text("telemetry.otlp_endpoint", None, expected, |text| match text {
        "" => Some(None),
        url => TracesEndpoint::new(url).ok().map(Some),
    });
    let one_in = reader.count("telemetry.one_in", 1..=1_000_000);
    url.map(|endpoint| TracesConfig { endpoint, one_in })
}

fn cluster(reader: &mut Reader<'_>) -> ClusterConfig {
    let any = |text: &str| Some(text.to_owned());
    let servers = reader.text(
        "cluster.nats",
        Vec::new(),
        "expected nothing, or URLs joined by commas like \"nats://10.0.0.5:4222\" or \"tls://nats.example.org:4222\"",
        |text| {
            let urls = text.split(',').map(str::trim).filter(|url| !url.is_empty());
            let lawful = |url: &str| {
                let rest = url.strip_prefix("nats://").or_else(|| url.strip_prefix("tls://"));
                rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
            };
            urls.map(|url| lawful(url).then(|| url.to_owned())).collect()
        },
    );
    let mut file = |key| {
        let path = reader.text(key, String::new(), "expected the path of a file, or nothing", any);
        if !path.is_empty()
            && let Err(error) = std::fs::read_to_string(&path)
        {
            let expected = format!("expected a file that can be read: {error}");
            reader.refuse(key, &expected, ());
        }
        (!path.is_empty()).then(|| PathBuf::from(path))
    };
    let (credentials, authorities) = (file("cluster.credentials_file"), file("cluster.ca_file"));
    let word = |text: &str| {
        let lawful = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
        (text.len() <= 63 && text.chars().all(lawful)).then(|| text.to_owned())
    };
    let expected = "expected at most 63 letters, digits, '-', '_' and '.', or nothing";
    let name = reader.text("cluster.name", String::new(), expected, word);
    let region = reader.text("cluster.region", String::new(), expected, word);
    let prefix = reader.text(
        "cluster.prefix",
        String::new(),
        "expected 1 to 32 letters, digits, '-' and '_'",
        |text| {
            let lawful = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            ((1..=32).contains(&text.len()) && text.bytes().all(lawful)).then(|| text.to_owned())
        },
    );
    let replicas = count(reader, "cluster.replicas", 1, 5);
    let alone = reader.choice("cluster.alone", &[("serve", true), ("refuse", false)]);
    let nats = (!servers.is_empty()).then_some(NatsConfig {
        servers,
        credentials,
        authorities,
        replicas,
        prefix,
    });
    ClusterConfig {
        nats,
        name,
        region,
        alone,
    }
}

/// `[media]` has them because they are about media; it is the room that answers offers.
fn codecs(reader: &mut Reader<'_>) -> CodecPolicy {
    let of = |kind| move |text: &str| Codec::from_word(text).filter(|codec| codec.kind() == kind);
    let expected = "expected a list of \"vp8\", \"vp9\", \"h264\" and \"av1\", best first, or nothing for all";
    let video = reader.list("media.codecs", expected, of(Kind::Video));
    let expected = "expected a list of \"opus\" and \"red\", best first, or nothing for both";
    let audio = reader.list("media.audio_codecs", expected, of(Kind::Audio));
    CodecPolicy::new(video.into_iter().chain(audio))
}

/// The compatibility switch opens everything the way the documents of the Meeting API show it.
fn links(reader: &mut Reader<'_>, mode: Mode) -> LinksConfig {
    let problems_before = reader.problems.len();
    let compat = reader.choice(
        "links.compat",
        &[("auto", None), ("on", Some(true)), ("off", Some(false))],
    );
    let compat = compat.unwrap_or(mode == Mode::Development);
    let policies = ["auto", "ask", "deny"].map(|word| (word, LinkPolicy::from_word(word).unwrap_or(LinkPolicy::Deny)));
    let policy = reader.choice("links.policy", &policies);
    let expected = "expected a list of \"roster\", \"chat\", \"switch\" and \"end\"";
    let right = |text: &str| Rights::WORDS.into_iter().find(|word| *word == text);
    let rights = Rights::from_words(reader.list("links.rights", expected, right)).unwrap_or_default();
    let links = LinksConfig {
        policy: if compat { LinkPolicy::Auto } else { policy },
        rights: if compat { Rights::ALL } else { rights },
        open_to_all: compat,
        max_links: count(reader, "links.max_links", 1, 1_000),
        stale_after: reader.duration("links.stale_after", secs(1)..=secs(300)),
        lost_after: reader.duration("links.lost_after", secs(2)..=hours(1)),
        reopen_within: reader.duration("links.reopen_within", secs(0)..=hours(1)),
    };
    if reader.problems.len() == problems_before && links.lost_after <= links.stale_after {
        reader.refuse("links.lost_after", "expected more than links.stale_after", ());
    }
    links
}

fn log(reader: &mut Reader<'_>) -> LogConfig {
    LogConfig {
        format: reader.choice("log.format", &[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        filter: reader.text(
            "log.filter",
            String::new(),
            "expected directives like \"info\" or \"warn,enfilade::shard=debug\"",
            |text| {
                let lawful = tracing_subscriber::EnvFilter::builder().parse(text).is_ok();
                (lawful && !text.trim().is_empty()).then(|| text.to_owned())
            },
        ),
    }
}

fn keys(reader: &mut Reader<'_>, mode: Mode) -> Vec<Key> {
    let entry = reader.layers.entry("keys");
    let (listed, origin) = (entry.value.clone(), entry.origin.clone());
    let file = reader.text(
        "keys_file",
        String::new(),
        "expected the path of a file, or nothing",
        |text| Some(text.to_owned()),
    );
    let mut keys = Vec::new();
    if file.is_empty() || origin != Origin::Default {
        keys.extend(read_keys(&listed, &origin, reader.problems));
    }
    if !file.is_empty() {
        keys.extend(keys_of_file(Path::new(&file), reader.problems));
    }
    let problem_of_keys = |expected: String| Problem {
        key: "keys".to_owned(),
        value: None,
        origin: origin.clone(),
        expected,
    };
    let mut seen = BTreeSet::new();
    for key in &keys {
        if !seen.insert(key.id.as_str()) {
            reader.problems.push(problem_of_keys(format!(
                "the id \"{}\" occurs twice; ids must differ",
                key.id
            )));
        }
    }
    let refused = match mode {
        Mode::Development => false,
        Mode::Production => keys.iter().any(is_development_key),
    };
    if refused {
        reader.problems.push(problem_of_keys(
            "mode = \"production\" refuses the development key, which everybody knows; give a key of your own in [[keys]], \
             ENFILADE_KEYS or keys_file, with a secret of at least 32 bytes (openssl rand -base64 48)"
                .to_owned(),
        ));
    }
    keys
}

/// The entries of a `[[keys]]` list. An unlawful entry is a problem and is left out.
fn read_keys(listed: &Value, origin: &Origin, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut problem = |index: Option<usize>, value: Option<String>, expected: String| {
        let key = index.map_or("keys".to_owned(), |index| format!("keys[{index}]"));
        problems.push(Problem {
            key,
            value,
            origin: origin.clone(),
            expected,
        });
    };
    let Some(entries) = listed.as_array().filter(|entries| !entries.is_empty()) else {
        problem(
            None,
            None,
            "expected at least one key, written [[keys]] with id and secret".to_owned(),
        );
        return Vec::new();
    };
    let mut keys = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(entry) = entry.as_table() else {
            problem(Some(index), None, "expected a table with id and secret".to_owned());
            continue;
        };
        for name in entry.keys().filter(|name| *name != "id" && *name != "secret") {
            problem(
                Some(index),
                None,
                format!("there is no such key as {name}; the keys are id and secret"),
            );
        }
        let id = entry.get("id").and_then(Value::as_str).filter(|id| is_key_id(id));
        if id.is_none() {
            let written = entry.get("id").map(|id| format!("id {id}"));
            let expected = format!("expected an id of 1 to {KEY_ID_LEN_MAX} printable ASCII characters without spaces");
            problem(Some(index), written, expected);
        }
        let secret = entry.get("secret").and_then(Value::as_str);
        let lawful = secret.filter(|secret| (Secret::LEN_MIN..=Secret::LEN_MAX).contains(&secret.len()));
        if lawful.is_none() {
            let len = secret.map_or("not text".to_owned(), |secret| format!("{} bytes", secret.len()));
            let expected = format!("expected a secret of {} to {} bytes", Secret::LEN_MIN, Secret::LEN_MAX);
            problem(Some(index), Some(format!("a secret, {len}")), expected);
        }
        if let (Some(id), Some(secret)) = (id, lawful) {
            keys.push(Key {
                id: id.to_owned(),
                secret: Secret::new(secret),
            });
        }
    }
    keys
}

fn keys_of_file(path: &Path, problems: &mut Vec<Problem>) -> Vec<Key> {
    let mut table = match read_table(path) {
        Ok(table) => table,
        Err(problem) => {
            problems.push(Problem {
                key: "keys_file".to_owned(),
                ..problem
            });
            return Vec::new();
        }
    };
    let origin = Origin::File(path.to_owned());
    let listed = table.remove("keys").unwrap_or_else(|| Value::Array(Vec::new()));
    for name in table.keys() {
        let expected = "there is no such key; a keys file holds [[keys]] and nothing else".to_owned();
        problems.push(Problem {
            key: name.clone(),
            value: None,
            origin: origin.clone(),
            expected,
        });
    }
    read_keys(&listed, &origin, problems)
}

/// Whether anybody who reads this repository knows the key's secret.
pub(super) fn is_development_key(key: &Key) -> bool {
    let defaults: Table = DEFAULT_TOML
        .parse()
        .expect("the embedded defaults are tested to be TOML");
    let listed = defaults
        .get("keys")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let secrets = listed
        .iter()
        .filter_map(|known| known.get("secret").and_then(Value::as_str));
    secrets
        .into_iter()
        .any(|secret| secret.as_bytes() == key.secret.expose())
}

fn is_key_id(id: &str) -> bool {
    (1..=KEY_ID_LEN_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `scheme://host[:port]` as a browser sends it (RFC 6454 section 6.2): lower case ASCII, no default port, nothing behind.
fn is_origin(text: &str) -> bool {
    let (host, default_port) = match text.split_once("://") {
        Some(("https", host)) => (host, ":443"),
        Some(("http", host)) => (host, ":80"),
        Some(_) | None => return false,
    };
    let lawful = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(lawful) && !host.ends_with(default_port)
}

fn is_sendable(address: &IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast()
}

pub(super) fn count(reader: &mut Reader<'_>, key: &str, low: u32, high: u32) -> usize {
    reader.count(key, low..=high) as usize
}

pub(super) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}
