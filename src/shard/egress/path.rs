//! The way to one transport's device: what goes out on it, when, and under which numbers.

use std::time::{Duration, Instant};

use super::pacer::Pacer;
use super::plain::Plain;
use super::queue::{Queue, WAITING};
use super::send::{Out, Way};
use crate::media::Traffic;
use crate::packet::extension::ExtensionMap;
use crate::shard::counters::DoorReason;

/// The packets of a frame are held until its last one is there, so that they leave together: no receiver can show the frame
/// sooner. But no longer than this, which is what a slow uplink takes for a frame; a last packet may also be lost.
const HOLD: Duration = Duration::from_millis(4);
/// While packets wait, they leave in steps of this: few wakes, and bursts short enough for any path.
const STEP: Duration = Duration::from_millis(5);
/// No more waits than leaves in this time at the pacing rate, the allocator's mistakes included.
const QUEUE_TIME_MAX: Duration = Duration::from_millis(500);
/// But there is always room for a large keyframe: half of one is of no use, and the next one is as large.
const QUEUE_BYTES_MIN: usize = 128 << 10;
/// And never more than this.
const QUEUE_BYTES_MAX: usize = 512 << 10;

/// One transport's outgoing media.
#[derive(Default)]
pub(super) struct Path {
    pub(super) way: Way,
    pub(super) extensions: ExtensionMap,
    pub(super) transport_cc: Option<u8>,
    /// What comes in with this batch, in order.
    pub(super) batch: Vec<Plain>,
    pacer: Option<Pacer>,
    queue: Option<Box<Queue>>,
    /// The queue is looked at again then; `None` when nothing waits.
    release_at: Option<Instant>,
    /// The batch leaves then, whole or not; `None` while nothing is held.
    held_until: Option<Instant>,
    /// It stands in the list of those that wait.
    pub(super) listed: bool,
    /// Bytes that leave at once, whatever the pacer says: a probe is running.
    allowance: usize,
}

/// Lists and queues that no path uses now.
#[derive(Default)]
pub(super) struct Spare {
    pub(super) batches: Vec<Vec<Plain>>,
    #[expect(
        clippy::vec_box,
        reason = "they come from paths and go to paths, which hold them boxed"
    )]
    queues: Vec<Box<Queue>>,
    leaving: Vec<Plain>,
}

/// More queues than this are not kept for later.
const SPARE_QUEUES_MAX: usize = 64;

impl Spare {
    fn take_batch(&mut self, batch: &mut Vec<Plain>) {
        let mut batch = std::mem::take(batch);
        if batch.capacity() > 0 {
            batch.clear();
            self.batches.push(batch);
        }
    }
}

impl Path {
    /// Until when the batch is held, if it ends within a frame.
    #[inline]
    pub(super) fn holds(&mut self, now: Instant) -> Option<Instant> {
        let sound = || self.batch.iter().any(|packet| packet.traffic == Traffic::Audio);
        if self.queue.is_some() || self.batch.last().is_none_or(|last| last.ends_frame) || sound() {
            return None;
        }
        let until = *self.held_until.get_or_insert(now + HOLD);
        (now < until).then_some(until)
    }

    /// When something that waits may leave.
    pub(super) fn release_at(&self) -> Option<Instant> {
        self.release_at
    }

    /// Bytes that wait, those of the batch included.
    pub(super) fn waiting(&self) -> usize {
        let batch: usize = self.batch.iter().map(Plain::len).sum();
        batch + self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// The rate at which packets leave; `None` at once.
    pub(super) fn set_pacing(&mut self, now: Instant, bps: Option<u64>) {
        match (bps, &mut self.pacer) {
            (Some(bps), Some(pacer)) => pacer.set_rate(now, bps),
            (Some(bps), none) => *none = Some(Pacer::new(now, bps)),
            (None, pacer) => *pacer = None,
        }
        if self.release_at.is_some() {
            self.release_at = Some(now);
        }
    }

    /// Forgets what has not left of these SSRCs, and says how many packets that was. The batch is in `store`.
    pub(super) fn forget(&mut self, ssrcs: &[u32], store: &[u8]) -> usize {
        let before = self.batch.len();
        let of_these = |packet: &Plain| packet.ssrc(store).is_some_and(|ssrc| ssrcs.contains(&ssrc));
        self.batch.retain(|packet| !of_these(packet));
        let queued = self.queue.as_mut().map_or(0, |queue| queue.forget(ssrcs));
        before - self.batch.len() + queued
    }

    /// Forgets what has not left, and says how many packets that was.
    pub(super) fn clear(&mut self) -> usize {
        let gone = self.batch.len() + self.queue.as_ref().map_or(0, |queue| queue.packets());
        self.batch.clear();
        self.held_until = None;
        self.release_at = None;
        if let Some(queue) = &mut self.queue {
            queue.clear();
        }
        gone
    }

    /// Lets so many bytes leave at once at the next departure.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.allowance = bytes;
    }

    /// Sends of the queue and of the batch, which is in `store`, what may leave now; the rest waits. The batch is empty then.
    pub(super) fn depart<W>(&mut self, now: Instant, store: &[u8], spare: &mut Spare, out: &mut Out<'_, W>)
    where
        W: super::Wire,
    {
        self.held_until = None;
        if self.queue.is_none() {
            if self.batch.is_empty() {
                return;
            }
            let fits = match &mut self.pacer {
                None => true,
                Some(pacer) => {
                    let overhead = self.way.overhead();
                    let bytes = self.batch.iter().map(|packet| packet.len() + overhead).sum();
                    pacer.take(now, bytes)
                }
            };
            if fits {
                self.way.send(store, &self.batch, out);
                return spare.take_batch(&mut self.batch);
            }
        }
        let mut queue = self.queue.take().or_else(|| spare.queues.pop()).unwrap_or_default();
        self.depart_slowly(now, store, &mut queue, &mut spare.leaving, out);
        spare.take_batch(&mut self.batch);
        if let (Some(first), Some(pacer)) = (queue.first(), &self.pacer) {
            let ready = pacer.ready(first.len() + self.way.overhead());
            self.release_at = self
                .release_at
                .filter(|at| *at > now)
                .or_else(|| Some(ready.max(now + STEP)));
            self.queue = Some(queue);
        } else {
            self.release_at = None;
            if spare.queues.len() < SPARE_QUEUES_MAX {
                queue.clear();
                spare.queues.push(queue);
            }
        }
    }

    fn depart_slowly<W>(
        &mut self,
        now: Instant,
        store: &[u8],
        queue: &mut Queue,
        leaving: &mut Vec<Plain>,
        out: &mut Out<'_, W>,
    ) where
        W: super::Wire,
    {
        let overhead = self.way.overhead();
        let step = self.release_at.is_none_or(|at| at <= now) || self.allowance > 0;
        let limit = self.queue_max();
        let Path {
            way,
            pacer,
            allowance,
            batch,
            ..
        } = self;
        let mut may_leave = |packet: &Plain| {
            let Some(pacer) = pacer.as_mut() else { return true };
            let bytes = packet.len() + overhead;
            let waits = match packet.traffic {
                Traffic::Audio | Traffic::Padding => false,
                Traffic::Video | Traffic::Resent => *allowance == 0,
            };
            if waits {
                return step && pacer.take(now, bytes);
            }
            *allowance = allowance.saturating_sub(bytes);
            pacer.spend(now, bytes);
            true
        };
        leaving.clear();
        leaving.extend(batch.iter().filter(|packet| !WAITING.contains(&packet.traffic)));
        leaving.iter().for_each(|packet| {
            may_leave(packet);
        });
        way.send(store, leaving, out);
        for traffic in WAITING {
            queue.release(traffic, &mut may_leave, |kept, packets| {
                way.send(kept, packets, out);
            });
            leaving.clear();
            for packet in batch.iter().filter(|packet| packet.traffic == traffic) {
                if !queue.has(traffic) && may_leave(packet) {
                    leaving.push(*packet);
                } else if queue.len() + packet.len() <= limit {
                    queue.push(packet, store);
                } else {
                    out.counters.turn_away(DoorReason::PacerFull);
                }
            }
            way.send(store, leaving, out);
        }
    }

    fn queue_max(&self) -> usize {
        let in_time = self.pacer.as_ref().map_or(0, |pacer| pacer.bytes_in(QUEUE_TIME_MAX));
        in_time.clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX)
    }
}
