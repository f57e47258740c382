//! The section `[room]` of the configuration.

use std::time::Duration;

/// What a room allows. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// How long a participant whose socket broke counts as present and may resume.
    pub resume_window: Duration,
    /// How long an empty room keeps its session and chat before it closes.
    pub departure_timeout: Duration,
    /// Most rooms of one node at one time, at least 1.
    pub max_rooms: usize,
    /// Most participants in one room, at least 1.
    pub max_participants: usize,
    /// Most sources one participant publishes at the same time, at least 1.
    pub max_publications: usize,
    /// Most seats of one participant, 1 to 50.
    pub max_seats: usize,
}
