//! Media that moderators switch off, and pins.

use serde_json::{Value, json};

use super::support::{World, code, count, id};
use crate::{
    room::{Grant, HttpReply},
    wire::{
        ErrorCode,
        signal::{ServerMessage, SourceKind},
    },
};

fn request(source: &str, on: bool) -> Value {
    json!({"type":"media.request","participant":"bob","source":source,"on":on})
}

/// What others know to be muted of bob's, by source.
fn muted(world: &World, client: usize) -> Vec<SourceKind> {
    let publications = &world.clients[client].others[&id("bob")].publications;
    publications
        .iter()
        .filter(|one| one.muted)
        .map(|one| one.source)
        .collect()
}

#[test]
fn a_moderator_mutes_at_once_and_the_muted_may_unmute() {
    let mut world = World::new();
    let (moderator, bob) = (world.join_with("mod", Grant::MODERATE, 0, |_| {}), world.join("bob"));
    let publications = world.media(bob, 1);
    assert!(code(&world.say(moderator, request("microphone", false))).is_none());
    assert_eq!(muted(&world, moderator), [SourceKind::Microphone]);
    assert!(world.books.muted.contains(&world.source(publications[0])));
    let asked = |on: bool| {
        move |message: &ServerMessage| {
            matches!(message, ServerMessage::MediaRequested { participant, source: SourceKind::Microphone, on: asked }
                if *asked == on && *participant == id("mod"))
        }
    };
    assert_eq!(count(&world, bob, asked(false)), 1);

    world.say(moderator, request("microphone", true));
    assert_eq!(count(&world, bob, asked(true)), 1);
    assert_eq!(
        muted(&world, moderator),
        [SourceKind::Microphone],
        "on is asked, not done"
    );
    world.say(bob, json!({"type":"mute","publication":publications[0],"muted":false}));
    assert_eq!(muted(&world, moderator), []);
    assert!(world.books.muted.is_empty());
    world.check();
}

#[test]
fn a_screen_is_switched_off_with_its_sound() {
    let mut world = World::new();
    let (moderator, bob) = (world.join_with("mod", Grant::MODERATE, 0, |_| {}), world.join("bob"));
    let sdp = "send 0 audio opus 1\nsend 1 video vp8 1\nsend 2 audio opus 1\n";
    let publish =
        json!([{"mid":"0","source":"screenAudio"},{"mid":"1","source":"screen"},{"mid":"2","source":"microphone"}]);
    world.say(bob, json!({"type":"offer","sdp":sdp,"publish":publish}));
    world.say(moderator, request("screen", false));
    let mut sources = muted(&world, moderator);
    sources.sort();
    assert_eq!(sources, [SourceKind::Screen, SourceKind::ScreenAudio]);
}

#[test]
fn switching_off_takes_a_moderator_and_somebody_who_is_there() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.join("bob");
    assert_eq!(
        code(&world.say(ann, request("camera", false))),
        Some(ErrorCode::Forbidden)
    );
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    let gone = json!({"type":"media.request","participant":"eve","source":"camera","on":false});
    assert_eq!(code(&world.say(moderator, gone)), Some(ErrorCode::NoSuchParticipant));
}

#[test]
fn a_whip_publisher_is_switched_off_and_on_again_without_being_asked() {
    let mut world = World::new();
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    let reply = world.whip(1, "bob", "send 0 audio opus 1\nsend 1 video vp8 1\n");
    assert!(matches!(reply, HttpReply::Created { .. }));
    world.say(moderator, request("camera", false));
    assert_eq!(muted(&world, moderator), [SourceKind::Camera]);
    world.say(moderator, request("camera", true));
    assert_eq!(muted(&world, moderator), []);
    world.check();
}

#[test]
fn a_pin_is_for_the_whole_room_and_for_those_who_come_later() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let pin = |camera: bool, screen: bool| json!({"type":"pin","participant":"bob","camera":camera,"screen":screen});
    world.say(ann, pin(true, false));
    world.say(bob, pin(true, false));
    let told = |world: &World, client| count(world, client, |message| matches!(message, ServerMessage::Pin(_)));
    assert_eq!(
        [ann, bob].map(|client| told(&world, client)),
        [1, 1],
        "the same again is nothing new"
    );
    let eve = world.join("eve");
    assert_eq!(world.clients[eve].pins[&id("bob")].by, id("ann"));
    world.say(eve, pin(false, true));
    world.check();
    world.say(eve, pin(false, false));
    assert!(world.clients[ann].pins.is_empty());
    assert_eq!(told(&world, ann), 3);
    world.check();
}

#[test]
fn a_pin_goes_with_the_participant() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.say(ann, json!({"type":"pin","participant":"bob","camera":true}));
    world.say_leave(bob);
    world.read_all();
    world.join("bob");
    world.read_all();
    assert!(world.room.pins.all().is_empty());
    world.check();
    let nobody = world.say(ann, json!({"type":"pin","participant":"eve","camera":true}));
    assert_eq!(code(&nobody), Some(ErrorCode::NoSuchParticipant));
}
