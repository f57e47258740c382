//! Enfilade: a media SFU whose rooms open onto each other.
//!
//! The modules stand in reading order, and a module imports only from modules above it in this list
//! (held by `tests/architecture/main.rs`). `ARCHITECTURE.md` is the map, `docs/LIFE_OF_A_PACKET.md` the tour.

pub mod packet;

pub mod wire;

pub mod media;

pub mod transport;

pub mod turn;

pub mod shard;

pub mod federation;

pub mod recording;

pub mod room;

pub mod records;

pub mod cluster;

pub mod node;

pub mod api;

pub mod config;

pub mod cli;
