//! From packets back to frames.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use rtc::rtp::Packet;
use rtc::rtp::codec::av1::Av1Depacketizer;
use rtc::rtp::codec::h264::H264Packet;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::codec::vp9::Vp9Packet;
use rtc::rtp::packetizer::Depacketizer;
use serde::Deserialize;

/// Packets of one stream in the order of their sequence numbers, without repetitions and padding, and how many are missing between
/// the first and the last.
pub(crate) fn in_order(packets: &[Packet]) -> (Vec<&Packet>, usize) {
    let Some(first) = packets.first() else {
        return (Vec::new(), 0);
    };
    // Signed: what came first may have been sent second.
    let place = |packet: &Packet| packet.header.sequence_number.wrapping_sub(first.header.sequence_number) as i16;
    let by_place: BTreeMap<i16, &Packet> = packets.iter().map(|packet| (place(packet), packet)).collect();
    let span = match (by_place.first_key_value(), by_place.last_key_value()) {
        (Some((begin, _)), Some((end, _))) => usize::try_from(i32::from(*end) - i32::from(*begin) + 1).unwrap_or(0),
        _ => 0,
    };
    let lost = span - by_place.len();
    let filled = by_place.into_values().filter(|packet| !packet.payload.is_empty());
    (filled.collect(), lost)
}

/// What pictures come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Codec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

impl Codec {
    const ALL: [Codec; 4] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1];

    pub(crate) fn of(mime_type: &str) -> Option<Codec> {
        let mut all = Codec::ALL.into_iter();
        all.find(|codec| codec.mime_type().eq_ignore_ascii_case(mime_type))
    }

    pub(crate) fn mime_type(self) -> &'static str {
        match self {
            Codec::Vp8 => "video/VP8",
            Codec::Vp9 => "video/VP9",
            Codec::H264 => "video/H264",
            Codec::Av1 => "video/AV1",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Codec::Vp8 => "vp8",
            Codec::Vp9 => "vp9",
            Codec::H264 => "h264",
            Codec::Av1 => "av1",
        }
    }

    fn depacketizer(self) -> Box<dyn Depacketizer> {
        match self {
            Codec::Vp8 => Box::<Vp8Packet>::default(),
            Codec::Vp9 => Box::<Vp9Packet>::default(),
            Codec::H264 => Box::<H264Packet>::default(),
            Codec::Av1 => Box::<Av1Depacketizer>::default(),
        }
    }

    /// Whole frames, as the crate puts them together. Those before the first keyframe are of no use, but no harm to a
    /// decoder either.
    pub(crate) fn pictures(self, packets: &[&Packet]) -> Vec<Bytes> {
        let mut frames = Vec::new();
        let mut frame = BytesMut::new();
        let mut timestamp = None;
        let mut depacketizer = self.depacketizer();
        for packet in packets {
            if timestamp.replace(packet.header.timestamp) != Some(packet.header.timestamp) {
                frame.clear();
                depacketizer = self.depacketizer();
            }
            if let Ok(part) = depacketizer.depacketize(&packet.payload) {
                frame.extend_from_slice(&part);
            }
            if packet.header.marker && !frame.is_empty() {
                frames.push(frame.split().freeze());
            }
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence_number: u16, timestamp: u32, marker: bool, payload: &'static [u8]) -> Packet {
        let mut packet = Packet::default();
        packet.header.sequence_number = sequence_number;
        packet.header.timestamp = timestamp;
        packet.header.marker = marker;
        packet.payload = Bytes::from_static(payload);
        packet
    }

    #[test]
    fn packets_out_of_order_and_over_the_wrap_are_put_in_order_and_gaps_are_counted() {
        let packets = [65_535, 1, 65_534, 1, 3].map(|number| packet(number, 0, false, b"x"));
        let (ordered, lost) = in_order(&packets);
        let numbers: Vec<u16> = ordered.iter().map(|packet| packet.header.sequence_number).collect();
        assert_eq!(numbers, [65_534, 65_535, 1, 3]);
        assert_eq!(lost, 2);
    }

    #[test]
    fn pictures_are_whole() {
        let packets = [
            packet(1, 10, false, &[0x10, 0, 1, 1]),
            packet(2, 10, true, &[0x00, 2, 2, 2]),
            packet(3, 20, false, &[0x10, 4, 4, 4]),
            packet(4, 30, true, &[0x10, 3, 3, 3]),
        ];
        let frames = Codec::Vp8.pictures(&packets.iter().collect::<Vec<_>>());
        assert_eq!(frames, [&[0, 1, 1, 2, 2, 2][..], &[3, 3, 3]]);
    }
}
