//! Client to us: verify, decrypt in place, refuse replays.

use super::replay::ReplayWindow;
use super::{Cm, Gcm, KeyingMaterial, Profile, RTCP_E_BIT, SrtpError, Suite};
use crate::packet::rtp::RtpHeader;

/// The most SSRCs of one transport that are remembered, for RTP and for RTCP each. A 65th displaces the one that has
/// been silent for the most packets.
pub const MAX_SSRCS: usize = 64;

/// The largest packet that is tried with a second rollover counter; nothing larger fits an Ethernet frame.
const MAX_RETRY_LEN: usize = 1500;

/// An RTP packet after opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenedRtp {
    /// Header and payload, without the tag.
    pub len: usize,
    /// The extended sequence number: rollover counter in the high 32 of 48 bits.
    pub index: u64,
}

/// Opens what the client sealed.
pub struct Opener {
    suite: Suite,
    tag_len: usize,
    rtp: Ssrcs,
    rtcp: Ssrcs,
}

impl Opener {
    /// An opener with the client's keys.
    pub fn new(keys: &KeyingMaterial) -> Opener {
        Opener::with_suite(Suite::new(keys.profile, &keys.client), keys.profile)
    }

    pub(super) fn with_suite(suite: Suite, profile: Profile) -> Opener {
        Opener {
            suite,
            tag_len: profile.rtp_tag_len(),
            rtp: Ssrcs::default(),
            rtcp: Ssrcs::default(),
        }
    }

    /// Opens an SRTP packet in place. `header` must have been parsed from this very packet.
    ///
    /// # Errors
    /// [`SrtpError::TooShort`], [`SrtpError::Authentication`], [`SrtpError::Replayed`]. After an error the payload bytes
    /// are worthless, and nothing is remembered.
    #[inline]
    pub fn open_rtp(&mut self, packet: &mut [u8], header: &RtpHeader) -> Result<OpenedRtp, SrtpError> {
        let header_len = header.header_len;
        if packet.len() < header_len.saturating_add(self.tag_len) {
            return Err(SrtpError::TooShort);
        }
        let Some(at) = self.rtp.find(header.ssrc) else {
            return self.open_first_rtp(packet, header);
        };
        let window = &self.rtp.entries[at].window;
        let index = window
            .estimate(header.sequence_number)
            .filter(|index| window.is_fresh(*index))
            .ok_or(SrtpError::Replayed)?;
        let len = self.try_rtp(packet, header, index)?;
        self.rtp.accept(at, index);
        Ok(OpenedRtp { len, index })
    }

    /// The first packet of an SSRC. Its rollover counter is 0 (RFC 3711 section 3.3.1), or 1 when the stream began near
    /// the top of the sequence space and what came before the wrap was lost; the tag decides.
    #[cold]
    fn open_first_rtp(&mut self, packet: &mut [u8], header: &RtpHeader) -> Result<OpenedRtp, SrtpError> {
        let mut copy = [0u8; MAX_RETRY_LEN];
        let copy = copy.get_mut(..packet.len());
        let low = u64::from(header.sequence_number);
        let (len, index) = match copy {
            Some(copy) if header.sequence_number < 0x8000 => {
                copy.copy_from_slice(packet);
                match self.try_rtp(packet, header, low) {
                    Ok(len) => (len, low),
                    Err(_) => {
                        packet.copy_from_slice(copy);
                        let wrapped = 1 << 16 | low;
                        (self.try_rtp(packet, header, wrapped)?, wrapped)
                    }
                }
            }
            Some(_) | None => (self.try_rtp(packet, header, low)?, low),
        };
        self.rtp.insert(header.ssrc, index);
        Ok(OpenedRtp { len, index })
    }

    #[inline]
    fn try_rtp(&self, packet: &mut [u8], header: &RtpHeader, index: u64) -> Result<usize, SrtpError> {
        match &self.suite {
            Suite::Gcm(gcm) => gcm.open_rtp(packet, header.header_len, header.ssrc, index),
            Suite::Cm(cm) => cm.open_rtp(packet, header.header_len, header.ssrc, index),
        }
    }

    /// Opens an SRTCP packet in place and answers the length of the compound packet. Packets that are authenticated but
    /// not encrypted (E bit clear) are opened as well.
    ///
    /// # Errors
    /// As [`Opener::open_rtp`].
    pub fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let trailer = match &self.suite {
            Suite::Gcm(_) => Gcm::rtcp_trailer(packet),
            Suite::Cm(_) => Cm::rtcp_trailer(packet),
        }
        .ok_or(SrtpError::TooShort)?;
        let ssrc = super::rtcp_ssrc(packet);
        let index = u64::from(trailer & !RTCP_E_BIT);
        let known = self.rtcp.find(ssrc);
        if known.is_some_and(|at| !self.rtcp.entries[at].window.is_fresh(index)) {
            return Err(SrtpError::Replayed);
        }
        let len = match &self.suite {
            Suite::Gcm(gcm) => gcm.open_rtcp(packet, trailer),
            Suite::Cm(cm) => cm.open_rtcp(packet, trailer),
        }?;
        match known {
            Some(at) => self.rtcp.accept(at, index),
            None => self.rtcp.insert(ssrc, index),
        }
        Ok(len)
    }

    /// SSRCs remembered so far, RTP and RTCP together.
    pub fn ssrc_count(&self) -> usize {
        self.rtp.entries.len() + self.rtcp.entries.len()
    }
}

/// The SSRCs that have authenticated. Few and read for every packet, so they lie side by side and are searched
/// from the front.
#[derive(Default)]
struct Ssrcs {
    ssrcs: Vec<u32>,
    entries: Vec<Entry>,
    /// Packets accepted so far: the clock that tells who has been silent longest.
    accepted: u64,
}

struct Entry {
    window: ReplayWindow,
    last_accepted: u64,
}

impl Ssrcs {
    #[inline]
    fn find(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|known| *known == ssrc)
    }

    #[inline]
    fn accept(&mut self, at: usize, index: u64) {
        self.accepted += 1;
        let entry = &mut self.entries[at];
        entry.last_accepted = self.accepted;
        entry.window.accept(index);
    }

    fn insert(&mut self, ssrc: u32, index: u64) {
        self.accepted += 1;
        let entry = Entry {
            window: ReplayWindow::starting_at(index),
            last_accepted: self.accepted,
        };
        let idlest = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.last_accepted);
        match idlest {
            Some((at, _)) if self.entries.len() >= MAX_SSRCS => {
                self.ssrcs[at] = ssrc;
                self.entries[at] = entry;
            }
            Some(_) | None => {
                self.ssrcs.push(ssrc);
                self.entries.push(entry);
            }
        }
    }
}
