//! The signalling socket in the hands of somebody who does not follow the protocol.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use testkit::{ProtocolError, Signal};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::call::{Call, token};

fn code(error: &anyhow::Error) -> String {
    error
        .downcast_ref::<ProtocolError>()
        .map_or_else(|| format!("{error:#}"), |error| error.code.clone())
}

async fn joined(call: &Call, name: &str) -> Signal {
    let mut signal = Signal::connect(&call.server.url).await.unwrap();
    signal.join(&token(name), json!({})).await.unwrap();
    signal
}

/// Sends text as it is and returns the code of the error that comes back.
async fn refusal(signal: &mut Signal, text: &str) -> String {
    signal.send_raw(Message::Text(text.into())).await.unwrap();
    let error = signal.next_error().await.unwrap();
    error["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn messages_that_are_none_get_coded_errors() {
    let mut call = Call::begin(&[]).await;
    call.start_counting();
    let mut mallory = joined(&call, "mallory").await;
    let deep = format!(
        "{{\"id\":100,\"type\":\"chat\",\"text\":{}{}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let wide = format!(
        "{{\"id\":101,\"type\":\"update\",\"metadata\":[{}0]}}",
        "0,".repeat(30_000)
    );
    let cases: Vec<(&str, &[&str])> = vec![
        ("", &["invalid-json"]),
        ("{", &["invalid-json"]),
        ("[]", &["invalid-json"]),
        ("null", &["invalid-json"]),
        ("\u{0}", &["invalid-json"]),
        (&deep, &["invalid-json"]),
        (&wide, &["invalid-json", "message-too-large", "invalid-field"]),
        (r#"{"id":10}"#, &["missing-field"]),
        (r#"{"type":"chat","text":"x"}"#, &["missing-field"]),
        (r#"{"id":11,"type":"dance"}"#, &["unknown-type"]),
        (r#"{"id":12,"type":"chat"}"#, &["missing-field"]),
        (r#"{"id":13,"type":"chat","text":7}"#, &["invalid-field"]),
        (
            r#"{"id":14,"type":"mute","publication":"x","muted":true}"#,
            &["invalid-field"],
        ),
        (
            r#"{"id":15,"type":"mute","publication":999,"muted":true}"#,
            &["no-such-publication"],
        ),
        (r#"{"id":16,"type":"chat","text":"a","text":"b"}"#, &["invalid-field"]),
        (r#"{"id":-1,"type":"ping"}"#, &["invalid-field"]),
        (r#"{"id":1e99,"type":"ping"}"#, &["invalid-field", "invalid-json"]),
        (r#"{"id":17,"type":7}"#, &["invalid-field", "unknown-type"]),
        (
            r#"{"id":18,"type":"join","versions":[1],"token":"x"}"#,
            &["already-joined"],
        ),
        (
            r#"{"id":19,"type":"subscribe","publication":1,"quality":"best"}"#,
            &["invalid-field"],
        ),
        (
            r#"{"id":20,"type":"topic.unsubscribe","topic":"NONE"}"#,
            &["not-subscribed"],
        ),
        (r#"{"id":21,"type":"remove","participant":"ann"}"#, &["forbidden"]),
        (
            r#"{"id":22,"type":"publish","mid":"0","source":"camera"}"#,
            &["no-such-line"],
        ),
    ];
    for (text, wanted) in cases {
        let got = refusal(&mut mallory, text).await;
        assert!(
            wanted.contains(&got.as_str()),
            "{got} and not {wanted:?} for {}",
            &text[..text.len().min(80)]
        );
    }
    // Ids have to grow, and a refused request has used its id.
    mallory.request_as(500, "update", json!({})).await.unwrap();
    assert_eq!(
        code(&mallory.request_as(400, "update", json!({})).await.unwrap_err()),
        "out-of-order"
    );
    mallory.send_raw(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    assert_eq!(mallory.next_error().await.unwrap()["code"], "binary-not-supported");
    let large = json!({"text": "x".repeat(70 * 1024)});
    assert_eq!(
        code(&mallory.request_as(600, "chat", large).await.unwrap_err()),
        "message-too-large"
    );
    mallory
        .request_as(700, "chat", json!({"text": "and still here"}))
        .await
        .unwrap();
    let chat = call.people[0].signal.event("chat").await.unwrap();
    assert_eq!(chat["text"], "and still here");
    call.everything_flows(10).await;
    call.assert_unharmed("malformed messages");
    call.assert_no_panic().await;
}

#[tokio::test]
async fn every_field_of_every_message_may_be_wrong() {
    let mut call = Call::begin(&[]).await;
    let valid = [
        json!({"type": "ping", "lastSeq": 1}),
        json!({"type": "offer", "sdp": "v=0", "publish": [{"mid": "1", "source": "camera", "muted": false, "width": 1, "height": 1}]}),
        json!({"type": "publish", "mid": "1", "source": "camera", "muted": false, "width": 2, "height": 3, "metadata": {}}),
        json!({"type": "unpublish", "publication": 3}),
        json!({"type": "mute", "publication": 3, "muted": true}),
        json!({"type": "subscribe", "publication": 3, "quality": "low", "maxWidth": 6, "maxHeight": 3, "maxTemporal": 1, "paused": false, "priority": "normal"}),
        json!({"type": "unsubscribe", "publication": 3}),
        json!({"type": "chat", "text": "hello", "to": ["bob"]}),
        json!({"type": "topic.publish", "topic": "POLL", "message": {}, "to": ["bob"], "persist": true}),
        json!({"type": "topic.subscribe", "topic": "POLL"}),
        json!({"type": "topic.unsubscribe", "topic": "POLL"}),
        json!({"type": "update", "displayName": "M", "metadata": {}}),
        json!({"type": "remove", "participant": "bob"}),
        json!({"type": "resume", "versions": [1], "key": "k", "lastSeq": 1}),
        json!({"type": "join", "versions": [1], "token": "t", "room": "r", "participant": "p"}),
    ];
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(18_446_744_073_709_551_615_u64),
        json!(1.5),
        json!(""),
        json!("\u{0}\u{202e}<script>"),
        json!("x".repeat(40_000)),
        json!([]),
        json!([[null]]),
        json!({}),
    ];
    let mut mallory = joined(&call, "mallory").await;
    let mut id = 10;
    for message in &valid {
        let fields: Vec<String> = message.as_object().unwrap().keys().cloned().collect();
        for field in fields {
            let mut bad: Vec<Value> = wrong
                .iter()
                .map(|value| {
                    let mut message = message.clone();
                    message[&field] = value.clone();
                    message
                })
                .collect();
            let mut without = message.clone();
            without.as_object_mut().unwrap().remove(&field);
            bad.push(without);
            for mut message in bad {
                id += 1;
                message["id"] = json!(id);
                mallory
                    .send_raw(Message::Text(message.to_string().into()))
                    .await
                    .unwrap();
                // Some of it is lawful; but everything is answered.
                match mallory.answer(id).await {
                    Ok(_) => {}
                    Err(error) => assert!(error.is::<ProtocolError>(), "{error:#} for {message}"),
                }
            }
        }
    }
    call.everything_flows(5).await;
    call.assert_no_panic().await;
}

#[tokio::test]
async fn frames_beyond_every_limit_close_the_socket() {
    let mut call = Call::begin(&[]).await;
    let mut mallory = joined(&call, "mallory").await;
    let huge = "x".repeat(3 << 20);
    mallory.send_raw(Message::Text(huge.into())).await.unwrap();
    let (close, reason) = mallory.closed().await.unwrap();
    // A peer that goes on sending may see the reset before the close frame.
    assert!(matches!(close, Some(1009) | None), "{close:?} {reason}");
    call.people[1].signal.request("ping", json!({})).await.unwrap();
    call.assert_no_panic().await;
}

#[tokio::test]
async fn a_join_in_fragments_of_one_byte_works_and_endless_fragments_do_not() {
    let mut call = Call::begin(&[]).await;
    let url = format!("{}/v1/signal", call.server.url.replacen("http", "ws", 1));
    let (mut socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let join = json!({"id": 1, "type": "join", "versions": [1], "token": token("slow")}).to_string();
    let count = join.len();
    for (at, byte) in join.bytes().enumerate() {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(vec![byte], OpCode::Data(kind), at + 1 == count);
        socket.feed(Message::Frame(frame)).await.unwrap();
    }
    socket.flush().await.unwrap();
    let answer = socket.next().await.unwrap().unwrap().into_text().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["type"], "joined", "{answer}");

    // A message that never ends meets the limit, not the memory.
    let piece = vec![b'x'; 16 * 1024];
    let mut closed = false;
    for at in 0..400 {
        let kind = if at == 0 { Data::Text } else { Data::Continue };
        let frame = Frame::message(piece.clone(), OpCode::Data(kind), false);
        if socket.send(Message::Frame(frame)).await.is_err() {
            closed = true;
            break;
        }
    }
    if !closed {
        let end = tokio::time::timeout(testkit::PATIENCE, async {
            while let Some(Ok(message)) = socket.next().await {
                if message.is_close() {
                    return;
                }
            }
        });
        end.await.unwrap();
    }
    call.people[1].signal.request("ping", json!({})).await.unwrap();
    call.assert_no_panic().await;
}

#[tokio::test]
async fn the_first_message_has_to_be_a_join_and_in_time() {
    let mut call = Call::begin(&[("ENFILADE_HTTP__FIRST_MESSAGE_TIMEOUT", "1s")]).await;
    let mut early = Signal::connect(&call.server.url).await.unwrap();
    let refused = early.request("chat", json!({"text": "hi"})).await.unwrap_err();
    assert_eq!(code(&refused), "join-first");

    let began = std::time::Instant::now();
    let mut silent = Signal::connect(&call.server.url).await.unwrap();
    silent.closed().await.unwrap();
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    call.assert_no_panic().await;
}

#[tokio::test]
async fn a_reader_that_reads_nothing_is_let_go_and_holds_up_nobody() {
    let mut call = Call::begin(&[]).await;
    // Joins and then never reads: the socket fills, then the server's queue for it.
    let url = format!("{}/v1/signal", call.server.url.replacen("http", "ws", 1));
    let (mut stuck, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let join = json!({"id": 1, "type": "join", "versions": [1], "token": token("stuck")}).to_string();
    stuck.send(Message::Text(join.into())).await.unwrap();
    let joined = |event: &Value| event["type"] == "participant.joined" && event["participant"]["id"] == "stuck";
    call.people[0].signal.event_where("stuck joins", joined).await.unwrap();
    let before = call.server.resident_bytes().unwrap();
    let heavy = "y".repeat(15_000);
    let mut slowest = std::time::Duration::ZERO;
    for number in 0..400 {
        let began = std::time::Instant::now();
        let sent = call.people[0]
            .signal
            .request("update", json!({"metadata": {"n": number, "x": heavy}}))
            .await;
        slowest = slowest.max(began.elapsed());
        if sent.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    assert!(slowest.as_millis() < 1_000, "others wait {slowest:?}");
    let growth = call.server.resident_bytes().unwrap().saturating_sub(before);
    assert!(growth < 24 << 20, "{growth} bytes for one who does not read");
    call.assert_no_panic().await;
}

#[tokio::test]
async fn who_pings_without_end_and_reads_nothing_waits() {
    let mut call = Call::begin(&[]).await;
    let url = format!("{}/v1/signal", call.server.url.replacen("http", "ws", 1));
    let (mut flood, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
    let before = call.server.resident_bytes().unwrap();
    // Answers to all of it would be 75 MB.
    let mut waits = false;
    'flood: for _ in 0..600 {
        for _ in 0..1_000 {
            let ping = flood.send(Message::Ping(vec![b'x'; 125].into()));
            if tokio::time::timeout(std::time::Duration::from_secs(2), ping)
                .await
                .is_err()
            {
                waits = true;
                break 'flood;
            }
        }
    }
    assert!(waits, "the server takes every ping");
    let growth = call.server.resident_bytes().unwrap().saturating_sub(before);
    assert!(growth < 24 << 20, "{growth} bytes for one who does not read");
    call.people[1].signal.request("ping", json!({})).await.unwrap();
    call.assert_no_panic().await;
}
