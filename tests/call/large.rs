//! Large rooms: only the loudest are heard, only some are seen, and what nobody receives need not be sent.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::endpoint::{Options, Player};
use testkit::{Codec, Participant, Shape, eventually};

use super::stage::{Stage, assert_runs_on, frames, packets};

/// With the two who listen more than the twenty a room may have until it is large.
const SPEAKERS: u32 = 24;
const SILENCE: u8 = 127;

/// Somebody with a microphone and the number of its publication.
struct Speaker {
    person: Participant,
    player: Player,
    publication: u64,
    number: u32,
}

/// A room over two shards, in which everybody is silent, and two who listen to all, one on each shard.
async fn parliament() -> (Stage, Vec<Speaker>, [Participant; 2]) {
    let settings = [("ENFILADE_MEDIA__SHARDS", "2"), ("ENFILADE_MEDIA__ROOM_SPREAD", "13")];
    let stage = Stage::set_with(&settings).await;
    let first = listener(&stage, "first").await;
    let mut speakers = Vec::new();
    for number in 0..SPEAKERS {
        let name = format!("speaker-{number}");
        let mut person = stage
            .join_with(&name, json!({"autoSubscribe": false}), Options::default())
            .await;
        let voice = person.send("microphone", Codec::Opus, &[], 100 + number).unwrap();
        person.negotiate().await.unwrap();
        let player = person.endpoint.play(&voice, &[Shape::SPEECH]);
        player.set_level(SILENCE);
        let publication = person.publication_of(&voice).unwrap();
        speakers.push(Speaker {
            person,
            player,
            publication,
            number: 100 + number,
        });
    }
    let second = listener(&stage, "second").await;
    (stage, speakers, [first, second])
}

async fn listener(stage: &Stage, name: &str) -> Participant {
    let mut person = stage.join(name).await;
    person.endpoint.add_seats(SPEAKERS as usize).unwrap();
    person.negotiate().await.unwrap();
    person
}

/// Whose packets came since the record was cleared.
fn heard(listener: &Participant) -> BTreeSet<u32> {
    let record = listener.endpoint.record();
    record.streams().flat_map(|(_, stream)| stream.sources()).collect()
}

/// Waits until exactly these are heard, and nobody else for a while.
async fn hears(listener: &Participant, wanted: &[u32]) {
    let wanted: BTreeSet<u32> = wanted.iter().copied().collect();
    let what = format!("{} hears {wanted:?}", listener.id);
    // What was on its way is forgotten first; then each has to come thirty times, as long as anybody else takes.
    let only = eventually(what, || {
        let mut record = listener.endpoint.record();
        let streams: Vec<(u64, Vec<u32>)> = record.streams().map(|(_, s)| (s.packets, s.sources())).collect();
        let others = streams
            .iter()
            .flat_map(|(_, sources)| sources)
            .any(|source| !wanted.contains(source));
        if others {
            record.forget();
            return None;
        }
        let often = streams.iter().filter(|(packets, _)| *packets >= 30).count();
        (often == wanted.len()).then_some(())
    });
    if let Err(error) = only.await {
        panic!("{error}; heard {:?}", heard(listener));
    }
}

/// Waits until nothing comes while the player sends half a second of it.
async fn hears_nothing(listener: &Participant, player: &Player) {
    let mut since = None;
    let what = format!("{} hears nothing", listener.id);
    let silence = eventually(what, || {
        let mut record = listener.endpoint.record();
        if record.streams().next().is_some() || since.is_none() {
            record.forget();
            since = Some(player.sent());
        }
        since.filter(|since| player.sent() >= since + 25).map(drop)
    });
    silence.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_large_room_the_loudest_are_heard_from_their_first_word_on() {
    let (stage, mut speakers, listeners) = parliament().await;
    for listener in &listeners {
        hears_nothing(listener, &speakers[0].player).await;
    }
    let dropped = || async {
        let metrics = stage.server.metrics().await.unwrap();
        metrics.sum("enfilade_packets_dropped_total", "not_loudest")
    };
    let before = dropped().await;

    // Three speak, one after the other: each first word passes.
    let mut spoken = Vec::new();
    for at in [2, 9, 17] {
        let first_word = speakers[at].player.sent();
        speakers[at].player.set_level(30);
        let number = speakers[at].number;
        spoken.push(number);
        for listener in &listeners {
            let what = format!("the first word of {number}");
            let first = eventually(what, || {
                let record = listener.endpoint.record();
                let notes = record.streams().flat_map(|(_, stream)| stream.ordered());
                let frames = notes
                    .filter_map(|note| note.stamp)
                    .filter(|stamp| stamp.source == number);
                frames.map(|stamp| u64::from(stamp.frame)).min()
            });
            let first = first.await.unwrap();
            assert!(
                first.abs_diff(first_word) <= 1,
                "{first_word} was said, {first} was heard"
            );
        }
    }
    for listener in &listeners {
        hears(listener, &spoken).await;
    }

    // Eight speak: five are heard, wherever they are.
    for speaker in speakers.iter().filter(|speaker| speaker.number % 3 == 0) {
        speaker.player.set_level(30);
    }
    for listener in &listeners {
        hears_something(listener, 50).await;
        listener.endpoint.record().forget();
    }
    for listener in &listeners {
        hears_something(listener, 50).await;
        let heard = heard(listener);
        assert!((4..=5).contains(&heard.len()), "{heard:?}");
    }

    // All are silent again.
    speakers.iter().for_each(|speaker| speaker.player.set_level(SILENCE));
    for listener in &listeners {
        hears_nothing(listener, &speakers[0].player).await;
    }
    speakers[2].player.set_level(30);
    for listener in &listeners {
        hears(listener, &[spoken[0]]).await;
    }
    assert!(dropped().await > before + 1_000.0);

    // Who is pinned is heard by who pinned it, silent or not.
    let [mut first, second] = listeners;
    let wanted = speakers[5].publication;
    first.subscribe(wanted, json!({"priority": "pinned"})).await.unwrap();
    hears(&first, &[spoken[0], speakers[5].number]).await;
    second.endpoint.record().forget();
    hears(&second, &[spoken[0]]).await;

    // When enough have gone, everybody is heard.
    for speaker in &mut speakers[13..] {
        speaker.person.signal.request("leave", json!({})).await.unwrap();
    }
    let everybody: Vec<u32> = speakers[..13].iter().map(|speaker| speaker.number).collect();
    hears(&second, &everybody).await;
}

/// Waits until so many packets came on any SSRC since the record was cleared.
async fn hears_something(listener: &Participant, count: u64) {
    let what = format!("{} hears something", listener.id);
    let heard = eventually(what, || {
        let record = listener.endpoint.record();
        record
            .streams()
            .any(|(_, stream)| stream.packets >= count)
            .then_some(())
    });
    heard.await.unwrap();
}

/// Waits until the player has sent so many packets.
async fn sends(player: &Player, count: u64) {
    let before = player.sent();
    let sent = eventually("some packets are sent", || {
        (player.sent() >= before + count).then_some(())
    });
    sent.await.unwrap();
}

#[tokio::test]
async fn who_pauses_and_speaks_again_has_lost_no_number_and_no_time() {
    let settings = [("ENFILADE_ROOM__LOUDEST_ABOVE", "0"), ("ENFILADE_ROOM__LOUDEST", "1")];
    let stage = Stage::set_with(&settings).await;
    let mut ann = stage.join("ann").await;
    let voice = ann.send("microphone", Codec::Opus, &[], 10).unwrap();
    ann.negotiate().await.unwrap();
    let mut bob = stage.listener("bob", 1).await;
    let player = ann.endpoint.play(&voice, &[Shape::SPEECH]);
    let ssrc = bob.seated("ann", &["audio"]).await.unwrap().audio_ssrc;
    packets(&bob, ssrc, 20).await;
    for _ in 0..2 {
        player.set_level(SILENCE);
        // A pause that is longer than one between words.
        sends(&player, 150).await;
        let before = bob.endpoint.record().stream(ssrc).unwrap().packets;
        player.set_level(30);
        packets(&bob, ssrc, before + 20).await;
    }
    let record = bob.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    assert!(stream.missing.is_empty(), "{:?}", stream.missing);
    assert_eq!((stream.duplicates, stream.retransmissions), (0, 0));
    let notes = stream.ordered();
    let mut pauses = 0;
    for pair in notes.windows(2) {
        let [before, after] = [pair[0], pair[1]].map(|note| note.stamp.unwrap().frame);
        pauses += u32::from(after - before > 10);
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert_eq!(step, (after - before) * 960, "frame {before}, then {after}");
    }
    assert_eq!(pauses, 2);
}

/// Waits until the publisher is told that this is wanted of a publication.
async fn wanted(publisher: &mut Participant, publication: u64, encodings: Value) {
    let is_it = |event: &Value| {
        event["type"] == "publication.wanted" && event["publication"] == publication && event["encodings"] == encodings
    };
    let what = format!("{encodings} of {publication} are wanted");
    publisher.signal.event_where(&what, is_it).await.unwrap();
}

#[tokio::test]
async fn a_publisher_is_told_what_nobody_watches_on_any_shard() {
    let settings = [
        ("ENFILADE_MEDIA__SHARDS", "2"),
        ("ENFILADE_MEDIA__ROOM_SPREAD", "1"),
        ("ENFILADE_ROOM__DYNACAST_DELAY", "500ms"),
    ];
    let stage = Stage::set_with(&settings).await;
    let mut ann = stage.speaker_with("ann", 10, 0, Codec::Vp8, &["q", "h", "f"]).await;
    let camera = ann.person.publication_of(&ann.camera).unwrap();
    let voice = ann.person.publication_of(&ann.voice).unwrap();
    let ann = &mut ann.person;
    wanted(ann, camera, json!([false, false, false])).await;
    wanted(ann, voice, json!([false])).await;

    let mut bob = stage.listener("bob", 1).await;
    wanted(ann, voice, json!([true])).await;
    wanted(ann, camera, json!([true, true, true])).await;
    let ssrc = bob.seated("ann", &["video"]).await.unwrap().video_ssrc.unwrap();
    frames(&bob, ssrc, 11, 5).await;
    wanted(ann, camera, json!([true, false, true])).await;
    bob.subscribe(camera, json!({"quality": "low"})).await.unwrap();
    wanted(ann, camera, json!([true, false, false])).await;
    let mut cat = stage.listener("cat", 1).await;
    wanted(ann, camera, json!([true, true, true])).await;
    cat.signal.request("leave", json!({})).await.unwrap();
    wanted(ann, camera, json!([true, false, false])).await;
    bob.subscribe(camera, json!({"paused": true})).await.unwrap();
    wanted(ann, camera, json!([false, false, false])).await;
    bob.subscribe(camera, json!({})).await.unwrap();
    wanted(ann, camera, json!([true, true, true])).await;
    assert_runs_on(&bob, ssrc);
}

#[tokio::test]
async fn last_n_pictures_flow_and_every_voice() {
    let stage = Stage::set().await;
    let mut people = Vec::new();
    for (name, source) in [("ann", 10), ("ben", 20), ("cat", 30)] {
        let speaker = stage.speaker(name, source, 0).await;
        speaker.players[0].set_level(SILENCE);
        people.push(speaker);
    }
    let mut viewer = stage.listener("viewer", 3).await;
    let mut seats = Vec::new();
    for name in ["ann", "ben", "cat"] {
        seats.push(viewer.seated(name, &["audio", "video"]).await.unwrap());
    }
    for (seat, source) in seats.iter().zip([11, 21, 31]) {
        frames(&viewer, seat.video_ssrc.unwrap(), source, 3).await;
    }
    viewer.signal.request("view", json!({"lastN": 1})).await.unwrap();
    people[2].players[0].set_level(30);
    let flowing = |viewer: &Participant, count: u64| {
        let record = viewer.endpoint.record();
        let flows = |ssrc: u32| record.stream(ssrc).is_some_and(|stream| stream.packets >= count);
        seats
            .iter()
            .map(|seat| flows(seat.video_ssrc.unwrap()))
            .collect::<Vec<_>>()
    };
    let shown = eventually("the picture of who speaks, and no other", || {
        let flows = flowing(&viewer, 10);
        let alone = flows == [false, false, true] && flowing(&viewer, 1) == flows;
        if !alone && flows.iter().any(|flows| *flows) {
            viewer.endpoint.record().forget();
        }
        alone.then_some(())
    });
    shown.await.unwrap();
    viewer.endpoint.record().forget();
    for seat in &seats {
        packets(&viewer, seat.audio_ssrc, 20).await;
    }
    viewer.signal.request("view", json!({"lastN": null})).await.unwrap();
    for (seat, source) in seats.iter().zip([11, 21, 31]) {
        frames(&viewer, seat.video_ssrc.unwrap(), source, 3).await;
    }
    // Those that were gone are back from a keyframe on.
    for seat in &seats[..2] {
        assert_runs_on(&viewer, seat.video_ssrc.unwrap());
    }
}
