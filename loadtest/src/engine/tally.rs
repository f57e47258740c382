//! What was counted.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Latencies and lags above this count as this: in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What one endpoint counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PeerTally {
    /// Media packets that were sent.
    pub(crate) sent: u64,
    /// Media packets that came, those of RTX left out.
    pub(crate) received: u64,
    /// Their bytes as UDP payload.
    pub(crate) received_bytes: u64,
    /// Packets that came as RTX.
    pub(crate) resent: u64,
    /// Sequence numbers that were passed over and have not come.
    pub(crate) missing: u64,
    /// Keyframes that the server asked for.
    pub(crate) keyframes_asked: u64,
    /// Media that the kernel did not take.
    pub(crate) refused: u64,
}

/// What all of them counted.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    pub(crate) peers: PeerTally,
    /// From the moment a packet was sent to the moment it was read, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
    /// How late the thread woke, in microseconds.
    pub(crate) lag_us: Histogram<u64>,
}

#[expect(clippy::expect_used, reason = "the bounds are constants")]
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).expect("bounds that a histogram can have")
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            peers: PeerTally::default(),
            latency_us: histogram(),
            lag_us: histogram(),
        }
    }
}

impl Tally {
    pub(super) fn late(&mut self, lag: Duration) {
        self.lag_us
            .saturating_record((lag.as_micros() as u64).clamp(1, LONGEST_US));
    }

    pub(super) fn latency(&mut self, us: u64) {
        self.latency_us.saturating_record(us.clamp(1, LONGEST_US));
    }

    pub(super) fn add_peer(&mut self, peer: &PeerTally) {
        let all = &mut self.peers;
        all.sent += peer.sent;
        all.received += peer.received;
        all.received_bytes += peer.received_bytes;
        all.resent += peer.resent;
        all.missing += peer.missing;
        all.keyframes_asked += peer.keyframes_asked;
        all.refused += peer.refused;
    }

    /// What came after an earlier count.
    pub(crate) fn since(&self, before: &Tally) -> anyhow::Result<Tally> {
        let (now, then) = (self.peers, before.peers);
        let mut latency_us = self.latency_us.clone();
        latency_us.subtract(&before.latency_us)?;
        let mut lag_us = self.lag_us.clone();
        lag_us.subtract(&before.lag_us)?;
        Ok(Tally {
            peers: PeerTally {
                sent: now.sent.saturating_sub(then.sent),
                received: now.received.saturating_sub(then.received),
                received_bytes: now.received_bytes.saturating_sub(then.received_bytes),
                resent: now.resent.saturating_sub(then.resent),
                missing: now.missing.saturating_sub(then.missing),
                keyframes_asked: now.keyframes_asked.saturating_sub(then.keyframes_asked),
                refused: now.refused.saturating_sub(then.refused),
            },
            latency_us,
            lag_us,
        })
    }
}

impl PeerTally {
    /// Share of what should have come that never came.
    pub(crate) fn loss(&self) -> f64 {
        let missing = self.missing.saturating_sub(self.resent);
        missing as f64 / (self.received + missing).max(1) as f64
    }
}
