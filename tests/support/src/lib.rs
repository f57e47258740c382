//! Clients of an Enfilade node, for its tests and its load generator.
//!
//! Nothing here uses the server's code: what both sides got wrong in the same way would pass. Media goes through the
//! sans-IO connection inside the crate `webrtc` (its crate `rtc`), driven over a socket of our own, so that a test can
//! see, drop and redirect every datagram.

pub mod endpoint;
pub mod folder;
pub mod media;
pub mod nats;
pub mod participant;
pub mod postgres;
pub mod record;
pub mod server;
pub mod signal;
pub mod whip;

use std::time::Duration;

pub use endpoint::{Endpoint, Options, Sending};
pub use folder::Folder;
pub use media::{Codec, Shape};
pub use nats::{Nats, NatsSettings};
pub use participant::Participant;
pub use postgres::Postgres;
pub use record::{PacketNote, Record, StreamNote};
pub use server::Server;
pub use signal::{ProtocolError, Signal};

/// How long anything may take that should happen soon. Long, because a loaded machine is slow; a passing test never waits for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Asks `probe` until it answers, for at most [`PATIENCE`]. For conditions that no event announces.
///
/// # Errors
/// When the time is over; `what` says what did not happen.
pub async fn eventually<T>(what: impl std::fmt::Display, mut probe: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return Ok(found);
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "in vain waited for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
