//! What goes wrong under nodes, again and again, and how long people are apart (`cargo xtask faults`): what `tests/faults` does, and nodes that are
//! killed under calls in Chromium.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::cluster::{build, target};
use crate::figures::Figure;
use crate::install::{self, System};
use crate::process::{cargo, command, run};

const BUILD_LIMIT: Duration = Duration::from_secs(1_800);
const RUN_LIMIT: Duration = Duration::from_secs(12 * 3_600);
/// The fault that needs browsers.
const KILLED: &str = "node-killed";

/// What `tests/faults` needs of the system.
const NEEDS: &[System] = &[
    install::NATS,
    install::IP,
    install::IPTABLES,
    install::FAKETIME,
    install::STRESS,
];
/// What kills under calls need beside.
const BROWSER_NEEDS: &[System] = &[install::NATS, install::NODE, install::NPM, install::CHROMIUM];

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    rounds: u32,
    /// Empty: all.
    only: Vec<String>,
}

impl Choice {
    pub(crate) fn read(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut choice = Choice {
            rounds: 10,
            only: Vec::new(),
        };
        let mut rest = arguments;
        loop {
            rest = match rest {
                [] => return Ok(choice),
                ["--rounds", rounds, behind @ ..] => {
                    choice.rounds = rounds.parse().context("--rounds takes a number")?;
                    behind
                }
                ["--only", fault, behind @ ..] => {
                    choice.only.push((*fault).to_owned());
                    behind
                }
                _ => bail!("faults takes --rounds N and --only FAULT"),
            };
        }
    }

    fn wants(&self, fault: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == fault)
    }
}

/// What came of a fault.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fault {
    fault: String,
    rounds: u32,
    ok: bool,
    figures: Vec<Times>,
}

/// How long something took over all rounds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    figure: String,
    p50_ms: u64,
    p99_ms: u64,
    most_ms: u64,
    ok: bool,
}

impl Fault {
    fn lines(&self) -> impl Iterator<Item = Figure> {
        let rounds = Figure {
            figure: format!("{}/rounds", self.fault),
            value: Some(f64::from(self.rounds)),
            unit: String::new(),
            goal: "none".to_owned(),
            ok: self.ok,
        };
        let times = self.figures.iter().flat_map(|times| {
            let line = |share: &str, ms: u64, goal: String, ok| Figure {
                figure: format!("{}/{}-{share}", self.fault, times.figure),
                value: Some(ms as f64),
                unit: "ms".to_owned(),
                goal,
                ok,
            };
            [
                line("p50", times.p50_ms, "none".to_owned(), true),
                line("p99", times.p99_ms, format!("<= {}", times.most_ms), times.ok),
            ]
        });
        std::iter::once(rounds).chain(times)
    }
}

/// Does it, and writes `target/faults.json`.
pub(crate) fn measure(context: &Context, choice: &Choice) -> anyhow::Result<Vec<Figure>> {
    install::system_packages(NEEDS.iter().chain(BROWSER_NEEDS));
    let file = target(context).join("faults.jsonl");
    fs::write(&file, "")?;
    let other: Vec<&str> = choice
        .only
        .iter()
        .map(String::as_str)
        .filter(|only| *only != KILLED)
        .collect();
    if choice.only.is_empty() || !other.is_empty() {
        let mut tests = cargo(
            &["test", "--locked", "-p", "enfilade", "--test", "faults"],
            &context.root,
        );
        tests
            .env("FAULTS_ROUNDS", choice.rounds.to_string())
            .env("FAULTS_ONLY", other.join(","))
            .env("FAULTS_FIGURES", fs::canonicalize(&file)?);
        // What failed is in the figures.
        let _failed = run(tests, RUN_LIMIT);
    }
    let mut faults: Vec<Fault> = read(&file)?;
    let mut figures: Vec<Figure> = faults.iter().flat_map(Fault::lines).collect();
    if choice.wants(KILLED) {
        let killed = kill(context, choice.rounds)?;
        faults.push(Fault {
            fault: KILLED.to_owned(),
            rounds: choice.rounds,
            ok: killed.iter().all(|figure| figure.ok),
            figures: Vec::new(),
        });
        figures.extend(killed);
    }
    ensure!(!faults.is_empty(), "nothing was done");
    let json = serde_json::to_string_pretty(&faults)?;
    fs::write(target(context).join("faults.json"), json + "\n")?;
    Ok(figures)
}

fn read<T: for<'a> Deserialize<'a>>(file: &Path) -> anyhow::Result<Vec<T>> {
    let text = fs::read_to_string(file)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read: Result<Vec<T>, _> = lines.map(serde_json::from_str).collect();
    read.context("a line that is no figure")
}

/// Kills nodes under calls in Chromium.
fn kill(context: &Context, times: u32) -> anyhow::Result<Vec<Figure>> {
    if let Some(why) = install::missing(BROWSER_NEEDS) {
        bail!("{why}");
    }
    let server = build(context)?;
    let browsers = context.root.join("tests/browser");
    ensure!(
        run(
            command("npm", &["ci", "--no-audit", "--no-fund"], &browsers),
            BUILD_LIMIT
        )
        .success,
        "the browser tests' packages cannot be installed"
    );
    let file = target(context).join("kills.jsonl");
    fs::write(&file, "")?;
    let mut node = command("node", &["faults/run.js", &times.to_string()], &browsers);
    node.env("SERVER_UNDER_TEST", &server).env("NETWORKS_FIGURES", &file);
    let ran = run(node, RUN_LIMIT);
    let read: Vec<Figure> = read(&file)?;
    ensure!(ran.success && !read.is_empty(), "nodes were killed in vain");
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_chosen_by_name_and_as_often_as_one_says() {
        let all = Choice::read(&[]).unwrap();
        assert!(all.rounds == 10 && all.wants(KILLED) && all.wants("stopped"));
        let some = Choice::read(&["--rounds", "3", "--only", "stopped", "--only", "clock-ahead"]).unwrap();
        assert_eq!(
            (some.rounds, some.wants("clock-ahead"), some.wants(KILLED)),
            (3, true, false)
        );
        for wrong in [&["--rounds", "x"][..], &["--twice"], &["--only"]] {
            assert!(Choice::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_rounds_and_fails_where_a_time_is_missed() {
        let line = r#"{"fault":"stopped","rounds":2,"ok":false,"figures":[{"figure":"given-up","p50Ms":1,"p99Ms":9,"mostMs":5,"ok":false}]}"#;
        let fault: Fault = serde_json::from_str(line).unwrap();
        let lines: Vec<(String, bool)> = fault.lines().map(|line| (line.figure, line.ok)).collect();
        let expected = [
            ("stopped/rounds", false),
            ("stopped/given-up-p50", true),
            ("stopped/given-up-p99", false),
        ];
        assert_eq!(lines, expected.map(|(name, ok)| (name.to_owned(), ok)));
    }
}
