//! The fault matrix N1 to N5, as far as it concerns what we send: whether a camera keeps the layer that the path carries.
//! What a person hears and sees of it is measured with real browsers (`cargo xtask networks`). N6, outages, is in `goals`.

use emulator::{LinkConfig, Path};

use crate::figures::{Figures, least, most, seeds};
use crate::flow::FlowConfig;
use crate::media::Video;
use crate::world::{Direction, World};

fn over(seed: u64, path: Path) -> World {
    let mut world = World::new(seed, LinkConfig::CLEAN);
    let mut config = FlowConfig::new(Video::layers(1));
    // Two packets later the number wraps, and so does the receiver's reference time after 200 ms.
    config.first_sequence = 65_533;
    config.clock_offset_ms = (1 << 24) * 64 - 200;
    world.add_flow_with(config, Direction::There, path.down, path.up);
    world
}

/// Share of the time from..to in which the camera has its highest layer.
fn highest(world: &World, from_ms: u64, to_ms: u64) -> f64 {
    world.flows[0].allocated_share(1.5e6, from_ms, to_ms)
}

#[test]
fn n1_n2_n3_losses_and_jitter_leave_the_layer_alone() {
    let mut figures = Figures::default();
    let [n1_1, n1_5, n1_10, n1_20] = Path::N1;
    for (name, path, goal) in [
        ("n1/1-percent", n1_1, 0.95),
        ("n1/5-percent", n1_5, 0.95),
        ("n1/10-percent", n1_10, 0.9),
        ("n1/20-percent", n1_20, 0.8),
        ("n2/bursts", Path::N2, 0.95),
        ("n3/jitter", Path::N3, 0.9),
    ] {
        let shares = seeds().map(|seed| {
            let mut world = over(seed, path);
            world.run_until(60_000);
            world.flows[0].trace(500);
            highest(&world, 10_000, 60_000)
        });
        figures.at_least(&format!("{name}/highest-layer"), least(shares), "of the time", goal);
    }
    figures.check();
}

#[test]
fn n4_a_far_subscriber_has_the_highest_layer_in_five_seconds() {
    let mut figures = Figures::default();
    let (mut times, mut shares) = (Vec::new(), Vec::new());
    for seed in seeds() {
        let mut world = over(seed, Path::N4);
        world.run_until(60_000);
        let flow = &world.flows[0];
        flow.trace(500);
        times.push(
            flow.allocated_at_least_ms(1.5e6)
                .map_or(f64::INFINITY, |at| at as f64 / 1e3),
        );
        shares.push(highest(&world, 5_000, 60_000));
    }
    figures.at_most("n4/time-to-highest-layer", most(times), "s", 5.0);
    figures.at_least("n4/highest-layer", least(shares), "of the time", 0.95);
    figures.check();
}

#[test]
fn n5_a_path_that_gets_narrow_and_wide_again() {
    let mut figures = Figures::default();
    let (mut rates, mut queues, mut gaps, mut losses, mut rises) = (vec![], vec![], vec![], vec![], vec![]);
    for seed in seeds() {
        let [wide, narrow, again] = Path::N5;
        let mut world = World::new(
            seed,
            LinkConfig {
                delay: std::time::Duration::ZERO,
                ..wide.down
            },
        );
        let near = Path::NEAR;
        world.add_flow_with(FlowConfig::new(Video::layers(1)), Direction::There, near.down, near.up);
        for (at_ms, path) in [(20_000, narrow), (50_000, again)] {
            world.run_until(at_ms);
            world.set_bottleneck(LinkConfig {
                delay: std::time::Duration::ZERO,
                ..path.down
            });
        }
        world.run_until(80_000);
        let flow = &world.flows[0];
        flow.trace(500);
        rates.push(flow.sent_rate(25_000, 50_000) / 3e5);
        queues.push(world.queue_ms(0.95, 25_000, 50_000));
        gaps.push(flow.receiver.audio_gap_ms as f64);
        losses.push(100.0 * flow.receiver.listener.loss());
        rises.push(
            flow.sent_at_least_ms(0.7 * 1.5e6, 50_000)
                .map_or(f64::INFINITY, |at| (at - 50_000) as f64 / 1e3),
        );
    }
    figures.at_most("n5/rate-while-narrow", most(rates), "of capacity", 1.0);
    figures.at_most("n5/queue-p95-while-narrow", most(queues), "ms", 300.0);
    figures.at_most("n5/longest-gap-of-audio", most(gaps), "ms", 500.0);
    figures.at_most("n5/audio-loss", most(losses), "%", 2.0);
    figures.at_most("n5/time-to-70-percent", most(rises), "s", 10.0);
    figures.check();
}
