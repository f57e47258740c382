//! Runs the media plane: one thread, one socket.

mod config;

pub use config::MediaConfig;
