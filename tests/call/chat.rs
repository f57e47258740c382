//! Chat, topics and names.

use serde_json::json;
use testkit::ProtocolError;

use super::stage::Stage;

fn code(error: &anyhow::Error) -> &str {
    error
        .downcast_ref::<ProtocolError>()
        .map_or("not a protocol error", |error| &error.code)
}

#[tokio::test]
async fn chat_reaches_all_or_those_named() {
    let stage = Stage::set().await;
    let (mut ann, mut bob, mut carol) = (
        stage.join("ann").await,
        stage.join("bob").await,
        stage.join("carol").await,
    );
    let sent = ann
        .signal
        .request("chat", json!({"text": "good morning"}))
        .await
        .unwrap();
    assert!(sent["message"].is_string() && sent["timestampMs"].is_number());
    for person in [&mut bob, &mut carol] {
        let chat = person.signal.event("chat").await.unwrap();
        assert_eq!(
            (&chat["text"], &chat["participant"]),
            (&json!("good morning"), &json!("ann"))
        );
        assert_eq!(chat["message"], sent["message"]);
    }
    ann.signal
        .request("chat", json!({"text": "just us", "to": ["bob"]}))
        .await
        .unwrap();
    assert_eq!(bob.signal.event("chat").await.unwrap()["text"], "just us");
    ann.signal.request("chat", json!({"text": "all again"})).await.unwrap();
    assert_eq!(
        carol.signal.event("chat").await.unwrap()["text"],
        "all again",
        "carol read what was not hers"
    );
    assert!(
        ann.signal.waiting_events().iter().all(|event| event["type"] != "chat"),
        "an echo"
    );

    let refused = ann
        .signal
        .request("chat", json!({"text": "x".repeat(8_193)}))
        .await
        .unwrap_err();
    assert!(
        matches!(code(&refused), "invalid-field" | "message-too-large"),
        "{refused}"
    );
    for _ in 0..30 {
        if let Err(error) = ann.signal.request("chat", json!({"text": "spam"})).await {
            assert_eq!(code(&error), "rate-limited");
            return;
        }
    }
    panic!("thirty messages at once and no limit");
}

#[tokio::test]
async fn topics_go_to_subscribers_and_persist_for_latecomers() {
    let stage = Stage::set().await;
    let (mut ann, mut bob) = (stage.join("ann").await, stage.join("bob").await);
    let none = bob
        .signal
        .request("topic.subscribe", json!({"topic": "POLL"}))
        .await
        .unwrap();
    assert_eq!(none["messages"], json!([]));
    let post = |persist: bool, n: u32| json!({"topic": "POLL", "message": {"n": n}, "persist": persist});
    ann.signal.request("topic.publish", post(true, 1)).await.unwrap();
    ann.signal.request("topic.publish", post(false, 2)).await.unwrap();
    for n in [1, 2] {
        let message = bob.signal.event("topic.message").await.unwrap();
        assert_eq!(
            (&message["payload"], &message["participant"]),
            (&json!({"n": n}), &json!("ann"))
        );
    }
    let mut carol = stage.join("carol").await;
    let kept = carol
        .signal
        .request("topic.subscribe", json!({"topic": "POLL"}))
        .await
        .unwrap();
    let payloads: Vec<_> = kept["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["payload"].clone())
        .collect();
    assert_eq!(payloads, [json!({"n": 1})]);
    bob.signal
        .request("topic.unsubscribe", json!({"topic": "POLL"}))
        .await
        .unwrap();
    ann.signal.request("topic.publish", post(false, 3)).await.unwrap();
    assert_eq!(
        carol.signal.event("topic.message").await.unwrap()["payload"],
        json!({"n": 3})
    );
    assert!(
        bob.signal
            .waiting_events()
            .iter()
            .all(|event| event["type"] != "topic.message")
    );
}

#[tokio::test]
async fn names_and_metadata_are_told_and_limited() {
    let stage = Stage::set().await;
    let mut ann = stage.join("ann").await;
    let mut bob = stage.join("bob").await;
    let fields = json!({"displayName": "Bob B.", "metadata": {"role": "guest"}});
    bob.signal.request("update", fields).await.unwrap();
    let told = ann.signal.event("participant.updated").await.unwrap();
    assert_eq!(
        (&told["displayName"], &told["metadata"]),
        (&json!("Bob B."), &json!({"role": "guest"}))
    );
    let long = json!({"displayName": "x".repeat(257)});
    assert_eq!(
        code(&bob.signal.request("update", long).await.unwrap_err()),
        "invalid-field"
    );
    let heavy = json!({"metadata": {"x": "y".repeat(17 * 1024)}});
    assert_eq!(
        code(&bob.signal.request("update", heavy).await.unwrap_err()),
        "invalid-field"
    );
    let carol = stage.join("carol").await;
    let bob_seen = carol.joined["participants"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["id"] == "bob")
        .unwrap();
    assert_eq!(bob_seen["displayName"], "Bob B.");
}
