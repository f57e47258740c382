//! Sessions that are and were, and what is done to them.

use serde_json::{Value, json};
use testkit::Postgres;

use super::stage::{Stage, token};

fn ids(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap();
    list.iter().map(|one| one["participantId"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_session_shows_who_is_and_was_there() {
    a_session_is_shown(Stage::set(AT_ONCE).await).await;
}

#[tokio::test]
async fn a_session_in_postgresql_shows_who_is_and_was_there() {
    let postgres = Postgres::start().await.unwrap();
    a_session_is_shown(Stage::set_on(&postgres, AT_ONCE).await).await;
}

/// Rooms end with their last participant.
const AT_ONCE: &[(&str, &str)] = &[("ENFILADE_ROOM__DEPARTURE_TIMEOUT", "0s")];

async fn a_session_is_shown(stage: Stage) {
    let mut ann = stage.join("talk", "ann").await;
    let mut bob = stage.join("talk", "bob").await;
    let all = "/v2/sessions?roomId=talk";
    let page = stage
        .until(all, |page| page["data"][0]["participants"][1].is_object())
        .await;
    let session = &page["data"][0];
    assert_eq!((&session["status"], &session["end"]), (&json!("ongoing"), &Value::Null));
    assert_eq!(ids(&session["participants"]), ["ann", "bob"]);
    let path = format!("/v2/sessions/{}", session["id"].as_str().unwrap());
    ann.request("leave", json!({})).await.unwrap();
    let active = format!("{path}/participants/active");
    let here = stage.until(&active, |page| page["pageInfo"]["total"] == 1).await;
    assert_eq!(ids(&here["data"]), ["bob"]);
    let (_, everybody) = stage.get(&format!("{path}/participants?perPage=1&page=2")).await;
    assert_eq!(ids(&everybody["data"]), ["bob"]);
    assert_eq!(everybody["pageInfo"]["lastPage"], 2);
    let _ann_again = stage.join("talk", "ann").await;
    let again = |session: &Value| session["participants"][0]["timelog"][1].is_object();
    let shown = stage.until(&path, again).await;
    let log = &shown["participants"][0]["timelog"];
    assert_eq!((&log[0]["reason"], &log[1]["end"]), (&json!("left"), &Value::Null));
    bob.request("leave", json!({})).await.unwrap();
    assert_eq!(stage.post("/v2/sessions/end", json!({"roomId": "talk"})).await.0, 200);
    let ended = stage.until(&path, |session| session["status"] == "ended").await;
    assert_eq!(ended["reason"], "closed");
    for more in ["/stats", "/links", "/participant/ann/stats"] {
        assert_eq!(stage.get(&format!("{path}{more}")).await.0, 200, "{more}");
    }
    assert_eq!(stage.get(&format!("{path}/participant/eve/stats")).await.0, 404);
    let _carl = stage.join("talk", "carl").await;
    let page = stage.until(all, |page| page["pageInfo"]["total"] == 2).await;
    assert_ne!(
        page["data"][0]["id"], ended["id"],
        "a room that begins again is another session"
    );
}

#[tokio::test]
async fn whoever_manages_a_room_removes_mutes_moves_and_speaks() {
    a_room_is_managed(Stage::set(&[]).await).await;
}

#[tokio::test]
async fn with_postgresql_whoever_manages_a_room_does_so_all_the_same() {
    let postgres = Postgres::start().await.unwrap();
    a_room_is_managed(Stage::set_on(&postgres, &[]).await).await;
}

async fn a_room_is_managed(stage: Stage) {
    let mut ann = stage.join("hall", "ann").await;
    let mut bob = stage.join("hall", "bob").await;
    assert_eq!(stage.post("/v2/rooms/hall/send", json!({"text": "hello"})).await.0, 200);
    let chat = ann.event("chat").await.unwrap();
    assert_eq!(
        (&chat["text"], &chat["participant"]),
        (&json!("hello"), &json!("server"))
    );
    ann.request("topic.subscribe", json!({"topic": "t"})).await.unwrap();
    let on_topic = json!({"topic": "t", "payload": {"a": 1}, "from": "desk"});
    assert_eq!(stage.post("/v2/rooms/hall/send", on_topic).await.0, 200);
    assert_eq!(ann.event("topic.message").await.unwrap()["payload"], json!({"a": 1}));
    let mute = json!({"participantId": "bob", "source": "microphone", "on": true});
    assert_eq!(stage.post("/v2/rooms/hall/mute", mute).await.0, 200);
    assert_eq!(bob.event("media.requested").await.unwrap()["on"], true);
    let ticket = token(json!({"roomId": "foyer", "participantId": "bob"}));
    let go = |token: &str| json!({"participantId": "bob", "roomId": "foyer", "token": token});
    assert_eq!(stage.post("/v2/rooms/hall/move", go(&ticket)).await.0, 200);
    let switch = bob.event("switch").await.unwrap();
    assert_eq!((&switch["room"], &switch["token"]), (&json!("foyer"), &json!(ticket)));
    assert_eq!(stage.post("/v2/rooms/hall/move", go("x")).await.0, 400);
    let who = json!({"roomId": "hall", "participantId": "bob"});
    let other = json!({"roomId": "hall", "participantId": "bob", "sessionId": "another"});
    assert_eq!(stage.post("/v2/sessions/participants/remove", other).await.0, 404);
    assert_eq!(stage.post("/v2/sessions/participants/remove", who.clone()).await.0, 200);
    assert_eq!(bob.event("bye").await.unwrap()["code"], "removed");
    assert_eq!(stage.post("/v2/sessions/participants/remove", who).await.0, 404);
    let (_, people) = stage.get("/v2/rooms/hall/participants").await;
    assert_eq!(people["data"].as_array().unwrap().len(), 1);
    assert_eq!(
        stage.post("/v2/sessions/end", json!({"roomId": "nowhere"})).await.0,
        404
    );
}

#[tokio::test]
async fn links_are_opened_seen_and_closed_from_outside() {
    links_are_seen(Stage::set(&[]).await).await;
}

#[tokio::test]
async fn links_in_postgresql_are_opened_seen_and_closed_from_outside() {
    let postgres = Postgres::start().await.unwrap();
    links_are_seen(Stage::set_on(&postgres, &[]).await).await;
}

async fn links_are_seen(stage: Stage) {
    let mut ann = stage.join("east", "ann").await;
    let mut bob = stage.join("west", "bob").await;
    let (status, _) = stage
        .post("/v2/rooms/east/links", json!({"roomId": "west", "payload": "x"}))
        .await;
    assert_eq!(status, 200);
    for signal in [&mut ann, &mut bob] {
        assert_eq!(signal.event("link.opened").await.unwrap()["payload"], "x");
    }
    let (_, links) = stage.get("/v2/rooms/east/links").await;
    assert_eq!(links["data"][0]["link"], "west");
    let headers = [("authorization", super::stage::crawler())];
    let [(name, value)] = &headers;
    let close = async |path: &str| {
        let headers = [(*name, value.as_str())];
        stage.raw(reqwest::Method::DELETE, path, &headers, None).await.0
    };
    assert_eq!(close("/v2/rooms/east/links/west").await, 204);
    assert_eq!(bob.event("link.closed").await.unwrap()["reason"], "closed-remote");
    assert_eq!(close("/v2/rooms/east/links/west").await, 404);
    let page = stage
        .until("/v2/sessions?roomId=west", |page| page["data"][0].is_object())
        .await;
    let path = format!("/v2/sessions/{}/links", page["data"][0]["id"].as_str().unwrap());
    let past = stage.until(&path, |links| links["data"][0]["end"].is_string()).await;
    assert_eq!(
        (&past["data"][0]["roomId"], &past["data"][0]["reason"]),
        (&json!("east"), &json!("closed-remote"))
    );
    assert_eq!(
        stage.post("/v2/rooms/east/links", json!({"roomId": "east"})).await.0,
        409
    );
}
