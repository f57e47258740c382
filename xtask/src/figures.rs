//! What is measured, against its goals.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One measured result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// experiment/what
    pub(crate) figure: String,
    /// Absent where it could not be measured.
    pub(crate) value: Option<f64>,
    pub(crate) unit: String,
    /// "none" where it is told for comparison.
    pub(crate) goal: String,
    pub(crate) ok: bool,
}

impl Figure {
    /// For people.
    pub(crate) fn line(&self) -> String {
        let value = self.value.map_or_else(|| "-".to_owned(), |value| format!("{value}"));
        let goal = if self.goal == "none" { "" } else { &self.goal };
        let verdict = match (self.ok, goal.is_empty()) {
            (false, _) => "MISSED",
            (true, false) => "ok",
            (true, true) => "",
        };
        format!("{:44} {value:>10}  {:14} {goal:16} {verdict}", self.figure, self.unit)
            .trim_end()
            .to_owned()
    }
}

/// All of them for people, and what else is to be said.
pub(crate) fn table<'a>(figures: &[Figure], notes: impl Iterator<Item = &'a str>) -> String {
    let mut table = String::from("\nfigure                                            value  unit           goal\n");
    for figure in figures {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{}", figure.line());
    }
    for note in notes {
        let _ = writeln!(table, "{note}");
    }
    let missed = figures.iter().filter(|figure| !figure.ok).count();
    let _ = writeln!(table, "{} figures, {missed} miss their goal", figures.len());
    table
}

/// As a list in a file.
pub(crate) fn write(figures: &[Figure], file: &Path) -> Result<(), String> {
    let json = serde_json::to_string_pretty(figures).map_err(|error| error.to_string())?;
    fs::write(file, json + "\n").map_err(|error| format!("{}: {error}", file.display()))
}
