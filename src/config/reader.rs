//! Typed reading of single values. A value that is not lawful is noted as a problem and read as a harmless stand-in, so
//! that one pass finds every problem; the stand-ins never leave `load`, which fails when there is a problem.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::layers::Layers;
use super::problem::Problem;
use super::units::{parse_duration, parse_size, show_duration, show_size};

/// Reads values and gathers problems.
pub(super) struct Reader<'a> {
    pub(super) layers: &'a Layers,
    pub(super) problems: &'a mut Vec<Problem>,
}

/// Whether the value of a key is never shown.
pub(super) fn is_secret(key: &str) -> bool {
    ["keys", "turn.secret", "webhooks.secret", "records.postgres"].contains(&key)
}

impl Reader<'_> {
    /// Text that `accept` takes; `expected` says which that is.
    pub(super) fn text<T>(&mut self, key: &str, stand_in: T, expected: &str, accept: impl Fn(&str) -> Option<T>) -> T {
        match self.layers.entry(key).value.as_str().and_then(accept) {
            Some(value) => value,
            None => self.refuse(key, expected, stand_in),
        }
    }

    /// One word of a list.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let find = |text: &str| choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        self.text(key, choices[0].1, &format!("expected {}", words.join(" or ")), find)
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.layers.entry(key).value.as_bool() {
            Some(value) => value,
            None => self.refuse(key, "expected true or false", false),
        }
    }

    pub(super) fn count<T: TryFrom<i64> + Copy + Into<u64>>(&mut self, key: &str, range: RangeInclusive<T>) -> T {
        let (low, high) = (*range.start(), *range.end());
        let lawful = |number: &T| ((low.into())..=(high.into())).contains(&(*number).into());
        match self
            .layers
            .entry(key)
            .value
            .as_integer()
            .and_then(|number| T::try_from(number).ok())
            .filter(lawful)
        {
            Some(value) => value,
            None => {
                let expected = format!("expected a whole number from {} to {}", low.into(), high.into());
                self.refuse(key, &expected, low)
            }
        }
    }

    pub(super) fn duration(&mut self, key: &str, range: RangeInclusive<Duration>) -> Duration {
        let (low, high) = (show_duration(*range.start()), show_duration(*range.end()));
        let expected =
            format!("expected a duration from {low} to {high}, written like \"500ms\", \"10s\", \"5m\" or \"1h\"");
        self.text(key, *range.start(), &expected, |text| {
            parse_duration(text).filter(|value| range.contains(value))
        })
    }

    /// Bytes, as a number or as text with a unit.
    pub(super) fn size(&mut self, key: &str, range: RangeInclusive<usize>) -> usize {
        let bytes = match &self.layers.entry(key).value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => parse_size(text),
            Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
        };
        match bytes
            .and_then(|bytes| usize::try_from(bytes).ok())
            .filter(|bytes| range.contains(bytes))
        {
            Some(bytes) => bytes,
            None => {
                let (low, high) = (show_size(*range.start() as u64), show_size(*range.end() as u64));
                let expected = format!("expected a size from {low} to {high}, a number of bytes or like \"16KiB\"");
                self.refuse(key, &expected, *range.start())
            }
        }
    }

    pub(super) fn socket_address(&mut self, key: &str) -> SocketAddr {
        let expected = "expected an address and a port, like \"127.0.0.1:7880\" or \"[::]:7880\"";
        self.text(key, SocketAddr::from(([0; 4], 0)), expected, |text| text.parse().ok())
    }

    pub(super) fn address(&mut self, key: &str) -> IpAddr {
        let expected = "expected an address, like \"0.0.0.0\", \"::\" or \"203.0.113.7\"";
        self.text(key, IpAddr::from([0; 4]), expected, |text| text.parse().ok())
    }

    /// A list of text, every entry taken by `accept`.
    pub(super) fn list<T>(&mut self, key: &str, expected: &str, accept: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let entries = self.layers.entry(key).value.as_array();
        match entries.and_then(|list| list.iter().map(|entry| entry.as_str().and_then(&accept)).collect()) {
            Some(list) => list,
            None => self.refuse(key, expected, Vec::new()),
        }
    }

    /// Notes that the value of `key` is not lawful, and answers the stand-in.
    pub(super) fn refuse<T>(&mut self, key: &str, expected: &str, stand_in: T) -> T {
        let entry = self.layers.entry(key);
        let value = if is_secret(key) {
            "[redacted]".to_owned()
        } else {
            entry.value.to_string()
        };
        self.problems.push(Problem {
            key: key.to_owned(),
            value: Some(value),
            origin: entry.origin.clone(),
            expected: expected.to_owned(),
        });
        stand_in
    }
}
