//! One clock for all encodings of a source.
//!
//! Every simulcast stream starts its RTP timestamps at a random place. Here each is shifted, once per
//! packet and not once per subscriber, onto one clock of the source, so that a subscriber who changes
//! encodings keeps its offset. A stream that jumps (an encoder restarted, a new SSRC) is joined on again.

use std::time::{Duration, Instant};

use super::ENCODINGS_MAX;

/// Timestamps further than this from where arrival says they should be are a jump of the sender's clock.
const JUMP: Duration = Duration::from_secs(3);

/// How slowly the estimate follows packets that come later than it says: 1/256 per frame.
const LATENESS_SHIFT: u32 = 8;

/// Two sender reports further apart than this say nothing about each other.
const REPORT_AGE_SECS_MAX: u64 = 30;

/// Aligning by sender reports moves an encoding by less than this, or the reports are wrong.
const REALIGN_SECS_MAX: u32 = 1;

/// The clock of a source, estimated from arrivals.
#[derive(Debug)]
pub struct Timeline {
    clock_rate_hz: u32,
    origin: Option<Instant>,
    /// Arrival minus source clock, in ticks, of the fastest packets lately.
    delay: u32,
    encodings: [Line; ENCODINGS_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    /// Added to the stream's timestamps.
    shift: u32,
    /// Raw timestamp and arrival of its newest packet.
    newest: Option<(u32, Instant)>,
    /// NTP and raw RTP time of its last sender report.
    report: Option<(u64, u32)>,
}

impl Timeline {
    /// A clock that starts with the first packet.
    pub fn new(clock_rate_hz: u32) -> Self {
        Timeline {
            clock_rate_hz,
            origin: None,
            delay: 0,
            encodings: Default::default(),
        }
    }

    /// The source's clock for a packet of `encoding`. Only a packet that is `in_order` moves anything.
    #[inline]
    pub fn place(&mut self, now: Instant, encoding: usize, timestamp: u32, in_order: bool) -> u32 {
        let line = self.encodings[encoding];
        let Some((newest, arrival)) = line.newest else {
            return self.join(now, encoding, timestamp);
        };
        if timestamp == newest || !in_order {
            return timestamp.wrapping_add(line.shift);
        }
        let expected = newest.wrapping_add(self.ticks(now.saturating_duration_since(arrival)));
        let off = timestamp.wrapping_sub(expected) as i32;
        if off.unsigned_abs() > self.ticks(JUMP) {
            return self.join(now, encoding, timestamp);
        }
        self.encodings[encoding].newest = Some((timestamp, now));
        let clock = timestamp.wrapping_add(line.shift);
        self.observe(now, clock);
        clock
    }

    /// The source's clock at `now`: the timestamp of a frame that would arrive now with the least delay.
    pub fn at(&self, now: Instant) -> Option<u32> {
        let origin = self.origin?;
        let arrival = self.ticks(now.saturating_duration_since(origin));
        Some(arrival.wrapping_sub(self.delay))
    }

    /// Forgets where a stream was: its next packet is joined on at the time it arrives.
    pub fn restart(&mut self, encoding: usize) {
        if let Some(line) = self.encodings.get_mut(encoding) {
            *line = Line::default();
        }
    }

    /// The publisher's own statement which timestamp belongs to which moment.
    pub fn report(&mut self, encoding: usize, ntp: u64, timestamp: u32) {
        if let Some(line) = self.encodings.get_mut(encoding) {
            line.report = Some((ntp, timestamp));
        }
    }

    /// A stream's timestamp on the source's clock, once it has one.
    pub fn shifted(&self, encoding: usize, timestamp: u32) -> Option<u32> {
        let line = self.encodings.get(encoding)?;
        line.newest.map(|_| timestamp.wrapping_add(line.shift))
    }

    /// Moves an encoding that nobody watches to where the sender reports put it beside `reference`.
    pub fn align(&mut self, encoding: usize, reference: usize) {
        let (line, other) = (self.encodings[encoding], self.encodings[reference]);
        let (Some((ntp, timestamp)), Some((other_ntp, other_timestamp))) = (line.report, other.report) else {
            return;
        };
        if encoding == reference || ntp.abs_diff(other_ntp) >> 32 > REPORT_AGE_SECS_MAX {
            return;
        }
        // 32.32 fixed point seconds times the rate: i128 cannot overflow here.
        let apart = i128::from(ntp) - i128::from(other_ntp);
        let ticks = (apart * i128::from(self.clock_rate_hz)) >> 32;
        let clock = other_timestamp.wrapping_add(other.shift).wrapping_add(ticks as u32);
        let shift = clock.wrapping_sub(timestamp);
        let moved = (shift.wrapping_sub(line.shift) as i32).unsigned_abs();
        if moved < REALIGN_SECS_MAX * self.clock_rate_hz {
            self.encodings[encoding].shift = shift;
        }
    }

    /// A duration in ticks of the clock, modulo 2^32.
    pub fn ticks(&self, duration: Duration) -> u32 {
        ticks(duration, self.clock_rate_hz)
    }

    /// Begins a stream, or begins it again, at the source's clock now. The very first sets that clock.
    #[cold]
    fn join(&mut self, now: Instant, encoding: usize, timestamp: u32) -> u32 {
        let clock = match self.at(now) {
            Some(clock) => clock,
            None => {
                self.origin = Some(now);
                self.delay = timestamp.wrapping_neg();
                timestamp
            }
        };
        self.encodings[encoding] = Line {
            shift: clock.wrapping_sub(timestamp),
            newest: Some((timestamp, now)),
            report: None,
        };
        clock
    }

    /// The fastest packet is nearest to the truth; slower ones pull only gently, which follows a drifting
    /// clock and ignores queues.
    fn observe(&mut self, now: Instant, clock: u32) {
        let Some(origin) = self.origin else { return };
        let delay = self.ticks(now.saturating_duration_since(origin)).wrapping_sub(clock);
        let later = delay.wrapping_sub(self.delay) as i32;
        let step = if later <= 0 {
            later
        } else {
            (later >> LATENESS_SHIFT) + 1
        };
        self.delay = self.delay.wrapping_add(step as u32);
    }
}

/// A duration in ticks of a clock, modulo 2^32.
pub fn ticks(duration: Duration, clock_rate_hz: u32) -> u32 {
    let seconds = duration.as_secs().wrapping_mul(u64::from(clock_rate_hz));
    let rest = u64::from(duration.subsec_nanos()) * u64::from(clock_rate_hz) / 1_000_000_000;
    seconds.wrapping_add(rest) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 90_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn encodings_with_different_random_timestamps_share_a_clock() {
        let start = Instant::now();
        let mut timeline = Timeline::new(RATE);
        for frame in 0..50u32 {
            let now = start + ms(u64::from(frame) * 33);
            let tick = frame * 2970;
            let low = timeline.place(now, 0, 1000u32.wrapping_add(tick), true);
            let high = timeline.place(now + ms(5), 1, 0xffff_ff00u32.wrapping_add(tick), true);
            let apart = high.wrapping_sub(low) as i32;
            assert!((0..=450).contains(&apart), "{apart}");
        }
    }

    #[test]
    fn sender_reports_align_what_arrival_only_guessed() {
        let start = Instant::now();
        let mut timeline = Timeline::new(RATE);
        timeline.place(start, 0, 5000, true);
        timeline.place(start + ms(40), 1, 900_000, true);
        timeline.report(0, 10 << 32, 5000);
        timeline.report(1, (10 << 32) + (1 << 31), 900_000 + 45_000);
        timeline.align(1, 0);
        let low = timeline.place(start + ms(50), 0, 5000 + 4500, true);
        let high = timeline.place(start + ms(50), 1, 900_000 + 4500, true);
        assert_eq!(low, high);
    }

    #[test]
    fn a_jump_of_the_senders_clock_is_joined_on() {
        let start = Instant::now();
        let mut timeline = Timeline::new(RATE);
        let first = timeline.place(start, 0, 0xffff_fff0, true);
        let second = timeline.place(start + ms(100), 0, 0xffff_fff0u32.wrapping_add(9000), true);
        let third = timeline.place(start + ms(200), 0, 2_000_000_000, true);
        let fourth = timeline.place(start + ms(300), 0, 2_000_009_000, true);
        assert_eq!(second.wrapping_sub(first), 9000);
        assert_eq!(third.wrapping_sub(second), 9000);
        assert_eq!(fourth.wrapping_sub(third), 9000);
    }

    #[test]
    fn silence_is_not_a_jump() {
        let start = Instant::now();
        let mut timeline = Timeline::new(48_000);
        let first = timeline.place(start, 0, 0, true);
        let later = timeline.place(start + ms(60_000), 0, 48_000 * 60, true);
        assert_eq!(later.wrapping_sub(first), 48_000 * 60);
    }

    #[test]
    fn a_late_packet_keeps_its_place_and_moves_nothing() {
        let start = Instant::now();
        let mut timeline = Timeline::new(RATE);
        let first = timeline.place(start, 0, 100, true);
        timeline.place(start + ms(66), 0, 100 + 5940, true);
        let late = timeline.place(start + ms(70), 0, 100 + 2970, false);
        assert_eq!(late.wrapping_sub(first), 2970);
    }

    #[test]
    fn the_estimate_follows_a_fast_clock_and_ignores_queueing() {
        let start = Instant::now();
        let mut timeline = Timeline::new(RATE);
        for frame in 0..6000u64 {
            // 200 ppm fast, and every third frame queued for 40 ms.
            let queued = if frame % 3 == 0 { 40 } else { 0 };
            let timestamp = (frame as f64 * 3000.0 * 1.0002) as u32;
            timeline.place(
                start + Duration::from_micros(frame * 33_333) + ms(queued),
                0,
                timestamp,
                true,
            );
        }
        let truth = (6000.0 * 3000.0 * 1.0002) as u32;
        let estimate = timeline
            .at(start + Duration::from_micros(6000 * 33_333))
            .expect("it has begun");
        let off = estimate.wrapping_sub(truth) as i32;
        assert!(off.abs() < 90 * 10, "{off} ticks");
    }
}
