//! Sender information and report blocks (RFC 3550 section 6.4.1).

use super::super::Malformed;
use super::super::bytes::{be24, be32, be64};

pub(super) const REPORT_BLOCK_LEN: usize = 24;

/// What a sender says about its own stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// When the report left: seconds since 1900 in 32.32 fixed point.
    pub ntp: u64,
    /// The same instant on the stream's RTP clock.
    pub rtp_timestamp: u32,
    /// Packets sent so far; wraps.
    pub packet_count: u32,
    /// Octets of payload sent so far; wraps.
    pub octet_count: u32,
}

impl SenderInfo {
    pub(super) fn parse(bytes: &[u8]) -> Result<SenderInfo, Malformed> {
        let word = |at| be32(bytes, at).ok_or(Malformed("sender info"));
        Ok(SenderInfo {
            ntp: be64(bytes, 0).ok_or(Malformed("sender info"))?,
            rtp_timestamp: word(8)?,
            packet_count: word(12)?,
            octet_count: word(16)?,
        })
    }

    /// The middle 32 bits of `ntp`: what a receiver returns as [`ReportBlock::last_sr`].
    pub const fn compact_ntp(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says about one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Of the packets expected since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Since the beginning; 24 bits signed, duplicates count against it.
    pub cumulative_lost: i32,
    /// Cycles in the upper, sequence number in the lower 16 bits.
    pub extended_highest_sequence: u32,
    /// Interarrival jitter in units of the stream's clock.
    pub jitter: u32,
    /// [`SenderInfo::compact_ntp`] of the last sender report received, 0 for none.
    pub last_sr: u32,
    /// Since that report arrived, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    fn parse(bytes: &[u8]) -> Option<ReportBlock> {
        let lost = be24(bytes, 5)?;
        Some(ReportBlock {
            ssrc: be32(bytes, 0)?,
            fraction_lost: *bytes.get(4)?,
            // Sign-extended from 24 bits.
            cumulative_lost: (lost << 8).cast_signed() >> 8,
            extended_highest_sequence: be32(bytes, 8)?,
            jitter: be32(bytes, 12)?,
            last_sr: be32(bytes, 16)?,
            delay_since_last_sr: be32(bytes, 20)?,
        })
    }

    /// A value of `cumulative_lost` beyond 24 bits is clamped.
    pub(super) fn to_bytes(self) -> [u8; REPORT_BLOCK_LEN] {
        let lost = self.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff).to_be_bytes();
        let mut bytes = [0; REPORT_BLOCK_LEN];
        bytes[..4].copy_from_slice(&self.ssrc.to_be_bytes());
        bytes[4] = self.fraction_lost;
        bytes[5..8].copy_from_slice(&lost[1..]);
        bytes[8..12].copy_from_slice(&self.extended_highest_sequence.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.jitter.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.last_sr.to_be_bytes());
        bytes[20..].copy_from_slice(&self.delay_since_last_sr.to_be_bytes());
        bytes
    }
}

/// The report blocks of a sender or receiver report: at most 31.
#[derive(Clone, Copy, Debug)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    /// Profile-specific extensions behind the blocks are passed over.
    pub(super) fn parse(bytes: &'a [u8], count: u8) -> Result<Self, Malformed> {
        let rest = bytes
            .get(..REPORT_BLOCK_LEN * usize::from(count))
            .ok_or(Malformed("report blocks"))?;
        Ok(ReportBlocks { rest })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.rest.split_at_checked(REPORT_BLOCK_LEN)?;
        self.rest = rest;
        ReportBlock::parse(block)
    }
}
