use super::*;
use crate::media::PayloadTypes;
use crate::media::tests::{Kept, Received, Video, audio_packet, egress, forwarder};
use crate::packet::{AudioLevel, FrameInfo, Picture};

mod demand;
mod layers;
mod random;
mod wraps;

const ANNA: EgressKey = EgressKey(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn camera(encodings: usize) -> Source {
    Source::new(SourceConfig {
        key: SourceKey(1),
        kind: Kind::Video,
        encodings,
        history: HistoryLimits::default(),
    })
}

fn microphone() -> Source {
    Source::new(SourceConfig {
        key: SourceKey(2),
        kind: Kind::Audio,
        encodings: 1,
        history: HistoryLimits::default(),
    })
}

/// A camera of one encoding with one subscriber who has its first keyframe.
fn playing() -> (Source, Video, Kept) {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    source.forward(&video.frame(0, true), &mut kept);
    assert_eq!(kept.sent.len(), 1);
    (source, video, kept)
}

fn pictures(sent: &[Received]) -> Vec<u16> {
    sent.iter().map(Received::picture).collect()
}

#[test]
fn video_starts_with_a_keyframe_that_is_asked_for() {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    assert_eq!(source.poll_keyframe(video.now), Some(0));
    source.forward(&video.frame(0, false), &mut kept);
    assert_eq!(kept.dropped, [DropReason::AwaitingKeyframe]);
    let packets = video.picture(0, false, true, 3);
    // Without its first packet a keyframe is no place to start.
    source.forward(&packets[1], &mut kept);
    assert!(kept.sent.is_empty());
    for packet in video.picture(0, false, true, 3) {
        source.forward(&packet, &mut kept);
    }
    assert_eq!(kept.sequences(), [500, 501, 502]);
    assert_eq!(kept.sent[0].timestamp, 7_000_000);
    assert_eq!(
        kept.sent.iter().map(|p| p.ends_frame).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_eq!(source.poll_keyframe(video.now + ms(5000)), None);
}

#[test]
fn sound_starts_at_once() {
    let (mut source, mut kept, now) = (microphone(), Kept::default(), Instant::now());
    source.attach(now, forwarder(1, Kind::Audio));
    source.forward(&audio_packet(now, 70_000, 960), &mut kept);
    assert_eq!(kept.sent[0].payload_type, 111);
    assert!(kept.sent[0].ends_frame);
    assert_eq!(source.poll_keyframe(now), None);
}

#[test]
fn a_storm_of_requests_reaches_the_publisher_twice_a_second() {
    let (mut source, video, _) = playing();
    source.poll_keyframe(video.now);
    let start = video.now + ms(1000);
    let mut asked = 0;
    for at in 0..1000 {
        for _ in 0..10 {
            source.request_keyframe(start + ms(at), ANNA, KeyframeRequest::Pli);
        }
        asked += usize::from(source.poll_keyframe(start + ms(at)).is_some());
    }
    assert_eq!(asked, 2);
}

#[test]
fn a_repeated_fir_is_one_request() {
    let (mut source, mut video, mut kept) = playing();
    let mut asked = 0;
    for round in 0..10u64 {
        let now = video.now + ms(round * 600);
        source.request_keyframe(now, ANNA, KeyframeRequest::Fir { sequence: 9 });
        asked += usize::from(source.poll_keyframe(now).is_some());
        source.forward(&video.frame(0, true), &mut kept);
    }
    assert_eq!(asked, 1);
}

#[test]
fn padding_stays_here_and_leaves_no_gap() {
    let (mut source, mut video, mut kept) = playing();
    let mut padding = video.frame(0, false);
    padding.payload = &[];
    padding.frame = FrameInfo::default();
    source.forward(&padding, &mut kept);
    source.forward(&video.frame(0, false), &mut kept);
    assert_eq!(kept.sequences(), [500, 501]);
    assert_eq!(kept.dropped, [DropReason::PaddingOnly]);
}

#[test]
fn a_late_packet_goes_to_its_own_number_once() {
    let (mut source, mut video, mut kept) = playing();
    let late = video.frame(0, false);
    let (after, last) = (video.frame(0, false), video.frame(0, false));
    source.forward(&after, &mut kept);
    source.forward(&last, &mut kept);
    source.forward(&late, &mut kept);
    source.forward(&late, &mut kept);
    source.forward(&after, &mut kept);
    assert_eq!(kept.sequences(), [500, 502, 503, 501]);
    assert_eq!(kept.dropped, [DropReason::Duplicate; 2]);
    let mut sent = kept.take();
    sent.sort_by_key(|packet| packet.sequence);
    assert!(
        sent.windows(2)
            .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 2970)
    );
    assert!(pictures(&sent).windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn what_came_before_the_start_is_too_late() {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    let before = video.frame(0, false);
    source.forward(&video.frame(0, true), &mut kept);
    source.forward(&before, &mut kept);
    assert_eq!(kept.dropped, [DropReason::TooLate]);
}

#[test]
fn a_pause_closes_the_sequence_and_ends_with_a_keyframe() {
    let (mut source, mut video, mut kept) = playing();
    source.set_limits(
        video.now,
        ANNA,
        Limits {
            paused: true,
            ..Limits::default()
        },
    );
    for _ in 0..30 {
        source.forward(&video.frame(0, false), &mut kept);
    }
    assert_eq!(kept.dropped, [DropReason::Paused; 30]);
    source.set_limits(video.now, ANNA, Limits::default());
    assert_eq!(source.poll_keyframe(video.now), Some(0));
    source.forward(&video.frame(0, false), &mut kept);
    source.forward(&video.frame(0, true), &mut kept);
    let sent = kept.take();
    assert_eq!((sent[1].sequence, sent[1].picture()), (501, sent[0].picture() + 1));
    assert_eq!(sent[1].timestamp.wrapping_sub(sent[0].timestamp), 32 * 2970);
}

#[test]
fn numbers_and_clock_run_on_from_source_to_source() {
    let (mut first, mut video, mut kept) = playing();
    for _ in 0..10 {
        first.forward(&video.frame(0, false), &mut kept);
    }
    let last = kept.take().pop().expect("it played");
    let forwarder = first.detach(video.now, ANNA).expect("attached");
    assert!(first.is_empty());
    // The seat is empty for five seconds, then shows a camera with other numbers altogether.
    let mut second = camera(1);
    let mut other = Video {
        now: video.now + ms(5000),
        index: 65_530,
        timestamp: u32::MAX - 100,
        picture: 0x7fff,
        ..Video::new()
    };
    second.attach(other.now, forwarder);
    second.forward(&other.frame(0, false), &mut kept);
    second.forward(&other.frame(0, true), &mut kept);
    second.forward(&other.frame(0, false), &mut kept);
    let sent = kept.take();
    assert_eq!(sent[0].sequence, last.sequence + 1);
    assert_eq!(sent[0].picture(), last.picture() + 1);
    assert_eq!(sent[1].picture(), last.picture() + 2);
    assert_eq!(sent[0].tl0(), last.tl0().wrapping_add(1));
    assert_eq!(sent[0].key(), (last.key() + 1) & 0x1f);
    // 5 s, the frame interval that had already begun, and the new source's first frame that was no keyframe.
    let elapsed = sent[0].timestamp.wrapping_sub(last.timestamp);
    assert!(
        (450_000 + 2 * 2970 - 90..=450_000 + 2 * 2970 + 90).contains(&elapsed),
        "{elapsed}"
    );
}

#[test]
fn a_restarted_stream_is_joined_on_at_its_keyframe() {
    let (mut source, video, mut kept) = playing();
    source.restart_encoding(0);
    let mut again = Video {
        now: video.now,
        index: 3,
        timestamp: 4_000_000_000,
        ..Video::new()
    };
    source.forward(&again.frame(0, false), &mut kept);
    source.forward(&again.frame(0, true), &mut kept);
    let sent = kept.take();
    assert_eq!(sent[1].sequence, 501);
    assert_eq!(sent[1].timestamp.wrapping_sub(sent[0].timestamp), 2 * 2970);
    // What the old stream sent cannot be confused with the new one's numbers.
    source.retransmit(again.now, ANNA, [500], &mut kept);
    assert_eq!(kept.dropped.last(), Some(&DropReason::NackTooOld));
}

#[test]
fn a_nack_is_answered_as_rtx_with_the_same_bytes() {
    let (mut source, mut video, mut kept) = playing();
    for temporal in [2, 1, 2, 0, 2] {
        source.forward(&video.frame(temporal, false), &mut kept);
    }
    let sent = kept.take();
    source.retransmit(video.now, ANNA, [503, 501], &mut kept);
    let resent = kept.take();
    assert_eq!(resent.len(), 2);
    for (number, (copy, original)) in resent.iter().zip([&sent[3], &sent[1]]).enumerate() {
        assert_eq!(copy.original, Some(original.sequence as u16));
        assert_eq!((copy.ssrc, copy.payload_type), (2001, 97));
        assert_eq!(copy.sequence, 500 + number as u64);
        assert_eq!(copy.payload, original.payload);
        assert_eq!((copy.timestamp, copy.marker), (original.timestamp, original.marker));
        assert!(copy.ends_frame);
    }
}

#[test]
fn the_same_packet_is_resent_once_per_round_trip() {
    let (mut source, video, mut kept) = playing();
    kept.take();
    for at in 0..100 {
        source.retransmit(video.now + ms(at), ANNA, [500], &mut kept);
    }
    assert_eq!(kept.take().len(), 5);
    let ntp = 1000u64 << 32;
    let block = ReportBlock {
        last_sr: ((ntp - (1 << 30)) >> 16) as u32,
        ..ReportBlock::default()
    };
    source.handle_receiver_report(ntp, ANNA, &block);
    for at in 200..1000 {
        source.retransmit(video.now + ms(at), ANNA, [500], &mut kept);
    }
    assert!(kept.take().len() <= 4, "the round trip is 250 ms");
}

#[test]
fn nacking_everything_gets_a_quarter_of_the_media_and_a_burst() {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    let payload = [9; 1100];
    let (mut media, mut resent) = (0, 0);
    for round in 0..2000u32 {
        let mut packet = video.frame(0, round == 0);
        packet.payload = &payload;
        source.forward(&packet, &mut kept);
        media += kept.take().len() * payload.len();
        source.retransmit(video.now, ANNA, 0..=u16::MAX, &mut kept);
        kept.dropped.clear();
        resent += kept.take().iter().map(|packet| packet.payload.len()).sum::<usize>();
        if round == 60 {
            break;
        }
    }
    assert!(resent <= media / 4 + (64 << 10), "{resent} of {media}");
}

#[test]
fn nacks_for_what_never_was_are_named() {
    let (mut source, video, mut kept) = playing();
    source.retransmit(video.now, ANNA, [499, 501, 40_000], &mut kept);
    assert_eq!(kept.dropped[0], DropReason::NackTooOld);
    assert!(
        kept.dropped[1..]
            .iter()
            .all(|r| matches!(r, DropReason::NackTooOld | DropReason::NackUnknown))
    );
    let mut without = egress(1, Kind::Video);
    without.rtx_ssrc = None;
    source.attach(video.now, Forwarder::new(without));
    source.retransmit(video.now, ANNA, [500], &mut kept);
    assert_eq!(kept.dropped.last(), Some(&DropReason::NackWithoutRtx));
}

#[test]
fn a_codec_the_subscriber_lacks_is_named_and_red_is_unwrapped() {
    let (mut source, mut kept, now) = (microphone(), Kept::default(), Instant::now());
    source.attach(now, forwarder(1, Kind::Audio));
    let mut red = audio_packet(now, 1, 0);
    red.codec = Codec::Red;
    // One redundant block of two bytes, then the primary.
    red.payload = &[0x80 | 111, 0, 0, 2, 111, 0xaa, 0xbb, 0xcc, 0xdd];
    source.forward(&red, &mut kept);
    assert_eq!(kept.sent[0].payload, [0xcc, 0xdd]);
    assert_eq!(kept.sent[0].payload_type, 111);
    let mut video = audio_packet(now, 2, 960);
    video.codec = Codec::Vp8;
    let mut lacking = camera(1);
    let mut config = egress(1, Kind::Video);
    config.payload_types = PayloadTypes::default();
    lacking.attach(now, Forwarder::new(config));
    video.frame.keyframe = true;
    lacking.forward(&video, &mut kept);
    assert_eq!(kept.dropped, [DropReason::CodecNotNegotiated]);
}

#[test]
fn the_first_report_follows_the_first_packet_and_tells_the_seats_time() {
    let (mut source, mut video, mut kept) = (camera(1), Video::new(), Kept::default());
    source.attach(video.now, forwarder(1, Kind::Video));
    let mut reports = Vec::new();
    source.poll_first_reports(video.now, 0, |key, report| reports.push((key, report)));
    assert!(reports.is_empty() && source.report(video.now, 0, ANNA).is_none());
    let start = video.now;
    source.forward(&video.frame(0, true), &mut kept);
    source.poll_first_reports(start, 77, |key, report| reports.push((key, report)));
    let (key, first) = reports[0];
    assert_eq!((key, first.ssrc, first.info.ntp), (ANNA, 1001, 77));
    assert_eq!((first.info.packet_count, first.info.octet_count), (1, 10));
    assert_eq!(first.info.rtp_timestamp, 7_000_000);
    source.poll_first_reports(start + ms(499), 78, |key, report| reports.push((key, report)));
    assert_eq!(reports.len(), 1);
    let regular = source.report(start + ms(500), 79, ANNA).expect("it has sent");
    assert_eq!((regular.info.ntp, regular.info.rtp_timestamp), (79, 7_000_000 + 45_000));
    source.hold_back(true);
    assert!(
        source.report(start + ms(600), 80, ANNA).is_none(),
        "nothing goes there now"
    );
}

#[test]
fn levels_are_metered_while_nobody_listens() {
    let (mut source, mut kept, now) = (microphone(), Kept::default(), Instant::now());
    for index in 0..20u64 {
        let mut packet = audio_packet(now + ms(index * 20), index, index as u32 * 960);
        packet.extensions.audio_level = Some(AudioLevel {
            voice: true,
            level_dbov: 20,
        });
        source.hear(&packet);
        source.forward(&packet, &mut kept);
    }
    assert!(source.level().loudness(now + ms(400)) > 60.0);
}

#[test]
fn an_encoding_that_was_not_agreed_is_ignored() {
    let (mut source, mut video, mut kept) = playing();
    let mut packet = video.frame(0, true);
    for encoding in [1, 3, 4, usize::MAX] {
        packet.encoding = encoding;
        source.forward(&packet, &mut kept);
    }
    assert_eq!(kept.sent.len(), 1);
    source.restart_encoding(usize::MAX);
    source.handle_sender_report(usize::MAX, 1, 1);
    source.request_keyframe_of(video.now, usize::MAX);
}

#[test]
fn seats_come_and_go_in_any_order() {
    let (mut source, video, mut kept) = playing();
    for key in 2..=5 {
        source.attach(video.now, forwarder(key, Kind::Video));
    }
    assert!(source.detach(video.now, EgressKey(1)).is_some());
    assert!(source.detach(video.now, EgressKey(1)).is_none());
    assert!(source.detach(video.now, EgressKey(5)).is_some());
    assert_eq!(source.len(), 3);
    source.retransmit(video.now, EgressKey(3), [1], &mut kept);
    assert!(source.stats(EgressKey(4)).is_some() && source.stats(EgressKey(5)).is_none());
    assert_eq!(source.detach_all(video.now).count(), 3);
    assert!(source.is_empty());
}
