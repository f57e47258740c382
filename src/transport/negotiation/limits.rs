//! How much of an offer we are willing to read. Fifty seats of a browser are 300 kB, 9 000 lines, 104 m-lines.

/// Bytes of an offer.
pub const OFFER_BYTES: usize = 1 << 20;
/// Lines of text of an offer.
pub const TEXT_LINES: usize = 20_000;
/// m-lines of an offer.
pub const M_LINES: usize = 128;
/// `a=extmap` of one m-line that are looked at.
pub(super) const EXTMAPS: usize = 64;
/// `a=fingerprint` at one place that are looked at.
pub(super) const FINGERPRINTS: usize = 8;
/// `a=rid` of one m-line that are looked at.
pub(super) const RIDS: usize = 16;
/// Simulcast encodings of one source that are accepted.
pub(super) const ENCODINGS: usize = 4;
/// SSRCs of one m-line that are looked at.
pub(super) const SSRCS: usize = 32;
/// Bytes of a mid: what a one-byte header extension element carries (RFC 8285 section 4.2).
pub(super) const MID_BYTES: usize = 16;
