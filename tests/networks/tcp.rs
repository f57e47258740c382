//! TCP that is good enough to compete with: CUBIC (RFC 9438), selective acknowledgements, one packet per
//! acknowledgement, no pacing. A flow may be a browser's: files with pauses between them (RFC 8867 section 4.4).

use std::collections::VecDeque;

pub(crate) const SEGMENT: usize = 1_500;
const CUBIC_C: f64 = 0.4;
const CUBIC_BETA: f64 = 0.7;
const RTO_MIN_MS: u64 = 300;
const WINDOW_INITIAL: f64 = 10.0;

#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpConfig {
    pub(crate) start_ms: u64,
    /// One way, behind the bottleneck.
    pub(crate) delay_ms: u64,
    pub(crate) load: Load,
}

/// What there is to send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    Endless,
    /// Files of 100 kB to 1 MB, and pauses of 10 s on average between them; no new one after `until_ms`.
    Files {
        seed: u64,
        until_ms: u64,
    },
}

pub(crate) struct Tcp {
    config: TcpConfig,
    next: u64,
    /// Up to which segments there is something to send.
    end: u64,
    /// The next file comes then.
    next_file_ms: u64,
    random: u64,
    /// Sent, and neither acknowledged nor given up: number and send time, in the order of sending.
    in_flight: VecDeque<(u64, u64)>,
    again: VecDeque<u64>,
    window: f64,
    threshold: f64,
    window_max: f64,
    epoch_ms: Option<u64>,
    /// Losses of what was sent before this are one event.
    recover_ms: u64,
    srtt_ms: f64,
    last_ack_ms: u64,
    arriving: VecDeque<(u64, u64)>,
}

impl Tcp {
    pub(crate) fn new(config: TcpConfig) -> Self {
        let (end, random) = match config.load {
            Load::Endless => (u64::MAX, 1),
            Load::Files { seed, .. } => (0, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        };
        Tcp {
            config,
            next: 0,
            end,
            next_file_ms: config.start_ms,
            random,
            in_flight: VecDeque::new(),
            again: VecDeque::new(),
            window: WINDOW_INITIAL,
            threshold: f64::MAX,
            window_max: 0.0,
            epoch_ms: None,
            recover_ms: 0,
            srtt_ms: 0.0,
            last_ack_ms: config.start_ms,
            arriving: VecDeque::new(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.next >= self.end && self.in_flight.is_empty() && self.again.is_empty()
    }

    pub(crate) fn send(&mut self, now_ms: u64, mut out: impl FnMut(u64)) {
        if now_ms < self.config.start_ms {
            return;
        }
        self.browse(now_ms);
        let rto = (2.0 * self.srtt_ms).max(RTO_MIN_MS as f64) as u64;
        if !self.in_flight.is_empty() && now_ms.saturating_sub(self.last_ack_ms) > rto {
            self.again.extend(self.in_flight.drain(..).map(|(number, _)| number));
            self.threshold = (self.window / 2.0).max(2.0);
            self.window = 1.0;
            self.epoch_ms = None;
            self.last_ack_ms = now_ms;
        }
        while (self.in_flight.len() as f64) < self.window {
            let number = match self.again.pop_front() {
                Some(number) => number,
                None if self.next < self.end => {
                    self.next += 1;
                    self.next - 1
                }
                None => break,
            };
            if self.in_flight.is_empty() {
                self.last_ack_ms = now_ms;
            }
            self.in_flight.push_back((number, now_ms));
            out(number);
        }
    }

    fn browse(&mut self, now_ms: u64) {
        let Load::Files { until_ms, .. } = self.config.load else {
            return;
        };
        if !self.is_idle() || now_ms >= until_ms {
            self.next_file_ms = self.next_file_ms.max(now_ms);
            return;
        }
        // The pause is drawn when a file is done.
        if self.next > 0 && self.next_file_ms + 1 >= now_ms {
            self.next_file_ms = now_ms + (-10_000.0 * (1.0 - self.chance()).ln()) as u64 + 2;
        }
        if self.next_file_ms <= now_ms {
            let bytes = 100e3 + 900e3 * self.chance();
            self.end = self.next + (bytes / SEGMENT as f64) as u64;
            self.window = WINDOW_INITIAL;
            self.threshold = f64::MAX;
            self.epoch_ms = None;
        }
    }

    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Out of the bottleneck.
    pub(crate) fn arrived(&mut self, now_ms: u64, number: u64) {
        // The way back is as long as the way there.
        self.arriving.push_back((now_ms + 2 * self.config.delay_ms, number));
    }

    pub(crate) fn poll_ack(&mut self, now_ms: u64) -> Option<u64> {
        let (at, number) = *self.arriving.front()?;
        if at > now_ms {
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
        let trip = (now_ms - self.in_flight[index].1) as f64;
        self.srtt_ms = if self.srtt_ms == 0.0 {
            trip
        } else {
            0.875 * self.srtt_ms + 0.125 * trip
        };
        self.in_flight.remove(index);
        // Three or more were sent after those, and have arrived.
        if index >= 3 {
            let lost: Vec<(u64, u64)> = self.in_flight.drain(..index - 2).collect();
            if lost.iter().any(|(_, at)| *at >= self.recover_ms) {
                self.reduce(now_ms);
            }
            self.again.extend(lost.iter().map(|(number, _)| *number));
        }
        self.increase(now_ms);
    }

    fn reduce(&mut self, now_ms: u64) {
        self.recover_ms = now_ms;
        self.window_max = self.window;
        self.window = (self.window * CUBIC_BETA).max(2.0);
        self.threshold = self.window;
        self.epoch_ms = None;
    }

    fn increase(&mut self, now_ms: u64) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        // As quick as Reno, or as CUBIC if that is quicker.
        let reno = 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA) / self.window;
        let epoch = *self.epoch_ms.get_or_insert(now_ms);
        let seconds = (now_ms - epoch) as f64 / 1e3 + self.srtt_ms / 1e3;
        let k = (self.window_max * (1.0 - CUBIC_BETA) / CUBIC_C).cbrt();
        let target = CUBIC_C * (seconds - k).powi(3) + self.window_max;
        let cubic = (target - self.window).min(self.window * 0.5) / self.window;
        self.window += reno.max(cubic);
    }
}
