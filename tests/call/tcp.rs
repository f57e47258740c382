//! Calls of people whose network lets no UDP through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use testkit::endpoint::Options;
use testkit::eventually;

use super::stage::{Speaker, Stage, assert_runs_on, frames, packets};

fn tcp() -> Options {
    Options {
        tcp: true,
        ..Options::default()
    }
}

/// Waits until both see and hear this much more of each other.
async fn see_each_other(ann: &mut Speaker, bob: &mut Speaker, count: usize) {
    let at_bob = bob.person.seated("ann", &["audio", "video"]).await.unwrap();
    let at_ann = ann.person.seated("bob", &["audio", "video"]).await.unwrap();
    for (person, seat, source) in [(&bob.person, &at_bob, 11), (&ann.person, &at_ann, 21)] {
        packets(person, seat.audio_ssrc, count as u64).await;
        frames(person, seat.video_ssrc.unwrap(), source, count).await;
    }
}

#[tokio::test]
async fn people_over_tcp_and_udp_see_and_hear_each_other() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker_over("ann", 10, 1, tcp()).await;
    let mut bob = stage.speaker("bob", 20, 1).await;
    see_each_other(&mut ann, &mut bob, 30).await;
    for (person, other) in [(&mut ann.person, "bob"), (&mut bob.person, "ann")] {
        let seat = person.seated(other, &["audio", "video"]).await.unwrap();
        assert_runs_on(person, seat.video_ssrc.unwrap());
    }
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_tcp_connections", ""), 1.0);
    drop(ann);
    let closed = async || {
        let metrics = stage.server.metrics().await.unwrap();
        metrics.sum("enfilade_tcp_connections", "") == 0.0
    };
    for _ in 0..200 {
        if closed().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("a connection of nobody stays");
}

#[tokio::test]
async fn a_connection_that_breaks_is_replaced_under_the_call_without_new_keys() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker_over("ann", 10, 1, tcp()).await;
    let mut bob = stage.speaker("bob", 20, 1).await;
    see_each_other(&mut ann, &mut bob, 10).await;
    let handshakes = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&handshakes);
    ann.person.endpoint.gate_outbound(Some(Box::new(move |datagram| {
        count.fetch_add(u32::from(datagram.first() == Some(&22)), Ordering::Relaxed);
        true
    })));
    for _ in 0..3 {
        ann.person.endpoint.move_away().await.unwrap();
        let lost = |event: &serde_json::Value| event["type"] == "transport" && event["state"] == "lost";
        let back = |event: &serde_json::Value| event["type"] == "transport" && event["state"] == "connected";
        ann.person.signal.event_where("the path is lost", lost).await.unwrap();
        ann.person.signal.event_where("it is back", back).await.unwrap();
        for person in [&ann.person, &bob.person] {
            person.endpoint.record().forget();
        }
        see_each_other(&mut ann, &mut bob, 10).await;
    }
    assert_eq!(handshakes.load(Ordering::Relaxed), 0, "no new handshake");
}

#[tokio::test]
async fn an_ice_restart_over_tcp_keeps_the_call() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker_over("ann", 10, 1, tcp()).await;
    let mut bob = stage.speaker("bob", 20, 1).await;
    see_each_other(&mut ann, &mut bob, 10).await;
    ann.person.offer(true).await.unwrap();
    ann.person.endpoint.connected().await.unwrap();
    for person in [&ann.person, &bob.person] {
        person.endpoint.record().forget();
    }
    see_each_other(&mut ann, &mut bob, 20).await;
}

#[tokio::test]
async fn without_tcp_nobody_listens_and_nothing_is_offered() {
    let stage = Stage::set_with(&[("ENFILADE_MEDIA__TCP", "false")]).await;
    let bob = stage.speaker("bob", 20, 1).await;
    let answer = bob.person.answered["sdp"].as_str().unwrap();
    assert!(answer.contains("a=candidate") && !answer.contains("tcptype"));
    let refused = std::net::TcpStream::connect(("127.0.0.1", stage.server.media_port));
    assert!(refused.is_err());
    eventually("a packet", || (bob.players[0].sent() > 0).then_some(()))
        .await
        .unwrap();
}
