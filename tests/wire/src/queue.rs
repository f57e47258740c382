//! The bottleneck: a tail-drop queue before a line of a given rate, which may change while packets wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::Queue;

/// Work is counted in bits times 10^9, so that a rate in bit/s does exactly `rate` of it per nanosecond: no rounding, and
/// the result does not depend on how often somebody asked.
const WORK_PER_BYTE: u128 = 8 * 1_000_000_000;

/// Packets that wait for a line.
#[derive(Clone, Debug)]
pub(crate) struct Bottleneck<T> {
    waiting: VecDeque<Waiting<T>>,
    /// Bytes of all waiting packets.
    bytes: usize,
    /// Work left for all waiting packets together.
    work: u128,
    /// Work left for the first.
    first_work: u128,
    /// Until when work has been done.
    done_until: Instant,
}

#[derive(Clone, Debug)]
struct Waiting<T> {
    bytes: usize,
    came: Instant,
    payload: T,
}

/// A packet whose last bit has left.
pub(crate) struct Departed<T> {
    pub(crate) at: Instant,
    pub(crate) came: Instant,
    pub(crate) bytes: usize,
    pub(crate) payload: T,
}

impl<T> Bottleneck<T> {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            work: 0,
            first_work: 0,
            done_until: now,
        }
    }

    /// Lets a packet in, or gives it back when the queue is full. All departures before `now` must have been taken.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        bytes: usize,
        payload: T,
        rate_bps: u64,
        limit: Queue,
    ) -> Result<(), T> {
        if self.waiting.is_empty() {
            self.done_until = now;
        }
        let too_long = self.delay(rate_bps) > limit.time;
        let too_many = limit.bytes.is_some_and(|limit| self.bytes + bytes > limit);
        if too_long || too_many {
            return Err(payload);
        }
        let work = bytes as u128 * WORK_PER_BYTE;
        if self.waiting.is_empty() {
            self.first_work = work;
        }
        self.work += work;
        self.bytes += bytes;
        self.waiting.push_back(Waiting {
            bytes,
            came: now,
            payload,
        });
        Ok(())
    }

    /// The next packet that has left by `now` at this rate. Without a rate everything leaves at once.
    pub(crate) fn poll(&mut self, now: Instant, rate_bps: Option<u64>) -> Option<Departed<T>> {
        let Some(at) = self.next_departure(rate_bps) else {
            self.done_until = self.done_until.max(now);
            return None;
        };
        if at > now {
            // Half-sent packets keep what was done for them when the rate changes.
            if let Some(rate_bps) = rate_bps {
                let done = now.saturating_duration_since(self.done_until).as_nanos() * u128::from(rate_bps);
                let done = done.min(self.first_work);
                self.first_work -= done;
                self.work -= done;
            }
            self.done_until = self.done_until.max(now);
            return None;
        }
        let first = self.waiting.pop_front()?;
        self.work -= self.first_work;
        self.bytes -= first.bytes;
        self.first_work = self
            .waiting
            .front()
            .map_or(0, |next| next.bytes as u128 * WORK_PER_BYTE);
        self.done_until = at;
        Some(Departed {
            at,
            came: first.came,
            bytes: first.bytes,
            payload: first.payload,
        })
    }

    /// When the first packet will have left.
    pub(crate) fn next_departure(&self, rate_bps: Option<u64>) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        Some(self.done_until + rate_bps.map_or(Duration::ZERO, |rate| time_for(self.first_work, rate)))
    }

    /// How long a packet would wait that came when the queue was last looked at.
    pub(crate) fn delay(&self, rate_bps: u64) -> Duration {
        time_for(self.work, rate_bps)
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

/// Rounded up: a packet has left only when its last bit has.
fn time_for(work: u128, rate_bps: u64) -> Duration {
    let nanos = work.div_ceil(u128::from(rate_bps.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
