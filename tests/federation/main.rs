//! Links between rooms, seen from sockets of a real server: the twelve promises of the Meeting API's connections, what a
//! token may and may not do, and where it may never appear.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod grants;
mod house;
mod media;
mod promises;
mod secrecy;
