//! SIGHUP and `enfilade reload`: what changes, what needs a restart, and what is refused.

use enfilade::api::token::Key;
use serde_json::json;

use testkit::Folder;

use super::house::{command, enter, key, printed, serve};

fn keys_file(keys: &[&Key]) -> String {
    let entry = |key: &&Key| {
        let secret = std::str::from_utf8(key.secret.expose()).unwrap();
        format!("[[keys]]\nid = \"{}\"\nsecret = \"{secret}\"\n", key.id)
    };
    keys.iter().map(entry).collect()
}

#[tokio::test]
async fn keys_are_rotated_by_a_signal_and_calls_go_on() {
    let (folder, old, new) = (Folder::new(), key("old"), key("new"));
    let file = folder.write("keys.toml", &keys_file(&[&old]));
    let server = serve(&[("ENFILADE_KEYS_FILE", &file)]).await;
    let mut ann = enter(&server, &old, "ann").await.unwrap();
    assert_eq!(
        enter(&server, &new, "bob").await.err().as_deref(),
        Some("token-unknown-key")
    );
    folder.write("keys.toml", &keys_file(&[&new]));
    server.hang_up().unwrap();
    let line = server.logged("the configuration was read again").await.unwrap();
    assert!(line.contains("keys"), "{line}");
    enter(&server, &new, "bob").await.unwrap();
    assert_eq!(
        enter(&server, &old, "eve").await.err().as_deref(),
        Some("token-unknown-key")
    );
    ann.request("ping", json!({})).await.unwrap();
    let metrics = server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_config_reloads_total", "ok"), 1.0);
}

#[tokio::test]
async fn new_rooms_have_new_limits_and_what_needs_a_restart_is_named() {
    let folder = Folder::new();
    let file = folder.write("enfilade.toml", "[room]\nmax_participants = 1\n");
    let key = super::house::development();
    let server = serve(&[("ENFILADE_CONFIG", &file)]).await;
    let ann = enter(&server, &key, "ann").await.unwrap();
    assert_eq!(enter(&server, &key, "bob").await.err().as_deref(), Some("room-full"));
    folder.write(
        "enfilade.toml",
        "[room]\nmax_participants = 2\n[http]\nmax_body = \"2MiB\"\n[log]\nfilter = \"debug\"\n[media]\ngso = false\n",
    );
    // The filter of the tests' servers is set by their environment, which wins.
    let shown = printed(&server, &["reload"]).await;
    assert_eq!(
        shown,
        "changed: room.max_participants\nneeds a restart: http.max_body, media.gso\n"
    );
    server
        .logged("needs a restart: http.max_body, media.gso")
        .await
        .unwrap();
    assert_eq!(enter(&server, &key, "bob").await.err().as_deref(), Some("room-full"));
    drop(ann);
    printed(&server, &["end", "stage"]).await;
    let _ann = enter(&server, &key, "ann").await.unwrap();
    enter(&server, &key, "bob").await.unwrap();
}

#[tokio::test]
async fn those_who_are_here_are_told_of_other_turn_servers_and_of_another_secret() {
    let folder = Folder::new();
    let settings = |host: &str, secret: &str| format!("[turn]\nurls = [\"turn:{host}\"]\nsecret = \"{secret}\"\n");
    let file = folder.write("enfilade.toml", &settings("one.example.org", "the-first-secret"));
    let server = serve(&[("ENFILADE_CONFIG", &file)]).await;
    let mut ann = enter(&server, &super::house::development(), "ann").await.unwrap();
    let asked = ann.request("ice.servers", json!({})).await.unwrap();
    assert_eq!(asked["iceServers"][0]["urls"], json!(["turn:one.example.org"]));

    folder.write("enfilade.toml", &settings("two.example.org", "the-second-secret"));
    server.hang_up().unwrap();
    let line = server.logged("the configuration was read again").await.unwrap();
    assert!(line.contains("turn.secret") && line.contains("turn.urls"), "{line}");
    let asked = ann.request("ice.servers", json!({})).await.unwrap();
    let told = &asked["iceServers"][0];
    assert_eq!(told["urls"], json!(["turn:two.example.org"]));
    // What the new TURN server computes.
    let secret = enfilade::transport::turn::TurnSecret::new("the-second-secret");
    assert_eq!(told["credential"], secret.password(told["username"].as_str().unwrap()));

    folder.write("enfilade.toml", "");
    assert!(printed(&server, &["reload"]).await.contains("turn.urls"));
    let asked = ann.request("ice.servers", json!({})).await.unwrap();
    assert_eq!(asked["iceServers"], json!([]));
}

#[tokio::test]
async fn a_signal_changes_what_is_logged_in_both_directions() {
    let folder = Folder::new();
    let filter = |text: &str| format!("[log]\nfilter = \"{text}\"\n");
    let file = folder.write("enfilade.toml", &filter("info"));
    let server = serve(&[("ENFILADE_CONFIG", &file), ("ENFILADE_LOG__FILTER", "")]).await;
    let opened = |server: &testkit::Server| {
        let log = server.log();
        log.iter()
            .filter(|line| line.contains("a signalling socket opens"))
            .count()
    };
    let development = super::house::development();
    let _ann = enter(&server, &development, "ann").await.unwrap();
    assert_eq!(opened(&server), 0);

    folder.write("enfilade.toml", &filter("info,enfilade::api=debug"));
    server.hang_up().unwrap();
    server.logged("the configuration was read again").await.unwrap();
    let _bob = enter(&server, &development, "bob").await.unwrap();
    server.logged("a signalling socket opens").await.unwrap();
    let before = opened(&server);

    folder.write("enfilade.toml", &filter("warn"));
    printed(&server, &["reload"]).await;
    let lines = server.log().len();
    let _eve = enter(&server, &development, "eve").await.unwrap();
    assert_eq!((opened(&server), server.log().len()), (before, lines));

    folder.write("enfilade.toml", &filter("what=is=this"));
    let output = command(&server, &["reload"], &[]).await;
    assert!(!output.status.success());
}

#[tokio::test]
async fn an_unlawful_configuration_is_refused_with_every_problem_and_changes_nothing() {
    let folder = Folder::new();
    let file = folder.write("enfilade.toml", "[room]\nmax_participants = 1\n");
    let server = serve(&[("ENFILADE_CONFIG", &file)]).await;
    let _ann = enter(&server, &super::house::development(), "ann").await.unwrap();
    folder.write(
        "enfilade.toml",
        "[room]\nmax_participants = 2\nmax_seats = 99\n[http]\nlistn = 1\n",
    );
    let output = command(&server, &["reload"], &[]).await;
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("room.max_seats = 99") && error.contains("http.listn"),
        "{error}"
    );
    server.logged("the configuration in force stays").await.unwrap();
    let refused = enter(&server, &super::house::development(), "bob").await;
    assert_eq!(refused.err().as_deref(), Some("room-full"));
    let metrics = server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_config_reloads_total", "refused"), 1.0);
}
