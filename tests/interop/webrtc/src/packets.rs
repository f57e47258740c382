//! From packets back to frames.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use rtc::rtp::Packet;
use rtc::rtp::codec::vp8::Vp8Packet;
use rtc::rtp::packetizer::Depacketizer;

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

/// Whole VP8 frames (RFC 7741), the first of them a keyframe.
pub(crate) fn pictures(packets: &[&Packet]) -> Vec<Bytes> {
    let mut frames: Vec<Bytes> = Vec::new();
    let mut frame = BytesMut::new();
    for packet in packets {
        let mut descriptor = Vp8Packet::default();
        let Ok(part) = descriptor.depacketize(&packet.payload) else {
            continue;
        };
        if descriptor.s == 1 && descriptor.pid == 0 {
            frame.clear();
        }
        frame.extend_from_slice(&part);
        if !packet.header.marker {
            continue;
        }
        // RFC 6386 section 9.1: the lowest bit of a keyframe is 0.
        let is_keyframe = frame.first().is_some_and(|first| first & 1 == 0);
        let whole = frame.split().freeze();
        if !frames.is_empty() || is_keyframe {
            frames.push(whole);
        }
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence_number: u16, marker: bool, payload: &'static [u8]) -> Packet {
        let mut packet = Packet::default();
        packet.header.sequence_number = sequence_number;
        packet.header.marker = marker;
        packet.payload = Bytes::from_static(payload);
        packet
    }

    #[test]
    fn packets_out_of_order_and_over_the_wrap_are_put_in_order_and_gaps_are_counted() {
        let packets = [65_535, 1, 65_534, 1, 3].map(|number| packet(number, false, b"x"));
        let (ordered, lost) = in_order(&packets);
        let numbers: Vec<u16> = ordered.iter().map(|packet| packet.header.sequence_number).collect();
        assert_eq!(numbers, [65_534, 65_535, 1, 3]);
        assert_eq!(lost, 2);
    }

    #[test]
    fn pictures_begin_with_a_keyframe_and_are_whole() {
        let packets = [
            packet(1, true, &[0x10, 1, 1, 1]),
            packet(2, false, &[0x10, 0, 1, 1]),
            packet(3, true, &[0x00, 2, 2, 2]),
            packet(4, true, &[0x10, 3, 3, 3]),
        ];
        let frames = pictures(&packets.iter().collect::<Vec<_>>());
        assert_eq!(frames, [&[0, 1, 1, 2, 2, 2][..], &[3, 3, 3]]);
    }
}
