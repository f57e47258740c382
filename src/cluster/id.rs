//! The name of a running server process.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Longest name.
const BYTES_MAX: usize = 64;

/// One running server process: a process that starts again is another node. A part of the subjects of the bus.
///
/// 1 to 64 of `a-z`, `0-9` and `-`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A text that is a name; `None`: it is none.
    pub fn new(text: &str) -> Option<Self> {
        let lawful = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (!text.is_empty() && text.len() <= BYTES_MAX && text.bytes().all(lawful)).then(|| Self(Arc::from(text)))
    }

    /// A name for a process that begins: what the operator calls it, and a part of its own.
    pub fn of_process(name: &str, random: u32) -> Self {
        let mut text: String = name
            .chars()
            .map(|character| character.to_ascii_lowercase())
            .map(|character| {
                if character.is_ascii_alphanumeric() {
                    character
                } else {
                    '-'
                }
            })
            .take(BYTES_MAX - 9)
            .collect();
        if text.is_empty() {
            text.push_str("node");
        }
        Self(Arc::from(format!("{text}-{random:08x}")))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).ok_or_else(|| de::Error::custom("not the name of a node"))
    }
}

/// A number that two names make together, the same everywhere and evenly spread (FNV-1a, and the end of MurmurHash3).
pub(super) fn blend(one: &str, other: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in one.bytes().chain([0xff]).chain(other.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_machine_is_called_its_node_has_a_lawful_name() {
        for name in ["", "eu-1", "Web Server.example.org", "größe", &"x".repeat(300)] {
            let id = NodeId::of_process(name, 0xfe);
            assert_eq!(NodeId::new(id.as_str()), Some(id.clone()), "{name}");
            assert!(id.as_str().ends_with("-000000fe"));
        }
        for bad in ["", "A", "a.b", "a*", ">", "a b", &"x".repeat(65)] {
            assert_eq!(NodeId::new(bad), None, "{bad}");
        }
    }
}
