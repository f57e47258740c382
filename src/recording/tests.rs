//! A recorder in virtual time; its files are read by another's reader.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::{Duration, Instant};

use bytes::Bytes;
use matroska_demuxer::{Frame, MatroskaFile, TrackType};
use serde_json::Value;

use super::{Action, Limits, Order, Recorder, STEP, Subject, TakeKey};
use crate::media::SourceKey;
use crate::packet::{Codec, FrameInfo};
use crate::shard::command::ShardId;
use crate::shard::{Tapped, TappedPacket};
use crate::wire::signal::{RecordingEnd, SourceKind};

const VOICE: SourceKey = SourceKey(1);
const CAMERA: SourceKey = SourceKey(2);
const LIMITS: Limits = Limits {
    bytes_max: 1 << 30,
    length_max: Duration::from_secs(3_600),
    keyframe_interval: Duration::from_secs(10),
};

/// A recorder, its clock, and what it has written.
struct Studio {
    recorder: Recorder,
    begun: Instant,
    ms: u64,
    files: BTreeMap<usize, (String, Vec<u8>)>,
    manifest: Value,
    keyframes: Vec<u64>,
    sequences: BTreeMap<SourceKey, u64>,
    ended: Option<RecordingEnd>,
}

impl Studio {
    fn new(limits: Limits) -> Studio {
        let begun = Instant::now();
        let subject = Subject {
            id: "r1".to_owned(),
            room: "stage".parse().unwrap(),
            session: "s1".to_owned(),
        };
        let mut studio = Studio {
            recorder: Recorder::new(subject, limits, begun, 1_000_000),
            begun,
            ms: 0,
            files: BTreeMap::new(),
            manifest: Value::Null,
            keyframes: Vec::new(),
            sequences: BTreeMap::new(),
            ended: None,
        };
        studio.order(Order::Joined {
            member: 1,
            participant: "ann".parse().unwrap(),
            display_name: "Ann".to_owned(),
            at_ms: 1_000_000,
        });
        studio
    }

    fn now(&self) -> Instant {
        self.begun + Duration::from_millis(self.ms)
    }

    fn order(&mut self, order: Order) {
        let now = self.now();
        self.recorder.handle(now, order);
    }

    fn track(&mut self, source: SourceKey, kind: SourceKind) {
        self.order(Order::Track {
            source,
            shard: ShardId(0),
            take: TakeKey {
                member: 1,
                screen: false,
                rank: 0,
            },
            kind,
            size: None,
        });
    }

    fn perform(&mut self) {
        while let Some(action) = self.recorder.poll_action() {
            match action {
                Action::Create { file, name, bytes } => {
                    assert!(self.files.insert(file, (name, bytes)).is_none());
                }
                Action::Append { file, bytes } => self.files.get_mut(&file).unwrap().1.extend(bytes),
                Action::Patch { file, patch } => {
                    let at = patch.at as usize;
                    let file = &mut self.files.get_mut(&file).unwrap().1;
                    file[at..at + patch.bytes.len()].copy_from_slice(&patch.bytes);
                }
                Action::Close { .. } => {}
                Action::Manifest(json) => self.manifest = serde_json::from_slice(&json).unwrap(),
                Action::Keyframe { .. } => self.keyframes.push(self.ms),
            }
        }
    }

    /// Time passes, and every 10 ms `each` may push something.
    fn run(&mut self, ms: u64, mut each: impl FnMut(&mut Studio)) {
        for _ in 0..ms / 10 {
            each(self);
            self.ms += 10;
            if self.ms.is_multiple_of(STEP.as_millis() as u64) {
                self.ended = self.ended.or(self.recorder.advance(self.now()));
                self.perform();
            }
        }
    }

    fn finish(&mut self) {
        let now = self.now();
        self.recorder.finish(now, 1_000_000 + self.ms, RecordingEnd::Stopped);
        self.perform();
    }

    fn packet(
        &mut self,
        source: SourceKey,
        codec: Codec,
        timestamp: u32,
        keyframe: bool,
        payload: &[u8],
    ) -> TappedPacket {
        let sequence = self.sequences.entry(source).or_default();
        *sequence += 1;
        TappedPacket {
            source,
            at: self.begun + Duration::from_millis(self.ms),
            sequence: *sequence,
            timestamp,
            codec,
            frame: FrameInfo {
                starts_frame: true,
                ends_frame: true,
                keyframe,
                ..FrameInfo::default()
            },
            marker: true,
            payload: Bytes::copy_from_slice(payload),
        }
    }

    /// 20 ms of sound, when they are due.
    fn speak(&mut self) {
        if self.ms.is_multiple_of(20) {
            let packet = self.packet(VOICE, Codec::Opus, self.ms as u32 * 48, true, &[0xf8, 1, 2, 3]);
            self.recorder.push(Tapped::Packet(packet));
        }
    }

    /// A picture of VP8, 25 a second, with a keyframe every two seconds.
    fn film(&mut self) {
        if let Some(packet) = self.picture() {
            self.recorder.push(Tapped::Packet(packet));
        }
    }

    fn picture(&mut self) -> Option<TappedPacket> {
        if !self.ms.is_multiple_of(40) {
            return None;
        }
        let keyframe = self.ms.is_multiple_of(2_000);
        // Descriptor, then the head of a frame of 320 by 240.
        let head = [
            0x10,
            u8::from(!keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x40,
            0x01,
            0xf0,
            0x00,
            7,
        ];
        Some(self.packet(CAMERA, Codec::Vp8, self.ms as u32 * 90, keyframe, &head))
    }

    fn file(&self, name: &str) -> Read {
        let file = self.files.values().find(|(known, _)| known == name);
        Read::of(&file.unwrap_or_else(|| panic!("no {name} among {:?}", self.names())).1)
    }

    fn names(&self) -> Vec<&str> {
        self.files.values().map(|(name, _)| name.as_str()).collect()
    }
}

/// Number, codec and size.
type FoundTrack = (u64, String, Option<(u64, u64)>);

/// What another's reader finds in a file.
struct Read {
    duration: Option<f64>,
    tracks: Vec<FoundTrack>,
    /// Track, time in milliseconds, keyframe, length.
    frames: Vec<(u64, u64, bool, usize)>,
    is_seekable: bool,
}

impl Read {
    fn of(bytes: &[u8]) -> Read {
        let mut file = MatroskaFile::open(Cursor::new(bytes)).unwrap();
        let tracks = file.tracks().iter().map(|track| {
            assert_eq!(track.track_type() == TrackType::Video, track.video().is_some());
            let size = track
                .video()
                .map(|video| (video.pixel_width().get(), video.pixel_height().get()));
            (track.track_number().get(), track.codec_id().to_owned(), size)
        });
        let tracks = tracks.collect();
        let duration = file.info().duration();
        let (mut frames, mut frame) = (Vec::new(), Frame::default());
        while file.next_frame(&mut frame).unwrap_or(false) {
            frames.push((
                frame.track,
                frame.timestamp,
                frame.is_keyframe.unwrap_or(false),
                frame.data.len(),
            ));
        }
        let is_seekable =
            file.seek(4_000).is_ok() && file.next_frame(&mut frame).unwrap_or(false) && frame.timestamp >= 3_000;
        Read {
            duration,
            tracks,
            frames,
            is_seekable,
        }
    }

    fn of_track(&self, codec: &str) -> Vec<(u64, bool, usize)> {
        let number = self.tracks.iter().find(|(_, known, _)| known == codec).unwrap().0;
        let frames = self.frames.iter().filter(|(track, ..)| *track == number);
        frames.map(|(_, ms, keyframe, len)| (*ms, *keyframe, *len)).collect()
    }
}

fn call() -> Studio {
    let mut studio = Studio::new(LIMITS);
    studio.track(VOICE, SourceKind::Microphone);
    studio.track(CAMERA, SourceKind::Camera);
    studio
}

#[test]
fn sound_and_picture_are_in_one_file_each_with_its_time() {
    let mut studio = call();
    studio.run(10_000, |studio| {
        studio.speak();
        studio.film();
    });
    studio.finish();
    assert_eq!(studio.names(), ["0001-ann-camera.webm"]);
    let read = studio.file("0001-ann-camera.webm");
    assert_eq!(read.tracks.len(), 2);
    let picture = read.of_track("V_VP8");
    assert_eq!(read.tracks[0].2, Some((320, 240)));
    assert_eq!(picture.len(), 250);
    assert!(picture.iter().enumerate().all(|(at, (ms, ..))| *ms == at as u64 * 40));
    let sound = read.of_track("A_OPUS");
    assert!(sound.iter().enumerate().all(|(at, (ms, ..))| *ms == at as u64 * 20));
    assert_eq!((sound.len(), read.duration), (500, Some(10_000.0)));
    assert!(read.is_seekable);
    let file = &studio.manifest["files"][0];
    assert_eq!((&file["complete"], &file["durationMs"]), (&true.into(), &10_000.into()));
    assert_eq!(file["tracks"][0]["codec"], "vp8");
    assert_eq!(studio.manifest["end"], "stopped");
}

#[test]
fn a_recorder_that_dies_leaves_all_but_the_last_second() {
    let mut studio = call();
    for seconds in 2..8 {
        studio.run(1_000, |studio| {
            studio.speak();
            studio.film();
        });
        if seconds > 3 {
            let read = studio.file("0001-ann-camera.webm");
            let last = read.frames.iter().map(|(_, ms, ..)| *ms).max().unwrap();
            assert!(last + 1_000 >= studio.ms, "{last} of {}", studio.ms);
            assert!(read.duration.unwrap() + 1_000.0 >= studio.ms as f64);
        }
    }
}

#[test]
fn what_was_lost_is_left_out_up_to_the_next_keyframe_which_is_asked_for() {
    let mut studio = call();
    studio.run(10_000, |studio| {
        studio.speak();
        let lost = studio.ms == 4_400;
        if let Some(packet) = studio.picture().filter(|_| !lost) {
            studio.recorder.push(Tapped::Packet(packet));
        }
    });
    studio.finish();
    let picture = studio.file("0001-ann-camera.webm").of_track("V_VP8");
    let times: Vec<u64> = picture.iter().map(|(ms, ..)| *ms).collect();
    assert!(times.contains(&4_360) && times.contains(&6_000), "{times:?}");
    assert!(!times.iter().any(|ms| (4_361..6_000).contains(ms)), "{times:?}");
    assert!(
        studio.keyframes.iter().any(|ms| (4_400..6_000).contains(ms)),
        "{:?}",
        studio.keyframes
    );
}

#[test]
fn packets_that_overtook_each_other_are_put_in_order() {
    let mut studio = call();
    let mut held = None;
    studio.run(6_000, |studio| {
        studio.speak();
        if let Some(packet) = studio.picture() {
            match held.take() {
                None if studio.ms % 200 == 40 => held = Some(packet),
                late => {
                    studio.recorder.push(Tapped::Packet(packet));
                    if let Some(late) = late {
                        studio.recorder.push(Tapped::Packet(late));
                    }
                }
            }
        }
    });
    studio.finish();
    let picture = studio.file("0001-ann-camera.webm").of_track("V_VP8");
    assert_eq!(picture.len(), 150);
    assert!(picture.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn where_no_sound_came_there_is_silence() {
    let mut studio = call();
    studio.run(9_000, |studio| {
        studio.film();
        if !(3_000..6_000).contains(&studio.ms) {
            studio.speak();
        }
    });
    studio.finish();
    let sound = studio.file("0001-ann-camera.webm").of_track("A_OPUS");
    assert!(sound.windows(2).all(|pair| pair[1].0 - pair[0].0 == 20));
    assert_eq!(sound.iter().filter(|(.., len)| *len == 3).count(), 150);
}

#[test]
fn a_camera_that_comes_later_goes_into_the_same_file() {
    let mut studio = Studio::new(LIMITS);
    studio.track(VOICE, SourceKind::Microphone);
    studio.run(4_000, Studio::speak);
    studio.track(CAMERA, SourceKind::Camera);
    studio.run(4_000, |studio| {
        studio.speak();
        studio.film();
    });
    studio.finish();
    assert_eq!(studio.names(), ["0001-ann-camera.webm"]);
    let read = studio.file("0001-ann-camera.webm");
    assert_eq!(read.of_track("V_VP8").first(), Some(&(4_000, true, 11)));
    assert_eq!(read.of_track("A_OPUS").len(), 400);
    let tracks = studio.manifest["files"][0]["tracks"].as_array().unwrap();
    assert_eq!(tracks.len(), 2);
}

#[test]
fn another_codec_begins_another_file() {
    let mut studio = call();
    studio.run(4_000, |studio| {
        studio.speak();
        studio.film();
    });
    // Sequence parameters, picture parameters, a picture, all in one packet.
    let parameters = [
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f,
        0x03, 0xc6, 0x0c, 0xa8, 0x00,
    ];
    let mut aggregate = vec![0x78, 0, 23];
    aggregate.extend_from_slice(&parameters);
    aggregate.extend_from_slice(&[0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 2, 0x65, 0x88]);
    studio.run(4_000, |studio| {
        studio.speak();
        if studio.ms.is_multiple_of(40) {
            let packet = studio.packet(CAMERA, Codec::H264, studio.ms as u32 * 90, true, &aggregate);
            studio.recorder.push(Tapped::Packet(packet));
        }
    });
    studio.finish();
    assert_eq!(studio.names(), ["0001-ann-camera.webm", "0001-ann-camera-2.mkv"]);
    let second = studio.file("0001-ann-camera-2.mkv");
    assert_eq!(second.tracks[0].1, "V_MPEG4/ISO/AVC");
    assert_eq!(second.tracks[0].2, Some((1_280, 720)));
    assert_eq!(second.of_track("V_MPEG4/ISO/AVC").len(), 100);
    assert_eq!(studio.manifest["files"][1]["startMs"], 4_000);
}

#[test]
fn sound_and_picture_are_as_far_apart_as_their_publisher_says() {
    let mut studio = call();
    let ntp = |ms: u64| (ms << 32) / 1_000 + (1 << 40);
    // The picture took 300 ms longer to come: what was seen at a moment has a timestamp that is later than its sound's.
    studio.run(8_000, |studio| {
        studio.speak();
        studio.film();
        if studio.ms % 1_000 == 100 {
            let ms = studio.ms;
            for (source, rate, late) in [(VOICE, 48, 0), (CAMERA, 90, 300)] {
                studio.recorder.push(Tapped::Clock {
                    source,
                    ntp: ntp(ms + 1_000 - late),
                    timestamp: ms as u32 * rate,
                });
            }
        }
    });
    studio.finish();
    let picture = studio.file("0001-ann-camera.webm").of_track("V_VP8");
    let last = picture.last().unwrap().0;
    assert!(last.abs_diff(7_960 - 300) <= 2, "{last}");
}

#[test]
fn limits_end_a_recording() {
    let small = Limits {
        bytes_max: 10_000,
        ..LIMITS
    };
    let short = Limits {
        length_max: Duration::from_secs(3),
        ..LIMITS
    };
    for (limits, end) in [(small, RecordingEnd::TooLarge), (short, RecordingEnd::TooLong)] {
        let mut studio = Studio::new(limits);
        studio.track(VOICE, SourceKind::Microphone);
        studio.run(20_000, Studio::speak);
        assert_eq!(studio.ended, Some(end));
    }
}

#[test]
fn the_manifest_says_who_was_where() {
    let mut studio = Studio::new(LIMITS);
    let lounge = || "lounge".parse().unwrap();
    let bob = || "bob".parse().unwrap();
    let at_ms = 1_000_500;
    studio.order(Order::Linked { room: lounge(), at_ms });
    studio.order(Order::LinkedPerson {
        room: lounge(),
        participant: bob(),
        display_name: "Bob".to_owned(),
        at_ms,
    });
    studio.order(Order::LinkedPersonLeft {
        room: lounge(),
        participant: bob(),
        at_ms: at_ms + 1,
    });
    studio.order(Order::Unlinked {
        room: lounge(),
        at_ms: at_ms + 2,
    });
    studio.order(Order::Encrypted {
        take: TakeKey {
            member: 1,
            screen: true,
            rank: 0,
        },
        kind: SourceKind::Screen,
    });
    studio.order(Order::Left {
        member: 1,
        at_ms: at_ms + 3,
    });
    studio.finish();
    let link = &studio.manifest["links"][0];
    assert_eq!(
        (&link["room"], &link["closedAtMs"]),
        (&"lounge".into(), &1_000_502.into())
    );
    let person = &link["participants"][0];
    assert_eq!(
        (&person["participant"], &person["leftAtMs"]),
        (&"bob".into(), &1_000_501.into())
    );
    assert_eq!(studio.manifest["participants"][0]["leftAtMs"], 1_000_503);
    assert_eq!(studio.manifest["skipped"][0]["reason"], "encrypted");
}
