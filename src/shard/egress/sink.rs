//! Where the hot loop's packets go.

use std::time::Instant;

use super::plain::HEAD_BYTES_MAX;
use super::{DATAGRAM_BYTES_MAX, Egress, Wire};
use crate::media::{DropReason, Outbound, Sink, TransportSlot};
use crate::shard::counters::{DoorReason, ShardCounters};

/// Puts packets on their paths. Nothing leaves before [`Egress::flush`], unless there is no room for more: then everything does.
pub struct EgressSink<'a, 'p, W> {
    egress: &'a mut Egress,
    now: Instant,
    wire: &'a W,
    counters: &'a ShardCounters,
    /// The payload that was kept last, and where: the next packet has the same, mostly.
    kept: Option<(&'p [u8], u32)>,
}

impl<'a, 'p, W: Wire> EgressSink<'a, 'p, W> {
    pub(super) fn new(egress: &'a mut Egress, now: Instant, wire: &'a W, counters: &'a ShardCounters) -> Self {
        EgressSink {
            egress,
            now,
            wire,
            counters,
            kept: None,
        }
    }
}

impl<'p, W: Wire> Sink<'p> for EgressSink<'_, 'p, W> {
    #[inline]
    fn send(&mut self, slot: TransportSlot, packet: &Outbound<'p>) {
        let egress = &mut *self.egress;
        let path = &mut egress.paths[slot.0 as usize];
        if !path.way.is_open() {
            self.counters.turn_away(DoorReason::NotConnected);
            return;
        }
        if !egress.arena.has_room(packet.payload.len() + HEAD_BYTES_MAX) {
            egress.make_room(self.now, self.wire, self.counters);
            self.kept = None;
            // A fragmented datagram may carry more than a batch holds: what cannot leave must not reach the arena.
            if !egress.arena.has_room(packet.payload.len() + HEAD_BYTES_MAX) {
                self.counters.turn_away(DoorReason::TooLarge);
                return;
            }
        }
        let path = &mut egress.paths[slot.0 as usize];
        let body = match self.kept {
            Some((kept, at)) if std::ptr::eq(kept, packet.payload) => at,
            Some(_) | None => {
                let at = egress.arena.keep(packet.payload);
                self.kept = Some((packet.payload, at));
                at
            }
        };
        let plain = egress.arena.push(packet, body, &path.extensions, path.transport_cc);
        if plain.len() + crate::transport::srtp::Profile::MAX_RTP_OVERHEAD > DATAGRAM_BYTES_MAX {
            self.counters.turn_away(DoorReason::TooLarge);
            return;
        }
        if path.batch.is_empty() {
            if path.batch.capacity() == 0 {
                path.batch = egress.spare.batches.pop().unwrap_or_default();
            }
            egress.dirty.push(slot);
        }
        path.batch.push(plain);
    }

    #[inline]
    fn dropped(&mut self, reason: DropReason) {
        self.counters.drop_packet(reason);
    }
}
