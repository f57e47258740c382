//! Every route with every kind of token.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{Stage, crawler, token};

/// A route, a body that it takes, and what it takes to be let in.
fn routes() -> Vec<(Method, &'static str, Value, Need)> {
    use Need::{All, Any, Govern};
    let (get, post) = (Method::GET, Method::POST);
    let who = json!({"roomId": "a", "participantId": "x"});
    vec![
        (get.clone(), "/v2/rooms", Value::Null, All),
        (post.clone(), "/v2/rooms", json!({"customRoomId": "a"}), Any),
        (
            post.clone(),
            "/v2/rooms",
            json!({"customRoomId": "a", "webhook": null}),
            Govern,
        ),
        (get.clone(), "/v2/rooms/a", Value::Null, Any),
        (get.clone(), "/v2/rooms/validate/a", Value::Null, Any),
        (Method::PATCH, "/v2/rooms/a", json!({"lobby": null}), Govern),
        (post.clone(), "/v2/rooms/a", json!({"status": "enabled"}), Govern),
        (get.clone(), "/v2/rooms/a/links", Value::Null, Govern),
        (post.clone(), "/v2/rooms/a/links", json!({"roomId": "b"}), Govern),
        (Method::DELETE, "/v2/rooms/a/links/b", Value::Null, Govern),
        (get.clone(), "/v2/rooms/a/participants", Value::Null, Govern),
        (
            post.clone(),
            "/v2/rooms/a/mute",
            json!({"participantId": "x", "source": "microphone"}),
            Govern,
        ),
        (
            post.clone(),
            "/v2/rooms/a/move",
            json!({"participantId": "x", "roomId": "b", "token": "t"}),
            Govern,
        ),
        (post.clone(), "/v2/rooms/a/send", json!({"text": "hello"}), Govern),
        (get.clone(), "/v2/sessions", Value::Null, All),
        (get.clone(), "/v2/sessions?roomId=a", Value::Null, Govern),
        (post.clone(), "/v2/sessions/end", json!({"roomId": "a"}), Govern),
        (post.clone(), "/v2/sessions/participants/remove", who, Govern),
        (get.clone(), "/v2/sessions/s", Value::Null, Govern),
        (get.clone(), "/v2/sessions/s/participants", Value::Null, Govern),
        (get.clone(), "/v2/sessions/s/participants/active", Value::Null, Govern),
        (get.clone(), "/v2/sessions/s/links", Value::Null, Govern),
        (get.clone(), "/v2/sessions/s/stats", Value::Null, Govern),
        (get.clone(), "/v2/sessions/s/participant/x/stats", Value::Null, Govern),
        (get.clone(), "/v2/recordings", Value::Null, All),
        (get.clone(), "/v2/recordings?roomId=a", Value::Null, Govern),
        (get.clone(), "/v2/recordings/r", Value::Null, Govern),
        (get, "/v2/recordings/r/files/f", Value::Null, Govern),
        (Method::DELETE, "/v2/recordings/r", Value::Null, Govern),
        (post, "/v2/rooms/deactivate", json!({"roomId": "a"}), Govern),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Any token that may call this API.
    Any,
    /// One that may manage the room.
    Govern,
    /// One that may manage every room.
    All,
}

#[tokio::test]
async fn no_route_is_open_to_who_may_not_use_it_and_each_is_to_who_may() {
    let stage = Stage::set(&[]).await;
    let outsiders = [
        ("nobody", None, 401),
        ("no token", Some("Basic dXNlcjpwYXNz".to_owned()), 401),
        ("nonsense", Some("x.y.z".to_owned()), 401),
        ("joins only", Some(token(json!({"roles": ["rtc"]}))), 403),
        ("asks only", Some(token(json!({"permissions": ["ask_join"]}))), 403),
        ("too late", Some(token(json!({"exp": 1_000}))), 401),
        ("one switch", Some(token(json!({"switch": true, "jti": "j"}))), 403),
    ];
    let moderator = json!({"permissions": ["allow_join", "allow_mod"]});
    let bound = |room: &str| token(json!({"roles": ["crawler"], "roomId": room}));
    for (method, path, body, need) in routes() {
        let body = (!body.is_null()).then_some(body);
        let ask = async |authorization: &str| {
            let headers = [("authorization", authorization)];
            stage.raw(method.clone(), path, &headers, body.clone()).await.0
        };
        for (who, authorization, expected) in &outsiders {
            let status = match authorization {
                Some(authorization) => ask(authorization).await,
                None => stage.raw(method.clone(), path, &[], body.clone()).await.0,
            };
            assert_eq!(status, *expected, "{method} {path} as {who}");
        }
        let is_let_in = |status: u16| ![401, 403].contains(&status) && status < 500;
        let (joins, elsewhere, here) = (
            ask(&token(json!({}))).await,
            ask(&bound("another")).await,
            ask(&bound("a")).await,
        );
        assert_eq!(
            is_let_in(joins),
            need == Need::Any,
            "{method} {path} as a participant: {joins}"
        );
        let is_hidden = elsewhere == 404 && (path.contains("/sessions/s") || path.contains("/recordings/r"));
        assert!(
            !is_let_in(elsewhere) || is_hidden,
            "{method} {path} as somebody of another room: {elsewhere}"
        );
        assert_eq!(
            is_let_in(here),
            need != Need::All,
            "{method} {path} as somebody of the room: {here}"
        );
        for governor in [crawler(), token(moderator.clone()), format!("Bearer {}", crawler())] {
            let status = ask(&governor).await;
            assert!(is_let_in(status), "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn the_description_names_every_route_and_no_other() {
    let stage = Stage::set(&[]).await;
    let (status, description) = stage.get("/v2/openapi.json").await;
    assert_eq!(status, 200);
    let mut described: Vec<(String, String)> = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            described.push((method.to_uppercase(), path.clone()));
        }
    }
    let tested = routes().into_iter().map(|(method, path, ..)| {
        let path = path.split('?').next().unwrap();
        let parts: Vec<&str> = path
            .split('/')
            .map(|part| match part {
                "a" => "{room}",
                "b" => "{link}",
                "s" => "{session}",
                "x" => "{participant}",
                "r" => "{recording}",
                "f" => "{file}",
                other => other,
            })
            .collect();
        (method.to_string(), parts.join("/"))
    });
    let mut tested: Vec<(String, String)> = tested.collect();
    tested.push(("GET".to_owned(), "/v2/public/rsa-public-key".to_owned()));
    for list in [&mut described, &mut tested] {
        list.sort();
        list.dedup();
    }
    assert_eq!(described, tested);
    let (status, page) = stage.get("/v2/docs").await;
    assert!(status == 200 && page.as_str().unwrap().contains("/v2/rooms/{room}/links"));
}
