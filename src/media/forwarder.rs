//! One subscriber's half of one source: selects, rewrites, remembers what it sent.

use arrayvec::ArrayVec;

use crate::packet::{Codec, Kind};

use super::{EgressKey, TransportSlot};

/// The payload types a subscriber's answer agreed: RTP and, where there is one, RTX.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadTypes(ArrayVec<(Codec, u8, Option<u8>), 8>);

impl PayloadTypes {
    /// Adds a codec. The first entry of a codec stays; a ninth entry is ignored.
    pub fn add(&mut self, codec: Codec, payload_type: u8, rtx: Option<u8>) {
        if self.get(codec).is_none() {
            let _full = self.0.try_push((codec, payload_type, rtx));
        }
    }

    /// Payload type and RTX payload type.
    pub fn get(&self, codec: Codec) -> Option<(u8, Option<u8>)> {
        self.0
            .iter()
            .find(|entry| entry.0 == codec)
            .map(|entry| (entry.1, entry.2))
    }
}

/// What a forwarder is for. Agreed in the SDP once, kept while sources come and go on the seat.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Its name.
    pub key: EgressKey,
    /// Where its packets go.
    pub transport: TransportSlot,
    /// Audio or video.
    pub kind: Kind,
    /// The seat's SSRC.
    pub ssrc: u32,
    /// The seat's RTX SSRC, when RTX was agreed.
    pub rtx_ssrc: Option<u32>,
    /// By codec.
    pub payload_types: PayloadTypes,
    /// First sequence number, for RTP and RTX. Random, below 2^15 so that the receiver cannot miss a
    /// rollover before its first packet (RFC 3711 section 3.3.1).
    pub first_sequence: u16,
    /// First timestamp. Random.
    pub first_timestamp: u32,
}

/// One outgoing SSRC at work. Survives its sources: numbers and clock run on from one to the next.
#[derive(Debug)]
pub struct Forwarder {
    key: EgressKey,
}

impl Forwarder {
    /// At rest, until it is attached to a source.
    pub fn new(config: EgressConfig) -> Self {
        Forwarder { key: config.key }
    }

    /// Its name.
    pub fn key(&self) -> EgressKey {
        self.key
    }
}
