//! How good somebody's connection is, as one number for people.

use std::{collections::BTreeMap, time::Duration};

use super::roster::MemberKey;
use crate::shard::event::TransportStats;

/// Between two `quality` events.
pub(super) const QUALITY_INTERVAL: Duration = Duration::from_secs(2);

/// Scores of one room.
#[derive(Debug, Default)]
pub(super) struct Qualities {
    now: BTreeMap<MemberKey, u8>,
    told: BTreeMap<MemberKey, u8>,
}

/// 5 (excellent) to 1 (bad), by the worst of loss (either way), round trip, and what the path has no room for. Steps follow what
/// people notice: below 1 % loss repair hides everything, above 10 % nothing does; above 400 ms of round trip they interrupt
/// each other; a picture with a third of its bits is visibly softer, with a tenth of them small.
pub(super) fn score(stats: &TransportStats) -> u8 {
    let loss = stats.loss_up.max(stats.loss_down);
    let by_loss = [0.01, 0.03, 0.06, 0.1].iter().filter(|limit| loss > **limit).count();
    let round_trip = stats.round_trip.unwrap_or_default();
    let by_delay = [150, 250, 400, 800]
        .iter()
        .filter(|ms| round_trip > Duration::from_millis(**ms))
        .count();
    let served = stats.video_served.unwrap_or(1.0);
    let by_room = [0.9, 0.5, 0.25, 0.05].iter().filter(|limit| served < **limit).count();
    5 - by_loss.max(by_delay).max(by_room) as u8
}

impl Qualities {
    /// The newest numbers of a member.
    pub(super) fn measure(&mut self, member: MemberKey, stats: &TransportStats) {
        self.now.insert(member, score(stats));
    }

    /// A member has gone.
    pub(super) fn forget(&mut self, member: MemberKey) {
        self.now.remove(&member);
        self.told.remove(&member);
    }

    /// Is there something to tell?
    pub(super) fn is_changed(&self) -> bool {
        self.now
            .iter()
            .any(|(member, score)| self.told.get(member) != Some(score))
    }

    /// What was told so far and still holds.
    pub(super) fn told(&self) -> impl Iterator<Item = (MemberKey, u8)> {
        self.told.iter().map(|(member, score)| (*member, *score))
    }

    /// What changed since the last time.
    pub(super) fn changed(&mut self) -> Vec<(MemberKey, u8)> {
        let news = self
            .now
            .iter()
            .filter(|(member, score)| self.told.get(*member) != Some(*score));
        let news: Vec<(MemberKey, u8)> = news.map(|(member, score)| (*member, *score)).collect();
        self.told.extend(news.iter().copied());
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_fall_with_loss_and_delay_and_are_told_once() {
        let stats = |loss_up, round_trip_ms| TransportStats {
            loss_up,
            loss_down: 0.0,
            round_trip: Some(Duration::from_millis(round_trip_ms)),
            ..TransportStats::default()
        };
        let served = |share| TransportStats {
            video_served: Some(share),
            ..TransportStats::default()
        };
        assert_eq!(
            [1.0, 0.6, 0.3, 0.1, 0.0].map(|share| score(&served(share))),
            [5, 4, 3, 2, 1]
        );
        assert_eq!(
            [0.0, 0.02, 0.05, 0.08, 0.5].map(|loss| score(&stats(loss, 20))),
            [5, 4, 3, 2, 1]
        );
        assert_eq!(
            [20, 200, 300, 500, 900].map(|ms| score(&stats(0.0, ms))),
            [5, 4, 3, 2, 1]
        );
        let mut qualities = Qualities::default();
        qualities.measure(MemberKey(1), &stats(0.0, 20));
        assert!(qualities.is_changed());
        assert_eq!(qualities.changed(), [(MemberKey(1), 5)]);
        qualities.measure(MemberKey(1), &stats(0.001, 30));
        assert!(!qualities.is_changed());
        assert_eq!(qualities.changed(), []);
    }
}
