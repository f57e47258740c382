//! One microphone, camera or screen, and everyone it is forwarded to. The body of the hot loop.

mod demand;
mod rates;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::packet::rtcp::ReportBlock;
use crate::packet::{Codec, Kind, codec, red};

use super::forwarder::{EgressStats, Facts};
use super::history::{History, HistoryLimits};
use super::keyframe::KeyframeRequests;
use super::redundancy::{Red, RedMaker};
use super::speaker::{LevelMeter, Voice};
use super::timeline::Timeline;
use super::{
    DropReason, ENCODINGS_MAX, EgressKey, Forwarder, Inbound, KeyframeRequest, Layers, Limits, Redundancy,
    SenderNumbers, Sink, SourceKey, Target,
};
use rates::Rates;

pub use demand::Demand;
pub(super) use demand::Wish;
use demand::Wishes;

/// How often it is looked at whether all encodings still arrive.
const LIVENESS_INTERVAL: Duration = Duration::from_millis(250);

/// An encoding that is missing so often in a row was stopped by the publisher. Only looked at while another one
/// arrives, so a still screen is not mistaken for a stopped one.
const MISSES_MAX: u8 = 2;

/// Nothing has arrived for so long that it is not known any more which encodings do.
const STALE_AFTER: Duration = Duration::from_millis(500);

/// What a source is.
#[derive(Clone, Copy, Debug)]
pub struct SourceConfig {
    /// Its name.
    pub key: SourceKey,
    /// Audio or video.
    pub kind: Kind,
    /// How many encodings were agreed, at least 1, at most [`ENCODINGS_MAX`].
    pub encodings: usize,
    /// What is kept of each encoding, to answer NACKs.
    pub history: HistoryLimits,
}

/// A source and its forwarders.
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
    /// Dense: the hot loop walks it from end to end.
    forwarders: Vec<Forwarder>,
    /// Where each stands in `forwarders`. Not used by the hot loop.
    places: HashMap<EgressKey, usize>,
    histories: [History; ENCODINGS_MAX],
    arrivals: [Arrival; ENCODINGS_MAX],
    /// A bit for each encoding that arrives.
    live: u8,
    liveness_due: Option<Instant>,
    wishes: Wishes,
    /// Others are louder: it goes to those alone who pinned it.
    held_back: bool,
    timeline: Timeline,
    keyframes: KeyframeRequests,
    /// Somebody's first packet has gone out, and no report yet.
    unreported: bool,
    level: LevelMeter,
    rates: Rates,
    red: RedMaker,
    /// The most that any receiver needs.
    redundancy: Redundancy,
}

#[derive(Clone, Copy, Debug, Default)]
struct Arrival {
    highest: Option<u64>,
    at: Option<Instant>,
    /// Since liveness was last looked at.
    seen: bool,
    misses: u8,
}

impl Source {
    /// A source that nobody receives yet.
    pub fn new(config: SourceConfig) -> Self {
        let clock_rate_hz = match config.kind {
            Kind::Audio => Codec::Opus.clock_rate_hz(),
            Kind::Video => Codec::Vp8.clock_rate_hz(),
        };
        let encodings = config.encodings.clamp(1, ENCODINGS_MAX);
        Source {
            config: SourceConfig { encodings, ..config },
            forwarders: Vec::new(),
            places: HashMap::new(),
            histories: std::array::from_fn(|_| History::new(config.history)),
            arrivals: Default::default(),
            live: 0,
            liveness_due: None,
            wishes: Wishes::default(),
            held_back: false,
            timeline: Timeline::new(clock_rate_hz),
            keyframes: KeyframeRequests::default(),
            unreported: false,
            level: LevelMeter::default(),
            rates: Rates::new(encodings),
            red: RedMaker::default(),
            redundancy: Redundancy::None,
        }
    }

    /// Its name.
    pub fn key(&self) -> SourceKey {
        self.config.key
    }

    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.config.kind
    }

    /// How many subscribers it has.
    pub fn len(&self) -> usize {
        self.forwarders.len()
    }

    /// Whether nobody receives it.
    pub fn is_empty(&self) -> bool {
        self.forwarders.is_empty()
    }

    /// How loud it has been lately.
    pub fn level(&self) -> &LevelMeter {
        &self.level
    }

    /// What its subscribers would be served from if everything arrived.
    pub fn demand(&self) -> Demand {
        self.wishes.demand(self.live)
    }

    /// Takes note of how loud a packet is, be it forwarded or not. To be called before [`Self::forward`]; `None` for a packet
    /// that others overtook.
    pub fn hear(&mut self, packet: &Inbound<'_>) -> Option<Voice> {
        let highest = self.arrivals.get(packet.encoding)?.highest;
        let in_order = highest.is_none_or(|highest| packet.index > highest);
        in_order.then(|| match packet.extensions.audio_level {
            Some(level) => self.level.push(packet.now, level),
            None => Voice::unsaid(packet.payload.len()),
        })
    }

    /// Whether it goes to those alone who pinned it.
    pub fn is_held_back(&self) -> bool {
        self.held_back
    }

    /// From now on it goes to those alone who pinned it, or again to everybody: to each of them without a gap in its
    /// numbers, whatever was held back.
    pub fn hold_back(&mut self, held_back: bool) {
        if std::mem::replace(&mut self.held_back, held_back) || !held_back {
            return;
        }
        let others = self.forwarders.iter_mut().filter(|forwarder| !forwarder.wish().pinned);
        others.for_each(Forwarder::interrupt);
    }

    /// Pixels across and down of the largest encoding, as its publisher says. What keyframes say goes before it.
    pub fn announce_size(&mut self, size: (u16, u16)) {
        self.rates.announce(size, self.config.encodings);
    }

    /// What it can be forwarded as, and what each layer costs, as of the last [`Self::measure`].
    pub fn layers(&self) -> &Layers {
        self.rates.layers()
    }

    /// Time passes: rates are measured. True when an encoding came or went, or the source fell silent or is back, so that
    /// subscribers' bandwidth should be shared out anew.
    pub fn measure(&mut self, now: Instant) -> bool {
        let wanted = self.wishes.wanted();
        self.rates.close(now, self.config.encodings, self.live, wanted)
    }

    /// How a subscriber fares.
    pub fn stats(&self, key: EgressKey) -> Option<EgressStats> {
        Some(self.forwarders[*self.places.get(&key)?].stats())
    }

    /// A subscriber's forwarder, for what concerns only the subscriber.
    pub fn forwarder_mut(&mut self, key: EgressKey) -> Option<&mut Forwarder> {
        self.forwarders.get_mut(*self.places.get(&key)?)
    }

    /// The hot loop: keeps the packet once, then offers it to every forwarder. A packet of an encoding that was
    /// not agreed is ignored.
    pub fn forward<'p>(&'p mut self, packet: &Inbound<'p>, sink: &mut impl Sink<'p>) {
        let Some(mut facts) = self.observe(packet) else { return };
        let pinned_only = self.held_back;
        if self.forwarders.is_empty() || (pinned_only && !self.wishes.is_pinned()) {
            return;
        }
        if !facts.empty {
            self.keep(packet, &mut facts);
        }
        if self.config.kind == Kind::Audio {
            facts.red = self.red.prepare(packet, facts.clock, self.redundancy, &self.histories);
        }
        let (mut awaiting, mut started) = (false, false);
        for forwarder in &mut self.forwarders {
            if pinned_only && !forwarder.wish().pinned {
                continue;
            }
            if let Err(reason) = forwarder.forward(packet, &facts, &mut started, sink) {
                awaiting |= reason == DropReason::AwaitingKeyframe;
                sink.dropped(reason);
            }
        }
        if awaiting {
            self.keyframes.want(packet.now, packet.encoding);
        }
        self.unreported |= started;
    }

    /// Keeps the packet for whoever loses it.
    #[inline]
    fn keep<'p>(&mut self, packet: &Inbound<'p>, facts: &mut Facts<'p>) {
        let history = &mut self.histories[packet.encoding];
        history.push(packet, facts.clock);
        let reach = history.reach();
        if reach > facts.reach {
            self.forwarders.iter_mut().for_each(|forwarder| forwarder.widen(reach));
            facts.reach = reach;
        }
    }

    /// What has to be known of a packet once, whoever gets it.
    fn observe<'a>(&mut self, packet: &Inbound<'a>) -> Option<Facts<'a>> {
        let encoding = packet.encoding;
        if encoding >= self.config.encodings {
            return None;
        }
        let empty = packet.payload.is_empty();
        let in_order = self.arrivals[encoding]
            .highest
            .is_none_or(|highest| packet.index > highest);
        if in_order {
            self.arrivals[encoding].highest = Some(packet.index);
        }
        let before = self.arrivals[encoding].at.replace(packet.now);
        if before.is_none_or(|at| packet.now.saturating_duration_since(at) >= STALE_AFTER) {
            self.keyframes.revive(encoding);
        }
        self.arrivals[encoding].seen = true;
        if self.live & (1 << encoding) == 0 || self.liveness_due.is_none_or(|due| due <= packet.now) {
            self.watch(packet.now, encoding);
        }
        let clock = self
            .timeline
            .place(packet.now, encoding, packet.header.timestamp, in_order && !empty);
        let entry = in_order
            && !empty
            && match self.config.kind {
                Kind::Audio => true,
                Kind::Video => packet.frame.keyframe && packet.frame.starts_frame && packet.frame.spatial == 0,
            };
        if entry && self.config.kind == Kind::Video {
            let size = codec::frame_size(packet.codec, packet.payload, &packet.extensions);
            self.rates.begin_keyframe(encoding, packet.header.timestamp, size);
        }
        let (frame, timestamp) = (&packet.frame, packet.header.timestamp);
        self.rates
            .add(encoding, frame.spatial, frame.temporal, timestamp, packet.payload.len());
        let mut primary = packet.payload;
        match self.config.kind {
            Kind::Audio => {
                if packet.codec == Codec::Red {
                    primary = red::primary(packet.payload).map(|(_, frame)| frame).unwrap_or_default();
                }
            }
            Kind::Video if entry => self.keyframes.arrived(encoding),
            Kind::Video => {}
        }
        Some(Facts {
            clock,
            clock_now: if entry {
                self.timeline.at(packet.now).unwrap_or(clock)
            } else {
                clock
            },
            encoding: encoding as u8,
            entry,
            empty,
            reach: self.histories[encoding].reach(),
            primary,
            red: Red::default(),
        })
    }

    /// Notices encodings that began or stopped arriving, and lets everyone choose anew when one did.
    #[cold]
    fn watch(&mut self, now: Instant, arriving: usize) {
        let mut live = self.live | (1 << arriving);
        if self.liveness_due.is_none_or(|due| due <= now) {
            self.liveness_due = Some(now + LIVENESS_INTERVAL);
            for (encoding, arrival) in self.arrivals.iter_mut().enumerate() {
                arrival.misses = if arrival.seen {
                    0
                } else {
                    arrival.misses.saturating_add(1)
                };
                arrival.seen = false;
                if arrival.misses >= MISSES_MAX {
                    live &= !(1 << encoding);
                }
            }
        }
        if live != self.live {
            self.live = live;
            for place in 0..self.forwarders.len() {
                self.choose(now, place);
            }
        }
    }

    /// Adds a subscriber. A video forwarder starts on the next keyframe (requested here), audio at once. One
    /// with the same key is replaced.
    pub fn attach(&mut self, now: Instant, forwarder: Forwarder) {
        let _replaced = self.detach(now, forwarder.key());
        let place = self.forwarders.len();
        self.places.insert(forwarder.key(), place);
        self.redundancy = self.redundancy.max(forwarder.redundancy());
        self.forwarders.push(forwarder);
        self.choose(now, place);
    }

    /// Takes a subscriber out, with its numbers and clock, ready for another source.
    pub fn detach(&mut self, now: Instant, key: EgressKey) -> Option<Forwarder> {
        let place = self.places.remove(&key)?;
        let mut forwarder = self.forwarders.swap_remove(place);
        self.wishes.change(forwarder.wish(), Wish::default());
        if let Some(moved) = self.forwarders.get(place) {
            self.places.insert(moved.key(), place);
        }
        if self.forwarders.is_empty() {
            self.histories.iter_mut().for_each(History::clear);
        }
        forwarder.rest(now, self.timeline.at(now));
        Some(forwarder)
    }

    /// Takes every subscriber out: the source has ended.
    pub fn detach_all(&mut self, now: Instant) -> impl Iterator<Item = Forwarder> + use<> {
        let clock = self.timeline.at(now);
        self.places.clear();
        self.wishes = Wishes::default();
        let mut forwarders = std::mem::take(&mut self.forwarders);
        for forwarder in &mut forwarders {
            forwarder.rest(now, clock);
        }
        forwarders.into_iter()
    }

    /// The subscriber's transport has new keys: its forwarder begins anew, on a fresh keyframe.
    pub fn rekey(&mut self, now: Instant, key: EgressKey) {
        if let Some(&place) = self.places.get(&key) {
            self.forwarders[place].rekey();
            self.choose(now, place);
        }
    }

    /// What a subscriber asked for.
    pub fn set_limits(&mut self, now: Instant, key: EgressKey, limits: Limits) {
        if let Some(&place) = self.places.get(&key) {
            self.forwarders[place].set_limits(limits);
            self.choose(now, place);
        }
    }

    /// What a subscriber's bandwidth allows.
    pub fn set_target(&mut self, now: Instant, key: EgressKey, target: Target) {
        if let Some(&place) = self.places.get(&key) {
            self.forwarders[place].set_target(target);
            self.choose(now, place);
        }
    }

    /// A subscriber's path cannot carry what goes there, not even until the keyframe of a lower encoding comes. When nothing goes
    /// there until then, answers with the SSRCs (media and RTX, or media twice) whose packets need not leave either.
    pub fn abandon(&mut self, key: EgressKey) -> Option<[u32; 2]> {
        let &place = self.places.get(&key)?;
        self.forwarders[place].abandon()
    }

    /// A subscriber has missed too much to go on: its picture begins anew, with a keyframe, and until then nothing goes there.
    /// Answers with the SSRCs (media and RTX, or media twice) whose packets need not leave either.
    pub fn begin_anew(&mut self, now: Instant, key: EgressKey) -> Option<[u32; 2]> {
        let &place = self.places.get(&key)?;
        if self.config.kind != Kind::Video {
            return None;
        }
        self.forwarders[place].interrupt();
        let ssrcs = self.forwarders[place].abandon();
        self.choose(now, place);
        ssrcs
    }

    /// How much redundancy a subscriber's path needs: of audio only.
    pub fn set_redundancy(&mut self, key: EgressKey, redundancy: Redundancy) {
        let Some(&place) = self.places.get(&key) else { return };
        if self.forwarders[place].redundancy() == redundancy {
            return;
        }
        self.forwarders[place].set_redundancy(redundancy);
        let needs = self.forwarders.iter().map(Forwarder::redundancy);
        self.redundancy = needs.max().unwrap_or_default();
    }

    fn choose(&mut self, now: Instant, place: usize) {
        if self.wishes.is_nothing() && self.liveness_due.is_some_and(|due| due + STALE_AFTER <= now) {
            // Its publisher may have stopped it while nobody watched. What comes first is taken, whichever it is.
            self.live = 0;
        }
        let forwarder = &mut self.forwarders[place];
        let before = forwarder.wish();
        let needed = forwarder.choose(self.live, self.config.encodings);
        let wish = forwarder.wish();
        if self.held_back && !wish.pinned {
            forwarder.interrupt();
        }
        self.wishes.change(before, wish);
        if let (Some(encoding), Kind::Video) = (needed, self.config.kind) {
            self.keyframes.want(now, encoding);
        }
    }

    /// A subscriber's PLI or FIR.
    pub fn request_keyframe(&mut self, now: Instant, key: EgressKey, request: KeyframeRequest) {
        let Some(&place) = self.places.get(&key) else { return };
        let needed = self.forwarders[place].lose(request);
        if let (Some(encoding), Kind::Video) = (needed, self.config.kind) {
            self.keyframes.want(now, encoding);
        }
    }

    /// A loss upstream that retransmission did not mend (`Stream::take_keyframe_needed`), or a subscriber elsewhere. Whether
    /// anybody watches is for the caller to know: the subscribers may all be on other shards.
    pub fn request_keyframe_of(&mut self, now: Instant, encoding: usize) {
        if self.config.kind == Kind::Video {
            self.keyframes.want(now, encoding);
        }
    }

    /// The next encoding to send a PLI for, at most one per 500 ms each. Call until `None`.
    pub fn poll_keyframe(&mut self, now: Instant) -> Option<usize> {
        let forwarders = &self.forwarders;
        self.keyframes.poll(now, |encoding| {
            forwarders.iter().any(|forwarder| forwarder.waits_for(encoding))
        })
    }

    /// When [`Self::poll_keyframe`] has something to say.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.keyframes.poll_timeout()
    }

    /// Answers a NACK from the shared history, as RTX. `lost` are the sequence numbers as the subscriber saw them.
    pub fn retransmit<'p>(
        &'p mut self,
        now: Instant,
        key: EgressKey,
        lost: impl IntoIterator<Item = u16>,
        sink: &mut impl Sink<'p>,
    ) {
        let Some(&place) = self.places.get(&key) else { return };
        for sequence in lost {
            if let Err(reason) = self.forwarders[place].resend(now, sequence, &self.histories, sink) {
                sink.dropped(reason);
            }
        }
    }

    /// The publisher's sender report for one encoding: aligns the encodings' clocks.
    pub fn handle_sender_report(&mut self, encoding: usize, ntp: u64, rtp_timestamp: u32) {
        self.timeline.report(encoding, ntp, rtp_timestamp);
        if encoding >= self.config.encodings || self.forwarders.iter().any(|f| f.current() == Some(encoding)) {
            return;
        }
        // Nobody watches this encoding, so its clock may be corrected without a jump. The reference is the one
        // most likely to be switched from.
        let reference = (0..self.config.encodings).find(|e| *e != encoding && self.live & (1 << e) != 0);
        if let Some(reference) = reference {
            self.timeline.align(encoding, reference);
        }
    }

    /// A timestamp of the publisher, as its subscriber sees it; `None` unless that gets this encoding.
    pub fn timestamp_for(&self, key: EgressKey, encoding: usize, timestamp: u32) -> Option<u32> {
        let forwarder = &self.forwarders[*self.places.get(&key)?];
        let clock = self.timeline.shifted(encoding, timestamp)?;
        (forwarder.current() == Some(encoding)).then(|| forwarder.on_seat(clock))
    }

    /// A subscriber's report block about one of our SSRCs. `ntp` is now, as 32.32 seconds since 1900.
    pub fn handle_receiver_report(&mut self, ntp: u64, key: EgressKey, block: &ReportBlock) {
        if let Some(forwarder) = self.forwarder_mut(key) {
            forwarder.handle_report(ntp, block);
        }
    }

    /// The sender reports of those whose first packet has just gone out: they need not wait for a regular one.
    pub fn poll_first_reports(&mut self, now: Instant, ntp: u64, mut report: impl FnMut(EgressKey, SenderNumbers)) {
        if !std::mem::take(&mut self.unreported) {
            return;
        }
        let Some(clock) = self.timeline.at(now) else { return };
        for forwarder in &mut self.forwarders {
            if let Some(numbers) = forwarder.report(ntp, clock, false) {
                report(forwarder.key(), numbers);
            }
        }
    }

    /// The regular sender report of one of its subscribers, when anything of this source has gone there and still may.
    pub fn report(&mut self, now: Instant, ntp: u64, key: EgressKey) -> Option<SenderNumbers> {
        let clock = self.timeline.at(now)?;
        let held_back = self.held_back;
        let forwarder = self.forwarder_mut(key)?;
        if held_back && !forwarder.wish().pinned {
            return None;
        }
        forwarder.report(ntp, clock, true)
    }

    /// What comes next of this encoding does not continue what came before: packets between were held back where they came
    /// from, and are no loss.
    pub fn skip(&mut self, encoding: usize) {
        let on_it = |forwarder: &&mut Forwarder| forwarder.current() == Some(encoding);
        self.forwarders.iter_mut().filter(on_it).for_each(Forwarder::interrupt);
    }

    /// The stream of this encoding begins anew (new SSRC, so other sequence numbers and timestamps).
    pub fn restart_encoding(&mut self, encoding: usize) {
        if encoding >= self.config.encodings {
            return;
        }
        self.arrivals[encoding].highest = None;
        self.histories[encoding].clear();
        self.red.restart();
        self.timeline.restart(encoding);
        for forwarder in &mut self.forwarders {
            forwarder.restart(encoding);
        }
    }
}

#[cfg(test)]
mod tests;
