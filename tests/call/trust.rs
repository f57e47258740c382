//! Somebody misbehaves; the others do not notice.

use serde_json::json;
use testkit::endpoint::Options;
use testkit::{Codec, Participant, Shape, eventually};

use super::stage::{Stage, packets};

#[tokio::test]
async fn a_wrong_fingerprint_is_refused_alone() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 2).await;
    let mut bob = stage.speaker("bob", 20, 2).await;
    let seat = bob.person.seated("ann", &["audio"]).await.unwrap();

    let mut eve = stage.join("eve").await;
    let voice = eve.send("microphone", Codec::Opus, &[], 66).unwrap();
    eve.endpoint.add_seats(2).unwrap();
    let offer = eve.endpoint.offer(false).unwrap();
    let forged: String = offer
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(digest) => {
                let turned: String = digest.chars().rev().collect();
                format!("a=fingerprint:sha-256 {turned}\r\n")
            }
            None => format!("{line}\r\n"),
        })
        .collect();
    let mid = eve.endpoint.mid_of(&voice).unwrap();
    let request = json!({"sdp": forged, "publish": [{"mid": mid, "source": "microphone"}]});
    let answer = eve.signal.request("offer", request).await.unwrap();
    eve.endpoint.answer(answer["sdp"].as_str().unwrap()).unwrap();
    let _playing = eve.endpoint.play(&voice, &[Shape::SPEECH]);

    packets(&bob.person, seat.audio_ssrc, 120).await;
    let heard: Vec<u32> = {
        let record = bob.person.endpoint.record();
        record.streams().flat_map(|(_, stream)| stream.sources()).collect()
    };
    assert!(
        !heard.contains(&66),
        "media of a client with a wrong certificate was forwarded"
    );
    assert_eq!(eve.endpoint.record().streams().count(), 0, "and it received media");
    assert!(
        bob.person
            .endpoint
            .record()
            .stream(seat.audio_ssrc)
            .unwrap()
            .missing
            .is_empty()
    );
    ann.person.signal.request("leave", json!({})).await.unwrap();
}

#[tokio::test]
async fn a_participant_who_sends_garbage_disturbs_nobody() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 2).await;
    let mut bob = stage.speaker("bob", 20, 2).await;
    let seat = bob.person.seated("ann", &["audio", "video"]).await.unwrap();
    let mut mallory = stage.join_with("mallory", json!({}), Options::default()).await;
    let camera = mallory.send("camera", Codec::Vp8, &[], 31).unwrap();
    mallory.endpoint.add_seats(2).unwrap();
    mallory.negotiate().await.unwrap();
    let server = std::net::SocketAddr::from(([127, 0, 0, 1], stage.server.media_port));
    packets(&bob.person, seat.audio_ssrc, 10).await;
    bob.person.endpoint.record().forget();

    // Authenticated nonsense: every payload is one that no codec writes, every header extreme.
    let mut sent = 0;
    for round in 0..2_000_u32 {
        let header = rtp::Header {
            version: 2,
            marker: round % 3 == 0,
            payload_type: 96,
            sequence_number: (round * 977) as u16,
            timestamp: round.wrapping_mul(0x1234_5678),
            ssrc: camera.ssrcs[0],
            ..rtp::Header::default()
        };
        let payload: Vec<u8> = (0..round % 60).map(|n| (n * round) as u8 ^ 0xff).collect();
        sent += mallory.endpoint.send(
            &camera,
            vec![rtp::Packet {
                header,
                payload: payload.into(),
            }],
        );
        if round % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(sent > 1_900, "{sent}");
    // And unauthenticated nonsense from mallory's own, validated address.
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for round in 0..500_u32 {
        let bytes: Vec<u8> = (0..round % 200).map(|n| (n * 31 + round) as u8).collect();
        noise.send_to(&bytes, server).unwrap();
    }
    packets(&bob.person, seat.audio_ssrc, 60).await;
    let missing = bob
        .person
        .endpoint
        .record()
        .stream(seat.audio_ssrc)
        .unwrap()
        .missing
        .clone();
    assert!(missing.is_empty(), "{missing:?}");
    drop(mallory);
    ann.person
        .signal
        .request("chat", json!({"text": "still here?"}))
        .await
        .unwrap();
    assert_eq!(bob.person.signal.event("chat").await.unwrap()["text"], "still here?");
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_panics_total", ""), 0.0);
}

#[tokio::test]
async fn an_offer_that_is_none_leaves_everything_as_it_was() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 1).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 5).await;
    let good = bob.endpoint.offer(false).unwrap();
    let without = |prefix: &str| -> String {
        good.lines()
            .filter(|line| !line.starts_with(prefix))
            .map(|line| format!("{line}\r\n"))
            .collect()
    };
    let bad = [
        ("nothing at all".to_owned(), "sdp-invalid"),
        (String::new(), "sdp-invalid"),
        (without("a=fingerprint"), "sdp-no-fingerprint"),
        (
            format!("{good}a=x:{}\r\n", "y".repeat((1 << 20) + 9_000)),
            "sdp-too-large",
        ),
    ];
    for (sdp, code) in bad {
        let error = bob.signal.request("offer", json!({"sdp": sdp})).await.unwrap_err();
        let found = &error.downcast_ref::<testkit::ProtocolError>().unwrap().code;
        assert!(
            found == code || found == "message-too-large" || found == "invalid-field",
            "{error} for {code}"
        );
    }
    bob.endpoint.record().forget();
    packets(&bob, seat.audio_ssrc, 20).await;
    assert!(
        bob.endpoint
            .record()
            .stream(seat.audio_ssrc)
            .unwrap()
            .missing
            .is_empty()
    );
    ann.person.signal.request("leave", json!({})).await.unwrap();
}

#[tokio::test]
async fn tokens_are_checked_and_their_refusal_is_coded() {
    let stage = Stage::set().await;
    let good = stage.token("ann");
    let expect = async |token: String, fields: serde_json::Value, wanted: &[&str]| {
        let error = match Participant::join(&stage.server.url, &token, fields).await {
            Ok(_) => panic!("a token that should be refused with {wanted:?} was taken"),
            Err(error) => error,
        };
        let code = &error.downcast_ref::<testkit::ProtocolError>().unwrap().code;
        assert!(wanted.contains(&code.as_str()), "{error}, not {wanted:?}");
    };
    expect(String::new(), json!({}), &["token-missing"]).await;
    expect("a.b.c".to_owned(), json!({}), &["token-invalid"]).await;
    expect(format!("{good}x"), json!({}), &["token-invalid"]).await;
    expect("x".repeat(9_000), json!({}), &["token-too-large"]).await;
    expect(good.clone(), json!({"room": "another"}), &["token-room"]).await;
    expect(good.clone(), json!({"participant": "another"}), &["token-participant"]).await;
    expect(good.clone(), json!({"versions": [99]}), &["unsupported-version"]).await;
    let asks = super::stage::token_for(super::stage::ROOM, "ann", &["ask_join"]);
    expect(asks, json!({"intent": "open"}), &["forbidden"]).await;
    let mut ann = Participant::join(&stage.server.url, &good, json!({})).await.unwrap();
    eventually("ann is in", || Some(())).await.unwrap();
    ann.signal.request("ping", json!({})).await.unwrap();
    // No token is ever written to the log.
    assert!(!stage.server.log().iter().any(|line| line.contains(&good)));
}
