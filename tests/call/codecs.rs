//! Every video codec is forwarded, and a viewer who comes later gets a picture to begin with.

use serde_json::{Value, json};
use testkit::endpoint::Options;
use testkit::{Codec, Participant, ProtocolError, Shape};

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

/// Somebody without H264, in a room with one seat.
async fn without_h264(stage: &Stage, id: &str) -> Participant {
    let options = Options {
        lacks: Some(Codec::H264),
        ..Options::default()
    };
    let mut person = stage.join_with(id, json!({}), options).await;
    person.endpoint.add_seats(1).unwrap();
    person.negotiate().await.unwrap();
    person
}

async fn subscription(person: &mut Participant, state: &str) {
    let is = |event: &Value| event["type"] == "subscription" && event["state"] == state;
    person.signal.event_where(state, is).await.unwrap();
}

async fn asked(publisher: &mut Participant, wanted: bool) -> Value {
    let is = |event: &Value| event["type"] == "publication.backup" && event["wanted"] == wanted;
    publisher.signal.event_where("a backup", is).await.unwrap()
}

#[tokio::test]
async fn who_cannot_decode_gets_a_backup_while_it_is_sent_and_others_stay_as_they_are() {
    const RIDS: [&str; 3] = ["q", "h", "f"];
    let stage = Stage::set().await;
    let mut ann = stage.join("ann").await;
    let sending = ann.send("camera", Codec::H264, &RIDS, 11).unwrap();
    ann.endpoint
        .offer_codecs(&sending, &[Codec::H264, Codec::Vp8, Codec::Av1])
        .unwrap();
    ann.negotiate().await.unwrap();
    let mut players = vec![ann.endpoint.play(&sending, &[Shape::CAMERA; 3])];
    let camera = ann.publication_of(&sending).unwrap();
    let mut bob = stage.listener("bob", 1).await;
    let bobs = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    frames(&bob, bobs, 11, 10).await;

    let mut cat = without_h264(&stage, "cat").await;
    subscription(&mut cat, "codec-not-supported").await;
    let wanted = asked(&mut ann, true).await;
    assert_eq!(
        (&wanted["publication"], &wanted["codec"]),
        (&json!(camera), &json!("h264"))
    );
    assert_eq!((&wanted["codecs"][0], &wanted["for"]), (&json!("vp8"), &json!(["cat"])));

    let backup = ann.endpoint.add_sending(Codec::Vp8, &RIDS, 12).unwrap();
    ann.offer(false).await.unwrap();
    let mid = ann.endpoint.mid_of(&backup).unwrap();
    let publish = json!({"mid": mid, "source": "camera", "backupOf": camera});
    let answer = ann.signal.request("publish", publish).await.unwrap();
    players.push(ann.endpoint.play(&backup, &[Shape::CAMERA; 3]));
    subscription(&mut cat, "active").await;
    let seat = cat.seated("ann", &["video"]).await.unwrap();
    let cats = seat.video_ssrc.unwrap();
    frames(&cat, cats, 12, 20).await;
    assert_runs_on(&cat, cats);
    assert_runs_on(&bob, bobs);
    frames(&bob, bobs, 11, 40).await;

    // The one publication there is, with what is wished of it, is Cat's as well.
    cat.subscribe(camera, json!({"quality": "low"})).await.unwrap();
    let low = testkit::eventually("the lowest encoding", || {
        let record = cat.endpoint.record();
        let last = record.stream(cats)?.whole_frames().last().copied()?;
        (last.stamp.layer == 0 && last.stamp.source == 12).then_some(())
    });
    low.await.unwrap();

    // It goes, and Cat is told.
    let unpublish = json!({"publication": answer["publication"]});
    ann.signal.request("unpublish", unpublish).await.unwrap();
    subscription(&mut cat, "codec-not-supported").await;
    asked(&mut ann, true).await;
    frames(&bob, bobs, 11, 60).await;
    assert_runs_on(&bob, bobs);
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused_and_the_rest_goes_on() {
    let stage = Stage::set_with(&[("ENFILADE_MEDIA__CODECS", "[\"vp8\"]")]).await;
    let ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    bob.seated("ann", &["video"]).await.unwrap();
    bob.send("camera", Codec::H264, &[], 20).unwrap();
    let refused = bob.offer(false).await.unwrap_err();
    assert_eq!(refused.downcast_ref::<ProtocolError>().unwrap().code, "sdp-unsupported");
    // What was agreed before stands.
    let ssrc = bob.seats().unwrap()[0].video_ssrc.unwrap();
    bob.endpoint.record().forget();
    frames(&bob, ssrc, 11, 10).await;
    drop(ann);
}
