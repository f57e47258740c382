//! Clocks: the generator's own lag, without which no figure means anything, and processor time of a process.

use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};
use tokio::sync::watch;

/// How late a task of this process runs that wants to run every 5 ms. When the generator itself is late, it measures
/// itself and not the server.
pub(crate) struct LagMeter {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<Vec<Duration>>,
}

const INTERVAL: Duration = Duration::from_millis(5);

impl LagMeter {
    pub(crate) fn start() -> Self {
        let (stop, mut stopped) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut lags = Vec::new();
            let mut due = Instant::now() + INTERVAL;
            loop {
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()) => {
                        let now = Instant::now();
                        lags.push(now.saturating_duration_since(due));
                        due = (due + INTERVAL).max(now);
                    }
                    _ = stopped.wait_for(|stop| *stop) => return lags,
                }
            }
        });
        LagMeter { stop, task }
    }

    pub(crate) async fn stop(self) -> Lag {
        self.stop.send_replace(true);
        let mut lags = self.task.await.unwrap_or_default();
        lags.sort_unstable();
        Lag(lags)
    }
}

/// A generator whose own tasks are later than this in one case of a hundred has measured itself.
pub(crate) const LAG_MAX: Duration = Duration::from_millis(2);

/// Every lag measured, sorted.
pub(crate) struct Lag(Vec<Duration>);

impl Lag {
    /// Whether the generator kept up, so that the figures are the server's.
    pub(crate) fn is_valid(&self) -> bool {
        quantile(&self.0, 0.99) <= LAG_MAX
    }

    /// What the report says of the generator.
    pub(crate) fn generator(&self, own: ProcessTime) -> Value {
        json!({
            "lagMilliseconds": quantiles(self.0.iter().copied()),
            "lagLimitMilliseconds": milliseconds(LAG_MAX),
            "cpuSeconds": own.cpu_seconds,
            "residentMiB": own.resident_mib,
        })
    }
}

/// Processor time of a process, from `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerClock {
    run_ns: u64,
    resident_kib: u64,
}

impl ServerClock {
    pub(crate) fn read(process_id: u32) -> anyhow::Result<Self> {
        let tasks = std::fs::read_dir(format!("/proc/{process_id}/task"))
            .with_context(|| format!("no process {process_id}"))?;
        let mut run_ns = 0;
        for task in tasks {
            // A thread may end meanwhile. Of those that stay, the first number is nanoseconds on a processor.
            let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else {
                continue;
            };
            let field = text
                .split_whitespace()
                .next()
                .and_then(|field| field.parse::<u64>().ok());
            run_ns += field.context("a kernel without schedstat")?;
        }
        let status = std::fs::read_to_string(format!("/proc/{process_id}/status"))?;
        let resident_kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
            .unwrap_or(0);
        Ok(ServerClock { run_ns, resident_kib })
    }

    /// Resident memory that came since an earlier reading, in kB.
    pub(crate) fn grown_kb(self, earlier: ServerClock) -> f64 {
        (self.resident_kib as f64 - earlier.resident_kib as f64) * 1.024
    }

    /// Seconds of processor time since an earlier reading, and resident memory now.
    pub(crate) fn since(self, earlier: ServerClock) -> ProcessTime {
        ProcessTime {
            cpu_seconds: self.run_ns.saturating_sub(earlier.run_ns) as f64 / 1e9,
            resident_mib: self.resident_kib as f64 / 1024.0,
        }
    }
}

/// What a process used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessTime {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_mib: f64,
}

/// The value below which this share of a sorted list lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.clamp(1, sorted.len().max(1)) - 1)
        .copied()
        .unwrap_or_default()
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// Median, 99th percentile and maximum, in milliseconds.
pub(crate) fn quantiles(durations: impl Iterator<Item = Duration>) -> Value {
    let mut sorted: Vec<Duration> = durations.collect();
    sorted.sort_unstable();
    json!({
        "p50": milliseconds(quantile(&sorted, 0.5)),
        "p99": milliseconds(quantile(&sorted, 0.99)),
        "max": milliseconds(sorted.last().copied().unwrap_or_default()),
    })
}
