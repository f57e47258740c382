//! Keyframe requests: many subscribers ask, the publisher hears one.

/// How a subscriber asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyframeRequest {
    /// RFC 4585 section 6.3.1.
    Pli,
    /// RFC 5104 section 4.3.1. A repeated sequence number is the same request again.
    Fir {
        /// Command sequence number.
        sequence: u8,
    },
}
