//! JSON that is carried but not understood: metadata and topic payloads; and the check of a text before it is parsed.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value, value::RawValue};

use super::limits::{JSON_DEPTH_MAX, JSON_VALUES_MAX};

/// A JSON value kept as its compact text: a parsed tree would cost up to sixteen times as much memory, and would be
/// written out again for each receiver. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Writes the value down.
    pub fn new(value: &Value) -> Self {
        let text = serde_json::value::to_raw_value(value).expect("a Value has only string keys, so it can be written");
        Self(Arc::from(text))
    }

    /// The compact text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Is it anything but `null`?
    pub fn is_something(&self) -> bool {
        self.as_str() != "null"
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(|value| Self::new(&value))
    }
}

/// Why a text is not parsed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// Arrays and objects inside each other.
    #[error("the message is nested deeper than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// Each value costs memory.
    #[error("the message has more than {JSON_VALUES_MAX} values")]
    TooManyValues,
}

/// Counts levels and values without building anything, so that a small text cannot become a large tree.
///
/// # Errors
/// [`ShapeError`] at the first excess. Texts that are no JSON pass; the parser refuses them.
pub fn check_shape(text: &str) -> Result<(), ShapeError> {
    let (mut depth, mut values, mut in_string, mut escaped) = (0_usize, 1_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > JSON_DEPTH_MAX {
            return Err(ShapeError::TooDeep);
        }
        if values > JSON_VALUES_MAX {
            return Err(ShapeError::TooManyValues);
        }
    }
    Ok(())
}

/// The fields of one object in the order they came, with the name of a field that came twice.
///
/// `serde_json` alone would let the last of two fields win, and two readers of one message could disagree.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) fields: Vec<(String, Value)>,
    pub(crate) twice: Option<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("one JSON object")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut object = Object::default();
                // No message has 32 fields; beyond that they are ignored like any unknown one.
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.fields.iter().any(|(known, _)| *known == name) {
                        object.twice.get_or_insert(name);
                    } else if object.fields.len() < 32 {
                        object.fields.push((name, value));
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_number_of_values_are_limited_before_parsing() {
        assert_eq!(check_shape(&"[".repeat(JSON_DEPTH_MAX)), Ok(()));
        assert_eq!(check_shape(&"[".repeat(10_000)), Err(ShapeError::TooDeep));
        assert_eq!(check_shape(&"{\"a\":".repeat(10_000)), Err(ShapeError::TooDeep));
        assert_eq!(
            check_shape(&format!("[{}0]", "0,".repeat(20_000))),
            Err(ShapeError::TooManyValues)
        );
        let brackets_in_text = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(100), ",".repeat(20_000));
        assert_eq!(check_shape(&brackets_in_text), Ok(()));
    }

    #[test]
    fn json_is_kept_as_text_and_written_verbatim() {
        let json: Json = serde_json::from_str(" { \"b\" : [1, 2.5, null] } ").unwrap();
        assert_eq!(json.as_str(), r#"{"b":[1,2.5,null]}"#);
        assert_eq!(serde_json::to_string(&json).unwrap(), json.as_str());
    }
}
