//! The house rules that a compiler does not hold: who may import whom, where a heavy dependency lives, what a pure
//! module may not say, how long a file may be. Each rule is a function from source text to complaints, so that the
//! planted snippets at the end can prove that it is able to fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

mod text;

use text::{says, without_comments_and_strings};

/// The modules of `src/` in reading order: each imports only from itself and from those before it. `packet` comes
/// first because the wire names codecs and kinds of media, and bytes know nothing of JSON.
const ORDER: &[&str] = &[
    "packet",
    "wire",
    "media",
    "transport",
    "turn",
    "shard",
    "federation",
    "recording",
    "room",
    "records",
    "cluster",
    "node",
    "api",
    "config",
    "cli",
    "main",
];

/// Files that stand outside the order, and why.
const OUTSIDE_THE_ORDER: &[(&str, &str)] = &[
    ("lib.rs", "lists the modules"),
    (
        "node/serve.rs",
        "the composition root: takes the configuration and starts every plane, the HTTP side among them",
    ),
    (
        "node/serve/reload.rs",
        "a part of the composition root: takes another configuration while all planes run",
    ),
];

/// Modules that decide and never do: no runtime, no lock, no clock, no thread, no output.
const PURE: &[&str] = &[
    "wire",
    "packet",
    "media",
    "transport",
    "turn",
    "recording",
    "room",
    "federation",
];

/// Words a pure module may not say.
const BANNED_IN_PURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "Mutex",
    "RwLock",
    "Condvar",
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "std::env",
    "std::fs",
    "UdpSocket",
    "println",
    "eprintln",
];

/// Words that only some places may say: what, where, why. A place is a module or a file below `src/`.
const HOMES: &[(&str, &[&str], &str)] = &[
    ("axum", &["api"], "HTTP is spoken in one place"),
    ("tower_http", &["api"], "HTTP is spoken in one place"),
    (
        "tokio_websockets",
        &["api"],
        "signalling sockets are opened in one place",
    ),
    ("rust_embed", &["api"], "the page and the SDK are served in one place"),
    ("mio", &["shard"], "the media plane has one kind of loop"),
    ("quinn_udp", &["shard"], "the media plane has one kind of socket"),
    ("async_nats", &["cluster"], "other nodes are reached in one place"),
    ("redb", &["records"], "what is kept is kept in one place"),
    ("tokio_postgres", &["records"], "what is kept is kept in one place"),
    (
        "tokio_postgres_rustls",
        &["records"],
        "what is kept is kept in one place",
    ),
    ("hyper_rustls", &["node"], "webhooks are sent from one place"),
    ("utoipa", &["api"], "HTTP is documented where it is spoken"),
    ("rtc_dtls", &["transport"], "the secure path is one module"),
    (
        "rtc_crypto",
        &["transport", "turn"],
        "the secure path is one module; TURN has signatures of its own",
    ),
    (
        "rtc_stun",
        &["turn"],
        "messages of TURN are read and written in one place",
    ),
    (
        "rtc_turn",
        &["turn"],
        "messages of TURN are read and written in one place",
    ),
    ("rtc_shared", &["transport"], "the secure path is one module"),
    ("rtc_srtp", &["transport"], "the secure path is one module"),
    ("rtc_sdp", &["transport"], "offers are read in one place"),
    ("sctp_proto", &["transport"], "the secure path is one module"),
    ("jsonwebtoken", &["api"], "tokens are made and judged in one place"),
    (
        "prometheus",
        &["node", "api"],
        "metrics are gathered by the node and written by the API",
    ),
    (
        "if_addrs",
        &["node"],
        "the machine's addresses are looked up once, at start",
    ),
    (
        "rustls",
        &["api", "cli", "node", "records"],
        "TLS of the HTTP side is one module; the command line, webhooks and PostgreSQL are reached as clients",
    ),
    (
        "rustls_native_certs",
        &["cli", "node", "records"],
        "who is trusted matters to the command line, to webhooks and to PostgreSQL alone",
    ),
    (
        "tokio_rustls",
        &["api", "cli"],
        "TLS of the HTTP side is one module; the command line is a client of it",
    ),
    ("x509_parser", &["api"], "TLS of the HTTP side is one module"),
    (
        "rustix",
        &["shard", "node", "cli"],
        "what the system is asked: a thread's processor time, what is free on a disk, limits",
    ),
    ("clap", &["cli.rs", "cli"], "the command line is read in one place"),
    ("toml", &["config"], "configuration is read in one place"),
    (
        "anyhow",
        &["cli.rs", "cli", "main.rs", "node/serve.rs", "node/serve/reload.rs"],
        "elsewhere an error is a closed enum of its module",
    ),
    (
        "std::env",
        &["cli.rs"],
        "nothing below the command line reads the environment",
    ),
    ("tokio::spawn", &["node", "api"], "whoever starts a task also ends it"),
    ("task::spawn", &["node", "api"], "whoever starts a task also ends it"),
    (
        "thread::spawn",
        &["node", "shard"],
        "whoever starts a thread also ends it",
    ),
    (
        "thread::Builder",
        &["node", "shard"],
        "whoever starts a thread also ends it",
    ),
    ("unsafe", &[], "unsafe code is denied"),
    ("static mut", &[], "state has an owner"),
    ("lazy_static", &[], "state has an owner"),
    ("OnceLock", &[], "state has an owner"),
    ("LazyLock", &[], "state has an owner"),
    ("thread_local", &[], "state has an owner"),
    (
        "unbounded_channel",
        &[],
        "every queue has a capacity and a policy when full",
    ),
];

/// Most lines of a file, its tests not counted.
const LINES_MAX: usize = 600;

/// Names of the seed systems that are not ours (house rules, section 2: one word for one thing).
const BANNED_NOUNS: &[&str] = &[
    "struct Peer",
    "struct Producer",
    "struct Consumer",
    "struct Router",
    "struct Manager",
];

/// A source file below `src/`: its path there with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module the file belongs to: `room` for `room/mod.rs` and `room/seat.rs`, `cli` for `cli.rs`.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// Whether the whole file is tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The code: without comments, the contents of strings and the tests at the end of the file.
    fn code(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let text = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        without_comments_and_strings(text)
    }
}

/// Every module of the crate that the code names, with the line. A `use` may run over several lines.
fn modules_named(source: &Source) -> Vec<(usize, String)> {
    let code = source.code();
    let mut named = Vec::new();
    for root in ["crate::", "enfilade::"] {
        for (at, _) in code.match_indices(root) {
            let bounded = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$');
            if bounded {
                let line = code[..at].matches('\n').count() + 1;
                named.extend(
                    first_segments(&code[at + root.len()..])
                        .into_iter()
                        .map(|name| (line, name)),
                );
            }
        }
    }
    named
}

/// `room::Room` names `room`; `{room::Room, wire}` names `room` and `wire`.
fn first_segments(path: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(word(&group[start..at]));
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(word(&group[start..]));
    names
}

fn arrows(source: &Source) -> Vec<String> {
    if OUTSIDE_THE_ORDER.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    let Some(own) = ORDER.iter().position(|module| *module == source.module()) else {
        return vec![format!(
            "src/{}: the module {} has no place in the order",
            source.path,
            source.module()
        )];
    };
    let mut complaints = Vec::new();
    for (line, name) in modules_named(source) {
        if ORDER
            .iter()
            .position(|module| *module == name)
            .is_some_and(|named| named > own)
        {
            complaints.push(format!(
                "src/{}:{line}: {} may not import from {name}",
                source.path,
                source.module()
            ));
        }
    }
    complaints
}

fn homes(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in source.code().lines().enumerate() {
        for (word, places, why) in HOMES {
            let at_home = places
                .iter()
                .any(|place| source.path == *place || source.path.starts_with(&format!("{place}/")));
            // `deny(unsafe_code)` and the like are other words.
            if !at_home
                && says(line, word)
                && !line.contains(&format!("crate::{word}"))
                && !line.contains(&format!("mod {word}"))
            {
                complaints.push(format!(
                    "src/{}:{}: {word} lives in {places:?}: {why}",
                    source.path,
                    index + 1
                ));
            }
        }
    }
    complaints
}

fn purity(source: &Source) -> Vec<String> {
    if !PURE.contains(&source.module()) {
        return Vec::new();
    }
    let mut complaints = Vec::new();
    for (index, line) in source.code().lines().enumerate() {
        for word in BANNED_IN_PURE.iter().filter(|word| says(line, word)) {
            complaints.push(format!(
                "src/{}:{}: {} is pure and may not say {word}",
                source.path,
                index + 1,
                source.module()
            ));
        }
    }
    complaints
}

fn nouns(source: &Source) -> Vec<String> {
    let code = source.code();
    let said = BANNED_NOUNS
        .iter()
        .filter(|noun| code.lines().any(|line| says(line, noun)));
    said.map(|noun| format!("src/{}: {noun} is not one of our nouns", source.path))
        .collect()
}

fn length(source: &Source) -> Vec<String> {
    let lines = source
        .text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap()
        .lines()
        .count();
    if source.is_test() || lines <= LINES_MAX {
        return Vec::new();
    }
    vec![format!(
        "src/{}: {lines} lines without tests; the ceiling is {LINES_MAX}",
        source.path
    )]
}

/// Every Rust file below `src/`.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.push(Source {
                    path: below,
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn hold(rule: fn(&Source) -> Vec<String>) {
    let complaints: Vec<String> = sources().iter().flat_map(rule).collect();
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn a_module_imports_only_from_modules_above_it() {
    hold(arrows);
}

#[test]
fn a_heavy_dependency_has_one_home() {
    hold(homes);
}

#[test]
fn pure_modules_neither_wait_nor_lock_nor_look_at_a_clock() {
    hold(purity);
}

#[test]
fn things_are_called_by_our_nouns() {
    hold(nouns);
}

#[test]
fn files_stay_short() {
    hold(length);
}

#[test]
fn the_sources_are_really_read() {
    let sources = sources();
    for module in ["wire/mod.rs", "config/mod.rs", "main.rs"] {
        assert!(
            sources
                .iter()
                .any(|source| source.path == module && !source.code().trim().is_empty()),
            "{module}"
        );
    }
    for (path, _) in OUTSIDE_THE_ORDER {
        assert!(
            sources.iter().any(|source| source.path == *path),
            "{path} is gone: strike it off the list"
        );
    }
}

/// The planted snippets: each rule complains of what it must and is silent about what it may not mind.
mod planted {
    use super::*;

    fn count(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
        rule(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn arrows_against_the_order_are_found() {
        for text in [
            "use crate::room::Room;",
            "use crate::{packet::Codec, room::Room};",
            "pub use crate::{\n    wire::RoomId,\n    node,\n};",
            "fn f(room: &crate::room::Room) {}",
            "impl From<crate::api::token::Grant> for X {}",
            "use enfilade::room::Room;",
        ] {
            assert_eq!(count(arrows, "media/source.rs", text), 1, "{text}");
        }
        assert_eq!(
            count(
                arrows,
                "media/source.rs",
                "use crate::{packet::{Codec, Kind}, wire::RoomId};"
            ),
            0
        );
        assert_eq!(
            count(arrows, "media/source.rs", "use crate::media::history::History;"),
            0
        );
        assert_eq!(
            count(
                arrows,
                "media/source.rs",
                "// like crate::room\nlet x = \"crate::room\";"
            ),
            0
        );
        assert_eq!(
            count(
                arrows,
                "media/source.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::room::Room;\n}"
            ),
            0
        );
        assert_eq!(count(arrows, "config/mod.rs", "use crate::api::HttpConfig;"), 0);
        assert_eq!(count(arrows, "api/mod.rs", "use crate::config::Config;"), 1);
        assert_eq!(count(arrows, "node/serve.rs", "use crate::config::Config;"), 0);
        assert_eq!(count(arrows, "surprise/mod.rs", ""), 1);
    }

    #[test]
    fn dependencies_away_from_home_are_found() {
        assert_eq!(count(homes, "room/mod.rs", "use axum::Router;"), 1);
        assert_eq!(count(homes, "api/whip.rs", "use axum::Router;"), 0);
        assert_eq!(
            count(homes, "shard/socket.rs", "use mio::Poll; use quinn_udp::UdpState;"),
            0
        );
        assert_eq!(
            count(homes, "node/mod.rs", "use mio::Poll; use quinn_udp::UdpState;"),
            2
        );
        assert_eq!(count(homes, "room/mod.rs", "tokio::spawn(f());"), 1);
        assert_eq!(count(homes, "node/rooms.rs", "tokio::spawn(f());"), 0);
        assert_eq!(count(homes, "node/rooms.rs", "std::env::var(\"X\")"), 1);
        assert_eq!(count(homes, "node/rooms.rs", "let axum_like = 1; // axum"), 0);
        assert_eq!(
            count(homes, "shard/mod.rs", "static CACHE: OnceLock<u8> = OnceLock::new();"),
            1
        );
        assert_eq!(count(homes, "shard/mod.rs", "unsafe { f() }"), 1);
        assert_eq!(count(homes, "shard/mod.rs", "#![deny(unsafe_code)]"), 0);
    }

    #[test]
    fn impure_words_are_found() {
        for word in BANNED_IN_PURE {
            assert_eq!(
                count(purity, "media/source.rs", &format!("let x = {word} ();")),
                1,
                "{word}"
            );
            assert_eq!(
                count(purity, "shard/mod.rs", &format!("let x = {word} ();")),
                0,
                "{word}"
            );
            assert_eq!(
                count(purity, "media/source.rs", &format!("/// {word}\nlet x = \"{word}\";")),
                0,
                "{word}"
            );
        }
        assert_eq!(count(purity, "room/mod.rs", "let asynchronous = MutexLike::new();"), 0);
        assert_eq!(
            count(
                purity,
                "room/mod.rs",
                "let quote = '\"'; let now = Instant::now(); let q = '\"';"
            ),
            1
        );
        assert_eq!(
            count(purity, "room/mod.rs", "fn f<'a>(x: &'a str) { Instant::now() }"),
            1
        );
        assert_eq!(
            count(purity, "room/mod.rs", "let raw = r#\"a \" Instant::now() \"#; f()"),
            0
        );
        assert_eq!(count(purity, "room/mod.rs", "/* a /* b */ Instant::now() */ f()"), 0);
        assert_eq!(count(purity, "room/tests.rs", "Instant::now()"), 0);
    }

    #[test]
    fn foreign_nouns_are_found() {
        assert_eq!(count(nouns, "media/source.rs", "pub struct Producer;"), 1);
        assert_eq!(count(nouns, "media/source.rs", "pub struct ProducerLike;"), 0);
    }

    #[test]
    fn long_files_are_found() {
        let long = "let x = 1;\n".repeat(LINES_MAX + 1);
        assert_eq!(count(length, "media/source.rs", &long), 1);
        assert_eq!(count(length, "media/tests.rs", &long), 0);
        let mostly_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(count(length, "media/source.rs", &mostly_tests), 0);
    }
}
