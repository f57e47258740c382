//! What an operator does to a running server: certificates, configuration, revocations, the command line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod cluster;
mod deploy;
mod house;
mod proxies;
mod reload;
mod story;
mod tls;
mod traces;
mod turn;
