//! One recording of a room: what belongs into which file, what is written when, and when it is over. Pure: its owner reads the
//! clock, fills it from a queue, and writes what it says.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::manifest::{File, FileTrack, Manifest, Skipped};
use super::matroska::Patch;
use super::order::{Ending, Order, Subject, TakeKey};
use super::take::{Step, Take};
use super::track::Track;
use crate::media::SourceKey;
use crate::packet::Kind;
use crate::shard::Tapped;
use crate::shard::command::ShardId;
use crate::wire::ParticipantId;
use crate::wire::signal::{RecordingEnd, SourceKind};

/// How often [`Recorder::advance`] is to be called.
pub const STEP: Duration = Duration::from_millis(100);
/// The manifest is written no more often, unless the recording ends.
const MANIFEST_INTERVAL: Duration = Duration::from_secs(1);
/// From 1970 to 2001, where Matroska's dates begin.
const MATROSKA_EPOCH_MS: i64 = 978_307_200_000;
/// Letters of a participant in the name of a file.
const NAME_CHARS_MAX: usize = 32;

/// What a recording may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all its files.
    pub bytes_max: u64,
    /// How long.
    pub length_max: Duration,
    /// How often a keyframe is asked for, as a place to seek to.
    pub keyframe_interval: Duration,
}

/// What is to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make a file in the recording's folder.
    Create {
        /// How it is named from now on.
        file: usize,
        /// Its name.
        name: String,
        /// What it begins with.
        bytes: Vec<u8>,
    },
    /// Write at its end.
    Append {
        /// Which.
        file: usize,
        /// What.
        bytes: Vec<u8>,
    },
    /// Overwrite.
    Patch {
        /// Which.
        file: usize,
        /// What, where.
        patch: Patch,
    },
    /// Nothing more goes into it.
    Close {
        /// Which.
        file: usize,
    },
    /// Replace the manifest by this, at once.
    Manifest(Vec<u8>),
    /// Ask the source for a keyframe.
    Keyframe {
        /// Which.
        source: SourceKey,
        /// Where its home is.
        shard: ShardId,
    },
}

#[derive(Debug)]
struct Place {
    take: Take,
    name: String,
    participant: ParticipantId,
    /// What is recorded as sound and as picture.
    kinds: [Option<SourceKind>; 2],
    parts: u32,
    /// The file that is open, by its place in the manifest.
    file: Option<usize>,
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    limits: Limits,
    epoch: Instant,
    manifest: Manifest,
    manifest_at: Option<Instant>,
    is_manifest_old: bool,
    places: BTreeMap<TakeKey, Place>,
    sources: HashMap<SourceKey, (TakeKey, Kind, ShardId)>,
    bytes: u64,
    actions: VecDeque<Action>,
}

impl Recorder {
    /// Begins now.
    pub fn new(subject: Subject, limits: Limits, now: Instant, unix_ms: u64) -> Self {
        Recorder {
            limits,
            epoch: now,
            manifest: Manifest {
                version: 1,
                recording: subject.id,
                room: subject.room,
                session: subject.session,
                started_at_ms: unix_ms,
                ended_at_ms: None,
                end: None,
                participants: Vec::new(),
                files: Vec::new(),
                skipped: Vec::new(),
                links: Vec::new(),
            },
            manifest_at: None,
            is_manifest_old: true,
            places: BTreeMap::new(),
            sources: HashMap::new(),
            bytes: 0,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do. To be called until there is none.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// How long the recording is, and how large.
    pub fn size(&self, now: Instant) -> (Duration, u64) {
        (now.saturating_duration_since(self.epoch), self.bytes)
    }

    /// The room says something.
    pub fn handle(&mut self, now: Instant, order: Order) {
        self.is_manifest_old = true;
        match order {
            Order::Joined {
                member,
                participant,
                display_name,
                at_ms,
            } => self.manifest.joined(member, participant, display_name, at_ms),
            Order::Left { member, at_ms } => {
                self.manifest.left(member, at_ms);
                let gone: Vec<TakeKey> = self.places.keys().filter(|key| key.member == member).copied().collect();
                for key in gone {
                    self.advance_place(now, key, true);
                    self.places.remove(&key);
                }
                self.sources.retain(|_, (key, ..)| key.member != member);
            }
            Order::Track {
                source,
                shard,
                take,
                kind,
                size,
            } => self.begin_track(source, shard, take, kind, size),
            Order::TrackEnded { source, shard: _ } => {
                if let Some((key, kind, _)) = self.sources.remove(&source)
                    && let Some(place) = self.places.get_mut(&key)
                {
                    place.take.end_track(now, kind);
                }
            }
            Order::Encrypted { take, kind } => {
                if let Some(participant) = self.manifest.who(take.member).cloned() {
                    self.manifest.skipped.push(Skipped {
                        participant,
                        source: kind,
                        reason: "encrypted".into(),
                    });
                }
            }
            Order::Linked { room, at_ms } => self.manifest.linked(room, at_ms),
            Order::Unlinked { room, at_ms } => self.manifest.unlinked(&room, at_ms),
            Order::LinkedPerson {
                room,
                participant,
                display_name,
                at_ms,
            } => self.manifest.linked_person(&room, participant, display_name, at_ms),
            Order::LinkedPersonLeft {
                room,
                participant,
                at_ms,
            } => self.manifest.linked_person_left(&room, &participant, at_ms),
        }
    }

    fn begin_track(
        &mut self,
        source: SourceKey,
        shard: ShardId,
        key: TakeKey,
        kind: SourceKind,
        size: Option<(u16, u16)>,
    ) {
        let Some(participant) = self.manifest.who(key.member).cloned() else {
            return;
        };
        let place = self.places.entry(key).or_insert_with(|| {
            let name = name_of(key, &participant);
            let since_2001 = self.manifest.started_at_ms as i64 - MATROSKA_EPOCH_MS;
            Place {
                take: Take::new(name.clone(), since_2001.saturating_mul(1_000_000)),
                name,
                participant,
                kinds: [None; 2],
                parts: 0,
                file: None,
            }
        });
        let media = kind.kind();
        *place.take.track(media) = Some(Track::new(media, self.epoch));
        place.kinds[usize::from(media == Kind::Video)] = Some(kind);
        if media == Kind::Video {
            place.take.size = size;
        }
        self.sources.insert(source, (key, media, shard));
    }

    /// Something came from a source.
    pub fn push(&mut self, tapped: Tapped) {
        let source = match &tapped {
            Tapped::Packet(packet) => packet.source,
            Tapped::Clock { source, .. } => *source,
        };
        let Some((key, kind, _)) = self.sources.get(&source) else {
            return;
        };
        let track = self
            .places
            .get_mut(key)
            .and_then(|place| place.take.track(*kind).as_mut());
        match (track, tapped) {
            (Some(track), Tapped::Packet(packet)) => track.push(packet),
            (Some(track), Tapped::Clock { ntp, timestamp, .. }) => track.set_clock(ntp, timestamp),
            (None, Tapped::Packet(_) | Tapped::Clock { .. }) => {}
        }
    }

    /// Time passes. Why the recording has to end, if it has.
    pub fn advance(&mut self, now: Instant) -> Option<RecordingEnd> {
        let keys: Vec<TakeKey> = self.places.keys().copied().collect();
        for key in keys {
            self.advance_place(now, key, false);
        }
        for (source, (key, kind, shard)) in &self.sources {
            let place = self.places.get_mut(key).filter(|_| *kind == Kind::Video);
            if place.is_some_and(|place| place.take.wants_keyframe(now, self.limits.keyframe_interval)) {
                self.actions.push_back(Action::Keyframe {
                    source: *source,
                    shard: *shard,
                });
            }
        }
        let is_due = self
            .manifest_at
            .is_none_or(|at| now.saturating_duration_since(at) >= MANIFEST_INTERVAL);
        if self.is_manifest_old && is_due {
            self.write_manifest(now);
        }
        if self.bytes >= self.limits.bytes_max {
            Some(RecordingEnd::TooLarge)
        } else if now.saturating_duration_since(self.epoch) >= self.limits.length_max {
            Some(RecordingEnd::TooLong)
        } else {
            None
        }
    }

    fn advance_place(&mut self, now: Instant, key: TakeKey, finish: bool) {
        let now_ms = now.saturating_duration_since(self.epoch).as_millis() as i64;
        let Some(place) = self.places.get_mut(&key) else { return };
        for step in place.take.advance(now, now_ms, finish) {
            match step {
                Step::Begin {
                    form,
                    codecs,
                    start_ms,
                    bytes,
                } => {
                    place.parts += 1;
                    let part = if place.parts == 1 {
                        String::new()
                    } else {
                        format!("-{}", place.parts)
                    };
                    let name = format!("{}{part}.{}", place.name, form.extension());
                    let tracks = codecs.into_iter().filter_map(|codec| place.track_of(codec)).collect();
                    let file = self.manifest.files.len();
                    self.manifest.files.push(File {
                        file: name.clone(),
                        participant: place.participant.clone(),
                        tracks,
                        start_ms: start_ms as u64,
                        duration_ms: 0,
                        bytes: bytes.len() as u64,
                        complete: false,
                    });
                    place.file = Some(file);
                    self.is_manifest_old = true;
                    self.bytes += bytes.len() as u64;
                    self.actions.push_back(Action::Create { file, name, bytes });
                }
                Step::Codec(codec) => {
                    let track = place.track_of(codec);
                    if let Some(file) = place.file.and_then(|file| self.manifest.files.get_mut(file)) {
                        file.tracks.extend(track);
                        self.is_manifest_old = true;
                    }
                }
                Step::Append(bytes) => {
                    let Some(file) = place.file else { continue };
                    self.bytes += bytes.len() as u64;
                    self.manifest.files[file].bytes += bytes.len() as u64;
                    self.actions.push_back(Action::Append { file, bytes });
                }
                Step::Patch(patch) => {
                    if let Some(file) = place.file {
                        self.actions.push_back(Action::Patch { file, patch });
                    }
                }
                Step::End { duration_ms } => {
                    let Some(file) = place.file.take() else { continue };
                    let noted = &mut self.manifest.files[file];
                    (noted.duration_ms, noted.complete) = (duration_ms, true);
                    self.is_manifest_old = true;
                    self.actions.push_back(Action::Close { file });
                }
            }
        }
        if let Some(file) = place.file
            && let Some((duration_ms, _)) = place.take.written()
        {
            self.manifest.files[file].duration_ms = duration_ms;
        }
    }

    fn write_manifest(&mut self, now: Instant) {
        self.manifest_at = Some(now);
        self.is_manifest_old = false;
        // Nothing in it is a map with keys that are no texts.
        if let Ok(mut json) = serde_json::to_vec_pretty(&self.manifest) {
            json.push(b'\n');
            self.actions.push_back(Action::Manifest(json));
        }
    }

    /// It is over: everything is written.
    pub fn finish(&mut self, now: Instant, unix_ms: u64, end: RecordingEnd) -> Ending {
        let keys: Vec<TakeKey> = self.places.keys().copied().collect();
        for key in keys {
            self.advance_place(now, key, true);
        }
        self.manifest.ended_at_ms = Some(unix_ms);
        self.manifest.end = Some(end);
        self.write_manifest(now);
        let (length, bytes) = self.size(now);
        Ending { end, length, bytes }
    }
}

impl Place {
    fn track_of(&self, codec: crate::packet::Codec) -> Option<FileTrack> {
        let source = self.kinds[usize::from(codec.kind() == Kind::Video)]?;
        Some(FileTrack { source, codec })
    }
}

/// Of a file, without what a file system may not like.
fn name_of(key: TakeKey, participant: &ParticipantId) -> String {
    let safe = |letter: char| {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            letter
        } else {
            '_'
        }
    };
    let who: String = participant.as_str().chars().take(NAME_CHARS_MAX).map(safe).collect();
    let what = if key.screen { "screen" } else { "camera" };
    let rank = if key.rank == 0 {
        String::new()
    } else {
        format!("-{}", key.rank + 1)
    };
    format!("{:04}-{who}-{what}{rank}", key.member)
}
