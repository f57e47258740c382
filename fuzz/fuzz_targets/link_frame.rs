//! Frames of other rooms, one a line: what is read can be written and read again, and whatever comes in whatever order, no
//! link opens twice, none closes that is not open, and nothing is out of bounds.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enfilade::federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links};
use enfilade::wire::link::{LinkFrame, Person, Rights, RoomAddress, decode, encode};
use enfilade::wire::{ParticipantId, RoomId};
use libfuzzer_sys::fuzz_target;

fn room(name: &str) -> RoomId {
    RoomId::new(name).expect("an id")
}

fn ann() -> Person {
    Person {
        id: ParticipantId::new("ann").expect("an id"),
        display_name: "Ann".to_owned(),
    }
}

fn drain(links: &mut Links, now: Instant, open: &mut BTreeSet<RoomId>) {
    while let Some(output) = links.poll_output() {
        match output {
            LinkOutput::Send { frame, .. } => assert!(frame.check().is_ok()),
            LinkOutput::Event(LinkEvent::Opened { room, .. }) => assert!(open.insert(room)),
            LinkOutput::Event(LinkEvent::Closed { room, .. }) => assert!(open.remove(&room)),
            LinkOutput::Event(LinkEvent::Requested { request, .. }) => {
                let decision = Decision::Accept { rights: Rights::ALL };
                links.handle(now, LinkInput::Decide { request, decision });
            }
            LinkOutput::Event(_) => {}
        }
    }
    assert!(links.len() <= LinkLimits::default().links);
    assert!(links.views().all(|view| open.contains(view.room)));
    assert!(links.poll_timeout().is_none_or(|at| at > now));
}

fuzz_target!(|text: &str| {
    let own = RoomAddress {
        room: room("b"),
        session: Arc::from("b-1"),
    };
    let mut links = Links::new(own, LinkLimits::default());
    let (mut now, mut open) = (Instant::now(), BTreeSet::new());
    links.handle(now, LinkInput::Joined { person: ann() });
    // Our own request is out as well, under the name `b-1.1`.
    let request = LinkInput::Open {
        ask: Ask(1),
        room: room("c"),
        payload: None,
        by: ann(),
        wait: Duration::from_secs(60),
        rights: Rights::ALL,
    };
    links.handle(now, request);
    drain(&mut links, now, &mut open);
    for line in text.lines() {
        let Ok(frame) = decode(line) else {
            continue;
        };
        let again: LinkFrame = decode(&encode(&frame)).expect("what was read can be written and read");
        assert_eq!(again, frame);
        links.handle(now, LinkInput::Frame { frame });
        drain(&mut links, now, &mut open);
        now += Duration::from_millis(170);
        links.handle(now, LinkInput::Tick);
        drain(&mut links, now, &mut open);
    }
});
