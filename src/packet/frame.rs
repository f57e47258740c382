//! What a packet says about the frame it belongs to, in one shape for every codec.

/// Read once per received packet, then used for every subscriber.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameInfo {
    /// First packet of a frame (for layered codecs: of this spatial layer's part of it).
    pub starts_frame: bool,
    /// Last packet of a frame (same).
    pub ends_frame: bool,
    /// The frame decodes with nothing before it: a lawful place to begin or to change encodings.
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
        /// TL0PICIDX and its offset.
        tl0_pic_idx: Option<(u8, u8)>,
        /// TID/Y/KEYIDX byte's offset, and the KEYIDX in it where the K bit is set.
        key_idx: Option<(u8, u8)>,
    },
    /// VP9 payload descriptor (RFC 9628 section 4.2).
    Vp9 {
        /// Picture id with its width, and where it lies.
        picture_id: Option<PictureId>,
        /// TL0PICIDX and its offset.
        tl0_pic_idx: Option<(u8, u8)>,
    },
    /// AV1 dependency descriptor's frame number (16 bits).
    Av1 {
        /// `frame_number` of the mandatory descriptor fields.
        frame_number: u16,
    },
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
