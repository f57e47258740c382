//! One received SSRC: what arrived, what is missing, what to report.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::packet::Kind;
use crate::packet::rtcp::{ReportBlock, SenderInfo};

use super::report::compact;
use super::timeline::ticks;

/// A missing packet is given this long to turn up by itself; grows with the reordering that is seen.
const REORDER_WAIT_MIN: Duration = Duration::from_millis(2);
const REORDER_WAIT_MAX: Duration = Duration::from_millis(100);

/// Between two NACKs for one packet, where the round trip is shorter or unknown.
const RETRY_MIN: Duration = Duration::from_millis(20);

/// More than the round trip, at least.
const RETRY_MARGIN: Duration = Duration::from_millis(8);

/// While nobody knows the round trip (who only publishes never reports on anything of ours) the pauses double, so that the
/// tries last for a path of a second, and the first answer tells.
const UNKNOWN_RETRY_MAX: Duration = Duration::from_millis(320);

/// After so many NACKs, or so long and a round trip, a packet is of no use any more.
const TRIES_MAX: u8 = 10;
const WAIT_MAX: Duration = Duration::from_secs(1);

/// More than this missing at once is an outage, which a keyframe mends better.
const MISSING_MAX: usize = 512;

/// What a stream is.
#[derive(Clone, Copy, Debug)]
pub struct StreamConfig {
    /// Its SSRC.
    pub ssrc: u32,
    /// Audio or video.
    pub kind: Kind,
    /// In hertz.
    pub clock_rate_hz: u32,
    /// Whether the publisher answers NACKs for it (never for RTX streams).
    pub nack: bool,
}

/// What a packet was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The newest so far.
    Newest,
    /// Overtaken by others, or repaired.
    Late,
    /// Already here, or no longer waited for.
    Useless,
}

/// Counts what arrives on one SSRC and asks again for what does not.
#[derive(Debug)]
pub struct Stream {
    config: StreamConfig,
    /// Arrival of the first packet: where the clock for jitter starts.
    origin: Option<Instant>,
    /// Extended sequence numbers.
    first: u64,
    highest: u64,
    received: u64,
    /// As of the last report.
    reported_expected: u64,
    reported_received: u64,
    transit: u32,
    /// In 1/16 tick (RFC 3550 appendix A.8).
    jitter: u32,
    sender_report: Option<(u32, Instant)>,
    /// Ascending.
    missing: VecDeque<Missing>,
    /// No NACK is due before this.
    nack_due: Option<Instant>,
    reorder_wait: Duration,
    /// How long an answered NACK takes, smoothed.
    answer: Option<Duration>,
    keyframe_needed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    index: u64,
    since: Instant,
    /// When it was asked for first, once it was.
    asked: Option<Instant>,
    due: Instant,
    tries: u8,
}

impl Stream {
    /// A stream of which nothing has arrived.
    pub fn new(config: StreamConfig) -> Self {
        Stream {
            config,
            origin: None,
            first: 0,
            highest: 0,
            received: 0,
            reported_expected: 0,
            reported_received: 0,
            transit: 0,
            jitter: 0,
            sender_report: None,
            missing: VecDeque::new(),
            nack_due: None,
            reorder_wait: REORDER_WAIT_MIN,
            answer: None,
            keyframe_needed: false,
        }
    }

    /// Its SSRC.
    pub fn ssrc(&self) -> u32 {
        self.config.ssrc
    }

    /// A packet with this extended sequence number, padding-only ones too. `Useless` ones are not to be forwarded.
    pub fn receive(&mut self, now: Instant, index: u64, timestamp: u32) -> Arrival {
        let Some(origin) = self.origin else {
            self.origin = Some(now);
            self.first = index;
            self.highest = index;
            self.received = 1;
            self.transit = timestamp.wrapping_neg();
            return Arrival::Newest;
        };
        if index <= self.highest {
            return self.receive_late(now, index);
        }
        self.miss(now, index);
        self.highest = index;
        self.received += 1;
        let elapsed = ticks(now.saturating_duration_since(origin), self.config.clock_rate_hz);
        let transit = elapsed.wrapping_sub(timestamp);
        let change = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
        self.transit = transit;
        self.jitter = self
            .jitter
            .saturating_add(change)
            .saturating_sub((self.jitter + 8) >> 4);
        Arrival::Newest
    }

    /// The original sequence number in an RTX packet on the repair stream of this one (RFC 4588 section 4): the
    /// extended number when that packet is still waited for.
    pub fn repair(&mut self, now: Instant, sequence: u16) -> Option<u64> {
        let index = self.extend(sequence)?;
        let missing = self.take_missing(index)?;
        self.learn_answer(now, &missing);
        Some(index)
    }

    /// The extended number nearest to the newest.
    pub fn extend(&self, sequence: u16) -> Option<u64> {
        self.origin?;
        let off = sequence.wrapping_sub(self.highest as u16) as i16;
        self.highest.checked_add_signed(i64::from(off))
    }

    /// A keyframe begins with this packet: nothing before it is needed any more.
    pub fn handle_keyframe(&mut self, index: u64) {
        while self.missing.front().is_some_and(|missing| missing.index < index) {
            self.missing.pop_front();
        }
        self.keyframe_needed = false;
    }

    /// The publisher's sender report.
    pub fn handle_sender_report(&mut self, now: Instant, info: &SenderInfo) {
        self.sender_report = Some((info.compact_ntp(), now));
    }

    /// Appends the sequence numbers to ask for now, oldest first. What was asked for too often is given up. `round_trip` is what
    /// reports tell, if anything.
    pub fn poll_nack(&mut self, now: Instant, round_trip: Option<Duration>, lost: &mut Vec<u16>) {
        if self.nack_due.is_none_or(|due| due > now) {
            return;
        }
        // An answer on its way is no lost one; and a browser does not answer again within 5 ms more than what it takes the round
        // trip for (libwebrtc `RtpPacketHistory`), so who asks too early has asked in vain.
        let round_trip = round_trip.or(self.answer);
        let round_trip = round_trip.map(|trip| trip + (trip / 8).max(RETRY_MARGIN));
        let wait_max = WAIT_MAX + round_trip.unwrap_or_default();
        let mut next = None;
        let mut given_up = false;
        self.missing.retain_mut(|missing| {
            if missing.tries >= TRIES_MAX || now.saturating_duration_since(missing.since) > wait_max {
                given_up = true;
                return false;
            }
            if missing.due <= now {
                missing.asked.get_or_insert(now);
                let doubled = RETRY_MIN * (1 << missing.tries.min(8));
                missing.due = now + round_trip.unwrap_or(doubled.min(UNKNOWN_RETRY_MAX)).max(RETRY_MIN);
                missing.tries += 1;
                lost.push(missing.index as u16);
            }
            next = Some(next.map_or(missing.due, |next: Instant| next.min(missing.due)));
            true
        });
        self.nack_due = next;
        self.keyframe_needed |= given_up;
    }

    /// When [`Self::poll_nack`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.nack_due
    }

    /// Whether a loss was given up since the last call, so that a keyframe is needed. Never for audio.
    pub fn take_keyframe_needed(&mut self) -> bool {
        std::mem::take(&mut self.keyframe_needed) && self.config.kind == Kind::Video
    }

    /// The block for our next receiver report; `None` before the first packet.
    pub fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        self.origin?;
        let expected = self.highest - self.first + 1;
        let expected_since = expected - self.reported_expected;
        let received_since = self.received - self.reported_received;
        self.reported_expected = expected;
        self.reported_received = self.received;
        let fraction_lost = (expected_since.saturating_sub(received_since) << 8)
            .checked_div(expected_since)
            .unwrap_or_default();
        let (last_sr, delay_since_last_sr) = self.sender_report.map_or((0, 0), |(ntp, arrival)| {
            (ntp, compact(now.saturating_duration_since(arrival)))
        });
        Some(ReportBlock {
            ssrc: self.config.ssrc,
            fraction_lost: fraction_lost.min(255) as u8,
            cumulative_lost: i32::try_from(expected as i64 - self.received as i64).unwrap_or(i32::MAX),
            extended_highest_sequence: self.highest as u32,
            jitter: self.jitter >> 4,
            last_sr,
            delay_since_last_sr,
        })
    }

    /// Audio or video.
    pub fn kind(&self) -> Kind {
        self.config.kind
    }

    /// Packets received, repaired ones not counted.
    pub fn received(&self) -> u64 {
        self.received
    }

    fn receive_late(&mut self, now: Instant, index: u64) -> Arrival {
        if !self.config.nack {
            // Without a list of what is missing one cannot know; SRTP has refused replays before.
            self.received += 1;
            return Arrival::Late;
        }
        let Some(missing) = self.take_missing(index) else {
            return Arrival::Useless;
        };
        self.received += 1;
        if missing.tries == 0 {
            return Arrival::Late;
        }
        // It was asked for, and came by itself: be more patient.
        let late = now.saturating_duration_since(missing.since);
        self.reorder_wait = self.reorder_wait.max(late + late / 4).min(REORDER_WAIT_MAX);
        Arrival::Late
    }

    /// A packet that was asked for is here. Asked once, it tells the round trip; more often, no more than its upper bound.
    fn learn_answer(&mut self, now: Instant, missing: &Missing) {
        let Some(asked) = missing.asked else { return };
        let took = now.saturating_duration_since(asked);
        self.answer = Some(match self.answer {
            None => took,
            Some(answer) if missing.tries == 1 => (answer * 7 + took) / 8,
            Some(answer) => answer.min(took),
        });
    }

    fn take_missing(&mut self, index: u64) -> Option<Missing> {
        let at = self
            .missing
            .binary_search_by_key(&index, |missing| missing.index)
            .ok()?;
        self.missing.remove(at)
    }

    /// Notes what is missing before a new packet.
    fn miss(&mut self, now: Instant, index: u64) {
        let gap = (index - self.highest - 1) as usize;
        if gap == 0 || !self.config.nack {
            return;
        }
        if gap + self.missing.len() > MISSING_MAX {
            self.missing.clear();
            self.keyframe_needed = true;
            if gap > MISSING_MAX {
                return;
            }
        }
        let due = now + self.reorder_wait;
        let fresh = |index| Missing {
            index,
            since: now,
            asked: None,
            due,
            tries: 0,
        };
        self.missing.extend((self.highest + 1..index).map(fresh));
        self.nack_due = Some(self.nack_due.map_or(due, |earlier| earlier.min(due)));
    }
}

/// The original sequence number and payload of an RTX packet's payload (RFC 4588 section 4). `None` for the
/// padding that senders probe with.
pub fn unwrap_rtx(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, original) = payload.split_first_chunk::<2>()?;
    (!original.is_empty()).then(|| (u16::from_be_bytes(*sequence), original))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIP: Duration = Duration::from_millis(50);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn stream() -> Stream {
        Stream::new(StreamConfig {
            ssrc: 7,
            kind: Kind::Video,
            clock_rate_hz: 90_000,
            nack: true,
        })
    }

    fn nacks(stream: &mut Stream, now: Instant) -> Vec<u16> {
        let mut lost = Vec::new();
        stream.poll_nack(now, Some(TRIP), &mut lost);
        lost
    }

    #[test]
    fn a_gap_is_asked_for_after_the_reorder_window_and_again_each_round_trip() {
        let (mut stream, start) = (stream(), Instant::now());
        stream.receive(start, 65_534, 0);
        stream.receive(start, 65_538, 0);
        assert!(nacks(&mut stream, start).is_empty());
        assert_eq!(stream.poll_timeout(), Some(start + ms(2)));
        assert_eq!(nacks(&mut stream, start + ms(2)), [65_535, 0, 1]);
        assert!(nacks(&mut stream, start + ms(59)).is_empty());
        assert_eq!(stream.receive(start + ms(45), 65_536, 0), Arrival::Late);
        assert_eq!(stream.repair(start + ms(50), 65_535), Some(65_535));
        assert_eq!(stream.repair(start + ms(50), 65_535), None);
        assert_eq!(nacks(&mut stream, start + ms(60)), [1]);
        assert_eq!(stream.receive(start + ms(68), 65_536, 0), Arrival::Useless);
    }

    #[test]
    fn on_a_path_of_unknown_length_the_first_answer_tells_how_long_to_wait() {
        let (mut stream, start) = (stream(), Instant::now());
        // Answers take 600 ms. Every tenth packet is lost.
        let (mut asked, mut given_up, mut answers) = (Vec::new(), 0, VecDeque::new());
        for at in 0..20_000u64 {
            let now = start + ms(at);
            if at % 20 == 0 && at % 200 != 100 {
                stream.receive(now, at / 20, 0);
            }
            let mut lost = Vec::new();
            stream.poll_nack(now, None, &mut lost);
            asked.extend(lost.iter().map(|number| (at, *number)));
            answers.extend(lost.into_iter().map(|number| (at + 600, number)));
            while let Some((_, number)) = answers.pop_front_if(|(due, _)| *due <= at) {
                stream.repair(now, number);
            }
            given_up += usize::from(stream.take_keyframe_needed());
        }
        assert_eq!(given_up, 0);
        let tries = |packet: u16| asked.iter().filter(|(_, number)| *number == packet).count();
        assert!((2..=6).contains(&tries(5)), "{}", tries(5));
        assert!((100..900).step_by(10).all(|packet| tries(packet + 5) == 1), "{asked:?}");
    }

    #[test]
    fn reordering_is_learnt_so_that_it_is_not_taken_for_loss() {
        let (mut stream, start) = (stream(), Instant::now());
        let mut asked = 0;
        for round in 0..100u64 {
            let now = start + ms(round * 100);
            stream.receive(now, round * 2 + 1, 0);
            // 30 ms late, each.
            asked += nacks(&mut stream, now + ms(29)).len();
            stream.receive(now + ms(30), round * 2, 0);
        }
        assert!(asked <= 1, "{asked}");
    }

    #[test]
    fn a_packet_that_never_comes_is_given_up_and_a_keyframe_asked_for() {
        let (mut stream, start) = (stream(), Instant::now());
        stream.receive(start, 1, 0);
        stream.receive(start, 3, 0);
        let mut asked = 0;
        for at in 0..3000 {
            asked += nacks(&mut stream, start + ms(at)).len();
        }
        assert_eq!(asked, 10);
        assert!(stream.take_keyframe_needed());
        assert!(!stream.take_keyframe_needed());
        assert_eq!(stream.poll_timeout(), None);
    }

    #[test]
    fn an_outage_is_not_asked_for_packet_by_packet() {
        let (mut stream, start) = (stream(), Instant::now());
        stream.receive(start, 1, 0);
        stream.receive(start, 100_000, 0);
        assert!(nacks(&mut stream, start + ms(100)).is_empty());
        assert!(stream.take_keyframe_needed());
        assert!(stream.missing.len() <= MISSING_MAX);
    }

    #[test]
    fn a_keyframe_ends_the_waiting_for_what_was_before_it() {
        let (mut stream, start) = (stream(), Instant::now());
        stream.receive(start, 1, 0);
        stream.receive(start, 5, 0);
        stream.receive(start, 7, 0);
        stream.handle_keyframe(5);
        assert_eq!(nacks(&mut stream, start + ms(20)), [6]);
    }

    #[test]
    fn silence_is_not_loss() {
        let start = Instant::now();
        let mut stream = Stream::new(StreamConfig {
            ssrc: 1,
            kind: Kind::Audio,
            clock_rate_hz: 48_000,
            nack: true,
        });
        // DTX: a packet each 400 ms, sequence numbers without a gap (RFC 7587 section 3.1.3).
        for packet in 0..150u64 {
            let now = start + ms(packet * 400);
            stream.receive(now, 65_500 + packet, (packet * 19_200) as u32);
            assert!(nacks(&mut stream, now + ms(300)).is_empty());
        }
        let report = stream.report(start + ms(60_000)).expect("it has begun");
        assert_eq!((report.fraction_lost, report.cumulative_lost, report.jitter), (0, 0, 0));
        assert_eq!(report.extended_highest_sequence, 65_649);
    }

    #[test]
    fn the_report_tells_loss_jitter_and_the_last_sender_report() {
        let (mut stream, start) = (stream(), Instant::now());
        assert!(stream.report(start).is_none());
        for packet in 0..100u64 {
            if packet % 4 != 3 {
                let jitter = if packet % 2 == 0 { 0 } else { 10 };
                stream.receive(start + ms(packet * 20 + jitter), packet, (packet * 1800) as u32);
            }
        }
        stream.handle_sender_report(
            start,
            &SenderInfo {
                ntp: 0x1111_2222_3333_4444,
                ..SenderInfo::default()
            },
        );
        let report = stream.report(start + ms(1500)).expect("it has begun");
        assert_eq!((report.ssrc, report.cumulative_lost), (7, 24));
        assert_eq!(u32::from(report.fraction_lost), 24 * 256 / 99);
        assert!((300..900).contains(&report.jitter), "{}", report.jitter);
        assert_eq!((report.last_sr, report.delay_since_last_sr), (0x2222_3333, 0x1_8000));
        let again = stream.report(start + ms(1500)).expect("it has begun");
        assert_eq!((again.fraction_lost, again.cumulative_lost), (0, 24));
    }

    #[test]
    fn probes_on_the_rtx_stream_are_not_packets() {
        assert_eq!(unwrap_rtx(&[]), None);
        assert_eq!(unwrap_rtx(&[1]), None);
        assert_eq!(unwrap_rtx(&[1, 2]), None);
        assert_eq!(unwrap_rtx(&[1, 2, 3]), Some((258, &[3][..])));
    }
}
