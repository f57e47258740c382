//! The REST API, the records and the webhooks, of a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod archive;
mod recordings;
mod rights;
mod rooms;
mod sessions;
mod stage;
mod webhooks;
