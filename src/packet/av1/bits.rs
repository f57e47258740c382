use super::super::Malformed;

/// Reads bits from high to low (section A.8.2).
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits from the start.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    /// `f(n)` for up to 32 bits.
    pub(super) fn read(&mut self, count: u32) -> Result<u32, Malformed> {
        let mut value = 0;
        let mut left = count;
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8).ok_or(Malformed("dependency descriptor"))?;
            // As many as this octet still has.
            let unread = 8 - (self.at % 8) as u32;
            let taken = unread.min(left);
            let bits = u32::from(byte) >> (unread - taken) & ((1 << taken) - 1);
            value = value << taken | bits;
            self.at += taken as usize;
            left -= taken;
        }
        Ok(value)
    }

    /// `f(n)` for up to 8 bits.
    pub(super) fn read_u8(&mut self, count: u32) -> Result<u8, Malformed> {
        Ok(self.read(count)? as u8)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        Ok(self.read(1)? != 0)
    }

    /// `ns(n)`: below `n`, with one bit less for the lower values. `n` is at least 1.
    pub(super) fn non_symmetric(&mut self, n: u32) -> Result<u32, Malformed> {
        let width = u32::BITS - n.leading_zeros();
        let short_values = (1 << width) - n;
        let value = self.read(width - 1)?;
        if value < short_values {
            return Ok(value);
        }
        Ok((value << 1) - short_values + self.read(1)?)
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.at = self.at.saturating_add(count);
        if self.at > 8 * self.bytes.len() {
            Err(Malformed("dependency descriptor"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_non_symmetric_example_of_the_specification() {
        for (byte, value, used) in [(0b00, 0, 2), (0b01, 1, 2), (0b10, 2, 2), (0b110, 3, 3), (0b111, 4, 3)] {
            let bytes = [byte << (8 - used)];
            let mut bits = Bits::new(&bytes);
            assert_eq!(bits.non_symmetric(5), Ok(value));
            assert_eq!(bits.at, used);
        }
        let mut bits = Bits::new(&[]);
        assert_eq!(bits.non_symmetric(1), Ok(0));
        assert!(bits.non_symmetric(2).is_err());
    }

    #[test]
    fn reads_across_octets_at_any_place() {
        let bytes = 0x0123_4567_89ab_cdef_u64.to_be_bytes();
        for start in 0..32 {
            for count in 0..=32 {
                let mut bits = Bits::new(&bytes);
                bits.skip(start).unwrap();
                let expected = 0x0123_4567_89ab_cdef_u64 >> (64 - start - count as usize).min(63) & ((1 << count) - 1);
                assert_eq!(bits.read(count).map(u64::from), Ok(expected), "{count} from {start}");
            }
        }
    }

    #[test]
    fn ends_at_the_end() {
        let mut bits = Bits::new(&[0xa5]);
        assert_eq!(
            (bits.read(3), bits.read(5), bits.read(1)),
            (Ok(5), Ok(5), Err(Malformed("dependency descriptor")))
        );
        assert!(Bits::new(&[0]).skip(8).is_ok() && Bits::new(&[0]).skip(9).is_err());
    }
}
