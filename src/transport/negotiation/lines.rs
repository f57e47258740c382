//! What was agreed, in the shape the room and the shard work with.

use std::net::SocketAddr;

use crate::packet::extension::ExtensionMap;
use crate::packet::{Codec, Kind};
use crate::transport::fingerprint::Fingerprint;
use crate::transport::ice::Credentials;

/// Our side of the path, written into every answer.
#[derive(Clone, Debug)]
pub struct LocalTransport {
    /// ICE credentials of the first answer; an ICE restart replaces them.
    pub ice: Credentials,
    /// Of the certificate that our DTLS side shows.
    pub fingerprint: Fingerprint,
    /// Where clients reach this shard, IPv4 and IPv6, best first: candidate priority follows this order.
    pub candidates: Vec<SocketAddr>,
    /// Whether they can be reached there over TCP as well (RFC 6544), which is the worse way for media.
    pub tcp: bool,
}

/// One answered offer: everything that holds from now on, not only what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The answer.
    pub sdp: String,
    /// Of the client's certificate. A value other than in the last answer asks for a new DTLS association (RFC 8842).
    pub remote_fingerprint: Fingerprint,
    /// Our new credentials, when the client restarted ICE (RFC 8445 section 9). DTLS and its keys stay.
    pub ice_restarted: Option<Credentials>,
    /// m-lines on which the client may send to us, in m-line order.
    pub receive: Vec<ReceiveLine>,
    /// m-lines on which the client receives from us, in m-line order: its seats. A `sendrecv` m-line is in both lists.
    pub send: Vec<SendLine>,
    /// The data channel m-line, if there is one.
    pub data: Option<DataLine>,
    /// Header extension ids, one map for the whole bundle (RFC 9143 section 9.1). An id never changes its meaning
    /// while the participant stays.
    pub extensions: ExtensionMap,
}

/// The answer to an ICE restart without an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceRestart {
    /// Our credentials from now on.
    pub local: Credentials,
    /// False when this restart was answered before.
    pub is_new: bool,
    /// Our side as an SDP fragment.
    pub fragment: String,
}

/// An m-line on which the client may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiveLine {
    /// Media identification, at most 16 ASCII bytes.
    pub mid: String,
    /// Audio or video.
    pub kind: Kind,
    /// In our answer's order, so the first is what the client will send.
    pub codecs: Vec<CodecLine>,
    /// Simulcast stream ids in the order of the offer, low to high as browsers write them; empty without simulcast.
    pub rids: Vec<String>,
    /// Signalled SSRCs, each with its RTX SSRC. May be empty: then streams are known by mid and rid alone.
    pub ssrcs: Vec<(u32, Option<u32>)>,
    /// The client answers generic NACK here.
    pub nack: bool,
    /// The client stamps transport-wide sequence numbers and wants feedback on them.
    pub transport_cc: bool,
    /// The client listens to REMB.
    pub remb: bool,
}

/// An m-line on which the client receives: one half of a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendLine {
    /// Media identification, at most 16 ASCII bytes.
    pub mid: String,
    /// Audio or video.
    pub kind: Kind,
    /// Never changes while the m-line lives, nor do the two fields below.
    pub ssrc: u32,
    /// Of retransmissions; present when RTX was agreed for any codec.
    pub rtx_ssrc: Option<u32>,
    /// One for the whole connection (RFC 8834 section 4.9).
    pub cname: String,
    /// Which seat this is a half of. The i-th audio and the i-th video m-line that the client receives on are seat i,
    /// and share the MediaStream `seat-i`. The number stays with the m-line until that is stopped.
    pub seat: usize,
    /// Everything this client can decode here; see [`SendLine::format_for`].
    pub codecs: Vec<CodecLine>,
    /// The client sends generic NACK here.
    pub nack: bool,
    /// The client reports on transport-wide sequence numbers.
    pub transport_cc: bool,
    /// The client sends REMB.
    pub remb: bool,
}

impl SendLine {
    /// The format under which a source that is sent as `source` reaches this client; `None` when the client cannot
    /// decode it, and a switch request or another encoding is needed.
    pub fn format_for(&self, source: &CodecLine) -> Option<&CodecLine> {
        self.codecs.iter().find(|own| own.decodes(source))
    }
}

/// The data channel m-line (RFC 8841).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataLine {
    /// Media identification.
    pub mid: String,
    /// Largest message the client accepts, in bytes; 65 536 when it says nothing.
    pub max_message_bytes: usize,
}

/// One RTP payload format of an m-line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecLine {
    /// 35 to 63 or 96 to 127: the rest collides with RTCP (RFC 5761 section 4) or is static.
    pub payload_type: u8,
    /// What it carries.
    pub codec: Codec,
    /// Payload type of its retransmissions (RFC 4588).
    pub rtx_payload_type: Option<u8>,
    /// Format parameters as the client offered them; empty when it gave none.
    pub fmtp: String,
}
