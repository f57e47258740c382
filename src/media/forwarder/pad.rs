//! Packets of nothing but padding, to learn what a path carries.

use crate::media::{OutExtensions, Outbound, Patch, Traffic};

use super::Forwarder;

impl Forwarder {
    /// One packet of so many octets of padding on the RTX stream, whose gaps and additions no decoder looks at (RFC 4588, and what
    /// browsers send themselves); `None` where no RTX was agreed. Works at rest as well: a seat's SSRCs are always its own.
    pub fn pad(&mut self, padding: u8) -> Option<Outbound<'static>> {
        let ssrc = self.cold.config.rtx_ssrc?;
        let types = &self.cold.config.payload_types;
        let of_codec = self.codec.and_then(|codec| types.get(codec)).and_then(|(_, rtx)| rtx);
        let payload_type = of_codec.or_else(|| types.first_rtx())?;
        let timestamp = if self.rewriter.has_begun() {
            self.rewriter.timestamp()
        } else {
            self.cold.config.first_timestamp
        };
        Some(Outbound {
            marker: false,
            payload_type,
            sequence: self.cold.resends.take_sequence(),
            timestamp,
            ssrc,
            extensions: OutExtensions::default(),
            original: None,
            payload: &[],
            patch: Patch::default(),
            padding,
            traffic: Traffic::Padding,
            ends_frame: true,
        })
    }
}
