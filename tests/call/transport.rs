//! The media path changes under a call.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use testkit::endpoint::Options;
use testkit::eventually;

use super::stage::{Stage, frames, packets};

#[tokio::test]
async fn an_ice_restart_keeps_keys_and_media() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 1).await;
    let mut bob = stage.speaker("bob", 20, 1).await;
    let at_bob = bob.person.seated("ann", &["audio", "video"]).await.unwrap();
    let at_ann = ann.person.seated("bob", &["audio", "video"]).await.unwrap();

    let ufrag = |sdp: &serde_json::Value| {
        let text = sdp["sdp"].as_str().unwrap().to_owned();
        text.lines()
            .find(|line| line.starts_with("a=ice-ufrag"))
            .unwrap()
            .to_owned()
    };
    // While it looks for a path the client itself holds back what it sends and drops what comes. So this looks at the wire.
    let handshakes = Arc::new(AtomicU32::new(0));
    let (left, arrived) = (Numbers::default(), Numbers::default());
    let count = Arc::clone(&handshakes);
    let mut note_left = note(&left, ann.voice.ssrcs[0]);
    ann.person.endpoint.gate_outbound(Some(Box::new(move |datagram| {
        count.fetch_add(u32::from(datagram.first() == Some(&22)), Ordering::Relaxed);
        note_left(datagram)
    })));
    ann.person
        .endpoint
        .gate_inbound(Some(note(&arrived, at_ann.audio_ssrc)));
    packets(&bob.person, at_bob.audio_ssrc, 20).await;
    let before = ufrag(&ann.person.answered);
    ann.person.offer(true).await.unwrap();
    assert_ne!(ufrag(&ann.person.answered), before, "new credentials on both sides");
    ann.person.endpoint.connected().await.unwrap();

    for (person, ssrc) in [(&bob.person, at_bob.audio_ssrc), (&ann.person, at_ann.audio_ssrc)] {
        packets(person, ssrc, 90).await;
    }
    assert_eq!(handshakes.load(Ordering::Relaxed), 0, "no new handshake");
    assert_eq!(gaps(&arrived), 0, "ann lost what bob said");
    let record = bob.person.endpoint.record();
    let missing = &record.stream(at_bob.audio_ssrc).unwrap().missing;
    assert!(missing.len() <= gaps(&left), "bob lost {missing:?} of what ann said");
    drop(record);
    for (person, ssrc) in [(&bob.person, at_bob.audio_ssrc), (&ann.person, at_ann.audio_ssrc)] {
        let pause = person.endpoint.record().stream(ssrc).unwrap().longest_pause;
        assert!(pause.as_millis() < 500, "{}: {pause:?}", person.id);
    }
}

type Numbers = Arc<Mutex<Vec<u16>>>;

/// Notes the sequence numbers of an SSRC as they pass.
fn note(numbers: &Numbers, ssrc: u32) -> testkit::endpoint::Gate {
    let (numbers, ssrc) = (Arc::clone(numbers), ssrc.to_be_bytes());
    Box::new(move |datagram| {
        if datagram.get(8..12) == Some(&ssrc) && datagram[0] >> 6 == 2 {
            numbers
                .lock()
                .unwrap()
                .push(u16::from_be_bytes([datagram[2], datagram[3]]));
        }
        true
    })
}

/// How many numbers are left out.
fn gaps(numbers: &Numbers) -> usize {
    let numbers = numbers.lock().unwrap();
    assert!(numbers.len() > 60);
    numbers
        .windows(2)
        .map(|pair| usize::from(pair[1].wrapping_sub(pair[0])) - 1)
        .sum()
}

#[tokio::test]
async fn a_client_that_moves_is_followed() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 1).await;
    let mut bob = stage.speaker("bob", 20, 1).await;
    let at_bob = bob.person.seated("ann", &["audio", "video"]).await.unwrap();
    let at_ann = ann.person.seated("bob", &["audio", "video"]).await.unwrap();
    packets(&bob.person, at_bob.audio_ssrc, 20).await;
    packets(&ann.person, at_ann.audio_ssrc, 20).await;

    let old = ann.person.endpoint.local_address().unwrap();
    let new = ann.person.endpoint.move_away().await.unwrap();
    assert_ne!(old, new);
    for (person, ssrc) in [(&bob.person, at_bob.audio_ssrc), (&ann.person, at_ann.audio_ssrc)] {
        person.endpoint.record().forget();
        packets(person, ssrc, 60).await;
    }
    frames(&bob.person, at_bob.video_ssrc.unwrap(), 11, 10).await;
    let pause = bob
        .person
        .endpoint
        .record()
        .stream(at_bob.audio_ssrc)
        .unwrap()
        .longest_pause;
    assert!(pause.as_secs_f64() < 2.0, "{pause:?}");
}

#[tokio::test]
async fn media_works_over_ipv6() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6 loopback");
        return;
    }
    let stage = Stage::set_with(&[("ENFILADE_MEDIA__ADVERTISED", r#"["::1"]"#)]).await;
    let options = Options {
        bind: "[::1]:0".parse().unwrap(),
        ..Options::default()
    };
    let mut ann = stage.join_with("ann", serde_json::json!({}), options.clone()).await;
    let voice = ann.send("microphone", testkit::Codec::Opus, &[], 1).unwrap();
    ann.negotiate().await.unwrap();
    let _playing = ann.endpoint.play(&voice, &[testkit::Shape::SPEECH]);
    let mut bob = stage.join_with("bob", serde_json::json!({}), options).await;
    bob.endpoint.add_seats(1).unwrap();
    bob.negotiate().await.unwrap();
    let seat = bob.seated("ann", &["audio"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 20).await;
}

/// libnice checks no more once it has nominated; Chromium and the crate `rtc` never stop.
#[tokio::test]
async fn clients_that_check_no_more_are_kept_by_their_media_and_reports() {
    let stage = Stage::set_with(&[("ENFILADE_MEDIA__CONSENT_TIMEOUT", "5s")]).await;
    let ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 20).await;
    for endpoint in [&ann.person.endpoint, &bob.endpoint] {
        // A Binding request begins with 0x0001.
        endpoint.gate_outbound(Some(Box::new(|datagram| !datagram.starts_with(&[0, 1]))));
    }
    bob.endpoint.record().forget();
    // Seven seconds of them.
    packets(&bob, seat.audio_ssrc, 350).await;
}

#[tokio::test]
async fn a_client_that_stays_silent_is_lost_and_told_so() {
    let stage = Stage::set_with(&[("ENFILADE_MEDIA__CONSENT_TIMEOUT", "5s")]).await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    ann.person
        .signal
        .event_where("connected", |event| event["state"] == "connected")
        .await
        .unwrap();
    // Everything the client sends is lost from now on; signalling lives.
    ann.person.endpoint.gate_outbound(Some(Box::new(|_| false)));
    let lost = |event: &serde_json::Value| event["type"] == "transport" && event["state"] == "lost";
    ann.person.signal.event_where("the path is lost", lost).await.unwrap();
    ann.person.endpoint.gate_outbound(None);
    ann.person.offer(true).await.unwrap();
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 20).await;
}

#[tokio::test]
async fn a_stopping_server_tells_its_clients() {
    let mut stage = Stage::set_with(&[("ENFILADE_SHUTDOWN__GRACE", "1s")]).await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    stage.server.terminate().unwrap();
    let bye = ann.person.signal.event("bye").await.unwrap();
    assert_eq!(
        (&bye["code"], &bye["reconnect"]),
        (&"node-draining".into(), &true.into())
    );
    let status = stage.server.ended().await.unwrap();
    assert!(status.success(), "{status}");
    eventually("the socket is closed", || (!stage.server.is_alive()).then_some(()))
        .await
        .unwrap();
}
