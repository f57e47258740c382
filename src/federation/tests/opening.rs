//! How links are made and refused.

use std::time::Duration;

use super::support::{Bench, address, by_payload, person, room};
use crate::{
    federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, RequestId},
    wire::{
        ErrorCode,
        link::{LinkBody, LinkEnd, Rights},
        signal::LinkCloseReason,
    },
};

const fn ok(ask: Ask) -> LinkEvent {
    LinkEvent::Answered { ask, result: Ok(()) }
}

const fn err(ask: Ask, code: ErrorCode) -> LinkEvent {
    LinkEvent::Answered { ask, result: Err(code) }
}

fn opened(other: &str, by: &str) -> LinkEvent {
    opened_with(other, by, &[])
}

fn opened_with(other: &str, by: &str, there: &[&str]) -> LinkEvent {
    LinkEvent::Opened {
        room: room(other),
        payload: Some(by_payload(by)),
        rights: Rights::ALL,
        participants: there.iter().map(|id| person(id)).collect(),
    }
}

fn roster(other: &str, joined: &[&str]) -> LinkEvent {
    LinkEvent::Roster {
        room: room(other),
        joined: joined.iter().map(|id| person(id)).collect(),
        left: Vec::new(),
    }
}

/// Of a link that room a asked for.
fn closed(other: &str, reason: LinkCloseReason) -> LinkEvent {
    LinkEvent::Closed {
        room: room(other),
        reason,
        payload: Some(by_payload("a")),
    }
}

#[test]
fn both_rooms_get_the_link_and_see_each_other() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.join("a", "ann");
    bench.join("b", "bob");
    let ask = bench.open("a", "b");
    assert_eq!(bench.told("a"), [opened_with("b", "a", &["bob"]), ok(ask)]);
    let b = bench.told("b");
    assert_eq!(b[1..], [opened_with("a", "a", &["ann"])]);
    assert!(matches!(&b[0], LinkEvent::Requested { room, .. } if *room == super::support::room("a")));
    assert_eq!(bench.seen("a", "b"), Some(vec!["BOB".to_owned()]));
    bench.join("b", "bea");
    bench.leave("b", "bob");
    bench.wait(Duration::from_millis(50));
    assert_eq!(bench.seen("a", "b"), Some(vec!["BEA".to_owned()]));
    assert_eq!(bench.seen("b", "a"), Some(vec!["ANN".to_owned()]));
}

#[test]
fn opening_what_is_open_is_done_at_once_and_tells_nobody() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.open("a", "b");
    bench.events.clear();
    let again = bench.open("a", "b");
    let back = bench.open("b", "a");
    assert_eq!(bench.told("a"), [ok(again)]);
    assert_eq!(bench.told("b"), [ok(back)]);
}

#[test]
fn everybody_who_waits_for_a_link_is_answered_by_it() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    let asks = [bench.open("a", "b"), bench.open("a", "b")];
    assert_eq!(bench.told("a"), []);
    let decide = |decision| LinkInput::Decide {
        request: RequestId(1),
        decision,
    };
    bench.told("b");
    bench.put("b", decide(Decision::Accept { rights: Rights::ALL }));
    assert_eq!(bench.told("a"), [opened("b", "a"), ok(asks[0]), ok(asks[1])]);
    let ended = LinkEvent::RequestEnded {
        request: RequestId(1),
        accepted: true,
    };
    assert_eq!(bench.told("b"), [ended, opened("a", "a")]);
    bench.put(
        "b",
        decide(Decision::Refuse {
            code: ErrorCode::LinkDenied,
        }),
    );
    assert_eq!(bench.told("b"), [], "what is settled stays settled");
}

#[test]
fn a_refusal_comes_with_its_code_and_costs_the_refusing_room_nothing() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Refuse {
        code: ErrorCode::LinkDenied,
    };
    let ask = bench.open("a", "b");
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::LinkDenied)]);
    assert!(bench.links("a").is_empty() && bench.links("b").is_empty());
    let itself = bench.open("a", "a");
    assert_eq!(bench.told("a"), [err(itself, ErrorCode::SameRoom)]);
}

#[test]
fn an_undecided_request_is_refused_after_thirty_seconds() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    let ask = bench.open("a", "b");
    bench.wait(Duration::from_millis(29_900));
    assert_eq!(bench.told("a"), []);
    bench.told("b");
    bench.wait(Duration::from_millis(200));
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::LinkTimeout)]);
    let request = RequestId(1);
    assert_eq!(
        bench.told("b"),
        [LinkEvent::RequestEnded {
            request,
            accepted: false
        }]
    );
}

#[test]
fn a_request_that_gets_no_answer_is_repeated_and_given_up() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.pass = Box::new(|_| false);
    let ask = bench.open("a", "b");
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.kinds().len(), 4, "at 0, 250, 750 and 1750 ms");
    bench.wait(Duration::from_secs(32));
    assert_eq!(bench.told("a"), []);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::LinkTimeout)]);
    assert_eq!(bench.kinds().last().unwrap(), "a>close");
    assert_eq!(bench.links("a").poll_timeout(), None);
}

#[test]
fn a_lost_refusal_is_said_again() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    let ask = bench.open("a", "b");
    bench.pass = Box::new(|frame| !matches!(frame.body, LinkBody::Refuse { .. }));
    let (request, code) = (RequestId(1), ErrorCode::LinkDenied);
    let decision = Decision::Refuse { code };
    bench.put("b", LinkInput::Decide { request, decision });
    assert_eq!(bench.told("a"), []);
    bench.pass = Box::new(|_| true);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.told("a"), [err(ask, code)]);
}

#[test]
fn no_side_is_open_before_the_other_can_know() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.pass = Box::new(|frame| !matches!(frame.body, LinkBody::Accept { .. }));
    let ask = bench.open("a", "b");
    assert!(matches!(bench.told("b")[..], [LinkEvent::Requested { .. }]));
    bench.wait(Duration::from_secs(5));
    assert!(!bench.links("b").is_open(&room("a")));
    bench.pass = Box::new(|_| true);
    bench.wait(Duration::from_secs(2));
    assert_eq!(bench.told("a")[1], ok(ask));
    assert_eq!(bench.told("b"), [opened("a", "a")]);
}

#[test]
fn an_acceptance_that_nobody_hears_is_forgotten_in_silence() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.pass = Box::new(|frame| !matches!(frame.body, LinkBody::Accept { .. }));
    bench.open("a", "b");
    bench.told("b");
    bench.pass = Box::new(|_| false);
    bench.wait(Duration::from_secs(11));
    assert!(bench.links("b").is_empty());
    assert_eq!(bench.told("b"), []);
}

#[test]
fn when_both_ask_there_is_one_link_and_the_lower_room_names_it() {
    for lost in 0..6 {
        let mut bench = Bench::new(&["a", "b"]);
        bench.pass = Box::new(|_| false);
        let a = bench.open("a", "b");
        let b = bench.open("b", "a");
        let mut count = 0;
        bench.pass = Box::new(move |_| {
            count += 1;
            count != lost
        });
        bench.wait(Duration::from_secs(4));
        let told = [bench.told("a"), bench.told("b")];
        assert_eq!(told[0], [opened("b", "a"), ok(a), roster("b", &[])][..2], "{lost}");
        assert_eq!(told[1], [opened("a", "a"), ok(b)], "{lost}");
    }
}

#[test]
fn asking_back_is_agreeing() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    let a = bench.open("a", "b");
    bench.told("b");
    let b = bench.open("b", "a");
    assert_eq!(bench.told("a"), [opened("b", "a"), ok(a)]);
    let (request, accepted) = (RequestId(1), true);
    let ended = LinkEvent::RequestEnded { request, accepted };
    assert_eq!(bench.told("b"), [ended, opened("a", "a"), ok(b)]);
}

#[test]
fn a_room_that_is_not_there_is_waited_for_if_somebody_wants_to() {
    let unreachable = |code| LinkInput::Unreachable {
        room: room("z"),
        session: None,
        code,
    };
    let mut bench = Bench::new(&["a", "b"]);
    let ask = bench.open("a", "z");
    bench.put("a", unreachable(ErrorCode::RoomNotLive));
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::RoomNotLive)]);

    let waiting = bench.open_with("a", "z", Rights::ALL, Duration::from_millis(1_200));
    bench.kinds();
    for _ in 0..3 {
        bench.put("a", unreachable(ErrorCode::RoomNotFound));
        bench.wait(Duration::from_millis(500));
    }
    assert_eq!(bench.kinds(), ["a>request", "a>request", "a>close"]);
    assert_eq!(bench.told("a"), [err(waiting, ErrorCode::RoomNotFound)]);

    let other = bench.open("a", "b");
    assert_eq!(bench.told("a"), [opened("b", "a"), ok(other)]);
}

#[test]
fn what_is_said_of_another_session_ends_neither_link_nor_attempt() {
    let unreachable = |room, session: &str| LinkInput::Unreachable {
        room,
        session: Some(session.into()),
        code: ErrorCode::RoomNotFound,
    };
    let mut bench = Bench::new(&["a", "b"]);
    bench.open("a", "b");
    bench.open("a", "z");
    bench.told("a");
    bench.put("a", unreachable(room("z"), "z-0"));
    bench.put("a", unreachable(room("b"), "b-0"));
    assert_eq!(bench.told("a"), []);
    bench.put("a", unreachable(room("b"), "b-1"));
    assert_eq!(bench.told("a"), [closed("b", LinkCloseReason::RemoteEnded)]);
}

#[test]
fn a_room_has_so_many_links_and_begins_so_many_in_a_second() {
    let limits = LinkLimits {
        links: 2,
        ..LinkLimits::default()
    };
    let mut bench = Bench::with_limits(&["a", "b", "c", "d"], &limits);
    bench.open("a", "b");
    bench.open("c", "a");
    bench.events.clear();
    let ask = bench.open("a", "d");
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::LinkLimit)]);
    let ask = bench.open("d", "a");
    assert_eq!(bench.told("d"), [err(ask, ErrorCode::LinkLimit)]);
    assert_eq!(bench.told("a"), []);

    let mut bench = Bench::new(&["a"]);
    let names = ["b", "c", "d", "e", "f", "g"];
    let asks = names.map(|name| bench.open("a", name));
    assert_eq!(bench.told("a"), [err(asks[5], ErrorCode::RateLimited)]);
}

#[test]
fn a_late_copy_of_an_old_request_revives_nothing() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.open("a", "b");
    let request = bench.sent[0].clone();
    bench.put("a", LinkInput::Close { room: room("b") });
    assert_eq!(
        bench.told("b").last().unwrap(),
        &closed("a", LinkCloseReason::ClosedRemote)
    );
    bench.put("b", LinkInput::Frame { frame: request.clone() });
    assert_eq!(bench.told("b"), []);
    bench.open("a", "b");
    bench.events.clear();
    bench.put("b", LinkInput::Frame { frame: request });
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.told("b"), []);
    assert!(bench.links("b").is_open(&room("a")));
}

#[test]
fn a_new_request_over_an_old_link_first_finds_out_that_the_old_one_is_dead() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.open("a", "b");
    bench.pass = Box::new(|frame| !matches!(frame.body, LinkBody::Close { .. }));
    bench.put("a", LinkInput::Close { room: room("b") });
    bench.pass = Box::new(|_| true);
    bench.events.clear();
    bench.open("a", "b");
    bench.wait(Duration::from_millis(300));
    let told = bench.told("b");
    assert_eq!(told[0], closed("a", LinkCloseReason::ClosedRemote));
    assert_eq!(told.last().unwrap(), &opened("a", "a"));

    // The same with a room that has come back as another session.
    bench.rooms[0] = {
        let own = address("a", "a-2");
        (own.clone(), crate::federation::Links::new(own, LinkLimits::default()))
    };
    bench.open("a", "b");
    bench.wait(Duration::from_millis(300));
    let told = bench.told("b");
    assert_eq!(told[0], closed("a", LinkCloseReason::RemoteEnded));
    assert_eq!(told.last().unwrap(), &opened("a", "a"));
}

#[test]
fn a_room_that_ends_meanwhile_leaves_no_half_of_a_link() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    let ask = bench.open("a", "b");
    bench.put("b", LinkInput::Ended);
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::RoomNotFound)]);
    assert!(bench.links("a").is_empty());

    let mut bench = Bench::new(&["a", "b"]);
    bench.decision = Decision::Ask;
    bench.open("a", "b");
    bench.told("b");
    bench.put("a", LinkInput::Ended);
    let (request, accepted) = (RequestId(1), false);
    assert_eq!(bench.told("b"), [LinkEvent::RequestEnded { request, accepted }]);
}

#[test]
fn rules_that_change_end_links_and_what_would_have_become_links() {
    let mut bench = Bench::new(&["a", "b", "c", "d"]);
    bench.open("a", "b");
    bench.decision = Decision::Ask;
    bench.open("a", "c");
    let d = bench.open("d", "a");
    bench.events.clear();
    bench.put("a", LinkInput::CloseAll);
    assert!(bench.links("a").is_empty());
    assert_eq!(bench.told("b"), [closed("a", LinkCloseReason::Policy)]);
    assert_eq!(bench.told("d"), [err(d, ErrorCode::LinkDenied)]);
    assert!(matches!(bench.told("c")[..], [LinkEvent::RequestEnded { .. }]));
    assert!(bench.told("a").contains(&closed("b", LinkCloseReason::Policy)));
}

#[test]
fn a_close_is_never_answered_with_a_close() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.open("a", "b");
    let mut frame = bench.sent[0].clone();
    frame.body = LinkBody::Close {
        reason: LinkEnd::Unknown,
    };
    bench.kinds();
    bench.put("b", LinkInput::Frame { frame: frame.clone() });
    bench.put("b", LinkInput::Frame { frame });
    assert_eq!(bench.kinds(), Vec::<String>::new());
    assert_eq!(
        bench.told("b").last().unwrap(),
        &closed("a", LinkCloseReason::Unreachable)
    );
}

fn nobody(code: ErrorCode) -> LinkInput {
    LinkInput::Unreachable {
        room: room("b"),
        session: None,
        code,
    }
}

fn node_lost(bench: &mut Bench) {
    bench.put("a", nobody(ErrorCode::NodeLost));
    let again = LinkInput::Reopen {
        room: room("b"),
        payload: None,
        by: person("opener"),
        within: Duration::from_secs(60),
        rights: Rights::ALL,
    };
    bench.put("a", again);
}

/// Lets time pass while each request is answered by there being nobody; gives back how many there were.
fn wait_alone(bench: &mut Bench, seconds: u32) -> usize {
    let mut requests = 0;
    for _ in 0..seconds * 100 {
        bench.wait(Duration::from_millis(10));
        if bench.kinds().contains(&"a>request".to_owned()) {
            requests += 1;
            bench.put("a", nobody(ErrorCode::RoomNotFound));
        }
    }
    requests
}

#[test]
fn a_room_that_is_gone_with_its_node_is_asked_again_ever_more_rarely_and_not_for_ever() {
    let mut bench = Bench::new(&["a"]);
    node_lost(&mut bench);
    let first = bench.kinds().len();
    assert_eq!(first, 0, "first a pause: many rooms want the same");
    let (early, late) = (wait_alone(&mut bench, 10), wait_alone(&mut bench, 50));
    assert!((3..=6).contains(&early) && (6..=13).contains(&late), "{early} {late}");
    assert_eq!(wait_alone(&mut bench, 100), 0);
    assert!(bench.links("a").is_empty());
    assert_eq!(bench.told("a"), []);
}

#[test]
fn who_wants_a_link_that_is_opened_again_is_answered_at_once() {
    let mut bench = Bench::new(&["a"]);
    node_lost(&mut bench);
    wait_alone(&mut bench, 30);
    let ask = bench.open("a", "b");
    assert_eq!(bench.kinds(), ["a>request"]);
    bench.put("a", nobody(ErrorCode::RoomNotLive));
    assert_eq!(bench.told("a"), [err(ask, ErrorCode::RoomNotLive)]);
    assert!(!bench.links("a").is_empty(), "and it goes on");
}
