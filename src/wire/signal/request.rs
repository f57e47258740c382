//! What a client asks.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::sdp::Sdp;
use super::settings::Settings;
use crate::{
    packet::Kind,
    wire::{Json, ParticipantId, PublicationId, RoomId},
};

/// One message of a client with its number.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Envelope {
    /// Counts up over the session; 0 only in `ping`.
    pub id: u32,
    /// What is asked.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// A request. `docs/PROTOCOL.md` says what each does.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClientMessage {
    /// Enter a room.
    Join(JoinRequest),
    /// Take up a session again on a new socket.
    Resume(ResumeRequest),
    /// Leave for good.
    Leave,
    /// Is anybody there? And: what need not be kept for a resume.
    Ping {
        /// The last `seq` seen.
        #[serde(skip_serializing_if = "Option::is_none")]
        last_seq: Option<u64>,
    },
    /// A session description, and what to publish on its lines.
    Offer {
        /// The SDP.
        #[serde(flatten)]
        sdp: Sdp,
        /// Shorthand for `publish` requests.
        publish: Vec<PublishLine>,
    },
    /// Offer a source to the others.
    Publish(PublishLine),
    /// Take it back.
    Unpublish {
        /// One's own.
        publication: PublicationId,
    },
    /// Stop or resume forwarding of one's own publication.
    Mute {
        /// One's own.
        publication: PublicationId,
        /// Muted from now on?
        muted: bool,
    },
    /// Want a publication, with limits.
    Subscribe(WishRequest),
    /// Do not want it.
    Unsubscribe {
        /// Somebody else's.
        publication: PublicationId,
    },
    /// How many pictures to be sent.
    View {
        /// At most so many; `None`: as the room's settings say, or the server's configuration.
        last_n: Option<u16>,
    },
    /// A text to others.
    Chat {
        /// The text.
        text: String,
        /// Addressees; `None`: everybody else.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Vec<ParticipantId>>,
    },
    /// A message to those who subscribed to a topic.
    #[serde(rename = "topic.publish")]
    TopicPublish {
        /// Its name.
        topic: String,
        /// Any JSON.
        message: Json,
        /// Addressees among the subscribers; `None`: all.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Vec<ParticipantId>>,
        /// Keep it for later subscribers.
        persist: bool,
    },
    /// Receive a topic's messages.
    #[serde(rename = "topic.subscribe")]
    TopicSubscribe {
        /// Its name.
        topic: String,
    },
    /// Receive them no longer.
    #[serde(rename = "topic.unsubscribe")]
    TopicUnsubscribe {
        /// Its name.
        topic: String,
    },
    /// Change what others know of oneself.
    Update {
        /// New name; `None`: as it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
        /// New metadata (may be JSON `null`); `None`: as it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        metadata: Option<Json>,
        /// New mode; `None`: as it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<Mode>,
    },
    /// Put somebody out of the room.
    Remove {
        /// Whom.
        participant: ParticipantId,
        /// For how long this id is let in no more; `None`: it may come back at once.
        #[serde(default, rename = "blockMs", skip_serializing_if = "Option::is_none")]
        block_ms: Option<u32>,
    },
    /// Mute somebody, or ask somebody to switch a device on.
    #[serde(rename = "media.request")]
    MediaRequest {
        /// Whom.
        participant: ParticipantId,
        /// Which kind of source; not the sound of a screen, which goes with it.
        source: SourceKind,
        /// On, which is asked, or off, which is done.
        on: bool,
    },
    /// How is a connection doing, and why is what comes not more?
    Stats {
        /// Whose; `None`: one's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        participant: Option<ParticipantId>,
    },
    /// Pin somebody for the whole room.
    Pin {
        /// Whom.
        participant: ParticipantId,
        /// The camera?
        camera: bool,
        /// The screen?
        screen: bool,
    },
    /// Set or take out a shared value.
    #[serde(rename = "store.set")]
    StoreSet {
        /// Its name.
        key: String,
        /// `None`: taken out.
        value: Option<String>,
    },
    /// Read one shared value, or all.
    #[serde(rename = "store.get")]
    StoreGet {
        /// `None`: all.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Give me fresh credentials for the ICE servers.
    #[serde(rename = "ice.servers")]
    IceServers,
    /// Record the room.
    #[serde(rename = "recording.start")]
    RecordingStart,
    /// Record it no longer.
    #[serde(rename = "recording.stop")]
    RecordingStop,
    /// Change the room's settings.
    #[serde(rename = "room.update")]
    RoomUpdate {
        /// What is absent stays.
        settings: Box<Settings>,
    },
    /// Close the room for all.
    #[serde(rename = "room.close")]
    RoomClose,
    /// Let somebody in who waits, or send them away.
    #[serde(rename = "entry.respond")]
    EntryRespond {
        /// Whom.
        participant: ParticipantId,
        /// Let in?
        allow: bool,
    },
    /// Is anybody in a room?
    Presence(PresenceRequest),
    /// Which rooms are listed?
    Rooms(RoomsRequest),
    /// Link this room with another.
    #[serde(rename = "link.open")]
    LinkOpen {
        /// The other one.
        room: RoomId,
        /// Told to everybody in both.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Json>,
        /// How long to wait for a room that is not there, in milliseconds.
        wait_ms: u32,
    },
    /// Close a link.
    #[serde(rename = "link.close")]
    LinkClose {
        /// Of the other room.
        link: RoomId,
    },
    /// Answer a room that asks for a link.
    #[serde(rename = "link.respond")]
    LinkRespond {
        /// Of `link.requested`.
        request: u32,
        /// Link with it?
        accept: bool,
    },
    /// A text to everybody in a linked room.
    #[serde(rename = "link.chat")]
    LinkChat {
        /// The other room.
        link: RoomId,
        /// The text.
        text: String,
        /// Tell everybody else here too.
        echo: bool,
    },
    /// End a linked room.
    #[serde(rename = "link.end")]
    LinkEnd {
        /// The other room.
        link: RoomId,
    },
    /// Ask somebody to go to another room.
    Switch(SwitchRequest),
}

/// Fields of `presence`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PresenceRequest {
    /// Needed before the join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Which room.
    pub room: RoomId,
}

/// Fields of `rooms`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomsRequest {
    /// Needed before the join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Those with this `listing`.
    pub listing: String,
}

/// Fields of `switch`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchRequest {
    /// Who is asked.
    pub participant: ParticipantId,
    /// Of which linked room; `None`: of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<RoomId>,
    /// Where to.
    pub room: RoomId,
    /// What opens that room.
    pub token: Token,
    /// Told to the one who is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Json>,
}

/// May the room be there already?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intent {
    /// It does not matter.
    #[default]
    Any,
    /// It must not: whoever comes begins it.
    Open,
    /// It must.
    Join,
}

/// What a participant does with media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Everything it may.
    #[default]
    SendAndReceive,
    /// Publishes nothing.
    ReceiveOnly,
    /// Neither publishes nor receives.
    SignallingOnly,
}

/// Fields of `join`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JoinRequest {
    /// Versions the client speaks.
    pub versions: Vec<u32>,
    /// Proof of what it may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Optional if the token names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Optional: the token's wins, and without either the server makes one up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub participant: Option<ParticipantId>,
    /// For people to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// For applications to read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// Everything others publish is wanted until said otherwise.
    pub auto_subscribe: bool,
    /// Which software, for the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// May the room be there already?
    #[serde(skip_serializing_if = "is_default")]
    pub intent: Intent,
    /// Of the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Token>,
    /// What it will do with media.
    #[serde(skip_serializing_if = "is_default")]
    pub mode: Mode,
    /// Of the room, if this begins it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Box<Settings>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Fields of `resume`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResumeRequest {
    /// Versions the client speaks.
    pub versions: Vec<u32>,
    /// From `joined`.
    pub key: Token,
    /// The last `seq` seen.
    pub last_seq: u64,
}

/// A secret text of a client: a token, a resume key or a password. Not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} bytes)", self.0.len())
    }
}

/// What kind of source a publication is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceKind {
    /// Voice.
    Microphone,
    /// Face.
    Camera,
    /// A shared screen.
    Screen,
    /// Its sound.
    ScreenAudio,
}

impl SourceKind {
    /// Sound or picture.
    pub const fn kind(self) -> Kind {
        match self {
            SourceKind::Microphone | SourceKind::ScreenAudio => Kind::Audio,
            SourceKind::Camera | SourceKind::Screen => Kind::Video,
        }
    }

    /// Of a shared screen, rather than of a person.
    pub const fn is_screen(self) -> bool {
        matches!(self, SourceKind::Screen | SourceKind::ScreenAudio)
    }

    pub(super) fn from_wire(text: &str) -> Option<Self> {
        Some(match text {
            "microphone" => SourceKind::Microphone,
            "camera" => SourceKind::Camera,
            "screen" => SourceKind::Screen,
            "screenAudio" => SourceKind::ScreenAudio,
            _ => return None,
        })
    }
}

/// Fields of `publish`, and an entry of `publish` in `offer`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishLine {
    /// The m-line it is sent on.
    pub mid: String,
    /// What it is.
    pub source: SourceKind,
    /// Muted from the beginning?
    pub muted: bool,
    /// Pixels of the largest encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Pixels of the largest encoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// For applications to read; tells two publications of one source kind apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// It is a version, in another codec, of this publication of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_of: Option<PublicationId>,
    /// Its frames are encrypted end to end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
}

/// A cap by rank of encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quality {
    /// The lowest encoding.
    Low,
    /// The middle one.
    Medium,
    /// Any.
    High,
}

/// Who gets a seat first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    /// As usual.
    #[default]
    Normal,
    /// Before all others.
    Pinned,
}

/// Fields of `subscribe`: the whole wish, replacing the one before.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WishRequest {
    /// Somebody else's.
    pub publication: PublicationId,
    /// Cap by rank; `None`: no cap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// Pixels of the box it is shown in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_width: Option<u32>,
    /// Pixels of the box it is shown in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_height: Option<u32>,
    /// Highest temporal layer, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_temporal: Option<u8>,
    /// Keep the seat, send nothing.
    pub paused: bool,
    /// Who gets a seat first.
    pub priority: Priority,
}
