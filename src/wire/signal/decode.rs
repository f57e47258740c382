//! From text to [`Envelope`], with an error that names the culprit.
//!
//! Written by hand rather than derived: a derived reader can say that something is wrong, but not in a stable code
//! with the name of the field, and it would let limits be checked only after everything is in memory.

use serde_json::Value;

use super::{
    fields::{Fields, json},
    request::{
        ClientMessage, Envelope, Intent, JoinRequest, Mode, PresenceRequest, Priority, PublishLine, Quality,
        ResumeRequest, RoomsRequest, SourceKind, SwitchRequest, Token, WishRequest,
    },
    sdp::Sdp,
    settings::{LinkPolicy, Settings},
};
use crate::packet::Codec;
use crate::wire::{
    ErrorCode, PublicationId,
    json::{Object, check_shape},
    limits::{
        BLOCK_MS_MAX, CHAT_BYTES_MAX, CLIENT_BYTES_MAX, CODECS_MAX, INFO_BYTES_MAX, LINES_MAX, LINK_WAIT_MS_MAX,
        LISTING_BYTES_MAX, MESSAGE_BYTES_MAX, MID_BYTES_MAX, OFFER_BYTES_MAX, PASSWORD_BYTES_MAX, SDP_BYTES_MAX,
        SEATS_MAX, STORE_KEY_BYTES_MAX, STORE_VALUE_BYTES_MAX, TOKEN_BYTES_MAX, TOPIC_BYTES_MAX,
        TOPIC_PAYLOAD_BYTES_MAX,
    },
    link::Rights,
};

/// Why a message was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct SignalError {
    /// The message's own number, if that could be read.
    pub id: Option<u32>,
    /// Stable.
    pub code: ErrorCode,
    /// A sentence for a person.
    pub message: String,
    /// The culprit.
    pub field: Option<String>,
}

impl SignalError {
    /// An error about a message as a whole.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            id: None,
            code,
            message: message.into(),
            field: None,
        }
    }

    pub(super) fn field(code: ErrorCode, field: &str, message: impl Into<String>) -> Self {
        Self {
            id: None,
            code,
            message: message.into(),
            field: Some(field.to_owned()),
        }
    }

    pub(super) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::field(ErrorCode::InvalidField, field, message)
    }
}

/// Reads one text frame.
///
/// # Errors
/// [`SignalError`] with one of `message-too-large`, `invalid-json`, `missing-field`, `invalid-field`, `unknown-type`.
pub fn decode(text: &str) -> Result<Envelope, SignalError> {
    if text.len() > OFFER_BYTES_MAX {
        return Err(SignalError::new(
            ErrorCode::MessageTooLarge,
            format!("a message has at most {OFFER_BYTES_MAX} bytes"),
        ));
    }
    check_shape(text).map_err(|error| SignalError::new(ErrorCode::InvalidJson, error.to_string()))?;
    let object: Object =
        serde_json::from_str(text).map_err(|error| SignalError::new(ErrorCode::InvalidJson, error.to_string()))?;
    let id = object
        .fields
        .iter()
        .find(|(name, _)| name == "id")
        .and_then(|(_, value)| value.as_u64());
    let id = id.and_then(|id| u32::try_from(id).ok());
    message(text.len(), Fields::new(object)?).map_err(|error| SignalError { id, ..error })
}

fn message(bytes: usize, mut fields: Fields) -> Result<Envelope, SignalError> {
    fields.check_twice()?;
    let id = fields.u32("id", 0, u32::MAX)?;
    let kind = fields.text("type", 64)?;
    if bytes > MESSAGE_BYTES_MAX && kind != "offer" {
        let sentence = format!("a message of this type has at most {MESSAGE_BYTES_MAX} bytes");
        return Err(SignalError::new(ErrorCode::MessageTooLarge, sentence));
    }
    if id == 0 && kind != "ping" {
        return Err(SignalError::invalid("id", "ids of requests start at 1"));
    }
    let message = match kind.as_str() {
        "join" => ClientMessage::Join(join(&mut fields)?),
        "resume" => ClientMessage::Resume(ResumeRequest {
            versions: fields.versions()?,
            key: Token(fields.text("key", 128)?),
            last_seq: fields.u64("lastSeq")?,
        }),
        "leave" => ClientMessage::Leave,
        "ping" => ClientMessage::Ping {
            last_seq: fields.optional("lastSeq", Fields::u64)?,
        },
        "offer" => ClientMessage::Offer {
            sdp: sdp(&mut fields)?,
            publish: publish_lines(&mut fields)?,
        },
        "publish" => ClientMessage::Publish(publish_line(&mut fields)?),
        "unpublish" => ClientMessage::Unpublish {
            publication: fields.publication()?,
        },
        "mute" => ClientMessage::Mute {
            publication: fields.publication()?,
            muted: fields.boolean("muted")?,
        },
        "subscribe" => ClientMessage::Subscribe(wish(&mut fields)?),
        "unsubscribe" => ClientMessage::Unsubscribe {
            publication: fields.publication()?,
        },
        "view" => ClientMessage::View {
            last_n: fields
                .nullable("lastN", |f, name| f.u32(name, 0, SEATS_MAX as u32))?
                .map(|n| n as u16),
        },
        "chat" => ClientMessage::Chat {
            text: fields.text("text", CHAT_BYTES_MAX)?,
            to: fields.addressees()?,
        },
        "topic.publish" => ClientMessage::TopicPublish {
            topic: fields.name("topic", TOPIC_BYTES_MAX)?,
            message: fields
                .required("message")
                .and_then(|value| json("message", &value, TOPIC_PAYLOAD_BYTES_MAX))?,
            to: fields.addressees()?,
            persist: fields.optional("persist", Fields::boolean)?.unwrap_or(false),
        },
        "topic.subscribe" => ClientMessage::TopicSubscribe {
            topic: fields.name("topic", TOPIC_BYTES_MAX)?,
        },
        "topic.unsubscribe" => ClientMessage::TopicUnsubscribe {
            topic: fields.name("topic", TOPIC_BYTES_MAX)?,
        },
        "update" => ClientMessage::Update {
            display_name: fields.display_name()?,
            metadata: fields.metadata()?,
            mode: mode(&mut fields)?,
        },
        "remove" => ClientMessage::Remove {
            participant: fields.participant("participant")?,
            block_ms: fields.optional("blockMs", |f, name| f.u32(name, 1, BLOCK_MS_MAX))?,
        },
        "media.request" => ClientMessage::MediaRequest {
            participant: fields.participant("participant")?,
            source: fields.one_of("source", askable, "microphone, camera or screen")?,
            on: fields.boolean("on")?,
        },
        "stats" => ClientMessage::Stats {
            participant: fields.optional("participant", Fields::participant)?,
        },
        "pin" => ClientMessage::Pin {
            participant: fields.participant("participant")?,
            camera: fields.optional("camera", Fields::boolean)?.unwrap_or(false),
            screen: fields.optional("screen", Fields::boolean)?.unwrap_or(false),
        },
        "store.set" => ClientMessage::StoreSet {
            key: fields.name("key", STORE_KEY_BYTES_MAX)?,
            value: fields.nullable("value", |f, name| f.text(name, STORE_VALUE_BYTES_MAX))?,
        },
        "store.get" => ClientMessage::StoreGet {
            key: fields.optional("key", |f, name| f.name(name, STORE_KEY_BYTES_MAX))?,
        },
        "ice.servers" => ClientMessage::IceServers,
        "room.update" => ClientMessage::RoomUpdate {
            settings: Box::new(fields.required("settings").and_then(|value| settings(&fields, value))?),
        },
        "recording.start" => ClientMessage::RecordingStart,
        "recording.stop" => ClientMessage::RecordingStop,
        "room.close" => ClientMessage::RoomClose,
        "entry.respond" => ClientMessage::EntryRespond {
            participant: fields.participant("participant")?,
            allow: fields.boolean("allow")?,
        },
        "presence" => ClientMessage::Presence(PresenceRequest {
            token: optional_token(&mut fields)?,
            room: fields.room("room")?,
        }),
        "rooms" => ClientMessage::Rooms(RoomsRequest {
            token: optional_token(&mut fields)?,
            listing: fields.name("listing", LISTING_BYTES_MAX)?,
        }),
        "link.open" => ClientMessage::LinkOpen {
            room: fields.room("room")?,
            payload: fields.payload()?,
            wait_ms: fields
                .optional("waitMs", |f, name| f.u32(name, 0, LINK_WAIT_MS_MAX))?
                .unwrap_or(0),
        },
        "link.close" => ClientMessage::LinkClose {
            link: fields.room("link")?,
        },
        "link.respond" => ClientMessage::LinkRespond {
            request: fields.u32("request", 0, u32::MAX)?,
            accept: fields.boolean("accept")?,
        },
        "link.chat" => ClientMessage::LinkChat {
            link: fields.room("link")?,
            text: fields.text("text", CHAT_BYTES_MAX)?,
            echo: fields.optional("echo", Fields::boolean)?.unwrap_or(false),
        },
        "link.end" => ClientMessage::LinkEnd {
            link: fields.room("link")?,
        },
        "switch" => ClientMessage::Switch(SwitchRequest {
            participant: fields.participant("participant")?,
            link: fields.optional("link", Fields::room)?,
            room: fields.room("room")?,
            token: token(fields.text("token", usize::MAX)?)?,
            payload: fields.payload()?,
        }),
        _ => {
            let sentence = format!("there is no message of type {kind:?}");
            return Err(SignalError::field(ErrorCode::UnknownType, "type", sentence));
        }
    };
    Ok(Envelope { id, message })
}

fn join(fields: &mut Fields) -> Result<JoinRequest, SignalError> {
    Ok(JoinRequest {
        versions: fields.versions()?,
        token: optional_token(fields)?,
        room: fields.optional("room", Fields::room)?,
        participant: fields.optional("participant", Fields::participant)?,
        display_name: fields.display_name()?,
        metadata: fields.metadata()?,
        auto_subscribe: fields.optional("autoSubscribe", Fields::boolean)?.unwrap_or(true),
        client: fields.optional("client", |f, name| f.text(name, CLIENT_BYTES_MAX))?,
        intent: fields
            .optional("intent", |f, name| f.one_of(name, intent, "any, open or join"))?
            .unwrap_or_default(),
        password: fields
            .optional("password", |f, name| f.text(name, PASSWORD_BYTES_MAX))?
            .map(Token),
        mode: mode(fields)?.unwrap_or_default(),
        settings: match fields.take("settings") {
            None | Some(Value::Null) => None,
            Some(value) => Some(Box::new(settings(fields, value)?)),
        },
    })
}

fn intent(text: &str) -> Option<Intent> {
    Some(match text {
        "any" => Intent::Any,
        "open" => Intent::Open,
        "join" => Intent::Join,
        _ => return None,
    })
}

fn mode(fields: &mut Fields) -> Result<Option<Mode>, SignalError> {
    let read = |text: &str| {
        Some(match text {
            "sendAndReceive" => Mode::SendAndReceive,
            "receiveOnly" => Mode::ReceiveOnly,
            "signallingOnly" => Mode::SignallingOnly,
            _ => return None,
        })
    };
    let choice = "sendAndReceive, receiveOnly or signallingOnly";
    fields.optional("mode", |f, name| f.one_of(name, read, choice))
}

fn askable(text: &str) -> Option<SourceKind> {
    SourceKind::from_wire(text).filter(|source| *source != SourceKind::ScreenAudio)
}

fn settings(fields: &Fields, value: Value) -> Result<Settings, SignalError> {
    let mut fields = fields.nested("settings", value)?;
    let rights = |f: &mut Fields, name: &str| {
        let words = f.list(name, Rights::WORDS.len())?;
        let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
        let rights = words.and_then(|words| Rights::from_words(words).ok());
        rights.ok_or_else(|| f.invalid(name, "a list of roster, chat, switch and end is expected"))
    };
    let policy = |f: &mut Fields, name: &str| f.one_of(name, LinkPolicy::from_word, "auto, ask or deny");
    Ok(Settings {
        password: fields.change("password", |f, name| {
            let text = f.text(name, PASSWORD_BYTES_MAX)?;
            if text.is_empty() {
                return Err(f.invalid(name, "a password has at least one character; null is none"));
            }
            Ok(Token(text))
        })?,
        max_participants: fields.change("maxParticipants", |f, name| f.u32(name, 1, u32::MAX))?,
        close_with_owner: fields.optional("closeWithOwner", Fields::boolean)?,
        keep_empty: fields.optional("keepEmpty", Fields::boolean)?,
        listing: fields.change("listing", |f, name| f.name(name, LISTING_BYTES_MAX))?,
        info: fields.json("info", INFO_BYTES_MAX)?,
        lobby: fields.optional("lobby", Fields::boolean)?,
        codecs: fields.change("codecs", codecs)?,
        last_n: fields.change("lastN", |f, name| f.u32(name, 0, SEATS_MAX as u32))?,
        link_policy: fields.optional("linkPolicy", policy)?,
        link_rights: fields.optional("linkRights", rights)?,
    })
}

fn codecs(fields: &mut Fields, name: &str) -> Result<Vec<Codec>, SignalError> {
    let words = fields.list(name, CODECS_MAX)?;
    let codecs: Option<Vec<Codec>> = words
        .iter()
        .map(|word| word.as_str().and_then(Codec::from_word))
        .collect();
    let codecs = codecs.filter(|codecs| !codecs.is_empty());
    let expected = "a list of vp8, vp9, h264, av1, opus and red is expected; null is the server's";
    codecs.ok_or_else(|| fields.invalid(name, expected))
}

fn optional_token(fields: &mut Fields) -> Result<Option<Token>, SignalError> {
    let text = fields.optional("token", |f, name| f.text(name, usize::MAX))?;
    text.map(token).transpose()
}

fn token(text: String) -> Result<Token, SignalError> {
    if text.len() > TOKEN_BYTES_MAX {
        let sentence = format!("a token has at most {TOKEN_BYTES_MAX} bytes");
        return Err(SignalError::field(ErrorCode::TokenTooLarge, "token", sentence));
    }
    Ok(Token(text))
}

/// As it is or compressed, but not both.
fn sdp(fields: &mut Fields) -> Result<Sdp, SignalError> {
    let Some(base64) = fields.optional("sdpDeflate", |f, name| f.text(name, MESSAGE_BYTES_MAX))? else {
        return Ok(Sdp::Plain(fields.text("sdp", SDP_BYTES_MAX)?));
    };
    if fields.optional("sdp", |f, name| f.text(name, SDP_BYTES_MAX))?.is_some() {
        return Err(fields.invalid("sdpDeflate", "either sdp or sdpDeflate"));
    }
    Ok(Sdp::Deflated(base64))
}

fn publish_lines(fields: &mut Fields) -> Result<Vec<PublishLine>, SignalError> {
    let read = |f: &mut Fields, name: &str| {
        let items = f.list(name, LINES_MAX)?;
        let line = |(at, item): (usize, Value)| publish_line(&mut f.nested(&format!("{name}[{at}]"), item)?);
        items.into_iter().enumerate().map(line).collect()
    };
    fields.optional("publish", read).map(Option::unwrap_or_default)
}

fn publish_line(fields: &mut Fields) -> Result<PublishLine, SignalError> {
    Ok(PublishLine {
        mid: fields.name("mid", MID_BYTES_MAX)?,
        source: fields.one_of(
            "source",
            SourceKind::from_wire,
            "microphone, camera, screen or screenAudio",
        )?,
        muted: fields.optional("muted", Fields::boolean)?.unwrap_or(false),
        width: fields.pixels("width")?,
        height: fields.pixels("height")?,
        metadata: fields.metadata()?,
        backup_of: fields
            .optional("backupOf", |f, name| f.u32(name, 0, u32::MAX))?
            .map(PublicationId),
        encrypted: fields.optional("encrypted", Fields::boolean)?.unwrap_or(false),
    })
}

fn wish(fields: &mut Fields) -> Result<WishRequest, SignalError> {
    let quality = |text: &str| match text {
        "low" => Some(Quality::Low),
        "medium" => Some(Quality::Medium),
        "high" => Some(Quality::High),
        _ => None,
    };
    let priority = |text: &str| match text {
        "normal" => Some(Priority::Normal),
        "pinned" => Some(Priority::Pinned),
        _ => None,
    };
    Ok(WishRequest {
        publication: fields.publication()?,
        quality: fields.optional("quality", |f, name| f.one_of(name, quality, "low, medium or high"))?,
        max_width: fields.pixels("maxWidth")?,
        max_height: fields.pixels("maxHeight")?,
        max_temporal: fields
            .optional("maxTemporal", |f, name| f.u32(name, 0, 7))?
            .map(|n| n as u8),
        paused: fields.optional("paused", Fields::boolean)?.unwrap_or(false),
        priority: fields
            .optional("priority", |f, name| f.one_of(name, priority, "normal or pinned"))?
            .unwrap_or_default(),
    })
}
