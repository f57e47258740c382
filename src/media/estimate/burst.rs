//! What a probe showed: how fast its packets left, and how fast they arrived.
//!
//! Both are slopes of a line by least squares through time over bytes sent so far, so that neither a jittered first packet
//! nor a pacer that sends several packets at once decides (libwebrtc's `ProbeBitrateEstimator` takes the first and the
//! last packet alone). Packets that the path loses at random count as sent, since the others arrive no sooner for it.

/// Fewer packets that arrived say nothing.
const PACKETS_MIN: u32 = 4;
/// More than this share of the packets must have been told about.
const TOLD_MIN: f64 = 0.8;
/// A slope less certain than this, as a share of the slope of what was sent, says nothing.
const ERROR_MAX: f64 = 0.15;
/// Arrived this much slower than sent, and the path was full (libwebrtc `kMinRatioForUnsaturatedLink`).
const FULL: f64 = 0.9;
/// What may be used of a rate at which the path was full (libwebrtc `kTargetUtilizationFraction`).
const USE_OF_FULL: f64 = 0.95;
/// So much more loss than otherwise is the path's answer to the burst.
const LOSS_MAX: f64 = 0.15;

/// What a probe showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Too few packets, or too much jitter.
    Unclear,
    /// The path carries this much, and perhaps more.
    Carries(f64),
    /// The path carries no more than this.
    Full(f64),
}

/// The packets of one probe, in the order they left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Burst {
    first: Option<(i64, i64)>,
    told: u32,
    /// Called missing, and of those the ones that arrived after all.
    missing: u32,
    late: u32,
    /// Points of the line.
    points: u32,
    /// Bytes behind the first packet, up to the latest told about; and those of them that arrived.
    bytes: f64,
    arrived_bytes: f64,
    sum_x: f64,
    sum_xx: f64,
    sent: Sums,
    arrivals: Sums,
    delays: Sums,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    y: f64,
    xy: f64,
    yy: f64,
}

impl Sums {
    fn add(&mut self, x: f64, y: f64) {
        self.y += y;
        self.xy += x * y;
        self.yy += y * y;
    }
}

impl Burst {
    /// A packet of it arrived.
    pub(super) fn arrived(&mut self, at_us: i64, arrival_us: i64, bytes: u16) {
        self.told += 1;
        self.points += 1;
        let (first_sent, first_arrival) = match self.first {
            Some(first) => {
                self.bytes += f64::from(bytes);
                self.arrived_bytes += f64::from(bytes);
                first
            }
            None => *self.first.insert((at_us, arrival_us)),
        };
        let x = self.bytes;
        self.sum_x += x;
        self.sum_xx += x * x;
        self.sent.add(x, at_us.saturating_sub(first_sent) as f64);
        self.arrivals.add(x, arrival_us.saturating_sub(first_arrival) as f64);
        let delay_us = arrival_us.saturating_sub(at_us);
        let first_delay_us = first_arrival.saturating_sub(first_sent);
        self.delays.add(x, delay_us.saturating_sub(first_delay_us) as f64);
    }

    /// A packet of it did not arrive.
    pub(super) fn missing(&mut self, bytes: u16) {
        self.told += 1;
        self.missing += 1;
        if self.first.is_some() {
            self.bytes += f64::from(bytes);
        }
    }

    /// A packet of it that was called missing arrived after all. Where it belongs on the line is not known any more.
    pub(super) fn late(&mut self, bytes: u16) {
        self.late += 1;
        self.arrived_bytes += f64::from(bytes);
    }

    /// Some are still missing.
    pub(super) fn has_missing(&self) -> bool {
        self.missing > self.late
    }

    /// Packets told about.
    pub(super) fn told(&self) -> u32 {
        self.told
    }

    /// Of `packets` that were sent, on a path that loses the share `inherent_loss` of whatever is sent.
    pub(super) fn verdict(&self, packets: u32, inherent_loss: f64) -> Verdict {
        if self.points < PACKETS_MIN || f64::from(self.told) < TOLD_MIN * f64::from(packets) {
            return Verdict::Unclear;
        }
        let (Some((sent_slope, _)), Some((arrival_slope, arrival_error)), Some((_, delay_error))) = (
            self.slope(&self.sent),
            self.slope(&self.arrivals),
            self.slope(&self.delays),
        ) else {
            return Verdict::Unclear;
        };
        // A full path spaces arrivals evenly however packets left. One that is not keeps the spacing they left with, even
        // or not: then it is delays that lie on a line.
        let error = arrival_error.min(delay_error);
        // Microseconds per byte. A burst that left or arrived all at once has no rate.
        let sent_bps = 8e6 / sent_slope.max(1e-3);
        let mut arrived_bps = 8e6 / arrival_slope.max(1e-3);
        // Against what was sent: a line that is steep by chance would look the surer for it.
        if error > ERROR_MAX * sent_slope {
            return Verdict::Unclear;
        }
        let loss = f64::from(self.missing.saturating_sub(self.late)) / f64::from(self.told);
        let lossy = loss > inherent_loss + LOSS_MAX;
        if lossy {
            arrived_bps = arrived_bps.min(sent_bps) * (self.arrived_bytes / self.bytes.max(1.0)).min(1.0);
        }
        // Beyond what the error explains.
        let surely_bps = 8e6 / (arrival_slope - error).max(1e-3);
        if surely_bps.max(arrived_bps) < FULL * sent_bps || lossy {
            Verdict::Full(USE_OF_FULL * arrived_bps)
        } else {
            Verdict::Carries(sent_bps.min(arrived_bps))
        }
    }

    /// Microseconds per byte, and the standard error of that.
    fn slope(&self, sums: &Sums) -> Option<(f64, f64)> {
        let count = f64::from(self.points);
        let var_x = self.sum_xx - self.sum_x * self.sum_x / count;
        if var_x <= f64::EPSILON {
            return None;
        }
        let slope = (sums.xy - self.sum_x * sums.y / count) / var_x;
        let residue = (sums.yy - sums.y * sums.y / count - slope * slope * var_x).max(0.0);
        Some((slope, (residue / (count - 2.0) / var_x).sqrt()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve packets of 1000 bytes at 4 Mb/s over a path that takes `micros` for each, and loses every `lost`th.
    fn probe(micros: i64, lost: i64, jitter: impl Fn(i64) -> i64) -> Verdict {
        let mut burst = Burst::default();
        for number in 0..12 {
            if lost > 0 && number % lost == 1 {
                burst.missing(1_000);
            } else {
                burst.arrived(
                    number * 2_000,
                    50_000 + number * micros.max(2_000) + jitter(number),
                    1_000,
                );
            }
        }
        burst.verdict(12, 0.0)
    }

    fn is(verdict: Verdict, carries: bool, mbps: f64) {
        let (carried, bps) = match verdict {
            Verdict::Unclear => panic!("unclear"),
            Verdict::Carries(bps) => (true, bps),
            Verdict::Full(bps) => (false, bps),
        };
        assert_eq!(carried, carries, "{verdict:?}");
        assert!((bps / 1e6 - mbps).abs() < 0.05 * mbps, "{verdict:?}");
    }

    #[test]
    fn a_path_that_delivers_as_fast_as_we_send_carries_it() {
        is(probe(0, 0, |_| 0), true, 4.0);
    }

    #[test]
    fn a_full_path_shows_its_capacity() {
        is(probe(8_000, 0, |_| 0), false, 0.95);
    }

    #[test]
    fn a_lost_packet_does_not_make_a_path_slower() {
        is(probe(0, 12, |_| 0), true, 4.0);
        is(probe(8_000, 12, |_| 0), false, 0.95);
    }

    #[test]
    fn a_path_that_answers_with_losses_is_full() {
        is(probe(0, 2, |_| 0), false, 0.95 * 4.0 * 5.0 / 11.0);
    }

    #[test]
    fn jitter_as_long_as_the_probe_makes_it_unclear_and_a_little_does_not() {
        let zigzag = |us: i64| move |number: i64| if number % 2 == 0 { us } else { -us };
        assert_eq!(probe(0, 0, zigzag(15_000)), Verdict::Unclear);
        is(probe(0, 0, zigzag(1_000)), true, 4.0);
    }

    #[test]
    fn a_probe_that_nobody_saw_is_unclear() {
        assert_eq!(Burst::default().verdict(10, 0.0), Verdict::Unclear);
        let mut burst = Burst::default();
        for _ in 0..10 {
            burst.missing(1_000);
        }
        assert_eq!(burst.verdict(10, 0.0), Verdict::Unclear);
        let mut burst = Burst::default();
        for _ in 0..10 {
            burst.arrived(i64::MAX, i64::MIN, u16::MAX);
            burst.arrived(0, i64::MAX, 0);
        }
        let _ = burst.verdict(10, 0.0);
    }
}
