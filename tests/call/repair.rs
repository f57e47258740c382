//! Losses are repaired on both sides, and reports keep lips in sync.

use std::time::Duration;

use testkit::eventually;

use super::stage::{Stage, frames, packets};

/// Lets every `nth` packet of an SSRC be lost.
fn lossy(ssrc: u32, nth: u32) -> testkit::endpoint::Gate {
    let ssrc = ssrc.to_be_bytes();
    let mut count = 0;
    Box::new(move |datagram| {
        let hit = datagram.len() > 12 && datagram[0] >> 6 == 2 && datagram[8..12] == ssrc;
        count += u32::from(hit);
        !hit || count % nth != nth - 1
    })
}

#[tokio::test]
async fn what_a_subscriber_lost_is_sent_again_as_rtx() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let ssrc = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    bob.endpoint.gate_inbound(Some(lossy(ssrc, 12)));
    eventually("losses and repairs", || {
        let record = bob.endpoint.record();
        let stream = record.stream(ssrc)?;
        (stream.retransmissions >= 8 && stream.whole_frames().len() > 60).then_some(())
    })
    .await
    .unwrap();
    // The last losses may not be repaired yet; everything a second old is.
    let record = bob.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    let young = stream.log.last().unwrap().at - Duration::from_millis(500);
    let settled = stream
        .log
        .iter()
        .filter(|note| note.at < young)
        .map(|note| note.sequence)
        .max()
        .unwrap();
    let lost: Vec<_> = stream.missing.iter().filter(|sequence| **sequence < settled).collect();
    assert!(lost.is_empty(), "never repaired: {lost:?}");
    let repaired = stream.log.iter().find(|note| note.retransmitted).unwrap();
    let usual = stream.log.iter().find(|note| !note.retransmitted).unwrap();
    assert_ne!(
        repaired.payload_type, usual.payload_type,
        "a repair has its own payload type"
    );
    drop(record);
    assert!(
        ann.person.endpoint.record().keyframe_requests(ann.camera.ssrcs[0]) <= 2,
        "losses were repaired, so nobody needed a keyframe"
    );
}

#[tokio::test]
async fn what_the_server_lost_is_asked_for_again() {
    let stage = Stage::set().await;
    let ann = stage.speaker("ann", 10, 0).await;
    ann.person.endpoint.gate_outbound(Some(lossy(ann.camera.ssrcs[0], 12)));
    let mut bob = stage.listener("bob", 1).await;
    let ssrc = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    frames(&bob, ssrc, 11, 60).await;
    let record = bob.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    let whole = stream.whole_frames();
    let (first, last) = (whole[0].stamp.frame, whole[whole.len() - 1].stamp.frame);
    // A frame in twelve packets: without repair a sixth of the pictures would have a hole.
    let share = whole.len() as f64 / f64::from(last - first + 1);
    assert!(share > 0.95, "only {share} of the pictures are whole");
}

#[tokio::test]
async fn sender_reports_put_sound_and_picture_on_one_clock() {
    let stage = Stage::set().await;
    let _ann = stage.speaker("ann", 10, 0).await;
    let mut bob = stage.listener("bob", 1).await;
    let seat = bob.seated("ann", &["audio", "video"]).await.unwrap();
    let video = seat.video_ssrc.unwrap();
    packets(&bob, seat.audio_ssrc, 20).await;
    eventually("three reports on each stream", || {
        let record = bob.endpoint.record();
        let enough = [seat.audio_ssrc, video].iter().all(|ssrc| {
            record
                .stream(*ssrc)
                .is_some_and(|stream| stream.sender_reports.len() >= 3)
        });
        enough.then_some(())
    })
    .await
    .unwrap();
    let record = bob.endpoint.record();
    // When, on the reports' clock, each packet was captured; against when it came.
    let offset = |ssrc: u32, clock_rate: f64| {
        let stream = record.stream(ssrc).unwrap();
        let &(ntp, timestamp) = stream.sender_reports.last().unwrap();
        let last = stream.log.last().unwrap();
        let since = f64::from(last.timestamp.wrapping_sub(timestamp) as i32) / clock_rate;
        (ntp as f64 / 4_294_967_296.0 + since, last.at)
    };
    let ((sound, heard), (picture, seen)) = (offset(seat.audio_ssrc, 48_000.0), offset(video, 90_000.0));
    let arrival = if heard > seen {
        heard.duration_since(seen).as_secs_f64()
    } else {
        -seen.duration_since(heard).as_secs_f64()
    };
    let skew = (sound - picture) - arrival;
    assert!(skew.abs() < 0.08, "sound and picture are {skew} s apart");
}
