//! A report as people read it: one line for each figure.

use std::fmt::Write;

use serde_json::Value;

/// Names are joined by dots, values stand in one column; lists are counted.
pub(crate) fn table(report: &Value) -> String {
    let mut rows = Vec::new();
    flatten(String::new(), report, &mut rows);
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut text, (name, value)| {
        let _infallible = writeln!(text, "{name:width$}  {value}");
        text
    })
}

fn flatten(name: String, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let dot = if name.is_empty() { "" } else { "." };
                flatten(format!("{name}{dot}{field}"), value, rows);
            }
        }
        Value::Null => {}
        Value::Array(list) => rows.push((name, format!("{} entries", list.len()))),
        Value::Number(number) if number.is_f64() => {
            rows.push((name, format!("{:.3}", number.as_f64().unwrap_or_default())));
        }
        Value::String(text) => rows.push((name, text.clone())),
        Value::Bool(_) | Value::Number(_) => rows.push((name, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_figure_has_a_line_and_the_values_stand_in_one_column() {
        let report = json!({
            "valid": true,
            "server": {"cpuSeconds": 1.23456, "residentMiB": 12},
            "steps": [1, 2],
            "nothing": null,
        });
        let lines = "server.cpuSeconds   1.235\nserver.residentMiB  12\nsteps               2 entries\nvalid               true\n";
        assert_eq!(table(&report), lines);
    }
}
