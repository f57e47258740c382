//! What is played: who is there and what they send.

use std::path::Path;

use anyhow::Context;
use enfilade::packet::Kind;
use serde::Deserialize;

use crate::engine::{Pace, Shape};
use crate::target::{Person, Source};

/// Everything about it but the server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it is, for people.
    pub(crate) about: String,
    #[serde(default = "one")]
    pub(crate) rooms: u32,
    /// People of each room who send.
    #[serde(default = "one")]
    pub(crate) publishers: u32,
    /// People of each room who only receive.
    #[serde(default)]
    pub(crate) subscribers: u32,
    /// Whether those who send receive each other.
    #[serde(default)]
    pub(crate) meeting: bool,
    #[serde(default)]
    pub(crate) pace: Pace,
    #[serde(default)]
    pub(crate) voice: Option<Encoding>,
    /// Encodings of each camera, low to high.
    #[serde(default)]
    pub(crate) camera: Vec<Encoding>,
    /// So many subscribers a second leave, and others come.
    #[serde(default)]
    pub(crate) churn_per_second: f64,
}

/// One encoding.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encoding {
    /// Pictures a second, or packets of sound.
    pub(crate) frames_per_second: f64,
    #[serde(default = "one_packet")]
    pub(crate) packets_per_frame: u16,
    /// Payload of each packet.
    pub(crate) bytes: usize,
}

const fn one() -> u32 {
    1
}

const fn one_packet() -> u16 {
    1
}

/// Scenarios that need no file.
const BUILT_IN: [(&str, &str); 5] = [
    ("webinar", include_str!("../scenarios/webinar.toml")),
    ("video-meeting", include_str!("../scenarios/video-meeting.toml")),
    ("audio-meeting", include_str!("../scenarios/audio-meeting.toml")),
    ("small-rooms", include_str!("../scenarios/small-rooms.toml")),
    ("churn", include_str!("../scenarios/churn.toml")),
];

impl Scenario {
    /// One that is built in, or else a file.
    pub(crate) fn load(name: &str) -> anyhow::Result<Self> {
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let text = match built_in {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(Path::new(name)).with_context(|| {
                let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                format!("{name} is no file and none of {}", names.join(", "))
            })?,
        };
        toml::from_str(&text).with_context(|| format!("reading the scenario {name}"))
    }

    fn shape(&self, encoding: &Encoding, pace: Pace) -> Shape {
        Shape {
            frames_per_second: encoding.frames_per_second,
            packets_per_frame: encoding.packets_per_frame,
            payload_len: encoding.bytes,
            pace,
        }
    }

    fn sources(&self) -> Vec<Source> {
        let voice = self.voice.iter().map(|voice| Source {
            kind: Kind::Audio,
            encodings: vec![self.shape(voice, Pace::Even)],
        });
        let camera = (!self.camera.is_empty()).then(|| Source {
            kind: Kind::Video,
            encodings: self
                .camera
                .iter()
                .map(|encoding| self.shape(encoding, self.pace))
                .collect(),
        });
        voice.chain(camera).collect()
    }

    /// The names of the rooms.
    pub(crate) fn rooms(&self, prefix: &str) -> Vec<String> {
        (0..self.rooms).map(|number| room(prefix, number)).collect()
    }

    /// Those who send, rooms in turn.
    pub(crate) fn publishers(&self, prefix: &str) -> Vec<Person> {
        let seats = if self.meeting { self.publishers as usize - 1 } else { 0 };
        let mut people = Vec::new();
        for place in 0..self.publishers {
            for number in 0..self.rooms {
                people.push(Person {
                    room: room(prefix, number),
                    id: format!("publisher-{place}"),
                    sends: self.sources(),
                    seats,
                    watches: None,
                    number: people.len() as u32,
                    token: None,
                });
            }
        }
        people
    }

    /// The `nth` of those who only receive.
    pub(crate) fn subscriber(&self, prefix: &str, nth: u32) -> Person {
        Person {
            room: room(prefix, nth % self.rooms),
            id: format!("subscriber-{nth}"),
            sends: Vec::new(),
            seats: self.publishers as usize,
            watches: Some("publisher-0".to_owned()),
            number: self.rooms * self.publishers + nth,
            token: None,
        }
    }
}

fn room(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_has_somebody_who_sends_and_somebody_who_receives() {
        for (name, _) in BUILT_IN {
            let scenario = Scenario::load(name).unwrap();
            assert!(!scenario.about.is_empty(), "{name}");
            let publishers = scenario.publishers("x");
            assert!(publishers.iter().all(|person| !person.sends.is_empty()), "{name}");
            assert!(
                scenario.subscribers > 0 || publishers.iter().all(|person| person.seats > 0),
                "{name}"
            );
        }
    }

    #[test]
    fn a_scenario_that_is_not_known_is_told_with_those_that_are() {
        let error = Scenario::load("no-such-file").unwrap_err();
        assert!(error.to_string().contains("webinar"), "{error}");
    }
}
