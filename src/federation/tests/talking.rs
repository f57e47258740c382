//! What crosses an open link, on good days and bad.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::support::{Bench, by_payload, chat, person, room, switch};
use crate::{
    federation::{Ask, LinkEvent, LinkInput, LinkLimits, Question},
    wire::{
        ErrorCode, ParticipantId,
        link::{LinkBody, LinkEnd, LinkMessage, Person, Rights},
        signal::LinkCloseReason,
    },
};

fn texts(events: &[LinkEvent]) -> Vec<&str> {
    let chats = events.iter().filter_map(|event| match event {
        LinkEvent::Chat { chat, .. } => Some(chat.text.as_str()),
        _ => None,
    });
    chats.collect()
}

fn answers(events: &[LinkEvent]) -> Vec<(Ask, Result<(), ErrorCode>)> {
    let answer = |event: &LinkEvent| match event {
        LinkEvent::Answered { ask, result } => Some((*ask, *result)),
        _ => None,
    };
    events.iter().filter_map(answer).collect()
}

fn linked(limits: &LinkLimits) -> Bench {
    let mut bench = Bench::with_limits(&["a", "b"], limits);
    bench.open("a", "b");
    bench.wait(Duration::from_millis(1));
    bench.events.clear();
    bench.kinds();
    bench
}

#[test]
fn chat_comes_once_and_in_order_though_two_of_three_frames_are_lost() {
    let mut bench = linked(&LinkLimits::default());
    let mut count = 0;
    bench.pass = Box::new(move |_| {
        count += 1;
        count % 3 == 0
    });
    let asks: Vec<Ask> = (0..40).map(|n| bench.chat("a", "b", &format!("{n:02}"))).collect();
    bench.wait(Duration::from_secs(20));
    let told = bench.told("b");
    let sent: Vec<String> = (0..40).map(|n| format!("{n:02}")).collect();
    assert_eq!(texts(&told), sent);
    let answered: Vec<Ask> = answers(&bench.told("a")).into_iter().map(|(ask, _)| ask).collect();
    assert_eq!(answered, asks);
    assert!(bench.links("a").counters().resent > 0 && bench.links("b").counters().duplicates > 0);
}

#[test]
fn no_more_than_the_window_is_on_the_way() {
    let mut bench = linked(&LinkLimits::default());
    bench.pass = Box::new(|_| false);
    for n in 0..100 {
        bench.chat("a", "b", &n.to_string());
    }
    let load = bench.links("a").views().next().unwrap().load();
    assert_eq!((load.on_the_way, load.waiting), (64, 36));
}

#[test]
fn a_quiet_link_says_every_two_seconds_that_it_is_there() {
    let mut bench = linked(&LinkLimits::default());
    bench.wait(Duration::from_secs(20));
    let kinds = bench.kinds();
    assert_eq!(kinds.len(), 20, "ten from each side");
    assert!(kinds.iter().all(|kind| kind.ends_with(">ack")), "{kinds:?}");
    assert_eq!(bench.events, []);
}

#[test]
fn a_link_that_nothing_is_heard_of_is_stale_then_back_or_over() {
    let mut bench = linked(&LinkLimits::default());
    let state = |stale| LinkEvent::State { room: room("b"), stale };
    bench.pass = Box::new(|_| false);
    bench.wait(Duration::from_secs(6));
    assert_eq!(bench.told("a"), [state(true)]);
    bench.pass = Box::new(|_| true);
    bench.wait(Duration::from_secs(3));
    assert_eq!(bench.told("a"), [state(false)]);
    bench.pass = Box::new(|_| false);
    bench.wait(Duration::from_secs(31));
    let over = LinkEvent::Closed {
        room: room("b"),
        reason: LinkCloseReason::Unreachable,
        payload: Some(by_payload("a")),
    };
    assert_eq!(bench.told("a"), [state(true), over]);
    assert_eq!(bench.links("a").poll_timeout(), None);
}

#[test]
fn a_link_that_one_side_hears_and_the_other_does_not_is_over_for_both() {
    let mut bench = linked(&LinkLimits::default());
    bench.pass = Box::new(|frame| frame.from.room.as_str() == "a");
    bench.wait(Duration::from_secs(31));
    for name in ["a", "b"] {
        assert!(!bench.links(name).is_open(&room("a")) && !bench.links(name).is_open(&room("b")));
    }
}

#[test]
fn what_was_not_given_is_refused_here_and_there() {
    let mut bench = Bench::new(&["a", "b"]);
    bench.join("b", "bob");
    bench.decision = crate::federation::Decision::Accept { rights: Rights::NONE };
    bench.open("a", "b");
    bench.events.clear();
    let ask = bench.chat("a", "b", "hello");
    assert_eq!(answers(&bench.told("a")), [(ask, Err(ErrorCode::LinkRight))]);
    assert_eq!(bench.seen("a", "b"), Some(vec![]));
    let roster = |frame: &crate::wire::link::LinkFrame| {
        frame.from.room.as_str() == "b" && matches!(frame.body, LinkBody::Data { .. })
    };
    assert!(!bench.sent.iter().any(roster), "nobody's name leaves");

    // A node that does not check: the target does.
    let id = bench.sent[0].link.clone();
    let mut frame = bench.sent[0].clone();
    frame.link = id;
    let asked = [
        LinkMessage::Chat(chat(person("ann"), "hello")),
        LinkMessage::Switch(switch("bob", "a")),
        LinkMessage::End { by: person("ann") },
    ];
    for (seq, message) in (2..).zip(asked) {
        frame.body = LinkBody::Data { seq, ack: 0, message };
        bench.sent.clear();
        bench.put("b", LinkInput::Frame { frame: frame.clone() });
        let refused = LinkMessage::Reply {
            to: seq,
            code: Some(ErrorCode::LinkRight),
        };
        let said = |frame: &crate::wire::link::LinkFrame| match &frame.body {
            LinkBody::Data { message, .. } => *message == refused,
            _ => false,
        };
        assert!(bench.sent.iter().any(said), "{seq}");
    }
    assert_eq!(bench.told("b"), []);
}

#[test]
fn a_link_that_closes_answers_what_was_asked() {
    let mut bench = linked(&LinkLimits::default());
    bench.pass = Box::new(|_| false);
    let asks: Vec<_> = (0..70).map(|_| bench.chat("a", "b", "x")).collect();
    bench.put("a", LinkInput::Close { room: room("b") });
    let told = bench.told("a");
    let closed: Vec<_> = asks.iter().map(|ask| (*ask, Err(ErrorCode::LinkClosed))).collect();
    assert_eq!(answers(&told), closed);
    let ask = bench.chat("a", "b", "x");
    assert_eq!(answers(&bench.told("a")), [(ask, Err(ErrorCode::NoSuchLink))]);
}

#[test]
fn ending_a_room_is_done_when_that_room_has_ended() {
    let mut bench = linked(&LinkLimits::default());
    // The reply gets lost; that the room ended does not.
    bench.pass = Box::new(|frame| frame.from.room.as_str() == "a" || matches!(frame.body, LinkBody::Close { .. }));
    let ask = bench.next_ask();
    let end = LinkInput::End {
        ask,
        room: room("b"),
        by: person("ann"),
    };
    bench.put("a", end);
    assert!(matches!(bench.told("b")[..], [LinkEvent::End { .. }]));
    bench.put("b", LinkInput::Ended);
    let told = bench.told("a");
    assert_eq!(answers(&told), [(ask, Ok(()))]);
    let reason = LinkCloseReason::RemoteEnded;
    assert_eq!(
        told.last(),
        Some(&LinkEvent::Closed {
            room: room("b"),
            reason,
            payload: Some(by_payload("a")),
        })
    );
}

#[test]
fn a_question_is_answered_once_and_never_by_a_later_link() {
    let mut bench = linked(&LinkLimits::default());
    let ask = bench.chat("a", "b", "one");
    assert_eq!(answers(&bench.told("a")), [(ask, Ok(()))]);
    let late = |question| LinkInput::Reply {
        room: room("a"),
        question: Question(question),
        result: Err(ErrorCode::Forbidden),
    };
    bench.put("b", late(1));
    bench.put("a", LinkInput::Close { room: room("b") });
    bench.open("a", "b");
    bench.events.clear();
    let ask = bench.chat("a", "b", "two");
    bench.put("b", late(1));
    assert_eq!(answers(&bench.told("a")), [(ask, Ok(()))]);
}

#[test]
fn more_questions_than_may_be_open_are_refused_at_once() {
    let mut bench = linked(&LinkLimits::default());
    bench.pass = Box::new(|_| false);
    for _ in 0..128 {
        bench.chat("a", "b", "x");
    }
    assert_eq!(bench.told("a"), []);
    let ask = bench.chat("a", "b", "x");
    assert_eq!(answers(&bench.told("a")), [(ask, Err(ErrorCode::LinkOverflow))]);
}

#[test]
fn an_overfull_queue_tells_everybody_anew_and_counts_the_chat_it_dropped() {
    let limits = LinkLimits {
        window: 1,
        queue: 4,
        ..LinkLimits::default()
    };
    let mut bench = linked(&limits);
    let open = Rc::new(Cell::new(false));
    let gate = Rc::clone(&open);
    bench.pass = Box::new(move |_| gate.get());
    bench.chat("a", "b", "on the way");
    let mut asks = Vec::new();
    for n in 0..5 {
        bench.join("a", &format!("p{n}"));
        asks.push(bench.chat("a", "b", &n.to_string()));
    }
    let lost: Vec<Ask> = answers(&bench.told("a")).into_iter().map(|(ask, _)| ask).collect();
    assert_eq!(lost, asks[..3]);
    assert_eq!(bench.links("a").counters().lost, 3);
    open.set(true);
    bench.wait(Duration::from_secs(3));
    let told = bench.told("b");
    assert_eq!(texts(&told), ["on the way", "3", "4"]);
    assert!(told.contains(&LinkEvent::Gap {
        room: room("a"),
        lost: 3
    }));
    assert_eq!(bench.seen("b", "a").unwrap().len(), 5);
}

#[test]
fn a_stream_that_stands_still_ends_the_link() {
    let mut bench = linked(&LinkLimits::default());
    // Their signs of life come, but never that they took something.
    bench.pass = Box::new(|frame| frame.from.room.as_str() == "b" && !matches!(frame.body, LinkBody::Close { .. }));
    bench.chat("a", "b", "x");
    bench.wait(Duration::from_secs(29));
    assert!(bench.links("a").is_open(&room("b")));
    let mut ack = bench.sent[0].clone();
    for _ in 0..20 {
        bench.wait(Duration::from_millis(100));
        ack.from = bench.rooms[1].0.clone();
        ack.to = room("a");
        ack.body = LinkBody::Ack { ack: 0 };
        bench.put("a", LinkInput::Frame { frame: ack.clone() });
    }
    let reason = LinkCloseReason::Limit;
    assert!(bench.told("a").contains(&LinkEvent::Closed {
        room: room("b"),
        reason,
        payload: Some(by_payload("a")),
    }));
    assert!(bench.sent.iter().any(|frame| frame.body
        == LinkBody::Close {
            reason: LinkEnd::Overflow
        }));
}

#[test]
fn a_big_room_comes_in_pages_that_fit_into_frames() {
    let mut bench = Bench::new(&["a", "b"]);
    for n in 0..1_201 {
        let id = ParticipantId::new(&format!("p{n:04}")).unwrap();
        let display_name = "\u{1}".repeat(if n < 100 { 256 } else { 1 });
        let person = Person { id, display_name };
        bench.put("a", LinkInput::Joined { person });
    }
    bench.open("a", "b");
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.seen("b", "a").unwrap().len(), 1_201);
    let pages: Vec<usize> = bench
        .sent
        .iter()
        .filter(|frame| matches!(frame.body, LinkBody::Data { .. }))
        .map(|frame| crate::wire::link::encode(frame).len())
        .collect();
    assert!(pages.len() >= 6, "{pages:?}");
    assert!(pages.iter().all(|bytes| *bytes <= 52 * 1024), "{pages:?}");
}

#[test]
fn the_first_change_goes_at_once_and_a_burst_in_one_message() {
    let mut bench = linked(&LinkLimits::default());
    bench.join("a", "ann");
    for n in 0..20 {
        bench.join("a", &format!("p{n}"));
    }
    bench.leave("a", "ann");
    assert_eq!(bench.told("b").len(), 1);
    bench.wait(Duration::from_millis(50));
    let told = bench.told("b");
    let LinkEvent::Roster { joined, left, .. } = &told[0] else {
        panic!("{told:?}")
    };
    assert_eq!((told.len(), joined.len(), left.len()), (1, 20, 1));
}

#[test]
fn somebodys_chat_comes_before_the_news_that_he_left() {
    let mut bench = linked(&LinkLimits::default());
    bench.join("a", "x");
    bench.join("a", "ann");
    bench.chat("a", "b", "bye");
    bench.leave("a", "ann");
    bench.wait(Duration::from_secs(1));
    let told = bench.told("b");
    let at = |wanted: &dyn Fn(&LinkEvent) -> bool| told.iter().position(wanted).unwrap();
    let ann = ParticipantId::new("ann").unwrap();
    let came = at(&|event| matches!(event, LinkEvent::Roster { joined, .. } if joined.contains(&person("ann"))));
    let said = at(&|event| matches!(event, LinkEvent::Chat { .. }));
    let went = at(&|event| matches!(event, LinkEvent::Roster { left, .. } if left.contains(&ann)));
    assert!(came < said && said < went, "{told:?}");
}

#[test]
fn chat_and_requests_to_switch_have_a_rate_at_the_target() {
    let mut bench = linked(&LinkLimits::default());
    let asks: Vec<Ask> = (0..101).map(|_| bench.chat("a", "b", "x")).collect();
    let told = answers(&bench.told("a"));
    assert_eq!(told[100], (asks[100], Err(ErrorCode::RateLimited)));
    assert!(told[..100].iter().all(|(_, result)| result.is_ok()));
    for (who, expected) in [
        ("bob", Ok(())),
        ("bob", Ok(())),
        ("bob", Ok(())),
        ("bob", Err(ErrorCode::RateLimited)),
        ("bea", Ok(())),
    ] {
        let ask = bench.next_ask();
        let switch = switch(who, "a");
        let room = room("b");
        bench.put("a", LinkInput::Switch { ask, room, switch });
        assert_eq!(answers(&bench.told("a")), [(ask, expected)], "{who}");
    }
}

#[test]
fn what_is_too_long_is_refused_here_and_there() {
    let mut bench = linked(&LinkLimits::default());
    let long = "x".repeat(8 * 1024 + 1);
    let ask = bench.chat("a", "b", &long);
    assert_eq!(answers(&bench.told("a")), [(ask, Err(ErrorCode::MessageTooLarge))]);
    bench.chat("a", "b", "x");
    let mut frame = bench
        .sent
        .iter()
        .find(|frame| matches!(frame.body, LinkBody::Data { .. }))
        .unwrap()
        .clone();
    let message = LinkMessage::Chat(chat(person("ann"), &long));
    frame.body = LinkBody::Data {
        seq: 3,
        ack: 0,
        message,
    };
    bench.told("b");
    bench.put("b", LinkInput::Frame { frame });
    assert_eq!(bench.told("b"), []);
}

#[test]
fn frames_of_another_session_end_the_link_and_touch_nothing_else() {
    let mut bench = linked(&LinkLimits::default());
    bench.chat("a", "b", "x");
    let mut frame = bench
        .sent
        .iter()
        .find(|frame| matches!(frame.body, LinkBody::Data { .. }))
        .unwrap()
        .clone();
    bench.told("b");
    frame.from.session = "a-0".into();
    let message = LinkMessage::Chat(chat(person("ann"), "forged"));
    frame.body = LinkBody::Data {
        seq: 3,
        ack: 0,
        message,
    };
    bench.put("b", LinkInput::Frame { frame });
    let reason = LinkCloseReason::RemoteEnded;
    assert_eq!(
        bench.told("b"),
        [LinkEvent::Closed {
            room: room("a"),
            reason,
            payload: Some(by_payload("a")),
        }]
    );
    assert!(!bench.links("a").is_open(&room("b")));
}
