//! The last second and a half of what was sent, in buckets of send time: how much arrived of each, and how quickly.
//!
//! One ring serves every part of the estimate: rates and losses are sums over buckets, and the least delay of each bucket
//! is what the trend is drawn through. Taking the least makes the trend blind to jitter, which only ever adds, while a
//! queue lifts the quickest packet with all others. A packet that was called missing and arrives after all finds its
//! bucket and is set right.

use super::sent::Before;

/// How long a bucket is, in microseconds. Two to four end between two reports of a browser (every 50 to 100 ms).
pub(super) const BUCKET_US: i64 = 25_000;
/// 1.6 s of them.
const BUCKETS: usize = 64;

/// A path that suddenly carries less is looked for in the last 125 ms.
const CLIFF_BUCKETS: u32 = 4;

/// A packet that is missing may have been overtaken, and come with the next feedback: it is lost when it is older than this.
const SETTLED_BUCKETS: u32 = 6;

/// A delay so far from the first one is no delay: the receiver's clock was set, or it lies. Everything starts anew.
const DELAY_OFF_MAX_US: i64 = 20_000_000;

/// Packets sent within one bucket's time.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    /// Send time of the bucket in units of [`BUCKET_US`], plus one: 0 is empty.
    number: u32,
    /// Bytes that feedback told about, and those of them that arrived.
    told_bytes: u32,
    arrived_bytes: u32,
    /// Bytes that feedback skipped: what became of them is not known.
    skipped_bytes: u32,
    told: u16,
    arrived: u16,
    /// How many times packets began to be missing.
    runs: u16,
    /// Into the bucket, when its quickest packet left.
    quickest_at_us: u16,
    /// Least delay, and the delay of whatever arrived last counted from the bucket's begin; against the first delay known.
    delay_us: i32,
    last_arrival_us: i32,
}

/// The quickest packet of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    /// When it left.
    pub at_us: i64,
    /// How long it took, against the first delay known: may be negative.
    pub delay_us: i64,
}

/// Sums over some buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    /// Bits per second that left.
    pub sent_bps: f64,
    /// Bits per second that arrived: over the time they took to be sent or to arrive, whichever was longer.
    pub arrived_bps: f64,
    /// Packets told about, and those that did not arrive.
    pub told: u32,
    pub lost: u32,
}

impl Rates {
    /// Share of packets that did not arrive, 0 to 1.
    pub(super) fn loss(&self) -> f32 {
        self.lost as f32 / self.told.max(1) as f32
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    buckets: [Bucket; BUCKETS],
    /// The newest and the oldest bucket since the start, numbered as in [`Bucket`]; 0 is none.
    newest: u32,
    oldest: u32,
    /// The first delay known: arrival on the receiver's clock less departure on ours.
    origin_us: i64,
    /// The last packet told about is missing.
    in_run: bool,
}

/// What became of the packets of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Losses {
    pub told: u32,
    pub lost: u32,
    /// How many times packets began to be missing.
    pub runs: u32,
    /// From the begin of the time to the newest packet.
    pub span_us: i64,
    /// Bits per second that were sent within the time, and those of them that arrived.
    pub sent_bps: f64,
    pub arrived_bps: f64,
}

impl Losses {
    /// Share of packets that did not arrive, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        f64::from(self.lost) / f64::from(self.told.max(1))
    }
}

impl Default for Window {
    fn default() -> Self {
        Window {
            buckets: [Bucket::default(); BUCKETS],
            newest: 0,
            oldest: 0,
            origin_us: 0,
            in_run: false,
        }
    }
}

/// What became of a packet by its delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Counted,
    /// Too old to matter.
    Late,
    /// The receiver's clock jumped: what was known of delays is void.
    ClockJumped,
}

impl Window {
    /// A packet that left at `at_us` arrived at `arrival_us` of the receiver's clock.
    #[inline]
    pub(super) fn arrived(&mut self, at_us: i64, arrival_us: i64, bytes: u16, before: Before) -> Heard {
        let mut heard = Heard::Counted;
        self.in_run = false;
        let mut delay_us = arrival_us.saturating_sub(at_us).saturating_sub(self.origin_us);
        if self.newest == 0 || delay_us.saturating_abs() > DELAY_OFF_MAX_US {
            if self.newest != 0 {
                heard = Heard::ClockJumped;
            }
            *self = Window {
                origin_us: arrival_us.saturating_sub(at_us),
                ..Window::default()
            };
            delay_us = 0;
        }
        let Some(bucket) = self.bucket(at_us) else {
            return Heard::Late;
        };
        // Within i32 by DELAY_OFF_MAX_US, within u16 by BUCKET_US.
        let (into_us, delay_us) = (at_us.rem_euclid(BUCKET_US) as u16, delay_us as i32);
        let last_arrival_us = delay_us + i32::from(into_us);
        if bucket.arrived == 0 || delay_us < bucket.delay_us {
            (bucket.delay_us, bucket.quickest_at_us) = (delay_us, into_us);
        }
        if bucket.arrived == 0 || last_arrival_us > bucket.last_arrival_us {
            bucket.last_arrival_us = last_arrival_us;
        }
        bucket.unskip(bytes, before);
        if before != Before::Missing {
            bucket.told = bucket.told.saturating_add(1);
            bucket.told_bytes = bucket.told_bytes.saturating_add(u32::from(bytes));
        }
        bucket.arrived = bucket.arrived.saturating_add(1);
        bucket.arrived_bytes = bucket.arrived_bytes.saturating_add(u32::from(bytes));
        heard
    }

    /// A packet that left at `at_us` has not arrived.
    #[inline]
    pub(super) fn missing(&mut self, at_us: i64, bytes: u16, before: Before) {
        // Before anything arrived there is no origin to count delays from.
        if self.newest == 0 {
            return;
        }
        let begins = !std::mem::replace(&mut self.in_run, true);
        if let Some(bucket) = self.bucket(at_us) {
            bucket.unskip(bytes, before);
            bucket.told = bucket.told.saturating_add(1);
            bucket.told_bytes = bucket.told_bytes.saturating_add(u32::from(bytes));
            bucket.runs = bucket.runs.saturating_add(u16::from(begins));
        }
    }

    /// Feedback tells about what left after this, and not about this.
    #[inline]
    pub(super) fn skipped(&mut self, at_us: i64, bytes: u16) {
        if self.newest == 0 {
            return;
        }
        if let Some(bucket) = self.bucket(at_us) {
            bucket.skipped_bytes = bucket.skipped_bytes.saturating_add(u32::from(bytes));
        }
    }

    /// The bucket of a send time, emptied first if it held an older one. None for what lies before all of them.
    #[inline]
    fn bucket(&mut self, at_us: i64) -> Option<&mut Bucket> {
        let number = u32::try_from(at_us / BUCKET_US).ok()?.checked_add(1)?;
        if number > self.newest {
            if self.newest == 0 || number - self.newest >= BUCKETS as u32 {
                self.oldest = number;
            }
            self.newest = number;
        } else if self.newest - number >= BUCKETS as u32 {
            return None;
        }
        self.oldest = self
            .oldest
            .min(number)
            .max(self.newest.saturating_sub(BUCKETS as u32 - 1));
        let bucket = &mut self.buckets[number as usize % BUCKETS];
        if bucket.number != number {
            *bucket = Bucket {
                number,
                ..Bucket::default()
            };
        }
        Some(bucket)
    }

    fn get(&self, number: u32) -> Option<&Bucket> {
        let bucket = &self.buckets[number as usize % BUCKETS];
        (bucket.number == number && number != 0).then_some(bucket)
    }

    /// Bucket numbers of the last `count` before the newest, which may not be told about in full yet.
    fn complete(&self, count: u32) -> std::ops::Range<u32> {
        let from = self.newest.saturating_sub(count).max(self.oldest);
        from..self.newest
    }

    /// The quickest packets of the last `count` buckets that left at `since_us` or later, in the order they left.
    pub(super) fn points(&self, count: u32, since_us: i64) -> impl Iterator<Item = Point> + '_ {
        let from = (self.newest + 1).saturating_sub(count).max(self.oldest);
        (from..self.newest + 1)
            .filter_map(|number| self.get(number))
            .filter(|bucket| bucket.arrived > 0)
            .map(|bucket| Point {
                at_us: bucket.begin_us() + i64::from(bucket.quickest_at_us),
                delay_us: i64::from(bucket.delay_us),
            })
            .filter(move |point| point.at_us >= since_us)
    }

    /// A queue that begins so fast that nothing else looks like it: each of the last two buckets waited longer than the one
    /// before by `rise_us`, and the first of the three no longer than `calm_us`. Answers when it left, and the bits per second
    /// at which the other two arrived.
    pub(super) fn cliff(&self, calm_us: i64, rise_us: i64) -> Option<(i64, f64)> {
        let mut latest = (self.newest.saturating_sub(CLIFF_BUCKETS).max(self.oldest)..=self.newest)
            .rev()
            .filter_map(|number| self.get(number))
            .filter(|bucket| bucket.arrived > 0);
        let (last, middle, first) = (latest.next()?, latest.next()?, latest.next()?);
        let waits = |bucket: &Bucket| i64::from(bucket.delay_us);
        let rises = |before: &Bucket, after: &Bucket| waits(after) - waits(before) >= rise_us;
        if waits(first) > calm_us || !rises(first, middle) || !rises(middle, last) {
            return None;
        }
        let bytes = u64::from(middle.arrived_bytes) + u64::from(last.arrived_bytes);
        let span = last.last_arrival_us() - first.last_arrival_us();
        (span > 0).then(|| (first.begin_us(), per_second(bytes, span)))
    }

    /// Rates over the last `count` complete buckets. None before there are as many as two.
    pub(super) fn rates(&self, count: u32) -> Option<Rates> {
        let numbers = self.complete(count.min(BUCKETS as u32 - 2));
        if numbers.len() < 2 {
            return None;
        }
        let mut rates = Rates::default();
        let mut bytes = Bytes::default();
        let mut last_arrival = i64::MIN;
        let mut first_delay = None;
        for bucket in numbers.clone().filter_map(|number| self.get(number)) {
            bytes.add(bucket);
            rates.told += u32::from(bucket.told);
            rates.lost += u32::from(bucket.told.saturating_sub(bucket.arrived));
            if bucket.arrived > 0 {
                last_arrival = last_arrival.max(bucket.last_arrival_us());
                first_delay.get_or_insert(i64::from(bucket.delay_us));
            }
        }
        let send_span = numbers.len() as i64 * BUCKET_US;
        // What arrived did so since the last of what was sent before; if nothing was, since the time when something sent
        // at the begin would have arrived.
        let begin = match numbers.start.checked_sub(1).and_then(|number| self.get(number)) {
            Some(before) if before.arrived > 0 => before.last_arrival_us(),
            Some(_) | None => (i64::from(numbers.start) - 1) * BUCKET_US + first_delay.unwrap_or_default(),
        };
        let span = send_span.max(last_arrival.saturating_sub(begin));
        rates.sent_bps = per_second(bytes.sent(), send_span);
        rates.arrived_bps = per_second(bytes.arrived(), span);
        Some(rates)
    }

    /// Bits per second that arrived in the latest time without a break in which every bucket waited for `wait_us` more than
    /// `base_us`: what a path delivers that is full. None if that is shorter than `least` buckets; not more than `most` count.
    pub(super) fn busy_bps(&self, base_us: i64, wait_us: i64, least: u32, most: u32) -> Option<f64> {
        let mut latest = None;
        let (mut earliest_us, mut bytes, mut pending, mut count) = (0, 0u64, 0u64, 0);
        for number in (self.complete(most + 1)).rev() {
            // Nothing sent, or nothing arrived, breaks nothing: a queue may be longer than a pause. What nothing is known
            // of may have been anything.
            let Some(bucket) = self.get(number) else {
                continue;
            };
            if bucket.arrived == 0 {
                if bucket.skipped_bytes > 0 {
                    break;
                }
                continue;
            }
            let mut arrived = Bytes::default();
            arrived.add(bucket);
            let arrived = arrived.arrived();
            let Some(latest_us) = latest else {
                if i64::from(bucket.delay_us).saturating_sub(base_us) < wait_us {
                    return None;
                }
                latest = Some(bucket.last_arrival_us());
                pending = arrived;
                continue;
            };
            // What arrived since the end of this one.
            if bucket.last_arrival_us() < latest_us {
                (earliest_us, bytes) = (bucket.last_arrival_us(), pending);
                count = self.newest - 1 - number;
            }
            if i64::from(bucket.delay_us).saturating_sub(base_us) < wait_us {
                break;
            }
            pending += arrived;
        }
        (count >= least).then(|| per_second(bytes, latest.unwrap_or_default() - earliest_us))
    }

    /// What became of the packets that left at `since_us` or later, but before the latest [`SETTLED_BUCKETS`].
    pub(super) fn losses(&self, since_us: i64) -> Losses {
        let since = u32::try_from(since_us.max(0) / BUCKET_US + 1)
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        let from = since.max(self.oldest);
        let mut losses = Losses::default();
        let mut bytes = Bytes::default();
        let until = self.newest.saturating_sub(SETTLED_BUCKETS);
        for bucket in (from..until).filter_map(|number| self.get(number)) {
            losses.told += u32::from(bucket.told);
            losses.lost += u32::from(bucket.told.saturating_sub(bucket.arrived));
            losses.runs += u32::from(bucket.runs);
            bytes.add(bucket);
        }
        losses.runs = losses.runs.min(losses.lost);
        losses.span_us = i64::from(until.saturating_sub(from)) * BUCKET_US;
        losses.sent_bps = per_second(bytes.sent(), losses.span_us);
        losses.arrived_bps = per_second(bytes.arrived(), losses.span_us);
        losses
    }

    /// Up to where [`Self::losses`] looks.
    pub(super) fn settled_us(&self) -> i64 {
        self.newest_us() - i64::from(SETTLED_BUCKETS) * BUCKET_US
    }

    /// When the newest bucket began.
    pub(super) fn newest_us(&self) -> i64 {
        (i64::from(self.newest) - 1) * BUCKET_US
    }
}

impl Bucket {
    /// What was skipped before is told about.
    fn unskip(&mut self, bytes: u16, before: Before) {
        if before == Before::Skipped {
            self.skipped_bytes = self.skipped_bytes.saturating_sub(u32::from(bytes));
        }
    }

    fn begin_us(&self) -> i64 {
        (i64::from(self.number) - 1) * BUCKET_US
    }

    fn last_arrival_us(&self) -> i64 {
        self.begin_us() + i64::from(self.last_arrival_us)
    }
}

/// Bytes of some buckets. What feedback skipped is taken to have fared as the rest: half a second of which a tenth was
/// told about is not a tenth of the rate.
#[derive(Clone, Copy, Debug, Default)]
struct Bytes {
    told: u64,
    arrived: u64,
    skipped: u64,
}

impl Bytes {
    fn add(&mut self, bucket: &Bucket) {
        self.told += u64::from(bucket.told_bytes);
        self.arrived += u64::from(bucket.arrived_bytes);
        self.skipped += u64::from(bucket.skipped_bytes);
    }

    fn sent(&self) -> u64 {
        self.told + self.skipped
    }

    fn arrived(&self) -> u64 {
        self.arrived + self.arrived * self.skipped / self.told.max(1)
    }
}

/// Bits per second of so many bytes in so many microseconds.
pub(super) fn per_second(bytes: u64, micros: i64) -> f64 {
    bytes as f64 * 8e6 / micros.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One packet of 1000 bytes every 5 ms for a second: 1.6 Mb/s. `delay_us` of its number.
    fn fill(window: &mut Window, delay_us: impl Fn(i64) -> i64) {
        for number in 0..200 {
            let at = number * 5_000;
            assert_eq!(
                window.arrived(at, at + delay_us(number), 1_000, Before::Nothing),
                Heard::Counted
            );
        }
    }

    #[test]
    fn a_clean_path_delivers_what_is_sent() {
        let mut window = Window::default();
        fill(&mut window, |_| 7_000_000);
        let rates = window.rates(20).expect("a second");
        assert_eq!(rates.sent_bps, 1_600_000.0);
        assert_eq!(rates.arrived_bps, 1_600_000.0);
        assert_eq!((rates.told, rates.lost), (100, 0));
        assert!(window.points(20, 0).all(|point| point.delay_us == 0));
    }

    #[test]
    fn a_full_path_delivers_its_capacity() {
        let mut window = Window::default();
        // Each packet takes 10 ms of the link: half of what is sent.
        fill(&mut window, |number| number * 5_000);
        let rates = window.rates(20).expect("a second");
        assert_eq!(rates.sent_bps, 1_600_000.0);
        assert!((rates.arrived_bps - 800_000.0).abs() < 40_000.0, "{rates:?}");
    }

    #[test]
    fn a_path_that_is_full_now_and_then_shows_its_capacity_while_it_is() {
        let mut window = Window::default();
        // Empty for 600 ms, then 20 ms for each packet of 1000 bytes: 400 kb/s.
        fill(&mut window, |number| (number - 120).max(0) * 15_000);
        let busy = window.busy_bps(0, 20_000, 4, 20).expect("busy");
        assert!((busy - 400_000.0).abs() < 20_000.0, "{busy}");
        assert_eq!(window.busy_bps(0, 20_000, 20, 20), None);
        let mut window = Window::default();
        fill(&mut window, |_| 5_000);
        assert_eq!(window.busy_bps(0, 20_000, 4, 20), None);
    }

    #[test]
    fn a_path_that_falls_to_a_quarter_shows_it_after_three_buckets() {
        let narrow_from = |from: i64| move |number: i64| 50_000 + (number - from).max(0) * 15_000;
        let cliff = |from| {
            let mut window = Window::default();
            fill(&mut window, narrow_from(from));
            window.cliff(40_000, 30_000)
        };
        // 200 packets were sent, five to a bucket. 5 ms of sending take 20 ms to arrive.
        let (began_us, bps) = cliff(188).expect("a cliff");
        assert_eq!(began_us, 925_000);
        assert!((bps - 400_000.0).abs() < 40_000.0, "{bps}");
        assert_eq!(cliff(193), None, "one step may be anything");
        assert_eq!(cliff(150), None, "no news");
        assert_eq!(cliff(200), None);
    }

    #[test]
    fn a_path_that_stalls_is_no_cliff() {
        for until in 180..=200 {
            let mut window = Window::default();
            // Nothing passes for 200 ms, then everything at once.
            fill(&mut window, |number| {
                if (number - until + 40) >= 0 {
                    (until - number).max(0) * 5_000
                } else {
                    0
                }
            });
            assert_eq!(window.cliff(40_000, 30_000), None);
        }
    }

    #[test]
    fn the_quickest_packet_of_a_bucket_hides_jitter() {
        let mut window = Window::default();
        fill(&mut window, |number| 50_000 + (number % 5) * 6_000);
        assert!(window.points(20, 0).all(|point| point.delay_us == 0));
        assert_eq!(window.points(20, 0).count(), 20);
        assert_eq!(window.points(20, 900_000).count(), 4);
    }

    #[test]
    fn a_missing_packet_that_arrives_is_no_loss() {
        let mut window = Window::default();
        fill(&mut window, |_| 0);
        window.missing(1_000_000, 1_000, Before::Nothing);
        window.missing(1_001_000, 1_000, Before::Nothing);
        window.arrived(1_001_000, 1_001_000, 1_000, Before::Missing);
        window.arrived(1_050_000, 1_050_000, 1_000, Before::Nothing);
        let rates = window.rates(40).expect("a second");
        assert_eq!(rates.lost, 1);
    }

    #[test]
    fn what_feedback_skips_is_neither_lost_nor_unsent() {
        let mut window = Window::default();
        for number in 0..200 {
            let at = number * 5_000;
            // Every second report is lost, and a queue stands.
            if number / 10 % 2 == 0 {
                window.arrived(at, at + number.min(20) * 1_000, 1_000, Before::Nothing);
            } else {
                window.skipped(at, 1_000);
            }
        }
        window.arrived(1_000_000, 1_020_000, 1_000, Before::Nothing);
        let rates = window.rates(40).expect("a second");
        assert_eq!((rates.sent_bps, rates.lost), (1_600_000.0, 0));
        assert!((rates.arrived_bps - 1_600_000.0).abs() < 80_000.0, "{rates:?}");
        assert_eq!(window.busy_bps(0, 10_000, 4, 20), None);
        // It was late.
        window.missing(950_000, 1_000, Before::Skipped);
        let rates = window.rates(40).expect("a second");
        assert_eq!((rates.sent_bps, rates.lost), (1_600_000.0, 1));
    }

    #[test]
    fn what_is_older_than_the_window_is_late_and_a_clock_that_jumps_starts_anew() {
        let mut window = Window::default();
        fill(&mut window, |_| 0);
        assert_eq!(window.arrived(9_000_000, 9_000_000, 1, Before::Nothing), Heard::Counted);
        assert_eq!(window.arrived(0, 0, 1, Before::Nothing), Heard::Late);
        assert_eq!(
            window.arrived(9_000_000, i64::MAX, 1, Before::Nothing),
            Heard::ClockJumped
        );
        assert_eq!(
            window.arrived(9_010_000, i64::MIN, 1, Before::Nothing),
            Heard::ClockJumped
        );
        window.missing(i64::MAX, 1, Before::Nothing);
        assert!(window.rates(20).is_none());
    }
}
