//! The fields of one object, taken out by name and type, with an error that names the culprit.

use serde_json::Value;

use super::decode::SignalError;
use crate::wire::{
    ErrorCode, Json, ParticipantId, PublicationId, RoomId,
    json::Object,
    limits::{
        ADDRESSEES_MAX, DISPLAY_NAME_BYTES_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, PICTURE_PIXELS_MAX, VERSIONS_MAX,
    },
};

pub(super) fn json(field: &str, value: &Value, bytes_max: usize) -> Result<Json, SignalError> {
    let json = Json::new(value);
    if json.as_str().len() > bytes_max {
        return Err(SignalError::invalid(field, format!("at most {bytes_max} bytes")));
    }
    Ok(json)
}

/// The fields of one object, taken out by name and type. `prefix` names the object inside the message.
pub(super) struct Fields {
    object: Object,
    prefix: String,
}

impl Fields {
    pub(super) fn new(object: Object) -> Result<Self, SignalError> {
        Ok(Self {
            object,
            prefix: String::new(),
        })
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn invalid(&self, name: &str, message: impl Into<String>) -> SignalError {
        SignalError::invalid(&self.path(name), message)
    }

    pub(super) fn check_twice(&self) -> Result<(), SignalError> {
        match &self.object.twice {
            Some(name) => {
                let shown: String = name.chars().take(64).collect();
                Err(self.invalid(&shown, "the field is there twice"))
            }
            None => Ok(()),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.object.fields.iter().position(|(known, _)| known == name)?;
        Some(self.object.fields.swap_remove(at).1)
    }

    pub(super) fn required(&mut self, name: &str) -> Result<Value, SignalError> {
        let missing = SignalError::field(
            ErrorCode::MissingField,
            &self.path(name),
            format!("{} is missing", self.path(name)),
        );
        self.take(name).ok_or(missing)
    }

    /// `None` when the field is absent or `null`.
    pub(super) fn optional<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<T, SignalError>,
    ) -> Result<Option<T>, SignalError> {
        match self.object.fields.iter().find(|(known, _)| known == name) {
            None | Some((_, Value::Null)) => Ok(None),
            Some(_) => read(self, name).map(Some),
        }
    }

    pub(super) fn text(&mut self, name: &str, bytes_max: usize) -> Result<String, SignalError> {
        match self.required(name)? {
            Value::String(text) if text.len() <= bytes_max => Ok(text),
            Value::String(_) => Err(self.invalid(name, format!("at most {bytes_max} bytes"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.invalid(name, "a string is expected"))
            }
        }
    }

    /// A text of at least one character, none of them a control character.
    pub(super) fn name(&mut self, name: &str, bytes_max: usize) -> Result<String, SignalError> {
        let text = self.text(name, bytes_max)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(self.invalid(name, "at least one character, and no control characters"));
        }
        Ok(text)
    }

    pub(super) fn display_name(&mut self) -> Result<Option<String>, SignalError> {
        self.optional("displayName", |f, name| f.name(name, DISPLAY_NAME_BYTES_MAX))
    }

    pub(super) fn boolean(&mut self, name: &str) -> Result<bool, SignalError> {
        self.required(name)?
            .as_bool()
            .ok_or_else(|| self.invalid(name, "true or false is expected"))
    }

    pub(super) fn u64(&mut self, name: &str) -> Result<u64, SignalError> {
        self.required(name)?
            .as_u64()
            .ok_or_else(|| self.invalid(name, "a whole number from 0 is expected"))
    }

    pub(super) fn u32(&mut self, name: &str, min: u32, max: u32) -> Result<u32, SignalError> {
        let number = self
            .required(name)?
            .as_u64()
            .and_then(|number| u32::try_from(number).ok());
        number
            .filter(|number| (min..=max).contains(number))
            .ok_or_else(|| self.invalid(name, format!("a whole number from {min} to {max} is expected")))
    }

    pub(super) fn pixels(&mut self, name: &str) -> Result<Option<u32>, SignalError> {
        self.optional(name, |f, name| f.u32(name, 1, PICTURE_PIXELS_MAX))
    }

    pub(super) fn publication(&mut self) -> Result<PublicationId, SignalError> {
        self.u32("publication", 0, u32::MAX).map(PublicationId)
    }

    pub(super) fn room(&mut self, name: &str) -> Result<RoomId, SignalError> {
        let text = self.text(name, usize::MAX)?;
        RoomId::new(&text).map_err(|error| self.invalid(name, error.to_string()))
    }

    pub(super) fn participant(&mut self, name: &str) -> Result<ParticipantId, SignalError> {
        let text = self.text(name, usize::MAX)?;
        ParticipantId::new(&text).map_err(|error| self.invalid(name, error.to_string()))
    }

    pub(super) fn one_of<T>(
        &mut self,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        choice: &str,
    ) -> Result<T, SignalError> {
        let text = self.text(name, 64)?;
        read(&text).ok_or_else(|| self.invalid(name, format!("{choice} is expected")))
    }

    /// Present `null` is the JSON value `null`, not an absent field.
    pub(super) fn json(&mut self, name: &str, bytes_max: usize) -> Result<Option<Json>, SignalError> {
        let path = self.path(name);
        self.take(name).map(|value| json(&path, &value, bytes_max)).transpose()
    }

    pub(super) fn metadata(&mut self) -> Result<Option<Json>, SignalError> {
        self.json("metadata", METADATA_BYTES_MAX)
    }

    pub(super) fn payload(&mut self) -> Result<Option<Json>, SignalError> {
        let payload = self.json("payload", PAYLOAD_BYTES_MAX)?;
        Ok(payload.filter(Json::is_something))
    }

    /// A field that has to be there and may be `null`.
    pub(super) fn nullable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<T, SignalError>,
    ) -> Result<Option<T>, SignalError> {
        let change = self.change(name, read)?;
        change.ok_or_else(|| {
            let sentence = format!("{} is missing", self.path(name));
            SignalError::field(ErrorCode::MissingField, &self.path(name), sentence)
        })
    }

    /// A field whose absence means that nothing changes, and `null` none.
    pub(super) fn change<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Result<T, SignalError>,
    ) -> Result<Option<Option<T>>, SignalError> {
        match self.object.fields.iter().find(|(known, _)| known == name) {
            None => Ok(None),
            Some((_, Value::Null)) => Ok(Some(None)),
            Some(_) => read(self, name).map(|value| Some(Some(value))),
        }
    }

    /// The fields of an object inside this one.
    pub(super) fn nested(&self, name: &str, value: Value) -> Result<Fields, SignalError> {
        let Value::Object(map) = value else {
            return Err(self.invalid(name, "an object is expected"));
        };
        let object = Object {
            fields: map.into_iter().collect(),
            twice: None,
        };
        Ok(Fields {
            object,
            prefix: format!("{}.", self.path(name)),
        })
    }

    pub(super) fn list(&mut self, name: &str, len_max: usize) -> Result<Vec<Value>, SignalError> {
        match self.required(name)? {
            Value::Array(items) if items.len() <= len_max => Ok(items),
            Value::Array(_) => Err(self.invalid(name, format!("at most {len_max} entries"))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(self.invalid(name, "a list is expected"))
            }
        }
    }

    pub(super) fn versions(&mut self) -> Result<Vec<u32>, SignalError> {
        let items = self.list("versions", VERSIONS_MAX)?;
        let version = |item: &Value| item.as_u64().and_then(|n| u32::try_from(n).ok());
        let versions: Option<Vec<u32>> = items.iter().map(version).collect();
        versions.ok_or_else(|| self.invalid("versions", "a list of whole numbers is expected"))
    }

    pub(super) fn addressees(&mut self) -> Result<Option<Vec<ParticipantId>>, SignalError> {
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
}
