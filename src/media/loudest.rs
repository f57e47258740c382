//! Which voices of a large room are forwarded: the few loudest.
//!
//! Decided with each packet, so that the first syllable goes out with the rest of the word. Who is heard keeps its
//! place through a pause between words; silence takes none. When all places are taken, a voice has to be clearly louder
//! than the weakest of those who have one; a murmur yields to speech at once.

use std::time::{Duration, Instant};

use super::SourceKey;
use super::speaker::{DECAY_PER_SECOND, SPEECH, VOICE, Voice};

/// A pause of this length ends somebody's turn, if nobody took the place before.
const HOLD: Duration = Duration::from_secs(2);

/// Who has got a place keeps it for so long, whoever is louder.
const STAY: Duration = Duration::from_millis(300);

/// How much stronger than the weakest voice one has to be to take its place.
const MARGIN: f32 = 8.0;

/// The voices of one room that are forwarded. A few dozen bytes for each place and a look at each place per packet; who has
/// none is not remembered.
#[derive(Debug)]
pub struct LoudestN {
    most: usize,
    places: Vec<Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    source: SourceKey,
    since: Instant,
    /// Last packet that was a voice at all.
    voiced_at: Instant,
    /// Strength with the last packet, and when that was.
    strength: f32,
    heard_at: Instant,
    /// It has been loud enough for speech, and not only a murmur.
    spoke: bool,
}

impl Place {
    fn strength(&self, now: Instant) -> f32 {
        let age = now.saturating_duration_since(self.heard_at);
        (self.strength - DECAY_PER_SECOND * age.as_secs_f32()).max(0.0)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.voiced_at) >= HOLD
    }
}

impl LoudestN {
    /// At most `most` voices at a time, at least one.
    pub fn new(most: usize) -> Self {
        LoudestN {
            most: most.max(1),
            places: Vec::new(),
        }
    }

    /// Another number of places. The strongest keep theirs.
    pub fn set_most(&mut self, most: usize) {
        self.most = most.max(1);
        self.places.sort_by(|a, b| b.strength.total_cmp(&a.strength));
        self.places.truncate(self.most);
    }

    /// Whether this packet of a source is forwarded. To be asked with every packet, in order.
    #[inline]
    pub fn admit(&mut self, now: Instant, source: SourceKey, voice: Voice) -> bool {
        if let Some(at) = self.places.iter().position(|place| place.source == source) {
            let place = &mut self.places[at];
            place.strength = voice.strength;
            place.heard_at = now;
            if voice.level >= VOICE {
                place.voiced_at = now;
                place.spoke |= voice.level >= SPEECH;
            } else if place.is_over(now) {
                self.places.swap_remove(at);
                return false;
            }
            return true;
        }
        voice.level >= VOICE && self.enter(now, source, voice)
    }

    /// The source has ended.
    pub fn remove(&mut self, source: SourceKey) {
        self.places.retain(|place| place.source != source);
    }

    /// Who is forwarded now, in no order.
    pub fn heard(&self) -> impl Iterator<Item = SourceKey> + '_ {
        self.places.iter().map(|place| place.source)
    }

    /// A voice without a place looks for one.
    fn enter(&mut self, now: Instant, source: SourceKey, voice: Voice) -> bool {
        let place = Place {
            source,
            since: now,
            voiced_at: now,
            strength: voice.strength,
            heard_at: now,
            spoke: voice.level >= SPEECH,
        };
        if self.places.len() < self.most {
            self.places.push(place);
            return true;
        }
        match self.yielding(now, voice) {
            Some(at) => {
                self.places[at] = place;
                true
            }
            None => false,
        }
    }

    /// The place that goes to this voice, if one does.
    fn yielding(&self, now: Instant, voice: Voice) -> Option<usize> {
        let strength = |at: usize| self.places[at].strength(now);
        let weakest = |fits: &dyn Fn(&Place) -> bool| {
            let fitting = (0..self.places.len()).filter(|at| fits(&self.places[*at]));
            fitting.min_by(|a, b| strength(*a).total_cmp(&strength(*b)))
        };
        if let Some(over) = weakest(&|place| place.is_over(now)) {
            return Some(over);
        }
        if voice.level >= SPEECH
            && let Some(murmur) = weakest(&|place| !place.spoke)
        {
            return Some(murmur);
        }
        let stayed = |place: &Place| now.saturating_duration_since(place.since) >= STAY;
        weakest(&stayed).filter(|at| voice.strength >= strength(*at) + MARGIN)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::super::speaker::LevelMeter;
    use super::*;
    use crate::packet::AudioLevel;

    /// The packets of `people` microphones, one each 20 ms: who is forwarded when.
    struct Talk {
        start: Instant,
        loudest: LoudestN,
        meters: Vec<LevelMeter>,
        passed: BTreeMap<u64, Vec<u64>>,
    }

    impl Talk {
        /// `dbov` says how loud somebody is at a time in ms, 127 being silence.
        fn hold(most: usize, people: u64, length_ms: u64, dbov: impl Fn(u64, u64) -> u8) -> Talk {
            let mut talk = Talk {
                start: Instant::now(),
                loudest: LoudestN::new(most),
                meters: vec![LevelMeter::default(); people as usize],
                passed: BTreeMap::new(),
            };
            for at in (0..length_ms).step_by(20) {
                let now = talk.start + Duration::from_millis(at);
                for who in 0..people {
                    let level = AudioLevel {
                        voice: true,
                        level_dbov: dbov(at, who),
                    };
                    let voice = talk.meters[who as usize].push(now, level);
                    if talk.loudest.admit(now, SourceKey(who), voice) {
                        talk.passed.entry(at).or_default().push(who);
                    }
                    assert!(talk.loudest.heard().count() <= most);
                }
            }
            talk
        }

        fn at(&self, at: u64) -> &[u64] {
            self.passed.get(&at).map(Vec::as_slice).unwrap_or_default()
        }

        /// Times at which somebody passes who did not with the packet before.
        fn turns(&self, who: u64) -> Vec<u64> {
            let passes = |at: &u64| self.at(*at).contains(&who);
            let begins = |at: &u64| passes(at) && !at.checked_sub(20).is_some_and(|before| passes(&before));
            self.passed.keys().copied().filter(begins).collect()
        }
    }

    #[test]
    fn silence_takes_no_place_and_the_first_packet_of_a_voice_passes() {
        let talk = Talk::hold(2, 5, 3000, |at, who| if who == 3 && at >= 1000 { 30 } else { 127 });
        assert_eq!(talk.turns(3), [1000]);
        assert_eq!(talk.passed.len(), 100, "nobody else ever passed");
        assert_eq!(talk.at(2980), [3]);
    }

    #[test]
    fn a_pause_between_words_is_not_cut_and_a_long_one_ends_the_turn() {
        let speaks = |at: u64| at < 1000 || (2500..3000).contains(&at) || at >= 7000;
        let talk = Talk::hold(2, 5, 8000, |at, who| if who == 0 && speaks(at) { 30 } else { 127 });
        assert_eq!(talk.turns(0), [0, 7000]);
        assert_eq!(talk.at(4900), [0]);
        assert!(talk.at(5100).is_empty());
    }

    #[test]
    fn never_more_than_n_however_loud_the_room() {
        let talk = Talk::hold(5, 60, 20_000, |at, who| {
            (who.wrapping_mul(2_654_435_761) ^ (at / 700).wrapping_mul(40_503)) as u8 % 100
        });
        let heard: BTreeSet<u64> = talk.passed.values().flatten().copied().collect();
        let turns: usize = heard.iter().map(|who| talk.turns(*who).len()).sum();
        let passed: usize = talk.passed.values().map(Vec::len).sum();
        assert!(
            passed <= 5 * 1000 + turns,
            "who yields has been heard in the same 20 ms"
        );
        assert!(heard.len() > 20, "turns are taken: {}", heard.len());
    }

    #[test]
    fn as_loud_as_the_others_is_no_reason_to_change() {
        let talk = Talk::hold(3, 6, 10_000, |at, who| 30 + ((at / 200 + who) % 3) as u8);
        assert_eq!((0..6).map(|who| talk.turns(who).len()).sum::<usize>(), 3);
    }

    #[test]
    fn who_is_clearly_louder_than_the_weakest_is_heard_within_a_fifth_of_a_second() {
        let talk = Talk::hold(3, 4, 6000, |at, who| match who {
            0 => 30,
            1 => 45,
            2 => 32,
            _ if at >= 3000 => 28,
            _ => 127,
        });
        let turns = talk.turns(3);
        assert!(turns.len() == 1 && (3000..=3200).contains(&turns[0]), "{turns:?}");
        assert!(!talk.at(5000).contains(&1));
    }

    #[test]
    fn who_pauses_yields_to_who_speaks() {
        let talk = Talk::hold(1, 2, 4000, |at, who| if (at < 2000) == (who == 0) { 30 } else { 127 });
        let turns = talk.turns(1);
        assert!(turns.len() == 1 && (2100..=2500).contains(&turns[0]), "{turns:?}");
    }

    #[test]
    fn a_click_takes_nobody_s_place() {
        let click = |at: u64| (1000..1020).contains(&at);
        let talk = Talk::hold(1, 2, 3000, |at, who| {
            if who == 0 {
                35
            } else if click(at) {
                0
            } else {
                127
            }
        });
        assert!(talk.turns(1).is_empty());
    }

    #[test]
    fn the_murmur_of_many_rooms_delays_no_word() {
        let talk = Talk::hold(5, 400, 3000, |at, who| if who == 7 && at >= 2000 { 35 } else { 58 });
        let turns = talk.turns(7);
        let word: Vec<_> = turns.iter().filter(|at| **at >= 1980).collect();
        assert!(word.is_empty() || word == [&2000], "{turns:?}");
        assert!((2000..3000).step_by(20).all(|at| talk.at(at).contains(&7)));
    }

    #[test]
    fn fewer_places_leave_the_strongest() {
        let mut talk = Talk::hold(3, 3, 1000, |_, who| 30 + who as u8 * 10);
        talk.loudest.set_most(1);
        assert_eq!(talk.loudest.heard().collect::<Vec<_>>(), [SourceKey(0)]);
        talk.loudest.remove(SourceKey(0));
        assert_eq!(talk.loudest.heard().count(), 0);
    }
}
