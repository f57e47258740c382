//! `cargo xtask test`: installs what is lacking and runs every test there is. `cargo xtask networks` measures media over bad
//! networks.

#![allow(clippy::print_stdout, reason = "what it says is what it is for")]

mod bench;
mod cluster;
mod faults;
mod figures;
mod install;
mod networks;
mod process;
mod report;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::bail;

use crate::networks::Choice;
use crate::report::Report;
use crate::steps::{STEPS, Step};

const USAGE: &str = "\
cargo xtask test                 install what is lacking and run every test
cargo xtask test --only STEP     run one step; may be given several times
cargo xtask test --list          list the steps
cargo xtask networks             measure media over bad networks: all cases, about an hour
cargo xtask networks --short     a few central cases
cargo xtask networks --only CASE one case in browsers (n1-down-5, or n1 for all of them); may be given several times
cargo xtask networks --debug     with the build that cargo build makes instead of the optimised one
cargo xtask bench                what forwarding costs, beside the least it can cost on this machine: about a quarter of an hour
cargo xtask bench --only FIGURE  those that begin so; may be given several times
cargo xtask bench --with-janus   Debian's Janus beside it
cargo xtask cluster              three nodes and NATS on this machine, with a page each
cargo xtask faults [--rounds N]  kills, stops, cuts off and starves nodes, N times each (10), and says how long people are apart
cargo xtask faults --only FAULT  one of them (docs/FAULTS.md); may be given several times
cargo xtask interop              seven engines as publishers and subscribers, each to each

networks, bench and faults print a table and write target/networks.json, target/bench.json and target/faults.json; they fail where a figure misses its goal.

With CI=true in the environment a skipped test counts as a failure, but for the one of documents that may be absent.";

/// The project and this run.
pub(crate) struct Context {
    /// The folder of the workspace.
    pub(crate) root: PathBuf,
    /// Whether nothing may be skipped but what is excused.
    pub(crate) ci: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let context = Context {
        // Asked while it runs: one target folder may serve several checkouts.
        root: std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
            .parent()
            .expect("xtask lies in the workspace")
            .to_owned(),
        ci: std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false" && ci != "0"),
    };
    if let ["networks", rest @ ..] = arguments.as_slice() {
        return measure_networks(&context, rest);
    }
    if let ["bench", rest @ ..] = arguments.as_slice() {
        return measure_costs(&context, rest);
    }
    if let ["cluster"] = arguments.as_slice() {
        return match cluster::show(&context) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error),
        };
    }
    if let ["faults", rest @ ..] = arguments.as_slice() {
        return tell(faults::Choice::read(rest).and_then(|choice| faults::measure(&context, &choice)));
    }
    let chosen = match chosen_steps(&arguments) {
        Ok(Some(chosen)) => chosen,
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let report = run(&context, &chosen);
    eprint!("{}", report.table(context.ci));
    println!("{}", report.last_line());
    if report.is_success(context.ci) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure_networks(context: &Context, arguments: &[&str]) -> ExitCode {
    let choice = match Choice::read(arguments) {
        Ok(choice) => choice,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    install::system_packages(networks::NEEDS.iter());
    match networks::measure(context, &choice) {
        Ok(measured) => {
            print!("{}", measured.table());
            if measured.is_success() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn measure_costs(context: &Context, arguments: &[&str]) -> ExitCode {
    tell(bench::Choice::read(arguments).and_then(|choice| bench::measure(context, &choice)))
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("{error:#}\n\n{USAGE}");
    ExitCode::FAILURE
}

fn tell(measured: anyhow::Result<Vec<figures::Figure>>) -> ExitCode {
    match measured {
        Ok(figures) => {
            print!("{}", figures::table(&figures, std::iter::empty()));
            if figures.iter().all(|figure| figure.ok) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn run(context: &Context, steps: &[&'static Step]) -> Report {
    let mut report = Report::default();
    install::system_packages(steps.iter().flat_map(|step| step.needs));
    for step in steps {
        eprintln!("\n=== {}: {}", step.name, step.what);
        let begun = Instant::now();
        let outcome = (step.run)(context);
        report.add(step.name, begun.elapsed(), outcome);
    }
    report
}

/// The steps to run; none when the arguments only asked to be told something.
fn chosen_steps(arguments: &[&str]) -> anyhow::Result<Option<Vec<&'static Step>>> {
    let mut rest = match arguments {
        ["test", rest @ ..] => rest,
        ["interop"] => return Ok(Some(vec![&steps::interop::WHOLE])),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return Ok(None);
        }
        _ => bail!("what shall be done?"),
    };
    let mut chosen = Vec::new();
    while let Some((flag, behind)) = rest.split_first() {
        match (*flag, behind.split_first()) {
            ("--list", _) => {
                for step in STEPS {
                    println!("{:10} {}", step.name, step.what);
                }
                return Ok(None);
            }
            ("--only", Some((name, behind))) => {
                match STEPS.iter().find(|step| step.name == *name) {
                    Some(step) => chosen.push(step),
                    None => bail!("there is no step {name}; cargo xtask test --list names them"),
                }
                rest = behind;
            }
            ("--only", None) => bail!("--only needs the name of a step"),
            (flag, _) => bail!("{flag} is not known"),
        }
    }
    Ok(Some(if chosen.is_empty() {
        STEPS.iter().collect()
    } else {
        chosen
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_name_and_all_by_default() {
        let names = |arguments: &[&str]| -> Vec<&str> {
            chosen_steps(arguments)
                .unwrap()
                .unwrap()
                .iter()
                .map(|step| step.name)
                .collect()
        };
        assert_eq!(names(&["test"]).len(), STEPS.len());
        assert_eq!(names(&["test", "--only", "fmt", "--only", "clippy"]), ["fmt", "clippy"]);
        for wrong in [
            &[][..],
            &["tset"],
            &["test", "--only"],
            &["test", "--only", "x"],
            &["test", "--fast"],
        ] {
            assert!(chosen_steps(wrong).is_err(), "{wrong:?}");
        }
    }
}
