//! `enfilade doctor`: looks at the machine with the configuration in hand, and says in plain words what to change.

mod machine;
mod network;

use clap::Args;
use serde::Serialize;

use super::commands::print_line;
use super::{ConfigArgs, Environment};
use crate::config::load;

/// What `enfilade doctor` looks at.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// As it should be.
    Good,
    /// Calls work, some worse than they could.
    Warn,
    /// Calls do not work, or not for everybody.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at: a word or two, always the same.
    pub(super) about: &'static str,
    /// How it is.
    pub(super) health: Health,
    /// What was found.
    pub(super) found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) advice: Option<String>,
}

impl Finding {
    pub(super) fn good(about: &'static str, found: impl Into<String>) -> Self {
        Self {
            about,
            health: Health::Good,
            found: found.into(),
            advice: None,
        }
    }

    pub(super) fn warn(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            health: Health::Warn,
            advice: Some(advice.into()),
            ..Self::good(about, found)
        }
    }

    pub(super) fn bad(about: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            health: Health::Bad,
            advice: Some(advice.into()),
            ..Self::good(about, found)
        }
    }

    fn lines(&self) -> String {
        let word = match self.health {
            Health::Good => "good",
            Health::Warn => "WARN",
            Health::Bad => "BAD ",
        };
        let advice = self
            .advice
            .as_ref()
            .map(|advice| format!("\n{:22}-> {advice}", ""))
            .unwrap_or_default();
        format!("{word}  {:14}  {}{advice}\n", self.about, self.found)
    }
}

/// True when nothing is bad. Warnings are no failure.
pub(super) fn run(args: &DoctorArgs, environment: Environment) -> anyhow::Result<bool> {
    let findings = match load(&args.config.sources(environment)) {
        Err(error) => {
            let advice = "put these right first; what depends on them was not looked at";
            let bad = |problem: &crate::config::Problem| Finding::bad("configuration", problem.to_string(), advice);
            let mut findings: Vec<Finding> = error.problems.iter().map(bad).collect();
            findings.extend(machine::findings(None));
            findings
        }
        Ok(loaded) => {
            let config = loaded.config;
            let mut findings = vec![Finding::good(
                "configuration",
                format!("lawful, mode {}", config.mode.as_str()),
            )];
            let warn = |warning: String| Finding::warn("configuration", warning, "see docs/OPERATING.md");
            findings.extend(config.warnings().into_iter().map(warn));
            findings.extend(network::findings(&config));
            findings.extend(machine::findings(Some(&config)));
            findings
        }
    };
    let worst = findings.iter().map(|finding| finding.health).max();
    let is_well = worst != Some(Health::Bad);
    if args.json {
        let report = serde_json::json!({ "well": is_well, "findings": findings });
        print_line(&report.to_string())?;
    } else {
        let text: String = findings.iter().map(Finding::lines).collect();
        print_line(text.trim_end())?;
    }
    Ok(is_well)
}
