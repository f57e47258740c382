//! What a file has to say of its codecs.

use super::matroska::{Entry, Form};
use crate::packet::{Codec, av1, h264, vp8};

/// Of a picture whose size nobody said.
const SOME_SIZE: (u16, u16) = (640, 480);

/// 20 ms of silence: one frame of full-band CELT, mono.
pub(super) const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
pub(super) const SILENCE_MS: u64 = 20;

/// Which form a file with this codec has.
pub(super) const fn form(codec: Codec) -> Form {
    match codec {
        Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => Form::WebM,
        Codec::H264 => Form::Matroska,
    }
}

/// The track entry of a codec, from its first keyframe. `said` is the size that came with the packets, or was announced.
pub(super) fn entry(number: u8, codec: Codec, keyframe: &[u8], said: Option<(u16, u16)>) -> Entry {
    let (name, private, found) = match codec {
        Codec::Opus | Codec::Red => ("A_OPUS", opus_head(), None),
        Codec::Vp8 => ("V_VP8", Vec::new(), vp8::size_of_frame(keyframe)),
        Codec::Vp9 => ("V_VP9", Vec::new(), None),
        Codec::H264 => (
            "V_MPEG4/ISO/AVC",
            h264::configuration(keyframe),
            h264::size_of_frame(keyframe),
        ),
        Codec::Av1 => ("V_AV1", av1::configuration(keyframe), av1::size_of_frame(keyframe)),
    };
    let is_video = !matches!(codec, Codec::Opus | Codec::Red);
    Entry {
        number,
        codec: name,
        private,
        size: is_video.then(|| found.or(said).unwrap_or(SOME_SIZE)),
    }
}

/// RFC 7845 section 5.1: two channels, nothing to skip, because a recording begins in the middle of a stream.
fn opus_head() -> Vec<u8> {
    let mut head = b"OpusHead\x01\x02\x00\x00".to_vec();
    head.extend_from_slice(&48_000_u32.to_le_bytes());
    head.extend_from_slice(&[0, 0, 0]);
    head
}

/// How long a packet of Opus sounds, in milliseconds (RFC 6716 section 3.1); at least 1.
pub(super) fn opus_ms(packet: &[u8]) -> u64 {
    let Some(&toc) = packet.first() else { return 1 };
    let config = toc >> 3;
    let quarter_ms = match config {
        0..=11 => [40, 80, 160, 240][usize::from(config & 3)],
        12..=15 => [40, 80][usize::from(config & 1)],
        _ => [10, 20, 40, 80][usize::from(config & 3)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(packet.get(1).map_or(1, |count| count & 0x3f)),
    };
    (quarter_ms * frames / 4).clamp(1, 120)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opus_packet_says_how_long_it_is() {
        assert_eq!(opus_ms(&SILENCE), SILENCE_MS);
        assert_eq!(opus_ms(&[0x78]), 20);
        assert_eq!(opus_ms(&[0x00]), 10);
        assert_eq!(opus_ms(&[0xfb, 0x03]), 60);
        assert_eq!(opus_ms(&[0x19]), 120);
        assert_eq!((opus_ms(&[]), opus_ms(&[0xfb, 0x00])), (1, 1));
    }
}
