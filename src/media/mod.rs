//! Decides about packets. Pure: no sockets, no clocks, no locks.
use crate::packet::Codec;
/// Names one source within its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey(pub u64);
/// Names one outgoing SSRC within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EgressKey(pub u64);
/// What the subscriber asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Highest encoding.
    pub max_encoding: u8,
    /// Highest spatial layer.
    pub max_spatial: u8,
    /// Highest temporal layer.
    pub max_temporal: u8,
    /// Nothing at all.
    pub paused: bool,
}
impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_encoding: u8::MAX,
            max_spatial: u8::MAX,
            max_temporal: u8::MAX,
            paused: false,
        }
    }
}
/// The payload types a subscriber's answer agreed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadTypes(Vec<(Codec, u8, Option<u8>)>);
impl PayloadTypes {
    /// Adds a codec.
    pub fn add(&mut self, codec: Codec, payload_type: u8, rtx: Option<u8>) {
        self.0.push((codec, payload_type, rtx));
    }
}
