//! Packets from shard to shard: opened once where they arrive, then handed over by a bounded lock-free ring.
//!
//! One ring for each ordered pair of shards. A full ring drops (and counts) the packet for that shard only; its subscribers
//! ask for it again from the replica's publisher side like for any loss.

use std::sync::Arc;

use rtrb::{Consumer, Producer, RingBuffer};

use super::sources::Run;
use crate::media::SourceKey;
use crate::packet::Codec;
use crate::packet::rtp::RtpHeader;

/// Largest opened packet a ring slot takes: one Ethernet frame.
pub(super) const RELAYED_BYTES_MAX: usize = 1_500;
/// 1 024 packets are some 10 ms of a very busy room; memory is touched only as far as it is used.
const RING_PACKETS: usize = 1_024;

/// One opened packet on its way to another shard.
pub(super) struct Relayed {
    pub(super) source: SourceKey,
    pub(super) encoding: u8,
    pub(super) codec: Codec,
    /// Extended sequence number (roll-over counter and sequence number).
    pub(super) index: u64,
    /// The run of packets it belongs to.
    pub(super) run: Run,
    /// Of the original packet, RTX taken off: sequence number and payload type may differ from the bytes.
    pub(super) header: RtpHeader,
    pub(super) len: u16,
    pub(super) bytes: [u8; RELAYED_BYTES_MAX],
}

/// This shard's ends of the rings.
#[derive(Default)]
pub(super) struct RelayEnds {
    to: Vec<Option<Producer<Relayed>>>,
    from: Vec<Consumer<Relayed>>,
    wakers: Vec<Arc<mio::Waker>>,
    /// Shards that got something in this batch and have to be woken at its end.
    written: u64,
}

impl RelayEnds {
    /// Rings between all pairs of `wakers.len()` shards; the ends of shard `i` stand at place `i`.
    pub(super) fn mesh(wakers: &[Arc<mio::Waker>]) -> Vec<RelayEnds> {
        let shards = wakers.len();
        let mut ends: Vec<RelayEnds> = (0..shards)
            .map(|_| RelayEnds {
                to: (0..shards).map(|_| None).collect(),
                from: Vec::new(),
                wakers: wakers.to_vec(),
                written: 0,
            })
            .collect();
        for a in 0..shards {
            for b in (0..shards).filter(|b| *b != a) {
                let (producer, consumer) = RingBuffer::new(RING_PACKETS);
                ends[a].to[b] = Some(producer);
                ends[b].from.push(consumer);
            }
        }
        ends
    }

    /// Hands a packet to shard `to`; false when its ring is full.
    pub(super) fn push(&mut self, to: usize, packet: Relayed) -> bool {
        let Some(Some(ring)) = self.to.get_mut(to) else {
            return false;
        };
        let taken = ring.push(packet).is_ok();
        self.written |= u64::from(taken) << (to % 64);
        taken
    }

    /// Wakes the shards written to since the last call.
    pub(super) fn wake(&mut self) {
        let mut written = std::mem::take(&mut self.written);
        while written != 0 {
            let to = written.trailing_zeros() as usize;
            written &= written - 1;
            // A waker fails only when its poll is gone: that shard has stopped.
            let _ = self.wakers[to].wake();
        }
    }

    /// Takes what other shards left, up to one ring's worth of each.
    pub(super) fn drain(&mut self, mut each: impl FnMut(&mut Relayed)) {
        for ring in &mut self.from {
            for _ in 0..RING_PACKETS {
                let Ok(mut packet) = ring.pop() else { break };
                each(&mut packet);
            }
        }
    }
}

/// More shards than this are not started: [`RelayEnds`] remembers them in one word.
pub(super) const SHARDS_MAX: usize = 64;
