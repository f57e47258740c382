//! AV1: aggregation header, one OBU element in a packet, and the dependency descriptor of a stream without spatial layers.

use super::{Payload, Picture, Seen};

/// A sequence header OBU with a size field: type 1, 3 bytes.
const SEQUENCE_HEADER: [u8; 5] = [0x0a, 0x03, 0x00, 0x00, 0x00];

pub(super) fn payload(picture: &Picture, index: u16, content: &[u8]) -> Payload {
    let first = index == 0;
    let last = index + 1 == picture.count;
    let opens = picture.keyframe && first;
    // Z: continues an OBU. Y: will be continued. W: number of elements. N: first packet of a coded video sequence.
    let elements = if opens { 2 } else { 1 };
    let mut bytes = vec![(u8::from(!first) << 7) | (u8::from(!last) << 6) | (elements << 4) | (u8::from(opens) << 3)];
    if opens {
        bytes.push(SEQUENCE_HEADER.len() as u8);
        bytes.extend_from_slice(&SEQUENCE_HEADER);
    }
    if first {
        // Frame OBU without a size field.
        bytes.push(0x30);
    }
    bytes.extend_from_slice(content);
    Payload {
        bytes,
        marker: last,
        dependency_descriptor: Some(descriptor(picture, first, last)),
    }
}

/// Bits, most significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: usize,
}

impl Bits {
    fn put(&mut self, value: u32, width: usize) {
        for bit in (0..width).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let at = self.used / 8;
            self.bytes[at] |= (((value >> bit) & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
    }
}

/// Dependency descriptor (AV1 RTP specification, appendix A). Templates: 0 keyframe, 1 base layer, 2 upper temporal layer.
fn descriptor(picture: &Picture, first: bool, last: bool) -> Vec<u8> {
    let template = match (picture.keyframe, picture.temporal) {
        (true, _) => 0,
        (false, 0) => 1,
        (false, _) => 2,
    };
    let mut bits = Bits::default();
    bits.put(u32::from(first), 1);
    bits.put(u32::from(last), 1);
    bits.put(template, 6);
    bits.put(picture.number & 0xffff, 16);
    if picture.keyframe && first {
        // Only the template structure is present of the five optional parts.
        bits.put(0b10000, 5);
        bits.put(0, 6); // template_id_offset
        bits.put(1, 5); // two decode targets
        bits.put(0, 2); // template 1: the same layer as 0
        bits.put(1, 2); // template 2: next temporal layer
        bits.put(3, 2); // no more
        // Indications per template and decode target (full rate, base layer only): 2 switch, 0 not present, 1 discardable.
        for indication in [2, 2, 2, 2, 1, 0] {
            bits.put(indication, 2);
        }
        // Frame differences: none; 2 back (1 is stored as difference minus one); 1 back.
        bits.put(0, 1);
        for difference in [1, 0] {
            bits.put(1, 1);
            bits.put(difference, 4);
            bits.put(0, 1);
        }
        bits.put(0, 1); // no chains: ns(3) of 0 is one bit
        bits.put(0, 1); // no resolutions
    }
    bits.bytes
}

pub(super) fn look(payload: &[u8]) -> Seen {
    let header = payload.first().copied().unwrap_or(0);
    Seen {
        keyframe: header & 0x08 != 0,
        starts_frame: header & 0x80 == 0,
        ..Seen::default()
    }
}
