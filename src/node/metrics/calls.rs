//! How calls begin and how they are, over all participants: histograms, for no metric carries a name.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, Registry};

use crate::shard::TransportStats;

/// What people feel.
#[derive(Clone, Debug)]
pub struct Calls {
    join_seconds: Histogram,
    connect_seconds: Histogram,
    round_trip_seconds: Histogram,
    loss: HistogramVec,
    jitter: HistogramVec,
}

impl Calls {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let calls = Self {
            join_seconds: Histogram::with_opts(
                HistogramOpts::new("enfilade_join_seconds", "From a join or resume to the room's answer")
                    .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5]),
            )?,
            connect_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "enfilade_connect_seconds",
                    "From the answer to an offer to keys: connectivity checks and DTLS",
                )
                .buckets(vec![0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0]),
            )?,
            round_trip_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "enfilade_round_trip_seconds",
                    "Round trips to participants by RTCP, each measured every two seconds",
                )
                .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0]),
            )?,
            loss: HistogramVec::new(
                HistogramOpts::new(
                    "enfilade_loss_ratio",
                    "Share of packets lost before repair, of each participant every two seconds",
                )
                .buckets(vec![0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
                &["direction"],
            )?,
            jitter: HistogramVec::new(
                HistogramOpts::new(
                    "enfilade_jitter_seconds",
                    "Interarrival jitter as RTCP reports tell it, of each participant every two seconds",
                )
                .buckets(vec![0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5]),
                &["direction", "kind"],
            )?,
        };
        registry.register(Box::new(calls.join_seconds.clone()))?;
        registry.register(Box::new(calls.connect_seconds.clone()))?;
        registry.register(Box::new(calls.round_trip_seconds.clone()))?;
        registry.register(Box::new(calls.loss.clone()))?;
        registry.register(Box::new(calls.jitter.clone()))?;
        Ok(calls)
    }

    /// A room has answered somebody who wants to come in.
    pub fn joined(&self, took: Duration) {
        self.join_seconds.observe(took.as_secs_f64());
    }

    /// Somebody's media path has keys.
    pub fn connected(&self, took: Duration) {
        self.connect_seconds.observe(took.as_secs_f64());
    }

    /// How a path has been for two seconds.
    pub fn measured(&self, stats: &TransportStats) {
        if let Some(round_trip) = stats.round_trip {
            self.round_trip_seconds.observe(round_trip.as_secs_f64());
        }
        for (direction, loss) in [("up", stats.loss_up), ("down", stats.loss_down)] {
            self.loss.with_label_values(&[direction]).observe(f64::from(loss));
        }
        for (direction, jitter) in [("up", stats.jitter_up), ("down", stats.jitter_down)] {
            for (kind, micros) in [("audio", jitter.audio_us), ("video", jitter.video_us)] {
                if let Some(micros) = micros {
                    let seconds = f64::from(micros) / 1e6;
                    self.jitter.with_label_values(&[direction, kind]).observe(seconds);
                }
            }
        }
    }
}
