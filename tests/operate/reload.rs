//! SIGHUP and `enfilade reload`: what changes, what needs a restart, and what is refused.

use enfilade::api::token::Key;
use serde_json::json;

use super::house::{Folder, command, enter, key, printed, serve};

fn keys_file(keys: &[&Key]) -> String {
    let entry = |key: &&Key| {
        let secret = std::str::from_utf8(key.secret.expose()).unwrap();
        format!("[[keys]]\nid = \"{}\"\nsecret = \"{secret}\"\n", key.id)
    };
    keys.iter().map(entry).collect()
}

#[tokio::test]
async fn keys_are_rotated_by_a_signal_and_calls_go_on() {
    let (folder, old, new) = (Folder::new("keys"), key("old"), key("new"));
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
    let folder = Folder::new("limits");
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
async fn an_unlawful_configuration_is_refused_with_every_problem_and_changes_nothing() {
    let folder = Folder::new("unlawful");
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
