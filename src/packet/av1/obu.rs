//! Streams without a dependency descriptor: the aggregation header (section 4.4) and OBU headers (AV1 section 5.3.2).

use super::super::Malformed;
use super::super::bytes::take;
use super::super::frame::FrameInfo;

/// Bits of the aggregation header.
const CONTINUES: u8 = 0x80;
const NEW_SEQUENCE: u8 = 0x08;

/// OBU types (AV1 section 6.2.2).
const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// Layers are those of the first OBU with an extension header; a packet whose OBUs have none, as in the middle of a fragment,
/// says 0. With several spatial layers a frame may seem to go on to the end of its picture, where the marker is.
pub(super) fn frame_info(payload: &[u8], marker: bool) -> Result<FrameInfo, Malformed> {
    let &header = payload.first().ok_or(Malformed("AV1 payload"))?;
    let keyframe = header & NEW_SEQUENCE != 0;
    let mut info = FrameInfo {
        starts_frame: keyframe,
        ends_frame: marker,
        keyframe,
        switch_up: keyframe,
        ..Default::default()
    };
    let elements = Elements::new(payload);
    let mut layer_known = false;
    for (index, element) in elements.enumerate() {
        if index == 0 && header & CONTINUES != 0 {
            continue;
        }
        let Some(&obu) = element.first() else { continue };
        match obu >> 3 & 0x0f {
            SEQUENCE_HEADER | FRAME_HEADER | FRAME => info.starts_frame = true,
            _ => {}
        }
        let has_extension = obu & 0x04 != 0;
        if let Some(&extension) = element.get(1).filter(|_| has_extension && !layer_known) {
            info.temporal = extension >> 5;
            info.spatial = extension >> 3 & 3;
            layer_known = true;
        }
    }
    Ok(info)
}

/// OBU elements, up to the first that does not fit.
pub(super) struct Elements<'a> {
    payload: &'a [u8],
    at: usize,
    /// W: how many there are, the last without a length; 0 for any number, each with one.
    count: u8,
    index: u8,
}

impl<'a> Elements<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Elements {
            payload,
            at: 1,
            count: payload.first().map_or(0, |header| header >> 4 & 3),
            index: 0,
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.at >= self.payload.len() {
            return None;
        }
        self.index = self.index.saturating_add(1);
        if self.count != 0 && self.index == self.count {
            let last = &self.payload[self.at..];
            self.at = self.payload.len();
            return Some(last);
        }
        let len = leb128(self.payload, &mut self.at)?;
        let element = self.payload.get(self.at..self.at.checked_add(len)?)?;
        self.at += len;
        Some(element)
    }
}

/// AV1 section 4.10.5, of which no length in a datagram needs more than four octets.
fn leb128(bytes: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0;
    for index in 0..4 {
        let byte = take(bytes, at)?;
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
