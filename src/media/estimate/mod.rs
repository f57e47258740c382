//! How much a subscriber's path carries: estimated where we send, from transport-wide feedback.

mod sent;

use std::time::{Duration, Instant};

pub use sent::{ProbeCluster, SentLog, SentPacket};

use crate::packet::rtcp::TransportCcFeedback;

/// Bounds of an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EstimateConfig {
    /// Before anything is known.
    pub start_bps: u64,
    /// Never less than this, whatever a receiver reports (T27).
    pub min_bps: u64,
    /// Never more.
    pub max_bps: u64,
}

impl Default for EstimateConfig {
    fn default() -> Self {
        EstimateConfig {
            start_bps: 1_000_000,
            min_bps: 30_000,
            max_bps: 20_000_000,
        }
    }
}

/// What holds the estimate where it is: for people who ask why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// Nothing was measured yet.
    Start,
    /// Packets queue up on the path.
    Delay,
    /// Packets are lost on the path.
    Loss,
    /// We send too little to know more.
    Application,
    /// The receiver's own limit (REMB).
    Receiver,
    /// The configured maximum.
    Maximum,
    /// Nothing: it is rising.
    Nothing,
}

/// What is known of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Bits per second of UDP payload that may be sent, retransmissions and padding included.
    pub bps: u64,
    /// Bits per second at which a queue of packets is drained.
    pub pacing_bps: u64,
    /// Share of packets lost lately, 0 to 1.
    pub loss: f32,
    /// From send time to feedback, the receiver's own delay taken off as far as it is known.
    pub round_trip: Option<Duration>,
    /// What queues cost more than the path at its best.
    pub queue_delay: Duration,
    /// Why it is not more.
    pub limited_by: LimitedBy,
}

/// Padding to send now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Which burst it belongs to: recorded with each packet in [`SentPacket::probe`].
    pub cluster: ProbeCluster,
    /// UDP payload bytes that are still to be sent of it now; media that leaves meanwhile counts.
    pub bytes: usize,
}

/// Estimates one path.
#[derive(Debug)]
pub struct Estimator {
    config: EstimateConfig,
}

impl Estimator {
    /// Knows nothing yet.
    pub fn new(config: EstimateConfig) -> Self {
        Estimator { config }
    }

    /// Feedback about packets that `sent` knows.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportCcFeedback<'_>, sent: &mut SentLog) {
        let _ = (now, feedback, sent);
    }

    /// A receiver's own estimate (REMB): an upper limit, and the estimate itself for receivers without feedback.
    pub fn handle_remb(&mut self, now: Instant, bps: u64) {
        let _ = (now, bps);
    }

    /// Loss (in 1/256) and round trip of a receiver report: all there is for receivers without feedback.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        let _ = (now, fraction_lost, round_trip);
    }

    /// What is sent by decision of the allocator, and what would be if the path carried everything that is wished for: to
    /// tell a path that is full from one that is not used, and how far probing is worth it.
    pub fn set_demand(&mut self, now: Instant, allocated_bps: u64, wished_bps: u64) {
        let _ = (now, allocated_bps, wished_bps);
    }

    /// Time passes: feedback that stays away, probes that begin.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_probe`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Padding to send now, if a probe runs. Asked every few milliseconds while it does, see [`Self::poll_timeout`].
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        let _ = now;
        None
    }

    /// A packet of a probe left.
    pub fn probe_sent(&mut self, now: Instant, cluster: ProbeCluster, bytes: usize) {
        let _ = (now, cluster, bytes);
    }

    /// What is known now.
    pub fn estimate(&self) -> Estimate {
        Estimate {
            bps: self.config.max_bps,
            pacing_bps: self.config.max_bps,
            loss: 0.0,
            round_trip: None,
            queue_delay: Duration::ZERO,
            limited_by: LimitedBy::Start,
        }
    }
}
