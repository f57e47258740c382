//! What a link promises, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use emulator::{Jitter, Link, LinkConfig, LinkStats, Outage, Queue, Shape};
use proptest::prelude::*;

const CLEAN: LinkConfig = LinkConfig::CLEAN;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Sends packets of this size this often, and gives (number, time of sending, time of arrival) of what arrives, until
/// nothing is under way.
fn run(
    link: &mut Link<usize>,
    start: Instant,
    count: usize,
    bytes: usize,
    every: Duration,
) -> Vec<(usize, Duration, Duration)> {
    let sent_at = |number: usize| start + every * u32::try_from(number).unwrap();
    let mut arrived = Vec::new();
    let mut next = 0;
    loop {
        let push_at = (next < count).then(|| sent_at(next));
        let Some(now) = [push_at, link.poll_timeout()].into_iter().flatten().min() else {
            return arrived;
        };
        while let Some(number) = link.poll(now) {
            arrived.push((number, sent_at(number) - start, now - start));
        }
        if push_at == Some(now) {
            link.push(now, bytes, next);
            next += 1;
        }
    }
}

fn link(config: LinkConfig, seed: u64) -> (Link<usize>, Instant) {
    let start = Instant::now();
    (Link::starting(config, seed, start), start)
}

fn stats_of(config: LinkConfig, count: usize) -> LinkStats {
    let (mut link, start) = link(config, 1);
    run(&mut link, start, count, 1000, ms(1));
    link.stats()
}

fn lost_share(stats: LinkStats) -> f64 {
    stats.lost as f64 / stats.offered as f64
}

#[test]
fn a_clean_link_only_delays() {
    let (mut link, start) = link(CLEAN.delayed_ms(50), 1);
    let arrived = run(&mut link, start, 100, 1000, ms(1));
    assert_eq!(arrived.len(), 100);
    assert!(arrived.iter().all(|(_, sent, came)| *came == *sent + ms(50)));
}

#[test]
fn the_rate_is_held_and_the_queue_is_bounded_in_time() {
    // 8 Mbit/s offered to 1 Mbit/s for 10 s.
    let (mut link, start) = link(CLEAN.limited(1_000_000, 300), 1);
    let arrived = run(&mut link, start, 10_000, 1000, ms(1));
    let span = arrived.last().unwrap().2 - arrived[0].2;
    let rate = (arrived.len() - 1) as f64 * 8000.0 / span.as_secs_f64();
    assert!((rate - 1_000_000.0).abs() < 1.0, "{rate}");
    // Waiting at most 300 ms before the first bit, and 8 ms for its own bits.
    let longest = arrived.iter().map(|(_, sent, came)| *came - *sent).max().unwrap();
    assert!(longest > ms(299) && longest <= ms(308), "{longest:?}");
    let stats = link.stats();
    assert_eq!(stats.dropped_queue + stats.delivered, 10_000);
    assert!(stats.queue_p95_ms > 299.0 && stats.queue_p95_ms <= 308.0);
}

#[test]
fn the_queue_is_bounded_in_bytes() {
    let queue = Queue {
        time: ms(10_000),
        bytes: Some(5000),
    };
    let (mut link, start) = link(
        LinkConfig {
            queue,
            ..CLEAN.limited(80_000, 0)
        },
        1,
    );
    for number in 0..10 {
        link.push(start, 1000, number);
    }
    assert_eq!((link.stats().queued, link.stats().dropped_queue), (5, 5));
    assert_eq!(link.queue_delay(), ms(500));
    assert_eq!(link.poll(start + ms(99)), None);
    assert_eq!(link.poll(start + ms(100)), Some(0));
}

#[test]
fn a_new_rate_goes_on_with_the_packet_half_sent() {
    let (mut link, start) = link(CLEAN.limited(80_000, 300), 1);
    link.push(start, 1000, 0); // 100 ms at this rate
    link.set_config(start + ms(50), CLEAN.limited(40_000, 300));
    assert_eq!(link.poll_timeout(), Some(start + ms(150)));
    link.set_config(start + ms(100), CLEAN.limited(4_000_000, 300));
    assert_eq!(link.poll_timeout(), Some(start + ms(100) + Duration::from_micros(500)));
    link.set_config(start + ms(100), CLEAN);
    assert_eq!(link.poll(start + ms(100)), Some(0), "without a rate there is no queue");
}

#[test]
fn the_share_of_random_loss_is_as_told() {
    for share in [0.01, 0.05, 0.10, 0.20] {
        let stats = stats_of(CLEAN.losing(share), 100_000);
        // Five standard deviations of a binomial.
        let bound = 5.0 * (share * (1.0 - share) / 100_000.0).sqrt();
        assert!(
            (lost_share(stats) - share).abs() < bound,
            "{share}: {}",
            lost_share(stats)
        );
    }
}

#[test]
fn bursts_have_the_share_and_the_mean_length_told() {
    let often = stats_of(CLEAN.losing_bursts(0.30, 4.0), 200_000);
    assert!((lost_share(often) - 0.30).abs() < 0.02, "{}", lost_share(often));
    let (mut link, start) = link(CLEAN.losing_bursts(0.03, 8.0), 1);
    let arrived = run(&mut link, start, 1_000_000, 100, ms(1));
    let gaps: Vec<usize> = arrived
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0 - 1)
        .filter(|gap| *gap > 0)
        .collect();
    let mean = gaps.iter().sum::<usize>() as f64 / gaps.len() as f64;
    assert!((mean - 8.0).abs() < 0.5, "mean burst of {mean}");
    assert!(
        (lost_share(link.stats()) - 0.03).abs() < 0.003,
        "{}",
        lost_share(link.stats())
    );
    let longest = *gaps.iter().max().unwrap();
    assert!(
        longest > 30,
        "a geometric length has a long tail; longest was {longest}"
    );
}

#[test]
fn duplicates_follow_their_original_and_are_counted_apart() {
    let (mut link, start) = link(CLEAN.delayed_ms(10).duplicating(0.1), 1);
    let arrived = run(&mut link, start, 20_000, 100, ms(1));
    let stats = link.stats();
    assert_eq!(stats.delivered, 20_000);
    assert_eq!(arrived.len() as u64, 20_000 + stats.duplicated);
    assert!(
        (stats.duplicated as f64 / 20_000.0 - 0.1).abs() < 0.011,
        "{}",
        stats.duplicated
    );
    assert!(arrived.is_sorted_by_key(|(number, _, _)| *number));
    assert_eq!(stats.reordered, 0);
}

#[test]
fn packets_held_back_are_overtaken_and_counted() {
    let (mut link, start) = link(CLEAN.delayed_ms(50).reordering(0.02, 30), 1);
    let arrived = run(&mut link, start, 50_000, 100, ms(5));
    let late = arrived.iter().filter(|(_, sent, came)| *came - *sent == ms(80)).count();
    assert!((late as f64 / 50_000.0 - 0.02).abs() < 0.004, "{late}");
    assert_eq!(
        link.stats().reordered,
        late as u64,
        "every one of them was overtaken, and nobody else"
    );
}

#[test]
fn jitter_stays_within_its_spread_and_overtakes_only_where_it_may() {
    for shape in [Shape::Uniform, Shape::Normal] {
        let jitter = |reorders| Jitter {
            spread: ms(30),
            shape,
            reorders,
        };
        let with = |jitter| LinkConfig {
            jitter,
            ..CLEAN.delayed_ms(100)
        };
        let (mut free, start) = link(with(jitter(true)), 1);
        let arrived = run(&mut free, start, 20_000, 100, ms(5));
        let delays: Vec<f64> = arrived
            .iter()
            .map(|(_, sent, came)| (*came - *sent).as_secs_f64() * 1000.0)
            .collect();
        assert!(delays.iter().all(|delay| (70.0..=130.0).contains(delay)));
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        let deviation = (delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / delays.len() as f64).sqrt();
        assert!((mean - 100.0).abs() < 1.0, "{mean}");
        // Uniform: the spread by the root of 3. Normal: a third of the spread, a little less for what is cut off.
        let expected = match shape {
            Shape::Uniform => 17.3,
            Shape::Normal => 9.87,
        };
        assert!((deviation - expected).abs() < 0.5, "{shape:?}: {deviation}");
        assert!(free.stats().reordered > 1000);

        let (mut ordered, start) = link(with(jitter(false)), 1);
        let arrived = run(&mut ordered, start, 20_000, 100, ms(5));
        assert!(arrived.is_sorted_by_key(|(number, _, _)| *number));
        assert!(
            arrived
                .iter()
                .all(|(_, sent, came)| (ms(70)..=ms(130)).contains(&(*came - *sent)))
        );
        assert_eq!(ordered.stats().reordered, 0);
    }
}

#[test]
fn nothing_enters_or_leaves_the_queue_during_an_outage_and_what_flies_arrives() {
    let between = Outage::Between {
        from: ms(100),
        to: ms(200),
    };
    let config = LinkConfig {
        outage: between,
        ..CLEAN.delayed_ms(50)
    };
    let (mut link, start) = link(config, 1);
    let arrived = run(&mut link, start, 300, 100, ms(1));
    let sent: Vec<usize> = arrived.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(sent, (0..100).chain(200..300).collect::<Vec<_>>());
    assert_eq!(link.stats().dropped_outage, 100);

    link.set_config(start + ms(400), CLEAN.out());
    link.push(start + ms(10_000), 100, 1000);
    assert_eq!(link.poll_timeout(), None);
    link.set_config(start + ms(10_001), CLEAN);
    link.push(start + ms(10_001), 100, 1001);
    assert_eq!(link.poll(start + ms(10_001)), Some(1001));
}

#[test]
fn an_outage_stops_whoever_comes_to_the_queue_or_leaves_it() {
    let between = Outage::Between {
        from: ms(100),
        to: ms(200),
    };
    // 50 ms of sending each.
    let config = LinkConfig {
        outage: between,
        ..CLEAN.limited(160_000, 300)
    };
    for (came, arrives) in [(49, true), (80, false), (180, false), (200, true)] {
        let (mut link, start) = link(config, 1);
        link.push(start + ms(came), 1000, 0);
        let arrived = link.poll(start + ms(came + 50)).is_some();
        assert_eq!(arrived, arrives, "came after {came} ms");
        assert_eq!(link.stats().dropped_outage, u64::from(!arrives));
    }
}

#[test]
fn a_shorter_delay_overtakes_nobody() {
    let (mut link, start) = link(CLEAN.delayed_ms(100), 1);
    link.push(start, 100, 0);
    link.set_config(start + ms(10), CLEAN.delayed_ms(10));
    link.push(start + ms(10), 100, 1);
    assert_eq!(link.poll(start + ms(99)), None);
    assert_eq!(link.poll(start + ms(100)), Some(0));
    assert_eq!(link.poll(start + ms(100)), Some(1));
}

fn any_config() -> impl Strategy<Value = LinkConfig> {
    let loss = prop_oneof![
        Just(CLEAN),
        (0.0..0.5).prop_map(|share| CLEAN.losing(share)),
        (0.0..0.5, 1.0..20.0).prop_map(|(share, mean)| CLEAN.losing_bursts(share, mean)),
    ];
    let rate = prop_oneof![Just(None), (50_000_u64..5_000_000).prop_map(Some)];
    (loss, 0_u64..300, 0_u64..60, 0.0..0.2, rate, 0_u64..500).prop_map(
        |(loss, delay, jitter, duplicate, rate_bps, queue)| {
            let config = loss
                .delayed_ms(delay)
                .jittered_ms(jitter)
                .duplicating(duplicate)
                .limited(1, queue);
            LinkConfig { rate_bps, ..config }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_packet_has_one_fate_and_without_reordering_the_order_is_kept(config in any_config(), seed: u64, bytes in 40_usize..1500) {
        let (mut link, start) = link(config, seed);
        let arrived = run(&mut link, start, 500, bytes, ms(3));
        let stats = link.stats();
        prop_assert_eq!(stats.offered, 500);
        prop_assert_eq!(stats.delivered + stats.lost + stats.dropped_queue, 500);
        prop_assert_eq!(arrived.len() as u64, stats.delivered + stats.duplicated);
        prop_assert!(arrived.is_sorted_by_key(|(number, _, _)| *number));
        prop_assert_eq!(stats.reordered, 0);
        prop_assert_eq!(stats.queued, 0);
    }

    #[test]
    fn the_same_seed_does_the_same_however_often_it_is_polled(config in any_config(), seed: u64, step in 1_u64..40) {
        let (mut eager, start) = link(config, seed);
        let arrived: Vec<usize> = run(&mut eager, start, 300, 800, ms(3)).into_iter().map(|(number, _, _)| number).collect();
        let mut lazy = Link::starting(config, seed, start);
        let mut late = Vec::new();
        for number in 0..300_usize {
            let now = start + ms(3 * number as u64);
            lazy.push(now, 800, number);
            if (number as u64).is_multiple_of(step) {
                late.extend(std::iter::from_fn(|| lazy.poll(now)));
            }
        }
        late.extend(std::iter::from_fn(|| lazy.poll(start + ms(100_000))));
        prop_assert_eq!(arrived, late);
        prop_assert_eq!(LinkStats { queue_ms: 0.0, ..eager.stats() }, LinkStats { queue_ms: 0.0, ..lazy.stats() });
    }

    #[test]
    fn another_seed_loses_others(seed: u64) {
        let lost = |seed| {
            let (mut link, start) = link(CLEAN.losing(0.2), seed);
            run(&mut link, start, 500, 100, ms(1)).into_iter().map(|(number, _, _)| number).collect::<Vec<_>>()
        };
        prop_assert_eq!(lost(seed), lost(seed));
        prop_assert_ne!(lost(seed), lost(seed.wrapping_add(1)));
    }

    #[test]
    fn nobody_waits_longer_than_the_queue_allows(rate in 50_000_u64..5_000_000, queue in 0_u64..500, bytes in 40_usize..1500) {
        let (mut link, start) = link(CLEAN.limited(rate, queue), 1);
        let arrived = run(&mut link, start, 500, bytes, ms(1));
        let own = Duration::from_secs_f64(bytes as f64 * 8.0 / rate as f64) + Duration::from_micros(1);
        prop_assert!(arrived.iter().all(|(_, sent, came)| *came - *sent <= ms(queue) + own));
    }
}
