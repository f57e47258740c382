//! The codecs Enfilade forwards, the two kinds of media, and the one door to what a payload says.

use super::av1::DependencyDescriptorReader;
use super::frame::Picture;
use super::{Extensions, FrameInfo, Malformed, av1, h264, vp8, vp9};

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Sound.
    Audio,
    /// Picture.
    Video,
}

/// A codec as it is on the wire. Two H264 packetization modes are two codecs (RFC 6184 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// RFC 7587.
    Opus,
    /// RFC 2198 around Opus.
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9,
    /// RFC 6184.
    H264,
    /// AV1 RTP payload format, with dependency descriptor.
    Av1,
}

impl Codec {
    /// The word on the wire and in the configuration.
    pub fn from_word(text: &str) -> Option<Codec> {
        Some(match text {
            "opus" => Codec::Opus,
            "red" => Codec::Red,
            "vp8" => Codec::Vp8,
            "vp9" => Codec::Vp9,
            "h264" => Codec::H264,
            "av1" => Codec::Av1,
            _ => return None,
        })
    }

    /// Audio or video.
    pub const fn kind(self) -> Kind {
        match self {
            Codec::Opus | Codec::Red => Kind::Audio,
            Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => Kind::Video,
        }
    }

    /// RTP clock rate in hertz.
    pub const fn clock_rate_hz(self) -> u32 {
        match self.kind() {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        }
    }
}

/// What a packet says about its frame. `payload` is decrypted and without padding; `descriptors` belongs to the packet's
/// stream: who sends dependency descriptors (AV1, VP8 of some browsers) says only once what they mean. Each packet of audio is a frame of its own.
///
/// # Errors
/// When payload or descriptor cannot be read. The packet may be forwarded for all that: encrypted end to end, or of an
/// encoder that knows better.
pub fn frame_info(
    codec: Codec,
    payload: &[u8],
    marker: bool,
    extensions: &Extensions<'_>,
    descriptors: &mut DependencyDescriptorReader,
) -> Result<FrameInfo, Malformed> {
    let mut frame = match codec {
        Codec::Opus | Codec::Red => FrameInfo {
            starts_frame: true,
            ends_frame: true,
            keyframe: true,
            ..Default::default()
        },
        Codec::Vp8 => {
            let mut frame = vp8::frame_info(payload, marker)?;
            // Beside a dependency descriptor browsers leave out of VP8's own what the other says.
            if let Some(descriptor) = extensions.dependency_descriptor
                && let Ok(descriptor) = descriptors.read(descriptor)
                && frame.picture == Picture::None
            {
                frame.temporal = descriptor.temporal;
                frame.switch_up = frame.keyframe || descriptor.switch_up;
                frame.discardable |= descriptor.discardable();
            }
            frame
        }
        Codec::Vp9 => vp9::frame_info(payload)?,
        Codec::H264 => h264::frame_info(payload, marker)?,
        Codec::Av1 => av1::frame_info(payload, marker, extensions.dependency_descriptor, descriptors)?,
    };
    frame.picture = frame.picture.or_described(extensions.dependency_descriptor);
    Ok(frame)
}

/// Pixels across and down of the highest spatial layer, where the first packet of a keyframe says so: in the clear for VP8,
/// VP9 and AV1 with a dependency descriptor, nowhere else.
pub fn frame_size(codec: Codec, payload: &[u8], extensions: &Extensions<'_>) -> Option<(u16, u16)> {
    let size = match codec {
        Codec::Vp8 => vp8::frame_size(payload),
        Codec::Vp9 => vp9::frame_size(payload),
        Codec::Av1 => extensions.dependency_descriptor.and_then(av1::frame_size),
        Codec::H264 | Codec::Opus | Codec::Red => None,
    };
    size.filter(|(width, height)| *width > 0 && *height > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_keyframe_tells_how_large_it_is() {
        let none = Extensions::default();
        // RFC 6386 section 9.1: tag, start code, then little-endian sides with two bits of scaling above them.
        let vp8 = [0x10, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x00, 0x45, 0xd0, 0x02];
        assert_eq!(frame_size(Codec::Vp8, &vp8, &none), Some((1_280, 720)));
        assert_eq!(frame_size(Codec::Vp8, &vp8[..10], &none), None);
        let mut delta = vp8;
        delta[1] |= 1;
        assert_eq!(frame_size(Codec::Vp8, &delta, &none), None);
        // Two spatial layers, of which the second counts.
        let vp9 = [0x0a, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x00];
        assert_eq!(frame_size(Codec::Vp9, &vp9, &none), Some((640, 360)));
        assert_eq!(frame_size(Codec::Vp9, &vp9[..9], &none), None);
        assert_eq!(frame_size(Codec::H264, &vp8, &none), None);
    }

    #[test]
    fn each_codec_is_read_by_its_own_reader() {
        let mut descriptors = DependencyDescriptorReader::default();
        let mut read =
            |codec, payload: &[u8]| frame_info(codec, payload, true, &Extensions::default(), &mut descriptors).unwrap();
        // The first packet of a keyframe, in each.
        let keyframes: [(Codec, &[u8]); 6] = [
            (Codec::Opus, &[0xfc]),
            (Codec::Red, &[111, 0xfc]),
            (Codec::Vp8, &[0x10, 0x00]),
            (Codec::Vp9, &[0x08, 0x00]),
            (Codec::H264, &[0x67, 0x42]),
            (Codec::Av1, &[0x18, 0x0a, 0x01]),
        ];
        for (codec, payload) in keyframes {
            let info = read(codec, payload);
            assert!(info.starts_frame && info.keyframe, "{codec:?}");
        }
    }

    #[test]
    fn an_empty_payload_is_a_frame_of_audio_and_nothing_of_video() {
        let mut descriptors = DependencyDescriptorReader::default();
        for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
            let found = frame_info(codec, &[], true, &Extensions::default(), &mut descriptors);
            assert_eq!(found.is_ok(), codec.kind() == Kind::Audio, "{codec:?}");
        }
    }

    proptest! {
        /// Clear bytes as `docs/E2EE.md` has them, and noise behind them: a server sees the same frame as without.
        #[test]
        fn a_frame_that_is_encrypted_end_to_end_says_the_same_of_itself(
            noise in proptest::collection::vec(any::<u8>(), 40..200), marker in any::<bool>(),
        ) {
            let keyframe = [0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01];
            // Descriptor or unit in front of the frame, then its clear bytes, then what is encrypted.
            let packets: [(Codec, &[u8], &[u8]); 7] = [
                (Codec::Vp8, &[0x90, 0xe0, 0x92, 0x34, 0x56, 0x20], &keyframe),
                (Codec::Vp8, &[0x90, 0xe0, 0x92, 0x35, 0x57, 0x60], &keyframe[1..4]),
                (Codec::Vp9, &[0x8c, 0x92, 0x34], &[]),
                (Codec::Vp9, &[0xcc, 0x92, 0x35], &[]),
                // Of the first fragment of an IDR slice, and of a whole slice: header and three bytes.
                (Codec::H264, &[0x7c, 0x85], &[0x88, 0x84, 0x00]),
                (Codec::H264, &[], &[0x61, 0x9a, 0x02, 0x04]),
                // New coded video sequence: a sequence header, then the one unit that holds everything else.
                (Codec::Av1, &[0x28, 0x05], &[0x08, 0x00, 0x01, 0x02, 0x03, 0x30]),
            ];
            for (codec, front, clear) in packets {
                let read = |secret: &[u8]| {
                    let payload = [front, clear, secret].concat();
                    let mut descriptors = DependencyDescriptorReader::default();
                    frame_info(codec, &payload, marker, &Extensions::default(), &mut descriptors)
                };
                prop_assert_eq!(read(&noise), read(&[0x55; 40]), "{:?}", codec);
                prop_assert!(read(&noise).is_ok());
            }
        }
    }
}
