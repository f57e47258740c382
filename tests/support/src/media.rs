//! Synthetic media: RTP payloads with lawful descriptors and a stamp inside by which a receiver knows whose frame it got.

mod av1;
mod h264;
mod opus;
mod stamp;
mod vp8;
mod vp9;

pub use stamp::Stamp;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 7741.
    Vp8,
    /// RFC 9628, one spatial layer, non-flexible mode.
    Vp9,
    /// RFC 6184, packetization mode 1.
    H264,
    /// AV1 RTP payload format, with dependency descriptor.
    Av1,
}

impl Codec {
    /// The MIME type as SDP and the connection name it.
    pub const fn mime_type(self) -> &'static str {
        match self {
            Codec::Opus => "audio/opus",
            Codec::Vp8 => "video/VP8",
            Codec::Vp9 => "video/VP9",
            Codec::H264 => "video/H264",
            Codec::Av1 => "video/AV1",
        }
    }

    /// Ticks of the RTP clock in a second.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Codec::Opus => 48_000,
            Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => 90_000,
        }
    }

    /// Whether it is a picture.
    pub const fn is_video(self) -> bool {
        !matches!(self, Codec::Opus)
    }
}

/// Size and pace of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Frames (or audio packets) per second.
    pub frames_per_second: u32,
    /// Packets of a delta frame.
    pub delta_packets: u16,
    /// Packets of a keyframe.
    pub key_packets: u16,
    /// Bytes of payload in a packet, about.
    pub packet_len: usize,
    /// Whether every second picture belongs to the upper temporal layer (VP8, VP9 and AV1).
    pub two_temporal_layers: bool,
}

impl Shape {
    /// Speech: a packet each 20 ms.
    pub const SPEECH: Shape = Shape {
        frames_per_second: 50,
        delta_packets: 1,
        key_packets: 1,
        packet_len: 80,
        two_temporal_layers: false,
    };
    /// A small camera picture, about 300 kbit/s.
    pub const CAMERA: Shape = Shape {
        frames_per_second: 25,
        delta_packets: 2,
        key_packets: 4,
        packet_len: 700,
        two_temporal_layers: false,
    };
}

/// One packet's payload, and what belongs into its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Payload descriptor and content.
    pub bytes: Vec<u8>,
    /// Last packet of its picture.
    pub marker: bool,
    /// AV1 dependency descriptor.
    pub dependency_descriptor: Option<Vec<u8>>,
}

/// What one payload says to a receiver that knows its codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Belongs to a picture from which decoding can begin.
    pub keyframe: bool,
    /// First packet of a picture.
    pub starts_frame: bool,
    /// Picture id of VP8 and VP9, 15 bits.
    pub picture_id: Option<u16>,
    /// Index of the base layer's picture.
    pub tl0_picture_index: Option<u8>,
    /// Temporal layer.
    pub temporal: Option<u8>,
}

/// The running numbers of one encoding.
#[derive(Clone, Debug)]
pub struct Encoder {
    codec: Codec,
    shape: Shape,
    source: u32,
    layer: u8,
    frame: u32,
    picture_id: u16,
    tl0_picture_index: u8,
}

impl Encoder {
    /// An encoding of `source` that is its `layer`-th. Picture ids start somewhere, like those of a browser.
    pub fn new(codec: Codec, shape: Shape, source: u32, layer: u8) -> Self {
        let seed = source.wrapping_mul(2_654_435_761).rotate_left(u32::from(layer) * 7);
        Encoder {
            codec,
            shape,
            source,
            layer,
            frame: 0,
            picture_id: (seed >> 8) as u16 & 0x7fff,
            tl0_picture_index: (seed >> 24) as u8,
        }
    }

    /// The payloads of the next picture, or of the next 20 ms of sound.
    pub fn next_frame(&mut self, keyframe: bool) -> Vec<Payload> {
        let keyframe = keyframe || self.frame == 0;
        let upper = self.shape.two_temporal_layers && !keyframe && self.frame % 2 == 1;
        if !upper {
            self.tl0_picture_index = self.tl0_picture_index.wrapping_add(1);
        }
        let count = if keyframe {
            self.shape.key_packets
        } else {
            self.shape.delta_packets
        };
        let picture = Picture {
            keyframe,
            number: self.frame,
            picture_id: self.picture_id,
            tl0_picture_index: self.tl0_picture_index,
            temporal: u8::from(upper),
            count,
        };
        let stamps = (0..count).map(|index| Stamp {
            source: self.source,
            layer: self.layer,
            frame: self.frame,
            index,
            count,
        });
        let payloads = stamps
            .map(|stamp| {
                let content = stamp.content(self.shape.packet_len);
                match self.codec {
                    Codec::Opus => opus::payload(&content),
                    Codec::Vp8 => vp8::payload(&picture, stamp.index, &content),
                    Codec::Vp9 => vp9::payload(&picture, stamp.index, &content),
                    Codec::H264 => h264::payload(&picture, stamp.index, &content),
                    Codec::Av1 => av1::payload(&picture, stamp.index, &content),
                }
            })
            .collect();
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        payloads
    }
}

/// What the payload writers need to know of a picture.
struct Picture {
    keyframe: bool,
    number: u32,
    picture_id: u16,
    tl0_picture_index: u8,
    temporal: u8,
    count: u16,
}

/// Reads what a receiver of `codec` would read.
pub fn look(codec: Codec, payload: &[u8]) -> Seen {
    match codec {
        Codec::Opus => Seen {
            keyframe: true,
            starts_frame: true,
            ..Seen::default()
        },
        Codec::Vp8 => vp8::look(payload),
        Codec::Vp9 => vp9::look(payload),
        Codec::H264 => h264::look(payload),
        Codec::Av1 => av1::look(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_seen() {
        for codec in [Codec::Opus, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let shape = if codec.is_video() { Shape::CAMERA } else { Shape::SPEECH };
            let mut encoder = Encoder::new(codec, shape, 77, 2);
            for (number, keyframe) in [(0, true), (1, false), (2, false), (3, true)] {
                let payloads = encoder.next_frame(number == 3);
                let count = payloads.len();
                for (index, payload) in payloads.iter().enumerate() {
                    let seen = look(codec, &payload.bytes);
                    assert_eq!(seen.starts_frame, index == 0, "{codec:?} {number} {index}");
                    if index == 0 && codec.is_video() {
                        assert_eq!(seen.keyframe, keyframe, "{codec:?} {number}");
                    }
                    assert_eq!(payload.marker, codec.is_video() && index + 1 == count);
                    let stamp = Stamp::find(&payload.bytes).unwrap();
                    assert_eq!((stamp.source, stamp.layer, stamp.frame), (77, 2, number));
                    assert_eq!((usize::from(stamp.index), usize::from(stamp.count)), (index, count));
                }
            }
        }
    }
}
