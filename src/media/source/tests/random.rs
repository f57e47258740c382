//! Anything may happen to a subscriber's seat; its numbers have to make sense all the same.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    /// So many frames; the bits of `fates` say which packets are lost or held back for later.
    Play { frames: u8, fates: u64 },
    /// What the subscriber asks for.
    Limit { encoding: u8, temporal: u8, paused: bool },
    /// An encoding stops (or starts again).
    Toggle { encoding: u8 },
    /// The seat shows another camera.
    Move,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1u8..40, any::<u64>()).prop_map(|(frames, fates)| Step::Play { frames, fates }),
        2 => (0u8..3, 0u8..3, prop::bool::weighted(0.15))
            .prop_map(|(encoding, temporal, paused)| Step::Limit { encoding, temporal, paused }),
        1 => (0u8..3).prop_map(|encoding| Step::Toggle { encoding }),
        1 => Just(Step::Move),
    ]
}

/// Two cameras of three encodings, one seat, and a path that loses and reorders.
struct World {
    sources: [Source; 2],
    videos: [[Video; 3]; 2],
    alive: [bool; 3],
    at: usize,
    frame: u64,
    held: Vec<(usize, Inbound<'static>)>,
    kept: Kept,
    /// Packets the publishers sent that did not arrive in order or at all.
    disturbed: usize,
}

impl World {
    fn new(start: (u64, u32, u16, u8), wide: bool) -> Self {
        let now = Instant::now();
        let (index, timestamp, picture, tl0) = start;
        let video = |camera: usize, encoding: usize| Video {
            now,
            encoding,
            index: index + camera as u64 * 77 + encoding as u64 * 1000,
            timestamp: timestamp.wrapping_add(0x2000_0001u32.wrapping_mul((camera * 3 + encoding) as u32)),
            picture: picture.wrapping_add((camera * 40 + encoding * 7) as u16) & if wide { 0x7fff } else { 0x7f },
            wide,
            tl0,
            ..Video::new()
        };
        let mut config = egress(1, Kind::Video);
        config.first_sequence = 0x7ff0;
        config.first_timestamp = timestamp;
        let mut world = World {
            sources: [camera(3), camera(3)],
            videos: [0, 1].map(|camera| [0, 1, 2].map(|encoding| video(camera, encoding))),
            alive: [true; 3],
            at: 0,
            frame: 0,
            held: Vec::new(),
            kept: Kept::default(),
            disturbed: 0,
        };
        world.sources[0].attach(now, Forwarder::new(config));
        world
    }

    fn play(&mut self, frames: u8, fates: u64) {
        for _ in 0..frames {
            self.frame += 1;
            for camera in 0..2 {
                self.play_frame(camera, fates);
            }
            if self.frame.is_multiple_of(3) {
                for (camera, packet) in std::mem::take(&mut self.held) {
                    self.sources[camera].forward(&packet, &mut self.kept);
                    // And some come twice.
                    if packet.index.is_multiple_of(2) {
                        self.sources[camera].forward(&packet, &mut self.kept);
                    }
                }
            }
        }
    }

    fn play_frame(&mut self, camera: usize, fates: u64) {
        let pattern = [(0, false), (2, true), (1, true), (2, false)][(self.frame % 4) as usize];
        let source = &mut self.sources[camera];
        let mut keyframes = [self.frame == 1; 3];
        while let Some(encoding) = source.poll_keyframe(self.videos[camera][0].now) {
            keyframes[encoding] = true;
        }
        for (encoding, keyframe) in keyframes.into_iter().enumerate() {
            let (temporal, sync) = if keyframe { (0, false) } else { pattern };
            let before = self.videos[camera][encoding].clone();
            let video = &mut self.videos[camera][encoding];
            let packets = video.picture(temporal, sync, keyframe, 1 + encoding);
            if !self.alive[encoding] {
                // Time goes on for an encoder that is off, its counters do not.
                *video = Video {
                    now: video.now,
                    timestamp: video.timestamp,
                    ..before
                };
                continue;
            }
            for packet in packets {
                let roll = (self.frame * 7 + packet.index) % 61;
                match (fates >> roll) & 0x7 {
                    1 => self.disturbed += 1,
                    2 => {
                        self.disturbed += 1;
                        self.held.push((camera, packet));
                    }
                    _ => source.forward(&packet, &mut self.kept),
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        let now = self.videos[0][0].now;
        match step {
            Step::Play { frames, fates } => self.play(frames, fates),
            Step::Limit {
                encoding,
                temporal,
                paused,
            } => {
                let limits = Limits {
                    max_encoding: encoding,
                    max_temporal: temporal,
                    paused,
                    ..Limits::default()
                };
                self.sources[self.at].set_limits(now, ANNA, limits);
            }
            Step::Toggle { encoding } => {
                let encoding = usize::from(encoding);
                self.alive[encoding] = !self.alive[encoding];
            }
            Step::Move => {
                let seat = self.sources[self.at].detach(now, ANNA).expect("it sits there");
                self.at = 1 - self.at;
                self.sources[self.at].attach(now, seat);
            }
        }
    }
}

fn check(world: &World, wide: bool) -> Result<(), TestCaseError> {
    let sent = &world.kept.sent;
    let numbers: BTreeSet<u64> = sent.iter().map(|packet| packet.sequence).collect();
    prop_assert_eq!(numbers.len(), sent.len(), "a number went out twice");
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return Ok(());
    };
    prop_assert_eq!(*first, 0x7ff0);
    let gaps = (last - first + 1) as usize - numbers.len();
    prop_assert!(gaps <= world.disturbed, "{} gaps, {} disturbed", gaps, world.disturbed);

    let mut ordered: Vec<&Received> = sent.iter().collect();
    ordered.sort_by_key(|packet| packet.sequence);
    let mask = if wide { 0x7fff } else { 0x7f };
    let id = |packet: &Received| {
        if wide {
            packet.picture()
        } else {
            u16::from(packet.payload[2] & 0x7f)
        }
    };
    for pair in ordered.windows(2) {
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
        prop_assert!(step >= 0, "time went back by {}", -step);
        let pictures = id(pair[1]).wrapping_sub(id(pair[0])) & mask;
        let tl0 = pair[1].tl0().wrapping_sub(pair[0].tl0());
        if world.disturbed == 0 {
            prop_assert_eq!(pair[1].sequence, pair[0].sequence + 1);
            prop_assert_eq!(pictures, u16::from(step != 0));
            prop_assert!(tl0 <= 1);
        } else {
            prop_assert!(
                pictures < 60,
                "picture ids went {} to {}",
                pair[0].picture(),
                pair[1].picture()
            );
        }
    }
    let mut ids = BTreeMap::new();
    for packet in &ordered {
        let id = *ids.entry(packet.timestamp).or_insert(packet.picture());
        prop_assert_eq!(id, packet.picture(), "one picture, two ids");
    }
    Ok(())
}

/// Counters about to wrap, at zero, or anywhere.
fn start() -> impl Strategy<Value = (u64, u32, u16, u8)> {
    prop_oneof![
        Just((65_500, u32::MAX - 40_000, 0x7ff0, 250)),
        Just((0, 0, 0, 0)),
        (0u64..1 << 40, any::<u32>(), any::<u16>(), any::<u8>()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_seat_makes_sense_on_a_perfect_path(
        start in start(),
        wide in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(start, wide);
        for step in steps {
            world.step(match step {
                Step::Play { frames, .. } => Step::Play { frames, fates: 0 },
                Step::Limit { .. } | Step::Toggle { .. } | Step::Move => step,
            });
        }
        check(&world, wide)?;
    }

    #[test]
    fn a_seat_makes_sense_whatever_is_lost_or_reordered(
        start in start(),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new(start, true);
        for step in steps {
            world.step(step);
        }
        check(&world, true)?;
    }
}
