//! Whom a revocation puts out, and what an operator does to a room.

use std::time::Duration;

use serde_json::json;

use super::client::Client;
use super::support::{World, id, offer, seat_lines};
use crate::{
    room::{Grant, Input, Revocation},
    wire::signal::{ByeCode, LeaveReason, ServerMessage},
};

fn revoke(world: &mut World, revocation: Revocation) {
    let revocation = std::sync::Arc::new(revocation);
    world.input(Input::Revoked { revocation });
    world.clients.iter_mut().for_each(Client::read_all);
}

#[test]
fn whoever_is_revoked_is_put_out_told_why_and_cannot_resume() {
    let mut world = World::new();
    let room = world.room.id().clone();
    let (ann, bob, eve) = (world.join("ann"), world.join("bob"), world.join("eve"));
    revoke(
        &mut world,
        Revocation {
            participant: Some(id("bob")),
            room: Some(room),
            ..Revocation::default()
        },
    );
    assert_eq!(world.clients[bob].bye, Some(ByeCode::TokenRevoked));
    assert_eq!(world.clients[ann].left, [(id("bob"), LeaveReason::Removed)]);
    // Her socket is gone; within the window she could come back.
    world.cut(eve, 0);
    revoke(
        &mut world,
        Revocation {
            jti: Some("token-of-eve".to_owned()),
            ..Revocation::default()
        },
    );
    assert_eq!(world.clients[ann].left.last(), Some(&(id("eve"), LeaveReason::Removed)));
    assert!(world.resume(eve).unwrap_err().contains("resume-unknown"));
    assert_eq!(world.clients[ann].bye, None);
    assert_eq!(world.room.participants(), 1);
}

#[test]
fn a_whip_publisher_a_viewer_and_whoever_waits_go_too() {
    let mut world = World::new();
    let owner = world.join("ann");
    world.whip(1, "cam", &offer(0));
    world.whep(2, "cam", &seat_lines(1), 0);
    let guest = Grant {
        ask: true,
        ..Grant::JOIN
    };
    world.join_with("guest", guest, 0, |_| {});
    assert!(world.room.lobby.knows(&id("guest")));
    let before = world.refused.len();
    revoke(
        &mut world,
        Revocation {
            issued_before: Some(100),
            ..Revocation::default()
        },
    );
    assert!(world.refused[before].1.contains("token-revoked"));
    assert_eq!(world.clients[owner].bye, Some(ByeCode::TokenRevoked));
    assert!(world.room.is_empty());
}

#[test]
fn whom_a_moderator_keeps_out_comes_back_when_the_time_is_over() {
    let mut world = World::new();
    let moderator = world.join_with("mod", Grant::MODERATE, 0, |_| {});
    world.join("bob");
    let said = world.say(moderator, json!({"type":"remove","participant":"bob","blockMs":60_000}));
    assert!(matches!(said, ServerMessage::Ok(_)));
    assert_eq!(world.refused("bob", Grant::JOIN, |_| {}), "entry-denied");
    world.join("eve");
    world.pass(Duration::from_secs(61));
    world.join("bob");
    assert_eq!(world.room.participants(), 3);
}
