//! Every field of every message dropped, emptied, of another type, and there twice: a coded error for the sender or an
//! ordinary answer, and nothing for anybody else where it was an error.

use serde_json::{Value, json};

use super::support::World;
use crate::{
    room::{Input, SocketKey},
    shard::event::ShardEvent,
    wire::signal::{self, ServerMessage, tests::fixtures},
};

/// Paths to all fields, e.g. `/publish/0/mid`.
fn paths(value: &Value, at: &str, into: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, value)| (n.to_string(), value))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let path = format!("{at}/{name}");
        paths(child, &path, into);
        into.push(path);
    }
}

fn without(fixture: &Value, path: &str) -> Value {
    let mut changed = fixture.clone();
    let (parent, name) = path.rsplit_once('/').unwrap();
    match changed.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(name)),
        Value::Array(items) => drop(items.remove(name.parse().unwrap())),
        _ => unreachable!(),
    }
    changed
}

fn mutations(fixture: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let mut fields = Vec::new();
    paths(fixture, "", &mut fields);
    for path in fields {
        all.push(without(fixture, &path).to_string());
        let others = [
            json!(null),
            json!(7),
            json!(-1),
            json!(1e300),
            json!(true),
            json!("x\u{0}"),
            json!([[]]),
            json!({}),
        ];
        for other in others {
            let mut changed = fixture.clone();
            *changed.pointer_mut(&path).unwrap() = other;
            all.push(changed.to_string());
        }
    }
    for (name, value) in fixture.as_object().unwrap() {
        let text = fixture.to_string();
        all.push(format!("{{{}:{value},{}", json!(name), &text[1..]));
        all.push(text[..text.len() / 2].to_owned());
    }
    all
}

#[test]
fn damaged_messages_get_a_coded_answer_and_harm_nobody() {
    let mut tried = 0;
    for (name, mut fixture) in fixtures("client") {
        fixture["id"] = 100.into();
        for text in mutations(&fixture) {
            tried += 1;
            let mut world = World::new();
            let (ann, bob) = (world.join("ann"), world.join("bob"));
            world.media(bob, 2);
            world.media(ann, 2);
            world.read_all();
            let (told, heard) = (world.clients[ann].log.len(), world.clients[bob].log.len());
            let socket: SocketKey = world.clients[ann].socket.unwrap();
            let message = signal::decode(&text);
            let error = message.clone().err();
            world.input(Input::Message { socket, message });
            for ask in std::mem::take(&mut world.books.asked) {
                world.shard(ShardEvent::Explained { ask, explained: None });
            }
            world.clients[ann].read_all();
            world.read_all();
            let answers = &world.clients[ann].log[told..];
            assert!(!answers.is_empty(), "{name}: no answer to {text}");
            if let Some(error) = error {
                assert_eq!(answers, [error.to_message()], "{name}: {text}");
            }
            if matches!(answers, [ServerMessage::Error { .. }]) {
                assert_eq!(
                    world.clients[bob].log.len(),
                    heard,
                    "{name}: others were told of {text}"
                );
            }
            world.check();
        }
    }
    assert!(tried > 500, "{tried}");
}
