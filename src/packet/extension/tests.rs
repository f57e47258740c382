use proptest::prelude::*;
use rtc_shared::marshal::Unmarshal;
use rtp::header::Header;

use super::super::rtp::{FixedHeader, RtpHeader};
use super::*;

fn map(entries: &[(ExtensionKind, u8)]) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for &(kind, id) in entries {
        map.set(kind, id);
    }
    map
}

/// Ids 1 to 9 in the order of `ALL`.
fn plain_map() -> ExtensionMap {
    let ids: Vec<_> = ExtensionKind::ALL.into_iter().zip(1..).collect();
    map(&ids)
}

fn packet(profile: u16, block: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    let mut padded = block.to_vec();
    padded.resize(block.len().next_multiple_of(4), 0);
    packet.extend_from_slice(&profile.to_be_bytes());
    packet.extend_from_slice(&u16::try_from(padded.len() / 4).unwrap().to_be_bytes());
    packet.extend_from_slice(&padded);
    packet
}

fn read<'a>(packet: &'a [u8], map: &ExtensionMap) -> Extensions<'a> {
    read_extensions(packet, &RtpHeader::parse(packet).unwrap(), map)
}

#[test]
fn every_uri_leads_back_to_its_kind() {
    for kind in ExtensionKind::ALL {
        assert_eq!(ExtensionKind::from_uri(kind.uri()), Some(kind));
    }
    assert_eq!(ExtensionKind::from_uri("urn:ietf:params:rtp-hdrext:toffset"), None);
}

#[test]
fn the_order_of_all_is_the_order_of_declaration() {
    for (index, kind) in ExtensionKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, index);
    }
}

#[test]
fn an_id_belongs_to_the_last_kind_that_took_it() {
    for id in [3, 15, 16, 255] {
        let mut map = map(&[(ExtensionKind::Mid, id), (ExtensionKind::Rid, id)]);
        assert_eq!(
            (map.kind(id), map.id(ExtensionKind::Mid)),
            (Some(ExtensionKind::Rid), None)
        );
        map.set(ExtensionKind::Rid, 4);
        assert_eq!((map.kind(id), map.kind(4)), (None, Some(ExtensionKind::Rid)));
        map.set(ExtensionKind::Rid, 0);
        assert_eq!((map.kind(4), map.kind(0)), (None, None));
    }
}

#[test]
fn reads_every_kind_in_the_one_byte_form() {
    let block = [
        0x10,
        b'0',
        0x21,
        b'h',
        b'i',
        0x30,
        b'r',
        0x42,
        1,
        2,
        3,
        0x51,
        0xff,
        0xfe,
        0x60,
        0x80 | 30,
        0x70,
        3,
        0x92,
        7,
        8,
        9,
        0x82,
        0xc0,
        0,
        1,
    ];
    let packet = packet(0xbede, &block);
    let expected = Extensions {
        mid: Some(b"0"),
        rid: Some(b"hi"),
        repaired_rid: Some(b"r"),
        abs_send_time: Some(0x01_0203),
        transport_cc: Some(0xfffe),
        audio_level: Some(AudioLevel {
            voice: true,
            level_dbov: 30,
        }),
        video_orientation: Some(3),
        playout_delay: Some([7, 8, 9]),
        dependency_descriptor: Some(&[0xc0, 0, 1]),
    };
    assert_eq!(read(&packet, &plain_map()), expected);
}

#[test]
fn padding_between_elements_is_passed_over_and_id_15_ends_the_one_byte_form() {
    let packet = packet(0xbede, &[0, 0, 0x10, b'a', 0, 0x20, b'b', 0xf0, 0, 0x60, 5]);
    let found = read(&packet, &plain_map());
    assert_eq!(
        (found.mid, found.rid, found.audio_level),
        (Some(&b"a"[..]), Some(&b"b"[..]), None)
    );
}

#[test]
fn id_0_with_a_length_ends_the_one_byte_form() {
    let packet = packet(0xbede, &[0x10, b'a', 0x01, 0x20, b'b', 0x20, b'c']);
    let found = read(&packet, &plain_map());
    assert_eq!((found.mid, found.rid), (Some(&b"a"[..]), None));
}

#[test]
fn an_element_past_the_end_is_dropped_and_those_before_it_kept() {
    let one_byte = packet(0xbede, &[0x10, b'a', 0x2f, b'b']);
    assert_eq!(
        read(&one_byte, &plain_map()),
        Extensions {
            mid: Some(b"a"),
            ..Default::default()
        }
    );
    let two_byte = packet(0x1000, &[1, 1, b'a', 2, 200, 0, 0, 0]);
    assert_eq!(
        read(&two_byte, &plain_map()),
        Extensions {
            mid: Some(b"a"),
            ..Default::default()
        }
    );
}

#[test]
fn a_value_of_the_wrong_length_is_passed_over() {
    let packet = packet(0xbede, &[0x41, 1, 2, 0x50, 1, 0x61, 1, 2, 0x10, b'a']);
    assert_eq!(
        read(&packet, &plain_map()),
        Extensions {
            mid: Some(b"a"),
            ..Default::default()
        }
    );
}

#[test]
fn the_two_byte_form_has_ids_above_14_whatever_the_appbits() {
    let map = map(&[(ExtensionKind::Mid, 15), (ExtensionKind::AudioLevel, 200)]);
    for profile in [0x1000, 0x100f] {
        let packet = packet(profile, &[15, 2, b'a', b'b', 0, 200, 1, 40, 9, 0]);
        let found = read(&packet, &map);
        assert_eq!(found.mid, Some(&b"ab"[..]));
        assert_eq!(
            found.audio_level,
            Some(AudioLevel {
                voice: false,
                level_dbov: 40
            })
        );
    }
}

#[test]
fn other_profiles_are_opaque() {
    assert_eq!(
        read(&packet(0x1010, &[1, 1, b'a', 0]), &plain_map()),
        Extensions::default()
    );
    assert_eq!(
        read(&packet(0xbedf, &[0x10, b'a']), &plain_map()),
        Extensions::default()
    );
}

#[test]
fn nothing_to_write_means_no_block() {
    let mut buffer = [0xff; 64];
    assert_eq!(write_extensions(&mut buffer, &plain_map(), &Extensions::default()), 12);
    assert_eq!(buffer[0] & 0x10, 0);
    let all = Extensions {
        mid: Some(b"a"),
        ..Default::default()
    };
    assert_eq!(write_extensions(&mut buffer, &ExtensionMap::default(), &all), 12);
}

#[test]
fn a_long_descriptor_brings_the_two_byte_form() {
    let header = FixedHeader {
        marker: false,
        payload_type: 96,
        sequence_number: 1,
        timestamp: 2,
        ssrc: 3,
    };
    for (len, profile) in [(16, 0xbede), (17, 0x1000), (255, 0x1000)] {
        let descriptor = vec![5; len];
        let extensions = Extensions {
            dependency_descriptor: Some(&descriptor),
            transport_cc: Some(9),
            ..Default::default()
        };
        let mut buffer = [0; 512];
        buffer[..12].copy_from_slice(&header.to_bytes());
        let header_len = write_extensions(&mut buffer, &plain_map(), &extensions);
        assert_eq!(RtpHeader::parse(&buffer).unwrap().extension.unwrap().profile, profile);
        assert_eq!(read(&buffer[..header_len], &plain_map()), extensions);
    }
}

#[test]
fn what_has_no_room_is_left_out() {
    for room in 0..40 {
        let mut buffer = [0; 40];
        buffer[0] = 0x80;
        let extensions = Extensions {
            mid: Some(b"abcdefgh"),
            transport_cc: Some(9),
            ..Default::default()
        };
        let header_len = write_extensions(&mut buffer[..room], &plain_map(), &extensions);
        if room >= 12 {
            assert!(header_len <= room);
            let found = read(&buffer[..header_len], &plain_map());
            assert_eq!(found.transport_cc.is_some(), room >= 20, "room {room}");
            assert_eq!(found.mid.is_some(), room >= 28, "room {room}");
        }
    }
}

/// Slow and plain: makes a list of all elements first, as RFC 8285 tells it.
fn reference(profile: u16, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut elements = Vec::new();
    let mut at = 0;
    while at < block.len() {
        let first = usize::from(block[at]);
        if first == 0 {
            at += 1;
            continue;
        }
        let (id, len, start) = if profile == 0xbede {
            if first >> 4 == 0 || first >> 4 == 15 {
                break;
            }
            (first >> 4, (first & 15) + 1, at + 1)
        } else {
            if at + 1 == block.len() {
                break;
            }
            (first, usize::from(block[at + 1]), at + 2)
        };
        if start + len > block.len() {
            break;
        }
        elements.push((u8::try_from(id).unwrap(), block[start..start + len].to_vec()));
        at = start + len;
    }
    elements
}

fn last(elements: &[(u8, Vec<u8>)], id: Option<u8>, lawful: impl Fn(usize) -> bool) -> Option<&[u8]> {
    let value = elements
        .iter()
        .rev()
        .find(|(found, value)| Some(*found) == id && lawful(value.len()));
    value.map(|(_, value)| &value[..])
}

fn any_map() -> impl Strategy<Value = ExtensionMap> {
    proptest::collection::vec((0..ExtensionKind::ALL.len(), 1..20_u8), 0..16).prop_map(|entries| {
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(kind, id)| (ExtensionKind::ALL[kind], id))
            .collect();
        map(&entries)
    })
}

/// Blocks of bytes that look like elements more often than random ones do.
fn any_block() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        prop_oneof![0..4_u8, any::<u8>(), (1..15_u8).prop_map(|id| id << 4)],
        0..60,
    )
}

proptest! {
    #[test]
    fn agrees_with_a_slow_reference(two_byte in any::<bool>(), block in any_block(), map in any_map()) {
        let profile = if two_byte { 0x1000 } else { 0xbede };
        let packet = packet(profile, &block);
        let found = read(&packet, &map);
        let elements = reference(profile, &packet[16..]);
        let expect = |kind, lawful: fn(usize) -> bool| last(&elements, map.id(kind), lawful);
        prop_assert_eq!(found.mid, expect(ExtensionKind::Mid, |len| len > 0));
        prop_assert_eq!(found.rid, expect(ExtensionKind::Rid, |len| len > 0));
        prop_assert_eq!(found.repaired_rid, expect(ExtensionKind::RepairedRid, |len| len > 0));
        prop_assert_eq!(found.dependency_descriptor, expect(ExtensionKind::DependencyDescriptor, |len| len > 0));
        let abs_send_time = expect(ExtensionKind::AbsSendTime, |len| len == 3);
        prop_assert_eq!(found.abs_send_time, abs_send_time.map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]])));
        let transport_cc = expect(ExtensionKind::TransportCc, |len| len >= 2);
        prop_assert_eq!(found.transport_cc, transport_cc.map(|b| u16::from_be_bytes([b[0], b[1]])));
        let audio_level = expect(ExtensionKind::AudioLevel, |len| len == 1);
        prop_assert_eq!(found.audio_level, audio_level.map(|b| AudioLevel::from_byte(b[0])));
        let orientation = expect(ExtensionKind::VideoOrientation, |len| len == 1);
        prop_assert_eq!(found.video_orientation, orientation.map(|b| b[0]));
        let playout_delay = expect(ExtensionKind::PlayoutDelay, |len| len == 3);
        prop_assert_eq!(found.playout_delay.as_ref().map(|b| &b[..]), playout_delay);
    }

    #[test]
    fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..96), map in any_map()) {
        if let Ok(header) = RtpHeader::parse(&bytes) {
            read_extensions(&bytes, &header, &map);
            // Nor when the header is not of this packet.
            read_extensions(&bytes[..bytes.len() / 2], &header, &map);
        }
    }

    #[test]
    fn what_was_written_reads_back_and_an_independent_reader_agrees(
        (mid, rid) in (proptest::option::of("[a-z0-9]{1,20}"), proptest::option::of("[a-z0-9]{1,8}")),
        (abs_send_time, transport_cc) in (proptest::option::of(0..1_u32 << 24), any::<Option<u16>>()),
        (level, orientation, playout_delay) in (any::<Option<u8>>(), any::<Option<u8>>(), any::<Option<[u8; 3]>>()),
        descriptor in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..40)),
        map in any_map(),
    ) {
        let has = |kind| map.id(kind).is_some();
        let all = Extensions {
            mid: mid.as_deref().map(str::as_bytes),
            rid: rid.as_deref().map(str::as_bytes),
            repaired_rid: None,
            abs_send_time,
            transport_cc,
            audio_level: level.map(AudioLevel::from_byte),
            video_orientation: orientation,
            playout_delay,
            dependency_descriptor: descriptor.as_deref(),
        };
        let mut buffer = [0; 256];
        let header = FixedHeader { marker: true, payload_type: 96, sequence_number: 1, timestamp: 2, ssrc: 3 };
        buffer[..12].copy_from_slice(&header.to_bytes());
        let header_len = write_extensions(&mut buffer, &map, &all);
        let expected = Extensions {
            mid: all.mid.filter(|_| has(ExtensionKind::Mid)),
            rid: all.rid.filter(|_| has(ExtensionKind::Rid)),
            repaired_rid: None,
            abs_send_time: abs_send_time.filter(|_| has(ExtensionKind::AbsSendTime)),
            transport_cc: transport_cc.filter(|_| has(ExtensionKind::TransportCc)),
            audio_level: all.audio_level.filter(|_| has(ExtensionKind::AudioLevel)),
            video_orientation: orientation.filter(|_| has(ExtensionKind::VideoOrientation)),
            playout_delay: playout_delay.filter(|_| has(ExtensionKind::PlayoutDelay)),
            dependency_descriptor: all.dependency_descriptor.filter(|_| has(ExtensionKind::DependencyDescriptor)),
        };
        prop_assert_eq!(read(&buffer[..header_len], &map), expected);
        prop_assert_eq!(RtpHeader::parse(&buffer[..header_len]).unwrap().header_len, header_len);

        let theirs = Header::unmarshal(&mut &buffer[..header_len]).unwrap();
        if let (Some(mid), Some(id)) = (expected.mid, map.id(ExtensionKind::Mid)) {
            prop_assert_eq!(theirs.get_extension(id).unwrap(), mid);
        }
        if let (Some(seq), Some(id)) = (expected.transport_cc, map.id(ExtensionKind::TransportCc)) {
            prop_assert_eq!(theirs.get_extension(id).unwrap(), &seq.to_be_bytes()[..]);
        }
    }
}
