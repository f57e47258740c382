//! What the server answers and tells.

use serde::{Deserialize, Serialize};

use super::request::SourceKind;
use crate::{
    packet::{Codec, Kind},
    wire::{ErrorCode, Json, ParticipantId, PublicationId, RoomId, SeatIndex},
};

/// An answer or an event. `docs/PROTOCOL.md` says what each means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// Answer to `join`.
    Joined(Box<Joined>),
    /// Answer to `resume`; has no `seq`.
    Resumed {
        /// The last request that was answered (its answer follows if the client has not seen it).
        last_request: u32,
    },
    /// Done.
    Ok(OkFields),
    /// Not done, and nothing changed.
    Error {
        /// Stable.
        code: ErrorCode,
        /// A sentence for a person.
        message: String,
        /// The culprit, e.g. `publish[0].mid`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
    },
    /// Answer to `offer`.
    Answer {
        /// The SDP.
        sdp: String,
        /// The seats that were agreed.
        seats: Vec<AnswerSeat>,
        /// The publications on its lines that `publish` asked for.
        publications: Vec<AnswerPublication>,
    },
    /// Answer to `ping`; has no `seq`.
    Pong,
    /// Somebody came.
    #[serde(rename = "participant.joined")]
    ParticipantJoined {
        /// Who.
        participant: ParticipantInfo,
    },
    /// Somebody went, and all they published with them.
    #[serde(rename = "participant.left")]
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody is called otherwise.
    #[serde(rename = "participant.updated")]
    ParticipantUpdated {
        /// Who.
        participant: ParticipantId,
        /// New name; absent: as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        /// New metadata; absent: as it was.
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        metadata: Option<Json>,
    },
    /// Somebody publishes.
    #[serde(rename = "publication.added")]
    PublicationAdded {
        /// Who.
        participant: ParticipantId,
        /// What.
        publication: PublicationInfo,
    },
    /// A publication is otherwise now.
    #[serde(rename = "publication.updated")]
    PublicationUpdated {
        /// Whose.
        participant: ParticipantId,
        /// What.
        publication: PublicationInfo,
    },
    /// Somebody publishes this no longer.
    #[serde(rename = "publication.removed")]
    PublicationRemoved {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        publication: PublicationId,
    },
    /// Who sits where from now on.
    Seats {
        /// Only seats that changed.
        seats: Vec<SeatEntry>,
    },
    /// That many seats would show everybody.
    #[serde(rename = "seats.wanted")]
    SeatsWanted {
        /// At most `limits.seats`.
        count: u16,
    },
    /// Who speaks.
    Speakers {
        /// Loudest first.
        speakers: Vec<SpeakerEntry>,
    },
    /// How good connections are.
    Quality {
        /// Only those that changed.
        quality: Vec<QualityEntry>,
    },
    /// What one gets of a publication one wants.
    Subscription {
        /// Which.
        publication: PublicationId,
        /// What.
        state: SubscriptionState,
        /// The encoding that is forwarded, lowest 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encoding: Option<u8>,
    },
    /// A text.
    Chat {
        /// Its id.
        message: String,
        /// The sender.
        participant: ParticipantId,
        /// The sender's name when it was sent.
        display_name: String,
        /// The text.
        text: String,
        /// Addressees; absent: everybody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Vec<ParticipantId>>,
        /// Milliseconds since 1970.
        timestamp_ms: u64,
    },
    /// A message of a topic.
    #[serde(rename = "topic.message")]
    TopicMessage(TopicMessage),
    /// What the server sees of the media path.
    Transport {
        /// What.
        state: TransportState,
    },
    /// The session is over.
    Bye {
        /// Why.
        code: ByeCode,
        /// A sentence for a person.
        message: String,
        /// Should the client join again?
        reconnect: bool,
        /// Not before that many milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after_ms: Option<u64>,
    },
}

/// A field that is there, `null` or not.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// Fields of `joined`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// The one picked.
    pub version: u32,
    /// The room's id.
    pub room: RoomId,
    /// The id of this live occurrence of the room.
    pub session: String,
    /// Oneself.
    pub participant: ParticipantInfo,
    /// How to come back after a cut.
    pub resume: ResumeInfo,
    /// The others, in the order they joined.
    pub participants: Vec<ParticipantInfo>,
    /// Always empty: the node is reachable directly. Kept so that a client can hand it to the browser.
    pub ice_servers: Vec<Json>,
    /// What fits.
    pub limits: JoinedLimits,
}

/// How to come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeInfo {
    /// For `resume`. Secret.
    pub key: String,
    /// How long after the cut, in milliseconds.
    pub window_ms: u64,
}

/// Limits a client has to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinedLimits {
    /// Of a message that is no offer.
    pub message_bytes: usize,
    /// Of metadata.
    pub metadata_bytes: usize,
    /// Of a chat text.
    pub chat_bytes: usize,
    /// Receive places of one participant.
    pub seats: usize,
}

/// A participant as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParticipantInfo {
    /// Unique in the room.
    pub id: ParticipantId,
    /// For people; the id if none was given.
    pub display_name: String,
    /// For applications; `null` if none was given.
    pub metadata: Option<Json>,
    /// Milliseconds since 1970.
    pub joined_at_ms: u64,
    /// What it publishes, in the order of their ids.
    pub publications: Vec<PublicationInfo>,
}

/// A publication as others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicationInfo {
    /// Unique in the room session.
    pub id: PublicationId,
    /// What it is.
    pub source: SourceKind,
    /// Sound or picture.
    pub kind: Kind,
    /// Not forwarded now.
    pub muted: bool,
    /// `null` until its first packet came.
    pub codec: Option<Codec>,
    /// Simulcast encodings, 1 without simulcast.
    pub encodings: u8,
    /// Pixels of the largest encoding, if its publisher said.
    pub width: Option<u32>,
    /// Pixels of the largest encoding, if its publisher said.
    pub height: Option<u32>,
    /// For applications.
    pub metadata: Option<Json>,
}

/// What `ok` carries, depending on the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OkFields {
    /// Of `publish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<PublicationId>,
    /// Of `chat` and `topic.publish`: the id the message got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of `chat` and `topic.publish`: when, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_ms: Option<u64>,
    /// Of `topic.subscribe`: what was kept, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<TopicMessage>>,
}

/// A message of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicMessage {
    /// Its id.
    pub message: String,
    /// Of which topic.
    pub topic: String,
    /// The sender.
    pub participant: ParticipantId,
    /// The sender's name when it was sent.
    pub display_name: String,
    /// Any JSON.
    pub payload: Json,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
}

/// A seat and its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerSeat {
    /// Which.
    pub seat: SeatIndex,
    /// Its audio m-line, if it has one.
    pub audio_mid: Option<String>,
    /// Its video m-line, if it has one.
    pub video_mid: Option<String>,
}

/// A line and what is published on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerPublication {
    /// The m-line.
    pub mid: String,
    /// What is published on it.
    pub publication: PublicationId,
}

/// A seat and who sits in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeatEntry {
    /// Which.
    pub seat: SeatIndex,
    /// `null`: empty.
    pub participant: Option<ParticipantId>,
    /// What is heard of it.
    pub audio: Option<PublicationId>,
    /// What is seen of it.
    pub video: Option<PublicationId>,
}

/// Somebody who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SpeakerEntry {
    /// Who.
    pub participant: ParticipantId,
    /// 0 (silence) to 127.
    pub level: u8,
}

/// Somebody's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QualityEntry {
    /// Whose.
    pub participant: ParticipantId,
    /// 1 (bad) to 5 (excellent).
    pub score: u8,
}

/// What one gets of a publication one wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionState {
    /// It is forwarded.
    Active,
    /// One asked for nothing at present.
    Paused,
    /// The seat's m-line cannot carry its codec.
    CodecNotSupported,
}

/// The media path, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TransportState {
    /// Packets flow.
    Connected,
    /// Nothing came for long; restart ICE.
    Lost,
}

/// Why somebody went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LeaveReason {
    /// Said so.
    Left,
    /// Was cut off and did not come back within the window.
    Timeout,
    /// Was put out.
    Removed,
    /// Came in again with the same id.
    Duplicate,
    /// The room or the node closes.
    Closed,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByeCode {
    /// The same participant joined elsewhere.
    DuplicateParticipant,
    /// Put out by a moderator.
    Removed,
    /// The room was closed.
    RoomClosed,
    /// The node is going away.
    NodeDraining,
    /// The client reads too slowly.
    TooSlow,
    /// The token has run out.
    TokenExpired,
}

/// Why a link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkCloseReason {
    /// Somebody here closed it.
    ClosedLocal,
    /// Somebody there closed it.
    ClosedRemote,
    /// This room ended.
    LocalEnded,
    /// The other room ended.
    RemoteEnded,
    /// Nothing was heard of the other room.
    Unreachable,
    /// The rules of a room no longer allow it.
    Policy,
    /// Too much was waiting.
    Limit,
}
