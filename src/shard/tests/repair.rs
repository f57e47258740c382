//! What is missing is asked for, and who only receives learns the round trip.

use std::time::{Duration, Instant};

use super::{Client, shards};
use crate::packet::Kind;
use crate::packet::rtcp::{DelaySinceRr, RtcpBlock, XrBlock, blocks, write};
use crate::shard::Arrival;

impl Client {
    /// Blocks of the RTCP that came, as far as `wanted` has an answer.
    fn heard<T>(&mut self, wanted: impl Fn(RtcpBlock<'_>) -> Vec<T>) -> Vec<T> {
        let (mut heard, mut buffer) = (Vec::new(), [0; 2_000]);
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let datagram = &mut buffer[..len];
            assert!((192..=223).contains(&datagram[1]), "media for nobody");
            let len = self.opener.open_rtcp(datagram).unwrap();
            heard.extend(blocks(&datagram[..len]).flat_map(&wanted));
        }
        heard
    }
}

#[test]
fn who_asks_for_the_round_trip_is_answered_at_once() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let mut bob = Client::connect(shard, 1);
    let mut compound = Vec::new();
    write::receiver_report(&mut compound, 7, &[]);
    write::xr_reference_time(&mut compound, 7, 0x0123_4567_89ab_cdef);
    write::xr_reference_time(&mut compound, 8, 0x1123_4567_89ab_cdef);
    // A flood of questions has room for a few answers.
    for ssrc in 9..40 {
        write::xr_reference_time(&mut compound, ssrc, 1 << 40);
    }
    bob.sealer.seal_rtcp(&mut compound).unwrap();
    let arrival = Arrival::udp(bob.socket.local_addr().unwrap());
    shard.shard.handle_datagram(Instant::now(), arrival, &mut compound);
    let told = bob.heard(|block| {
        let RtcpBlock::Xr { blocks, .. } = block else {
            return Vec::new();
        };
        blocks
            .flat_map(|block| match block {
                XrBlock::DelaySinceLastRr(delays) => delays.collect(),
                XrBlock::ReceiverReferenceTime { .. } | XrBlock::Other { .. } => Vec::new(),
            })
            .collect()
    });
    let answer = |ssrc, last_rr| DelaySinceRr {
        ssrc,
        last_rr,
        delay: 0,
    };
    assert_eq!(told[..2], [answer(7, 0x4567_89ab), answer(8, 0x4567_89ab)]);
    assert_eq!(told.len(), 8);
}

#[test]
fn a_packet_that_is_missing_is_asked_for_without_waiting_for_a_tick() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let mut ann = Client::connect(shard, 1);
    ann.publish(shard, Kind::Video);
    let nacks = |block: RtcpBlock<'_>| {
        if let RtcpBlock::Nack { lost, .. } = block {
            lost.collect()
        } else {
            Vec::new()
        }
    };
    for index in [10, 11, 14] {
        ann.send(shard, Kind::Video, 5, index, &[0x10, 1]);
    }
    let due = shard.shard.nacks_at.unwrap();
    shard.shard.run_nacks(due - Duration::from_micros(1));
    assert!(ann.heard(nacks).is_empty(), "they may have been overtaken");
    shard.shard.run_nacks(due);
    assert_eq!(ann.heard(nacks), [12, 13]);
    let again = shard.shard.nacks_at.unwrap();
    assert!(again >= due + Duration::from_millis(20));
    shard.shard.run_nacks(again - Duration::from_micros(1));
    assert!(ann.heard(nacks).is_empty());
    shard.shard.run_nacks(again);
    assert_eq!(ann.heard(nacks), [12, 13]);
}
