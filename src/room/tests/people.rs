//! What a room does about people and their messages, one sentence each.

use std::time::Duration;

use serde_json::json;

use super::support::{WINDOW, World, code, config, count, id};
use crate::{
    room::{Grant, Input, RoomConfig},
    wire::{
        ErrorCode,
        signal::{ByeCode, LeaveReason, ServerMessage},
    },
};

#[test]
fn who_joins_learns_of_the_others_and_they_learn_of_it() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.media(ann, 1);
    let bob = world.join_with("bob", Grant::JOIN, 0, |join| join.display_name = Some("Bob".to_owned()));
    world.read_all();
    assert_eq!(world.clients[bob].others[&id("ann")].publications.len(), 2);
    assert_eq!(world.clients[ann].others[&id("bob")].display_name, "Bob");
    world.check();
}

#[test]
fn missed_messages_are_replayed_once_and_nobody_sees_a_leave() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.say(bob, json!({"type":"chat","text":"one"}));
    world.say(bob, json!({"type":"chat","text":"two"}));
    world.cut(ann, 0);
    world.say(bob, json!({"type":"chat","text":"three"}));
    world.pass(WINDOW - Duration::from_millis(1));
    world.resume(ann).unwrap();
    world.read_all();
    let texts = world.clients[ann].log.iter().filter_map(|message| match message {
        ServerMessage::Chat { text, .. } => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(texts.collect::<Vec<_>>(), ["one", "two", "three"]);
    assert_eq!(world.clients[bob].left, []);
    world.pass(WINDOW * 3);
    assert_eq!(world.clients[bob].left, []);
    world.check();
}

#[test]
fn who_stays_away_is_gone_after_the_window_and_not_before() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.cut(ann, 0);
    world.pass(WINDOW - Duration::from_millis(1));
    world.read_all();
    assert_eq!(world.clients[bob].left, []);
    world.pass(Duration::from_millis(1));
    world.read_all();
    assert_eq!(world.clients[bob].left, [(id("ann"), LeaveReason::Timeout)]);
    assert!(world.resume(ann).unwrap_err().contains("resume-unknown"));
}

#[test]
fn another_key_resumes_nothing() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.cut(ann, 0);
    let own = world.clients[ann].key.clone().unwrap();
    let mut guessed = world.clients[bob].key.clone().unwrap();
    guessed.replace_range(..27, &own[..27]);
    world.clients[ann].key = Some(guessed);
    assert!(world.resume(ann).unwrap_err().contains("resume-unknown"));
    world.clients[ann].key = Some(own);
    world.resume(ann).unwrap();
}

#[test]
fn a_half_open_socket_is_replaced_by_the_one_that_resumes() {
    let mut world = World::new();
    let ann = world.join("ann");
    let old = world.clients[ann].socket.unwrap();
    world.resume(ann).unwrap();
    assert_eq!(world.closed[&old], 4000);
    world.input(Input::SocketClosed {
        socket: old,
        going_away: false,
    });
    world.pass(WINDOW * 2);
    world.read_all();
    assert_eq!(world.room.participants(), 1);
}

#[test]
fn who_closes_the_page_has_left_and_is_not_waited_for() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.go_away(bob);
    world.read_all();
    assert_eq!(world.room.participants(), 1);
    let left = |m: &ServerMessage| {
        matches!(
            m,
            ServerMessage::ParticipantLeft {
                reason: LeaveReason::Left,
                ..
            }
        )
    };
    assert_eq!(count(&world, ann, left), 1);
    assert!(world.resume(bob).unwrap_err().contains("resume-unknown"));
}

#[test]
fn too_much_missed_is_a_gap() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.cut(ann, 0);
    for _ in 0..100 {
        world.say(bob, json!({"type":"topic.publish","topic":"T","message":1}));
        world.say(bob, json!({"type":"update","displayName":"B"}));
        world.say(bob, json!({"type":"update","metadata":"x".repeat(15_000)}));
        world.pass(Duration::from_millis(90));
    }
    assert!(world.resume(ann).unwrap_err().contains("resume-gap"));
}

#[test]
fn requests_are_answered_once_and_ids_count_up() {
    let mut world = World::new();
    let ann = world.join("ann");
    assert_eq!(
        code(&world.say(ann, json!({"type":"leave-not"}))),
        Some(ErrorCode::UnknownType)
    );
    let request = world.ask(
        ann,
        crate::wire::signal::ClientMessage::TopicSubscribe { topic: "T".to_owned() },
    );
    world.cut(ann, 0);
    world.resume(ann).unwrap();
    world.read_all();
    assert_eq!(world.clients[ann].last_request, Some(request));
    assert!(
        world.clients[ann].answers.contains_key(&request),
        "the answer was replayed"
    );
    let socket = world.clients[ann].socket.unwrap();
    let message = crate::wire::signal::decode(r#"{"id":1,"type":"topic.subscribe","topic":"T"}"#);
    world.clients[ann].answers.clear();
    world.input(Input::Message { socket, message });
    world.read_all();
    assert_eq!(code(&world.clients[ann].answers[&1]), Some(ErrorCode::OutOfOrder));
}

#[test]
fn the_newer_of_two_with_one_id_takes_over() {
    let mut world = World::new();
    let (bob, first) = (world.join("bob"), world.join("ann"));
    let old = world.clients[first].socket.unwrap();
    world.join("ann");
    world.clients[first].read_all();
    world.read_all();
    assert_eq!(world.clients[first].bye, Some(ByeCode::DuplicateParticipant));
    assert_eq!(world.closed[&old], 4001);
    assert_eq!(world.clients[bob].left, [(id("ann"), LeaveReason::Duplicate)]);
    assert!(world.clients[bob].others.contains_key(&id("ann")));
    assert!(world.resume(first).is_err());
}

#[test]
fn chat_goes_to_everybody_else_or_to_those_named() {
    let mut world = World::new();
    let clients = ["ann", "bob", "cat"].map(|name| world.join(name));
    world.say(clients[0], json!({"type":"chat","text":"all"}));
    world.say(clients[0], json!({"type":"chat","text":"bob","to":["bob"]}));
    let heard = clients.map(|client| count(&world, client, |m| matches!(m, ServerMessage::Chat { .. })));
    assert_eq!(heard, [0, 2, 1]);
    let nobody = world.say(clients[0], json!({"type":"chat","text":"x","to":["dan"]}));
    assert_eq!(code(&nobody), Some(ErrorCode::NoSuchParticipant));
    let refused = (0..20)
        .filter(|_| code(&world.say(clients[1], json!({"type":"chat","text":"x"}))).is_some())
        .count();
    assert_eq!(refused, 10, "ten at once");
    let mute = world.join_with(
        "dan",
        Grant {
            talk: false,
            ..Grant::JOIN
        },
        0,
        |_| {},
    );
    assert_eq!(
        code(&world.say(mute, json!({"type":"chat","text":"x"}))),
        Some(ErrorCode::Forbidden)
    );
}

#[test]
fn topics_reach_their_subscribers_and_are_kept_for_later_ones() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.say(ann, json!({"type":"topic.subscribe","topic":"T"}));
    world.say(
        ann,
        json!({"type":"topic.publish","topic":"T","message":1,"persist":true}),
    );
    world.say(ann, json!({"type":"topic.publish","topic":"T","message":2}));
    assert_eq!(
        count(&world, ann, |m| matches!(m, ServerMessage::TopicMessage(_))),
        2,
        "the sender among them"
    );
    assert_eq!(count(&world, bob, |m| matches!(m, ServerMessage::TopicMessage(_))), 0);
    match world.say(bob, json!({"type":"topic.subscribe","topic":"T"})) {
        ServerMessage::Ok(fields) => assert_eq!(fields.messages.unwrap()[0].payload.as_str(), "1"),
        other => panic!("{other:?}"),
    }
    world.say(bob, json!({"type":"topic.unsubscribe","topic":"T"}));
    let again = world.say(bob, json!({"type":"topic.unsubscribe","topic":"T"}));
    assert_eq!(code(&again), Some(ErrorCode::NotSubscribed));
}

#[test]
fn removing_others_needs_the_permission() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    let remove = json!({"type":"remove","participant":"bob"});
    assert_eq!(code(&world.say(ann, remove.clone())), Some(ErrorCode::Forbidden));
    assert!(matches!(world.say(moderator, remove.clone()), ServerMessage::Ok(_)));
    world.clients[bob].read_all();
    assert_eq!(world.clients[bob].bye, Some(ByeCode::Removed));
    assert_eq!(world.clients[ann].left, [(id("bob"), LeaveReason::Removed)]);
    assert_eq!(code(&world.say(moderator, remove)), Some(ErrorCode::NoSuchParticipant));
}

#[test]
fn a_full_room_refuses_and_a_returning_participant_still_fits() {
    let mut world = World::with_config(RoomConfig {
        max_participants: 2,
        ..config()
    });
    world.join("ann");
    world.join("bob");
    world.join("cat");
    assert!(world.refused[0].1.contains("room-full"));
    world.join("bob");
    assert_eq!((world.refused.len(), world.room.participants()), (1, 2));
    world.join_with("dan", Grant::JOIN, 0, |join| join.versions = vec![9]);
    assert!(world.refused[1].1.contains("unsupported-version"));
}

#[test]
fn draining_tells_everybody_and_lets_nobody_in() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.media(ann, 1);
    world.input(Input::Drain);
    world.read_all();
    assert_eq!(
        [ann, bob].map(|client| world.clients[client].bye),
        [Some(ByeCode::NodeDraining); 2]
    );
    assert_eq!(world.books.transports.len(), 1, "media goes on");
    world.join("cat");
    assert!(world.refused[0].1.contains("node-draining"));
    world.cut(ann, 0);
    world.read_all();
    assert_eq!(world.clients[bob].left, [(id("ann"), LeaveReason::Closed)]);
    world.cut(bob, 0);
    assert_eq!(world.empty, 1);
    assert!(world.room.poll_timeout().is_none());
}

#[test]
fn an_empty_room_waits_for_the_departure_time() {
    let departure_timeout = Duration::from_secs(20);
    let mut world = World::with_config(RoomConfig {
        departure_timeout,
        ..config()
    });
    let ann = world.join("ann");
    world.say_leave(ann);
    world.pass(Duration::from_secs(19));
    assert_eq!(world.empty, 0);
    let ann = world.join("ann");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.empty, 0);
    world.say_leave(ann);
    world.pass(Duration::from_secs(20));
    assert_eq!(world.empty, 1);
}
