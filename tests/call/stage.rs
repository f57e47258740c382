//! What every test needs: a server, tokens, and people who send and receive.

use std::time::{Duration, SystemTime};

use enfilade::api::token::{Permissions, TokenRequest, issue};
use enfilade::config::Config;
use serde_json::{Value, json};
use testkit::endpoint::{Options, Player, Sending};
use testkit::{Codec, Participant, Server, Shape};

/// A server and its only room.
pub(crate) struct Stage {
    pub(crate) server: Server,
}

pub(crate) const ROOM: &str = "stage";

/// A token for a room and a participant.
pub(crate) fn token_for(room: &str, participant: &str, words: &[&str]) -> String {
    let request = TokenRequest {
        room: Some(room.parse().unwrap()),
        participant: Some(participant.parse().unwrap()),
        permissions: Permissions::from_words(words.iter().copied()),
        ttl: Duration::from_secs(600),
        token_id: None,
        rest_only: false,
    };
    issue(&Config::development().keys[0], &request, SystemTime::now()).unwrap()
}

/// Somebody who sends a voice and a camera.
pub(crate) struct Speaker {
    pub(crate) person: Participant,
    pub(crate) voice: Sending,
    pub(crate) camera: Sending,
    pub(crate) players: Vec<Player>,
}

impl Stage {
    pub(crate) async fn set() -> Stage {
        Stage::set_with(&[]).await
    }

    pub(crate) async fn set_with(settings: &[(&str, &str)]) -> Stage {
        let server = Server::start(env!("CARGO_BIN_EXE_enfilade"), settings).await.unwrap();
        Stage { server }
    }

    pub(crate) fn token(&self, participant: &str) -> String {
        token_for(ROOM, participant, &["allow_join"])
    }

    /// Joins, without any media yet.
    pub(crate) async fn join(&self, id: &str) -> Participant {
        self.join_with(id, json!({}), Options::default()).await
    }

    pub(crate) async fn join_with(&self, id: &str, fields: Value, options: Options) -> Participant {
        Participant::join_with(&self.server.url, &self.token(id), fields, options)
            .await
            .unwrap()
    }

    /// Joins and offers this many seats.
    pub(crate) async fn listener(&self, id: &str, seats: usize) -> Participant {
        let mut person = self.join(id).await;
        person.endpoint.add_seats(seats).unwrap();
        person.negotiate().await.unwrap();
        person
    }

    /// Joins, sends a voice (number `source`) and a camera (number `source` + 1), and offers seats.
    pub(crate) async fn speaker(&self, id: &str, source: u32, seats: usize) -> Speaker {
        self.speaker_with(id, source, seats, Codec::Vp8, &[]).await
    }

    pub(crate) async fn speaker_with(
        &self,
        id: &str,
        source: u32,
        seats: usize,
        codec: Codec,
        rids: &[&str],
    ) -> Speaker {
        let person = self.join(id).await;
        Stage::speak(person, source, seats, codec, rids).await
    }

    /// As [`Stage::speaker`], over a way of its own.
    pub(crate) async fn speaker_over(&self, id: &str, source: u32, seats: usize, options: Options) -> Speaker {
        let person = self.join_with(id, json!({}), options).await;
        Stage::speak(person, source, seats, Codec::Vp8, &[]).await
    }

    async fn speak(mut person: Participant, source: u32, seats: usize, codec: Codec, rids: &[&str]) -> Speaker {
        let voice = person.send("microphone", Codec::Opus, &[], source).unwrap();
        let camera = person.send("camera", codec, rids, source + 1).unwrap();
        person.endpoint.add_seats(seats).unwrap();
        person.negotiate().await.unwrap();
        let shapes: Vec<Shape> = camera.ssrcs.iter().map(|_| Shape::CAMERA).collect();
        let players = vec![
            person.endpoint.play(&voice, &[Shape::SPEECH]),
            person.endpoint.play(&camera, &shapes),
        ];
        Speaker {
            person,
            voice,
            camera,
            players,
        }
    }
}

/// Waits until `count` packets came on an SSRC since the record was last cleared.
pub(crate) async fn packets(person: &Participant, ssrc: u32, count: u64) {
    let what = format!("{count} packets on {ssrc} of {}", person.id);
    let arrived = testkit::eventually(what, || {
        let record = person.endpoint.record();
        record.stream(ssrc).filter(|stream| stream.packets >= count).map(drop)
    });
    if let Err(error) = arrived.await {
        let record = person.endpoint.record();
        let seen: Vec<_> = record.streams().map(|(ssrc, note)| (ssrc, note.packets)).collect();
        panic!("{error}; received {seen:?}; trouble {:?}", person.endpoint.trouble());
    }
}

/// Waits until `count` whole pictures of a source came on an SSRC.
pub(crate) async fn frames(person: &Participant, ssrc: u32, source: u32, count: usize) {
    let what = format!("{count} pictures of source {source} on {ssrc} of {}", person.id);
    let arrived = testkit::eventually(what, || {
        let record = person.endpoint.record();
        let stream = record.stream(ssrc)?;
        let whole = stream
            .whole_frames()
            .into_iter()
            .filter(|frame| frame.stamp.source == source)
            .count();
        (whole >= count).then_some(())
    });
    arrived.await.unwrap();
}

/// Everything that must hold of a stream however its sources changed: no gaps, and numbers that run on.
pub(crate) fn assert_runs_on(person: &Participant, ssrc: u32) {
    let record = person.endpoint.record();
    let stream = record.stream(ssrc).unwrap();
    assert!(stream.missing.is_empty(), "missing on {ssrc}: {:?}", stream.missing);
    assert_eq!(stream.duplicates, 0, "packets came twice on {ssrc}");
    if std::env::var_os("ENFILADE_TEST_PACKETS").is_some() {
        for note in stream.ordered().iter().take(30) {
            eprintln!(
                "{} ts {} pt {} marker {} {:?} {:?}",
                note.sequence, note.timestamp, note.payload_type, note.marker, note.seen, note.stamp
            );
        }
    }
    let mut last: Option<(u32, u16, u8, bool)> = None;
    let mut open: Option<(u32, u8)> = None;
    for frame in stream.whole_frames() {
        let here = (frame.stamp.source, frame.stamp.layer);
        if open != Some(here) {
            assert!(
                frame.keyframe,
                "{here:?} begins at frame {} without a keyframe",
                frame.stamp.frame
            );
        }
        open = Some(here);
        let picture = (frame.picture_id.unwrap_or(0), frame.tl0_picture_index.unwrap_or(0));
        if let Some((timestamp, picture_id, tl0, had_id)) = last {
            let step = frame.timestamp.wrapping_sub(timestamp);
            assert!(
                step > 0 && step < 90_000 * 60,
                "timestamp steps by {} at {frame:?}",
                step as i32
            );
            if had_id && frame.picture_id.is_some() {
                let step = picture.0.wrapping_sub(picture_id) & 0x7fff;
                assert_eq!(step, 1, "picture id steps by {step} at {frame:?}");
                let step = picture.1.wrapping_sub(tl0);
                assert!(step <= 1, "tl0 index steps by {step} at {frame:?}");
            }
        }
        last = Some((frame.timestamp, picture.0, picture.1, frame.picture_id.is_some()));
    }
}
