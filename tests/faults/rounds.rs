//! Rounds, and what they measured.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use futures_util::FutureExt;
use serde_json::json;

/// Something that goes wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// What this machine lacks for it.
    pub(crate) lacks: fn(&str) -> Option<String>,
    pub(crate) round: fn(&mut Tally) -> Pin<Box<dyn Future<Output = ()> + '_>>,
}

/// What the rounds of a fault measured, in milliseconds, and what each may be at most.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    measured: BTreeMap<&'static str, (u64, Vec<u64>)>,
}

impl Tally {
    pub(crate) fn note(&mut self, what: &'static str, most_ms: u64, since: Instant) {
        self.note_ms(what, most_ms, since.elapsed().as_millis() as u64);
    }

    pub(crate) fn note_ms(&mut self, what: &'static str, most_ms: u64, ms: u64) {
        self.measured.entry(what).or_insert((most_ms, Vec::new())).1.push(ms);
    }
}

/// Of sorted values.
fn share(values: &[u64], of: f64) -> u64 {
    let last = values.len() - 1;
    values[((values.len() as f64 * of) as usize).min(last)]
}

pub(crate) fn lacks_program(program: &str, package: &str) -> Option<String> {
    let asked = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    (!asked.is_ok_and(|status| status.success())).then(|| format!("{program} is not there (package {package})"))
}

pub(crate) fn run(faults: &[Fault]) -> ExitCode {
    let rounds: usize = std::env::var("FAULTS_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let only = std::env::var("FAULTS_ONLY").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    // As for every test: words that the name has to hold.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_named = |fault: &&Fault| {
        (only.is_empty() || only.contains(&fault.name))
            && (words.is_empty() || words.iter().any(|word| fault.name.contains(word.as_str())))
    };
    let may_skip = !std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut all_ok = true;
    for fault in faults.iter().filter(is_named) {
        if let Some(why) = (fault.lacks)(fault.name) {
            println!("{}: SKIPPED, {why}", fault.name);
            all_ok &= may_skip;
            continue;
        }
        let mut tally = Tally::default();
        let begun = Instant::now();
        let mut done = 0;
        let mut is_well = true;
        while done < rounds && is_well {
            let round = AssertUnwindSafe((fault.round)(&mut tally)).catch_unwind();
            is_well = runtime.block_on(round).is_ok();
            done += usize::from(is_well);
        }
        println!(
            "{}: {}; {done} of {rounds} rounds in {:.0?}{}",
            fault.name,
            fault.what,
            begun.elapsed(),
            if is_well { "" } else { ", FAILED" }
        );
        let figures = tally.measured.into_iter().map(|(what, (most, mut values))| {
            values.sort_unstable();
            let (p50, p99) = (share(&values, 0.5), share(&values, 0.99));
            let is_ok = p99 <= most;
            is_well &= is_ok;
            println!(
                "    {what}: p50 {p50} ms, p99 {p99} ms (at most {most}){}",
                if is_ok { "" } else { " MISSED" }
            );
            json!({ "figure": what, "p50Ms": p50, "p99Ms": p99, "mostMs": most, "ok": is_ok })
        });
        let figures: Vec<_> = figures.collect();
        all_ok &= is_well;
        if let Ok(file) = std::env::var("FAULTS_FIGURES") {
            let line = json!({ "fault": fault.name, "rounds": done, "ok": is_well, "figures": figures });
            let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }
    if all_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
