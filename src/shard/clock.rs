//! Monotonic instants as NTP timestamps. Read once per batch, never per packet.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Seconds between 1900 (NTP) and 1970 (RFC 5905 section 6).
const NTP_UNIX_OFFSET_SECS: u64 = 2_208_988_800;

/// Wall clock of the moment the shard started; from there on it runs with the monotonic clock, so that a step of the
/// system clock never shows in a sender report.
pub(super) struct NtpClock {
    start: Instant,
    start_ntp: u64,
}

impl NtpClock {
    pub(super) fn start(now: Instant) -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        Self {
            start: now,
            start_ntp: ((unix.as_secs() + NTP_UNIX_OFFSET_SECS) << 32) | fraction,
        }
    }

    /// `now` as 32.32 fixed point seconds since 1900 (RFC 3550 section 4).
    pub(super) fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.start);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        self.start_ntp.wrapping_add((elapsed.as_secs() << 32) + fraction)
    }
}

/// Processor time that this thread has used, in microseconds.
pub(super) fn thread_micros() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    used.tv_sec as u64 * 1_000_000 + used.tv_nsec as u64 / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn half_a_second_is_half_of_the_32_bit_fraction() {
        let now = Instant::now();
        let clock = NtpClock::start(now);
        let passed = clock.ntp(now + Duration::from_millis(1_500)) - clock.ntp(now);
        assert_eq!(passed >> 32, 1);
        assert_eq!((passed as u32) >> 16, 0x8000);
    }
}
