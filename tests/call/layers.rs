//! Simulcast: the wish of the subscriber chooses the encoding, and the stream runs on.

use serde_json::json;
use testkit::{Codec, Participant, Shape, eventually};

use super::stage::{Stage, assert_runs_on};

const RIDS: [&str; 3] = ["q", "h", "f"];

async fn layer_shown(person: &Participant, ssrc: u32, layer: u8) {
    let shown = eventually(format!("layer {layer}"), || {
        let record = person.endpoint.record();
        let frames = record.stream(ssrc)?.whole_frames();
        let last = frames.len().checked_sub(3)?;
        frames[last..]
            .iter()
            .all(|frame| frame.stamp.layer == layer)
            .then_some(())
    });
    if let Err(error) = shown.await {
        let record = person.endpoint.record();
        let layers: Vec<u8> = record
            .stream(ssrc)
            .map(|stream| stream.whole_frames().iter().map(|frame| frame.stamp.layer).collect())
            .unwrap_or_default();
        panic!("{error}; shown {layers:?}");
    }
}

async fn switches(codec: Codec) {
    let stage = Stage::set().await;
    let mut ann = stage.speaker_with("ann", 10, 0, codec, &RIDS).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["video"]).await.unwrap();
    let ssrc = seat.video_ssrc.unwrap();
    let camera = ann.person.publication_of(&ann.camera).unwrap();
    layer_shown(&bob, ssrc, 2).await;
    for (quality, layer) in [("low", 0), ("high", 2), ("medium", 1), ("low", 0), ("high", 2)] {
        bob.subscribe(camera, json!({"quality": quality})).await.unwrap();
        layer_shown(&bob, ssrc, layer).await;
    }
    assert_runs_on(&bob, ssrc);
    // Time runs with the pictures: none of the switches jumps.
    let frames = bob.endpoint.record().stream(ssrc).unwrap().whole_frames();
    let (first, last) = (frames[0], frames[frames.len() - 1]);
    let ticks = f64::from(last.timestamp.wrapping_sub(first.timestamp)) / 90_000.0;
    let real = last.at.duration_since(first.at).as_secs_f64();
    assert!((ticks - real).abs() < 0.3, "{ticks} s of timestamps in {real} s");

    let unknown = bob.subscribe(4_711, json!({})).await.unwrap_err();
    assert_eq!(
        unknown.downcast_ref::<testkit::ProtocolError>().unwrap().code,
        "no-such-publication"
    );
    ann.players.clear();
    ann.person.signal.request("leave", json!({})).await.unwrap();
}

#[tokio::test]
async fn vp8_switches_layers_and_runs_on() {
    switches(Codec::Vp8).await;
}

#[tokio::test]
async fn h264_switches_layers_and_runs_on() {
    switches(Codec::H264).await;
}

#[tokio::test]
async fn two_viewers_get_what_each_wants() {
    let stage = Stage::set().await;
    let ann = stage.speaker_with("ann", 10, 0, Codec::Vp8, &RIDS).await;
    let camera = ann.person.publication_of(&ann.camera).unwrap();
    let mut viewers = Vec::new();
    for (name, quality, layer) in [("low", "low", 0), ("high", "high", 2)] {
        let mut viewer = stage.listener(name, 1).await;
        let seat = viewer.seated("ann", &["video"]).await.unwrap();
        viewer.subscribe(camera, json!({"quality": quality})).await.unwrap();
        viewers.push((viewer, seat.video_ssrc.unwrap(), layer));
    }
    for (viewer, ssrc, layer) in &viewers {
        layer_shown(viewer, *ssrc, *layer).await;
        assert_runs_on(viewer, *ssrc);
    }
}

#[tokio::test]
async fn the_upper_temporal_layer_can_be_left_out() {
    let stage = Stage::set().await;
    let mut ann = stage.join("ann").await;
    let camera = ann.send("camera", Codec::Vp8, &[], 11).unwrap();
    ann.negotiate().await.unwrap();
    let shape = Shape {
        two_temporal_layers: true,
        ..Shape::CAMERA
    };
    let _playing = ann.endpoint.play(&camera, &[shape]);
    let publication = ann.publication_of(&camera).unwrap();
    let mut bob = stage.listener("bob", 1).await;
    let ssrc = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    let temporal_layers = |bob: &Participant, wanted: [bool; 2]| {
        let record = bob.endpoint.record();
        let frames = record.stream(ssrc)?.whole_frames();
        let last = &frames[frames.len().checked_sub(8)?..];
        let found = [0, 1].map(|layer| last.iter().any(|frame| frame.temporal == Some(layer)));
        (found == wanted).then_some(())
    };
    eventually("both layers", || temporal_layers(&bob, [true, true]))
        .await
        .unwrap();
    bob.subscribe(publication, json!({"maxTemporal": 0})).await.unwrap();
    eventually("the base layer alone", || temporal_layers(&bob, [true, false]))
        .await
        .unwrap();
    bob.subscribe(publication, json!({})).await.unwrap();
    eventually("both layers again", || temporal_layers(&bob, [true, true]))
        .await
        .unwrap();
    assert_runs_on(&bob, ssrc);
}

#[tokio::test]
async fn a_paused_subscription_rests() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    let camera = ann.person.publication_of(&ann.camera).unwrap();
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    let ssrc = seat.video_ssrc.unwrap();
    super::stage::frames(&bob, ssrc, 11, 3).await;
    bob.subscribe(camera, json!({"paused": true})).await.unwrap();
    super::stage::packets(&bob, seat.audio_ssrc, 20).await;
    bob.endpoint.record().forget();
    super::stage::packets(&bob, seat.audio_ssrc, 30).await;
    assert_eq!(bob.endpoint.record().stream(ssrc).unwrap().packets, 0);
    bob.subscribe(camera, json!({"paused": false})).await.unwrap();
    super::stage::frames(&bob, ssrc, 11, 3).await;
    let record = bob.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    assert!(stream.missing.is_empty() && stream.whole_frames()[0].keyframe);
}
