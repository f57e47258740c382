//! What is counted about connections, and why they end.

use crate::shard::counters::Counter;

/// Why a TCP connection was closed, or never taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it.
    ByClient,
    /// It broke.
    Broken,
    /// No valid check came in time.
    Unproven,
    /// Too many frames came before a valid check.
    Strange,
    /// A frame larger than any we read.
    FrameTooLarge,
    /// Nothing came for a long time.
    Idle,
    /// Too many unproven connections: the oldest one made place.
    CrowdedOut,
    /// Its transport has newer remotes.
    Evicted,
    /// Its transport is gone.
    TransportGone,
    /// There are as many connections as there may be.
    Full,
    /// Its source has as many unproven connections as it may have.
    SourceFull,
    /// The kernel could not hand it over.
    Unaccepted,
}

impl CloseReason {
    /// Every reason, in the order of their counters.
    pub const ALL: [CloseReason; 12] = [
        CloseReason::ByClient,
        CloseReason::Broken,
        CloseReason::Unproven,
        CloseReason::Strange,
        CloseReason::FrameTooLarge,
        CloseReason::Idle,
        CloseReason::CrowdedOut,
        CloseReason::Evicted,
        CloseReason::TransportGone,
        CloseReason::Full,
        CloseReason::SourceFull,
        CloseReason::Unaccepted,
    ];

    /// The metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            CloseReason::ByClient => "by_client",
            CloseReason::Broken => "broken",
            CloseReason::Unproven => "unproven",
            CloseReason::Strange => "strange",
            CloseReason::FrameTooLarge => "frame_too_large",
            CloseReason::Idle => "idle",
            CloseReason::CrowdedOut => "crowded_out",
            CloseReason::Evicted => "evicted",
            CloseReason::TransportGone => "transport_gone",
            CloseReason::Full => "full",
            CloseReason::SourceFull => "source_full",
            CloseReason::Unaccepted => "unaccepted",
        }
    }
}

/// What one shard counts about its TCP connections.
#[derive(Debug, Default)]
pub struct TcpCounters {
    /// Connections now.
    pub open: Counter,
    /// Connections that came, taken or not.
    pub accepted: Counter,
    closed: [Counter; CloseReason::ALL.len()],
}

impl TcpCounters {
    pub(super) fn close(&self, why: CloseReason) {
        self.closed[why as usize].add(1);
    }

    /// How often each reason occurred.
    pub fn closed(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        CloseReason::ALL
            .into_iter()
            .map(|why| (why, self.closed[why as usize].get()))
    }
}
