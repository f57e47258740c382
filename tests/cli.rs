//! The built binary, seen from a shell: what it prints where, and with which exit status.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};
use std::time::SystemTime;

use enfilade::api::token::{Keyring, TokenError};
use enfilade::config::Config;
use enfilade::wire::{ParticipantId, RoomId};
use testkit::Folder;

const OWN_KEY: &str = r#"[{id = "own", secret = "a-secret-of-somebody-0123456789-0"}]"#;

/// Runs the binary in an environment that holds nothing but `variables`.
fn enfilade(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_enfilade"));
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn token_prints_one_lawful_token_and_nothing_else() {
    let output = enfilade(&["token", "--room", "standup", "--participant", "ada"], &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let token = stdout(&output).strip_suffix('\n').unwrap();
    assert!(!token.contains(char::is_whitespace), "{token}");
    let grant = Keyring::new(&Config::development().keys)
        .verify(token, SystemTime::now())
        .unwrap();
    assert_eq!(
        (
            grant.room.as_ref().map(RoomId::as_str),
            grant.participant.as_ref().map(ParticipantId::as_str)
        ),
        (Some("standup"), Some("ada"))
    );
    assert!(grant.permissions.allow_join && !grant.permissions.allow_mod && !grant.permissions.ask_join);
    assert_eq!(
        grant.check_join(&RoomId::new("another").unwrap(), &ParticipantId::new("ada").unwrap()),
        Err(TokenError::WrongRoom)
    );
    let lives = grant.expires_at.duration_since(SystemTime::now()).unwrap().as_secs();
    assert!((3590..=3600).contains(&lives), "{lives}");
}

#[test]
fn token_takes_permissions_ttl_and_a_key_of_the_configuration() {
    let arguments = [
        "token",
        "--room",
        "r",
        "--participant",
        "p",
        "--permission",
        "allow_join",
        "--permission",
        "allow_mod",
    ];
    let output = enfilade(
        &[&arguments[..], &["--ttl", "5m"]].concat(),
        &[("ENFILADE_KEYS", OWN_KEY)],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let token = stdout(&output).trim_end();
    assert_eq!(
        Keyring::new(&Config::development().keys).verify(token, SystemTime::now()),
        Err(TokenError::UnknownKey)
    );
    let keys = enfilade::config::load(&enfilade::config::Sources {
        environment: vec![("ENFILADE_KEYS".to_owned(), OWN_KEY.to_owned())],
        ..Default::default()
    });
    let grant = Keyring::new(&keys.unwrap().config.keys)
        .verify(token, SystemTime::now())
        .unwrap();
    assert!(grant.permissions.allow_mod && grant.key_id == "own");
    assert!(grant.expires_at < SystemTime::now() + std::time::Duration::from_secs(301));
}

#[test]
fn token_refuses_what_no_server_would_accept() {
    let basic = ["token", "--room", "r", "--participant", "p"];
    let refused: &[(&[&str], &str)] = &[
        (
            &["--permission", "ask_join", "--permission", "allow_mod"],
            "permissions",
        ),
        (&["--permission", "fly"], "fly"),
        (&["--ttl", "soon"], "soon"),
        (&["--ttl", "0s"], "1s"),
        (&["--key", "nobody"], "nobody"),
        (&["--mode", "production"], "refuses the development key"),
    ];
    for (extra, reason) in refused {
        let output = enfilade(&[&basic[..], extra].concat(), &[]);
        assert!(!output.status.success() && stdout(&output).is_empty(), "{extra:?}");
        assert!(stderr(&output).contains(reason), "{extra:?}: {}", stderr(&output));
    }
    let spaced = enfilade(&["token", "--room", "a room", "--participant", "p"], &[]);
    assert!(!spaced.status.success() && stdout(&spaced).is_empty());
    let nameless = enfilade(&["token", "--room", "r"], &[]);
    assert!(!nameless.status.success() && stderr(&nameless).contains("--participant"));
}

#[test]
fn config_check_lists_every_problem_and_fails() {
    let output = enfilade(
        &["config", "check", "--set", "room.max_seats=99"],
        &[("ENFILADE_HTTP__LISTN", "x")],
    );
    assert_eq!(output.status.code(), Some(1));
    let shown = stderr(&output);
    assert!(
        shown.contains("2 problems") && shown.contains("http.listn (environment ENFILADE_HTTP__LISTN)"),
        "{shown}"
    );
    assert!(
        shown.contains("room.max_seats = 99 (flag): expected a whole number from 1 to 50"),
        "{shown}"
    );
    assert!(enfilade(&["config", "check"], &[]).status.success());
}

#[test]
fn config_print_shows_values_with_their_origins_and_no_secrets() {
    let arguments = [
        "config",
        "print",
        "--http-listen",
        "127.0.0.1:1234",
        "--advertise",
        "203.0.113.7",
        "--advertise",
        "::1",
    ];
    let output = enfilade(
        &arguments,
        &[("ENFILADE_ROOM__MAX_SEATS", "7"), ("ENFILADE_KEYS", OWN_KEY)],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = stdout(&output);
    assert!(shown.contains("listen = \"127.0.0.1:1234\"  # flag"), "{shown}");
    assert!(
        shown.contains("advertised = [\"203.0.113.7\", \"::1\"]  # flag"),
        "{shown}"
    );
    assert!(
        shown.contains("max_seats = 7  # environment ENFILADE_ROOM__MAX_SEATS"),
        "{shown}"
    );
    assert!(
        shown.contains("[redacted]") && !shown.contains("a-secret-of-somebody"),
        "{shown}"
    );
}

#[test]
fn the_file_of_the_flag_wins_over_the_file_of_the_environment() {
    let folder = Folder::new();
    let one = folder.write("one.toml", "[room]\nmax_seats = 1\n");
    let two = folder.write("two.toml", "[room]\nmax_seats = 2\n");
    let of_environment = enfilade(&["config", "print"], &[("ENFILADE_CONFIG", &one)]);
    assert!(
        stdout(&of_environment).contains("max_seats = 1  # file"),
        "{}",
        stderr(&of_environment)
    );
    let of_flag = enfilade(&["config", "print", "--config", &two], &[("ENFILADE_CONFIG", &one)]);
    assert!(
        stdout(&of_flag).contains("max_seats = 2  # file"),
        "{}",
        stderr(&of_flag)
    );
}

#[test]
fn production_does_not_start_without_a_key_of_its_own() {
    for arguments in [&["--mode", "production"][..], &["serve", "--mode", "production"]] {
        let output = enfilade(arguments, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains("refuses the development key"),
            "{}",
            stderr(&output)
        );
    }
    let short = enfilade(
        &["serve", "--mode", "production"],
        &[("ENFILADE_KEYS", r#"[{id = "own", secret = "short"}]"#)],
    );
    assert_eq!(short.status.code(), Some(1));
    assert!(stderr(&short).contains("a secret, 5 bytes") && stderr(&short).contains("32 to 1024 bytes"));
    assert!(!stderr(&short).contains("\"short\""));
}

#[test]
fn an_operators_token_opens_no_room() {
    let output = enfilade(&["token", "--admin"], &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    let token = stdout(&output).trim_end();
    let grant = Keyring::new(&Config::development().keys)
        .verify(token, SystemTime::now())
        .unwrap();
    assert!(grant.is_admin() && grant.room.is_none());
    let room = RoomId::new("standup").unwrap();
    assert_eq!(grant.check_room(&room), Err(TokenError::WrongRole));
    // What clients hold is good for the REST API as well, and still operates nothing.
    let arguments = [
        "token",
        "--room",
        "r",
        "--participant",
        "p",
        "--permission",
        "allow_mod",
    ];
    let output = enfilade(&arguments, &[]);
    let grant = Keyring::new(&Config::development().keys)
        .verify(stdout(&output).trim_end(), SystemTime::now())
        .unwrap();
    assert!(grant.may_call_rest && !grant.is_admin());
}

#[test]
fn doctor_says_what_is_wrong_and_fails_when_it_is_bad() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("http.listen={}", taken.local_addr().unwrap());
    let output = enfilade(&["doctor", "--json", "--set", &listen], &[]);
    let report: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap();
    let finding = |about: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|one| one["about"] == about).unwrap().clone()
    };
    assert_eq!((output.status.code(), &report["well"]), (Some(1), &false.into()));
    assert_eq!(finding("HTTP port")["health"], "bad");
    assert!(finding("HTTP port")["advice"].as_str().unwrap().contains("http.listen"));
    for about in [
        "clock",
        "open files",
        "receive buffer",
        "send buffer",
        "UDP offload",
        "addresses",
    ] {
        assert!(finding(about)["found"].is_string(), "{about}");
    }
    let unlawful = enfilade(&["doctor", "--set", "room.max_seats=99"], &[]);
    assert_eq!(unlawful.status.code(), Some(1));
    assert!(stdout(&unlawful).contains("BAD") && stdout(&unlawful).contains("room.max_seats = 99"));
}
