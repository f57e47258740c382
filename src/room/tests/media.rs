//! What a room does about media, one sentence each.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::support::{World, code, config, count, fingerprint, id, offer, seat_lines};
use crate::{
    media::Limits,
    packet::Codec,
    room::{DataEvent, Grant, Input, negotiate},
    shard::event::{ShardEvent, TransportStats},
    wire::{
        ErrorCode,
        signal::{ServerMessage, SubscriptionState, TransportState},
    },
};

#[test]
fn seats_are_filled_and_emptied_without_negotiation() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.media(ann, 2);
    let published = world.media(bob, 0);
    let seat = world.clients[ann].seats[&0].clone();
    assert_eq!(seat.participant, Some(id("bob")));
    assert_eq!(
        (seat.audio.unwrap().0, seat.video.unwrap().0),
        (published[0], published[1])
    );
    world.check();
    world.say(bob, json!({"type":"unpublish","publication":published[1]}));
    assert_eq!(
        (world.clients[ann].seats[&0].video, world.clients[ann].seats[&0].audio),
        (None, seat.audio)
    );
    world.say_leave(bob);
    world.read_all();
    assert_eq!(world.clients[ann].seats[&0].participant, None);
    assert!(world.books.bound.is_empty());
    world.check();
}

#[test]
fn a_codec_the_seat_cannot_carry_is_said_and_sound_goes_on() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let sdp = "seat 0 audio 10 opus\nseat 0 video 11 vp9\n";
    world.say(ann, json!({"type":"offer","sdp":sdp}));
    let sdp = "send 0 audio opus 1\nsend 1 video vp8,vp9 1\n";
    let publish = json!([{"mid":"0","source":"microphone"},{"mid":"1","source":"camera"}]);
    world.say(bob, json!({"type":"offer","sdp":sdp,"publish":publish}));
    assert_eq!(world.books.bound.len(), 2, "it may yet be VP9");
    world.shard(ShardEvent::StreamStarted {
        source: world.source(2),
        encoding: 0,
        codec: Codec::Vp8,
    });
    world.read_all();
    let states = world.clients[ann].log.iter().filter_map(|message| match message {
        ServerMessage::Subscription { state, publication, .. } => Some((publication.0, *state)),
        _ => None,
    });
    assert_eq!(states.collect::<Vec<_>>(), [(2, SubscriptionState::CodecNotSupported)]);
    assert_eq!(world.books.bound.len(), 1);
    assert_eq!(
        world.clients[ann].others[&id("bob")].publications[1].codec,
        Some(Codec::Vp8)
    );
    world.check();
}

#[test]
fn sources_cross_to_another_shard_once_however_many_watch_there() {
    let mut world = World::new();
    let publisher = world.join("ann");
    world.media(publisher, 0);
    let far: Vec<usize> = (0..3)
        .map(|n| world.join_with(&format!("f{n}"), Grant::JOIN, 1, |_| {}))
        .collect();
    for client in &far {
        world.say(*client, json!({"type":"offer","sdp":seat_lines(2)}));
    }
    assert_eq!(world.books.relays.len(), 2, "microphone and camera");
    assert_eq!(world.books.bound.len(), 6);
    world.check();
    for client in far {
        world.say(client, json!({"type":"unsubscribe","publication":2}));
    }
    assert_eq!(world.books.relays.len(), 1);
    world.say_leave(publisher);
    world.read_all();
    assert!(world.books.relays.is_empty() && world.books.sources.is_empty());
    world.check();
}

#[test]
fn wishes_become_limits_and_last_as_long_as_the_publication() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let published = world.media(bob, 0);
    world.say(
        ann,
        json!({"type":"subscribe","publication":published[1],"quality":"low","maxTemporal":1}),
    );
    world.media(ann, 1);
    let limits = |world: &World| {
        world
            .books
            .bound
            .values()
            .map(|(_, limits)| *limits)
            .collect::<Vec<_>>()
    };
    let low = Limits {
        max_encoding: 0,
        max_temporal: 1,
        ..Limits::default()
    };
    assert_eq!(limits(&world), [Limits::default(), low]);
    world.say(
        ann,
        json!({"type":"subscribe","publication":published[1],"paused":true}),
    );
    assert_eq!(
        limits(&world)[1],
        Limits {
            paused: true,
            ..Limits::default()
        }
    );
    assert_eq!(
        code(&world.say(ann, json!({"type":"subscribe","publication":99}))),
        Some(ErrorCode::NoSuchPublication)
    );
    world.check();
}

#[test]
fn muting_is_told_and_done() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let published = world.media(bob, 0);
    world.say(bob, json!({"type":"mute","publication":published[0],"muted":true}));
    assert!(world.clients[ann].others[&id("bob")].publications[0].muted);
    assert!(world.books.muted.contains(&world.source(published[0])));
    let not_hers = world.say(ann, json!({"type":"mute","publication":published[0],"muted":false}));
    assert_eq!(code(&not_hers), Some(ErrorCode::NotYours));
    assert_eq!(
        code(&world.say(ann, json!({"type":"unpublish","publication":77}))),
        Some(ErrorCode::NoSuchPublication)
    );
}

#[test]
fn lines_are_published_on_once() {
    let mut world = World::new();
    let ann = world.join("ann");
    let published = world.media(ann, 0);
    let again = world.say(ann, json!({"type":"publish","mid":"1","source":"camera"}));
    assert!(matches!(again, ServerMessage::Ok(fields) if fields.publication.unwrap().0 == published[1]));
    let mut say = |fields| code(&world.say(ann, fields));
    assert_eq!(
        say(json!({"type":"publish","mid":"1","source":"screen"})),
        Some(ErrorCode::LineInUse)
    );
    assert_eq!(
        say(json!({"type":"publish","mid":"1","source":"microphone"})),
        Some(ErrorCode::LineInUse)
    );
    assert_eq!(
        say(json!({"type":"publish","mid":"7","source":"camera"})),
        Some(ErrorCode::NoSuchLine)
    );
    assert_eq!(
        say(json!({"type":"offer","sdp":"bad"})),
        Some(ErrorCode::SdpUnsupported)
    );
    assert_eq!(world.books.sources.len(), 2, "the earlier state stays in force");
}

#[test]
fn a_new_certificate_is_a_new_transport_and_a_restart_is_not() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.media(bob, 1);
    let publish = json!([{"mid":"1","source":"camera"}]);
    let sdp = |print: u8, more: &str| format!("{}{more}{}", fingerprint(print), offer(1));
    world.say(ann, json!({"type":"offer","sdp":sdp(1, ""),"publish":publish}));
    let (first, handshakes) = (world.transport(ann), world.books.handshakes.len());
    world.say(ann, json!({"type":"offer","sdp":sdp(1, "restart\n"),"publish":publish}));
    assert_eq!(
        (world.transport(ann), world.books.handshakes.len()),
        (first, handshakes)
    );
    assert_eq!(
        count(&world, bob, |m| matches!(m, ServerMessage::PublicationRemoved { .. })),
        0
    );
    world.say(ann, json!({"type":"offer","sdp":sdp(2, ""),"publish":publish}));
    assert_ne!(world.transport(ann), first);
    assert_eq!(world.books.handshakes.len(), handshakes);
    assert_eq!(world.clients[bob].others[&id("ann")].publications.len(), 1);
    assert_eq!(world.clients[bob].left, []);
    world.check();
}

#[test]
fn data_goes_to_channels_of_the_same_label_with_its_sender() {
    let mut world = World::new();
    let clients = ["ann", "bob", "cat"].map(|name| world.join(name));
    clients.iter().for_each(|client| drop(world.media(*client, 0)));
    let transports = clients.map(|client| world.transport(client));
    let open = |label: &str, protocol: &str| DataEvent::Opened {
        channel: 2,
        label: label.to_owned(),
        protocol: protocol.to_owned(),
    };
    world.input(Input::Data {
        transport: transports[0],
        event: open("game", "enfilade.data.v1"),
    });
    world.input(Input::Data {
        transport: transports[1],
        event: open("game", "enfilade.data.v1"),
    });
    world.input(Input::Data {
        transport: transports[2],
        event: open("game", "other"),
    });
    let mut send = |data: &'static [u8]| {
        let event = DataEvent::Message {
            channel: 2,
            data: Bytes::from_static(data),
        };
        world.input(Input::Data {
            transport: transports[0],
            event,
        });
        std::mem::take(&mut world.data)
    };
    let expected = vec![(transports[1], 2, Bytes::from_static(b"\x03annhi"))];
    assert_eq!(send(b"\0hi"), expected);
    assert_eq!(send(b"\x03bobhi"), expected);
    assert_eq!(send(b"\x03cathi"), []);
    assert_eq!(send(b"\xffhi"), []);
}

#[test]
fn speakers_and_quality_are_told_when_they_change_and_not_too_often() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let published = world.media(bob, 0);
    for n in 0..100_u8 {
        let levels = vec![(world.source(published[0]), 90 + n % 20)];
        world.shard(ShardEvent::Levels { levels });
        let loss_up = f32::from(n % 30) / 100.0;
        let stats = TransportStats {
            loss_up,
            ..TransportStats::default()
        };
        world.shard(ShardEvent::Stats {
            transport: world.transport(bob),
            stats,
        });
        world.pass(Duration::from_millis(100));
    }
    world.pass(Duration::from_secs(5));
    world.read_all();
    let speakers = count(&world, ann, |m| matches!(m, ServerMessage::Speakers { .. }));
    assert!((20..=42).contains(&speakers), "{speakers} in ten seconds");
    let last = world.clients[ann]
        .log
        .iter()
        .rev()
        .find(|m| matches!(m, ServerMessage::Speakers { .. }));
    assert_eq!(
        last,
        Some(&ServerMessage::Speakers { speakers: Vec::new() }),
        "silence at the end"
    );
    let quality = count(&world, ann, |m| matches!(m, ServerMessage::Quality { .. }));
    assert!((2..=6).contains(&quality), "{quality} in ten seconds");

    let cat = world.join("cat");
    world.read_all();
    let quality = count(&world, cat, |m| matches!(m, ServerMessage::Quality { .. }));
    assert_eq!(quality, 1, "who comes later is told how it stands");
}

#[test]
fn a_lost_path_is_told_and_the_participant_stays() {
    let mut world = World::new();
    let ann = world.join("ann");
    world.media(ann, 0);
    let transport = world.transport(ann);
    world.shard(ShardEvent::Connected { transport });
    world.shard(ShardEvent::Lost { transport });
    world.read_all();
    let states = world.clients[ann].log.iter().filter_map(|message| match message {
        ServerMessage::Transport { state } => Some(*state),
        _ => None,
    });
    assert_eq!(
        states.collect::<Vec<_>>(),
        [TransportState::Connected, TransportState::Lost]
    );
    assert_eq!(world.room.participants(), 1);
}

#[test]
fn one_more_participant_costs_each_other_one_message_and_one_seat() {
    let mut world = World::new();
    for n in 0..40 {
        let client = world.join(&format!("p{n}"));
        world.media(client, 50);
    }
    let before: Vec<usize> = world.clients.iter().map(|client| client.log.len()).collect();
    let commands = world.books.commands;
    let late = world.join("late");
    world.say(
        late,
        json!({"type":"offer","sdp":offer(0),"publish":[{"mid":"1","source":"camera"}]}),
    );
    for (client, before) in before.into_iter().enumerate() {
        // Joined, published, seated.
        assert_eq!(world.clients[client].log.len() - before, 3);
    }
    // Transport, receive lines, source, and one seat half for each other.
    assert_eq!(world.books.commands - commands, 3 + 40);
    world.check();
}

#[test]
fn two_chromiums_see_and_hear_each_other_by_their_own_sdp() {
    let mut world = World::with_negotiation(config(), negotiate::by_sdp);
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let sdp = include_str!("../../../tests/fixtures/sdp/chromium_meeting_8_seats.sdp");
    let publish = json!([{"mid":"0","source":"microphone"},{"mid":"1","source":"camera","width":1280,"height":720}]);
    for client in [ann, bob] {
        match world.say(client, json!({"type":"offer","sdp":sdp,"publish":publish})) {
            ServerMessage::Answer {
                seats, publications, ..
            } => assert_eq!((seats.len(), publications.len()), (8, 2)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(world.books.bound.len(), 4);
    assert_eq!(world.clients[ann].seats[&0].participant, Some(id("bob")));
    // The same certificate again is the same transport.
    let before = world.transport(ann);
    world.say(ann, json!({"type":"offer","sdp":sdp,"publish":publish}));
    assert_eq!((world.transport(ann), world.books.bound.len()), (before, 4));
    world.check();
}
