//! Rooms as such: who begins them, who is let in, what is seen of them from outside, and how they close.

use serde_json::{Value, json};
use testkit::{ProtocolError, Signal};

use super::stage::{ROOM, Stage, token_for};

fn code(error: &anyhow::Error) -> &str {
    error
        .downcast_ref::<ProtocolError>()
        .map_or("not a protocol error", |error| &error.code)
}

/// A socket of somebody with these words in their token, and what came of the join.
async fn enter(stage: &Stage, id: &str, words: &[&str], fields: Value) -> (Signal, anyhow::Result<Value>) {
    let mut signal = Signal::connect(&stage.server.url).await.unwrap();
    let joined = signal.join(&token_for(ROOM, id, words), fields).await;
    (signal, joined)
}

async fn join(stage: &Stage, id: &str, fields: Value) -> (Signal, Value) {
    let (signal, joined) = enter(stage, id, &["allow_join"], fields).await;
    (signal, joined.unwrap())
}

async fn rooms_alive(stage: &Stage) -> f64 {
    stage.server.metrics().await.unwrap().sum("enfilade_rooms", "")
}

#[tokio::test]
async fn of_a_hundred_at_once_one_begins_the_room() {
    let stage = Stage::set().await;
    let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    let joins = names.iter().map(|name| join(&stage, name, json!({"intent": "any"})));
    let people = futures_util::future::join_all(joins).await;
    let created = people.iter().filter(|(_, joined)| joined["created"] == true);
    let owners: Vec<&Value> = created.map(|(_, joined)| &joined["owner"]).collect();
    assert_eq!(owners.len(), 1);
    assert!(people.iter().all(|(_, joined)| joined["owner"] == *owners[0]));
    assert!(
        people
            .iter()
            .all(|(_, joined)| joined["session"] == people[0].1["session"])
    );
}

#[tokio::test]
async fn of_two_who_open_a_room_one_learns_that_it_exists() {
    let stage = Stage::set().await;
    let open = json!({"intent": "open"});
    let ways = ["ann", "bob"].map(|name| enter(&stage, name, &["allow_join"], open.clone()));
    let [one, other] = futures_util::future::join_all(ways).await.try_into().ok().unwrap();
    let (opened, refused) = if one.1.is_ok() { (one, other) } else { (other, one) };
    assert_eq!(opened.1.unwrap()["created"], true);
    assert_eq!(code(&refused.1.unwrap_err()), "room-exists");
    // Who was refused may go in by another way on the same socket.
    let mut signal = refused.0;
    let again = signal
        .join(&token_for(ROOM, "eve", &["allow_join"]), json!({"intent": "join"}))
        .await;
    assert_eq!(again.unwrap()["created"], false);
}

#[tokio::test]
async fn a_room_that_nobody_is_in_is_not_begun_by_asking() {
    let stage = Stage::set().await;
    let (mut signal, joined) = enter(&stage, "ann", &["allow_join"], json!({"intent": "join"})).await;
    assert_eq!(code(&joined.unwrap_err()), "room-not-found");
    let token = token_for(ROOM, "ann", &["allow_join"]);
    let nobody = signal
        .request("presence", json!({"room": ROOM, "token": token}))
        .await
        .unwrap();
    assert_eq!((&nobody["exists"], &nobody["participants"]), (&json!(false), &json!(0)));
    assert_eq!(rooms_alive(&stage).await, 0.0);
}

#[tokio::test]
async fn rooms_are_seen_from_outside_with_a_token_and_not_without_end() {
    let stage = Stage::set().await;
    let settings = json!({"listing": "public", "info": {"topic": "cats"}, "maxParticipants": 7, "password": "x"});
    let (mut ann, _) = join(&stage, "ann", json!({"displayName": "Ann", "settings": settings})).await;
    let token = token_for(ROOM, "eve", &["ask_join"]);
    let mut eve = Signal::connect(&stage.server.url).await.unwrap();
    let presence = eve
        .request("presence", json!({"room": ROOM, "token": token}))
        .await
        .unwrap();
    assert_eq!(
        (
            &presence["exists"],
            &presence["participants"],
            &presence["maxParticipants"]
        ),
        (&json!(true), &json!(1), &json!(7))
    );
    assert_eq!(
        (&presence["owner"]["displayName"], &presence["info"]),
        (&json!("Ann"), &json!({"topic": "cats"}))
    );
    assert_eq!(presence["passwordProtected"], true);
    assert!(presence.get("seq").is_none(), "there is no session yet");

    let of_another = token_for("elsewhere", "eve", &["allow_join"]);
    let refused = [
        ("presence", json!({"room": ROOM}), "token-missing"),
        ("presence", json!({"room": ROOM, "token": of_another}), "token-room"),
        (
            "rooms",
            json!({"listing": "public", "token": "no.token.this"}),
            "token-invalid",
        ),
    ];
    for (kind, fields, wanted) in refused {
        assert_eq!(code(&eve.request(kind, fields).await.unwrap_err()), wanted, "{kind}");
    }
    let listed = eve
        .request("rooms", json!({"listing": "public", "token": token}))
        .await
        .unwrap();
    assert_eq!(listed["rooms"][0]["room"], ROOM);
    // One who is inside needs no token.
    let own = ann.request("rooms", json!({"listing": "public"})).await.unwrap();
    assert_eq!(own["rooms"], listed["rooms"]);
    assert!(own["seq"].is_number());
    ann.request("room.update", json!({"settings": {"listing": null}}))
        .await
        .unwrap();
    let unlisted = eve
        .request("rooms", json!({"listing": "public", "token": token}))
        .await
        .unwrap();
    assert_eq!(unlisted["rooms"], json!([]));

    let mut answered = 6;
    let limited = loop {
        match eve.request("presence", json!({"room": ROOM, "token": token})).await {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
        assert!(answered <= 20, "no limit");
    };
    assert_eq!((code(&limited), answered), ("rate-limited", 20));
}

#[tokio::test]
async fn who_has_to_ask_is_let_in_or_not_by_somebody_inside() {
    let stage = Stage::set().await;
    let (mut ann, _) = join(&stage, "ann", json!({})).await;
    let mut eve = Signal::connect(&stage.server.url).await.unwrap();
    let token = token_for(ROOM, "eve", &["ask_join"]);
    let request = json!({"versions": [1], "token": token, "displayName": "Eve"});
    eve.post(1, "join", request.clone()).await.unwrap();
    assert_eq!(eve.answer(1).await.unwrap()["type"], "waiting");
    let asked = ann.event("entry.requested").await.unwrap();
    assert_eq!(
        (&asked["participant"], &asked["displayName"]),
        (&json!("eve"), &json!("Eve"))
    );
    ann.request("entry.respond", json!({"participant": "eve", "allow": false}))
        .await
        .unwrap();
    assert_eq!(code(&eve.answer(1).await.unwrap_err()), "entry-denied");
    assert_eq!(ann.event("entry.responded").await.unwrap()["allow"], false);

    // She asks again on the same socket.
    eve.post(2, "join", request).await.unwrap();
    assert_eq!(eve.answer(2).await.unwrap()["type"], "waiting");
    ann.event("entry.requested").await.unwrap();
    ann.request("entry.respond", json!({"participant": "eve", "allow": true}))
        .await
        .unwrap();
    let joined = eve.answer(2).await.unwrap();
    assert_eq!((&joined["type"], &joined["seq"]), (&json!("joined"), &json!(1)));
    eve.request_as(3, "chat", json!({"text": "thank you"})).await.unwrap();
    assert_eq!(ann.event("chat").await.unwrap()["text"], "thank you");

    // And one who gives up is not asked about any more.
    let mut bob = Signal::connect(&stage.server.url).await.unwrap();
    let token = token_for(ROOM, "bob", &["ask_join"]);
    assert_eq!(bob.join(&token, json!({})).await.unwrap()["type"], "waiting");
    drop(bob);
    let given_up = ann
        .event_where("bob gives up", |event| {
            event["type"] == "entry.responded" && event["participant"] == "bob"
        })
        .await
        .unwrap();
    assert_eq!((&given_up["allow"], &given_up["by"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn a_closed_room_is_over_for_all_and_its_name_is_free_at_once() {
    // Where links are open to all, everybody may close.
    let stage = Stage::set_with(&[("ENFILADE_LINKS__COMPAT", "off")]).await;
    let (mut ann, first) = join(&stage, "ann", json!({})).await;
    let (mut bob, _) = join(&stage, "bob", json!({})).await;
    assert_eq!(
        code(&bob.request("room.close", json!({})).await.unwrap_err()),
        "forbidden"
    );
    ann.request("room.close", json!({})).await.unwrap();
    for person in [&mut ann, &mut bob] {
        let bye = person.event("bye").await.unwrap();
        assert_eq!(
            (&bye["code"], &bye["by"], &bye["reconnect"]),
            (&json!("room-closed"), &json!("ann"), &json!(false))
        );
        assert_eq!(person.closed().await.unwrap().0, Some(4010));
    }
    let (_, second) = join(&stage, "bob", json!({"intent": "open"})).await;
    assert_eq!((&second["created"], &second["owner"]), (&json!(true), &json!("bob")));
    assert_ne!(second["session"], first["session"]);
}

#[tokio::test]
async fn whoever_joins_while_the_room_closes_is_let_in_or_begins_it_anew() {
    let stage = Stage::set().await;
    for round in 0..20 {
        let (mut owner, _) = join(&stage, "owner", json!({"intent": "open"})).await;
        owner.post(9, "room.close", json!({})).await.unwrap();
        let names: Vec<String> = (0..5).map(|n| format!("p{round}-{n}")).collect();
        let joins = names.iter().map(|name| join(&stage, name, json!({})));
        let mut people = futures_util::future::join_all(joins).await;
        let begun = people.iter().filter(|(_, joined)| joined["created"] == true).count();
        assert!(begun <= 1, "{begun} begin one room");
        for (signal, joined) in &mut people {
            if joined["owner"] == "owner" {
                signal.event("bye").await.unwrap();
            } else {
                signal.request("leave", json!({})).await.unwrap();
            }
        }
        owner.closed().await.unwrap();
    }
}
