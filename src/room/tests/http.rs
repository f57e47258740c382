//! WHIP publishers and WHEP viewers.

use std::time::Duration;

use serde_json::json;

use super::support::{World, offer, seat_lines};
use crate::{
    room::{HttpKey, HttpPatch, HttpReply, Input},
    shard::event::ShardEvent,
    transport::ice::Credentials,
    wire::{ErrorCode, ParticipantId, signal::LeaveReason},
};

fn created(reply: HttpReply) -> String {
    match reply {
        HttpReply::Created { resource, sdp, .. } => {
            assert_eq!(sdp, "answer");
            resource
        }
        other => panic!("{other:?}"),
    }
}

fn delete(world: &mut World, request: u64, resource: &str) -> HttpReply {
    world.input(Input::HttpDelete {
        request: HttpKey(request),
        resource: resource.to_owned(),
    });
    world.replies[&HttpKey(request)].clone()
}

#[test]
fn a_whip_publisher_is_seen_and_heard_and_goes_when_deleted() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.media(ann, 1);
    let resource = created(world.whip(1, "cam", &offer(0)));
    world.read_all();
    let cam = ParticipantId::new("cam").unwrap();
    assert_eq!(world.clients[ann].others[&cam].publications.len(), 2);
    assert_eq!(world.clients[ann].seats[&0].participant, Some(cam.clone()));
    world.check();
    assert_eq!(delete(&mut world, 2, &resource), HttpReply::Done);
    assert_eq!(delete(&mut world, 3, &resource), HttpReply::NotFound);
    world.read_all();
    assert_eq!(world.clients[ann].left, [(cam, LeaveReason::Left)]);
    world.check();
}

#[test]
fn a_viewer_waits_for_its_publisher_and_follows_it_and_nobody_knows() {
    let mut world = World::new();
    let ann = world.join("ann");
    let resource = created(world.whep(1, "cam", &seat_lines(1), 1));
    assert_eq!(world.books.egresses.len(), 2);
    assert!(world.books.bound.is_empty());
    for request in [2, 3] {
        // The second one takes over, as an encoder does that was restarted.
        created(world.whip(request, "cam", &offer(0)));
        assert_eq!(world.books.bound.len(), 2);
        assert_eq!(world.books.relays.len(), 2);
        world.read_all();
        world.check();
    }
    let others = world.clients[ann].others.len();
    assert_eq!((others, world.room.participants()), (1, 2), "the viewer is nobody");
    assert_eq!(delete(&mut world, 4, &resource), HttpReply::Done);
    assert!(world.books.bound.is_empty() && world.books.relays.is_empty());
    world.check();
}

/// RFC 9725 section 4.3.
#[test]
fn a_patch_restarts_ice_once_and_ends_the_session_before_it() {
    let mut world = World::new();
    let HttpReply::Created {
        resource, ice_session, ..
    } = world.whip(1, "cam", &offer(0))
    else {
        panic!("not created");
    };
    let mut patch = |request, patch| {
        world.input(Input::HttpPatch {
            request: HttpKey(request),
            resource: resource.clone(),
            patch,
        });
        (world.replies[&HttpKey(request)].clone(), world.books.restarts)
    };
    let candidates = |session: &str| HttpPatch::Candidates {
        session: Some(session.to_owned()),
    };
    let remote = |ufrag: &str| HttpPatch::Restart {
        remote: Credentials {
            ufrag: ufrag.to_owned(),
            pwd: "p".repeat(22),
        },
    };
    assert_eq!(patch(2, candidates(&ice_session)), (HttpReply::Done, 0));
    assert_eq!(patch(3, candidates("another")), (HttpReply::OtherSession, 0));
    let restarted = HttpReply::Restarted {
        fragment: "fragment".to_owned(),
        ice_session: "for-new1".to_owned(),
    };
    assert_eq!(patch(4, remote("new1")), (restarted.clone(), 1));
    assert_eq!(
        patch(5, remote("new1")),
        (restarted, 1),
        "the same again is the same restart"
    );
    assert_eq!(patch(6, candidates(&ice_session)), (HttpReply::OtherSession, 1));
    assert_eq!(patch(7, candidates("for-new1")), (HttpReply::Done, 1));
    world.check();
}

#[test]
fn a_viewer_sees_the_screen_when_there_is_no_camera() {
    let mut world = World::new();
    let ann = world.join("ann");
    created(world.whep(1, "ann", &seat_lines(1), 0));
    let publish = json!([{"mid":"1","source":"screen"}]);
    world.say(ann, json!({"type":"offer","sdp":offer(0),"publish":publish}));
    assert_eq!(world.books.bound.len(), 1);
    world.check();
}

#[test]
fn without_signalling_a_lost_path_is_the_end() {
    let mut world = World::new();
    created(world.whip(1, "cam", &offer(0)));
    created(world.whep(2, "cam", &seat_lines(1), 0));
    let transports: Vec<_> = world.books.transports.keys().copied().collect();
    transports
        .iter()
        .for_each(|transport| world.shard(ShardEvent::Connected { transport: *transport }));
    world.pass(Duration::from_secs(100));
    assert_eq!(world.books.transports.len(), 2);
    transports
        .iter()
        .for_each(|transport| world.shard(ShardEvent::Lost { transport: *transport }));
    assert!(world.books.transports.is_empty() && world.room.is_empty());
    assert_eq!(world.empty, 1);
}

#[test]
fn who_never_connects_is_forgotten() {
    let mut world = World::new();
    created(world.whip(1, "cam", &offer(0)));
    created(world.whep(2, "cam", &seat_lines(1), 0));
    world.pass(Duration::from_secs(29));
    assert!(!world.room.is_empty());
    world.pass(Duration::from_secs(2));
    assert!(world.room.is_empty());
}

#[test]
fn offers_without_use_are_refused() {
    let mut world = World::new();
    let code = |reply| match reply {
        HttpReply::Refused { code, .. } => Some(code),
        HttpReply::Created { .. }
        | HttpReply::Restarted { .. }
        | HttpReply::Done
        | HttpReply::OtherSession
        | HttpReply::Stats { .. }
        | HttpReply::Participants { .. }
        | HttpReply::Links { .. }
        | HttpReply::Recording(_)
        | HttpReply::Recordings { .. }
        | HttpReply::NotFound => None,
    };
    assert_eq!(
        code(world.whip(1, "cam", &seat_lines(1))),
        Some(ErrorCode::SdpUnsupported)
    );
    assert_eq!(
        code(world.whep(2, "cam", "send 0 audio opus 1", 0)),
        Some(ErrorCode::SdpUnsupported)
    );
    assert_eq!(code(world.whip(3, "cam", "bad")), Some(ErrorCode::SdpUnsupported));
    assert!(world.room.is_empty() && world.books.transports.is_empty());
}

#[test]
fn five_thousand_viewers_of_one_source_cost_one_command_each() {
    let mut world = World::new();
    for n in 0..5_000 {
        created(world.whep(n, "cam", &seat_lines(1), (n % 4) as u16));
    }
    let commands = world.books.commands;
    created(world.whip(9_999, "cam", &offer(0)));
    // Transport, lines, two sources, two replicas and relays on three shards, and two bindings for each viewer.
    assert_eq!(world.books.commands - commands, 4 + 12 + 10_000);
    world.check();
}
