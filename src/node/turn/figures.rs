//! What is counted of the TURN server.

use prometheus::{IntCounterVec, IntGauge, Opts};

use super::Metrics;
use crate::turn::TurnDrop;

/// Handles to the counters. Cheap to clone.
#[derive(Clone)]
pub(super) struct TurnFigures {
    allocations: IntGauge,
    requests: IntCounterVec,
    packets: IntCounterVec,
    bytes: IntCounterVec,
    dropped: IntCounterVec,
}

impl TurnFigures {
    pub(super) fn new(metrics: &Metrics) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let figures = Self {
            allocations: IntGauge::new("enfilade_turn_allocations", "Allocations of the TURN server now")?,
            requests: counter(
                "enfilade_turn_requests_total",
                "Requests to the TURN server by answer",
                "result",
            )?,
            packets: counter(
                "enfilade_turn_packets_total",
                "Packets the TURN server relayed",
                "direction",
            )?,
            bytes: counter(
                "enfilade_turn_bytes_total",
                "Bytes the TURN server relayed",
                "direction",
            )?,
            dropped: counter(
                "enfilade_turn_dropped_total",
                "Messages and packets the TURN server dropped",
                "reason",
            )?,
        };
        metrics.register(Box::new(figures.allocations.clone()))?;
        metrics.register(Box::new(figures.requests.clone()))?;
        metrics.register(Box::new(figures.packets.clone()))?;
        metrics.register(Box::new(figures.bytes.clone()))?;
        metrics.register(Box::new(figures.dropped.clone()))?;
        Ok(figures)
    }

    pub(super) fn allocations(&self, count: usize) {
        self.allocations.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `code` 0: a success.
    pub(super) fn answered(&self, code: u16) {
        let result = if code == 0 { "ok".to_owned() } else { code.to_string() };
        self.requests.with_label_values(&[&result]).inc();
    }

    /// `up`: from a client; `down`: to one.
    pub(super) fn relayed(&self, direction: &str, bytes: usize) {
        self.packets.with_label_values(&[direction]).inc();
        self.bytes.with_label_values(&[direction]).inc_by(bytes as u64);
    }

    pub(super) fn judged(&self, result: Result<(), TurnDrop>) {
        if let Err(reason) = result {
            self.dropped(reason.as_str());
        }
    }

    pub(super) fn dropped(&self, reason: &str) {
        self.dropped.with_label_values(&[reason]).inc();
    }
}
