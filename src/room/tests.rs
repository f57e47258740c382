//! The room as a whole: behaviours by name, a simulation of many participants, and damaged messages.

#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks for one message among many")]

mod backup;
mod books;
mod canned;
mod client;
mod crowd;
mod house;
mod http;
mod large;
mod ledger;
mod links;
mod lobby;
mod malformed;
mod manage;
mod media;
mod moderation;
mod owner;
mod people;
mod recording;
mod revoked;
mod simulation;
mod stats;
mod store;
mod support;
