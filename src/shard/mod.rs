//! Runs the media plane: one thread, one socket.

pub mod command;
pub mod event;
