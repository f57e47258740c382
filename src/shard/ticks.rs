//! What happens without a packet causing it: repair requests, feedback, reports, consent, statistics.
//!
//! One tick every 20 ms. NACKs, keyframe requests and transport-wide feedback look at every publisher each tick;
//! what is due twice a second is spread over the ticks by slot, so that a thousand transports never come at once.

use std::time::{Duration, Instant};

use super::event::{Jitter, ShardEvent, TransportStats};
use super::mailbox::Mail;
use super::sources::Home;
use super::transports::Seat;
use super::{Shard, TICK, clock, command};
use crate::media::downlink::Downlink;
use crate::media::redundancy::RedundancyNeed;
use crate::media::{Redundancy, SourceKey, TransportSlot};
use crate::packet::Kind;
use crate::packet::rtcp::write;

/// Reports, statistics and consent: every 25 ticks of 20 ms, half a second.
const SLOW_TICKS: u64 = 25;
/// Packets that are missing are asked for in steps of this, so that losses of many publishers do not keep everybody busy.
const NACK_STEP: Duration = Duration::from_millis(5);
/// Audio levels: every 12 ticks, about four times a second.
const LEVEL_TICKS: u64 = 12;
/// Statistics go to the room with every fourth slow tick: two seconds.
const STATS_EVERY_SLOW_TICKS: u64 = 4;
/// A sender report without blocks, and the longest CNAME behind it (RFC 3550 sections 6.4.1 and 6.5).
const SENDER_REPORT_BYTES_MAX: usize = 28 + 8 + 2 + 255 + 3;
/// Largest RTCP compound sent.
const COMPOUND_BYTES_MAX: usize = 1_200;

impl Shard {
    pub(super) fn run_ticks(&mut self, now: Instant) {
        if now < self.next_tick {
            return;
        }
        // After a stall the missed ticks are not made up for: each looks at everything that is due anyway.
        self.next_tick = now + TICK;
        self.ticks += 1;
        let slots: Vec<usize> = self.transports.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            self.repair(now, TransportSlot(slot as u32));
            if slot as u64 % SLOW_TICKS == self.ticks % SLOW_TICKS {
                self.slow_tick(now, TransportSlot(slot as u32));
            }
        }
        self.tick_downlinks(now);
        self.send_first_reports(now);
        let is_slow = self.ticks.is_multiple_of(SLOW_TICKS);
        self.tidy_connections(now, is_slow);
        if is_slow {
            self.counters.cpu_micros.set(clock::thread_micros());
        }
        if self.ticks.is_multiple_of(LEVEL_TICKS) {
            self.tell_levels(now);
        }
        let keys: Vec<SourceKey> = self.sources.keys().collect();
        self.keyframes_due.extend(keys);
        self.post.retry();
    }

    /// Asks for packets again that are due between two ticks: where more than one copy is lost, each wait for a tick adds to a
    /// picture that stands still.
    pub(super) fn run_nacks(&mut self, now: Instant) {
        if self.nacks_at.is_none_or(|at| at > now) {
            return;
        }
        let slots: Vec<usize> = self.transports.iter().map(|(slot, _)| slot).collect();
        for slot in slots {
            let slot = TransportSlot(slot as u32);
            let mut compound = std::mem::take(&mut self.scratch);
            compound.clear();
            self.ask_again(now, slot, &mut compound);
            self.send_compound(slot, compound);
        }
        let streams = self.transports.iter().flat_map(|(_, entry)| &entry.receive.streams);
        let next = streams.filter_map(|received| received.stream.poll_timeout()).min();
        self.nacks_from = now + NACK_STEP;
        self.nacks_at = next.map(|at| at.max(self.nacks_from));
    }

    /// NACKs and transport-wide feedback towards a publisher.
    fn repair(&mut self, now: Instant, slot: TransportSlot) {
        let entry = &self.transports[slot.0 as usize];
        let owes_feedback = entry
            .transport_cc
            .as_ref()
            .is_some_and(|recorder| recorder.poll_timeout().is_some());
        if entry.receive.streams.is_empty() && !owes_feedback {
            return;
        }
        let mut compound = std::mem::take(&mut self.scratch);
        compound.clear();
        self.ask_again(now, slot, &mut compound);
        let entry = &mut self.transports[slot.0 as usize];
        if let Some(recorder) = entry.transport_cc.as_mut() {
            recorder.poll(now, entry.rtcp_ssrc, &mut compound);
        }
        self.send_compound(slot, compound);
    }

    /// NACKs that are due, and keyframes for what was asked for in vain.
    fn ask_again(&mut self, now: Instant, slot: TransportSlot, compound: &mut Vec<u8>) {
        let entry = &mut self.transports[slot.0 as usize];
        let ssrc = entry.rtcp_ssrc;
        for received in &mut entry.receive.streams {
            self.lost.clear();
            received.stream.poll_nack(now, entry.path.round_trip, &mut self.lost);
            if !self.lost.is_empty() && compound.len() < COMPOUND_BYTES_MAX {
                self.counters.nacks_out.add(self.lost.len() as u64);
                write::nack(compound, ssrc, received.ssrc, self.lost.iter().copied());
            }
            if received.stream.take_keyframe_needed()
                && let Some(source) = entry.receive.lines[received.place.line].source
                && let Some(source_entry) = self.sources.get_mut(source)
                && source_entry.is_watched()
            {
                source_entry.source.request_keyframe_of(now, received.place.encoding);
                self.keyframes_due.push(source);
            }
        }
    }

    fn slow_tick(&mut self, now: Instant, slot: TransportSlot) {
        if self.transports[slot.0 as usize].ice.is_expired(now) {
            self.lose(slot);
            return;
        }
        self.send_reports(now, slot);
        self.set_redundancy(slot);
        if (self.ticks / SLOW_TICKS).is_multiple_of(STATS_EVERY_SLOW_TICKS) {
            self.tell_stats(slot);
        }
    }

    /// Audio goes with as much redundancy as the path has come to need.
    fn set_redundancy(&mut self, slot: TransportSlot) {
        let entry = &mut self.transports[slot.0 as usize];
        let voices = entry.egresses.iter().filter(|egress| match egress.seat {
            Seat::Empty(_) => false,
            Seat::Taken(source) => {
                let source = self.sources.get(source);
                egress.kind == Kind::Audio && source.is_some_and(|entry| !entry.muted && !entry.source.is_held_back())
            }
        });
        let voices = voices.count() as u64;
        let most = entry.downlink.as_deref().map(|path| path.redundancy_max(voices));
        let redundancy = entry.path.redundancy.level().min(most.unwrap_or(Redundancy::Two));
        for egress in entry.egresses.iter_mut().filter(|egress| egress.kind == Kind::Audio) {
            match &mut egress.seat {
                Seat::Empty(forwarder) => forwarder.set_redundancy(redundancy),
                Seat::Taken(source) => {
                    if let Some(entry) = self.sources.get_mut(*source) {
                        entry.source.set_redundancy(egress.key, redundancy);
                    }
                }
            }
        }
    }

    /// Consent is over (RFC 7675): nothing is sent there until a check arrives again.
    fn lose(&mut self, slot: TransportSlot) {
        let was_connected = self.stop_sending(slot);
        let entry = &mut self.transports[slot.0 as usize];
        if std::mem::take(&mut entry.interrupted) || was_connected {
            let transport = entry.key;
            self.post.send(transport.room(), ShardEvent::Lost { transport });
        }
    }

    /// The connection in use has ended: there is nowhere to send to until a check arrives from elsewhere. Consent goes on,
    /// but the client may learn sooner from us than by waiting.
    pub(super) fn interrupt(&mut self, slot: TransportSlot) {
        if self.stop_sending(slot) {
            let entry = &mut self.transports[slot.0 as usize];
            entry.interrupted = true;
            let transport = entry.key;
            self.post.send(transport.room(), ShardEvent::Interrupted { transport });
        }
    }

    /// True when media could flow until now.
    fn stop_sending(&mut self, slot: TransportSlot) -> bool {
        self.egress.set_address(slot, None);
        let was_connected = std::mem::take(&mut self.transports[slot.0 as usize].connected);
        if was_connected {
            self.set_flowing(slot, false);
        }
        was_connected
    }

    /// What has come from there, and what has gone there, in as few datagrams as hold it.
    pub(super) fn send_reports(&mut self, now: Instant, slot: TransportSlot) {
        let entry = &mut self.transports[slot.0 as usize];
        let mut blocks = Vec::new();
        for received in &mut entry.receive.streams {
            if !received.place.rtx
                && let Some(block) = received.stream.report(now)
            {
                entry.path.fraction_lost_up = entry.path.fraction_lost_up.max(block.fraction_lost);
                entry.path.jitter_up.note(received.stream.kind(), block.jitter);
                blocks.push(block);
            }
        }
        if blocks.is_empty() && !entry.connected {
            return;
        }
        let mut compound = std::mem::take(&mut self.scratch);
        compound.clear();
        // Even with nothing to report: a client that hears nothing at all from us may take its path for lost.
        write::receiver_report(&mut compound, entry.rtcp_ssrc, &blocks);
        write::sdes_cname(&mut compound, entry.rtcp_ssrc, "enfilade");
        if entry
            .receive
            .lines
            .iter()
            .any(|line| line.line.remb && !line.line.transport_cc)
            && let Some(bitrate_bps) = entry.remb.poll(now)
        {
            let ssrcs: Vec<u32> = entry
                .receive
                .streams
                .iter()
                .filter(|stream| entry.receive.lines[stream.place.line].line.kind == Kind::Video)
                .map(|stream| stream.ssrc)
                .collect();
            write::remb(&mut compound, entry.rtcp_ssrc, bitrate_bps, &ssrcs);
        }
        let ntp = self.clock.ntp(now);
        for at in 0..self.transports[slot.0 as usize].egresses.len() {
            let egress = &self.transports[slot.0 as usize].egresses[at];
            let Seat::Taken(key) = egress.seat else { continue };
            let from = self.sources.get_mut(key);
            let Some(numbers) = from.and_then(|from| from.source.report(now, ntp, egress.key)) else {
                continue;
            };
            if compound.len() + SENDER_REPORT_BYTES_MAX > COMPOUND_BYTES_MAX {
                self.egress.send_rtcp(slot, &mut compound, &self.ways, &self.counters);
                compound.clear();
            }
            write::sender_report(&mut compound, numbers.ssrc, &numbers.info, &[]);
            write::sdes_cname(&mut compound, numbers.ssrc, &egress.cname);
        }
        self.send_compound(slot, compound);
    }

    /// Our first sender reports, right after a seat's first packet: lips are in step sooner.
    fn send_first_reports(&mut self, now: Instant) {
        let ntp = self.clock.ntp(now);
        let mut due = Vec::new();
        for entry in self.sources.iter_mut() {
            entry
                .source
                .poll_first_reports(now, ntp, |egress, numbers| due.push((egress, numbers)));
        }
        for (egress, numbers) in due {
            let Some(entry) = self.transports.get(numbers.transport.0 as usize) else {
                continue;
            };
            let Some(seat) = entry.egresses.iter().find(|seat| seat.key == egress) else {
                continue;
            };
            let mut compound = std::mem::take(&mut self.scratch);
            compound.clear();
            write::sender_report(&mut compound, numbers.ssrc, &numbers.info, &[]);
            write::sdes_cname(&mut compound, numbers.ssrc, &seat.cname);
            self.send_compound(numbers.transport, compound);
        }
    }

    fn send_compound(&mut self, slot: TransportSlot, mut compound: Vec<u8>) {
        if !compound.is_empty() {
            self.egress.send_rtcp(slot, &mut compound, &self.ways, &self.counters);
        }
        self.scratch = compound;
    }

    /// Sends the keyframe requests that became due in this turn, and tells who wants what where that has changed.
    pub(super) fn request_keyframes(&mut self, now: Instant) {
        let mut due = std::mem::take(&mut self.keyframes_due);
        due.sort_unstable();
        due.dedup();
        for key in due.drain(..) {
            self.tell_demand(key);
            let Some(entry) = self.sources.get_mut(key) else {
                continue;
            };
            while let Some(encoding) = entry.source.poll_keyframe(now) {
                match entry.home {
                    Home::Here(slot) => {
                        let Some(publisher) = self.transports.get(slot.0 as usize) else {
                            continue;
                        };
                        let ssrcs = publisher.receive.media_ssrcs(key);
                        let Some((media, _)) = ssrcs.iter().find(|(_, of)| *of == encoding) else {
                            continue;
                        };
                        self.counters.keyframe_requests.add(1);
                        let mut compound = std::mem::take(&mut self.scratch);
                        compound.clear();
                        write::pli(&mut compound, publisher.rtcp_ssrc, *media);
                        if !compound.is_empty() {
                            self.egress.send_rtcp(slot, &mut compound, &self.ways, &self.counters);
                        }
                        self.scratch = compound;
                    }
                    Home::Shard(shard, _) => {
                        let wanted = Mail::KeyframeWanted {
                            source: key,
                            encoding: encoding as u8,
                        };
                        if let Some(home) = self.peers.get(usize::from(shard.0)) {
                            // Full: asked again, a forwarder that waits keeps asking.
                            home.try_send(wanted);
                        }
                    }
                }
            }
        }
        self.keyframes_due = due;
    }

    fn tell_levels(&mut self, now: Instant) {
        let mut levels: Vec<(SourceKey, u8)> = Vec::new();
        for entry in self.sources.iter_mut() {
            if !matches!(entry.home, Home::Here(_)) || entry.source.kind() != Kind::Audio {
                continue;
            }
            let level = if entry.muted {
                0
            } else {
                entry.source.level().loudness(now) as u8
            };
            if level > 0 || entry.last_level > 0 {
                levels.push((entry.source.key(), level));
            }
            entry.last_level = level;
        }
        levels.sort_unstable_by_key(|(key, _)| command::room_of(*key));
        for room in levels.chunk_by(|a, b| command::room_of(a.0) == command::room_of(b.0)) {
            self.post.send(
                command::room_of(room[0].0),
                ShardEvent::Levels { levels: room.to_vec() },
            );
        }
    }

    fn tell_stats(&mut self, slot: TransportSlot) {
        let entry = &mut self.transports[slot.0 as usize];
        let transport = entry.key;
        let mut stats = entry.path.take();
        stats.video_served = entry.downlink.as_deref().and_then(Downlink::video_served);
        if entry.connected {
            self.post.send(transport.room(), ShardEvent::Stats { transport, stats });
        }
    }
}

/// What was heard about a path since the last statistics.
#[derive(Default)]
pub(super) struct PathStats {
    pub(super) fraction_lost_up: u8,
    fraction_lost_down: u8,
    pub(super) round_trip: Option<Duration>,
    pub(super) redundancy: RedundancyNeed,
    pub(super) jitter_up: Jitter,
    pub(super) jitter_down: Jitter,
    told: TransportStats,
}

impl PathStats {
    /// As of the last statistics.
    pub(super) fn known(&self) -> TransportStats {
        TransportStats {
            round_trip: self.round_trip,
            ..self.told
        }
    }

    /// A block of the client about one of our SSRCs.
    pub(super) fn report(&mut self, now: Instant, ntp: u64, block: &crate::packet::rtcp::ReportBlock) {
        self.redundancy.report(now, f32::from(block.fraction_lost) / 256.0);
        self.fraction_lost_down = self.fraction_lost_down.max(block.fraction_lost);
        self.round_trip = crate::media::report::round_trip(ntp, block).or(self.round_trip);
    }

    fn take(&mut self) -> TransportStats {
        self.told = TransportStats {
            loss_up: f32::from(std::mem::take(&mut self.fraction_lost_up)) / 256.0,
            loss_down: f32::from(std::mem::take(&mut self.fraction_lost_down)) / 256.0,
            round_trip: self.round_trip,
            video_served: None,
            jitter_up: std::mem::take(&mut self.jitter_up),
            jitter_down: std::mem::take(&mut self.jitter_down),
        };
        self.told
    }
}
