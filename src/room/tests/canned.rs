//! Offers that need no SDP.

use crate::{
    packet::{Codec, Kind, extension::ExtensionMap},
    room::{Negotiate, negotiate::fingerprint_of},
    transport::{
        fingerprint::Fingerprint,
        ice::Credentials,
        negotiation::{
            CodecLine, CodecPolicy, IceRestart, LocalTransport, Negotiated, NegotiationError, ReceiveLine, SendLine,
        },
    },
};

/// Reads offers such as `send 1 video vp8 3` (mid, kind, codecs, encodings), `seat 0 video 11 vp8,h264` (seat, kind,
/// mid, codecs), `restart`, and a real `a=fingerprint` line.
#[derive(Debug)]
struct Canned {
    local: LocalTransport,
    base: u64,
}

pub(super) fn canned(local: LocalTransport, seed: u64) -> Box<dyn Negotiate> {
    Box::new(Canned { local, base: seed })
}

fn kind(text: &str) -> Kind {
    if text == "audio" { Kind::Audio } else { Kind::Video }
}

fn codecs(text: &str) -> Vec<CodecLine> {
    let codec = |name: &str| match name {
        "opus" => Codec::Opus,
        "vp9" => Codec::Vp9,
        "av1" => Codec::Av1,
        "h264" => Codec::H264,
        _ => Codec::Vp8,
    };
    let line = |(n, name): (usize, &str)| CodecLine {
        payload_type: 100 + n as u8,
        codec: codec(name),
        rtx_payload_type: None,
        fmtp: String::new(),
    };
    text.split(',').enumerate().map(line).collect()
}

impl Negotiate for Canned {
    fn answer(&mut self, offer: &str, _policy: &CodecPolicy) -> Result<Negotiated, NegotiationError> {
        let mut negotiated = Negotiated {
            sdp: "answer".to_owned(),
            remote_fingerprint: fingerprint_of(offer).unwrap_or(Fingerprint([0; 32])),
            ice_restarted: None,
            receive: Vec::new(),
            send: Vec::new(),
            data: None,
            extensions: ExtensionMap::default(),
        };
        for line in offer.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["send", mid, media, names, encodings] => negotiated.receive.push(ReceiveLine {
                    mid: mid.to_owned(),
                    kind: kind(media),
                    codecs: codecs(names),
                    rids: (1..=encodings.parse().unwrap()).map(|n: usize| n.to_string()).collect(),
                    ssrcs: Vec::new(),
                    nack: true,
                    transport_cc: true,
                    remb: false,
                }),
                ["seat", seat, media, mid, names] => negotiated.send.push(SendLine {
                    mid: mid.to_owned(),
                    kind: kind(media),
                    ssrc: self.base as u32 ^ (mid.parse::<u32>().unwrap() << 8),
                    rtx_ssrc: None,
                    cname: "c".to_owned(),
                    seat: seat.parse().unwrap(),
                    codecs: codecs(names),
                    nack: true,
                    transport_cc: true,
                    remb: false,
                }),
                ["restart"] => negotiated.ice_restarted = Some(self.local.ice.clone()),
                ["bad"] => return Err(NegotiationError::NothingInCommon),
                _ => {}
            }
        }
        Ok(negotiated)
    }

    fn restart_ice(&mut self, remote: &Credentials) -> Result<IceRestart, NegotiationError> {
        let local = Credentials {
            ufrag: format!("for-{}", remote.ufrag),
            pwd: remote.pwd.clone(),
        };
        let is_new = std::mem::replace(&mut self.local.ice, local.clone()) != local;
        Ok(IceRestart {
            local,
            is_new,
            fragment: "fragment".to_owned(),
        })
    }
}

/// An offer that sends microphone (mid 0) and camera (mid 1) and has this many seats.
pub(super) fn offer(seats: usize) -> String {
    format!("send 0 audio opus 1\nsend 1 video vp8 3\n{}", seat_lines(seats))
}

pub(super) fn seat_lines(seats: usize) -> String {
    let seat = |n: usize| {
        format!(
            "seat {n} audio {} opus\nseat {n} video {} vp8,vp9\n",
            10 + 2 * n,
            11 + 2 * n
        )
    };
    (0..seats).map(seat).collect()
}

pub(super) fn fingerprint(byte: u8) -> String {
    format!("a=fingerprint:{}\n", Fingerprint([byte; 32]))
}
