//! What cargo does.

use std::time::Duration;

use crate::Context;
use crate::install;
use crate::process::{cargo, command, run};
use crate::report::{Outcome, libtest_totals};

/// Longest build or run of one step.
const LIMIT: Duration = Duration::from_secs(1500);
/// Longest look at the advisory database, which lies on GitHub.
const ADVISORIES_LIMIT: Duration = Duration::from_secs(90);
const CARGO_DENY_VERSION: &str = "0.20.2";

pub(super) fn fmt(context: &Context) -> Outcome {
    Outcome::check(&run(cargo(&["fmt", "--all", "--check"], &context.root), LIMIT))
}

pub(super) fn clippy(context: &Context) -> Outcome {
    let arguments = [
        "clippy",
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    Outcome::check(&run(cargo(&arguments, &context.root), LIMIT))
}

pub(super) fn doc(context: &Context) -> Outcome {
    let mut doc = cargo(&["doc", "--locked", "--workspace", "--no-deps"], &context.root);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    Outcome::check(&run(doc, LIMIT))
}

pub(super) fn test(context: &Context) -> Outcome {
    let finished = run(
        cargo(&["test", "--locked", "--workspace", "--no-fail-fast"], &context.root),
        LIMIT,
    );
    libtest_totals(&finished.text).counted(&finished)
}

/// The advisory database is the one thing here that no package manager brings. Where it cannot be reached, the rest is
/// still checked and the summary says what was not.
pub(super) fn deny(context: &Context) -> Outcome {
    let program = match install::cargo_tool(context, "cargo-deny", CARGO_DENY_VERSION) {
        Ok(program) => program,
        Err(why) => return Outcome::failed(why),
    };
    let check = |what: &[&str], limit| {
        let arguments = [&["--workspace", "check", "--hide-inclusion-graph"], what].concat();
        run(command(&program, &arguments, &context.root), limit)
    };
    let offline_part = Outcome::check(&check(&["licenses", "bans", "sources"], LIMIT));
    let advisories = check(&["advisories"], ADVISORIES_LIMIT);
    let reached = advisories.success || advisories.text.contains("advisories FAILED");
    if reached {
        return offline_part.and(Outcome::check(&advisories));
    }
    offline_part.note("licences, bans and sources were checked; advisories were NOT: their database on GitHub cannot be reached from here")
}
