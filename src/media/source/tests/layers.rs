//! Encodings and layers change under a subscriber.

use super::*;
use crate::packet::PictureId;

/// Three encodings of one camera; timestamps and numbers differ.
fn simulcast() -> (Source, [Video; 3]) {
    let now = Instant::now();
    let encoding = |encoding: usize| Video {
        now,
        encoding,
        index: 10_000 * (encoding as u64 + 1),
        timestamp: 0xffff_0000u32.wrapping_add(0x3333_3333u32.wrapping_mul(encoding as u32)),
        picture: 0x7ff0 + encoding as u16 * 5,
        tl0: 250,
        ..Video::new()
    };
    (camera(3), [encoding(0), encoding(1), encoding(2)])
}

/// The next frame of each encoding in `live`.
pub(super) fn tick(
    source: &mut Source,
    videos: &mut [Video; 3],
    live: &[usize],
    keyframe: Option<usize>,
    kept: &mut Kept,
) {
    for (encoding, video) in videos.iter_mut().enumerate() {
        let packet = video.frame(0, keyframe == Some(encoding));
        if live.contains(&encoding) {
            source.forward(&packet, kept);
        }
    }
}

pub(super) fn encoding(source: &Source) -> Option<usize> {
    source.stats(ANNA).and_then(|stats| stats.encoding)
}

/// A seat that has climbed to the highest of three encodings.
pub(super) fn at_the_top() -> (Source, [Video; 3], Kept) {
    let (mut source, mut videos) = simulcast();
    let mut kept = Kept::default();
    source.attach(videos[0].now, forwarder(1, Kind::Video));
    for keyframe in [Some(0), Some(1), Some(2)] {
        tick(&mut source, &mut videos, &[0, 1, 2], keyframe, &mut kept);
    }
    assert_eq!(encoding(&source), Some(2));
    while source.poll_keyframe(videos[0].now).is_some() {}
    (source, videos, kept)
}

pub(super) fn continuous(sent: &[Received]) {
    for pair in sent.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence + 1);
        assert_eq!(pair[1].picture(), (pair[0].picture() + 1) & 0x7fff);
        assert_eq!(pair[1].tl0(), pair[0].tl0().wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
        assert!(step > 0, "{step}");
    }
}

#[test]
fn the_best_encoding_is_reached_by_a_keyframe_and_everything_runs_on() {
    let (mut source, mut videos) = simulcast();
    let mut kept = Kept::default();
    source.attach(videos[0].now, forwarder(1, Kind::Video));
    tick(&mut source, &mut videos, &[0], Some(0), &mut kept);
    assert_eq!(kept.sent.len(), 1);
    for _ in 0..5 {
        tick(&mut source, &mut videos, &[0, 1, 2], None, &mut kept);
    }
    assert_eq!(encoding(&source), Some(0));
    let mut asked = Vec::new();
    while let Some(encoding) = source.poll_keyframe(videos[0].now) {
        asked.push(encoding);
    }
    assert!(asked.contains(&2));
    tick(&mut source, &mut videos, &[0, 1, 2], Some(2), &mut kept);
    assert_eq!(encoding(&source), Some(2));
    for _ in 0..20 {
        tick(&mut source, &mut videos, &[0, 1, 2], None, &mut kept);
    }
    continuous(&kept.take());
}

#[test]
fn a_stopped_encoding_is_left_for_the_best_that_lives() {
    let (mut source, mut videos, mut kept) = at_the_top();
    let mut asked = Vec::new();
    for _ in 0..40 {
        tick(&mut source, &mut videos, &[0, 1], None, &mut kept);
        while let Some(encoding) = source.poll_keyframe(videos[0].now) {
            asked.push(encoding);
        }
    }
    assert!(
        !asked.is_empty() && asked.iter().all(|encoding| *encoding == 1),
        "{asked:?}"
    );
    tick(&mut source, &mut videos, &[0, 1], Some(1), &mut kept);
    assert_eq!(encoding(&source), Some(1));
    continuous(&kept.take());
}

#[test]
fn a_still_screen_is_not_a_stopped_one() {
    let (mut source, mut videos, mut kept) = at_the_top();
    kept.take();
    for video in &mut videos {
        video.now += ms(20_000);
        video.timestamp = video.timestamp.wrapping_add(20 * 90_000);
    }
    tick(&mut source, &mut videos, &[0, 1, 2], None, &mut kept);
    assert_eq!(encoding(&source), Some(2));
    assert_eq!(kept.take().len(), 1);
    assert_eq!(source.poll_keyframe(videos[0].now), None);
}

#[test]
fn limits_and_target_switch_down_at_the_lower_encodings_keyframe() {
    let (mut source, mut videos, mut kept) = at_the_top();
    let low = Target {
        encoding: 0,
        ..Target::default()
    };
    source.set_target(videos[0].now, ANNA, low);
    tick(&mut source, &mut videos, &[0, 1, 2], None, &mut kept);
    assert_eq!(encoding(&source), Some(2));
    tick(&mut source, &mut videos, &[0, 1, 2], Some(0), &mut kept);
    assert_eq!(encoding(&source), Some(0));
    continuous(&kept.take());
}

#[test]
fn sender_reports_align_the_encodings() {
    let (mut source, mut videos) = simulcast();
    let mut kept = Kept::default();
    // The second encoding arrives 60 ms late all the time.
    videos[1].now += ms(60);
    source.attach(videos[0].now, forwarder(1, Kind::Video));
    tick(&mut source, &mut videos, &[0, 1], Some(0), &mut kept);
    let ntp = 5000u64 << 32;
    source.handle_sender_report(0, ntp, videos[0].timestamp);
    source.handle_sender_report(1, ntp, videos[1].timestamp);
    tick(&mut source, &mut videos, &[0, 1], None, &mut kept);
    let before = kept.take().pop().expect("low encoding plays");
    let _ = videos[1].frame(0, false);
    let key = videos[1].frame(0, true);
    source.forward(&key, &mut kept);
    let after = kept.take().pop().expect("switched");
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 2 * 2970);
}

#[test]
fn dropped_temporal_layers_leave_no_trace_in_vp8() {
    let (mut source, mut video, mut kept) = playing();
    while source.poll_keyframe(video.now).is_some() {}
    let play = |source: &mut Source, video: &mut Video, kept: &mut Kept| {
        for round in 0..40 {
            let (temporal, sync) = [(0, false), (2, true), (1, true), (2, false)][round % 4];
            for packet in video.picture(temporal, sync, false, 3) {
                source.forward(&packet, kept);
            }
        }
    };
    for max_temporal in [0, 1, u8::MAX] {
        source.set_limits(
            video.now,
            ANNA,
            Limits {
                max_temporal,
                ..Limits::default()
            },
        );
        play(&mut source, &mut video, &mut kept);
    }
    let sent = kept.take();
    assert!(sent.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    let mut ids = pictures(&sent);
    ids.dedup();
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ids:?}");
    assert_eq!(ids.len(), 1 + 10 + 20 + 40, "layers come back with their sync frames");
    assert_eq!(source.poll_keyframe(video.now), None);
}

/// A VP9 L3T1 picture: two packets per spatial layer, the marker on the last of all.
fn vp9(video: &mut Video, key: bool) -> Vec<Inbound<'static>> {
    let mut packets = video.picture(0, false, false, 6);
    for (number, packet) in packets.iter_mut().enumerate() {
        let spatial = (number / 2) as u8;
        packet.codec = Codec::Vp9;
        packet.frame = FrameInfo {
            starts_frame: number % 2 == 0,
            ends_frame: number % 2 == 1,
            keyframe: key && spatial == 0,
            spatial,
            spatial_switch_up: key,
            ..FrameInfo::default()
        };
    }
    packets
}

fn show(source: &mut Source, video: &mut Video, key: bool) -> Kept {
    let mut kept = Kept::default();
    for packet in vp9(video, key) {
        source.forward(&packet, &mut kept);
    }
    kept
}

fn markers(kept: &Kept) -> Vec<bool> {
    kept.sent.iter().map(|packet| packet.marker).collect()
}

#[test]
fn vp9_spatial_layers_are_cut_with_the_marker_on_the_last_packet_left() {
    let (mut source, mut video) = (camera(1), Video::new());
    source.attach(video.now, forwarder(1, Kind::Video));
    let whole = show(&mut source, &mut video, true);
    assert_eq!(markers(&whole), [false, false, false, false, false, true]);
    source.set_limits(
        video.now,
        ANNA,
        Limits {
            max_spatial: 1,
            ..Limits::default()
        },
    );
    let cut = show(&mut source, &mut video, false);
    assert_eq!(markers(&cut), [false, false, false, true]);
    assert!(cut.sent[3].ends_frame);
    assert_eq!(cut.dropped, [DropReason::SpatialLayer; 2]);
    // Up again: not in the middle of dependent pictures, but with the keyframe that is asked for.
    while source.poll_keyframe(video.now).is_some() {}
    source.set_limits(video.now, ANNA, Limits::default());
    let waiting = show(&mut source, &mut video, false);
    assert_eq!(markers(&waiting), [false, false, false, true]);
    assert_eq!(waiting.dropped, [DropReason::AwaitingKeyframe; 2]);
    assert_eq!(source.poll_keyframe(video.now + ms(600)), Some(0));
    assert_eq!(show(&mut source, &mut video, true).sent.len(), 6);
}

#[test]
fn a_resent_packet_has_the_marker_that_was_set_for_the_subscriber() {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    source.set_limits(
        video.now,
        ANNA,
        Limits {
            max_spatial: 0,
            ..Limits::default()
        },
    );
    let sent = show(&mut source, &mut video, true).sent;
    assert_eq!(sent.len(), 2);
    source.retransmit(video.now, ANNA, [501], &mut kept);
    let copy = kept.take().remove(0);
    assert!(copy.marker && sent[1].marker);
    assert_eq!(copy.original, Some(501));
}

#[test]
fn av1_frame_numbers_are_joined_on_and_their_distances_kept() {
    let (mut kept, now) = (Kept::default(), Instant::now());
    let descriptors: Vec<[u8; 5]> = (0..200u16)
        .map(|number| {
            let [high, low] = number.wrapping_mul(3).wrapping_add(65_400).to_be_bytes();
            [0x80, high, low, 0xee, 0xff]
        })
        .collect();
    let play = |source: &mut Source, kept: &mut Kept, numbers: std::ops::Range<usize>| {
        for number in numbers.clone() {
            let descriptor = &descriptors[number];
            let mut packet = audio_packet(now + ms(number as u64 * 33), number as u64, number as u32 * 2970);
            packet.codec = Codec::Av1;
            packet.header.marker = true;
            packet.extensions.dependency_descriptor = Some(descriptor);
            packet.frame = FrameInfo {
                starts_frame: true,
                ends_frame: true,
                keyframe: number == numbers.start,
                picture: Picture::Described {
                    frame_number: u16::from_be_bytes([descriptor[1], descriptor[2]]),
                },
                ..FrameInfo::default()
            };
            source.forward(&packet, kept);
        }
    };
    let mut first = camera(1);
    first.attach(now, forwarder(1, Kind::Video));
    play(&mut first, &mut kept, 0..100);
    let mut second = camera(1);
    let seat = first.detach(now + ms(3300), ANNA).expect("attached");
    second.attach(now + ms(3300), seat);
    play(&mut second, &mut kept, 50..150);
    let numbers: Vec<u16> = kept
        .sent
        .iter()
        .map(|packet| packet.descriptor.as_deref().expect("kept"))
        .map(|descriptor| {
            assert_eq!((descriptor[0], &descriptor[3..]), (0x80, &[0xee, 0xff][..]));
            u16::from_be_bytes([descriptor[1], descriptor[2]])
        })
        .collect();
    for (at, pair) in numbers.windows(2).enumerate() {
        let step = pair[1].wrapping_sub(pair[0]);
        assert_eq!(step, if at == 99 { 1 } else { 3 }, "at {at}");
    }
    second.retransmit(now + ms(6000), ANNA, [500 + 199], &mut kept);
    assert_eq!(kept.sent[200].descriptor, kept.sent[199].descriptor);
}

/// Browsers send the descriptor with every codec, and leave the payload's own picture id out. Chromium shows nothing of a
/// keyframe that is numbered behind the last one, until its numbers are overtaken.
#[test]
fn frame_numbers_of_vp8_run_on_over_sources_with_descriptors_and_without() {
    let (mut kept, now) = (Kept::default(), Instant::now());
    let mut count = 0;
    let mut play = |seat: Forwarder, start: u16, picture: fn(u16) -> (Option<[u8; 3]>, Picture)| {
        let mut source = camera(1);
        source.attach(now + ms(count * 33), seat);
        for number in start..start + 10 {
            let at = now + ms(count * 33);
            let mut packet = audio_packet(at, u64::from(number), u32::from(number) * 2970);
            let (descriptor, picture) = picture(number);
            packet.codec = Codec::Vp8;
            packet.header.marker = true;
            packet.payload = &[0x90, 0x80, 0x11, 0];
            packet.extensions.dependency_descriptor = descriptor.as_ref().map(<[u8; 3]>::as_slice);
            packet.frame = FrameInfo {
                starts_frame: true,
                ends_frame: true,
                keyframe: number == start,
                picture,
                ..FrameInfo::default()
            };
            source.forward(&packet, &mut kept);
            count += 1;
        }
        source.detach(now + ms(count * 33), ANNA).expect("attached")
    };
    let described = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let descriptor = [0xc0, high, low];
        (Some(descriptor), Picture::None.or_described(Some(&descriptor)))
    };
    // A picture id in the payload is what counts then, and the descriptor that says the same is left out.
    let both = |number: u16| {
        let [high, low] = number.to_be_bytes();
        let picture_id = PictureId {
            value: number & 0x7f,
            wide: false,
            offset: 2,
        };
        let picture = Picture::Vp8 {
            picture_id: Some(picture_id),
            tl0_pic_idx: None,
            key_idx: None,
        };
        let descriptor = [0xc0, high, low];
        (Some(descriptor), picture.or_described(Some(&descriptor)))
    };
    let seat = play(forwarder(1, Kind::Video), 841, described);
    let seat = play(seat, 1, described);
    let seat = play(seat, 70, both);
    play(seat, 300, described);

    let numbers: Vec<Option<u16>> = kept
        .sent
        .iter()
        .map(|packet| packet.descriptor.as_deref())
        .map(|descriptor| descriptor.map(|descriptor| u16::from_be_bytes([descriptor[1], descriptor[2]])))
        .collect();
    let run = |from: u16| (from..from + 10).map(Some);
    let expected: Vec<_> = run(841).chain(run(851)).chain([None; 10]).chain(run(861)).collect();
    assert_eq!(numbers, expected);
}

/// A payload that cannot be read, or a descriptor left out, among packets that count otherwise.
#[test]
fn a_stray_that_counts_otherwise_than_its_run_disturbs_neither() {
    let (mut kept, now) = (Kept::default(), Instant::now());
    let mut source = camera(1);
    source.attach(now, forwarder(1, Kind::Video));
    let picture_id = |value: u16| Picture::Vp8 {
        picture_id: Some(PictureId {
            value,
            wide: false,
            offset: 2,
        }),
        tl0_pic_idx: None,
        key_idx: None,
    };
    let descriptor = [0xc0, 0, 9];
    let described = Picture::Described { frame_number: 9 };
    let pictures = [picture_id(70), described, picture_id(72)];
    for (number, picture) in pictures.into_iter().enumerate() {
        let mut packet = audio_packet(now, number as u64, number as u32 * 2970);
        packet.codec = Codec::Vp8;
        packet.payload = &[0x90, 0x80, 0x11, 0];
        packet.extensions.dependency_descriptor = Some(&descriptor);
        packet.frame = FrameInfo {
            starts_frame: true,
            ends_frame: true,
            keyframe: number == 0,
            picture,
            ..FrameInfo::default()
        };
        source.forward(&packet, &mut kept);
    }
    let ids: Vec<u8> = kept.sent.iter().map(|packet| packet.payload[2]).collect();
    assert_eq!(ids, [70, 0x11, 72]);
    assert!(kept.sent.iter().all(|packet| packet.descriptor.is_none()));
}
