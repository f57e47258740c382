//! Answers to offers that browsers really made (`tests/fixtures/sdp`), and to offers that nobody should make.

use std::io::Cursor;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rtc_sdp::SessionDescription;
use rtc_sdp::description::media::MediaDescription;

use super::*;
use crate::packet::extension::ExtensionKind;
use crate::packet::{Codec, Kind};

mod numbers;

mod policy;

fn corpus() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sdp");
    let mut offers: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sdp"))
        .map(|path| {
            (
                path.file_stem().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(path).unwrap(),
            )
        })
        .collect();
    offers.sort();
    assert!(offers.len() > 30);
    offers
}

pub(super) fn fixture(name: &str) -> String {
    corpus().into_iter().find(|(other, _)| other == name).unwrap().1
}

pub(super) fn negotiation() -> Negotiation {
    let local = LocalTransport {
        ice: Credentials {
            ufrag: "localfragment".into(),
            pwd: "localpasswordlocalpassword".into(),
        },
        fingerprint: Fingerprint([0xAB; 32]),
        candidates: vec!["192.0.2.1:7882".parse().unwrap(), "[2001:db8::1]:7882".parse().unwrap()],
        tcp: true,
    };
    Negotiation::new(local, 7)
}

fn answer(offer: &str) -> (Negotiated, SessionDescription) {
    let negotiated = negotiation().answer(offer).unwrap();
    let parsed = parse(&negotiated.sdp);
    (negotiated, parsed)
}

fn parse(sdp: &str) -> SessionDescription {
    SessionDescription::unmarshal(&mut Cursor::new(sdp)).unwrap()
}

fn values<'a>(media: &'a MediaDescription, key: &str) -> Vec<&'a str> {
    media
        .attributes
        .iter()
        .filter(|a| a.key == key)
        .map(|a| a.value.as_deref().unwrap_or(""))
        .collect()
}

fn direction(media: &MediaDescription) -> &str {
    ["sendrecv", "sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|key| media.has_attribute(key))
        .unwrap()
}

/// What holds for every answer, whatever was offered.
fn check_answer(offer: &str, sdp: &str) {
    let (offer, answer) = (parse(offer), parse(sdp));
    assert!(sdp.lines().all(|line| line.len() > 1 && line.as_bytes()[1] == b'='));
    assert_eq!(offer.media_descriptions.len(), answer.media_descriptions.len());
    let session = |key| answer.attributes.iter().filter(|a| a.key == key).count();
    assert_eq!(session("ice-lite"), 1);
    let bundle: Vec<&str> = answer
        .attribute("group")
        .map_or(vec![], |group| group.split_ascii_whitespace().skip(1).collect());
    let mut candidates = 0;
    for (offered, answered) in offer.media_descriptions.iter().zip(&answer.media_descriptions) {
        assert_eq!(offered.media_name.media, answered.media_name.media);
        assert_eq!(offered.media_name.protos, answered.media_name.protos);
        let mid = answered.attribute("mid").flatten();
        if answered.media_name.port.value == 0 {
            assert!(!bundle.contains(&mid.unwrap_or("")));
            continue;
        }
        assert_eq!(mid, offered.attribute("mid").flatten());
        assert!(bundle.is_empty() || bundle.contains(&mid.unwrap()));
        assert_eq!(answered.attribute("setup").flatten(), Some("passive"));
        assert_eq!(
            answered.attribute("ice-ufrag").flatten().map(str::is_empty),
            Some(false)
        );
        candidates += values(answered, "candidate").len();
        if answered.media_name.media == "application" {
            assert_eq!(answered.attribute("sctp-port").flatten(), Some("5000"));
            continue;
        }
        assert!(answered.has_attribute("rtcp-mux"));
        for format in &answered.media_name.formats {
            assert!(offered.media_name.formats.contains(format));
            assert!(!matches!(format.parse::<u8>().unwrap(), 64..=95), "{format}");
        }
        let ids: Vec<u8> = values(answered, "extmap")
            .iter()
            .map(|value| value.split([' ', '/']).next().unwrap().parse().unwrap())
            .collect();
        assert!(ids.iter().all(|id| *id != 0));
        let receives = offered.has_attribute("recvonly") || offered.has_attribute("sendrecv");
        assert_eq!(
            answered.has_attribute("msid"),
            receives && direction(answered).starts_with("send")
        );
    }
    let accepted = answer
        .media_descriptions
        .iter()
        .any(|media| media.media_name.port.value != 0);
    assert_eq!(candidates, if accepted { 4 } else { 0 });
}

#[test]
fn every_captured_offer_is_answered() {
    for (name, offer) in corpus() {
        let started = Instant::now();
        let negotiated = negotiation()
            .answer(&offer)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            started.elapsed() < Duration::from_secs(1),
            "{name} took {:?}",
            started.elapsed()
        );
        check_answer(&offer, &negotiated.sdp);
    }
}

#[test]
fn a_meeting_offer_becomes_sources_seats_and_data() {
    for (name, codecs) in [
        (
            "chromium_meeting_8_seats",
            &[Codec::Vp8, Codec::H264, Codec::Av1, Codec::Vp9][..],
        ),
        ("firefox_meeting_8_seats", &[Codec::Vp8, Codec::Vp9, Codec::Av1][..]),
    ] {
        let (negotiated, _) = answer(&fixture(name));
        let [microphone, camera, screen] = negotiated.receive.as_slice() else {
            panic!("{name}")
        };
        assert_eq!(
            (microphone.kind, camera.kind, screen.kind),
            (Kind::Audio, Kind::Video, Kind::Video)
        );
        assert_eq!(camera.rids, ["q", "h", "f"]);
        assert!(screen.rids.is_empty());
        assert_eq!(screen.ssrcs.len(), 1);
        assert!(screen.ssrcs[0].1.is_some(), "the screen's RTX SSRC is signalled");
        assert_eq!(microphone.codecs[0].codec, Codec::Opus);
        for codec in codecs {
            let line = camera.codecs.iter().find(|line| line.codec == *codec).unwrap();
            assert!(line.rtx_payload_type.is_some());
        }
        assert!(camera.nack && camera.transport_cc && camera.remb && microphone.transport_cc);
        assert_eq!(negotiated.data.as_ref().unwrap().max_message_bytes, 262_144);
        for kind in [
            ExtensionKind::Mid,
            ExtensionKind::Rid,
            ExtensionKind::RepairedRid,
            ExtensionKind::TransportCc,
        ] {
            assert!(negotiated.extensions.id(kind).is_some(), "{name} {kind:?}");
        }

        assert_eq!(negotiated.send.len(), 16);
        let mut ssrcs: Vec<u32> = negotiated
            .send
            .iter()
            .flat_map(|line| [Some(line.ssrc), line.rtx_ssrc])
            .flatten()
            .collect();
        assert_eq!(ssrcs.len(), 24, "8 audio, 8 video, 8 RTX");
        ssrcs.sort_unstable();
        ssrcs.dedup();
        assert_eq!(ssrcs.len(), 24);
        for (index, pair) in negotiated.send.chunks(2).enumerate() {
            assert_eq!((pair[0].seat, pair[1].seat), (index, index));
            assert_eq!((pair[0].kind, pair[1].kind), (Kind::Audio, Kind::Video));
            assert_eq!(pair[0].cname, pair[1].cname);
        }
    }
}

#[test]
fn a_seat_says_its_stream_and_ssrcs() {
    let (negotiated, sdp) = answer(&fixture("chromium_whep"));
    let video = &negotiated.send[1];
    let media = &sdp.media_descriptions[1];
    assert_eq!(direction(media), "sendonly");
    assert_eq!(values(media, "msid"), ["seat-0 seat-0-video"]);
    let rtx = video.rtx_ssrc.unwrap();
    assert_eq!(values(media, "ssrc-group"), [format!("FID {} {rtx}", video.ssrc)]);
    assert_eq!(
        values(media, "ssrc"),
        [
            format!("{} cname:{}", video.ssrc, video.cname),
            format!("{rtx} cname:{}", video.cname)
        ]
    );
    assert!(
        video
            .codecs
            .iter()
            .all(|line| line.codec != Codec::H264 || line.fmtp.contains("profile-level-id=42"))
    );
    assert_eq!(values(&sdp.media_descriptions[0], "ssrc").len(), 1, "no RTX for audio");
}

#[test]
fn candidates_follow_our_order_of_preference() {
    let (_, sdp) = answer(&fixture("chromium_whep"));
    assert_eq!(
        values(&sdp.media_descriptions[0], "candidate"),
        [
            "1 1 udp 2130706431 192.0.2.1 7882 typ host",
            "2 1 udp 2130706175 2001:db8::1 7882 typ host",
            // RFC 6544 section 4.2: 90 << 24 | (4 << 13 | 8191) << 8 | 255.
            "tcp1 1 tcp 1520435199 192.0.2.1 7882 typ host tcptype passive",
            "tcp2 1 tcp 1520434943 2001:db8::1 7882 typ host tcptype passive"
        ]
    );
    assert!(sdp.media_descriptions[0].has_attribute("end-of-candidates"));
    assert!(values(&sdp.media_descriptions[1], "candidate").is_empty());
}

#[test]
fn ice_restarts_without_an_offer_and_keeps_all_else() {
    let remote = |n: u8| Credentials {
        ufrag: format!("remote{n}"),
        pwd: format!("a-password-of-the-client-{n}"),
    };
    let mut negotiation = negotiation();
    assert_eq!(
        negotiation.restart_ice(&remote(1)),
        Err(NegotiationError::NothingInCommon),
        "before any offer"
    );
    let before = negotiation.answer(&fixture("chromium_whep")).unwrap();
    let fragment = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", remote(1).ufrag, "too-short");
    let short = credentials_of(&fragment).unwrap();
    assert_eq!(negotiation.restart_ice(&short), Err(NegotiationError::IceCredentials));
    let pwd = "0123456789012345678901";
    let fragment = format!("a=ice-ufrag:abcd\na=ice-pwd:{pwd}\nm=audio 9 X 0\na=mid:0\n");
    let first = credentials_of(&fragment).unwrap();
    assert_eq!((first.ufrag.as_str(), first.pwd.as_str()), ("abcd", pwd));
    let restarted = negotiation.restart_ice(&first).unwrap();
    assert!(restarted.is_new && !before.sdp.contains(&restarted.local.ufrag));
    let again = negotiation.restart_ice(&first).unwrap();
    assert_eq!((again.is_new, &again.local), (false, &restarted.local), "sent twice");
    assert_eq!(credentials_of(&again.fragment), Some(restarted.local.clone()));
    assert!(again.fragment.contains("a=candidate:1 1 udp ") && again.fragment.ends_with("a=end-of-candidates\r\n"));
    assert!(again.fragment.starts_with("a=ice-lite\r\n") && again.fragment.contains("\r\na=mid:0\r\n"));
    assert_eq!(credentials_of("a=mid:0\r\n"), None);
}

#[test]
fn without_tcp_there_are_only_udp_candidates() {
    let mut negotiation = negotiation();
    negotiation.local.tcp = false;
    let sdp = negotiation.answer(&fixture("chromium_whep")).unwrap().sdp;
    assert!(sdp.contains(" udp ") && !sdp.contains(" tcp "));
}

#[test]
fn extension_directions_are_flipped() {
    let (_, sdp) = answer(&fixture("firefox_simulcast"));
    let extmaps = values(&sdp.media_descriptions[1], "extmap");
    assert!(
        extmaps.contains(&"9/recvonly urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
        "{extmaps:?}"
    );
    assert!(
        extmaps
            .iter()
            .any(|value| value.starts_with("6/sendonly ") && value.ends_with("playout-delay"))
    );
    assert!(extmaps.contains(&"3 urn:ietf:params:rtp-hdrext:sdes:mid"));
    assert_eq!(
        values(&sdp.media_descriptions[1], "rid"),
        ["q recv", "h recv", "f recv"]
    );
    assert_eq!(values(&sdp.media_descriptions[1], "simulcast"), ["recv q;h;f"]);
}

#[test]
fn a_sendrecv_line_is_a_source_and_a_seat() {
    let (negotiated, sdp) = answer(&fixture("chromium_sendrecv"));
    assert_eq!((negotiated.receive.len(), negotiated.send.len()), (2, 2));
    assert_eq!(negotiated.receive[0].mid, negotiated.send[0].mid);
    assert_eq!(direction(&sdp.media_descriptions[0]), "sendrecv");
}

#[test]
fn h264_other_than_baseline_stands_behind_everything_else() {
    let (negotiated, _) = answer(&fixture("chromium_whip"));
    let camera = &negotiated.receive[1];
    let first_main = camera
        .codecs
        .iter()
        .position(|line| line.fmtp.contains("=4d001f"))
        .unwrap();
    assert!(camera.codecs[first_main..].iter().all(|line| line.codec == Codec::H264));
    assert_eq!(camera.codecs[0].codec, Codec::Vp8);
}

#[test]
fn only_what_a_subscriber_decodes_has_a_format() {
    let (chromium, _) = answer(&fixture("chromium_whip"));
    let (firefox, _) = answer(&fixture("firefox_whep"));
    let seat = firefox.send.iter().find(|line| line.kind == Kind::Video).unwrap();
    for source in &chromium.receive[1].codecs {
        let format = seat.format_for(source);
        assert_eq!(
            format.map(|line| line.codec),
            Some(source.codec).filter(|codec| *codec != Codec::H264)
        );
    }
}

/// A whole life: seats added, lines paused, stopped, filled again, ICE restarted.
#[test]
fn re_offers_keep_what_has_to_stay() {
    for browser in ["chromium", "firefox"] {
        let step = |name: &str| fixture(&format!("{browser}_sequence_{name}"));
        let mut negotiation = negotiation();
        let mut answer = |offer: String, version: u64| {
            let negotiated = negotiation.answer(&offer).unwrap();
            check_answer(&offer, &negotiated.sdp);
            assert_eq!(parse(&negotiated.sdp).origin.session_version, version);
            negotiated
        };
        let first = answer(step("1_two_seats"), 1);
        assert_eq!(first.send.len(), 4);

        let more = answer(step("2_four_seats"), 2);
        assert_eq!(more.send[..4], first.send[..]);
        assert_eq!(
            more.send.iter().map(|line| line.seat).collect::<Vec<_>>(),
            [0, 0, 1, 1, 2, 2, 3, 3]
        );

        let paused = answer(step("3_inactive"), 3);
        assert_eq!((paused.receive.len(), paused.send.len()), (2, 7));
        assert_eq!(paused.send[..], [&more.send[..1], &more.send[2..]].concat()[..]);

        // The m-line that was paused is back with what it had; another one is gone.
        let stopped = answer(step("4_stopped"), 4);
        assert_eq!(stopped.receive.len(), 2);
        assert_eq!(stopped.send[..], [&more.send[..3], &more.send[4..]].concat()[..]);

        let refilled = answer(step("5_refilled"), 5);
        assert_eq!(refilled.receive.len(), 3);
        let new_half = refilled
            .send
            .iter()
            .find(|line| line.kind == Kind::Video && line.seat == 1)
            .unwrap();
        assert!(new_half.mid != more.send[3].mid && new_half.ssrc != more.send[3].ssrc);
        assert!(refilled.ice_restarted.is_none());
        assert_eq!(refilled.extensions, first.extensions);

        let restarted = answer(step("6_ice_restart"), 6);
        let credentials = restarted.ice_restarted.unwrap();
        assert_ne!(credentials.ufrag, "localfragment");
        assert!(
            restarted
                .sdp
                .contains(&format!("a=ice-ufrag:{}\r\n", credentials.ufrag))
        );
        assert_eq!(restarted.send, refilled.send);
        assert_eq!(restarted.remote_fingerprint, first.remote_fingerprint);

        let only_data = answer(step("7_only_data"), 7);
        assert!(only_data.receive.is_empty() && only_data.send.is_empty() && only_data.data.is_some());
        assert!(
            only_data
                .sdp
                .contains(&format!("a=ice-ufrag:{}\r\n", credentials.ufrag))
        );
        assert_eq!(answer(step("8_again"), 8).receive.len(), 1);
    }
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut disturbed = negotiation();
    let mut calm = negotiation();
    let first = fixture("chromium_sequence_1_two_seats");
    assert_eq!(disturbed.answer(&first).unwrap().sdp, calm.answer(&first).unwrap().sdp);
    let next = fixture("chromium_sequence_2_four_seats");
    let moved = next
        .replace("a=mid:3\r\n", "a=mid:moved\r\n")
        .replace("BUNDLE 0 1 2 3", "BUNDLE 0 1 2 moved");
    for bad in [
        &next.replace("a=rtcp-mux", "a=x"),
        &moved,
        &next[..300],
        &fixture("chromium_whep"),
    ] {
        disturbed.answer(bad).unwrap_err();
    }
    assert_eq!(disturbed.answer(&next).unwrap().sdp, calm.answer(&next).unwrap().sdp);
}

#[test]
fn each_refusal_has_its_reason() {
    let offer = fixture("chromium_whip");
    let print = offer
        .lines()
        .find_map(|line| line.strip_prefix("a=fingerprint:sha-256 "))
        .unwrap();
    let refuse = |bad: &str| negotiation().answer(bad).unwrap_err();
    let without = |key: &str| {
        offer
            .lines()
            .filter(|line| !line.starts_with(key))
            .map(|l| format!("{l}\r\n"))
            .collect::<String>()
    };
    assert_eq!(refuse(&without("a=fingerprint")), NegotiationError::FingerprintMissing);
    assert_eq!(
        refuse(&offer.replace("sha-256", "sha-1")),
        NegotiationError::FingerprintUnusable
    );
    let two = format!(
        "a=fingerprint:sha-256 {print}\r\na=fingerprint:sha-256 {}",
        print.replace('A', "B")
    );
    assert_eq!(
        refuse(&offer.replace(&format!("a=fingerprint:sha-256 {print}"), &two)),
        NegotiationError::FingerprintAmbiguous
    );
    assert_eq!(refuse(&without("a=ice-pwd")), NegotiationError::IceCredentials);
    assert_eq!(refuse(&without("a=rtcp-mux")), NegotiationError::RtcpMux { line: 0 });
    assert_eq!(refuse(&without("a=mid")), NegotiationError::Mid { line: 0 });
    assert_eq!(
        refuse(&offer.replace("a=mid:1", "a=mid:0")),
        NegotiationError::Mid { line: 1 }
    );
    assert_eq!(refuse(&offer.replace("actpass", "passive")), NegotiationError::Setup);
    assert_eq!(
        refuse(&offer.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n")),
        NegotiationError::IceLite
    );
    let sdes = "a=rtcp-mux\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    assert_eq!(refuse(&offer.replace("a=rtcp-mux", sdes)), NegotiationError::Sdes);
    assert_eq!(
        refuse(&offer.replace("opus", "speex").replace("/90000", "/8000")),
        NegotiationError::NothingInCommon
    );
    assert!(matches!(refuse("hello"), NegotiationError::Syntax(_)));
    assert_eq!(
        refuse("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"),
        NegotiationError::NothingInCommon
    );
    let mut established = negotiation();
    established.answer(&offer).unwrap();
    let audio = offer.split("m=video").next().unwrap().replace("BUNDLE 0 1", "BUNDLE 0");
    assert_eq!(
        established.answer(&audio),
        Err(NegotiationError::LinesRemoved { before: 2, now: 1 })
    );
}

#[test]
fn oversized_offers_are_refused_before_parsing() {
    for (offer, of) in [
        ("v=0\r\n".to_owned() + &"a".repeat(1 << 20), "bytes"),
        ("a=x\n".repeat(20_001), "lines"),
        ("m=audio 9 x 0\r\n".repeat(129), "m-lines"),
    ] {
        let error = negotiation().answer(&offer).unwrap_err();
        assert!(
            matches!(error, NegotiationError::TooLarge { of: found, .. } if found == of),
            "{error}"
        );
    }
}

#[test]
fn a_sha_256_fingerprint_may_stand_beside_others() {
    let (negotiated, _) = answer(&fixture("aiortc"));
    assert_eq!(negotiated.receive.len(), 2);
    let offer = fixture("chromium_whip").replace("a=fingerprint:", "a=fingerprint:sha-1 00:11\r\na=fingerprint:");
    negotiation().answer(&offer).unwrap();
}

#[test]
fn lines_outside_the_bundle_are_rejected() {
    let offer = fixture("chromium_whip").replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0");
    let (negotiated, sdp) = answer(&offer);
    assert_eq!(negotiated.receive.len(), 1);
    assert_eq!(sdp.media_descriptions[1].media_name.port.value, 0);
    assert_eq!(sdp.attribute("group").map(String::as_str), Some("BUNDLE 0"));

    let (unbundled, sdp) = answer(&fixture("chromium_whip").replace("a=group:BUNDLE 0 1\r\n", ""));
    assert_eq!((unbundled.receive.len(), sdp.attribute("group")), (1, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Lines of the corpus dropped, doubled, swapped, cut and bent: an answer or an error, quickly, and the
    /// negotiation still answers the offer it answered before.
    #[test]
    fn mutated_offers_never_harm(
        seed in any::<u64>(),
        edits in proptest::collection::vec((0..6u8, any::<u32>(), any::<u32>(), any::<char>()), 1..40),
    ) {
        let corpus = corpus();
        let small: Vec<&String> = corpus.iter().map(|(_, offer)| offer).filter(|offer| offer.len() < 30_000).collect();
        let original = small[(seed % small.len() as u64) as usize];
        let mut lines: Vec<String> = original.split_inclusive('\n').map(str::to_owned).collect();
        for (edit, at, to, letter) in edits {
            let (at, to) = (at as usize % lines.len(), to as usize % lines.len());
            match edit {
                0 if lines.len() > 1 => { lines.remove(at); }
                1 => { let line = lines[at].clone(); lines.insert(to, line); }
                2 => lines.swap(at, to),
                3 => { let cut = lines[at].char_indices().map(|(i, _)| i).nth(to % 20).unwrap_or(0); lines[at].truncate(cut); }
                4 => { let place = lines[at].char_indices().map(|(i, _)| i).nth(to % 30).unwrap_or(0); lines[at].insert(place, letter); }
                _ => lines[at] = lines[at].replace(|c: char| c.is_ascii_digit(), &(to % 300).to_string()),
            }
        }
        let mutated: String = lines.concat();
        let mut negotiation = negotiation();
        let before = negotiation.answer(original).unwrap();
        let started = Instant::now();
        let outcome = negotiation.answer(&mutated);
        prop_assert!(started.elapsed() < Duration::from_millis(500));
        match outcome {
            Ok(negotiated) => check_answer_shape(&negotiated.sdp),
            Err(error) => {
                prop_assert!(!error.to_string().contains(['\r', '\n']) && !error.code().is_empty());
                let after = negotiation.answer(original).unwrap();
                prop_assert_eq!(before.send, after.send);
            }
        }
    }
}

/// The part of [`check_answer`] that holds for nonsense as well.
fn check_answer_shape(sdp: &str) {
    let answer = parse(sdp);
    assert!(
        answer
            .media_descriptions
            .iter()
            .all(|media| media.has_attribute("mid") || media.media_name.port.value == 0)
    );
    assert!(!sdp.replace("\r\n", "").contains(['\r', '\n']));
}
