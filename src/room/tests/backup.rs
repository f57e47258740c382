//! Who cannot decode a picture gets another version of it, and nobody else notices.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{World, code, config, id};
use crate::{
    media::SourceKey,
    packet::Codec,
    room::{Grant, RoomConfig},
    shard::event::ShardEvent,
    transport::negotiation::CodecPolicy,
    wire::{
        ErrorCode,
        signal::{ServerMessage, SubscriptionState},
    },
};

/// Ann publishes camera 1 in H264 on m-line 1, and has m-line 2 to spare.
fn stage() -> (World, usize) {
    let mut world = World::new();
    let ann = world.join("ann");
    let sdp = "send 0 audio opus 1\nsend 1 video h264,vp8,vp9 3\nsend 2 video vp8 3\n";
    world.say(
        ann,
        json!({"type":"offer","sdp":sdp,"publish":[{"mid":"1","source":"camera"}]}),
    );
    started(&mut world, 1, Codec::H264);
    (world, ann)
}

fn started(world: &mut World, publication: u32, codec: Codec) {
    let source = world.source(publication);
    world.shard(ShardEvent::StreamStarted {
        source,
        encoding: 0,
        codec,
    });
    world.read_all();
}

fn watch(world: &mut World, name: &str, codecs: &str) -> usize {
    let client = world.join(name);
    let sdp = format!("seat 0 audio 10 opus\nseat 0 video 11 {codecs}\n");
    world.say(client, json!({"type":"offer","sdp":sdp}));
    client
}

/// The `publication.backup` events, as they are on the wire.
fn asked(world: &World, client: usize) -> Vec<Value> {
    let backups = world.clients[client]
        .log
        .iter()
        .filter(|message| matches!(message, ServerMessage::PublicationBackup { .. }));
    backups.map(|message| serde_json::to_value(message).unwrap()).collect()
}

fn states(world: &World, client: usize) -> Vec<(u32, SubscriptionState)> {
    let states = world.clients[client].log.iter().filter_map(|message| match message {
        ServerMessage::Subscription { state, publication, .. } => Some((publication.0, *state)),
        _ => None,
    });
    states.collect()
}

/// What each seat shows on its shard.
fn shown(world: &World) -> Vec<SourceKey> {
    let mut shown: Vec<_> = world.books.bound.values().map(|(source, _)| *source).collect();
    shown.sort();
    shown
}

fn back_up(world: &mut World, ann: usize) -> ServerMessage {
    world.say(ann, json!({"type":"publish","mid":"2","source":"camera","backupOf":1}))
}

#[test]
fn a_backup_is_asked_for_when_somebody_cannot_decode_and_not_before() {
    let (mut world, ann) = stage();
    watch(&mut world, "bob", "h264,vp8");
    assert_eq!(asked(&world, ann), [] as [Value; 0]);
    let cat = watch(&mut world, "cat", "vp8,av1");
    let wanted = json!({"type":"publication.backup","publication":1,"codec":"h264","wanted":true,"codecs":["vp8"],"for":["cat"]});
    assert_eq!(asked(&world, ann), [wanted]);
    assert_eq!(states(&world, cat), [(1, SubscriptionState::CodecNotSupported)]);
    watch(&mut world, "dan", "vp8,vp9");
    assert_eq!(asked(&world, ann).len(), 1, "VP8 is best for Dan as well");
    world.check();
}

#[test]
fn everybody_gets_the_version_they_can_decode_and_knows_of_one_publication() {
    let (mut world, ann) = stage();
    let bob = watch(&mut world, "bob", "h264,vp8");
    let cat = watch(&mut world, "cat", "vp8");
    let ServerMessage::Ok(_) = back_up(&mut world, ann) else {
        panic!("refused")
    };
    let (main, backup) = (world.source(1), world.source(2));
    assert_eq!(shown(&world), [main, backup]);
    assert_eq!(
        states(&world, cat),
        [
            (1, SubscriptionState::CodecNotSupported),
            (1, SubscriptionState::Active)
        ]
    );
    for watcher in [bob, cat] {
        assert_eq!(world.clients[watcher].seats[&0].video.unwrap().0, 1);
        assert_eq!(world.clients[watcher].others[&id("ann")].publications.len(), 1);
    }
    // It is wanted, limited, muted and ended as the publication itself.
    world.say(cat, json!({"type":"subscribe","publication":1,"quality":"low"}));
    let limits = world
        .books
        .bound
        .values()
        .find(|(source, _)| *source == backup)
        .unwrap()
        .1;
    assert_eq!(limits.max_encoding, 0);
    assert_eq!(
        code(&world.say(cat, json!({"type":"subscribe","publication":2}))),
        Some(ErrorCode::NoSuchPublication)
    );
    world.say(ann, json!({"type":"mute","publication":1,"muted":true}));
    assert!(world.books.muted.contains(&main) && world.books.muted.contains(&backup));
    world.check();
    world.say(ann, json!({"type":"unpublish","publication":1}));
    assert!(shown(&world).is_empty() && world.books.sources.is_empty());
    assert!(world.clients[bob].others[&id("ann")].publications.is_empty());
    world.check();
}

#[test]
fn a_backup_is_let_go_some_time_after_nobody_needs_it() {
    let (mut world, ann) = stage();
    let cat = watch(&mut world, "cat", "vp8");
    back_up(&mut world, ann);
    world.say_leave(cat);
    world.read_all();
    world.pass(Duration::from_secs(9));
    world.read_all();
    assert_eq!(asked(&world, ann).len(), 1);
    let cat = watch(&mut world, "cat", "vp8");
    world.pass(Duration::from_secs(60));
    world.read_all();
    assert_eq!(asked(&world, ann).len(), 1, "who came back in time found it there");
    assert_eq!(shown(&world), [world.source(2)]);
    // Who rests does not need it.
    world.say(cat, json!({"type":"subscribe","publication":1,"paused":true}));
    world.pass(Duration::from_secs(11));
    world.read_all();
    let over = json!({"type":"publication.backup","publication":1,"codec":"h264","wanted":false,"codecs":[],"for":[]});
    assert_eq!(asked(&world, ann)[1..], [over]);
    world.say(ann, json!({"type":"unpublish","publication":2}));
    world.say(cat, json!({"type":"subscribe","publication":1}));
    assert_eq!(asked(&world, ann)[2]["codecs"], json!(["vp8"]), "and asked for again");
    world.check();
}

#[test]
fn a_publisher_who_changes_codecs_moves_everybody_to_what_they_can_decode() {
    let (mut world, ann) = stage();
    let bob = watch(&mut world, "bob", "h264,vp8,vp9");
    watch(&mut world, "cat", "vp8");
    back_up(&mut world, ann);
    started(&mut world, 1, Codec::Vp8);
    assert_eq!(shown(&world), [world.source(1), world.source(1)]);
    assert_eq!(states(&world, bob), []);
    started(&mut world, 1, Codec::Vp9);
    assert_eq!(shown(&world), [world.source(1), world.source(2)]);
    world.check();
}

#[test]
fn only_a_picture_of_ones_own_has_a_backup_and_only_one() {
    let (mut world, ann) = stage();
    watch(&mut world, "cat", "vp8");
    let refused = |world: &mut World, fields: Value| {
        let mut message = json!({"type":"publish","mid":"2","source":"camera","backupOf":1});
        message
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        code(&world.say(ann, message))
    };
    let none = Some(ErrorCode::NoSuchPublication);
    assert_eq!(refused(&mut world, json!({"backupOf":7})), none);
    assert_eq!(
        refused(&mut world, json!({"source":"screen"})),
        Some(ErrorCode::InvalidField)
    );
    assert_eq!(
        refused(&mut world, json!({"encrypted":true})),
        Some(ErrorCode::InvalidField)
    );
    back_up(&mut world, ann);
    world.say(
        ann,
        json!({"type":"offer","sdp":"send 0 audio opus 1\nsend 1 video h264,vp8 3\nsend 2 video vp8 3\nsend 3 video vp8 1\n"}),
    );
    let third = |of: u32| json!({"mid":"3","backupOf":of});
    assert_eq!(refused(&mut world, third(1)), Some(ErrorCode::TooManyPublications));
    assert_eq!(refused(&mut world, third(2)), none, "a backup has none");
    let bob = world.join("bob");
    world.say(bob, json!({"type":"offer","sdp":"send 1 video vp8 1\n"}));
    let theft = json!({"type":"publish","mid":"1","source":"camera","backupOf":1});
    assert_eq!(code(&world.say(bob, theft)), Some(ErrorCode::NotYours));
    world.check();
}

#[test]
fn a_stopped_line_ends_its_backup_and_the_wish_for_it_remains() {
    let (mut world, ann) = stage();
    let cat = watch(&mut world, "cat", "vp8");
    back_up(&mut world, ann);
    world.say(
        ann,
        json!({"type":"offer","sdp":"send 0 audio opus 1\nsend 1 video h264,vp8 3\n"}),
    );
    assert!(shown(&world).is_empty());
    assert_eq!(
        states(&world, cat).last(),
        Some(&(1, SubscriptionState::CodecNotSupported))
    );
    assert_eq!(asked(&world, ann).len(), 2);
    world.check();
}

#[test]
fn who_watches_by_whep_gets_a_backup_too_and_nothing_that_is_encrypted() {
    let (mut world, ann) = stage();
    world.whep(1, "ann", "seat 0 video 11 vp8\n", 0);
    world.read_all();
    assert_eq!(asked(&world, ann)[0]["for"], json!([]));
    back_up(&mut world, ann);
    assert_eq!(shown(&world), [world.source(2)]);
    let bob = world.join("bob");
    world.say(
        bob,
        json!({"type":"offer","sdp":"send 1 video vp8 1\n","publish":[{"mid":"1","source":"camera","encrypted":true}]}),
    );
    world.whep(2, "bob", "seat 0 video 11 vp8\n", 0);
    assert_eq!(shown(&world), [world.source(2)]);
    assert!(world.clients[ann].others[&id("bob")].publications[0].encrypted);
    world.check();
}

#[test]
fn the_codecs_of_a_room_are_those_its_owner_names_within_the_servers() {
    let mut world = World::with_config(RoomConfig {
        codecs: CodecPolicy::new([Codec::Vp8, Codec::H264]),
        ..config()
    });
    let ann = world.join_with("ann", Grant::MODERATE, 0, |_| {});
    let policy = |world: &World| world.room.settings.policy(&world.room.config);
    assert_eq!(policy(&world), CodecPolicy::new([Codec::Vp8, Codec::H264]));
    let set =
        |world: &mut World, codecs: Value| world.say(ann, json!({"type":"room.update","settings":{"codecs":codecs}}));
    set(&mut world, json!(["av1", "h264", "opus"]));
    assert_eq!(policy(&world), CodecPolicy::new([Codec::H264, Codec::Opus]));
    set(&mut world, Value::Null);
    assert_eq!(policy(&world), CodecPolicy::new([Codec::Vp8, Codec::H264]));
    for wrong in [json!([]), json!(["h263"]), json!("vp8"), json!([1])] {
        assert_eq!(code(&set(&mut world, wrong)), Some(ErrorCode::InvalidField));
    }
    world.check();
}
