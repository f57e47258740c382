//! Outgoing media: one path per transport, packets sealed when they leave, nearly equal ones together.
//!
//! Within one receive batch everything for one destination gathers on its path, in the clear: payloads once for all who get
//! them, headers for each. [`Egress::flush`] seals what leaves, run by run, into one buffer, and sends each run as one segmented
//! datagram.

mod burst;
mod header;
mod pacer;
mod path;
mod plain;
mod queue;
mod send;
mod sink;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Instant;

use super::counters::{DoorReason, ShardCounters};
use super::socket::Arrival;
use crate::media::TransportSlot;
use crate::media::estimate::{Departure, ProbeCluster, SentLog};
use crate::packet::extension::{ExtensionKind, ExtensionMap};
use crate::transport::srtp::Sealer;
use path::{Path, Spare};
use plain::Arena;
use send::Out;
pub use send::ProbeSent;
pub use sink::EgressSink;

/// What one batch may hold before it is sent: a keyframe for hundreds. Memory is touched only as far as it is used.
const ARENA_BYTES: usize = 1 << 20;
/// No datagram leaves larger than this (an Ethernet frame less IPv6 and UDP headers, plus some for jumbo paths is not assumed).
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Where bursts leave. The socket in a shard; nothing at all in a benchmark of everything before it.
pub trait Wire {
    /// How many segments one send may hold now; 1 where the kernel does not segment.
    fn segments_max(&self) -> usize;
    /// Sends `contents`, cut into datagrams of `segment` bytes (the last may be shorter) when it is given.
    fn send(&self, to: Arrival, contents: &[u8], segment: Option<usize>) -> io::Result<()>;
}

/// All paths of a shard and the buffers they share.
pub struct Egress {
    paths: Vec<Path>,
    /// Slots with something to send, in the order they got it.
    dirty: Vec<TransportSlot>,
    /// When the first of them is looked at again, if frames are held there.
    hold_until: Option<Instant>,
    /// Slots where something waits for the pacer, and when the first of them is looked at.
    waiting: Vec<TransportSlot>,
    release_at: Option<Instant>,
    arena: Arena,
    spare: Spare,
    /// Where a run is sealed.
    burst: Box<[u8]>,
    segmentation: bool,
    /// When something was sent first: departures count from it.
    epoch: Option<Instant>,
}

impl Egress {
    /// Without any path yet. `segmentation` off sends every packet by itself.
    pub fn new(segmentation: bool) -> Self {
        Self {
            paths: Vec::new(),
            dirty: Vec::new(),
            hold_until: None,
            waiting: Vec::new(),
            release_at: None,
            arena: Arena::new(ARENA_BYTES),
            spare: Spare::default(),
            burst: vec![0; burst::BURST_BYTES_MAX + DATAGRAM_BYTES_MAX].into_boxed_slice(),
            segmentation,
            epoch: None,
        }
    }

    /// Makes the slot an empty path.
    pub fn reset(&mut self, slot: TransportSlot, counters: &ShardCounters) {
        let index = slot.0 as usize;
        if index >= self.paths.len() {
            self.paths.resize_with(index + 1, Path::default);
        }
        let gone = std::mem::take(&mut self.paths[index]).clear();
        counters.turn_away_many(DoorReason::NotConnected, gone as u64);
        self.dirty.retain(|dirty| *dirty != slot);
        self.waiting.retain(|waiting| *waiting != slot);
    }

    /// Where media goes from now on; `None`: nowhere.
    pub fn set_address(&mut self, slot: TransportSlot, to: Option<Arrival>) {
        self.paths[slot.0 as usize].way.to = to;
    }

    /// With which keys. What has not left yet belongs to the old ones, and is forgotten with them: its numbers may come again.
    pub fn set_sealer(&mut self, slot: TransportSlot, sealer: Option<Sealer>, counters: &ShardCounters) {
        let path = &mut self.paths[slot.0 as usize];
        let gone = path.clear();
        path.way.sealer = sealer;
        counters.turn_away_many(DoorReason::NotConnected, gone as u64);
    }

    /// At which rate packets leave, in bits per second, when there are more than a short burst; `None`, as at first: all at
    /// once. Video and what is sent again waits then, audio and RTCP never.
    pub fn set_pacing(&mut self, now: Instant, slot: TransportSlot, bps: Option<u64>) {
        self.paths[slot.0 as usize].set_pacing(now, bps);
        if self.paths[slot.0 as usize].release_at().is_some() {
            self.release_at = Some(now);
        }
    }

    /// What waits of these SSRCs does not leave: nobody could use it any more. The numbers it had stay unused.
    pub fn forget(&mut self, slot: TransportSlot, ssrcs: &[u32], counters: &ShardCounters) {
        let gone = self.paths[slot.0 as usize].forget(ssrcs, self.arena.bytes());
        counters.turn_away_many(DoorReason::Abandoned, gone as u64);
    }

    /// Bytes that wait for the pacer. When there are many, less should be sent.
    pub fn waiting(&self, slot: TransportSlot) -> usize {
        self.paths[slot.0 as usize].waiting()
    }

    /// What left under which transport-wide number.
    pub fn sent_log(&mut self, slot: TransportSlot) -> &mut SentLog {
        &mut self.paths[slot.0 as usize].way.sent
    }

    /// Under which ids header extensions go out.
    pub fn set_extensions(&mut self, slot: TransportSlot, extensions: ExtensionMap) {
        let path = &mut self.paths[slot.0 as usize];
        path.transport_cc = extensions.id(ExtensionKind::TransportCc);
        path.extensions = extensions;
    }

    /// The address media goes to, once ICE has one.
    pub fn address(&self, slot: TransportSlot) -> Option<Arrival> {
        self.paths[slot.0 as usize].way.to
    }

    /// True when media could be sent now.
    pub fn is_open(&self, slot: TransportSlot) -> bool {
        self.paths[slot.0 as usize].way.is_open()
    }

    /// Seals an RTCP compound and sends it at once.
    pub fn send_rtcp(
        &mut self,
        slot: TransportSlot,
        compound: &mut Vec<u8>,
        wire: &impl Wire,
        counters: &ShardCounters,
    ) {
        let way = &mut self.paths[slot.0 as usize].way;
        let (Some(to), Some(sealer)) = (way.to, way.sealer.as_mut()) else {
            return;
        };
        if sealer.seal_rtcp(compound).is_ok() {
            send::send(wire, to, compound, None, counters);
        }
    }

    /// Borrowed for the time of one hot loop. `now` is when what has to leave early leaves.
    pub fn sink<'a, 'p, W: Wire>(
        &'a mut self,
        now: Instant,
        wire: &'a W,
        counters: &'a ShardCounters,
    ) -> EgressSink<'a, 'p, W> {
        EgressSink::new(self, now, wire, counters)
    }

    /// When [`Self::flush`] has something to do although nothing new has come.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.hold_until, self.release_at].into_iter().flatten().min()
    }

    /// Sends what was gathered, but for frames whose end is about to come, and what has waited long enough.
    pub fn flush(&mut self, now: Instant, wire: &impl Wire, counters: &ShardCounters) {
        self.send(now, true, wire, counters);
    }

    /// Sends everything gathered, so that the arena is empty.
    fn make_room(&mut self, now: Instant, wire: &impl Wire, counters: &ShardCounters) {
        self.send(now, false, wire, counters);
    }

    fn send(&mut self, now: Instant, hold: bool, wire: &impl Wire, counters: &ShardCounters) {
        let Self {
            paths,
            dirty,
            waiting,
            arena,
            spare,
            burst,
            ..
        } = self;
        let segments_max = if self.segmentation { wire.segments_max() } else { 1 };
        let mut out = Out {
            at: Departure::new(*self.epoch.get_or_insert(now), now),
            burst,
            segments_max,
            wire,
            counters,
        };
        // Where every packet leaves by itself, holding it wins nothing.
        let hold = hold && segments_max > 1;
        self.hold_until = None;
        dirty.retain(|slot| {
            let path = &mut paths[slot.0 as usize];
            if hold && let Some(until) = path.holds(now) {
                self.hold_until = Some(self.hold_until.map_or(until, |first| first.min(until)));
                return true;
            }
            path.depart(now, arena.bytes(), spare, &mut out);
            if path.release_at().is_some() && !path.listed {
                path.listed = true;
                waiting.push(*slot);
            }
            false
        });
        if dirty.is_empty() {
            arena.clear();
        }
        self.release_at = None;
        for at in (0..waiting.len()).rev() {
            let path = &mut paths[waiting[at].0 as usize];
            if path.release_at().is_some_and(|due| due <= now) {
                path.depart(now, arena.bytes(), spare, &mut out);
            }
            match (path.release_at(), self.release_at) {
                (None, _) => {
                    path.listed = false;
                    waiting.swap_remove(at);
                }
                (Some(next), Some(first)) if first <= next => {}
                (next, _) => self.release_at = next,
            }
        }
    }

    /// From now on all that leaves there belongs to this probe; `None`: to none.
    pub fn set_probe(&mut self, slot: TransportSlot, cluster: Option<ProbeCluster>) {
        let way = &mut self.paths[slot.0 as usize].way;
        if way.probe != cluster {
            way.probe = cluster;
            way.probe_sent = ProbeSent::default();
        }
    }

    /// What left for the probe since this was asked last.
    pub fn take_probe_sent(&mut self, slot: TransportSlot) -> ProbeSent {
        std::mem::take(&mut self.paths[slot.0 as usize].way.probe_sent)
    }

    /// Sends what was gathered for one path, and as many bytes of what waits there, whatever the pacer says.
    pub fn flush_at_once(
        &mut self,
        now: Instant,
        slot: TransportSlot,
        bytes: usize,
        wire: &impl Wire,
        counters: &ShardCounters,
    ) {
        let mut out = Out {
            at: Departure::new(*self.epoch.get_or_insert(now), now),
            burst: &mut self.burst,
            segments_max: if self.segmentation { wire.segments_max() } else { 1 },
            wire,
            counters,
        };
        let path = &mut self.paths[slot.0 as usize];
        path.allow(bytes);
        path.depart(now, self.arena.bytes(), &mut self.spare, &mut out);
        path.allow(0);
    }
}
