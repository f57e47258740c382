//! Who is told what of bandwidth, and who may ask.

use std::time::Duration;

use serde_json::json;

use super::support::{World, code, count, id};
use crate::{
    media::{
        Claim, Decision, EgressKey, Layer, Limits, News, Reason, SourceKey, Target,
        estimate::{Estimate, LimitedBy},
    },
    room::{Grant, HttpKey, HttpReply, Input},
    shard::event::{Explained, ExplainedSource, ExplainedVideo, ShardEvent, TransportStats},
    wire::{
        ErrorCode,
        signal::{OkFields, ServerMessage, Stats, SubscriptionReason, SubscriptionState},
    },
};

const TOP: Layer = Layer {
    encoding: 1,
    spatial: 0,
    temporal: 2,
    spatial_top: true,
    temporal_top: true,
    bps: 500_000,
    size: Some((640, 360)),
    live: true,
};

/// The seat half that shows a source, and the source.
fn shown(world: &World, publication: u32) -> (EgressKey, SourceKey) {
    let source = world.source(publication);
    let found = world.books.bound.iter().find(|(_, (bound, _))| *bound == source);
    (*found.unwrap().0, source)
}

/// Ann with a seat, Bob with microphone and camera: the camera's publication.
fn watching(world: &mut World) -> (usize, usize, u32) {
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.media(ann, 2);
    let camera = world.media(bob, 0)[1];
    (ann, bob, camera)
}

fn explained(key: EgressKey, source: SourceKey) -> Explained {
    let budget = Reason::Budget {
        needed_bps: 1_600_000,
        left_bps: 67_000,
    };
    Explained {
        down: Some(crate::media::DownlinkStats {
            estimate: Some(Estimate {
                bps: 640_000,
                pacing_bps: 960_000,
                loss: 0.0124,
                round_trip: Some(Duration::from_millis(48)),
                queue_delay: Duration::from_millis(6),
                limited_by: LimitedBy::Delay,
            }),
            sent_bps: 590_000,
            resent_bps: 12_000,
            audio_bps: 41_000,
            video_bps: 500_000,
            wished_bps: 1_840_000,
        }),
        pacing_bps: Some(960_000),
        path: TransportStats {
            loss_up: 0.05,
            loss_down: 0.5,
            round_trip: Some(Duration::from_millis(50)),
            ..TransportStats::default()
        },
        sources: vec![ExplainedSource {
            source,
            arriving_bps: 500_000,
            encodings: vec![TOP],
        }],
        videos: vec![ExplainedVideo {
            source,
            decision: Decision {
                key,
                target: Target::default(),
                bps: 500_000,
                wished_bps: 1_840_000,
                reason: budget,
            },
            layer: Some(TOP),
        }],
    }
}

fn stats(world: &World, client: usize, request: u32) -> Option<Stats> {
    match world.clients[client].answers.get(&request) {
        Some(ServerMessage::Ok(OkFields { stats, .. })) => stats.as_deref().cloned(),
        _ => None,
    }
}

fn ask(world: &mut World, client: usize, about: Option<&str>) -> u32 {
    let participant = about.map(id);
    world.ask(client, crate::wire::signal::ClientMessage::Stats { participant })
}

#[test]
fn what_bandwidth_takes_and_gives_back_is_told_to_whom_it_concerns() {
    let mut world = World::new();
    let (ann, bob, camera) = watching(&mut world);
    let (key, source) = shown(&world, camera);
    let transport = world.transport(ann);
    for (encoding, limited) in [(Some(0), true), (None, true), (Some(2), false), (None, false)] {
        let news = News {
            key,
            source,
            encoding,
            limited,
        };
        world.shard(ShardEvent::Served { transport, news });
    }
    // Somebody else sits there by now.
    let stale = News {
        key,
        source: SourceKey(1),
        encoding: Some(0),
        limited: true,
    };
    world.shard(ShardEvent::Served { transport, news: stale });
    world.read_all();
    let told: Vec<_> = world.clients[ann]
        .log
        .iter()
        .filter_map(|message| match message {
            ServerMessage::Subscription {
                publication,
                state,
                encoding,
                reason,
            } => Some((publication.0, *state, *encoding, *reason)),
            _ => None,
        })
        .collect();
    let budget = Some(SubscriptionReason::Budget);
    assert_eq!(
        told,
        [
            (camera, SubscriptionState::Active, Some(0), budget),
            (camera, SubscriptionState::Paused, None, budget),
            (camera, SubscriptionState::Active, Some(2), None),
        ]
    );
    assert_eq!(
        count(&world, bob, |message| matches!(
            message,
            ServerMessage::Subscription { .. }
        )),
        0
    );
}

#[test]
fn a_question_is_answered_when_the_shard_has_answered() {
    let mut world = World::new();
    let (ann, _, camera) = watching(&mut world);
    let (key, source) = shown(&world, camera);
    let request = ask(&mut world, ann, None);
    world.read_all();
    assert_eq!(stats(&world, ann, request), None);
    world.shard(ShardEvent::Explained {
        ask: 1,
        explained: Some(Box::new(explained(key, source))),
    });
    world.read_all();
    let told = stats(&world, ann, request).unwrap();
    assert_eq!((told.down.estimate_bps, told.down.loss), (Some(640_000), 0.012));
    assert_eq!((told.down.round_trip_ms, told.up.loss), (Some(48), 0.05));
    let subscription = &told.subscriptions[0];
    assert_eq!((subscription.publication.0, subscription.encoding), (camera, Some(1)));
    assert_eq!(
        (subscription.reason.as_str(), subscription.width),
        ("budget", Some(640))
    );
    assert_eq!(subscription.text, "the next layer needs 1600 kb/s, 67 kb/s is left");
    // The same answer again is nobody's.
    world.shard(ShardEvent::Explained {
        ask: 1,
        explained: None,
    });
    world.read_all();
    world.check();
}

#[test]
fn only_moderators_see_how_others_are_connected() {
    let mut world = World::new();
    let (ann, _, _) = watching(&mut world);
    let refused = |world: &mut World, client, who| code(&world.say(client, json!({"type":"stats","participant":who})));
    assert_eq!(refused(&mut world, ann, "bob"), Some(ErrorCode::Forbidden));
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    assert_eq!(
        refused(&mut world, moderator, "eve"),
        Some(ErrorCode::NoSuchParticipant)
    );
    // Who has no media path yet is nobody's question to a shard.
    let own = world.say(moderator, json!({"type":"stats"}));
    assert!(matches!(own, ServerMessage::Ok(OkFields { stats: Some(_), .. })));
    let request = ask(&mut world, moderator, Some("bob"));
    world.shard(ShardEvent::Explained {
        ask: 1,
        explained: None,
    });
    world.read_all();
    let told = stats(&world, moderator, request).unwrap();
    assert_eq!((told.down.estimate_bps, told.subscriptions.len()), (None, 0));
}

#[test]
fn everybody_together_is_told_over_http_when_all_have_answered() {
    let mut world = World::new();
    let (ann, _, camera) = watching(&mut world);
    let (key, source) = shown(&world, camera);
    world.join("cat");
    world.input(Input::HttpStats { request: HttpKey(9) });
    assert!(!world.replies.contains_key(&HttpKey(9)));
    let told = Some(Box::new(explained(key, source)));
    world.shard(ShardEvent::Explained {
        ask: 1,
        explained: told,
    });
    world.say_leave(ann);
    world.shard(ShardEvent::Explained {
        ask: 2,
        explained: None,
    });
    let HttpReply::Stats { participants } = &world.replies[&HttpKey(9)] else {
        panic!()
    };
    let of: Vec<(&str, usize)> = participants
        .iter()
        .map(|one| (one.participant.as_str(), one.stats.up.publications.len()))
        .collect();
    // Ann was asked for and answered before she left; Cat has no media to be asked about.
    assert_eq!(of, [("ann", 1), ("bob", 0), ("cat", 0)]);
    world.input(Input::HttpStats { request: HttpKey(10) });
    world.shard(ShardEvent::Explained {
        ask: 3,
        explained: None,
    });
    assert!(world.replies.contains_key(&HttpKey(10)));
    // Only so many are asked for everybody at a time.
    for request in 11..14 {
        world.input(Input::HttpStats {
            request: HttpKey(request),
        });
    }
    assert!(!world.replies.contains_key(&HttpKey(12)));
    let HttpReply::Refused { code, .. } = &world.replies[&HttpKey(13)] else {
        panic!()
    };
    assert_eq!(*code, ErrorCode::RateLimited);
}

#[test]
fn who_speaks_has_a_better_claim_to_bandwidth_until_long_after() {
    let mut world = World::new();
    let (_, _, camera) = watching(&mut world);
    let (microphone, source) = (world.source(camera - 1), world.source(camera));
    let claim = |world: &World, source| {
        let bound = world.books.bound.values().find(|(bound, _)| *bound == source);
        bound.map(|(_, limits): &(SourceKey, Limits)| limits.claim)
    };
    assert_eq!(claim(&world, source), Some(Claim::Usual));
    let speech = |world: &mut World| {
        let levels = vec![(microphone, 100)];
        world.shard(ShardEvent::Levels { levels });
    };
    (0..4).for_each(|_| {
        speech(&mut world);
        world.pass(Duration::from_millis(240));
    });
    assert_eq!(claim(&world, source), Some(Claim::Speaking));
    assert_eq!(claim(&world, microphone), Some(Claim::Usual), "sound is not shared out");
    world.pass(Duration::from_secs(10));
    assert_eq!(claim(&world, source), Some(Claim::Speaking));
    world.pass(Duration::from_secs(6));
    assert_eq!(claim(&world, source), Some(Claim::Usual));
    world.read_all();
    world.check();
}
