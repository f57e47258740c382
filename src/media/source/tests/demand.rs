//! What subscribers want of a source, and what its publisher may therefore stop.

use super::layers::{at_the_top, continuous, encoding, tick};
use super::*;
use crate::media::Claim;

fn limits(max_encoding: u8) -> Limits {
    Limits {
        max_encoding,
        ..Limits::default()
    }
}

const PAUSED: Limits = Limits {
    max_encoding: u8::MAX,
    max_spatial: u8::MAX,
    max_temporal: u8::MAX,
    paused: true,
    claim: Claim::Pinned,
    pixels: 0,
};

#[test]
fn demand_is_what_each_would_be_served_from_whether_it_arrives_or_not() {
    let (mut source, videos, _) = at_the_top();
    let now = videos[0].now;
    assert_eq!(source.demand().encodings, 0b101);
    source.attach(now, forwarder(2, Kind::Video));
    source.set_limits(now, EgressKey(2), limits(1));
    assert_eq!(source.demand().encodings, 0b111);
    source.set_target(
        now,
        ANNA,
        Target {
            encoding: 0,
            ..Target::default()
        },
    );
    assert_eq!(source.demand().encodings, 0b011);
    source.set_limits(now, EgressKey(2), PAUSED);
    let lowest = Demand {
        encodings: 1,
        pinned: false,
    };
    assert_eq!(source.demand(), lowest, "who is paused wants nothing");
    let rested = source.detach(now, ANNA).unwrap();
    assert_eq!(source.demand().encodings, 0);
    source.attach(now, rested);
    assert_eq!(source.demand().encodings, 0b101, "the target was for the seat before");
    source.detach_all(now).for_each(drop);
    assert_eq!(source.demand(), Demand::default());
}

#[test]
fn an_encoding_that_was_stopped_comes_back_with_its_first_keyframe() {
    let (mut source, mut videos, mut kept) = at_the_top();
    source.set_limits(videos[0].now, ANNA, limits(0));
    for _ in 0..60 {
        tick(&mut source, &mut videos, &[0], Some(0), &mut kept);
    }
    assert_eq!(encoding(&source), Some(0));
    while source.poll_keyframe(videos[0].now).is_some() {}
    source.set_limits(videos[0].now, ANNA, Limits::default());
    assert_eq!(
        source.demand().encodings,
        0b111,
        "and the one below it until it arrives"
    );
    for _ in 0..60 {
        tick(&mut source, &mut videos, &[0], None, &mut kept);
    }
    assert_eq!(encoding(&source), Some(0), "nothing is lost while it is being started");
    tick(&mut source, &mut videos, &[0, 2], Some(2), &mut kept);
    assert_eq!(encoding(&source), Some(2));
    assert_eq!(source.poll_keyframe(videos[0].now), None, "it began with one");
    continuous(&kept.sent);
}

#[test]
fn after_nobody_watched_what_comes_first_is_shown() {
    let (mut source, mut videos, mut kept) = at_the_top();
    source.set_limits(videos[0].now, ANNA, PAUSED);
    // Everything is stopped, so nothing arrives that could tell.
    videos.iter_mut().for_each(|video| video.now += ms(10_000));
    source.set_limits(videos[0].now, ANNA, Limits::default());
    kept.take();
    tick(&mut source, &mut videos, &[0], Some(0), &mut kept);
    assert_eq!((encoding(&source), kept.sent.len()), (Some(0), 1));
    tick(&mut source, &mut videos, &[0, 2], Some(2), &mut kept);
    assert_eq!(encoding(&source), Some(2));
    continuous(&kept.sent);
}

/// Packets of a voice, 20 ms apart, from `first`.
fn say(source: &mut Source, start: Instant, first: u64, count: u64, kept: &mut Kept) {
    for index in first..first + count {
        let packet = audio_packet(start + ms(index * 20), index, index as u32 * 960);
        source.hear(&packet);
        source.forward(&packet, kept);
    }
}

fn of(kept: &Kept, ssrc: u32) -> Vec<&Received> {
    kept.sent.iter().filter(|packet| packet.ssrc == ssrc).collect()
}

#[test]
fn a_voice_that_is_held_back_goes_on_without_a_gap_and_in_time() {
    let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
    source.attach(start, forwarder(1, Kind::Audio));
    source.attach(start, forwarder(2, Kind::Audio));
    let pinned = Limits {
        claim: Claim::Pinned,
        ..Limits::default()
    };
    source.set_limits(start, EgressKey(2), pinned);
    assert!(source.demand().pinned);
    say(&mut source, start, 0, 10, &mut kept);
    source.hold_back(true);
    say(&mut source, start, 10, 500, &mut kept);
    source.hold_back(false);
    say(&mut source, start, 510, 10, &mut kept);
    assert_eq!(of(&kept, 1002).len(), 520, "who pinned it hears everything");
    let heard = of(&kept, 1001);
    assert_eq!(heard.len(), 20);
    assert!(heard.windows(2).all(|pair| pair[1].sequence == pair[0].sequence + 1));
    assert_eq!(heard[10].timestamp.wrapping_sub(heard[9].timestamp), 501 * 960);
    assert!(kept.dropped.is_empty());
}

#[test]
fn who_is_not_pinned_any_more_is_held_back_like_the_others() {
    let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
    source.attach(start, forwarder(1, Kind::Audio));
    source.hold_back(true);
    let pinned = Limits {
        claim: Claim::Pinned,
        ..Limits::default()
    };
    source.set_limits(start, ANNA, pinned);
    say(&mut source, start, 0, 5, &mut kept);
    source.set_limits(start, ANNA, Limits::default());
    say(&mut source, start, 5, 5, &mut kept);
    source.hold_back(false);
    say(&mut source, start, 10, 5, &mut kept);
    assert_eq!(kept.sequences(), (500..510).collect::<Vec<_>>());
}

#[test]
fn a_late_packet_from_before_the_pause_finds_no_place() {
    let (mut source, mut kept, start) = (microphone(), Kept::default(), Instant::now());
    source.attach(start, forwarder(1, Kind::Audio));
    say(&mut source, start, 0, 5, &mut kept);
    source.hold_back(true);
    source.hold_back(false);
    say(&mut source, start, 20, 5, &mut kept);
    source.forward(&audio_packet(start + ms(600), 12, 12 * 960), &mut kept);
    assert_eq!(kept.dropped, [DropReason::TooLate]);
    assert_eq!(kept.sequences(), (500..510).collect::<Vec<_>>());
}

#[test]
fn what_was_held_back_elsewhere_is_skipped_and_what_came_before_can_still_be_resent() {
    let (mut source, mut video, mut kept) = playing();
    for _ in 0..5 {
        source.forward(&video.frame(0, false), &mut kept);
    }
    video.index += 1_000;
    source.skip(0);
    source.forward(&video.frame(0, false), &mut kept);
    assert_eq!(kept.dropped, [DropReason::AwaitingKeyframe]);
    source.forward(&video.frame(0, true), &mut kept);
    assert_eq!(kept.sequences(), (500..507).collect::<Vec<_>>());
    kept.take();
    source.retransmit(video.now, ANNA, [503], &mut kept);
    assert_eq!(kept.sent.len(), 1);
}

#[test]
fn an_encoder_that_goes_on_without_a_keyframe_is_asked_for_one_at_once() {
    let (mut source, mut video, mut kept) = playing();
    source.set_limits(video.now, ANNA, PAUSED);
    video.now += ms(5_000);
    source.set_limits(video.now, ANNA, Limits::default());
    assert_eq!(
        source.poll_keyframe(video.now),
        Some(0),
        "which nobody hears, for it is stopped"
    );
    video.now += ms(60);
    let packet = video.frame(0, false);
    source.forward(&packet, &mut kept);
    assert_eq!(source.poll_keyframe(packet.now), Some(0));
    let packet = video.frame(0, false);
    source.forward(&packet, &mut kept);
    assert_eq!(source.poll_keyframe(packet.now), None);
}
