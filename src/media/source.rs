//! One microphone, camera or screen, and everyone it is forwarded to. The body of the hot loop.

use std::time::Instant;

use crate::packet::Kind;

use super::{
    EgressKey, Forwarder, Inbound, KeyframeRequest, Limits, SenderNumbers, Sink, SourceKey, Target,
};

/// What a source is.
#[derive(Clone, Copy, Debug)]
pub struct SourceConfig {
    /// Its name.
    pub key: SourceKey,
    /// Audio or video.
    pub kind: Kind,
    /// How many encodings were agreed, at least 1, at most [`super::ENCODINGS_MAX`].
    pub encodings: usize,
}

/// A source and its forwarders.
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
}

impl Source {
    /// A source that nobody receives yet.
    pub fn new(config: SourceConfig) -> Self {
        Source { config }
    }

    /// Its name.
    pub fn key(&self) -> SourceKey {
        self.config.key
    }

    /// The hot loop: keeps the packet once, then offers it to every forwarder.
    pub fn forward(&mut self, packet: &Inbound<'_>, sink: &mut impl Sink) {
        let _ = (packet, sink);
    }

    /// Adds a subscriber. A video forwarder starts on the next keyframe (requested here), audio at once.
    pub fn attach(&mut self, now: Instant, forwarder: Forwarder) {
        let _ = (now, forwarder);
    }

    /// Takes a subscriber out, with its numbers and clock, ready for another source.
    pub fn detach(&mut self, now: Instant, key: EgressKey) -> Option<Forwarder> {
        let _ = (now, key);
        None
    }

    /// What a subscriber asked for.
    pub fn set_limits(&mut self, now: Instant, key: EgressKey, limits: Limits) {
        let _ = (now, key, limits);
    }

    /// What a subscriber's bandwidth allows.
    pub fn set_target(&mut self, now: Instant, key: EgressKey, target: Target) {
        let _ = (now, key, target);
    }

    /// A subscriber's PLI or FIR.
    pub fn request_keyframe(&mut self, now: Instant, key: EgressKey, request: KeyframeRequest) {
        let _ = (now, key, request);
    }

    /// A loss upstream that retransmission did not mend ([`super::Stream::poll_keyframe_needed`]).
    pub fn request_keyframe_of(&mut self, now: Instant, encoding: usize) {
        let _ = (now, encoding);
    }

    /// The next encoding to send a PLI for, at most one per 500 ms each. Call until `None`.
    pub fn poll_keyframe(&mut self, now: Instant) -> Option<usize> {
        let _ = now;
        None
    }

    /// When [`Self::poll_keyframe`] or [`Self::poll_reports`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Answers a NACK from the shared history, as RTX. `lost` are the sequence numbers as the subscriber saw them.
    pub fn retransmit(
        &mut self,
        now: Instant,
        key: EgressKey,
        lost: impl IntoIterator<Item = u16>,
        sink: &mut impl Sink,
    ) {
        let _ = (now, key, lost.into_iter(), sink);
    }

    /// The publisher's sender report for one encoding: aligns the encodings' clocks.
    pub fn handle_sender_report(&mut self, encoding: usize, ntp: u64, rtp_timestamp: u32) {
        let _ = (encoding, ntp, rtp_timestamp);
    }

    /// A subscriber's report block about one of our SSRCs. `ntp` is now, as 32.32 seconds since 1900.
    pub fn handle_receiver_report(
        &mut self,
        ntp: u64,
        key: EgressKey,
        fraction_lost: u8,
        last_sr: u32,
        delay_since_last_sr: u32,
    ) {
        let _ = (ntp, key, fraction_lost, last_sr, delay_since_last_sr);
    }

    /// Our sender reports that are due: every 500 ms, the first right after the first packet.
    pub fn poll_reports(
        &mut self,
        now: Instant,
        ntp: u64,
        report: impl FnMut(EgressKey, SenderNumbers),
    ) {
        let _ = (now, ntp, report);
    }

    /// The stream of this encoding begins anew (new SSRC, so other sequence numbers and timestamps).
    pub fn restart_encoding(&mut self, encoding: usize) {
        let _ = encoding;
    }
}
