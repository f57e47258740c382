//! What was sent on a path, by its transport-wide number, until feedback says what became of it.

use std::time::{Duration, Instant};

/// A burst of packets sent faster than media, to see whether the path takes it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeCluster(pub u16);

/// A moment in which packets leave, on any number of paths: what is to be worked out of it for their logs is worked out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    at: Instant,
    /// Since an epoch that all departures of one sender count from.
    us: u64,
}

impl Departure {
    /// The moment `at` of a sender that counts from `epoch`.
    pub fn new(epoch: Instant, at: Instant) -> Self {
        let since = at.saturating_duration_since(epoch);
        Departure {
            at,
            us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn later(self, us: u64) -> Self {
        Departure {
            at: self.at + Duration::from_micros(us),
            us: self.us.saturating_add(us),
        }
    }
}

/// One packet that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// When it left.
    pub at: Departure,
    /// Its bytes as a UDP payload.
    pub bytes: u16,
    /// The probe it belonged to.
    pub probe: Option<ProbeCluster>,
}

/// Room for a quarter of a second of a common subscriber; doubles while it would lose packets that are still in flight.
const PACKETS_FIRST: usize = 256;
/// 2^14 packets are a second of 150 Mb/s; the numbers themselves repeat after four times as many.
const PACKETS_MAX: usize = 1 << 14;

/// After so long a packet is not worth more room: its feedback was lost, or there never is any.
const IN_FLIGHT_US: u64 = 2_000_000;

/// The packets of one path that feedback may still tell about, by transport-wide sequence number.
#[derive(Debug, Default)]
pub struct SentLog {
    slots: Box<[Slot]>,
    /// When the first packet left: what the times in the slots count from.
    first: Option<Departure>,
}

/// One packet. Sixteen octets, since every subscriber has some hundreds of them.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    at_us: u64,
    sequence: u16,
    bytes: u16,
    /// 0 is none.
    probe: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    InFlight,
    /// Feedback tells about later ones already, and not about it: that feedback was lost, or comes late.
    Skipped,
    /// Feedback said that it had not arrived. A later one may know better: packets overtake each other.
    Missing,
}

/// What feedback said of a packet before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// It told about later ones.
    Skipped,
    Missing,
}

/// A packet that feedback tells about, in the log's own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// When it left, in microseconds since the first packet did.
    pub at_us: i64,
    pub bytes: u16,
    /// 0 is none.
    pub probe: u16,
    pub before: Before,
}

impl SentLog {
    /// A packet leaves under this number.
    #[inline]
    pub fn record(&mut self, sequence: u16, packet: SentPacket) {
        if self.slots.is_empty() {
            self.slots = vec![Slot::default(); PACKETS_FIRST].into();
        }
        let at_us = packet.at.us.saturating_sub(self.first.get_or_insert(packet.at).us);
        let mut index = self.index(sequence);
        let occupant = &self.slots[index];
        if occupant.state == State::InFlight
            && at_us.saturating_sub(occupant.at_us) < IN_FLIGHT_US
            && self.slots.len() < PACKETS_MAX
        {
            self.grow();
            index = self.index(sequence);
        }
        self.slots[index] = Slot {
            at_us,
            sequence,
            bytes: packet.bytes,
            probe: packet.probe.map_or(0, |cluster| cluster.0),
            state: State::InFlight,
        };
    }

    /// What left under this number; told once.
    pub fn take(&mut self, sequence: u16) -> Option<SentPacket> {
        let told = self.arrived(sequence)?;
        Some(SentPacket {
            at: self.first?.later(told.at_us as u64),
            bytes: told.bytes,
            probe: (told.probe != 0).then_some(ProbeCluster(told.probe)),
        })
    }

    /// Feedback says that this packet arrived: what it was, told once.
    #[inline]
    pub(super) fn arrived(&mut self, sequence: u16) -> Option<Told> {
        let slot = self.slot(sequence)?;
        let told = slot.told()?;
        slot.state = State::Empty;
        Some(told)
    }

    /// Feedback says that this packet did not arrive: what it was, told once. [`Self::arrived`] may still follow.
    #[inline]
    pub(super) fn missing(&mut self, sequence: u16) -> Option<Told> {
        let slot = self.slot(sequence)?;
        let told = slot.told().filter(|told| told.before != Before::Missing)?;
        slot.state = State::Missing;
        Some(told)
    }

    /// Feedback tells about later packets and not about this one: what it was, told once. The others may still follow.
    #[inline]
    pub(super) fn skipped(&mut self, sequence: u16) -> Option<Told> {
        let slot = self.slot(sequence)?;
        let told = slot.told().filter(|told| told.before == Before::Nothing)?;
        slot.state = State::Skipped;
        Some(told)
    }

    /// A moment on the log's own clock: microseconds since the first packet left.
    pub(super) fn micros(&self, now: Instant) -> i64 {
        let first = self.first.map_or(now, |first| first.at);
        i64::try_from(now.saturating_duration_since(first).as_micros()).unwrap_or(i64::MAX)
    }

    fn index(&self, sequence: u16) -> usize {
        usize::from(sequence) & (self.slots.len() - 1)
    }

    fn slot(&mut self, sequence: u16) -> Option<&mut Slot> {
        if self.slots.is_empty() {
            return None;
        }
        let index = self.index(sequence);
        Some(&mut self.slots[index]).filter(|slot| slot.sequence == sequence)
    }

    #[cold]
    fn grow(&mut self) {
        let mut wider = vec![Slot::default(); self.slots.len() * 2].into_boxed_slice();
        for slot in self.slots.iter().filter(|slot| slot.state != State::Empty) {
            wider[usize::from(slot.sequence) & (self.slots.len() * 2 - 1)] = *slot;
        }
        self.slots = wider;
    }
}

impl Slot {
    fn told(&self) -> Option<Told> {
        let before = match self.state {
            State::Empty => return None,
            State::InFlight => Before::Nothing,
            State::Skipped => Before::Skipped,
            State::Missing => Before::Missing,
        };
        Some(Told {
            at_us: self.at_us as i64,
            bytes: self.bytes,
            probe: self.probe,
            before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(at: Departure, bytes: u16) -> SentPacket {
        SentPacket { at, bytes, probe: None }
    }

    /// An hour after the epoch.
    fn now() -> Departure {
        let epoch = Instant::now();
        Departure::new(epoch, epoch + Duration::from_secs(3_600))
    }

    #[test]
    fn what_left_is_told_once_and_room_grows_while_nothing_is_told() {
        let (mut log, now) = (SentLog::default(), now());
        for number in 0..1_000u16 {
            log.record(number.wrapping_add(65_000), packet(now, number));
        }
        for number in 0..1_000u16 {
            assert_eq!(log.take(number.wrapping_add(65_000)), Some(packet(now, number)));
            assert_eq!(log.take(number.wrapping_add(65_000)), None);
        }
    }

    #[test]
    fn a_path_without_feedback_keeps_no_more_than_its_cap() {
        let (mut log, now) = (SentLog::default(), now());
        for number in 0..200_000u32 {
            log.record(number as u16, packet(now, 1));
        }
        assert_eq!(log.slots.len(), PACKETS_MAX);
    }

    #[test]
    fn packets_whose_feedback_was_lost_long_ago_take_no_more_room() {
        let (mut log, start) = (SentLog::default(), now());
        // One hundred packets each second for a minute, and never any feedback.
        for number in 0..6_000u32 {
            log.record(number as u16, packet(start.later(10_000 * u64::from(number)), 1));
        }
        assert_eq!(log.slots.len(), PACKETS_FIRST);
    }

    #[test]
    fn a_missing_packet_may_still_arrive_and_each_is_told_once() {
        let (mut log, now) = (SentLog::default(), now());
        log.record(7, packet(now, 100));
        assert!(log.missing(7).is_some_and(|told| told.before == Before::Nothing));
        assert_eq!(log.missing(7), None);
        assert!(log.arrived(7).is_some_and(|told| told.before == Before::Missing));
        assert_eq!(log.arrived(7), None);
        assert_eq!(log.missing(7), None);
    }

    #[test]
    fn a_packet_whose_feedback_comes_late_is_skipped_once_and_told_once() {
        let (mut log, now) = (SentLog::default(), now());
        log.record(7, packet(now, 100));
        assert!(log.skipped(7).is_some());
        assert_eq!(log.skipped(7), None);
        assert!(log.missing(7).is_some_and(|told| told.before == Before::Skipped));
        assert_eq!(log.skipped(7), None);
        assert!(log.arrived(7).is_some_and(|told| told.before == Before::Missing));
    }
}
