//! Calls with real endpoints over loopback: a server process of each test's own, and the clients of `testkit`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a failing test says what it saw")]

mod channels;
mod chat;
mod codecs;
mod crowd;
mod large;
mod layers;
mod network;
mod publish;
mod recording;
mod reference;
mod repair;
mod resume;
mod rooms;
mod seats;
mod stage;
mod tcp;
mod transport;
mod trust;
mod whip;
