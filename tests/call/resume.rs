//! The signalling socket breaks and comes back; media does not notice.

use serde_json::json;
use testkit::{ProtocolError, Signal};

use super::stage::{Stage, packets};

#[tokio::test]
async fn what_was_missed_comes_once_and_in_order_and_media_never_stops() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 10).await;

    let key = bob.joined["resume"]["key"].as_str().unwrap().to_owned();
    let next_id = bob.signal.next_id();
    let fresh = Signal::connect(&stage.server.url).await.unwrap();
    let last_seq = std::mem::replace(&mut bob.signal, fresh).cut();
    for number in 0..8 {
        ann.person
            .signal
            .request("chat", json!({"text": format!("missed {number}")}))
            .await
            .unwrap();
    }
    packets(&bob, seat.audio_ssrc, 60).await;

    let resumed = bob.signal.resume(next_id, &key, last_seq).await.unwrap();
    assert_eq!(resumed["type"], "resumed");
    assert_eq!(resumed["lastRequest"].as_u64(), Some(next_id - 1));
    for number in 0..8 {
        let chat = bob.signal.event("chat").await.unwrap();
        assert_eq!(chat["text"], format!("missed {number}"));
    }
    ann.person
        .signal
        .request("chat", json!({"text": "and on"}))
        .await
        .unwrap();
    assert_eq!(bob.signal.event("chat").await.unwrap()["text"], "and on");
    let numbers = bob.signal.sequence();
    let wanted: Vec<u64> = (last_seq + 1..=last_seq + numbers.len() as u64).collect();
    assert_eq!(numbers, wanted, "once, in order, nothing left out");
    bob.signal
        .request("ping", json!({"lastSeq": bob.signal.last_seq()}))
        .await
        .unwrap();

    let record = bob.endpoint.record();
    let voice = record.stream(seat.audio_ssrc).unwrap();
    assert!(
        voice.missing.is_empty() && voice.longest_pause.as_millis() < 500,
        "{:?}",
        voice.longest_pause
    );
    drop(record);
    let seen = ann.person.signal.waiting_events();
    assert!(seen.iter().all(|event| event["type"] != "participant.left"), "{seen:?}");
    assert_eq!(
        seen.iter()
            .filter(|event| event["type"] == "participant.joined")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_request_sent_into_the_break_is_done_once() {
    let stage = Stage::set().await;
    let mut ann = stage.join("ann").await;
    let mut bob = stage.join("bob").await;
    let id = bob.signal.next_id();
    let key = bob.joined["resume"]["key"].as_str().unwrap().to_owned();
    bob.signal
        .post(id, "chat", json!({"text": "did this arrive?"}))
        .await
        .unwrap();
    assert_eq!(ann.signal.event("chat").await.unwrap()["text"], "did this arrive?");
    // Bob never reads the answer: he resumes from before it, and hears it now.
    let last_seq = 1;
    let mut fresh = Signal::connect(&stage.server.url).await.unwrap();
    let resumed = fresh.resume(id + 1, &key, last_seq).await.unwrap();
    assert_eq!(resumed["lastRequest"].as_u64(), Some(id));
    assert_eq!(fresh.answer(id).await.unwrap()["type"], "ok");
    ann.signal.request("chat", json!({"text": "yes"})).await.unwrap();
    assert_eq!(fresh.event("chat").await.unwrap()["text"], "yes");
    assert!(ann.signal.waiting_events().iter().all(|event| event["type"] != "chat"));
}

#[tokio::test]
async fn a_wrong_or_late_key_is_refused() {
    let stage = Stage::set_with(&[("ENFILADE_ROOM__RESUME_WINDOW", "200ms")]).await;
    let mut ann = stage.join("ann").await;
    let bob = stage.join("bob").await;
    let key = bob.joined["resume"]["key"].as_str().unwrap().to_owned();
    bob.signal.cut();
    ann.signal.event("participant.left").await.unwrap();
    for key in [key.as_str(), "nonsense"] {
        let mut late = Signal::connect(&stage.server.url).await.unwrap();
        let refused = late.resume(9, key, 1).await.unwrap_err();
        assert_eq!(refused.downcast_ref::<ProtocolError>().unwrap().code, "resume-unknown");
    }
}

#[tokio::test]
async fn more_missed_than_kept_is_said() {
    let stage = Stage::set().await;
    let mut ann = stage.join("ann").await;
    let bob = stage.join("bob").await;
    let key = bob.joined["resume"]["key"].as_str().unwrap().to_owned();
    let last_seq = bob.signal.cut();
    // 1 MiB is kept; chat is limited in rate, updates in size.
    let heavy = "y".repeat(16_000);
    for number in 0..80 {
        let sent = ann
            .signal
            .request("update", json!({"metadata": {"n": number, "x": heavy}}))
            .await;
        if sent.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
    let mut back = Signal::connect(&stage.server.url).await.unwrap();
    let refused = back.resume(9, &key, last_seq).await.unwrap_err();
    assert_eq!(refused.downcast_ref::<ProtocolError>().unwrap().code, "resume-gap");
}

/// The whole process stands still for most of a second, as on a machine that is short of everything: what came meanwhile is read late.
#[tokio::test]
async fn while_the_node_is_late_nobody_new_is_let_in_and_who_resumes_is() {
    let stage = Stage::set_with(&[("ENFILADE_ROOM__MAX_DELAY", "300ms")]).await;
    let mut ann = stage.join("ann").await;
    let token = stage.token("bob");
    let key = ann.joined["resume"]["key"].as_str().unwrap().to_owned();
    let next_id = ann.signal.next_id();
    let mut bob = Signal::connect(&stage.server.url).await.unwrap();
    let fresh = Signal::connect(&stage.server.url).await.unwrap();
    let last_seq = std::mem::replace(&mut ann.signal, fresh).cut();

    stage.server.freeze(true).unwrap();
    // Sent while nobody reads.
    let frozen_for = tokio::time::sleep(std::time::Duration::from_millis(800));
    let (joined, resumed, thawed) = tokio::join!(
        bob.join(&token, json!({})),
        ann.signal.resume(next_id, &key, last_seq),
        async {
            frozen_for.await;
            stage.server.freeze(false)
        }
    );
    thawed.unwrap();
    assert_eq!(resumed.unwrap()["type"], "resumed");
    let refused = joined.unwrap_err().downcast::<ProtocolError>().unwrap();
    assert_eq!(refused.code, "overloaded");
    // On the same socket, as soon as there is time.
    let let_in = loop {
        match bob.join(&token, json!({})).await {
            Ok(joined) => break joined,
            Err(error) => assert_eq!(error.downcast::<ProtocolError>().unwrap().code, "overloaded"),
        }
        // Nothing tells when it has.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(let_in["type"], "joined");
}
