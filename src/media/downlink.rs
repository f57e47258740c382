//! One subscriber's path: what it carries, what of each video goes there, and why.
//!
//! Brings together the estimate of the path and the allocator that shares it out. Whoever owns it passes on feedback,
//! calls [`Downlink::allocate`] when it [`is_due`](Downlink::is_due), and does what was decided.

use std::time::{Duration, Instant};

use super::estimate::{Estimate, EstimateConfig, Estimator, Probe, ProbeCluster, SentLog};
use super::{Allocator, Decision, EgressKey, Redundancy, SourceKey, Video};
use crate::packet::rtcp::TransportCcFeedback;

/// Between two decisions that nothing but a better estimate asks for.
const INTERVAL_MIN: Duration = Duration::from_millis(100);
/// Rates of layers change all the time: decided anew after so long, whatever happened.
const INTERVAL_MAX: Duration = Duration::from_millis(500);
/// Of the estimate, in percent: less is no news.
const RISE_PERCENT: u64 = 3;
/// What a subscriber is told of one video changes at most so often.
const NEWS_INTERVAL: Duration = Duration::from_secs(1);
/// What is sent is averaged over this time.
const SMOOTHING: Duration = Duration::from_secs(1);
/// Somebody may begin to speak before the next decision.
const VOICE_BPS: u64 = 40_000;
/// More goes out than this many times what there is for it: it is stopped at once, not when something else can take its place.
const OVERLOAD: (u64, u64) = (5, 4);
/// What a voice with one and with two redundant frames takes, headers included, and some more.
const ONE_REDUNDANT_BPS: u64 = 80_000;
const TWO_REDUNDANT_BPS: u64 = 120_000;
/// Probing aims so much above what is asked for, in percent: steps up need that headroom.
const WISH_PERCENT: u64 = 120;

/// How a client tells what arrives there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feedback {
    /// Not at all: everything is sent that was asked for.
    #[default]
    None,
    /// By receiver reports and its own estimate (REMB).
    Remb,
    /// By transport-wide feedback.
    TransportCc,
}

/// What goes to a subscriber beside videos, and what has gone so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Bits per second that its voices bring in now.
    pub audio_bps: u64,
    /// Some voice may come at any time.
    pub has_audio: bool,
    /// UDP payload sent so far, retransmissions included. May fall when a seat goes.
    pub sent_bytes: u64,
    /// Of these, sound.
    pub audio_bytes: u64,
    /// Of these, retransmissions.
    pub resent_bytes: u64,
}

/// What a subscriber may be told of one video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    /// The seat half.
    pub key: EgressKey,
    /// What sits there.
    pub source: SourceKey,
    /// What is forwarded of it; `None`: nothing.
    pub encoding: Option<u8>,
    /// It is less than was asked for, for want of bandwidth. Otherwise it is so no longer.
    pub limited: bool,
}

/// How a path fares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DownlinkStats {
    /// `None`: the client does not tell enough to know.
    pub estimate: Option<Estimate>,
    /// Bits per second of UDP payload that are sent.
    pub sent_bps: u64,
    /// Of these, retransmissions.
    pub resent_bps: u64,
    /// Bits per second set aside for sound.
    pub audio_bps: u64,
    /// Bits per second set aside for videos.
    pub video_bps: u64,
    /// Bits per second that all videos would take as they were asked for.
    pub wished_bps: u64,
}

/// One path.
#[derive(Debug)]
pub struct Downlink {
    config: EstimateConfig,
    estimator: Estimator,
    feedback: Feedback,
    allocator: Allocator,
    /// Something changed that decisions depend on.
    stirred: bool,
    allocated_at: Option<Instant>,
    /// The estimate of the last decision.
    used_bps: u64,
    audio_bps: u64,
    video_bps: u64,
    wished_bps: u64,
    is_limited: bool,
    is_overloaded: bool,
    counted: Option<(Instant, Load)>,
    sent_bps: Rate,
    audio_sent_bps: Rate,
    resent_bps: Rate,
    told: Vec<Told>,
    news: Vec<News>,
}

/// Smoothed over [`SMOOTHING`].
#[derive(Clone, Copy, Debug, Default)]
struct Rate(f64);

/// What was told of one video, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    news: News,
    at: Instant,
}

impl Downlink {
    /// Knows nothing yet.
    pub fn new(config: EstimateConfig) -> Self {
        Downlink {
            config,
            estimator: Estimator::new(config),
            feedback: Feedback::None,
            allocator: Allocator::default(),
            stirred: false,
            allocated_at: None,
            used_bps: 0,
            audio_bps: 0,
            video_bps: 0,
            wished_bps: 0,
            is_limited: false,
            is_overloaded: false,
            counted: None,
            sent_bps: Rate::default(),
            audio_sent_bps: Rate::default(),
            resent_bps: Rate::default(),
            told: Vec::new(),
            news: Vec::new(),
        }
    }

    /// The client's path is another one: it restarted ICE, moved to another network, or came back. What was known of the old path
    /// holds no more, least of all that nothing passed; but a path that carried much is not taken for a bad one.
    pub fn change_path(&mut self) {
        let start_bps = self.config.start_bps.max(self.estimator.estimate().bps / 2);
        self.estimator.begin_anew(EstimateConfig {
            start_bps,
            ..self.config
        });
        // Nor are steps up held back by what failed there.
        self.allocator = Allocator::default();
        self.stir();
    }

    /// Nothing has been heard of the path lately, although something was before.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.estimator.is_silent(now)
    }

    /// Whether the path has carried nothing for a while and does so again, since this was asked last.
    pub fn take_returned(&mut self) -> bool {
        self.estimator.take_returned()
    }

    /// One of its m-lines agreed to this. The best of all counts.
    pub fn agree(&mut self, feedback: Feedback) {
        self.feedback = self.feedback.max(feedback);
    }

    /// Transport-wide feedback about packets that `sent` knows.
    pub fn handle_feedback(&mut self, now: Instant, feedback: &TransportCcFeedback<'_>, sent: &mut SentLog) {
        self.agree(Feedback::TransportCc);
        self.estimator.handle_feedback(now, feedback, sent);
    }

    /// The receiver's own estimate.
    pub fn handle_remb(&mut self, now: Instant, bps: u64) {
        self.agree(Feedback::Remb);
        self.estimator.handle_remb(now, bps);
    }

    /// Loss (in 1/256) over all streams, and round trip, of a receiver report.
    pub fn handle_report(&mut self, now: Instant, fraction_lost: u8, round_trip: Option<Duration>) {
        self.estimator.handle_report(now, fraction_lost, round_trip);
    }

    /// Time passes.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.estimator.handle_timeout(now);
    }

    /// When [`Self::handle_timeout`] or [`Self::poll_probe`] has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.is_estimated().then(|| self.estimator.poll_timeout()).flatten()
    }

    /// Padding to send now, if a probe runs.
    pub fn poll_probe(&mut self, now: Instant) -> Option<Probe> {
        if self.is_estimated() {
            self.estimator.poll_probe(now)
        } else {
            None
        }
    }

    /// So much of a probe left: so many packets, all together so many bytes.
    pub fn probe_sent(&mut self, now: Instant, cluster: ProbeCluster, packets: usize, bytes: usize) {
        // Each counts as the same share: that all of them are told of is what matters.
        for packet in 0..packets {
            let share = bytes * (packet + 1) / packets - bytes * packet / packets;
            self.estimator.probe_sent(now, cluster, share);
        }
    }

    /// Whether what leaves now belongs to a probe, media among it.
    pub fn is_probing(&self) -> bool {
        self.estimator.is_probing()
    }

    /// Wishes, seats or what arrives have changed: decide at once.
    pub fn stir(&mut self) {
        self.stirred = true;
    }

    /// Whether it is known what the path carries.
    pub fn is_estimated(&self) -> bool {
        self.feedback > Feedback::None
    }

    /// Bits per second at which packets leave; `None`: as they come.
    pub fn pacing_bps(&self) -> Option<u64> {
        self.is_estimated().then(|| self.estimator.estimate().pacing_bps)
    }

    /// Whether it has to be decided anew: at once when something changed or no longer fits, after a while when there is more
    /// for those who lack it, and from time to time in any case.
    pub fn is_due(&self, now: Instant) -> bool {
        if self.stirred {
            return true;
        }
        let Some(at) = self.allocated_at else { return false };
        let passed = now.saturating_duration_since(at);
        if passed >= INTERVAL_MAX {
            return true;
        }
        let Some(budget) = self.budget() else { return false };
        let rose = || self.estimator.estimate().bps > self.used_bps + self.used_bps * RISE_PERCENT / 100;
        self.video_bps > budget || (self.is_limited && passed >= INTERVAL_MIN && rose())
    }

    /// Decides what of each video goes out. `load`: everything else.
    pub fn allocate(&mut self, now: Instant, load: Load, videos: &[Video<'_>]) -> &[Decision] {
        self.count(now, load);
        self.stirred = false;
        self.allocated_at = Some(now);
        self.used_bps = self.estimator.estimate().bps;
        let voice = if load.has_audio { VOICE_BPS } else { 0 };
        self.audio_bps = load.audio_bps.max(self.audio_sent_bps.bps()).max(voice);
        let budget = self.budget();
        self.is_overloaded = budget.is_some_and(|budget| budget * OVERLOAD.0 < self.video_bps * OVERLOAD.1);
        let decisions = self.allocator.allocate(now, budget, videos);
        self.video_bps = decisions.iter().map(|decision| decision.bps).sum();
        self.wished_bps = decisions.iter().map(|decision| decision.wished_bps).sum();
        self.is_limited = decisions.iter().any(|decision| decision.reason.is_bandwidth());
        let beside = self.beside_bps();
        let wished = beside + self.wished_bps * WISH_PERCENT / 100;
        self.estimator.set_demand(now, beside + self.video_bps, wished);
        self.note_news(now, videos);
        self.allocator.decisions()
    }

    /// The next thing to tell the subscriber.
    pub fn poll_news(&mut self) -> Option<News> {
        self.news.pop()
    }

    /// The last decision found that the path carries much less than was going out: what was taken back stops at once, even
    /// where the lower layer that comes instead has to begin with a keyframe. Until then it would only fill a queue behind
    /// which sound waits, or is lost.
    pub fn is_overloaded(&self) -> bool {
        self.is_overloaded
    }

    /// What was decided last.
    pub fn decisions(&self) -> &[Decision] {
        self.allocator.decisions()
    }

    /// How it fares.
    pub fn stats(&self) -> DownlinkStats {
        DownlinkStats {
            estimate: self.is_estimated().then(|| self.estimator.estimate()),
            sent_bps: self.sent_bps.bps(),
            resent_bps: self.resent_bps.bps(),
            audio_bps: self.audio_bps,
            video_bps: self.video_bps,
            wished_bps: self.wished_bps,
        }
    }

    /// The most redundancy that the path has room for while so many voices come. On a path that carries little more than sound,
    /// redundancy is what it loses.
    pub fn redundancy_max(&self, voices: u64) -> Redundancy {
        let each = self.estimator.estimate().bps / voices.max(1);
        match each {
            _ if !self.is_estimated() => Redundancy::Two,
            0..ONE_REDUNDANT_BPS => Redundancy::None,
            ONE_REDUNDANT_BPS..TWO_REDUNDANT_BPS => Redundancy::One,
            TWO_REDUNDANT_BPS.. => Redundancy::Two,
        }
    }

    /// Share of what was asked for that videos get; `None` where the path is not known, or nothing is asked for.
    pub fn video_served(&self) -> Option<f32> {
        (self.is_estimated() && self.wished_bps > 0).then(|| {
            let served = if self.is_limited {
                self.video_bps as f64 / self.wished_bps as f64
            } else {
                1.0
            };
            served.min(1.0) as f32
        })
    }

    /// What is left for videos: sound goes first, and what was lost goes out twice.
    fn budget(&self) -> Option<u64> {
        self.is_estimated()
            .then(|| self.estimator.estimate().bps.saturating_sub(self.beside_bps()))
    }

    /// What goes out beside videos. Resent packets are a quarter of media, a fifth of everything, in the long run: more is a
    /// burst (all that an outage has lost), which is over when anything could be decided about it.
    fn beside_bps(&self) -> u64 {
        self.audio_bps + self.resent_bps.bps().min(self.estimator.estimate().bps / 5)
    }

    fn count(&mut self, now: Instant, load: Load) {
        let Some((at, before)) = self.counted else {
            self.counted = Some((now, load));
            return;
        };
        let passed = now.saturating_duration_since(at);
        if passed < INTERVAL_MIN {
            return;
        }
        self.counted = Some((now, load));
        self.sent_bps.add(passed, load.sent_bytes, before.sent_bytes);
        self.audio_sent_bps.add(passed, load.audio_bytes, before.audio_bytes);
        self.resent_bps.add(passed, load.resent_bytes, before.resent_bytes);
    }

    /// Notes what is worth telling: that bandwidth takes something away, other news of what it took, and that it is back.
    fn note_news(&mut self, now: Instant, videos: &[Video<'_>]) {
        let mut told = std::mem::take(&mut self.told);
        told.retain(|told| {
            videos
                .iter()
                .any(|video| (video.key, video.source) == (told.news.key, told.news.source))
        });
        for (video, decision) in videos.iter().zip(self.allocator.decisions()) {
            let news = News {
                key: video.key,
                source: video.source,
                encoding: (!decision.target.paused).then(|| video.layers.served(decision.target.encoding)),
                limited: decision.reason.is_bandwidth(),
            };
            let Some(known) = told.iter_mut().find(|told| told.news.key == video.key) else {
                // Nobody doubts that all of it comes, so that counts as told.
                let news = News { limited: false, ..news };
                told.push(Told { news, at: now });
                continue;
            };
            let silent = !news.limited && !known.news.limited;
            if silent {
                known.news = news;
            } else if news != known.news && now.saturating_duration_since(known.at) >= NEWS_INTERVAL {
                *known = Told { news, at: now };
                self.news.push(news);
            }
        }
        self.told = told;
    }
}

impl Rate {
    fn add(&mut self, passed: Duration, bytes: u64, before: u64) {
        let sample = bytes.saturating_sub(before) as f64 * 8.0 / passed.as_secs_f64();
        let share = (passed.as_secs_f64() / SMOOTHING.as_secs_f64()).min(1.0);
        self.0 += (sample - self.0) * share;
    }

    fn bps(self) -> u64 {
        self.0 as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::layers::tests::simulcast;
    use crate::media::{Layers, Limits, Reason};

    const CAMERA: [u32; 3] = [150_000, 500_000, 1_700_000];
    const CALM: Load = Load {
        audio_bps: 0,
        has_audio: false,
        sent_bytes: 0,
        audio_bytes: 0,
        resent_bytes: 0,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A path whose estimate stays where it begins.
    fn path(bps: u64) -> Downlink {
        let mut downlink = Downlink::new(EstimateConfig {
            start_bps: bps,
            ..EstimateConfig::default()
        });
        downlink.agree(Feedback::TransportCc);
        downlink
    }

    fn video(layers: &Layers) -> Video<'_> {
        Video {
            key: EgressKey(1),
            source: SourceKey(1),
            limits: Limits::default(),
            layers,
            muted: false,
        }
    }

    #[test]
    fn redundancy_is_for_paths_that_have_room_for_it() {
        let of = |bps, voices| path(bps).redundancy_max(voices);
        assert_eq!(of(1_000_000, 0), Redundancy::Two);
        assert_eq!(of(100_000, 1), Redundancy::One);
        assert_eq!(of(100_000, 2), Redundancy::None);
        let unknown = Downlink::new(EstimateConfig::default());
        assert_eq!(unknown.redundancy_max(50), Redundancy::Two, "nobody knows better");
    }

    fn encoding(decisions: &[Decision]) -> Option<u8> {
        (!decisions[0].target.paused).then_some(decisions[0].target.encoding)
    }

    #[test]
    fn without_feedback_everything_is_sent() {
        let layers = simulcast(&CAMERA);
        let mut downlink = Downlink::new(EstimateConfig::default());
        assert_eq!(
            encoding(downlink.allocate(Instant::now(), CALM, &[video(&layers)])),
            Some(2)
        );
        assert_eq!((downlink.pacing_bps(), downlink.stats().estimate), (None, None));
        downlink.agree(Feedback::Remb);
        assert_eq!(
            encoding(downlink.allocate(Instant::now(), CALM, &[video(&layers)])),
            Some(1)
        );
    }

    #[test]
    fn another_path_is_not_judged_by_the_one_before() {
        let layers = simulcast(&CAMERA);
        let start = Instant::now();
        let mut downlink = path(1_000_000);
        assert_eq!(encoding(downlink.allocate(start, CALM, &[video(&layers)])), Some(1));
        downlink.handle_remb(start, 60_000);
        assert_eq!(encoding(downlink.allocate(start, CALM, &[video(&layers)])), None);
        downlink.change_path();
        assert!(downlink.is_due(start));
        assert_eq!(encoding(downlink.allocate(start, CALM, &[video(&layers)])), Some(1));

        let mut good = path(8_000_000);
        good.config.start_bps = 1_000_000;
        good.change_path();
        assert_eq!(good.stats().estimate.map(|estimate| estimate.bps), Some(4_000_000));
    }

    #[test]
    fn sound_goes_first_and_one_voice_has_always_room() {
        let layers = simulcast(&CAMERA);
        let mut downlink = path(200_000);
        let talk = Load {
            audio_bps: 60_000,
            has_audio: true,
            ..CALM
        };
        let decision = downlink.allocate(Instant::now(), talk, &[video(&layers)])[0];
        assert_eq!(
            decision.reason,
            Reason::PausedNoBudget {
                needed_bps: 150_000,
                left_bps: 140_000
            }
        );
        let mut downlink = path(180_000);
        let silence = Load {
            has_audio: true,
            ..CALM
        };
        assert_eq!(
            encoding(downlink.allocate(Instant::now(), silence, &[video(&layers)])),
            None
        );
        assert_eq!(
            encoding(path(180_000).allocate(Instant::now(), CALM, &[video(&layers)])),
            Some(0)
        );
    }

    #[test]
    fn what_is_resent_is_taken_off_the_budget() {
        let layers = simulcast(&CAMERA);
        let (mut downlink, start) = (path(600_000), Instant::now());
        assert_eq!(encoding(downlink.allocate(start, CALM, &[video(&layers)])), Some(1));
        for second in 1..6_u64 {
            // 160 kb/s of them.
            let load = Load {
                sent_bytes: second * 80_000,
                resent_bytes: second * 20_000,
                ..CALM
            };
            downlink.allocate(start + ms(1_000 * second), load, &[video(&layers)]);
        }
        assert_eq!(encoding(downlink.decisions()), Some(0));
        assert_eq!(
            (downlink.stats().sent_bps, downlink.stats().resent_bps),
            (640_000, 160_000)
        );
    }

    #[test]
    fn a_burst_of_resent_packets_takes_no_picture_away() {
        let layers = simulcast(&CAMERA);
        let (mut downlink, start) = (path(700_000), Instant::now());
        assert_eq!(encoding(downlink.allocate(start, CALM, &[video(&layers)])), Some(1));
        let load = Load {
            sent_bytes: 150_000,
            resent_bytes: 64_000,
            ..CALM
        };
        downlink.allocate(start + ms(500), load, &[video(&layers)]);
        assert!(downlink.stats().resent_bps > 400_000, "{:?}", downlink.stats());
        assert_eq!(encoding(downlink.decisions()), Some(1));
    }

    #[test]
    fn it_is_due_when_stirred_and_from_time_to_time() {
        let layers = simulcast(&CAMERA);
        let (mut downlink, start) = (path(3_000_000), Instant::now());
        assert!(!downlink.is_due(start), "nobody sits here yet");
        downlink.stir();
        assert!(downlink.is_due(start));
        downlink.allocate(start, CALM, &[video(&layers)]);
        assert!(!downlink.is_due(start + ms(499)));
        assert!(downlink.is_due(start + ms(500)));
        downlink.stir();
        assert!(downlink.is_due(start + ms(1)));
    }

    #[test]
    fn what_bandwidth_takes_and_gives_back_is_told_once_a_second_at_most() {
        let (narrow, wide) = (simulcast(&CAMERA), simulcast(&[150_000, 300_000, 400_000]));
        let dear = simulcast(&[800_000, 850_000, 900_000]);
        let (mut downlink, start) = (path(600_000), Instant::now());
        let mut told = |at: u64, layers: &Layers| {
            downlink.allocate(start + ms(at), CALM, &[video(layers)]);
            let news = downlink.poll_news().map(|news| (news.encoding, news.limited));
            assert_eq!(downlink.poll_news(), None);
            news
        };
        assert_eq!(told(0, &wide), None, "that all of it comes is no news");
        assert_eq!(told(500, &narrow), None, "too soon");
        assert_eq!(told(1_000, &narrow), Some((Some(1), true)));
        assert_eq!(told(1_100, &dear), None);
        assert_eq!(told(2_000, &dear), Some((None, true)));
        // Down a short time ago, so it waits before it goes up.
        assert_eq!(told(3_000, &wide), None);
        assert_eq!(told(3_500, &wide), Some((Some(2), false)));
        assert_eq!(told(9_000, &wide), None);
    }
}
