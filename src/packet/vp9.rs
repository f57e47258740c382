//! VP9 payload descriptor (RFC 9628 section 4.2), flexible and non-flexible mode.

use super::frame::{FrameInfo, Picture, PictureField, PictureId};
use super::{Malformed, bytes::take};

/// Bits of the first octet.
const HAS_PICTURE_ID: u8 = 0x80;
const INTER_PREDICTED: u8 = 0x40;
const HAS_LAYERS: u8 = 0x20;
const FLEXIBLE: u8 = 0x10;
const BEGINS: u8 = 0x08;
const ENDS: u8 = 0x04;
const HAS_STRUCTURE: u8 = 0x02;

/// Reference indices of a picture in flexible mode (RFC 9628 section 4.2: "up to 3").
const MAX_REFERENCES: usize = 3;

/// Reads the descriptor. Begin, end and keyframe are those of this spatial layer's frame; the marker bit, which is the
/// picture's, plays no part.
///
/// # Errors
/// When the descriptor does not fit, or nothing comes behind it.
pub fn frame_info(payload: &[u8]) -> Result<FrameInfo, Malformed> {
    let mut at = 0;
    let (info, _) = descriptor(payload, &mut at).ok_or(Malformed("VP9 descriptor"))?;
    if at >= payload.len() {
        return Err(Malformed("VP9 payload"));
    }
    Ok(info)
}

/// What is behind the descriptor.
///
/// # Errors
/// When the descriptor does not fit.
pub fn data(payload: &[u8]) -> Result<&[u8], Malformed> {
    let mut at = 0;
    descriptor(payload, &mut at).ok_or(Malformed("VP9 descriptor"))?;
    payload.get(at..).ok_or(Malformed("VP9 descriptor"))
}

/// Pixels across and down of the highest spatial layer, from the scalability structure that comes with a keyframe.
pub fn frame_size(payload: &[u8]) -> Option<(u16, u16)> {
    descriptor(payload, &mut 0)?.1
}

/// What the descriptor says of the frame, and the size in its scalability structure.
fn descriptor(payload: &[u8], at: &mut usize) -> Option<(FrameInfo, Option<(u16, u16)>)> {
    let first = take(payload, at)?;
    let has = |bit| first & bit != 0;
    let mut info = FrameInfo {
        starts_frame: has(BEGINS),
        ends_frame: has(ENDS),
        ..Default::default()
    };
    let mut picture_id = None;
    let mut tl0_pic_idx = None;
    if has(HAS_PICTURE_ID) {
        let id = PictureId::parse(payload, offset(*at))?;
        *at += usize::from(id.len());
        picture_id = Some(id);
    }
    if has(HAS_LAYERS) {
        let layers = take(payload, at)?;
        info.temporal = layers >> 5;
        info.switch_up = layers & 0x10 != 0;
        info.spatial = layers >> 1 & 7;
        if !has(FLEXIBLE) {
            tl0_pic_idx = Some(PictureField {
                offset: offset(*at),
                value: take(payload, at)?,
            });
        }
    }
    if has(FLEXIBLE) && has(INTER_PREDICTED) {
        let mut references = 0;
        // N says that another follows.
        while take(payload, at)? & 1 != 0 {
            references += 1;
            if references == MAX_REFERENCES {
                return None;
            }
        }
    }
    let size = if has(HAS_STRUCTURE) {
        structure(payload, at)?
    } else {
        None
    };
    let intra = !has(INTER_PREDICTED);
    info.keyframe = intra && info.spatial == 0;
    info.switch_up |= info.keyframe;
    info.spatial_switch_up = intra;
    info.picture = Picture::Vp9 {
        picture_id,
        tl0_pic_idx,
    };
    Some((info, size))
}

/// Passes over the scalability structure (RFC 9628 section 4.2.1); the size of its highest spatial layer.
fn structure(payload: &[u8], at: &mut usize) -> Option<Option<(u16, u16)>> {
    let head = take(payload, at)?;
    let mut size = None;
    if head & 0x10 != 0 {
        // A width and a height of 16 bits for each spatial layer.
        *at += 4 * (usize::from(head >> 5) + 1);
        let highest = payload.get(*at - 4..*at)?;
        size = Some((
            u16::from_be_bytes([highest[0], highest[1]]),
            u16::from_be_bytes([highest[2], highest[3]]),
        ));
    }
    if head & 0x08 != 0 {
        let pictures = take(payload, at)?;
        for _ in 0..pictures {
            let references = take(payload, at)? >> 2 & 3;
            *at += usize::from(references);
        }
    }
    Some(size)
}

/// What is patched lies in the first five octets.
fn offset(at: usize) -> u8 {
    at as u8
}

/// Overwrites those of the fields that `picture`, which [`frame_info`] found in this payload, has; widths stay. `payload` may
/// be a copy of no more than the payload's first eight octets.
pub fn patch(payload: &mut [u8], picture: &Picture, new_picture_id: u16, new_tl0_pic_idx: u8) {
    match picture {
        Picture::Vp9 {
            picture_id,
            tl0_pic_idx,
        } => {
            if let Some(id) = picture_id {
                id.write(payload, new_picture_id);
            }
            if let Some(field) = tl0_pic_idx {
                field.write(payload, new_tl0_pic_idx, 0xff);
            }
        }
        Picture::None | Picture::Vp8 { .. } | Picture::Described { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(info: FrameInfo) -> (Option<u16>, Option<u8>) {
        match info.picture {
            Picture::Vp9 {
                picture_id,
                tl0_pic_idx,
            } => (picture_id.map(|id| id.value), tl0_pic_idx.map(|f| f.value)),
            Picture::None | Picture::Vp8 { .. } | Picture::Described { .. } => panic!("not VP9"),
        }
    }

    #[test]
    fn reads_a_non_flexible_keyframe_with_its_structure() {
        // I L B V; id 0x1234; T0 S0; TL0PICIDX; two layers with sizes, two pictures, the second with one reference.
        let payload = [
            0xaa, 0x92, 0x34, 0x00, 0x55, 0x38, 1, 64, 0, 180, 2, 128, 1, 104, 2, 0x00, 0x34, 1, 0xff,
        ];
        let info = frame_info(&payload).unwrap();
        assert!(info.starts_frame && !info.ends_frame && info.keyframe && info.switch_up && info.spatial_switch_up);
        assert_eq!((info.spatial, info.temporal), (0, 0));
        assert_eq!(picture(info), (Some(0x1234), Some(0x55)));
        for len in 0..payload.len() {
            assert!(frame_info(&payload[..len]).is_err(), "{len}");
        }
    }

    #[test]
    fn an_upper_layer_of_a_key_picture_is_no_keyframe_but_a_place_to_step_up() {
        // I L B E; T0 S1 D.
        let info = frame_info(&[0xac, 0x12, 0x03, 0x55, 0xff]).unwrap();
        assert!(!info.keyframe && info.spatial_switch_up && info.starts_frame && info.ends_frame);
        assert_eq!(info.spatial, 1);
    }

    #[test]
    fn a_flexible_picture_has_references_and_no_tl0() {
        // I P L F B; T2 U S1; two references.
        let payload = [0xf8, 0x12, 0x52, 0x03, 0x04, 0xff];
        let info = frame_info(&payload).unwrap();
        assert_eq!((info.spatial, info.temporal, info.switch_up), (1, 2, true));
        assert!(!info.keyframe && !info.spatial_switch_up);
        assert_eq!(picture(info), (Some(0x12), None));
    }

    #[test]
    fn a_fourth_reference_is_refused() {
        assert!(frame_info(&[0x58, 0x03, 0x03, 0x02, 0xff]).is_ok());
        assert!(frame_info(&[0x58, 0x03, 0x03, 0x03, 0x02, 0xff]).is_err());
    }

    #[test]
    fn a_stream_without_layers_is_all_base() {
        let info = frame_info(&[0x88, 0x01, 0xff]).unwrap();
        assert!(info.keyframe);
        assert_eq!((info.spatial, info.temporal), (0, 0));
        assert!(!frame_info(&[0xc8, 0x01, 0xff]).unwrap().keyframe);
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (frame_info(&bytes), frame_size(&bytes));
        }

        #[test]
        fn a_patch_changes_its_fields_and_nothing_else(
            bytes in proptest::collection::vec(any::<u8>(), 2..40), (id, tl0) in (any::<u16>(), any::<u8>()),
        ) {
            if let Ok(before) = frame_info(&bytes) {
                let mut patched = bytes.clone();
                patch(&mut patched[..bytes.len().min(8)], &before.picture, id, tl0);
                let after = frame_info(&patched).unwrap();
                let wide = matches!(before.picture, Picture::Vp9 { picture_id: Some(id), .. } if id.wide);
                let (old_id, old_tl0) = picture(before);
                let mask = if wide { 0x7fff } else { 0x7f };
                prop_assert_eq!(picture(after), (old_id.map(|_| id & mask), old_tl0.map(|_| tl0)));
                prop_assert_eq!(FrameInfo { picture: before.picture, ..after }, before);
                patch(&mut patched, &before.picture, old_id.unwrap_or(0), old_tl0.unwrap_or(0));
                prop_assert_eq!(patched, bytes);
            }
        }
    }
}
