//! Does a queue grow on the path? The slope of a line through the least delays of the last half second, and how far the
//! latest of them lie above the least that was ever seen.
//!
//! GCC (draft-ietf-rmcat-gcc-02 section 5, and libwebrtc's trendline filter) draws its line through every group of
//! packets, smooths it, and asks it at every group. We draw it through the quickest packet of each 25 ms, which jitter
//! does not move, weigh it by how well it fits, and ask once per feedback, when all of a burst that arrived together is
//! known: a path that stalls for 200 ms and then delivers everything is not a queue that grows.

use super::window::{BUCKET_US, Window};

/// Buckets that a line is drawn through: half a second.
const TREND_BUCKETS: u32 = 20;
/// Fewer points than this say nothing.
const TREND_POINTS_MIN: usize = 4;
/// A slope counts when it is so many of its standard errors.
const SIGNIFICANCE: f64 = 4.0;

/// Growth of the queue within the line that is taken for congestion. GCC's 12.5 units are 26 ms in half a second.
const THRESHOLD_MS: f64 = 20.0;
const THRESHOLD_MS_MIN: f64 = 12.0;
const THRESHOLD_MS_MAX: f64 = 80.0;
/// A shorter queue is a burst of media.
const QUEUE_MS_MIN: f64 = 20.0;
/// Growth further than this above the threshold does not raise it: that is a path that got narrow, not one that is shared.
const THRESHOLD_OUTLIER_MS: f64 = 30.0;
/// How quickly the threshold follows growth it lies below (up) and above (down), per second. GCC section 5.4: a fixed one
/// starves beside TCP, whose queue grows and shrinks all the time.
const THRESHOLD_UP: f64 = 2.0;
const THRESHOLD_DOWN: f64 = 0.25;

/// Growth so many times the threshold is believed at once, less only when the next feedback says so too.
const PLAIN: f64 = 3.0;

/// The line must still rise at its end, as well as that can be told, or the queue is on its way down already.
const RECENT_BUCKETS: u32 = 4;
const RECENT_SLOPE: f64 = 0.25;

/// The queue is how far the quickest of the last 100 ms lie above the base.
const QUEUE_BUCKETS: u32 = 4;

/// A queue that stands this high for this many buckets, neither growing nor shrinking, is full or just right for what is sent.
const STANDING_US: i64 = 100_000;
const STANDING_BUCKETS: u32 = 8;
/// Milliseconds per millisecond: it drains by itself.
const DRAINS: f64 = -0.05;

/// After so long, and so many cuts, a queue that is still there and has overflowed is not ours: a flow that heeds losses
/// alone fills it again. Flows like ours make queues too, but seldom full ones. It is ours again when it has been away.
const SHARED_AFTER_US: i64 = 3_000_000;
const SHARED_SHORT_AFTER_US: i64 = 5_000_000;
const SHARED_CUTS: u32 = 3;
const AWAY_US: i64 = 40_000;

/// A path whose quickest packets wait this long is busy, and shows its capacity when it is for a tenth of a second.
const BUSY_US: i64 = 8_000;
const BUSY_BUCKETS_MIN: u32 = 4;
const BUSY_BUCKETS_MAX: u32 = 20;

/// Delays that rise by so much from bucket to bucket, twice, from no more than the first of these: more than twice as much
/// comes as leaves. Waiting for a line through half a second would fill the queue.
const CLIFF_RISE_US: i64 = 30_000;
const CLIFF_CALM_US: i64 = 40_000;

/// A probe makes a queue of its own, which is gone so long after its last packet.
const PROBE_QUEUE_US: i64 = 100_000;

/// What the queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    /// Too little was sent to tell.
    Unknown,
    Steady,
    Growing,
    /// Long, and neither growing nor shrinking.
    Standing,
    Shrinking,
}

/// See the module.
#[derive(Debug)]
pub(super) struct DelayDetector {
    base: Base,
    threshold_ms: f64,
    queue_us: i64,
    /// Packets that left earlier are not looked at: what they met was answered already.
    since_us: i64,
    /// The newest bucket when growth was first seen, if it still is.
    growing_since_us: Option<i64>,
    last_update_us: i64,
    /// Send times of the packets of the last probe.
    probe_us: std::ops::Range<i64>,
    /// What a path delivered that has just become narrow.
    cliff_bps: Option<f64>,
    /// Since when there has been a queue, and how often the rate was cut meanwhile.
    queued_since_us: Option<i64>,
    cuts: u32,
    /// Whether packets were lost meanwhile.
    overflowed: bool,
}

impl Default for DelayDetector {
    fn default() -> Self {
        DelayDetector {
            base: Base::default(),
            threshold_ms: THRESHOLD_MS,
            queue_us: 0,
            since_us: i64::MIN,
            growing_since_us: None,
            last_update_us: 0,
            probe_us: 0..0,
            cliff_bps: None,
            queued_since_us: None,
            cuts: 0,
            overflowed: false,
        }
    }
}

impl DelayDetector {
    /// After a feedback was read into the window.
    pub(super) fn update(&mut self, now_us: i64, window: &Window) -> Trend {
        let shared = self.is_shared();
        for point in window.points(QUEUE_BUCKETS, i64::MIN) {
            if shared {
                self.base.keep(point.at_us);
            }
            self.base.record(point.at_us, point.delay_us);
        }
        let latest = window.points(QUEUE_BUCKETS, i64::MIN).map(|point| point.delay_us).min();
        self.queue_us = latest.map_or(self.queue_us, |latest| latest.saturating_sub(self.base.least()).max(0));
        if self.queue_us < AWAY_US {
            self.queued_since_us = None;
            self.cuts = 0;
            self.overflowed = false;
        } else {
            self.queued_since_us.get_or_insert(now_us);
        }

        let elapsed_s = ((now_us - self.last_update_us) as f64 / 1e6).clamp(0.0, 0.1);
        self.last_update_us = now_us;
        self.cliff_bps = self.cliff(window);
        if self.cliff_bps.is_some() {
            return Trend::Growing;
        }
        let Some(line) = self.line(window, TREND_BUCKETS) else {
            self.growing_since_us = None;
            return Trend::Unknown;
        };
        let rise_ms = line.slope * line.span;
        let significant = line.slope.abs() > SIGNIFICANCE * line.slope_error;
        let threshold_ms = self.threshold_ms;
        self.adapt(rise_ms.abs(), elapsed_s);
        if !significant || rise_ms.abs() < threshold_ms {
            self.growing_since_us = None;
            return if self.stands(window, &line) {
                Trend::Standing
            } else {
                Trend::Steady
            };
        }
        if rise_ms < 0.0 {
            self.growing_since_us = None;
            return Trend::Shrinking;
        }
        let falls = self
            .line(window, RECENT_BUCKETS)
            .is_some_and(|recent| recent.slope + recent.slope_error < RECENT_SLOPE * line.slope);
        if falls || (self.queue_us as f64) < threshold_ms.max(QUEUE_MS_MIN) * 1e3 {
            return Trend::Steady;
        }
        let since = *self.growing_since_us.get_or_insert(window.newest_us());
        if rise_ms > PLAIN * threshold_ms || window.newest_us() - since >= BUCKET_US {
            Trend::Growing
        } else {
            Trend::Steady
        }
    }

    fn cliff(&self, window: &Window) -> Option<f64> {
        let (began_us, bps) = window.cliff(self.base.least().saturating_add(CLIFF_CALM_US), CLIFF_RISE_US)?;
        let probed = began_us <= self.probe_us.end + PROBE_QUEUE_US && !self.probe_us.is_empty();
        (began_us >= self.since_us && !probed).then_some(bps)
    }

    fn stands(&self, window: &Window, line: &Line) -> bool {
        let (mut points, mut least) = (0, i64::MAX);
        for point in self.points(window, STANDING_BUCKETS) {
            points += 1;
            least = least.min(point.delay_us);
        }
        points >= STANDING_BUCKETS / 2
            && line.span * 1e3 >= ((STANDING_BUCKETS - 2) * BUCKET_US as u32).into()
            && least.saturating_sub(self.base.least()) > STANDING_US
            && line.slope > DRAINS
            && !self.is_shared()
    }

    /// The queue is another's: it stays whatever we do, and we must not wait for it to go.
    pub(super) fn is_shared(&self) -> bool {
        // Full queues lose packets. One that another flow keeps short of that gives itself away by staying longer.
        let after_us = if self.overflowed {
            SHARED_AFTER_US
        } else {
            SHARED_SHORT_AFTER_US
        };
        self.cuts >= SHARED_CUTS
            && self
                .queued_since_us
                .is_some_and(|since| self.last_update_us - since > after_us)
    }

    /// Packets were lost just now that are not lost otherwise. If there is a long queue, it is full.
    pub(super) fn lost(&mut self) {
        self.overflowed |= self.queue_us > STANDING_US;
    }

    /// The quickest packets of the last `count` buckets that tell of the path as it is.
    fn points<'w>(&'w self, window: &'w Window, count: u32) -> impl Iterator<Item = super::window::Point> + 'w {
        let quiet = self.probe_us.is_empty();
        let probe = self.probe_us.start..self.probe_us.end + PROBE_QUEUE_US;
        window
            .points(count, self.since_us)
            .filter(move |point| quiet || !probe.contains(&point.at_us))
    }

    /// A packet of a probe left then: the queue behind it is ours to make.
    pub(super) fn probed(&mut self, at_us: i64) {
        if at_us > self.probe_us.end + PROBE_QUEUE_US || self.probe_us.is_empty() {
            self.probe_us = at_us..at_us + 1;
        }
        self.probe_us.end = self.probe_us.end.max(at_us + 1);
    }

    /// Delays in milliseconds by send time in milliseconds, of the last `count` buckets.
    fn line(&self, window: &Window, count: u32) -> Option<Line> {
        Line::through(self.points(window, count).map(|point| {
            let at_us = point.at_us - window.newest_us();
            (at_us as f64 / 1e3, point.delay_us as f64 / 1e3)
        }))
    }

    /// The rate was cut: only packets that leave from now on tell whether that was enough.
    pub(super) fn restart(&mut self, now_us: i64) {
        self.cuts = self.cuts.saturating_add(1);
        self.since_us = now_us;
        self.growing_since_us = None;
    }

    /// Everything known of delays is void, since the receiver's clock jumped.
    pub(super) fn forget(&mut self) {
        self.base = Base::default();
        self.queue_us = 0;
        self.growing_since_us = None;
    }

    /// What the path delivered while it was full, lately and until now; `None` if it was not for as long as it takes to tell.
    pub(super) fn delivered_bps(&self, window: &Window) -> Option<f64> {
        let busy = || window.busy_bps(self.base.least(), BUSY_US, BUSY_BUCKETS_MIN, BUSY_BUCKETS_MAX);
        self.cliff_bps.or_else(busy)
    }

    /// What the path costs now beyond its best, in microseconds.
    pub(super) fn queue_us(&self) -> i64 {
        self.queue_us
    }

    fn adapt(&mut self, rise_ms: f64, elapsed_s: f64) {
        let off = rise_ms - self.threshold_ms;
        if off > THRESHOLD_OUTLIER_MS {
            return;
        }
        let speed = if off > 0.0 { THRESHOLD_UP } else { THRESHOLD_DOWN };
        self.threshold_ms = (self.threshold_ms + off * speed * elapsed_s).clamp(THRESHOLD_MS_MIN, THRESHOLD_MS_MAX);
    }
}

/// A straight line by least squares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Per unit of x, and its standard error.
    pub slope: f64,
    pub slope_error: f64,
    /// From the first x to the last.
    pub span: f64,
}

impl Line {
    /// None through too few points, or when all have the same x.
    fn through(points: impl Iterator<Item = (f64, f64)>) -> Option<Line> {
        let (mut n, mut sum_x, mut sum_y, mut sum_xx, mut sum_xy, mut sum_yy) = (0usize, 0.0, 0.0, 0.0, 0.0, 0.0);
        let (mut origin, mut last_x) = (None, 0.0);
        for (x, y) in points {
            // Counted from the first point, so that squares stay small.
            let (origin_x, origin_y) = *origin.get_or_insert((x, y));
            let (x, y): (f64, f64) = (x - origin_x, y - origin_y);
            n += 1;
            sum_x += x;
            sum_y += y;
            sum_xx += x * x;
            sum_xy += x * y;
            sum_yy += y * y;
            last_x = x;
        }
        if n < TREND_POINTS_MIN {
            return None;
        }
        let count = n as f64;
        let (var_x, var_y) = (sum_xx - sum_x * sum_x / count, sum_yy - sum_y * sum_y / count);
        if var_x <= f64::EPSILON {
            return None;
        }
        let slope = (sum_xy - sum_x * sum_y / count) / var_x;
        let residue = (var_y - slope * slope * var_x).max(0.0);
        Some(Line {
            slope,
            slope_error: (residue / (count - 2.0) / var_x).sqrt(),
            span: last_x,
        })
    }
}

/// The least delay of the last half minute, so that a path that changed, and clocks that drift, are believed in the end.
#[derive(Debug)]
struct Base {
    /// Least delays of spans of [`BASE_SPAN_US`], the present one at `current`.
    least_us: [i64; BASE_SPANS],
    current: i64,
}

const BASE_SPANS: usize = 6;
const BASE_SPAN_US: i64 = 5_000_000;
/// While another's queue stands, the path is not seen at its best for minutes: what was known holds, and so much more for
/// each span, in which clocks drift by a millisecond.
const BASE_KEPT_US: i64 = 3_000;

impl Default for Base {
    fn default() -> Self {
        Base {
            least_us: [i64::MAX; BASE_SPANS],
            current: 0,
        }
    }
}

impl Base {
    /// What was known holds for the time that begins, if one does.
    fn keep(&mut self, at_us: i64) {
        let known = self.least();
        if at_us / BASE_SPAN_US > self.current && known != i64::MAX {
            self.record(at_us, known.saturating_add(BASE_KEPT_US));
        }
    }

    fn record(&mut self, at_us: i64, delay_us: i64) {
        let span = at_us / BASE_SPAN_US;
        if span > self.current {
            let skipped = (span - self.current).min(BASE_SPANS as i64);
            for back in 0..skipped {
                self.least_us[Self::index(span - back)] = i64::MAX;
            }
            self.current = span;
        }
        if self.current - span < BASE_SPANS as i64 {
            let least = &mut self.least_us[Self::index(span)];
            *least = (*least).min(delay_us);
        }
    }

    fn index(span: i64) -> usize {
        span.rem_euclid(BASE_SPANS as i64) as usize
    }

    fn least(&self) -> i64 {
        self.least_us.iter().copied().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::estimate::sent::Before;
    use crate::media::estimate::window::Window;

    /// A packet every 5 ms whose delay is told by its time; feedback every 50 ms. When growth is seen.
    fn first_growth(millis: std::ops::Range<i64>, delay_ms: impl Fn(i64) -> i64) -> Option<i64> {
        let (mut window, mut detector) = (Window::default(), DelayDetector::default());
        for at in millis.step_by(5) {
            window.arrived(at * 1000, (at + delay_ms(at)) * 1000, 1_200, Before::Nothing);
            if at % 50 == 45 && detector.update(at * 1000, &window) == Trend::Growing {
                return Some(at);
            }
        }
        None
    }

    /// A number from 0 to 1 that looks like chance.
    fn chance(at: i64) -> f64 {
        let mixed = (at as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 40) as f64 / (1u64 << 24) as f64
    }

    #[test]
    fn a_path_of_equal_delays_is_steady() {
        assert_eq!(first_growth(0..60_000, |_| 50), None);
    }

    #[test]
    fn jitter_of_thirty_milliseconds_to_either_side_is_no_trend() {
        for seed in 0..10 {
            let jitter = |at: i64| 50 + (chance(at + seed * 1_000_000) * 60.0) as i64;
            assert_eq!(first_growth(0..60_000, jitter), None, "seed {seed}");
        }
    }

    #[test]
    fn a_queue_that_grows_by_half_is_seen_in_a_fifth_of_a_second() {
        let grows = |at: i64| 50 + (at - 2_000).max(0) / 2;
        let at = first_growth(0..5_000, grows).expect("seen");
        assert!((2_000..2_200).contains(&at), "{at}");
    }

    #[test]
    fn a_queue_that_grows_under_jitter_is_seen_in_a_second() {
        for seed in 0..10 {
            let grows = |at: i64| 50 + (chance(at + seed * 1_000_000) * 60.0) as i64 + (at - 2_000).max(0) / 5;
            let at = first_growth(0..5_000, grows).expect("seen");
            assert!((2_000..3_000).contains(&at), "seed {seed}: {at}");
        }
    }

    #[test]
    fn a_stall_after_which_everything_arrives_at_once_is_no_queue() {
        // Nothing arrives for 200 ms of every two seconds; then all of it does.
        let stalls = |at: i64| 50 + if at % 2_000 < 200 { 200 - at % 2_000 } else { 0 };
        assert_eq!(first_growth(0..60_000, stalls), None);
    }

    #[test]
    fn a_clock_that_drifts_and_a_path_that_becomes_longer_are_not_taken_for_a_queue_forever() {
        let (mut window, mut detector) = (Window::default(), DelayDetector::default());
        for at in (0..120_000).step_by(5) {
            // 200 ppm, and 80 ms more from one packet to the next.
            let delay_us = at / 5 + if at > 60_000 { 80_000 } else { 0 };
            window.arrived(at * 1000, at * 1000 + delay_us, 1_200, Before::Nothing);
            if at % 50 == 45 {
                detector.update(at * 1000, &window);
                if at > 61_000 && at < 80_000 {
                    assert!(detector.queue_us() > 70_000, "{at}");
                } else if !(60_000..=92_000).contains(&at) {
                    assert!(detector.queue_us() < 10_000, "{at}: {}", detector.queue_us());
                }
            }
        }
    }
}
