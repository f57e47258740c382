//! What a room was made with, what is done to it from outside, and what becomes known of it.

use std::time::Duration;

use super::support::{World, config};
use crate::{
    room::{EndReason, Grant, Happening, HttpKey, HttpReply, Input, Manage, Preset, RoomConfig},
    wire::{
        ErrorCode, ParticipantId, RoomId,
        signal::{ClientMessage, LeaveReason, Settings, SourceKind, Token},
    },
};

fn id(text: &str) -> ParticipantId {
    ParticipantId::new(text).unwrap()
}

fn manage(world: &mut World, manage: Manage) -> Option<HttpReply> {
    let request = HttpKey(1_000 + world.replies.len() as u64);
    let manage = Box::new(manage);
    world.input(Input::Manage { request, manage });
    world.read_all();
    world.replies.get(&request).cloned()
}

fn refused(reply: Option<HttpReply>) -> ErrorCode {
    match reply {
        Some(HttpReply::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

fn words(world: &World) -> Vec<String> {
    let word = |what: &Happening| match what {
        Happening::SessionStarted => "start".to_owned(),
        Happening::SessionEnded { reason } => format!("end {reason:?}"),
        Happening::Joined { participant, .. } => format!("+{participant}"),
        Happening::Left {
            participant, reason, ..
        } => format!("-{participant} {reason:?}"),
        Happening::Published { source, .. } => format!("publish {source:?}"),
        Happening::Unpublished { .. } => "unpublish".to_owned(),
        Happening::LinkOpened { link } => format!("link {link}"),
        Happening::LinkClosed { link, .. } => format!("unlink {link}"),
        Happening::Recording(info) => format!("recording {:?}", info.state),
        Happening::Measured { .. } => "measured".to_owned(),
    };
    world.ledger.events.iter().map(|event| word(&event.what)).collect()
}

#[test]
fn a_session_is_told_from_its_first_participant_to_its_end() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.media(ann, 1);
    let bob = world.join("bob");
    world.ask(ann, ClientMessage::Leave);
    world.ask(bob, ClientMessage::Leave);
    let told = [
        "start",
        "+ann",
        "publish Microphone",
        "publish Camera",
        "+bob",
        "unpublish",
        "unpublish",
        "-ann Left",
        "-bob Left",
        "end Empty",
    ];
    assert_eq!(words(&world), told);
    let sessions: Vec<_> = world.ledger.events.iter().map(|event| &event.session).collect();
    assert!(sessions.iter().all(|session| session.as_ref() == world.room.session()));
}

#[test]
fn who_knocks_at_an_empty_room_and_is_refused_begins_no_session() {
    let mut world = World::new();
    world.room.prepare(Preset {
        disabled: true,
        ..Preset::default()
    });
    assert_eq!(world.refused("ann", Grant::JOIN, |_| {}), "room-disabled");
    assert!(world.ledger.events.is_empty() && world.empty == 1);
}

#[test]
fn only_those_a_room_is_for_come_in_and_only_by_tokens_that_name_them() {
    let mut world = World::new();
    world.room.prepare(Preset {
        allowed: Some([id("ann")].into()),
        ..Preset::default()
    });
    let named = Grant {
        named: true,
        ..Grant::JOIN
    };
    assert_eq!(world.refused("ann", Grant::JOIN, |_| {}), "forbidden");
    assert_eq!(world.refused("bob", named, |_| {}), "forbidden");
    world.join_with("ann", named, 0, |_| {});
    assert_eq!(world.ledger.here(), ["ann"].into());
}

#[test]
fn what_a_room_was_made_with_nobody_inside_changes() {
    let mut world = World::new();
    world.room.prepare(Preset {
        settings: Settings {
            max_participants: Some(Some(2)),
            ..Settings::default()
        },
        ..Preset::default()
    });
    let change = Settings {
        max_participants: Some(Some(50)),
        lobby: Some(true),
        ..Settings::default()
    };
    let begin = change.clone();
    let ann = world.join_with("ann", Grant::JOIN, 0, |join| join.settings = Some(Box::new(begin)));
    let settings = Box::new(change);
    world.ask(ann, ClientMessage::RoomUpdate { settings });
    let info = world.room.settings.info();
    assert_eq!((info.max_participants, info.lobby), (Some(2), true));
}

#[test]
fn a_session_ends_when_it_lasted_as_long_as_it_may() {
    let mut world = World::new();
    world.room.prepare(Preset {
        session_max: Some(Duration::from_secs(60)),
        ..Preset::default()
    });
    world.join("ann");
    world.pass(Duration::from_secs(59));
    assert_eq!(world.ledger.here(), ["ann"].into());
    world.pass(Duration::from_secs(1));
    assert_eq!(words(&world).last().unwrap(), "end Timeout");
    assert!(world.empty == 1 && world.room.poll_timeout().is_none());
}

#[test]
fn a_room_outlives_its_last_participant_as_long_as_it_was_made_to() {
    let mut world = World::with_config(RoomConfig {
        departure_timeout: Duration::from_secs(20),
        ..config()
    });
    world.room.prepare(Preset {
        departure_timeout: Some(Duration::from_secs(90)),
        ..Preset::default()
    });
    let ann = world.join("ann");
    world.ask(ann, ClientMessage::Leave);
    world.pass(Duration::from_secs(89));
    assert!(world.ledger.is_open() && world.empty == 0);
    world.pass(Duration::from_secs(1));
    assert!(!world.ledger.is_open() && world.empty == 1);
}

#[test]
fn whoever_manages_a_room_needs_nobody_inside() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.media(ann, 1);
    let bob = world.join("bob");
    let from = id("server");
    let mute = Manage::Mute {
        participant: id("ann"),
        source: SourceKind::Microphone,
        on: false,
        from: from.clone(),
    };
    assert_eq!(manage(&mut world, mute), Some(HttpReply::Done));
    let Some(HttpReply::Participants { participants }) = manage(&mut world, Manage::Participants) else {
        panic!("no list");
    };
    assert!(participants[0].publications[0].muted && participants.len() == 2);
    let to_another = |token: &str| Manage::Move {
        participant: id("bob"),
        room: RoomId::new("r2").unwrap(),
        token: Token(token.to_owned()),
        payload: None,
        from: from.clone(),
    };
    assert_eq!(refused(manage(&mut world, to_another("for-r3"))), ErrorCode::TokenRoom);
    assert_eq!(manage(&mut world, to_another("for-r2")), Some(HttpReply::Done));
    let chat = Manage::Chat {
        text: "closing soon".to_owned(),
        to: None,
        from,
    };
    assert_eq!(manage(&mut world, chat), Some(HttpReply::Done));
    let heard = |client: usize, word: &str| {
        world.clients[client]
            .log
            .iter()
            .any(|line| format!("{line:?}").contains(word))
    };
    assert!(heard(bob, "closing soon") && heard(ann, "closing soon") && heard(bob, "for-r2") | heard(bob, "Switch"));
    let remove = || Manage::Remove { participant: id("bob") };
    assert_eq!(manage(&mut world, remove()), Some(HttpReply::Done));
    assert_eq!(refused(manage(&mut world, remove())), ErrorCode::NoSuchParticipant);
    assert_eq!(manage(&mut world, Manage::Close), Some(HttpReply::Done));
    let left = |event: &crate::room::RoomEvent| match &event.what {
        Happening::Left { reason, .. } => Some(*reason),
        _ => None,
    };
    let reasons: Vec<_> = world.ledger.events.iter().filter_map(left).collect();
    assert_eq!(reasons, [LeaveReason::Removed, LeaveReason::Closed]);
    let ended = Happening::SessionEnded {
        reason: EndReason::Closed,
    };
    assert_eq!(world.ledger.events.last().map(|event| &event.what), Some(&ended));
}

#[test]
fn a_link_that_is_asked_for_from_outside_is_answered_when_it_is_settled() {
    let mut world = World::new();
    world.join("ann");
    let open = Manage::OpenLink {
        room: RoomId::new("r2").unwrap(),
        payload: None,
        from: id("server"),
    };
    assert_eq!(manage(&mut world, open), None);
    world.pass(Duration::from_secs(60));
    let request = HttpKey(1_000);
    let reply = world.replies.get(&request).cloned();
    assert!(matches!(
        refused(reply),
        ErrorCode::LinkTimeout | ErrorCode::RoomNotFound
    ));
    let close = Manage::CloseLink {
        room: RoomId::new("r2").unwrap(),
    };
    assert_eq!(refused(manage(&mut world, close)), ErrorCode::NoSuchLink);
}

#[test]
fn settings_that_change_from_outside_hold_at_once() {
    let mut world = World::new();
    world.join("ann");
    let preset = |max| {
        Manage::Preset(Box::new(Preset {
            settings: Settings {
                max_participants: Some(Some(max)),
                ..Settings::default()
            },
            ..Preset::default()
        }))
    };
    assert_eq!(manage(&mut world, preset(1)), Some(HttpReply::Done));
    assert_eq!(world.refused("bob", Grant::JOIN, |_| {}), "room-full");
    assert_eq!(manage(&mut world, preset(2)), Some(HttpReply::Done));
    world.join("bob");
    let off = Manage::Preset(Box::new(Preset {
        disabled: true,
        ..Preset::default()
    }));
    assert_eq!(manage(&mut world, off), Some(HttpReply::Done));
    assert!(!world.ledger.is_open() && world.room.is_empty());
}
