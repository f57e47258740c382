//! The call that must not notice: three people who hear and see each other.

use std::time::{Duration, SystemTime};

use enfilade::api::token::{Permissions, TokenRequest, issue};
use enfilade::config::Config;
use serde_json::json;
use testkit::endpoint::{Options, Player};
use testkit::{Codec, Participant, Server, Shape, eventually};

const NAMES: [&str; 3] = ["ann", "bob", "carol"];

/// A server and a call on it.
pub(crate) struct Call {
    pub(crate) server: Server,
    pub(crate) people: Vec<Participant>,
    players: Vec<Player>,
}

pub(crate) fn token(participant: &str) -> String {
    let request = TokenRequest {
        room: Some("victims".parse().unwrap()),
        participant: Some(participant.parse().unwrap()),
        permissions: Permissions::from_words(["allow_join"]),
        ttl: Duration::from_secs(600),
        token_id: None,
        rest_only: false,
    };
    issue(&Config::development().keys[0], &request, SystemTime::now()).unwrap()
}

impl Call {
    /// Starts the server and the call, and waits until everybody gets everything. What the clients send on the way is captured.
    pub(crate) async fn begin(settings: &[(&str, &str)]) -> Call {
        Call::begin_with(settings, &Options::default()).await
    }

    /// As [`Call::begin`]; the last of the people comes over a way of its own.
    pub(crate) async fn begin_with(settings: &[(&str, &str)], last: &Options) -> Call {
        let server = Server::start(env!("CARGO_BIN_EXE_enfilade"), settings).await.unwrap();
        let mut people = Vec::new();
        let mut players = Vec::new();
        for (number, name) in NAMES.into_iter().enumerate() {
            let options = if number + 1 == NAMES.len() {
                last.clone()
            } else {
                Options::default()
            };
            let token = token(name);
            let person = Participant::join_with(&server.url, &token, json!({}), options);
            let mut person = person.await.unwrap();
            person.endpoint.start_capture();
            let source = 10 * (number as u32 + 1);
            let voice = person.send("microphone", Codec::Opus, &[], source).unwrap();
            let camera = person.send("camera", Codec::Vp8, &[], source + 1).unwrap();
            person.endpoint.add_seats(NAMES.len() - 1).unwrap();
            person.negotiate().await.unwrap();
            players.push(person.endpoint.play(&voice, &[Shape::SPEECH]));
            players.push(person.endpoint.play(&camera, &[Shape::CAMERA]));
            people.push(person);
        }
        let call = Call {
            server,
            people,
            players,
        };
        call.everything_flows(40).await;
        call
    }

    /// Waits until everybody received this many more packets of every voice and picture.
    pub(crate) async fn everything_flows(&self, packets: u64) {
        let before: Vec<Vec<u64>> = self.people.iter().map(counts).collect();
        for (person, before) in self.people.iter().zip(before) {
            eventually(format!("{packets} more packets of everything at {}", person.id), || {
                let now = counts(person);
                let more = |at: usize| now[at] >= before.get(at).copied().unwrap_or(0) + packets;
                (now.len() == 4 && (0..4).all(more)).then_some(())
            })
            .await
            .unwrap();
        }
    }

    /// From here on everything counts.
    pub(crate) fn start_counting(&self) {
        for person in &self.people {
            person.endpoint.record().forget();
        }
    }

    /// Less than one packet in a thousand is lost, no picture is, nothing came twice, and no voice paused.
    pub(crate) fn assert_unharmed(&self, what: &str) {
        for person in &self.people {
            let record = person.endpoint.record();
            let (mut received, mut missing) = (0, 0);
            for (ssrc, stream) in record.streams() {
                received += stream.packets;
                missing += stream.missing.len() as u64;
                assert_eq!(
                    stream.duplicates, 0,
                    "{what}: {} got packets of {ssrc} twice",
                    person.id
                );
                assert!(
                    stream.longest_pause < Duration::from_millis(700),
                    "{what}: {} heard nothing on {ssrc} for {:?}",
                    person.id,
                    stream.longest_pause
                );
                // Sound conceals a lost packet, and nothing asks for it again.
                let mut frames = stream.whole_frames();
                frames.retain(|frame| frame.stamp.count > 1);
                // The first and the last picture may be cut by the ends of the record.
                let inner = &frames[1.min(frames.len())..frames.len().saturating_sub(1)];
                for pair in inner.windows(2) {
                    let step = pair[1].stamp.frame - pair[0].stamp.frame;
                    assert_eq!(step, 1, "{what}: {} cannot decode {:?}", person.id, pair[1].stamp);
                }
            }
            assert!(
                missing as f64 <= received as f64 * 0.001,
                "{what}: {} lost {missing} of {received}",
                person.id
            );
        }
    }

    /// The process lives, nothing panicked.
    pub(crate) async fn assert_no_panic(&mut self) {
        assert!(self.server.is_alive());
        let metrics = self.server.metrics().await.unwrap();
        assert!(metrics.has("enfilade_panics_total"), "{}", metrics.0);
        assert_eq!(metrics.sum("enfilade_panics_total", ""), 0.0);
        let log = self.server.log();
        assert!(!log.iter().any(|line| line.contains("panicked")), "{}", log.join("\n"));
    }

    /// Datagrams that the clients have sent so far.
    pub(crate) fn captured(&self) -> Vec<Vec<u8>> {
        self.people
            .iter()
            .flat_map(|person| person.endpoint.take_capture())
            .collect()
    }
}

fn counts(person: &Participant) -> Vec<u64> {
    person
        .endpoint
        .record()
        .streams()
        .map(|(_, stream)| stream.packets)
        .collect()
}

impl Drop for Call {
    fn drop(&mut self) {
        self.players.clear();
    }
}
