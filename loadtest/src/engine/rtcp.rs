//! RTCP as far as an endpoint needs it (RFC 3550 section 6, RFC 4585).

use std::time::Duration;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
/// Formats of payload feedback.
const PLI: u8 = 1;
const FIR: u8 = 4;
/// Report blocks of one report.
pub(super) const BLOCKS_MAX: usize = 31;

/// Begins a packet in an empty buffer. `count`: the five bits that mean something else for each type.
pub(super) fn begin(out: &mut Vec<u8>, count: u8, kind: u8) {
    out.clear();
    out.extend([0x80 | count, kind, 0, 0]);
}

/// Pads to words and writes the length.
pub(super) fn finish(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
    let words = (out.len() / 4 - 1) as u16;
    out[2..4].copy_from_slice(&words.to_be_bytes());
}

pub(super) fn sender_report(out: &mut Vec<u8>, ssrc: u32, since: Duration, timestamp: u32, packets: u32, octets: u32) {
    begin(out, 0, SENDER_REPORT);
    out.extend(ssrc.to_be_bytes());
    // Any clock will do that goes on as time does.
    out.extend((since.as_secs() as u32).to_be_bytes());
    out.extend((((u64::from(since.subsec_nanos())) << 32) / 1_000_000_000).to_be_bytes()[4..].iter());
    out.extend(timestamp.to_be_bytes());
    out.extend(packets.to_be_bytes());
    out.extend(octets.to_be_bytes());
    finish(out);
}

/// What a receiver report says of one stream.
pub(super) struct Block {
    pub(super) ssrc: u32,
    pub(super) fraction_lost: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
}

pub(super) fn receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: impl ExactSizeIterator<Item = Block>) {
    begin(out, blocks.len().min(BLOCKS_MAX) as u8, RECEIVER_REPORT);
    out.extend(ssrc.to_be_bytes());
    for block in blocks.take(BLOCKS_MAX) {
        out.extend(block.ssrc.to_be_bytes());
        out.push(block.fraction_lost);
        out.extend(&block.lost.min(0x7f_ffff).to_be_bytes()[1..]);
        out.extend(block.highest.to_be_bytes());
        out.extend([0; 12]);
    }
    finish(out);
}

/// The SSRCs of which a compound asks for keyframes.
pub(super) fn keyframe_requests(compound: &[u8], mut each: impl FnMut(u32)) {
    let word = |bytes: &[u8], at: usize| {
        let field = bytes.get(at..at + 4)?;
        field.try_into().ok().map(u32::from_be_bytes)
    };
    let mut rest = compound;
    while let [first, kind, high, low, ..] = *rest {
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let Some((packet, tail)) = rest.split_at_checked(len) else {
            return;
        };
        match (kind, first & 0x1f) {
            (PAYLOAD_FEEDBACK, PLI) => word(packet, 8).into_iter().for_each(&mut each),
            (PAYLOAD_FEEDBACK, FIR) => word(packet, 12).into_iter().for_each(&mut each),
            _ => {}
        }
        rest = tail;
    }
}
