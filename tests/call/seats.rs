//! Seats: agreed once, filled and emptied without another offer, one SSRC for ever.

use serde_json::json;

use super::stage::{Stage, assert_runs_on, frames, packets};

#[tokio::test]
async fn a_seat_takes_one_after_the_other_without_renegotiation() {
    let stage = Stage::set().await;
    let mut bob = stage.listener("bob", 1).await;
    let agreed = bob.seats().unwrap();
    let mut sources = Vec::new();
    for (round, name) in ["ann", "carol", "dave"].into_iter().enumerate() {
        let source = 10 * (round as u32 + 1);
        let mut speaker = stage.speaker(name, source, 0).await;
        let seat = bob.seated(name, &["audio", "video"]).await.unwrap();
        assert_eq!(
            vec![seat.clone()],
            agreed,
            "the seat is the one agreed on, with its SSRCs"
        );
        frames(&bob, seat.video_ssrc.unwrap(), source + 1, 12).await;
        packets(&bob, seat.audio_ssrc, 20).await;
        speaker.person.signal.request("leave", json!({})).await.unwrap();
        let empty = |event: &serde_json::Value| event["type"] == "seats" && event["seats"][0]["participant"].is_null();
        bob.signal.event_where("the seat is empty", empty).await.unwrap();
        sources.push(source + 1);
    }
    let ssrc = agreed[0].video_ssrc.unwrap();
    assert_runs_on(&bob, ssrc);
    let record = bob.endpoint.record();
    assert_eq!(record.stream(ssrc).unwrap().sources(), sources);
    assert!(record.stream(agreed[0].audio_ssrc).unwrap().missing.is_empty());
    assert_eq!(record.streams().count(), 2, "nothing came on any other SSRC");
}

#[tokio::test]
async fn too_few_seats_are_told_and_more_can_be_offered_meanwhile() {
    let stage = Stage::set().await;
    let mut bob = stage.listener("bob", 1).await;
    let _ann = stage.speaker("ann", 10, 0).await;
    let first = bob.seated("ann", &["audio", "video"]).await.unwrap();
    frames(&bob, first.video_ssrc.unwrap(), 11, 5).await;
    let _carol = stage.speaker("carol", 20, 0).await;
    let wanted = |event: &serde_json::Value| event["type"] == "seats.wanted" && event["count"] == 2;
    bob.signal.event_where("two seats are wanted", wanted).await.unwrap();

    bob.endpoint.add_seats(1).unwrap();
    bob.offer(false).await.unwrap();
    let seats = bob.seats().unwrap();
    assert_eq!(
        (seats.len(), &seats[0]),
        (2, &first),
        "the first seat stays what it was"
    );
    let second = bob.seated("carol", &["audio", "video"]).await.unwrap();
    frames(&bob, second.video_ssrc.unwrap(), 21, 5).await;
    frames(&bob, first.video_ssrc.unwrap(), 11, 20).await;
    assert_runs_on(&bob, first.video_ssrc.unwrap());
    let pause = bob.endpoint.record().stream(first.audio_ssrc).unwrap().longest_pause;
    assert!(pause.as_millis() < 500, "the first voice paused for {pause:?}");
}

#[tokio::test]
async fn screen_and_camera_of_one_person_take_two_seats() {
    let stage = Stage::set().await;
    let mut bob = stage.listener("bob", 2).await;
    let mut ann = stage.speaker("ann", 10, 0).await;
    let camera = bob.seated("ann", &["audio", "video"]).await.unwrap();
    let screen = ann.person.send("screen", testkit::Codec::Vp8, &[], 30).unwrap();
    ann.person.offer(false).await.unwrap();
    let _playing = ann.person.endpoint.play(&screen, &[testkit::Shape::CAMERA]);
    let publication = ann.person.publication_of(&screen).unwrap();
    let event = bob
        .signal
        .event_where("the screen has a seat", |event| {
            event["type"] == "seats"
                && event["seats"]
                    .as_array()
                    .is_some_and(|seats| seats.iter().any(|seat| seat["video"] == publication))
        })
        .await
        .unwrap();
    let number = event["seats"]
        .as_array()
        .unwrap()
        .iter()
        .find(|seat| seat["video"] == publication)
        .unwrap()["seat"]
        .as_u64()
        .unwrap();
    assert_ne!(number, camera.seat);
    let seat = bob
        .seats()
        .unwrap()
        .into_iter()
        .find(|seat| seat.seat == number)
        .unwrap();
    frames(&bob, seat.video_ssrc.unwrap(), 30, 5).await;
    assert_runs_on(&bob, camera.video_ssrc.unwrap());
}
