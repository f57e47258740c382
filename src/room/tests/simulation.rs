//! Many participants do things at random; everything that should always be true is checked after each of them.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::support::{WINDOW, World, config, fingerprint, offer};
use crate::{
    packet::Codec,
    room::{Grant, HttpKey, Input, Manage, Preset, RoomConfig},
    shard::event::{ShardEvent, TransportStats},
    wire::{
        ParticipantId, PublicationId, RoomId,
        signal::{
            ClientMessage, Intent, LeaveReason, Mode, PresenceRequest, Priority, PublishLine, Quality, Sdp, Settings,
            SourceKind, Token, WishRequest,
        },
    },
};

const MODES: [Mode; 3] = [Mode::SendAndReceive, Mode::ReceiveOnly, Mode::SignallingOnly];

/// SplitMix64: one seed, one story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn chance(&mut self, of: usize) -> bool {
        self.roll(of) == 0
    }
}

struct Story {
    world: World,
    dice: Dice,
    /// The name each client asked for: who was let in from the lobby and cut off before it read so has no other.
    asked: Vec<ParticipantId>,
    /// Since when each client has been without a socket.
    away: Vec<Option<Instant>>,
}

impl Story {
    fn alive(&mut self) -> Option<usize> {
        let alive: Vec<usize> = (0..self.world.clients.len())
            .filter(|n| self.world.clients[*n].socket.is_some())
            .collect();
        (!alive.is_empty()).then(|| alive[self.dice.roll(alive.len())])
    }

    fn some_publication(&mut self) -> PublicationId {
        PublicationId(self.dice.roll(40) as u32)
    }

    fn line(&mut self) -> PublishLine {
        let source = [
            SourceKind::Microphone,
            SourceKind::Camera,
            SourceKind::Screen,
            SourceKind::ScreenAudio,
        ];
        let source = source[self.dice.roll(4)];
        let (mid, muted) = (self.dice.roll(5).to_string(), self.dice.chance(4));
        PublishLine {
            mid,
            source,
            muted,
            width: Some(1280),
            height: Some(720),
            metadata: None,
            backup_of: self.dice.chance(3).then(|| self.some_publication()),
            encrypted: self.dice.chance(5),
        }
    }

    fn request(&mut self) -> ClientMessage {
        let publication = self.some_publication();
        let to = self
            .dice
            .chance(2)
            .then(|| vec![ParticipantId::new(&format!("p{}", self.dice.roll(8))).unwrap()]);
        match self.dice.roll(28) {
            0 | 1 | 24..=27 => {
                let seats = self.dice.roll(6);
                let screen = if self.dice.chance(2) {
                    "send 2 video vp9,h264,vp8 1\nsend 3 audio opus 1\nsend 4 video vp8 1\n"
                } else {
                    ""
                };
                let odd = ["", "", "", "restart\n", "bad\n", "seat 9 audio 99 opus\n"][self.dice.roll(6)];
                let print = fingerprint(self.dice.roll(8).saturating_sub(5) as u8);
                let sdp = format!("{print}{odd}{}{screen}", offer(seats));
                let publish = (0..self.dice.roll(4)).map(|_| self.line()).collect();
                ClientMessage::Offer {
                    sdp: Sdp::Plain(sdp),
                    publish,
                }
            }
            2 | 3 => ClientMessage::Publish(self.line()),
            4 => ClientMessage::Unpublish { publication },
            5 => ClientMessage::Mute {
                publication,
                muted: self.dice.chance(2),
            },
            6 => ClientMessage::Unsubscribe { publication },
            7 | 8 => ClientMessage::Subscribe(WishRequest {
                publication,
                quality: [None, Some(Quality::Low), Some(Quality::Medium)][self.dice.roll(3)],
                max_width: self.dice.chance(3).then_some(300),
                max_height: None,
                max_temporal: self.dice.chance(3).then_some(1),
                paused: self.dice.chance(4),
                priority: if self.dice.chance(3) {
                    Priority::Pinned
                } else {
                    Priority::Normal
                },
            }),
            9 => ClientMessage::Chat {
                text: "hello".to_owned(),
                to,
            },
            10 => ClientMessage::TopicPublish {
                topic: "T".to_owned(),
                message: serde_json::from_str("[1]").unwrap(),
                to,
                persist: self.dice.chance(2),
            },
            11 => ClientMessage::TopicSubscribe { topic: "T".to_owned() },
            12 => ClientMessage::Update {
                display_name: Some("Name".to_owned()),
                metadata: serde_json::from_str("{}").ok(),
                mode: self.dice.chance(2).then(|| MODES[self.dice.roll(3)]),
            },
            14 | 15 => ClientMessage::MediaRequest {
                participant: self.somebody(),
                source: [SourceKind::Microphone, SourceKind::Camera, SourceKind::Screen][self.dice.roll(3)],
                on: self.dice.chance(3),
            },
            16 | 17 => ClientMessage::Pin {
                participant: self.somebody(),
                camera: self.dice.chance(2),
                screen: self.dice.chance(2),
            },
            18 => ClientMessage::StoreSet {
                key: self.dice.roll(3).to_string(),
                value: self.dice.chance(2).then(|| "value".to_owned()),
            },
            19 if self.dice.chance(2) => ClientMessage::StoreGet { key: None },
            19 => ClientMessage::View {
                last_n: self.dice.chance(2).then(|| self.dice.roll(4) as u16),
            },
            20 => ClientMessage::RoomUpdate {
                settings: Box::new(self.settings()),
            },
            21 | 22 => ClientMessage::EntryRespond {
                participant: self.waiter(),
                allow: !self.dice.chance(3),
            },
            23 if self.dice.chance(6) => ClientMessage::RoomClose,
            23 => ClientMessage::Presence(PresenceRequest {
                token: Some(Token("for-r2".to_owned())),
                room: RoomId::new("r2").unwrap(),
            }),
            _ => ClientMessage::Remove {
                participant: ParticipantId::new(&format!("p{}", self.dice.roll(8))).unwrap(),
                block_ms: self.dice.chance(3).then(|| 1 + self.dice.roll(2_000) as u32),
            },
        }
    }

    fn somebody(&mut self) -> ParticipantId {
        ParticipantId::new(&format!("p{}", self.dice.roll(8))).unwrap()
    }

    /// Mostly somebody who does wait.
    fn waiter(&mut self) -> ParticipantId {
        let waiting: Vec<_> = self.world.room.lobby.ids().into_iter().collect();
        if waiting.is_empty() || self.dice.chance(4) {
            return self.somebody();
        }
        waiting[self.dice.roll(waiting.len())].clone()
    }

    fn settings(&mut self) -> Settings {
        Settings {
            password: self
                .dice
                .chance(6)
                .then(|| self.dice.chance(3).then(|| Token("x".to_owned()))),
            max_participants: self.dice.chance(8).then(|| Some(4 + self.dice.roll(9) as u32)),
            close_with_owner: self.dice.chance(6).then(|| self.dice.chance(3)),
            keep_empty: self.dice.chance(4).then(|| self.dice.chance(2)),
            listing: self
                .dice
                .chance(4)
                .then(|| self.dice.chance(2).then(|| "public".to_owned())),
            lobby: self.dice.chance(3).then(|| self.dice.chance(2)),
            last_n: self
                .dice
                .chance(6)
                .then(|| self.dice.chance(2).then(|| self.dice.roll(3) as u32)),
            codecs: self.dice.chance(4).then(|| Some(vec![Codec::Vp8, Codec::Opus])),
            ..Settings::default()
        }
    }

    fn join(&mut self) {
        let id = format!("p{}", self.dice.roll(8));
        let grant = match self.dice.roll(6) {
            0 => Grant::MODERATE,
            1 => Grant {
                ask: true,
                ..Grant::JOIN
            },
            _ => Grant::JOIN,
        };
        let (shard, auto) = (self.dice.roll(3) as u16, !self.dice.chance(4));
        let settings = self.dice.chance(3).then(|| Box::new(self.settings()));
        let intent = [Intent::Any, Intent::Any, Intent::Open, Intent::Join][self.dice.roll(4)];
        let mode = MODES[self.dice.roll(9).saturating_sub(6)];
        let password = self.dice.chance(2).then(|| Token("x".to_owned()));
        self.world.join_with(&id, grant, shard, |join| {
            join.auto_subscribe = auto;
            (join.settings, join.intent, join.mode, join.password) = (settings, intent, mode, password);
        });
        self.asked.push(ParticipantId::new(&id).unwrap());
        self.away.push(None);
    }

    fn come_or_go(&mut self) {
        let client = self.dice.roll(self.world.clients.len().max(1));
        match self.dice.roll(8) {
            0..=3 => self.join(),
            4 | 5 => {
                if let Some(client) = self.alive() {
                    let arrived = self.dice.roll(4);
                    self.world.cut(client, arrived);
                    self.away[client] = Some(self.world.now);
                }
            }
            6 if client < self.world.clients.len() && self.world.clients[client].key.is_some() => {
                if self.world.resume(client).is_ok() {
                    self.away[client] = None;
                }
            }
            _ => {
                if let Some(client) = self.alive().filter(|_| self.dice.chance(3)) {
                    self.world.ask(client, ClientMessage::Leave);
                }
            }
        }
    }

    fn shard_event(&mut self) {
        let transports: Vec<_> = self.world.books.transports.keys().copied().collect();
        let sources: Vec<_> = self.world.books.sources.keys().map(|(_, source)| *source).collect();
        if transports.is_empty() || sources.is_empty() {
            return;
        }
        let transport = transports[self.dice.roll(transports.len())];
        let source = sources[self.dice.roll(sources.len())];
        let event = match self.dice.roll(7) {
            6 => ShardEvent::Demand {
                source,
                encodings: self.dice.roll(256) as u8,
            },
            0 => ShardEvent::Connected { transport },
            1 => ShardEvent::Lost { transport },
            2 => {
                let codec = [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264][self.dice.roll(4)];
                ShardEvent::StreamStarted {
                    source,
                    encoding: 0,
                    codec,
                }
            }
            3 | 4 => ShardEvent::Levels {
                levels: vec![(source, 50 + self.dice.roll(77) as u8)],
            },
            _ => {
                let loss_up = self.dice.roll(20) as f32 / 100.0;
                ShardEvent::Stats {
                    transport,
                    stats: TransportStats {
                        loss_up,
                        ..TransportStats::default()
                    },
                }
            }
        };
        self.world.shard(event);
    }

    fn http(&mut self, request: u64) {
        let id = format!("p{}", self.dice.roll(8));
        let sdp = offer(self.dice.roll(2));
        match self.dice.roll(4) {
            0 => drop(self.world.whip(request, &id, &sdp)),
            1 | 2 => drop(self.world.whep(request, &id, &sdp, (request % 3) as u16)),
            _ => {
                let created = self.world.replies.values().filter_map(|reply| match reply {
                    crate::room::HttpReply::Created { resource, .. } => Some(resource.clone()),
                    _ => None,
                });
                let created: Vec<String> = created.collect();
                if !created.is_empty() {
                    let resource = created[self.dice.roll(created.len())].clone();
                    self.world.input(Input::HttpDelete {
                        request: crate::room::HttpKey(request),
                        resource,
                    });
                }
            }
        }
    }

    fn manage(&mut self, request: u64) {
        let participant = self.somebody();
        let manage = match self.dice.roll(5) {
            0 => Manage::Remove { participant },
            1 => Manage::Mute {
                from: participant.clone(),
                participant,
                source: SourceKind::Camera,
                on: self.dice.chance(2),
            },
            2 if self.dice.chance(20) => Manage::Close,
            2 | 3 => Manage::Preset(Box::new(Preset {
                settings: self.settings(),
                departure_timeout: self.dice.chance(2).then(|| Duration::from_secs(5)),
                session_max: self.dice.chance(2).then(|| Duration::from_secs(20)),
                ..Preset::default()
            })),
            _ => Manage::OpenLink {
                room: RoomId::new("r2").unwrap(),
                payload: None,
                from: participant,
            },
        };
        let request = HttpKey(request);
        let manage = Box::new(manage);
        self.world.input(Input::Manage { request, manage });
    }

    fn step(&mut self, number: u64) {
        let lefts: Vec<usize> = self.world.clients.iter().map(|client| client.left.len()).collect();
        match self.dice.roll(12) {
            0 | 1 => self.come_or_go(),
            2 | 3 => self.shard_event(),
            4 if self.dice.chance(4) => self.manage(number),
            4 => self.http(number),
            5 => {
                let ms = [1, 200, 3_000, 11_000][self.dice.roll(4)];
                self.world.pass(Duration::from_millis(ms));
            }
            _ => {
                if let Some(client) = self.alive() {
                    let message = self.request();
                    self.world.ask(client, message);
                }
            }
        }
        if !self.dice.chance(5) {
            self.world.read_all();
            self.world.check();
            for (client, before) in lefts.into_iter().enumerate() {
                for (who, reason) in &self.world.clients[client].left[before..] {
                    self.check_left(who, *reason);
                }
            }
        }
    }

    /// Nobody is seen leaving for having been cut off who was back, or could still come back, within the window.
    fn check_left(&self, who: &ParticipantId, reason: LeaveReason) {
        if reason == LeaveReason::Timeout && !self.world.whips.contains(who) {
            let mut own = self.asked.iter().zip(&self.away).filter(|(asked, _)| *asked == who);
            let long_away = own.any(|(_, away)| away.is_some_and(|at| at + WINDOW <= self.world.now));
            assert!(long_away, "{who} was seen leaving too early");
        }
    }
}

fn play(seed: u64, steps: u64) -> Story {
    let world = World::with_config(RoomConfig {
        max_participants: 9,
        ..config()
    });
    let mut story = Story {
        world,
        dice: Dice(seed),
        asked: Vec::new(),
        away: Vec::new(),
    };
    for number in 0..steps {
        story.step(number);
    }
    story
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_client_knows_the_truth_whatever_happens(seed: u64) {
        let mut story = play(seed, 400);
        // And when everybody goes, nothing stays behind.
        story.world.read_all();
        story.world.input(Input::Close);
        prop_assert!(story.world.room.is_empty() && !story.world.ledger.is_open());
        prop_assert!(story.world.books.transports.is_empty() && story.world.books.sources.is_empty());
        prop_assert!(story.world.books.relays.is_empty() && story.world.books.bound.is_empty());
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let logs = [(), ()].map(|()| {
        let story = play(11, 600);
        let logs: Vec<_> = story.world.clients.into_iter().map(|client| client.log).collect();
        (logs, story.world.books.commands)
    });
    assert!(logs[0] == logs[1]);
    assert!(logs[0].1 > 200, "the story has something to it");
}

/// Let in from the lobby, and cut off before it read that it was.
#[test]
fn who_never_read_that_it_came_in_is_still_waited_for() {
    play(9_708_801_706_281_973_487, 400);
}
