//! `cargo xtask bench`: what forwarding costs the server, beside the least that it can cost on this machine in the same run.
//!
//! The server (or the floor program) is pinned to one core and the generator to the other. Rounds alternate, and medians
//! count, so that other work on the machine hits both alike.

mod forwarding;
mod people;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::Context;
use crate::figures::{self, Figure};
use crate::install;
use crate::process::{cargo, run};

const BUILD_LIMIT: Duration = Duration::from_secs(1500);
const BENCH_LIMIT: Duration = Duration::from_secs(300);
const ROUNDS: usize = 3;
/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names, or beginnings of names, of figures; none: all.
    only: Vec<String>,
    /// Debian's Janus in the same rounds.
    janus: bool,
}

impl Choice {
    pub(crate) fn read(mut arguments: &[&str]) -> anyhow::Result<Self> {
        let mut choice = Self::default();
        while let Some((first, behind)) = arguments.split_first() {
            arguments = behind;
            match (*first, behind.split_first()) {
                ("--with-janus", _) => choice.janus = true,
                ("--only", Some((name, behind))) => {
                    choice.only.push((*name).to_owned());
                    arguments = behind;
                }
                (other, _) => bail!("{other} is not known, or lacks what should follow it"),
            }
        }
        Ok(choice)
    }
}

/// Measures everything; the results are also in `target/bench.json`.
pub(crate) fn measure(context: &Context, choice: &Choice) -> anyhow::Result<Vec<Figure>> {
    if choice.janus {
        install::system_packages([stage::JANUS].iter());
        ensure!(install::missing(&[stage::JANUS]).is_none(), "Janus is not installed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    let target = context.root.join(target);
    let programs = [
        "build",
        "--locked",
        "--release",
        "--package",
        "enfilade",
        "--package",
        "loadtest",
    ];
    ensure!(
        run(cargo(&programs, &context.root), BUILD_LIMIT).success,
        "server and generator could not be built"
    );
    let mut bench = Bench {
        context,
        programs: target.join("release"),
        figures: Vec::new(),
        choice: choice.clone(),
        target: target.clone(),
    };
    bench.measure_all();
    figures::write(&bench.figures, &target.join("bench.json")).map_err(anyhow::Error::msg)?;
    Ok(bench.figures)
}

struct Bench<'a> {
    context: &'a Context,
    programs: PathBuf,
    figures: Vec<Figure>,
    choice: Choice,
    target: PathBuf,
}

/// A goal.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Bench<'_> {
    /// What cannot be measured is told as missed, and the rest measured all the same.
    fn measure_all(&mut self) {
        const EVEN: &[&str] = &["--pace", "even", "--packets-per-frame", "1"];
        const FOURS: &[&str] = &["--pace", "frames", "--packets-per-frame", "4"];
        const TENS: &[&str] = &["--pace", "frames", "--packets-per-frame", "10"];
        type Part = (&'static str, fn(&mut Bench<'_>) -> anyhow::Result<()>);
        let parts: [Part; 12] = [
            ("memory", |bench| bench.in_memory()),
            ("cost/even", |bench| bench.beside_floor("even", EVEN, false, 1.2)),
            ("cost/frames-of-4", |bench| {
                bench.beside_floor("frames-of-4", FOURS, true, 1.3)
            }),
            ("cost/frames-of-10", |bench| {
                bench.beside_floor("frames-of-10", TENS, true, 1.3)
            }),
            ("small-rooms", |bench| bench.small_rooms()),
            ("growth", |bench| bench.growth()),
            ("scale", |bench| bench.scale()),
            ("latency", |bench| bench.latency()),
            ("participant", |bench| bench.participants()),
            ("joins", |bench| bench.joins()),
            ("comings-and-goings", |bench| bench.comings_and_goings()),
            ("capacity", |bench| {
                bench.capacity("even", EVEN, false, 280_000.0)?;
                bench.capacity("frames-of-10", TENS, true, 500_000.0)
            }),
        ];
        for (name, part) in parts {
            if let Err(why) = part(self) {
                eprintln!("{name}: {why:#}");
                self.figures.push(Figure {
                    figure: name.to_owned(),
                    value: None,
                    unit: String::new(),
                    goal: "to be measured".to_owned(),
                    ok: false,
                });
            }
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.choice.only.is_empty() || self.choice.only.iter().any(|only| name.starts_with(only.as_str()))
    }

    fn add(&mut self, figure: impl Into<String>, value: f64, unit: &str, goal: Goal) {
        let (goal, ok) = match goal {
            Goal::AtMost(most) => (format!("<= {most}"), value <= most),
            Goal::AtLeast(least) => (format!(">= {least}"), value >= least),
            Goal::None => ("none".to_owned(), true),
        };
        let figure = Figure {
            figure: figure.into(),
            value: Some((value * 1_000.0).round() / 1_000.0),
            unit: unit.to_owned(),
            goal,
            ok,
        };
        eprintln!("{}", figure.line());
        self.figures.push(figure);
    }
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value.as_f64().context("a figure that is missing in the report")
}

fn cost(report: &Value) -> anyhow::Result<f64> {
    number(&report["server"]["cpuMicrosecondsPerForwardedPacket"])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        assert_eq!(Choice::read(&[]).unwrap(), Choice::default());
        let choice = Choice::read(&["--only", "cost/even", "--with-janus"]).unwrap();
        assert!(choice.janus && choice.only == ["cost/even"]);
        for wrong in [&["--only"][..], &["--fast"]] {
            assert!(Choice::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_median_of_an_odd_number_of_rounds_is_one_of_them() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
