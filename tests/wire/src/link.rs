//! One direction of a path.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::config::{Jitter, LinkConfig, Loss, Shape};
use crate::queue::{Bottleneck, Departed};
use crate::stats::{LinkStats, QueueDelays, as_ms};

/// Packets of type `T` on their way in one direction.
///
/// Drive it like any machine: `push` what was sent, `poll` until it gives nothing, come back at `poll_timeout`. `now` may
/// never go back. What happens to a packet depends on the seed, the configuration and the times of the pushes, not on how
/// often the link is polled.
#[derive(Clone, Debug)]
pub struct Link<T> {
    config: LinkConfig,
    config_set: Instant,
    chance: Chance,
    /// In the bad state of [`Loss::Bursts`].
    in_burst: bool,
    bottleneck: Bottleneck<T>,
    flying: BinaryHeap<Reverse<Flying<T>>>,
    /// Packets that left the queue so far: their order on the wire.
    departed: u64,
    /// When the latest packet arrives that nobody may overtake.
    last_due: Instant,
    /// Place in the order of the furthest packet delivered.
    furthest: Option<u64>,
    counted: LinkStats,
    queue_delays: QueueDelays,
}

impl<T: Clone> Link<T> {
    /// A link that carries from now on. Two links of the same seed, configuration and input do the same.
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self::starting(config, seed, Instant::now())
    }

    /// The same for tests whose virtual time lies before now.
    pub fn starting(config: LinkConfig, seed: u64, now: Instant) -> Self {
        Self {
            config,
            config_set: now,
            chance: Chance::new(seed),
            in_burst: false,
            bottleneck: Bottleneck::new(now),
            flying: BinaryHeap::new(),
            departed: 0,
            last_due: now,
            furthest: None,
            counted: LinkStats::default(),
            queue_delays: QueueDelays::default(),
        }
    }

    /// A packet of so many bytes (as the line counts them, headers included) enters.
    pub fn push(&mut self, now: Instant, bytes: usize, payload: T) {
        self.advance(now);
        self.counted.offered += 1;
        self.counted.offered_bytes += bytes as u64;
        if self.is_out(now) {
            self.counted.dropped_outage += 1;
            return;
        }
        let Some(rate_bps) = self.config.rate_bps else {
            let came = now;
            return self.depart(Departed {
                at: now,
                came,
                bytes,
                payload,
            });
        };
        if self
            .bottleneck
            .push(now, bytes, payload, rate_bps, self.config.queue)
            .is_err()
        {
            self.counted.dropped_queue += 1;
        }
    }

    /// The next packet that has arrived by now, in the order of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<T> {
        self.advance(now);
        if self.flying.peek()?.0.due > now {
            return None;
        }
        let Reverse(flying) = self.flying.pop()?;
        if flying.is_copy {
            self.counted.duplicated += 1;
        } else {
            self.counted.delivered += 1;
            self.counted.delivered_bytes += flying.bytes as u64;
            if self.furthest.is_some_and(|furthest| flying.place < furthest) {
                self.counted.reordered += 1;
            }
            self.furthest = self.furthest.max(Some(flying.place));
        }
        Some(flying.payload)
    }

    /// When to poll again: a packet arrives, or leaves the queue and may then arrive. None: only a push changes anything.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let arrival = self.flying.peek().map(|Reverse(flying)| flying.due);
        let departure = self.bottleneck.next_departure(self.config.rate_bps);
        [arrival, departure].into_iter().flatten().min()
    }

    /// From now on the link does this. Packets already behind the queue arrive as they would have; packets in the queue
    /// leave it at the new rate (a queue that has become too short is not emptied, it only takes nobody in).
    pub fn set_config(&mut self, now: Instant, config: LinkConfig) {
        self.advance(now);
        self.config = config;
        self.config_set = now;
        self.advance(now);
    }

    /// What it does at present.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What it has done until the last call that told it the time.
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            queued: self.bottleneck.len(),
            queue_ms: as_ms(self.queue_delay()),
            queue_p95_ms: as_ms(self.queue_delays.percentile(0.95, None)),
            ..self.counted
        }
    }

    /// How long a packet would wait in the queue, as of the last call that told the time.
    pub fn queue_delay(&self) -> Duration {
        self.config
            .rate_bps
            .map_or(Duration::ZERO, |rate| self.bottleneck.delay(rate))
    }

    /// The time in the queue that this share (0..=1) of the packets that left it since then did not exceed; zero where
    /// none left. Only the last 16384 are remembered.
    pub fn queue_delay_percentile(&self, share: f64, since: Instant) -> Duration {
        self.queue_delays.percentile(share, Some(since))
    }

    /// What leaves the queue by now gets its fate.
    fn advance(&mut self, now: Instant) {
        while let Some(departed) = self.bottleneck.poll(now, self.config.rate_bps) {
            self.depart(departed);
        }
    }

    /// Decides what becomes of a packet that has left the queue.
    fn depart(&mut self, packet: Departed<T>) {
        self.queue_delays
            .record(packet.at, packet.at.saturating_duration_since(packet.came));
        let place = self.departed;
        self.departed += 1;
        if self.is_out(packet.at) {
            self.counted.dropped_outage += 1;
            return;
        }
        if self.is_lost() {
            self.counted.lost += 1;
            return;
        }
        let is_twice = self.chance.happens(self.config.duplicate);
        let due = self.due(packet.at);
        let flying = Flying {
            due,
            place,
            is_copy: false,
            bytes: packet.bytes,
            payload: packet.payload,
        };
        if is_twice {
            self.flying.push(Reverse(Flying {
                is_copy: true,
                ..flying.clone()
            }));
        }
        self.flying.push(Reverse(flying));
    }

    fn due(&mut self, departed: Instant) -> Instant {
        let config = self.config;
        let due = departed + self.jittered(config.delay, config.jitter);
        if self.chance.happens(config.reorder.share) {
            // It does not hold up those behind it: that they overtake it is the point.
            return due.max(self.last_due) + config.reorder.extra;
        }
        if config.jitter.reorders {
            return due;
        }
        self.last_due = self.last_due.max(due);
        self.last_due
    }

    fn jittered(&mut self, delay: Duration, jitter: Jitter) -> Duration {
        if jitter.spread.is_zero() {
            return delay;
        }
        let deviation = match jitter.shape {
            Shape::Uniform => self.chance.symmetric(),
            Shape::Normal => self.chance.normal_within(3.0) / 3.0,
        };
        let offset = jitter.spread.mul_f64(deviation.abs());
        if deviation < 0.0 {
            delay.saturating_sub(offset)
        } else {
            delay + offset
        }
    }

    fn is_lost(&mut self) -> bool {
        match self.config.loss {
            Loss::None => false,
            Loss::Random(share) => self.chance.happens(share),
            Loss::Bursts { share, mean_packets } => {
                let end = 1.0 / mean_packets.max(1.0);
                // In the long run as many bursts begin as end: (1 - share) * begin = share * end.
                let begin = end * share / (1.0 - share).max(f64::EPSILON);
                let changes = self.chance.happens(if self.in_burst { end } else { begin });
                self.in_burst ^= changes;
                self.in_burst
            }
        }
    }

    fn is_out(&self, now: Instant) -> bool {
        self.config
            .outage
            .is_out(now.saturating_duration_since(self.config_set))
    }
}

/// A packet behind the queue.
#[derive(Clone, Debug)]
struct Flying<T> {
    due: Instant,
    place: u64,
    is_copy: bool,
    bytes: usize,
    payload: T,
}

impl<T> Flying<T> {
    /// Together means in the order of the wire, a copy behind its original.
    fn key(&self) -> (Instant, u64, bool) {
        (self.due, self.place, self.is_copy)
    }
}

impl<T> Ord for Flying<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl<T> PartialOrd for Flying<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Flying<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Flying<T> {}
