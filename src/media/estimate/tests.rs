//! The estimator as a whole, told things that no honest receiver says, and at the ends of its counters. What it does over
//! networks is in `tests/networks`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::packet::rtcp::{RtcpBlock, blocks, write};

/// A path of which a test decides what its receiver says.
struct Path {
    estimator: Estimator,
    sent: SentLog,
    start: Instant,
    now: Instant,
    sequence: u16,
    count: u8,
}

impl Path {
    fn new(config: EstimateConfig) -> Self {
        let now = Instant::now();
        Path {
            estimator: Estimator::new(config),
            sent: SentLog::default(),
            start: now,
            now,
            sequence: 0,
            count: 0,
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
        self.estimator.handle_timeout(self.now);
        if let Some(probe) = self.estimator.poll_probe(self.now) {
            let mut left = probe.bytes;
            while left > 0 {
                let bytes = left.min(1_100);
                self.send(bytes, Some(probe.cluster));
                self.estimator.probe_sent(self.now, probe.cluster, bytes);
                left -= bytes;
            }
        }
    }

    fn send(&mut self, bytes: usize, probe: Option<ProbeCluster>) -> u16 {
        let packet = SentPacket {
            at: Departure::new(self.start, self.now),
            bytes: bytes as u16,
            probe,
        };
        let sequence = self.sequence;
        self.sent.record(sequence, packet);
        self.sequence = sequence.wrapping_add(1);
        sequence
    }

    fn tell(&mut self, packets: &[(u16, Option<u64>)]) {
        let mut rest = packets;
        while !rest.is_empty() {
            let mut compound = Vec::new();
            let told = write::transport_cc(&mut compound, 1, 2, self.count, rest);
            if told == 0 {
                return;
            }
            self.count = self.count.wrapping_add(1);
            rest = &rest[told..];
            self.tell_compound(&compound);
        }
    }

    fn tell_compound(&mut self, compound: &[u8]) {
        for block in blocks(compound) {
            if let RtcpBlock::TransportCc(feedback) = block {
                self.estimator.handle_feedback(self.now, &feedback, &mut self.sent);
            }
        }
    }

    /// A second of 1 Mb/s with feedback every 50 ms; `arrival` says when a packet sent at a time in microseconds arrived.
    fn second(&mut self, begin_us: &mut u64, arrival: impl Fn(u64) -> Option<u64>) {
        for _ in 0..20 {
            let mut told = Vec::new();
            for _ in 0..10 {
                self.pass(5);
                *begin_us += 5_000;
                told.push((self.send(625, None), arrival(*begin_us)));
            }
            self.tell(&told);
        }
    }
}

fn honest() -> EstimateConfig {
    EstimateConfig {
        start_bps: 900_000,
        min_bps: 50_000,
        max_bps: 5_000_000,
    }
}

fn check(estimator: &Estimator, config: &EstimateConfig) {
    let estimate = estimator.estimate();
    assert!(
        (config.min_bps..=config.max_bps).contains(&estimate.bps),
        "{estimate:?}"
    );
    assert!(estimate.pacing_bps >= estimate.bps, "{estimate:?}");
    assert!((0.0..=1.0).contains(&estimate.loss), "{estimate:?}");
}

#[test]
fn every_counter_wraps_without_anybody_noticing() {
    // A packet takes 40 ms; 65,526 is ten before the number's end, and the receiver's reference time ends in a second.
    let reference_end_us = (1u64 << 24) * 64_000;
    let run = |sequence: u16, count: u8, clock_us: u64| {
        let mut path = Path::new(honest());
        (path.sequence, path.count) = (sequence, count);
        let mut begin_us = 0;
        for _ in 0..10 {
            // The 24 bits that a receiver whose clock ran on would send.
            path.second(&mut begin_us, |at| Some(at + 40_000 + clock_us));
        }
        path.estimator.estimate()
    };
    let plain = run(0, 0, 1_000_000);
    let wrapping = run(65_526, 250, reference_end_us - 1_000_000);
    assert_eq!(plain, wrapping);
    assert!(plain.bps > 1_000_000, "{plain:?}");
    assert_eq!(plain.loss, 0.0);
}

#[test]
fn the_reference_time_wraps_as_receivers_let_it() {
    let mut path = Path::new(honest());
    let mut begin_us = 0;
    let end_us = (1u64 << 24) * 64_000;
    for _ in 0..4 {
        path.second(&mut begin_us, |at| Some((at + 40_000 + end_us - 2_000_000) % end_us));
    }
    let estimate = path.estimator.estimate();
    assert!(estimate.queue_delay < Duration::from_millis(5), "{estimate:?}");
    assert!(estimate.bps > 900_000, "{estimate:?}");
}

#[test]
fn a_receiver_that_lies_moves_its_own_estimate_within_its_bounds() {
    type Lie = fn(u64) -> Option<u64>;
    let lies: [Lie; 6] = [
        // Everything at once, nothing, backwards, hours apart, all at the same moment, every other one.
        |at| Some(at / 1_000_000),
        |_| None,
        |at| Some(10_000_000_000u64.saturating_sub(at)),
        |at| Some(at.wrapping_mul(7_777_777) % 1_000_000_000_000),
        |_| Some(64_000),
        |at| (at % 10_000 == 0).then_some(at),
    ];
    for lie in lies {
        let mut path = Path::new(honest());
        path.estimator.set_demand(path.now, 1_000_000, u64::MAX);
        let mut begin_us = 0;
        for _ in 0..30 {
            path.second(&mut begin_us, lie);
            check(&path.estimator, &honest());
        }
    }
}

#[test]
fn an_outage_has_lost_packets_and_a_pause_of_media_has_not() {
    for outage in [true, false] {
        let mut path = Path::new(honest());
        path.estimator.set_demand(path.now, 1_000_000, 1_000_000);
        let mut begin_us = 0;
        path.second(&mut begin_us, |at| Some(at + 40_000));
        let before = path.estimator.estimate().bps;
        for _ in 0..100 {
            path.pass(30);
            begin_us += 30_000;
            if outage {
                path.send(625, None);
            }
        }
        assert!(!path.estimator.take_returned());
        path.second(&mut begin_us, |at| Some(at + 40_000));
        assert_eq!(path.estimator.take_returned(), outage);
        assert!(!path.estimator.take_returned(), "told once");
        assert!(path.estimator.estimate().bps >= before / 2);
    }
}

#[test]
fn a_receivers_own_estimate_is_a_limit_within_the_bounds_and_wears_off() {
    let mut path = Path::new(honest());
    let mut begin_us = 0;
    path.second(&mut begin_us, |at| Some(at + 40_000));
    let before = path.estimator.estimate().bps;
    for (told, given) in [(10_000_000_000, before), (0, 50_000), (300_000, 300_000)] {
        path.estimator.handle_remb(path.now, told);
        let estimate = path.estimator.estimate();
        assert_eq!(estimate.bps, given);
        assert_eq!(estimate.limited_by == LimitedBy::Receiver, given < before);
    }
    for _ in 0..11 {
        path.second(&mut begin_us, |at| Some(at + 40_000));
    }
    assert!(path.estimator.estimate().bps > before);
}

#[test]
fn a_receiver_without_feedback_is_estimated_by_what_it_does_say() {
    let mut path = Path::new(honest());
    path.estimator.handle_remb(path.now, 2_500_000);
    assert_eq!(path.estimator.estimate().bps, 2_500_000);

    let mut path = Path::new(honest());
    let trip = Some(Duration::from_millis(80));
    for _ in 0..20 {
        path.pass(1_000);
        path.estimator.handle_report(path.now, 0, trip);
    }
    let risen = path.estimator.estimate().bps;
    assert!(risen > 2 * honest().start_bps, "{risen}");
    // A fifth is lost, then a queue of a quarter of a second.
    path.pass(1_000);
    path.estimator.handle_report(path.now, 51, trip);
    let lossy = path.estimator.estimate();
    assert!(lossy.bps < risen && lossy.limited_by == LimitedBy::Loss, "{lossy:?}");
    path.pass(1_000);
    path.estimator
        .handle_report(path.now, 0, Some(Duration::from_millis(330)));
    assert!(path.estimator.estimate().bps < lossy.bps);
}

#[test]
fn nothing_wished_for_is_not_probed_for_and_nobody_is_woken() {
    let mut path = Path::new(honest());
    let mut begin_us = 0;
    path.estimator.set_demand(path.now, 1_000_000, 0);
    for _ in 0..5 {
        path.second(&mut begin_us, |at| Some(at + 40_000));
        assert_eq!(path.estimator.poll_probe(path.now), None);
        assert!(path.estimator.poll_timeout().is_none_or(|at| at > path.now));
    }
}

#[test]
fn who_asks_late_or_never_pads_is_not_asked_again_and_again() {
    let mut path = Path::new(honest());
    let mut begin_us = 0;
    let mut due = 0;
    for _ in 0..2_000 {
        path.now += Duration::from_millis(5);
        begin_us += 5_000;
        path.estimator.set_demand(path.now, 500_000, 4_000_000);
        due += usize::from(path.estimator.poll_timeout().is_some_and(|at| at <= path.now));
        path.estimator.handle_timeout(path.now);
        // Padding is due, and never sent.
        path.estimator.poll_probe(path.now);
        let sequence = path.send(300, None);
        path.tell(&[(sequence, Some(begin_us + 40_000))]);
    }
    // Ten seconds: a handful of probes that came to nothing.
    assert!(due < 200, "{due}");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Send(u16),
    Tell(u16, Vec<Option<u64>>),
    Raw(Vec<u8>),
    Remb(u64),
    Report(u8, Option<u64>),
    Demand(u64, u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let arrival = prop_oneof![
        3 => (0..60_000_000u64).prop_map(Some),
        1 => (0..1u64 << 40).prop_map(Some),
        1 => Just(None)
    ];
    prop_oneof![
        4 => (0..200u64).prop_map(Step::Pass),
        1 => (0..20_000u64).prop_map(Step::Pass),
        8 => any::<u16>().prop_map(Step::Send),
        6 => (0..600u16, prop::collection::vec(arrival, 1..40)).prop_map(|(base, told)| Step::Tell(base, told)),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Step::Raw),
        1 => any::<u64>().prop_map(Step::Remb),
        1 => (any::<u8>(), prop::option::of(0..100_000u64)).prop_map(|(lost, trip)| Step::Report(lost, trip)),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(allocated, wished)| Step::Demand(allocated, wished)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_told_the_estimate_stays_within_its_bounds(steps in prop::collection::vec(any_step(), 1..300)) {
        let config = honest();
        let mut path = Path::new(config);
        for step in steps {
            match step {
                Step::Pass(millis) => path.pass(millis),
                Step::Send(bytes) => {
                    path.send(bytes.into(), None);
                }
                Step::Tell(back, arrivals) => {
                    let base = path.sequence.wrapping_sub(back);
                    let told: Vec<_> = arrivals
                        .into_iter()
                        .enumerate()
                        .map(|(index, arrival)| (base.wrapping_add(index as u16), arrival))
                        .collect();
                    path.tell(&told);
                }
                Step::Raw(body) => {
                    // A block of transport-cc with anything in it.
                    let words = (body.len() / 4) as u8;
                    let mut compound = vec![0x8f, 205, 0, words];
                    compound.extend_from_slice(&body[..4 * usize::from(words)]);
                    path.tell_compound(&compound);
                }
                Step::Remb(bps) => path.estimator.handle_remb(path.now, bps),
                Step::Report(lost, trip) => {
                    path.estimator.handle_report(path.now, lost, trip.map(Duration::from_millis));
                }
                Step::Demand(allocated, wished) => path.estimator.set_demand(path.now, allocated, wished),
            }
            check(&path.estimator, &config);
        }
    }
}
