//! VP8 (RFC 7741): the long descriptor that browsers send.

use super::{Payload, Picture, Seen};

pub(super) fn payload(picture: &Picture, index: u16, content: &[u8]) -> Payload {
    let start = index == 0;
    let mut bytes = vec![
        // X, and S on the first packet of the only partition.
        0x80 | (u8::from(start) << 4),
        // I, L, T and K.
        0xf0,
        // M: 15 bits of picture id.
        0x80 | (picture.picture_id >> 8) as u8,
        picture.picture_id as u8,
        picture.tl0_picture_index,
        // TID, Y (depends on the base layer only), KEYIDX.
        (picture.temporal << 6) | (u8::from(picture.temporal == 1) << 5) | (picture.number % 32) as u8,
    ];
    if start {
        // Frame tag (RFC 6386 section 9.1): inverse keyframe bit, version 0, shown, size of the first partition.
        bytes.extend_from_slice(&[u8::from(!picture.keyframe) | 0x10, 0x02, 0x00]);
        if picture.keyframe {
            // Start code and 320 by 240.
            bytes.extend_from_slice(&[0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00]);
        }
    }
    bytes.extend_from_slice(content);
    Payload {
        bytes,
        marker: index + 1 == picture.count,
        dependency_descriptor: None,
    }
}

pub(super) fn look(payload: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let Some(&first) = payload.first() else { return seen };
    seen.starts_frame = first & 0x10 != 0 && first & 0x07 == 0;
    let mut at = 1;
    if first & 0x80 != 0 {
        let flags = payload.get(at).copied().unwrap_or(0);
        at += 1;
        if flags & 0x80 != 0 {
            let high = payload.get(at).copied().unwrap_or(0);
            at += 1;
            if high & 0x80 != 0 {
                let low = payload.get(at).copied().unwrap_or(0);
                at += 1;
                seen.picture_id = Some(u16::from(high & 0x7f) << 8 | u16::from(low));
            } else {
                seen.picture_id = Some(u16::from(high));
            }
        }
        if flags & 0x40 != 0 {
            seen.tl0_picture_index = payload.get(at).copied();
            at += 1;
        }
        if flags & 0x30 != 0 {
            seen.temporal = payload.get(at).map(|byte| byte >> 6);
            at += 1;
        }
    }
    seen.keyframe = seen.starts_frame && payload.get(at).is_some_and(|tag| tag & 1 == 0);
    seen
}
