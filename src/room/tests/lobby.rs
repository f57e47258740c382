//! Waiting to be let in.

use std::time::Duration;

use serde_json::{Value, json};

use super::support::{World, code, config, count, id, offer};
use crate::{
    room::{Grant, HttpReply, Input, LinksConfig, RoomConfig},
    wire::{
        ErrorCode,
        signal::{ClientMessage, Intent, Mode, ServerMessage, Token},
    },
};

const GUEST: Grant = Grant {
    ask: true,
    ..Grant::JOIN
};

fn respond(participant: &str, allow: bool) -> Value {
    json!({"type":"entry.respond","participant":participant,"allow":allow})
}

/// The code with which the client was turned away, if it was.
fn turned_away(world: &World, client: usize) -> Option<String> {
    let mut refused = world
        .refused
        .iter()
        .filter(|(socket, _)| world.by_socket[socket] == client);
    let error: Value = serde_json::from_str(&refused.next()?.1).unwrap();
    assert_eq!(error["re"], 1, "the join is answered");
    Some(error["code"].as_str().unwrap().to_owned())
}

/// Who was let in or not, and by whom, as the client heard it.
fn responses(world: &World, client: usize) -> Vec<(bool, Option<String>)> {
    let responded = world.clients[client].log.iter().filter_map(|message| match message {
        ServerMessage::EntryResponded { allow, by, .. } => Some((*allow, by.as_ref().map(ToString::to_string))),
        _ => None,
    });
    responded.collect()
}

fn with_lobby() -> (World, usize) {
    let mut world = World::new();
    let ann = world.join("ann");
    world.say(ann, json!({"type":"room.update","settings":{"lobby":true}}));
    (world, ann)
}

#[test]
fn who_has_to_ask_waits_until_somebody_inside_says_yes() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let eve = world.join_with("eve", GUEST, 0, |join| {
        join.display_name = Some("Eve".to_owned());
        join.mode = Mode::ReceiveOnly;
    });
    assert!(world.clients[eve].is_waiting);
    world.read_all();
    assert_eq!(world.room.participants(), 2, "who waits is nobody's participant");
    let named =
        |m: &ServerMessage| matches!(m, ServerMessage::EntryRequested { display_name, .. } if display_name == "Eve");
    assert_eq!([ann, bob].map(|client| count(&world, client, named)), [1, 1]);
    world.check();

    world.say(bob, respond("eve", true));
    assert!(!world.clients[eve].is_waiting);
    assert_eq!(world.clients[eve].others.len(), 2);
    assert_eq!(world.clients[ann].others[&id("eve")].mode, Mode::ReceiveOnly);
    assert_eq!(
        [ann, bob].map(|client| responses(&world, client)),
        [(); 2].map(|()| vec![(true, Some("bob".to_owned()))])
    );
    assert_eq!(
        code(&world.say(ann, respond("eve", false))),
        Some(ErrorCode::NoSuchParticipant),
        "the first answer counts"
    );
    let refused = world.say(eve, respond("eve", true));
    assert_eq!(
        code(&refused),
        Some(ErrorCode::Forbidden),
        "who was let in lets nobody in"
    );
    world.check();
}

#[test]
fn who_is_denied_learns_it_and_may_try_again_on_the_same_socket() {
    let mut world = World::new();
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    world.say(ann, respond("eve", false));
    assert_eq!(turned_away(&world, eve).as_deref(), Some("entry-denied"));
    assert_eq!(responses(&world, ann), [(false, Some("ann".to_owned()))]);
    assert!(!world.closed.contains_key(&world.clients[eve].socket.unwrap()));
    world.check();
}

#[test]
fn a_lobby_is_for_everybody_but_moderators_and_whoever_begins_the_room() {
    let (mut world, ann) = with_lobby();
    let bob = world.join("bob");
    assert!(world.clients[bob].is_waiting);
    world.join_with("mod", Grant::MODERATE, 0, |_| {});
    assert_eq!(world.room.participants(), 2);
    let replies = [world.whip(1, "studio", &offer(0)), world.whep(2, "ann", &offer(1), 0)];
    for reply in replies {
        assert!(
            matches!(
                reply,
                HttpReply::Refused {
                    code: ErrorCode::Forbidden,
                    ..
                }
            ),
            "{reply:?}"
        );
    }
    world.say(ann, respond("bob", true));
    assert!(
        code(&world.say(bob, respond("eve", true))) == Some(ErrorCode::NoSuchParticipant),
        "who may join judges"
    );
    world.check();
}

#[test]
fn who_comes_later_learns_who_waits() {
    let mut world = World::new();
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    assert!(world.clients[eve].is_waiting, "in an empty room too");
    assert_eq!(world.empty, 0, "a room in which somebody waits goes on");
    let ann = world.join("ann");
    assert!(world.clients[ann].created);
    assert!(world.clients[ann].lobby.contains(&id("eve")));
    world.say(ann, respond("eve", true));
    let bob = world.join("bob");
    assert!(world.clients[bob].lobby.is_empty());
    world.read_all();
    world.check();
}

#[test]
fn waiting_has_an_end() {
    let mut world = World::new();
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    world.pass(Duration::from_secs(300) - Duration::from_millis(1));
    assert_eq!(turned_away(&world, eve), None);
    world.pass(Duration::from_millis(1));
    assert_eq!(turned_away(&world, eve).as_deref(), Some("entry-timeout"));
    world.read_all();
    assert_eq!(responses(&world, ann), [(false, None)]);
    world.say_leave(ann);
    assert_eq!((world.empty, world.room.poll_timeout()), (1, None));
}

#[test]
fn who_goes_away_waits_no_more() {
    let mut world = World::new();
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    world.cut(eve, 1);
    let bob = world.join_with("bob", GUEST, 0, |_| {});
    world.go_away(bob);
    let dan = world.join_with("dan", GUEST, 0, |_| {});
    let socket = world.clients[dan].socket.unwrap();
    let request = world.ask(dan, ClientMessage::Leave);
    world.clients[dan].read_all();
    assert!(matches!(world.clients[dan].answers[&request], ServerMessage::Ok(_)));
    assert_eq!(world.closed[&socket], 1000);
    world.read_all();
    assert_eq!(responses(&world, ann), [(false, None), (false, None), (false, None)]);
    assert_eq!(
        code(&world.say(ann, respond("eve", true))),
        Some(ErrorCode::NoSuchParticipant)
    );
    world.check();
    world.say_leave(ann);
    assert_eq!(world.empty, 1);
}

#[test]
fn there_is_little_to_do_in_the_lobby() {
    let mut world = World::new();
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    for request in [
        json!({"type":"chat","text":"hello"}),
        json!({"type":"store.get"}),
        respond("eve", true),
    ] {
        assert_eq!(code(&world.say(eve, request)), Some(ErrorCode::JoinFirst));
    }
    assert_eq!(
        code(&world.say(eve, json!({"type":"nonsense"}))),
        Some(ErrorCode::UnknownType)
    );
    let ping = world.ask(eve, ClientMessage::Ping { last_seq: None });
    world.clients[eve].asked.remove(&ping);
    world.clients[eve].read_all();
    assert_eq!(world.clients[eve].pongs, 1);
    world.say(ann, respond("eve", true));
    assert!(code(&world.say(eve, json!({"type":"chat","text":"hello"}))).is_none());
    world.check();
}

#[test]
fn so_many_wait_and_no_more() {
    let mut world = World::new();
    let ann = world.join("ann");
    let first = ["a", "b", "c"].map(|name| world.join_with(name, GUEST, 0, |_| {}))[0];
    assert_eq!(world.refused("d", GUEST, |_| {}), "lobby-full");
    let again = world.join_with("a", GUEST, 0, |_| {});
    assert_eq!(
        turned_away(&world, first).as_deref(),
        Some("entry-denied"),
        "the newer of two takes over"
    );
    assert!(world.clients[again].is_waiting);
    world.read_all();
    assert_eq!(world.clients[ann].lobby, ["a", "b", "c"].map(id).into());
    world.check();
}

#[test]
fn who_is_let_into_a_full_room_goes_on_waiting() {
    let mut world = World::new();
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    world.say(ann, json!({"type":"room.update","settings":{"maxParticipants":1}}));
    assert_eq!(code(&world.say(ann, respond("eve", true))), Some(ErrorCode::RoomFull));
    assert!(world.clients[eve].is_waiting && turned_away(&world, eve).is_none());
    world.say(ann, json!({"type":"room.update","settings":{"maxParticipants":null}}));
    world.say(ann, respond("eve", true));
    assert!(!world.clients[eve].is_waiting);
}

#[test]
fn without_the_lobby_who_waited_for_it_alone_comes_in() {
    let (mut world, ann) = with_lobby();
    let (bob, eve) = (world.join("bob"), world.join_with("eve", GUEST, 0, |_| {}));
    world.say(ann, json!({"type":"room.update","settings":{"info":1}}));
    assert!(world.clients[bob].is_waiting);
    world.say(ann, json!({"type":"room.update","settings":{"lobby":false}}));
    assert_eq!([bob, eve].map(|client| world.clients[client].is_waiting), [false, true]);
    assert_eq!(responses(&world, ann), [(true, Some("ann".to_owned()))]);
    world.check();
}

#[test]
fn intent_and_password_are_looked_at_before_the_wait() {
    let mut world = World::new();
    assert_eq!(
        world.refused("eve", GUEST, |join| join.intent = Intent::Join),
        "room-not-found"
    );
    assert_eq!(
        world.refused("eve", GUEST, |join| join.intent = Intent::Open),
        "forbidden"
    );
    let ann = world.join("ann");
    world.say(ann, json!({"type":"room.update","settings":{"password":"x"}}));
    assert_eq!(world.refused("eve", GUEST, |_| {}), "password-required");
    let over_http = world.whep(1, "ann", &offer(1), 0);
    assert!(matches!(over_http, HttpReply::Refused { .. }));
}

#[test]
fn nobody_waits_for_a_room_that_closes_or_a_node_that_goes_away() {
    for (input, code) in [(Input::Close, "entry-denied"), (Input::Drain, "node-draining")] {
        let mut world = World::with_config(RoomConfig {
            departure_timeout: Duration::from_secs(20),
            ..config()
        });
        let ann = world.join("ann");
        let eve = world.join_with("eve", GUEST, 0, |_| {});
        world.input(input);
        assert_eq!(turned_away(&world, eve).as_deref(), Some(code));
        world.cut(ann, 9);
        assert_eq!(world.empty, 1);
    }
}

#[test]
fn a_guest_links_no_rooms_even_where_links_are_open_to_all() {
    let links = LinksConfig {
        open_to_all: true,
        ..config().links
    };
    let mut world = World::with_config(RoomConfig { links, ..config() });
    let ann = world.join("ann");
    let eve = world.join_with("eve", GUEST, 0, |_| {});
    world.say(ann, respond("eve", true));
    let open = json!({"type":"link.open","room":"elsewhere"});
    assert_eq!(code(&world.say(eve, open)), Some(ErrorCode::Forbidden));
}

#[test]
fn a_password_in_place_of_the_lobby_keeps_those_out_who_do_not_know_it() {
    let (mut world, ann) = with_lobby();
    let bob = world.join("bob");
    let cem = world.join_with("cem", Grant::JOIN, 0, |join| {
        join.password = Some(Token("new".to_owned()))
    });
    let settings = json!({"lobby":false,"password":"new"});
    world.say(ann, json!({"type":"room.update","settings":settings}));
    assert_eq!(responses(&world, ann), [(true, Some("ann".to_owned()))]);
    assert_eq!((world.room.participants(), world.clients[cem].others.len()), (2, 1));
    assert_eq!(turned_away(&world, bob), None, "somebody inside may still let bob in");
    world.say(ann, respond("bob", true));
    assert_eq!(world.room.participants(), 3);
}

#[test]
fn whoever_knocks_again_and_again_does_not_keep_everybody_inside_busy() {
    let (mut world, ann) = with_lobby();
    for _ in 0..100 {
        world.join("eve");
    }
    assert_eq!(world.refused("eve", Grant::JOIN, |_| {}), "rate-limited");
    let asked = |world: &World| {
        let told = world.clients[ann].log.iter();
        told.filter(|message| matches!(message, ServerMessage::EntryRequested { .. }))
            .count()
    };
    world.read_all();
    assert_eq!(asked(&world), 100);
    world.pass(Duration::from_secs(1));
    world.join("bob");
    world.read_all();
    assert_eq!(asked(&world), 101);
}
