//! What nodes say to each other: a head in JSON, and a body behind it as it is (a client's message, a frame of a link, a body of
//! HTTP).

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::NodeId;
use crate::wire::{ErrorCode, RoomId};

/// The version of these messages. A node reads the one before its own as well.
pub const PROTOCOL: u32 = 1;
/// The oldest that is read.
const PROTOCOL_MIN: u32 = 1;
/// Heads are small; one that claims more is none.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// In front of every message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head<T> {
    /// [`PROTOCOL`].
    pub v: u32,
    /// Who speaks.
    pub from: NodeId,
    /// What.
    pub what: T,
}

/// Something a node is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Note {
    /// A frame of a link, which is the body.
    Link,
    /// There is nobody to take a frame.
    Nobody {
        /// The room that sent it.
        to: RoomId,
        /// The room it was for.
        room: RoomId,
        /// Of which session that is said; absent: of any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<Arc<str>>,
        /// What is known of it.
        code: ErrorCode,
    },
    /// A part of a signalling socket that one node holds for another.
    Relay {
        /// Which socket: made by the node that holds it.
        relay: u64,
        /// Whether the node that holds the socket speaks, and not the one that has the room.
        holder: bool,
        /// Counts up from 0 in each direction, so that a lost part is noticed.
        seq: u64,
        /// What.
        part: RelayNote,
    },
}

/// What becomes of a socket that one node holds for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RelayNote {
    /// A text or a part of one, which is the body. The first of a socket is a `join` or a `resume`.
    Text {
        /// More of it follows.
        #[serde(default)]
        more: bool,
    },
    /// It is over, or is to be.
    End(RelayEnd),
}

/// How it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RelayEnd {
    /// The socket is to be closed with this.
    Close {
        /// RFC 6455 section 7.4.
        code: u16,
        /// For people.
        reason: String,
    },
    /// The client was not let in, has been told so, and may try again.
    Refused,
    /// Somebody else has the room.
    Elsewhere {
        /// Who.
        node: NodeId,
    },
    /// The client is gone.
    Gone {
        /// It said that it would not come back.
        going_away: bool,
    },
    /// Something between us got lost: the client has to begin anew.
    Broken,
}

/// Something a node is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Question {
    /// Are you there? Any answer says so.
    There,
    /// A request for a room over there. Its body is the body.
    Http(HttpQuestion),
    /// What does this room show?
    Presence {
        /// Which.
        room: RoomId,
    },
    /// What do rooms with this listing show?
    Rooms {
        /// Which.
        listing: String,
    },
    /// Which rooms live over there?
    Living {
        /// Those after this one, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<RoomId>,
        /// At most so many.
        most: u32,
    },
    /// Which sessions are kept over there?
    Sessions {
        /// Of this room alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
        /// Those older than this one: its start and its id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        before: Option<(u64, String)>,
        /// At most so many, the newest first.
        most: u32,
    },
    /// Is this session kept over there? A list of one or none.
    Session {
        /// Its id.
        session: String,
    },
    /// Who was in a session?
    Stays {
        /// Its id.
        session: String,
        /// Those after so many.
        from: u32,
        /// At most so many.
        most: u32,
        /// Only who and when.
        bare: bool,
    },
    /// Which links had a session?
    Links {
        /// Its id.
        session: String,
    },
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpQuestion {
    /// Such as `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answer {
    /// Its body is the body.
    Http(HttpAnswer),
    /// What rooms show, which is the body: a list.
    Rooms,
    /// What was asked for, which is the body: a list in JSON.
    List {
        /// How many there are, where somebody counts.
        total: u64,
        /// The list was cut where it became too long for a message.
        more: bool,
    },
    /// This cannot be answered here.
    Unsupported,
}

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// Such as 201.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
}

/// Why a message is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It cannot be read.
    #[error("malformed")]
    Malformed,
    /// A version that is not spoken here.
    #[error("of version {0}")]
    Version(u32),
}

/// Writes a message: the length of its head in four bytes, head, body.
pub fn pack<T: Serialize>(from: &NodeId, what: T, body: &[u8]) -> Bytes {
    let head = Head {
        v: PROTOCOL,
        from: from.clone(),
        what,
    };
    let head = serde_json::to_vec(&head).expect("heads are made of texts and numbers");
    let mut bytes = BytesMut::with_capacity(4 + head.len() + body.len());
    bytes.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX));
    bytes.put_slice(&head);
    bytes.put_slice(body);
    bytes.freeze()
}

/// Reads a message: its head, and its body without a copy.
///
/// # Errors
/// When it is none, or of a version that is not spoken here.
pub fn unpack<'a, T: Deserialize<'a>>(message: &'a Bytes) -> Result<(Head<T>, Bytes), MessageError> {
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let (len, rest) = message.split_first_chunk::<4>().ok_or(MessageError::Malformed)?;
    let len = u32::from_be_bytes(*len) as usize;
    let head = rest
        .get(..len)
        .filter(|_| len <= HEAD_BYTES_MAX)
        .ok_or(MessageError::Malformed)?;
    // A head of another version may hold what is not known here; its version is told apart from nonsense.
    let version: Version = serde_json::from_slice(head).map_err(|_| MessageError::Malformed)?;
    if !(PROTOCOL_MIN..=PROTOCOL).contains(&version.v) {
        return Err(MessageError::Version(version.v));
    }
    let head = serde_json::from_slice(head).map_err(|_| MessageError::Malformed)?;
    Ok((head, message.slice(4 + len..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_went() {
        let from = NodeId::new("a").unwrap();
        let note = Note::Relay {
            relay: 7,
            holder: true,
            seq: 1 << 40,
            part: RelayNote::End(RelayEnd::Close {
                code: 4008,
                reason: "too slow".to_owned(),
            }),
        };
        let packed = pack(&from, &note, b"\0body");
        let (head, body) = unpack::<Note>(&packed).unwrap();
        assert_eq!((head.what, head.from, &body[..]), (note, from, &b"\0body"[..]));
    }

    #[test]
    fn what_is_no_message_is_refused_with_a_reason() {
        let refused = |bytes: &[u8]| unpack::<Note>(&Bytes::copy_from_slice(bytes)).unwrap_err();
        for bad in [
            &b""[..],
            b"\0\0\0",
            b"\0\0\0\x02{}",
            b"\xff\xff\xff\xff{}",
            b"\0\0\0\x09{}",
        ] {
            assert_eq!(refused(bad), MessageError::Malformed, "{bad:?}");
        }
        let mut newer = vec![0, 0, 0, 33];
        newer.extend_from_slice(br#"{"v":9,"from":"a","what":{"x":1}}"#);
        assert_eq!(refused(&newer), MessageError::Version(9));
    }
}
