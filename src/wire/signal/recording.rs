//! Recordings, as clients and operators see them.

use serde::{Deserialize, Serialize};

use crate::wire::ParticipantId;

/// How a recording is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingState {
    /// It was asked for.
    Starting,
    /// Everything is recorded.
    Started,
    /// It was asked to end; the rest is being written.
    Stopping,
    /// All of it is written.
    Stopped,
    /// It ended without being asked to. What was written is there and plays.
    Failed,
}

impl RecordingState {
    /// Will it never change again?
    pub const fn is_over(self) -> bool {
        matches!(self, RecordingState::Stopped | RecordingState::Failed)
    }
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingEnd {
    /// Somebody stopped it.
    Stopped,
    /// The room closed.
    RoomClosed,
    /// It is as long as it may be.
    TooLong,
    /// It is as large as it may be.
    TooLarge,
    /// The disk has less free space than is to be left.
    DiskFull,
    /// The disk cannot be written to.
    DiskFailed,
}

impl RecordingEnd {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordingEnd::Stopped => "stopped",
            RecordingEnd::RoomClosed => "room-closed",
            RecordingEnd::TooLong => "too-long",
            RecordingEnd::TooLarge => "too-large",
            RecordingEnd::DiskFull => "disk-full",
            RecordingEnd::DiskFailed => "disk-failed",
        }
    }

    /// The state it leaves.
    pub const fn state(self) -> RecordingState {
        match self {
            RecordingEnd::Stopped | RecordingEnd::RoomClosed => RecordingState::Stopped,
            RecordingEnd::TooLong | RecordingEnd::TooLarge | RecordingEnd::DiskFull | RecordingEnd::DiskFailed => {
                RecordingState::Failed
            }
        }
    }
}

/// A recording of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordingInfo {
    /// Its name, and that of its folder.
    pub recording: String,
    /// How it is doing.
    pub state: RecordingState,
    /// Who started it; `null`: whoever runs the server.
    pub by: Option<ParticipantId>,
    /// Since when, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// Why it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordingEnd>,
    /// How long it was, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<u64>,
    /// All its files, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
