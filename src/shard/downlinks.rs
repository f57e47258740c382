//! What goes to each subscriber: feedback in, estimates, and what of every video fits.
//!
//! A subscriber's videos are shared out anew when something they depend on has changed, at the end of the turn that changed
//! it and before keyframes are asked for; and from time to time with the ticks. It costs a look at each of its seats.
//! While a probe runs, or feedback stays away, the shard wakes for it; otherwise nothing here wakes anybody.

use std::time::{Duration, Instant};

use super::event::ShardEvent;
use super::transports::{EgressEntry, Seat};
use super::{Shard, TICK};
use crate::media::{EgressStats, Load, SourceKey, Target, TransportSlot, Video};
use crate::packet::Kind;
use crate::packet::rtcp::{ReportBlock, TransportCcFeedback};

/// Header, extensions and tag of a sent packet, beside its payload.
const OVERHEAD_BYTES: u64 = 36;

/// What is counted for the metrics is counted so often, in ticks of 20 ms.
const COUNT_TICKS: u64 = 50;

/// An estimate is looked at with every feedback, and beside that so often, in ticks: those of a shard in turn. What has to be
/// more punctual has a time of its own.
const VISIT_TICKS: u64 = 5;
const VISIT: Duration = Duration::from_millis(VISIT_TICKS * TICK.as_millis() as u64);

/// A pacing rate that differs by less, in percent, is the same.
const PACING_PERCENT: u64 = 5;

/// What a seat gets until it is decided what it may have.
pub(super) const NOTHING_YET: Target = Target {
    encoding: 0,
    spatial: 0,
    temporal: 0,
    paused: true,
};

/// Losses that one compound of reports tells of, over all streams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reported {
    expected: u64,
    lost: u64,
    round_trip: Option<Duration>,
}

impl Reported {
    /// A block about one of our streams, and what is known of the time it took.
    pub(super) fn add(&mut self, seat: &mut EgressEntry, block: &ReportBlock, round_trip: Option<Duration>) {
        let before = std::mem::replace(&mut seat.reported, block.extended_highest_sequence);
        // The first report of a stream, or one that overtook another: nothing to count from.
        let expected = block.extended_highest_sequence.wrapping_sub(before);
        if before != 0 && expected < 1 << 16 {
            self.expected += u64::from(expected);
            self.lost += u64::from(expected) * u64::from(block.fraction_lost);
        }
        self.round_trip = round_trip.or(self.round_trip);
    }

    /// In 1/256.
    fn fraction_lost(self) -> Option<u8> {
        self.lost.checked_div(self.expected).map(|lost| lost as u8)
    }
}

impl Shard {
    /// Transport-wide feedback of a subscriber.
    pub(super) fn handle_transport_cc(
        &mut self,
        now: Instant,
        slot: TransportSlot,
        feedback: &TransportCcFeedback<'_>,
    ) {
        let sent = self.egress.sent_log(slot);
        if let Some(downlink) = self.transports[slot.0 as usize].downlink.as_deref_mut() {
            downlink.handle_feedback(now, feedback, sent);
            if downlink.is_due(now) {
                self.downlinks_due.push(slot);
            }
            let returned = downlink.take_returned();
            self.end_probe_if_over(slot);
            self.note_probe(now, slot);
            if returned {
                self.begin_anew(now, slot);
            }
        }
    }

    /// The path of a subscriber has carried nothing for a while: what waits there is old, what is missing is too much to be sent
    /// again, and a receiver may take seconds to ask for a keyframe.
    fn begin_anew(&mut self, now: Instant, slot: TransportSlot) {
        let Some(entry) = self.transports.get(slot.0 as usize) else {
            return;
        };
        for seat in entry.egresses.iter().filter(|seat| seat.kind == Kind::Video) {
            let Seat::Taken(key) = seat.seat else { continue };
            let Some(from) = self.sources.get_mut(key) else {
                continue;
            };
            if let Some(ssrcs) = from.source.begin_anew(now, seat.key) {
                self.egress.forget(slot, &ssrcs, &self.counters);
                self.keyframes_due.push(key);
            }
        }
    }

    /// What was estimated of a subscriber's path holds no more.
    pub(super) fn change_path(&mut self, now: Instant, slot: TransportSlot) {
        if let Some(downlink) = self.transports[slot.0 as usize].downlink.as_deref_mut() {
            let was_silent = downlink.is_silent(now);
            downlink.change_path();
            self.downlinks_due.push(slot);
            self.end_probe_if_over(slot);
            if was_silent {
                self.begin_anew(now, slot);
            }
        }
    }

    /// A subscriber's own estimate.
    pub(super) fn handle_remb(&mut self, now: Instant, slot: TransportSlot, bps: u64) {
        if let Some(downlink) = self.transports[slot.0 as usize].downlink.as_deref_mut() {
            downlink.handle_remb(now, bps);
            if downlink.is_due(now) {
                self.downlinks_due.push(slot);
            }
        }
    }

    /// A compound of receiver reports has been read.
    pub(super) fn handle_reported(&mut self, now: Instant, slot: TransportSlot, reported: Reported) {
        if let (Some(fraction_lost), Some(downlink)) = (
            reported.fraction_lost(),
            self.transports[slot.0 as usize].downlink.as_deref_mut(),
        ) {
            downlink.handle_report(now, fraction_lost, reported.round_trip);
        }
    }

    /// What this subscriber gets depends on something that has changed.
    pub(super) fn stir(&mut self, slot: TransportSlot) {
        if let Some(entry) = self.transports.get_mut(slot.0 as usize) {
            entry.stir();
            self.downlinks_due.push(slot);
        }
    }

    /// The same for everybody who receives a source.
    pub(super) fn stir_subscribers(&mut self, source: SourceKey) {
        let Some(entry) = self
            .sources
            .get(source)
            .filter(|entry| entry.source.kind() == Kind::Video)
        else {
            return;
        };
        for egress in &entry.attached {
            if let Some(slot) = self.egress_slots.get(egress)
                && let Some(entry) = self.transports.get_mut(slot.0 as usize)
            {
                entry.stir();
                self.downlinks_due.push(*slot);
            }
        }
    }

    /// With every tick: rates of layers, and the estimates and allocations whose turn it is.
    pub(super) fn tick_downlinks(&mut self, now: Instant) {
        let changed: Vec<SourceKey> = self
            .sources
            .iter_mut()
            .filter_map(|entry| entry.source.measure(now).then(|| entry.source.key()))
            .collect();
        changed.into_iter().for_each(|source| self.stir_subscribers(source));
        if self.ticks.is_multiple_of(COUNT_TICKS) {
            self.count_downlinks();
        }
        for (slot, entry) in &mut self.transports {
            if slot as u64 % VISIT_TICKS != self.ticks % VISIT_TICKS {
                continue;
            }
            let Some(downlink) = entry.downlink.as_deref_mut().filter(|_| entry.connected) else {
                continue;
            };
            let slot = TransportSlot(slot as u32);
            downlink.handle_timeout(now);
            if downlink.poll_probe(now).is_none() {
                self.egress.set_probe(slot, None);
            }
            if downlink.is_due(now) {
                self.downlinks_due.push(slot);
            }
            if downlink.poll_timeout().is_some_and(|at| at < now + VISIT) && !self.probing.contains(&slot) {
                self.probing.push(slot);
            }
        }
    }

    /// For the metrics: what all paths carry, and how many videos suffer.
    fn count_downlinks(&self) {
        let (mut downlinks, mut bps, mut reduced, mut paused) = (0, 0, 0, 0);
        for (_, entry) in &self.transports {
            let Some(downlink) = entry.downlink.as_deref().filter(|_| entry.connected) else {
                continue;
            };
            let Some(estimate) = downlink.stats().estimate else {
                continue;
            };
            downlinks += 1;
            bps += estimate.bps;
            for decision in downlink
                .decisions()
                .iter()
                .filter(|decision| decision.reason.is_bandwidth())
            {
                *(if decision.target.paused {
                    &mut paused
                } else {
                    &mut reduced
                }) += 1;
            }
        }
        self.counters.downlinks.set(downlinks);
        self.counters.downlink_bps.set(bps);
        self.counters.videos_reduced.set(reduced);
        self.counters.videos_paused.set(paused);
    }

    /// Sends the padding that is due. Only subscribers whose probe goes on before the next visit are looked at.
    pub(super) fn run_probes(&mut self, now: Instant) {
        let mut probing = std::mem::take(&mut self.probing);
        probing.retain(|slot| {
            let Some(due) = self.probe_due(*slot) else { return false };
            if due <= now {
                self.probe(now, *slot);
            }
            self.probe_due(*slot).is_some_and(|at| at < now + VISIT)
        });
        self.probing = probing;
    }

    /// What has just happened may have begun a probe, which does not wait for the next visit.
    fn note_probe(&mut self, now: Instant, slot: TransportSlot) {
        if self.probe_due(slot).is_some_and(|at| at < now + VISIT) && !self.probing.contains(&slot) {
            self.probing.push(slot);
        }
    }

    /// When the next padding is due, if that is before the next visit.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.probing.iter().filter_map(|slot| self.probe_due(*slot)).min()
    }

    fn probe_due(&self, slot: TransportSlot) -> Option<Instant> {
        let entry = self.transports.get(slot.0 as usize).filter(|entry| entry.connected)?;
        entry.downlink.as_deref()?.poll_timeout()
    }

    fn probe(&mut self, now: Instant, slot: TransportSlot) {
        let Some(downlink) = self
            .transports
            .get_mut(slot.0 as usize)
            .and_then(|entry| entry.downlink.as_deref_mut())
        else {
            return;
        };
        downlink.handle_timeout(now);
        if downlink.is_due(now) {
            self.downlinks_due.push(slot);
        }
        if let Some(probe) = downlink.poll_probe(now) {
            let sent = self.send_probe(now, slot, probe);
            if let Some(downlink) = self.transports[slot.0 as usize].downlink.as_deref_mut() {
                downlink.probe_sent(now, probe.cluster, sent.packets, sent.bytes);
            }
        }
        self.end_probe_if_over(slot);
    }

    /// What leaves after a probe is no part of it.
    fn end_probe_if_over(&mut self, slot: TransportSlot) {
        if let Some(entry) = self.transports.get(slot.0 as usize)
            && let Some(downlink) = entry.downlink.as_deref()
            && !downlink.is_probing()
        {
            self.egress.set_probe(slot, None);
        }
    }

    /// Decides what goes to each subscriber for whom that is due.
    pub(super) fn share_out(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.downlinks_due);
        due.sort_unstable();
        due.dedup();
        for slot in due.drain(..) {
            self.share(now, slot);
            self.note_probe(now, slot);
        }
        self.downlinks_due = due;
    }

    fn share(&mut self, now: Instant, slot: TransportSlot) {
        let Self {
            transports,
            sources,
            egress,
            post,
            counters,
            keyframes_due,
            ..
        } = self;
        let Some(entry) = transports.get_mut(slot.0 as usize).filter(|entry| entry.connected) else {
            return;
        };
        let Some(downlink) = entry.downlink.as_deref_mut() else {
            return;
        };
        let (mut load, mut videos) = (Load::default(), Vec::with_capacity(entry.egresses.len()));
        for seat in &entry.egresses {
            let Seat::Taken(key) = seat.seat else { continue };
            let Some(from) = sources.get(key) else { continue };
            let stats = from.source.stats(seat.key).unwrap_or_default();
            let sent = sent_bytes(&stats);
            load.sent_bytes += sent;
            load.resent_bytes += stats.resent_octets;
            match seat.kind {
                Kind::Audio => {
                    load.audio_bytes += sent;
                    if !from.muted && !seat.limits.paused {
                        load.has_audio = true;
                        let heard = !from.source.is_held_back();
                        load.audio_bps += if heard { from.source.layers().arriving_bps() } else { 0 };
                    }
                }
                Kind::Video => videos.push(Video {
                    key: seat.key,
                    source: key,
                    limits: seat.limits,
                    layers: from.source.layers(),
                    muted: from.muted,
                }),
            }
        }
        downlink.allocate(now, load, &videos);
        drop(videos);
        let pacing = downlink.pacing_bps();
        if differs(pacing, entry.pacing_bps) {
            entry.pacing_bps = pacing;
            egress.set_pacing(now, slot, pacing);
        }
        let mut decisions = downlink.decisions().iter();
        for seat in &mut entry.egresses {
            let Seat::Taken(key) = seat.seat else { continue };
            // Decisions are in the order of the seats.
            let decision = match seat.kind {
                Kind::Audio => continue,
                Kind::Video => decisions.as_slice().first().filter(|decision| decision.key == seat.key),
            };
            let Some(decision) = decision else { continue };
            decisions.next();
            if decision.target == seat.target {
                continue;
            }
            let before = std::mem::replace(&mut seat.target, decision.target);
            if before != NOTHING_YET && !seat.limits.paused {
                let counter = match is_better(decision.target, before) {
                    true => &counters.layers_up,
                    false => &counters.layers_down,
                };
                counter.add(1);
            }
            if let Some(from) = sources.get_mut(key) {
                from.source.set_target(now, seat.key, decision.target);
                keyframes_due.push(key);
                if downlink.is_overloaded()
                    && !is_better(decision.target, before)
                    && let Some(ssrcs) = from.source.abandon(seat.key)
                {
                    egress.forget(slot, &ssrcs, counters);
                }
            }
        }
        let transport = entry.key;
        while let Some(news) = downlink.poll_news() {
            post.send(transport.room(), ShardEvent::Served { transport, news });
        }
    }
}

fn sent_bytes(stats: &EgressStats) -> u64 {
    stats.octets + stats.packets * OVERHEAD_BYTES + stats.resent_octets
}

fn is_better(target: Target, before: Target) -> bool {
    let level = |target: Target| (!target.paused, target.encoding, target.spatial, target.temporal);
    level(target) > level(before)
}

fn differs(rate: Option<u64>, before: Option<u64>) -> bool {
    match (rate, before) {
        (Some(rate), Some(before)) => rate.abs_diff(before) > before * PACING_PERCENT / 100,
        (rate, before) => rate != before,
    }
}
