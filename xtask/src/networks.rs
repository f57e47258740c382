//! `cargo xtask networks`: media over bad networks, in process and between real browsers, measured against its goals.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::bail;

use crate::Context;
use crate::figures::{self, Figure};
use crate::install::{self, CHROMIUM, FIREFOX, IP, NODE, NPM, System};
use crate::process::{Finished, cargo, command, run};
use crate::report::Outcome;

/// What the browsers of it cannot do without.
pub(crate) const NEEDS: &[System] = &[NODE, NPM, CHROMIUM, FIREFOX, IP];

/// Longest build.
const LIMIT: Duration = Duration::from_secs(1500);
/// Longest run of all cases in browsers.
const LONG_LIMIT: Duration = Duration::from_secs(5400);
/// How the runner in browsers ends where there can be no wire, after a line that begins so and says why.
const LACKING: &str = "LACKING: ";

/// With which build of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Build {
    /// `cargo build --release`.
    #[default]
    Release,
    /// `cargo build`.
    Debug,
    /// The one that the tests of the whole workspace have made. Asked for in their words: `cargo build` alone would choose
    /// other features for shared dependencies, and build half of them again.
    Tests,
}

impl Build {
    fn of_programs(self) -> &'static [&'static str] {
        match self {
            Self::Release => &[
                "build",
                "--locked",
                "--release",
                "--package",
                "enfilade",
                "--package",
                "emulator",
            ],
            Self::Debug => &["build", "--locked", "--package", "enfilade", "--package", "emulator"],
            Self::Tests => &["test", "--locked", "--workspace", "--no-run"],
        }
    }

    fn of_scenarios(self) -> &'static [&'static str] {
        match self {
            Self::Release => &[
                "test",
                "--locked",
                "--release",
                "--package",
                "enfilade",
                "--test",
                "networks",
            ],
            Self::Debug => &["test", "--locked", "--package", "enfilade", "--test", "networks"],
            Self::Tests => &["test", "--locked", "--workspace", "--test", "networks"],
        }
    }

    /// Below `target`.
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug | Self::Tests => "debug",
        }
    }
}

/// How it is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// A few central cases instead of all.
    pub(crate) short: bool,
    pub(crate) build: Build,
    /// Names of cases in browsers; only these, and nothing in process.
    pub(crate) only: Vec<String>,
}

impl Choice {
    pub(crate) fn read(mut arguments: &[&str]) -> anyhow::Result<Self> {
        let mut choice = Self::default();
        while let Some((first, behind)) = arguments.split_first() {
            arguments = behind;
            match (*first, behind.split_first()) {
                ("--short", _) => choice.short = true,
                ("--debug", _) => choice.build = Build::Debug,
                ("--only", Some((case, behind))) => {
                    choice.only.push((*case).to_owned());
                    arguments = behind;
                }
                (other, _) => bail!("{other} is not known, or lacks what should follow it"),
            }
        }
        Ok(choice)
    }
}

/// What was measured, and what went wrong besides.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    figures: Vec<Figure>,
    /// Runners that failed, and lines that are no figures.
    faults: Vec<String>,
    /// Why a part was not run at all.
    skipped: Vec<String>,
}

impl Measured {
    /// Every figure meets its goal, and there are some.
    pub(crate) fn is_success(&self) -> bool {
        self.faults.is_empty() && !self.figures.is_empty() && self.figures.iter().all(|figure| figure.ok)
    }

    /// As a step of `cargo xtask test`: each figure that meets its goal is a test passed. Goals that are missed are said, and
    /// fail `cargo xtask networks` alone while media is still on its way to them. That no namespaces may be made somewhere
    /// is excused, but said.
    pub(crate) fn outcome(&self) -> Outcome {
        let with_goal = || self.figures.iter().filter(|figure| figure.goal != "none" || !figure.ok);
        let missed = with_goal().filter(|figure| !figure.ok).count();
        let skipped = self.skipped.len() as u64;
        let mut outcome = Outcome {
            passed: (with_goal().count() - missed) as u64,
            failed: self.faults.len() as u64,
            skipped,
            excused: skipped,
            notes: self
                .skipped
                .iter()
                .map(|why| format!("SKIPPED, AS IT MAY BE: {why}"))
                .collect(),
        };
        outcome.notes.extend(self.faults.iter().cloned());
        outcome
            .notes
            .extend(with_goal().filter(|figure| !figure.ok).map(Figure::line));
        outcome
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let notes = self.skipped.iter().chain(&self.faults);
        figures::table(&self.figures, notes.map(String::as_str))
    }

    fn read(&mut self, file: &Path) {
        let text = fs::read_to_string(file).unwrap_or_default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(figure) => self.figures.push(figure),
                Err(error) => self.faults.push(format!("not a figure: {line}: {error}")),
            }
        }
    }
}

/// Runs it all; the results are also in `target/networks.json`.
pub(crate) fn measure(context: &Context, choice: &Choice) -> Result<Measured, String> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    let target = context.root.join(target);
    let file = target.join("networks.jsonl");
    fs::create_dir_all(&target)
        .and_then(|()| fs::write(&file, ""))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let mut measured = Measured::default();
    if choice.only.is_empty() {
        in_process(context, choice, &file, &mut measured);
    }
    match install::missing(NEEDS) {
        Some(why) => measured.skipped.push(format!("browsers over the wire: {why}")),
        None => in_browsers(context, choice, &target, &file, &mut measured)?,
    }
    measured.read(&file);
    figures::write(&measured.figures, &target.join("networks.json"))?;
    Ok(measured)
}

/// The scenarios in virtual time: a test target of the server.
fn in_process(context: &Context, choice: &Choice, file: &Path, measured: &mut Measured) {
    if !context.root.join("tests/networks/main.rs").exists() {
        measured
            .skipped
            .push("scenarios in virtual time: tests/networks is not there".to_owned());
        return;
    }
    let tests = cargo(
        &[choice.build.of_scenarios(), &["--", "--nocapture"]].concat(),
        &context.root,
    );
    if !run(telling(tests, file, choice), LONG_LIMIT).success {
        measured.faults.push("the scenarios in virtual time failed".to_owned());
    }
}

/// Real browsers between namespaces.
fn in_browsers(
    context: &Context,
    choice: &Choice,
    target: &Path,
    file: &Path,
    measured: &mut Measured,
) -> Result<(), String> {
    let folder = context.root.join("tests/browser");
    install::npm_packages(&folder)?;
    if !run(cargo(choice.build.of_programs(), &context.root), LIMIT).success {
        return Err("server and emulator could not be built".to_owned());
    }
    let mut arguments = vec!["networks/run.js"];
    if choice.short {
        arguments.push("--short");
    }
    for case in &choice.only {
        arguments.extend(["--only", case]);
    }
    let mut runner = telling(command("node", &arguments, &folder), file, choice);
    let built = target.join(choice.build.folder());
    runner.env("SERVER_UNDER_TEST", built.join("enfilade"));
    runner.env("EMULATOR", built.join("emulator"));
    judge(&run(runner, LONG_LIMIT), measured);
    Ok(())
}

fn judge(finished: &Finished, measured: &mut Measured) {
    if finished.success {
        return;
    }
    match finished.text.lines().find_map(|line| line.strip_prefix(LACKING)) {
        Some(why) => measured.skipped.push(format!("browsers over the wire: {why}")),
        None => measured
            .faults
            .push("not all cases in browsers could be measured".to_owned()),
    }
}

fn telling(mut runner: Command, file: &Path, choice: &Choice) -> Command {
    runner.env("NETWORKS_FIGURES", file);
    if choice.short {
        runner.env("NETWORKS_SHORT", "1");
    }
    runner
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(lines: &[&str]) -> Measured {
        let mut measured = Measured::default();
        for line in lines {
            measured.figures.push(serde_json::from_str(line).unwrap());
        }
        measured
    }

    const MET: &str = r#"{"figure":"a/b","value":0.97,"unit":"of capacity","goal":"<= 1.0","ok":true}"#;
    const MISSED: &str = r#"{"figure":"a/c","value":null,"unit":"ms","goal":"< 5","ok":false}"#;
    const TOLD: &str = r#"{"figure":"a/d","value":3,"unit":"","goal":"none","ok":true}"#;

    #[test]
    fn a_figure_that_misses_its_goal_fails_and_is_shown() {
        let good = measured(&[MET, TOLD]);
        assert!(good.is_success());
        assert_eq!((good.outcome().passed, good.outcome().failed), (1, 0));
        let bad = measured(&[MET, MISSED, TOLD]);
        assert!(!bad.is_success());
        assert_eq!((bad.outcome().passed, bad.outcome().failed), (1, 0));
        assert!(bad.outcome().notes.iter().any(|note| note.contains("MISSED")));
        assert!(bad.table().contains("MISSED") && bad.table().contains("3 figures, 1 miss their goal"));
        assert!(!Measured::default().is_success(), "nothing measured is nothing shown");
    }

    #[test]
    fn where_there_can_be_no_wire_that_is_excused_and_said() {
        let finished = |text: &str| Finished {
            success: false,
            text: text.to_owned(),
        };
        let mut nowhere = measured(&[MET]);
        judge(&finished("x\nLACKING: it takes root\n"), &mut nowhere);
        assert!(nowhere.is_success() && nowhere.table().contains("it takes root"));
        let outcome = nowhere.outcome();
        assert_eq!((outcome.skipped, outcome.excused, outcome.failed), (1, 1, 0));
        judge(&finished("Error: no such thing\n"), &mut nowhere);
        assert!(!nowhere.is_success());
        assert_eq!(nowhere.outcome().failed, 1);
    }

    #[test]
    fn choices_are_read() {
        let read = |arguments: &[&str]| Choice::read(arguments);
        assert_eq!(read(&[]).unwrap(), Choice::default());
        let choice = read(&["--short", "--only", "n5", "--debug", "--only", "n7"]).unwrap();
        assert!(choice.short && choice.build == Build::Debug && choice.only == ["n5", "n7"]);
        for wrong in [&["--only"][..], &["--long"]] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }
}
