//! The report of media.

use serde_json::{Value, json};

use crate::MediaArguments;
use crate::clients::{Counts, JoinTime};
use crate::measure::{Lag, ProcessTime, quantiles};

/// Everything that was measured.
pub(crate) struct Report<'a> {
    pub(crate) arguments: &'a MediaArguments,
    pub(crate) joins: &'a [JoinTime],
    pub(crate) before: Counts,
    pub(crate) after: Counts,
    pub(crate) lag: &'a Lag,
    pub(crate) server_cpu: Option<ProcessTime>,
    pub(crate) own_cpu: ProcessTime,
}

impl Report<'_> {
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
            "valid": self.lag.is_valid(),
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
            "generator": self.lag.generator(self.own_cpu),
        })
    }
}
