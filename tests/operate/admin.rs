//! The command line at work: rooms, people, links, revocations, drain; and who may not do any of it.

use serde_json::{Value, json};

use testkit::Folder;

use super::house::{ROOM, command, development, enter, printed, serve, token};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn rooms_and_people_are_shown_as_tables_and_as_json() {
    let server = serve(&[]).await;
    assert_eq!(printed(&server, &["rooms"]).await, "none\n");
    let _ann = enter(&server, &development(), "ann").await.unwrap();
    let _bob = enter(&server, &development(), "bob").await.unwrap();
    let rooms = printed(&server, &["rooms"]).await;
    let cells: Vec<&str> = rooms.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(cells, [ROOM, "2", "5000", "ann"]);
    let people = parsed(&printed(&server, &["participants", ROOM, "--json"]).await);
    assert_eq!(people["participants"][1]["id"], "bob");
    assert!(printed(&server, &["participants", ROOM]).await.starts_with("ID"));
    assert_eq!(printed(&server, &["links", ROOM]).await, "none\n");
    assert!(printed(&server, &["stats"]).await.contains("rooms: 1"));
    let stats = printed(&server, &["stats", ROOM]).await;
    assert!(stats.contains("bob") && stats.contains("GETS kb/s"), "{stats}");
    let nobody = command(&server, &["participants", "elsewhere"], &[]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("room-not-found"));
}

#[tokio::test]
async fn whoever_is_kicked_may_come_back_unless_it_is_for_a_while() {
    let server = serve(&[]).await;
    let key = development();
    let _ann = enter(&server, &key, "ann").await.unwrap();
    let mut bob = enter(&server, &key, "bob").await.unwrap();
    printed(&server, &["kick", ROOM, "bob"]).await;
    assert_eq!(bob.event("bye").await.unwrap()["code"], "removed");
    let mut bob = enter(&server, &key, "bob").await.unwrap();
    printed(&server, &["kick", ROOM, "bob", "--for", "1h"]).await;
    let bye = bob.event("bye").await.unwrap();
    assert_eq!(
        (&bye["code"], &bye["reconnect"]),
        (&json!("token-revoked"), &json!(false))
    );
    assert_eq!(bob.closed().await.unwrap().0, Some(4003));
    assert_eq!(
        enter(&server, &key, "bob").await.err().as_deref(),
        Some("token-revoked")
    );
    let list = parsed(&printed(&server, &["revocations", "--json"]).await);
    let id = list["revocations"][0]["id"].as_str().unwrap();
    printed(&server, &["unrevoke", id]).await;
    enter(&server, &key, "bob").await.unwrap();
    printed(&server, &["end", ROOM]).await;
    assert_eq!(
        parsed(&printed(&server, &["rooms", "--json"]).await)["rooms"],
        json!([])
    );
}

#[tokio::test]
async fn a_revoked_token_opens_nothing_and_puts_out_whoever_holds_it() {
    let server = serve(&[]).await;
    let key = development();
    let _ann = enter(&server, &key, "ann").await.unwrap();
    let mut bob = enter(&server, &key, "bob").await.unwrap();
    printed(&server, &["revoke", "--jti", "token-of-bob"]).await;
    assert_eq!(bob.event("bye").await.unwrap()["code"], "token-revoked");
    assert_eq!(
        enter(&server, &key, "bob").await.err().as_deref(),
        Some("token-revoked")
    );
    let offer = reqwest::Client::new()
        .post(format!("{}/whip/{ROOM}", server.url))
        .header("content-type", "application/sdp")
        .bearer_auth(token(&key, "bob", &["allow_join"]))
        .body("v=0")
        .send();
    let answer = offer.await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], "token-revoked");
    enter(&server, &key, "eve").await.unwrap();
    let shapeless = command(&server, &["revoke", "--room", ROOM], &[]).await;
    assert!(String::from_utf8_lossy(&shapeless.stderr).contains("invalid-field"));
}

#[tokio::test]
async fn what_is_revoked_stays_so_when_the_server_is_killed_and_what_is_taken_back_too() {
    let folder = Folder::new();
    let settings = [("ENFILADE_RECORDS__DIRECTORY", folder.path().to_str().unwrap())];
    let key = development();
    let server = serve(&settings).await;
    printed(&server, &["revoke", "--jti", "token-of-bob"]).await;
    printed(&server, &["revoke", "--jti", "token-of-eve"]).await;
    // Killed, not asked to end.
    drop(server);
    let server = serve(&settings).await;
    for name in ["bob", "eve"] {
        let refused = enter(&server, &key, name).await;
        assert_eq!(refused.err().as_deref(), Some("token-revoked"), "{name}");
    }
    let list = parsed(&printed(&server, &["revocations", "--json"]).await);
    let of_bob = |one: &&Value| one["jti"] == "token-of-bob";
    let id = list["revocations"].as_array().unwrap().iter().find(of_bob).unwrap();
    printed(&server, &["unrevoke", id["id"].as_str().unwrap()]).await;
    drop(server);
    let server = serve(&settings).await;
    enter(&server, &key, "bob").await.unwrap();
    assert!(enter(&server, &key, "eve").await.is_err());
}

#[tokio::test]
async fn tokens_of_clients_do_not_operate_the_server() {
    let server = serve(&[]).await;
    let key = development();
    let _ann = enter(&server, &key, "ann").await.unwrap();
    let moderator = token(&key, "mod", &["allow_join", "allow_mod"]);
    let client = reqwest::Client::new();
    let paths = [
        ("GET", "/v1/rooms".to_owned()),
        ("GET", "/v1/node".to_owned()),
        ("POST", "/v1/drain".to_owned()),
        ("POST", "/v1/reload".to_owned()),
        ("GET", "/v1/revocations".to_owned()),
        ("POST", "/v1/revocations".to_owned()),
        ("DELETE", "/v1/revocations/x".to_owned()),
        ("DELETE", format!("/v1/rooms/{ROOM}")),
        ("GET", format!("/v1/rooms/{ROOM}/participants")),
        ("GET", format!("/v1/rooms/{ROOM}/links")),
        ("DELETE", format!("/v1/rooms/{ROOM}/participants/ann")),
    ];
    for (method, path) in paths {
        let url = format!("{}{path}", server.url);
        let request = client.request(method.parse().unwrap(), url);
        let answer = request
            .try_clone()
            .unwrap()
            .bearer_auth(&moderator)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{method} {path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], "token-role", "{path}");
        assert_eq!(request.send().await.unwrap().status(), 401, "{method} {path}");
    }
}

#[tokio::test]
async fn a_drained_node_lets_nobody_in_and_ends() {
    let mut server = serve(&[("ENFILADE_SHUTDOWN__GRACE", "20s")]).await;
    let mut ann = enter(&server, &development(), "ann").await.unwrap();
    printed(&server, &["drain"]).await;
    assert_eq!(ann.event("bye").await.unwrap()["code"], "node-draining");
    assert_eq!(
        enter(&server, &development(), "bob").await.err().as_deref(),
        Some("node-draining")
    );
    ann.request("leave", json!({})).await.unwrap();
    assert!(server.ended().await.unwrap().success());
}
