//! The people of the room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use testkit::endpoint::{Options, Player};
use testkit::{Codec, Participant, Shape};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::MediaArguments;
use crate::node::Node;

/// How long one subscriber took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JoinTime {
    /// From opening the socket to a connection that can carry media.
    pub(crate) connected: Duration,
    /// From opening the socket to the first packet of a picture.
    pub(crate) first_picture: Duration,
}

/// What was counted up to one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Packets that the publishers gave to their connections.
    pub(crate) sent: u64,
    /// Packets that the subscribers received, retransmissions left out.
    pub(crate) received: u64,
    /// Packets that came as retransmissions.
    pub(crate) retransmitted: u64,
    /// Payload bytes received.
    pub(crate) received_bytes: u64,
    /// Sequence numbers that never came.
    pub(crate) missing: u64,
}

/// Everybody, and what they send.
pub(crate) struct Scene {
    publishers: Vec<Participant>,
    players: Vec<Player>,
    subscribers: Vec<Participant>,
    joins: Vec<JoinTime>,
}

async fn client(arguments: &MediaArguments, node: &Node, id: &str) -> anyhow::Result<Participant> {
    let token = node.token(&arguments.room, Some(id)).await?;
    let options = Options {
        keeps_log: false,
        ..Options::default()
    };
    Participant::join_with(&arguments.node.url, &token, json!({}), options).await
}

async fn subscriber(arguments: &MediaArguments, node: &Node, number: u32) -> anyhow::Result<(Participant, JoinTime)> {
    let token = node
        .token(&arguments.room, Some(&format!("subscriber-{number}")))
        .await?;
    let options = Options {
        keeps_log: false,
        ..Options::default()
    };
    let began = Instant::now();
    let mut person = Participant::join_with(&arguments.node.url, &token, json!({}), options).await?;
    person.endpoint.add_seats(arguments.publishers as usize)?;
    person.negotiate().await?;
    let connected = began.elapsed();
    let pictures: Vec<u32> = person.seats()?.into_iter().filter_map(|seat| seat.video_ssrc).collect();
    let first = testkit::eventually(format!("a picture for subscriber {number}"), || {
        let record = person.endpoint.record();
        pictures
            .iter()
            .filter_map(|ssrc| Some(record.stream(*ssrc)?.span?.0))
            .min()
    })
    .await?;
    Ok((
        person,
        JoinTime {
            connected,
            first_picture: first.saturating_duration_since(began),
        },
    ))
}

impl Scene {
    /// Brings everybody in: publishers first, then subscribers, a few at a time.
    pub(crate) async fn join(arguments: &MediaArguments) -> anyhow::Result<Scene> {
        let node = Node::new(&arguments.node);
        let mut scene = Scene {
            publishers: Vec::new(),
            players: Vec::new(),
            subscribers: Vec::new(),
            joins: Vec::new(),
        };
        let camera_shape = Shape {
            frames_per_second: arguments.frames_per_second,
            delta_packets: arguments.packets_per_frame,
            key_packets: arguments.packets_per_frame.saturating_mul(3),
            packet_len: 1_100,
            two_temporal_layers: false,
        };
        for number in 0..arguments.publishers {
            let mut person = client(arguments, &node, &format!("publisher-{number}")).await?;
            let voice = person.send("microphone", Codec::Opus, &[], number * 2 + 1)?;
            let camera = person.send("camera", Codec::Vp8, &[], number * 2 + 2)?;
            person.negotiate().await?;
            scene.players.push(person.endpoint.play(&voice, &[Shape::SPEECH]));
            scene.players.push(person.endpoint.play(&camera, &[camera_shape]));
            scene.publishers.push(person);
        }
        let gate = Arc::new(Semaphore::new(arguments.joining.max(1)));
        let mut joins = JoinSet::new();
        for number in 0..arguments.subscribers {
            let (arguments, node, gate) = (arguments.clone(), node.clone(), Arc::clone(&gate));
            joins.spawn(async move {
                let _turn = gate.acquire().await?;
                subscriber(&arguments, &node, number).await
            });
        }
        while let Some(joined) = joins.join_next().await {
            let (person, time) = joined??;
            scene.subscribers.push(person);
            scene.joins.push(time);
        }
        Ok(scene)
    }

    /// Waits until every subscriber receives from every publisher.
    pub(crate) async fn everybody_has_media(&mut self) -> anyhow::Result<()> {
        let streams = self.publishers.len() * 2;
        for person in &self.subscribers {
            testkit::eventually(format!("all media at {}", person.id), || {
                (person.endpoint.record().streams().count() >= streams).then_some(())
            })
            .await?;
        }
        Ok(())
    }

    /// Counts now.
    pub(crate) fn count(&self) -> Counts {
        let mut counts = Counts {
            sent: self.players.iter().map(Player::sent).sum(),
            ..Counts::default()
        };
        for person in &self.subscribers {
            for (_, stream) in person.endpoint.record().streams() {
                counts.received += stream.packets;
                counts.retransmitted += stream.retransmissions;
                counts.received_bytes += stream.bytes;
                counts.missing += stream.missing.len() as u64;
            }
        }
        counts
    }

    /// How long each subscriber took.
    pub(crate) fn joins(&self) -> &[JoinTime] {
        &self.joins
    }

    /// Leaves in good order, so that the node's next run starts empty.
    pub(crate) async fn leave(&mut self) {
        self.players.clear();
        for person in self.publishers.iter_mut().chain(&mut self.subscribers) {
            // The report stands whether or not the goodbye arrives.
            let _answer = person.signal.request("leave", json!({})).await;
        }
    }
}
