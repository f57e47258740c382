//! Several nodes that act as one, on a real NATS server: people who come to any of them meet, links between rooms of two of them, and
//! what happens when one dies, stands still or is cut off.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bus;
mod failures;
mod hostile;
mod house;
mod proxy;
mod rest;
mod rooms;
