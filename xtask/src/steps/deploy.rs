//! What operators take from `deploy/`, checked by the programs that read it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Context;
use crate::install::{self, PROMTOOL, PYTHON, VENV};
use crate::process::{cargo, command, run};
use crate::report::Outcome;

use super::needing;

const LIMIT: Duration = Duration::from_secs(600);

pub(super) fn deploy(context: &Context) -> Outcome {
    needing(&[PROMTOOL, PYTHON, VENV], || Ok(alerts(context).and(chart(context)?)))
}

/// Prometheus's configuration and alerts, by its own tool.
fn alerts(context: &Context) -> Outcome {
    let folder = context.root.join("deploy/prometheus");
    let promtool = |arguments: &[&str]| {
        let finished = run(command(Path::new("promtool"), arguments, &folder), LIMIT);
        Outcome::check(&finished)
    };
    [
        &["check", "config", "prometheus.yml"][..],
        &["check", "rules", "alerts.yml", "upkeep.yml"],
        &["test", "rules", "alerts.test.yml", "upkeep.test.yml"],
    ]
    .into_iter()
    .map(promtool)
    .fold(Outcome::default(), Outcome::and)
}

/// The Helm chart, as the Rust tests rendered it, by the schemas of Kubernetes.
fn chart(context: &Context) -> Result<Outcome, String> {
    let tests = context.root.join("tests/deploy");
    let python = install::python(context, &tests.join("requirements.txt"))?;
    let arguments = ["test", "--locked", "--workspace", "--test", "deploy"];
    if !run(cargo(&arguments, &context.root), LIMIT).success {
        return Err("the chart could not be rendered".to_owned());
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    let folder = context.root.join(target).join("deploy");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path().to_string_lossy().into_owned()))
        .collect();
    files.sort();
    let mut arguments = vec!["check.py"];
    arguments.extend(files.iter().map(String::as_str));
    Ok(Outcome::check(&run(command(python, &arguments, &tests), LIMIT)))
}
