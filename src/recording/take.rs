//! One file of sources that belong together, or several in turn where one cannot hold them.

use std::time::{Duration, Instant};

use super::codec::{self, SILENCE, SILENCE_MS, opus_ms};
use super::matroska::{Block, CLUSTER_MS_MAX, Form, Matroska, Patch};
use super::track::{Frame, HOLD, Track};
use crate::packet::{Codec, Kind};

/// A file is begun when all that is expected has come, or after this: what comes first may tell less than what comes next.
const OPENING_MS: i64 = 1_500;
/// What is written at once. With [`HOLD`], no more than a second is lost when the process dies.
const CLUSTER_MS: u64 = 400;
/// How fast a track may be moved to where its publisher's clock has it, for each frame.
const SLEW_MS: i64 = 2;

/// What is to be done with the files of a take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Begin the next file.
    Begin {
        form: Form,
        codecs: Vec<Codec>,
        start_ms: i64,
        bytes: Vec<u8>,
    },
    /// It has another track.
    Codec(Codec),
    Append(Vec<u8>),
    Patch(Patch),
    /// The file is complete, and so long.
    End {
        duration_ms: u64,
    },
}

#[derive(Debug)]
struct Open {
    form: Form,
    file: Matroska,
    /// Since the recording began.
    start_ms: i64,
    blocks: Vec<Block>,
    /// Number and codec of each track.
    tracks: Vec<(u8, Codec)>,
    /// The end of what was written.
    end_ms: u64,
    /// The last frame of sound ends here, once there is one.
    sound_ms: Option<u64>,
    /// The last block of each track.
    last: [Option<u64>; 3],
}

/// Sound and picture of one participant, or of one screen.
#[derive(Debug)]
pub(super) struct Take {
    title: String,
    date_ns: i64,
    pub(super) audio: Option<Track>,
    pub(super) video: Option<Track>,
    /// As the publisher of the picture says.
    pub(super) size: Option<(u16, u16)>,
    pending: Vec<Frame>,
    /// By how much the picture is shifted now.
    shift_ms: i64,
    open: Option<Open>,
    steps: Vec<Step>,
}

impl Take {
    /// `date_ns`: the recording's beginning, in nanoseconds since 2001.
    pub(super) fn new(title: String, date_ns: i64) -> Self {
        Take {
            title,
            date_ns,
            audio: None,
            video: None,
            size: None,
            pending: Vec::new(),
            shift_ms: 0,
            open: None,
            steps: Vec::new(),
        }
    }

    pub(super) fn track(&mut self, kind: Kind) -> &mut Option<Track> {
        match kind {
            Kind::Audio => &mut self.audio,
            Kind::Video => &mut self.video,
        }
    }

    /// A source is over: what is left of it goes into the file.
    pub(super) fn end_track(&mut self, now: Instant, kind: Kind) {
        if let Some(mut track) = self.track(kind).take() {
            let left = track.release(now, true);
            self.add(left);
        }
    }

    fn add(&mut self, frames: Vec<Frame>) {
        let goal = match (&self.video, &self.audio) {
            (Some(video), Some(audio)) => video.shift_towards(audio),
            _ => self.shift_ms,
        };
        for mut frame in frames {
            if frame.codec.kind() == Kind::Video {
                let step = (goal - self.shift_ms).clamp(-SLEW_MS, SLEW_MS);
                self.shift_ms = if self.open.is_none() {
                    goal
                } else {
                    self.shift_ms + step
                };
                frame.ms += self.shift_ms;
            }
            self.pending.push(frame);
        }
    }

    /// Time passes; `now_ms` since the recording began. With `finish` everything is written, and the file ends.
    pub(super) fn advance(&mut self, now: Instant, now_ms: i64, finish: bool) -> Vec<Step> {
        for kind in [Kind::Audio, Kind::Video] {
            let frames = self.track(kind).as_mut().map(|track| track.release(now, finish));
            self.add(frames.unwrap_or_default());
        }
        let until = if finish {
            i64::MAX
        } else {
            now_ms - HOLD.as_millis() as i64
        };
        self.pending.sort_by_key(|frame| frame.ms);
        let ready = self.pending.partition_point(|frame| frame.ms <= until);
        let may_open = self.open.is_some() || finish || self.is_complete() || {
            self.pending
                .first()
                .is_some_and(|first| first.ms + OPENING_MS <= now_ms)
        };
        if may_open {
            let ready: Vec<Frame> = self.pending.drain(..ready).collect();
            for at in 0..ready.len() {
                self.write(&ready, at);
            }
        }
        if finish {
            self.end();
        } else {
            self.write_silence(until - 2 * SILENCE_MS as i64);
            self.write_cluster(until);
        }
        std::mem::take(&mut self.steps)
    }

    /// Has something of every track come?
    fn is_complete(&self) -> bool {
        let has = |kind| self.pending.iter().any(|frame| frame.codec.kind() == kind);
        (self.audio.is_none() || has(Kind::Audio)) && (self.video.is_none() || has(Kind::Video))
    }

    fn write(&mut self, frames: &[Frame], at: usize) {
        let frame = &frames[at];
        let kind = frame.codec.kind();
        let known = |open: &Open| open.tracks.iter().find(|(_, codec)| codec.kind() == kind).copied();
        match self.open.as_ref().map(known) {
            Some(Some((_, codec))) if codec == frame.codec => {}
            // The picture has to begin with a keyframe.
            Some(_) | None if !frame.keyframe => return,
            Some(Some(_)) => {
                self.end();
                self.begin(&frames[at..]);
            }
            Some(None) => self.add_codec(frames, at),
            None => self.begin(&frames[at..]),
        }
        if kind == Kind::Audio {
            self.write_silence(frame.ms);
        }
        let Some(open) = &mut self.open else { return };
        let Some((track, _)) = known(open) else { return };
        let mut ms = u64::try_from(frame.ms - open.start_ms).unwrap_or(0);
        if let Some(last) = open.last[usize::from(track)] {
            ms = ms.max(last + 1);
        }
        open.push(
            Block {
                track,
                ms,
                keyframe: frame.keyframe,
                data: frame.data.clone(),
            },
            kind,
            &mut self.steps,
        );
    }

    /// The next file, with all tracks that are known: `frames` are not empty.
    fn begin(&mut self, frames: &[Frame]) {
        let mut entries = Vec::new();
        let (mut tracks, mut form) = (Vec::new(), Form::WebM);
        for kind in [Kind::Video, Kind::Audio] {
            let first = frames
                .iter()
                .chain(&self.pending)
                .find(|frame| frame.codec.kind() == kind && frame.keyframe);
            let Some(first) = first else { continue };
            let number = entries.len() as u8 + 1;
            if codec::form(first.codec) == Form::Matroska {
                form = Form::Matroska;
            }
            entries.push(codec::entry(number, first.codec, &first.data, self.size));
            tracks.push((number, first.codec));
        }
        let start_ms = frames.first().map_or(0, |frame| frame.ms.max(0));
        let date_ns = self.date_ns.saturating_add(start_ms.saturating_mul(1_000_000));
        let (file, bytes) = Matroska::begin(form, &self.title, date_ns, entries);
        self.steps.push(Step::Begin {
            form,
            codecs: tracks.iter().map(|(_, codec)| *codec).collect(),
            start_ms,
            bytes,
        });
        self.open = Some(Open {
            form,
            file,
            start_ms,
            blocks: Vec::new(),
            tracks,
            end_ms: 0,
            sound_ms: None,
            last: [None; 3],
        });
    }

    /// The file gets its second track, or else the next file begins.
    fn add_codec(&mut self, frames: &[Frame], at: usize) {
        let frame = &frames[at];
        let Some(open) = &mut self.open else { return };
        let number = open.file.entries().len() as u8 + 1;
        let fits = codec::form(frame.codec) == Form::WebM || open.form == Form::Matroska;
        let entry = codec::entry(number, frame.codec, &frame.data, self.size);
        match fits.then(|| open.file.add(entry)).flatten() {
            Some(patch) => {
                open.tracks.push((number, frame.codec));
                self.steps.push(Step::Patch(patch));
                self.steps.push(Step::Codec(frame.codec));
            }
            None => {
                self.end();
                self.begin(&frames[at..]);
            }
        }
    }

    /// Players that know no gaps play the sound behind one too soon: where none came, there is silence. Ends before `until`, since the
    /// recording began.
    fn write_silence(&mut self, until: i64) {
        let Some(open) = &mut self.open else { return };
        let sound = open.tracks.iter().find(|(_, codec)| *codec == Codec::Opus);
        let (Some(&(track, _)), Some(mut from)) = (sound, open.sound_ms) else {
            return;
        };
        let until = u64::try_from(until - open.start_ms).unwrap_or(0);
        while from + SILENCE_MS <= until {
            let block = Block {
                track,
                ms: from,
                keyframe: true,
                data: SILENCE.to_vec(),
            };
            open.push(block, Kind::Audio, &mut self.steps);
            from = open.sound_ms.unwrap_or(u64::MAX - SILENCE_MS);
        }
    }

    fn write_cluster(&mut self, until: i64) {
        let Some(open) = &mut self.open else { return };
        let until = u64::try_from(until - open.start_ms).unwrap_or(0);
        if open.blocks.first().is_some_and(|first| first.ms + CLUSTER_MS <= until) {
            open.flush(&mut self.steps);
        }
    }

    fn end(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        open.flush(&mut self.steps);
        let (cues, patches) = open.file.end(open.end_ms);
        if !cues.is_empty() {
            self.steps.push(Step::Append(cues));
        }
        self.steps.extend(patches.into_iter().map(Step::Patch));
        self.steps.push(Step::End {
            duration_ms: open.end_ms,
        });
    }

    /// Of the file that is open: how long it is, and how large.
    pub(super) fn written(&self) -> Option<(u64, u64)> {
        self.open.as_ref().map(|open| (open.end_ms, open.file.len()))
    }

    /// Whether a keyframe of the picture is to be asked for.
    pub(super) fn wants_keyframe(&mut self, now: Instant, interval: Duration) -> bool {
        // Where the picture is, a file that began with sound alone still waits for one.
        self.video
            .as_mut()
            .is_some_and(|video| video.wants_keyframe(now, interval))
    }
}

impl Open {
    fn push(&mut self, block: Block, kind: Kind, steps: &mut Vec<Step>) {
        let begins_anew = block.keyframe && kind == Kind::Video;
        let is_far = self
            .blocks
            .iter()
            .any(|other| other.ms.abs_diff(block.ms) >= CLUSTER_MS_MAX);
        let is_long = self
            .blocks
            .first()
            .is_some_and(|first| first.ms + 2 * CLUSTER_MS <= block.ms);
        if begins_anew || is_far || is_long {
            self.flush(steps);
        }
        self.last[usize::from(block.track)] = Some(block.ms);
        let length = match kind {
            Kind::Audio => opus_ms(&block.data),
            Kind::Video => 1,
        };
        if kind == Kind::Audio {
            self.sound_ms = Some(block.ms + length);
        }
        self.end_ms = self.end_ms.max(block.ms + length);
        self.blocks.push(block);
    }

    fn flush(&mut self, steps: &mut Vec<Step>) {
        if self.blocks.is_empty() {
            return;
        }
        let cluster = self.file.cluster(&self.blocks);
        self.blocks.clear();
        steps.push(Step::Append(cluster));
        steps.push(Step::Patch(self.file.duration(self.end_ms)));
    }
}
