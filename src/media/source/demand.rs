//! What the subscribers of a source want of it, whether it arrives or not.

use super::super::ENCODINGS_MAX;

/// What some or all of a source's subscribers want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// A bit for each encoding that somebody would be served from if all of them arrived. With any of them the lowest, so that
    /// whoever has to step down has something to step down to; and below one that does not arrive all others, because its
    /// publisher may not be able to send it.
    pub encodings: u8,
    /// Somebody wants it whatever others do: it is forwarded to them even while others are louder.
    pub pinned: bool,
}

impl Demand {
    /// Of both together.
    #[must_use]
    pub const fn and(self, other: Demand) -> Demand {
        Demand {
            encodings: self.encodings | other.encodings,
            pinned: self.pinned || other.pinned,
        }
    }
}

/// What one subscriber would be served from. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::media) struct Wish {
    pub(in crate::media) encoding: Option<u8>,
    pub(in crate::media) pinned: bool,
}

/// The wishes of all forwarders of a source, counted.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    by_encoding: [u32; ENCODINGS_MAX],
    pinned: u32,
}

impl Wishes {
    /// One forwarder's wish has changed.
    pub(super) fn change(&mut self, before: Wish, after: Wish) {
        for (wish, add) in [(before, false), (after, true)] {
            let counted = wish.encoding.and_then(|at| self.by_encoding.get_mut(usize::from(at)));
            let Some(count) = counted else { continue };
            *count = if add { *count + 1 } else { count.saturating_sub(1) };
            if wish.pinned {
                self.pinned = if add {
                    self.pinned + 1
                } else {
                    self.pinned.saturating_sub(1)
                };
            }
        }
    }

    /// Nobody wants anything.
    pub(super) fn is_nothing(&self) -> bool {
        self.by_encoding == [0; ENCODINGS_MAX]
    }

    /// Somebody wants it whatever others do.
    #[inline]
    pub(super) fn is_pinned(&self) -> bool {
        self.pinned > 0
    }

    /// A bit for each encoding that somebody would be served from.
    pub(super) fn wanted(&self) -> u8 {
        let wanted = self.by_encoding.iter().enumerate().filter(|(_, count)| **count > 0);
        wanted.fold(0, |mask, (encoding, _)| mask | 1 << encoding)
    }

    /// `live` has a bit for each encoding that arrives.
    pub(super) fn demand(&self, live: u8) -> Demand {
        let wanted = self.by_encoding.iter().enumerate().filter(|(_, count)| **count > 0);
        let encodings = wanted.fold(0, |mask, (encoding, _)| {
            let own = 1 << encoding;
            mask | 1 | if live & own == 0 { own | (own - 1) } else { own }
        });
        Demand {
            encodings,
            pinned: self.is_pinned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(encoding: Option<u8>, pinned: bool) -> Wish {
        Wish { encoding, pinned }
    }

    #[test]
    fn with_an_encoding_the_lowest_is_wanted_and_all_below_it_until_it_arrives() {
        let mut wishes = Wishes::default();
        assert_eq!(wishes.demand(0b111), Demand::default());
        wishes.change(Wish::default(), wish(Some(2), false));
        assert_eq!(
            [0b111, 0b101, 0b011, 0].map(|live| wishes.demand(live).encodings),
            [0b101, 0b101, 0b111, 0b111]
        );
        wishes.change(Wish::default(), wish(Some(1), true));
        assert_eq!(
            wishes.demand(0b111),
            Demand {
                encodings: 0b111,
                pinned: true
            }
        );
        wishes.change(wish(Some(1), true), wish(Some(2), false));
        assert_eq!(
            wishes.demand(0b111),
            Demand {
                encodings: 0b101,
                pinned: false
            }
        );
        wishes.change(wish(Some(2), false), wish(None, true));
        wishes.change(wish(Some(2), false), Wish::default());
        assert!(wishes.is_nothing());
        assert_eq!(wishes.demand(0), Demand::default());
    }
}
