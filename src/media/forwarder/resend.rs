//! Answers NACKs: as RTX (RFC 4588), from the history all subscribers share, within a budget.

use std::time::{Duration, Instant};

use crate::media::history::History;
use crate::media::{DropReason, OutExtensions, Outbound, Sink, Traffic};
use crate::packet::red;

use super::{DescriptorOut, Forwarder};

/// A packet is not resent again before the first copy can have arrived; this where no round trip is known.
const RESEND_INTERVAL_MIN: Duration = Duration::from_millis(20);

/// One octet of RTX for so many of media: 25 % of what the subscriber is sent.
const MEDIA_PER_RESENT: u64 = 4;

/// What may be resent in one go, whatever the rate: a keyframe of a screen.
const CREDIT_MAX: u64 = 64 << 10;

/// Which packets were resent when: remembered by the lower bits of the outgoing number, allocated at the first NACK.
const REMEMBERED: usize = 1024;

/// The RTX half of a forwarder.
#[derive(Debug)]
pub(in crate::media) struct Resends {
    /// Next number on the RTX SSRC, extended.
    sequence: u64,
    octets: u64,
    credit: u64,
    /// Media octets that have earned their credit.
    earned: u64,
    epoch: Option<Instant>,
    last: Box<[Resent]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Resent {
    /// Lower half of the outgoing number, and when in milliseconds since the epoch, from 1.
    sequence: u32,
    at_ms: u32,
}

impl Resends {
    pub(super) fn new(first_sequence: u16) -> Self {
        Resends {
            sequence: u64::from(first_sequence),
            octets: 0,
            credit: CREDIT_MAX,
            earned: 0,
            epoch: None,
            last: Box::default(),
        }
    }

    /// Goes on with the lower 16 bits.
    pub(super) fn restart_rollover(&mut self) {
        self.sequence &= 0xffff;
        self.last = Box::default();
    }

    /// The next number on the RTX SSRC.
    pub(super) fn take_sequence(&mut self) -> u64 {
        let sequence = self.sequence;
        self.sequence += 1;
        sequence
    }

    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    /// Whether this number may be resent now; if so it counts as resent.
    fn permit(&mut self, now: Instant, sequence: u64, interval: Duration) -> bool {
        let epoch = *self.epoch.get_or_insert(now);
        if self.last.is_empty() {
            self.last = vec![Resent::default(); REMEMBERED].into();
        }
        let at_ms = now.saturating_duration_since(epoch).as_millis() as u32 + 1;
        let last = &mut self.last[sequence as usize % REMEMBERED];
        let again = last.at_ms != 0 && last.sequence == sequence as u32;
        if again && u128::from(at_ms.wrapping_sub(last.at_ms)) < interval.as_millis() {
            return false;
        }
        *last = Resent {
            sequence: sequence as u32,
            at_ms,
        };
        true
    }

    fn earn(&mut self, octets: u64) {
        let fresh = octets.saturating_sub(self.earned) / MEDIA_PER_RESENT;
        self.earned += fresh * MEDIA_PER_RESENT;
        self.credit = (self.credit + fresh).min(CREDIT_MAX);
    }
}

impl Forwarder {
    /// Sends the packet that went out as `sequence` again, or says why not.
    pub(in crate::media) fn resend<'p>(
        &mut self,
        now: Instant,
        sequence: u16,
        histories: &'p [History],
        sink: &mut impl Sink<'p>,
    ) -> Result<(), DropReason> {
        let cold = &mut *self.cold;
        let ssrc = cold.config.rtx_ssrc.ok_or(DropReason::NackWithoutRtx)?;
        let sequence = self.rewriter.extend(sequence).ok_or(DropReason::NackUnknown)?;
        let slot = self.rewriter.remembered(sequence).ok_or(DropReason::NackTooOld)?;
        let run = cold
            .runs
            .iter()
            .rev()
            .find(|run| run.first <= sequence)
            .ok_or(DropReason::NackTooOld)?;
        if !slot.is_sent() {
            return Err(DropReason::NackUnknown);
        }
        let index = run.index + u64::from(slot.index().wrapping_sub(run.index as u32));
        let kept = histories
            .get(usize::from(run.encoding))
            .and_then(|history| history.get(index))
            .ok_or(DropReason::NackTooOld)?;
        let form = cold
            .config
            .payload_types
            .form(kept.facts.codec)
            .ok_or(DropReason::CodecNotNegotiated)?;
        let payload_type = form.rtx.ok_or(DropReason::NackWithoutRtx)?;
        let payload = if form.primary_only {
            red::primary(kept.payload).map(|(_, frame)| frame).unwrap_or_default()
        } else {
            kept.payload
        };
        let cost = payload.len() as u64;
        cold.resends.earn(self.octets);
        if cold.resends.credit < cost {
            return Err(DropReason::NackOverBudget);
        }
        let interval = cold.round_trip.unwrap_or_default().max(RESEND_INTERVAL_MIN);
        if !cold.resends.permit(now, sequence, interval) {
            return Err(DropReason::NackTooSoon);
        }
        cold.resends.credit -= cost;
        cold.resends.octets += cost;
        let rtx_sequence = cold.resends.take_sequence();
        let (numbers, patch) = slot.rewrite(&kept.facts.picture, payload);
        sink.send(
            self.transport,
            &Outbound {
                marker: slot.is_marked(),
                payload_type,
                sequence: rtx_sequence,
                timestamp: kept.facts.clock.wrapping_add(run.timestamp_offset),
                ssrc,
                extensions: OutExtensions {
                    audio_level: kept.facts.audio_level,
                    video_orientation: kept.facts.video_orientation,
                    playout_delay: kept.facts.playout_delay,
                    dependency_descriptor: kept
                        .descriptor
                        .and_then(|descriptor| DescriptorOut::new(descriptor, numbers)),
                },
                original: Some(sequence as u16),
                payload,
                patch,
                padding: 0,
                traffic: Traffic::Resent,
                ends_frame: true,
            },
        );
        Ok(())
    }
}
