//! What rooms say to each other over a link. `docs/LINKS.md` says when.
//!
//! The same frames travel between two rooms of one node, as values, and between two nodes, as JSON.

mod door;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

pub use door::{FRAME_BYTES_MAX, FrameError, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, PEOPLE_MAX, decode, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ErrorCode, Json, ParticipantId, RoomId, signal::Token};

/// Versions of the link protocol spoken here, best first.
pub const LINK_VERSION: u32 = 1;

/// One room session: the reusable name and the id of this occurrence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RoomAddress {
    /// The name.
    pub room: RoomId,
    /// The occurrence.
    pub session: Arc<str>,
}

/// The name of one link, or of one attempt at one: made by the room that asks, never used twice.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub Arc<str>);

/// Somebody as a linked room sees them: nothing else of a person crosses (I7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// Unique in its own room.
    pub id: ParticipantId,
    /// For people.
    pub display_name: String,
}

/// What one room lets another do to it. Written as a list of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// See who is here.
    pub roster: bool,
    /// Send chat to everybody here.
    pub chat: bool,
    /// Ask somebody here to go to another room.
    pub switch: bool,
    /// End this room for all.
    pub end: bool,
}

/// One message from one room to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkFrame {
    /// Of the link protocol.
    pub v: u32,
    /// Which link.
    pub link: LinkId,
    /// Who speaks.
    pub from: RoomAddress,
    /// Who is spoken to.
    pub to: RoomId,
    /// Which occurrence of it, once that is known. Absent: whoever has the name now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_session: Option<Arc<str>>,
    /// What.
    pub body: LinkBody,
}

/// What a frame is for: making a link, carrying messages on it, or ending it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LinkBody {
    /// May we have a link? Repeated until answered.
    Request {
        /// From whoever asked for it; told to everybody in both rooms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payload: Option<Json>,
        /// Who asked for it.
        by: Person,
        /// What the asked room may do in the asking one.
        rights: Rights,
    },
    /// Somebody is being asked.
    Pending,
    /// Yes. Repeated until the first `data` or `ack` shows that it came.
    Accept {
        /// What the asking room may do in the asked one.
        rights: Rights,
    },
    /// No.
    Refuse {
        /// Why.
        code: ErrorCode,
    },
    /// One message of the numbered stream, and how far the other stream has come.
    Data {
        /// Counts up by one from 1, in each direction.
        seq: u64,
        /// Everything of the other direction up to here has come.
        ack: u64,
        /// What.
        message: LinkMessage,
    },
    /// How far the other stream has come; also a sign of life.
    Ack {
        /// Everything up to here has come.
        ack: u64,
    },
    /// The link is over, or never was.
    Close {
        /// Why.
        reason: LinkEnd,
    },
}

/// Why a side ends a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkEnd {
    /// Somebody closed it, or the asking side gave up.
    Closed,
    /// The room session is over.
    Ended,
    /// Nothing is known here of such a link.
    Unknown,
    /// The room's rules changed.
    Policy,
    /// Too much was waiting to be sent.
    Overflow,
}

/// A message of the numbered stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum LinkMessage {
    /// Everybody who is here, replacing what was said before. In pages: the last has `more: false`.
    Snapshot {
        /// A page.
        participants: Vec<Person>,
        /// Another page follows.
        more: bool,
    },
    /// Who came (or has a new name) and who went since.
    Roster {
        /// Came, or has a new name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        joined: Vec<Person>,
        /// Went.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left: Vec<ParticipantId>,
    },
    /// To everybody there. Answered by `reply`.
    Chat(LinkChat),
    /// So many chat messages were dropped here for want of room.
    Gap {
        /// How many.
        lost: u32,
    },
    /// Ask somebody there to go to another room. Answered by `reply`.
    Switch(LinkSwitch),
    /// End your room. Answered by `reply`.
    End {
        /// Who asked for it.
        by: Person,
    },
    /// Answer to `chat`, `switch` or `end`.
    Reply {
        /// Its `seq`.
        to: u64,
        /// Why it was not done; absent: done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<ErrorCode>,
    },
}

/// A text from one room to everybody in the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkChat {
    /// Its id, unique in the sender's room session.
    pub message: String,
    /// The sender.
    pub from: Person,
    /// The text.
    pub text: String,
    /// Milliseconds since 1970, by the sender's node.
    pub timestamp_ms: u64,
}

/// A request to go to another room, on its way to one participant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkSwitch {
    /// Who is asked.
    pub participant: ParticipantId,
    /// Who asks.
    pub by: Person,
    /// Where to.
    pub room: RoomId,
    /// What opens that room. Not shown by `Debug`; to the addressee's socket and nowhere else.
    pub token: Token,
    /// From whoever asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Json>,
}

impl Rights {
    /// None at all.
    pub const NONE: Rights = Rights {
        roster: false,
        chat: false,
        switch: false,
        end: false,
    };
    /// Everything the documents of the Meeting API show.
    pub const ALL: Rights = Rights {
        roster: true,
        chat: true,
        switch: true,
        end: true,
    };
    /// Every word, in the order of the fields.
    pub const WORDS: [&'static str; 4] = ["roster", "chat", "switch", "end"];

    /// Reads words; the first that is none is given back.
    ///
    /// # Errors
    /// The word that is no right.
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let mut rights = Rights::NONE;
        for word in words {
            match word {
                "roster" => rights.roster = true,
                "chat" => rights.chat = true,
                "switch" => rights.switch = true,
                "end" => rights.end = true,
                unknown => return Err(unknown),
            }
        }
        Ok(rights)
    }

    /// The words.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let held = [self.roster, self.chat, self.switch, self.end];
        Self::WORDS
            .into_iter()
            .zip(held)
            .filter(|(_, held)| *held)
            .map(|(word, _)| word)
    }
}

impl Serialize for Rights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

impl<'de> Deserialize<'de> for Rights {
    /// Words of a newer version are skipped: a right that is not known is not used.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        if words.len() > 32 {
            return Err(de::Error::custom("more rights than there are"));
        }
        let known = words
            .iter()
            .map(String::as_str)
            .filter(|word| Self::WORDS.contains(word));
        Ok(Self::from_words(known).unwrap_or_default())
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
