//! VP8 payload descriptor (RFC 7741 section 4.2).

use super::frame::{FrameInfo, Picture, PictureField, PictureId};
use super::{Malformed, bytes::take};

/// TID and Y in front of KEYIDX, in one octet.
const KEY_IDX_MASK: u8 = 0x1f;

/// Reads the descriptor and the first octet behind it.
///
/// # Errors
/// When the descriptor does not fit, or nothing comes behind it.
pub fn frame_info(payload: &[u8], marker: bool) -> Result<FrameInfo, Malformed> {
    let mut at = 0;
    let first = take(payload, &mut at).ok_or(Malformed("VP8 descriptor"))?;
    // S and PID 0: the first packet of the first partition.
    let starts_frame = first & 0x17 == 0x10;
    let mut info = FrameInfo {
        starts_frame,
        ends_frame: marker,
        discardable: first & 0x20 != 0,
        ..Default::default()
    };
    let mut has_layer = false;
    if first & 0x80 != 0 {
        (info.picture, has_layer) = extension(payload, &mut at, &mut info).ok_or(Malformed("VP8 descriptor"))?;
    }
    // The frame header's first bit is 0 in a key frame (RFC 6386 section 9.1).
    let data = *payload.get(at).ok_or(Malformed("VP8 payload"))?;
    info.keyframe = starts_frame && data & 1 == 0;
    info.switch_up = info.keyframe || has_layer && info.switch_up;
    Ok(info)
}

/// What is behind the descriptor.
///
/// # Errors
/// When the descriptor does not fit.
pub fn data(payload: &[u8]) -> Result<&[u8], Malformed> {
    let mut at = 0;
    let first = take(payload, &mut at).ok_or(Malformed("VP8 descriptor"))?;
    if first & 0x80 != 0 {
        extension(payload, &mut at, &mut FrameInfo::default()).ok_or(Malformed("VP8 descriptor"))?;
    }
    payload.get(at..).ok_or(Malformed("VP8 descriptor"))
}

/// Pixels across and down, which the header of a keyframe says (RFC 6386 section 9.1). `payload` is the first packet of one.
pub fn frame_size(payload: &[u8]) -> Option<(u16, u16)> {
    let mut at = 0;
    let first = take(payload, &mut at)?;
    if first & 0x80 != 0 {
        extension(payload, &mut at, &mut FrameInfo::default())?;
    }
    size_of_frame(payload.get(at..)?).filter(|_| first & 0x17 == 0x10)
}

/// The same of a keyframe without descriptor.
pub fn size_of_frame(frame: &[u8]) -> Option<(u16, u16)> {
    // Three octets of frame tag, three of start code, then 14 bits each below two bits of scaling.
    match frame.get(..10)? {
        [tag, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] if tag & 1 == 0 => {
            let side = |low: &u8, high: &u8| u16::from_le_bytes([*low, *high]) & 0x3fff;
            Some((side(w0, w1), side(h0, h1)))
        }
        _ => None,
    }
}

/// The octets after X. Sets the temporal layer; returns whether it is there.
fn extension(payload: &[u8], at: &mut usize, info: &mut FrameInfo) -> Option<(Picture, bool)> {
    let flags = take(payload, at)?;
    let mut picture_id = None;
    if flags & 0x80 != 0 {
        let id = PictureId::parse(payload, offset(*at))?;
        *at += usize::from(id.len());
        picture_id = Some(id);
    }
    let mut tl0_pic_idx = None;
    if flags & 0x40 != 0 {
        tl0_pic_idx = Some(PictureField {
            offset: offset(*at),
            value: take(payload, at)?,
        });
    }
    let has_layer = flags & 0x20 != 0;
    let has_key_idx = flags & 0x10 != 0;
    let mut key_idx = None;
    if has_layer || has_key_idx {
        let here = offset(*at);
        let byte = take(payload, at)?;
        if has_layer {
            info.temporal = byte >> 6;
            info.switch_up = byte & 0x20 != 0;
        }
        key_idx = has_key_idx.then_some(PictureField {
            offset: here,
            value: byte & KEY_IDX_MASK,
        });
    }
    Some((
        Picture::Vp8 {
            picture_id,
            tl0_pic_idx,
            key_idx,
        },
        has_layer,
    ))
}

/// The descriptor has six octets at most.
fn offset(at: usize) -> u8 {
    at as u8
}

/// Overwrites those of the fields that `picture`, which [`frame_info`] found in this payload, has; widths stay. `payload` may
/// be a copy of no more than the payload's first eight octets.
pub fn patch(payload: &mut [u8], picture: &Picture, new_picture_id: u16, new_tl0_pic_idx: u8, new_key_idx: u8) {
    match picture {
        Picture::Vp8 {
            picture_id,
            tl0_pic_idx,
            key_idx,
        } => {
            if let Some(id) = picture_id {
                id.write(payload, new_picture_id);
            }
            if let Some(field) = tl0_pic_idx {
                field.write(payload, new_tl0_pic_idx, 0xff);
            }
            if let Some(field) = key_idx {
                field.write(payload, new_key_idx, KEY_IDX_MASK);
            }
        }
        Picture::None | Picture::Vp9 { .. } | Picture::Described { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(info: FrameInfo) -> (Option<u16>, Option<u8>, Option<u8>) {
        match info.picture {
            Picture::Vp8 {
                picture_id,
                tl0_pic_idx,
                key_idx,
            } => (
                picture_id.map(|id| id.value),
                tl0_pic_idx.map(|f| f.value),
                key_idx.map(|f| f.value),
            ),
            Picture::None => (None, None, None),
            Picture::Vp9 { .. } | Picture::Described { .. } => panic!("not VP8"),
        }
    }

    #[test]
    fn a_bare_keyframe_begins_and_ends_in_one_packet() {
        let info = frame_info(&[0x10, 0x00], true).unwrap();
        assert!(info.starts_frame && info.ends_frame && info.keyframe && info.switch_up && !info.discardable);
        assert_eq!(info.picture, Picture::None);
    }

    #[test]
    fn a_delta_frame_and_the_inside_of_a_frame_are_no_keyframes() {
        let delta = frame_info(&[0x10, 0x01], false).unwrap();
        assert!(delta.starts_frame && !delta.keyframe && !delta.ends_frame);
        // Not S; and S of another partition.
        for first in [0x00, 0x11, 0x17, 0x01] {
            let inside = frame_info(&[first, 0x00], false).unwrap();
            assert!(!inside.starts_frame && !inside.keyframe, "{first:#x}");
        }
    }

    #[test]
    fn reads_every_field_as_chromium_sends_it() {
        // X N S; I L T K; 15 bit id; TL0PICIDX; TID 2, Y, KEYIDX 3.
        let info = frame_info(&[0xb0, 0xf0, 0x92, 0x34, 0x56, 0xa3, 0x01], false).unwrap();
        assert_eq!(picture(info), (Some(0x1234), Some(0x56), Some(3)));
        assert_eq!((info.temporal, info.switch_up, info.discardable), (2, true, true));
    }

    #[test]
    fn a_narrow_picture_id_takes_one_octet() {
        let info = frame_info(&[0x90, 0xc0, 0x7f, 0x56, 0x00], false).unwrap();
        assert_eq!(picture(info), (Some(0x7f), Some(0x56), None));
        assert!(info.keyframe);
    }

    #[test]
    fn a_key_index_without_a_layer_says_nothing_about_the_layer() {
        let info = frame_info(&[0x90, 0x10, 0xe5, 0x01], false).unwrap();
        assert_eq!(picture(info), (None, None, Some(5)));
        assert_eq!((info.temporal, info.switch_up), (0, false));
    }

    #[test]
    fn every_cut_of_a_descriptor_is_refused() {
        let payload = [0x90, 0xf0, 0x92, 0x34, 0x56, 0xa3, 0x01];
        for len in 0..payload.len() {
            assert!(frame_info(&payload[..len], false).is_err(), "{len}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..16), marker in any::<bool>()) {
            let _ = (frame_info(&bytes, marker), frame_size(&bytes));
        }

        #[test]
        fn a_patch_changes_its_fields_and_nothing_else(
            bytes in proptest::collection::vec(any::<u8>(), 2..16),
            (id, tl0, key_idx) in (any::<u16>(), any::<u8>(), any::<u8>()),
        ) {
            if let Ok(before) = frame_info(&bytes, false) {
                let mut patched = bytes.clone();
                patch(&mut patched[..bytes.len().min(8)], &before.picture, id, tl0, key_idx);
                let after = frame_info(&patched, false).unwrap();
                let wide = matches!(before.picture, Picture::Vp8 { picture_id: Some(id), .. } if id.wide);
                let (old_id, old_tl0, old_key_idx) = picture(before);
                prop_assert_eq!(picture(after), (
                    old_id.map(|_| id & if wide { 0x7fff } else { 0x7f }),
                    old_tl0.map(|_| tl0),
                    old_key_idx.map(|_| key_idx & 31),
                ));
                prop_assert_eq!(FrameInfo { picture: before.picture, ..after }, before);
                patch(&mut patched, &before.picture, old_id.unwrap_or(0), old_tl0.unwrap_or(0), old_key_idx.unwrap_or(0));
                prop_assert_eq!(patched, bytes);
            }
        }
    }
}
