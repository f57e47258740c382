//! The report.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Arguments;
use crate::clients::{Counts, JoinTime};
use crate::measure::{ProcessTime, quantile};

/// A generator whose own tasks are later than this in one case of a hundred has measured itself.
const LAG_MAX: Duration = Duration::from_millis(2);

/// Everything that was measured.
pub(crate) struct Report<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) joins: &'a [JoinTime],
    pub(crate) before: Counts,
    pub(crate) after: Counts,
    pub(crate) lag: &'a [Duration],
    pub(crate) server_cpu: Option<ProcessTime>,
    pub(crate) own_cpu: ProcessTime,
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn quantiles(durations: impl Iterator<Item = Duration>) -> Value {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort_unstable();
    json!({
        "p50": milliseconds(quantile(&sorted, 0.5)),
        "p99": milliseconds(quantile(&sorted, 0.99)),
        "max": milliseconds(sorted.last().copied().unwrap_or_default()),
    })
}

impl Report<'_> {
    /// Whether the generator kept up, so that the figures are the server's.
    pub(crate) fn is_valid(&self) -> bool {
        quantile(self.lag, 0.99) <= LAG_MAX
    }

    pub(crate) fn json(&self) -> Value {
        let seconds = self.arguments.seconds.max(1) as f64;
        let sent = self.after.sent - self.before.sent;
        let received = self.after.received - self.before.received;
        let missing = self.after.missing.saturating_sub(self.before.missing);
        let bytes = self.after.received_bytes - self.before.received_bytes;
        let server = self.server_cpu.map(|time| {
            json!({
                "cpuSeconds": time.cpu_seconds,
                "cores": time.cpu_seconds / seconds,
                "cpuMicrosecondsPerForwardedPacket": time.cpu_seconds * 1e6 / received.max(1) as f64,
                "residentMiB": time.resident_mib,
            })
        });
        json!({
            "valid": self.is_valid(),
            "publishers": self.arguments.publishers,
            "subscribers": self.arguments.subscribers,
            "seconds": self.arguments.seconds,
            "packetsSent": sent,
            "packetsReceived": received,
            "packetsReceivedPerSecond": (received as f64 / seconds).round(),
            "megabitsReceivedPerSecond": (bytes as f64 * 8.0 / seconds / 1e4).round() / 100.0,
            "packetsRetransmitted": self.after.retransmitted - self.before.retransmitted,
            "packetsMissing": missing,
            "loss": missing as f64 / (received + missing).max(1) as f64,
            "joinMilliseconds": quantiles(self.joins.iter().map(|join| join.connected)),
            "firstPictureMilliseconds": quantiles(self.joins.iter().map(|join| join.first_picture)),
            "server": server,
            "generator": {
                "lagMilliseconds": quantiles(self.lag.iter().copied()),
                "lagLimitMilliseconds": milliseconds(LAG_MAX),
                "cpuSeconds": self.own_cpu.cpu_seconds,
                "residentMiB": self.own_cpu.resident_mib,
            },
        })
    }
}
