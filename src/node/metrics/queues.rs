//! How full queues were lately: the highest of each kind, for a queue that is full for a moment is between two looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};
use tokio::sync::mpsc;

/// A peak is shown for this long at least, and for twice that at most: longer than from one scrape to the next.
const WINDOW: Duration = Duration::from_secs(30);

/// A kind of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// What waits for a room.
    Room,
    /// What a shard tells a room.
    ShardEvents,
    /// Commands that wait for a shard.
    Shard,
    /// What waits to be written to a signalling socket.
    Socket,
    /// What waits to be put on record.
    Records,
    /// What waits for the TURN server.
    Turn,
}

impl Queue {
    const ALL: [Queue; 6] = [
        Queue::Room,
        Queue::ShardEvents,
        Queue::Shard,
        Queue::Socket,
        Queue::Records,
        Queue::Turn,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Queue::Room => "room",
            Queue::ShardEvents => "shard-events",
            Queue::Shard => "shard",
            Queue::Socket => "socket",
            Queue::Records => "records",
            Queue::Turn => "turn",
        }
    }
}

/// The peaks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queues(Arc<Peaks>);

#[derive(Debug)]
struct Peaks {
    since: Instant,
    shown: IntGaugeVec,
    peaks: [Peak; Queue::ALL.len()],
}

/// Of this window and the one before it.
#[derive(Debug, Default)]
struct Peak {
    window: AtomicU64,
    now: AtomicU64,
    before: AtomicU64,
}

impl Queues {
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let opts = Opts::new(
            "enfilade_queue_depth_peak",
            "Most that waited in one queue of a kind during the last half minute or more",
        );
        let queues = Self(Arc::new(Peaks {
            since: Instant::now(),
            shown: IntGaugeVec::new(opts, &["queue"])?,
            peaks: Default::default(),
        }));
        registry.register(Box::new(queues.clone()))?;
        Ok(queues)
    }

    /// So many wait in a queue.
    pub fn seen(&self, queue: Queue, waiting: usize) {
        self.0.peaks[queue as usize].seen(self.window(), waiting as u64);
    }

    /// The same, of who puts something in.
    pub fn filled<T>(&self, queue: Queue, sender: &mpsc::Sender<T>) {
        self.seen(queue, sender.max_capacity() - sender.capacity());
    }

    fn window(&self) -> u64 {
        self.0.since.elapsed().as_secs() / WINDOW.as_secs()
    }
}

impl Peak {
    /// Two that turn to a new window at the same moment may lose a peak to each other; the next is seen again.
    fn turn(&self, window: u64) {
        let last = self.window.load(Relaxed);
        if last != window {
            self.window.store(window, Relaxed);
            let now = self.now.swap(0, Relaxed);
            self.before.store(if window == last + 1 { now } else { 0 }, Relaxed);
        }
    }

    fn seen(&self, window: u64, waiting: u64) {
        self.turn(window);
        if waiting > self.now.load(Relaxed) {
            self.now.fetch_max(waiting, Relaxed);
        }
    }

    fn read(&self, window: u64) -> u64 {
        self.turn(window);
        self.now.load(Relaxed).max(self.before.load(Relaxed))
    }
}

impl Collector for Queues {
    fn desc(&self) -> Vec<&Desc> {
        self.0.shown.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        for queue in Queue::ALL {
            let peak = self.0.peaks[queue as usize].read(self.window());
            self.0.shown.with_label_values(&[queue.as_str()]).set(peak as i64);
        }
        self.0.shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_shown_for_a_window_after_its_own_and_then_no_more() {
        let peak = Peak::default();
        for waiting in [3, 9, 0] {
            peak.seen(4, waiting);
        }
        assert_eq!(peak.read(4), 9);
        peak.seen(5, 2);
        assert_eq!(peak.read(5), 9);
        assert_eq!(peak.read(6), 2);
        peak.seen(7, 1);
        assert_eq!(peak.read(9), 0, "nothing came for a whole window");
    }

    #[test]
    fn every_kind_of_queue_is_explained() {
        let manual = include_str!("../../../docs/OPERATING.md");
        for queue in Queue::ALL {
            assert!(manual.contains(&format!("`{}`", queue.as_str())), "{queue:?}");
        }
    }
}
