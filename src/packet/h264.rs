//! H264 payloads (RFC 6184): what can be told of a frame from the NAL units at hand.

mod parameters;

pub use parameters::{configuration, size_of_frame};

use super::frame::FrameInfo;
use super::{Malformed, bytes::be16};

/// NAL unit types (RFC 6184 section 5.2, H.264 table 7-1).
const SLICE: u8 = 1;
const IDR_SLICE: u8 = 5;
const SUPPLEMENTAL: u8 = 6;
const SEQUENCE_PARAMETERS: u8 = 7;
const PICTURE_PARAMETERS: u8 = 8;
const DELIMITER: u8 = 9;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Reads the NAL unit headers of a payload: of one, of each in a STAP-A, of the one whose fragment begins in a FU-A.
///
/// `keyframe` is set by sequence parameters and by the beginning of an IDR picture, so usually on two packets of one frame,
/// of which the first is the place to begin. `starts_frame` says that the frame begins no earlier than the parameter sets
/// and other heads in front of this packet: more than one packet of a frame may say so, and a change of timestamp is the
/// only sure sign.
///
/// # Errors
/// When the payload is empty, or of a fragment without its header. An aggregate that ends early is read as far as it goes.
pub fn frame_info(payload: &[u8], marker: bool) -> Result<FrameInfo, Malformed> {
    let &first = payload.first().ok_or(Malformed("H264 payload"))?;
    let mut seen = Seen {
        discardable: true,
        ..Seen::default()
    };
    match first & 0x1f {
        STAP_A => {
            let mut rest = &payload[1..];
            while let Some(unit) = next_aggregated(&mut rest) {
                seen.unit(unit);
            }
        }
        FU_A => {
            let &fragment = payload.get(1).ok_or(Malformed("H264 fragment"))?;
            let begins = fragment & 0x80 != 0;
            // The unit's own header is spread over two octets (RFC 6184 section 5.8).
            let header = first & 0x60 | fragment & 0x1f;
            seen.head(header, payload.get(2).copied().filter(|_| begins), begins);
        }
        _ => seen.unit(payload),
    }
    Ok(FrameInfo {
        starts_frame: seen.starts,
        ends_frame: marker,
        keyframe: seen.keyframe,
        switch_up: seen.keyframe,
        discardable: seen.slices && seen.discardable,
        ..Default::default()
    })
}

/// A unit, or a fragment of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// All of it, its header in front.
    Whole(&'a [u8]),
    /// Its header, and what of it is behind that.
    First(u8, &'a [u8]),
    /// What follows; whether it is the last.
    More(&'a [u8], bool),
}

/// What of which units is in a payload.
///
/// # Errors
/// When the payload is empty, an aggregate ends early, or it is of a kind that is not agreed (RFC 6184 section 5.4).
pub fn pieces(payload: &[u8]) -> Result<Vec<Piece<'_>>, Malformed> {
    let &first = payload.first().ok_or(Malformed("H264 payload"))?;
    match first & 0x1f {
        1..=23 => Ok(vec![Piece::Whole(payload)]),
        STAP_A => {
            let (mut rest, mut pieces) = (&payload[1..], Vec::new());
            while !rest.is_empty() {
                let unit = next_aggregated(&mut rest).ok_or(Malformed("H264 aggregate"))?;
                pieces.push(Piece::Whole(unit));
            }
            Ok(pieces)
        }
        FU_A => {
            let (&fragment, data) = payload[1..].split_first().ok_or(Malformed("H264 fragment"))?;
            let header = first & 0xe0 | fragment & 0x1f;
            Ok(vec![if fragment & 0x80 != 0 {
                Piece::First(header, data)
            } else {
                Piece::More(data, fragment & 0x40 != 0)
            }])
        }
        _ => Err(Malformed("H264 payload")),
    }
}

/// The next unit of a STAP-A: a length of 16 bits, then the unit.
fn next_aggregated<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::from(be16(rest, 0)?);
    let (unit, tail) = rest[2..].split_at_checked(len)?;
    *rest = tail;
    Some(unit)
}

#[derive(Default)]
struct Seen {
    starts: bool,
    keyframe: bool,
    slices: bool,
    discardable: bool,
}

impl Seen {
    fn unit(&mut self, unit: &[u8]) {
        if let Some(&header) = unit.first() {
            self.head(header, unit.get(1).copied(), true);
        }
    }

    /// `header` is the unit's, `next` the octet behind it when it is in this packet.
    fn head(&mut self, header: u8, next: Option<u8>, begins: bool) {
        // `first_mb_in_slice` is coded so that 0, the picture's beginning, is a single 1 bit (H.264 section 7.3.3).
        let first_slice = begins && next.is_some_and(|next| next & 0x80 != 0);
        match header & 0x1f {
            SLICE => {
                self.slices = true;
                self.starts |= first_slice;
            }
            IDR_SLICE => {
                self.slices = true;
                self.starts |= first_slice;
                self.keyframe |= first_slice;
            }
            SEQUENCE_PARAMETERS => {
                self.starts |= begins;
                self.keyframe |= begins;
            }
            SUPPLEMENTAL | PICTURE_PARAMETERS | DELIMITER => self.starts |= begins,
            _ => {}
        }
        // Of a reference picture nal_ref_idc is never 0.
        self.discardable &= header & 0x60 == 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info(payload: &[u8]) -> FrameInfo {
        frame_info(payload, false).unwrap()
    }

    #[test]
    fn looks_inside_an_aggregate_for_sequence_parameters() {
        let aggregate = [0x78, 0, 2, 0x68, 0xce, 0, 3, 0x67, 0x42, 0xe0];
        assert!(info(&aggregate).keyframe && info(&aggregate).starts_frame);
        let no_parameters = [0x78, 0, 2, 0x68, 0xce, 0, 2, 0x41, 0x9a];
        assert!(!info(&no_parameters).keyframe && info(&no_parameters).starts_frame);
    }

    #[test]
    fn an_idr_picture_begins_in_the_first_fragment_only() {
        let first = info(&[0x7c, 0x85, 0xb8]);
        assert!(first.keyframe && first.starts_frame);
        for rest in [[0x7c, 0x05, 0xb8], [0x7c, 0x45, 0xb8]] {
            assert!(!info(&rest).keyframe && !info(&rest).starts_frame);
        }
    }

    #[test]
    fn single_units_of_packetization_mode_0_are_seen() {
        for (header, keyframe) in [(0x67, true), (0x68, false), (0x65, true), (0x41, false), (0x09, false)] {
            let found = info(&[header, 0x88]);
            assert!(found.starts_frame, "{header:#x}");
            assert_eq!(found.keyframe, keyframe, "{header:#x}");
        }
    }

    #[test]
    fn a_later_slice_of_a_picture_begins_nothing() {
        for header in [0x41, 0x65] {
            assert!(!info(&[header, 0x44]).starts_frame && !info(&[header, 0x44]).keyframe);
        }
    }

    #[test]
    fn a_picture_nothing_refers_to_may_be_dropped() {
        assert!(info(&[0x01, 0x88]).discardable);
        assert!(info(&[0x1c, 0x81, 0x88]).discardable && info(&[0x1c, 0x01, 0x88]).discardable);
        assert!(!info(&[0x41, 0x88]).discardable);
        assert!(!info(&[0x18, 0, 2, 0x01, 0x88, 0, 2, 0x41, 0x88]).discardable);
        // Supplemental information has no reference bits and may belong to anything.
        assert!(!info(&[0x06, 0x05]).discardable);
    }

    #[test]
    fn the_marker_ends_the_frame() {
        assert!(frame_info(&[0x41, 0x88], true).unwrap().ends_frame);
        assert!(!info(&[0x41, 0x88]).ends_frame);
    }

    #[test]
    fn an_aggregate_cut_short_is_read_as_far_as_it_goes() {
        assert!(info(&[0x78, 0, 2, 0x67, 0x42, 0, 9, 0x65]).keyframe);
        assert!(!info(&[0x78, 0, 9, 0x67]).keyframe);
        assert_eq!(info(&[0x78]), FrameInfo::default());
        assert_eq!(frame_info(&[], false), Err(Malformed("H264 payload")));
        assert_eq!(frame_info(&[0x7c], false), Err(Malformed("H264 fragment")));
    }

    proptest! {
        #[test]
        fn never_panics_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64), marker in any::<bool>()) {
            let _ = frame_info(&bytes, marker);
        }

        #[test]
        fn never_panics_on_any_aggregate(bytes in proptest::collection::vec(0..6_u8, 0..64)) {
            let mut payload = vec![0x78];
            payload.extend(bytes);
            let _ = frame_info(&payload, false);
        }
    }
}
