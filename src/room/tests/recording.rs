//! Who may record, what goes into a recording, and who is told.

use std::time::Duration;

use serde_json::json;

use super::{
    house::{House, LINKER},
    support::{World, code},
};
use crate::{
    recording::{Ending, Order, RecorderNews},
    room::{Grant, Input, Output},
    wire::{
        ErrorCode,
        signal::{RecordingEnd, RecordingState, ServerMessage, SourceKind},
    },
};

fn allow(world: &mut World) {
    world.room.config.recording = true;
}

fn orders(world: &World) -> Vec<Order> {
    let order = |output: &Output| match output {
        Output::Record { order } => Some((**order).clone()),
        _ => None,
    };
    world.recorded.iter().filter_map(order).collect()
}

fn states(world: &World, client: usize) -> Vec<RecordingState> {
    let state = |message: &ServerMessage| match message {
        ServerMessage::Recording(info) => Some(info.state),
        _ => None,
    };
    world.clients[client].log.iter().filter_map(state).collect()
}

fn news(world: &mut World, news: RecorderNews) {
    let recording = world.room.recordings.live().map(|live| live.recording.clone());
    let recording = recording.unwrap_or_default();
    world.input(Input::Recorder { recording, news });
    world.read_all();
}

fn ended(end: RecordingEnd) -> RecorderNews {
    RecorderNews::Ended(Ending {
        end,
        length: Duration::from_secs(5),
        bytes: 1,
    })
}

#[test]
fn a_moderator_records_everybody_also_those_who_come_later() {
    let mut world = World::new();
    allow(&mut world);
    let (moderator, bob) = (world.join_with("mod", Grant::MODERATE, 0, |_| {}), world.join("bob"));
    world.media(bob, 1);
    let refused = world.say(bob, json!({"type":"recording.start"}));
    assert_eq!(code(&refused), Some(ErrorCode::Forbidden));
    assert!(code(&world.say(moderator, json!({"type":"recording.start"}))).is_none());
    let again = world.say(moderator, json!({"type":"recording.start"}));
    assert_eq!(code(&again), Some(ErrorCode::RecordingRuns));
    news(&mut world, RecorderNews::Started);
    let kinds = |world: &World| {
        let kind = |order: Order| match order {
            Order::Track { take, kind, .. } => Some((take.member, kind)),
            _ => None,
        };
        orders(world).into_iter().filter_map(kind).collect::<Vec<_>>()
    };
    assert!(kinds(&world).contains(&(2, SourceKind::Microphone)));
    let eve = world.join("eve");
    world.media(eve, 1);
    assert!(kinds(&world).contains(&(3, SourceKind::Microphone)));
    assert!(
        orders(&world)
            .iter()
            .any(|order| matches!(order, Order::Joined { member: 3, .. }))
    );
    world.say_leave(eve);
    assert!(
        orders(&world)
            .iter()
            .any(|order| matches!(order, Order::Left { member: 3, .. }))
    );
    assert!(code(&world.say(moderator, json!({"type":"recording.stop"}))).is_none());
    assert!(matches!(world.recorded.last(), Some(Output::RecordingEnd)));
    news(&mut world, ended(RecordingEnd::Stopped));
    let all = [
        RecordingState::Starting,
        RecordingState::Started,
        RecordingState::Stopping,
        RecordingState::Stopped,
    ];
    assert_eq!(states(&world, bob), all);
    let none = world.say(moderator, json!({"type":"recording.stop"}));
    assert_eq!(code(&none), Some(ErrorCode::NoSuchRecording));
}

#[test]
fn a_recording_that_failed_is_told_and_another_may_begin() {
    let mut world = World::new();
    allow(&mut world);
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    world.media(moderator, 0);
    world.say(moderator, json!({"type":"recording.start"}));
    news(&mut world, RecorderNews::Started);
    news(&mut world, ended(RecordingEnd::DiskFull));
    assert_eq!(states(&world, moderator).last(), Some(&RecordingState::Failed));
    assert!(
        orders(&world)
            .iter()
            .any(|order| matches!(order, Order::TrackEnded { .. }))
    );
    assert!(code(&world.say(moderator, json!({"type":"recording.start"}))).is_none());
}

#[test]
fn where_nothing_may_be_recorded_nothing_is() {
    let mut world = World::new();
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    let refused = world.say(moderator, json!({"type":"recording.start"}));
    assert_eq!(code(&refused), Some(ErrorCode::RecordingOff));
    assert!(world.recorded.is_empty());
}

#[test]
fn a_recording_is_told_who_is_in_linked_rooms() {
    let mut house = House::of(&["a", "b"]);
    let ann = house.join(
        "a",
        "ann",
        Grant {
            moderate: true,
            ..LINKER
        },
    );
    house.join("b", "bob", LINKER);
    allow(house.room("a"));
    house.ask("a", ann, json!({"type":"recording.start"}));
    house.link("a", ann, "b");
    house.pass(Duration::from_secs(1));
    house.join("b", "eve", LINKER);
    house.pass(Duration::from_secs(1));
    let seen: Vec<String> = orders(house.room("a"))
        .into_iter()
        .filter_map(|order| match order {
            Order::LinkedPerson { participant, .. } => Some(participant.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["bob", "eve"]);
}
