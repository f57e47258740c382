//! What a policy makes of the offers of browsers.

use super::{fixture, negotiation};
use crate::packet::{Codec, Kind};
use crate::transport::negotiation::{CodecPolicy, Negotiated, NegotiationError};

fn sent(negotiated: &Negotiated, kind: Kind) -> Vec<Vec<Codec>> {
    let lines = negotiated.receive.iter().filter(|line| line.kind == kind);
    let codecs = lines.map(|line| {
        let mut codecs: Vec<Codec> = line.codecs.iter().map(|codec| codec.codec).collect();
        codecs.dedup();
        codecs
    });
    codecs.collect()
}

/// Formats of each m-line in the answer, by name, without retransmissions.
fn named(sdp: &str) -> Vec<Vec<String>> {
    let sections = sdp.split("\r\nm=").skip(1);
    let names = sections.map(|section| {
        let maps = section
            .lines()
            .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
        let mut names: Vec<String> = maps
            .map(|(_, map)| map.split('/').next().unwrap_or_default().to_lowercase())
            .filter(|name| name != "rtx")
            .collect();
        names.dedup();
        names
    });
    names.collect()
}

#[test]
fn the_answer_names_what_may_be_sent_the_best_first() {
    let policy = CodecPolicy::new([Codec::H264, Codec::Vp8, Codec::Opus]);
    let answered = negotiation()
        .answer_within(&fixture("chromium_meeting_8_seats"), &policy)
        .unwrap();
    let all = |kind, codecs: &[Codec]| sent(&answered, kind).iter().all(|line| line == codecs);
    assert!(all(Kind::Video, &[Codec::H264, Codec::Vp8]) && all(Kind::Audio, &[Codec::Opus]));
    let names = named(&answered.sdp);
    let sending = answered.receive.iter().find(|line| line.kind == Kind::Video).unwrap();
    let at = answered
        .sdp
        .split("\r\nm=")
        .skip(1)
        .position(|section| section.contains(&format!("\r\na=mid:{}\r\n", sending.mid)))
        .unwrap();
    assert_eq!(names[at], ["h264", "vp8"]);
    // What may be sent is no limit of what one receives: who sent before the policy came is still to be seen.
    let seat = answered.send.iter().find(|line| line.kind == Kind::Video).unwrap();
    let open = negotiation().answer(&fixture("chromium_meeting_8_seats")).unwrap();
    assert_eq!(
        seat.codecs,
        open.send.iter().find(|line| line.kind == Kind::Video).unwrap().codecs
    );
}

#[test]
fn an_offer_of_which_nothing_may_be_sent_is_refused_by_name() {
    let policy = CodecPolicy::new([Codec::H264]);
    let offer = fixture("firefox_sequence_1_two_seats");
    let refused = negotiation().answer_within(&offer, &policy);
    assert!(
        matches!(refused, Err(NegotiationError::CodecsNotAllowed { .. })),
        "{refused:?}"
    );
    let only_seats = fixture("firefox_whep");
    assert!(negotiation().answer_within(&only_seats, &policy).is_ok());
}

#[test]
fn a_policy_leaves_alone_what_was_agreed_before_it() {
    let mut negotiation = negotiation();
    let step = |name: &str| fixture(&format!("chromium_sequence_{name}"));
    let before = negotiation.answer(&step("1_two_seats")).unwrap();
    let policy = CodecPolicy::new([Codec::Av1]);
    let after = negotiation.answer_within(&step("2_four_seats"), &policy).unwrap();
    assert_eq!(sent(&after, Kind::Video), sent(&before, Kind::Video));
    assert!(sent(&after, Kind::Video)[0].contains(&Codec::Vp8));
}
