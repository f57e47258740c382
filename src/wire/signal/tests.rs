//! The fixtures in `tests/fixtures/protocol/`, which the SDK's tests read as well, and limits at the door.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::*;
use crate::wire::{ErrorCode, limits};

/// Fixtures by name; `side` is `client` or `server`.
pub(crate) fn fixtures(side: &str) -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/protocol");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let name = name
            .strip_prefix(side)?
            .strip_prefix('.')?
            .strip_suffix(".json")?
            .to_owned();
        let text = std::fs::read_to_string(file.path()).unwrap();
        Some((name, serde_json::from_str(&text).unwrap()))
    });
    named.collect()
}

fn types(side: &str) -> BTreeSet<String> {
    fixtures(side)
        .values()
        .map(|fixture| fixture["type"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_client_message_is_read_and_written_as_its_fixture_says() {
    for (name, fixture) in fixtures("client") {
        let envelope = decode(&fixture.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        if !name.ends_with(".minimal") {
            assert_eq!(serde_json::to_value(&envelope).unwrap(), fixture, "{name}");
        }
        let again = decode(&serde_json::to_string(&envelope).unwrap());
        assert_eq!(again, Ok(envelope), "{name}");
    }
}

#[test]
fn every_server_message_is_written_and_read_as_its_fixture_says() {
    for (name, fixture) in fixtures("server") {
        let mut body = fixture.clone();
        let fields = body.as_object_mut().unwrap();
        let seq = fields.remove("seq").and_then(|seq| seq.as_u64());
        let re = fields.remove("re").and_then(|re| re.as_u64()).map(|re| re as u32);
        let message: ServerMessage = serde_json::from_value(body).unwrap_or_else(|error| panic!("{name}: {error}"));
        let written: Value = serde_json::from_str(&frame(seq, re, &encode(&message))).unwrap();
        assert_eq!(written, fixture, "{name}");
    }
}

#[test]
fn there_is_a_fixture_for_every_message_on_the_page() {
    let page = include_str!("../../../docs/PROTOCOL.md");
    for name in types("client") {
        assert!(
            page.contains(&format!("\"type\":\"{name}\"")),
            "{name} is not on the page"
        );
    }
    for name in types("server") {
        assert!(page.contains(&format!("`{name}`")), "{name} is not on the page");
    }
    let requests = page
        .split("\"type\":\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let written: BTreeSet<String> = requests.map(str::to_owned).collect();
    assert!(
        written.is_subset(&types("client").union(&types("server")).cloned().collect()),
        "{written:?}"
    );
}

fn error(text: &str) -> (ErrorCode, Option<String>, Option<u32>) {
    let error = decode(text).unwrap_err();
    (error.code, error.field, error.id)
}

#[test]
fn errors_name_the_field_and_the_request() {
    let field = |name: &str| Some(name.to_owned());
    assert_eq!(error("").0, ErrorCode::InvalidJson);
    assert_eq!(error("[1]").0, ErrorCode::InvalidJson);
    assert_eq!(error("{} x").0, ErrorCode::InvalidJson);
    assert_eq!(error(&"[".repeat(10_000)).0, ErrorCode::InvalidJson);
    assert_eq!(
        error(r#"{"type":"leave"}"#),
        (ErrorCode::MissingField, field("id"), None)
    );
    assert_eq!(
        error(r#"{"id":0,"type":"leave"}"#),
        (ErrorCode::InvalidField, field("id"), Some(0))
    );
    assert_eq!(
        error(r#"{"id":-1,"type":"leave"}"#),
        (ErrorCode::InvalidField, field("id"), None)
    );
    assert_eq!(
        error(r#"{"id":1,"type":"nonsense"}"#),
        (ErrorCode::UnknownType, field("type"), Some(1))
    );
    assert_eq!(
        error(r#"{"id":1,"id":2,"type":"leave"}"#),
        (ErrorCode::InvalidField, field("id"), Some(1))
    );
    assert_eq!(
        error(r#"{"id":1,"type":"mute","publication":3}"#),
        (ErrorCode::MissingField, field("muted"), Some(1))
    );
    let nested = r#"{"id":1,"type":"offer","sdp":"","publish":[{"mid":"1","source":"camera"},{"mid":2}]}"#;
    assert_eq!(
        error(nested),
        (ErrorCode::InvalidField, field("publish[1].mid"), Some(1))
    );
    let to = r#"{"id":1,"type":"chat","text":"x","to":["a","b@c"]}"#;
    assert_eq!(error(to), (ErrorCode::InvalidField, field("to[1]"), Some(1)));
}

#[test]
fn sizes_are_limited() {
    let chat = |bytes: usize| format!(r#"{{"id":1,"type":"chat","text":"{}"}}"#, "x".repeat(bytes));
    assert!(decode(&chat(limits::CHAT_BYTES_MAX)).is_ok());
    assert_eq!(error(&chat(limits::CHAT_BYTES_MAX + 1)).0, ErrorCode::InvalidField);
    assert_eq!(error(&chat(limits::MESSAGE_BYTES_MAX)).0, ErrorCode::MessageTooLarge);
    let offer = |bytes: usize| format!(r#"{{"id":1,"type":"offer","sdp":"{}"}}"#, "x".repeat(bytes));
    assert!(decode(&offer(limits::SDP_BYTES_MAX)).is_ok());
    assert_eq!(error(&offer(limits::OFFER_BYTES_MAX)).0, ErrorCode::MessageTooLarge);
    let token = format!(
        r#"{{"id":1,"type":"join","versions":[1],"token":"{}"}}"#,
        "x".repeat(9_000)
    );
    assert_eq!(error(&token).0, ErrorCode::TokenTooLarge);
    let metadata = |bytes: usize| format!(r#"{{"id":1,"type":"update","metadata":"{}"}}"#, "x".repeat(bytes - 2));
    assert!(decode(&metadata(limits::METADATA_BYTES_MAX)).is_ok());
    assert_eq!(
        error(&metadata(limits::METADATA_BYTES_MAX + 1)).0,
        ErrorCode::InvalidField
    );
}

#[test]
fn secrets_do_not_show_in_debug() {
    let join = decode(r#"{"id":1,"type":"join","versions":[1],"token":"secret"}"#).unwrap();
    assert!(!format!("{join:?}").contains("secret"));
}
