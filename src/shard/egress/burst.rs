//! Which packets leave in one segmented send: same sizes in a row, or nearly, made equal by padding.
//!
//! Encoders cut a frame into packets that differ by a byte, the larger ones last, while the kernel wants equal sizes of which
//! only the last may be smaller. The order is never changed for that: a receiver takes reordering for loss.

/// Packets are padded up to each other when they differ by no more than this; else they leave in sends of their own. Most packets of
/// a frame differ by one byte; for packets of different sources more padding saves no more sends.
pub(super) const PADDING_MAX: u16 = 16;
/// No send is larger: an IP datagram holds 64 kB, and the kernel counts its headers.
pub(super) const BURST_BYTES_MAX: usize = 65_000;

/// Packets that leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) count: usize,
    /// Every packet but the last is padded up to this many bytes.
    pub(super) segment: u16,
}

/// The longest run at the front. `sizes` are those of datagrams without padding.
#[inline]
pub(super) fn next_run(mut sizes: impl Iterator<Item = u16>, segments_max: usize) -> Option<Run> {
    let first = sizes.next()?;
    let (mut least, mut most, mut count) = (first, first, 1);
    for size in sizes.take(segments_max.saturating_sub(1)) {
        let (lower, upper) = (least.min(size), most.max(size));
        if (count + 1) * usize::from(upper) > BURST_BYTES_MAX {
            break;
        }
        if upper - lower > PADDING_MAX {
            // Much smaller than all before: it may come last, as it is.
            if size < least {
                count += 1;
            }
            break;
        }
        (least, most) = (lower, upper);
        count += 1;
    }
    Some(Run { count, segment: most })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(mut sizes: &[u16], segments_max: usize) -> Vec<(usize, u16)> {
        let mut runs = Vec::new();
        while let Some(run) = next_run(sizes.iter().copied(), segments_max) {
            runs.push((run.count, run.segment));
            sizes = &sizes[run.count..];
        }
        runs
    }

    #[test]
    fn packets_that_differ_by_little_leave_together_in_their_order() {
        assert_eq!(runs(&[1199, 1199, 1200, 1200], 64), [(4, 1200)]);
        assert_eq!(runs(&[1200, 1199, 1200, 1184], 64), [(4, 1200)]);
        assert_eq!(runs(&[1200, 1183, 1200], 64), [(2, 1200), (1, 1200)]);
        assert_eq!(runs(&[1183, 1200], 64), [(1, 1183), (1, 1200)]);
    }

    #[test]
    fn differences_do_not_add_up() {
        assert_eq!(runs(&[100, 110, 120, 130], 64), [(2, 110), (2, 130)]);
    }

    #[test]
    fn one_much_smaller_ends_a_run_and_is_not_padded() {
        assert_eq!(runs(&[1200, 1200, 90, 90], 64), [(3, 1200), (1, 90)]);
    }

    #[test]
    fn a_run_is_as_long_as_the_kernel_takes() {
        assert_eq!(runs(&[100; 5], 2), [(2, 100), (2, 100), (1, 100)]);
        assert_eq!(runs(&[100; 2], 1), [(1, 100), (1, 100)]);
        assert_eq!(runs(&[1300; 64], 64), [(50, 1300), (14, 1300)]);
        assert_eq!(runs(&[], 64), []);
    }
}
