//! Rooms that are linked: what people in them see, and what they do not.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    house::{House, LINKER, linked, refused, with_policy},
    support::{code, config},
};
use crate::{
    room::{Grant, Input, LinksConfig, RoomConfig},
    wire::{
        ErrorCode,
        link::Rights,
        signal::{ByeCode, LinkCloseReason, LinkPolicy, ServerMessage},
    },
};

#[test]
fn everybody_in_both_rooms_learns_of_a_link_and_of_who_is_over_there() {
    let (house, ann, bob) = linked();
    let opened = house.told("a", ann, "link.opened");
    assert_eq!(opened.len(), 1);
    assert_eq!(
        (&opened[0]["link"], &opened[0]["payload"], &opened[0]["participants"]),
        (&json!("b"), &json!("hello"), &json!([{"id":"bob","displayName":"BOB"}]))
    );
    let opened = house.told("b", bob, "link.opened");
    assert_eq!(opened.len(), 1);
    assert_eq!(
        (&opened[0]["link"], &opened[0]["payload"], &opened[0]["participants"]),
        (&json!("a"), &json!("hello"), &json!([{"id":"ann","displayName":"ANN"}]))
    );
}

#[test]
fn the_answer_to_opening_comes_after_the_link_was_told() {
    let (house, ann, _) = linked();
    let log = house.log("a", ann);
    let opened = log
        .iter()
        .position(|message| matches!(message, ServerMessage::LinkOpened(_)));
    let answered = log
        .iter()
        .position(|message| matches!(message, ServerMessage::Ok(fields) if fields.link.is_some()));
    assert!(opened < answered, "{log:?}");
}

#[test]
fn a_third_room_sees_nothing_and_passes_nothing_on() {
    let (mut house, ann, bob) = linked();
    house = house.with("c", config());
    let cleo = house.join("c", "cleo", LINKER);
    house.link("b", bob, "c");
    house.ask("c", cleo, json!({"type":"link.chat","link":"b","text":"psst"}));
    house.join("c", "carl", LINKER);
    assert_eq!(house.told("b", bob, "link.chat").len(), 1);
    assert_eq!(house.told("a", ann, "link.chat").len(), 0);
    assert!(!format!("{:?}", house.log("a", ann)).contains("cleo"));
    assert!(!format!("{:?}", house.log("c", cleo)).contains("ann"));
}

#[test]
fn coming_going_and_renaming_over_there_is_told_with_id_and_name_alone() {
    let (mut house, ann, _) = linked();
    let eve = house.join("b", "eve", Grant::JOIN);
    house.pass(Duration::from_millis(200));
    house.ask(
        "b",
        eve,
        json!({"type":"update","displayName":"Eve!","metadata":{"private":1}}),
    );
    house.pass(Duration::from_millis(200));
    house.room("b").go_away(eve);
    house.pass(Duration::from_millis(200));
    assert_eq!(
        house.told("a", ann, "link.roster"),
        [
            json!({"link":"b","joined":[{"id":"eve","displayName":"EVE"}],"left":[]}),
            json!({"link":"b","joined":[{"id":"eve","displayName":"Eve!"}],"left":[]}),
            json!({"link":"b","joined":[],"left":["eve"]}),
        ]
    );
}

#[test]
fn chat_reaches_everybody_over_there_once_and_nobody_here_but_by_echo() {
    let (mut house, ann, bob) = linked();
    let al = house.join("a", "al", Grant::JOIN);
    let answer = house.ask(
        "a",
        ann,
        json!({"type":"link.chat","link":"b","text":"Hi there, from MARS!"}),
    );
    let Some(ServerMessage::Ok(fields)) = answer else {
        panic!("{answer:?}")
    };
    let chats = house.told("b", bob, "link.chat");
    assert_eq!(chats.len(), 1);
    assert_eq!(chats[0]["text"], "Hi there, from MARS!");
    assert_eq!(
        (&chats[0]["link"], &chats[0]["participant"], &chats[0]["displayName"]),
        (&json!("a"), &json!("ann"), &json!("ANN"))
    );
    assert_eq!(chats[0]["message"].as_str(), fields.message.as_deref());
    assert_eq!(house.told("a", al, "link.chat"), Vec::<Value>::new());
    assert_eq!(house.told("a", al, "link.chat.sent"), Vec::<Value>::new());
    house.ask(
        "a",
        ann,
        json!({"type":"link.chat","link":"b","text":"again","echo":true}),
    );
    assert_eq!(house.told("a", al, "link.chat.sent").len(), 1);
    assert_eq!(house.told("a", ann, "link.chat.sent").len(), 0);
}

#[test]
fn a_request_to_switch_reaches_its_addressee_alone_and_nobody_moves() {
    let (mut house, ann, bob) = linked();
    let eve = house.join("b", "eve", Grant::MODERATE);
    let switch = json!({"type":"switch","participant":"bob","link":"b","room":"a","token":"for-a","payload":"come"});
    let answer = house.ask("a", ann, switch);
    assert!(matches!(answer, Some(ServerMessage::Ok(_))), "{answer:?}");
    assert_eq!(
        house.told("b", bob, "switch"),
        [json!({"room":"a","token":"for-a","payload":"come","participant":"ann","link":"a"})]
    );
    for (room, client) in [("a", ann), ("b", eve)] {
        let log = serde_json::to_string(house.log(room, client)).unwrap();
        assert!(!log.contains("for-a"), "{log}");
    }
    assert!(
        !format!("{:?}", house.log("b", bob)).contains("for-a"),
        "Debug shows no token"
    );
    assert_eq!(house.room("b").room.participants(), 2);
}

#[test]
fn a_token_for_a_switch_is_judged_before_it_goes_anywhere() {
    let (mut house, ann, bob) = linked();
    let switch = |token: &str, room: &str, who: &str| json!({"type":"switch","participant":who,"link":"b","room":room,"token":token});
    let cases = [
        (switch("nonsense", "a", "bob"), ErrorCode::TokenInvalid),
        (switch("for-b", "a", "bob"), ErrorCode::TokenRoom),
        (switch("for-c", "c", "bob"), ErrorCode::SwitchRoom),
        (switch("for-a", "a", "zoe"), ErrorCode::NoSuchParticipant),
    ];
    for (request, expected) in cases {
        assert_eq!(refused(house.ask("a", ann, request)), expected);
    }
    assert_eq!(house.told("b", bob, "switch"), Vec::<Value>::new());
}

#[test]
fn one_room_asks_one_person_to_switch_at_most_three_times_a_minute() {
    let (mut house, ann, bob) = linked();
    let switch = json!({"type":"switch","participant":"bob","link":"b","room":"a","token":"for-a"});
    for _ in 0..3 {
        assert!(matches!(
            house.ask("a", ann, switch.clone()),
            Some(ServerMessage::Ok(_))
        ));
    }
    assert_eq!(refused(house.ask("a", ann, switch.clone())), ErrorCode::RateLimited);
    house.pass(Duration::from_secs(61));
    assert!(matches!(house.ask("a", ann, switch), Some(ServerMessage::Ok(_))));
    assert_eq!(house.told("b", bob, "switch").len(), 4);
}

#[test]
fn a_moderator_asks_somebody_in_the_same_room_to_switch() {
    let mut house = House::of(&["a"]);
    let ann = house.join("a", "ann", Grant::MODERATE);
    let bob = house.join("a", "bob", Grant::JOIN);
    let switch = json!({"type":"switch","participant":"bob","room":"z","token":"for-z"});
    assert!(matches!(
        house.ask("a", ann, switch.clone()),
        Some(ServerMessage::Ok(_))
    ));
    assert_eq!(
        house.told("a", bob, "switch"),
        [json!({"room":"z","token":"for-z","payload":null,"participant":"ann","link":null})]
    );
    assert_eq!(refused(house.ask("a", bob, switch)), ErrorCode::Forbidden);
}

#[test]
fn ending_a_linked_room_puts_everybody_there_out_and_leaves_ours_alone() {
    let (mut house, ann, bob) = linked();
    let answer = house.ask("a", ann, json!({"type":"link.end","link":"b"}));
    assert!(matches!(answer, Some(ServerMessage::Ok(_))), "{answer:?}");
    house.pass(Duration::from_secs(1));
    assert_eq!(house.room("b").clients[bob].bye, Some(ByeCode::RoomClosed));
    assert_eq!(house.room("b").empty, 1);
    assert_eq!(
        house.told("a", ann, "link.closed"),
        [json!({"link":"b","reason":"remote-ended"})]
    );
    assert_eq!(house.room("a").room.participants(), 1);
}

#[test]
fn a_right_that_was_not_given_is_refused_and_the_other_room_never_hears_of_it() {
    let limited = RoomConfig {
        links: LinksConfig {
            rights: Rights {
                chat: true,
                ..Rights::NONE
            },
            ..config().links
        },
        ..config()
    };
    let mut house = House::of(&["a"]).with("b", limited);
    let ann = house.join("a", "ann", LINKER);
    let bob = house.join("b", "bob", LINKER);
    house.link("a", ann, "b");
    assert_eq!(house.told("a", ann, "link.opened")[0]["rights"], json!(["chat"]));
    assert_eq!(house.told("a", ann, "link.opened")[0]["participants"], json!([]));
    assert_eq!(
        house.told("b", bob, "link.opened")[0]["participants"],
        json!([{"id":"ann","displayName":"ANN"}])
    );
    house.join("b", "eve", LINKER);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.told("a", ann, "link.roster"), Vec::<Value>::new());
    let switch = json!({"type":"switch","participant":"bob","link":"b","room":"a","token":"for-a"});
    assert_eq!(refused(house.ask("a", ann, switch)), ErrorCode::LinkRight);
    assert_eq!(
        refused(house.ask("a", ann, json!({"type":"link.end","link":"b"}))),
        ErrorCode::LinkRight
    );
    assert_eq!(house.told("b", bob, "switch"), Vec::<Value>::new());
    assert_eq!(house.room("b").room.participants(), 2);
}

#[test]
fn closing_ends_the_link_for_both_rooms_and_neither_room() {
    let (mut house, ann, bob) = linked();
    let answer = house.ask("b", bob, json!({"type":"link.close","link":"a"}));
    assert!(matches!(answer, Some(ServerMessage::Ok(_))), "{answer:?}");
    assert_eq!(
        house.told("a", ann, "link.closed"),
        [json!({"link":"b","reason":"closed-remote"})]
    );
    assert_eq!(
        house.told("b", bob, "link.closed"),
        [json!({"link":"a","reason":"closed-local"})]
    );
    house.join("b", "eve", Grant::JOIN);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.told("a", ann, "link.roster"), Vec::<Value>::new());
    assert_eq!(
        refused(house.ask("a", ann, json!({"type":"link.chat","link":"b","text":"x"}))),
        ErrorCode::NoSuchLink
    );
    house.link("a", ann, "b");
    assert_eq!(house.told("a", ann, "link.opened").len(), 2);
}

#[test]
fn who_comes_later_is_told_of_the_links_there_are() {
    let (mut house, _, _) = linked();
    let al = house.join("a", "al", Grant::JOIN);
    let joined = house.told("a", al, "joined");
    assert_eq!(
        joined[0]["links"],
        json!([{"link":"b","payload":"hello","rights":["roster","chat","switch","end"],
                "participants":[{"id":"bob","displayName":"BOB"}]}])
    );
    assert_eq!(house.told("a", al, "link.opened"), Vec::<Value>::new());
}

#[test]
fn a_second_opening_finds_the_link_and_tells_nobody() {
    let (mut house, ann, bob) = linked();
    house.link("a", ann, "b");
    house.link("b", bob, "a");
    assert_eq!(house.told("a", ann, "link.opened").len(), 1);
    assert_eq!(house.told("b", bob, "link.opened").len(), 1);
}

#[test]
fn both_rooms_asking_at_once_makes_one_link_and_answers_both() {
    let mut house = House::of(&["a", "b"]);
    let ann = house.join("a", "ann", LINKER);
    let bob = house.join("b", "bob", LINKER);
    for (room, client, other) in [("a", ann, "b"), ("b", bob, "a")] {
        let world = house.room(room);
        let socket = world.clients[client].socket.unwrap();
        let text = json!({"id":2,"type":"link.open","room":other,"payload":room}).to_string();
        world.clients[client].asked.insert(2);
        let message = crate::wire::signal::decode(&text);
        world.input(Input::Message { socket, message });
    }
    house.settle();
    house.pass(Duration::from_secs(1));
    let (here, there) = (house.told("a", ann, "link.opened"), house.told("b", bob, "link.opened"));
    assert_eq!((here.len(), there.len()), (1, 1));
    assert_eq!(here[0]["payload"], there[0]["payload"]);
    for (room, client) in [("a", ann), ("b", bob)] {
        assert!(matches!(
            house.room(room).clients[client].answers[&2],
            ServerMessage::Ok(_)
        ));
    }
}

#[test]
fn opening_is_refused_by_name_of_the_reason() {
    let denying = with_policy(LinkPolicy::Deny);
    let mut house = House::of(&["a", "idle"]).with("closed", denying);
    let ann = house.join("a", "ann", LINKER);
    let al = house.join("a", "al", Grant::JOIN);
    let guard = house.join("closed", "guard", LINKER);
    let open = |room: &str| json!({"type":"link.open","room":room});
    assert_eq!(refused(house.ask("a", al, open("b"))), ErrorCode::Forbidden);
    assert_eq!(refused(house.ask("a", ann, open("a"))), ErrorCode::SameRoom);
    assert_eq!(refused(house.ask("a", ann, open("nowhere"))), ErrorCode::RoomNotFound);
    assert_eq!(refused(house.ask("a", ann, open("idle"))), ErrorCode::RoomNotLive);
    assert_eq!(refused(house.ask("a", ann, open("closed"))), ErrorCode::LinkDenied);
    assert_eq!(house.told("closed", guard, "link.requested"), Vec::<Value>::new());
}

#[test]
fn a_room_that_is_not_there_yet_can_be_waited_for() {
    let mut house = House::of(&["a"]);
    let ann = house.join("a", "ann", LINKER);
    let open = json!({"type":"link.open","room":"b","waitMs":5000});
    assert_eq!(house.ask("a", ann, open), None);
    house.pass(Duration::from_secs(2));
    assert_eq!(house.told("a", ann, "link.opened"), Vec::<Value>::new());
    house = house.with("b", config());
    house.join("b", "bob", LINKER);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.told("a", ann, "link.opened").len(), 1);
}

#[test]
fn a_room_that_asks_is_answered_by_somebody_who_may() {
    let asking = with_policy(LinkPolicy::Ask);
    let mut house = House::of(&["a"]).with("b", asking);
    let ann = house.join("a", "ann", LINKER);
    let bob = house.join("b", "bob", Grant::JOIN);
    let judge = house.join("b", "judge", Grant::MODERATE);
    let open = json!({"type":"link.open","room":"b","payload":"hello"});
    assert_eq!(house.ask("a", ann, open.clone()), None);
    let requested = house.told("b", judge, "link.requested");
    assert_eq!(requested.len(), 1);
    assert_eq!(
        (
            &requested[0]["room"],
            &requested[0]["participant"],
            &requested[0]["payload"]
        ),
        (&json!("a"), &json!("ann"), &json!("hello"))
    );
    assert_eq!(house.told("b", bob, "link.requested"), Vec::<Value>::new());
    let late = house.join("b", "late", Grant::MODERATE);
    assert_eq!(house.told("b", late, "link.requested").len(), 1);
    let respond = |accept: bool| json!({"type":"link.respond","request":requested[0]["request"],"accept":accept});
    assert_eq!(refused(house.ask("b", bob, respond(true))), ErrorCode::Forbidden);
    assert!(matches!(
        house.ask("b", judge, respond(true)),
        Some(ServerMessage::Ok(_))
    ));
    assert_eq!(refused(house.ask("b", late, respond(false))), ErrorCode::NoSuchRequest);
    assert_eq!(house.told("a", ann, "link.opened").len(), 1);
    assert_eq!(
        house.told("b", late, "link.request.ended"),
        [json!({"request":requested[0]["request"],"accepted":true,"by":"judge"})]
    );
}

#[test]
fn a_room_that_asks_and_is_refused_or_forgotten_is_told_so() {
    let asking = with_policy(LinkPolicy::Ask);
    let mut house = House::of(&["a"]).with("b", asking);
    let ann = house.join("a", "ann", LINKER);
    let judge = house.join("b", "judge", Grant::MODERATE);
    assert_eq!(house.ask("a", ann, json!({"type":"link.open","room":"b"})), None);
    let request = house.told("b", judge, "link.requested")[0]["request"].clone();
    house.ask(
        "b",
        judge,
        json!({"type":"link.respond","request":request,"accept":false}),
    );
    house.ask("a", ann, json!({"type":"link.open","room":"b"}));
    house.pass(Duration::from_secs(40));
    let codes: Vec<ErrorCode> = house.log("a", ann).iter().filter_map(code).collect();
    assert_eq!(codes, [ErrorCode::LinkDenied, ErrorCode::LinkTimeout]);
    assert_eq!(house.told("b", judge, "link.request.ended").len(), 2);
}

#[test]
fn a_room_that_empties_and_ends_is_gone_for_its_links_first() {
    let (mut house, ann, bob) = linked();
    house.room("b").go_away(bob);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.room("b").empty, 1);
    let closed = house.told("a", ann, "link.closed");
    assert_eq!(closed, [json!({"link":"b","reason":"remote-ended"})]);
    assert!(house.log("a", ann).iter().any(|message| matches!(
        message,
        ServerMessage::LinkClosed {
            reason: LinkCloseReason::RemoteEnded,
            ..
        }
    )));
}

#[test]
fn chat_over_a_link_is_limited_for_each_participant() {
    let (mut house, ann, bob) = linked();
    let chat = json!({"type":"link.chat","link":"b","text":"x"});
    for _ in 0..10 {
        assert!(matches!(house.ask("a", ann, chat.clone()), Some(ServerMessage::Ok(_))));
    }
    assert_eq!(refused(house.ask("a", ann, chat.clone())), ErrorCode::RateLimited);
    house.pass(Duration::from_millis(400));
    assert!(matches!(house.ask("a", ann, chat), Some(ServerMessage::Ok(_))));
    assert_eq!(house.told("b", bob, "link.chat").len(), 11);
}

#[test]
fn the_same_id_in_both_rooms_is_two_people() {
    let mut house = House::of(&["a", "b"]);
    let here = house.join("a", "ann", LINKER);
    let there = house.join("b", "ann", LINKER);
    house.link("a", here, "b");
    assert_eq!(house.told("a", here, "link.opened")[0]["participants"][0]["id"], "ann");
    assert_eq!(house.room("a").clients[here].bye, None);
    assert_eq!(house.room("b").clients[there].bye, None);
}

#[test]
fn no_publication_of_a_linked_room_can_be_subscribed_to() {
    let (mut house, ann, bob) = linked();
    let publications = house.room("b").media(bob, 1);
    house.pass(Duration::from_secs(1));
    for publication in publications {
        let subscribe = json!({"type":"subscribe","publication":publication});
        assert_eq!(refused(house.ask("a", ann, subscribe)), ErrorCode::NoSuchPublication);
    }
    assert_eq!(house.told("a", ann, "publication.added"), Vec::<Value>::new());
}

/// Room `a` stays for a while when everybody has left, and is linked with `b`.
fn linked_and_left(settings: Value) -> (House, usize) {
    let kept = RoomConfig {
        departure_timeout: Duration::from_secs(60),
        ..config()
    };
    let mut house = House::of(&["b"]).with("a", kept);
    let ann = house.join("a", "ann", LINKER);
    let bob = house.join("b", "bob", LINKER);
    house.link("a", ann, "b");
    house.ask("a", ann, json!({"type":"room.update","settings":settings}));
    house.room("a").go_away(ann);
    house.pass(Duration::from_secs(1));
    assert_eq!(house.told("b", bob, "link.closed"), Vec::<Value>::new());
    (house, bob)
}

fn begin_anew(house: &mut House, settings: Value) -> Value {
    let begun = json!({"id":1,"type":"join","versions":[1],"settings":settings}).to_string();
    let settings = match crate::wire::signal::decode(&begun).unwrap().message {
        crate::wire::signal::ClientMessage::Join(join) => join.settings,
        other => panic!("{other:?}"),
    };
    let eve = house
        .room("a")
        .join_with("eve", LINKER, 0, |join| join.settings = settings);
    house.pass(Duration::from_secs(1));
    house.told("a", eve, "joined")[0]["links"].clone()
}

#[test]
fn whoever_begins_a_room_anew_is_not_shown_to_rooms_that_others_linked_it_with() {
    let nothing = json!({});
    for (before, now) in [
        (nothing.clone(), json!({"linkPolicy":"deny"})),
        (nothing.clone(), json!({"linkRights":["roster"]})),
        (nothing.clone(), json!({"password":"secret"})),
        (nothing.clone(), json!({"lobby":true})),
        (json!({"linkRights":[]}), nothing.clone()),
        (json!({"password":"secret"}), nothing.clone()),
    ] {
        let (mut house, bob) = linked_and_left(before.clone());
        assert_eq!(begin_anew(&mut house, now.clone()), json!([]), "{before} {now}");
        let closed = house.told("b", bob, "link.closed");
        assert_eq!(closed, [json!({"link":"a","reason":"policy"})], "{before} {now}");
        let seen = house.told("b", bob, "link.roster");
        assert!(
            !seen.iter().any(|roster| roster.to_string().contains("eve")),
            "{seen:?}"
        );
    }
    let (mut house, bob) = linked_and_left(nothing.clone());
    assert_eq!(
        begin_anew(&mut house, nothing)[0]["link"],
        "b",
        "the same room, to all appearance"
    );
    let seen = house.told("b", bob, "link.roster");
    assert_eq!(seen.last().unwrap()["joined"][0]["id"], "eve");
}

#[test]
fn a_room_that_wants_no_links_any_more_has_none() {
    let (mut house, ann, bob) = linked();
    let deny = json!({"type":"room.update","settings":{"linkPolicy":"deny"}});
    assert!(matches!(house.ask("b", bob, deny.clone()), Some(ServerMessage::Ok(_))));
    assert_eq!(
        house.told("a", ann, "link.closed"),
        [json!({"link":"b","reason":"policy"})]
    );
    assert_eq!(
        house.told("b", bob, "link.closed"),
        [json!({"link":"a","reason":"policy"})]
    );
    // Opening one itself, it wants one.
    house.link("b", bob, "a");
    house.ask("b", bob, deny);
    assert_eq!(house.told("b", bob, "link.closed").len(), 1);
}

#[test]
fn messages_that_waited_for_the_first_come_in_order() {
    let mut house = House::of(&["a", "b"]);
    let talkers: Vec<usize> = (0..6).map(|n| house.join("a", &format!("ann{n}"), LINKER)).collect();
    let bob = house.join("b", "bob", LINKER);
    house.link("a", talkers[0], "b");
    for n in 0..60 {
        let world = house.room("a");
        let text = json!({"id":n + 100,"type":"link.chat","link":"b","text":n.to_string()}).to_string();
        let socket = world.clients[talkers[n % 6]].socket.unwrap();
        world.clients[talkers[n % 6]].asked.insert(n as u32 + 100);
        let message = crate::wire::signal::decode(&text);
        world.input(Input::Message { socket, message });
    }
    // The first is late; then all of them are there at once.
    house.room("a").to_rooms.rotate_left(1);
    house.settle();
    let heard: Vec<Value> = house
        .told("b", bob, "link.chat")
        .iter()
        .map(|chat| chat["text"].clone())
        .collect();
    let said: Vec<Value> = (0..60).map(|n: u32| n.to_string().into()).collect();
    assert_eq!(heard, said);
}

#[test]
fn a_link_whose_other_node_died_is_opened_again_when_that_room_lives_again() {
    let (mut house, ann, _) = linked();
    house.node_lost("b");
    assert_eq!(
        house.told("a", ann, "link.closed"),
        [json!({"link":"b","reason":"node-lost"})]
    );
    house.pass(Duration::from_secs(7));
    assert_eq!(house.told("a", ann, "link.opened").len(), 1);
    house = house.with("b", config());
    let ben = house.join("b", "ben", LINKER);
    house.pass(Duration::from_secs(10));
    let (here, there) = (house.told("a", ann, "link.opened"), house.told("b", ben, "link.opened"));
    assert_eq!((here.len(), there.len()), (2, 1));
    assert_eq!(
        (&here[1]["payload"], &here[1]["participants"]),
        (&json!("hello"), &json!([{"id":"ben","displayName":"BEN"}]))
    );
    assert_eq!(there[0]["payload"], "hello");
}

#[test]
fn such_a_link_is_not_opened_again_for_ever_nor_against_the_rules_nor_in_nobodys_name() {
    for why in ["late", "denied", "nobody"] {
        let (mut house, ann, _) = linked();
        if why == "nobody" {
            house.join("a", "al", Grant::JOIN);
            house.room("a").go_away(ann);
            house.settle();
        }
        if why == "denied" {
            house.room("a").room.settings.link_policy = LinkPolicy::Deny;
        }
        house.node_lost("b");
        house.pass(Duration::from_secs(if why == "late" { 61 } else { 0 }));
        house = house.with("b", config());
        let ben = house.join("b", "ben", LINKER);
        house.pass(Duration::from_secs(20));
        assert_eq!(house.told("b", ben, "link.opened").len(), 0, "{why}");
    }
}
