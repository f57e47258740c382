//! The fixtures in `tests/fixtures/links/`, and what does not pass the door.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::wire::{json::ShapeError, limits};

fn fixtures() -> BTreeMap<String, serde_json::Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/links");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let read = |file: std::fs::DirEntry| {
        let text = std::fs::read_to_string(file.path()).unwrap();
        (
            file.file_name().into_string().unwrap(),
            serde_json::from_str(&text).unwrap(),
        )
    };
    files.map(read).collect()
}

#[test]
fn every_frame_is_read_and_written_as_its_fixture_says() {
    for (name, fixture) in fixtures() {
        let frame = decode(&fixture.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written: serde_json::Value = serde_json::from_str(&encode(&frame)).unwrap();
        assert_eq!(written, fixture, "{name}");
    }
}

#[test]
fn there_is_a_fixture_for_every_body_and_message_and_both_are_on_the_page() {
    let page = include_str!("../../../docs/LINKS.md");
    let mut types = BTreeSet::new();
    for fixture in fixtures().values() {
        let body = &fixture["body"];
        for place in [&body["type"], &body["message"]["type"]] {
            types.extend(place.as_str().map(str::to_owned));
        }
    }
    let expected = [
        "request", "pending", "accept", "refuse", "data", "ack", "close", "snapshot", "roster", "chat", "gap",
        "switch", "end", "reply",
    ];
    assert_eq!(types, expected.map(str::to_owned).into());
    for name in expected {
        assert!(page.contains(&format!("`{name}`")), "{name} is not on the page");
    }
}

fn frame(body: &str) -> String {
    format!(r#"{{"v":1,"link":"a-1.1","from":{{"room":"a","session":"a-1"}},"to":"b","body":{body}}}"#)
}

#[test]
fn what_is_too_long_too_deep_or_no_frame_does_not_pass_the_door() {
    let refused = |text: &str| decode(text).unwrap_err();
    assert_eq!(refused(&" ".repeat(FRAME_BYTES_MAX + 1)), FrameError::TooLarge);
    assert_eq!(refused(&"[".repeat(1_000)), FrameError::Shape(ShapeError::TooDeep));
    for text in [
        "",
        "{}",
        "[1]",
        &frame("{}"),
        &frame(r#"{"type":"nonsense"}"#),
        &frame(r#"{"type":"ack","ack":-1}"#),
        &frame(r#"{"type":"close","reason":"whim"}"#),
        &frame(r#"{"type":"ack","ack":1}"#).replace("\"b\"", "\"b b\""),
    ] {
        assert_eq!(refused(text), FrameError::NoFrame, "{text}");
    }
    let request = |payload: usize, name: usize| {
        let (payload, name) = ("x".repeat(payload), "x".repeat(name));
        frame(&format!(
            r#"{{"type":"request","payload":"{payload}","by":{{"id":"ann","displayName":"{name}"}},"rights":[]}}"#
        ))
    };
    assert!(decode(&request(PAYLOAD_BYTES_MAX - 2, limits::DISPLAY_NAME_BYTES_MAX)).is_ok());
    assert_eq!(
        refused(&request(PAYLOAD_BYTES_MAX - 1, 1)),
        FrameError::TooLong("payload")
    );
    assert_eq!(refused(&request(1, 257)), FrameError::TooLong("displayName"));
    let long = frame(r#"{"type":"pending"}"#).replace("a-1.1", &"x".repeat(NAME_BYTES_MAX + 1));
    assert_eq!(refused(&long), FrameError::TooLong("link"));
    let left = vec!["\"x\""; PEOPLE_MAX + 1].join(",");
    let crowd = frame(&format!(
        r#"{{"type":"data","seq":1,"ack":0,"message":{{"type":"roster","left":[{left}]}}}}"#
    ));
    assert_eq!(refused(&crowd), FrameError::TooLong("joined"));
}

#[test]
fn fields_and_rights_of_a_newer_version_are_skipped() {
    let newer = frame(r#"{"type":"accept","rights":["chat","fly"],"mood":"good"}"#);
    let body = decode(&newer).unwrap().body;
    let rights = Rights {
        chat: true,
        ..Rights::NONE
    };
    assert_eq!(body, LinkBody::Accept { rights });
}

#[test]
fn a_token_is_in_no_debug_text() {
    for (name, fixture) in fixtures() {
        let frame = decode(&fixture.to_string()).unwrap();
        assert!(!format!("{frame:?}").contains("secret-token"), "{name}");
    }
}
