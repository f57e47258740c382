//! What goes into the hot loop and what comes out of it.

use std::time::Instant;

use crate::packet::{AudioLevel, Codec, Extensions, FrameInfo, RtpHeader};

use super::DropReason;
use super::rewriter::Numbers;

/// Names a source within its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey(pub u64);

/// Names one outgoing SSRC within its shard: one half (audio or video) of one subscriber's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EgressKey(pub u64);

/// Where the shard keeps a transport: an index into its slab, so that sending needs no lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransportSlot(pub u32);

/// A received packet: decrypted, free of padding and RTX wrapping, and read once.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    /// When the datagram arrived (one clock reading per receive batch).
    pub now: Instant,
    /// Its fixed header. For a packet restored from RTX: timestamp and marker are the original's.
    pub header: RtpHeader,
    /// Extended sequence number of the original stream. The caller extends it so that it never wraps.
    pub index: u64,
    /// Without padding. Empty when the packet was nothing but padding.
    pub payload: &'a [u8],
    /// Header extensions.
    pub extensions: Extensions<'a>,
    /// What the payload is.
    pub codec: Codec,
    /// What the payload says about its frame. Default for audio.
    pub frame: FrameInfo,
    /// Which encoding of the source, in the order of the offer's rids, low to high. 0 without simulcast.
    pub encoding: usize,
}

/// What a forwarder gives the shard to send. The shard copies it once into its egress arena, applies the
/// patch, writes the extensions with the ids of the subscriber's transport, and seals it.
#[derive(Clone, Copy, Debug)]
pub struct Outbound<'a> {
    /// As it has to be towards this subscriber.
    pub marker: bool,
    /// The subscriber's number for the codec (or for its RTX).
    pub payload_type: u8,
    /// Extended: the low 16 bits go on the wire, `sequence >> 16` is the SRTP rollover counter.
    pub sequence: u64,
    /// On the seat's clock.
    pub timestamp: u32,
    /// The seat's SSRC, or its RTX SSRC.
    pub ssrc: u32,
    /// Extensions to pass on.
    pub extensions: OutExtensions<'a>,
    /// Of a packet that is sent again, the sequence number it had: two octets before the payload (RFC 4588 section 4).
    pub original: Option<u16>,
    /// Copy this, then apply `patch` to the copy.
    pub payload: &'a [u8],
    /// Bytes of the payload that differ for this subscriber.
    pub patch: Patch,
    /// Octets of RTP padding behind the payload (RFC 3550 section 5.1), the count in the last of them included.
    pub padding: u8,
    /// What may wait for what.
    pub traffic: Traffic,
    /// Nothing more of this frame follows (always true for audio, for packets that come late and for resent ones).
    pub ends_frame: bool,
}

/// What a packet is to the path it leaves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Never waits.
    Audio,
    /// Waits while the path is busy.
    Video,
    /// Sent again: waits as well, but not behind video.
    Resent,
    /// Nothing but padding, to learn what the path carries.
    Padding,
}

/// The header extensions that are the source's to say. The others (mid, transport-wide number, send time)
/// belong to the outgoing transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutExtensions<'a> {
    /// RFC 6464.
    pub audio_level: Option<AudioLevel>,
    /// 3GPP TS 26.114.
    pub video_orientation: Option<u8>,
    /// Minimum and maximum delay.
    pub playout_delay: Option<[u8; 3]>,
    /// Dependency descriptor with its frame number rewritten.
    pub dependency_descriptor: Option<DescriptorOut<'a>>,
}

/// A dependency descriptor on its way out: `head`, then `rest`. The frame number, the only field we
/// rewrite, is the second and third byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DescriptorOut<'a> {
    /// The mandatory descriptor fields.
    pub head: [u8; 3],
    /// Everything behind them, as received.
    pub rest: &'a [u8],
}

impl<'a> DescriptorOut<'a> {
    /// The descriptor with its new frame number. Left out where the payload counts by itself, as VP9's does: it says the
    /// same, and one of the two is enough to keep continuous.
    pub(super) fn new(descriptor: &'a [u8], numbers: Numbers) -> Option<Self> {
        let Numbers::Frame(number) = numbers else { return None };
        let (head, rest) = descriptor.split_first_chunk::<3>()?;
        let [high, low] = number.to_be_bytes();
        Some(DescriptorOut {
            head: [head[0], high, low],
            rest,
        })
    }
}

impl OutExtensions<'_> {
    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.audio_level.is_none()
            && self.video_orientation.is_none()
            && self.playout_delay.is_none()
            && self.dependency_descriptor.is_none()
    }
}

impl DescriptorOut<'_> {
    /// Bytes of the extension element.
    pub fn len(&self) -> usize {
        self.head.len() + self.rest.len()
    }

    /// Never: a descriptor has at least its three mandatory bytes.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// A few of a payload's first octets that are different for one subscriber: picture id, TL0PICIDX, KEYIDX, or the types of
/// redundant frames.
///
/// Two words and no list of edits: it is made, handed on and applied in registers, for each subscriber of each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    /// Ones where an octet changes; the first octet is the lowest.
    mask: u128,
    octets: u128,
}

impl Patch {
    /// Octets behind these are never changed: no codec needs it.
    pub const REACH_MAX: usize = size_of::<u128>();

    /// Overwrites the octet at `offset` of the payload with `value`. Offsets behind [`Self::REACH_MAX`] are ignored.
    #[inline]
    pub(crate) fn set(&mut self, offset: u8, value: u8) {
        if let Some(mask) = 0xff_u128.checked_shl(u32::from(offset) * 8) {
            self.mask |= mask;
            self.octets = (self.octets & !mask) | u128::from(value) << (u32::from(offset) * 8);
        }
    }

    /// Changes the payload's first eight octets where `mask` has ones; in both the first octet is the lowest.
    #[inline]
    pub(crate) fn of_first_eight(mask: u64, octets: u64) -> Self {
        Patch {
            mask: mask.into(),
            octets: (octets & mask).into(),
        }
    }

    /// Nothing to change.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.mask == 0
    }

    /// A payload's first octets with the patch applied.
    #[inline]
    pub fn applied(&self, first: [u8; Self::REACH_MAX]) -> [u8; Self::REACH_MAX] {
        ((u128::from_le_bytes(first) & !self.mask) | self.octets).to_le_bytes()
    }

    /// Overwrites the octets in a copy of the payload (without the original's number before it), as far as it reaches.
    #[inline]
    pub fn apply(&self, payload: &mut [u8]) {
        let masks = self.mask.to_le_bytes().into_iter().zip(self.octets.to_le_bytes());
        for (octet, (mask, value)) in payload.iter_mut().zip(masks) {
            *octet = (*octet & !mask) | value;
        }
    }
}

/// Takes what the hot loop decides. The shard's egress is one; tests use a vector.
///
/// Payloads live for `'p`, longer than the sink: so a payload that comes again at the same place is the same, and needs to be
/// kept only once for all who get it.
pub trait Sink<'p> {
    /// One packet for one subscriber.
    fn send(&mut self, to: TransportSlot, packet: &Outbound<'p>);
    /// One packet did not go to one subscriber.
    fn dropped(&mut self, reason: DropReason);
}
