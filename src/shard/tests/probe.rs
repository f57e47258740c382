//! Padding towards a subscriber, to see what the path carries.

use super::*;
use crate::media::Feedback;
use crate::media::estimate::{Probe, ProbeCluster};
use crate::packet::extension::{ExtensionKind, read_extensions};
use crate::packet::rtp::payload_len_without_padding;
use crate::shard::egress::ProbeSent;

const RTX_SSRC: u32 = 0x5ea8;
const RTX_PAYLOAD_TYPE: u8 = 97;
const NUMBER_ID: u8 = 3;

fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(ExtensionKind::TransportCc, NUMBER_ID);
    map
}

/// A subscriber with transport-wide numbers and an empty video seat, perhaps with RTX.
fn subscriber(shard: &mut Ready, rtx_ssrc: Option<u32>) -> Client {
    let client = Client::connect(shard, 2);
    shard.tell(ShardCommand::SetReceive {
        transport: client.transport,
        lines: Vec::new(),
        extensions: extensions(),
    });
    let mut payload_types = PayloadTypes::default();
    payload_types.add(Codec::Vp8, 96, rtx_ssrc.map(|_| RTX_PAYLOAD_TYPE));
    shard.tell(ShardCommand::AddEgress {
        transport: client.transport,
        egress: EGRESS,
        kind: Kind::Video,
        ssrc: SEAT_SSRC,
        rtx_ssrc,
        cname: "test".to_owned(),
        payload_types,
        feedback: Feedback::None,
    });
    client
}

/// What came: SSRC, payload type, sequence number, timestamp, transport-wide number and octets of payload of each packet.
fn received(client: &mut Client) -> Vec<(u32, u8, u16, u32, Option<u16>, usize)> {
    let (mut got, mut buffer) = (Vec::new(), [0; 2_000]);
    while let Ok(len) = client.socket.recv(&mut buffer) {
        let datagram = &mut buffer[..len];
        if (192..=223).contains(&datagram[1]) {
            continue;
        }
        let header = RtpHeader::parse(datagram).unwrap();
        let opened = client.opener.open_rtp(datagram, &header).unwrap();
        let plain = &datagram[..opened.len];
        let number = read_extensions(plain, &header, &extensions()).transport_cc;
        let payload = payload_len_without_padding(&header, plain).unwrap();
        got.push((
            header.ssrc,
            header.payload_type,
            header.sequence_number,
            header.timestamp,
            number,
            payload,
        ));
    }
    got
}

fn probe(shard: &mut Ready, client: &Client, cluster: u16, bytes: usize) -> ProbeSent {
    let slot = shard.shard.table.slot(client.transport).unwrap();
    let cluster = ProbeCluster(cluster);
    shard.shard.send_probe(Instant::now(), slot, Probe { cluster, bytes })
}

#[test]
fn a_probe_is_padding_on_the_rtx_stream_of_a_video_seat_empty_or_not() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let ann = Client::connect(shard, 1);
    ann.publish(shard, Kind::Video);
    let mut bob = subscriber(shard, Some(RTX_SSRC));
    let empty = probe(shard, &bob, 1, 2_000);
    assert_eq!((empty.packets, empty.bytes), (8, 8 * 260));
    let first = received(&mut bob);
    assert_eq!(first.len(), 8);

    shard.tell(ShardCommand::Bind {
        egress: EGRESS,
        source: SOURCE,
        limits: Limits::default(),
    });
    // A keyframe, so that the seat has a clock.
    ann.send(shard, Kind::Video, 7, 0, &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 1, 0, 1, 0]);
    let media = received(&mut bob);
    let taken = probe(shard, &bob, 2, 500);
    assert_eq!((taken.packets, taken.bytes), (2, 2 * 260));
    let second = received(&mut bob);

    let slot = shard.shard.table.slot(bob.transport).unwrap();
    let all = [first, media, second].concat();
    assert_eq!(all.len(), 11);
    let mut sequence = None;
    for (at, (ssrc, payload_type, number, timestamp, transport_wide, payload)) in all.iter().enumerate() {
        assert_eq!(*transport_wide, Some(at as u16), "numbered in the order it left");
        let sent = shard.shard.egress.sent_log(slot).take(at as u16).unwrap();
        let cluster = match at {
            // Between two probes all that leaves belongs to the first.
            0..=8 => 1,
            _ => 2,
        };
        assert_eq!(sent.probe, Some(ProbeCluster(cluster)));
        if *ssrc == SEAT_SSRC {
            assert_eq!((*payload_type, *payload), (96, 11));
            continue;
        }
        assert_eq!((*ssrc, *payload_type, *payload), (RTX_SSRC, RTX_PAYLOAD_TYPE, 0));
        assert!(
            sequence
                .replace(*number)
                .is_none_or(|before: u16| *number == before.wrapping_add(1))
        );
        if at > 8 {
            assert_eq!(*timestamp, all[8].3, "the seat's clock");
        }
    }
}

#[test]
fn media_that_left_meanwhile_needs_no_padding() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let ann = Client::connect(shard, 1);
    ann.publish(shard, Kind::Video);
    let mut bob = subscriber(shard, Some(RTX_SSRC));
    shard.tell(ShardCommand::Bind {
        egress: EGRESS,
        source: SOURCE,
        limits: Limits::default(),
    });
    probe(shard, &bob, 1, 1);
    let mut keyframe = vec![0; 1_000];
    keyframe[0] = 0x10;
    ann.send(shard, Kind::Video, 7, 0, &keyframe);
    received(&mut bob);
    let sent = probe(shard, &bob, 1, 1_500);
    assert_eq!(sent.packets, 1 + 2);
    assert_eq!(received(&mut bob).len(), 2);
    let slot = shard.shard.table.slot(bob.transport).unwrap();
    shard.shard.egress.set_probe(slot, None);
    ann.send(shard, Kind::Video, 7, 1, &[0x10, 1, 0, 0]);
    let number = received(&mut bob)[0].4.unwrap();
    assert_eq!(shard.shard.egress.sent_log(slot).take(number).unwrap().probe, None);
}

#[test]
fn without_rtx_nothing_is_padded() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let mut bob = subscriber(shard, None);
    assert_eq!(probe(shard, &bob, 1, 5_000), ProbeSent::default());
    assert!(received(&mut bob).is_empty());
}
