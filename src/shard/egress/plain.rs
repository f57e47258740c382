//! Packets that are not sealed yet.

use crate::media::{Outbound, Patch, Traffic};
use crate::packet::extension::ExtensionMap;

use super::burst::PADDING_MAX;
use super::header;

/// Bytes in front of a payload that are not shared with other receivers of it are rounded up to the cipher's blocks: sealing
/// goes on behind them without a seam.
const LEAD_BLOCK: usize = 16;

/// One packet for one subscriber. Its bytes are in a store, the arena of a batch or the backlog of a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// Where the header begins; the lead follows it.
    pub(super) head: u32,
    pub(super) header_len: u16,
    /// Bytes between header and body: what is different for this subscriber.
    pub(super) lead_len: u16,
    /// Where the rest of the payload is.
    pub(super) body: u32,
    pub(super) body_len: u16,
    pub(super) padding: u8,
    /// Where in the header the transport-wide number goes; 0 for nowhere.
    pub(super) number_at: u8,
    /// Bits 16 and up of the sequence number.
    pub(super) rollover: u32,
    pub(super) traffic: Traffic,
    /// Nothing more of its frame follows.
    pub(super) ends_frame: bool,
}

impl Plain {
    /// Its bytes before it is sealed.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.header_len)
            + usize::from(self.lead_len)
            + usize::from(self.body_len)
            + usize::from(self.padding)
    }

    /// Header and lead.
    #[inline]
    pub(super) fn head<'a>(&self, store: &'a [u8]) -> &'a [u8] {
        let head = self.head as usize;
        &store[head..head + usize::from(self.header_len) + usize::from(self.lead_len)]
    }

    /// The SSRC it goes out under.
    pub(super) fn ssrc(&self, store: &[u8]) -> Option<u32> {
        let bytes = self.head(store).get(8..12)?;
        bytes.try_into().ok().map(u32::from_be_bytes)
    }

    /// The rest of the payload.
    #[inline]
    pub(super) fn body<'a>(&self, store: &'a [u8]) -> &'a [u8] {
        let body = self.body as usize;
        &store[body..body + usize::from(self.body_len)]
    }
}

/// The bytes of one batch: each payload once, however many get it, and a header for each who does.
#[derive(Debug)]
pub(super) struct Arena {
    bytes: Box<[u8]>,
    len: usize,
}

impl Arena {
    pub(super) fn new(bytes: usize) -> Self {
        Arena {
            bytes: vec![0; bytes].into_boxed_slice(),
            len: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.len + bytes <= self.bytes.len()
    }

    /// Keeps a payload; there is room for it.
    #[inline]
    pub(super) fn keep(&mut self, payload: &[u8]) -> u32 {
        let at = self.len;
        self.len += payload.len();
        self.bytes[at..self.len].copy_from_slice(payload);
        at as u32
    }

    /// Writes header and lead of a packet whose payload is kept at `body`. There is room for a head of the largest kind.
    #[inline]
    pub(super) fn push(
        &mut self,
        packet: &Outbound<'_>,
        body: u32,
        extensions: &ExtensionMap,
        transport_cc: Option<u8>,
    ) -> Plain {
        let head = self.len;
        let (_, out) = self.bytes.split_at_mut(head);
        let written = header::write(out, packet, extensions, transport_cc);
        let lead = &mut out[written.len..];
        let own = packet.original.map_or(0, |original| {
            lead[..2].copy_from_slice(&original.to_be_bytes());
            2
        });
        let mut taken = 0;
        if own == 0 && packet.patch.is_empty() {
            // The whole payload is shared.
        } else if own == 0
            && let Some(first) = packet.payload.first_chunk()
        {
            taken = Patch::REACH_MAX;
            lead[..taken].copy_from_slice(&packet.patch.applied(*first));
        } else {
            taken = ((own + Patch::REACH_MAX).next_multiple_of(LEAD_BLOCK) - own).min(packet.payload.len());
            let copy = &mut lead[own..own + taken];
            copy.copy_from_slice(&packet.payload[..taken]);
            packet.patch.apply(copy);
        }
        self.len = head + written.len + own + taken;
        Plain {
            head: head as u32,
            header_len: written.len as u16,
            lead_len: (own + taken) as u16,
            body: body + taken as u32,
            body_len: (packet.payload.len() - taken) as u16,
            // A run may add some.
            padding: packet.padding.min(u8::MAX - PADDING_MAX as u8),
            number_at: written.number_at,
            rollover: (packet.sequence >> 16) as u32,
            traffic: packet.traffic,
            ends_frame: packet.ends_frame,
        }
    }
}

/// Room that [`Arena::push`] needs: the lead reaches at most a block behind an original's number and a patch.
pub(super) const HEAD_BYTES_MAX: usize = header::HEADER_BYTES_MAX + 2 + Patch::REACH_MAX + LEAD_BLOCK;
