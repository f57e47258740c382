//! What passed, what failed, what was skipped and why.

use std::fmt::Write;
use std::time::Duration;

use crate::process::Finished;

/// What came of a step. A step that is not made of tests counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Of the skipped those that may be, on CI too.
    pub(crate) excused: u64,
    /// Sentences for the summary: why something was skipped, what was done less than fully.
    pub(crate) notes: Vec<String>,
}

impl Outcome {
    /// One check: the program's exit status is its verdict.
    pub(crate) fn check(finished: &Finished) -> Outcome {
        Outcome {
            passed: u64::from(finished.success),
            failed: u64::from(!finished.success),
            ..Outcome::default()
        }
    }

    pub(crate) fn failed(why: impl Into<String>) -> Outcome {
        Outcome {
            failed: 1,
            notes: vec![why.into()],
            ..Outcome::default()
        }
    }

    pub(crate) fn skipped(why: impl Into<String>) -> Outcome {
        Outcome {
            skipped: 1,
            notes: vec![format!("skipped: {}", why.into())],
            ..Outcome::default()
        }
    }

    /// Totals read from what a test runner said. A runner that failed without a failed test, or that ran nothing,
    /// has failed.
    pub(crate) fn counted(mut self, finished: &Finished) -> Outcome {
        if !finished.success && self.failed == 0 {
            self.failed = 1;
            self.notes.push("the runner itself failed".to_owned());
        }
        if self.passed + self.failed + self.skipped == 0 {
            self.failed = 1;
            self.notes.push("no test was run".to_owned());
        }
        if self.skipped > self.excused {
            let unexcused = self.skipped - self.excused;
            self.notes
                .push(format!("{unexcused} skipped by the runner (ignored tests)"));
        }
        self
    }

    pub(crate) fn and(mut self, other: Outcome) -> Outcome {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.excused += other.excused;
        self.notes.extend(other.notes);
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Outcome {
        self.notes.push(note.into());
        self
    }
}

/// All steps.
#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(&'static str, Duration, Outcome)>,
}

impl Report {
    pub(crate) fn add(&mut self, step: &'static str, took: Duration, outcome: Outcome) {
        self.rows.push((step, took, outcome));
    }

    fn totals(&self) -> Outcome {
        self.rows
            .iter()
            .fold(Outcome::default(), |sum, (_, _, outcome)| sum.and(outcome.clone()))
    }

    /// Nothing failed; and on CI nothing was skipped that may not be.
    pub(crate) fn is_success(&self, ci: bool) -> bool {
        let totals = self.totals();
        totals.failed == 0 && (totals.skipped == totals.excused || !ci) && totals.passed > 0
    }

    pub(crate) fn table(&self, ci: bool) -> String {
        let mut table = format!(
            "\n{:10} {:>8} {:>7} {:>7} {:>8}  {}\n",
            "step", "passed", "failed", "skipped", "time", ""
        );
        let total: Duration = self.rows.iter().map(|(_, took, _)| *took).sum();
        let totals = self.totals();
        for (step, took, outcome) in self
            .rows
            .iter()
            .map(|(step, took, outcome)| (*step, *took, outcome))
            .chain([("total", total, &totals)])
        {
            let verdict = match (outcome.failed, outcome.skipped - outcome.excused) {
                (0, 0) if outcome.excused > 0 => "ok, but for what may be skipped",
                (0, 0) => "ok",
                (0, _) if ci => "SKIPPED, which CI does not allow",
                (0, _) => "skipped in part or whole",
                (_, _) => "FAILED",
            };
            let Outcome {
                passed,
                failed,
                skipped,
                ..
            } = outcome;
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "{step:10} {passed:>8} {failed:>7} {skipped:>7} {:>6} s  {verdict}",
                took.as_secs()
            );
        }
        for (step, _, outcome) in &self.rows {
            for note in &outcome.notes {
                let _ = writeln!(table, "{step}: {note}");
            }
        }
        table.push('\n');
        table
    }

    /// `N passed, N failed, N skipped`.
    pub(crate) fn last_line(&self) -> String {
        let totals = self.totals();
        format!(
            "{} passed, {} failed, {} skipped",
            totals.passed, totals.failed, totals.skipped
        )
    }
}

/// Sums the lines `test result: ok. 31 passed; 0 failed; 2 ignored; ...` of Rust's test runner.
pub(crate) fn libtest_totals(text: &str) -> Outcome {
    let mut totals = Outcome::default();
    for line in text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("test result: "))
    {
        totals.passed += number_before(line, "passed");
        totals.failed += number_before(line, "failed");
        totals.skipped += number_before(line, "ignored");
    }
    totals
}

/// What the one test is called that may be skipped everywhere, where it is: tests/browser/documents.test.js. Those documents
/// are no part of the project.
const EXCUSED_NAME: &str = "SKIPPED, AS IT MAY BE: the code blocks of the documents";

/// Reads the summary of Node's test runner in either of its forms: `# pass 5` and `\u{2139} pass 5`.
pub(crate) fn node_totals(text: &str) -> Outcome {
    let mut totals = Outcome::default();
    for line in text.lines() {
        let Some(words) = line.strip_prefix("# ").or_else(|| line.strip_prefix("\u{2139} ")) else {
            continue;
        };
        let Some((word, number)) = words.split_once(' ') else {
            continue;
        };
        let Ok(number) = number.trim().parse::<u64>() else {
            continue;
        };
        match word {
            "pass" => totals.passed += number,
            "fail" | "cancelled" => totals.failed += number,
            "skipped" | "todo" => totals.skipped += number,
            _ => {}
        }
    }
    if let (Some(start), true) = (text.find(EXCUSED_NAME), totals.skipped > 0) {
        totals.excused = 1;
        let line = text[start..].lines().next().unwrap_or_default();
        totals.notes.push(line.to_owned());
    }
    totals
}

/// Reads the last line of pytest: `=== 2 failed, 5 passed, 1 skipped in 3.21s ===`.
pub(crate) fn pytest_totals(text: &str) -> Outcome {
    let is_summary = |line: &&str| {
        line.contains(" in ")
            && ["passed", "failed", "skipped", "error"]
                .iter()
                .any(|word| line.contains(word))
    };
    let line = text.lines().rev().find(is_summary).unwrap_or_default();
    Outcome {
        passed: number_before(line, "passed"),
        failed: number_before(line, "failed") + number_before(line, "error") + number_before(line, "errors"),
        skipped: number_before(line, "skipped") + number_before(line, "xfailed"),
        ..Outcome::default()
    }
}

fn number_before(line: &str, word: &str) -> u64 {
    let words: Vec<&str> = line
        .split([' ', ',', ';', '=', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    let number = words
        .windows(2)
        .find(|pair| pair[1] == word)
        .and_then(|pair| pair[0].parse().ok());
    number.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(success: bool) -> Finished {
        Finished {
            success,
            text: String::new(),
        }
    }

    fn numbers(outcome: &Outcome) -> (u64, u64, u64) {
        (outcome.passed, outcome.failed, outcome.skipped)
    }

    #[test]
    fn runners_are_understood() {
        let rust = "test a ... ok\ntest result: ok. 31 passed; 0 failed; 2 ignored; 0 measured; 9 filtered out; finished in 0.02s\n\
                    test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.02s\n";
        assert_eq!(numbers(&libtest_totals(rust)), (32, 3, 2));
        let tap = "# tests 8\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n# duration_ms 3\n";
        assert_eq!(numbers(&node_totals(tap)), (5, 2, 1));
        assert_eq!(numbers(&node_totals(&tap.replace("# ", "\u{2139} "))), (5, 2, 1));
        assert_eq!(
            numbers(&pytest_totals(
                "x passed\n===== 2 failed, 5 passed, 1 skipped in 3.21s =====\n"
            )),
            (5, 2, 1)
        );
        assert_eq!(numbers(&pytest_totals("1 passed, 1 error in 0.10s\n")), (1, 1, 0));
    }

    #[test]
    fn a_runner_that_says_nothing_has_failed() {
        assert_eq!(
            numbers(&libtest_totals("error: could not compile").counted(&finished(false))),
            (0, 1, 0)
        );
        assert_eq!(numbers(&libtest_totals("").counted(&finished(true))), (0, 1, 0));
        let all_well = libtest_totals("test result: ok. 1 passed; 0 failed; 0 ignored;");
        assert_eq!(numbers(&all_well.clone().counted(&finished(true))), (1, 0, 0));
        assert_eq!(numbers(&all_well.counted(&finished(false))), (1, 1, 0));
    }

    #[test]
    fn skipping_fails_on_ci_only() {
        let mut report = Report::default();
        report.add("one", Duration::ZERO, Outcome::check(&finished(true)));
        assert!(report.is_success(true));
        report.add("two", Duration::ZERO, Outcome::skipped("there is no browser"));
        assert!(report.is_success(false) && !report.is_success(true));
        assert!(report.table(true).contains("two: skipped: there is no browser"));
        assert_eq!(report.last_line(), "1 passed, 0 failed, 1 skipped");
        report.add("three", Duration::ZERO, Outcome::failed("broken"));
        assert!(!report.is_success(false));
    }

    #[test]
    fn documents_that_are_absent_may_be_skipped_on_ci_and_the_summary_says_so() {
        let tap = "ok 3 - SKIPPED, AS IT MAY BE: the code blocks of the documents; there are none # SKIP none\n\
                   # pass 5\n# fail 0\n# cancelled 0\n# skipped 1\n# todo 0\n";
        let mut report = Report::default();
        report.add("browser", Duration::ZERO, node_totals(tap).counted(&finished(true)));
        assert!(report.is_success(true));
        assert!(report.table(true).contains("ok, but for what may be skipped"));
        assert!(
            report
                .table(true)
                .contains("browser: SKIPPED, AS IT MAY BE: the code blocks of the documents; there are none")
        );
        let two = tap.replace("# skipped 1", "# skipped 2");
        report.add("more", Duration::ZERO, node_totals(&two).counted(&finished(true)));
        assert!(!report.is_success(true), "that excuses no other test");
        assert!(report.table(true).contains("more: 1 skipped by the runner"));
    }
}
