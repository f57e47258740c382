//! VP9 (RFC 9628): one spatial layer, non-flexible mode, scalability structure on keyframes.

use super::{Payload, Picture, Seen};

pub(super) fn payload(picture: &Picture, index: u16, content: &[u8]) -> Payload {
    let start = index == 0;
    let last = index + 1 == picture.count;
    let structure = picture.keyframe && start;
    let mut bytes = vec![
        // I, P, L, F = 0, B, E, V, Z = 0.
        0x80 | (u8::from(!picture.keyframe) << 6)
            | 0x20
            | (u8::from(start) << 3)
            | (u8::from(last) << 2)
            | (u8::from(structure) << 1),
        0x80 | (picture.picture_id >> 8) as u8,
        picture.picture_id as u8,
        // TID, U (switching point), SID, D.
        (picture.temporal << 5) | (u8::from(picture.temporal == 1) << 4),
        picture.tl0_picture_index,
    ];
    if structure {
        // N_S = 0, Y and G: one resolution, one picture in the group that refers to the one before.
        bytes.extend_from_slice(&[0x18, 0x01, 0x40, 0x00, 0xf0, 0x01, 0x04, 0x01]);
    }
    if start {
        // Uncompressed header: frame marker, profile 0, shown; bit 2 says whether it is no keyframe.
        bytes.push(0x82 | (u8::from(!picture.keyframe) << 2));
    }
    bytes.extend_from_slice(content);
    Payload {
        bytes,
        marker: last,
        dependency_descriptor: None,
    }
}

pub(super) fn look(payload: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let Some(&first) = payload.first() else { return seen };
    seen.starts_frame = first & 0x08 != 0;
    seen.keyframe = first & 0x40 == 0 && seen.starts_frame;
    let mut at = 1;
    if first & 0x80 != 0 {
        let high = payload.get(at).copied().unwrap_or(0);
        at += 1;
        if high & 0x80 != 0 {
            seen.picture_id = payload.get(at).map(|low| u16::from(high & 0x7f) << 8 | u16::from(*low));
            at += 1;
        } else {
            seen.picture_id = Some(u16::from(high));
        }
    }
    if first & 0x20 != 0 {
        seen.temporal = payload.get(at).map(|byte| byte >> 5);
        at += 1;
        if first & 0x10 == 0 {
            seen.tl0_picture_index = payload.get(at).copied();
        }
    }
    seen
}
