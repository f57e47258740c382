//! Keyframe requests: many subscribers ask, the publisher hears one.

use std::time::{Duration, Instant};

use super::ENCODINGS_MAX;

/// Least time between two requests for one encoding. A keyframe costs the publisher many times a common
/// frame; an encoder needs a round trip and a frame interval to answer anyway.
const REQUEST_INTERVAL: Duration = Duration::from_millis(500);

/// How a subscriber asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyframeRequest {
    /// RFC 4585 section 6.3.1.
    Pli,
    /// RFC 5104 section 4.3.1. A repeated sequence number is the same request again.
    Fir {
        /// Command sequence number.
        sequence: u8,
    },
}

/// Merges and paces the requests of one source. The first goes at once; while one stays unanswered it is
/// repeated, because RTCP is lost like anything else.
#[derive(Debug, Default)]
pub struct KeyframeRequests {
    encodings: [Encoding; ENCODINGS_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
struct Encoding {
    wanted: Option<Instant>,
    sent: Option<Instant>,
}

impl Encoding {
    fn due(&self) -> Option<Instant> {
        let wanted = self.wanted?;
        Some(match self.sent {
            Some(sent) => wanted.max(sent + REQUEST_INTERVAL),
            None => wanted,
        })
    }
}

impl KeyframeRequests {
    /// Somebody cannot go on without a keyframe of this encoding.
    pub fn want(&mut self, now: Instant, encoding: usize) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            encoding.wanted.get_or_insert(now);
        }
    }

    /// It arrives again after a pause. What was asked for meanwhile may have found nobody to hear it, so the next request does
    /// not have to wait for it.
    pub fn revive(&mut self, encoding: usize) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            encoding.sent = None;
        }
    }

    /// A keyframe of this encoding begins: everyone who waited has it.
    pub fn arrived(&mut self, encoding: usize) {
        if let Some(encoding) = self.encodings.get_mut(encoding) {
            encoding.wanted = None;
        }
    }

    /// The next encoding to ask for. `still_wanted` is consulted before a repetition: who asked may have left.
    pub fn poll(&mut self, now: Instant, mut still_wanted: impl FnMut(usize) -> bool) -> Option<usize> {
        for (number, encoding) in self.encodings.iter_mut().enumerate() {
            if encoding.due().is_none_or(|due| due > now) {
                continue;
            }
            let repeated = encoding.sent.is_some_and(|sent| encoding.wanted <= Some(sent));
            if repeated && !still_wanted(number) {
                encoding.wanted = None;
                continue;
            }
            encoding.sent = Some(now);
            return Some(number);
        }
        None
    }

    /// When [`Self::poll`] may have a request.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.encodings.iter().filter_map(Encoding::due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_first_request_goes_at_once_and_a_storm_becomes_two_per_second() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        let mut sent = Vec::new();
        for step in 0..2000 {
            let now = start + ms(step);
            requests.want(now, 1);
            while let Some(encoding) = requests.poll(now, |_| true) {
                assert_eq!(encoding, 1);
                sent.push(step);
            }
        }
        assert_eq!(sent, [0, 500, 1000, 1500]);
    }

    #[test]
    fn an_answered_request_is_not_repeated_but_the_next_is_still_paced() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start, 0);
        assert_eq!(requests.poll(start, |_| true), Some(0));
        requests.arrived(0);
        assert_eq!(requests.poll_timeout(), None);
        requests.want(start + ms(100), 0);
        assert_eq!(requests.poll(start + ms(100), |_| true), None);
        assert_eq!(requests.poll_timeout(), Some(start + ms(500)));
        assert_eq!(requests.poll(start + ms(500), |_| true), Some(0));
    }

    #[test]
    fn what_was_asked_of_a_stopped_encoding_is_asked_again_when_it_is_back() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start, 0);
        assert_eq!(requests.poll(start, |_| true), Some(0));
        requests.revive(0);
        requests.revive(usize::MAX);
        assert_eq!(requests.poll(start + ms(80), |_| true), Some(0));
        assert_eq!(requests.poll(start + ms(90), |_| true), None);
    }

    #[test]
    fn nobody_waits_so_nothing_is_repeated() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start, 2);
        assert_eq!(requests.poll(start, |_| false), Some(2));
        assert_eq!(requests.poll(start + ms(500), |_| false), None);
        assert_eq!(requests.poll_timeout(), None);
    }

    #[test]
    fn encodings_are_paced_apart_and_unknown_ones_are_ignored() {
        let start = Instant::now();
        let mut requests = KeyframeRequests::default();
        requests.want(start, 0);
        requests.want(start, 2);
        requests.want(start, usize::MAX);
        assert_eq!(requests.poll(start, |_| true), Some(0));
        assert_eq!(requests.poll(start, |_| true), Some(2));
        assert_eq!(requests.poll(start, |_| true), None);
    }
}
