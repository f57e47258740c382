//! What an encoding sent lately, kept once for every subscriber.
//!
//! A ring of facts and a ring of bytes. Both start small and double while they hold less than
//! a second of packets; after that nothing is allocated any more and the oldest packet makes room for the newest.

use std::time::{Duration, Instant};

use crate::packet::{AudioLevel, Codec, Picture};

use super::Inbound;

/// How much is kept of each encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// How far back a NACK can be answered: room is made for packets of this age.
    pub age: Duration,
    /// But for no more bytes than this.
    pub size: usize,
}

impl Default for HistoryLimits {
    /// Several round trips of a bad path, and some 8 Mb/s.
    fn default() -> Self {
        HistoryLimits {
            age: Duration::from_secs(1),
            size: 1 << 20,
        }
    }
}

impl HistoryLimits {
    /// Video packets are rarely smaller than half a kilobyte on average.
    fn packets_max(&self) -> usize {
        (self.size / 512).clamp(PACKETS_FIRST, PACKETS_MAX)
    }
}

/// 2.5 Mb/s of video fill some 300 of them per second.
const PACKETS_FIRST: usize = 64;
const PACKETS_MAX: usize = 1 << 15;
const BYTES_FIRST: usize = 16 << 10;

/// A dependency descriptor longer than this is not kept; the packet is then not resent.
const DESCRIPTOR_LEN_MAX: usize = 255;

/// One packet as it was received.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its facts.
    pub facts: &'a Facts,
    /// Its payload.
    pub payload: &'a [u8],
    /// Its dependency descriptor.
    pub descriptor: Option<&'a [u8]>,
}

/// What has to be known to write a packet's header again.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    index: u64,
    arrival: Instant,
    /// Where its bytes begin, counted from the first byte ever written.
    start: u64,
    descriptor_len: u8,
    len: u16,
    /// On the source's clock.
    pub clock: u32,
    /// As received.
    pub marker: bool,
    /// What the payload is.
    pub codec: Codec,
    /// What is rewritten in it.
    pub picture: Picture,
    /// RFC 6464.
    pub audio_level: Option<AudioLevel>,
    /// 3GPP TS 26.114.
    pub video_orientation: Option<u8>,
    /// Minimum and maximum delay.
    pub playout_delay: Option<[u8; 3]>,
}

/// The packets of one encoding.
#[derive(Debug, Default)]
pub struct History {
    limits: HistoryLimits,
    slots: Box<[Option<Facts>]>,
    bytes: Box<[u8]>,
    /// Bytes ever written, with those skipped at the ring's end.
    written: u64,
    /// When the ring of bytes was last at its beginning.
    lap: Option<Instant>,
}

impl History {
    /// Nothing yet.
    pub fn new(limits: HistoryLimits) -> History {
        History {
            limits,
            ..History::default()
        }
    }

    /// Keeps a packet, in place of the oldest.
    #[inline]
    pub fn push(&mut self, packet: &Inbound<'_>, clock: u32) {
        let descriptor = packet.extensions.dependency_descriptor.unwrap_or_default();
        let len = descriptor.len() + packet.payload.len();
        if descriptor.len() > DESCRIPTOR_LEN_MAX || len > usize::from(u16::MAX) || !self.make_room(packet, len) {
            return;
        }
        let at = self.claim(len);
        let (head, rest) = self.bytes[at..at + len].split_at_mut(descriptor.len());
        head.copy_from_slice(descriptor);
        rest.copy_from_slice(packet.payload);
        let slot = self.slot(packet.index);
        self.slots[slot] = Some(Facts {
            index: packet.index,
            arrival: packet.now,
            start: self.written - len as u64,
            descriptor_len: descriptor.len() as u8,
            len: len as u16,
            clock,
            marker: packet.header.marker,
            codec: packet.codec,
            picture: packet.frame.picture,
            audio_level: packet.extensions.audio_level,
            video_orientation: packet.extensions.video_orientation,
            playout_delay: packet.extensions.playout_delay,
        });
    }

    /// How many packets there is room for.
    #[inline]
    pub fn reach(&self) -> usize {
        self.slots.len()
    }

    /// The packet with this extended sequence number, while it is there.
    pub fn get(&self, index: u64) -> Option<Kept<'_>> {
        if self.slots.is_empty() {
            return None;
        }
        let facts = self.slots[self.slot(index)].as_ref()?;
        if facts.index != index || !self.holds(facts) {
            return None;
        }
        let at = (facts.start % self.bytes.len() as u64) as usize;
        let all = self.bytes.get(at..at + usize::from(facts.len))?;
        let (descriptor, payload) = all.split_at(usize::from(facts.descriptor_len));
        Some(Kept {
            facts,
            payload,
            descriptor: (!descriptor.is_empty()).then_some(descriptor),
        })
    }

    /// Forgets every packet, keeps the room.
    pub fn clear(&mut self) {
        self.slots.fill(None);
    }

    fn slot(&self, index: u64) -> usize {
        (index % self.slots.len() as u64) as usize
    }

    fn holds(&self, facts: &Facts) -> bool {
        facts.start + self.bytes.len() as u64 >= self.written
    }

    /// Makes room before something younger than the limit would be pushed out. False when the packet cannot be kept.
    #[inline]
    fn make_room(&mut self, packet: &Inbound<'_>, len: usize) -> bool {
        let young = |since: Instant| packet.now.saturating_duration_since(since) < self.limits.age;
        let (mut slots, mut bytes) = (self.slots.len(), self.bytes.len());
        if slots == 0 {
            (slots, bytes) = (PACKETS_FIRST, BYTES_FIRST);
        } else {
            match &self.slots[self.slot(packet.index)] {
                Some(facts) if facts.index > packet.index => return false,
                Some(facts) if facts.index < packet.index && young(facts.arrival) => {
                    slots = (slots * 2).min(self.limits.packets_max());
                }
                Some(_) | None => {}
            }
            if self.wraps(len) {
                if self.lap.is_some_and(young) {
                    bytes = (bytes * 2).min(self.limits.size);
                }
                self.lap = Some(packet.now);
            }
        }
        if (slots, bytes) != (self.slots.len(), self.bytes.len()) {
            self.resize(slots, bytes);
        }
        self.lap.get_or_insert(packet.now);
        len <= self.bytes.len()
    }

    /// Whether `len` bytes would cross the end of the ring of bytes.
    fn wraps(&self, len: usize) -> bool {
        (self.written % self.bytes.len() as u64) as usize + len > self.bytes.len()
    }

    /// Claims `len` bytes in one piece and says where they begin.
    fn claim(&mut self, len: usize) -> usize {
        if self.wraps(len) {
            let size = self.bytes.len() as u64;
            self.written = (self.written / size + 1) * size;
        }
        let at = (self.written % self.bytes.len() as u64) as usize;
        self.written += len as u64;
        at
    }

    /// Larger rings, with what the old ones held.
    #[cold]
    fn resize(&mut self, slots: usize, bytes: usize) {
        let old = std::mem::replace(
            self,
            History {
                limits: self.limits,
                slots: vec![None; slots].into(),
                bytes: vec![0; bytes].into(),
                written: 0,
                lap: self.lap,
            },
        );
        let mut kept: Vec<&Facts> = old.slots.iter().flatten().filter(|facts| old.holds(facts)).collect();
        kept.sort_by_key(|facts| facts.start);
        for facts in kept {
            let from = (facts.start % old.bytes.len() as u64) as usize;
            let len = usize::from(facts.len);
            let at = self.claim(len);
            self.bytes[at..at + len].copy_from_slice(&old.bytes[from..from + len]);
            let slot = self.slot(facts.index);
            let start = self.written - len as u64;
            self.slots[slot] = Some(Facts { start, ..*facts });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::tests::{Video, audio_packet};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_was_pushed_comes_back_with_its_descriptor() {
        let mut history = History::default();
        let mut video = Video::new();
        video.index = 70_000;
        let descriptor = [1, 2, 3, 4];
        let mut packet = video.frame(0, true);
        packet.extensions.dependency_descriptor = Some(&descriptor);
        packet.payload = b"hello";
        history.push(&packet, 42);
        let kept = history.get(70_000).expect("just pushed");
        assert_eq!(kept.payload, b"hello");
        assert_eq!(kept.descriptor, Some(&descriptor[..]));
        assert_eq!(kept.facts.clock, 42);
        assert!(history.get(70_001).is_none());
        assert!(history.get(70_000 - PACKETS_FIRST as u64).is_none());
    }

    #[test]
    fn a_second_of_video_stays_and_the_size_settles() {
        let mut history = History::default();
        let start = Instant::now();
        let payload = [7u8; 1200];
        let mut sizes = Vec::new();
        for index in 0..20_000u64 {
            // 1000 packets per second.
            let mut packet = audio_packet(start + ms(index), index, 0);
            packet.payload = &payload[..1000 + (index % 200) as usize];
            history.push(&packet, index as u32);
            if index > 4000 {
                for back in [0, 10, 500, 900] {
                    let kept = history.get(index - back).expect("within the span");
                    assert_eq!(kept.facts.clock, (index - back) as u32);
                    assert_eq!(kept.payload.len(), 1000 + ((index - back) % 200) as usize);
                }
                sizes.push((history.slots.len(), history.bytes.len()));
            }
        }
        sizes.dedup();
        assert_eq!(sizes.len(), 1, "{sizes:?}");
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut history = History::default();
        let now = Instant::now();
        let payload = [7u8; 1400];
        for index in 0..10_000u64 {
            let mut packet = audio_packet(now, index, 0);
            packet.payload = &payload;
            history.push(&packet, 0);
        }
        let limits = HistoryLimits::default();
        assert!(history.slots.len() <= limits.packets_max() && history.bytes.len() <= limits.size);
        assert!(history.get(9_999).is_some());
        assert!(history.get(1).is_none());
    }

    #[test]
    fn the_limits_are_those_it_was_made_with() {
        let payload = [7u8; 1000];
        let reach = |limits| {
            let (mut history, start) = (History::new(limits), Instant::now());
            for index in 0..5_000u64 {
                let mut packet = audio_packet(start + ms(index), index, 0);
                packet.payload = &payload;
                history.push(&packet, 0);
            }
            (0..5_000)
                .rev()
                .take_while(|index| history.get(*index).is_some())
                .count()
        };
        let size = 4 << 20;
        let long = reach(HistoryLimits { age: ms(3_000), size });
        assert!(long >= 3_000, "{long}");
        let short = reach(HistoryLimits { age: ms(200), size });
        assert!((200..1_000).contains(&short), "{short}");
        let small = reach(HistoryLimits {
            age: ms(3_000),
            size: 64 << 10,
        });
        assert!((40..=65).contains(&small), "{small}");
    }

    #[test]
    fn a_very_late_packet_does_not_push_out_a_newer_one() {
        let mut history = History::default();
        let now = Instant::now();
        history.push(&audio_packet(now, 5000, 0), 1);
        history.push(&audio_packet(now + ms(1), 5000 - PACKETS_FIRST as u64, 0), 2);
        assert!(history.get(5000).is_some());
    }
}
