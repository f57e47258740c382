//! Every counter goes over its end, several times: what comes in over its own, what goes out over the subscriber's.

use super::*;
use crate::packet::Extensions;
use crate::packet::frame::{PictureField, PictureId};

/// More than two rounds of a 16-bit number.
const FRAMES: u64 = 150_000;

fn seat() -> Forwarder {
    Forwarder::new(crate::media::EgressConfig {
        first_sequence: 0x7fff,
        first_timestamp: u32::MAX - 90_000,
        ..egress(1, Kind::Video)
    })
}

/// Every second frame of a camera with two temporal layers is dropped, and all that goes out runs on all the same.
fn thinned(wide: bool) {
    let (mut source, mut kept) = (camera(1), Kept::default());
    let mut video = Video {
        index: (1 << 16) - 10,
        timestamp: u32::MAX - 30_000,
        picture: if wide { 0x7ffa } else { 0x7a },
        wide,
        tl0: 250,
        key: 30,
        ..Video::new()
    };
    source.attach(video.now, seat());
    let limits = Limits {
        max_temporal: 0,
        ..Limits::default()
    };
    source.set_limits(video.now, ANNA, limits);
    let mut before: Option<Received> = None;
    let mut keys = 0;
    for number in 0..FRAMES {
        let keyframe = number % 1_000 == 0;
        source.forward(&video.frame((number % 2) as u8, keyframe), &mut kept);
        while source.poll_keyframe(video.now).is_some() {}
        let Some(packet) = kept.sent.pop() else { continue };
        if let Some(before) = &before {
            assert_eq!(packet.sequence, before.sequence + 1);
            assert_eq!(packet.timestamp.wrapping_sub(before.timestamp), 2 * 33 * 90);
            assert_eq!(packet.tl0(), before.tl0().wrapping_add(1));
            assert_eq!(packet.key(), (before.key() + u8::from(keyframe)) & 0x1f);
            if wide {
                assert_eq!(packet.picture(), (before.picture() + 1) & 0x7fff);
            } else {
                assert_eq!(packet.payload[2], (before.payload[2] + 1) & 0x7f);
            }
        }
        keys += usize::from(keyframe);
        before = Some(packet);
    }
    let last = before.expect("something went out");
    assert_eq!(last.sequence, 0x7fff + FRAMES / 2 - 1, "nothing was left out");
    assert!(last.sequence >> 16 >= 1 && keys > 64, "all of them wrapped");
}

#[test]
fn wide_picture_ids_and_all_other_counters_of_vp8_wrap() {
    thinned(true);
}

#[test]
fn narrow_picture_ids_wrap_after_seven_bits() {
    thinned(false);
}

#[test]
fn picture_ids_of_vp9_and_frame_numbers_of_av1_keep_their_distances_across_their_wraps() {
    const VP9: &[u8] = &[0x80, 0xff, 0xff, 0, 9];
    const DESCRIPTOR: &[u8] = &[0xc0, 0xff, 0xff, 7];
    for codec in [Codec::Vp9, Codec::Av1] {
        let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
        source.attach(video.now, seat());
        let mut offset = None;
        for number in 0..FRAMES {
            let mut packet = video.frame(0, number == 0);
            // Frames in between that never come: distances have to stay what they are.
            let raw = (0x7ff0 + number * 3) as u16;
            packet.codec = codec;
            let descriptor = [DESCRIPTOR[0], (raw >> 8) as u8, raw as u8, DESCRIPTOR[3]];
            packet.frame.picture = match codec {
                Codec::Vp9 => Picture::Vp9 {
                    picture_id: Some(PictureId {
                        value: raw & 0x7fff,
                        wide: true,
                        offset: 1,
                    }),
                    tl0_pic_idx: Some(PictureField {
                        value: number as u8,
                        offset: 3,
                    }),
                },
                Codec::Av1 | Codec::Vp8 | Codec::H264 | Codec::Opus | Codec::Red => {
                    Picture::Described { frame_number: raw }
                }
            };
            packet.payload = VP9;
            packet.extensions = Extensions {
                dependency_descriptor: (codec == Codec::Av1).then_some(&descriptor[..]),
                ..Extensions::default()
            };
            source.forward(&packet, &mut kept);
            let sent = kept.sent.pop().expect("forwarded");
            let (modulus, out) = if codec == Codec::Vp9 {
                assert_eq!(sent.payload[3], number as u8);
                (0x7fff, u16::from_be_bytes([sent.payload[1] & 0x7f, sent.payload[2]]))
            } else {
                let descriptor = sent.descriptor.expect("passed on");
                (0xffff, u16::from_be_bytes([descriptor[1], descriptor[2]]))
            };
            let distance = out.wrapping_sub(raw) & modulus;
            assert_eq!(*offset.get_or_insert(distance), distance, "{codec:?} {number}");
        }
    }
}

#[test]
fn a_nack_and_a_late_packet_find_their_place_across_the_wrap() {
    let (mut source, mut kept) = (camera(1), Kept::default());
    let mut video = Video {
        index: (1 << 16) - 6,
        ..Video::new()
    };
    let mut config = egress(1, Kind::Video);
    config.first_sequence = 0x7fff;
    source.attach(video.now, Forwarder::new(config));
    // Up to shortly before the wrap of what goes out.
    source.forward(&video.frame(0, true), &mut kept);
    for _ in 0..0x7ffc {
        source.forward(&video.frame(0, false), &mut kept);
    }
    kept.take();
    let frames: Vec<_> = (0..8).map(|_| video.frame(0, false)).collect();
    for (number, frame) in frames.iter().enumerate().filter(|(number, _)| *number != 3) {
        source.forward(frame, &mut kept);
        assert_eq!(kept.sent.last().map(|sent| sent.sequence), Some(0xfffc + number as u64));
    }
    source.forward(&frames[3], &mut kept);
    assert_eq!(kept.sent.last().map(|sent| sent.sequence), Some(0xffff));
    kept.take();
    source.retransmit(video.now, ANNA, [0xfffe, 0xffff, 0x0000, 0x0001], &mut kept);
    let asked: Vec<_> = kept.sent.iter().map(|sent| sent.original).collect();
    assert_eq!(asked, [0xfffe, 0xffff, 0, 1].map(Some));
    let timestamps: Vec<_> = kept.sent.iter().map(|sent| sent.timestamp).collect();
    assert!(
        timestamps
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) == 33 * 90)
    );
}

#[test]
fn of_a_long_picture_every_packet_keeps_its_place_however_short_the_memory_began() {
    let (mut source, mut video, mut kept) = playing();
    let first = kept.sent[0].sequence;
    let packets = video.picture(0, false, true, 400);
    // A third of it comes late, from where the memory has grown since.
    let (late, in_time): (Vec<_>, Vec<_>) = (0..400).partition(|number| (20..150).contains(number));
    for number in in_time {
        source.forward(&packets[number], &mut kept);
    }
    for number in late {
        source.forward(&packets[number], &mut kept);
        let place = kept.sent.last().map(|sent| sent.sequence);
        assert_eq!(place, Some(first + 1 + number as u64));
    }
    assert!(kept.dropped.is_empty(), "{:?}", kept.dropped);
    kept.take();
    for number in [0, 19, 20, 149, 150, 399] {
        let sequence = (first + 1 + number) as u16;
        source.retransmit(video.now, ANNA, [sequence], &mut kept);
        assert_eq!(kept.sent.last().and_then(|sent| sent.original), Some(sequence));
    }
}

#[test]
fn numbers_of_retransmissions_wrap_with_a_rollover_of_their_own() {
    let (mut source, mut video, mut kept) = playing();
    let mut last = None;
    for number in 0..280_000u32 {
        source.forward(&video.frame(0, false), &mut kept);
        let newest = kept.sent.last().map(|sent| sent.sequence as u16).expect("forwarded");
        kept.take();
        source.retransmit(video.now, ANNA, [newest], &mut kept);
        // The budget allows one in four octets; what it refuses has no number.
        if let Some(resent) = kept.sent.last() {
            assert!(last.is_none_or(|last| resent.sequence == last + 1), "{number}");
            last = Some(resent.sequence);
        }
        kept.take();
        kept.dropped.clear();
    }
    assert!(last.is_some_and(|last| last > 1 << 16));
}
