//! Other servers that are named, the server inside, and secrets and keys that may stand in files.

use super::*;

#[test]
fn turn_servers_take_a_secret_which_is_never_shown() {
    let url = r#"["turn:turn.example.org"]"#;
    let problems = refusal(&flags(&[("turn.urls", url)]));
    assert!(
        problems[0].starts_with("turn.secret = [redacted] (default): expected a secret of 16"),
        "{problems:?}"
    );
    let problems = refusal(&flags(&[("turn.urls", url), ("turn.secret", "too-short")]));
    assert!(!problems[0].contains("too-short"), "{problems:?}");
    let problems = refusal(&flags(&[
        ("turn.urls", r#"["stun:stun.example.org"]"#),
        ("turn.secret", SECRET),
    ]));
    assert!(problems[0].starts_with("turn.urls"), "{problems:?}");

    let given = flags(&[("turn.urls", url), ("turn.secret", SECRET), ("turn.ttl", "5m")]);
    let loaded = load(&given).unwrap();
    let turn = loaded.config.room.turn.first().unwrap();
    assert_eq!((turn.urls.len(), turn.ttl), (1, Duration::from_secs(300)));
    let printed = loaded.to_toml();
    assert!(
        !printed.contains(SECRET) && printed.contains("secret = \"[redacted]\""),
        "{printed}"
    );
    assert!(!format!("{:?}", loaded.config).contains(SECRET));

    let file = TempFile::new(&format!("{SECRET}\n"));
    let path = file.path().display().to_string();
    let mounted = load(&flags(&[("turn.urls", url), ("turn.secret_file", &path)])).unwrap();
    assert_eq!(
        mounted.config.room.turn[0].secret, turn.secret,
        "without the line's end"
    );
    let both = flags(&[("turn.urls", url), ("turn.secret", SECRET), ("turn.secret_file", &path)]);
    assert!(refusal(&both)[0].contains("turn.secret is given"));
    assert_eq!(load(&flags(&[])).unwrap().config.room.turn, []);
}

#[test]
fn the_turn_server_takes_what_it_can_serve_and_says_what_not() {
    let off = load(&flags(&[])).unwrap().config.turn_server;
    assert_eq!((off.listen, off.tls_listen, off.allow_peers.len()), (None, None, 0));
    let given = flags(&[
        ("turn_server.listen", "0.0.0.0:3478"),
        ("turn_server.name", "turn.example.org"),
        ("turn_server.allow_peers", r#"["10.1.0.0/16","2001:db8::/32"]"#),
        ("turn_server.first_port", "50000"),
        ("turn_server.last_port", "50010"),
        ("turn.ttl", "2m"),
    ]);
    let on = load(&given).unwrap().config.turn_server;
    assert_eq!(
        (on.ports, on.allow_peers.len(), on.ttl),
        (50_000..=50_010, 2, Duration::from_secs(120))
    );
    for (key, value, words) in [
        ("turn_server.listen", "3478", "expected an address and a port"),
        ("turn_server.name", "turn example", "expected a host name"),
        (
            "turn_server.allow_peers",
            r#"["everybody"]"#,
            "expected a list of networks",
        ),
        (
            "turn_server.last_port",
            "2000",
            "expected no less than turn_server.first_port",
        ),
        (
            "turn_server.tls_listen",
            "0.0.0.0:5349",
            "expected http.tls_certificate",
        ),
    ] {
        let problems = refusal(&flags(&[(key, value)]));
        assert!(
            problems.len() == 1 && problems[0].contains(words),
            "{key}: {problems:?}"
        );
    }
}

#[test]
fn the_url_of_a_database_may_stand_in_a_file_and_is_shown_nowhere() {
    let password = "not-to-be-shown";
    let url = format!("postgres://ann:{password}@db.example.org/calls");
    let given = load(&flags(&[("records.postgres", &url)])).unwrap();
    let shown = [given.to_toml(), format!("{:?}", given.config)];
    assert!(shown.iter().all(|text| !text.contains(password)), "{shown:?}");
    assert!(
        given
            .config
            .warnings()
            .iter()
            .any(|warning| warning.contains("sslmode=require"))
    );

    let file = TempFile::new(&format!("{url}?sslmode=verify-full\n"));
    let path = file.path().display().to_string();
    let mounted = load(&flags(&[("records.postgres_file", &path)])).unwrap().config;
    assert!(mounted.records.postgres.is_some());
    assert!(mounted.warnings().iter().all(|warning| !warning.contains("sslmode")));
    let near = load(&flags(&[("records.postgres", "postgres://ann@127.0.0.1/calls")])).unwrap();
    assert!(
        near.config
            .warnings()
            .iter()
            .all(|warning| !warning.contains("sslmode"))
    );

    let both = flags(&[("records.postgres", &url), ("records.postgres_file", &path)]);
    assert!(refusal(&both)[0].contains("records.postgres is given"));
    for wrong in ["mysql://db/calls", "postgres://", "postgres://db/calls?sslmode=maybe"] {
        let problems = refusal(&flags(&[("records.postgres", wrong)]));
        assert!(problems[0].starts_with("records.postgres = [redacted]"), "{problems:?}");
    }
    let empty = TempFile::new("\n");
    let path = empty.path().display().to_string();
    assert!(refusal(&flags(&[("records.postgres_file", &path)]))[0].contains("not empty"));
}

#[test]
fn the_key_that_signs_webhooks_is_read_from_its_file_or_refused_with_why() {
    let key = "webhooks.signing_key_file";
    assert!(refusal(&flags(&[(key, "/nowhere/key.pem")]))[0].contains("No such file"));
    let nonsense = TempFile::new("nonsense");
    let problems = refusal(&flags(&[(key, &nonsense.path().display().to_string())]));
    assert!(problems[0].contains("no key in PKCS #8"), "{problems:?}");
    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let other = TempFile::new(&other);
    let problems = refusal(&flags(&[(key, &other.path().display().to_string())]));
    assert!(problems[0].contains("not one of RSA"), "{problems:?}");
}
