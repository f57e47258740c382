//! What we build, an independent reader understands.

use proptest::prelude::*;
use rtcp::extended_report::{DLRRReport, DLRRReportBlock, ExtendedReport, ReceiverReferenceTimeReportBlock};
use rtcp::goodbye::Goodbye;
use rtcp::packet::Packet;
use rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtcp::receiver_report::ReceiverReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::SourceDescription;
use rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;

use super::super::*;
use super::report;

fn theirs<P: Packet + Clone + 'static>(build: impl FnOnce(&mut Vec<u8>)) -> P {
    let mut out = Vec::new();
    build(&mut out);
    let packets = rtcp::packet::unmarshal(&mut &out[..]).unwrap();
    assert_eq!(packets.len(), 1);
    packets[0].as_any().downcast_ref::<P>().expect("of this kind").clone()
}

#[test]
fn on_sender_reports() {
    let info = SenderInfo {
        ntp: 1 << 40,
        rtp_timestamp: 9,
        packet_count: 10,
        octet_count: 11,
    };
    let block = ReportBlock {
        cumulative_lost: 3,
        ..report(6)
    };
    let sr: SenderReport = theirs(|out| write::sender_report(out, 5, &info, &[block]));
    assert_eq!(
        (sr.ssrc, sr.ntp_time, sr.rtp_time, sr.packet_count, sr.octet_count),
        (5, 1 << 40, 9, 10, 11)
    );
    let found = &sr.reports[0];
    assert_eq!((found.ssrc, found.fraction_lost, found.total_lost), (6, 12, 3));
    assert_eq!((found.last_sequence_number, found.jitter), (0x0001_0002, 77));
    assert_eq!((found.last_sender_report, found.delay), (0xaabb_ccdd, 65536));
}

#[test]
fn on_receiver_reports() {
    let rr: ReceiverReport = theirs(|out| write::receiver_report(out, 5, &[report(6), report(7)]));
    assert_eq!((rr.ssrc, rr.reports.len(), rr.reports[1].ssrc), (5, 2, 7));
}

#[test]
fn on_source_descriptions_whatever_the_padding() {
    for len in 0..9 {
        let name = "abcdefgh".get(..len).unwrap();
        let sdes: SourceDescription = theirs(|out| write::sdes_cname(out, 5, name));
        assert_eq!(sdes.chunks[0].source, 5);
        assert_eq!(sdes.chunks[0].items[0].text, name);
        let mut ours = Vec::new();
        write::sdes_cname(&mut ours, 5, name);
        let Some(RtcpBlock::Sdes { mut chunks }) = blocks(&ours).next() else {
            panic!()
        };
        assert_eq!(chunks.next().unwrap().cname, Some(name.as_bytes()));
    }
}

#[test]
fn on_goodbyes_and_requests_for_keyframes() {
    let bye: Goodbye = theirs(|out| write::bye(out, &[1, 2, 3]));
    assert_eq!(bye.sources, [1, 2, 3]);
    let pli: PictureLossIndication = theirs(|out| write::pli(out, 1, 2));
    assert_eq!((pli.sender_ssrc, pli.media_ssrc), (1, 2));
    let fir: FullIntraRequest = theirs(|out| {
        write::fir(
            out,
            1,
            &[FirEntry {
                ssrc: 2,
                sequence_number: 200,
            }],
        )
    });
    assert_eq!(
        (fir.sender_ssrc, fir.fir[0].ssrc, fir.fir[0].sequence_number),
        (1, 2, 200)
    );
}

#[test]
fn on_extended_reports() {
    let xr: ExtendedReport = theirs(|out| write::xr_reference_time(out, 1, 1 << 50));
    assert_eq!(xr.sender_ssrc, 1);
    let block = xr.reports[0]
        .as_any()
        .downcast_ref::<ReceiverReferenceTimeReportBlock>()
        .unwrap();
    assert_eq!(block.ntp_timestamp, 1 << 50);
    let delay = DelaySinceRr {
        ssrc: 2,
        last_rr: 3,
        delay: 4,
    };
    let xr: ExtendedReport = theirs(|out| write::xr_delay_since_rr(out, 1, &[delay]));
    let block = xr.reports[0].as_any().downcast_ref::<DLRRReportBlock>().unwrap();
    assert_eq!(
        block.reports,
        [DLRRReport {
            ssrc: 2,
            last_rr: 3,
            dlrr: 4
        }]
    );
}

proptest! {
    #[test]
    fn on_nacks(gaps in proptest::collection::vec(1..40_u16, 1..60), start in any::<u16>()) {
        let lost: Vec<u16> = gaps.iter().scan(start, |at, gap| { *at = at.wrapping_add(*gap); Some(*at) }).collect();
        let nack: TransportLayerNack = theirs(|out| write::nack(out, 1, 2, lost.iter().copied()));
        let found: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        prop_assert_eq!(found, lost);
    }

    #[test]
    fn on_bitrates(bitrate in 1..1_u64 << 40) {
        let remb: ReceiverEstimatedMaximumBitrate = theirs(|out| write::remb(out, 1, bitrate, &[2, 3]));
        let ratio = f64::from(remb.bitrate) / bitrate as f64;
        prop_assert!((0.9999..1.0001).contains(&ratio), "{} for {bitrate}", remb.bitrate);
        prop_assert_eq!(remb.ssrcs, [2, 3]);
    }
}
