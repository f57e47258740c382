//! Redundant audio (RFC 2198) for who loses packets: an older frame or two travel with each new one.
//!
//! A publisher may send it; where it does not, it is made here, once per packet and not once per receiver, from the
//! [`History`]. Who loses nothing gets the newest frame alone: redundancy more than doubles the bytes of a voice.

use std::time::{Duration, Instant};

use crate::packet::{Codec, Kind, red};

use super::{ENCODINGS_MAX, Inbound, Patch, history::History};

/// How many older frames a receiver is sent with each frame. Browsers play two (NetEQ looks at whatever a packet brings).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redundancy {
    /// The newest alone.
    #[default]
    None,
    /// One: single losses are made good.
    One,
    /// Two: for paths that lose packets in pairs.
    Two,
}

impl Redundancy {
    /// What a path needs that loses this share (0 to 1) of packets. Below 1 % concealment does as well and costs nothing.
    pub fn for_loss(loss: f32) -> Self {
        if loss >= 0.08 {
            Redundancy::Two
        } else if loss >= 0.01 {
            Redundancy::One
        } else {
            Redundancy::None
        }
    }

    const fn frames(self) -> usize {
        match self {
            Redundancy::None => 0,
            Redundancy::One => 1,
            Redundancy::Two => 2,
        }
    }
}

/// Losses stay away for this long before redundancy is taken back: they come in clusters.
const CALM: Duration = Duration::from_secs(20);

/// What one receiver's path needs, by what its reports say.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedundancyNeed {
    level: Redundancy,
    /// When this level was last needed.
    needed: Option<Instant>,
}

impl RedundancyNeed {
    /// A report of the receiver: this share of packets, 0 to 1, was lost since the one before.
    pub fn report(&mut self, now: Instant, loss: f32) {
        let needs = Redundancy::for_loss(loss);
        let calm = self
            .needed
            .is_none_or(|needed| now.saturating_duration_since(needed) >= CALM);
        if needs >= self.level || calm {
            self.level = needs;
            self.needed = Some(now);
        }
    }

    /// What to send with.
    pub fn level(&self) -> Redundancy {
        self.level
    }
}

/// Largest payload made: never larger than what fits a datagram whatever else is in it.
const PAYLOAD_LEN_MAX: usize = 1_100;
/// Lengths of redundant frames have 10 bits, their ages 14 (RFC 2198 section 3).
const FRAME_LEN_MAX: usize = 0x3ff;
const AGE_MAX: u32 = 0x3fff;

/// The payloads of the packet at hand, by level of redundancy. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct RedMaker {
    one: Vec<u8>,
    two: Vec<u8>,
    /// Of the newest packet.
    highest: Option<u64>,
}

/// What of a packet's redundancy there is to forward. Empty where there is none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Red<'a> {
    one: &'a [u8],
    two: &'a [u8],
    /// Packets right before this one never came: whoever gets this one needs the redundancy.
    pub(super) after_gap: bool,
}

impl<'a> Red<'a> {
    /// For a receiver with this need: the payload, if there is one.
    #[inline]
    pub(super) fn payload(&self, need: Redundancy) -> Option<&'a [u8]> {
        let payload = match need {
            Redundancy::None => &[],
            Redundancy::One => self.one,
            Redundancy::Two => self.two,
        };
        (!payload.is_empty()).then_some(payload)
    }
}

impl RedMaker {
    /// What there is for `packet`, given that some receiver needs `most`. `clock` is the packet's time on the source's clock.
    pub(super) fn prepare<'a>(
        &'a mut self,
        packet: &Inbound<'a>,
        clock: u32,
        most: Redundancy,
        histories: &[History; ENCODINGS_MAX],
    ) -> Red<'a> {
        if packet.codec.kind() != Kind::Audio || packet.payload.is_empty() {
            return Red::default();
        }
        let after_gap = self.highest.is_some_and(|highest| packet.index > highest + 1);
        self.highest = self.highest.max(Some(packet.index));
        if packet.codec == Codec::Red {
            // The publisher knows best what it could still send.
            return Red {
                one: packet.payload,
                two: packet.payload,
                after_gap,
            };
        }
        self.one.clear();
        self.two.clear();
        if let Some(history) = histories.get(packet.encoding) {
            if most >= Redundancy::One {
                make(&mut self.one, packet, clock, Redundancy::One, history);
            }
            if most >= Redundancy::Two {
                make(&mut self.two, packet, clock, Redundancy::Two, history);
            }
        }
        Red {
            one: &self.one,
            two: &self.two,
            after_gap: false,
        }
    }

    /// The stream begins anew.
    pub(super) fn restart(&mut self) {
        self.highest = None;
    }
}

/// Writes headers, older frames, the newest frame. The payload types are left 0 for [`relabel`]. Nothing is written when
/// there is no older frame.
fn make(out: &mut Vec<u8>, packet: &Inbound<'_>, clock: u32, need: Redundancy, history: &History) {
    let mut len = packet.payload.len();
    let mut fits = |back: &u64| {
        let kept = history.get(packet.index.checked_sub(*back)?)?;
        let age = clock.wrapping_sub(kept.facts.clock);
        len += 4 + kept.payload.len();
        let may = kept.facts.codec == packet.codec
            && kept.payload.len() <= FRAME_LEN_MAX
            && (1..=AGE_MAX).contains(&age)
            && len < PAYLOAD_LEN_MAX;
        may.then_some((age, kept.payload))
    };
    // Oldest first. A frame that was lost on its way here leaves the other one.
    let mut older: arrayvec::ArrayVec<(u32, &[u8]), 2> = arrayvec::ArrayVec::new();
    for back in (1..=need.frames() as u64).rev() {
        if let Some(frame) = fits(&back) {
            older.push(frame);
        }
    }
    if older.is_empty() {
        return;
    }
    for (age, frame) in &older {
        let bits = (age << 10) | frame.len() as u32;
        out.extend_from_slice(&[0x80, (bits >> 16) as u8, (bits >> 8) as u8, bits as u8]);
    }
    out.push(0);
    older.iter().for_each(|(_, frame)| out.extend_from_slice(frame));
    out.extend_from_slice(packet.payload);
}

/// The payload type of every frame as this subscriber agreed it. A payload with more frames than a patch has edits keeps
/// the types of its last ones: no browser sends such.
pub(super) fn relabel(payload: &[u8], opus: u8) -> Patch {
    let mut patch = Patch::default();
    let Ok(blocks) = red::blocks(payload) else { return patch };
    let count = blocks.count();
    for block in 0..count {
        let at = block * 4;
        let last = block + 1 == count;
        let Some(byte) = payload.get(at) else { break };
        if byte & 0x7f != opus
            && let Ok(at) = u8::try_from(at)
        {
            patch.set(at, if last { opus } else { 0x80 | opus });
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Kept, audio_packet, egress};
    use super::super::{EgressConfig, Forwarder, HistoryLimits, Source, SourceConfig, SourceKey};
    use super::*;

    const RED: u8 = 63;
    const OPUS: u8 = 109;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn microphone() -> Source {
        Source::new(SourceConfig {
            key: SourceKey(1),
            kind: Kind::Audio,
            encodings: 1,
            history: HistoryLimits::default(),
        })
    }

    /// A receiver whose Opus has another number than the publisher's, with RED or without.
    fn receiver(nth: u64, red: bool) -> EgressConfig {
        let mut config = egress(nth, Kind::Audio);
        config.payload_types = super::super::PayloadTypes::default();
        config.payload_types.add(Codec::Opus, OPUS, None);
        if red {
            config.payload_types.add(Codec::Red, RED, None);
        }
        config
    }

    fn frame(index: u64) -> Vec<u8> {
        vec![index as u8; 10 + index as usize % 3]
    }

    /// What a receiver gets of plain Opus packets with these numbers.
    fn made(indices: &[u64], need: Redundancy, red: bool) -> Vec<(u8, Vec<u8>)> {
        let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
        let config = receiver(1, red);
        let key = config.key;
        source.attach(start, Forwarder::new(config));
        source.set_redundancy(key, need);
        for index in indices {
            let payload = frame(*index);
            let mut packet = audio_packet(start + ms(index * 20), *index, *index as u32 * 960);
            packet.payload = &payload;
            source.forward(&packet, &mut kept);
        }
        let sent = kept.sent.iter();
        sent.map(|packet| (packet.payload_type, packet.payload.clone()))
            .collect()
    }

    /// The frames of a RED payload, with their ages; all have to be Opus as this receiver knows it.
    fn frames(payload: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let blocks = red::blocks(payload).expect("well-formed");
        blocks
            .map(|block| {
                assert_eq!(block.payload_type, OPUS);
                (block.timestamp_offset, block.payload.to_vec())
            })
            .collect()
    }

    #[test]
    fn who_loses_packets_gets_the_frames_before_with_each() {
        let sent = made(&[7, 8, 9], Redundancy::One, true);
        assert_eq!(sent[0], (OPUS, frame(7)), "there is nothing before the first");
        assert_eq!(sent[1].0, RED);
        assert_eq!(frames(&sent[1].1), [(960, frame(7)), (0, frame(8))]);
        let sent = made(&[7, 8, 9], Redundancy::Two, true);
        assert_eq!(frames(&sent[2].1), [(1920, frame(7)), (960, frame(8)), (0, frame(9))]);
    }

    #[test]
    fn who_loses_nothing_or_cannot_read_it_gets_plain_audio() {
        assert!(
            made(&[1, 2, 3], Redundancy::None, true)
                .iter()
                .all(|(kind, _)| *kind == OPUS)
        );
        let plain = made(&[1, 2, 3], Redundancy::Two, false);
        assert_eq!(plain, [1, 2, 3].map(|index| (OPUS, frame(index))));
    }

    #[test]
    fn a_frame_that_never_came_is_left_out_and_one_too_old_as_well() {
        let sent = made(&[1, 2, 4], Redundancy::Two, true);
        assert_eq!(frames(&sent[2].1), [(1920, frame(2)), (0, frame(4))]);
        let sent = made(&[1, 2, 40], Redundancy::Two, true);
        assert_eq!(sent[2], (OPUS, frame(40)), "after a silence there is nothing to repeat");
    }

    #[test]
    fn the_publishers_redundancy_goes_where_it_is_needed_and_to_everybody_after_a_gap() {
        let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
        for (nth, red) in [(1, true), (2, true), (3, false)] {
            source.attach(start, Forwarder::new(receiver(nth, red)));
        }
        source.set_redundancy(receiver(2, true).key, Redundancy::One);
        let redundant = [0x80 | 111, 0, 0, 2, 111, 0xaa, 0xbb, 0xcc, 0xdd];
        let mut each = |index: u64| {
            let mut packet = audio_packet(start + ms(index * 20), index, index as u32 * 960);
            packet.codec = Codec::Red;
            packet.payload = &redundant;
            source.forward(&packet, &mut kept);
            std::mem::take(&mut kept.sent)
        };
        let usual = each(1);
        assert_eq!(usual[0].payload, [0xcc, 0xdd], "loses nothing");
        assert_eq!(
            frames(&usual[1].payload),
            [(0, vec![0xaa, 0xbb]), (0, vec![0xcc, 0xdd])]
        );
        assert_eq!(
            (usual[2].payload_type, &usual[2].payload[..]),
            (OPUS, &[0xcc, 0xdd][..])
        );
        let after_gap = each(3);
        assert_eq!([after_gap[0].payload_type, after_gap[2].payload_type], [RED, OPUS]);
        assert_eq!(each(4)[0].payload_type, OPUS);
    }

    #[test]
    fn need_rises_at_once_and_falls_after_a_calm() {
        let (mut need, start) = (RedundancyNeed::default(), Instant::now());
        need.report(start, 0.004);
        assert_eq!(need.level(), Redundancy::None);
        need.report(start + ms(500), 0.02);
        assert_eq!(need.level(), Redundancy::One);
        need.report(start + ms(1000), 0.2);
        assert_eq!(need.level(), Redundancy::Two);
        for second in 2..20 {
            need.report(start + ms(second * 1000), 0.0);
            assert_eq!(need.level(), Redundancy::Two);
        }
        need.report(start + ms(21_000), 0.0);
        assert_eq!(need.level(), Redundancy::None);
    }

    #[test]
    fn large_frames_go_alone() {
        let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
        let config = receiver(1, true);
        let key = config.key;
        source.attach(start, Forwarder::new(config));
        source.set_redundancy(key, Redundancy::One);
        let large = vec![1; 1_024];
        for index in 1..4u64 {
            let mut packet = audio_packet(start + ms(index * 20), index, index as u32 * 960);
            packet.payload = &large;
            source.forward(&packet, &mut kept);
        }
        assert!(kept.sent.iter().all(|packet| packet.payload == large));
    }
}
