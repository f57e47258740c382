//! RTCP (RFC 3550 section 6, RFC 4585, 5104, 3611): a compound read block by block, and builders.
//!
//! Reading borrows and never allocates. A block whose body is not what its header claims is passed over and the next one
//! is read; a header that reaches past the end leaves nothing to find the next block by, and ends the compound.
//! Reduced-size compounds (RFC 5506) are read like any other.

mod extended;
mod feedback;
mod report;
mod source;
mod transport_cc;
pub mod write;

pub use extended::{DelaySinceRr, DelaySinceRrs, XrBlock, XrBlocks};
pub use feedback::{FirEntries, FirEntry, LostSequences};
pub use report::{ReportBlock, ReportBlocks, SenderInfo};
pub use source::{SdesChunk, SdesChunks, Ssrcs};
pub use transport_cc::{Arrivals, ReferenceClock, TransportCcFeedback};

use super::Malformed;
use super::bytes::{be16, be32};

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const GOODBYE: u8 = 203;
/// RFC 4585 section 6.2.
const TRANSPORT_FEEDBACK: u8 = 205;
/// RFC 4585 section 6.3.
const PAYLOAD_FEEDBACK: u8 = 206;
/// RFC 3611 section 2.
const EXTENDED_REPORT: u8 = 207;

/// Feedback message types: of the transport (RFC 4585 section 6.2, draft-holmer-rmcat-transport-wide-cc-extensions-01) ...
const FMT_NACK: u8 = 1;
const FMT_TRANSPORT_CC: u8 = 15;
/// ... and of the payload (RFC 4585 section 6.3, RFC 5104 section 4.3, draft-alvestrand-rmcat-remb-03).
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;
const FMT_APPLICATION: u8 = 15;

/// One RTCP packet of a compound.
#[derive(Clone, Copy, Debug)]
pub enum RtcpBlock<'a> {
    /// RFC 3550 section 6.4.1.
    SenderReport {
        /// The sender.
        ssrc: u32,
        /// Its clocks and counters.
        info: SenderInfo,
        /// What it receives.
        reports: ReportBlocks<'a>,
    },
    /// RFC 3550 section 6.4.2.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// What it receives.
        reports: ReportBlocks<'a>,
    },
    /// RFC 3550 section 6.5.
    Sdes {
        /// One per source.
        chunks: SdesChunks<'a>,
    },
    /// RFC 3550 section 6.6.
    Bye {
        /// Who leaves.
        ssrcs: Ssrcs<'a>,
    },
    /// Generic NACK (RFC 4585 section 6.2.1).
    Nack {
        /// Who asks.
        sender_ssrc: u32,
        /// The stream with the holes.
        media_ssrc: u32,
        /// What to send again.
        lost: LostSequences<'a>,
    },
    /// Transport-wide congestion control feedback.
    TransportCc(TransportCcFeedback<'a>),
    /// Picture loss indication (RFC 4585 section 6.3.1).
    Pli {
        /// Who asks.
        sender_ssrc: u32,
        /// The stream that needs a keyframe.
        media_ssrc: u32,
    },
    /// Full intra request (RFC 5104 section 4.3.1).
    Fir {
        /// Who asks.
        sender_ssrc: u32,
        /// The streams that need a keyframe.
        entries: FirEntries<'a>,
    },
    /// Receiver estimated maximum bitrate.
    Remb {
        /// Who estimates.
        sender_ssrc: u32,
        /// For all of `ssrcs` together.
        bitrate_bps: u64,
        /// The streams meant; empty on some senders, who mean all.
        ssrcs: Ssrcs<'a>,
    },
    /// Extended reports (RFC 3611).
    Xr {
        /// Who reports.
        ssrc: u32,
        /// What.
        blocks: XrBlocks<'a>,
    },
    /// Well-formed, and nothing we act on.
    Other {
        /// PT of the header.
        packet_type: u8,
        /// Count or FMT of the header.
        count: u8,
    },
}

/// The blocks of a decrypted compound.
pub fn blocks(compound: &[u8]) -> Blocks<'_> {
    Blocks { rest: compound }
}

/// See [`blocks`].
#[derive(Clone, Copy, Debug)]
pub struct Blocks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = RtcpBlock<'a>;

    fn next(&mut self) -> Option<RtcpBlock<'a>> {
        loop {
            let &[first, packet_type, ..] = self.rest else {
                return None;
            };
            let len = 4 * (usize::from(be16(self.rest, 2)?) + 1);
            if first >> 6 != 2 {
                self.rest = &[];
                return None;
            }
            let Some((block, rest)) = self.rest.split_at_checked(len) else {
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            let parsed = without_padding(first, &block[4..]).and_then(|body| parse(packet_type, first & 0x1f, body));
            if let Ok(block) = parsed {
                return Some(block);
            }
        }
    }
}

/// `body` is what follows the four octets of the block's header.
fn without_padding(first: u8, body: &[u8]) -> Result<&[u8], Malformed> {
    if first & 0x20 == 0 {
        return Ok(body);
    }
    match body.last() {
        None | Some(0) => Err(Malformed("RTCP padding")),
        Some(&count) => {
            let len = body
                .len()
                .checked_sub(usize::from(count))
                .ok_or(Malformed("RTCP padding"))?;
            Ok(&body[..len])
        }
    }
}

fn parse(packet_type: u8, count: u8, body: &[u8]) -> Result<RtcpBlock<'_>, Malformed> {
    let word = |index: usize| be32(body, 4 * index).ok_or(Malformed("RTCP block"));
    let tail = |from: usize| body.get(from..).ok_or(Malformed("RTCP block"));
    match (packet_type, count) {
        (SENDER_REPORT, _) => Ok(RtcpBlock::SenderReport {
            ssrc: word(0)?,
            info: SenderInfo::parse(tail(4)?)?,
            reports: ReportBlocks::parse(tail(24)?, count)?,
        }),
        (RECEIVER_REPORT, _) => Ok(RtcpBlock::ReceiverReport {
            ssrc: word(0)?,
            reports: ReportBlocks::parse(tail(4)?, count)?,
        }),
        (SOURCE_DESCRIPTION, _) => Ok(RtcpBlock::Sdes {
            chunks: SdesChunks::new(body, count),
        }),
        (GOODBYE, _) => Ok(RtcpBlock::Bye {
            ssrcs: Ssrcs::parse(body, count)?,
        }),
        (TRANSPORT_FEEDBACK, FMT_NACK) => Ok(RtcpBlock::Nack {
            sender_ssrc: word(0)?,
            media_ssrc: word(1)?,
            lost: LostSequences::new(tail(8)?),
        }),
        (TRANSPORT_FEEDBACK, FMT_TRANSPORT_CC) => TransportCcFeedback::parse(body).map(RtcpBlock::TransportCc),
        (PAYLOAD_FEEDBACK, FMT_PLI) => Ok(RtcpBlock::Pli {
            sender_ssrc: word(0)?,
            media_ssrc: word(1)?,
        }),
        (PAYLOAD_FEEDBACK, FMT_FIR) => Ok(RtcpBlock::Fir {
            sender_ssrc: word(0)?,
            entries: FirEntries::new(tail(8)?),
        }),
        (PAYLOAD_FEEDBACK, FMT_APPLICATION) if tail(8)?.starts_with(b"REMB") => {
            let (bitrate_bps, ssrcs) = feedback::parse_remb(tail(12)?)?;
            Ok(RtcpBlock::Remb {
                sender_ssrc: word(0)?,
                bitrate_bps,
                ssrcs,
            })
        }
        (EXTENDED_REPORT, _) => Ok(RtcpBlock::Xr {
            ssrc: word(0)?,
            blocks: XrBlocks::new(tail(4)?),
        }),
        (packet_type, count) => Ok(RtcpBlock::Other { packet_type, count }),
    }
}

#[cfg(test)]
mod tests;
