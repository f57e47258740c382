//! Fuzz targets: each is built, fed its stored corpus, and then left to mutate for its share of a minute.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::needing;
use crate::Context;
use crate::install::{self, CXX};
use crate::process::{Finished, command, run};
use crate::report::Outcome;

/// Longest build of all targets.
const BUILD_LIMIT: Duration = Duration::from_secs(1500);
/// Mutation time shared by all targets.
const BUDGET_SECS: usize = 60;
/// Beyond its share a target may need this long to start and to replay its corpus.
const REPLAY_LIMIT: Duration = Duration::from_secs(120);
const CARGO_FUZZ_VERSION: &str = "0.13.2";

pub(super) fn fuzz(context: &Context) -> Outcome {
    needing(&[CXX], || {
        let root = context.root.join("fuzz");
        let targets = targets(&root)?;
        let program = install::cargo_tool(context, "cargo-fuzz", CARGO_FUZZ_VERSION)?;
        // Without a sanitizer: the project denies unsafe code, so what a target can find is a panic, a hang or a
        // swollen memory, and those need none. The build takes half the time and the toolchain stays the stable one.
        let fuzz = |arguments: &[&str], limit| {
            let target_dir = context.root.join("target/fuzz").to_string_lossy().into_owned();
            let common = ["--fuzz-dir", "fuzz", "--sanitizer", "none", "--target-dir", &target_dir];
            let mut fuzz: Command = command(&program, &arguments[..1], &context.root);
            fuzz.args(common).args(&arguments[1..]);
            run(fuzz, limit)
        };
        if !fuzz(&["build"], BUILD_LIMIT).success {
            return Ok(Outcome::failed("the fuzz targets cannot be built"));
        }
        let share_secs = (BUDGET_SECS / targets.len().max(1)).max(2);
        let one = |target: &String| one_target(context, target, share_secs, &fuzz);
        Ok(targets.iter().map(one).fold(Outcome::default(), Outcome::and))
    })
}

fn one_target(
    context: &Context,
    target: &str,
    share_secs: usize,
    fuzz: &dyn Fn(&[&str], Duration) -> Finished,
) -> Outcome {
    // What is found goes below target/, so that a run leaves the stored corpus as it is.
    let found = context.root.join("target/fuzz-found").join(target);
    let stored = context.root.join("fuzz/corpus").join(target);
    if let Err(error) = fs::create_dir_all(&found) {
        return Outcome::failed(format!("{}: {error}", found.display()));
    }
    let is_stored = fs::read_dir(&stored).is_ok_and(|mut entries| entries.next().is_some());
    let (found_dir, stored_dir) = (
        found.to_string_lossy().into_owned(),
        stored.to_string_lossy().into_owned(),
    );
    let (seconds, prefix) = (
        format!("-max_total_time={share_secs}"),
        format!("-artifact_prefix={found_dir}/"),
    );
    let mut arguments = vec!["run", target, &found_dir];
    if is_stored {
        arguments.push(&stored_dir);
    }
    arguments.extend([
        "--",
        &seconds,
        &prefix,
        "-timeout=5",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    let finished = fuzz(&arguments, REPLAY_LIMIT + Duration::from_secs(share_secs as u64));
    let outcome = Outcome::check(&finished);
    match (finished.success, is_stored) {
        (false, _) => outcome.note(format!("{target} failed; its input lies in target/fuzz-found/{target}")),
        (true, false) => outcome.note(format!("{target} has no stored corpus in fuzz/corpus/{target}")),
        (true, true) => outcome,
    }
}

/// The targets are the files of `fuzz/fuzz_targets`.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(root.join("fuzz_targets")).map_err(|error| format!("fuzz/fuzz_targets: {error}"))?;
    let mut targets: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    targets.sort();
    if targets.is_empty() {
        Err("there are no fuzz targets".to_owned())
    } else {
        Ok(targets)
    }
}
