//! Publishing, subscribing, muting, coming and going.

use serde_json::json;
use testkit::{Codec, Shape, eventually};

use super::stage::{Stage, assert_runs_on, frames, packets};

#[tokio::test]
async fn two_people_hear_and_see_each_other() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 2).await;
    let mut bob = stage.speaker("bob", 20, 2).await;
    let joined = ann.person.signal.event("participant.joined").await.unwrap();
    assert_eq!(joined["participant"]["id"], "bob");

    let at_bob = bob.person.seated("ann", &["audio", "video"]).await.unwrap();
    let at_ann = ann.person.seated("bob", &["audio", "video"]).await.unwrap();
    for (person, seat, source) in [(&bob.person, &at_bob, 10), (&ann.person, &at_ann, 20)] {
        let video = seat.video_ssrc.unwrap();
        packets(person, seat.audio_ssrc, 60).await;
        frames(person, video, source + 1, 30).await;
        assert_runs_on(person, video);
        let record = person.endpoint.record();
        let voice = record.stream(seat.audio_ssrc).unwrap();
        assert_eq!(voice.sources(), [source]);
        assert!(voice.missing.is_empty(), "{:?}", voice.missing);
        assert_eq!(record.stream(video).unwrap().sources(), [source + 1]);
        assert!(voice.sender_reports.len() > 1 && !record.stream(video).unwrap().sender_reports.is_empty());
    }
    let codec_known =
        |event: &serde_json::Value| event["type"] == "publication.updated" && event["publication"]["codec"] == "vp8";
    ann.person.signal.event_where("bob's codec", codec_known).await.unwrap();
}

#[tokio::test]
async fn who_comes_late_starts_with_a_keyframe() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    eventually("ann has sent a second of video", || {
        (ann.players[1].sent() > 50).then_some(())
    })
    .await
    .unwrap();
    let mut bob = stage.listener("bob", 1).await;
    assert_eq!(bob.joined["participants"][0]["id"], "ann");
    assert_eq!(
        bob.joined["participants"][0]["publications"].as_array().unwrap().len(),
        2
    );
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    let ssrc = seat.video_ssrc.unwrap();
    frames(&bob, ssrc, 11, 10).await;
    assert_runs_on(&bob, ssrc);
    let record = bob.endpoint.record();
    let first = record.stream(ssrc).unwrap().ordered()[0];
    assert!(first.seen.keyframe && first.seen.starts_frame, "{first:?}");
    drop(record);
    assert!(ann.person.endpoint.record().keyframe_requests(ann.camera.ssrcs[0]) >= 1);
}

#[tokio::test]
async fn keyframe_requests_are_merged_and_paced() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    let mut viewers = Vec::new();
    for number in 0..4 {
        let mut viewer = stage.listener(&format!("viewer-{number}"), 1).await;
        let seat = viewer.seated("ann", &["video"]).await.unwrap();
        frames(&viewer, seat.video_ssrc.unwrap(), 11, 1).await;
        viewers.push(viewer);
    }
    // Each newcomer needs a picture; the publisher is never asked more often than twice a second.
    let record = ann.person.endpoint.record();
    let requests = record.keyframe_requests(ann.camera.ssrcs[0]);
    drop(record);
    let seconds = ann.players[1].sent() / 50 + 1;
    assert!(
        requests >= 1 && requests <= 2 * seconds + 1,
        "{requests} requests in {seconds} s"
    );
}

#[tokio::test]
async fn a_muted_source_is_not_forwarded() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    packets(&bob, seat.audio_ssrc, 10).await;
    let voice = ann.person.publication_of(&ann.voice).unwrap();

    ann.person
        .signal
        .request("mute", json!({"publication": voice, "muted": true}))
        .await
        .unwrap();
    let muted = |wanted: bool| {
        move |event: &serde_json::Value| {
            event["type"] == "publication.updated"
                && event["publication"]["id"] == voice
                && event["publication"]["muted"] == wanted
        }
    };
    bob.signal.event_where("ann is muted", muted(true)).await.unwrap();
    // What was under way may still come; then nothing does while the picture goes on.
    frames(&bob, seat.video_ssrc.unwrap(), 11, 5).await;
    bob.endpoint.record().forget();
    frames(&bob, seat.video_ssrc.unwrap(), 11, 15).await;
    assert_eq!(bob.endpoint.record().stream(seat.audio_ssrc).unwrap().packets, 0);

    ann.person
        .signal
        .request("mute", json!({"publication": voice, "muted": false}))
        .await
        .unwrap();
    bob.signal.event_where("ann is heard", muted(false)).await.unwrap();
    packets(&bob, seat.audio_ssrc, 10).await;
    let record = bob.endpoint.record();
    assert!(
        record.stream(seat.audio_ssrc).unwrap().missing.is_empty(),
        "the pause looks like loss"
    );
}

#[tokio::test]
async fn unpublish_and_unsubscribe_end_forwarding_and_can_be_undone() {
    let stage = Stage::set().await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    frames(&bob, seat.video_ssrc.unwrap(), 11, 3).await;
    let camera = ann.person.publication_of(&ann.camera).unwrap();

    bob.signal
        .request("unsubscribe", json!({"publication": camera}))
        .await
        .unwrap();
    packets(&bob, seat.audio_ssrc, 20).await;
    bob.endpoint.record().forget();
    packets(&bob, seat.audio_ssrc, 20).await;
    assert_eq!(
        bob.endpoint.record().stream(seat.video_ssrc.unwrap()).unwrap().packets,
        0
    );
    bob.subscribe(camera, json!({})).await.unwrap();
    frames(&bob, seat.video_ssrc.unwrap(), 11, 3).await;

    ann.person
        .signal
        .request("unpublish", json!({"publication": camera}))
        .await
        .unwrap();
    let removed = bob.signal.event("publication.removed").await.unwrap();
    assert_eq!(
        (removed["participant"].as_str(), removed["publication"].as_u64()),
        (Some("ann"), Some(camera))
    );
    let mid = ann.person.endpoint.mid_of(&ann.camera).unwrap();
    let again = ann
        .person
        .signal
        .request("publish", json!({"mid": mid, "source": "screen"}))
        .await
        .unwrap();
    assert_ne!(again["publication"].as_u64(), Some(camera), "ids are never used twice");
}

#[tokio::test]
async fn leaving_and_vanishing_are_told_with_the_reason() {
    let stage = Stage::set_with(&[("ENFILADE_ROOM__RESUME_WINDOW", "300ms")]).await;
    let mut ann = stage.listener("ann", 1).await;
    let mut bob = stage.speaker("bob", 20, 0).await;
    let carol = stage.speaker("carol", 30, 0).await;
    ann.signal
        .event_where("carol comes", |event| event["participant"]["id"] == "carol")
        .await
        .unwrap();

    bob.person.signal.request("leave", json!({})).await.unwrap();
    assert_eq!(bob.person.signal.closed().await.unwrap().0, Some(1000));
    let left = |who: &'static str| {
        move |event: &serde_json::Value| event["type"] == "participant.left" && event["participant"] == who
    };
    let event = ann.signal.event_where("bob left", left("bob")).await.unwrap();
    assert_eq!(event["reason"], "left");

    drop(carol);
    let event = ann.signal.event_where("carol vanished", left("carol")).await.unwrap();
    assert_eq!(event["reason"], "timeout");
}

#[tokio::test]
async fn a_second_join_under_the_same_id_takes_over() {
    let stage = Stage::set().await;
    let mut ann = stage.listener("ann", 1).await;
    let mut first = stage.speaker("bob", 20, 0).await;
    let _second = stage.speaker("bob", 40, 0).await;
    let bye = first.person.signal.event("bye").await.unwrap();
    assert_eq!(bye["code"], "duplicate-participant");
    first.person.signal.closed().await.unwrap();
    eventually("ann sees the second bob", || {
        let record = ann.endpoint.record();
        record
            .streams()
            .any(|(_, stream)| stream.sources().contains(&41))
            .then_some(())
    })
    .await
    .unwrap();
    let left = ann.signal.event("participant.left").await.unwrap();
    assert_eq!(left["reason"], "duplicate");
}

#[tokio::test]
async fn a_moderator_removes_and_others_may_not() {
    let stage = Stage::set().await;
    let token = super::stage::token_for(super::stage::ROOM, "mod", &["allow_join", "allow_mod"]);
    let mut moderator = testkit::Participant::join(&stage.server.url, &token, json!({}))
        .await
        .unwrap();
    let mut bob = stage.join("bob").await;
    let refused = bob
        .signal
        .request("remove", json!({"participant": "mod"}))
        .await
        .unwrap_err();
    assert_eq!(
        refused.downcast_ref::<testkit::ProtocolError>().unwrap().code,
        "forbidden"
    );
    moderator
        .signal
        .request("remove", json!({"participant": "bob"}))
        .await
        .unwrap();
    assert_eq!(bob.signal.event("bye").await.unwrap()["code"], "removed");
    let left = moderator.signal.event("participant.left").await.unwrap();
    assert_eq!(
        (&left["participant"], &left["reason"]),
        (&json!("bob"), &json!("removed"))
    );
}

#[tokio::test]
async fn aes_cm_and_gcm_clients_share_a_call() {
    let stage = Stage::set().await;
    let options = testkit::Options {
        only_cm: true,
        ..testkit::Options::default()
    };
    let mut old = stage.join_with("old", json!({}), options).await;
    let voice = old.send("microphone", Codec::Opus, &[], 1).unwrap();
    old.endpoint.add_seats(1).unwrap();
    old.negotiate().await.unwrap();
    let _playing = old.endpoint.play(&voice, &[Shape::SPEECH]);
    let mut new = stage.speaker("new", 20, 1).await;
    let at_old = old.seated("new", &["audio"]).await.unwrap();
    let at_new = new.person.seated("old", &["audio"]).await.unwrap();
    packets(&old, at_old.audio_ssrc, 20).await;
    packets(&new.person, at_new.audio_ssrc, 20).await;
}
