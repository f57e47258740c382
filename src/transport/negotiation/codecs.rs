//! Which payload formats of an m-line we accept, and with which parameters.

use std::collections::BTreeMap;

use super::CodecLine;
use super::offer::{Feedback, Format, Media, OfferedLine};
use crate::packet::Codec;

/// An accepted payload format, ready for the answer.
#[derive(Clone, Debug)]
pub(super) struct AcceptedCodec {
    pub(super) line: CodecLine,
    /// `VP8/90000`, as offered.
    pub(super) rtpmap: String,
    /// What we answer, not what was offered.
    pub(super) fmtp: String,
    /// What both sides know. `transport_cc` still depends on the header extension.
    pub(super) feedback: Feedback,
}

/// The formats of an m-line that we know, in the client's order. H264 other than baseline is accepted only where the
/// client sends, and behind everything else: few devices decode it, and seats list none of it.
pub(super) fn accept(line: &OfferedLine) -> Vec<AcceptedCodec> {
    let rtx = retransmissions(line);
    let opus = |payload_type: &u8| format(line, *payload_type).is_some_and(|(codec, _)| codec == Codec::Opus);
    let mut seen = [false; 128];
    let mut accepted = Vec::new();
    let mut behind = Vec::new();
    for payload_type in line.formats.iter().filter_map(|format| usable_payload_type(format)) {
        let Some((codec, offered)) = format(line, payload_type) else {
            continue;
        };
        if std::mem::replace(&mut seen[usize::from(payload_type)], true) {
            continue;
        }
        let entry = AcceptedCodec {
            line: CodecLine {
                payload_type,
                codec,
                rtx_payload_type: rtx.get(&payload_type).copied(),
                fmtp: offered.fmtp.clone(),
            },
            rtpmap: offered.rtpmap.clone(),
            fmtp: answered_parameters(codec, &offered.fmtp),
            feedback: offered.feedback.or(line.feedback_for_all),
        };
        match codec {
            Codec::Red if !red_payload_types(&offered.fmtp).iter().all(opus) => {}
            Codec::H264 if !entry.line.is_baseline() => behind.push(entry),
            Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::H264 | Codec::Av1 => accepted.push(entry),
        }
    }
    if line.direction.client_sends() {
        accepted.append(&mut behind);
    }
    accepted
}

/// RFC 5761 section 4: 64 to 95 look like RTCP once the marker bit is set. Below 35 is static or reserved.
fn usable_payload_type(text: &str) -> Option<u8> {
    text.parse()
        .ok()
        .filter(|payload_type| matches!(payload_type, 35..=63 | 96..=127))
}

/// The codec behind a payload type, when it is one of ours in a form that we forward.
fn format(line: &OfferedLine, payload_type: u8) -> Option<(Codec, &Format)> {
    let format = line.by_payload_type.get(&payload_type)?;
    let is = |name: &str| format.rtpmap.eq_ignore_ascii_case(name);
    // Echoed into the answer, so nothing but plain text may pass.
    if !format.fmtp.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return None;
    }
    let codec = match line.media {
        Media::Audio if is("opus/48000/2") => Codec::Opus,
        Media::Audio if is("red/48000/2") => Codec::Red,
        Media::Video if is("VP8/90000") => Codec::Vp8,
        Media::Video if is("VP9/90000") => Codec::Vp9,
        Media::Video if is("H264/90000") => Codec::H264,
        Media::Video if is("AV1/90000") => Codec::Av1,
        Media::Audio | Media::Video | Media::Application | Media::Other => return None,
    };
    let forwarded = match codec {
        // Profile 0 is 4:2:0 at 8 bits, which every decoder has (RFC 9628 section 6, AV1 RTP section 7.2).
        Codec::Vp9 => parameter(&format.fmtp, "profile-id").is_none_or(|profile| profile == "0"),
        Codec::Av1 => parameter(&format.fmtp, "profile").is_none_or(|profile| profile == "0"),
        Codec::H264 => h264_mode(&format.fmtp) <= 1 && h264_profile(&format.fmtp).is_some(),
        Codec::Opus | Codec::Red | Codec::Vp8 => true,
    };
    forwarded.then_some((codec, format))
}

/// Payload type to the payload type of its retransmissions (RFC 4588 section 8.6).
fn retransmissions(line: &OfferedLine) -> BTreeMap<u8, u8> {
    let mut rtx = BTreeMap::new();
    for payload_type in line.formats.iter().filter_map(|format| usable_payload_type(format)) {
        if let Some(format) = line.by_payload_type.get(&payload_type)
            && format.rtpmap.eq_ignore_ascii_case("rtx/90000")
            && let Some(primary) = parameter(&format.fmtp, "apt").and_then(usable_payload_type)
        {
            rtx.entry(primary).or_insert(payload_type);
        }
    }
    rtx
}

/// `111/111` of `a=fmtp:63 111/111` (RFC 2198 section 5). A name we cannot read becomes payload type 0, never Opus.
fn red_payload_types(fmtp: &str) -> Vec<u8> {
    fmtp.split('/')
        .map(|payload_type| payload_type.trim().parse().unwrap_or(0))
        .collect()
}

/// Parameters in an answer say what *we* would like to receive. For Opus that is in-band FEC and whatever the client
/// asked for that only its sender half can act on; decoder limits of the client (`max-fs`, `maxplaybackrate`) are its
/// own business and not repeated at it. For the rest the parameters name the format itself and come back unchanged.
fn answered_parameters(codec: Codec, offered: &str) -> String {
    match codec {
        Codec::Opus => {
            let mut answer = String::from("minptime=10;useinbandfec=1");
            let on = |name| parameter(offered, name) == Some("1");
            if on("stereo") || on("sprop-stereo") {
                answer.push_str(";stereo=1");
            }
            if on("usedtx") {
                answer.push_str(";usedtx=1");
            }
            // RFC 7587 section 6.1: 6 to 510 kbit/s.
            if let Some(rate @ 6_000..=510_000) =
                parameter(offered, "maxaveragebitrate").and_then(|rate| rate.parse::<u32>().ok())
            {
                answer.push_str(&format!(";maxaveragebitrate={rate}"));
            }
            answer
        }
        Codec::Vp8 => String::new(),
        Codec::Vp9 => parameter(offered, "profile-id").map_or_else(String::new, |_| "profile-id=0".to_owned()),
        Codec::Red | Codec::H264 | Codec::Av1 => offered.to_owned(),
    }
}

impl CodecLine {
    /// A decoder that declared `self` can play what an encoder that declared `source` sends. Redundant audio plays
    /// wherever Opus does: the forwarder takes the redundancy off (RFC 2198).
    pub fn decodes(&self, source: &CodecLine) -> bool {
        if (self.codec, source.codec) == (Codec::Opus, Codec::Red) {
            return true;
        }
        self.codec == source.codec
            && match self.codec {
                // Mode 1 depacketizers understand mode 0 (RFC 6184 section 5.4), and each profile of this list plays
                // those before it.
                Codec::H264 => {
                    h264_mode(&source.fmtp) <= h264_mode(&self.fmtp)
                        && h264_profile(&source.fmtp) <= h264_profile(&self.fmtp)
                }
                Codec::Opus | Codec::Red | Codec::Vp8 | Codec::Vp9 | Codec::Av1 => true,
            }
    }

    fn is_baseline(&self) -> bool {
        h264_profile(&self.fmtp) == Some(H264Profile::Baseline)
    }
}

/// Baseline stands for constrained baseline as well: no browser sends the tools that only the former has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum H264Profile {
    Baseline,
    Main,
    High,
}

/// RFC 6184 section 8.1; without the parameter it is baseline.
fn h264_profile(fmtp: &str) -> Option<H264Profile> {
    let Some(id) = parameter(fmtp, "profile-level-id") else {
        return Some(H264Profile::Baseline);
    };
    match id.get(..2)? {
        "42" => Some(H264Profile::Baseline),
        "4d" | "4D" => Some(H264Profile::Main),
        "64" => Some(H264Profile::High),
        _ => None,
    }
}

/// RFC 6184 section 8.1; without the parameter it is 0. Anything unreadable is as bad as 2, interleaved.
fn h264_mode(fmtp: &str) -> u8 {
    parameter(fmtp, "packetization-mode").map_or(0, |mode| mode.parse().unwrap_or(2))
}

/// Value of a `name=value;name=value` list; names do not mind letter case.
fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(fmtp: &str) -> CodecLine {
        CodecLine {
            payload_type: 102,
            codec: Codec::H264,
            rtx_payload_type: None,
            fmtp: fmtp.to_owned(),
        }
    }

    #[test]
    fn redundant_audio_plays_wherever_opus_does_and_not_the_other_way_round() {
        let line = |codec| CodecLine { codec, ..h264("") };
        assert!(line(Codec::Opus).decodes(&line(Codec::Red)));
        assert!(!line(Codec::Red).decodes(&line(Codec::Opus)));
    }

    #[test]
    fn an_h264_decoder_plays_its_own_profile_and_lesser_ones() {
        let baseline_0 = h264("packetization-mode=0;profile-level-id=42001f");
        let baseline_1 = h264("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f");
        let main_1 = h264("packetization-mode=1;profile-level-id=4d001f");
        let high_1 = h264("packetization-mode=1;profile-level-id=64001f");
        assert!(baseline_1.decodes(&baseline_0) && baseline_1.decodes(&h264("")));
        assert!(!baseline_0.decodes(&baseline_1) && !baseline_1.decodes(&main_1));
        assert!(high_1.decodes(&main_1) && main_1.decodes(&baseline_1) && !main_1.decodes(&high_1));
    }

    #[test]
    fn opus_answers_say_what_the_sender_can_act_on() {
        let answer = |offered| answered_parameters(Codec::Opus, offered);
        assert_eq!(answer(""), "minptime=10;useinbandfec=1");
        assert_eq!(
            answer("maxplaybackrate=48000; Stereo=1;usedtx=1;maxaveragebitrate=64000"),
            "minptime=10;useinbandfec=1;stereo=1;usedtx=1;maxaveragebitrate=64000"
        );
        assert_eq!(answer("maxaveragebitrate=1;stereo=0"), "minptime=10;useinbandfec=1");
    }

    #[test]
    fn payload_types_that_look_like_rtcp_are_refused() {
        let usable: Vec<u8> = (0..=255u8)
            .filter(|number| usable_payload_type(&number.to_string()).is_some())
            .collect();
        assert_eq!(usable, (35..=63).chain(96..=127).collect::<Vec<u8>>());
    }
}
