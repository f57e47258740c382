//! What files say of H264 beside its frames: from the sequence and picture parameters in a keyframe (H.264 section 7.3.2).

use super::{PICTURE_PARAMETERS, SEQUENCE_PARAMETERS};
use crate::packet::bytes::be32;

/// Profiles whose sequence parameters tell of chroma and depth.
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The decoder configuration record (ISO/IEC 14496-15 section 5.3.3.1) of a keyframe whose units have lengths of four octets; empty
/// without parameter sets.
pub fn configuration(keyframe: &[u8]) -> Vec<u8> {
    let unit_of = |kind| units(keyframe).find(|unit| unit.first().is_some_and(|header| header & 0x1f == kind));
    let (Some(sequence), Some(picture)) = (unit_of(SEQUENCE_PARAMETERS), unit_of(PICTURE_PARAMETERS)) else {
        return Vec::new();
    };
    let &[_, profile, compatibility, level, ..] = sequence else {
        return Vec::new();
    };
    let (Ok(sequence_len), Ok(picture_len)) = (u16::try_from(sequence.len()), u16::try_from(picture.len())) else {
        return Vec::new();
    };
    let mut record = vec![1, profile, compatibility, level, 0xff, 0xe1];
    record.extend_from_slice(&sequence_len.to_be_bytes());
    record.extend_from_slice(sequence);
    record.push(1);
    record.extend_from_slice(&picture_len.to_be_bytes());
    record.extend_from_slice(picture);
    if [100, 110, 122, 144].contains(&profile) {
        // 4:2:0 with eight bits, which is what browsers send.
        record.extend_from_slice(&[0xfd, 0xf8, 0xf8, 0]);
    }
    record
}

/// Pixels across and down, from a keyframe whose units have lengths of four octets.
pub fn size_of_frame(keyframe: &[u8]) -> Option<(u16, u16)> {
    let sequence =
        units(keyframe).find(|unit| unit.first().is_some_and(|header| header & 0x1f == SEQUENCE_PARAMETERS))?;
    size(&mut Bits::new(sequence.get(1..)?))
}

fn units(frame: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = frame;
    std::iter::from_fn(move || {
        let len = be32(rest, 0)? as usize;
        let (unit, tail) = rest[4..].split_at_checked(len)?;
        rest = tail;
        Some(unit)
    })
}

fn size(bits: &mut Bits) -> Option<(u16, u16)> {
    let profile = bits.read(8)? as u8;
    bits.read(16)?;
    bits.golomb()?;
    let (mut chroma, mut separate) = (1, 0);
    if HIGH_PROFILES.contains(&profile) {
        chroma = bits.golomb()?;
        if chroma == 3 {
            separate = bits.read(1)?;
        }
        bits.golomb()?;
        bits.golomb()?;
        bits.read(1)?;
        if bits.read(1)? == 1 {
            // Scaling matrices: nobody sends them in a call.
            return None;
        }
    }
    bits.golomb()?;
    match bits.golomb()? {
        0 => {
            bits.golomb()?;
        }
        1 => {
            bits.read(1)?;
            bits.golomb()?;
            bits.golomb()?;
            let cycle = bits.golomb()?;
            for _ in 0..cycle.min(255) {
                bits.golomb()?;
            }
        }
        _ => {}
    }
    bits.golomb()?;
    bits.read(1)?;
    let across = bits.golomb()?.checked_add(1)?;
    let down = bits.golomb()?.checked_add(1)?;
    let fields = 2 - bits.read(1)?;
    if fields == 2 {
        bits.read(1)?;
    }
    bits.read(1)?;
    let (mut crop_across, mut crop_down) = (0_u32, 0_u32);
    if bits.read(1)? == 1 {
        let (x, y) = match (chroma, separate) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        crop_across = bits.golomb()?.checked_add(bits.golomb()?)?.checked_mul(x)?;
        crop_down = bits
            .golomb()?
            .checked_add(bits.golomb()?)?
            .checked_mul(y)?
            .checked_mul(fields)?;
    }
    let width = across.checked_mul(16)?.checked_sub(crop_across)?;
    let height = down.checked_mul(16)?.checked_mul(fields)?.checked_sub(crop_down)?;
    let sides = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    (sides.0 > 0 && sides.1 > 0).then_some(sides)
}

/// Bits of a unit without the octets that only keep it from looking like a start code (H.264 section 7.4.1).
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn new(unit: &[u8]) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for &byte in unit {
            if zeros >= 2 && byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            bytes.push(byte);
        }
        Bits { bytes, at: 0 }
    }

    fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// `ue(v)`.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.read(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = u64::from(self.read(zeros)?);
        u32::try_from((1_u64 << zeros) - 1 + rest).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As x264 writes them for 1280x720, baseline 3.1.
    const SEQUENCE: [u8; 23] = [
        0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00, 0x00, 0x0f,
        0x03, 0xc6, 0x0c, 0xa8, 0x00,
    ];

    fn keyframe() -> Vec<u8> {
        let mut frame = vec![0, 0, 0, 23];
        frame.extend_from_slice(&SEQUENCE);
        frame.extend_from_slice(&[0, 0, 0, 4, 0x68, 0xce, 0x3c, 0x80, 0, 0, 0, 1, 0x65]);
        frame
    }

    #[test]
    fn parameters_tell_size_and_configuration() {
        assert_eq!(size_of_frame(&keyframe()), Some((1_280, 720)));
        let record = configuration(&keyframe());
        assert_eq!(record[..8], [1, 0x42, 0xc0, 0x1f, 0xff, 0xe1, 0, 23]);
        assert_eq!(record[31..], [1, 0, 4, 0x68, 0xce, 0x3c, 0x80]);
        assert_eq!(configuration(&[0, 0, 0, 1, 0x65]), Vec::<u8>::new());
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(unit in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut frame = vec![0, 0, 0, unit.len() as u8 + 1, 0x67];
            frame.extend_from_slice(&unit);
            let _ = (size_of_frame(&frame), configuration(&frame), size_of_frame(&unit));
        }
    }
}
