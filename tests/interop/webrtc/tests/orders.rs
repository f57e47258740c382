//! The program as `tests/interop` starts it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn an_order_is_answered_by_its_number_and_the_program_ends_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_interop-webrtc"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |order: &str| {
        writeln!(input, "{order}").unwrap();
        lines.next().unwrap().unwrap()
    };
    let offer = ask(
        r#"{"id":1,"do":"offer","session":"s","role":"subscribe","picture":{"fps":15},"codec":"vp8","media":true,"data":true}"#,
    );
    assert!(
        offer.contains("m=audio") && offer.contains("m=video") && offer.contains("m=application"),
        "{offer}"
    );
    let unknown = ask(r#"{"id":2,"do":"dance","session":"s"}"#);
    assert_eq!(unknown, r#"{"error":"dance is not known","id":2}"#);
    drop(input);
    assert!(child.wait().unwrap().success());
}
