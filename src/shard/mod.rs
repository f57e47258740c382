//! Runs the media plane: one thread, one socket.

pub mod command;
mod config;
pub mod event;

pub use config::MediaConfig;
