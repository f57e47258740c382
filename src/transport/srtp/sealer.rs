//! Us to client: encrypt and authenticate in place.

use super::{KeyingMaterial, MAX_RTCP_INDEX, RTCP_CLEAR_LEN, SrtpError, Suite};

/// Seals what the client will open.
///
/// The nonce of a packet is its SSRC and 48-bit index, so **a pair of SSRC and index must never carry two different
/// packets**: not another payload and not another header either. Whoever sends a packet a second time sends the
/// same bytes, or a new packet on an RTX stream (RFC 7714 section 8.4 calls the alternative catastrophic).
pub struct Sealer {
    suite: Suite,
    /// The last SRTCP index used, 0 before the first.
    rtcp_index: u32,
}

impl Sealer {
    /// A sealer with the server's keys.
    pub fn new(keys: &KeyingMaterial) -> Sealer {
        Sealer::with_suite(Suite::new(keys.profile, &keys.server))
    }

    pub(super) fn with_suite(suite: Suite) -> Sealer {
        Sealer { suite, rtcp_index: 0 }
    }

    /// Seals the RTP packet in `packet[..plain_len]`, whose header of `header_len` bytes stays readable, and writes
    /// the tag behind it. `roc` is the rollover counter: bits 16 and up of the extended sequence number.
    ///
    /// Answers the sealed length, or 0, which must not be sent, when `packet` has no room for the tag
    /// ([`super::Profile::rtp_tag_len`]) or the lengths contradict each other. Allocates nothing, looks nothing up.
    #[inline]
    pub fn seal_rtp(&self, packet: &mut [u8], header_len: usize, plain_len: usize, roc: u32) -> usize {
        let (ssrc, sequence_number) = super::rtp_ssrc_and_seq(packet);
        let index = u64::from(roc) << 16 | u64::from(sequence_number);
        match &self.suite {
            Suite::Gcm(gcm) => gcm.seal_rtp(packet, header_len, plain_len, ssrc, index),
            Suite::Cm(cm) => cm.seal_rtp(packet, header_len, plain_len, ssrc, index),
        }
        .unwrap_or(0)
    }

    /// Seals an RTP packet whose parts lie apart, into `out`: the header of `header_len` bytes and the payload's beginning are in
    /// `out[..lead_end]` already, `body` is the rest of the payload, and `padding` octets follow it (their count in the last,
    /// RFC 3550 section 5.1; the header's P bit is the caller's). `roc` and the answer are as with [`Self::seal_rtp`].
    #[inline]
    pub fn seal_rtp_gather(
        &self,
        out: &mut [u8],
        header_len: usize,
        lead_end: usize,
        body: &[u8],
        padding: u8,
        roc: u32,
    ) -> usize {
        let (ssrc, sequence_number) = super::rtp_ssrc_and_seq(out);
        let index = u64::from(roc) << 16 | u64::from(sequence_number);
        match &self.suite {
            Suite::Gcm(gcm) => gcm.seal_rtp_gather(out, (header_len, lead_end), body, padding, (ssrc, index)),
            Suite::Cm(cm) => super::gather(out, lead_end, body, padding)
                .and_then(|end| cm.seal_rtp(out, header_len, end, ssrc, index)),
        }
        .unwrap_or(0)
    }

    /// Bytes that sealing adds to an RTP packet.
    #[inline]
    pub fn rtp_overhead(&self) -> usize {
        match &self.suite {
            Suite::Gcm(_) => super::gcm::TAG_LEN,
            Suite::Cm(_) => super::cm::TAG_LEN,
        }
    }

    /// Seals a compound RTCP packet: encrypts it from its ninth byte on and appends tag and index.
    ///
    /// # Errors
    /// [`SrtpError::TooShort`] below 8 bytes, [`SrtpError::Exhausted`] after 2^31 - 1 packets; `packet` is then unchanged and
    /// must not be sent.
    pub fn seal_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        if packet.len() < RTCP_CLEAR_LEN {
            return Err(SrtpError::TooShort);
        }
        if self.rtcp_index >= MAX_RTCP_INDEX {
            return Err(SrtpError::Exhausted);
        }
        // Counted before it is used: an index is never used twice, whatever becomes of the packet.
        self.rtcp_index += 1;
        match &self.suite {
            Suite::Gcm(gcm) => gcm.seal_rtcp(packet, self.rtcp_index),
            Suite::Cm(cm) => cm.seal_rtcp(packet, self.rtcp_index),
        }
    }

    #[cfg(test)]
    pub(super) fn set_rtcp_index(&mut self, index: u32) {
        self.rtcp_index = index;
    }
}
