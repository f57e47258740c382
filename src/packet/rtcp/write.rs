//! Builders. Each appends whole blocks to a buffer lent by the caller, who joins them to a compound; a buffer that keeps
//! its capacity makes them free of allocation.

use super::extended::{DELAY_SINCE_LAST_RR, RECEIVER_REFERENCE_TIME};
use super::feedback::remb_bits;
use super::source::ITEM_CNAME;
use super::{
    DelaySinceRr, EXTENDED_REPORT, FMT_APPLICATION, FMT_FIR, FMT_NACK, FMT_PLI, FirEntry, GOODBYE, PAYLOAD_FEEDBACK,
    RECEIVER_REPORT, ReportBlock, SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo, TRANSPORT_FEEDBACK,
};

pub use super::transport_cc::{MAX_TRANSPORT_CC_LEN, transport_cc};

/// The five bits of the count field (RFC 3550 section 6.1).
const MAX_COUNT: usize = 31;

/// Writes a block's header, lets `body` append the rest, and fills the length in. `body` returns the count or FMT, and
/// appends whole words.
pub(super) fn block(out: &mut Vec<u8>, packet_type: u8, body: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = out.len();
    out.extend_from_slice(&[0x80, packet_type, 0, 0]);
    out[start] |= body(out) & 0x1f;
    // No builder here writes 2^16 words: lists are cut to 255 entries or to what a datagram holds.
    let words = u16::try_from((out.len() - start) / 4 - 1).unwrap_or(u16::MAX);
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// A sender report (RFC 3550 section 6.4.1). What does not fit in its 31 reports follows in receiver reports.
pub fn sender_report(out: &mut Vec<u8>, ssrc: u32, info: &SenderInfo, reports: &[ReportBlock]) {
    let (reports, more) = reports.split_at(reports.len().min(MAX_COUNT));
    block(out, SENDER_REPORT, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&info.ntp.to_be_bytes());
        put(out, &[info.rtp_timestamp, info.packet_count, info.octet_count]);
        put_reports(out, reports)
    });
    if !more.is_empty() {
        receiver_report(out, ssrc, more);
    }
}

/// A receiver report (RFC 3550 section 6.4.2), empty when there is nothing to report, several when there are more than
/// 31 streams.
pub fn receiver_report(out: &mut Vec<u8>, ssrc: u32, reports: &[ReportBlock]) {
    let mut rest = reports;
    loop {
        let (reports, more) = rest.split_at(rest.len().min(MAX_COUNT));
        block(out, RECEIVER_REPORT, |out| {
            put(out, &[ssrc]);
            put_reports(out, reports)
        });
        if more.is_empty() {
            return;
        }
        rest = more;
    }
}

/// At most [`MAX_COUNT`] of them; returns how many.
fn put_reports(out: &mut Vec<u8>, reports: &[ReportBlock]) -> u8 {
    for report in reports {
        out.extend_from_slice(&report.to_bytes());
    }
    reports.len() as u8
}

/// A source description with the canonical name only (RFC 3550 section 6.5.1). Longer names are cut at 255 octets.
pub fn sdes_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    block(out, SOURCE_DESCRIPTION, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&[ITEM_CNAME, cname.len() as u8]);
        out.extend_from_slice(cname);
        // The chunk ends with at least one null octet, on a word.
        let item_len = 2 + cname.len();
        out.resize(out.len() - item_len + (item_len + 1).next_multiple_of(4), 0);
        1
    });
}

/// Goodbyes without a reason (RFC 3550 section 6.6), 31 sources to a block.
pub fn bye(out: &mut Vec<u8>, ssrcs: &[u32]) {
    for ssrcs in ssrcs.chunks(MAX_COUNT) {
        block(out, GOODBYE, |out| {
            put(out, ssrcs);
            ssrcs.len() as u8
        });
    }
}

/// A picture loss indication (RFC 4585 section 6.3.1).
pub fn pli(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    block(out, PAYLOAD_FEEDBACK, |out| {
        put(out, &[sender_ssrc, media_ssrc]);
        FMT_PLI
    });
}

/// A full intra request (RFC 5104 section 4.3.1), for at most 255 streams.
pub fn fir(out: &mut Vec<u8>, sender_ssrc: u32, entries: &[FirEntry]) {
    block(out, PAYLOAD_FEEDBACK, |out| {
        put(out, &[sender_ssrc, 0]);
        for entry in entries.iter().take(255) {
            put(out, &[entry.ssrc, u32::from(entry.sequence_number) << 24]);
        }
        FMT_FIR
    });
}

/// A generic NACK (RFC 4585 section 6.2.1) for `lost`, ascending with wraparound, as short as it can be. At most 255
/// pairs are written, and nothing when `lost` is empty.
pub fn nack(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, lost: impl IntoIterator<Item = u16>) {
    let mut lost = lost.into_iter();
    let Some(mut first) = lost.next() else { return };
    block(out, TRANSPORT_FEEDBACK, |out| {
        put(out, &[sender_ssrc, media_ssrc]);
        let mut mask = 0_u16;
        let mut pairs = 1;
        for sequence in lost {
            match sequence.wrapping_sub(first) {
                0 => {}
                offset @ 1..=16 => mask |= 1 << (offset - 1),
                _ if pairs == 255 => break,
                _ => {
                    put(out, &[u32::from(first) << 16 | u32::from(mask)]);
                    (first, mask) = (sequence, 0);
                    pairs += 1;
                }
            }
        }
        put(out, &[u32::from(first) << 16 | u32::from(mask)]);
        FMT_NACK
    });
}

/// A receiver estimated maximum bitrate for at most 255 streams together, rounded down to 18 significant bits.
pub fn remb(out: &mut Vec<u8>, sender_ssrc: u32, bitrate_bps: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(255)];
    block(out, PAYLOAD_FEEDBACK, |out| {
        put(out, &[sender_ssrc, 0]);
        out.extend_from_slice(b"REMB");
        out.push(ssrcs.len() as u8);
        out.extend_from_slice(&remb_bits(bitrate_bps));
        put(out, ssrcs);
        FMT_APPLICATION
    });
}

/// An extended report with our reference time, which asks for [`xr_delay_since_rr`] in return (RFC 3611 section 4.4).
pub fn xr_reference_time(out: &mut Vec<u8>, ssrc: u32, ntp: u64) {
    block(out, EXTENDED_REPORT, |out| {
        put(out, &[ssrc]);
        out.extend_from_slice(&[RECEIVER_REFERENCE_TIME, 0, 0, 2]);
        out.extend_from_slice(&ntp.to_be_bytes());
        0
    });
}

/// An extended report that answers reference times (RFC 3611 section 4.5), at most 255 of them.
pub fn xr_delay_since_rr(out: &mut Vec<u8>, ssrc: u32, delays: &[DelaySinceRr]) {
    let delays = &delays[..delays.len().min(255)];
    block(out, EXTENDED_REPORT, |out| {
        put(
            out,
            &[ssrc, (u32::from(DELAY_SINCE_LAST_RR) << 24) | (3 * delays.len() as u32)],
        );
        for delay in delays {
            put(out, &[delay.ssrc, delay.last_rr, delay.delay]);
        }
        0
    });
}
