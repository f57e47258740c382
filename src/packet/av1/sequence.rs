//! What files say of AV1 beside its frames: from the sequence header in a keyframe (AV1 section 5.5).

use super::bits::Bits;
use crate::packet::Malformed;

const SEQUENCE_HEADER: u8 = 1;

/// `av1C` (AV1-ISOBMFF section 2.3.3) of a keyframe whose OBUs have sizes; empty without a sequence header.
pub fn configuration(keyframe: &[u8]) -> Vec<u8> {
    let Some((obu, body)) = sequence_header(keyframe) else {
        return Vec::new();
    };
    let Ok(sequence) = read(body) else { return Vec::new() };
    let mut record = vec![0x81, sequence.profile << 5 | sequence.level, sequence.color, 0];
    record.extend_from_slice(obu);
    record
}

/// Pixels across and down, from a keyframe whose OBUs have sizes.
pub fn size_of_frame(keyframe: &[u8]) -> Option<(u16, u16)> {
    let sequence = read(sequence_header(keyframe)?.1).ok()?;
    let side = |below: u32| u16::try_from(below.checked_add(1)?).ok();
    Some((side(sequence.size.0)?, side(sequence.size.1)?))
}

struct Sequence {
    profile: u8,
    level: u8,
    /// The third octet of `av1C`.
    color: u8,
    /// Less one.
    size: (u32, u32),
}

/// The OBU and its body.
fn sequence_header(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = frame;
    loop {
        let first = *rest.first()?;
        let mut at = 1 + usize::from(first >> 2 & 1);
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            let byte = *rest.get(at)?;
            at += 1;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 28 {
                return None;
            }
        }
        let end = at.checked_add(len)?;
        if first >> 3 & 0x0f == SEQUENCE_HEADER {
            return Some((rest.get(..end)?, &rest[at..end]));
        }
        rest = rest.get(end..)?;
    }
}

fn read(body: &[u8]) -> Result<Sequence, Malformed> {
    let mut bits = Bits::new(body);
    let profile = bits.read_u8(3)?;
    bits.flag()?;
    let is_reduced = bits.flag()?;
    let (mut level, mut tier) = (0, 0);
    if is_reduced {
        level = bits.read_u8(5)?;
    } else {
        let (mut has_model, mut delay_bits) = (false, 0);
        if bits.flag()? {
            bits.read(32)?;
            bits.read(32)?;
            if bits.flag()? {
                variable_length(&mut bits)?;
            }
            has_model = bits.flag()?;
            if has_model {
                delay_bits = bits.read(5)? + 1;
                bits.read(32)?;
                bits.read(10)?;
            }
        }
        let has_delay = bits.flag()?;
        for point in 0..=bits.read(5)? {
            bits.read(12)?;
            let (its_level, mut its_tier) = (bits.read_u8(5)?, 0);
            if its_level > 7 {
                its_tier = bits.read_u8(1)?;
            }
            if has_model && bits.flag()? {
                bits.skip(2 * delay_bits as usize + 1)?;
            }
            if has_delay && bits.flag()? {
                bits.read(4)?;
            }
            if point == 0 {
                (level, tier) = (its_level, its_tier);
            }
        }
    }
    let (across_bits, down_bits) = (bits.read(4)? + 1, bits.read(4)? + 1);
    let size = (bits.read(across_bits)?, bits.read(down_bits)?);
    // Of what calls send, the rest is always 8 bit, 4:2:0, and profile 1 is 4:4:4.
    let sampling = if profile == 0 { 0b0000_1100 } else { 0 };
    Ok(Sequence {
        profile,
        level,
        color: tier << 7 | sampling,
        size,
    })
}

/// `uvlc()`.
fn variable_length(bits: &mut Bits<'_>) -> Result<(), Malformed> {
    let mut zeros = 0;
    while !bits.flag()? {
        zeros += 1;
        if zeros >= 32 {
            return Ok(());
        }
    }
    bits.skip(zeros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_sequence_header_tells_size_and_configuration() {
        // As libaom writes it for 640x360, profile 0, level 8 with its tier left out below level 4.0.
        let obu = [0x0a, 0x0a, 0x00, 0x00, 0x00, 0x02, 0x4c, 0xff, 0xb3, 0xfb, 0xc0, 0x00];
        let (found, body) = sequence_header(&obu).unwrap();
        assert_eq!((found.len(), body.len()), (12, 10));
        assert!(read(body).is_ok());
        assert!(size_of_frame(&obu).is_some());
        let record = configuration(&obu);
        assert_eq!((record[0], &record[4..]), (0x81, &obu[..]));
        assert_eq!(configuration(&[0x12, 0x00]), Vec::<u8>::new());
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(frame in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (size_of_frame(&frame), configuration(&frame));
        }
    }
}
