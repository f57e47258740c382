//! What nobody receives is not sent, and in large rooms not everything is received.

use std::time::Duration;

use serde_json::json;

use super::support::{World, code, config, id, offer};
use crate::{
    media::{Claim, Limits},
    room::{Grant, Input, RoomConfig},
    shard::{command::ShardId, event::ShardEvent},
    wire::{
        ErrorCode,
        signal::{Mode, ServerMessage},
    },
};

const DELAY: Duration = Duration::from_secs(5);

/// What a publisher was told to send of a publication, since the last time this was asked.
fn told(world: &mut World, client: usize, publication: u32) -> Vec<Vec<bool>> {
    world.read_all();
    let log = &mut world.clients[client].log;
    let wanted = |message: &ServerMessage| match message {
        ServerMessage::PublicationWanted {
            publication: known,
            encodings,
        } if known.0 == publication => Some(encodings.clone()),
        _ => None,
    };
    let found = log.iter().filter_map(wanted).collect();
    log.retain(|message| wanted(message).is_none());
    found
}

fn demand(world: &mut World, publication: u32, encodings: u8) {
    let source = world.source(publication);
    world.shard(ShardEvent::Demand { source, encodings });
}

#[test]
fn who_is_alone_is_told_to_stop_and_to_go_on_when_somebody_comes() {
    let mut world = World::new();
    let ann = world.join("ann");
    let published = world.media(ann, 2);
    let (voice, camera) = (published[0], published[1]);
    world.pass(DELAY - Duration::from_millis(1));
    assert!(told(&mut world, ann, voice).is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(told(&mut world, ann, voice), [[false]]);
    assert_eq!(told(&mut world, ann, camera), [[false; 3]]);

    let bob = world.join("bob");
    assert_eq!(
        told(&mut world, ann, voice),
        [[true]],
        "he may want to hear her, seat or no seat"
    );
    assert!(told(&mut world, ann, camera).is_empty());
    world.say(bob, json!({"type":"offer","sdp":offer(1)}));
    let best = [[true; 3]];
    assert_eq!(told(&mut world, ann, camera), best, "as soon as he has a seat for her");
    demand(&mut world, camera, 0b111);
    world.pass(DELAY * 3);
    assert!(told(&mut world, ann, camera).is_empty());

    world.say_leave(bob);
    demand(&mut world, camera, 0);
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, voice), [[false]]);
    assert_eq!(told(&mut world, ann, camera), [[false; 3]]);
}

#[test]
fn encodings_go_one_by_one_and_come_at_once() {
    let mut world = World::new();
    let (ann, _bob) = (world.join("ann"), world.join("bob"));
    let publish = json!([{"mid":"1","source":"camera","width":1280,"height":720}]);
    let sdp = "send 1 video vp8 3\n";
    world.say(ann, json!({"type":"offer","sdp":sdp,"publish":publish}));
    demand(&mut world, 1, 0b011);
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, 1), [[true, true, false]]);
    demand(&mut world, 1, 0b101);
    assert_eq!(told(&mut world, ann, 1), [[true, true, true]]);
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, 1), [[true, false, true]]);
    demand(&mut world, 1, 0);
    world.pass(DELAY / 2);
    demand(&mut world, 1, 0b101);
    world.pass(DELAY);
    assert!(told(&mut world, ann, 1).is_empty(), "nobody noticed");
    // A room that has ended the publication says no more of it.
    world.say(ann, json!({"type":"unpublish","publication":1}));
    world.pass(DELAY * 2);
    assert!(told(&mut world, ann, 1).is_empty());
}

#[test]
fn a_voice_is_wanted_as_long_as_anybody_would_listen() {
    let mut world = World::new();
    let (ann, bob, cat) = (world.join("ann"), world.join("bob"), world.join("cat"));
    let voice = world.media(ann, 0)[0];
    let after = |world: &mut World, fields: serde_json::Value, client: usize| {
        assert_eq!(code(&world.say(client, fields)), None);
        world.pass(DELAY);
        told(world, ann, voice)
    };
    let none: [[bool; 1]; 0] = [];
    let unsubscribe = json!({"type":"unsubscribe","publication":voice});
    assert_eq!(after(&mut world, unsubscribe.clone(), bob), none);
    assert_eq!(after(&mut world, unsubscribe, cat), [[false]]);
    let subscribe = json!({"type":"subscribe","publication":voice});
    assert_eq!(after(&mut world, subscribe, bob), [[true]]);
    let paused = json!({"type":"subscribe","publication":voice,"paused":true});
    assert_eq!(after(&mut world, paused, bob), [[false]]);
    let update = json!({"type":"update","mode":"receiveOnly"});
    assert_eq!(after(&mut world, update, bob), none);
    // Who only signals listens to nobody, and who comes listens to everybody.
    world.join_with("dan", Grant::JOIN, 0, |join| join.mode = Mode::SignallingOnly);
    assert!(told(&mut world, ann, voice).is_empty());
    let eve = world.join("eve");
    assert_eq!(told(&mut world, ann, voice), [[true]]);
    world.say_leave(eve);
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, voice), [[false]]);
}

#[test]
fn who_watches_by_whep_counts_and_hears_whoever_is_louder() {
    let mut world = World::new();
    let ann = world.join("ann");
    let voice = world.media(ann, 0)[0];
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, voice), [[false]]);
    let reply = world.whep(1, "ann", &offer(1), 0);
    assert_eq!(told(&mut world, ann, voice), [[true]]);
    assert!(
        world
            .books
            .bound
            .values()
            .all(|(_, limits)| limits.claim == Claim::Pinned)
    );
    let crate::room::HttpReply::Created { resource, .. } = reply else {
        panic!("{reply:?}")
    };
    world.input(Input::HttpDelete {
        request: crate::room::HttpKey(2),
        resource,
    });
    world.pass(DELAY);
    assert_eq!(told(&mut world, ann, voice), [[false]]);
}

#[test]
fn a_publisher_without_signalling_is_left_alone() {
    let mut world = World::new();
    world.whip(1, "obs", "send 0 audio opus 1\nsend 1 video vp8 3\n");
    demand(&mut world, 2, 0);
    world.pass(DELAY * 2);
    world.check();
}

#[test]
fn a_muted_source_keeps_what_it_was_told() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let camera = world.media(ann, 0)[1];
    world.say(bob, json!({"type":"offer","sdp":offer(1)}));
    demand(&mut world, camera, 0b111);
    world.say(ann, json!({"type":"mute","publication":camera,"muted":true}));
    world.pass(DELAY * 2);
    world.say(ann, json!({"type":"mute","publication":camera,"muted":false}));
    assert!(
        told(&mut world, ann, camera).is_empty(),
        "it is at hand when it is unmuted"
    );
}

#[test]
fn a_large_room_hears_the_loudest_and_a_small_one_everybody() {
    let mut world = World::with_config(RoomConfig {
        loudest: 4,
        loudest_above: 8,
        ..config()
    });
    let clients: Vec<usize> = (0..8)
        .map(|n| world.join_with(&format!("p{n}"), Grant::JOIN, n % 2, |_| {}))
        .collect();
    clients.iter().for_each(|client| drop(world.media(*client, 1)));
    assert!(world.books.loudest.is_empty());
    let late = world.join_with("late", Grant::JOIN, 2, |_| {});
    let few = |world: &World| world.books.loudest.clone().into_iter().collect::<Vec<_>>();
    assert_eq!(few(&world), [(ShardId(0), 4), (ShardId(1), 4)]);
    world.media(late, 1);
    assert_eq!(
        few(&world)[2],
        (ShardId(2), 4),
        "a shard that comes later is told as well"
    );
    world.say_leave(late);
    assert_eq!(few(&world)[0], (ShardId(0), 4), "one more or less changes nothing");
    world.say_leave(clients[0]);
    world.say_leave(clients[1]);
    assert_eq!(few(&world), [(ShardId(0), 0), (ShardId(1), 0), (ShardId(2), 0)]);
}

#[test]
fn whose_picture_is_pinned_is_heard_as_well() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let camera = world.media(bob, 0)[1];
    world.media(ann, 1);
    let pinned = |world: &World| {
        world
            .books
            .bound
            .values()
            .map(|(_, limits)| limits.claim == Claim::Pinned)
            .collect::<Vec<_>>()
    };
    assert_eq!(pinned(&world), [false, false]);
    world.say(
        ann,
        json!({"type":"subscribe","publication":camera,"priority":"pinned"}),
    );
    assert_eq!(pinned(&world), [true, true]);
    world.say(ann, json!({"type":"subscribe","publication":camera}));
    assert_eq!(pinned(&world), [false, false]);
}

/// Five people with cameras and one who looks on with a seat for each.
fn gallery(config: RoomConfig) -> (World, usize, Vec<usize>) {
    let mut world = World::with_config(config);
    let viewer = world.join("viewer");
    world.say(viewer, json!({"type":"offer","sdp":super::support::seat_lines(6)}));
    let people: Vec<usize> = (0..5).map(|n| world.join(&format!("p{n}"))).collect();
    people.iter().for_each(|client| drop(world.media(*client, 0)));
    (world, viewer, people)
}

/// Whose pictures the viewer was told to have, and how many voices.
fn seen(world: &mut World, viewer: usize) -> (String, usize) {
    world.read_all();
    let seats = world.clients[viewer].seats.values();
    let with = |video: bool| {
        move |seat: &&crate::wire::signal::SeatEntry| {
            if video {
                seat.video.is_some()
            } else {
                seat.audio.is_some()
            }
        }
    };
    let mut names: Vec<String> = seats
        .clone()
        .filter(with(true))
        .map(|seat| seat.participant.as_ref().unwrap().to_string())
        .collect();
    names.sort();
    (names.join(" "), seats.filter(with(false)).count())
}

fn speak(world: &mut World, publication: u32) {
    let source = world.source(publication);
    world.shard(ShardEvent::Levels {
        levels: vec![(source, 100)],
    });
}

#[test]
fn last_n_pictures_are_those_of_who_spoke_last_and_everybody_is_heard() {
    let (mut world, viewer, _) = gallery(config());
    assert_eq!(seen(&mut world, viewer), ("p0 p1 p2 p3 p4".to_owned(), 5));
    world.say(viewer, json!({"type":"view","lastN":2}));
    assert_eq!(seen(&mut world, viewer), ("p0 p1".to_owned(), 5));
    world.check();
    assert_eq!(world.books.bound.len(), 7);
    // Publications are numbered in pairs: the voices are 1, 3, 5, 7, 9.
    speak(&mut world, 9);
    assert_eq!(seen(&mut world, viewer), ("p0 p4".to_owned(), 5));
    world.pass(Duration::from_secs(1));
    speak(&mut world, 7);
    assert_eq!(seen(&mut world, viewer), ("p3 p4".to_owned(), 5));
    world.pass(Duration::from_secs(1));
    speak(&mut world, 1);
    assert_eq!(
        seen(&mut world, viewer),
        ("p3 p4".to_owned(), 5),
        "an interjection moves nobody"
    );
    for _ in 0..12 {
        world.pass(Duration::from_millis(250));
        speak(&mut world, 1);
    }
    assert_eq!(seen(&mut world, viewer), ("p0 p3".to_owned(), 5), "who goes on does");
    world.pass(Duration::from_secs(60));
    assert_eq!(
        seen(&mut world, viewer),
        ("p0 p3".to_owned(), 5),
        "silence moves nobody"
    );
    world.check();
    world.say(viewer, json!({"type":"view","lastN":0}));
    assert_eq!(seen(&mut world, viewer), (String::new(), 5));
    world.say(viewer, json!({"type":"view","lastN":null}));
    assert_eq!(seen(&mut world, viewer), ("p0 p1 p2 p3 p4".to_owned(), 5));
    assert_eq!(
        code(&world.say(viewer, json!({"type":"view"}))),
        Some(ErrorCode::MissingField)
    );
    assert_eq!(
        code(&world.say(viewer, json!({"type":"view","lastN":51}))),
        Some(ErrorCode::InvalidField)
    );
}

#[test]
fn pinned_pictures_and_screens_come_before_those_who_speak() {
    let (mut world, viewer, people) = gallery(RoomConfig { last_n: 2, ..config() });
    assert_eq!(seen(&mut world, viewer).0, "p0 p1", "the server's own number");
    let sdp = format!("{}send 2 video vp8 1\n", offer(0));
    world.say(
        people[4],
        json!({"type":"offer","sdp":sdp,"publish":[{"mid":"2","source":"screen"}]}),
    );
    speak(&mut world, 5);
    assert_eq!(
        seen(&mut world, viewer).0,
        "p2 p4",
        "the screen of p4, and p2 who speaks"
    );
    world.say(viewer, json!({"type":"subscribe","publication":4,"priority":"pinned"}));
    assert_eq!(seen(&mut world, viewer).0, "p1 p4");
    world.check();
}

#[test]
fn the_owner_of_a_room_may_say_how_many_pictures_and_each_for_oneself() {
    let (mut world, viewer, _) = gallery(RoomConfig { last_n: 2, ..config() });
    let update = |last_n: Option<u32>| json!({"type":"room.update","settings":{"lastN":last_n}});
    world.say(viewer, update(Some(3)));
    assert_eq!(seen(&mut world, viewer).0, "p0 p1 p2");
    world.say(viewer, json!({"type":"view","lastN":1}));
    assert_eq!(seen(&mut world, viewer).0, "p0");
    world.say(viewer, json!({"type":"view","lastN":null}));
    world.say(viewer, update(None));
    assert_eq!(seen(&mut world, viewer).0, "p0 p1");
    world.check();
}

#[test]
fn what_is_muted_or_paused_takes_no_place_in_view() {
    let (mut world, viewer, people) = gallery(RoomConfig { last_n: 2, ..config() });
    world.say(people[0], json!({"type":"mute","publication":2,"muted":true}));
    assert_eq!(seen(&mut world, viewer).0, "p0 p1 p2");
    world.say(viewer, json!({"type":"subscribe","publication":4,"paused":true}));
    assert_eq!(seen(&mut world, viewer).0, "p0 p1 p2 p3");
    world.say(people[0], json!({"type":"mute","publication":2,"muted":false}));
    assert_eq!(seen(&mut world, viewer).0, "p0 p1 p2", "who is back counts again");
    let limits: Vec<Limits> = world.books.bound.values().map(|(_, limits)| *limits).collect();
    assert_eq!(limits.iter().filter(|limits| limits.paused).count(), 1);
    assert_eq!(world.clients[viewer].others[&id("p0")].publications.len(), 2);
    world.check();
}
