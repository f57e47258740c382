//! The transports of a shard: everything about one participant's path that is not needed per outgoing packet.

use bytes::Bytes;
use futures_channel::mpsc;

use super::command::TransportKey;
use super::receive::Receive;
use super::ticks::PathStats;
use crate::media::estimate::EstimateConfig;
use crate::media::feedback::{ArrivalRecorder, Remb};
use crate::media::{Downlink, EgressKey, Feedback, Forwarder, Limits, SourceKey, Target};
use crate::packet::Kind;
use crate::packet::extension::ExtensionMap;
use crate::transport::ice::IceLite;
use crate::transport::srtp::Opener;

/// Enough for three encodings of a camera and a screen.
const REMB_BPS_MAX: u64 = 8_000_000;

/// As many m-lines as an offer may have. SSRCs of lines that were stopped for good never come back and fall out here.
const RETIRED_MAX: usize = crate::transport::negotiation::limits::M_LINES;

/// One participant's path.
pub(super) struct TransportEntry {
    pub(super) key: TransportKey,
    pub(super) ice: IceLite,
    pub(super) opener: Option<Opener>,
    pub(super) extensions: ExtensionMap,
    pub(super) receive: Receive,
    pub(super) egresses: Vec<EgressEntry>,
    /// Forwarders of seats that were taken out of the SDP, oldest first. An m-line that is only paused keeps its SSRC, and
    /// when it comes back its numbers must go on.
    pub(super) retired: Vec<Forwarder>,
    pub(super) transport_cc: Option<ArrivalRecorder>,
    /// Where its DTLS goes.
    pub(super) datagrams: Option<mpsc::Sender<Bytes>>,
    /// The room was told that media can flow.
    pub(super) connected: bool,
    /// The room was told that the connection in use has ended, and of nothing since.
    pub(super) interrupted: bool,
    /// ICE was restarted, and the client has not chosen its new way yet.
    pub(super) restarted: bool,
    /// Our own SSRC in RTCP: any that is not a stream's will do.
    pub(super) rtcp_ssrc: u32,
    /// For publishers who have no transport-wide feedback.
    pub(super) remb: Remb,
    pub(super) path: PathStats,
    /// What goes to the client, once it has a seat.
    pub(super) downlink: Option<Box<Downlink>>,
    /// As the egress was told last.
    pub(super) pacing_bps: Option<u64>,
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
            retired: Vec::new(),
            transport_cc: None,
            datagrams: None,
            connected: false,
            interrupted: false,
            restarted: false,
            rtcp_ssrc: key.0 as u32 | 1,
            remb: Remb::new(REMB_BPS_MAX),
            path: PathStats::default(),
            downlink: None,
            pacing_bps: None,
        }
    }

    /// A seat tells how its client reports what arrives.
    pub(super) fn agree(&mut self, feedback: Feedback) {
        let new = || Box::new(Downlink::new(EstimateConfig::default()));
        self.downlink.get_or_insert_with(new).agree(feedback);
    }

    /// What is shared out among its seats has to be shared out anew.
    pub(super) fn stir(&mut self) {
        if let Some(downlink) = self.downlink.as_deref_mut() {
            downlink.stir();
        }
    }

    /// The seat half with this outgoing SSRC (or RTX SSRC).
    pub(super) fn egress_by_ssrc(&self, ssrc: u32) -> Option<&EgressEntry> {
        self.egresses
            .iter()
            .find(|egress| egress.ssrc == ssrc || egress.rtx_ssrc == Some(ssrc))
    }

    /// Keeps the forwarder of a seat that is taken out.
    pub(super) fn retire(&mut self, forwarder: Forwarder) {
        if self.retired.len() >= RETIRED_MAX {
            self.retired.remove(0);
        }
        self.retired.push(forwarder);
    }

    /// The forwarder that sent on this SSRC before.
    pub(super) fn take_retired(&mut self, ssrc: u32) -> Option<Forwarder> {
        let at = self.retired.iter().position(|forwarder| forwarder.ssrc() == ssrc)?;
        Some(self.retired.remove(at))
    }

    pub(super) fn egress_mut(&mut self, key: EgressKey) -> Option<&mut EgressEntry> {
        self.egresses.iter_mut().find(|egress| egress.key == key)
    }
}

/// One half of a seat.
pub(super) struct EgressEntry {
    pub(super) key: EgressKey,
    pub(super) kind: Kind,
    pub(super) ssrc: u32,
    pub(super) rtx_ssrc: Option<u32>,
    pub(super) cname: String,
    pub(super) seat: Seat,
    /// What the subscriber asked for of who sits there.
    pub(super) limits: Limits,
    /// What its bandwidth allows, while media flows.
    pub(super) target: Target,
    /// The highest sequence number that the client has reported, extended.
    pub(super) reported: u32,
}

/// Where the forwarder is. It carries the seat's clock and numbers from source to source.
pub(super) enum Seat {
    /// Nobody sits there.
    Empty(Box<Forwarder>),
    /// The forwarder is with this source.
    Taken(SourceKey),
}
