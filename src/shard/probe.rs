//! Shows what a path carries: sends faster than media for a moment.

use std::time::Instant;

use super::Shard;
use super::egress::ProbeSent;
use super::transports::Seat;
use crate::media::estimate::Probe;
use crate::media::{Forwarder, Sink, TransportSlot};
use crate::packet::Kind;

/// Octets of padding in one packet: as many as browsers send each other.
const PADDING: u8 = 224;
/// A packet of padding as UDP payload, nearly: with header, transport-wide number and tag.
const PACKET_BYTES: usize = 12 + 8 + PADDING as usize + 16;
/// No probe sends more at once, whatever was asked for.
const PROBE_BYTES_MAX: usize = 64 << 10;

impl Shard {
    /// Sends `probe.bytes` more of a probe: what waits on the path first, then padding, where a video seat has RTX to carry it.
    /// Whatever leaves the path from now on belongs to the probe, until [`super::egress::Egress::set_probe`] says otherwise. Answers
    /// what left for it since this was asked last, media included, which needs no padding then.
    pub(super) fn send_probe(&mut self, now: Instant, slot: TransportSlot, probe: Probe) -> ProbeSent {
        // Nothing of other paths may wait for this one's padding.
        self.flush();
        self.egress.set_probe(slot, Some(probe.cluster));
        let media = self.egress.take_probe_sent(slot);
        let bytes = probe.bytes.saturating_sub(media.bytes).min(PROBE_BYTES_MAX);
        let missing = bytes.saturating_sub(self.egress.waiting(slot));
        self.pad(now, slot, missing.div_ceil(PACKET_BYTES));
        self.egress.flush_at_once(now, slot, bytes, &self.ways, &self.counters);
        let sent = self.egress.take_probe_sent(slot);
        ProbeSent {
            packets: media.packets + sent.packets,
            bytes: media.bytes + sent.bytes,
        }
    }

    fn pad(&mut self, now: Instant, slot: TransportSlot, packets: usize) {
        let Some(entry) = self.transports.get_mut(slot.0 as usize) else {
            return;
        };
        let mut sink = self.egress.sink(now, &self.ways, &self.counters);
        let mut pad = |forwarder: &mut Forwarder| {
            let padding = std::iter::from_fn(|| forwarder.pad(PADDING)).take(packets);
            padding.map(|packet| sink.send(slot, &packet)).count() == packets
        };
        let video = entry.egresses.iter_mut().filter(|seat| seat.kind == Kind::Video);
        let (taken, empty): (Vec<_>, Vec<_>) = video.partition(|seat| matches!(seat.seat, Seat::Taken(_)));
        for seat in taken.into_iter().chain(empty) {
            let padded = match &mut seat.seat {
                Seat::Empty(forwarder) => pad(forwarder),
                Seat::Taken(source) => self
                    .sources
                    .get_mut(*source)
                    .and_then(|entry| entry.source.forwarder_mut(seat.key))
                    .is_some_and(&mut pad),
            };
            if padded {
                return;
            }
        }
    }
}
