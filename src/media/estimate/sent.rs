//! What was sent on a path, by its transport-wide number, until feedback says what became of it.

use std::time::Instant;

/// A burst of packets sent faster than media, to see whether the path takes it. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeCluster(pub u16);

/// One packet that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// When it left.
    pub at: Instant,
    /// Its bytes as a UDP payload.
    pub bytes: u16,
    /// The probe it belonged to.
    pub probe: Option<ProbeCluster>,
}

/// Room for a quarter of a second of a common subscriber; doubles while it would lose packets that are still in flight.
const PACKETS_FIRST: usize = 256;
/// 2^14 packets are a second of 150 Mb/s; the numbers themselves repeat after four times as many.
const PACKETS_MAX: usize = 1 << 14;

/// The packets of one path that feedback may still tell about, by transport-wide sequence number.
#[derive(Debug, Default)]
pub struct SentLog {
    slots: Box<[Option<(u16, SentPacket)>]>,
}

impl SentLog {
    /// A packet leaves under this number.
    #[inline]
    pub fn record(&mut self, sequence: u16, packet: SentPacket) {
        if self.slots.is_empty() {
            self.slots = vec![None; PACKETS_FIRST].into();
        }
        let mut at = usize::from(sequence) & (self.slots.len() - 1);
        if self.slots[at].is_some() && self.slots.len() < PACKETS_MAX {
            self.grow();
            at = usize::from(sequence) & (self.slots.len() - 1);
        }
        self.slots[at] = Some((sequence, packet));
    }

    /// What left under this number; told once.
    pub fn take(&mut self, sequence: u16) -> Option<SentPacket> {
        if self.slots.is_empty() {
            return None;
        }
        let slot = &mut self.slots[usize::from(sequence) & (self.slots.len() - 1)];
        let (known, packet) = (*slot)?;
        (known == sequence).then(|| {
            *slot = None;
            packet
        })
    }

    #[cold]
    fn grow(&mut self) {
        let mut wider = vec![None; self.slots.len() * 2].into_boxed_slice();
        for (sequence, packet) in self.slots.iter().flatten() {
            wider[usize::from(*sequence) & (self.slots.len() * 2 - 1)] = Some((*sequence, *packet));
        }
        self.slots = wider;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_left_is_told_once_and_room_grows_while_nothing_is_told() {
        let (mut log, now) = (SentLog::default(), Instant::now());
        let packet = |bytes| SentPacket {
            at: now,
            bytes,
            probe: None,
        };
        for number in 0..1_000u16 {
            log.record(number.wrapping_add(65_000), packet(number));
        }
        for number in 0..1_000u16 {
            assert_eq!(log.take(number.wrapping_add(65_000)), Some(packet(number)));
            assert_eq!(log.take(number.wrapping_add(65_000)), None);
        }
    }

    #[test]
    fn a_path_without_feedback_keeps_no_more_than_its_cap() {
        let (mut log, now) = (SentLog::default(), Instant::now());
        for number in 0..200_000u32 {
            log.record(
                number as u16,
                SentPacket {
                    at: now,
                    bytes: 1,
                    probe: None,
                },
            );
        }
        assert_eq!(log.slots.len(), PACKETS_MAX);
    }
}
