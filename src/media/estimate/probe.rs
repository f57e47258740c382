//! When to look for more, and how much more: bursts of a few packets, faster than media, filled up with padding.
//!
//! Media of an SFU comes in steps: the estimate is seldom filled, so that it cannot rise by itself, and the next layer
//! costs three times the last one. So while somebody wishes for more than the path is known to carry, a short burst at two
//! or three times the estimate is sent, and the next one as soon as the last has gone well. Each that does not doubles the
//! time to the next. libwebrtc's `ProbeController` does so at the start and every 5 s while the application is limited.

use std::time::{Duration, Instant};

use super::Probe;
use super::burst::{Burst, Verdict};
use super::sent::{Before, ProbeCluster, Told};

/// How long a burst is; longer when jitter hides what it shows (libwebrtc takes 15 ms).
const LENGTH_US: f64 = 20_000.0;
/// Twice as long so many times at most: 160 ms.
const STRETCH_MAX: u32 = 3;
/// A burst has at least so many bytes: enough packets to draw a line through.
const BYTES_MIN: f64 = 4_000.0;
/// Padding leaves in pieces of this size, or of what is left: smaller packets are mostly headers.
const PIECE_BYTES: f64 = 1_000.0;
/// And at most what the estimate carries in this time, unless that is less: all that a burst can add to a queue.
const QUEUE_US_MAX: f64 = 100_000.0;

/// How far above the estimate: at the start and after something else than the path had lowered it, and otherwise.
const LEAP: f64 = 3.0;
const STEP: f64 = 2.0;
/// Bursts stretched because of jitter go less far, for their length.
const STEP_STRETCHED: f64 = 1.5;
/// Not further above what is wished for than this. Media that leaves in lumps amid a burst makes it a third slower than meant.
const ABOVE_WISH: f64 = 1.5;
/// Less than this above the estimate is not a success, unless it is all that is wished for.
const WORTH: f64 = 1.1;

/// After a burst that found nothing: so long to the next, doubled each time.
const INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_MAX: Duration = Duration::from_secs(5);
/// After the estimate was cut.
const AFTER_CUT: Duration = Duration::from_secs(2);
const AFTER_CUT_SOON: Duration = Duration::from_millis(500);
/// A gain that is taken back within this time was none.
const GAIN_HOLDS: Duration = Duration::from_secs(3);

/// Padding is this share of the estimate in the long run, and may be saved up for so many seconds.
const BUDGET: f64 = 0.05;
const BUDGET_SECONDS: f64 = 5.0;
/// At least so much may be saved up; and so much is granted when a path is new, or as good as new.
const BUDGET_BYTES_MIN: f64 = 8_000.0;
const BUDGET_BYTES_NEW: f64 = 30_000.0;

/// Padding that was due and was not sent is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_millis(5);
/// A burst that has not left by then, beyond its length, is given up: there is nothing to pad with.
const LATE: Duration = Duration::from_millis(100);
/// Feedback about a burst that has not come by then will not.
const WAIT: Duration = Duration::from_millis(1_500);
/// Packets of it that are missing may come with the next feedback.
const SETTLES: Duration = Duration::from_millis(120);

/// See the module.
#[derive(Debug)]
pub(super) struct Prober {
    state: State,
    last_cluster: u16,
    next_at: Option<Instant>,
    failures: u32,
    stretch: u32,
    leap: bool,
    gained_at: Option<Instant>,
    wished_bps: f64,
    /// Bytes of padding that may be sent, as of `budget_at`.
    budget: f64,
    budget_at: Option<Instant>,
    polled_at: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Idle,
    Sending(Sending),
    /// All packets have left; what is known of them.
    Waiting {
        cluster: u16,
        packets: u32,
        burst: Burst,
        until: Instant,
        /// Feedback has told of all its packets.
        is_complete: bool,
    },
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    cluster: u16,
    began: Instant,
    target_bps: f64,
    bytes: f64,
    sent: f64,
    packets: u32,
    burst: Burst,
    until: Instant,
}

/// What is to be known to decide on a probe.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    pub bps: f64,
    /// Bits per second of media that leave anyway.
    pub media_bps: f64,
    pub wished_bps: f64,
    /// No queue, no change, feedback comes.
    pub quiet: bool,
}

impl Prober {
    pub(super) fn new() -> Self {
        Prober {
            state: State::Idle,
            last_cluster: 0,
            next_at: None,
            failures: 0,
            stretch: 0,
            leap: true,
            gained_at: None,
            wished_bps: 0.0,
            budget: BUDGET_BYTES_NEW,
            budget_at: None,
            polled_at: None,
        }
    }

    /// One that knows nothing, and numbers its probes on from here.
    pub(super) fn begin_anew(&self) -> Self {
        Prober {
            last_cluster: self.last_cluster,
            ..Prober::new()
        }
    }

    /// Begins a probe if it is time for one.
    pub(super) fn consider(&mut self, now: Instant, chance: &Chance) {
        let elapsed = self
            .budget_at
            .map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.budget_at = Some(now);
        let per_second = chance.bps / 8.0 * BUDGET;
        let most = (per_second * BUDGET_SECONDS).max(BUDGET_BYTES_MIN);
        self.budget = (self.budget + elapsed * per_second).min(most.max(self.budget));

        self.wished_bps = chance.wished_bps;
        let worth = chance.wished_bps > chance.bps;
        let due = self.next_at.is_none_or(|at| at <= now);
        if !matches!(self.state, State::Idle) || !worth || !due || !chance.quiet {
            return;
        }
        let step = match (self.stretch, self.leap) {
            (0, true) => LEAP,
            (0, false) => STEP,
            (_, _) => STEP_STRETCHED,
        };
        let target_bps = (step * chance.bps).min(ABOVE_WISH * chance.wished_bps);
        let length_us = LENGTH_US * f64::from(1u32 << self.stretch);
        let stretched = f64::from(1u32 << self.stretch);
        let bytes = (target_bps * length_us / 8e6)
            .min(chance.bps * QUEUE_US_MAX * stretched / 8e6)
            .max(BYTES_MIN);
        let padding = bytes * (1.0 - chance.media_bps / target_bps).clamp(0.0, 1.0);
        if padding > self.budget {
            return;
        }
        self.budget -= padding;
        self.last_cluster = self.last_cluster.checked_add(1).unwrap_or(1);
        let length = Duration::from_micros((bytes * 8e6 / target_bps) as u64);
        self.state = State::Sending(Sending {
            cluster: self.last_cluster,
            began: now,
            target_bps,
            bytes,
            sent: 0.0,
            packets: 0,
            burst: Burst::default(),
            until: now + length + LATE,
        });
    }

    /// Bytes to send now, if a probe runs.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Probe> {
        self.polled_at = Some(now);
        let State::Sending(sending) = &self.state else {
            return None;
        };
        let elapsed = now.saturating_duration_since(sending.began).as_secs_f64();
        // A piece is due when its first byte is.
        let left = sending.bytes - sending.sent;
        let pieces = ((sending.target_bps * elapsed / 8.0 - sending.sent) / PIECE_BYTES).floor() + 1.0;
        Some(Probe {
            cluster: ProbeCluster(sending.cluster),
            bytes: (pieces * PIECE_BYTES).min(left).max(0.0) as usize,
        })
    }

    pub(super) fn sent(&mut self, now: Instant, cluster: ProbeCluster, bytes: usize) {
        let State::Sending(sending) = &mut self.state else {
            return;
        };
        if cluster.0 != sending.cluster {
            return;
        }
        sending.sent += bytes as f64;
        sending.packets = sending.packets.saturating_add(1);
        if sending.sent >= sending.bytes {
            let sending = *sending;
            self.wait(now, &sending);
        }
    }

    fn wait(&mut self, now: Instant, sending: &Sending) {
        self.state = State::Waiting {
            cluster: sending.cluster,
            packets: sending.packets,
            burst: sending.burst,
            until: now + WAIT,
            is_complete: false,
        };
    }

    /// Feedback about a packet of a probe: when it arrived, if it did.
    pub(super) fn told(&mut self, packet: &Told, arrival_us: Option<i64>) {
        let (own, burst) = match &mut self.state {
            State::Idle => return,
            State::Sending(sending) => (sending.cluster, &mut sending.burst),
            State::Waiting { cluster, burst, .. } => (*cluster, burst),
        };
        if own != packet.probe {
            return;
        }
        match arrival_us {
            Some(_) if packet.before == Before::Missing => burst.late(packet.bytes),
            Some(arrival_us) => burst.arrived(packet.at_us, arrival_us, packet.bytes),
            None => burst.missing(packet.bytes),
        }
    }

    /// After feedback and when time has passed: what the probe showed, once it is known.
    pub(super) fn verdict(&mut self, now: Instant, inherent_loss: f64) -> Option<Verdict> {
        match &mut self.state {
            State::Idle => None,
            State::Sending(sending) if sending.until <= now => {
                let sending = *sending;
                if sending.packets == 0 {
                    // Nobody sent any of it.
                    self.state = State::Idle;
                    self.fail(now);
                } else {
                    self.wait(now, &sending);
                }
                None
            }
            State::Sending(_) => None,
            State::Waiting {
                packets,
                burst,
                until,
                is_complete,
                ..
            } => {
                if !*is_complete && burst.told() >= *packets {
                    *is_complete = true;
                    // What is missing may have been overtaken.
                    *until = if burst.has_missing() { now + SETTLES } else { now };
                }
                if *until > now {
                    return None;
                }
                let verdict = burst.verdict(*packets, inherent_loss);
                self.state = State::Idle;
                Some(verdict)
            }
        }
    }

    /// A probe showed something: the estimate was `before` and is `after`.
    pub(super) fn conclude(&mut self, now: Instant, verdict: Verdict, before: f64, after: f64) {
        match verdict {
            Verdict::Unclear => {
                self.stretch = (self.stretch + 1).min(STRETCH_MAX);
                self.fail(now);
            }
            Verdict::Carries(_) | Verdict::Full(_) if after < (WORTH * before).min(self.wished_bps) => {
                self.leap = false;
                self.fail(now);
            }
            Verdict::Carries(_) => {
                self.gained_at = Some(now);
                self.failures = 0;
                self.next_at = Some(now);
            }
            Verdict::Full(_) => {
                self.gained_at = Some(now);
                self.leap = false;
                self.failures = 0;
                self.next_at = Some(now + INTERVAL);
            }
        }
    }

    /// The estimate was cut. `soon`: little was sent at the time, so that it was cut far below what the path may carry.
    pub(super) fn cut(&mut self, now: Instant, soon: bool) {
        let in_vain = self
            .gained_at
            .take()
            .is_some_and(|at| now.saturating_duration_since(at) < GAIN_HOLDS);
        self.leap = soon && !in_vain;
        if in_vain {
            // Flows that share a path take from each other what probes find: equal shares come by small steps between.
            self.fail(now);
            self.next_at = self.next_at.max(Some(now + AFTER_CUT));
        } else {
            self.failures = 0;
            self.next_at = Some(now + if soon { AFTER_CUT_SOON } else { AFTER_CUT });
        }
    }

    /// More is wished for: no reason to wait.
    pub(super) fn again(&mut self, now: Instant) {
        self.failures = 0;
        self.next_at = Some(now);
    }

    /// Nothing is known of the path any more.
    pub(super) fn anew(&mut self, now: Instant) {
        self.leap = true;
        self.budget = self.budget.max(BUDGET_BYTES_NEW);
        self.again(now);
    }

    fn fail(&mut self, now: Instant) {
        let interval = INTERVAL * 2u32.pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        self.next_at = Some(now + interval.min(INTERVAL_MAX));
    }

    /// Whether packets that leave now meet the queue of a probe.
    pub(super) fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending(_))
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            // What was due at the last time and did not begin waits for something else than time.
            State::Idle => self.next_at.filter(|at| Some(*at) > self.budget_at),
            State::Sending(sending) => {
                let sent = Duration::from_secs_f64((sending.sent * 8.0 / sending.target_bps).clamp(0.0, 1.0));
                let due = sending.began + sent;
                // Who was asked and did not send is asked again, but not at once.
                let again = self.polled_at.map_or(due, |polled| due.max(polled + ASK_AGAIN));
                let due = if self.polled_at >= Some(due) { again } else { due };
                Some(due.min(sending.until))
            }
            State::Waiting { until, .. } => Some(*until),
        }
    }
}
