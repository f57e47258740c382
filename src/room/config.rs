//! The section `[room]` of the configuration.

use std::time::Duration;

/// What a room allows. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// How long a participant whose socket broke counts as present and may resume.
    pub resume_window: Duration,
    /// How long an empty room keeps its session and chat before it closes.
    pub departure_timeout: Duration,
    /// Most participants in one room, at least 1.
    pub max_participants: usize,
    /// Most sources one participant publishes at the same time, at least 1.
    pub max_publications: usize,
    /// Largest metadata of a participant, in bytes.
    pub max_metadata: usize,
    /// Largest chat or topic message, in bytes.
    pub max_message: usize,
    /// Longest name of a topic, in bytes of UTF-8.
    pub max_topic: usize,
    /// Most topics one participant is subscribed to.
    pub max_topics: usize,
    /// Messages kept per topic for those who come later.
    pub chat_history: usize,
    /// Seats of a client that does not say how many it wants, 1 to 50.
    pub seats: usize,
}
