//! What the server answers and tells.

use serde::{Deserialize, Serialize};

use super::{
    info::*,
    recording::RecordingInfo,
    request::{Mode, SourceKind},
    sdp::Sdp,
    settings::SettingsInfo,
};
use crate::packet::Codec;
use crate::wire::{ErrorCode, Json, ParticipantId, PublicationId, RoomId, link::Person};

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
        /// The SDP, compressed if the offer was.
        #[serde(flatten)]
        sdp: Sdp,
        /// The seats that were agreed.
        seats: Vec<AnswerSeat>,
        /// The publications on its lines that `publish` asked for.
        publications: Vec<AnswerPublication>,
    },
    /// Answer to `ping`; has no `seq`.
    Pong,
    /// You are in the lobby; `joined` or `error` follows. Has no `seq`.
    Waiting,
    /// Answer to `presence`.
    Presence(Presence),
    /// Answer to `rooms`.
    Rooms {
        /// Those with that listing.
        rooms: Vec<Presence>,
    },
    /// The room has a new owner or other settings.
    #[serde(rename = "room.updated")]
    RoomUpdated {
        /// Who owns it; `null`: nobody.
        owner: Option<ParticipantId>,
        /// What is in force.
        settings: Box<SettingsInfo>,
    },
    /// A moderator muted you, or asks you to switch on.
    #[serde(rename = "media.requested")]
    MediaRequested {
        /// Who asks.
        participant: ParticipantId,
        /// What.
        source: SourceKind,
        /// On, which is asked, or off, which is done.
        on: bool,
    },
    /// The room is recorded, or no longer, or will be.
    Recording(RecordingInfo),
    /// Somebody is pinned, or no longer.
    Pin(Pin),
    /// A shared value is otherwise now.
    #[serde(rename = "store.changed")]
    StoreChanged {
        /// Its name.
        key: String,
        /// `null`: taken out.
        value: Option<String>,
        /// Who did it.
        participant: ParticipantId,
    },
    /// Somebody waits to be let in.
    #[serde(rename = "entry.requested")]
    EntryRequested {
        /// The id they will have.
        participant: ParticipantId,
        /// For people.
        display_name: String,
        /// For applications.
        metadata: Option<Json>,
    },
    /// That is settled.
    #[serde(rename = "entry.responded")]
    EntryResponded {
        /// Who waited.
        participant: ParticipantId,
        /// Let in?
        allow: bool,
        /// Who said so; `null`: gave up or waited too long.
        by: Option<ParticipantId>,
    },
    /// Our room is linked with another.
    #[serde(rename = "link.opened")]
    LinkOpened(LinkInfo),
    /// Not any more, and nobody is to be seen there.
    #[serde(rename = "link.closed")]
    LinkClosed {
        /// The other room.
        link: RoomId,
        /// Why.
        reason: LinkCloseReason,
    },
    /// Who came and went over there.
    #[serde(rename = "link.roster")]
    LinkRoster {
        /// The other room.
        link: RoomId,
        /// Came, or has a new name.
        joined: Vec<Person>,
        /// Went.
        left: Vec<ParticipantId>,
    },
    /// Somebody over there says something to us all.
    #[serde(rename = "link.chat")]
    LinkChat(LinkChatInfo),
    /// Somebody here said something over there.
    #[serde(rename = "link.chat.sent")]
    LinkChatSent(LinkChatInfo),
    /// Chat of the other room was dropped.
    #[serde(rename = "link.gap")]
    LinkGap {
        /// The other room.
        link: RoomId,
        /// How many messages.
        lost: u32,
    },
    /// Nothing has been heard of the other room for a while, or it is back.
    #[serde(rename = "link.state")]
    LinkState {
        /// The other room.
        link: RoomId,
        /// Nothing has been heard.
        stale: bool,
    },
    /// Another room asks for a link.
    #[serde(rename = "link.requested")]
    LinkRequested {
        /// To be named in `link.respond`.
        request: u32,
        /// Which room.
        room: RoomId,
        /// Who over there.
        participant: ParticipantId,
        /// Their name.
        display_name: String,
        /// From there.
        payload: Option<Json>,
        /// After so many milliseconds it is refused.
        expires_ms: u64,
    },
    /// That is settled.
    #[serde(rename = "link.request.ended")]
    LinkRequestEnded {
        /// Which.
        request: u32,
        /// Is there a link now?
        accepted: bool,
        /// Who here said so; `null`: nobody.
        by: Option<ParticipantId>,
    },
    /// You are asked to go to another room.
    Switch(Switch),
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
        /// New mode; absent: as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
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
    /// Somebody cannot decode what you publish: a version in another codec is wanted, or no longer.
    #[serde(rename = "publication.backup")]
    PublicationBackup {
        /// Which, one's own.
        publication: PublicationId,
        /// What it is sent in, once known.
        codec: Option<Codec>,
        /// Is a backup wanted?
        wanted: bool,
        /// In one of these codecs, best first.
        codecs: Vec<Codec>,
        /// Who cannot decode it; some of them.
        #[serde(rename = "for")]
        needed_by: Vec<ParticipantId>,
    },
    /// What of one's own publication anybody receives.
    #[serde(rename = "publication.wanted")]
    PublicationWanted {
        /// One's own.
        publication: PublicationId,
        /// Each encoding, lowest first. What is not wanted need not be sent.
        encodings: Vec<bool>,
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
        /// The dominant one first.
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
        /// Why it is less than was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<SubscriptionReason>,
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
        /// Whoever did it, if somebody here did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ParticipantId>,
    },
}

/// A field that is there, `null` or not.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}
