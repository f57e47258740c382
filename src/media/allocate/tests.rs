use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::media::layers::tests::{simulcast, temporal};

const CAMERA: [u32; 3] = [150_000, 500_000, 1_700_000];

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn claimed(claim: Claim) -> Limits {
    Limits {
        claim,
        ..Limits::default()
    }
}

fn video(key: u64, limits: Limits, layers: &Layers) -> Video<'_> {
    Video {
        key: EgressKey(key),
        source: SourceKey(key),
        limits,
        layers,
        muted: false,
    }
}

/// One decision without a past: the encoding of each video, `None` where it is paused.
fn encodings(budget: u64, videos: &[Video<'_>]) -> Vec<Option<u8>> {
    let mut allocator = Allocator::default();
    let decisions = allocator.allocate(Instant::now(), Some(budget), videos);
    decisions.iter().map(encoding).collect()
}

fn encoding(decision: &Decision) -> Option<u8> {
    (!decision.target.paused).then_some(decision.target.encoding)
}

#[test]
fn everybody_gets_the_lowest_before_anybody_gets_more() {
    let camera = simulcast(&CAMERA);
    let pinned = video(1, claimed(Claim::Pinned), &camera);
    let (usual, other) = (
        video(2, Limits::default(), &camera),
        video(3, Limits::default(), &camera),
    );
    assert_eq!(encodings(450_000, &[usual, other, pinned]), [Some(0), Some(0), Some(0)]);
    assert_eq!(
        encodings(1_000_000, &[usual, other, pinned]),
        [Some(0), Some(0), Some(1)]
    );
    assert_eq!(
        encodings(10_000_000, &[usual, other, pinned]),
        [Some(2), Some(2), Some(2)]
    );
}

#[test]
fn a_pause_is_the_last_resort_and_meets_the_lowest_claim_first() {
    let camera = simulcast(&CAMERA);
    let videos = [
        video(1, Limits::default(), &camera),
        video(2, claimed(Claim::Speaking), &camera),
        video(3, claimed(Claim::Screen), &camera),
        video(4, claimed(Claim::Pinned), &camera),
    ];
    assert_eq!(encodings(599_999, &videos), [None, Some(0), Some(0), Some(0)]);
    assert_eq!(encodings(449_999, &videos), [None, None, Some(0), Some(0)]);
    assert_eq!(encodings(150_000, &videos), [None, None, None, Some(0)]);
    assert_eq!(encodings(0, &videos), [None; 4]);
}

#[test]
fn of_equal_claims_the_larger_box_comes_first() {
    let camera = simulcast(&CAMERA);
    let shown = |pixels| Limits {
        pixels,
        ..Limits::default()
    };
    let videos = [
        video(1, shown(160 * 90), &camera),
        video(2, shown(1_280 * 720), &camera),
    ];
    assert_eq!(encodings(200_000, &videos), [None, Some(0)]);
    assert_eq!(encodings(2_200_000, &videos), [Some(0), Some(2)]);
}

#[test]
fn a_lower_rate_of_frames_is_half_a_step() {
    let camera = temporal(&[&[60_000, 90_000, 150_000], &[200_000, 300_000, 500_000]]);
    let target = |budget| {
        let mut allocator = Allocator::default();
        let videos = [video(1, Limits::default(), &camera)];
        let target = allocator.allocate(Instant::now(), Some(budget), &videos)[0].target;
        (target.encoding, target.temporal, target.paused)
    };
    assert_eq!(target(60_000), (0, 0, false));
    assert_eq!(target(180_000), (0, u8::MAX, false));
    assert_eq!(target(360_000), (1, 1, false));
    assert_eq!(target(600_000), (1, u8::MAX, false));
}

#[test]
fn each_decision_says_why() {
    let camera = simulcast(&CAMERA);
    let medium = Limits {
        max_encoding: 1,
        ..Limits::default()
    };
    let paused = Limits {
        paused: true,
        ..Limits::default()
    };
    let mut muted = video(4, Limits::default(), &camera);
    muted.muted = true;
    let mut allocator = Allocator::default();
    let now = Instant::now();
    let pinned = video(1, claimed(Claim::Pinned), &camera);
    let videos = [pinned, video(2, medium, &camera), video(3, paused, &camera), muted];
    let reasons = |decisions: &[Decision]| decisions.iter().map(|decision| decision.reason).collect::<Vec<_>>();
    let all = allocator.allocate(now, None, &videos);
    assert_eq!(
        reasons(all),
        [Reason::Everything, Reason::Wish, Reason::PausedByWish, Reason::NotLive]
    );
    assert_eq!(
        all.iter().map(|d| d.bps).collect::<Vec<_>>(),
        [1_700_000, 500_000, 0, 0]
    );
    let few = Allocator::default().allocate(now, Some(1_000_000), &videos).to_vec();
    // 150 and 500 kb/s are spent; 1.2 Mb/s more for the highest of the first, with headroom on all of it.
    let budget = Reason::Budget {
        needed_bps: 1_200_000 + 277_500,
        left_bps: 350_000,
    };
    assert_eq!(reasons(&few)[0], budget);
    assert_eq!(budget.to_string(), "the next layer needs 1478 kb/s, 350 kb/s is left");
    let none = Allocator::default().allocate(now, Some(200_000), &videos).to_vec();
    let no_budget = Reason::PausedNoBudget {
        needed_bps: 150_000,
        left_bps: 50_000,
    };
    assert_eq!(reasons(&none)[1], no_budget);
    assert_eq!(encoding(&none[1]), None);
}

#[test]
fn what_does_not_arrive_books_nothing_and_is_ready_for_what_is_left() {
    let (camera, mut idle) = (simulcast(&CAMERA), simulcast(&CAMERA));
    idle.idle = true;
    let mut allocator = Allocator::default();
    let videos = [
        video(1, claimed(Claim::Pinned), &idle),
        video(2, Limits::default(), &camera),
    ];
    let decisions = allocator.allocate(Instant::now(), Some(2_000_000), &videos);
    assert_eq!(encoding(&decisions[1]), Some(2));
    assert_eq!(
        (encoding(&decisions[0]), decisions[0].bps),
        (Some(0), 0),
        "a lowest layer never hurts"
    );
}

#[test]
fn what_was_paused_and_is_therefore_not_sent_any_more_stays_so_until_it_fits() {
    let (camera, mut stopped) = (simulcast(&CAMERA), simulcast(&CAMERA));
    stopped.idle = true;
    let mut allocator = Allocator::default();
    let start = Instant::now();
    let mut at = |time, layers: &Layers, budget| {
        encoding(&allocator.allocate(start + ms(time), Some(budget), &[video(1, Limits::default(), layers)])[0])
    };
    assert_eq!(at(0, &camera, 1_000_000), Some(1));
    assert_eq!(at(100, &camera, 100_000), None);
    assert_eq!(at(5_000, &stopped, 100_000), None);
    assert_eq!(at(6_000, &stopped, 149_999), None);
    assert_eq!(at(7_000, &stopped, 150_000), Some(0), "a picture needs no headroom");
    assert_eq!(at(8_000, &stopped, 100_000), Some(0), "until it comes it costs nothing");
}

#[test]
fn a_picture_is_not_given_up_for_a_little() {
    let camera = simulcast(&CAMERA);
    let mut allocator = Allocator::default();
    let start = Instant::now();
    let mut at = |time, budget| {
        encoding(&allocator.allocate(start + ms(time), Some(budget), &[video(1, Limits::default(), &camera)])[0])
    };
    assert_eq!(at(0, 1_000_000), Some(1));
    assert_eq!(at(100, 121_000), Some(0));
    assert_eq!(at(200, 119_000), None);
    assert_eq!(at(3_000, 149_000), None, "it was given up, and has to fit now");
    assert_eq!(at(3_100, 151_000), Some(0));
}

#[test]
fn a_layer_that_cannot_be_had_is_named_but_not_paid() {
    let mut camera = simulcast(&[150_000, 500_000, 500_000]);
    camera.layers[2].live = false;
    let mut allocator = Allocator::default();
    let decisions = allocator.allocate(Instant::now(), Some(700_000), &[video(1, Limits::default(), &camera)]);
    assert_eq!(decisions[0].target.encoding, 2);
    assert_eq!((decisions[0].bps, decisions[0].reason), (500_000, Reason::NotLive));
}

#[test]
fn down_at_once_and_up_again_after_a_while() {
    let camera = simulcast(&CAMERA);
    let videos = [video(1, Limits::default(), &camera)];
    let mut allocator = Allocator::default();
    let start = Instant::now();
    let mut at = |time: u64, budget: u64| {
        let decision = allocator.allocate(start + ms(time), Some(budget), &videos)[0];
        (encoding(&decision), decision.reason)
    };
    assert_eq!(at(0, 3_000_000).0, Some(2));
    assert_eq!(at(100, 1_699_999).0, Some(1));
    assert_eq!(
        at(200, 3_000_000),
        (
            Some(1),
            Reason::Settling {
                until: start + ms(2_100)
            }
        )
    );
    assert_eq!(at(2_000, 3_000_000).0, Some(1));
    assert_eq!(at(2_100, 3_000_000), (Some(2), Reason::Everything));
}

#[test]
fn each_failure_to_go_up_doubles_the_wait_and_success_forgets_it() {
    let camera = simulcast(&CAMERA);
    let videos = [video(1, Limits::default(), &camera)];
    let mut allocator = Allocator::default();
    let mut now = Instant::now();
    // The path looks wide until it is used.
    let mut lasts = |allocator: &mut Allocator, good: Duration| {
        let mut waited = Duration::ZERO;
        while encoding(&allocator.allocate(now, Some(3_000_000), &videos)[0]) != Some(2) {
            now += ms(100);
            waited += ms(100);
        }
        now += good;
        assert_eq!(encoding(&allocator.allocate(now, Some(600_000), &videos)[0]), Some(1));
        waited.as_secs()
    };
    let waits: Vec<u64> = (0..8).map(|_| lasts(&mut allocator, ms(500))).collect();
    // The first was no step up: it began there.
    assert_eq!(waits, [0, 2, 4, 8, 16, 32, 64, 64]);
    assert_eq!(lasts(&mut allocator, ms(130_000)), 64);
    assert_eq!(lasts(&mut allocator, ms(500)), 2);
}

#[test]
fn a_picture_that_is_paused_is_tried_again_sooner_than_one_that_could_be_better() {
    let camera = simulcast(&CAMERA);
    let videos = [video(1, Limits::default(), &camera)];
    let mut allocator = Allocator::default();
    let mut now = Instant::now();
    let waits: Vec<u64> = (0..7)
        .map(|_| {
            let begun = now;
            while encoding(&allocator.allocate(now, Some(200_000), &videos)[0]).is_none() {
                now += ms(100);
            }
            let waited = now.saturating_duration_since(begun);
            now += ms(500);
            assert_eq!(encoding(&allocator.allocate(now, Some(50_000), &videos)[0]), None);
            waited.as_secs()
        })
        .collect();
    assert_eq!(waits, [0, 2, 4, 8, 16, 16, 16]);
}

#[test]
fn bandwidth_that_one_waits_for_is_not_given_to_another() {
    let camera = simulcast(&CAMERA);
    let videos = [
        video(1, claimed(Claim::Pinned), &camera),
        video(2, Limits::default(), &camera),
    ];
    let mut allocator = Allocator::default();
    let start = Instant::now();
    let mut at = |time, budget| {
        let decisions = allocator.allocate(start + ms(time), Some(budget), &videos);
        decisions.iter().map(encoding).collect::<Vec<_>>()
    };
    assert_eq!(at(0, 2_200_000), [Some(2), Some(0)]);
    assert_eq!(at(100, 1_000_000), [Some(1), Some(0)]);
    assert_eq!(at(200, 2_200_000), [Some(1), Some(0)]);
    assert_eq!(at(2_200, 2_200_000), [Some(2), Some(0)]);
}

#[test]
fn equals_keep_what_they_have() {
    let (cheap, dear) = (simulcast(&[150_000, 490_000]), simulcast(&[150_000, 500_000]));
    let mut allocator = Allocator::default();
    let now = Instant::now();
    let mut second = |first: &Layers, second: &Layers| {
        let videos = [video(1, Limits::default(), first), video(2, Limits::default(), second)];
        let decisions = allocator.allocate(now, Some(750_000), &videos);
        decisions.iter().map(encoding).collect::<Vec<_>>()
    };
    assert_eq!(second(&cheap, &dear), [Some(1), Some(0)]);
    assert_eq!(
        second(&dear, &cheap),
        [Some(1), Some(0)],
        "although the other is the cheaper one now"
    );
}

#[test]
fn another_source_in_the_seat_begins_anew() {
    let camera = simulcast(&CAMERA);
    let mut videos = [video(1, Limits::default(), &camera)];
    let mut allocator = Allocator::default();
    let now = Instant::now();
    allocator.allocate(now, Some(3_000_000), &videos);
    assert_eq!(encoding(&allocator.allocate(now, Some(600_000), &videos)[0]), Some(1));
    videos[0].source = SourceKey(2);
    assert_eq!(encoding(&allocator.allocate(now, Some(3_000_000), &videos)[0]), Some(2));
}

/// Numbers that tremble, the same for the same seed.
struct Noise(u64);

impl Noise {
    /// From -1 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
    }

    fn on(&mut self, value: u64, share: f64) -> u64 {
        (value as f64 * (1.0 + share * self.next())) as u64
    }
}

/// How often layers switch in ten minutes, ten decisions a second, from the second second on.
fn switches(seed: u64, budget: u64, noise: (f64, f64), cameras: &[(Vec<u32>, Claim)]) -> usize {
    let mut random = Noise(seed);
    let mut allocator = Allocator::default();
    let start = Instant::now();
    let (mut before, mut count) = (Vec::new(), 0);
    for step in 0..6_000_u64 {
        let trembling: Vec<Layers> = cameras
            .iter()
            .map(|(rates, _)| {
                let rates: Vec<u32> = rates
                    .iter()
                    .map(|bps| random.on(u64::from(*bps), noise.1) as u32)
                    .collect();
                simulcast(&rates)
            })
            .collect();
        let videos: Vec<Video<'_>> = (0..)
            .zip(&trembling)
            .zip(cameras)
            .map(|((key, layers), (_, claim))| video(key, claimed(*claim), layers))
            .collect();
        let budget = random.on(budget, noise.0);
        let decisions = allocator.allocate(start + ms(100 * step), Some(budget), &videos);
        let now: Vec<Target> = decisions.iter().map(|decision| decision.target).collect();
        if step > 10 {
            count += now.iter().zip(&before).filter(|(now, before)| now != before).count();
        }
        before = now;
    }
    count
}

fn claim() -> impl Strategy<Value = Claim> {
    prop_oneof![
        Just(Claim::Usual),
        Just(Claim::Speaking),
        Just(Claim::Screen),
        Just(Claim::Pinned)
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let cap = || prop_oneof![Just(u8::MAX), 0..3_u8];
    let paused = prop_oneof![4 => Just(false), 1 => Just(true)];
    let parts = (cap(), cap(), paused, claim(), 0..2_000_000_u32);
    parts.prop_map(|(max_encoding, max_temporal, paused, claim, pixels)| Limits {
        max_encoding,
        max_temporal,
        paused,
        claim,
        pixels,
        ..Limits::default()
    })
}

/// Simulcast of one to three encodings with one to three temporal layers, lower ones mostly cheaper.
fn layers() -> impl Strategy<Value = Layers> {
    let encoding = prop::collection::vec(10_000..400_000_u32, 1..4);
    (prop::collection::vec(encoding, 1..4), prop::bool::weighted(0.1)).prop_map(|(encodings, idle)| {
        let encodings: Vec<Vec<u32>> = (1..)
            .zip(encodings)
            .map(|(times, mut rates)| {
                rates.sort_unstable();
                rates.into_iter().map(|bps| bps * times).collect()
            })
            .collect();
        let slices: Vec<&[u32]> = encodings.iter().map(Vec::as_slice).collect();
        let mut layers = temporal(&slices);
        layers.idle = idle;
        layers
    })
}

fn scene() -> impl Strategy<Value = Vec<(Limits, Layers, bool)>> {
    prop::collection::vec((limits(), layers(), prop::bool::weighted(0.1)), 1..8)
}

fn videos(scene: &[(Limits, Layers, bool)]) -> Vec<Video<'_>> {
    let muted = |muted: bool, video| Video { muted, ..video };
    let all = (0..).zip(scene);
    all.map(|(key, (limits, layers, is_muted))| muted(*is_muted, video(key, *limits, layers)))
        .collect()
}

fn total(decisions: &[Decision]) -> u64 {
    decisions.iter().map(|decision| decision.bps).sum()
}

/// A run of budgets, wishes and scenes that change, each for a few decisions.
fn history() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0..5_000_000_u64, 1..5_000_u64), 1..40)
}

proptest! {
    #[test]
    fn never_more_than_the_budget_and_never_above_the_wish(scene in scene(), history in history()) {
        let mut allocator = Allocator::default();
        let mut now = Instant::now();
        let videos = videos(&scene);
        for (budget, pause) in history {
            now += ms(pause);
            let decisions = allocator.allocate(now, Some(budget), &videos);
            // Lowest layers that are shown may exceed it by a quarter.
            prop_assert!(total(decisions) <= budget + budget / OVERDRAFT);
            for (decision, video) in decisions.iter().zip(&videos) {
                let Target { encoding, paused, .. } = decision.target;
                prop_assert!(paused || encoding <= video.limits.max_encoding);
                prop_assert!(paused || !video.limits.paused);
                prop_assert_eq!(decision.reason == Reason::PausedByWish, video.limits.paused);
                prop_assert!(decision.bps <= decision.wished_bps);
                if !decision.reason.is_bandwidth() && !video.limits.paused {
                    prop_assert_eq!(decision.bps, decision.wished_bps);
                }
            }
        }
    }

    #[test]
    fn more_budget_is_never_spent_worse(scene in scene(), budget in 0..4_000_000_u64, more in 0..2_000_000_u64) {
        let (videos, now) = (videos(&scene), Instant::now());
        let (mut less, mut rich) = (Allocator::default(), Allocator::default());
        let before = total(less.allocate(now, Some(budget), &videos));
        prop_assert!(total(rich.allocate(now, Some(budget + more), &videos)) >= before);
    }

    #[test]
    fn the_higher_claim_never_has_less_of_the_same(
        layers in layers(),
        claims in prop::collection::vec(claim(), 2..6),
        budget in 0..6_000_000_u64,
    ) {
        let videos: Vec<Video<'_>> = (0..).zip(&claims).map(|(key, claim)| video(key, claimed(*claim), &layers)).collect();
        let mut allocator = Allocator::default();
        let decisions = allocator.allocate(Instant::now(), Some(budget), &videos);
        let mut best: BTreeMap<Claim, (u64, u64)> = BTreeMap::new();
        for (decision, claim) in decisions.iter().zip(&claims) {
            let (low, high) = best.entry(*claim).or_insert((u64::MAX, 0));
            (*low, *high) = ((*low).min(decision.bps), (*high).max(decision.bps));
        }
        let found: Vec<(u64, u64)> = best.into_values().collect();
        prop_assert!(found.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{:?}", found);
    }

    #[test]
    fn nobody_is_paused_for_what_somebody_else_has_beyond_the_lowest(scene in scene(), budget in 0..4_000_000_u64) {
        let videos = videos(&scene);
        let mut allocator = Allocator::default();
        let decisions = allocator.allocate(Instant::now(), Some(budget), &videos).to_vec();
        let lowest: Vec<u64> = videos
            .iter()
            .map(|video| {
                let mut rungs = Vec::new();
                push_rungs(&mut rungs, video.layers, video.limits, None);
                rungs[0].bps
            })
            .collect();
        for (decision, needed) in decisions.iter().zip(&lowest) {
            if let Reason::PausedNoBudget { .. } = decision.reason {
                // With everybody else at the lowest there would still be no place.
                let others: u64 = decisions
                    .iter()
                    .zip(&lowest)
                    .filter(|(other, _)| other.bps > 0)
                    .map(|(other, lowest)| other.bps.min(*lowest))
                    .sum();
                prop_assert!(others + needed > budget);
            }
        }
    }

    #[test]
    fn the_same_is_decided_again(scene in scene(), budget in 0..4_000_000_u64) {
        let videos = videos(&scene);
        let (mut one, mut other, now) = (Allocator::default(), Allocator::default(), Instant::now());
        let first = one.allocate(now, Some(budget), &videos).to_vec();
        prop_assert_eq!(&first[..], other.allocate(now, Some(budget), &videos));
        // What is there is worth more than the same elsewhere, so a little may move once more; then it stays.
        let targets = |decisions: &[Decision]| decisions.iter().map(|d| d.target).collect::<Vec<_>>();
        let mut before = targets(&first);
        for round in 1..200u64 {
            let after = targets(one.allocate(now + ms(round * 200), Some(budget), &videos));
            prop_assert!(round < 100 || after == before, "round {}", round);
            before = after;
        }
    }

    #[test]
    fn a_trembling_estimate_switches_nothing(
        seed in any::<u64>(),
        budget in 100_000..6_000_000_u64,
        claims in prop::collection::vec(claim(), 1..5),
    ) {
        let cameras: Vec<(Vec<u32>, Claim)> = claims.iter().map(|claim| (CAMERA.to_vec(), *claim)).collect();
        // Each may find its place once the estimate has shown its best or its worst.
        let most = 2 * cameras.len();
        prop_assert!(switches(seed, budget, (0.05, 0.0), &cameras) <= most);
    }
}

#[test]
fn where_rates_tremble_as_well_switches_become_rare() {
    let mut most = 0;
    for seed in 0..40 {
        let cameras = vec![(CAMERA.to_vec(), Claim::Usual); 1 + seed as usize % 4];
        let budget = 300_000 + seed * 90_000;
        most = most.max(switches(seed, budget, (0.05, 0.1), &cameras) / cameras.len());
    }
    // Ten minutes hold eight waits of 64 s; each costs a step up and one down.
    assert!(most <= 24, "{most} switches of a video in ten minutes");
}
