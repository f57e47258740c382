//! Elements of EBML (RFC 8794): an id, a size, a body. Only writing, and only what Matroska files of ours need.

/// A size that is not known yet: as far as the next element of the same level or above.
pub(super) const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
/// An element that says nothing and keeps a place (RFC 8794 section 11.3.2).
const VOID: u32 = 0xec;

/// The id, whose length stands in its first octet.
pub(super) fn id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    let first = bytes.iter().position(|byte| *byte != 0).unwrap_or(3);
    out.extend_from_slice(&bytes[first..]);
}

/// A size in eight octets: wide enough for everything.
pub(super) fn wide_size(size: u64) -> [u8; 8] {
    (size | 1 << 56).to_be_bytes()
}

fn size(out: &mut Vec<u8>, size: usize) {
    if size < 0x7f {
        out.push(0x80 | size as u8);
    } else if size < 0x3fff {
        out.extend_from_slice(&(0x4000 | size as u16).to_be_bytes());
    } else {
        out.extend_from_slice(&wide_size(size as u64));
    }
}

/// An element with this body.
pub(super) fn bytes(out: &mut Vec<u8>, element: u32, body: &[u8]) {
    id(out, element);
    size(out, body.len());
    out.extend_from_slice(body);
}

/// A whole number, as short as it can be.
pub(super) fn number(out: &mut Vec<u8>, element: u32, value: u64) {
    let body = value.to_be_bytes();
    let first = body.iter().position(|byte| *byte != 0).unwrap_or(7);
    bytes(out, element, &body[first..]);
}

/// A number of eight octets.
pub(super) fn float(out: &mut Vec<u8>, element: u32, value: f64) {
    bytes(out, element, &value.to_be_bytes());
}

pub(super) fn text(out: &mut Vec<u8>, element: u32, value: &str) {
    bytes(out, element, value.as_bytes());
}

/// An element made of elements.
pub(super) fn master(out: &mut Vec<u8>, element: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut body = Vec::new();
    fill(&mut body);
    bytes(out, element, &body);
}

/// Keeps a place of `len` octets, of which there are 2 to 16 000.
pub(super) fn void(out: &mut Vec<u8>, len: usize) {
    let end = out.len() + len;
    id(out, VOID);
    let short = len - 2 < 0x7f;
    if short {
        size(out, len - 2);
    } else {
        out.extend_from_slice(&(0x4000 | (len - 3) as u16).to_be_bytes());
    }
    out.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_as_the_standard_has_them() {
        let mut out = Vec::new();
        number(&mut out, 0x2a_d7b1, 1_000_000);
        assert_eq!(out, [0x2a, 0xd7, 0xb1, 0x83, 0x0f, 0x42, 0x40]);
        out.clear();
        number(&mut out, 0xd7, 0);
        assert_eq!(out, [0xd7, 0x81, 0]);
        for len in [2, 3, 100, 128, 129, 130, 131, 1_000, 16_000] {
            out.clear();
            void(&mut out, len);
            assert_eq!(out.len(), len);
            let said = if out[1] & 0x80 != 0 {
                2 + usize::from(out[1] & 0x7f)
            } else {
                3 + (usize::from(out[1] & 0x3f) << 8 | usize::from(out[2]))
            };
            assert_eq!(said, len);
        }
    }
}
