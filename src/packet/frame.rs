//! What a packet says about the frame it belongs to, in one shape for every codec.

/// Read once per received packet, then used for every subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// First packet of a frame (for layered codecs: of this spatial layer's part of it).
    pub starts_frame: bool,
    /// Last packet of a frame (same).
    pub ends_frame: bool,
    /// The frame decodes with nothing before it: a lawful place to begin or to change encodings. Known on the first packet
    /// of the frame; on the others where the codec repeats it.
    pub keyframe: bool,
    /// Spatial layer, 0 when the codec or the stream has none.
    pub spatial: u8,
    /// Temporal layer, 0 when the codec or the stream has none.
    pub temporal: u8,
    /// A receiver below this temporal layer may step up to it here (VP8 `Y`, VP9 `U`, AV1 switch indication).
    pub switch_up: bool,
    /// A receiver below this spatial layer may step up to it here (VP9: not inter-picture predicted; AV1: by template).
    pub spatial_switch_up: bool,
    /// Nothing refers to this frame.
    pub discardable: bool,
    /// The fields that have to run on when the encoding changes under a subscriber.
    pub picture: Picture,
}

/// Codec fields that are rewritten so that they stay continuous towards a subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Picture {
    /// Nothing to rewrite.
    #[default]
    None,
    /// VP8 payload descriptor (RFC 7741 section 4.2). Offsets are from the start of the payload.
    Vp8 {
        /// Picture id with its width, and where it lies.
        picture_id: Option<PictureId>,
        /// TL0PICIDX.
        tl0_pic_idx: Option<PictureField>,
        /// KEYIDX, the lower five bits of its octet, where the K bit is set.
        key_idx: Option<PictureField>,
    },
    /// VP9 payload descriptor (RFC 9628 section 4.2).
    Vp9 {
        /// Picture id with its width, and where it lies.
        picture_id: Option<PictureId>,
        /// TL0PICIDX.
        tl0_pic_idx: Option<PictureField>,
    },
    /// Dependency descriptor (AV1 RTP specification, section A.8.2), beside whatever codec.
    Described {
        /// `frame_number` of its mandatory fields, 16 bits.
        frame_number: u16,
    },
}

impl Picture {
    /// Where the payload counts no pictures, the descriptor beside it counts frames: browsers send it with VP8 and H264 too,
    /// and leave the picture id out. Its number is where every descriptor has it, so a structure need not be known. TL0PICIDX and
    /// KEYIDX without a picture id, which browsers do not send, pass as they are then.
    #[must_use]
    pub fn or_described(self, descriptor: Option<&[u8]>) -> Picture {
        let counted = match self {
            Picture::None => false,
            Picture::Vp8 { picture_id, .. } | Picture::Vp9 { picture_id, .. } => picture_id.is_some(),
            Picture::Described { .. } => true,
        };
        match descriptor {
            Some([_, high, low, ..]) if !counted => Picture::Described {
                frame_number: u16::from_be_bytes([*high, *low]),
            },
            Some(_) | None => self,
        }
    }
}

/// A field of up to one octet at its place in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureField {
    /// The value, without its neighbours in the octet.
    pub value: u8,
    /// Offset from the start of the payload.
    pub offset: u8,
}

impl PictureField {
    /// Puts the bits of `value` that are in `mask` in its place. `payload` may be cut short behind it.
    pub(super) fn write(self, payload: &mut [u8], value: u8, mask: u8) {
        if let Some(byte) = payload.get_mut(usize::from(self.offset)) {
            *byte = *byte & !mask | value & mask;
        }
    }
}

/// A 7 or 15 bit picture id at its place in the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureId {
    /// The value, without the width bit.
    pub value: u16,
    /// 15 bits when true, 7 when false. The width of a stream never changes towards a subscriber.
    pub wide: bool,
    /// Offset of its first byte from the start of the payload.
    pub offset: u8,
}

impl PictureId {
    /// Reads the one or two octets at `offset`, the first of which has the width bit M.
    pub(super) fn parse(payload: &[u8], offset: u8) -> Option<PictureId> {
        let first = *payload.get(usize::from(offset))?;
        let wide = first & 0x80 != 0;
        let low = if wide {
            Some(*payload.get(usize::from(offset) + 1)?)
        } else {
            None
        };
        let high = u16::from(first & 0x7f);
        Some(PictureId {
            value: low.map_or(high, |low| high << 8 | u16::from(low)),
            wide,
            offset,
        })
    }

    /// Octets it takes.
    pub(super) const fn len(self) -> u8 {
        if self.wide { 2 } else { 1 }
    }

    /// The bits of a value: ids of the stream count up modulo `mask() + 1`.
    pub const fn mask(self) -> u16 {
        if self.wide { 0x7fff } else { 0x7f }
    }

    /// Puts the low bits of `value` in its place, in the same width. `payload` may be cut short behind it.
    pub(super) fn write(self, payload: &mut [u8], value: u16) {
        let at = usize::from(self.offset);
        let value = value & self.mask();
        if self.wide {
            if let Some(bytes) = payload.get_mut(at..at + 2) {
                bytes.copy_from_slice(&(0x8000 | value).to_be_bytes());
            }
        } else if let Some(byte) = payload.get_mut(at) {
            *byte = value as u8;
        }
    }
}
