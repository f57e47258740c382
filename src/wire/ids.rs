//! Names of rooms, participants, publications and seats, checked when they are made.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::limits::ID_BYTES_MAX;

/// Why a text is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("an id has at least one character")]
    Empty,
    /// More than [`ID_BYTES_MAX`] bytes.
    #[error("an id has at most {ID_BYTES_MAX} bytes")]
    TooLong,
    /// White space, a control character, an invisible formatting character, or the reserved `@`.
    #[error("an id has no character U+{:04X}", u32::from(*.0))]
    Character(char),
}

/// Zero-width and direction-changing characters: two ids that differ only in these look the same to a person.
const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong);
    }
    match text
        .chars()
        .find(|c| c.is_whitespace() || c.is_control() || is_invisible(*c) || *c == '@')
    {
        Some(character) => Err(IdError::Character(character)),
        None => Ok(()),
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 1 to 128 bytes of UTF-8 without white space, control or invisible characters; `@` is reserved for naming
        /// something of another room. Cheap to clone.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the text.
            ///
            /// # Errors
            /// [`IdError`] when it breaks a rule of ids.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(&text).map_err(de::Error::custom)
            }
        }
    };
}

text_id! {
    /// The reusable name of a room.
    RoomId
}

text_id! {
    /// The name of a participant, unique inside its room.
    ParticipantId
}

/// The number of a publication, unique inside a room session, never used twice in it. Starts at 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PublicationId(pub u32);

/// The rank of a seat in its owner's SDP, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SeatIndex(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accept_what_people_write_and_refuse_what_deceives() {
        for good in ["a", "r-1", "Zoë", "会议", "a/b?c", &"x".repeat(128)] {
            assert_eq!(RoomId::new(good).map(|id| id.as_str().to_owned()), Ok(good.to_owned()));
        }
        assert_eq!(RoomId::new(""), Err(IdError::Empty));
        assert_eq!(RoomId::new(&"x".repeat(129)), Err(IdError::TooLong));
        assert_eq!(RoomId::new(&"é".repeat(65)), Err(IdError::TooLong));
        for bad in [
            '@', ' ', '\n', '\0', '\u{7f}', '\u{85}', '\u{a0}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}',
        ] {
            assert_eq!(ParticipantId::new(&format!("a{bad}b")), Err(IdError::Character(bad)));
        }
    }

    #[test]
    fn serde_checks_too() {
        assert!(serde_json::from_str::<ParticipantId>("\"ann\"").is_ok());
        assert!(serde_json::from_str::<ParticipantId>("\"a@b\"").is_err());
        assert!(serde_json::from_str::<ParticipantId>("7").is_err());
        assert_eq!(
            serde_json::to_string(&ParticipantId::new("ann").unwrap()).unwrap(),
            "\"ann\""
        );
    }
}
