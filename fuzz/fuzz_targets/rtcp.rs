//! A compound, each block of it read to its end.
#![no_main]

use enfilade::packet::rtcp::{RtcpBlock, XrBlock, blocks};

libfuzzer_sys::fuzz_target!(|compound: &[u8]| {
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
                    if let XrBlock::DelaySinceLastRr(delays) = block {
                        assert!(delays.count() <= compound.len() / 12);
                    }
                }
            }
            RtcpBlock::Pli { .. } | RtcpBlock::Other { .. } => {}
        }
    }
});
