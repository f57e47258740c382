//! In a crowd, who comes and goes is told together.

use std::time::Duration;

use serde_json::json;

use super::support::{World, config, id};
use crate::{room::RoomConfig, wire::signal::ServerMessage};

/// The wait, and a pause for each 32 people.
const TOLD_AFTER: Duration = Duration::from_millis(110);
const MS: Duration = Duration::from_millis(1);

/// Forty people who know each other.
fn crowd() -> World {
    crowd_of(40)
}

fn crowd_of(people: usize) -> World {
    let mut world = World::with_config(RoomConfig {
        max_participants: 1_000,
        ..config()
    });
    for number in 0..people {
        world.join(&format!("p{number}"));
    }
    world.pass(TOLD_AFTER);
    world.read_all();
    world.check();
    world
}

/// What a client was told since the last time this was asked.
fn told(world: &mut World, client: usize) -> Vec<String> {
    world.read_all();
    let log = std::mem::take(&mut world.clients[client].log);
    let said = log.iter().filter_map(|message| match message {
        ServerMessage::ParticipantJoined { participant } => Some(format!("+{}", participant.id)),
        ServerMessage::ParticipantLeft { participant, .. } => Some(format!("-{participant}")),
        ServerMessage::Chat { text, .. } => Some(text.clone()),
        _ => None,
    });
    said.collect()
}

#[test]
fn who_comes_and_goes_is_told_to_a_crowd_together_and_in_order() {
    let mut world = crowd();
    told(&mut world, 7);
    world.join("ann");
    world.join("bob");
    world.say_leave(40);
    world.pass(MS * 99);
    assert_eq!(told(&mut world, 7), Vec::<String>::new());
    world.pass(MS);
    assert_eq!(told(&mut world, 7), ["+ann", "+bob", "-ann"]);
    world.check();
    world.pass(TOLD_AFTER * 2);
    assert_eq!(told(&mut world, 7), Vec::<String>::new(), "and once");
}

#[test]
fn whoever_comes_in_knows_who_came_right_before() {
    let mut world = crowd();
    world.join("ann");
    let bob = world.join("bob");
    world.read_all();
    assert!(world.clients[bob].others.contains_key(&id("ann")));
    world.pass(TOLD_AFTER);
    world.read_all();
    world.check();
}

#[test]
fn what_is_said_comes_behind_those_who_came_before() {
    let mut world = crowd();
    told(&mut world, 7);
    let ann = world.join("ann");
    world.say(ann, json!({"type":"chat","text":"hello"}));
    assert_eq!(told(&mut world, 7), ["+ann", "hello"]);
    world.check();
}

#[test]
fn who_was_away_meanwhile_learns_of_all_who_came() {
    let mut world = crowd();
    world.join("ann");
    world.cut(7, 0);
    world.join("bob");
    world.pass(TOLD_AFTER);
    told(&mut world, 7);
    world.resume(7).expect("the session goes on");
    assert_eq!(told(&mut world, 7), ["+ann", "+bob"]);
    world.pass(TOLD_AFTER);
    world.read_all();
    world.check();
}

#[test]
fn in_a_rush_it_is_told_at_once_to_some_after_the_others() {
    let mut world = crowd();
    told(&mut world, 7);
    told(&mut world, 39);
    for number in 0..10 {
        world.join(&format!("late{number}"));
    }
    world.pass(Duration::ZERO);
    assert_eq!(told(&mut world, 7).len(), 10);
    assert_eq!(told(&mut world, 39), Vec::<String>::new());
    world.pass(MS);
    assert_eq!(told(&mut world, 39).len(), 10);
    world.check();
}

#[test]
fn in_a_rush_without_a_pause_nobody_waits_for_more_than_so_many() {
    let mut world = crowd_of(150);
    told(&mut world, 149);
    for number in 0..40 {
        world.join(&format!("late{number}"));
    }
    assert_eq!(told(&mut world, 149).len(), 32);
    world.pass(TOLD_AFTER);
    assert_eq!(told(&mut world, 149).len(), 8);
    world.check();
}
