//! Shared values.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::support::{World, code, config, count};
use crate::{
    room::{Grant, RoomConfig},
    wire::{
        ErrorCode,
        limits::STORE_KEYS_MAX,
        signal::{OkFields, ServerMessage},
    },
};

fn set(key: &str, value: Value) -> Value {
    json!({"type":"store.set","key":key,"value":value})
}

fn get(world: &mut World, client: usize, request: Value) -> OkFields {
    match world.say(client, request) {
        ServerMessage::Ok(fields) => fields,
        other => panic!("{other:?}"),
    }
}

fn changes(world: &World, client: usize) -> usize {
    count(world, client, |message| {
        matches!(message, ServerMessage::StoreChanged { .. })
    })
}

#[test]
fn a_value_is_shared_with_everybody_else_and_read_later() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    world.say(ann, set("topic", json!("Budget")));
    assert_eq!([ann, bob].map(|client| changes(&world, client)), [0, 1]);
    world.say(ann, set("topic", json!("Budget")));
    assert_eq!(changes(&world, bob), 1, "nothing changed");
    let eve = world.join("eve");
    let one = get(&mut world, eve, json!({"type":"store.get","key":"topic"}));
    assert_eq!(one.value, Some(Some("Budget".to_owned())));
    let all = get(&mut world, eve, json!({"type":"store.get"}));
    assert_eq!(
        all.values,
        Some(BTreeMap::from([("topic".to_owned(), "Budget".to_owned())]))
    );
    world.say(eve, set("topic", json!(null)));
    world.say(eve, set("topic", json!(null)));
    assert_eq!([ann, bob].map(|client| changes(&world, client)), [1, 2]);
    assert_eq!(
        get(&mut world, bob, json!({"type":"store.get","key":"topic"})).value,
        Some(None)
    );
}

#[test]
fn there_are_so_many_values_and_a_known_one_can_still_change() {
    let mut world = World::new();
    let ann = world.join("ann");
    for n in 0..STORE_KEYS_MAX {
        assert!(code(&world.say(ann, set(&n.to_string(), json!("x")))).is_none());
        world.pass(Duration::from_millis(20));
    }
    assert_eq!(
        code(&world.say(ann, set("more", json!("x")))),
        Some(ErrorCode::StoreFull)
    );
    assert!(code(&world.say(ann, set("0", json!("y")))).is_none());
    world.say(ann, set("1", json!(null)));
    assert!(code(&world.say(ann, set("more", json!("x")))).is_none());
    let long = [
        set(&"k".repeat(129), json!("x")),
        set("k", json!("v".repeat(1025))),
        set("", json!("x")),
    ];
    for refused in long {
        assert_eq!(code(&world.say(ann, refused)), Some(ErrorCode::InvalidField));
    }
}

#[test]
fn values_and_topics_share_one_rate() {
    let mut world = World::new();
    let ann = world.join("ann");
    let refused = (0..30)
        .flat_map(|n| {
            [
                set("k", json!(n.to_string())),
                json!({"type":"topic.publish","topic":"T","message":n}),
            ]
        })
        .filter(|request| code(&world.say(ann, request.clone())) == Some(ErrorCode::RateLimited))
        .count();
    assert_eq!(refused, 10, "fifty at once");
    let silent = Grant {
        talk: false,
        ..Grant::JOIN
    };
    let bob = world.join_with("bob", silent, 0, |_| {});
    assert_eq!(code(&world.say(bob, set("k", json!("x")))), Some(ErrorCode::Forbidden));
}

#[test]
fn values_live_as_long_as_the_session() {
    let mut world = World::with_config(RoomConfig {
        departure_timeout: Duration::from_secs(20),
        ..config()
    });
    let ann = world.join("ann");
    world.say(ann, set("k", json!("kept")));
    world.say_leave(ann);
    let bob = world.join("bob");
    let kept = get(&mut world, bob, json!({"type":"store.get","key":"k"}));
    assert_eq!(kept.value, Some(Some("kept".to_owned())));
    world.say(bob, json!({"type":"room.update","settings":{"password":"x"}}));
    world.say_leave(bob);
    let eve = world.join("eve");
    assert_eq!(
        get(&mut world, eve, json!({"type":"store.get","key":"k"})).value,
        Some(None)
    );
}
