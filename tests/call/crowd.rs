//! Many people, and many shards.

use testkit::endpoint::Options;
use testkit::{Codec, Participant, Shape, eventually};

use super::stage::{Stage, packets};

const PEOPLE: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_people_in_one_room_hear_everybody() {
    let stage = Stage::set_with(&[("ENFILADE_ROOM__LOUDEST", "0")]).await;
    // Speech at a tenth of its rate: 50 people in one test process, and each hears 49.
    let shape = Shape {
        frames_per_second: 5,
        ..Shape::SPEECH
    };
    let mut people: Vec<Participant> = Vec::new();
    let mut players = Vec::new();
    let mut voices = Vec::new();
    for number in 0..PEOPLE {
        let name = format!("person-{number}");
        let mut person = stage.join_with(&name, serde_json::json!({}), Options::default()).await;
        assert_eq!(person.joined["participants"].as_array().unwrap().len(), number as usize);
        voices.push(person.send("microphone", Codec::Opus, &[], 100 + number).unwrap());
        person.endpoint.add_seats(PEOPLE as usize - 1).unwrap();
        person.negotiate().await.unwrap();
        people.push(person);
    }
    for (person, voice) in people.iter().zip(&voices) {
        players.push(person.endpoint.play(voice, &[shape]));
    }
    for (number, person) in people.iter().enumerate() {
        let heard = eventually(format!("{} hears everybody", person.id), || {
            let record = person.endpoint.record();
            let mut sources: Vec<u32> = record
                .streams()
                .filter(|(_, stream)| stream.packets >= 5)
                .flat_map(|(_, stream)| stream.sources())
                .collect();
            sources.sort_unstable();
            sources.dedup();
            (sources.len() == PEOPLE as usize - 1).then_some(sources)
        })
        .await
        .unwrap();
        assert!(!heard.contains(&(100 + number as u32)), "{} hears itself", person.id);
    }
    for person in &people {
        let record = person.endpoint.record();
        let (mut received, mut missing) = (0, 0);
        for (_, stream) in record.streams() {
            received += stream.packets;
            missing += stream.missing.len();
        }
        assert!(
            missing as f64 <= received as f64 * 0.001,
            "{}: {missing} of {received} lost",
            person.id
        );
    }
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_transports", ""), f64::from(PEOPLE));
    assert_eq!(metrics.sum("enfilade_rooms", ""), 1.0);
    for counted in ["enfilade_join_seconds_count", "enfilade_connect_seconds_count"] {
        assert_eq!(metrics.sum(counted, ""), f64::from(PEOPLE), "{counted}");
    }
    assert!(metrics.sum("enfilade_loss_ratio_count", "direction=\"down\"") > 0.0);
    // Reports come every few seconds.
    for direction in ["up", "down"] {
        let labels = format!("direction=\"{direction}\",kind=\"audio\"");
        let told = tokio::time::timeout(testkit::PATIENCE, async {
            while stage
                .server
                .metrics()
                .await
                .unwrap()
                .sum("enfilade_jitter_seconds_count", &labels)
                == 0.0
            {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        });
        told.await.unwrap_or_else(|_| panic!("no jitter {direction}"));
    }
    let peak = |queue: &str| metrics.sum("enfilade_queue_depth_peak", &format!("queue=\"{queue}\""));
    for queue in ["room", "shard-events", "socket"] {
        assert!(peak(queue) >= 1.0, "{queue}");
    }
    assert_eq!(peak("turn"), 0.0, "there is none");
}

#[tokio::test]
async fn a_room_over_two_shards_is_one_room() {
    let settings = [("ENFILADE_MEDIA__SHARDS", "2"), ("ENFILADE_MEDIA__ROOM_SPREAD", "2")];
    let stage = Stage::set_with(&settings).await;
    let mut people = Vec::new();
    let mut ports = Vec::new();
    for (number, name) in ["ann", "bob", "carol", "dave"].into_iter().enumerate() {
        let speaker = stage.speaker(name, 10 * (number as u32 + 1), 4).await;
        ports.push(candidate_port(speaker.person.answered["sdp"].as_str().unwrap()));
        people.push(speaker);
    }
    for (listener, speaker) in people.iter_mut().enumerate() {
        let person = &mut speaker.person;
        for (number, name) in ["ann", "bob", "carol", "dave"].into_iter().enumerate() {
            if number == listener {
                continue;
            }
            let seat = person.seated(name, &["audio", "video"]).await.unwrap();
            packets(person, seat.audio_ssrc, 20).await;
            super::stage::frames(person, seat.video_ssrc.unwrap(), 10 * (number as u32 + 1) + 1, 5).await;
            super::stage::assert_runs_on(person, seat.video_ssrc.unwrap());
        }
    }
    ports.sort_unstable();
    ports.dedup();
    let first = stage.server.media_port;
    assert_eq!(ports, [first, first + 1], "four people, two on each shard");
    let metrics = stage.server.metrics().await.unwrap();
    assert!(metrics.sum("enfilade_relayed_packets_total", "") > 100.0);
}

fn candidate_port(sdp: &str) -> u16 {
    let line = sdp.lines().find(|line| line.starts_with("a=candidate")).unwrap();
    line.split(' ').nth(5).unwrap().parse().unwrap()
}
