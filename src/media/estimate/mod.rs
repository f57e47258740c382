//! How much a subscriber's path carries: estimated where we send, from transport-wide feedback.

mod burst;
mod delay;
mod fallback;
mod loss;
mod probe;
mod rate;
mod sent;
mod window;

use std::time::{Duration, Instant};

pub use sent::{Departure, ProbeCluster, SentLog, SentPacket};

use crate::packet::rtcp::{ReferenceClock, TransportCcFeedback};
use burst::Verdict;
use delay::{DelayDetector, Trend};
use fallback::Fallback;
use loss::{Demand, LossControl, Scene};
use probe::{Chance, Prober};
use rate::{CALL_BPS, Conditions, Move, RateControl};
use window::{Heard, Rates, Window};

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

/// A queue overflows when so much more is lost than otherwise, in half a second.
const OVERFLOW: f64 = 0.03;
const OVERFLOW_PACKETS: f64 = 1.0;

/// Queued packets drain somewhat faster than the estimate, or a burst of media would wait for the next.
const PACING: f64 = 1.5;

/// Feedback that stays away for so long, while something is sent, says that the path does not carry it; and again after
/// each such time. What is sent then is less each time, but never less than a call needs.
const SILENCE: Duration = Duration::from_secs(1);
const SILENCE_BACK_OFF: f64 = 0.7;
/// An outage has lost at least so many packets; where little was sent, a silence means little.
const OUTAGE_PACKETS: u32 = 5;
/// What is left of the estimate before, when feedback comes again.
const AFTER_SILENCE: f64 = 0.5;

/// A path quieter than this may be probed.
const PROBE_QUEUE_US: i64 = 50_000;
/// A wish that grows by so much is a reason to probe at once.
const WISH_GREW: f64 = 1.2;

/// Estimates one path.
#[derive(Debug)]
pub struct Estimator {
    config: EstimateConfig,
    clock: ReferenceClock,
    /// Behind the newest packet that was told about.
    next_told: Option<u16>,
    window: Window,
    delay: DelayDetector,
    rate: RateControl,
    loss: LossControl,
    probe: Prober,
    fallback: Fallback,
    round_trip: Option<Duration>,
    rates: Rates,
    trend: Trend,
    limited_by: LimitedBy,
    allocated_bps: f64,
    wished_bps: f64,
    heard_at: Option<Instant>,
    /// When silence lowers the rate next.
    silence_at: Option<Instant>,
    /// The estimate when feedback began to stay away, while it does.
    before_silence: Option<f64>,
    /// When feedback came again after a silence, and how many packets turned out lost since: for a moment.
    back: Option<(Instant, u32)>,
    /// The path was out and is back, and nobody has asked yet.
    returned: bool,
    /// Losses allow no more.
    limited: bool,
    /// The latest time that was told.
    now: Option<Instant>,
}

impl Estimator {
    /// Knows nothing yet.
    pub fn new(config: EstimateConfig) -> Self {
        Estimator {
            config,
            clock: ReferenceClock::default(),
            next_told: None,
            window: Window::default(),
            delay: DelayDetector::default(),
            rate: RateControl::new(config.start_bps as f64),
            loss: LossControl::default(),
            probe: Prober::new(),
            fallback: Fallback::default(),
            round_trip: None,
            rates: Rates::default(),
            trend: Trend::Unknown,
            limited_by: LimitedBy::Start,
            allocated_bps: 0.0,
            wished_bps: 0.0,
            heard_at: None,
            silence_at: None,
            before_silence: None,
            back: None,
            returned: false,
            limited: false,
            now: None,
        }
    }

    /// Forgets the path. Probes go on being counted: feedback about one of before must not be taken for one of now.
    pub fn begin_anew(&mut self, config: EstimateConfig) {
        let probe = self.probe.begin_anew();
        *self = Estimator {
            probe,
            ..Estimator::new(config)
        };
    }

    /// Feedback about packets that `sent` knows.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportCcFeedback<'_>, sent: &mut SentLog) {
        self.now = Some(now);
        let now_us = sent.micros(now);
        let reference_us = self.clock.unwrap_us(feedback.reference_time);
        // After an outage those count that left before its end was known.
        let until_us = self.back.map_or(i64::MAX, |(at, _)| sent.micros(at));
        let (mut latest_sent_us, mut lost) = (None, 0u32);
        for (sequence, arrival_us) in feedback.arrivals() {
            let Some(arrival_us) = arrival_us else {
                if let Some(told) = sent.missing(sequence) {
                    lost += self.skip_to(sequence, until_us, sent);
                    self.window.missing(told.at_us, told.bytes, told.before);
                    lost += u32::from(told.at_us < until_us);
                    if told.probe != 0 {
                        self.probe.told(&told, None);
                    }
                }
                continue;
            };
            let Some(told) = sent.arrived(sequence) else {
                continue;
            };
            lost += self.skip_to(sequence, until_us, sent);
            let arrival_us = reference_us.saturating_add(arrival_us);
            latest_sent_us = latest_sent_us.max(Some(told.at_us));
            if self.window.arrived(told.at_us, arrival_us, told.bytes, told.before) == Heard::ClockJumped {
                self.delay.forget();
            }
            if told.probe != 0 {
                self.delay.probed(told.at_us);
                self.probe.told(&told, Some(arrival_us));
            }
        }
        let Some(latest_sent_us) = latest_sent_us else {
            return;
        };
        self.round_trip = u64::try_from(now_us - latest_sent_us).ok().map(Duration::from_micros);
        self.heard_at = Some(now);
        self.silence_at = Some(now + SILENCE);
        if let Some(before) = self.before_silence.take() {
            self.back = Some((now, 0));
            // Half of all numbers may have gone by, and then nobody can tell what was skipped.
            self.next_told = None;
            // An outage is no narrow path. If it is narrow now, delays and losses will tell.
            self.rate.set(self.rate.bps().max(AFTER_SILENCE * before));
            // What was lost meanwhile says nothing of rates, and what was known before may hold again.
            self.loss.restart(now_us);
            self.delay.restart(now_us);
            self.probe.anew(now);
        }
        self.look_back(now, lost);
        self.decide(now, now_us);
    }

    /// Whether the silence was an outage: then packets are missing. The first feedback after it may tell of some from before.
    fn look_back(&mut self, now: Instant, lost: u32) {
        let back = self
            .back
            .filter(|(at, _)| now.saturating_duration_since(*at) <= SILENCE / 2);
        self.back = back.and_then(|(at, before)| {
            let lost = before.saturating_add(lost);
            self.returned |= lost >= OUTAGE_PACKETS;
            (!self.returned).then_some((at, lost))
        });
    }

    /// Feedback tells about this packet: what it has not told about of those before was skipped. How many that were that left
    /// before `until_us`.
    #[inline]
    fn skip_to(&mut self, sequence: u16, until_us: i64, sent: &mut SentLog) -> u32 {
        let mut count = 0;
        let mut next = self.next_told.unwrap_or(sequence);
        // Late feedback tells about what is behind.
        if (sequence.wrapping_sub(next) as i16) < 0 {
            return 0;
        }
        while next != sequence {
            if let Some(skipped) = sent.skipped(next) {
                self.window.skipped(skipped.at_us, skipped.bytes);
                count += u32::from(skipped.at_us < until_us);
            }
            next = next.wrapping_add(1);
        }
        self.next_told = Some(next.wrapping_add(1));
        count
    }

    fn decide(&mut self, now: Instant, now_us: i64) {
        self.trend = self.delay.update(now_us, &self.window);
        let (Some(rates), Some(latest)) = (self.window.rates(RATE_BUCKETS), self.window.rates(RATE_BUCKETS_LATEST))
        else {
            return;
        };
        self.rates = rates;
        if f64::from(rates.lost) > OVERFLOW_PACKETS + (self.loss.inherent() + OVERFLOW) * f64::from(rates.told) {
            self.delay.lost();
        }
        let conditions = Conditions {
            trend: self.trend,
            queue_us: self.delay.queue_us(),
            rates,
            delivered_bps: self
                .delay
                .delivered_bps(&self.window)
                .unwrap_or(latest.arrived_bps.max(rates.arrived_bps)),
            inherent_loss: self.loss.inherent(),
            shared: self.delay.is_shared(),
            most_bps: self.loss.most_bps(now_us, self.rate.bps()),
        };
        let was_limited = self.rate.is_application_limited();
        match self.rate.update(now_us, &conditions) {
            Move::Held => {}
            Move::Raised => self.limited_by = LimitedBy::Nothing,
            Move::Cut => {
                self.limited_by = LimitedBy::Delay;
                self.loss.restart(now_us);
                self.probe.cut(now, was_limited);
            }
        }
        if matches!(self.trend, Trend::Growing | Trend::Standing) {
            self.delay.restart(now_us);
        }
        self.heed_losses(now, now_us);
        self.limited = self.loss.most_bps(now_us, self.rate.bps()).is_some();
        self.conclude_probe(now);
        self.bound();
        self.consider_probe(now);
    }

    fn heed_losses(&mut self, now: Instant, now_us: i64) {
        let scene = Scene {
            now_us,
            settled_us: self.window.settled_us(),
            bps: self.rate.bps(),
            queue_us: self.delay.queue_us(),
            application_limited: self.rate.is_application_limited(),
            floor_bps: self.rate.floor_bps(),
            shared: self.delay.is_shared(),
            round_trip_us: self.round_trip.map_or(0, |trip| trip.as_micros() as i64),
        };
        match self.loss.update(&scene, &self.window.losses(self.loss.since_us())) {
            Demand::Nothing => {}
            Demand::Cut(bps) => {
                self.limited_by = LimitedBy::Loss;
                self.rate.is_full_at(bps);
                self.rate.set(bps);
                self.delay.restart(now_us);
                self.loss.restart(now_us);
                self.probe.cut(now, scene.application_limited);
            }
            Demand::Try(bps) => {
                self.limited_by = LimitedBy::Loss;
                self.rate.set(bps);
            }
            Demand::GiveBack(bps) => {
                self.limited_by = LimitedBy::Nothing;
                self.rate.set(bps);
            }
        }
    }

    fn conclude_probe(&mut self, now: Instant) {
        let Some(verdict) = self.probe.verdict(now, self.loss.inherent()) else {
            return;
        };
        let before = self.rate.bps();
        match verdict {
            Verdict::Unclear => {}
            Verdict::Carries(bps) => self.rate.raise_to(bps),
            Verdict::Full(bps) => {
                self.rate.raise_to(bps);
                self.rate.is_full_at(bps);
            }
        }
        if self.rate.bps() > before {
            self.limited_by = LimitedBy::Nothing;
        }
        self.probe.conclude(now, verdict, before, self.rate.bps());
    }

    fn bound(&mut self) {
        let (least, most) = (self.config.min_bps as f64, self.config.max_bps as f64);
        // Not `clamp`: a configuration that is upside down is no reason to panic.
        self.rate.set(self.rate.bps().max(least).min(most));
    }

    fn consider_probe(&mut self, now: Instant) {
        let heard = self
            .heard_at
            .is_some_and(|at| now.saturating_duration_since(at) < SILENCE);
        let quiet = heard
            && matches!(self.trend, Trend::Steady | Trend::Unknown)
            && self.delay.queue_us() < PROBE_QUEUE_US
            && !self.limited;
        let chance = Chance {
            bps: self.rate.bps(),
            media_bps: self.rates.sent_bps,
            wished_bps: self.wished_bps.min(self.config.max_bps as f64),
            quiet,
        };
        self.probe.consider(now, &chance);
    }

    /// A receiver's own estimate (REMB): an upper limit, and the estimate itself for receivers without feedback.
    pub fn handle_remb(&mut self, now: Instant, bps: u64) {
        self.now = Some(now);
        self.fallback.handle_remb(now, bps);
        if self.heard_at.is_none() {
            self.rate.set(bps as f64);
            self.limited_by = LimitedBy::Receiver;
            self.bound();
        }
    }

    /// Loss (in 1/256) and round trip of a receiver report: all there is for receivers without feedback.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        self.now = Some(now);
        let before = self.rate.bps();
        let after = self.fallback.handle_report(now, fraction_lost, round_trip, before);
        if self.heard_at.is_some() {
            return;
        }
        self.round_trip = self.fallback.round_trip;
        if self.fallback.limit(now).is_some() && after > before {
            return;
        }
        if after != before {
            self.limited_by = if after > before {
                LimitedBy::Nothing
            } else {
                LimitedBy::Loss
            };
        }
        self.rate.set(after);
        self.bound();
    }

    /// What is sent by decision of the allocator, and what would be if the path carried everything that is wished for: to
    /// tell a path that is full from one that is not used, and how far probing is worth it.
    pub fn set_demand(&mut self, now: Instant, allocated_bps: u64, wished_bps: u64) {
        self.now = Some(now);
        let wished_before = std::mem::replace(&mut self.wished_bps, wished_bps as f64);
        self.allocated_bps = allocated_bps as f64;
        if self.wished_bps > WISH_GREW * wished_before {
            self.probe.again(now);
        }
        self.consider_probe(now);
    }

    /// Time passes: feedback that stays away, probes that begin.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = Some(now);
        if self.silence_at.is_some_and(|at| at <= now) {
            self.silence_at = Some(now + SILENCE);
            if self.allocated_bps > 0.0 {
                self.before_silence.get_or_insert(self.rate.bps());
                self.limited_by = LimitedBy::Loss;
                let lower = (self.rate.bps() * SILENCE_BACK_OFF).max(CALL_BPS);
                self.rate.set(lower.min(self.rate.bps()));
                self.bound();
            }
        }
        self.conclude_probe(now);
        self.bound();
        self.consider_probe(now);
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_probe`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.probe.poll_timeout(), self.silence_at].into_iter().flatten().min()
    }

    /// Padding to send now, if a probe runs: none of it while media alone keeps up with the probe. Asked every few
    /// milliseconds while it runs, see [`Self::poll_timeout`]; all that leaves meanwhile belongs to it.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        self.probe.poll(now)
    }

    /// No feedback came lately, although some did before.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.heard_at
            .is_some_and(|at| now.saturating_duration_since(at) >= SILENCE / 2)
    }

    /// Whether feedback came again after a silence, since this was asked last: what was sent meanwhile is lost.
    pub fn take_returned(&mut self) -> bool {
        std::mem::take(&mut self.returned)
    }

    /// Whether packets that leave now belong to a probe, media among them.
    pub fn is_probing(&self) -> bool {
        self.probe.is_sending()
    }

    /// A packet of a probe left.
    pub fn probe_sent(&mut self, now: Instant, cluster: ProbeCluster, bytes: usize) {
        self.probe.sent(now, cluster, bytes);
    }

    /// What is known now.
    pub fn estimate(&self) -> Estimate {
        let limit = self.now.and_then(|now| self.fallback.limit(now));
        let (mut bps, mut limited_by) = (self.rate.bps(), self.limited_by);
        let most = self.config.max_bps as f64;
        if let Some(limit) = limit.filter(|limit| *limit < bps) {
            bps = limit.max(self.config.min_bps as f64);
            limited_by = LimitedBy::Receiver;
        } else if bps >= most {
            limited_by = LimitedBy::Maximum;
        } else if limited_by == LimitedBy::Nothing && self.rate.is_application_limited() {
            limited_by = LimitedBy::Application;
        }
        let loss = match self.heard_at {
            Some(_) => self.window.rates(LOSS_BUCKETS).map_or(0.0, |rates| rates.loss()),
            None => self.fallback.loss,
        };
        Estimate {
            bps: bps as u64,
            pacing_bps: (bps * PACING) as u64,
            loss,
            round_trip: self.round_trip,
            queue_delay: Duration::from_micros(self.delay.queue_us() as u64),
            limited_by,
        }
    }
}

#[cfg(test)]
mod tests;
