//! What a room tells a recorder, and what it hears of it. Data only.

use std::time::Duration;

use crate::media::SourceKey;
use crate::shard::command::ShardId;
use crate::wire::signal::{RecordingEnd, SourceKind};
use crate::wire::{ParticipantId, RoomId};

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The recording's own name: letters and digits, never used twice.
    pub id: String,
    /// Of which room.
    pub room: RoomId,
    /// Of which of its sessions.
    pub session: String,
}

/// Whose sources go into one file: those that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakeKey {
    /// The participant, by the room's count.
    pub member: u32,
    /// Screen and its sound, or camera and microphone.
    pub screen: bool,
    /// 0 for the first camera and microphone, 1 for the second.
    pub rank: u8,
}

/// Something for a recorder to do or to note. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Somebody is in the room.
    Joined {
        /// By the room's count.
        member: u32,
        /// Who.
        participant: ParticipantId,
        /// For people.
        display_name: String,
        /// Since when.
        at_ms: u64,
    },
    /// And is no more: what was recorded of them is complete.
    Left {
        /// By the room's count.
        member: u32,
        /// When.
        at_ms: u64,
    },
    /// Record this.
    Track {
        /// Which.
        source: SourceKey,
        /// Where its home is.
        shard: ShardId,
        /// Beside what.
        take: TakeKey,
        /// What it is.
        kind: SourceKind,
        /// Pixels across and down, as its publisher says.
        size: Option<(u16, u16)>,
    },
    /// It is over.
    TrackEnded {
        /// Which.
        source: SourceKey,
        /// Where its home was.
        shard: ShardId,
    },
    /// This cannot be recorded: only who has the key could play it.
    Encrypted {
        /// Beside what it would have been.
        take: TakeKey,
        /// What it is.
        kind: SourceKind,
    },
    /// Another room is linked with this one.
    Linked {
        /// Which.
        room: RoomId,
        /// Since when.
        at_ms: u64,
    },
    /// And is no more.
    Unlinked {
        /// Which.
        room: RoomId,
        /// Since when.
        at_ms: u64,
    },
    /// Somebody is in a linked room.
    LinkedPerson {
        /// Which room.
        room: RoomId,
        /// Who.
        participant: ParticipantId,
        /// For people.
        display_name: String,
        /// Since when, as far as it is known here.
        at_ms: u64,
    },
    /// And is no more.
    LinkedPersonLeft {
        /// Which room.
        room: RoomId,
        /// Who.
        participant: ParticipantId,
        /// When.
        at_ms: u64,
    },
}

/// How a recording came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub end: RecordingEnd,
    /// How long it is.
    pub length: Duration,
    /// Of all its files.
    pub bytes: u64,
}

/// What a recorder tells its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecorderNews {
    /// The folder and the manifest are there.
    Started,
    /// Everything is written, or nothing more can be.
    Ended(Ending),
}
