//! What a client received, stream by stream.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::media::{self, Codec, Seen, Stamp};

/// One received packet.
#[derive(Clone, Copy, Debug)]
pub struct PacketNote {
    /// When it came.
    pub at: Instant,
    /// Sequence number, extended over its wraps.
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: u32,
    /// RTP marker.
    pub marker: bool,
    /// RTP payload type.
    pub payload_type: u8,
    /// What its payload descriptor says.
    pub seen: Seen,
    /// Who sent it, if the payload has a stamp.
    pub stamp: Option<Stamp>,
    /// Whether it came as a retransmission (RFC 4588).
    pub retransmitted: bool,
}

/// Everything received on one SSRC.
#[derive(Clone, Debug, Default)]
pub struct StreamNote {
    /// Packets, without retransmissions.
    pub packets: u64,
    /// Retransmitted packets.
    pub retransmissions: u64,
    /// Sequence numbers that came twice.
    pub duplicates: u64,
    /// Payload bytes.
    pub bytes: u64,
    /// Sequence numbers below the highest that have not come.
    pub missing: BTreeSet<u64>,
    /// Lowest and highest sequence number.
    pub range: Option<(u64, u64)>,
    /// When the first and the latest packet came.
    pub span: Option<(Instant, Instant)>,
    /// Longest pause between two packets.
    pub longest_pause: Duration,
    /// The packets themselves, in order of arrival; empty when the client keeps no log.
    pub log: Vec<PacketNote>,
    /// Sender reports: NTP time, RTP timestamp.
    pub sender_reports: Vec<(u64, u32)>,
}

impl StreamNote {
    fn extend(&self, sequence_number: u16) -> u64 {
        let Some((_, highest)) = self.range else {
            // Room below for packets that come late.
            return 0x1_0000 + u64::from(sequence_number);
        };
        let step = sequence_number.wrapping_sub(highest as u16) as i16;
        highest.wrapping_add_signed(i64::from(step))
    }

    fn count(&mut self, sequence: u64) {
        match &mut self.range {
            None => self.range = Some((sequence, sequence)),
            Some((lowest, highest)) => {
                if sequence > *highest {
                    self.missing.extend(*highest + 1..sequence);
                    *highest = sequence;
                } else if sequence < *lowest {
                    self.missing.extend(sequence + 1..*lowest);
                    *lowest = sequence;
                } else if !self.missing.remove(&sequence) {
                    self.duplicates += 1;
                }
            }
        }
    }

    /// Packets in order of sequence, each once.
    pub fn ordered(&self) -> Vec<PacketNote> {
        let by_sequence: BTreeMap<u64, PacketNote> = self.log.iter().map(|note| (note.sequence, *note)).collect();
        by_sequence.into_values().collect()
    }

    /// Pictures of which every packet came, in order.
    pub fn whole_frames(&self) -> Vec<WholeFrame> {
        let mut frames: BTreeMap<(u32, u8, u32), (BTreeSet<u16>, WholeFrame)> = BTreeMap::new();
        for note in self.ordered() {
            let Some(stamp) = note.stamp else { continue };
            let fresh = || {
                let frame = WholeFrame {
                    stamp,
                    keyframe: false,
                    timestamp: note.timestamp,
                    picture_id: note.seen.picture_id,
                    tl0_picture_index: note.seen.tl0_picture_index,
                    temporal: note.seen.temporal,
                    sequence: note.sequence,
                    at: note.at,
                };
                (BTreeSet::new(), frame)
            };
            let (indices, frame) = frames
                .entry((stamp.source, stamp.layer, stamp.frame))
                .or_insert_with(fresh);
            indices.insert(stamp.index);
            frame.keyframe |= note.seen.keyframe;
            frame.at = frame.at.max(note.at);
        }
        let mut whole: Vec<WholeFrame> = frames
            .into_values()
            .filter(|(indices, frame)| indices.len() == usize::from(frame.stamp.count))
            .map(|(_, frame)| frame)
            .collect();
        whole.sort_by_key(|frame| frame.sequence);
        whole
    }

    /// Sources whose packets came, in order of their first packet.
    pub fn sources(&self) -> Vec<u32> {
        let mut sources = Vec::new();
        for stamp in self.log.iter().filter_map(|note| note.stamp) {
            if !sources.contains(&stamp.source) {
                sources.push(stamp.source);
            }
        }
        sources
    }
}

/// A picture of which every packet came.
#[derive(Clone, Copy, Debug)]
pub struct WholeFrame {
    /// Stamp of its first packet.
    pub stamp: Stamp,
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Picture id of its first packet.
    pub picture_id: Option<u16>,
    /// Index of its base layer picture.
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer.
    pub temporal: Option<u8>,
    /// Sequence number of its first packet.
    pub sequence: u64,
    /// When its last packet came.
    pub at: Instant,
}

/// Everything a client received.
#[derive(Debug, Default)]
pub struct Record {
    streams: BTreeMap<u32, StreamNote>,
    codecs: BTreeMap<u8, Codec>,
    repairs: BTreeMap<u32, u32>,
    keyframe_requests: BTreeMap<u32, u64>,
    unanswered_requests: BTreeSet<u32>,
    feedback_packets: u64,
    keeps_log: bool,
}

impl Record {
    pub(crate) fn new(keeps_log: bool) -> Self {
        Record {
            keeps_log,
            ..Record::default()
        }
    }

    /// Tells which payload types mean what, and which SSRC repairs which (RFC 4588).
    pub(crate) fn agree(&mut self, codecs: BTreeMap<u8, Codec>, repairs: BTreeMap<u32, u32>) {
        self.codecs = codecs;
        self.repairs.extend(repairs);
    }

    pub(crate) fn packet(&mut self, now: Instant, packet: &rtc::rtp::Packet) {
        let header = &packet.header;
        let repaired = self.repairs.get(&header.ssrc).copied();
        let (ssrc, sequence_number, payload) = match repaired {
            None => (header.ssrc, header.sequence_number, &packet.payload[..]),
            Some(_) if packet.payload.len() < 2 => return,
            Some(ssrc) => {
                let original = u16::from_be_bytes([packet.payload[0], packet.payload[1]]);
                (ssrc, original, &packet.payload[2..])
            }
        };
        if payload.is_empty() {
            // Padding only: it has a sequence number and nothing else.
            let stream = self.streams.entry(ssrc).or_default();
            stream.count(stream.extend(sequence_number));
            return;
        }
        let keeps_log = self.keeps_log;
        let codec = self.codecs.get(&header.payload_type).copied();
        let stream = self.streams.entry(ssrc).or_default();
        let sequence = stream.extend(sequence_number);
        stream.count(sequence);
        if repaired.is_some() {
            stream.retransmissions += 1;
        } else {
            stream.packets += 1;
        }
        stream.bytes += payload.len() as u64;
        stream.span = Some(match stream.span {
            None => (now, now),
            Some((first, last)) => {
                stream.longest_pause = stream.longest_pause.max(now.saturating_duration_since(last));
                (first, now)
            }
        });
        if keeps_log {
            stream.log.push(PacketNote {
                at: now,
                sequence,
                timestamp: header.timestamp,
                marker: header.marker,
                payload_type: header.payload_type,
                seen: codec.map(|codec| media::look(codec, payload)).unwrap_or_default(),
                stamp: Stamp::find(payload),
                retransmitted: repaired.is_some(),
            });
        }
    }

    pub(crate) fn keyframe_request(&mut self, ssrc: u32) {
        *self.keyframe_requests.entry(ssrc).or_default() += 1;
        self.unanswered_requests.insert(ssrc);
    }

    pub(crate) fn sender_report(&mut self, ssrc: u32, ntp: u64, timestamp: u32) {
        self.streams
            .entry(ssrc)
            .or_default()
            .sender_reports
            .push((ntp, timestamp));
    }

    pub(crate) fn feedback(&mut self) {
        self.feedback_packets += 1;
    }

    /// Whether somebody asked for a keyframe on this SSRC since the last call.
    pub fn take_keyframe_request(&mut self, ssrc: u32) -> bool {
        self.unanswered_requests.remove(&ssrc)
    }

    /// Keyframe requests received for a stream of ours.
    pub fn keyframe_requests(&self, ssrc: u32) -> u64 {
        self.keyframe_requests.get(&ssrc).copied().unwrap_or(0)
    }

    /// RTCP packets received that were neither keyframe requests nor sender reports.
    pub fn feedback_packets(&self) -> u64 {
        self.feedback_packets
    }

    /// The stream on this SSRC.
    pub fn stream(&self, ssrc: u32) -> Option<&StreamNote> {
        self.streams.get(&ssrc)
    }

    /// Every stream on which packets came.
    pub fn streams(&self) -> impl Iterator<Item = (u32, &StreamNote)> {
        self.streams
            .iter()
            .filter(|(_, note)| note.packets > 0)
            .map(|(ssrc, note)| (*ssrc, note))
    }

    /// Forgets what was received, so that a test can look at what comes from now on. Sequence continuity is kept.
    pub fn forget(&mut self) {
        for stream in self.streams.values_mut() {
            let highest = stream.range.map(|(_, highest)| (highest, highest));
            *stream = StreamNote {
                range: highest,
                ..StreamNote::default()
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StreamNote;

    #[test]
    fn gaps_wraps_and_late_packets_are_counted() {
        let mut note = StreamNote::default();
        for number in [65_534_u16, 65_535, 1, 2, 0, 2, 65_533] {
            let sequence = note.extend(number);
            note.count(sequence);
        }
        assert!(note.missing.is_empty());
        assert_eq!(note.duplicates, 1);
        assert_eq!(note.range, Some((0x1_0000 + 65_533, 0x2_0000 + 2)));
    }
}
