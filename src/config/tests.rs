//! Every key is documented, read and refused with its range; later layers win; secrets stay secret.

mod servers;

use std::path::PathBuf;
use std::time::Duration;

use testkit::Folder;

use super::layers::Layers;
use super::*;

const SECRET: &str = "a-secret-of-somebody-else-0123456789";

fn flags(pairs: &[(&str, &str)]) -> Sources {
    let flags = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        flags,
        ..Sources::default()
    }
}

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Sources {
        environment,
        ..Sources::default()
    }
}

/// Of the files that are loaded.
const NAME: &str = "enfilade.toml";

/// A file that lives as long as the value.
struct TempFile(Folder);

impl TempFile {
    fn new(text: &str) -> TempFile {
        let folder = Folder::new();
        folder.write(NAME, text);
        TempFile(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join(NAME)
    }

    fn sources(&self) -> Sources {
        Sources {
            file: Some(self.path()),
            ..Sources::default()
        }
    }
}

fn refusal(sources: &Sources) -> Vec<String> {
    load(sources)
        .unwrap_err()
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn all_keys() -> Vec<String> {
    Layers::overlay(&Sources::default(), &mut Vec::new())
        .keys()
        .map(str::to_owned)
        .collect()
}

/// The comment above a key in the embedded defaults, on one line.
fn comment_of(key: &str) -> String {
    let name = key.split_once('.').map_or(key, |(_, name)| name);
    let section = key.split_once('.').map(|(section, _)| section);
    let (mut in_section, mut comment) = (section.is_none(), String::new());
    for line in DEFAULT_TOML.lines() {
        if let Some(text) = line.strip_prefix("# ") {
            comment = format!("{comment} {text}");
            continue;
        }
        if (in_section && line.starts_with(&format!("{name} ="))) || line == format!("[[{key}]]") {
            return comment;
        }
        if let Some(header) = line.strip_prefix('[') {
            in_section = section.is_some_and(|section| header == format!("{section}]"));
        }
        comment.clear();
    }
    panic!("{key} is not in the defaults");
}

#[test]
fn the_defaults_are_lawful_and_for_development() {
    let config = Config::development();
    assert_eq!(config.mode, Mode::Development);
    assert!(config.http.listen.ip().is_loopback());
    assert_eq!(config.http.listen.port(), 7880);
    assert_eq!((config.media.first_port, config.media.shards), (7882, 0));
    assert_eq!(config.room.resume_window, Duration::from_secs(10));
    assert_eq!(config.http.ping_interval, Duration::from_secs(15));
    assert_eq!(config.http.max_body, 1024 * 1024);
    assert!(config.accepts_development_key());
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn every_key_has_a_comment() {
    for key in all_keys() {
        assert!(
            comment_of(&key).len() > 20,
            "{key} has no comment in config/default.toml"
        );
    }
}

#[test]
fn every_key_is_read_and_refused_with_its_name_value_and_origin() {
    for key in all_keys().into_iter().filter(|key| key != "keys_file" && key != "keys") {
        let problems = refusal(&flags(&[(&key, "no, never=[")]));
        assert_eq!(problems.len(), 1, "{problems:?}");
        let shown = if ["turn.secret", "webhooks.secret", "records.postgres"].contains(&key.as_str()) {
            "[redacted]"
        } else {
            "\"no, never=[\""
        };
        assert!(
            problems[0].starts_with(&format!("{key} = {shown} (flag): expected ")),
            "{}",
            problems[0]
        );
    }
}

#[test]
fn the_ranges_in_the_comments_are_the_ranges_in_force() {
    let mut ranged = 0;
    for key in all_keys().into_iter().filter(|key| key != "keys_file" && key != "keys") {
        let refused = refusal(&flags(&[(&key, "no, never=[")])).remove(0);
        let Some((_, range)) = refused.split_once(" from ") else {
            continue;
        };
        let words: Vec<&str> = range.split([' ', ',']).take(3).collect();
        let comment = comment_of(&key);
        let documented = comment.contains(&words.join(" "));
        assert!(
            documented,
            "{key}: the comment must name the range {}: {comment}",
            words.join(" ")
        );
        ranged += 1;
    }
    assert!(ranged > 14, "only {ranged} keys have a range");
}

#[test]
fn values_at_and_beyond_the_edges() {
    let lawful: &[(&str, &str)] = &[
        ("http.ping_interval", "1s"),
        ("http.ping_interval", "5m"),
        ("http.ping_interval", "1500ms"),
        ("http.max_body", "4096"),
        ("http.max_body", "1MiB"),
        ("http.listen", "[::]:7880"),
        (
            "http.allowed_origins",
            "[\"https://meet.example.org\", \"http://localhost:3000\"]",
        ),
        ("http.allowed_origins", "[\"*\"]"),
        ("media.first_port", "1"),
        ("media.first_port", "65535"),
        ("media.shards", "64"),
        ("media.listen", "0.0.0.0"),
        ("media.advertised", "[\"203.0.113.7\", \"2001:db8::7\"]"),
        ("media.gso", "false"),
        ("media.moderation", "0s"),
        ("media.moderation", "250us"),
        ("media.moderation", "1ms"),
        ("media.codecs", "[\"h264\", \"vp8\"]"),
        ("media.audio_codecs", "[\"red\", \"opus\"]"),
        ("room.max_seats", "50"),
        ("room.resume_window", "0s"),
        ("log.filter", "warn,enfilade::shard=debug"),
        ("log.format", "json"),
    ];
    for (key, value) in lawful {
        assert!(
            load(&flags(&[(key, value)])).is_ok(),
            "{key} = {value} must be accepted"
        );
    }
    let unlawful: &[(&str, &str)] = &[
        ("mode", "prod"),
        ("http.ping_interval", "999ms"),
        ("http.ping_interval", "301s"),
        ("http.ping_interval", "15"),
        ("http.ping_interval", "15 s"),
        ("http.ping_interval", "-15s"),
        ("http.ping_interval", "1.5s"),
        ("http.ping_interval", "99999999999999999999h"),
        ("http.ping_interval", "18446744073709551615h"),
        ("http.max_body", "1023"),
        ("http.max_body", "17MiB"),
        ("http.max_body", "18446744073709551615MiB"),
        ("http.max_body", "256kB"),
        ("http.listen", "7880"),
        ("http.listen", "localhost:7880"),
        ("http.listen", "127.0.0.1:70000"),
        ("http.allowed_origins", "https://meet.example.org"),
        ("http.allowed_origins", "[\"https://meet.example.org/\"]"),
        ("http.allowed_origins", "[\"https://meet.example.org:443\"]"),
        ("http.allowed_origins", "[\"HTTPS://meet.example.org\"]"),
        ("http.allowed_origins", "[\"meet.example.org\"]"),
        ("http.allowed_origins", "[\"null\"]"),
        ("http.allowed_origins", "[7]"),
        ("media.first_port", "0"),
        ("media.first_port", "65536"),
        ("media.first_port", "-1"),
        ("media.first_port", "\"7882\""),
        ("media.shards", "65"),
        ("media.listen", "0.0.0.0:7882"),
        ("media.advertised", "[\"0.0.0.0\"]"),
        ("media.advertised", "[\"::\"]"),
        ("media.advertised", "[\"239.0.0.1\"]"),
        ("media.advertised", "[\"sfu.example.org\"]"),
        ("media.gso", "yes"),
        ("media.moderation", "1001us"),
        ("media.moderation", "2ms"),
        ("media.codecs", "[\"h263\"]"),
        ("media.codecs", "[\"opus\"]"),
        ("media.audio_codecs", "[\"vp8\"]"),
        ("room.max_seats", "0"),
        ("room.max_seats", "51"),
        ("room.max_participants", "0"),
        ("log.filter", ""),
        ("log.filter", "enfilade=loud"),
        ("log.format", "xml"),
        ("shutdown.grace", "25h"),
    ];
    for (key, value) in unlawful {
        let refused = load(&flags(&[(key, value)])).map(|_| ());
        assert!(refused.is_err(), "{key} = {value} must be refused");
    }
}

#[test]
fn shards_must_fit_above_the_first_port() {
    assert!(load(&flags(&[("media.first_port", "65532"), ("media.shards", "4")])).is_ok());
    let problems = refusal(&flags(&[("media.first_port", "65533"), ("media.shards", "4")]));
    assert!(
        problems[0].contains("media.first_port = 65533") && problems[0].contains("at most 65532"),
        "{problems:?}"
    );
}

#[test]
fn all_problems_are_reported_at_once() {
    let file = TempFile::new("colour = 1\n[http]\nlistn = \"x\"\nmax_body = true\n[rooms]\nmax_seats = 3\n");
    let mut sources = file.sources();
    sources.environment = vec![("ENFILADE_ROOM__MAX_SEATS".to_owned(), "99".to_owned())];
    sources.flags = vec![("media.gso".to_owned(), "2".to_owned())];
    let problems = refusal(&sources);
    assert_eq!(problems.len(), 6, "{problems:#?}");
    let path = file.path();
    let path = path.display();
    let all = problems.join("\n");
    assert!(
        all.contains(&format!("colour (file {path}): there is no such key")),
        "{all}"
    );
    assert!(
        all.contains("http.listn") && all.contains("the keys of [http] are") && all.contains("http.listen"),
        "{all}"
    );
    assert!(all.contains("rooms.max_seats"), "{all}");
    assert!(
        all.contains(&format!(
            "http.max_body = true (file {path}): expected a size from 1KiB to 16MiB"
        )),
        "{all}"
    );
    assert!(
        all.contains(
            "room.max_seats = 99 (environment ENFILADE_ROOM__MAX_SEATS): expected a whole number from 1 to 50"
        )
    );
    assert!(
        all.contains("media.gso = \"2\" (flag): expected true or false"),
        "{all}"
    );
}

#[test]
fn later_layers_win() {
    let file = TempFile::new("[room]\nmax_seats = 2\nmax_rooms = 2\nmax_publications = 2\n");
    let mut sources = file.sources();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    sources.environment = vec![
        variable("ENFILADE_ROOM__MAX_SEATS", "3"),
        variable("ENFILADE_ROOM__MAX_ROOMS", "3"),
    ];
    sources.flags = vec![variable("room.max_seats", "4")];
    let room = load(&sources).unwrap().config.room;
    assert_eq!((room.max_seats, room.max_rooms, room.max_publications), (4, 3, 2));
    assert_eq!(room.max_participants, Config::development().room.max_participants);
}

#[test]
fn lists_come_from_the_environment_as_toml() {
    let config = load(&environment(&[(
        "ENFILADE_MEDIA__ADVERTISED",
        "[\"203.0.113.7\", \"2001:db8::7\"]",
    )]))
    .unwrap();
    let advertised: Vec<String> = config.config.media.advertised.iter().map(ToString::to_string).collect();
    assert_eq!(advertised, ["203.0.113.7", "2001:db8::7"]);
}

#[test]
fn unknown_variables_of_ours_are_refused_and_others_are_not() {
    let problems = refusal(&environment(&[("ENFILADE_HTTP__LISTN", "x"), ("ENFILADE_SEATS", "3")]));
    assert_eq!(problems.len(), 2, "{problems:?}");
    let ignored = [
        ("PATH", "/bin"),
        ("ENFILADE_CONFIG", "handled by the command line"),
        ("ENFILADE_SERVICE_HOST", "10.0.0.1"),
        ("ENFILADE_SERVICE_PORT_HTTP", "7880"),
        ("ENFILADE_PORT", "tcp://10.0.0.1:7880"),
        ("ENFILADE_PORT_7880_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(load(&environment(&ignored)).is_ok());
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let missing = Sources {
        file: Some(PathBuf::from("/nowhere/enfilade.toml")),
        ..Sources::default()
    };
    assert!(refusal(&missing)[0].contains("file /nowhere/enfilade.toml): cannot be read"));
    let file = TempFile::new("[[keys]]\nid = \"a\"\nsecret = unquoted-secret\n");
    let problems = refusal(&file.sources());
    assert!(problems[0].contains("is not TOML: line 3"), "{problems:?}");
    assert!(!problems[0].contains("unquoted-secret"), "{problems:?}");
}

fn keys_flag(id: &str, secret: &str) -> String {
    format!("[{{id = \"{id}\", secret = \"{secret}\"}}]")
}

#[test]
fn production_needs_a_key_of_its_own() {
    let problems = refusal(&flags(&[("mode", "production")]));
    assert!(
        problems[0].contains("refuses the development key") && problems[0].contains("32 bytes"),
        "{problems:?}"
    );
    let development = Config::development().keys.remove(0);
    let renamed = keys_flag("renamed", std::str::from_utf8(development.secret.expose()).unwrap());
    assert!(load(&flags(&[("mode", "production"), ("keys", &renamed)])).is_err());
    assert!(load(&flags(&[("mode", "production"), ("keys", "[]")])).is_err());
    let own = load(&flags(&[("mode", "production"), ("keys", &keys_flag("own", SECRET))]))
        .unwrap()
        .config;
    assert_eq!((own.keys.len(), own.accepts_development_key()), (1, false));
}

#[test]
fn keys_are_checked_without_being_shown() {
    let short = "s".repeat(31);
    let cases = [
        (
            "own",
            short.as_str(),
            "keys[0] = a secret, 31 bytes (flag): expected a secret of 32 to 1024 bytes",
        ),
        ("own", "", "keys[0] = a secret, 0 bytes"),
        (
            "",
            SECRET,
            "keys[0] = id \"\" (flag): expected an id of 1 to 128 printable ASCII characters without spaces",
        ),
        ("a b", SECRET, "keys[0] = id \"a b\""),
    ];
    for mode in ["development", "production"] {
        for (id, secret, expected) in &cases {
            let problems = refusal(&flags(&[("mode", mode), ("keys", &keys_flag(id, secret))]));
            assert!(problems[0].starts_with(expected), "{problems:?}");
            assert!(
                secret.is_empty() || !problems.join(" ").contains(secret),
                "{problems:?}"
            );
        }
    }
    let twice = format!("[{{id = \"a\", secret = \"{SECRET}\"}}, {{id = \"a\", secret = \"{SECRET}\"}}]");
    assert!(refusal(&flags(&[("keys", &twice)]))[0].contains("occurs twice"));
    let extra = format!("[{{id = \"a\", secret = \"{SECRET}\", role = \"x\"}}]");
    assert!(refusal(&flags(&[("keys", &extra)]))[0].contains("no such key as role"));
    let text = refusal(&flags(&[("keys", SECRET)]));
    assert!(!text.join(" ").contains(SECRET), "{text:?}");
}

#[test]
fn a_keys_file_replaces_the_development_key_and_joins_others() {
    let file = TempFile::new(&format!("[[keys]]\nid = \"mounted\"\nsecret = \"{SECRET}\"\n"));
    let path = file.path().display().to_string();
    let ids = |sources: &Sources| -> Vec<String> {
        load(sources)
            .unwrap()
            .config
            .keys
            .iter()
            .map(|key| key.id.clone())
            .collect()
    };
    assert_eq!(
        ids(&flags(&[("mode", "production"), ("keys_file", &path)])),
        ["mounted"]
    );
    assert_eq!(
        ids(&flags(&[("keys_file", &path), ("keys", &keys_flag("own", SECRET))])),
        ["own", "mounted"]
    );
    let wrong = TempFile::new("colour = 1\n");
    let problems = refusal(&flags(&[("keys_file", &wrong.path().display().to_string())]));
    assert!(problems.len() == 2 && problems[0].contains("colour"), "{problems:?}");
    assert!(refusal(&flags(&[("keys_file", "/nowhere/keys.toml")]))[0].starts_with("keys_file (file /nowhere"));
}

#[test]
fn secrets_are_redacted_wherever_a_configuration_is_shown() {
    let loaded = load(&flags(&[("keys", &keys_flag("own", SECRET))])).unwrap();
    assert!(!format!("{:?}", loaded.config).contains(SECRET));
    let printed = loaded.to_toml();
    assert!(
        !printed.contains(SECRET) && printed.contains("id = \"own\"\nsecret = \"[redacted]\""),
        "{printed}"
    );
    assert!(printed.contains("listen = \"127.0.0.1:7880\"  # default"), "{printed}");
    assert!(printed.contains("[[keys]]  # flag"), "{printed}");
}

#[test]
fn what_is_printed_can_be_read_again() {
    let loaded = load(&flags(&[("room.max_seats", "7"), ("http.allowed_origins", "[\"*\"]")])).unwrap();
    let printed = loaded
        .to_toml()
        .replace("[redacted]", "enfilade-development-secret-known-to-everybody");
    let file = TempFile::new(&printed);
    assert_eq!(load(&file.sources()).unwrap().config, loaded.config);
}

#[test]
fn the_development_key_beyond_loopback_is_warned_of() {
    let config = load(&flags(&[("http.listen", "0.0.0.0:7880")])).unwrap().config;
    assert!(config.warnings()[0].contains("0.0.0.0:7880"));
}

#[test]
fn durations_and_sizes_are_shown_as_they_are_read() {
    for text in ["0s", "500ms", "10s", "5m", "24h", "90s", "1500ms"] {
        assert_eq!(units::show_duration(parse_duration(text).unwrap()), text);
    }
    for text in ["0", "1", "4095", "16KiB", "1MiB", "1025KiB"] {
        assert_eq!(units::show_size(parse_size(text).unwrap()), text);
    }
    for text in ["", "s", "10", "10 s", "10S", "+10s", "1e3s", "١s"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
    for text in ["", "KiB", "1 KiB", "1kib", "1GiB", "-1", "+1"] {
        assert_eq!(parse_size(text), None, "{text}");
    }
}
