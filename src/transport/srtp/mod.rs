//! SRTP and SRTCP (RFC 3711) with the profiles of DTLS-SRTP (RFC 5764): AES-GCM (RFC 7714) first, AES-CM with
//! HMAC-SHA1 for those who have nothing better.
//!
//! [`Opener`] takes packets from the client, [`Sealer`] makes packets for it. Both work in place. No state exists
//! for an SSRC before one of its packets has authenticated, and a failure never changes anything.

mod cm;
mod gcm;
mod kdf;
mod opener;
mod replay;
mod sealer;

#[cfg(test)]
mod tests;

pub use opener::{MAX_SSRCS, OpenedRtp, Opener};
pub use sealer::Sealer;

use cm::Cm;
use gcm::Gcm;

/// Bytes of the E bit and 31-bit index that end or nearly end every SRTCP packet (RFC 3711 section 3.4).
const RTCP_INDEX_LEN: usize = 4;
/// The part of an RTCP packet that stays readable: first header word and sender SSRC.
const RTCP_CLEAR_LEN: usize = 8;
/// The bit of the SRTCP trailer that says "encrypted", not only authenticated.
const RTCP_E_BIT: u32 = 1 << 31;
/// The last SRTCP index; past it the keys are used up (RFC 3711 section 9.2).
const MAX_RTCP_INDEX: u32 = RTCP_E_BIT - 1;

/// An SRTP protection profile agreed in the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// RFC 7714, 128-bit key. What we choose whenever it is offered.
    AeadAes128Gcm,
    /// RFC 7714, 256-bit key.
    AeadAes256Gcm,
    /// RFC 3711 with an 80-bit tag; the one that every endpoint has.
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Every profile, best first.
    pub const ALL: [Profile; 3] = [
        Profile::AeadAes128Gcm,
        Profile::AeadAes256Gcm,
        Profile::Aes128CmHmacSha1_80,
    ];

    /// The largest number of bytes that sealing adds to an RTP packet, whichever the profile.
    pub const MAX_RTP_OVERHEAD: usize = 16;

    /// Its number in the `use_srtp` extension (RFC 5764 section 4.1.2, RFC 7714 section 14.2).
    pub const fn dtls_id(self) -> u16 {
        match self {
            Profile::AeadAes128Gcm => 0x0007,
            Profile::AeadAes256Gcm => 0x0008,
            Profile::Aes128CmHmacSha1_80 => 0x0001,
        }
    }

    /// The profile with this `use_srtp` number, when it is one of ours.
    pub fn from_dtls_id(id: u16) -> Option<Profile> {
        Profile::ALL.into_iter().find(|profile| profile.dtls_id() == id)
    }

    /// Bytes of a master key (and of a session encryption key).
    pub const fn key_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::Aes128CmHmacSha1_80 => 16,
            Profile::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of a master salt (and of a session salt).
    pub const fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Bytes that sealing adds to an RTP packet.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => gcm::TAG_LEN,
            Profile::Aes128CmHmacSha1_80 => cm::TAG_LEN,
        }
    }

    /// Bytes that sealing adds to an RTCP packet: tag and index.
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_tag_len() + RTCP_INDEX_LEN
    }

    /// Bytes to ask of the DTLS exporter `EXTRACTOR-dtls_srtp`: both keys and both salts (RFC 5764 section 4.2).
    pub const fn exporter_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// The master keys and salts of both directions. Its `Debug` shows the profile and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyingMaterial {
    profile: Profile,
    client: MasterKey,
    server: MasterKey,
}

/// One direction's master key and salt.
#[derive(Clone, PartialEq, Eq)]
struct MasterKey {
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl KeyingMaterial {
    /// Cuts the exporter's block: client key, server key, client salt, server salt (RFC 5764 section 4.2).
    ///
    /// # Errors
    /// [`SrtpError::KeyLength`] when `block` is not [`Profile::exporter_len`] bytes long.
    pub fn from_exporter(profile: Profile, block: &[u8]) -> Result<KeyingMaterial, SrtpError> {
        if block.len() != profile.exporter_len() {
            return Err(SrtpError::KeyLength {
                want: profile.exporter_len(),
                got: block.len(),
            });
        }
        let (keys, salts) = block.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok(KeyingMaterial {
            profile,
            client: MasterKey {
                key: client_key.to_vec(),
                salt: client_salt.to_vec(),
            },
            server: MasterKey {
                key: server_key.to_vec(),
                salt: server_salt.to_vec(),
            },
        })
    }

    /// The profile these keys are for.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The same keys seen from the client's side: what a test client opens and seals with.
    pub fn mirrored(&self) -> KeyingMaterial {
        KeyingMaterial {
            profile: self.profile,
            client: self.server.clone(),
            server: self.client.clone(),
        }
    }
}

impl std::fmt::Debug for KeyingMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyingMaterial")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Why a packet was not opened or sealed. Each leaves the state as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SrtpError {
    /// No room for header, tag and trailer.
    #[error("too short to be protected")]
    TooShort,
    /// The tag is wrong: not from the holder of the keys, or altered.
    #[error("authentication failed")]
    Authentication,
    /// Opened before, or older than the replay window.
    #[error("replayed")]
    Replayed,
    /// The 31-bit SRTCP index is used up: the session needs new keys (RFC 3711 section 9.2).
    #[error("the keys are used up")]
    Exhausted,
    /// Keying material of the wrong size.
    #[error("keying material of {got} bytes where the profile needs {want}")]
    KeyLength {
        /// Bytes that the profile needs.
        want: usize,
        /// Bytes that were given.
        got: usize,
    },
}

/// The session keys of one direction, with the transform that uses them. Counter mode's are large (expanded keys and
/// hash states in place), so they are boxed and the usual GCM stays small.
enum Suite {
    Gcm(Gcm),
    Cm(Box<Cm>),
}

impl Suite {
    fn new(profile: Profile, master: &MasterKey) -> Suite {
        match profile {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => Suite::Gcm(Gcm::derive(&master.key, &master.salt)),
            Profile::Aes128CmHmacSha1_80 => Suite::Cm(Box::new(Cm::derive(&master.key, &master.salt))),
        }
    }
}

/// SSRC and sequence number of an RTP packet; zeros where the packet is too short to have them.
#[inline]
fn rtp_ssrc_and_seq(packet: &[u8]) -> (u32, u16) {
    match packet {
        [_, _, s0, s1, _, _, _, _, a, b, c, d, ..] => {
            (u32::from_be_bytes([*a, *b, *c, *d]), u16::from_be_bytes([*s0, *s1]))
        }
        _ => (0, 0),
    }
}

/// Puts `body` and padding (RFC 3550 section 5.1) behind `out[..lead_end]`. `None` when there is no room.
#[inline]
fn gather(out: &mut [u8], lead_end: usize, body: &[u8], padding: u8) -> Option<usize> {
    let body_end = lead_end + body.len();
    let end = body_end + usize::from(padding);
    out.get_mut(lead_end..body_end)?.copy_from_slice(body);
    if let [zeros @ .., count] = out.get_mut(body_end..end)? {
        zeros.fill(0);
        *count = padding;
    }
    Some(end)
}

/// The sender's SSRC of an RTCP packet of at least [`RTCP_CLEAR_LEN`] bytes.
#[inline]
fn rtcp_ssrc(packet: &[u8]) -> u32 {
    match packet {
        [_, _, _, _, a, b, c, d, ..] => u32::from_be_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}
