//! Runs it all: room tasks, handshake tasks, shards, named queues. The only home of spawn.

mod config;
mod serve;

pub use config::ShutdownConfig;
pub use serve::serve;
