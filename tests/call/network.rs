//! Paths that carry less than everything: sound goes on, pictures step down and up again, and nobody else suffers.

use std::time::Duration;

use emulator::LinkConfig;
use serde_json::{Value, json};
use testkit::endpoint::Options;
use testkit::{Codec, Participant, Shape, eventually};

use super::stage::{Speaker, Stage, frames, packets};

const RIDS: [&str; 3] = ["q", "h", "f"];

/// Some 130 kb/s, 430 kb/s and 1.3 Mb/s.
const SHAPES: [Shape; 3] = [
    Shape {
        delta_packets: 1,
        key_packets: 4,
        packet_len: 600,
        ..Shape::CAMERA
    },
    Shape {
        delta_packets: 2,
        key_packets: 8,
        packet_len: 1_040,
        ..Shape::CAMERA
    },
    Shape {
        delta_packets: 6,
        key_packets: 20,
        packet_len: 1_050,
        ..Shape::CAMERA
    },
];

/// 20 ms away, with the queue of RFC 8867.
fn path(rate_bps: u64) -> LinkConfig {
    LinkConfig {
        delay: Duration::from_millis(20),
        rate_bps: Some(rate_bps),
        ..LinkConfig::default()
    }
}

/// Somebody who listens to one seat over a path.
async fn listener(stage: &Stage, id: &str, path: Option<LinkConfig>) -> Participant {
    let mut person = stage.join_with(id, json!({}), Options::default()).await;
    if let Some(path) = path {
        person.endpoint.limit_inbound(path, 7);
    }
    person.endpoint.add_seats(1).unwrap();
    person.negotiate().await.unwrap();
    person
}

async fn camera_of_three(stage: &Stage) -> Speaker {
    let mut ann = stage.speaker_with("ann", 10, 0, Codec::Vp8, &RIDS).await;
    ann.players.truncate(1);
    ann.players.push(ann.person.endpoint.play(&ann.camera, &SHAPES));
    ann
}

/// The layer of the last whole pictures, if they are all of one.
fn layer(person: &Participant, ssrc: u32) -> Option<u8> {
    let record = person.endpoint.record();
    let frames = record.stream(ssrc)?.whole_frames();
    let last = &frames[frames.len().checked_sub(5)?..];
    let layer = last.first()?.stamp.layer;
    last.iter().all(|frame| frame.stamp.layer == layer).then_some(layer)
}

/// Waits longer than for what has no reason to take time: paths are probed, and what failed is tried again later.
async fn layer_comes(person: &mut Participant, ssrc: u32, wanted: u8) {
    for _ in 0..5 {
        let shown = eventually("the layer", || (layer(person, ssrc)? == wanted).then_some(()));
        if shown.await.is_ok() {
            return;
        }
    }
    let told = stats(person).await;
    panic!(
        "{} sees layer {:?}, not {wanted}; {told}",
        person.id,
        layer(person, ssrc)
    );
}

/// Waits until the estimate has found what the path carries. Before, the best layer may come and go again while its own rate
/// is still being learnt.
async fn path_is_known(person: &mut Participant, bps: u64) {
    let mut told = Value::Null;
    for _ in 0..50 {
        told = stats(person).await;
        if told["down"]["estimateBps"].as_u64() > Some(bps) {
            return;
        }
        packets_more(person).await;
    }
    panic!("{} is never told of {bps} b/s; {told}", person.id);
}

/// Waits until some more comes in.
async fn packets_more(person: &Participant) {
    let count = || -> u64 {
        let record = person.endpoint.record();
        record.streams().map(|(_, note)| note.packets).sum()
    };
    let before = count();
    eventually("a few packets more", || (count() > before + 40).then_some(()))
        .await
        .unwrap();
}

async fn stats(person: &mut Participant) -> Value {
    person.signal.request("stats", json!({})).await.unwrap()
}

#[tokio::test]
async fn a_path_that_narrows_costs_pictures_and_not_sound_and_nobody_else_anything() {
    let stage = Stage::set().await;
    let ann = camera_of_three(&stage).await;
    let mut bob = listener(&stage, "bob", Some(path(3_000_000))).await;
    let mut cat = listener(&stage, "cat", None).await;
    let bobs = bob.seated("ann", &["audio", "video"]).await.unwrap();
    let cats = cat.seated("ann", &["audio", "video"]).await.unwrap();
    let (picture, sound) = (bobs.video_ssrc.unwrap(), bobs.audio_ssrc);
    path_is_known(&mut bob, 1_400_000).await;
    path_is_known(&mut cat, 1_400_000).await;
    layer_comes(&mut bob, picture, 2).await;
    layer_comes(&mut cat, cats.video_ssrc.unwrap(), 2).await;
    cat.endpoint.record().forget();
    bob.endpoint.record().forget();

    bob.endpoint.limit_inbound(path(300_000), 7);
    layer_comes(&mut bob, picture, 0).await;
    let told = stats(&mut bob).await;
    assert_eq!(told["subscriptions"][0]["reason"], "budget", "{told}");
    assert_eq!(told["subscriptions"][0]["encoding"], 0, "{told}");
    assert!(told["down"]["estimateBps"].as_u64().unwrap() < 600_000, "{told}");
    let event = bob.signal.event("subscription").await.unwrap();
    assert_eq!(event["reason"], "budget", "{event}");
    packets(&bob, sound, 250).await;
    {
        let record = bob.endpoint.record();
        let heard = record.stream(sound).unwrap();
        let (first, last) = heard.range.unwrap();
        let lost = heard.missing.len() as f64 / (last - first) as f64;
        assert!(lost < 0.12, "{lost} of the sound was lost");
        assert!(
            heard.longest_pause < Duration::from_secs(1),
            "{:?}",
            heard.longest_pause
        );
    }

    bob.endpoint.limit_inbound(path(3_000_000), 7);
    layer_comes(&mut bob, picture, 2).await;
    let event = bob
        .signal
        .event_where("subscription", |event| {
            event["type"] == "subscription" && event.get("reason").is_none()
        })
        .await;
    let event = event.unwrap();
    assert_eq!(event["state"], "active", "{event}");
    let record = cat.endpoint.record();
    let stream = record.stream(cats.video_ssrc.unwrap()).unwrap();
    assert!(stream.missing.is_empty(), "{:?}", stream.missing);
    let frames = stream.whole_frames();
    let layers: Vec<u8> = frames.iter().map(|frame| frame.stamp.layer).collect();
    assert!(
        layers.iter().all(|layer| *layer == 2),
        "somebody else's path is none of Cat's business: {layers:?}"
    );
    drop(ann);
}

/// Two seconds in which nothing reaches the listener.
#[tokio::test]
async fn after_an_outage_a_picture_begins_anew_although_nobody_asks_for_a_keyframe() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    let mut bob = listener(&stage, "bob", Some(path(3_000_000))).await;
    let ssrc = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    frames(&bob, ssrc, 11, 20).await;

    bob.endpoint.limit_inbound(path(3_000_000).out(), 7);
    let voice = &ann.players[0];
    let until = voice.sent() + 100;
    let out = eventually("two seconds of sound are sent", || {
        (voice.sent() >= until).then_some(())
    });
    out.await.unwrap();
    bob.endpoint.record().forget();
    bob.endpoint.limit_inbound(path(3_000_000), 7);
    frames(&bob, ssrc, 11, 30).await;

    let record = bob.endpoint.record();
    let frames = record.stream(ssrc).unwrap().whole_frames();
    let key = frames.iter().rposition(|frame| frame.keyframe).unwrap();
    assert!(
        key <= 10,
        "what was on its way before the outage, or left before feedback came, and no more: {key} of them"
    );
    let after = frames[key..].iter().map(|frame| frame.stamp.frame);
    let numbers: Vec<_> = after.collect();
    assert!(numbers.is_sorted_by(|one, next| one + 1 == *next), "{numbers:?}");
}
