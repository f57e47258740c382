//! Whether there is time for somebody new. Tasks that run late make everybody wait, those in calls as well: until they have caught
//! up, a join is answered with `overloaded` (503 over HTTP) rather than late. Who is in a room already, or resumes, is served in any
//! case.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// How often it is measured how late a task runs.
const BEAT: Duration = Duration::from_millis(50);
/// The latest beat counts for so long. Joins that were let in have work ahead of them that is not late yet.
const MEMORY: Duration = Duration::from_millis(500);

/// Shared by whoever asks and the task that measures.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    beats: Arc<Mutex<Beats>>,
}

impl Admission {
    /// Nobody new while tasks run later than `max_delay`; zero: everybody always.
    pub(super) fn new(now: Instant, max_delay: Duration) -> Self {
        Self {
            beats: Arc::new(Mutex::new(Beats::new(now, max_delay))),
        }
    }

    /// Whether somebody new may come in now.
    pub(super) fn is_open(&self) -> bool {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.is_on_time(Instant::now())
    }

    fn beat(&self, due: Instant, now: Instant) {
        let mut beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.beat(due, now);
    }

    /// Measures for as long as it is let.
    pub(super) async fn measure(self) {
        loop {
            let due = Instant::now() + BEAT;
            sleep_until(due.into()).await;
            // To the end of the queue: a timer that fires may be taken before everybody who waits.
            tokio::task::yield_now().await;
            self.beat(due, Instant::now());
        }
    }
}

/// How late the latest beats were.
#[derive(Debug)]
struct Beats {
    max_delay: Duration,
    last: Instant,
    late_at: Option<Instant>,
}

impl Beats {
    fn new(now: Instant, max_delay: Duration) -> Self {
        Self {
            max_delay,
            last: now,
            late_at: None,
        }
    }

    fn beat(&mut self, due: Instant, now: Instant) {
        self.last = now;
        if now.saturating_duration_since(due) > self.max_delay {
            self.late_at = Some(now);
        }
    }

    fn is_on_time(&self, now: Instant) -> bool {
        if self.max_delay.is_zero() {
            return true;
        }
        let is_overdue = now.saturating_duration_since(self.last) > BEAT + self.max_delay;
        let was_late = self
            .late_at
            .is_some_and(|at| now.saturating_duration_since(at) < MEMORY);
        !is_overdue && !was_late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATE: Duration = Duration::from_millis(100);

    #[test]
    fn nobody_new_while_a_beat_is_overdue_and_for_a_while_after_a_late_one() {
        let start = Instant::now();
        let mut beats = Beats::new(start, LATE);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(beats.is_on_time(at(100)));
        beats.beat(at(50), at(100));
        assert!(beats.is_on_time(at(250)));
        assert!(!beats.is_on_time(at(260)), "none for 160 ms");
        beats.beat(at(150), at(270));
        beats.beat(at(320), at(321));
        assert!(!beats.is_on_time(at(400)), "one was 120 ms late just now");
        beats.beat(at(750), at(751));
        assert!(beats.is_on_time(at(771)));
        assert!(Beats::new(start, Duration::ZERO).is_on_time(at(9_000)), "switched off");
    }

    #[tokio::test]
    async fn a_worker_that_is_kept_busy_closes_the_door() {
        let admission = Admission::new(Instant::now(), LATE);
        let measuring = tokio::spawn(admission.clone().measure());
        tokio::task::yield_now().await;
        assert!(admission.is_open());
        // What a task must not do: the only worker does nothing else meanwhile.
        std::thread::sleep(BEAT + LATE * 2);
        assert!(!admission.is_open());
        measuring.abort();
    }
}
