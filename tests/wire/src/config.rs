//! What one direction of a path does to packets.
//!
//! In code times are `Duration`s; in JSON they are plain numbers with their unit in the name, and whatever is left out is
//! as on a clean path: `{"delay_ms":50,"loss":{"random":0.05},"rate_bps":1000000,"queue":{"ms":300}}`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that one direction of a path does. The default is a path that only carries.
///
/// A packet meets the parts in this order: outage (when it comes), the queue of the bottleneck, outage (when it leaves
/// the queue), loss, duplication, delay with jitter and reordering. Lost packets have thus used up rate, as on the air.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkConfig {
    /// One way, without the time in the queue.
    #[serde(rename = "delay_ms", with = "ms")]
    pub delay: Duration,
    /// How the delay varies from packet to packet.
    pub jitter: Jitter,
    /// Which packets never arrive.
    pub loss: Loss,
    /// Which packets are overtaken.
    pub reorder: Reorder,
    /// Share of packets that arrive twice, 0..=1; the second directly behind the first.
    pub duplicate: f64,
    /// Capacity in bit/s; absent: no limit and no queue.
    pub rate_bps: Option<u64>,
    /// The queue before the capacity; without `rate_bps` it stays empty.
    pub queue: Queue,
    /// When nothing passes.
    pub outage: Outage,
}

/// Variation of the delay: each packet draws its own, which is added to (or taken from) `LinkConfig::delay`; the sum is
/// never below 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jitter {
    /// Largest deviation to either side.
    #[serde(rename = "spread_ms", with = "ms")]
    pub spread: Duration,
    /// How the draws are distributed inside the spread.
    pub shape: Shape,
    /// False, as real links are: a packet that would overtake arrives together with the one before it (RFC 8868 section
    /// 4.5.2 calls this NR-RBPDV). True: it overtakes.
    pub reorders: bool,
}

/// Distribution of jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Every deviation within the spread is equally likely.
    #[default]
    Uniform,
    /// Normal; the spread is three standard deviations, and what lies beyond is drawn again.
    Normal,
}

/// Loss that has nothing to do with load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Every packet arrives.
    #[default]
    None,
    /// Each packet is lost with this probability, 0..=1, whatever happened to the others.
    Random(f64),
    /// Gilbert-Elliott: a good state that loses nothing and a bad one that loses everything, left with fixed
    /// probabilities per packet, so that losses come in bursts of geometric length.
    Bursts {
        /// Share of all packets that are lost in the long run, 0..1.
        share: f64,
        /// Mean length of a burst in packets, 1 or more.
        mean_packets: f64,
    },
}

/// Packets that are late enough to be overtaken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Reorder {
    /// Share of packets, 0..=1.
    pub share: f64,
    /// How much later than the others they arrive.
    #[serde(rename = "extra_ms", with = "ms")]
    pub extra: Duration,
}

/// A tail-drop queue, bounded in time and in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// A packet that would wait longer than this before its first bit is sent is dropped.
    #[serde(rename = "ms", with = "ms")]
    pub time: Duration,
    /// A packet that would bring more than this many bytes into the queue is dropped; absent: only time counts.
    pub bytes: Option<usize>,
}

impl Default for Queue {
    fn default() -> Self {
        Self::RFC_8867
    }
}

impl Queue {
    /// The queue of RFC 8867's scenarios: 300 ms (section 4.3).
    pub const RFC_8867: Self = Self {
        time: Duration::from_millis(300),
        bytes: None,
    };
}

/// Times at which nothing passes. What is already under way behind the queue still arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outage {
    /// Packets pass.
    #[default]
    Off,
    /// Nothing passes until the configuration is changed.
    On,
    /// Nothing passes from..to, counted from the moment the configuration was set.
    Between {
        /// First moment without passage.
        #[serde(rename = "from_ms", with = "ms")]
        from: Duration,
        /// First moment with passage again.
        #[serde(rename = "to_ms", with = "ms")]
        to: Duration,
    },
}

impl Outage {
    pub(crate) fn is_out(&self, since_set: Duration) -> bool {
        match self {
            Self::Off => false,
            Self::On => true,
            Self::Between { from, to } => (*from..*to).contains(&since_set),
        }
    }
}

impl LinkConfig {
    /// A path that only carries: no delay, no loss, no limit.
    pub const CLEAN: Self = Self {
        delay: Duration::ZERO,
        jitter: Jitter {
            spread: Duration::ZERO,
            shape: Shape::Uniform,
            reorders: false,
        },
        loss: Loss::None,
        reorder: Reorder {
            share: 0.0,
            extra: Duration::ZERO,
        },
        duplicate: 0.0,
        rate_bps: None,
        queue: Queue::RFC_8867,
        outage: Outage::Off,
    };

    /// The same with this one-way delay.
    pub const fn delayed_ms(self, delay_ms: u64) -> Self {
        Self {
            delay: Duration::from_millis(delay_ms),
            ..self
        }
    }

    /// The same with uniform jitter to either side, in order.
    pub const fn jittered_ms(self, spread_ms: u64) -> Self {
        Self {
            jitter: Jitter {
                spread: Duration::from_millis(spread_ms),
                shape: Shape::Uniform,
                reorders: false,
            },
            ..self
        }
    }

    /// The same with this share of packets lost independently.
    pub const fn losing(self, share: f64) -> Self {
        Self {
            loss: Loss::Random(share),
            ..self
        }
    }

    /// The same with this share of packets lost in bursts of this mean length.
    pub const fn losing_bursts(self, share: f64, mean_packets: f64) -> Self {
        Self {
            loss: Loss::Bursts { share, mean_packets },
            ..self
        }
    }

    /// The same with this share of packets arriving so much later.
    pub const fn reordering(self, share: f64, extra_ms: u64) -> Self {
        Self {
            reorder: Reorder {
                share,
                extra: Duration::from_millis(extra_ms),
            },
            ..self
        }
    }

    /// The same with this share of packets arriving twice.
    pub const fn duplicating(self, share: f64) -> Self {
        Self {
            duplicate: share,
            ..self
        }
    }

    /// The same with this capacity before a queue of this length.
    pub const fn limited(self, rate_bps: u64, queue_ms: u64) -> Self {
        Self {
            rate_bps: Some(rate_bps),
            queue: Queue {
                time: Duration::from_millis(queue_ms),
                bytes: None,
            },
            ..self
        }
    }

    /// The same, but nothing passes.
    pub const fn out(self) -> Self {
        Self {
            outage: Outage::On,
            ..self
        }
    }

    /// What cannot be meant: a share outside 0..=1, a burst shorter than a packet, a rate of 0, all packets lost in
    /// bursts that end. Whoever takes a configuration from outside asks before using it.
    pub fn fault(&self) -> Option<&'static str> {
        let is_share = |share: f64| (0.0..=1.0).contains(&share);
        let loss_is_sound = match self.loss {
            Loss::None => true,
            Loss::Random(share) => is_share(share),
            Loss::Bursts { share, mean_packets } => (0.0..1.0).contains(&share) && mean_packets >= 1.0,
        };
        if !loss_is_sound {
            Some("loss: a share is 0..=1 (in bursts less than 1), a burst at least one packet")
        } else if !is_share(self.reorder.share) || !is_share(self.duplicate) {
            Some("reorder, duplicate: a share is 0..=1")
        } else if self.rate_bps == Some(0) {
            Some("rate_bps: 0 is an outage; say so")
        } else {
            None
        }
    }
}

/// Durations as milliseconds, with a fraction where needed.
mod ms {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64() * 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let ms = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(ms / 1000.0).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_leaves_out_is_clean_and_what_it_misspells_is_refused() {
        let read = |json: &str| serde_json::from_str::<LinkConfig>(json);
        assert_eq!(read("{}").unwrap(), LinkConfig::CLEAN);
        assert_eq!(LinkConfig::default(), LinkConfig::CLEAN);
        let all = r#"{"delay_ms":50,"jitter":{"spread_ms":30,"shape":"normal"},"loss":{"bursts":{"share":0.03,"mean_packets":8}},
            "reorder":{"share":0.02,"extra_ms":12.5},"duplicate":0.01,"rate_bps":1000000,"queue":{"ms":300,"bytes":50000},
            "outage":{"between":{"from_ms":1000,"to_ms":2000}}}"#;
        let config = read(all).unwrap();
        assert_eq!(config.delay, Duration::from_millis(50));
        assert_eq!(config.reorder.extra, Duration::from_micros(12_500));
        assert_eq!(config.jitter.shape, Shape::Normal);
        assert_eq!(read(&serde_json::to_string(&config).unwrap()).unwrap(), config);
        for wrong in [
            r#"{"delay":50}"#,
            r#"{"delay_ms":-1}"#,
            r#"{"loss":{"often":1}}"#,
            r#"{"queue":{"packets":3}}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nonsense_has_a_fault() {
        let clean = LinkConfig::CLEAN;
        assert_eq!(clean.losing(0.2).limited(1_000_000, 300).fault(), None);
        for wrong in [
            clean.losing(1.1),
            clean.losing_bursts(1.0, 8.0),
            clean.losing_bursts(0.1, 0.5),
            clean.duplicating(-0.1),
            clean.reordering(2.0, 1),
            clean.limited(0, 300),
        ] {
            assert!(wrong.fault().is_some(), "{wrong:?}");
        }
    }
}
