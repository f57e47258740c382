//! Decides about people: who is here, what is published, who wants what, who sits in which seat. Pure.

mod config;

pub use config::RoomConfig;
