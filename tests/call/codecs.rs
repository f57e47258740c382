//! Every video codec is forwarded, and a viewer who comes later gets a picture to begin with.

use testkit::Codec;

use super::stage::{Stage, assert_runs_on, frames};

async fn forwarded(codec: Codec, name: &str) {
    let stage = Stage::set().await;
    let mut early = stage.listener("early", 1).await;
    let ann = stage.speaker_with("ann", 10, 0, codec, &[]).await;
    let updated =
        |event: &serde_json::Value| event["type"] == "publication.updated" && event["publication"]["codec"] == name;
    early.signal.event_where("the codec is known", updated).await.unwrap();
    let seat = early.seated("ann", &["video"]).await.unwrap();
    frames(&early, seat.video_ssrc.unwrap(), 11, 20).await;
    let mut late = stage.listener("late", 1).await;
    let later = late.seated("ann", &["video"]).await.unwrap();
    frames(&late, later.video_ssrc.unwrap(), 11, 10).await;
    for (person, ssrc) in [(&early, seat.video_ssrc.unwrap()), (&late, later.video_ssrc.unwrap())] {
        assert_runs_on(person, ssrc);
        let record = person.endpoint.record();
        let first = record.stream(ssrc).unwrap().ordered()[0];
        assert!(first.seen.keyframe, "{first:?}");
    }
    drop(ann);
}

#[tokio::test]
async fn vp9_is_forwarded() {
    forwarded(Codec::Vp9, "vp9").await;
}

#[tokio::test]
async fn h264_is_forwarded() {
    forwarded(Codec::H264, "h264").await;
}

#[tokio::test]
async fn av1_is_forwarded() {
    forwarded(Codec::Av1, "av1").await;
}
