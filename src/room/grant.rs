//! What a participant may do, decided by its token.

/// Permissions only; whose token it was and for which room was checked at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Send audio and video.
    pub publish: bool,
    /// Receive audio and video.
    pub subscribe: bool,
    /// Send chat, topic and data channel messages.
    pub talk: bool,
    /// Act on others: remove them (`allow_mod`).
    pub moderate: bool,
}

impl Grant {
    /// `allow_join` without `allow_mod`.
    pub const JOIN: Grant = Grant {
        publish: true,
        subscribe: true,
        talk: true,
        moderate: false,
    };
    /// `allow_join` and `allow_mod`.
    pub const MODERATE: Grant = Grant {
        publish: true,
        subscribe: true,
        talk: true,
        moderate: true,
    };
}
