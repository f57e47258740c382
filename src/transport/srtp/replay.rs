//! What has been opened already, and which rollover counter a sequence number belongs to. Both are updated only
//! with packets that authenticated.

const WORDS: usize = 16;
const WORD_BITS: u64 = u64::BITS as u64;

/// How far behind the highest index a packet may come and still be opened, in packets: about one second of video at
/// 8 Mbit/s. RFC 3711 section 3.3.2 asks for at least 64. One word less than is stored, so that moving
/// forward clears whole words and never bits (RFC 6479).
pub(super) const WINDOW: u64 = (WORDS as u64 - 1) * WORD_BITS;

/// A sliding window over packet indices: 48 bits for SRTP, 31 bits for SRTCP.
#[derive(Clone)]
pub(super) struct ReplayWindow {
    highest: u64,
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// A window that has seen `first`.
    pub(super) fn starting_at(first: u64) -> ReplayWindow {
        let mut window = ReplayWindow {
            highest: first,
            seen: [0; WORDS],
        };
        window.accept(first);
        window
    }

    /// True when `index` has not been accepted and is not too old to tell.
    #[inline]
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        if index > self.highest {
            return true;
        }
        self.highest - index < WINDOW && self.seen[word(index)] & bit(index) == 0
    }

    /// Marks `index` as seen.
    #[inline]
    pub(super) fn accept(&mut self, index: u64) {
        if index > self.highest {
            let old = self.highest / WORD_BITS;
            let steps = (index / WORD_BITS - old).min(WORDS as u64);
            for step in 1..=steps {
                self.seen[word((old + step) * WORD_BITS)] = 0;
            }
            self.highest = index;
        }
        self.seen[word(index)] |= bit(index);
    }

    /// The 48-bit index that `sequence_number` most likely stands for (RFC 3711 section 3.3.1 and appendix A).
    /// `None` for a packet from before the stream began or from past the last rollover.
    #[inline]
    pub(super) fn estimate(&self, sequence_number: u16) -> Option<u64> {
        let roc = self.highest >> 16;
        let (last, seq) = (i32::from(self.highest as u16), i32::from(sequence_number));
        let roc = if last < 0x8000 {
            if seq - last > 0x8000 { roc.checked_sub(1)? } else { roc }
        } else if last - 0x8000 > seq {
            roc + 1
        } else {
            roc
        };
        (roc <= u64::from(u32::MAX)).then_some(roc << 16 | u64::from(sequence_number))
    }
}

#[inline]
const fn word(index: u64) -> usize {
    (index / WORD_BITS) as usize % WORDS
}

#[inline]
const fn bit(index: u64) -> u64 {
    1 << (index % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    proptest! {
        /// Against the slow truth: a set of everything accepted, and the rule that older than the window is a replay.
        #[test]
        fn agrees_with_a_set(start in 0u64..1 << 40, steps in prop::collection::vec(-1200i64..400, 1..600)) {
            let mut window = ReplayWindow::starting_at(start);
            let mut seen = HashSet::from([start]);
            let mut highest = start;
            for step in steps {
                let Some(index) = highest.checked_add_signed(step) else { continue };
                let want = index > highest || (highest - index < WINDOW && !seen.contains(&index));
                prop_assert_eq!(window.is_fresh(index), want);
                if want {
                    window.accept(index);
                    seen.insert(index);
                    highest = highest.max(index);
                    prop_assert!(!window.is_fresh(index));
                }
            }
        }

        /// A jump of any size forgets everything that it leaves behind and nothing that stays inside.
        #[test]
        fn jumps_forward(start in 0u64..1 << 40, jump in 1u64..5000) {
            let mut window = ReplayWindow::starting_at(start);
            window.accept(start + jump);
            prop_assert!(!window.is_fresh(start));
            prop_assert!(!window.is_fresh(start + jump));
            for back in 1..jump.min(WINDOW) {
                prop_assert!(window.is_fresh(start + jump - back));
            }
        }

        /// Whatever lies within half the sequence space of the newest packet is found again.
        #[test]
        fn estimate_inverts_truncation(highest in 0u64..1 << 47, distance in -0x7fffi64..0x8000) {
            let window = ReplayWindow::starting_at(highest);
            let index = highest.checked_add_signed(distance);
            if let Some(index) = index {
                prop_assert_eq!(window.estimate(index as u16), Some(index));
            }
        }
    }

    #[test]
    fn nothing_precedes_the_first_rollover_or_follows_the_last() {
        assert_eq!(ReplayWindow::starting_at(3).estimate(0xfffe), None);
        assert_eq!(ReplayWindow::starting_at((1 << 48) - 2).estimate(1), None);
    }
}
