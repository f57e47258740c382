//! H264 (RFC 6184), packetization mode 1: parameter sets in a STAP-A, pictures in FU-A fragments.

use super::{Payload, Picture, Seen};

/// Constrained baseline, level 3.1.
const SPS: [u8; 10] = [0x67, 0x42, 0xc0, 0x1f, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x88];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

pub(super) fn payload(picture: &Picture, index: u16, content: &[u8]) -> Payload {
    let last = index + 1 == picture.count;
    let mut bytes = Vec::with_capacity(content.len() + 32);
    if picture.keyframe && index == 0 {
        // STAP-A: SPS, PPS, and a supplemental unit that carries the stamp.
        bytes.push(0x78);
        let mut sei = vec![0x06];
        sei.extend_from_slice(content);
        for unit in [&SPS[..], &PPS[..], &sei[..]] {
            bytes.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            bytes.extend_from_slice(unit);
        }
    } else {
        let (kind, first) = if picture.keyframe {
            (5, index == 1)
        } else {
            (1, index == 0)
        };
        if first && last {
            bytes.push(0x60 | kind);
        } else {
            bytes.push(0x7c);
            bytes.push((u8::from(first) << 7) | (u8::from(last) << 6) | kind);
        }
        bytes.extend_from_slice(content);
    }
    Payload {
        bytes,
        marker: last,
        dependency_descriptor: None,
    }
}

pub(super) fn look(payload: &[u8]) -> Seen {
    let kind = payload.first().map_or(0, |byte| byte & 0x1f);
    let fragment = payload.get(1).copied().unwrap_or(0);
    let stap = kind == 24;
    let idr = kind == 5 || (kind == 28 && fragment & 0x1f == 5);
    let starts = match kind {
        28 => fragment & 0x80 != 0 && !idr,
        _ => stap || kind == 1,
    };
    Seen {
        keyframe: stap || idr,
        starts_frame: starts,
        ..Seen::default()
    }
}
