//! What is counted, for the node's metrics.

/// Why a frame or a message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FrameDrop {
    /// Too long, of another version, or for another room.
    Malformed,
    /// Of a link that is not known.
    UnknownLink,
    /// Of a room session that is not the link's.
    OtherSession,
    /// Above the window.
    BeyondWindow,
    /// Acknowledges what was never sent, or replies to what was never asked.
    Impossible,
    /// Needs a right that was not given.
    NoRight,
    /// Asks for a link while there is one, or ours is being made.
    Superseded,
}

/// Counts since the room session began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames sent, repeated ones included.
    pub sent: u64,
    /// Frames taken in.
    pub received: u64,
    /// Messages sent again.
    pub resent: u64,
    /// Messages that came again.
    pub duplicates: u64,
    /// Chat messages dropped for want of room, here.
    pub lost: u64,
    dropped: [u64; FrameDrop::ALL.len()],
}

impl FrameDrop {
    /// Every reason.
    pub const ALL: [FrameDrop; 7] = [
        FrameDrop::Malformed,
        FrameDrop::UnknownLink,
        FrameDrop::OtherSession,
        FrameDrop::BeyondWindow,
        FrameDrop::Impossible,
        FrameDrop::NoRight,
        FrameDrop::Superseded,
    ];

    /// The reason as a metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            FrameDrop::Malformed => "malformed",
            FrameDrop::UnknownLink => "unknown-link",
            FrameDrop::OtherSession => "other-session",
            FrameDrop::BeyondWindow => "beyond-window",
            FrameDrop::Impossible => "impossible",
            FrameDrop::NoRight => "no-right",
            FrameDrop::Superseded => "superseded",
        }
    }
}

impl LinkCounters {
    pub(super) fn drop(&mut self, reason: FrameDrop) {
        self.dropped[reason as usize] += 1;
    }

    /// How many were dropped for each reason.
    pub fn dropped(&self) -> impl Iterator<Item = (FrameDrop, u64)> {
        FrameDrop::ALL.into_iter().zip(self.dropped)
    }

    /// Everything counted, by the label of the metric.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = [
            ("sent", self.sent),
            ("received", self.received),
            ("resent", self.resent),
            ("duplicate", self.duplicates),
            ("chat-lost", self.lost),
        ];
        let dropped = self.dropped().map(|(reason, count)| (reason.as_str(), count));
        counted.into_iter().chain(dropped)
    }
}
