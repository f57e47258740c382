//! AES_CM_128_HMAC_SHA1_80 (RFC 3711): counter mode, then an 80-bit HMAC-SHA1 tag over header and ciphertext.

use aws_lc_rs::cipher::EncryptingKey;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::kdf::{self, Label, apply_keystream};
use super::{RTCP_CLEAR_LEN, RTCP_E_BIT, RTCP_INDEX_LEN, SrtpError, rtcp_ssrc};

/// Bytes of the shortened HMAC-SHA1 tag.
pub(super) const TAG_LEN: usize = 10;
const SALT_LEN: usize = 14;
const AUTH_KEY_LEN: usize = 20;

/// Session keys of one direction.
pub(super) struct Cm {
    rtp: Half,
    rtcp: Half,
}

struct Half {
    key: EncryptingKey,
    salt: [u8; SALT_LEN],
    auth: hmac::Key,
}

impl Half {
    fn new(key: [u8; 16], salt: [u8; SALT_LEN], auth: [u8; AUTH_KEY_LEN]) -> Half {
        Half {
            key: kdf::counter_key(&key),
            salt,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
        }
    }

    /// Encrypts or decrypts: `IV = salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16` (RFC 3711 section 4.1.1).
    #[inline]
    fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        let mut iv = [0u8; 16];
        iv[..SALT_LEN].copy_from_slice(&self.salt);
        for (byte, x) in iv[4..8].iter_mut().zip(ssrc.to_be_bytes()) {
            *byte ^= x;
        }
        for (byte, x) in iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]) {
            *byte ^= x;
        }
        apply_keystream(&self.key, iv, data);
    }

    #[inline]
    fn tag(&self, authenticated: &[u8], suffix: &[u8]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(authenticated);
        context.update(suffix);
        let full = context.sign();
        let mut tag = [0u8; TAG_LEN];
        tag.copy_from_slice(&full.as_ref()[..TAG_LEN]);
        tag
    }
}

impl Cm {
    /// Session keys from a master key of 16 bytes and a master salt of 14.
    pub(super) fn derive(key: &[u8], salt: &[u8]) -> Cm {
        Cm {
            rtp: Half::new(
                kdf::derive(key, salt, Label::RtpKey),
                kdf::derive(key, salt, Label::RtpSalt),
                kdf::derive(key, salt, Label::RtpAuth),
            ),
            rtcp: Half::new(
                kdf::derive(key, salt, Label::RtcpKey),
                kdf::derive(key, salt, Label::RtcpSalt),
                kdf::derive(key, salt, Label::RtcpAuth),
            ),
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
        let (plain, room) = packet.split_at_mut_checked(plain_len)?;
        let room = room.get_mut(..TAG_LEN)?;
        self.rtp.apply(ssrc, index, plain.get_mut(header_len..)?);
        room.copy_from_slice(&self.rtp.tag(plain, &roc(index)));
        Some(plain_len + TAG_LEN)
    }

    /// Opens in place; nothing is touched when the tag is wrong. Answers header plus payload length.
    #[inline]
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Result<usize, SrtpError> {
        let (sealed, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(SrtpError::TooShort)?;
        if sealed.len() < header_len {
            return Err(SrtpError::TooShort);
        }
        verify_slices_are_equal(&self.rtp.tag(sealed, &roc(index)), tag).map_err(|_| SrtpError::Authentication)?;
        self.rtp.apply(ssrc, index, &mut sealed[header_len..]);
        Ok(sealed.len())
    }

    /// Encrypts and appends index and tag (RFC 3711 section 3.4). `packet` holds at least [`RTCP_CLEAR_LEN`] bytes.
    pub(super) fn seal_rtcp(&self, packet: &mut Vec<u8>, index: u32) -> Result<(), SrtpError> {
        let ssrc = rtcp_ssrc(packet);
        let body = packet.get_mut(RTCP_CLEAR_LEN..).ok_or(SrtpError::TooShort)?;
        self.rtcp.apply(ssrc, u64::from(index), body);
        packet.extend_from_slice(&(RTCP_E_BIT | index).to_be_bytes());
        let tag = self.rtcp.tag(packet, &[]);
        packet.extend_from_slice(&tag);
        Ok(())
    }

    /// Reads the trailer, which nothing has authenticated yet.
    pub(super) fn rtcp_trailer(packet: &[u8]) -> Option<u32> {
        let (sealed, _) = packet.split_last_chunk::<TAG_LEN>()?;
        let (plain, trailer) = sealed.split_last_chunk::<RTCP_INDEX_LEN>()?;
        (plain.len() >= RTCP_CLEAR_LEN).then(|| u32::from_be_bytes(*trailer))
    }

    /// Opens in place. `trailer` is what [`Cm::rtcp_trailer`] read from this packet.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], trailer: u32) -> Result<usize, SrtpError> {
        let ssrc = rtcp_ssrc(packet);
        let (sealed, tag) = packet.split_last_chunk_mut::<TAG_LEN>().ok_or(SrtpError::TooShort)?;
        verify_slices_are_equal(&self.rtcp.tag(sealed, &[]), tag).map_err(|_| SrtpError::Authentication)?;
        let plain_len = sealed.len().checked_sub(RTCP_INDEX_LEN).ok_or(SrtpError::TooShort)?;
        if trailer & RTCP_E_BIT != 0 {
            let body = sealed.get_mut(RTCP_CLEAR_LEN..plain_len).ok_or(SrtpError::TooShort)?;
            self.rtcp.apply(ssrc, u64::from(trailer & !RTCP_E_BIT), body);
        }
        Ok(plain_len)
    }
}

/// The rollover counter, which is authenticated although it is not on the wire (RFC 3711 section 4.2).
#[inline]
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}
