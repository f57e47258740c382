//! RTP header extensions (RFC 8285): which we know, which id each got, and what a packet carries of them.
//!
//! Ids are per transport, so a packet is read with its publisher's [`ExtensionMap`] and written with the subscriber's.

mod read;
mod write;

pub use read::read_extensions;
pub use write::{ExtensionForm, ExtensionWriter, write_extensions};

/// The extensions Enfilade negotiates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtensionKind {
    /// Which m-line (RFC 9143 section 15).
    Mid,
    /// Which simulcast encoding (RFC 8852 section 3.1).
    Rid,
    /// Which encoding an RTX stream repairs (RFC 8852 section 3.2).
    RepairedRid,
    /// When the packet left, 6.18 fixed point seconds; REMB works from it.
    AbsSendTime,
    /// Transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc,
    /// Client-to-mixer audio level (RFC 6464).
    AudioLevel,
    /// Coordination of video orientation (3GPP TS 26.114).
    VideoOrientation,
    /// AV1 RTP specification, appendix A.
    DependencyDescriptor,
    /// Bounds for the receiver's jitter buffer.
    PlayoutDelay,
}

impl ExtensionKind {
    /// Every kind, in declaration order.
    pub const ALL: [ExtensionKind; 9] = [
        ExtensionKind::Mid,
        ExtensionKind::Rid,
        ExtensionKind::RepairedRid,
        ExtensionKind::AbsSendTime,
        ExtensionKind::TransportCc,
        ExtensionKind::AudioLevel,
        ExtensionKind::VideoOrientation,
        ExtensionKind::DependencyDescriptor,
        ExtensionKind::PlayoutDelay,
    ];

    /// The URI of its `a=extmap` line.
    pub const fn uri(self) -> &'static str {
        match self {
            ExtensionKind::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            ExtensionKind::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            ExtensionKind::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            ExtensionKind::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            ExtensionKind::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            ExtensionKind::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            ExtensionKind::VideoOrientation => "urn:3gpp:video-orientation",
            ExtensionKind::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            ExtensionKind::PlayoutDelay => "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
        }
    }

    /// The kind with this URI, compared exactly.
    pub fn from_uri(uri: &str) -> Option<ExtensionKind> {
        ExtensionKind::ALL.into_iter().find(|kind| kind.uri() == uri)
    }
}

/// Ids above this need the two-byte form, and id 15 is reserved in the one-byte form (RFC 8285 section 4.2).
const MAX_ONE_BYTE_ID: u8 = 14;

/// Which id stands for which extension on one transport. One id per kind and one kind per id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionMap {
    /// By kind; 0, which is padding on the wire, for none.
    ids: [u8; ExtensionKind::ALL.len()],
    /// By id, for the ids every browser uses.
    kinds: [Option<ExtensionKind>; 16],
}

impl ExtensionMap {
    /// The id of `kind`, 1 to 255.
    #[inline]
    pub const fn id(&self, kind: ExtensionKind) -> Option<u8> {
        match self.ids[kind as usize] {
            0 => None,
            id => Some(id),
        }
    }

    /// What `id` stands for.
    #[inline]
    pub fn kind(&self, id: u8) -> Option<ExtensionKind> {
        match self.kinds.get(usize::from(id)) {
            Some(kind) => *kind,
            None => ExtensionKind::ALL.into_iter().find(|kind| self.id(*kind) == Some(id)),
        }
    }

    /// Gives `kind` the id `id`, taking it from whoever had it; id 0 takes the kind out of the map.
    pub fn set(&mut self, kind: ExtensionKind, id: u8) {
        for other in ExtensionKind::ALL {
            if other == kind || self.ids[other as usize] == id {
                let old = std::mem::take(&mut self.ids[other as usize]);
                if let Some(slot) = self.kinds.get_mut(usize::from(old)) {
                    *slot = None;
                }
            }
        }
        if id != 0 {
            self.ids[kind as usize] = id;
            if let Some(slot) = self.kinds.get_mut(usize::from(id)) {
                *slot = Some(kind);
            }
        }
    }
}

/// What a packet says in its header extensions. Borrows from the packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    /// Identification tag of the m-line, at least one octet.
    pub mid: Option<&'a [u8]>,
    /// Name of the simulcast encoding, at least one octet.
    pub rid: Option<&'a [u8]>,
    /// On RTX: name of the encoding it repairs, at least one octet.
    pub repaired_rid: Option<&'a [u8]>,
    /// 24 bits, 6.18 fixed point seconds; wraps every 64 s.
    pub abs_send_time: Option<u32>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// How loud this packet is.
    pub audio_level: Option<AudioLevel>,
    /// Camera, flip and rotation bits as they came.
    pub video_orientation: Option<u8>,
    /// 12 bits minimum and 12 bits maximum, in units of 10 ms, as they came.
    pub playout_delay: Option<[u8; 3]>,
    /// For [`super::av1::DependencyDescriptorReader`].
    pub dependency_descriptor: Option<&'a [u8]>,
}

/// RFC 6464 section 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes there is a voice in it. Means something only with `vad=on`.
    pub voice: bool,
    /// Level below full scale: 0 is loudest, 127 is silence. The value is -dBov.
    pub level_dbov: u8,
}

impl AudioLevel {
    /// From its octet.
    pub const fn from_byte(byte: u8) -> AudioLevel {
        AudioLevel {
            voice: byte & 0x80 != 0,
            level_dbov: byte & 0x7f,
        }
    }

    /// Its octet.
    pub const fn to_byte(self) -> u8 {
        (self.voice as u8) << 7 | self.level_dbov & 0x7f
    }
}

#[cfg(test)]
mod tests;
