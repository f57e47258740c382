//! Under which numbers codecs go out.

use arrayvec::ArrayVec;

use crate::packet::Codec;

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

    /// The payload type of any RTX: what is nothing but padding belongs to no codec.
    pub(super) fn first_rtx(&self) -> Option<u8> {
        self.0.iter().find_map(|(_, _, rtx)| *rtx)
    }

    /// What is sent for a packet of this codec. Of redundant audio (RFC 2198) that is the primary encoding; the redundancy
    /// goes along where it was agreed and is needed.
    pub(super) fn form(&self, codec: Codec) -> Option<Form> {
        let form = |codec, primary_only| {
            let (payload_type, rtx) = self.get(codec)?;
            Some(Form {
                payload_type,
                rtx,
                primary_only,
            })
        };
        match codec {
            Codec::Red => form(Codec::Opus, true).or_else(|| form(codec, false)),
            Codec::Opus | Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => form(codec, false),
        }
    }
}

/// How packets of a codec go out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) payload_type: u8,
    pub(super) rtx: Option<u8>,
    /// Of a RED payload, only the primary encoding.
    pub(super) primary_only: bool,
}
