//! What is counted of TLS.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts};

use crate::node::Metrics;

/// Handles to the counters. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsFigures {
    /// Until the certificate in force ends; below zero once it has.
    pub(super) seconds_left: IntGauge,
    /// New certificates, by `result`: `ok` or `refused`.
    pub(super) reloads: IntCounterVec,
    /// TLS handshakes that failed or took too long.
    pub(super) handshake_failures: IntCounter,
}

impl TlsFigures {
    /// Registers them with the others of the node.
    ///
    /// # Errors
    /// When they are registered already.
    pub fn new(metrics: &Metrics) -> prometheus::Result<Self> {
        let reloads = Opts::new("enfilade_tls_reloads_total", "New TLS certificates by result");
        let figures = Self {
            seconds_left: IntGauge::new(
                "enfilade_tls_certificate_seconds_left",
                "Seconds until the TLS certificate in force ends",
            )?,
            reloads: IntCounterVec::new(reloads, &["result"])?,
            handshake_failures: IntCounter::new(
                "enfilade_tls_handshake_failures_total",
                "TLS handshakes that failed or took too long",
            )?,
        };
        metrics.register(Box::new(figures.seconds_left.clone()))?;
        metrics.register(Box::new(figures.reloads.clone()))?;
        metrics.register(Box::new(figures.handshake_failures.clone()))?;
        Ok(figures)
    }
}
