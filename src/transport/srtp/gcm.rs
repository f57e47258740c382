//! AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714). The path that nearly every packet takes.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::kdf::{self, Label};
use super::{RTCP_CLEAR_LEN, RTCP_E_BIT, RTCP_INDEX_LEN, SrtpError, rtcp_ssrc};

/// Bytes of a GCM tag; SRTP does not shorten it (RFC 7714 section 13.2).
pub(super) const TAG_LEN: usize = 16;
const SALT_LEN: usize = 12;
/// From here on sealing out of another buffer beats a copy (`cargo bench --bench forward`).
const GATHER_BYTES_MIN: usize = 256;

/// Session keys of one direction.
pub(super) struct Gcm {
    rtp: Half,
    rtcp: Half,
}

struct Half {
    key: LessSafeKey,
    /// The first eight octets, and the other four.
    salt: (u64, u32),
}

impl Half {
    fn new(key: &[u8], salt: [u8; SALT_LEN]) -> Half {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("the profile fixed the length of this key");
        let [a, b, c, d, e, f, g, h, tail @ ..] = salt;
        Half {
            key: LessSafeKey::new(key),
            salt: (u64::from_be_bytes([a, b, c, d, e, f, g, h]), u32::from_be_bytes(tail)),
        }
    }

    /// `00 00 | SSRC | 48-bit index`, XOR salt: for RTP the index is ROC and sequence number (RFC 7714 section 8.1),
    /// for RTCP it is the 31-bit SRTCP index (section 9.1).
    #[inline]
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        // In two words, as the cipher reads it: what is written octet by octet it would have to wait for.
        let first = self.salt.0 ^ (u64::from(ssrc) << 16 | (index >> 32) & 0xffff);
        let rest = self.salt.1 ^ index as u32;
        let mut iv = [0; SALT_LEN];
        iv[..8].copy_from_slice(&first.to_be_bytes());
        iv[8..].copy_from_slice(&rest.to_be_bytes());
        Nonce::assume_unique_for_key(iv)
    }
}

impl Gcm {
    /// Session keys from a master key of 16 or 32 bytes and a master salt of 12.
    pub(super) fn derive(key: &[u8], salt: &[u8]) -> Gcm {
        let session_key = |label| {
            let derived: [u8; 32] = kdf::derive(key, salt, label);
            derived
        };
        Gcm {
            rtp: Half::new(
                &session_key(Label::RtpKey)[..key.len()],
                kdf::derive(key, salt, Label::RtpSalt),
            ),
            rtcp: Half::new(
                &session_key(Label::RtcpKey)[..key.len()],
                kdf::derive(key, salt, Label::RtcpSalt),
            ),
        }
    }

    /// Session keys as they are, for the vectors of RFC 7714, which name no master key.
    #[cfg(test)]
    pub(super) fn from_session_keys(key: &[u8], salt: [u8; SALT_LEN]) -> Gcm {
        Gcm {
            rtp: Half::new(key, salt),
            rtcp: Half::new(key, salt),
        }
    }

    /// Seals `packet[..plain_len]` and writes the tag behind it. `None` when there is no room.
    #[inline]
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        plain_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (header, rest) = packet.split_at_mut_checked(header_len)?;
        let (payload, rest) = rest.split_at_mut_checked(plain_len.checked_sub(header_len)?)?;
        let room = rest.get_mut(..TAG_LEN)?;
        let nonce = self.rtp.nonce(ssrc, index);
        let tag = self
            .rtp
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)
            .ok()?;
        room.copy_from_slice(tag.as_ref());
        Some(plain_len + TAG_LEN)
    }

    /// Seals header and lead, which are in `out[..lead_end]`, with `body` and padding behind them. `None` when there is no room.
    #[inline]
    pub(super) fn seal_rtp_gather(
        &self,
        out: &mut [u8],
        (header_len, lead_end): (usize, usize),
        body: &[u8],
        padding: u8,
        (ssrc, index): (u32, u64),
    ) -> Option<usize> {
        let end = lead_end + body.len() + usize::from(padding);
        // With padding there is a piece too many for one call of the cipher, and what is short is copied faster than joined.
        if padding > 0 || body.len() < GATHER_BYTES_MIN {
            super::gather(out, lead_end, body, padding)?;
            return self.seal_rtp(out, header_len, end, ssrc, index);
        }
        let out = out.get_mut(..end + TAG_LEN)?;
        let (header, rest) = out.split_at_mut_checked(header_len)?;
        let (lead, rest) = rest.split_at_mut_checked(lead_end.checked_sub(header_len)?)?;
        let nonce = self.rtp.nonce(ssrc, index);
        self.rtp
            .key
            .seal_in_place_scatter(nonce, Aad::from(&*header), lead, body, rest)
            .ok()?;
        Some(end + TAG_LEN)
    }

    /// Opens in place; the payload is destroyed when the tag is wrong. Answers header plus payload length.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (header, body) = packet.split_at_mut_checked(header_len).ok_or(SrtpError::TooShort)?;
        if body.len() < TAG_LEN {
            return Err(SrtpError::TooShort);
        }
        let nonce = self.rtp.nonce(ssrc, index);
        let payload = self
            .rtp
            .key
            .open_in_place(nonce, Aad::from(&*header), body)
            .map_err(|_| SrtpError::Authentication)?;
        Ok(header_len + payload.len())
    }

    /// Encrypts and appends tag and index (RFC 7714 section 9.2). `packet` holds at least [`RTCP_CLEAR_LEN`] bytes.
    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, index: u32) -> Result<(), SrtpError> {
        let nonce = self.rtcp.nonce(rtcp_ssrc(packet), u64::from(index));
        let trailer = (RTCP_E_BIT | index).to_be_bytes();
        let (clear, body) = packet.split_at_mut_checked(RTCP_CLEAR_LEN).ok_or(SrtpError::TooShort)?;
        let aad = encrypted_rtcp_aad(clear, trailer);
        let tag = self
            .rtcp
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(aad), body)
            .map_err(|_| SrtpError::TooShort)?;
        packet.extend_from_slice(tag.as_ref());
        packet.extend_from_slice(&trailer);
        Ok(())
    }

    /// Reads the trailer, which nothing has authenticated yet.
    pub(super) fn rtcp_trailer(packet: &[u8]) -> Option<u32> {
        if packet.len() < RTCP_CLEAR_LEN + TAG_LEN + RTCP_INDEX_LEN {
            return None;
        }
        packet
            .last_chunk::<RTCP_INDEX_LEN>()
            .map(|trailer| u32::from_be_bytes(*trailer))
    }

    /// Opens in place. `trailer` is what [`Gcm::rtcp_trailer`] read from this packet.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], trailer: u32) -> Result<usize, SrtpError> {
        let nonce = self.rtcp.nonce(rtcp_ssrc(packet), u64::from(trailer & !RTCP_E_BIT));
        let plain_len = packet
            .len()
            .checked_sub(TAG_LEN + RTCP_INDEX_LEN)
            .ok_or(SrtpError::TooShort)?;
        let bad_tag = |_| SrtpError::Authentication;
        if trailer & RTCP_E_BIT != 0 {
            let sealed = packet.len() - RTCP_INDEX_LEN;
            let (clear, body) = packet[..sealed]
                .split_at_mut_checked(RTCP_CLEAR_LEN)
                .ok_or(SrtpError::TooShort)?;
            let aad = encrypted_rtcp_aad(clear, trailer.to_be_bytes());
            self.rtcp
                .key
                .open_in_place(nonce, Aad::from(aad), body)
                .map_err(bad_tag)?;
        } else {
            // Authenticated only (RFC 7714 section 9.3): the associated data is the packet followed by the index, but on the
            // wire the tag stands between the two, so they change places first.
            packet[plain_len..].rotate_left(TAG_LEN);
            let (aad, tag) = packet.split_at_mut(plain_len + RTCP_INDEX_LEN);
            self.rtcp
                .key
                .open_in_place(nonce, Aad::from(&*aad), tag)
                .map_err(bad_tag)?;
        }
        Ok(plain_len)
    }
}

/// First header word, SSRC, and the trailer (RFC 7714 section 9.2).
fn encrypted_rtcp_aad(clear: &[u8], trailer: [u8; RTCP_INDEX_LEN]) -> [u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN] {
    let mut aad = [0u8; RTCP_CLEAR_LEN + RTCP_INDEX_LEN];
    for (to, from) in aad.iter_mut().zip(clear.iter().take(RTCP_CLEAR_LEN).chain(&trailer)) {
        *to = *from;
    }
    aad
}
