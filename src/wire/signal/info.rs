//! The parts of what the server tells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    recording::RecordingInfo,
    request::{Mode, SourceKind, Token},
    settings::SettingsInfo,
    stats::Stats,
};
use crate::{
    packet::{Codec, Kind},
    wire::{
        Json, ParticipantId, PublicationId, RoomId, SeatIndex,
        link::{Person, Rights},
    },
};

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
    /// For the browser's peer connection; empty when the node hands out none.
    pub ice_servers: Vec<IceServer>,
    /// How long their credentials are good for, in milliseconds; absent without servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers_ttl_ms: Option<u64>,
    /// What fits.
    pub limits: JoinedLimits,
    /// This join began the room.
    pub created: bool,
    /// Who owns it; `null`: nobody.
    pub owner: Option<ParticipantId>,
    /// What the token allows here.
    pub permissions: Vec<Permission>,
    /// What is in force.
    pub settings: SettingsInfo,
    /// With which rooms ours is linked.
    pub links: Vec<LinkInfo>,
    /// Who is pinned for the whole room.
    pub pins: Vec<Pin>,
    /// The recording that is being made, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<RecordingInfo>,
}

/// A TURN server, as browsers take it (`RTCIceServer`). Its `Debug` does not show the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    /// `turn:` and `turns:` URLs.
    pub urls: Vec<String>,
    /// Whom the server takes us for, and until when.
    pub username: String,
    /// The password. Secret.
    pub credential: String,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Something the token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Permission {
    /// Send audio and video.
    Publish,
    /// Receive audio and video.
    Subscribe,
    /// Send messages.
    Talk,
    /// Act on others, and on the room.
    Moderate,
    /// Open and close links, ask people over there to switch, end linked rooms.
    Link,
    /// Answer rooms that ask for a link.
    Judge,
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
    /// What it does with media.
    #[serde(default)]
    pub mode: Mode,
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
    /// Its frames are encrypted end to end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
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
    /// Of `link.open`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<RoomId>,
    /// Of `store.get` with a key; inside, `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present_text")]
    pub value: Option<Option<String>>,
    /// Of `store.get` without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<BTreeMap<String, String>>,
    /// Of `ice.servers`: as in `joined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers: Option<Vec<IceServer>>,
    /// Of `ice.servers`: as in `joined`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_servers_ttl_ms: Option<u64>,
    /// Of `recording.start`: its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<String>,
    /// Of `stats`.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Box<Stats>>,
}

/// A field that is there, `null` or not.
fn present_text<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
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

/// Why one gets less of a publication than one asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionReason {
    /// The connection has no room for more.
    Budget,
}

/// What one gets of a publication one wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubscriptionState {
    /// It is forwarded.
    Active,
    /// One asked for nothing at present, or the connection has no room for it.
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
    /// The token, or whom it is for, was revoked.
    TokenRevoked,
}

/// A room as `presence` and `rooms` tell of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Which.
    pub room: RoomId,
    /// Is anybody in it?
    pub exists: bool,
    /// How many.
    pub participants: u32,
    /// How many there may be.
    pub max_participants: u32,
    /// Are there as many as there may be?
    pub full: bool,
    /// Has it a password?
    pub password_protected: bool,
    /// Who owns it.
    pub owner: Option<PresenceOwner>,
    /// What its owner tells.
    pub info: Option<Json>,
}

impl Presence {
    /// Nobody is there, whatever was.
    pub fn nobody(room: RoomId, max_participants: usize) -> Self {
        Self {
            room,
            exists: false,
            participants: 0,
            max_participants: u32::try_from(max_participants).unwrap_or(u32::MAX),
            full: false,
            password_protected: false,
            owner: None,
            info: None,
        }
    }
}

/// The owner of a room, seen from outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceOwner {
    /// Who.
    pub id: ParticipantId,
    /// For people.
    pub display_name: String,
    /// For applications.
    pub metadata: Option<Json>,
}

/// Somebody pinned for the whole room; with both false no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// Who.
    pub participant: ParticipantId,
    /// The camera?
    pub camera: bool,
    /// The screen?
    pub screen: bool,
    /// Who did it.
    pub by: ParticipantId,
}

/// A link with another room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkInfo {
    /// The other room.
    pub link: RoomId,
    /// Of whoever asked for it.
    pub payload: Option<Json>,
    /// What we may do there.
    pub rights: Rights,
    /// Who is there, as far as we know.
    pub participants: Vec<Person>,
    /// Nothing has been heard of it for a while.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
}

/// A text over a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkChatInfo {
    /// The other room.
    pub link: RoomId,
    /// Its id.
    pub message: String,
    /// The sender, in the sender's room.
    pub participant: ParticipantId,
    /// The sender's name when it was sent.
    pub display_name: String,
    /// The text.
    pub text: String,
    /// Milliseconds since 1970.
    pub timestamp_ms: u64,
}

/// A request to go to another room, at its addressee.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Switch {
    /// Where to.
    pub room: RoomId,
    /// What opens that room.
    pub token: Token,
    /// From whoever asks.
    pub payload: Option<Json>,
    /// Who asks.
    pub participant: ParticipantId,
    /// Of which linked room; `null`: of this one.
    pub link: Option<RoomId>,
}

/// Why a link is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkCloseReason {
    /// Somebody here closed it.
    ClosedLocal,
    /// Somebody over there closed it.
    ClosedRemote,
    /// Our room is over.
    LocalEnded,
    /// The other room is over.
    RemoteEnded,
    /// Nothing is heard of the other room.
    Unreachable,
    /// The other room's node is gone.
    NodeLost,
    /// The rules of one of the rooms changed.
    Policy,
    /// The link could not carry what was said.
    Limit,
}
