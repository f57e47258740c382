//! What a publisher sends: packets that are built once, of which only numbers change.

use std::time::{Duration, Instant};

use enfilade::packet::{ExtensionKind, ExtensionMap, Kind};
use enfilade::transport::srtp::Sealer;
use serde::Deserialize;

use super::rtcp;

/// Size of the VP8 descriptor that browsers send, and of what follows it in the first packet of a keyframe.
const DESCRIPTOR_LEN: usize = 6;
const KEYFRAME_HEAD_LEN: usize = 10;
/// A server that is not yet ready for media gets a keyframe again after this time: it had nobody to ask.
const KEYFRAME_EVERY: Duration = Duration::from_secs(10);
/// Unit of the stamp: 24 bits of it last for 167 s.
pub(super) const STAMP_UNIT: Duration = Duration::from_micros(10);
/// A stream that is later than this leaves out what it has missed.
const LATEST: Duration = Duration::from_millis(100);
const RTP_CLOCK_AUDIO: u32 = 48_000;
const RTP_CLOCK_VIDEO: u32 = 90_000;
/// Voice, 30 dB below the loudest (RFC 6464).
const VOICE_LEVEL: u8 = 0x80 | 30;
/// RFC 8285 section 4.2.
const ONE_BYTE_FORM: [u8; 2] = [0xbe, 0xde];

/// How the packets of a picture leave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pace {
    /// All at once, as from a browser on a fast network.
    #[default]
    Frames,
    /// Spread over the time until the next picture.
    Even,
}

/// The pictures of an encoding, or sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Pictures a second; packets of sound.
    pub(crate) frames_per_second: f64,
    pub(crate) packets_per_frame: u16,
    /// Bytes of each packet's payload.
    pub(crate) payload_len: usize,
    pub(crate) pace: Pace,
}

/// One encoding of a source.
#[derive(Clone, Debug)]
pub(crate) struct StreamConfig {
    pub(crate) kind: Kind,
    pub(crate) ssrc: u32,
    pub(crate) payload_type: u8,
    pub(crate) mid: String,
    pub(crate) rid: Option<String>,
    pub(crate) shape: Shape,
    /// As the server agreed to.
    pub(crate) extensions: ExtensionMap,
}

/// One encoding of a source, being sent.
pub(super) struct Stream {
    kind: Kind,
    ssrc: u32,
    shape: Shape,
    /// Header, payload, and room for a tag.
    packet: Vec<u8>,
    header_len: usize,
    plain_len: usize,
    number_at: Option<usize>,
    stamp_at: Option<usize>,
    sequence: u64,
    frame: u32,
    in_frame: u16,
    is_keyframe: bool,
    keyframe_wanted: bool,
    keyframe_at: Option<Instant>,
    interval: Duration,
    due: Instant,
    packets: u32,
    octets: u32,
}

impl Stream {
    pub(super) fn new(config: &StreamConfig, now: Instant) -> Self {
        let shape = config.shape;
        let mut packet = vec![0x90, config.payload_type & 0x7f];
        packet.extend([0; 6]);
        packet.extend(config.ssrc.to_be_bytes());
        packet.extend(ONE_BYTE_FORM);
        packet.extend([0; 2]);
        let begin = packet.len();
        let mut put = |kind, value: &[u8]| {
            let id = config.extensions.id(kind)?;
            packet.push(id << 4 | (value.len() as u8 - 1));
            packet.extend_from_slice(value);
            Some(packet.len() - value.len())
        };
        put(ExtensionKind::Mid, config.mid.as_bytes());
        if let Some(rid) = &config.rid {
            put(ExtensionKind::Rid, rid.as_bytes());
        }
        if config.kind == Kind::Audio {
            put(ExtensionKind::AudioLevel, &[VOICE_LEVEL]);
        }
        let number_at = put(ExtensionKind::TransportCc, &[0; 2]);
        let stamp_at = put(ExtensionKind::PlayoutDelay, &[0; 3]);
        packet.resize(begin + (packet.len() - begin).next_multiple_of(4), 0);
        let words = ((packet.len() - begin) / 4) as u16;
        packet[begin - 2..begin].copy_from_slice(&words.to_be_bytes());
        let header_len = packet.len();
        let payload_len = shape.payload_len.max(DESCRIPTOR_LEN + KEYFRAME_HEAD_LEN);
        packet.extend((0..payload_len).map(|at| (at as u8).wrapping_mul(31)));
        let plain_len = packet.len();
        packet.resize(plain_len + enfilade::transport::srtp::Profile::MAX_RTP_OVERHEAD, 0);
        // Streams that begin together do not go on in step.
        let offset = Duration::from_micros(u64::from(config.ssrc.wrapping_mul(2_654_435_761) % 33_333));
        let mut stream = Self {
            kind: config.kind,
            ssrc: config.ssrc,
            shape,
            packet,
            header_len,
            plain_len,
            number_at,
            stamp_at,
            sequence: u64::from(config.ssrc as u16),
            frame: 0,
            in_frame: 0,
            is_keyframe: true,
            keyframe_wanted: true,
            keyframe_at: None,
            interval: Duration::ZERO,
            due: now + offset,
            packets: 0,
            octets: 0,
        };
        stream.set_rate(1.0);
        stream
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn due(&self) -> Instant {
        self.due
    }

    pub(super) fn set_rate(&mut self, factor: f64) {
        let per_frame = match self.shape.pace {
            Pace::Frames => 1.0,
            Pace::Even => f64::from(self.shape.packets_per_frame),
        };
        let each = self.shape.frames_per_second * per_frame * factor;
        self.interval = Duration::from_secs_f64(1.0 / each.max(0.01));
    }

    /// The server asks for a keyframe.
    pub(super) fn want_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Sends what is due. Answers how many packets that was.
    pub(super) fn send(
        &mut self,
        now: Instant,
        epoch: Instant,
        sealer: Option<&Sealer>,
        number: &mut u16,
        mut out: impl FnMut(&[u8]),
    ) -> u64 {
        let mut sent = 0;
        if now.saturating_duration_since(self.due) > LATEST {
            self.due = now;
        }
        while self.due <= now {
            self.due += self.interval;
            let count = match self.shape.pace {
                Pace::Frames => self.shape.packets_per_frame,
                Pace::Even => 1,
            };
            for _ in 0..count {
                out(self.next(now, epoch, sealer, number));
            }
            sent += u64::from(count);
        }
        sent
    }

    fn next(&mut self, now: Instant, epoch: Instant, sealer: Option<&Sealer>, number: &mut u16) -> &[u8] {
        if self.in_frame == 0 {
            let old = self.keyframe_at.is_none_or(|at| at + KEYFRAME_EVERY <= now);
            self.is_keyframe = std::mem::take(&mut self.keyframe_wanted) || old;
            if self.is_keyframe {
                self.keyframe_at = Some(now);
            }
        }
        let last = self.in_frame + 1 >= self.shape.packets_per_frame;
        self.sequence += 1;
        let packet = &mut self.packet;
        let marker = last && self.kind == Kind::Video;
        packet[1] = packet[1] & 0x7f | u8::from(marker) << 7;
        packet[2..4].copy_from_slice(&(self.sequence as u16).to_be_bytes());
        let clock = match self.kind {
            Kind::Audio => RTP_CLOCK_AUDIO,
            Kind::Video => RTP_CLOCK_VIDEO,
        };
        let timestamp = (f64::from(self.frame) * f64::from(clock) / self.shape.frames_per_second) as u64 as u32;
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        if let Some(at) = self.number_at {
            *number = number.wrapping_add(1);
            packet[at..at + 2].copy_from_slice(&number.to_be_bytes());
        }
        if let Some(at) = self.stamp_at {
            let units = now.saturating_duration_since(epoch).as_micros() / STAMP_UNIT.as_micros();
            packet[at..at + 3].copy_from_slice(&(units as u32).to_be_bytes()[1..]);
        }
        let payload = &mut packet[self.header_len..self.plain_len];
        match self.kind {
            // CELT, full band, 20 ms, mono (RFC 6716 section 3.1).
            Kind::Audio => payload[0] = 0xf8,
            Kind::Video => write_vp8(payload, self.frame, self.in_frame, self.is_keyframe),
        }
        self.in_frame += 1;
        if last {
            self.in_frame = 0;
            self.frame = self.frame.wrapping_add(1);
        }
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add((self.plain_len - self.header_len) as u32);
        let Some(sealer) = sealer else {
            return &self.packet[..self.plain_len];
        };
        let rollover = (self.sequence >> 16) as u32;
        let len = sealer.seal_rtp(&mut self.packet, self.header_len, self.plain_len, rollover);
        &self.packet[..len]
    }

    /// A sender report.
    pub(super) fn report(&self, now: Instant, epoch: Instant, out: &mut Vec<u8>) {
        let clock = match self.kind {
            Kind::Audio => RTP_CLOCK_AUDIO,
            Kind::Video => RTP_CLOCK_VIDEO,
        };
        let since = now.saturating_duration_since(epoch);
        let timestamp = (f64::from(self.frame) * f64::from(clock) / self.shape.frames_per_second) as u64 as u32;
        rtcp::sender_report(out, self.ssrc, since, timestamp, self.packets, self.octets);
    }
}

/// RFC 7741, as browsers write it; the first packet of a picture has a frame header (RFC 6386 section 9.1) behind it.
fn write_vp8(payload: &mut [u8], frame: u32, in_frame: u16, is_keyframe: bool) {
    let start = in_frame == 0;
    let picture_id = (frame & 0x7fff) as u16;
    payload[..DESCRIPTOR_LEN].copy_from_slice(&[
        0x80 | u8::from(start) << 4,
        0xf0,
        0x80 | (picture_id >> 8) as u8,
        picture_id as u8,
        frame as u8,
        (frame % 32) as u8,
    ]);
    if start {
        let head = &mut payload[DESCRIPTOR_LEN..DESCRIPTOR_LEN + KEYFRAME_HEAD_LEN];
        head[..3].copy_from_slice(&[u8::from(!is_keyframe) | 0x10, 0x02, 0x00]);
        if is_keyframe {
            // Start code, and 1280 by 720.
            head[3..].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
        }
    }
}
