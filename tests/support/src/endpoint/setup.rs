//! What a connection offers, and what an answer agreed to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rtc::interceptor::{
    NackGeneratorBuilder, NackResponderBuilder, ReceiverReportBuilder, Registry, SenderReportBuilder, Slot,
    TwccReceiverBuilder, TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::RTCConfigurationBuilder;
use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RTCRtpRtxParameters, RtpCodecKind,
};

use super::Options;
use super::tap::Tap;
use crate::media::Codec;
use crate::record::Record;

pub(super) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
pub(super) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
pub(super) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
pub(super) const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

fn feedback(kinds: &[(&str, &str)]) -> Vec<RTCPFeedback> {
    kinds
        .iter()
        .map(|(typ, parameter)| RTCPFeedback {
            typ: (*typ).to_owned(),
            parameter: (*parameter).to_owned(),
        })
        .collect()
}

fn codec_of(codec: Codec) -> RTCRtpCodec {
    let fmtp = match codec {
        Codec::Opus => "minptime=10;useinbandfec=1",
        Codec::Vp8 => "",
        Codec::Vp9 | Codec::Av1 => "profile-id=0",
        Codec::H264 => "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    };
    let feedback = if codec.is_video() {
        feedback(&[
            ("ccm", "fir"),
            ("nack", ""),
            ("nack", "pli"),
            ("transport-cc", ""),
            ("goog-remb", ""),
        ])
    } else {
        feedback(&[("transport-cc", "")])
    };
    RTCRtpCodec {
        mime_type: codec.mime_type().to_owned(),
        clock_rate: codec.clock_rate(),
        channels: if codec.is_video() { 0 } else { 2 },
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: feedback,
    }
}

/// Payload types like Chromium's.
const PAYLOAD_TYPES: [(Codec, u8); 5] = [
    (Codec::Opus, 111),
    (Codec::Vp8, 96),
    (Codec::Vp9, 98),
    (Codec::H264, 102),
    (Codec::Av1, 45),
];

/// Formats of a picture codec as an offer names them: itself, and its retransmissions.
pub(super) fn formats(codec: Codec) -> Vec<RTCRtpCodecParameters> {
    let numbers = PAYLOAD_TYPES.iter().filter(|(known, _)| *known == codec);
    numbers
        .flat_map(|(codec, payload_type)| {
            let format = |rtp_codec, payload_type| RTCRtpCodecParameters {
                rtp_codec,
                payload_type,
            };
            [
                format(codec_of(*codec), *payload_type),
                format(repair_of(*payload_type), payload_type + 1),
            ]
        })
        .collect()
}

fn repair_of(payload_type: u8) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "video/rtx".to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: format!("apt={payload_type}"),
        rtcp_feedback: vec![],
    }
}

fn media_engine(lacks: Option<Codec>) -> anyhow::Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    for (codec, payload_type) in PAYLOAD_TYPES.into_iter().filter(|(codec, _)| Some(*codec) != lacks) {
        let kind = if codec.is_video() {
            RtpCodecKind::Video
        } else {
            RtpCodecKind::Audio
        };
        let parameters = RTCRtpCodecParameters {
            rtp_codec: codec_of(codec),
            payload_type,
        };
        engine.register_codec(parameters, kind)?;
        if codec.is_video() {
            engine.register_codec(
                RTCRtpCodecParameters {
                    rtp_codec: repair_of(payload_type),
                    payload_type: payload_type + 1,
                },
                kind,
            )?;
        }
    }
    let both = [MID, ABS_SEND_TIME, TRANSPORT_CC];
    let audio = [AUDIO_LEVEL];
    let video = [RID, REPAIRED_RID, DEPENDENCY_DESCRIPTOR];
    let wanted = both
        .iter()
        .flat_map(|uri| [(*uri, RtpCodecKind::Audio), (*uri, RtpCodecKind::Video)])
        .chain(audio.iter().map(|uri| (*uri, RtpCodecKind::Audio)))
        .chain(video.iter().map(|uri| (*uri, RtpCodecKind::Video)));
    for (uri, kind) in wanted {
        engine.register_header_extension(RTCRtpHeaderExtensionCapability { uri: uri.to_owned() }, kind, None)?;
    }
    Ok(engine)
}

/// A connection that has agreed to nothing yet.
pub(super) fn connection(options: &Options, record: Arc<Mutex<Record>>) -> anyhow::Result<RTCPeerConnection> {
    // Next to the wire, so that it sees retransmissions as they come.
    let mut registry = Registry::new()
        .with(Slot::Custom(1), Tap::new(record))
        .with(Slot::TwccSender, TwccSenderBuilder::new().build())
        .with(Slot::NackResponder, NackResponderBuilder::new().build())
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().build())
        .with(Slot::ReceiverReport, ReceiverReportBuilder::new().build())
        .with(Slot::SenderReport, SenderReportBuilder::new().build());
    if options.nack {
        registry = registry.with(Slot::NackGenerator, NackGeneratorBuilder::new().build());
    }
    let mut settings = SettingEngineBuilder::new()
        .with_include_loopback_candidate(true)
        .with_ice_connection_attempts(Some(Duration::from_millis(50)), None)
        .with_ice_timeouts(
            Some(Duration::from_secs(5)),
            Some(Duration::from_secs(25)),
            Some(Duration::from_secs(1)),
        );
    if options.only_cm {
        let profiles =
            vec![rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80];
        settings = settings.with_srtp_protection_profiles(profiles);
    }
    Ok(RTCPeerConnectionBuilder::new()
        .with_configuration(RTCConfigurationBuilder::new().build())
        .with_setting_engine(settings.build())
        .with_media_engine(media_engine(options.lacks)?)
        .with_interceptor_registry(registry)
        .build(Instant::now())?)
}

/// A track for one m-line, and the SSRC of each encoding.
pub(super) fn track(codec: Codec, rids: &[&str], source: u32) -> (MediaStreamTrack, Vec<u32>) {
    let names: Vec<&str> = if rids.is_empty() { vec![""] } else { rids.to_vec() };
    let first = 0x1000_0000 | (source.wrapping_mul(0x9e37_79b1) >> 4 & 0x0fff_ff00);
    let ssrcs: Vec<u32> = (0..names.len() as u32).map(|layer| first + layer * 2).collect();
    let encodings = names
        .iter()
        .zip(&ssrcs)
        .map(|(rid, ssrc)| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters {
                rid: (*rid).to_owned(),
                ssrc: Some(*ssrc),
                rtx: codec.is_video().then_some(RTCRtpRtxParameters { ssrc: ssrc + 1 }),
                fec: None,
            },
            active: true,
            codec: codec_of(codec),
            ..RTCRtpEncodingParameters::default()
        })
        .collect();
    let kind = if codec.is_video() {
        RtpCodecKind::Video
    } else {
        RtpCodecKind::Audio
    };
    let id = format!("source-{source}");
    (
        MediaStreamTrack::new(format!("stream-{source}"), id.clone(), id, kind, encodings),
        ssrcs,
    )
}

/// What each payload type of an answer means, and which SSRC repairs which.
pub(super) fn agreed(sdp: &str) -> (BTreeMap<u8, Codec>, BTreeMap<u32, u32>) {
    let mut codecs = BTreeMap::new();
    let mut repairs = BTreeMap::new();
    for line in sdp.lines() {
        if let Some((payload_type, name)) = line.strip_prefix("a=rtpmap:").and_then(|rest| rest.split_once(' ')) {
            let name = name.split('/').next().unwrap_or("").to_ascii_lowercase();
            let known = PAYLOAD_TYPES
                .iter()
                .find(|(codec, _)| codec.mime_type().to_ascii_lowercase().ends_with(&format!("/{name}")));
            if let (Some((codec, _)), Ok(payload_type)) = (known, payload_type.parse()) {
                codecs.insert(payload_type, *codec);
            }
        } else if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
            let ssrcs: Vec<u32> = group.split(' ').filter_map(|ssrc| ssrc.trim().parse().ok()).collect();
            if let [primary, repair] = ssrcs[..] {
                repairs.insert(repair, primary);
            }
        }
    }
    (codecs, repairs)
}
