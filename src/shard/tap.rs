//! What a recorder gets of a source: a forwarder like a subscriber's, whose packets go into a queue in place of a path.
//!
//! So it has what subscribers have: the highest encoding that arrives, one run of numbers and timestamps over changes of encodings,
//! keyframes when it needs them, and a wish that keeps the publisher sending. The queue is the recorder's, bounded; when it is full
//! the packet is lost to the recording and counted ([`DoorReason::RecorderFull`]), and media never waits. Only what is recorded
//! is copied.

use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::counters::{DoorReason, ShardCounters};
use super::{Mail, Shard};
use crate::media::{
    Claim, DropReason, EgressConfig, EgressKey, Forwarder, KeyframeRequest, Limits, Outbound, PayloadTypes, Sink,
    SourceKey, TransportSlot,
};
use crate::packet::{Codec, FrameInfo, Kind};

/// The name of a tap among the forwarders of its source, which has one at most. Rooms count theirs up from 1.
const TAP: EgressKey = EgressKey(u64::MAX);
/// Where its packets go: to no transport.
const TAP_SLOT: TransportSlot = TransportSlot(u32::MAX);

/// What goes to a recorder.
#[derive(Clone, Debug)]
pub enum Tapped {
    /// A packet.
    Packet(TappedPacket),
    /// The publisher says which of its moments is which timestamp.
    Clock {
        /// Of which source.
        source: SourceKey,
        /// The publisher's clock, as 32.32 seconds.
        ntp: u64,
        /// The same on the clock of the source's packets.
        timestamp: u32,
    },
}

/// One packet of a recorded source.
#[derive(Clone, Debug)]
pub struct TappedPacket {
    /// Of which source.
    pub source: SourceKey,
    /// When it arrived.
    pub at: Instant,
    /// Without gaps but for losses.
    pub sequence: u64,
    /// One clock for all encodings.
    pub timestamp: u32,
    /// What the payload is; never RED.
    pub codec: Codec,
    /// What it says of its frame.
    pub frame: FrameInfo,
    /// Nothing more of this picture follows.
    pub marker: bool,
    /// With the codec's descriptor.
    pub payload: Bytes,
}

/// The end of the queue at the source.
#[derive(Debug)]
pub(super) struct Tap {
    packets: mpsc::Sender<Tapped>,
}

impl Tap {
    fn push(&self, tapped: Tapped, counters: &ShardCounters) {
        match self.packets.try_send(tapped) {
            // A recording that is over misses nothing.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
            Err(mpsc::error::TrySendError::Full(_)) => counters.turn_away(DoorReason::RecorderFull),
        }
    }

    /// Takes what is for the tap, and passes on the rest.
    pub(super) fn sink<'a, S>(&'a self, packet: TapPacket, others: S, counters: &'a ShardCounters) -> TapSink<'a, S> {
        TapSink {
            tap: self,
            packet,
            others,
            counters,
        }
    }
}

/// What the sink does not learn from what goes out.
pub(super) struct TapPacket {
    pub(super) source: SourceKey,
    pub(super) at: Instant,
    pub(super) codec: Codec,
    pub(super) frame: FrameInfo,
}

pub(super) struct TapSink<'a, S> {
    tap: &'a Tap,
    packet: TapPacket,
    others: S,
    counters: &'a ShardCounters,
}

impl<'p, S: Sink<'p>> Sink<'p> for TapSink<'_, S> {
    #[inline]
    fn send(&mut self, to: TransportSlot, outbound: &Outbound<'p>) {
        if to != TAP_SLOT {
            return self.others.send(to, outbound);
        }
        let packet = TappedPacket {
            source: self.packet.source,
            at: self.packet.at,
            sequence: outbound.sequence,
            timestamp: outbound.timestamp,
            codec: if self.packet.codec == Codec::Red {
                Codec::Opus
            } else {
                self.packet.codec
            },
            frame: self.packet.frame,
            marker: outbound.marker,
            payload: Bytes::copy_from_slice(outbound.payload),
        };
        self.tap.push(Tapped::Packet(packet), self.counters);
    }

    #[inline]
    fn dropped(&mut self, reason: DropReason) {
        self.others.dropped(reason);
    }
}

fn forwarder(kind: Kind) -> Forwarder {
    let mut payload_types = PayloadTypes::default();
    for (codec, number) in [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1]
        .into_iter()
        .zip(96..)
    {
        payload_types.add(codec, number, None);
    }
    let mut forwarder = Forwarder::new(EgressConfig {
        key: TAP,
        transport: TAP_SLOT,
        kind,
        ssrc: 0,
        rtx_ssrc: None,
        payload_types,
        first_sequence: 0,
        first_timestamp: 0,
    });
    // However many are louder.
    forwarder.set_limits(Limits {
        claim: Claim::Pinned,
        ..Limits::default()
    });
    forwarder
}

impl Shard {
    /// A recorder begins, or ends, or has missed something.
    pub(super) fn handle_tap(&mut self, now: Instant, mail: TapMail) {
        let (source, packets) = match mail {
            TapMail::Begin { source, packets } => (source, Some(packets)),
            TapMail::End { source } => (source, None),
            TapMail::Keyframe { source } => {
                if let Some(entry) = self.sources.get_mut(source).filter(|entry| entry.tap.is_some()) {
                    entry.source.request_keyframe(now, TAP, KeyframeRequest::Pli);
                    self.keyframes_due.push(source);
                }
                return;
            }
        };
        let Some(entry) = self.sources.get_mut(source) else {
            return;
        };
        let _before = entry.source.detach(now, TAP);
        if packets.is_some() {
            entry.source.attach(now, forwarder(entry.source.kind()));
        }
        entry.tap = packets.map(|packets| Tap { packets });
        self.keyframes_due.push(source);
    }

    /// The publisher said what time it is.
    pub(super) fn tell_tap_the_time(&mut self, source: SourceKey, encoding: usize, ntp: u64, timestamp: u32) {
        let Some(entry) = self.sources.get(source) else { return };
        if let Some(tap) = &entry.tap
            && let Some(timestamp) = entry.source.timestamp_for(TAP, encoding, timestamp)
        {
            tap.push(Tapped::Clock { source, ntp, timestamp }, &self.counters);
        }
    }
}

/// What a shard is told about recordings.
#[derive(Debug)]
pub enum TapMail {
    /// Hand everything of the source to a recorder as well.
    Begin {
        /// Which, at home here.
        source: SourceKey,
        /// The recorder's queue.
        packets: mpsc::Sender<Tapped>,
    },
    /// No longer.
    End {
        /// Which.
        source: SourceKey,
    },
    /// The recording goes on with a keyframe only, or wants a place to seek to.
    Keyframe {
        /// Which.
        source: SourceKey,
    },
}

impl From<TapMail> for Mail {
    fn from(mail: TapMail) -> Self {
        Mail::Tap(mail)
    }
}
