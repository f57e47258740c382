//! From text to [`Envelope`], with an error that names the culprit.
//!
//! Written by hand rather than derived: a derived reader can say that something is wrong, but not in a stable code
//! with the name of the field, and it would let limits be checked only after everything is in memory.

use serde_json::Value;

use super::request::{
    ClientMessage, Envelope, JoinRequest, Priority, PublishLine, Quality, ResumeRequest, SourceKind, Token, WishRequest,
};
use crate::wire::{
    ErrorCode, Json, ParticipantId, PublicationId, RoomId,
    json::{Object, check_shape},
    limits::{
        ADDRESSEES_MAX, CHAT_BYTES_MAX, CLIENT_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, LINES_MAX, MESSAGE_BYTES_MAX,
        METADATA_BYTES_MAX, MID_BYTES_MAX, OFFER_BYTES_MAX, PICTURE_PIXELS_MAX, SDP_BYTES_MAX, TOKEN_BYTES_MAX,
        TOPIC_BYTES_MAX, TOPIC_PAYLOAD_BYTES_MAX, VERSIONS_MAX,
    },
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

    fn field(code: ErrorCode, field: &str, message: impl Into<String>) -> Self {
        Self {
            id: None,
            code,
            message: message.into(),
            field: Some(field.to_owned()),
        }
    }

    fn invalid(field: &str, message: impl Into<String>) -> Self {
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
            sdp: fields.text("sdp", SDP_BYTES_MAX)?,
            publish: fields.publish_lines()?,
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
        },
        "remove" => ClientMessage::Remove {
            participant: fields.participant("participant")?,
        },
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
        token: fields
            .optional("token", |f, name| f.text(name, usize::MAX))?
            .map(token)
            .transpose()?,
        room: fields.optional("room", Fields::room)?,
        participant: fields.optional("participant", Fields::participant)?,
        display_name: fields.display_name()?,
        metadata: fields.metadata()?,
        auto_subscribe: fields.optional("autoSubscribe", Fields::boolean)?.unwrap_or(true),
        client: fields.optional("client", |f, name| f.text(name, CLIENT_BYTES_MAX))?,
    })
}

fn token(text: String) -> Result<Token, SignalError> {
    if text.len() > TOKEN_BYTES_MAX {
        let sentence = format!("a token has at most {TOKEN_BYTES_MAX} bytes");
        return Err(SignalError::field(ErrorCode::TokenTooLarge, "token", sentence));
    }
    Ok(Token(text))
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

fn json(field: &str, value: &Value, bytes_max: usize) -> Result<Json, SignalError> {
    let json = Json::new(value);
    if json.as_str().len() > bytes_max {
        return Err(SignalError::invalid(field, format!("at most {bytes_max} bytes")));
    }
    Ok(json)
}

/// The fields of one object, taken out by name and type. `prefix` names the object inside the message.
struct Fields {
    object: Object,
    prefix: String,
}

impl Fields {
    fn new(object: Object) -> Result<Self, SignalError> {
        Ok(Self {
            object,
            prefix: String::new(),
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn invalid(&self, name: &str, message: impl Into<String>) -> SignalError {
        SignalError::invalid(&self.path(name), message)
    }

    fn check_twice(&self) -> Result<(), SignalError> {
        match &self.object.twice {
            Some(name) => {
                let shown: String = name.chars().take(64).collect();
                Err(self.invalid(&shown, "the field is there twice"))
            }
            None => Ok(()),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.object.fields.iter().position(|(known, _)| known == name)?;
        Some(self.object.fields.swap_remove(at).1)
    }

    fn required(&mut self, name: &str) -> Result<Value, SignalError> {
        let missing = SignalError::field(
            ErrorCode::MissingField,
            &self.path(name),
            format!("{} is missing", self.path(name)),
        );
        self.take(name).ok_or(missing)
    }

    /// `None` when the field is absent or `null`.
    fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<T, SignalError>,
    ) -> Result<Option<T>, SignalError> {
        match self.object.fields.iter().find(|(known, _)| known == name) {
            None | Some((_, Value::Null)) => Ok(None),
            Some(_) => read(self, name).map(Some),
        }
    }

    fn text(&mut self, name: &str, bytes_max: usize) -> Result<String, SignalError> {
        match self.required(name)? {
            Value::String(text) if text.len() <= bytes_max => Ok(text),
            Value::String(_) => Err(self.invalid(name, format!("at most {bytes_max} bytes"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.invalid(name, "a string is expected"))
            }
        }
    }

    /// A text of at least one character, none of them a control character.
    fn name(&mut self, name: &str, bytes_max: usize) -> Result<String, SignalError> {
        let text = self.text(name, bytes_max)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(self.invalid(name, "at least one character, and no control characters"));
        }
        Ok(text)
    }

    fn display_name(&mut self) -> Result<Option<String>, SignalError> {
        self.optional("displayName", |f, name| f.name(name, DISPLAY_NAME_BYTES_MAX))
    }

    fn boolean(&mut self, name: &str) -> Result<bool, SignalError> {
        self.required(name)?
            .as_bool()
            .ok_or_else(|| self.invalid(name, "true or false is expected"))
    }

    fn u64(&mut self, name: &str) -> Result<u64, SignalError> {
        self.required(name)?
            .as_u64()
            .ok_or_else(|| self.invalid(name, "a whole number from 0 is expected"))
    }

    fn u32(&mut self, name: &str, min: u32, max: u32) -> Result<u32, SignalError> {
        let number = self
            .required(name)?
            .as_u64()
            .and_then(|number| u32::try_from(number).ok());
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.invalid(name, format!("a whole number from {min} to {max} is expected")))
    }

    fn pixels(&mut self, name: &str) -> Result<Option<u32>, SignalError> {
        self.optional(name, |f, name| f.u32(name, 1, PICTURE_PIXELS_MAX))
    }

    fn publication(&mut self) -> Result<PublicationId, SignalError> {
        self.u32("publication", 0, u32::MAX).map(PublicationId)
    }

    fn room(&mut self, name: &str) -> Result<RoomId, SignalError> {
        let text = self.text(name, usize::MAX)?;
        RoomId::new(&text).map_err(|error| self.invalid(name, error.to_string()))
    }

    fn participant(&mut self, name: &str) -> Result<ParticipantId, SignalError> {
        let text = self.text(name, usize::MAX)?;
        ParticipantId::new(&text).map_err(|error| self.invalid(name, error.to_string()))
    }

    fn one_of<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>, choice: &str) -> Result<T, SignalError> {
        let text = self.text(name, 64)?;
        read(&text).ok_or_else(|| self.invalid(name, format!("{choice} is expected")))
    }

    /// Present `null` is the JSON value `null`, not an absent field.
    fn metadata(&mut self) -> Result<Option<Json>, SignalError> {
        let path = self.path("metadata");
        self.take("metadata")
            .map(|value| json(&path, &value, METADATA_BYTES_MAX))
            .transpose()
    }

    fn list(&mut self, name: &str, len_max: usize) -> Result<Vec<Value>, SignalError> {
        match self.required(name)? {
            Value::Array(items) if items.len() <= len_max => Ok(items),
            Value::Array(_) => Err(self.invalid(name, format!("at most {len_max} entries"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(self.invalid(name, "a list is expected"))
            }
        }
    }

    fn versions(&mut self) -> Result<Vec<u32>, SignalError> {
        let items = self.list("versions", VERSIONS_MAX)?;
        let version = |item: &Value| item.as_u64().and_then(|n| u32::try_from(n).ok());
        let versions: Option<Vec<u32>> = items.iter().map(version).collect();
        versions.ok_or_else(|| self.invalid("versions", "a list of whole numbers is expected"))
    }

    fn addressees(&mut self) -> Result<Option<Vec<ParticipantId>>, SignalError> {
        let read = |f: &mut Self, name: &str| {
            let items = f.list(name, ADDRESSEES_MAX)?;
            let id = |(at, item): (usize, &Value)| {
                let culprit = format!("{name}[{at}]");
                let text = item
                    .as_str()
                    .ok_or_else(|| f.invalid(&culprit, "a participant id is expected"))?;
                ParticipantId::new(text).map_err(|error| f.invalid(&culprit, error.to_string()))
            };
            items.iter().enumerate().map(id).collect()
        };
        self.optional("to", read)
    }

    fn publish_lines(&mut self) -> Result<Vec<PublishLine>, SignalError> {
        let read = |f: &mut Self, name: &str| {
            let items = f.list(name, LINES_MAX)?;
            let line = |(at, item): (usize, Value)| {
                let culprit = format!("{name}[{at}]");
                let Value::Object(map) = item else {
                    return Err(f.invalid(&culprit, "an object is expected"));
                };
                let object = Object {
                    fields: map.into_iter().collect(),
                    twice: None,
                };
                publish_line(&mut Fields {
                    object,
                    prefix: format!("{culprit}."),
                })
            };
            items.into_iter().enumerate().map(line).collect()
        };
        self.optional("publish", read).map(Option::unwrap_or_default)
    }
}
