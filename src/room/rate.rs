//! How often a participant may say something that goes to many.

use std::time::Instant;

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// `chat`.
    Chat,
    /// `topic.publish`, `store.set`, `store.get`.
    Topic,
    /// What changes what others know: `publish`, `unpublish`, `mute`, `update`, `media.request`, `pin`, `room.update`; and
    /// questions about rooms.
    State,
    /// `link.chat`.
    Link,
}

/// Tokens that come back with time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    counted_at: Option<Instant>,
}

/// One participant's allowances.
#[derive(Debug)]
pub(super) struct Rates([Bucket; 4]);

/// How often people may ask to be let in, together: everybody inside is told each time.
#[derive(Debug)]
pub(super) struct Knocks(Bucket);

impl Talk {
    /// Per second, and at most at once.
    const fn allowance(self) -> (f64, f64) {
        match self {
            Talk::Chat => (10.0, 10.0),
            Talk::Topic => (50.0, 50.0),
            Talk::State => (20.0, 40.0),
            Talk::Link => (3.0, 10.0),
        }
    }
}

impl Bucket {
    const fn full((_, burst): (f64, f64)) -> Self {
        Self {
            tokens: burst,
            counted_at: None,
        }
    }

    /// Takes one token; false when there is none.
    fn take(&mut self, now: Instant, (per_second, burst): (f64, f64)) -> bool {
        let since = self
            .counted_at
            .map_or(0.0, |last| now.saturating_duration_since(last).as_secs_f64());
        self.tokens = (self.tokens + since * per_second).min(burst);
        self.counted_at = Some(now);
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

impl Default for Rates {
    fn default() -> Self {
        let full = |talk: Talk| Bucket::full(talk.allowance());
        Self([full(Talk::Chat), full(Talk::Topic), full(Talk::State), full(Talk::Link)])
    }
}

impl Rates {
    /// Takes one token; false when there is none.
    pub(super) fn allow(&mut self, now: Instant, talk: Talk) -> bool {
        self.0[talk as usize].take(now, talk.allowance())
    }
}

impl Knocks {
    /// Per second, and at most at once.
    const ALLOWANCE: (f64, f64) = (20.0, 100.0);

    /// Takes one token; false when there is none.
    pub(super) fn allow(&mut self, now: Instant) -> bool {
        self.0.take(now, Self::ALLOWANCE)
    }
}

impl Default for Knocks {
    fn default() -> Self {
        Self(Bucket::full(Self::ALLOWANCE))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ten_chat_messages_a_second_and_each_kind_by_itself() {
        let mut rates = Rates::default();
        let start = Instant::now();
        assert!((0..10).all(|_| rates.allow(start, Talk::Chat)));
        assert!(!rates.allow(start, Talk::Chat));
        assert!(rates.allow(start, Talk::Topic));
        let sent = (0..10_000)
            .filter(|ms| rates.allow(start + Duration::from_millis(*ms), Talk::Chat))
            .count();
        assert!((95..=100).contains(&sent), "{sent} in ten seconds");
    }
}
