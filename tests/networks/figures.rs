//! Measured results: one line of JSON each, for `cargo xtask networks`, and a pass line.

use std::io::Write;

/// Results of a scenario. Complains at the end about all that missed their goal.
#[derive(Default)]
pub(crate) struct Figures {
    missed: Vec<String>,
}

impl Figures {
    /// At least `goal`.
    pub(crate) fn at_least(&mut self, figure: &str, value: f64, unit: &str, goal: f64) {
        self.put(figure, value, unit, &format!(">= {goal}"), value >= goal);
    }

    pub(crate) fn at_most(&mut self, figure: &str, value: f64, unit: &str, goal: f64) {
        self.put(figure, value, unit, &format!("<= {goal}"), value <= goal);
    }

    /// For comparison: no goal.
    pub(crate) fn told(&mut self, figure: &str, value: f64, unit: &str) {
        self.put(figure, value, unit, "none", true);
    }

    fn put(&mut self, figure: &str, value: f64, unit: &str, goal: &str, ok: bool) {
        let line = format!(
            r#"{{"figure":"{figure}","value":{},"unit":"{unit}","goal":"{goal}","ok":{ok}}}"#,
            number(value)
        );
        println!("{line}");
        if let Some(path) = std::env::var_os("NETWORKS_FIGURES") {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap();
            // One write, so that lines of several runners do not mix.
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        if !ok {
            self.missed.push(line);
        }
    }

    /// Told but not yet held, by the begin of the name.
    pub(crate) fn hoped(&mut self, begin: &str) {
        self.missed.retain(|line| !line.contains(begin));
    }

    /// Held for the two seeds, told for the ten: the worst of more seeds misses it.
    pub(crate) fn hoped_of_ten(&mut self, begin: &str) {
        if is_full() {
            self.hoped(begin);
        }
    }

    pub(crate) fn check(self) {
        assert!(self.missed.is_empty(), "missed:\n{}", self.missed.join("\n"));
    }
}

/// How many seeds a scenario is run with.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    if is_full() { 1..11 } else { 1..3 }
}

fn is_full() -> bool {
    std::env::var_os("NETWORKS_FULL").is_some()
}

pub(crate) fn most(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

pub(crate) fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

/// Jain's fairness index: 1 is equal shares.
pub(crate) fn jain(rates: &[f64]) -> f64 {
    let (sum, squares): (f64, f64) = rates
        .iter()
        .fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
    sum * sum / (rates.len() as f64 * squares).max(1.0)
}

/// As JSON knows numbers: what never happened is a very large one.
fn number(value: f64) -> f64 {
    (value.clamp(-1e9, 1e9) * 1e3).round() / 1e3
}
