//! The transports of a shard: everything about one participant's path that is not needed per outgoing packet.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::command::TransportKey;
use super::receive::Receive;
use super::ticks::PathStats;
use crate::media::feedback::{ArrivalRecorder, Remb};
use crate::media::{EgressKey, Forwarder, SourceKey};
use crate::packet::extension::ExtensionMap;
use crate::transport::ice::IceLite;
use crate::transport::srtp::Opener;

/// Enough for three encodings of a camera and a screen.
const REMB_BPS_MAX: u64 = 8_000_000;

/// One participant's path.
pub(super) struct TransportEntry {
    pub(super) key: TransportKey,
    pub(super) ice: IceLite,
    pub(super) opener: Option<Opener>,
    pub(super) extensions: ExtensionMap,
    pub(super) receive: Receive,
    pub(super) egresses: Vec<EgressEntry>,
    pub(super) transport_cc: Option<ArrivalRecorder>,
    /// Where its DTLS goes.
    pub(super) datagrams: Option<mpsc::Sender<Bytes>>,
    /// The room was told that media can flow.
    pub(super) connected: bool,
    /// Our own SSRC in RTCP: any that is not a stream's will do.
    pub(super) rtcp_ssrc: u32,
    /// For publishers who have no transport-wide feedback.
    pub(super) remb: Remb,
    pub(super) path: PathStats,
}

impl TransportEntry {
    pub(super) fn new(key: TransportKey, ice: IceLite) -> Self {
        Self {
            key,
            ice,
            opener: None,
            extensions: ExtensionMap::default(),
            receive: Receive::default(),
            egresses: Vec::new(),
            transport_cc: None,
            datagrams: None,
            connected: false,
            rtcp_ssrc: key.0 as u32 | 1,
            remb: Remb::new(REMB_BPS_MAX),
            path: PathStats::default(),
        }
    }

    /// The seat half with this outgoing SSRC (or RTX SSRC).
    pub(super) fn egress_by_ssrc(&self, ssrc: u32) -> Option<&EgressEntry> {
        self.egresses
            .iter()
            .find(|egress| egress.ssrc == ssrc || egress.rtx_ssrc == Some(ssrc))
    }

    pub(super) fn egress_mut(&mut self, key: EgressKey) -> Option<&mut EgressEntry> {
        self.egresses.iter_mut().find(|egress| egress.key == key)
    }
}

/// One half of a seat.
pub(super) struct EgressEntry {
    pub(super) key: EgressKey,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) cname: String,
    pub(super) seat: Seat,
}

/// Where the forwarder is. It carries the seat's clock and numbers from source to source.
pub(super) enum Seat {
    /// Nobody sits there.
    Empty(Box<Forwarder>),
    /// The forwarder is with this source.
    Taken(SourceKey),
}
