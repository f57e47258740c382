//! Our own sender reports, on each seat's clock (RFC 3550 section 6.4.1).

use super::TransportSlot;

/// The numbers of one sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderNumbers {
    /// Where it goes.
    pub transport: TransportSlot,
    /// The seat's SSRC.
    pub ssrc: u32,
    /// Now, as 32.32 seconds since 1900 (RFC 3550 section 4).
    pub ntp: u64,
    /// The same instant on the seat's clock.
    pub rtp_timestamp: u32,
    /// Packets sent, modulo 2^32.
    pub packet_count: u32,
    /// Payload octets sent, modulo 2^32.
    pub octet_count: u32,
}
