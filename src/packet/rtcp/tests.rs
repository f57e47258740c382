use proptest::prelude::*;

use super::*;

mod agreement;
mod transport_cc;

fn one(compound: &[u8]) -> RtcpBlock<'_> {
    let mut all = blocks(compound);
    let block = all.next().expect("one block");
    assert!(all.next().is_none(), "only one block");
    block
}

fn report(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 12,
        cumulative_lost: -3,
        extended_highest_sequence: 0x0001_0002,
        jitter: 77,
        last_sr: 0xaabb_ccdd,
        delay_since_last_sr: 65536,
    }
}

#[test]
fn a_sender_report_reads_back_and_overflows_into_receiver_reports() {
    let info = SenderInfo {
        ntp: 0x0102_0304_0506_0708,
        rtp_timestamp: 9,
        packet_count: 10,
        octet_count: 11,
    };
    assert_eq!(info.compact_ntp(), 0x0304_0506);
    let reports: Vec<_> = (0..70).map(report).collect();
    let mut out = Vec::new();
    write::sender_report(&mut out, 5, &info, &reports);
    let mut read = Vec::new();
    for (index, block) in blocks(&out).enumerate() {
        if let RtcpBlock::SenderReport {
            ssrc: 5,
            info: found,
            reports,
        } = block
        {
            assert_eq!((index, found), (0, info));
            read.extend(reports);
        } else {
            let RtcpBlock::ReceiverReport { ssrc: 5, reports } = block else {
                panic!("{block:?}")
            };
            read.extend(reports);
        }
    }
    assert_eq!(read, reports);
}

#[test]
fn an_empty_receiver_report_is_a_report() {
    let mut out = Vec::new();
    write::receiver_report(&mut out, 5, &[]);
    assert_eq!(out, [0x80, 201, 0, 1, 0, 0, 0, 5]);
    assert!(matches!(one(&out), RtcpBlock::ReceiverReport { ssrc: 5, reports } if reports.count() == 0));
}

#[test]
fn cumulative_loss_is_signed_and_clamped_to_24_bits() {
    for (given, expected) in [
        (-1, -1),
        (0x7f_ffff, 0x7f_ffff),
        (i32::MAX, 0x7f_ffff),
        (i32::MIN, -0x80_0000),
    ] {
        let mut out = Vec::new();
        write::receiver_report(
            &mut out,
            5,
            &[ReportBlock {
                cumulative_lost: given,
                ..report(1)
            }],
        );
        let RtcpBlock::ReceiverReport { mut reports, .. } = one(&out) else {
            panic!()
        };
        assert_eq!(reports.next().unwrap().cumulative_lost, expected);
    }
}

#[test]
fn a_report_of_31_streams_cut_short_is_dropped_and_the_block_after_it_read() {
    let mut out = vec![0x80 | 31, 201, 0, 7, 0, 0, 0, 5];
    out.extend_from_slice(&report(1).to_bytes());
    write::pli(&mut out, 1, 2);
    assert!(matches!(
        one(&out),
        RtcpBlock::Pli {
            sender_ssrc: 1,
            media_ssrc: 2
        }
    ));
}

#[test]
fn a_block_past_the_end_ends_the_compound() {
    let mut out = Vec::new();
    write::pli(&mut out, 1, 2);
    out.extend_from_slice(&[0x81, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2]);
    assert!(matches!(one(&out), RtcpBlock::Pli { .. }));
    for len in 0..12 {
        assert_eq!(blocks(&out[..len]).count(), 0);
    }
}

#[test]
fn padding_is_taken_off_and_a_wrong_count_drops_the_block() {
    let mut out = vec![0xa0, 203, 0, 2, 0, 0, 0, 9, 0, 0, 0, 4];
    out[0] |= 1;
    assert!(matches!(one(&out), RtcpBlock::Bye { ssrcs } if ssrcs.eq([9])));
    for count in [0, 5, 9, 255] {
        out[11] = count;
        assert_eq!(blocks(&out).count(), 0, "padding {count}");
    }
}

#[test]
fn a_nack_gives_its_sequence_numbers_in_order_across_the_wrap() {
    let lost = [0xfff0, 0xfff1, 0xffff, 0, 1, 17, 18, 500];
    let mut out = Vec::new();
    write::nack(&mut out, 1, 2, lost);
    assert_eq!(out.len(), 12 + 4 * 4);
    let RtcpBlock::Nack {
        sender_ssrc: 1,
        media_ssrc: 2,
        lost: found,
    } = one(&out)
    else {
        panic!()
    };
    assert_eq!(found.collect::<Vec<_>>(), lost);
}

#[test]
fn nothing_lost_is_no_nack_and_too_much_is_cut() {
    let mut out = Vec::new();
    write::nack(&mut out, 1, 2, []);
    assert!(out.is_empty());
    write::nack(&mut out, 1, 2, (0..1000).map(|index| index * 20));
    let RtcpBlock::Nack { lost, .. } = one(&out) else {
        panic!()
    };
    assert_eq!(lost.count(), 255);
}

#[test]
fn a_fir_reads_back() {
    let entries = [
        FirEntry {
            ssrc: 7,
            sequence_number: 255,
        },
        FirEntry {
            ssrc: 8,
            sequence_number: 0,
        },
    ];
    let mut out = Vec::new();
    write::fir(&mut out, 1, &entries);
    let RtcpBlock::Fir {
        sender_ssrc: 1,
        entries: found,
    } = one(&out)
    else {
        panic!()
    };
    assert_eq!(found.collect::<Vec<_>>(), entries);
}

#[test]
fn a_bitrate_beyond_64_bits_is_no_limit() {
    let mut out = Vec::new();
    write::remb(&mut out, 1, 0, &[2, 3]);
    out[17] = 63 << 2 | 3;
    let RtcpBlock::Remb { bitrate_bps, ssrcs, .. } = one(&out) else {
        panic!()
    };
    assert_eq!(bitrate_bps, u64::MAX);
    assert_eq!(ssrcs.collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn application_feedback_that_is_not_remb_is_other() {
    let block = [0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, b'B', b'M', b'E', b'R'];
    assert!(matches!(
        one(&block),
        RtcpBlock::Other {
            packet_type: 206,
            count: 15
        }
    ));
}

#[test]
fn extended_reports_read_back() {
    let delays = [
        DelaySinceRr {
            ssrc: 1,
            last_rr: 2,
            delay: 3,
        },
        DelaySinceRr {
            ssrc: 4,
            last_rr: 5,
            delay: 6,
        },
    ];
    let mut out = Vec::new();
    write::xr_reference_time(&mut out, 9, 0x0102_0304_0506_0708);
    let RtcpBlock::Xr { ssrc: 9, mut blocks } = one(&out) else {
        panic!()
    };
    assert!(matches!(
        blocks.next(),
        Some(XrBlock::ReceiverReferenceTime {
            ntp: 0x0102_0304_0506_0708
        })
    ));
    out.clear();
    write::xr_delay_since_rr(&mut out, 9, &delays);
    let RtcpBlock::Xr { mut blocks, .. } = one(&out) else {
        panic!()
    };
    let Some(XrBlock::DelaySinceLastRr(found)) = blocks.next() else {
        panic!()
    };
    assert_eq!(found.collect::<Vec<_>>(), delays);
    assert!(blocks.next().is_none());
}

#[test]
fn a_source_description_gives_each_source_its_name() {
    // An unknown item in front of the name, then a source without one.
    let block = [
        0x82, 202, 0, 6, 0, 0, 0, 1, 8, 2, b'p', b'r', 1, 3, b'a', b'b', b'c', 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0,
    ];
    let RtcpBlock::Sdes { chunks } = one(&block) else {
        panic!()
    };
    let expected = [
        SdesChunk {
            ssrc: 1,
            cname: Some(&b"abc"[..]),
        },
        SdesChunk { ssrc: 2, cname: None },
    ];
    assert_eq!(chunks.collect::<Vec<_>>(), expected);
}

/// Goes through all there is in it.
fn exhaust(compound: &[u8]) {
    for block in blocks(compound) {
        match block {
            RtcpBlock::SenderReport { reports, .. } | RtcpBlock::ReceiverReport { reports, .. } => {
                assert!(reports.count() <= 31);
            }
            RtcpBlock::Sdes { chunks } => assert!(chunks.count() <= 31),
            RtcpBlock::Bye { ssrcs } => assert!(ssrcs.count() <= 31),
            RtcpBlock::Remb { ssrcs, .. } => assert!(ssrcs.count() <= 255),
            RtcpBlock::Nack { lost, .. } => assert!(lost.count() <= compound.len() / 4 * 17),
            RtcpBlock::Fir { entries, .. } => assert!(entries.count() <= compound.len() / 8),
            RtcpBlock::TransportCc(feedback) => {
                assert_eq!(feedback.arrivals().count(), usize::from(feedback.status_count));
            }
            RtcpBlock::Xr { blocks, .. } => {
                for block in blocks {
                    match block {
                        XrBlock::DelaySinceLastRr(delays) => assert!(delays.count() <= compound.len() / 12),
                        XrBlock::ReceiverReferenceTime { .. } | XrBlock::Other { .. } => {}
                    }
                }
            }
            RtcpBlock::Pli { .. } | RtcpBlock::Other { .. } => {}
        }
    }
}

proptest! {
    #[test]
    fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        exhaust(&bytes);
    }

    #[test]
    fn never_panics_on_any_body_of_a_known_block(
        (first, packet_type) in (0x80..=0xbf_u8, prop_oneof![200..208_u8, Just(205), Just(206)]),
        body in proptest::collection::vec(any::<u8>(), 0..120),
        flips in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
    ) {
        let mut block = vec![first, packet_type, 0, u8::try_from(body.len() / 4).unwrap()];
        block.extend_from_slice(&body[..body.len() / 4 * 4]);
        exhaust(&block);
        for flip in flips {
            let at = flip.index(block.len());
            block[at] ^= 0x0f;
            exhaust(&block);
        }
    }

    #[test]
    fn a_nack_reads_back(gaps in proptest::collection::vec(1..40_u16, 1..100), start in any::<u16>()) {
        let lost: Vec<u16> = gaps.iter().scan(start, |at, gap| { *at = at.wrapping_add(*gap); Some(*at) }).collect();
        let mut out = Vec::new();
        write::nack(&mut out, 1, 2, lost.iter().copied());
        let RtcpBlock::Nack { lost: found, .. } = one(&out) else { panic!() };
        prop_assert_eq!(found.collect::<Vec<_>>(), lost);
    }

    #[test]
    fn a_remb_keeps_18_bits_of_the_bitrate(bitrate in any::<u64>(), shift in 0..64_u32) {
        let bitrate = bitrate >> shift;
        let mut out = Vec::new();
        write::remb(&mut out, 1, bitrate, &[2]);
        let RtcpBlock::Remb { bitrate_bps, .. } = one(&out) else { panic!() };
        prop_assert!(bitrate_bps <= bitrate && bitrate - bitrate_bps <= bitrate >> 17);
    }
}
