//! How much a subscriber's path carries: estimated where we send, from transport-wide feedback.

mod delay;
mod rate;
mod sent;
mod window;

use std::time::{Duration, Instant};

pub use sent::{ProbeCluster, SentLog, SentPacket};

use crate::packet::rtcp::{ReferenceClock, TransportCcFeedback};
use delay::{DelayDetector, Trend};
use rate::{Conditions, Move, RateControl};
use window::{Heard, Window};

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

/// Rates for decisions: half a second, and a quarter when a queue grows.
const RATE_BUCKETS: u32 = 20;
const RATE_BUCKETS_LATEST: u32 = 10;
/// Losses are told over a second and a half.
const LOSS_BUCKETS: u32 = 60;

/// Queued packets drain somewhat faster than the estimate, or a burst of media would wait for the next.
const PACING: f64 = 1.5;

/// Estimates one path.
#[derive(Debug)]
pub struct Estimator {
    config: EstimateConfig,
    clock: ReferenceClock,
    window: Window,
    delay: DelayDetector,
    rate: RateControl,
    round_trip: Option<Duration>,
    /// The last move was down.
    cut: bool,
    heard: bool,
}

impl Estimator {
    /// Knows nothing yet.
    pub fn new(config: EstimateConfig) -> Self {
        Estimator {
            config,
            clock: ReferenceClock::default(),
            window: Window::default(),
            delay: DelayDetector::default(),
            rate: RateControl::new(config.start_bps as f64),
            round_trip: None,
            cut: false,
            heard: false,
        }
    }

    /// Feedback about packets that `sent` knows.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportCcFeedback<'_>, sent: &mut SentLog) {
        let now_us = sent.micros(now);
        let reference_us = self.clock.unwrap_us(feedback.reference_time);
        let mut latest_sent_us = None;
        for (sequence, arrival_us) in feedback.arrivals() {
            let Some(arrival_us) = arrival_us else {
                if let Some(told) = sent.missing(sequence) {
                    self.window.missing(told.at_us, told.bytes);
                }
                continue;
            };
            let Some(told) = sent.arrived(sequence) else {
                continue;
            };
            let arrival_us = reference_us.saturating_add(arrival_us);
            latest_sent_us = latest_sent_us.max(Some(told.at_us));
            if self
                .window
                .arrived(told.at_us, arrival_us, told.bytes, told.was_missing)
                == Heard::ClockJumped
            {
                self.delay.forget();
            }
        }
        let Some(latest_sent_us) = latest_sent_us else {
            return;
        };
        self.heard = true;
        self.round_trip = u64::try_from(now_us - latest_sent_us).ok().map(Duration::from_micros);
        self.decide(now_us);
    }

    fn decide(&mut self, now_us: i64) {
        let trend = self.delay.update(now_us, &self.window);
        let (Some(rates), Some(latest)) = (self.window.rates(RATE_BUCKETS), self.window.rates(RATE_BUCKETS_LATEST))
        else {
            return;
        };
        let conditions = Conditions {
            trend,
            queue_us: self.delay.queue_us(),
            rates,
            latest,
            inherent_loss: 0.0,
            shared: false,
        };
        match self.rate.update(now_us, &conditions) {
            Move::Held => {}
            Move::Raised => self.cut = false,
            Move::Cut => self.cut = true,
        }
        if trend == Trend::Growing {
            self.delay.restart(now_us);
        }
        let bounded = self
            .rate
            .bps()
            .clamp(self.config.min_bps as f64, self.config.max_bps as f64);
        self.rate.set(bounded);
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
        let bps = self.rate.bps() as u64;
        let limited_by = if !self.heard {
            LimitedBy::Start
        } else if self.cut {
            LimitedBy::Delay
        } else if bps >= self.config.max_bps {
            LimitedBy::Maximum
        } else if self.rate.is_application_limited() {
            LimitedBy::Application
        } else {
            LimitedBy::Nothing
        };
        let loss = self.window.rates(LOSS_BUCKETS).map_or(0.0, |rates| rates.loss());
        Estimate {
            bps,
            pacing_bps: (bps as f64 * PACING) as u64,
            loss,
            round_trip: self.round_trip,
            queue_delay: Duration::from_micros(self.delay.queue_us() as u64),
            limited_by,
        }
    }
}
