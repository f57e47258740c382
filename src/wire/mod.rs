//! What crosses the network as JSON: ids, signalling messages, error codes, versions, size limits.
//!
//! `docs/PROTOCOL.md` is the page a client author reads; this module is the same thing for the compiler. Everything
//! that comes from outside is checked here once ([`signal::decode`]); inside, a value of these types cannot be wrong.

pub mod error;
pub mod ids;
pub mod json;
pub mod limits;
pub mod link;
pub mod resume;
pub mod signal;

pub use error::ErrorCode;
pub use ids::{ParticipantId, PublicationId, RoomId, SeatIndex};
pub use json::Json;
pub use resume::ResumeKey;

/// Versions of the client protocol that this node speaks, best first.
pub const VERSIONS: &[u32] = &[1];

/// The best version both sides speak, if there is one.
pub fn pick_version(offered: &[u32]) -> Option<u32> {
    VERSIONS.iter().copied().find(|version| offered.contains(version))
}
