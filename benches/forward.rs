//! What one forwarded packet costs, in memory: ours beside a minimal loop that does nothing but open once, copy,
//! change the header and seal. Same input, same run. `cargo bench --bench forward`.
//!
//! What leaves is logged for its feedback, as on a path to a browser. The feedback itself is not counted.

#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark prints")]

mod forwarding;

use std::time::Duration;

use forwarding::{Enfilade, floor};

/// Rounds are repeated this often, ours and the floor in turn, and the median of each is printed.
const REPEATS: usize = 15;

/// Processor time of this thread: what somebody else's work on the machine cannot change much.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    println!(
        "ns of processor time per forwarded packet, AES-128-GCM, in memory; median of {REPEATS} alternating rounds"
    );
    println!(
        "{:>8} {:>8} {:>8} {:>10} {:>10} {:>7}",
        "fan-out", "bytes", "together", "floor", "enfilade", "ratio"
    );
    for (subscribers, len, batch) in [(50, 1_200, 1), (500, 1_200, 1), (50, 1_200, 4), (50, 160, 1)] {
        let packets = 60_000 / subscribers;
        let per_packet = |took: Duration| took.as_nanos() as f64 / (packets * subscribers) as f64;
        let (mut ours, mut floors) = (Vec::new(), Vec::new());
        let mut server = Enfilade::new(subscribers, len, batch);
        for _ in 0..REPEATS {
            floors.push(per_packet(floor(subscribers, len, packets, cpu)));
            ours.push(per_packet(server.run(packets, cpu)));
        }
        let (ours, floor) = (median(ours), median(floors));
        println!(
            "{subscribers:>8} {len:>8} {batch:>8} {floor:>10.0} {ours:>10.0} {:>7.2}",
            ours / floor
        );
    }
}
