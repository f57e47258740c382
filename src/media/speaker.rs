//! Who speaks, from audio levels (RFC 6464).
//!
//! A meter per source collects levels packet by packet; the [`Floor`] of a room compares them now and then. To
//! take the floor one has to be louder than who has it, by a margin and for a while: a cough changes nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::packet::AudioLevel;

/// RFC 6464 section 3: digital silence.
const SILENCE: u8 = 127;

/// Quieter than this is a room, not a voice.
const VOICE_DBOV: u8 = 60;

/// The same as loudness: from here on a packet is a voice, however low.
pub(super) const VOICE: f32 = (SILENCE - VOICE_DBOV + 1) as f32;

/// From here on somebody speaks, at -50 dBov; quieter ones are breath and keyboards.
pub(super) const SPEECH: f32 = 77.0;

/// A level is worth this much less after so long: how fast a voice is forgotten.
pub(super) const DECAY_PER_SECOND: f32 = 40.0;

/// Of the distance up to a louder packet, the share that one packet (20 ms) goes.
const ATTACK: f32 = 0.1;

/// The same for an onset, which has to be known before the word is over.
const ONSET_ATTACK: f32 = 0.35;

/// Levels this old say nothing: the source sends nothing (DTX) or is gone.
const STALE_AFTER: Duration = Duration::from_secs(2);

/// What one packet is to those who choose among voices. 0 is silence, 127 full scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Voice {
    /// Of this packet.
    pub level: f32,
    /// Of this packet and those before it, quick to rise.
    pub strength: f32,
}

impl Voice {
    /// Of a source that does not say how loud it is: speech as long as it sends more than comfort noise.
    pub const fn unsaid(payload_len: usize) -> Voice {
        let level = if payload_len > COMFORT_NOISE_LEN_MAX {
            SPEECH
        } else {
            0.0
        };
        Voice { level, strength: level }
    }
}

/// What Opus sends in silence (DTX) is one or two octets; the shortest speech is some ten.
const COMFORT_NOISE_LEN_MAX: usize = 3;

/// How loud one source is. Cheap: two multiplications per packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelMeter {
    /// 0 is silence, 127 is full scale, smoothed.
    loudness: f32,
    /// The same, quicker to rise.
    onset: f32,
    last: Option<Instant>,
}

impl LevelMeter {
    /// One packet's level.
    #[inline]
    pub fn push(&mut self, now: Instant, level: AudioLevel) -> Voice {
        let quiet = level.level_dbov.min(SILENCE);
        let loudness = if quiet >= VOICE_DBOV {
            0.0
        } else {
            f32::from(SILENCE - quiet)
        };
        let rise = |faded: f32, attack: f32| faded + (loudness - faded).max(0.0) * attack;
        self.loudness = rise(self.faded(now, self.loudness), ATTACK);
        self.onset = rise(self.faded(now, self.onset), ONSET_ATTACK);
        self.last = Some(now);
        Voice {
            level: loudness,
            strength: self.onset,
        }
    }

    /// How loud it is at `now`: 0 is silence, 127 full scale.
    pub fn loudness(&self, now: Instant) -> f32 {
        self.faded(now, self.loudness)
    }

    fn faded(&self, now: Instant, loudness: f32) -> f32 {
        let Some(last) = self.last else { return 0.0 };
        let age = now.saturating_duration_since(last);
        if age > STALE_AFTER {
            return 0.0;
        }
        (loudness - DECAY_PER_SECOND * age.as_secs_f32()).max(0.0)
    }
}

/// How much louder than the speaker one has to be to take the floor.
const MARGIN: f32 = 8.0;

/// For how long one has to be.
const HOLD: Duration = Duration::from_millis(400);

/// So long after the last of it somebody still counts as speaking: a pause between words is no end.
const LINGER: Duration = Duration::from_millis(600);

/// A room's speakers, the dominant one first.
#[derive(Debug)]
pub struct Floor<K> {
    /// Who has the floor or may get it. Whoever falls silent is forgotten by [`Self::poll`].
    speaking: BTreeMap<K, Speaking>,
    order: Vec<K>,
    /// Who is about to take the floor, and since when.
    challenger: Option<(K, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Speaking {
    loudness: f32,
    /// When it was last loud enough to be speech.
    at: Instant,
}

impl<K> Default for Floor<K> {
    fn default() -> Self {
        Floor {
            speaking: BTreeMap::new(),
            order: Vec::new(),
            challenger: None,
        }
    }
}

impl<K: Copy + Ord> Floor<K> {
    /// How loud somebody is now ([`LevelMeter::loudness`]). True if that is speech.
    pub fn observe(&mut self, now: Instant, who: K, loudness: f32) -> bool {
        let speaks = loudness >= SPEECH;
        if speaks {
            self.speaking.insert(who, Speaking { loudness, at: now });
        } else if let Some(speaking) = self.speaking.get_mut(&who) {
            speaking.loudness = loudness;
        }
        speaks
    }

    /// Somebody is gone, or mute.
    pub fn remove(&mut self, who: K) {
        self.speaking.remove(&who);
    }

    /// How loud somebody was when it was observed last: 0 is silence, 127 full scale; 0 as well for who does not speak.
    pub fn loudness(&self, who: K) -> f32 {
        self.speaking.get(&who).map_or(0.0, |speaking| speaking.loudness)
    }

    /// The new order, when it has changed: the dominant speaker, who stays in front while others are not clearly
    /// louder, then who else speaks, loudest first. Call after a round of [`Self::observe`], some four times a second.
    pub fn poll(&mut self, now: Instant) -> Option<&[K]> {
        self.speaking
            .retain(|_, speaking| now.saturating_duration_since(speaking.at) < LINGER);
        let mut speaking: Vec<K> = self.speaking.keys().copied().collect();
        // Stable, so equals keep the order of their names and the list does not flicker.
        speaking.sort_by(|a, b| self.loudness(*b).total_cmp(&self.loudness(*a)));
        let dominant = self.order.first().copied().filter(|who| speaking.contains(who));
        let front = match (dominant, speaking.first().copied()) {
            (Some(dominant), Some(loudest)) if loudest != dominant => {
                if self.loudness(loudest) < self.loudness(dominant) + MARGIN {
                    self.challenger = None;
                    Some(dominant)
                } else {
                    let since = match self.challenger {
                        Some((challenger, since)) if challenger == loudest => since,
                        Some(_) | None => now,
                    };
                    let takes = now.saturating_duration_since(since) >= HOLD;
                    self.challenger = (!takes).then_some((loudest, since));
                    Some(if takes { loudest } else { dominant })
                }
            }
            (_, loudest) => {
                self.challenger = None;
                loudest
            }
        };
        if let Some(front) = front {
            speaking.retain(|who| *who != front);
            speaking.insert(0, front);
        }
        // Behind the front only who is there matters, not the order of every syllable.
        let (mut before, mut after) = (self.order.clone(), speaking.clone());
        before.sort_unstable();
        after.sort_unstable();
        if before == after && self.order.first() == speaking.first() {
            return None;
        }
        self.order = speaking;
        Some(&self.order)
    }

    /// Who speaks, the dominant one first.
    pub fn order(&self) -> &[K] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: u8 = 1;
    const BEN: u8 = 2;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn level(level_dbov: u8) -> AudioLevel {
        AudioLevel {
            voice: true,
            level_dbov,
        }
    }

    /// Scripted levels, a packet each 20 ms, polled each 200 ms: who is in front over time.
    fn run(script: impl Fn(u64) -> [u8; 2], length_ms: u64) -> Vec<(u64, Vec<u8>)> {
        let start = Instant::now();
        let mut meters = [LevelMeter::default(); 2];
        let mut floor = Floor::default();
        let mut changes = Vec::new();
        for at in (0..length_ms).step_by(20) {
            let now = start + ms(at);
            for (meter, dbov) in meters.iter_mut().zip(script(at)) {
                meter.push(now, level(dbov));
            }
            if at % 200 == 0 {
                floor.observe(now, ANNA, meters[0].loudness(now));
                floor.observe(now, BEN, meters[1].loudness(now));
                if let Some(order) = floor.poll(now) {
                    changes.push((at, order.to_vec()));
                }
            }
        }
        changes
    }

    #[test]
    fn silence_is_127_and_nobody_speaks_in_it() {
        assert_eq!(run(|_| [127, 127], 3000), []);
        assert_eq!(run(|_| [70, 90], 3000), []);
    }

    #[test]
    fn who_speaks_is_in_front_within_half_a_second_and_gone_a_second_after_the_last_word() {
        let changes = run(|at| if at < 2000 { [30, 127] } else { [127, 127] }, 6000);
        assert_eq!(changes[0], (400, vec![ANNA]));
        assert!(changes[1].1.is_empty());
        assert!((2600..=3200).contains(&changes[1].0), "{changes:?}");
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn a_pause_between_words_is_no_end() {
        let words = |at: u64| if at % 1200 < 700 { [30, 127] } else { [127, 127] };
        assert_eq!(run(words, 10_000).len(), 1);
    }

    #[test]
    fn noise_that_lasts_is_neither_speech_nor_keeps_one_speaking() {
        assert_eq!(run(|_| [55, 127], 3000), []);
        let changes = run(|at| if at < 1000 { [30, 127] } else { [55, 127] }, 5000);
        assert_eq!(changes.last().map(|change| change.1.len()), Some(0), "{changes:?}");
    }

    #[test]
    fn what_the_sender_calls_voice_counts_for_nothing_but_the_level_does() {
        let start = Instant::now();
        let loud = |voice| {
            let mut meter = LevelMeter::default();
            let level = AudioLevel { voice, level_dbov: 30 };
            (0..50).for_each(|at| _ = meter.push(start + ms(at * 20), level));
            meter.loudness(start + ms(1000))
        };
        assert!(loud(false) > SPEECH && loud(true) == loud(false));
    }

    #[test]
    fn a_cough_does_not_take_the_floor_but_speech_does() {
        let front = |changes: &[(u64, Vec<u8>)]| changes.iter().map(|c| c.1[0]).collect::<Vec<_>>();
        let cough = run(|at| [35, if (1000..1100).contains(&at) { 5 } else { 127 }], 3000);
        assert!(front(&cough).iter().all(|front| *front == ANNA));
        let speech = run(|at| [35, if at >= 1000 { 10 } else { 127 }], 3000);
        assert_eq!(front(&speech).last(), Some(&BEN));
    }

    #[test]
    fn two_equally_loud_speakers_do_not_flicker() {
        let wobble = |at: u64| {
            if (at / 200).is_multiple_of(2) {
                [30, 33]
            } else {
                [33, 30]
            }
        };
        let changes = run(wobble, 10_000);
        assert!(changes.len() <= 2, "{changes:?}");
    }

    #[test]
    fn a_source_that_sends_nothing_is_silent() {
        let start = Instant::now();
        let mut meter = LevelMeter::default();
        for at in 0..50 {
            meter.push(start + ms(at * 20), level(10));
        }
        assert!(meter.loudness(start + ms(1000)) > 100.0);
        assert!(meter.loudness(start + ms(5000)) == 0.0);
    }
}
