//! Extended reports (RFC 3611): the two that tell a receiver its round trip time.

use super::super::bytes::{be16, be32, be64};

/// Block types of RFC 3611 sections 4.4 and 4.5.
pub(super) const RECEIVER_REFERENCE_TIME: u8 = 4;
pub(super) const DELAY_SINCE_LAST_RR: u8 = 5;

/// One report block.
#[derive(Clone, Copy, Debug)]
pub enum XrBlock<'a> {
    /// When the report left: seconds since 1900 in 32.32 fixed point.
    ReceiverReferenceTime {
        /// The receiver's clock.
        ntp: u64,
    },
    /// The answer to it.
    DelaySinceLastRr(DelaySinceRrs<'a>),
    /// Nothing we act on.
    Other {
        /// BT of its header.
        block_type: u8,
    },
}

/// How long a reference time has been waiting, told to one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelaySinceRr {
    /// The receiver.
    pub ssrc: u32,
    /// Middle 32 bits of its reference time.
    pub last_rr: u32,
    /// Since that arrived, in 1/65536 s.
    pub delay: u32,
}

/// The sub-blocks of a DLRR block.
#[derive(Clone, Copy, Debug)]
pub struct DelaySinceRrs<'a> {
    rest: &'a [u8],
}

impl Iterator for DelaySinceRrs<'_> {
    type Item = DelaySinceRr;

    fn next(&mut self) -> Option<DelaySinceRr> {
        let (block, rest) = self.rest.split_at_checked(12)?;
        self.rest = rest;
        Some(DelaySinceRr {
            ssrc: be32(block, 0)?,
            last_rr: be32(block, 4)?,
            delay: be32(block, 8)?,
        })
    }
}

/// The report blocks of an extended report, up to the first that does not fit.
#[derive(Clone, Copy, Debug)]
pub struct XrBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> XrBlocks<'a> {
    pub(super) fn new(blocks: &'a [u8]) -> Self {
        XrBlocks { rest: blocks }
    }
}

impl<'a> Iterator for XrBlocks<'a> {
    type Item = XrBlock<'a>;

    fn next(&mut self) -> Option<XrBlock<'a>> {
        let block_type = *self.rest.first()?;
        let len = 4 * (usize::from(be16(self.rest, 2)?) + 1);
        let (block, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        let body = &block[4..];
        Some(match block_type {
            RECEIVER_REFERENCE_TIME => match be64(body, 0) {
                Some(ntp) => XrBlock::ReceiverReferenceTime { ntp },
                None => XrBlock::Other { block_type },
            },
            DELAY_SINCE_LAST_RR => XrBlock::DelaySinceLastRr(DelaySinceRrs { rest: body }),
            block_type => XrBlock::Other { block_type },
        })
    }
}
