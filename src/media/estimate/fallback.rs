//! Receivers that do not report arrivals: their own estimate (REMB, draft-alvestrand-rmcat-remb-03), or else the losses and
//! round trips of their receiver reports. Nothing is known of delays then, and nothing can be probed.

use std::time::{Duration, Instant};

/// A limit that is not repeated is void. Browsers repeat theirs every second.
const REMB_HOLDS: Duration = Duration::from_secs(10);

/// Losses below and above which a rate is raised and lowered, and by how much for each report (RFC 8698-like, as the loss
/// half of draft-ietf-rmcat-gcc-02 section 6).
const LOSS_LOW: f64 = 0.02;
const LOSS_HIGH: f64 = 0.1;
const RAISE: f64 = 1.05;
const LOWER_BY: f64 = 0.5;
/// A round trip so much above the least one known is a queue.
const QUEUE: Duration = Duration::from_millis(150);
const LOWER_FOR_QUEUE: f64 = 0.9;
/// Reports of several streams come together: one of them moves the rate.
const REPORT_INTERVAL: Duration = Duration::from_millis(400);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Fallback {
    remb: Option<(Instant, f64)>,
    least_trip: Option<Duration>,
    reported_at: Option<Instant>,
    /// As it was in the latest report.
    pub loss: f32,
    pub round_trip: Option<Duration>,
}

impl Fallback {
    pub(super) fn handle_remb(&mut self, now: Instant, bps: u64) {
        self.remb = Some((now, bps as f64));
    }

    /// The receiver's limit, as long as it holds.
    pub(super) fn limit(&self, now: Instant) -> Option<f64> {
        let (at, bps) = self.remb?;
        (now.saturating_duration_since(at) < REMB_HOLDS).then_some(bps)
    }

    /// What a rate becomes by a report, for receivers that tell nothing else.
    pub(super) fn handle_report(
        &mut self,
        now: Instant,
        fraction_lost: u8,
        round_trip: Option<Duration>,
        bps: f64,
    ) -> f64 {
        let loss = f64::from(fraction_lost) / 256.0;
        self.loss = loss as f32;
        if let Some(round_trip) = round_trip {
            self.round_trip = Some(round_trip);
            self.least_trip = Some(self.least_trip.map_or(round_trip, |least| least.min(round_trip)));
        }
        if self
            .reported_at
            .is_some_and(|at| now.saturating_duration_since(at) < REPORT_INTERVAL)
        {
            return bps;
        }
        self.reported_at = Some(now);
        let queued = match (round_trip, self.least_trip) {
            (Some(round_trip), Some(least)) => round_trip > least + QUEUE,
            (Some(_) | None, Some(_) | None) => false,
        };
        if loss > LOSS_HIGH {
            bps * (1.0 - LOWER_BY * loss)
        } else if queued {
            bps * LOWER_FOR_QUEUE
        } else if loss < LOSS_LOW {
            bps * RAISE
        } else {
            bps
        }
    }
}
