//! Why a subscriber gets what it gets of a video.

use std::fmt;
use std::time::Instant;

/// Why a video is forwarded as it is, and not better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is the best there is.
    Everything,
    /// It is the best of what the subscriber asked for; there would be more.
    Wish,
    /// The subscriber asked for nothing of it now.
    PausedByWish,
    /// It does not arrive: muted, or not sent by its publisher. Or the best layer does not, and what does is sent in its place.
    NotLive,
    /// The next layer would need more than is left.
    Budget {
        /// Bits per second, headroom included.
        needed_bps: u64,
        /// Bits per second.
        left_bps: u64,
    },
    /// Not even the lowest layer fits.
    PausedNoBudget {
        /// Bits per second.
        needed_bps: u64,
        /// Bits per second.
        left_bps: u64,
    },
    /// There is bandwidth for more, but it had to go down a short time ago: a while has to pass first.
    Settling {
        /// When it may go up.
        until: Instant,
    },
}

impl Reason {
    /// It is less than was asked for, for want of bandwidth.
    pub fn is_bandwidth(self) -> bool {
        match self {
            Reason::Budget { .. } | Reason::PausedNoBudget { .. } | Reason::Settling { .. } => true,
            Reason::Everything | Reason::Wish | Reason::PausedByWish | Reason::NotLive => false,
        }
    }

    /// The word of the client protocol.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Everything => "everything",
            Reason::Wish => "wish",
            Reason::PausedByWish => "paused-by-wish",
            Reason::NotLive => "not-live",
            Reason::Budget { .. } => "budget",
            Reason::PausedNoBudget { .. } => "paused-no-budget",
            Reason::Settling { .. } => "settling",
        }
    }
}

/// A sentence for a person.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Everything => f.write_str("the best layer there is"),
            Reason::Wish => f.write_str("the best layer that was asked for"),
            Reason::PausedByWish => f.write_str("paused by its subscriber"),
            Reason::NotLive => f.write_str("its publisher does not send it, or sends only lower layers"),
            Reason::Budget { needed_bps, left_bps } => {
                write!(
                    f,
                    "the next layer needs {}, {} is left",
                    Rate(*needed_bps),
                    Rate(*left_bps)
                )
            }
            Reason::PausedNoBudget { needed_bps, left_bps } => {
                let (needed, left) = (Rate(*needed_bps), Rate(*left_bps));
                write!(f, "paused: the lowest layer needs {needed}, {left} is left")
            }
            Reason::Settling { .. } => f.write_str("there is bandwidth for more; it went down a short time ago"),
        }
    }
}

struct Rate(u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} kb/s", self.0.div_ceil(1_000))
    }
}
