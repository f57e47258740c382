//! What goes wrong under nodes of a cluster, again and again, with real servers, a real NATS and the machine's own means: signals,
//! network namespaces, wrong clocks, too little memory, a busy processor. Each round has nodes of its own.
//!
//! `cargo xtask faults` runs it with more rounds and keeps the figures. `FAULTS_ROUNDS` (1), `FAULTS_ONLY` (all) and `FAULTS_FIGURES` (a
//! file that gets a line of JSON for each fault) say what is done. What needs root or a package that is not there is skipped and named.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what it says is what it is for")]

#[path = "../cluster/house.rs"]
#[allow(dead_code, reason = "shared with the tests of the cluster")]
mod house;
mod kinds;
mod namespace;
#[path = "../cluster/proxy.rs"]
#[allow(dead_code, reason = "shared with the tests of the cluster")]
mod proxy;
mod rounds;

use rounds::{Fault, run};

/// All of them.
const FAULTS: &[Fault] = &[
    Fault {
        name: "stopped",
        what: "a node stands still for longer than its lease, and goes on",
        lacks: |_| None,
        round: |tally| Box::pin(kinds::stopped(tally)),
    },
    Fault {
        name: "nats-restarted",
        what: "NATS is killed and started again",
        lacks: |_| None,
        round: |tally| Box::pin(kinds::nats_restarted(tally)),
    },
    Fault {
        name: "cut-both-ways",
        what: "nothing gets through between a node and NATS",
        lacks: namespace::lacks,
        round: |tally| Box::pin(kinds::cut(tally, namespace::Way::Both)),
    },
    Fault {
        name: "cut-outwards",
        what: "NATS hears nothing of a node, which hears all",
        lacks: namespace::lacks,
        round: |tally| Box::pin(kinds::cut(tally, namespace::Way::Out)),
    },
    Fault {
        name: "cut-inwards",
        what: "a node hears nothing of NATS, which hears all",
        lacks: namespace::lacks,
        round: |tally| Box::pin(kinds::cut(tally, namespace::Way::In)),
    },
    Fault {
        name: "clock-ahead",
        what: "a node's clock is 25 s ahead of all others",
        lacks: kinds::lacks_faketime,
        round: |tally| Box::pin(kinds::clock(tally, 25)),
    },
    Fault {
        name: "clock-behind",
        what: "a node's clock is 25 s behind all others",
        lacks: kinds::lacks_faketime,
        round: |tally| Box::pin(kinds::clock(tally, -25)),
    },
    Fault {
        name: "memory-exhausted",
        what: "a node gets no more memory, under people who come",
        lacks: |_| rounds::lacks_program("prlimit", "util-linux"),
        round: |tally| Box::pin(kinds::memory(tally)),
    },
    Fault {
        name: "processor-busy",
        what: "stress-ng has all processors, twice over",
        lacks: |_| rounds::lacks_program("stress-ng", "stress-ng"),
        round: |tally| Box::pin(kinds::busy(tally)),
    },
];

fn main() -> std::process::ExitCode {
    // As every test it may be asked what there is.
    if std::env::args().any(|argument| argument == "--list") {
        return std::process::ExitCode::SUCCESS;
    }
    run(FAULTS)
}
