//! Chance that can be repeated: every random decision of a link comes from one seeded stream.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The dice of one link.
///
/// The generator is fixed and the distributions are written out here, because the ones of `rand` may give other values
/// in its next release: a seed that showed a fault must show it again next year.
#[derive(Clone, Debug)]
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in 0..1, with the 53 bits that a double can hold.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True with the given probability. Draws nothing where there is nothing to decide, so that a feature that is
    /// switched off does not shift what the others draw.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.unit() < probability
    }

    /// Uniform in -1..1.
    pub(crate) fn symmetric(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// Normal with deviation 1, drawn again until it lies within `bound` deviations.
    pub(crate) fn normal_within(&mut self, bound: f64) -> f64 {
        loop {
            // Box-Muller; 1 - unit() is never 0.
            let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
            let value = radius * (std::f64::consts::TAU * self.unit()).cos();
            if value.abs() <= bound {
                return value;
            }
        }
    }
}
