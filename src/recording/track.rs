//! From the packets of one source to its frames, in order, each with its time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::packet::assemble::assemble;
use crate::packet::{Codec, Kind};
use crate::shard::TappedPacket;

/// How long a packet that is missing is waited for: some round trips of asking for it again.
pub(super) const HOLD: Duration = Duration::from_millis(400);
/// A timestamp further than this from its arrival begins a new count.
const JUMP_MS: i64 = 2_000;
/// Most packets that wait for a missing one.
const WAITING_MAX: usize = 4_096;
/// Publisher's clocks of sound and picture that differ by more have nothing to do with each other.
const SKEW_MS_MAX: i64 = 1_000;

/// One picture or packet of sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) codec: Codec,
    /// Since the recording began.
    pub(super) ms: i64,
    pub(super) keyframe: bool,
    pub(super) data: Vec<u8>,
}

/// One source.
#[derive(Debug)]
pub(super) struct Track {
    kind: Kind,
    /// The recording's beginning.
    epoch: Instant,
    waiting: BTreeMap<u64, TappedPacket>,
    next: Option<u64>,
    needs_keyframe: bool,
    count: Option<Count>,
    /// The publisher's clock less the recording's, in milliseconds.
    skew_ms: Option<i64>,
    /// When a keyframe came or was asked for last.
    keyframe_at: Option<Instant>,
}

/// Where the timestamps are.
#[derive(Clone, Copy, Debug)]
struct Count {
    timestamp: u32,
    /// Of that timestamp, since the recording began.
    ticks: i64,
}

impl Track {
    pub(super) fn new(kind: Kind, epoch: Instant) -> Self {
        Track {
            kind,
            epoch,
            waiting: BTreeMap::new(),
            next: None,
            needs_keyframe: kind == Kind::Video,
            count: None,
            skew_ms: None,
            keyframe_at: None,
        }
    }

    pub(super) fn push(&mut self, packet: TappedPacket) {
        let is_late = self.next.is_some_and(|next| packet.sequence < next);
        if !is_late && self.waiting.len() < WAITING_MAX {
            self.waiting.insert(packet.sequence, packet);
        }
    }

    /// What the publisher's clock says, as 32.32 seconds.
    pub(super) fn set_clock(&mut self, ntp: u64, timestamp: u32) {
        let Some(count) = self.count else { return };
        let ticks = count.ticks + i64::from(timestamp.wrapping_sub(count.timestamp) as i32);
        let publisher_ms = ((u128::from(ntp) * 1_000) >> 32) as i64;
        self.skew_ms = Some(publisher_ms - ticks / self.ticks_per_ms());
    }

    /// By how much this track has to be shifted to be as far from `other` as their publisher says.
    pub(super) fn shift_towards(&self, other: &Track) -> i64 {
        match (self.skew_ms, other.skew_ms) {
            (Some(own), Some(others)) => Some(own - others)
                .filter(|shift| shift.abs() <= SKEW_MS_MAX)
                .unwrap_or(0),
            _ => 0,
        }
    }

    /// Whether a keyframe is to be asked for, because something was missed, or as a place to seek to.
    pub(super) fn wants_keyframe(&mut self, now: Instant, interval: Duration) -> bool {
        if self.kind == Kind::Audio {
            return false;
        }
        let patience = if self.needs_keyframe {
            Duration::from_secs(1)
        } else {
            interval
        };
        let due = self
            .keyframe_at
            .is_none_or(|at| now.saturating_duration_since(at) >= patience);
        if due {
            self.keyframe_at = Some(now);
        }
        due
    }

    /// The frames that are whole by now. What is missing for too long is given up, all of it with `finish`.
    pub(super) fn release(&mut self, now: Instant, finish: bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some((&first, packet)) = self.waiting.first_key_value() {
            let expired = finish || now.saturating_duration_since(packet.at) >= HOLD;
            let begins = packet.frame.starts_frame && packet.frame.keyframe && packet.frame.spatial == 0;
            if self.next.is_some_and(|next| next != first) && !self.needs_keyframe {
                if !expired {
                    break;
                }
                self.lose();
            }
            if self.needs_keyframe && !begins {
                self.drop_to(first + 1);
                continue;
            }
            match self.whole(first) {
                Some(end) => frames.extend(self.take(first, end)),
                None if expired => {
                    self.lose();
                    self.drop_to(first + 1);
                }
                None => break,
            }
        }
        frames
    }

    /// One past the last packet of the frame that begins with `first`.
    fn whole(&self, first: u64) -> Option<u64> {
        let timestamp = self.waiting.get(&first)?.timestamp;
        let mut at = first;
        loop {
            let packet = self.waiting.get(&at)?;
            if packet.timestamp != timestamp {
                return Some(at);
            }
            at += 1;
            if packet.marker || self.kind == Kind::Audio {
                return Some(at);
            }
        }
    }

    fn take(&mut self, first: u64, end: u64) -> Option<Frame> {
        let packets: Vec<TappedPacket> = (first..end).filter_map(|at| self.waiting.remove(&at)).collect();
        self.next = Some(end);
        let head = packets.first()?;
        // Of H264 it may be a later packet that says so.
        let says = |packet: &TappedPacket| packet.frame.keyframe && packet.frame.spatial == 0;
        let keyframe = self.kind == Kind::Audio || packets.iter().any(says);
        let data = assemble(head.codec, packets.iter().map(|packet| &packet.payload[..]));
        let Some(data) = data.ok().filter(|data| !data.is_empty()) else {
            self.lose();
            return None;
        };
        if keyframe {
            self.needs_keyframe = false;
            self.keyframe_at = Some(head.at);
        }
        let ms = self.ms(head.timestamp, head.at);
        Some(Frame {
            codec: head.codec,
            ms,
            keyframe,
            data,
        })
    }

    fn lose(&mut self) {
        self.needs_keyframe = self.kind == Kind::Video;
        self.next = None;
    }

    fn drop_to(&mut self, next: u64) {
        self.waiting = self.waiting.split_off(&next);
        self.next = Some(next);
    }

    const fn ticks_per_ms(&self) -> i64 {
        match self.kind {
            Kind::Audio => 48,
            Kind::Video => 90,
        }
    }

    fn ms(&mut self, timestamp: u32, at: Instant) -> i64 {
        let arrival_ms = at.saturating_duration_since(self.epoch).as_millis() as i64;
        let ticks = self
            .count
            .map(|count| count.ticks + i64::from(timestamp.wrapping_sub(count.timestamp) as i32))
            .filter(|ticks| (ticks / self.ticks_per_ms() - arrival_ms).abs() <= JUMP_MS)
            .unwrap_or_else(|| {
                self.skew_ms = None;
                arrival_ms * self.ticks_per_ms()
            });
        self.count = Some(Count { timestamp, ticks });
        ticks / self.ticks_per_ms()
    }
}
