//! What the other side's RTCP asks for: reports, keyframes, packets again.

use std::time::Instant;

use arrayvec::ArrayVec;

use super::Shard;
use super::counters::DoorReason;
use super::downlinks::Reported;
use super::transports::Seat;
use crate::media::{EgressKey, KeyframeRequest, SourceKey, TransportSlot, report};
use crate::packet::rtcp::{
    self, DelaySinceRr, ReportBlock, ReportBlocks, RtcpBlock, SenderInfo, XrBlock, XrBlocks, write,
};

/// A NACK naming more than this is no repair any more; the rest is answered by a keyframe, if at all (T26).
const NACKED_PER_BLOCK_MAX: usize = 256;

/// Packets that the feedback in one datagram may tell about: no more than are remembered of a path. Forty bytes can claim to tell
/// about 65 535 of them, and a datagram has room for many such claims (T16).
const FEEDBACK_PACKETS_MAX: u16 = 1 << 14;

/// Reference times of one datagram that are answered. A browser has one for each seat, in datagrams of their own.
const REFERENCE_TIMES_MAX: usize = 8;

/// The blocks of a compound, without those whose claims would take too long to look at.
fn bounded_blocks(compound: &[u8]) -> impl Iterator<Item = Result<RtcpBlock<'_>, DoorReason>> {
    let mut left = FEEDBACK_PACKETS_MAX;
    rtcp::blocks(compound).map(move |block| {
        if let RtcpBlock::TransportCc(feedback) = &block {
            left = left
                .checked_sub(feedback.status_count)
                .ok_or(DoorReason::FeedbackTooLong)?;
        }
        Ok(block)
    })
}

/// What is asked by reference times (RFC 3611 section 4.4), with the answers.
fn note_reference_times(ssrc: u32, blocks: XrBlocks<'_>, asked: &mut ArrayVec<DelaySinceRr, REFERENCE_TIMES_MAX>) {
    for block in blocks {
        if let XrBlock::ReceiverReferenceTime { ntp } = block {
            // More than there is room for are nobody's.
            let _ = asked.try_push(DelaySinceRr {
                ssrc,
                last_rr: (ntp >> 16) as u32,
                delay: 0,
            });
        }
    }
}

impl Shard {
    pub(super) fn handle_rtcp(
        &mut self,
        now: Instant,
        slot: TransportSlot,
        datagram: &mut [u8],
    ) -> Result<(), DoorReason> {
        let entry = &mut self.transports[slot.0 as usize];
        let opener = entry.opener.as_mut().ok_or(DoorReason::NoKeys)?;
        let len = opener.open_rtcp(datagram).map_err(|_| DoorReason::Unauthentic)?;
        let mut asked = ArrayVec::new();
        for block in bounded_blocks(&datagram[..len]) {
            match block {
                Ok(RtcpBlock::Xr { ssrc, blocks }) => note_reference_times(ssrc, blocks, &mut asked),
                Ok(block) => self.handle_block(now, slot, block),
                Err(reason) => self.counters.turn_away(reason),
            }
        }
        self.answer_reference_times(slot, &asked);
        Ok(())
    }

    /// Who only receives has no other way to learn the round trip, and without it waits too long before it asks again for a packet
    /// whose second copy was lost as well. Answered at once, so there is no delay to tell.
    fn answer_reference_times(&mut self, slot: TransportSlot, asked: &[DelaySinceRr]) {
        if asked.is_empty() {
            return;
        }
        let mut compound = std::mem::take(&mut self.scratch);
        compound.clear();
        write::xr_delay_since_rr(&mut compound, self.transports[slot.0 as usize].rtcp_ssrc, asked);
        self.egress.send_rtcp(slot, &mut compound, &self.ways, &self.counters);
        self.scratch = compound;
    }

    fn handle_block(&mut self, now: Instant, slot: TransportSlot, block: RtcpBlock<'_>) {
        match block {
            RtcpBlock::SenderReport { ssrc, info, reports } => {
                self.handle_sender_report(now, slot, ssrc, &info);
                self.handle_reports(now, slot, reports);
            }
            RtcpBlock::ReceiverReport { ssrc: _, reports } => self.handle_reports(now, slot, reports),
            RtcpBlock::Pli {
                sender_ssrc: _,
                media_ssrc,
            } => {
                self.want_keyframe(now, slot, media_ssrc, KeyframeRequest::Pli);
            }
            RtcpBlock::Fir {
                sender_ssrc: _,
                entries,
            } => {
                for entry in entries {
                    self.want_keyframe(
                        now,
                        slot,
                        entry.ssrc,
                        KeyframeRequest::Fir {
                            sequence: entry.sequence_number,
                        },
                    );
                }
            }
            RtcpBlock::Nack {
                sender_ssrc: _,
                media_ssrc,
                lost,
            } => {
                let Some((egress, source)) = self.bound(slot, media_ssrc) else {
                    return;
                };
                let Some(entry) = self.sources.get_mut(source) else {
                    return;
                };
                let mut sink = self.egress.sink(now, &self.ways, &self.counters);
                entry
                    .source
                    .retransmit(now, egress, lost.take(NACKED_PER_BLOCK_MAX), &mut sink);
                self.keyframes_due.push(source);
            }
            RtcpBlock::TransportCc(feedback) => self.handle_transport_cc(now, slot, &feedback),
            RtcpBlock::Remb { bitrate_bps, .. } => self.handle_remb(now, slot, bitrate_bps),
            // The room says who is here, not RTCP.
            RtcpBlock::Bye { .. } | RtcpBlock::Sdes { .. } => {}
            RtcpBlock::Xr { .. } | RtcpBlock::Other { .. } => {}
        }
    }

    fn handle_sender_report(&mut self, now: Instant, slot: TransportSlot, ssrc: u32, info: &SenderInfo) {
        let receive = &mut self.transports[slot.0 as usize].receive;
        let Some(stream) = receive.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else {
            return;
        };
        stream.stream.handle_sender_report(now, info);
        let place = stream.place;
        if place.rtx {
            return;
        }
        let Some(source) = receive.lines[place.line].source else {
            return;
        };
        if let Some(entry) = self.sources.get_mut(source) {
            entry
                .source
                .handle_sender_report(place.encoding, info.ntp, info.rtp_timestamp);
            if entry.tap.is_some() {
                self.tell_tap_the_time(source, place.encoding, info.ntp, info.rtp_timestamp);
            }
        }
    }

    fn handle_reports(&mut self, now: Instant, slot: TransportSlot, reports: ReportBlocks<'_>) {
        let ntp = self.clock.ntp(now);
        let mut reported = Reported::default();
        for block in reports {
            let entry = &mut self.transports[slot.0 as usize];
            entry.path.report(now, ntp, &block);
            let round_trip = report::round_trip(ntp, &block);
            if let Some(seat) = entry.egresses.iter_mut().find(|seat| seat.ssrc == block.ssrc) {
                reported.add(seat, &block, round_trip);
                entry.path.jitter_down.note(seat.kind, block.jitter);
            }
            self.handle_report(ntp, slot, &block);
        }
        self.handle_reported(now, slot, reported);
    }

    fn handle_report(&mut self, ntp: u64, slot: TransportSlot, block: &ReportBlock) {
        let Some((egress, source)) = self.bound(slot, block.ssrc) else {
            return;
        };
        if let Some(entry) = self.sources.get_mut(source) {
            entry.source.handle_receiver_report(ntp, egress, block);
        }
    }

    fn want_keyframe(&mut self, now: Instant, slot: TransportSlot, ssrc: u32, request: KeyframeRequest) {
        // A PLI for an empty seat is the browser's habit during silence; nobody is there to send a keyframe.
        let Some((egress, source)) = self.bound(slot, ssrc) else {
            return;
        };
        if let Some(entry) = self.sources.get_mut(source) {
            entry.source.request_keyframe(now, egress, request);
            self.keyframes_due.push(source);
        }
    }

    /// The seat half with this outgoing SSRC, and who sits there.
    fn bound(&self, slot: TransportSlot, ssrc: u32) -> Option<(EgressKey, SourceKey)> {
        let egress = self.transports.get(slot.0 as usize)?.egress_by_ssrc(ssrc)?;
        match egress.seat {
            Seat::Taken(source) => Some((egress.key, source)),
            Seat::Empty(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feedback that claims to tell about this many packets, none of which arrived, in runs of up to 8191.
    fn claim(count: u16) -> Vec<u8> {
        let runs = count.div_ceil(8191);
        let padding = usize::from(runs % 2) * 2;
        let words = (20 + 2 * usize::from(runs) + padding) / 4 - 1;
        let mut block = vec![0x8f, 205, 0, words as u8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9];
        block.extend_from_slice(&count.to_be_bytes());
        block.extend_from_slice(&[0, 0, 1, 0]);
        for run in 0..runs {
            block.extend_from_slice(&(count - run * 8191).min(8191).to_be_bytes());
        }
        block.resize(block.len() + padding, 0);
        block
    }

    #[test]
    fn a_datagram_full_of_claims_is_looked_at_no_longer_than_honest_feedback() {
        let told = |compound: &[u8]| {
            bounded_blocks(compound).fold((0, 0), |(told, refused), block| match block {
                Ok(RtcpBlock::TransportCc(feedback)) => (told + feedback.arrivals().count(), refused),
                Ok(_) => (told, refused),
                Err(reason) => {
                    assert_eq!(reason, DoorReason::FeedbackTooLong);
                    (told, refused + 1)
                }
            })
        };
        assert_eq!(told(&claim(u16::MAX).repeat(30)), (0, 30));
        assert_eq!(told(&claim(1_000).repeat(30)), (16_000, 14));
        assert_eq!(told(&claim(1_000).repeat(10)), (10_000, 0));
    }
}
