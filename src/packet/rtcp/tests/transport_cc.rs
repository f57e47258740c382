use proptest::prelude::*;
use rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};

use super::super::*;
use super::one;

/// A block with these chunks and deltas, whatever they cover.
fn feedback(count: u16, chunks: &[u16], deltas: &[u8]) -> Vec<u8> {
    let mut block = vec![0x8f, 205, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xfe];
    block.extend_from_slice(&count.to_be_bytes());
    block.extend_from_slice(&[0, 0, 3, 7]);
    chunks
        .iter()
        .for_each(|chunk| block.extend_from_slice(&chunk.to_be_bytes()));
    block.extend_from_slice(deltas);
    block.resize(block.len().next_multiple_of(4), 0);
    let words = u16::try_from(block.len() / 4 - 1).unwrap();
    block[2..4].copy_from_slice(&words.to_be_bytes());
    block
}

fn arrivals(block: &[u8]) -> Vec<(u16, Option<i64>)> {
    let RtcpBlock::TransportCc(feedback) = one(block) else {
        panic!("not feedback")
    };
    feedback.arrivals().collect()
}

#[test]
fn a_count_of_65535_with_one_chunk_is_dropped() {
    for chunk in [0x0000, 0x1fff, 0x3fff, 0x5fff, 0x8000, 0xbfff, 0xc000, 0xffff] {
        assert_eq!(blocks(&feedback(65_535, &[chunk], &[0; 64])).count(), 0, "{chunk:#x}");
    }
}

#[test]
fn a_count_of_65535_that_is_covered_is_read_to_its_end() {
    let found = arrivals(&feedback(65_535, &[0x1fff; 9], &[]));
    assert_eq!(found.len(), 65_535);
    assert!(found.iter().all(|(_, arrival)| arrival.is_none()));
    assert_eq!((found[0].0, found[65_534].0), (0xfffe, 0xfffc));
}

#[test]
fn a_count_of_0_is_lawful() {
    assert_eq!(arrivals(&feedback(0, &[], &[])), []);
}

#[test]
fn reads_runs_of_small_and_large_deltas() {
    let found = arrivals(&feedback(4, &[0x2002, 0x4002], &[4, 8, 0xff, 0xff, 0x7f, 0xff]));
    let expected = [
        (0xfffe, Some(1000)),
        (0xffff, Some(3000)),
        (0, Some(2750)),
        (1, Some(8_194_500)),
    ];
    assert_eq!(found, expected);
}

#[test]
fn reads_vectors_of_one_and_two_bits_and_ignores_the_symbols_past_the_count() {
    let one_bit = 0x8000 | 0b10_1000_0000_0000 | 1;
    assert_eq!(
        arrivals(&feedback(3, &[one_bit], &[1, 1]))[..],
        [(0xfffe, Some(250)), (0xffff, None), (0, Some(500))]
    );
    let two_bits = 0xc000 | 0b01_00_10_11_01_01_01_u16;
    let expected = [(0xfffe, Some(250)), (0xffff, None), (0, Some(-250)), (1, None)];
    assert_eq!(arrivals(&feedback(4, &[two_bits], &[1, 0xff, 0xfe])), expected);
}

#[test]
fn a_run_of_length_0_says_nothing() {
    assert_eq!(
        arrivals(&feedback(1, &[0, 0x2000, 0x2001], &[2])),
        [(0xfffe, Some(500))]
    );
}

#[test]
fn deltas_cut_short_drop_the_block() {
    assert_eq!(blocks(&feedback(7, &[0x2007], &[1, 2, 3, 4, 5, 6])).count(), 0);
    assert_eq!(blocks(&feedback(4, &[0x4004], &[0, 1, 0, 2])).count(), 0);
}

#[test]
fn the_reference_time_runs_on_across_its_wrap_in_both_directions() {
    let mut clock = ReferenceClock::default();
    assert_eq!(clock.unwrap_us(0xff_fffe), 0xff_fffe * 64_000);
    assert_eq!(clock.unwrap_us(1), 0x100_0001 * 64_000);
    assert_eq!(clock.unwrap_us(0xff_ffff), 0xff_ffff * 64_000);
    assert_eq!(clock.unwrap_us(2), 0x100_0002 * 64_000);
    assert_eq!(clock.unwrap_us(0x7f_ffff), 0x17f_ffff * 64_000);
    assert_eq!(clock.unwrap_us(0xff_fffe), 0x1ff_fffe * 64_000);
}

/// All feedback for `packets`, and what it says on the clock the arrivals were given on.
fn report_all(packets: &[(u16, Option<u64>)]) -> Vec<(u16, Option<i64>)> {
    let mut clock = ReferenceClock::default();
    let mut found = Vec::new();
    let mut rest = packets;
    for count in 0_u8.. {
        let mut out = Vec::new();
        let reported = write::transport_cc(&mut out, 1, 2, count, rest);
        if reported == 0 {
            assert!(out.is_empty());
            break;
        }
        assert!(out.len() <= write::MAX_TRANSPORT_CC_LEN && out.len() % 4 == 0);
        let RtcpBlock::TransportCc(feedback) = one(&out) else {
            panic!("not feedback")
        };
        assert_eq!(
            (feedback.sender_ssrc, feedback.media_ssrc, feedback.feedback_count),
            (1, 2, count)
        );
        let reference = clock.unwrap_us(feedback.reference_time);
        found.extend(
            feedback
                .arrivals()
                .map(|(sequence, arrival)| (sequence, arrival.map(|us| us + reference))),
        );
        rest = &rest[reported..];
        if rest.is_empty() {
            break;
        }
    }
    found
}

/// What `packets` say, with the numbers left out filled in and times in steps of 250 us.
fn filled(packets: &[(u16, Option<u64>)]) -> Vec<(u16, Option<i64>)> {
    let mut filled = Vec::new();
    for &(sequence, arrival) in packets {
        while let Some(&(last, _)) = filled.last() {
            let next = u16::wrapping_add(last, 1);
            if next == sequence {
                break;
            }
            filled.push((next, None));
        }
        filled.push((sequence, arrival.map(|us| i64::try_from(us / 250 * 250).unwrap())));
    }
    filled
}

#[test]
fn nothing_arrived_is_no_feedback() {
    let mut out = Vec::new();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &[]), 0);
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &[(1, None), (2, None)]), 0);
    assert!(out.is_empty());
}

#[test]
fn a_pause_longer_than_a_delta_begins_new_feedback() {
    let packets = [
        (1, Some(1_000_000)),
        (2, Some(9_191_750)),
        (3, Some(17_383_500)),
        (4, Some(26_000_000)),
    ];
    let mut out = Vec::new();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &packets), 3);
    assert_eq!(report_all(&packets), filled(&packets));
}

#[test]
fn a_gap_takes_few_octets_however_long() {
    let packets = [(0, Some(0)), (32_768, Some(1000)), (65_534, Some(2000))];
    let mut out = Vec::new();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &packets), 3);
    assert!(out.len() < 60);
    assert_eq!(report_all(&packets), filled(&packets));
}

#[test]
fn no_feedback_counts_beyond_65535() {
    let packets = [
        (0, Some(0)),
        (30_000, None),
        (60_000, None),
        (65_534, Some(1)),
        (65_535, Some(2)),
        (0, Some(3)),
    ];
    let mut out = Vec::new();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &packets), 4);
}

#[test]
fn a_packet_behind_its_predecessor_ends_the_feedback() {
    let mut out = Vec::new();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &[(5, Some(0)), (4, Some(1))]), 1);
    out.clear();
    assert_eq!(write::transport_cc(&mut out, 1, 2, 0, &[(5, Some(0)), (5, Some(1))]), 1);
}

#[test]
fn a_clock_past_the_wrap_of_the_reference_time_keeps_its_distances() {
    let wrap_us = (1_u64 << 24) * 64_000;
    let packets = [(10, Some(wrap_us - 500)), (11, Some(wrap_us + 70_000))];
    assert_eq!(report_all(&packets), filled(&packets));
}

/// Mostly steady streams, with loss, reordering, pauses and gaps.
fn any_packets() -> impl Strategy<Value = Vec<(u16, Option<u64>)>> {
    let step = prop_oneof![10 => Just(1_u16), 2 => 2..30_u16, 1 => 30..3000_u16];
    let delta = prop_oneof![
        10 => 0..5_000_i64, 3 => -5_000..0_i64, 3 => 63_000..66_000_i64, 1 => 8_000_000..9_000_000_i64
    ];
    let packet = (step, proptest::option::weighted(0.8, delta));
    (any::<u16>(), 0..1_u64 << 39, proptest::collection::vec(packet, 1..900)).prop_map(|(base, start, packets)| {
        let mut sequence = base;
        let mut now = i64::try_from(start).unwrap() + 10_000_000;
        packets
            .into_iter()
            .map(|(step, delta)| {
                sequence = sequence.wrapping_add(step);
                let arrival = delta.map(|delta| {
                    now += delta;
                    u64::try_from(now).unwrap()
                });
                (sequence, arrival)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_was_reported_reads_back(packets in any_packets()) {
        let found = report_all(&packets);
        let mut expected = filled(&packets);
        // Losses at the end of it all wait for an arrival; and each block begins at a packet, not inside a gap.
        let mut found = found.into_iter().peekable();
        for (sequence, arrival) in expected.drain(..) {
            match found.peek() {
                Some((next, _)) if *next == sequence => {
                    prop_assert_eq!(found.next().unwrap().1, arrival);
                }
                _ => prop_assert_eq!(arrival, None),
            }
        }
        prop_assert!(found.next().is_none());
    }

    #[test]
    fn an_independent_reader_sees_the_same(packets in any_packets()) {
        let mut out = Vec::new();
        if write::transport_cc(&mut out, 1, 2, 3, &packets) > 0 {
            let RtcpBlock::TransportCc(ours) = one(&out) else { panic!("not feedback") };
            let theirs = rtcp::packet::unmarshal(&mut &out[..]).unwrap();
            let theirs = theirs[0].as_any().downcast_ref::<TransportLayerCc>().unwrap();
            prop_assert_eq!(theirs.base_sequence_number, ours.base_sequence);
            prop_assert_eq!(theirs.packet_status_count, ours.status_count);
            prop_assert_eq!(theirs.reference_time, ours.reference_time);
            let mut symbols = Vec::new();
            for chunk in &theirs.packet_chunks {
                match chunk {
                    PacketStatusChunk::RunLengthChunk(run) => {
                        symbols.extend((0..run.run_length).map(|_| run.packet_status_symbol));
                    }
                    PacketStatusChunk::StatusVectorChunk(vector) => symbols.extend(&vector.symbol_list),
                }
            }
            let mut deltas = theirs.recv_deltas.iter();
            let mut at = 0;
            for ((_, arrival), symbol) in ours.arrivals().zip(symbols) {
                let received = symbol != SymbolTypeTcc::PacketNotReceived;
                prop_assert_eq!(arrival.is_some(), received);
                if received {
                    at += deltas.next().unwrap().delta;
                    prop_assert_eq!(arrival, Some(at));
                }
            }
        }
    }
}
