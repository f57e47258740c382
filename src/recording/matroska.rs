//! A Matroska file (RFC 9559) that grows at its end, one whole cluster at a time, so that it plays however its writing ends.
//!
//! The places of what is known later are kept with void elements and overwritten: a second track, the duration, where the index is.
//! An own writer, because libraries write a file when all of it is known, or keep the second track for another file.

use super::ebml;

/// Octets of all track entries together: two of them with what decoders have to know.
const TRACKS_BYTES: usize = 2_048;
/// Octets of the list of where things are.
const SEEK_HEAD_BYTES: usize = 96;
/// Blocks of a cluster count from its beginning in 16 bits.
pub(super) const CLUSTER_MS_MAX: u64 = 30_000;

/// What kind of Matroska: WebM has fewer codecs and plays everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    WebM,
    Matroska,
}

impl Form {
    pub(super) const fn extension(self) -> &'static str {
        match self {
            Form::WebM => "webm",
            Form::Matroska => "mkv",
        }
    }
}

/// What a track entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// From 1.
    pub(super) number: u8,
    pub(super) codec: &'static str,
    /// For decoders; may be empty.
    pub(super) private: Vec<u8>,
    /// Pixels across and down; `None` for sound.
    pub(super) size: Option<(u16, u16)>,
}

/// One frame of one track.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) track: u8,
    /// From the beginning of the file.
    pub(super) ms: u64,
    pub(super) keyframe: bool,
    pub(super) data: Vec<u8>,
}

/// Octets to write at a place of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patch {
    /// From the beginning of the file.
    pub at: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// What was written, as far as it has to be known.
#[derive(Debug)]
pub(super) struct Matroska {
    /// Where the segment's content begins: places in the file are told from there.
    segment: u64,
    duration_at: u64,
    tracks_at: u64,
    len: u64,
    entries: Vec<Entry>,
    /// Milliseconds, track and place of clusters that can be sought.
    cues: Vec<(u64, u8, u64)>,
}

impl Matroska {
    /// The head of a file. `date_ns`: since 2001.
    pub(super) fn begin(form: Form, title: &str, date_ns: i64, entries: Vec<Entry>) -> (Self, Vec<u8>) {
        let mut out = Vec::new();
        ebml::master(&mut out, 0x1a45_dfa3, |head| {
            ebml::number(head, 0x4286, 1);
            ebml::number(head, 0x42f7, 1);
            ebml::number(head, 0x42f2, 4);
            ebml::number(head, 0x42f3, 8);
            let name = match form {
                Form::WebM => "webm",
                Form::Matroska => "matroska",
            };
            ebml::text(head, 0x4282, name);
            ebml::number(head, 0x4287, 4);
            ebml::number(head, 0x4285, 2);
        });
        ebml::id(&mut out, 0x1853_8067);
        out.extend_from_slice(&ebml::UNKNOWN_SIZE);
        let segment = out.len() as u64;
        ebml::void(&mut out, SEEK_HEAD_BYTES);
        let mut info = Vec::new();
        ebml::number(&mut info, 0x2a_d7b1, 1_000_000);
        ebml::text(&mut info, 0x4d80, "Enfilade");
        ebml::text(&mut info, 0x5741, "Enfilade");
        ebml::text(&mut info, 0x7ba9, title);
        ebml::bytes(&mut info, 0x4461, &date_ns.to_be_bytes());
        let before = info.len();
        ebml::float(&mut info, 0x4489, 0.0);
        let duration_len = info.len() - before - 8;
        ebml::bytes(&mut out, 0x1549_a966, &info);
        let duration_at = out.len() as u64 - 8;
        debug_assert_eq!(duration_len, 3);
        let mut file = Matroska {
            segment,
            duration_at,
            tracks_at: out.len() as u64,
            len: 0,
            entries,
            cues: Vec::new(),
        };
        let tracks = file.tracks().unwrap_or_default();
        out.extend_from_slice(&tracks);
        file.len = out.len() as u64;
        (file, out)
    }

    /// All track entries at their place; `None` when they do not fit.
    fn tracks(&self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        for entry in &self.entries {
            entry.write(&mut body);
        }
        let left = TRACKS_BYTES.checked_sub(body.len()).filter(|left| *left >= 2)?;
        ebml::void(&mut body, left);
        let mut out = Vec::new();
        ebml::bytes(&mut out, 0x1654_ae6b, &body);
        Some(out)
    }

    /// Another track, from now on; `None` when there is no place for it.
    pub(super) fn add(&mut self, entry: Entry) -> Option<Patch> {
        self.entries.push(entry);
        match self.tracks() {
            Some(bytes) => Some(Patch {
                at: self.tracks_at,
                bytes,
            }),
            None => {
                self.entries.pop();
                None
            }
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The next cluster, to be written at the end. `blocks` are not empty, and none is further than [`CLUSTER_MS_MAX`] from another.
    pub(super) fn cluster(&mut self, blocks: &[Block]) -> Vec<u8> {
        let from = blocks.iter().map(|block| block.ms).min().unwrap_or(0);
        let has_video = self.entries.iter().any(|entry| entry.size.is_some());
        let seekable = |block: &&Block| {
            let is_video = self
                .entries
                .iter()
                .any(|entry| entry.number == block.track && entry.size.is_some());
            block.keyframe && (is_video || !has_video)
        };
        if let Some(block) = blocks.iter().find(seekable) {
            self.cues.push((block.ms, block.track, self.len - self.segment));
        }
        let mut body = Vec::with_capacity(blocks.iter().map(|block| block.data.len() + 16).sum());
        ebml::number(&mut body, 0xe7, from);
        for block in blocks {
            let mut simple = Vec::with_capacity(block.data.len() + 4);
            simple.push(0x80 | block.track);
            let offset = i16::try_from(block.ms - from).unwrap_or(i16::MAX);
            simple.extend_from_slice(&offset.to_be_bytes());
            simple.push(if block.keyframe { 0x80 } else { 0 });
            simple.extend_from_slice(&block.data);
            ebml::bytes(&mut body, 0xa3, &simple);
        }
        let mut out = Vec::with_capacity(body.len() + 12);
        ebml::bytes(&mut out, 0x1f43_b675, &body);
        self.len += out.len() as u64;
        out
    }

    /// How long it is by now.
    pub(super) fn duration(&self, ms: u64) -> Patch {
        Patch {
            at: self.duration_at,
            bytes: (ms as f64).to_be_bytes().to_vec(),
        }
    }

    /// The index, to be written at the end, and what is known now of the head.
    pub(super) fn end(&mut self, ms: u64) -> (Vec<u8>, Vec<Patch>) {
        let cues_at = self.len - self.segment;
        let mut cues = Vec::new();
        if !self.cues.is_empty() {
            ebml::master(&mut cues, 0x1c53_bb6b, |body| {
                for (ms, track, at) in &self.cues {
                    ebml::master(body, 0xbb, |point| {
                        ebml::number(point, 0xb3, *ms);
                        ebml::master(point, 0xb7, |place| {
                            ebml::number(place, 0xf7, u64::from(*track));
                            ebml::number(place, 0xf1, *at);
                        });
                    });
                }
            });
        }
        self.len += cues.len() as u64;
        let info_at = SEEK_HEAD_BYTES as u64;
        let mut places = vec![(0x1549_a966_u32, info_at), (0x1654_ae6b, self.tracks_at - self.segment)];
        if !cues.is_empty() {
            places.push((0x1c53_bb6b, cues_at));
        }
        let mut head = Vec::new();
        ebml::master(&mut head, 0x114d_9b74, |body| {
            for (element, at) in places {
                ebml::master(body, 0x4dbb, |seek| {
                    ebml::bytes(seek, 0x53ab, &element.to_be_bytes());
                    ebml::number(seek, 0x53ac, at);
                });
            }
        });
        let left = SEEK_HEAD_BYTES - head.len();
        ebml::void(&mut head, left);
        let size = ebml::wide_size(self.len - self.segment).to_vec();
        let patches = vec![
            Patch {
                at: self.segment,
                bytes: head,
            },
            Patch {
                at: self.segment - 8,
                bytes: size,
            },
            self.duration(ms),
        ];
        (cues, patches)
    }
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        ebml::master(out, 0xae, |entry| {
            ebml::number(entry, 0xd7, u64::from(self.number));
            ebml::number(entry, 0x73c5, u64::from(self.number));
            ebml::number(entry, 0x83, if self.size.is_some() { 1 } else { 2 });
            // Frames are never packed together.
            ebml::number(entry, 0x9c, 0);
            ebml::text(entry, 0x86, self.codec);
            if !self.private.is_empty() {
                ebml::bytes(entry, 0x63a2, &self.private);
            }
            match self.size {
                Some((width, height)) => ebml::master(entry, 0xe0, |video| {
                    ebml::number(video, 0xb0, u64::from(width));
                    ebml::number(video, 0xba, u64::from(height));
                }),
                None => {
                    // RFC 7845 asks for 80 ms before a place that is sought.
                    ebml::number(entry, 0x56bb, 80_000_000);
                    ebml::master(entry, 0xe1, |audio| {
                        ebml::float(audio, 0xb5, 48_000.0);
                        ebml::number(audio, 0x9f, 2);
                    });
                }
            }
        });
    }
}
