//! What a subscriber counts, by clear headers alone.

use std::time::Instant;

use enfilade::packet::rtp::RtpHeader;

/// Which payload types are what, and where the stamp is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Receiving {
    /// Payload type of retransmissions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    /// Id of the header extension that carries the stamp.
    pub(crate) stamp: Option<u8>,
    /// Id of the transport-wide number: it is answered with feedback.
    pub(crate) transport_cc: Option<u8>,
}

/// One stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    first: u64,
    pub(super) highest: u64,
    packets: u64,
    /// At the last report.
    reported: (u64, u64),
}

/// Everything that comes in at one endpoint.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    streams: Vec<Received>,
    /// Most packets are of the stream that the one before was of.
    last: usize,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) resent: u64,
    pub(super) first_at: Option<Instant>,
}

impl Received {
    fn take(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        if ahead > 0 {
            self.highest += ahead as u64;
        }
        self.packets += 1;
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn missing(&self) -> u64 {
        self.expected().saturating_sub(self.packets)
    }

    /// Share of what was expected since the last report and has not come, in 1/256, and all that is missing.
    pub(super) fn report(&mut self) -> (u8, u32) {
        let (expected, missing) = (self.expected(), self.missing());
        let (then_expected, then_missing) = std::mem::replace(&mut self.reported, (expected, missing));
        let lost = missing.saturating_sub(then_missing);
        let fraction = lost * 256 / expected.saturating_sub(then_expected).max(1);
        (fraction.min(255) as u8, missing as u32)
    }
}

impl Inbound {
    pub(super) fn take(&mut self, now: Instant, header: &RtpHeader, len: usize, receiving: &Receiving) {
        if receiving.rtx == Some(header.payload_type) {
            self.resent += 1;
            return;
        }
        self.first_at.get_or_insert(now);
        self.packets += 1;
        self.bytes += len as u64;
        if self
            .streams
            .get(self.last)
            .is_none_or(|stream| stream.ssrc != header.ssrc)
        {
            self.last = self.find(header);
        }
        self.streams[self.last].take(header.sequence_number);
    }

    fn find(&mut self, header: &RtpHeader) -> usize {
        let known = self.streams.iter().position(|stream| stream.ssrc == header.ssrc);
        known.unwrap_or_else(|| {
            let first = 1 << 16 | u64::from(header.sequence_number);
            self.streams.push(Received {
                ssrc: header.ssrc,
                first,
                highest: first,
                packets: 0,
                reported: (0, 0),
            });
            self.streams.len() - 1
        })
    }

    pub(super) fn missing(&self) -> u64 {
        self.streams.iter().map(Received::missing).sum()
    }

    pub(super) fn streams(&mut self) -> &mut [Received] {
        &mut self.streams
    }
}

/// The value of one header extension in the one-byte form (RFC 8285 section 4.2), which is all that our offers allow.
pub(super) fn extension<'a>(packet: &'a [u8], header: &RtpHeader, id: u8) -> Option<&'a [u8]> {
    let block = header.extension?;
    let mut rest = packet.get(block.offset..block.offset + block.len)?;
    while let Some((&first, tail)) = rest.split_first() {
        if first == 0 {
            rest = tail;
            continue;
        }
        let (value, tail) = tail.split_at_checked(usize::from(first & 0x0f) + 1)?;
        if first >> 4 == id {
            return Some(value);
        }
        rest = tail;
    }
    None
}
