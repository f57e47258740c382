//! One subscriber's half of one source: selects, rewrites, remembers what it sent.

mod pad;
mod payload_types;
mod resend;

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

use crate::packet::rtcp::{ReportBlock, SenderInfo};
use crate::packet::{Codec, Kind};

use super::redundancy::{Red, relabel};
use super::rewriter::{Place, Rewriter, Slot};
use super::selector::Selector;
use super::source::Wish;
use super::timeline::ticks;
use super::{
    Claim, DescriptorOut, DropReason, EgressKey, Inbound, KeyframeRequest, Limits, OutExtensions, Outbound, Redundancy,
    SenderNumbers, Sink, Target, Traffic, TransportSlot, report,
};

pub use payload_types::PayloadTypes;
pub(super) use resend::Resends;

/// How many outgoing numbers a forwarder remembers at most, for NACKs and late packets.
const VIDEO_MEMORY: usize = 1024;
const AUDIO_MEMORY: usize = 128;

/// Runs whose packets can still be resent.
const RUNS_MAX: usize = 4;

/// What a forwarder is for. Agreed in the SDP once, kept while sources come and go on the seat.
#[derive(Clone, Debug)]
pub struct EgressConfig {
    /// Its name.
    pub key: EgressKey,
    /// Where its packets go.
    pub transport: TransportSlot,
    /// Audio or video.
    pub kind: Kind,
    /// The seat's SSRC.
    pub ssrc: u32,
    /// The seat's RTX SSRC, when RTX was agreed.
    pub rtx_ssrc: Option<u32>,
    /// By codec.
    pub payload_types: PayloadTypes,
    /// First sequence number, for RTP and RTX. Random, below 2^15 so that the receiver cannot miss a
    /// rollover before its first packet (RFC 3711 section 3.3.1).
    pub first_sequence: u16,
    /// First timestamp. Random.
    pub first_timestamp: u32,
}

/// How a forwarder fares, for statistics and for whoever sets its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EgressStats {
    /// Packets sent, without resent ones.
    pub packets: u64,
    /// Payload octets sent, without resent ones.
    pub octets: u64,
    /// Payload octets resent.
    pub resent_octets: u64,
    /// From the last receiver report that had one.
    pub round_trip: Option<Duration>,
    /// Of the last receiver report, in 1/256.
    pub fraction_lost: u8,
    /// The encoding that is forwarded.
    pub encoding: Option<usize>,
}

/// What the source knows of a packet, beside the packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Its timestamp on the source's clock.
    pub(super) clock: u32,
    /// The source's clock at its arrival.
    pub(super) clock_now: u32,
    pub(super) encoding: u8,
    /// Decoding can begin here.
    pub(super) entry: bool,
    /// Nothing but padding.
    pub(super) empty: bool,
    /// How many packets of this encoding can be sent again.
    pub(super) reach: usize,
    /// Of RED, the primary encoding; otherwise the payload.
    pub(super) primary: &'a [u8],
    /// The packet's redundancy.
    pub(super) red: Red<'a>,
}

/// One outgoing SSRC at work. Survives its sources: numbers and clock run on from one to the next.
///
/// What the hot loop touches is here, in two cache lines; the rest is behind `cold`.
#[derive(Debug)]
pub struct Forwarder {
    rewriter: Rewriter,
    selector: Selector,
    codec: Option<Codec>,
    payload_type: u8,
    primary_only: bool,
    /// Where redundant audio was agreed beside plain: its number.
    red: Option<u8>,
    /// How much of it the path needs.
    redundancy: Redundancy,
    transport: TransportSlot,
    ssrc: u32,
    packets: u64,
    octets: u64,
    cold: Box<Cold>,
}

#[derive(Debug)]
struct Cold {
    config: EgressConfig,
    limits: Limits,
    target: Target,
    /// What the source has counted of it.
    wish: Wish,
    /// What is added to the source's clock, before a run had to be nudged forward.
    offset: Option<u32>,
    /// A moment and its timestamp, on the seat's clock, from the source before this one.
    anchor: Option<(Instant, u32)>,
    /// The latest runs of this source, oldest first.
    runs: ArrayVec<Run, RUNS_MAX>,
    /// Layers changed behind this packet; a late one from before it is judged strictly.
    layers_since: u64,
    report_due: bool,
    round_trip: Option<Duration>,
    fraction_lost: u8,
    fir: Option<u8>,
    resends: Resends,
}

/// What the numbers of a run mean.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    index: u64,
    encoding: u8,
    timestamp_offset: u32,
}

impl Forwarder {
    /// At rest, until it is attached to a source.
    pub fn new(config: EgressConfig) -> Self {
        let memory = match config.kind {
            Kind::Audio => AUDIO_MEMORY,
            Kind::Video => VIDEO_MEMORY,
        };
        Forwarder {
            rewriter: Rewriter::new(config.first_sequence, memory),
            selector: Selector::default(),
            codec: None,
            payload_type: 0,
            primary_only: false,
            red: None,
            redundancy: Redundancy::None,
            transport: config.transport,
            ssrc: config.ssrc,
            packets: 0,
            octets: 0,
            cold: Box::new(Cold {
                limits: Limits::default(),
                target: Target::default(),
                wish: Wish::default(),
                offset: None,
                anchor: None,
                runs: ArrayVec::new(),
                layers_since: 0,
                report_due: false,
                round_trip: None,
                fraction_lost: 0,
                fir: None,
                resends: Resends::new(config.first_sequence),
                config,
            }),
        }
    }

    /// Its name.
    pub fn key(&self) -> EgressKey {
        self.cold.config.key
    }

    /// Where its packets go.
    pub fn transport(&self) -> TransportSlot {
        self.transport
    }

    /// Its outgoing SSRC.
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// How it fares.
    pub fn stats(&self) -> EgressStats {
        EgressStats {
            packets: self.packets,
            octets: self.octets,
            resent_octets: self.cold.resends.octets(),
            round_trip: self.cold.round_trip,
            fraction_lost: self.cold.fraction_lost,
            encoding: self.selector.current(),
        }
    }

    /// The payload types of a new answer. Packets sent before it are resent under the new ones.
    pub fn set_payload_types(&mut self, payload_types: PayloadTypes) {
        self.cold.config.payload_types = payload_types;
        if self.codec.take().is_some_and(|codec| self.adopt(codec).is_err()) {
            self.selector.stop();
        }
    }

    /// The same SSRC again under a new answer, which may name other payload types. Numbers and clock go on: with the
    /// transport's keys unchanged, a number used twice would be a nonce used twice (RFC 7714 section 8.4).
    pub fn renew(&mut self, key: EgressKey, rtx_ssrc: Option<u32>, payload_types: PayloadTypes) {
        self.cold.config.key = key;
        self.cold.config.rtx_ssrc = rtx_ssrc;
        self.set_payload_types(payload_types);
    }

    /// Its source can send more packets again than before.
    pub(super) fn widen(&mut self, reach: usize) {
        self.rewriter.widen(reach);
    }

    /// The transport has new keys. Its receiver counts roll-overs from 0 again (RFC 3711 section 3.3.1), so we do as well.
    pub fn rekey(&mut self) {
        self.rewriter.restart_rollover();
        self.cold.resends.restart_rollover();
        // Numbers sent before are not the numbers of now.
        self.cold.runs.clear();
        self.selector.stop();
    }

    /// How much redundancy the path needs. Stays when the source changes.
    pub fn set_redundancy(&mut self, redundancy: Redundancy) {
        self.redundancy = redundancy;
    }

    pub(super) fn redundancy(&self) -> Redundancy {
        self.redundancy
    }

    /// What the subscriber asked for. Takes effect in a source with [`super::Source::set_limits`].
    pub fn set_limits(&mut self, limits: Limits) {
        self.cold.limits = limits;
    }

    /// What the subscriber's bandwidth allows. Takes effect when it is attached, or with [`super::Source::set_target`].
    pub fn set_target(&mut self, target: Target) {
        self.cold.target = target;
    }

    /// One packet: goes on its way, or here is why it stays.
    #[inline]
    pub(super) fn forward<'a>(
        &mut self,
        packet: &Inbound<'a>,
        facts: &Facts<'a>,
        started: &mut bool,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), DropReason> {
        if !self.selector.is_on(facts.encoding) {
            self.selector.may_start(facts.encoding, facts.entry)?;
            self.start(packet, facts)?;
            *started = true;
        } else if !self.rewriter.is_new(packet.index) {
            return self.forward_late(packet, facts, sink);
        } else if self.codec != Some(packet.codec) && !facts.empty {
            self.change_codec(packet, facts)?;
        }
        self.rewriter.advance(packet.index);
        if facts.empty {
            return Err(DropReason::PaddingOnly);
        }
        let begins = self.rewriter.begins_picture(facts.clock);
        if begins && self.selector.begin_picture(&packet.frame, packet.codec) {
            self.cold.layers_since = packet.index;
        }
        if let Err(reason) = self.selector.admit(&packet.frame) {
            if begins && reason == DropReason::TemporalLayer {
                self.rewriter.skip_picture(&packet.frame.picture);
            }
            return Err(reason);
        }
        let marker = packet.header.marker || self.selector.cuts_picture_after(&packet.frame);
        let (sequence, slot) = self.rewriter.assign(marker);
        sink.send(self.transport, &self.outbound(packet, facts, sequence, slot));
        Ok(())
    }

    /// A packet of the run that others overtook: to the number kept open for it, or nowhere.
    #[cold]
    fn forward_late<'a>(
        &mut self,
        packet: &Inbound<'a>,
        facts: &Facts<'a>,
        sink: &mut impl Sink<'a>,
    ) -> Result<(), DropReason> {
        let sequence = match self.rewriter.place(packet.index) {
            Place::Open(sequence) => sequence,
            Place::Taken => return Err(DropReason::Duplicate),
            Place::Forgotten => return Err(DropReason::TooLate),
        };
        if facts.empty {
            return Err(DropReason::PaddingOnly);
        }
        self.selector.admit(&packet.frame)?;
        let base = packet.frame.temporal == 0 && packet.frame.spatial == 0;
        if !base && packet.index < self.cold.layers_since {
            return Err(DropReason::TooLate);
        }
        let marker = packet.header.marker || self.selector.cuts_picture_after(&packet.frame);
        let slot = self.rewriter.fill(sequence, marker);
        // What came behind it has left already.
        let late = Outbound {
            ends_frame: true,
            ..self.outbound(packet, facts, sequence, slot)
        };
        sink.send(self.transport, &late);
        Ok(())
    }

    #[inline]
    fn outbound<'a>(&mut self, packet: &Inbound<'a>, facts: &Facts<'a>, sequence: u64, slot: Slot) -> Outbound<'a> {
        let payload = if self.primary_only {
            facts.primary
        } else {
            packet.payload
        };
        let (numbers, patch) = slot.rewrite(&packet.frame.picture, payload);
        let (payload, patch, payload_type) = match self.red.and_then(|red| Some((red, self.redundant(facts)?))) {
            Some((red, payload)) => (payload, relabel(payload, self.payload_type), red),
            None => (payload, patch, self.payload_type),
        };
        let timestamp = self.rewriter.stamp(facts.clock, numbers);
        self.packets += 1;
        self.octets += payload.len() as u64;
        let marker = slot.is_marked();
        Outbound {
            marker,
            payload_type,
            sequence,
            timestamp,
            ssrc: self.ssrc,
            extensions: OutExtensions {
                audio_level: packet.extensions.audio_level,
                video_orientation: packet.extensions.video_orientation,
                playout_delay: packet.extensions.playout_delay,
                dependency_descriptor: packet
                    .extensions
                    .dependency_descriptor
                    .and_then(|descriptor| DescriptorOut::new(descriptor, numbers)),
            },
            original: None,
            payload,
            patch,
            padding: 0,
            traffic: match packet.codec.kind() {
                Kind::Audio => Traffic::Audio,
                Kind::Video => Traffic::Video,
            },
            ends_frame: marker || packet.codec.kind() == Kind::Audio,
        }
    }

    /// The packet with its redundancy, if the path needs it or the publisher's own did lose something.
    fn redundant<'a>(&self, facts: &Facts<'a>) -> Option<&'a [u8]> {
        let need = if facts.red.after_gap {
            self.redundancy.max(Redundancy::One)
        } else {
            self.redundancy
        };
        facts.red.payload(need)
    }

    /// Begins a run with this packet.
    #[cold]
    fn start(&mut self, packet: &Inbound<'_>, facts: &Facts<'_>) -> Result<(), DropReason> {
        self.adopt(packet.codec)?;
        let cold = &mut *self.cold;
        let offset = *cold.offset.get_or_insert_with(|| match cold.anchor {
            None => cold.config.first_timestamp.wrapping_sub(facts.clock),
            Some((then, timestamp)) => {
                let elapsed = packet.now.saturating_duration_since(then);
                let rate = packet.codec.clock_rate_hz();
                timestamp
                    .wrapping_add(ticks(elapsed, rate))
                    .wrapping_sub(facts.clock_now)
            }
        });
        let first = self
            .rewriter
            .start(packet.index, facts.clock, offset, &packet.frame.picture, facts.reach);
        if cold.runs.is_full() {
            cold.runs.remove(0);
        }
        cold.runs.push(Run {
            first,
            index: packet.index,
            encoding: facts.encoding,
            timestamp_offset: self.rewriter.timestamp_offset(),
        });
        cold.layers_since = packet.index;
        cold.report_due |= cold.runs.len() == 1;
        self.selector.start();
        Ok(())
    }

    /// The publisher changed codecs within a stream. Sound goes on; a picture begins anew with a keyframe.
    #[cold]
    fn change_codec(&mut self, packet: &Inbound<'_>, facts: &Facts<'_>) -> Result<(), DropReason> {
        match packet.codec.kind() {
            Kind::Audio => self.adopt(packet.codec),
            Kind::Video => {
                self.selector.stop();
                self.selector.may_start(facts.encoding, facts.entry)?;
                self.start(packet, facts)
            }
        }
    }

    /// Looks up how packets of this codec go out.
    #[cold]
    fn adopt(&mut self, codec: Codec) -> Result<(), DropReason> {
        let form = self
            .cold
            .config
            .payload_types
            .form(codec)
            .ok_or(DropReason::CodecNotNegotiated)?;
        self.codec = Some(codec);
        self.payload_type = form.payload_type;
        self.primary_only = form.primary_only;
        let types = &self.cold.config.payload_types;
        // Only beside plain Opus, whose number the frames in it bear.
        self.red = match codec {
            Codec::Opus | Codec::Red if types.get(Codec::Opus).is_some() => types.get(Codec::Red).map(|(red, _)| red),
            Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => None,
        };
        Ok(())
    }

    /// Chooses anew what to forward. Answers with the encoding whose keyframe is needed.
    pub(super) fn choose(&mut self, live: u8, encodings: usize) -> Option<usize> {
        let needed = self
            .selector
            .choose(self.cold.limits, self.cold.target, live, encodings);
        self.cold.wish = Wish {
            encoding: self.selector.ideal(),
            pinned: self.cold.limits.claim == Claim::Pinned,
        };
        needed
    }

    /// What it would be served from, as of the last choice.
    pub(super) fn wish(&self) -> Wish {
        self.cold.wish
    }

    /// What comes next does not continue what came before: it begins a new run, and what lies between is no loss.
    pub(super) fn interrupt(&mut self) {
        self.selector.stop();
    }

    /// The path cannot carry what is forwarded any more, not even until the keyframe of what shall be. When nothing goes out
    /// until then, answers with the SSRCs whose packets need not leave either; nothing of it is sent again.
    pub(super) fn abandon(&mut self) -> Option<[u32; 2]> {
        if !self.selector.abandon() {
            return None;
        }
        self.cold.runs.clear();
        Some([self.ssrc, self.cold.config.rtx_ssrc.unwrap_or(self.ssrc)])
    }

    /// The stream of this encoding begins anew: nothing of it continues, nothing of it can be resent.
    pub(super) fn restart(&mut self, encoding: usize) {
        if self.selector.current() == Some(encoding) {
            self.selector.stop();
            self.cold.runs.clear();
        } else if self.cold.runs.len() > 1 {
            let keep = self.cold.runs.len() - 1;
            self.cold.runs.drain(..keep);
        }
    }

    /// Leaves its source. `clock` is the source's clock now.
    pub(super) fn rest(&mut self, now: Instant, clock: Option<u32>) {
        if let (Some(clock), Some(offset)) = (clock, self.cold.offset.take())
            && self.rewriter.has_begun()
        {
            self.cold.anchor = Some((now, clock.wrapping_add(offset)));
        }
        self.cold.runs.clear();
        self.cold.report_due = false;
        self.cold.fir = None;
        self.cold.target = Target::default();
        self.cold.wish = Wish::default();
        self.selector = Selector::default();
    }

    /// A PLI or FIR: the encoding to ask for, unless it is a repeated FIR (RFC 5104 section 4.3.1.2).
    pub(super) fn lose(&mut self, request: KeyframeRequest) -> Option<usize> {
        match request {
            KeyframeRequest::Pli => {}
            KeyframeRequest::Fir { sequence } => {
                if self.cold.fir.replace(sequence) == Some(sequence) {
                    return None;
                }
            }
        }
        self.selector.lose()
    }

    pub(super) fn waits_for(&self, encoding: usize) -> bool {
        self.selector.waits_for(encoding)
    }

    pub(super) fn current(&self) -> Option<usize> {
        self.selector.current()
    }

    /// Our sender report: a regular one, or the first of this source. `clock` is the source's clock now.
    pub(super) fn report(&mut self, ntp: u64, clock: u32, regular: bool) -> Option<SenderNumbers> {
        let due = std::mem::take(&mut self.cold.report_due) || regular;
        (due && !self.cold.runs.is_empty()).then(|| SenderNumbers {
            transport: self.transport,
            ssrc: self.ssrc,
            info: SenderInfo {
                ntp,
                rtp_timestamp: self.on_seat(clock),
                packet_count: self.packets as u32,
                octet_count: self.octets as u32,
            },
        })
    }

    /// The source's clock on the clock of the seat.
    pub(super) fn on_seat(&self, clock: u32) -> u32 {
        clock.wrapping_add(self.rewriter.timestamp_offset())
    }

    pub(super) fn handle_report(&mut self, ntp: u64, block: &ReportBlock) {
        self.cold.fraction_lost = block.fraction_lost;
        if let Some(round_trip) = report::round_trip(ntp, block) {
            self.cold.round_trip = Some(round_trip);
        }
    }
}

#[cfg(test)]
mod tests;
