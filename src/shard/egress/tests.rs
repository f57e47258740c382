use std::cell::RefCell;
use std::time::Duration;

use super::*;
use crate::media::estimate::{Departure, ProbeCluster, SentPacket};
use crate::media::{OutExtensions, Outbound, Patch, Sink, Traffic};
use crate::packet::extension::read_extensions;
use crate::packet::rtp::{RtpHeader, payload_len_without_padding};
use crate::shard::counters::DoorReason;
use crate::transport::srtp::{KeyingMaterial, Opener, Profile};

const SLOT: TransportSlot = TransportSlot(0);
const MS: Duration = Duration::from_millis(1);

/// Keeps what is sent.
#[derive(Default)]
struct Tape {
    sends: RefCell<Vec<Vec<Vec<u8>>>>,
    refuse: Option<io::ErrorKind>,
}

impl Wire for Tape {
    fn segments_max(&self) -> usize {
        64
    }

    fn send(&self, _to: Arrival, contents: &[u8], segment: Option<usize>) -> io::Result<()> {
        if let (Some(_), Some(kind)) = (segment, self.refuse) {
            return Err(kind.into());
        }
        let segment = segment.unwrap_or(contents.len());
        self.sends
            .borrow_mut()
            .push(contents.chunks(segment).map(<[u8]>::to_vec).collect());
        Ok(())
    }
}

/// A packet as its receiver sees it.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    ssrc: u32,
    sequence: u16,
    number: Option<u16>,
    payload: Vec<u8>,
    padded: bool,
}

struct Desk {
    egress: Egress,
    wire: Tape,
    counters: ShardCounters,
    opener: Opener,
    map: ExtensionMap,
    start: Instant,
    sequences: [u64; 3],
}

impl Desk {
    fn new(profile: Profile) -> Desk {
        let keys = KeyingMaterial::from_exporter(profile, &vec![7; profile.exporter_len()]).unwrap();
        let mut egress = Egress::new(true);
        let mut map = ExtensionMap::default();
        map.set(ExtensionKind::TransportCc, 3);
        let counters = ShardCounters::default();
        egress.reset(SLOT, &counters);
        egress.set_sealer(SLOT, Some(Sealer::new(&keys)), &counters);
        egress.set_extensions(SLOT, map);
        egress.set_address(SLOT, Some(Arrival::udp("127.0.0.1:9".parse().unwrap())));
        Desk {
            egress,
            wire: Tape::default(),
            counters,
            opener: Opener::new(&keys.mirrored()),
            map,
            start: Instant::now(),
            sequences: [0; 3],
        }
    }

    fn at(&self, ms: u32) -> Instant {
        self.start + MS * ms
    }

    /// Packets of these sizes, on an SSRC of their own for each kind of traffic.
    fn put(&mut self, traffic: Traffic, sizes: &[usize]) {
        self.put_part(traffic, sizes, true);
    }

    /// The same; `ends`: the last of them ends a frame.
    fn put_part(&mut self, traffic: Traffic, sizes: &[usize], ends: bool) {
        let bytes: Vec<Vec<u8>> = sizes.iter().map(|size| vec![*size as u8; *size]).collect();
        let mut sink = self.egress.sink(self.start, &self.wire, &self.counters);
        let ssrc = match traffic {
            Traffic::Audio => 0,
            Traffic::Video => 1,
            Traffic::Resent | Traffic::Padding => 2,
        };
        for payload in &bytes {
            let sequence = &mut self.sequences[ssrc];
            *sequence += 1;
            let packet = Outbound {
                ends_frame: ends,
                ..outbound(traffic, ssrc as u32, *sequence, payload)
            };
            sink.send(SLOT, &packet);
        }
    }

    fn flush(&mut self, ms: u32) {
        self.egress.flush(self.at(ms), &self.wire, &self.counters);
    }

    /// What left since asked last: by sends.
    fn sends(&mut self) -> Vec<Vec<Got>> {
        let sends = self.wire.sends.take();
        let mut open = |mut datagram: Vec<u8>| {
            let header = RtpHeader::parse(&datagram).unwrap();
            let opened = self.opener.open_rtp(&mut datagram, &header).expect("authentic");
            let plain = &datagram[..opened.len];
            let len = payload_len_without_padding(&header, plain).unwrap();
            Got {
                ssrc: header.ssrc,
                sequence: header.sequence_number,
                number: read_extensions(plain, &header, &self.map).transport_cc,
                payload: plain[header.header_len..header.header_len + len].to_vec(),
                padded: header.padding,
            }
        };
        sends
            .into_iter()
            .map(|send| send.into_iter().map(&mut open).collect())
            .collect()
    }

    fn packets(&mut self) -> Vec<Got> {
        self.sends().into_iter().flatten().collect()
    }

    /// SSRC and sequence number of all that left since asked last.
    fn order(&mut self) -> Vec<(u32, u16)> {
        self.packets().iter().map(|got| (got.ssrc, got.sequence)).collect()
    }

    fn turned_away(&self, reason: DoorReason) -> u64 {
        self.counters
            .turned_away()
            .find(|(other, _)| *other == reason)
            .unwrap()
            .1
    }
}

fn outbound(traffic: Traffic, ssrc: u32, sequence: u64, payload: &[u8]) -> Outbound<'_> {
    Outbound {
        marker: false,
        payload_type: 96,
        sequence,
        timestamp: 1,
        ssrc,
        extensions: OutExtensions::default(),
        original: None,
        payload,
        patch: Patch::default(),
        padding: 0,
        traffic,
        ends_frame: true,
    }
}

const PROFILES: [Profile; 2] = [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80];

#[test]
fn a_frame_whose_packets_differ_by_a_byte_leaves_in_one_send_and_arrives_as_it_was() {
    for profile in PROFILES {
        let mut desk = Desk::new(profile);
        desk.put(Traffic::Video, &[1099, 1099, 1100, 1085, 1100, 300]);
        desk.flush(0);
        let sends = desk.sends();
        assert_eq!(sends.len(), 1);
        let sizes: Vec<usize> = sends[0].iter().map(|got| got.payload.len()).collect();
        assert_eq!(sizes, [1099, 1099, 1100, 1085, 1100, 300]);
        let padded: Vec<bool> = sends[0].iter().map(|got| got.padded).collect();
        assert_eq!(padded, [true, true, false, true, false, false]);
        assert!(
            sends[0]
                .iter()
                .all(|got| got.payload.iter().all(|byte| *byte == got.payload.len() as u8))
        );
        assert_eq!(desk.counters.sends.get(), 1);
    }
}

#[test]
fn a_frame_that_comes_in_pieces_leaves_whole() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put_part(Traffic::Video, &[999], false);
    desk.flush(0);
    desk.put_part(Traffic::Video, &[1_000, 1_000], false);
    desk.flush(1);
    assert!(desk.sends().is_empty());
    assert_eq!(desk.egress.poll_timeout(), Some(desk.at(4)));
    desk.put_part(Traffic::Video, &[1_000], true);
    desk.flush(2);
    assert_eq!(desk.sends().iter().map(Vec::len).collect::<Vec<_>>(), [4]);
    assert_eq!(desk.egress.poll_timeout(), None);
}

#[test]
fn a_frame_whose_end_stays_away_is_held_for_four_milliseconds() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put_part(Traffic::Video, &[1_000], false);
    desk.flush(0);
    desk.put_part(Traffic::Video, &[1_000], false);
    desk.flush(3);
    assert!(desk.sends().is_empty());
    desk.flush(4);
    assert_eq!(desk.order(), [(1, 1), (1, 2)]);
    desk.put_part(Traffic::Video, &[1_000], false);
    desk.flush(5);
    assert_eq!(desk.egress.poll_timeout(), Some(desk.at(9)), "the next is held anew");
}

#[test]
fn sound_waits_for_no_frame() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put_part(Traffic::Video, &[1_000], false);
    desk.flush(0);
    desk.put(Traffic::Audio, &[100]);
    desk.flush(1);
    assert_eq!(desk.order(), [(1, 1), (0, 1)]);
}

#[test]
fn what_is_held_leaves_when_there_is_no_room_for_more() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    for _ in 0..2_000 {
        desk.put_part(Traffic::Video, &[1_200], false);
        desk.flush(0);
    }
    let left = desk.order();
    assert!(left.len() > 500 && left.is_sorted());
    desk.flush(4);
    assert_eq!(left.len() + desk.order().len(), 2_000);
}

#[test]
fn without_segmentation_every_packet_leaves_by_itself_and_nothing_is_padded_or_held() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.segmentation = false;
    desk.put_part(Traffic::Video, &[1099, 1100], false);
    desk.flush(0);
    let sends = desk.sends();
    assert_eq!(sends.len(), 2);
    assert!(sends.iter().flatten().all(|got| !got.padded));
}

#[test]
fn patched_bytes_and_an_originals_number_are_in_the_payload_of_whom_they_are_for() {
    for profile in PROFILES {
        let mut desk = Desk::new(profile);
        let payload: Vec<u8> = (0..100).collect();
        let mut sequence = 0;
        for len in [0, 1, 7, 13, 14, 15, 16, 17, 40, 100] {
            let mut sink = desk.egress.sink(desk.start, &desk.wire, &desk.counters);
            for original in [None, Some(0xabcd)] {
                for edits in [&[][..], &[(2, 200)], &[(0, 201), (15, 202)]] {
                    let mut patch = Patch::default();
                    edits.iter().for_each(|(offset, value)| patch.set(*offset, *value));
                    sequence += 1;
                    let packet = Outbound {
                        original,
                        patch,
                        padding: 3,
                        ..outbound(Traffic::Video, 1, sequence, &payload[..len])
                    };
                    sink.send(SLOT, &packet);
                }
            }
            desk.flush(0);
            let got = desk.packets();
            let mut got = got.iter();
            for prefix in [&[][..], &[0xab, 0xcd]] {
                for edits in [&[][..], &[(2, 200)], &[(0, 201), (15, 202)]] {
                    let mut whole = payload[..len].to_vec();
                    for (offset, value) in edits {
                        if let Some(byte) = whole.get_mut(*offset) {
                            *byte = *value;
                        }
                    }
                    assert_eq!(got.next().unwrap().payload, [prefix, &whole].concat());
                }
            }
        }
    }
}

#[test]
fn a_payload_larger_than_any_datagram_is_turned_away() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put(Traffic::Video, &[1_200, 1_500, 60_000, 65_479]);
    desk.flush(0);
    let sizes: Vec<usize> = desk.packets().iter().map(|got| got.payload.len()).collect();
    assert_eq!(sizes, [1_200]);
    assert_eq!(desk.turned_away(DoorReason::TooLarge), 3);
}

#[test]
fn more_than_a_batch_holds_leaves_early_in_order() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    let sizes = vec![1_200; 2_000];
    desk.put(Traffic::Video, &sizes);
    desk.flush(0);
    let sequences: Vec<u16> = desk.packets().iter().map(|got| got.sequence).collect();
    assert_eq!(sequences, (1..=2_000).collect::<Vec<u16>>());
}

#[test]
fn where_the_device_cannot_segment_the_same_packets_leave_one_by_one() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.wire.refuse = Some(io::ErrorKind::InvalidInput);
    desk.put(Traffic::Video, &[1_000, 1_001, 1_001]);
    desk.flush(0);
    assert_eq!(desk.sends().len(), 3);
    assert_eq!(desk.turned_away(DoorReason::SocketError), 0);
}

#[test]
fn the_sent_log_has_every_packet_at_its_size_on_the_wire() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put(Traffic::Video, &[999, 1_000]);
    desk.put(Traffic::Audio, &[100]);
    desk.flush(7);
    let lens: Vec<u16> = desk.wire.sends.borrow()[0]
        .iter()
        .map(|datagram| datagram.len() as u16)
        .collect();
    let at = Departure::new(desk.at(7), desk.at(7));
    for (number, bytes) in (0..).zip(lens) {
        let sent = SentPacket { at, bytes, probe: None };
        assert_eq!(desk.egress.sent_log(SLOT).take(number), Some(sent));
    }
    assert_eq!(desk.egress.sent_log(SLOT).take(3), None);
}

#[test]
fn a_frame_that_fits_leaves_at_once_and_a_larger_one_in_steps_at_the_rate() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    // A packet of 1000 bytes each millisecond.
    desk.egress.set_pacing(desk.start, SLOT, Some(8_000_000));
    desk.put(Traffic::Video, &[952; 20]);
    desk.flush(0);
    assert_eq!(desk.sends().len(), 1);
    assert_eq!(desk.egress.poll_timeout(), None, "nothing waits, nothing wakes");
    desk.put(Traffic::Video, &[952; 20]);
    desk.flush(10);
    assert_eq!(desk.packets().len(), 10);
    let mut left = Vec::new();
    while let Some(at) = desk.egress.poll_timeout() {
        desk.egress.flush(at, &desk.wire, &desk.counters);
        left.push((
            (at - desk.start).as_millis(),
            desk.sends().iter().map(Vec::len).collect::<Vec<_>>(),
        ));
    }
    assert_eq!(left, [(15, vec![5]), (20, vec![5])]);
}

#[test]
fn audio_overtakes_what_waits_and_what_is_sent_again_overtakes_video_but_no_stream_is_reordered() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(8_000_000));
    desk.put(Traffic::Video, &[952; 22]);
    desk.flush(0);
    assert_eq!(desk.order(), (1..=20).map(|n| (1, n)).collect::<Vec<_>>());
    desk.put(Traffic::Video, &[952; 2]);
    desk.put(Traffic::Audio, &[52]);
    desk.put(Traffic::Resent, &[952; 2]);
    desk.flush(1);
    assert_eq!(desk.order(), [(0, 1)]);
    let at = desk.egress.poll_timeout().unwrap();
    desk.egress.flush(at + MS * 10, &desk.wire, &desk.counters);
    let packets = desk.packets();
    let order: Vec<_> = packets.iter().map(|got| (got.ssrc, got.sequence)).collect();
    assert_eq!(order, [(2, 1), (2, 2), (1, 21), (1, 22), (1, 23), (1, 24)]);
    let numbers: Vec<_> = packets.iter().map(|got| got.number.unwrap()).collect();
    assert_eq!(numbers, [21, 22, 23, 24, 25, 26], "numbered in the order they left");
    assert_eq!(desk.egress.poll_timeout(), None);
}

#[test]
fn what_waits_of_an_abandoned_picture_does_not_leave_and_the_rest_does() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(8_000_000));
    desk.put(Traffic::Video, &[952; 25]);
    desk.flush(0);
    assert_eq!(desk.order().len(), 20);
    desk.put(Traffic::Resent, &[952]);
    desk.put_part(Traffic::Video, &[952], false);
    desk.egress.forget(SLOT, &[1], &desk.counters);
    assert_eq!(desk.turned_away(DoorReason::Abandoned), 6);
    desk.put(Traffic::Video, &[952]);
    let at = desk.at(10);
    desk.egress.flush(at, &desk.wire, &desk.counters);
    let order: Vec<_> = desk.packets().iter().map(|got| (got.ssrc, got.sequence)).collect();
    assert_eq!(order, [(2, 1), (1, 27)]);
    assert_eq!(desk.egress.waiting(SLOT), 0);
}

#[test]
fn nobody_is_woken_for_what_waited_on_a_path_that_is_gone() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(300_000));
    desk.put(Traffic::Video, &[1_100; 20]);
    desk.flush(0);
    assert!(desk.egress.poll_timeout().is_some());
    let left = desk.packets().len() as u64;
    desk.egress.reset(SLOT, &desk.counters);
    assert_eq!(desk.turned_away(DoorReason::NotConnected), 20 - left);
    desk.flush(1);
    assert_eq!(desk.egress.poll_timeout(), None);
}

#[test]
fn sound_that_came_before_the_begin_of_a_frame_does_not_wait_for_its_end() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.put(Traffic::Audio, &[100]);
    desk.put_part(Traffic::Video, &[1_000], false);
    desk.flush(0);
    assert_eq!(desk.order(), [(0, 1), (1, 1)]);
}

#[test]
fn what_exceeds_the_queue_is_turned_away_newest_first_and_audio_is_not() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(300_000));
    desk.put(Traffic::Video, &[1_100; 400]);
    desk.put(Traffic::Audio, &[100; 50]);
    desk.flush(0);
    let left = desk.order();
    assert_eq!(left.iter().filter(|(ssrc, _)| *ssrc == 0).count(), 50);
    let waiting = desk.egress.waiting(SLOT);
    assert!((120 << 10..=128 << 10).contains(&waiting), "{waiting}");
    let refused = desk.turned_away(DoorReason::PacerFull);
    assert!(refused > 250);
    let mut video: Vec<u16> = left.iter().filter(|(ssrc, _)| *ssrc == 1).map(|(_, n)| *n).collect();
    while let Some(at) = desk.egress.poll_timeout() {
        desk.egress.flush(at, &desk.wire, &desk.counters);
        video.extend(desk.order().iter().map(|(_, n)| *n));
    }
    assert_eq!(video, (1..=400 - refused as u16).collect::<Vec<_>>());
}

#[test]
fn without_pacing_any_more_all_that_waits_leaves() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(300_000));
    desk.put(Traffic::Video, &[1_100; 60]);
    desk.flush(0);
    desk.egress.set_pacing(desk.at(1), SLOT, None);
    desk.flush(1);
    assert_eq!(desk.packets().len(), 60);
    assert_eq!(desk.egress.poll_timeout(), None);
}

#[test]
fn what_waits_for_old_keys_never_leaves_under_new_ones() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(300_000));
    desk.put(Traffic::Video, &[1_100; 60]);
    desk.flush(0);
    let left = desk.packets().len() as u64;
    desk.put(Traffic::Video, &[1_100; 2]);
    let profile = Profile::AeadAes128Gcm;
    let keys = KeyingMaterial::from_exporter(profile, &vec![8; profile.exporter_len()]).unwrap();
    desk.egress.set_sealer(SLOT, Some(Sealer::new(&keys)), &desk.counters);
    assert_eq!(desk.turned_away(DoorReason::NotConnected), 62 - left);
    desk.opener = Opener::new(&keys.mirrored());
    desk.flush(1_000);
    desk.flush(2_000);
    assert!(desk.packets().is_empty());
    desk.put(Traffic::Audio, &[1]);
    desk.flush(2_001);
    assert_eq!(desk.order(), [(0, 1)]);
}

#[test]
fn a_probe_takes_what_waits_first_and_is_recorded_with_all_that_left_for_it() {
    let mut desk = Desk::new(Profile::AeadAes128Gcm);
    desk.egress.set_pacing(desk.start, SLOT, Some(800_000));
    desk.put(Traffic::Video, &[952; 10]);
    desk.flush(0);
    let before = desk.packets().len();
    assert!(before < 10);
    for _ in 0..4 {
        desk.put(Traffic::Padding, &[0]);
    }
    desk.egress.set_probe(SLOT, Some(ProbeCluster(3)));
    let at = desk.at(1);
    desk.egress.flush_at_once(at, SLOT, 4_000, &desk.wire, &desk.counters);
    let sent = desk.egress.take_probe_sent(SLOT);
    let left = desk.packets();
    assert_eq!(left.iter().filter(|got| got.ssrc == 2).count(), 4);
    assert!((4_000..6_000).contains(&sent.bytes), "{sent:?}");
    assert_eq!(sent.packets, left.len());
    for got in &left {
        let packet = desk.egress.sent_log(SLOT).take(got.number.unwrap()).unwrap();
        assert_eq!(packet.probe, Some(ProbeCluster(3)));
    }
    desk.egress.set_probe(SLOT, None);
    desk.put(Traffic::Audio, &[9]);
    desk.flush(2);
    assert_eq!(desk.egress.take_probe_sent(SLOT), ProbeSent::default());
    let number = desk.packets()[0].number.unwrap();
    assert_eq!(desk.egress.sent_log(SLOT).take(number).unwrap().probe, None);
}
