//! What a link has done so far.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Samples of queue delay that are kept; at 1000 packets/s more than a quarter of a minute.
const SAMPLES_MAX: usize = 16_384;

/// Counters since the link was made; every packet offered is in exactly one of delivered, lost, dropped or still under
/// way, duplicates apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct LinkStats {
    /// Packets pushed.
    pub offered: u64,
    /// Their bytes.
    pub offered_bytes: u64,
    /// Packets that came out, duplicates not counted.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Lost by the loss model.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub dropped_queue: u64,
    /// Dropped because nothing passed.
    pub dropped_outage: u64,
    /// Delivered behind a packet that had entered after them.
    pub reordered: u64,
    /// Second copies delivered.
    pub duplicated: u64,
    /// Packets in the queue.
    pub queued: usize,
    /// How long a packet that came now would wait in the queue.
    pub queue_ms: f64,
    /// 95th percentile of the time spent in the queue by the last packets that left it (up to 16384).
    pub queue_p95_ms: f64,
}

/// Times that packets spent in the queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueueDelays(VecDeque<(Instant, Duration)>);

impl QueueDelays {
    pub(crate) fn record(&mut self, at: Instant, delay: Duration) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((at, delay));
    }

    /// The delay that `share` of those that left since then did not exceed; zero where none left.
    pub(crate) fn percentile(&self, share: f64, since: Option<Instant>) -> Duration {
        let mut delays: Vec<Duration> = self
            .0
            .iter()
            .filter(|(at, _)| since.is_none_or(|since| *at >= since))
            .map(|(_, delay)| *delay)
            .collect();
        if delays.is_empty() {
            return Duration::ZERO;
        }
        let nth = (delays.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        *delays.select_nth_unstable(nth.saturating_sub(1)).1
    }
}

pub(crate) fn as_ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
