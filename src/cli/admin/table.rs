//! Answers as tables for people.

use serde_json::Value;

use super::Column;

/// One line for each entry of a list, with a heading; columns that are empty everywhere are left out.
pub(super) fn table(list: &Value, columns: &[Column]) -> String {
    let entries: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    if entries.is_empty() {
        return "none".to_owned();
    }
    let mut shown: Vec<Vec<String>> = Vec::new();
    for (heading, cell) in columns {
        let cells: Vec<String> = entries.iter().map(|entry| cell(entry)).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            shown.push(std::iter::once((*heading).to_owned()).chain(cells).collect());
        }
    }
    let width = |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = shown.iter().map(width).collect();
    let mut text = String::new();
    for row in 0..=entries.len() {
        let cells = shown.iter().zip(&widths);
        let line: String = cells
            .map(|(column, width)| format!("{:width$}  ", column[row]))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A value in a cell: nothing for what is not there, words joined for lists. What others wrote moves no cursor.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// How long a list is.
pub(super) fn count(value: &Value) -> String {
    value.as_array().map_or(0, Vec::len).to_string()
}

/// Seconds since 1970 as `2026-11-21 14:45:00` (UTC). Days to dates by the civil calendar of Howard Hinnant.
pub(super) fn time(unix_seconds: Option<u64>) -> String {
    let Some(seconds) = unix_seconds else {
        return String::new();
    };
    let (days, left) = (seconds / 86_400, seconds % 86_400);
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (
        day_of_year - (153 * shifted + 2) / 5 + 1,
        if shifted < 10 { shifted + 3 } else { shifted - 9 },
    );
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (left / 3_600, left / 60 % 60, left % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_as_wide_as_its_cells_and_leaves_out_what_nobody_has() {
        let columns: [Column; 3] = [
            ("ROOM", |one| text(&one["room"])),
            ("NOTE", |one| text(&one["note"])),
            ("N", |one| text(&one["n"])),
        ];
        let list = json!([{ "room": "a\u{1b}[2Jlong", "n": 1 }, { "room": "b", "n": 20 }]);
        assert_eq!(
            table(&list, &columns),
            "ROOM      N\na [2Jlong  1\nb          20\n".replace("ROOM      N", "ROOM       N")
        );
        assert_eq!(table(&json!([]), &columns), "none");
    }

    #[test]
    fn times_are_dates_of_our_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_272_300, "2026-11-21 14:45:00"),
        ] {
            assert_eq!(time(Some(seconds)), expected);
        }
    }
}
