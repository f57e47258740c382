//! A live server under attack, while a call goes on that must not notice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a failing test says what it saw")]

mod call;
mod datagrams;
mod handshake;
mod http;
mod mutate;
mod socket;
mod tcp;
