//! What forwarding a packet costs in instructions, beside a loop that only copies and seals: figures that do not depend on what
//! else the machine does. A change that makes the hot loop dearer fails here; one that makes it cheaper lowers the bounds.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a reader of the test's output wants"
)]

#[path = "../benches/forwarding/mod.rs"]
mod forwarding;

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use forwarding::{Enfilade, floor};

const SUBSCRIBERS: usize = 50;
const PACKETS: usize = 200;
/// Set for the program that is counted: how many bytes its packets have.
const BYTES: &str = "ENFILADE_COUNTED_BYTES";
/// And whether it is the floor.
const FLOOR: &str = "ENFILADE_COUNTED_FLOOR";

/// Bytes of a packet, packets that arrive together, and the most that ours may cost beside the floor: what it cost when this was
/// written, and 5 % for another compiler's taste. Tests are built with less optimisation than what is shipped.
const BOUNDS: [(usize, f64); 2] = [(1_200, 1.32), (160, 1.75)];

#[inline(never)]
fn counted_forwarding(server: &mut Enfilade) {
    black_box(server.run(PACKETS, || Duration::ZERO));
}

#[inline(never)]
fn counted_floor(bytes: usize) {
    black_box(floor(SUBSCRIBERS, bytes, PACKETS, || Duration::ZERO));
}

/// Runs inside the counter, and does nothing otherwise.
#[test]
fn what_is_counted() {
    let Some(bytes) = std::env::var(BYTES).ok().and_then(|bytes| bytes.parse().ok()) else {
        return;
    };
    if std::env::var_os(FLOOR).is_some() {
        counted_floor(bytes);
    } else {
        counted_forwarding(&mut Enfilade::new(SUBSCRIBERS, bytes, 1));
    }
}

/// Most instructions encrypt, and how many they are depends on what the processor has.
fn is_counted_here() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Instructions of one forwarded packet.
fn count(bytes: usize, is_floor: bool) -> f64 {
    let this = std::env::current_exe().expect("a test has a file");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*counted_f*"])
        .arg(this)
        .args(["--exact", "what_is_counted", "--test-threads=1"])
        .env(BYTES, bytes.to_string());
    if is_floor {
        valgrind.env(FLOOR, "1");
    }
    let output = valgrind.output().expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let counted = said.lines().find_map(|line| line.split_once("Collected : "));
    let counted: f64 = counted
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("no count in {said}"));
    counted / (SUBSCRIBERS * PACKETS) as f64
}

#[test]
fn forwarding_takes_no_more_instructions_than_it_did() {
    if !is_counted_here() {
        println!("not counted: the bounds are those of encryption with AVX2");
        return;
    }
    let is_there = Command::new("valgrind").arg("--version").output().is_ok();
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "valgrind is not installed");
        println!("not counted: valgrind is not installed");
        return;
    }
    for (bytes, bound) in BOUNDS {
        let (ours, floor) = (count(bytes, false), count(bytes, true));
        let ratio = ours / floor;
        println!("{bytes} bytes: {ours:.0} instructions, floor {floor:.0}, ratio {ratio:.3}");
        assert!(
            ratio <= bound,
            "{bytes} bytes: {ours:.0} instructions are {ratio:.3} of the floor's {floor:.0}, more than {bound}"
        );
    }
}
