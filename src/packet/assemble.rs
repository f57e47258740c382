//! From the packets of one picture to the picture as a file keeps it: VP8 and VP9 as the decoder takes them, H264 as NAL units
//! with lengths of four octets, AV1 as OBUs with their sizes (a "temporal unit" without its delimiter).

use super::{Codec, Malformed, av1, h264, vp8, vp9};

/// Puts the payloads of one picture together, in order, without gaps. Of audio there is one.
///
/// # Errors
/// When a payload cannot be read, or a fragment is left over.
pub fn assemble<'a>(codec: Codec, payloads: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, Malformed> {
    let mut frame = Vec::new();
    match codec {
        Codec::Opus | Codec::Red => payloads.for_each(|payload| frame.extend_from_slice(payload)),
        Codec::Vp8 => {
            for payload in payloads {
                frame.extend_from_slice(vp8::data(payload)?);
            }
        }
        Codec::Vp9 => superframe(payloads, &mut frame)?,
        Codec::H264 => units(payloads, &mut frame)?,
        Codec::Av1 => av1::assemble(payloads, &mut frame)?,
    }
    Ok(frame)
}

/// The layers of a picture, with the index behind them that says where each begins (VP9 bitstream, annex B) if there are several.
fn superframe<'a>(payloads: impl Iterator<Item = &'a [u8]>, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut begins = Vec::new();
    for payload in payloads {
        if vp9::frame_info(payload)?.starts_frame {
            begins.push(frame.len());
        }
        frame.extend_from_slice(vp9::data(payload)?);
    }
    if (2..=8).contains(&begins.len()) {
        let marker = 0xc0 | 3 << 3 | (begins.len() - 1) as u8;
        let ends = begins.iter().skip(1).copied().chain([frame.len()]);
        let sizes: Vec<u32> = begins
            .iter()
            .zip(ends)
            .map(|(begin, end)| (end - begin) as u32)
            .collect();
        frame.push(marker);
        sizes
            .iter()
            .for_each(|size| frame.extend_from_slice(&size.to_le_bytes()));
        frame.push(marker);
    }
    Ok(())
}

fn units<'a>(payloads: impl Iterator<Item = &'a [u8]>, frame: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut fragment: Option<usize> = None;
    for payload in payloads {
        for piece in h264::pieces(payload)? {
            match piece {
                h264::Piece::Whole(unit) => {
                    frame.extend_from_slice(&(unit.len() as u32).to_be_bytes());
                    frame.extend_from_slice(unit);
                }
                h264::Piece::First(header, data) => {
                    fragment = Some(frame.len());
                    frame.extend_from_slice(&[0, 0, 0, 0, header]);
                    frame.extend_from_slice(data);
                }
                h264::Piece::More(data, ends) => {
                    let at = fragment.ok_or(Malformed("H264 fragment"))?;
                    frame.extend_from_slice(data);
                    let len = (frame.len() - at - 4) as u32;
                    frame[at..at + 4].copy_from_slice(&len.to_be_bytes());
                    fragment = fragment.filter(|_| !ends);
                }
            }
        }
    }
    fragment.map_or(Ok(()), |_| Err(Malformed("H264 fragment")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(codec: Codec, payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        assemble(codec, payloads.iter().copied())
    }

    #[test]
    fn descriptors_are_left_out() {
        let vp8: [&[u8]; 2] = [&[0x90, 0x80, 0x05, 1, 2], &[0x80, 0x80, 0x05, 3]];
        assert_eq!(of(Codec::Vp8, &vp8), Ok(vec![1, 2, 3]));
        let vp9: [&[u8]; 2] = [&[0x88, 0x05, 1, 2], &[0x84, 0x05, 3]];
        assert_eq!(of(Codec::Vp9, &vp9), Ok(vec![1, 2, 3]));
        assert_eq!(of(Codec::Opus, &[&[7, 8]]), Ok(vec![7, 8]));
    }

    #[test]
    fn several_layers_get_an_index() {
        let layers: [&[u8]; 2] = [&[0x2c, 0x00, 0x01, 9, 9], &[0x2c, 0x02, 0x01, 7]];
        let marker = 0xd9;
        let expected = [&[9, 9, 7, marker, 2, 0, 0, 0, 1, 0, 0, 0, marker][..]].concat();
        assert_eq!(of(Codec::Vp9, &layers), Ok(expected));
    }

    #[test]
    fn units_get_their_lengths_however_they_were_sent() {
        let aggregate: &[u8] = &[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68];
        let fragments: [&[u8]; 3] = [&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]];
        let all = [aggregate, fragments[0], fragments[1], fragments[2], &[0x41, 9]];
        let expected = [
            &[0, 0, 0, 2, 0x67, 0x42][..],
            &[0, 0, 0, 1, 0x68],
            &[0, 0, 0, 4, 0x65, 1, 2, 3],
            &[0, 0, 0, 2, 0x41, 9],
        ];
        assert_eq!(of(Codec::H264, &all), Ok(expected.concat()));
        assert!(of(Codec::H264, &fragments[..2]).is_err());
        assert!(of(Codec::H264, &fragments[1..]).is_err());
    }

    #[test]
    fn obus_get_their_sizes_and_the_delimiter_goes() {
        // Two elements: a delimiter, and a frame that goes on in the next packet; then its rest.
        let packets: [&[u8]; 2] = [&[0x68, 0x01, 0x10, 0x0a, 0x30, 1, 2], &[0x90, 3, 4]];
        // W=2 in the first: the last element has no length.
        let first: &[u8] = &[0x60, 0x01, 0x10, 0x30, 1, 2];
        assert_eq!(of(Codec::Av1, &[first, packets[1]]), Ok(vec![0x32, 4, 1, 2, 3, 4]));
        assert!(of(Codec::Av1, &[first]).is_err());
        assert!(of(Codec::Av1, &[packets[1]]).is_err());
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..5)) {
            for codec in [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1] {
                let _ = assemble(codec, payloads.iter().map(Vec::as_slice));
            }
        }
    }
}
