//! What a transport sends us: which SSRC is which encoding of which source.

use arrayvec::ArrayVec;

use crate::media::{ENCODINGS_MAX, SourceKey, Stream, StreamConfig};
use crate::packet::{Codec, Extensions, Kind, RtpHeader};
use crate::transport::negotiation::ReceiveLine;

/// SSRCs remembered per transport; more than any browser sends on all its m-lines together. The longest silent one
/// makes place for a new one, so that a client that changes SSRCs keeps working and one that invents them gains nothing.
const STREAMS_MAX: usize = 48;

/// One m-line on which the client may send.
pub(super) struct Line {
    pub(super) line: ReceiveLine,
    /// What is published on it now.
    pub(super) source: Option<SourceKey>,
}

/// What an SSRC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Index of the m-line.
    pub(super) line: usize,
    /// Index of the encoding in the m-line's rids; 0 without simulcast.
    pub(super) encoding: usize,
    /// Retransmissions of that encoding rather than the encoding itself.
    pub(super) rtx: bool,
}

pub(super) struct ReceivedStream {
    pub(super) ssrc: u32,
    pub(super) place: Place,
    pub(super) stream: Stream,
    /// Never the same for two streams of a transport, and never 0. A packet that is dropped on its way does not lose the news
    /// that its numbers are others than before.
    pub(super) run: u64,
    /// For eviction: a running number of the last packet.
    last_used: u64,
}

/// All that one transport may send.
#[derive(Default)]
pub(super) struct Receive {
    pub(super) lines: Vec<Line>,
    pub(super) streams: Vec<ReceivedStream>,
    used: u64,
}

/// What a payload type means on an m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Media(Codec),
    Rtx { codec: Codec, payload_type: u8 },
}

impl Receive {
    /// A new answer holds: lines by their mid keep their source, streams their statistics.
    pub(super) fn set_lines(&mut self, lines: Vec<ReceiveLine>) {
        let before = std::mem::take(&mut self.lines);
        self.lines = lines
            .into_iter()
            .map(|line| {
                let source = before
                    .iter()
                    .find(|old| old.line.mid == line.mid)
                    .and_then(|old| old.source);
                Line { line, source }
            })
            .collect();
        let lines = &self.lines;
        self.streams.retain_mut(|stream| {
            let mid = &before[stream.place.line].line.mid;
            let now_at = lines.iter().position(|line| line.line.mid == *mid);
            stream.place.line = now_at.unwrap_or_default();
            now_at.is_some()
        });
    }

    /// Says what is published on an m-line from now on. False when there is no such m-line.
    pub(super) fn publish(&mut self, mid: &str, source: SourceKey) -> bool {
        let line = self.lines.iter_mut().find(|line| line.line.mid == mid);
        if let Some(line) = line {
            line.source = Some(source);
            return true;
        }
        false
    }

    /// The source is over; its m-line may be published on again.
    pub(super) fn unpublish(&mut self, source: SourceKey) {
        for line in self.lines.iter_mut().filter(|line| line.source == Some(source)) {
            line.source = None;
        }
    }

    /// The stream of a packet, known or recognised now (RFC 9143 section 9.2: mid, then SSRC, then payload type).
    #[inline]
    pub(super) fn stream(&mut self, header: &RtpHeader, extensions: &Extensions<'_>) -> Option<usize> {
        self.used += 1;
        if let Some(at) = self.streams.iter().position(|stream| stream.ssrc == header.ssrc) {
            self.streams[at].last_used = self.used;
            return Some(at);
        }
        let place = self
            .recognise(header, extensions)
            .filter(|place| place.encoding < ENCODINGS_MAX)?;
        Some(self.add(header.ssrc, place))
    }

    fn recognise(&self, header: &RtpHeader, extensions: &Extensions<'_>) -> Option<Place> {
        let by_mid = extensions
            .mid
            .and_then(|mid| self.lines.iter().position(|line| line.line.mid.as_bytes() == mid));
        let Some(line) = by_mid else {
            return self.by_ssrc(header.ssrc).or_else(|| self.by_payload_type(header));
        };
        let format = format_on(&self.lines[line].line, header.payload_type)?;
        let rtx = matches!(format, Format::Rtx { .. });
        let rids = &self.lines[line].line.rids;
        let rid = if rtx {
            extensions.repaired_rid.or(extensions.rid)
        } else {
            extensions.rid
        };
        let encoding = match rid {
            // Without simulcast there is one encoding, whatever the packet calls it.
            _ if rids.is_empty() => 0,
            Some(rid) => rids.iter().position(|known| known.as_bytes() == rid)?,
            // With it, a packet that does not say which encoding it is of cannot be placed by its mid.
            None => return self.by_ssrc(header.ssrc),
        };
        Some(Place { line, encoding, rtx })
    }

    fn by_ssrc(&self, ssrc: u32) -> Option<Place> {
        self.lines
            .iter()
            .enumerate()
            .find_map(|(line, Line { line: offered, .. })| {
                offered.ssrcs.iter().enumerate().find_map(|(at, (media, rtx))| {
                    // Firefox signals the SSRCs of all encodings in the order of its rids.
                    let encoding = if offered.rids.len() == offered.ssrcs.len() {
                        at
                    } else {
                        0
                    };
                    if *media == ssrc {
                        Some(Place {
                            line,
                            encoding,
                            rtx: false,
                        })
                    } else {
                        (*rtx == Some(ssrc)).then_some(Place {
                            line,
                            encoding,
                            rtx: true,
                        })
                    }
                })
            })
    }

    /// A payload type that only one m-line of the bundle has, on a line without simulcast.
    fn by_payload_type(&self, header: &RtpHeader) -> Option<Place> {
        let mut matching = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(line, Line { line: offered, .. })| {
                let format = format_on(offered, header.payload_type)?;
                offered.rids.is_empty().then_some(Place {
                    line,
                    encoding: 0,
                    rtx: matches!(format, Format::Rtx { .. }),
                })
            });
        let place = matching.next()?;
        matching.next().is_none().then_some(place)
    }

    fn add(&mut self, ssrc: u32, place: Place) -> usize {
        let line = &self.lines[place.line].line;
        let stream = Stream::new(StreamConfig {
            ssrc,
            kind: line.kind,
            clock_rate_hz: clock_rate_hz(line.kind),
            nack: line.nack && !place.rtx,
        });
        let entry = ReceivedStream {
            ssrc,
            place,
            stream,
            run: self.used,
            last_used: self.used,
        };
        // One SSRC at a time is an encoding: the newer one replaces the older (a browser that re-created its sender).
        if let Some(at) = self.streams.iter().position(|stream| stream.place == place) {
            self.streams[at] = entry;
            return at;
        }
        if self.streams.len() < STREAMS_MAX {
            self.streams.push(entry);
            return self.streams.len() - 1;
        }
        let oldest = self
            .streams
            .iter()
            .enumerate()
            .min_by_key(|(_, stream)| stream.last_used)
            .map_or(0, |(at, _)| at);
        self.streams[oldest] = entry;
        oldest
    }

    /// The media stream at a place.
    pub(super) fn at(&mut self, place: Place) -> Option<&mut ReceivedStream> {
        self.streams.iter_mut().find(|stream| stream.place == place)
    }

    /// SSRCs of everything this source sends, retransmissions left out: with the encoding of each.
    pub(super) fn media_ssrcs(&self, source: SourceKey) -> ArrayVec<(u32, usize), ENCODINGS_MAX> {
        self.streams
            .iter()
            .filter(|stream| !stream.place.rtx && self.lines[stream.place.line].source == Some(source))
            .map(|stream| (stream.ssrc, stream.place.encoding))
            .take(ENCODINGS_MAX)
            .collect()
    }
}

/// What a payload type means on this m-line.
#[inline]
pub(super) fn format_on(line: &ReceiveLine, payload_type: u8) -> Option<Format> {
    line.codecs.iter().find_map(|codec| {
        if codec.payload_type == payload_type {
            Some(Format::Media(codec.codec))
        } else {
            (codec.rtx_payload_type == Some(payload_type)).then_some(Format::Rtx {
                codec: codec.codec,
                payload_type: codec.payload_type,
            })
        }
    })
}

const fn clock_rate_hz(kind: Kind) -> u32 {
    match kind {
        Kind::Audio => Codec::Opus.clock_rate_hz(),
        Kind::Video => Codec::Vp8.clock_rate_hz(),
    }
}
