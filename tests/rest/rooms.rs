//! Rooms that are made ahead, and what holds in them.

use reqwest::Method;
use serde_json::json;
use testkit::{Folder, ProtocolError};

use super::stage::{Stage, crawler};

fn code(error: &anyhow::Error) -> &str {
    error
        .downcast_ref::<ProtocolError>()
        .map_or("not a protocol error", |error| &error.code)
}

#[tokio::test]
async fn a_room_is_made_found_listed_and_made_only_once() {
    let stage = Stage::set(&[]).await;
    let (status, made) = stage.post("/v2/rooms", json!({})).await;
    let id = made["roomId"].as_str().unwrap();
    assert!(status == 200 && id.len() == 14 && id.split('-').all(|part| part.len() == 4));
    assert_eq!((&made["disabled"], made.get("customRoomId")), (&json!(false), None));
    let class = json!({"customRoomId": "class", "maxParticipants": 2});
    let (_, first) = stage.post("/v2/rooms", class).await;
    let (status, again) = stage
        .post("/v2/rooms", json!({"customRoomId": "class", "maxParticipants": 9}))
        .await;
    assert_eq!((status, &again), (200, &first));
    assert_eq!(first["customRoomId"], "class");
    for path in ["/v2/rooms/class", "/v2/rooms/validate/class"] {
        assert_eq!(stage.get(path).await, (200, first.clone()));
    }
    assert_eq!(stage.get("/v2/rooms/validate/nowhere").await.0, 404);
    let (_, page) = stage.get("/v2/rooms?page=2&perPage=1").await;
    let info = json!({"currentPage": 2, "perPage": 1, "lastPage": 2, "total": 2});
    assert_eq!((&page["pageInfo"], page["data"].as_array().unwrap().len()), (&info, 1));
    for path in ["/v2/rooms?page=0", "/v2/rooms?perPage=101", "/v2/rooms?page=x"] {
        assert_eq!(stage.get(path).await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn a_room_nobody_made_is_valid_while_somebody_is_in_it() {
    let stage = Stage::set(&[]).await;
    let _ann = stage.join("walk-in", "ann").await;
    let (status, room) = stage.get("/v2/rooms/validate/walk-in").await;
    assert_eq!((status, &room["roomId"]), (200, &json!("walk-in")));
}

#[tokio::test]
async fn what_a_room_was_made_with_holds_when_people_come() {
    let stage = Stage::set(&[]).await;
    let made = json!({"customRoomId": "pair", "maxParticipants": 1, "allowedParticipantIds": ["ann", "bob"]});
    assert_eq!(stage.post("/v2/rooms", made).await.0, 200);
    let refused = async |who: &str| {
        stage
            .try_join("pair", who)
            .await
            .err()
            .map(|error| code(&error).to_owned())
    };
    let _ann = stage.join("pair", "ann").await;
    assert_eq!(refused("eve").await.as_deref(), Some("forbidden"));
    assert_eq!(refused("bob").await.as_deref(), Some("room-full"));
    let headers = [("authorization", crawler())];
    let [(name, value)] = &headers;
    let change = async |tag: &'static str, body| {
        let headers = [(*name, value.as_str()), ("if-match", tag)];
        stage.raw(Method::PATCH, "/v2/rooms/pair", &headers, Some(body)).await
    };
    let (status, tag, _) = change("\"v1\"", json!({"maxParticipants": 2})).await;
    assert_eq!((status, tag.as_deref()), (200, Some("\"v2\"")));
    assert_eq!(change("\"v1\"", json!({"maxParticipants": 9})).await.0, 412);
    let (_, shown) = stage.get("/v2/rooms/pair").await;
    assert_eq!(shown["maxParticipants"], 2);
    let _bob = stage.join("pair", "bob").await;
}

#[tokio::test]
async fn a_room_that_is_deactivated_puts_everybody_out_and_stays_shut() {
    let stage = Stage::set(&[]).await;
    stage.post("/v2/rooms", json!({"customRoomId": "gone"})).await;
    let mut ann = stage.join("gone", "ann").await;
    assert_eq!(stage.post("/v2/rooms/gone", json!({"status": "disabled"})).await.0, 200);
    assert_eq!(ann.event("bye").await.unwrap()["code"], "room-closed");
    let error = stage.try_join("gone", "ann").await.err().unwrap();
    assert_eq!(code(&error), "room-disabled");
    assert_eq!(stage.get("/v2/rooms/validate/gone").await.0, 403);
    assert_eq!(stage.post("/v2/rooms/gone", json!({"status": "enabled"})).await.0, 200);
    let _ann = stage.join("gone", "ann").await;
    assert_eq!(
        stage.post("/v2/rooms/deactivate", json!({"roomId": "gone"})).await.0,
        200
    );
    assert_eq!(stage.post("/v2/rooms/gone", json!({"status": "enabled"})).await.0, 409);
}

#[tokio::test]
async fn rooms_outlive_the_server_when_there_is_a_folder_for_them() {
    let folder = Folder::new();
    let settings = [("ENFILADE_RECORDS__DIRECTORY", folder.text())];
    let stage = Stage::set(&settings).await;
    stage
        .post("/v2/rooms", json!({"customRoomId": "kept", "lobby": true}))
        .await;
    let (_, before) = stage.get("/v2/rooms/kept").await;
    drop(stage);
    let stage = Stage::set(&settings).await;
    assert_eq!(stage.get("/v2/rooms/kept").await, (200, before));
    drop(stage);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let stage = Stage::set(&[("ENFILADE_WEBHOOKS__ALLOW_PRIVATE", "off")]).await;
    for (body, word) in [
        (json!({"customRoomId": "a b"}), "U+0020"),
        (json!({"customRoomId": "validate"}), "customRoomId"),
        (json!({"maxParticipants": 0}), "maxParticipants"),
        (json!({"maxPeople": 3}), "maxPeople"),
        (json!({"codecs": ["vp7"]}), "vp7"),
        (json!({"codecs": []}), "codecs"),
        (json!({"linkRights": ["fly"]}), "linkRights"),
        (json!({"departureTimeout": 86_401}), "departureTimeout"),
        (
            json!({"autoCloseConfig": {"type": "session-ends", "duration": 0}}),
            "duration",
        ),
        (json!({"webhook": {"endPoint": "http://169.254.169.254/x"}}), "private"),
        (json!({"webhook": {"endPoint": "http://[::1]:80/"}}), "private"),
        (
            json!({"webhook": {"endPoint": "https://example.org", "events": ["x"]}}),
            "events",
        ),
    ] {
        let (status, problem) = stage.post("/v2/rooms", body.clone()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(status == 400 && detail.contains(word), "{body}: {status} {detail}");
    }
    let headers = [("authorization", crawler())];
    let [(name, value)] = &headers;
    let raw = |text: &str| {
        let url = format!("{}/v2/rooms", stage.server.url);
        reqwest::Client::new()
            .post(url)
            .header(*name, value)
            .body(text.to_owned())
            .send()
    };
    for text in ["[1]", "{", "{\"lobby\":true,\"lobby\":true}", &"[".repeat(100_000)] {
        assert_eq!(raw(text).await.unwrap().status().as_u16(), 400);
    }
}
