//! A TCP flow that is good enough to compete with: CUBIC (RFC 9438) or Reno, selective acknowledgements, one packet per
//! acknowledgement, no pacing.

use std::collections::{BTreeSet, VecDeque};

const SEGMENT: usize = 1_500;
const CUBIC_C: f64 = 0.4;
const CUBIC_BETA: f64 = 0.7;
const RTO_MIN_MS: u64 = 300;

#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpConfig {
    pub(crate) start_ms: u64,
    /// One way, behind the bottleneck.
    pub(crate) delay_ms: u64,
    /// Segments to send; None is forever.
    pub(crate) segments: Option<u64>,
    pub(crate) cubic: bool,
}

pub(crate) struct Tcp {
    config: TcpConfig,
    next: u64,
    /// Numbers sent and neither acknowledged nor given up, with their send time.
    in_flight: VecDeque<(u64, u64)>,
    again: VecDeque<u64>,
    window: f64,
    threshold: f64,
    /// CUBIC's memory.
    window_max: f64,
    epoch_ms: Option<u64>,
    /// Losses of what was sent before this are one event.
    recover: u64,
    srtt_ms: f64,
    last_ack_ms: u64,
    /// The receiver: packets under way to it behind the bottleneck, and acknowledgements under way to the return link.
    arriving: VecDeque<(u64, u64)>,
    acked: BTreeSet<u64>,
    pub(crate) acked_segments: u64,
    pub(crate) done_ms: Option<u64>,
}

impl Tcp {
    pub(crate) fn new(config: TcpConfig, _now_ms: u64) -> Self {
        Tcp {
            config,
            next: 0,
            in_flight: VecDeque::new(),
            again: VecDeque::new(),
            window: 10.0,
            threshold: f64::MAX,
            window_max: 0.0,
            epoch_ms: None,
            recover: 0,
            srtt_ms: 0.0,
            last_ack_ms: config.start_ms,
            arriving: VecDeque::new(),
            acked: BTreeSet::new(),
            acked_segments: 0,
            done_ms: None,
        }
    }

    pub(crate) fn send(&mut self, now_ms: u64, mut out: impl FnMut(u64, usize)) {
        if now_ms < self.config.start_ms || self.done_ms.is_some() {
            return;
        }
        let rto = (2.0 * self.srtt_ms).max(RTO_MIN_MS as f64) as u64;
        if !self.in_flight.is_empty() && now_ms.saturating_sub(self.last_ack_ms.max(self.config.start_ms)) > rto {
            // Everything is taken for lost.
            self.again.extend(self.in_flight.drain(..).map(|(number, _)| number));
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.epoch_ms = None;
            self.last_ack_ms = now_ms;
        }
        while (self.in_flight.len() as f64) < self.window {
            let number = match self.again.pop_front() {
                Some(number) => number,
                None if self.config.segments.is_none_or(|segments| self.next < segments) => {
                    self.next += 1;
                    self.next - 1
                }
                None => break,
            };
            if self.in_flight.is_empty() {
                self.last_ack_ms = now_ms;
            }
            self.in_flight.push_back((number, now_ms));
            out(number, SEGMENT);
        }
    }

    /// Out of the bottleneck.
    pub(crate) fn arrived(&mut self, now_ms: u64, number: u64) {
        self.arriving.push_back((now_ms + self.config.delay_ms, number));
    }

    pub(crate) fn poll_ack(&mut self, now_ms: u64) -> Option<u64> {
        // The way back is as long as the way there.
        let (at, number) = *self.arriving.front()?;
        if at + self.config.delay_ms > now_ms {
            return None;
        }
        self.arriving.pop_front();
        Some(number)
    }

    pub(crate) fn acknowledged(&mut self, now_ms: u64, number: u64) {
        let Some(index) = self.in_flight.iter().position(|(other, _)| *other == number) else {
            return;
        };
        self.last_ack_ms = now_ms;
        let sent_ms = self.in_flight[index].1;
        let trip = (now_ms - sent_ms) as f64;
        self.srtt_ms = if self.srtt_ms == 0.0 {
            trip
        } else {
            0.875 * self.srtt_ms + 0.125 * trip
        };
        // In order of sending: three or more before it are lost.
        if index >= 3 {
            let lost: Vec<(u64, u64)> = self.in_flight.drain(..index - 2).collect();
            let event = lost.iter().any(|(_, at)| *at >= self.recover);
            self.again.extend(lost.iter().map(|(number, _)| *number));
            if event {
                self.reduce(now_ms);
            }
            let index = self.in_flight.iter().position(|(other, _)| *other == number);
            if let Some(index) = index {
                self.in_flight.remove(index);
            }
        } else {
            self.in_flight.remove(index);
        }
        if self.acked.insert(number) {
            self.acked_segments += 1;
        }
        if self.acked.len() > 10_000 {
            self.acked.pop_first();
        }
        if self
            .config
            .segments
            .is_some_and(|segments| self.acked_segments >= segments)
        {
            self.done_ms.get_or_insert(now_ms);
        }
        self.increase(now_ms);
    }

    fn reduce(&mut self, now_ms: u64) {
        self.recover = now_ms;
        self.window_max = self.window;
        self.window = (self.window * if self.config.cubic { CUBIC_BETA } else { 0.5 }).max(2.0);
        self.threshold = self.window;
        self.epoch_ms = None;
    }

    fn increase(&mut self, now_ms: u64) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let reno = if self.config.cubic {
            3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA)
        } else {
            1.0
        };
        let mut more = reno / self.window;
        if self.config.cubic {
            let epoch = *self.epoch_ms.get_or_insert(now_ms);
            let seconds = (now_ms - epoch) as f64 / 1e3 + self.srtt_ms / 1e3;
            let k = (self.window_max * (1.0 - CUBIC_BETA) / CUBIC_C).cbrt();
            let target = CUBIC_C * (seconds - k).powi(3) + self.window_max;
            more = more.max((target - self.window).min(self.window * 0.5) / self.window);
        }
        self.window += more;
    }
}
