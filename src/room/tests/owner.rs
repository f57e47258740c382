//! Who may begin a room, whose it is, how it is set, and how it closes; modes and presence.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{WINDOW, World, code, config, count, id, offer};
use crate::{
    room::{Grant, HttpReply, Input, LinksConfig, RoomConfig},
    wire::{
        ErrorCode,
        signal::{
            ByeCode, ClientMessage, Intent, JoinRequest, LeaveReason, Mode, ServerMessage, Settings, Token, decode,
        },
    },
};

const GUEST: Grant = Grant {
    ask: true,
    ..Grant::JOIN
};

/// Settings as a client writes them.
fn settings(value: Value) -> Option<Box<Settings>> {
    let text = json!({"id": 1, "type": "room.update", "settings": value}).to_string();
    match decode(&text).unwrap().message {
        ClientMessage::RoomUpdate { settings } => Some(settings),
        other => panic!("{other:?}"),
    }
}

fn set(value: Value) -> impl FnOnce(&mut JoinRequest) {
    move |join| join.settings = settings(value)
}

fn with_password(text: &str) -> impl FnOnce(&mut JoinRequest) + use<> {
    let password = Some(Token(text.to_owned()));
    move |join| join.password = password
}

fn intent(intent: Intent) -> impl FnOnce(&mut JoinRequest) {
    move |join| join.intent = intent
}

fn kept_when_empty() -> World {
    World::with_config(RoomConfig {
        departure_timeout: Duration::from_secs(20),
        ..config()
    })
}

#[test]
fn one_opens_and_the_others_find_the_room_there() {
    let mut world = World::new();
    assert_eq!(
        world.refused("ann", Grant::JOIN, intent(Intent::Join)),
        "room-not-found"
    );
    assert_eq!(world.empty, 1, "nobody waits for a room that did not begin");
    let ann = world.join_with("ann", Grant::JOIN, 0, intent(Intent::Open));
    assert_eq!(world.refused("bob", Grant::JOIN, intent(Intent::Open)), "room-exists");
    let bob = world.join_with("bob", Grant::JOIN, 0, intent(Intent::Join));
    let eve = world.join("eve");
    assert_eq!(
        [ann, bob, eve].map(|client| world.clients[client].created),
        [true, false, false]
    );
    assert_eq!(
        [ann, bob, eve].map(|client| world.clients[client].owner.clone()),
        [(); 3].map(|()| Some(id("ann")))
    );
    world.read_all();
    world.check();
}

#[test]
fn a_room_kept_empty_counts_as_not_there_and_begins_anew() {
    let mut world = kept_when_empty();
    let ann = world.join_with(
        "ann",
        Grant::JOIN,
        0,
        set(json!({"maxParticipants": 1, "info": "x", "listing": "public"})),
    );
    world.say_leave(ann);
    assert_eq!((world.empty, world.shown.clone().unwrap().1), (0, None));
    assert_eq!(
        world.refused("bob", Grant::JOIN, intent(Intent::Join)),
        "room-not-found"
    );
    let bob = world.join_with("bob", Grant::JOIN, 0, intent(Intent::Open));
    assert!(world.clients[bob].created);
    let settings = world.clients[bob].settings.clone().unwrap();
    assert_eq!(
        (settings.max_participants, settings.info, settings.listing),
        (None, None, None)
    );
    assert_eq!(world.clients[bob].owner, Some(id("bob")));
}

#[test]
fn what_a_private_room_kept_is_not_told_to_whoever_begins_it_next() {
    for (settings, kept) in [
        (json!({}), 1),
        (json!({"password": "x"}), 0),
        (json!({"keepEmpty": true, "lobby": true}), 0),
    ] {
        let mut world = kept_when_empty();
        let ann = world.join_with("ann", Grant::JOIN, 0, set(settings));
        world.say(
            ann,
            json!({"type":"topic.publish","topic":"T","message":1,"persist":true}),
        );
        world.say_leave(ann);
        let bob = world.join("bob");
        match world.say(bob, json!({"type":"topic.subscribe","topic":"T"})) {
            ServerMessage::Ok(fields) => assert_eq!(fields.messages.unwrap().len(), kept),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn settings_are_those_of_whoever_begins_the_room() {
    let mut world = World::new();
    let ann = world.join_with(
        "ann",
        Grant::JOIN,
        0,
        set(json!({"info": {"a": 1}, "closeWithOwner": true})),
    );
    let bob = world.join_with("bob", Grant::JOIN, 0, set(json!({"info": 2, "password": "mine now"})));
    for client in [ann, bob] {
        let settings = world.clients[client].settings.clone().unwrap();
        assert!(settings.close_with_owner && !settings.password_protected);
        assert_eq!(settings.info.unwrap().as_str(), r#"{"a":1}"#);
    }
}

#[test]
fn a_password_is_asked_of_everybody_but_moderators() {
    let mut world = World::new();
    world.join_with("ann", Grant::JOIN, 0, set(json!({"password": "sesame"})));
    assert_eq!(world.refused("bob", Grant::JOIN, |_| {}), "password-required");
    for wrong in ["", "Sesame", "sesame ", "sesam"] {
        assert_eq!(
            world.refused("bob", Grant::JOIN, with_password(wrong)),
            "password-wrong",
            "{wrong:?}"
        );
    }
    let bob = world.join_with("bob", Grant::JOIN, 0, with_password("sesame"));
    world.join_with("mod", Grant::MODERATE, 0, |_| {});
    assert_eq!(world.room.participants(), 3);
    assert!(world.clients[bob].settings.as_ref().unwrap().password_protected);
    let log = format!("{:?}{:?}", world.clients[bob].log, world.room.settings);
    assert!(!log.contains("sesame"), "{log}");
    // There is nobody whom HTTP could ask for it.
    for reply in [world.whip(1, "studio", &offer(0)), world.whep(2, "ann", &offer(1), 0)] {
        assert!(
            matches!(
                reply,
                HttpReply::Refused {
                    code: ErrorCode::PasswordRequired,
                    ..
                }
            ),
            "{reply:?}"
        );
    }
}

#[test]
fn who_watches_an_empty_room_does_not_see_what_becomes_of_it_when_it_is_private() {
    let mut world = World::new();
    world.whep(1, "ann", &offer(1), 0);
    world.join("ann");
    assert_eq!(world.books.transports.len(), 1, "an open room keeps its viewers");
    let mut world = World::new();
    world.whep(1, "ann", &offer(1), 0);
    world.join_with("ann", Grant::JOIN, 0, set(json!({"password": "x"})));
    assert_eq!(world.books.transports.len(), 0);
    world.check();
}

#[test]
fn the_owner_and_moderators_change_the_room_and_everybody_learns_of_it() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    let update = |settings: Value| json!({"type":"room.update","settings":settings});
    let refused = world.say(bob, update(json!({"info": 1})));
    assert_eq!(code(&refused), Some(ErrorCode::Forbidden));
    world.say(
        ann,
        update(json!({"info": 1, "maxParticipants": 3, "linkPolicy": "deny"})),
    );
    world.say(moderator, update(json!({"info": 2, "password": "x"})));
    for client in [ann, bob, moderator] {
        let settings = world.clients[client].settings.clone().unwrap();
        assert_eq!(settings.info.unwrap().as_str(), "2");
        assert_eq!(
            (settings.max_participants, settings.password_protected),
            (Some(3), true)
        );
        assert_eq!(
            count(&world, client, |m| matches!(m, ServerMessage::RoomUpdated { .. })),
            2
        );
    }
    world.say(
        ann,
        update(json!({"password": null, "info": null, "maxParticipants": 1_000_000})),
    );
    let settings = world.clients[bob].settings.clone().unwrap();
    assert_eq!((settings.password_protected, settings.info), (false, None));
    assert_eq!(settings.max_participants, Some(100), "as many as the server allows");
    world.check();
}

#[test]
fn everybody_counts_toward_the_limit_and_nobody_is_put_out_for_it() {
    let mut world = World::new();
    let ann = world.join_with("ann", Grant::JOIN, 0, set(json!({"maxParticipants": 2})));
    world.join("bob");
    assert_eq!(world.refused("eve", Grant::MODERATE, |_| {}), "room-full");
    world.say(ann, json!({"type":"room.update","settings":{"maxParticipants":1}}));
    assert_eq!(world.room.participants(), 2);
    world.join("bob");
    assert_eq!(world.room.participants(), 2, "who is in comes in again");
}

#[test]
fn when_the_owner_has_left_the_one_who_came_next_takes_over() {
    let mut world = World::new();
    let (ann, bob, eve) = (world.join("ann"), world.join("bob"), world.join("eve"));
    world.cut(ann, 0);
    world.pass(WINDOW - Duration::from_millis(1));
    world.read_all();
    assert_eq!(world.clients[eve].owner, Some(id("ann")), "still awaited");
    world.pass(Duration::from_millis(1));
    world.read_all();
    assert_eq!(
        [bob, eve].map(|client| world.clients[client].owner.clone()),
        [Some(id("bob")), Some(id("bob"))]
    );
    world.say_leave(bob);
    world.read_all();
    assert_eq!(world.clients[eve].owner, Some(id("eve")));
    world.ask(eve, ClientMessage::RoomClose);
    assert!(world.room.is_empty());
}

#[test]
fn an_owner_who_comes_in_again_is_still_the_owner() {
    let mut world = World::new();
    let (_, bob) = (
        world.join_with("ann", Grant::JOIN, 0, set(json!({"closeWithOwner": true}))),
        world.join("bob"),
    );
    let again = world.join("ann");
    world.read_all();
    assert_eq!(
        [again, bob].map(|client| world.clients[client].owner.clone()),
        [Some(id("ann")), Some(id("ann"))]
    );
    assert!(!world.clients[again].created);
    assert_eq!(
        count(&world, bob, |m| matches!(m, ServerMessage::RoomUpdated { .. })),
        0
    );
    world.check();
}

#[test]
fn neither_guests_nor_whip_publishers_own_a_room() {
    let mut world = World::new();
    world.whip(1, "studio", &offer(0));
    world.join("ann");
    let ann = world.clients.len() - 1;
    assert!(!world.clients[ann].created, "the publisher was there");
    assert_eq!(world.clients[ann].owner, Some(id("ann")));
    // It takes over the owner's own id, and somebody else has to be found.
    let bob = world.join("bob");
    world.whip(2, "ann", &offer(0));
    world.clients[bob].read_all();
    assert_eq!(world.clients[bob].owner, Some(id("bob")));
    world.say_leave(bob);
    assert_eq!(world.room.owner_id(), None);
    assert_eq!(world.refused("eve", GUEST, intent(Intent::Open)), "room-exists");
}

#[test]
fn with_its_owner_a_room_closes_if_so_set() {
    let mut world = kept_when_empty();
    let ann = world.join_with("ann", Grant::JOIN, 0, set(json!({"closeWithOwner": true})));
    let bob = world.join("bob");
    let socket = world.clients[bob].socket.unwrap();
    world.say_leave(ann);
    world.clients[bob].read_all();
    assert_eq!(world.clients[bob].bye, Some(ByeCode::RoomClosed));
    assert_eq!((world.closed[&socket], world.empty), (4010, 1));
}

#[test]
fn a_room_that_is_not_kept_ends_with_the_last_participant() {
    let mut world = kept_when_empty();
    let ann = world.join_with("ann", Grant::JOIN, 0, set(json!({"keepEmpty": false})));
    world.say_leave(ann);
    assert_eq!(world.empty, 1);
}

#[test]
fn closing_puts_everybody_out_and_ends_the_room_at_once() {
    let mut world = kept_when_empty();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.media(bob, 1);
    world.media(ann, 1);
    let sockets = [ann, bob].map(|client| world.clients[client].socket.unwrap());
    let close = json!({"type":"room.close"});
    assert_eq!(code(&world.say(bob, close)), Some(ErrorCode::Forbidden));
    let request = world.ask(ann, ClientMessage::RoomClose);
    assert_eq!(world.empty, 1);
    for client in [ann, bob] {
        world.clients[client].read_all();
        let by = world.clients[client].log.iter().find_map(|message| match message {
            ServerMessage::Bye { by, .. } => Some(by.clone()),
            _ => None,
        });
        assert_eq!(by, Some(Some(id("ann"))));
        assert_eq!(world.clients[client].left, [], "nobody is seen leaving");
    }
    assert!(matches!(world.clients[ann].answers[&request], ServerMessage::Ok(_)));
    assert_eq!(sockets.map(|socket| world.closed[&socket]), [4010, 4010]);
    assert!(world.room.is_empty() && world.books.transports.is_empty());
    assert!(!world.shown.clone().unwrap().0.exists);
    assert!(world.resume(bob).unwrap_err().contains("resume-unknown"));
}

#[test]
fn a_room_kept_empty_ends_when_it_is_told_to() {
    let mut world = kept_when_empty();
    let ann = world.join("ann");
    world.say_leave(ann);
    assert_eq!(world.empty, 0);
    world.input(Input::Close);
    assert_eq!(world.empty, 1);
}

#[test]
fn anybody_who_may_join_closes_the_room_where_links_are_open_to_all() {
    let links = LinksConfig {
        open_to_all: true,
        ..config().links
    };
    let mut world = World::with_config(RoomConfig { links, ..config() });
    let (_, bob) = (world.join("ann"), world.join("bob"));
    assert!(code(&world.say(bob, json!({"type":"room.update","settings":{"info":1}}))).is_some());
    world.ask(bob, ClientMessage::RoomClose);
    assert!(world.room.is_empty());
}

#[test]
fn a_mode_says_what_may_be_published_and_received() {
    let mut world = World::new();
    let ann = world.join("ann");
    let [watcher, silent] = [("eve", Mode::ReceiveOnly), ("log", Mode::SignallingOnly)]
        .map(|(name, mode)| world.join_with(name, Grant::JOIN, 0, |join| join.mode = mode));
    world.media(ann, 2);
    for client in [watcher, silent] {
        assert_eq!(world.media(client, 2), [] as [u32; 0]);
        let refused = world.say(client, json!({"type":"publish","mid":"1","source":"camera"}));
        assert_eq!(code(&refused), Some(ErrorCode::Forbidden));
    }
    assert_eq!(world.clients[ann].others[&id("eve")].mode, Mode::ReceiveOnly);
    let sits = |world: &World, client: usize| world.clients[client].seats.values().any(|seat| seat.video.is_some());
    assert_eq!((sits(&world, watcher), sits(&world, silent)), (true, false));
    world.check();

    world.say(silent, json!({"type":"update","mode":"sendAndReceive"}));
    assert!(sits(&world, silent), "the seats it had offered are filled");
    assert!(code(&world.say(silent, json!({"type":"publish","mid":"1","source":"camera"}))).is_none());
    assert_eq!(world.clients[ann].others[&id("log")].publications.len(), 1);
    world.say(silent, json!({"type":"update","mode":"signallingOnly"}));
    assert!(!sits(&world, silent));
    let info = &world.clients[ann].others[&id("log")];
    assert_eq!((info.mode, info.publications.len()), (Mode::SignallingOnly, 0));
    assert_eq!(
        world.clients[ann].left,
        [] as [(crate::wire::ParticipantId, LeaveReason); 0]
    );
    world.check();
}

#[test]
fn those_outside_see_who_owns_the_room_and_whether_there_is_place() {
    let mut world = World::new();
    let ann = world.join_with("ann", Grant::JOIN, 0, |join| {
        join.settings = settings(json!({"maxParticipants": 2, "info": [1], "listing": "public", "password": "x"}));
        join.display_name = Some("Ann".to_owned());
    });
    let (presence, listing) = world.shown.clone().unwrap();
    assert_eq!(
        (presence.exists, presence.participants, presence.max_participants),
        (true, 1, 2)
    );
    assert_eq!(
        (presence.full, presence.password_protected, listing.as_deref()),
        (false, true, Some("public"))
    );
    assert_eq!(presence.info.unwrap().as_str(), "[1]");
    world.say(ann, json!({"type":"update","displayName":"Ann B."}));
    world.join_with("bob", Grant::JOIN, 0, with_password("x"));
    let (presence, _) = world.shown.clone().unwrap();
    assert_eq!(
        (presence.full, presence.owner.unwrap().display_name.as_str()),
        (true, "Ann B.")
    );
    world.say(ann, json!({"type":"room.update","settings":{"listing":null}}));
    assert_eq!(world.shown.clone().unwrap().1, None);
    world.input(Input::Close);
    assert!(!world.shown.clone().unwrap().0.exists);
}

#[test]
fn questions_about_rooms_are_answered_in_their_place_and_not_without_end() {
    let mut world = World::new();
    let ann = world.join("ann");
    let ask = json!({"type":"presence","room":"r2","token":"for-r2"});
    assert!(matches!(world.say(ann, ask.clone()), ServerMessage::Presence(presence) if !presence.exists));
    assert!(matches!(
        world.say(ann, json!({"type":"rooms","listing":"x"})),
        ServerMessage::Rooms { .. }
    ));
    let refused = (0..60)
        .filter(|_| code(&world.say(ann, ask.clone())) == Some(ErrorCode::RateLimited))
        .count();
    assert_eq!(refused, 22, "forty at once");
    world.check();
}

#[test]
fn of_another_room_as_much_is_told_inside_as_outside() {
    let mut world = World::new();
    let ann = world.join("ann");
    for (token, expected) in [
        (json!(null), Some(ErrorCode::TokenMissing)),
        (json!("for-r1"), Some(ErrorCode::TokenRoom)),
        (json!("for-r2"), None),
    ] {
        let ask = json!({"type":"presence","room":"r2","token":token});
        assert_eq!(code(&world.say(ann, ask)), expected);
    }
    let own = json!({"type":"presence","room":"r1"});
    assert_eq!(code(&world.say(ann, own)), None);
}

#[test]
fn a_token_that_names_nobody_takes_neither_place_nor_room_of_somebody_who_is_named() {
    let mut world = World::new();
    let named = Grant {
        named: true,
        ..Grant::JOIN
    };
    let ann = world.join_with("ann", named, 0, |_| {});
    world.join("bob");
    assert_eq!(world.refused("ann", Grant::JOIN, |_| {}), "token-participant");
    world.read_all();
    assert_eq!(world.clients[ann].bye, None);
    world.join_with("ann", named, 0, |_| {});
    world.join("bob");
    assert_eq!(
        world.room.participants(),
        2,
        "the same token, or two that name nobody, go on as before"
    );
}
