//! Writes the answer.

use std::net::SocketAddr;

use rtc_sdp::SessionDescription;
use rtc_sdp::description::common::{Address, Attribute, ConnectionInformation};
use rtc_sdp::description::media::{MediaDescription, MediaName, RangedPort};
use rtc_sdp::description::session::{Origin, TimeDescription};

use super::offer::{Media, Offer, OfferedLine};
use super::plan::{AcceptedLine, Plan, RtpLine, is_mid};
use super::{Negotiation, State};
use crate::packet::Kind;
use crate::transport::sctp::MAX_MESSAGE_BYTES;

/// The whole answer as text.
pub(super) fn write(negotiation: &Negotiation, state: &State, offer: &Offer, plan: &Plan) -> String {
    let mut session = SessionDescription {
        version: 0,
        origin: Origin {
            username: "-".to_owned(),
            session_id: negotiation.session_id,
            session_version: state.version,
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            unicast_address: "0.0.0.0".to_owned(),
        },
        session_name: "-".to_owned(),
        time_descriptions: vec![TimeDescription::default()],
        ..SessionDescription::default()
    };
    let attributes = &mut session.attributes;
    if let Some(bundle) = &plan.bundle {
        put(attributes, "group", format!("BUNDLE {}", bundle.join(" ")));
    }
    flag(attributes, "ice-lite");
    // We never need the client's candidates, so they may come late or not at all.
    put(attributes, "ice-options", "trickle");
    if offer.mixed_extensions {
        flag(attributes, "extmap-allow-mixed");
    }
    put(attributes, "msid-semantic", " WMS *");

    // Candidates count in the first m-line of the answer's bundle (RFC 9143 section 7.3.3).
    let tag = plan.bundle.as_ref().and_then(|bundle| bundle.first());
    for (line, accepted) in offer.lines.iter().zip(&plan.lines) {
        let description = match accepted {
            None => rejected(line),
            Some(accepted) => {
                let mut description = match accepted {
                    AcceptedLine::Rtp(rtp) => rtp_line(negotiation, line, rtp),
                    AcceptedLine::Data(_) => data_line(line),
                };
                let with_candidates = tag.is_none_or(|mid| mid == accepted.mid());
                put_path(&mut description.attributes, negotiation, state, with_candidates);
                description
            }
        };
        session.media_descriptions.push(description);
    }
    session.marshal()
}

/// Our side of the path alone, as an SDP fragment (RFC 8840 section 9): what an ICE restart without an offer is answered by.
pub(super) fn fragment(negotiation: &Negotiation, state: &State) -> String {
    let mut text = String::from("a=ice-lite\r\na=ice-options:trickle\r\n");
    let live: Vec<_> = state.slots.iter().filter_map(|slot| slot.live.as_ref()).collect();
    let mids: Vec<&str> = live.iter().map(|line| line.mid.as_str()).collect();
    text.push_str(&format!("a=group:BUNDLE {}\r\n", mids.join(" ")));
    if let Some(first) = live.first() {
        // Only the kind and the mid of the line mean something in a fragment.
        let line = match first.media {
            Media::Audio => "m=audio 9 UDP/TLS/RTP/SAVPF 0",
            Media::Video | Media::Other => "m=video 9 UDP/TLS/RTP/SAVPF 0",
            Media::Application => "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        };
        text.push_str(&format!("{line}\r\na=mid:{}\r\n", first.mid));
    }
    let mut attributes = Vec::new();
    put_ice(&mut attributes, state);
    put_candidates(&mut attributes, negotiation);
    for Attribute { key, value } in attributes {
        let value = value.map_or_else(String::new, |value| format!(":{value}"));
        text.push_str(&format!("a={key}{value}\r\n"));
    }
    text
}

fn put(attributes: &mut Vec<Attribute>, key: &str, value: impl Into<String>) {
    attributes.push(Attribute::new(key.to_owned(), Some(value.into())));
}

fn flag(attributes: &mut Vec<Attribute>, key: &str) {
    attributes.push(Attribute::new(key.to_owned(), None));
}

fn media_description(line: &OfferedLine, port: isize, formats: Vec<String>) -> MediaDescription {
    let media = match line.media {
        Media::Audio => "audio",
        Media::Video => "video",
        Media::Application => "application",
        // Nothing of these is ever accepted, but the answer has to name the m-line alike (RFC 3264 section 6).
        Media::Other => line.media_name.as_str(),
    };
    MediaDescription {
        media_name: MediaName {
            media: media.to_owned(),
            port: RangedPort {
                value: port,
                range: None,
            },
            protos: line.proto.split('/').map(str::to_owned).collect(),
            formats,
        },
        connection_information: Some(ConnectionInformation {
            network_type: "IN".to_owned(),
            address_type: "IP4".to_owned(),
            address: Some(Address {
                address: "0.0.0.0".to_owned(),
                ttl: None,
                range: None,
            }),
        }),
        ..MediaDescription::default()
    }
}

/// Port 0. The formats are the offered ones: an m-line may not have none.
fn rejected(line: &OfferedLine) -> MediaDescription {
    let token = |format: &&String| format.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let mut formats: Vec<String> = line.formats.iter().filter(token).cloned().collect();
    if formats.is_empty() {
        formats.push("0".to_owned());
    }
    let mut description = media_description(line, 0, formats);
    if let Some(mid) = line.mid.as_deref().filter(|mid| is_mid(mid)) {
        put(&mut description.attributes, "mid", mid);
    }
    flag(&mut description.attributes, "inactive");
    description
}

fn data_line(line: &OfferedLine) -> MediaDescription {
    let mut description = media_description(line, 9, vec!["webrtc-datachannel".to_owned()]);
    let attributes = &mut description.attributes;
    put(attributes, "mid", line.mid.clone().unwrap_or_default());
    put(attributes, "sctp-port", "5000");
    put(attributes, "max-message-size", MAX_MESSAGE_BYTES.to_string());
    description
}

fn rtp_line(negotiation: &Negotiation, offered: &OfferedLine, line: &RtpLine) -> MediaDescription {
    let mut formats = Vec::new();
    for codec in &line.codecs {
        formats.push(codec.line.payload_type.to_string());
        formats.extend(codec.line.rtx_payload_type.map(|payload_type| payload_type.to_string()));
    }
    let mut description = media_description(offered, 9, formats);
    let attributes = &mut description.attributes;
    put(attributes, "mid", line.mid.clone());
    flag(attributes, line.direction.flipped().attribute());
    flag(attributes, "rtcp-mux");
    if offered.rtcp_rsize {
        flag(attributes, "rtcp-rsize");
    }
    if offered.receiver_round_trip {
        put(attributes, "rtcp-xr", "rcvr-rtt=all");
    }
    if offered.mixed_extensions {
        flag(attributes, "extmap-allow-mixed");
    }
    for (id, kind, direction) in &line.extensions {
        let direction = direction.map_or_else(String::new, |direction| format!("/{}", direction.attribute()));
        put(attributes, "extmap", format!("{id}{direction} {}", kind.uri()));
    }
    put_codecs(attributes, line);
    for rid in &line.rids {
        put(attributes, "rid", format!("{rid} recv"));
    }
    if !line.rids.is_empty() {
        put(attributes, "simulcast", format!("recv {}", line.rids.join(";")));
    }
    if let Some(seat) = line.active_seat() {
        let half = match line.kind {
            Kind::Audio => "audio",
            Kind::Video => "video",
        };
        put(attributes, "msid", format!("seat-{0} seat-{0}-{half}", seat.number));
        let cname = &negotiation.cname;
        if line.has_rtx() {
            put(attributes, "ssrc-group", format!("FID {} {}", seat.ssrc, seat.rtx_ssrc));
        }
        put(attributes, "ssrc", format!("{} cname:{cname}", seat.ssrc));
        if line.has_rtx() {
            put(attributes, "ssrc", format!("{} cname:{cname}", seat.rtx_ssrc));
        }
    }
    description
}

fn put_codecs(attributes: &mut Vec<Attribute>, line: &RtpLine) {
    for codec in &line.codecs {
        let payload_type = codec.line.payload_type;
        put(attributes, "rtpmap", format!("{payload_type} {}", codec.rtpmap));
        let feedback = codec.feedback;
        for (agreed, name) in [
            (feedback.remb, "goog-remb"),
            (feedback.transport_cc, "transport-cc"),
            (feedback.fir, "ccm fir"),
            (feedback.nack, "nack"),
            (feedback.pli, "nack pli"),
        ] {
            if agreed {
                put(attributes, "rtcp-fb", format!("{payload_type} {name}"));
            }
        }
        if !codec.fmtp.is_empty() {
            put(attributes, "fmtp", format!("{payload_type} {}", codec.fmtp));
        }
        if let Some(rtx) = codec.line.rtx_payload_type {
            put(attributes, "rtpmap", format!("{rtx} rtx/90000"));
            put(attributes, "fmtp", format!("{rtx} apt={payload_type}"));
        }
    }
}

/// ICE and DTLS. In every accepted m-line, because some clients look only at the one they are reading; candidates in
/// the first alone, where every browser takes them from.
fn put_path(attributes: &mut Vec<Attribute>, negotiation: &Negotiation, state: &State, with_candidates: bool) {
    put_ice(attributes, state);
    put(attributes, "fingerprint", negotiation.local.fingerprint.to_string());
    put(attributes, "setup", "passive");
    if with_candidates {
        put_candidates(attributes, negotiation);
    }
}

fn put_ice(attributes: &mut Vec<Attribute>, state: &State) {
    put(attributes, "ice-ufrag", state.ice.ufrag.clone());
    put(attributes, "ice-pwd", state.ice.pwd.clone());
}

fn put_candidates(attributes: &mut Vec<Attribute>, negotiation: &Negotiation) {
    let local = &negotiation.local;
    for (index, address) in local.candidates.iter().enumerate() {
        put(attributes, "candidate", udp_candidate(index, *address));
    }
    for (index, address) in local.candidates.iter().enumerate().filter(|_| local.tcp) {
        put(attributes, "candidate", tcp_candidate(index, *address));
    }
    flag(attributes, "end-of-candidates");
}

/// A host candidate (RFC 8839 section 5.1), its priority by RFC 8445 section 5.1.2.1 with the place in our list as
/// local preference.
fn udp_candidate(index: usize, address: SocketAddr) -> String {
    let local_preference = 65_535 - index.min(65_535) as u32;
    let priority = priority(126, local_preference);
    format!(
        "{} 1 udp {priority} {} {} typ host",
        index + 1,
        address.ip(),
        address.port()
    )
}

/// A passive TCP host candidate (RFC 6544 section 4.5). Its type preference is below that of every UDP candidate but relayed
/// ones, as section 4.2 wants it where UDP works better; its local preference has the direction in the upper three bits, 4 for
/// passive host candidates, and the place in our list below.
fn tcp_candidate(index: usize, address: SocketAddr) -> String {
    const PASSIVE: u32 = 4;
    let other_preference = 8_191 - index.min(8_191) as u32;
    let priority = priority(90, (PASSIVE << 13) | other_preference);
    format!(
        "tcp{} 1 tcp {priority} {} {} typ host tcptype passive",
        index + 1,
        address.ip(),
        address.port()
    )
}

/// RFC 8445 section 5.1.2.1, for the first and only component.
const fn priority(type_preference: u32, local_preference: u32) -> u32 {
    (type_preference << 24) | (local_preference << 8) | 255
}
