//! The overlay: which value of each key wins, and where it came from. Knows keys, not meanings.

use std::collections::BTreeMap;
use std::path::Path;

use toml::{Table, Value};

use super::problem::{Origin, Problem};
use super::reader::is_secret;
use super::{DEFAULT_TOML, Sources};
use crate::api::token::Key;

const PREFIX: &str = "ENFILADE_";
/// Names the file; not a key.
const FILE_VARIABLE: &str = "ENFILADE_CONFIG";

/// The value in force of every key, by `section.key`. The keys are those of the embedded defaults: no layer can add one.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    entries: BTreeMap<String, Entry>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

impl Layers {
    pub(super) fn overlay(sources: &Sources, problems: &mut Vec<Problem>) -> Layers {
        let defaults: Table = DEFAULT_TOML
            .parse()
            .expect("the embedded defaults are tested to be TOML");
        let mut entries = BTreeMap::new();
        for (key, value) in flatten(defaults) {
            entries.insert(
                key,
                Entry {
                    value,
                    origin: Origin::Default,
                },
            );
        }
        let mut layers = Layers { entries };
        if let Some(path) = &sources.file {
            layers.add_file(path, problems);
        }
        for (name, text) in &sources.environment {
            if let Some(key) = key_of_variable(name) {
                layers.add_text(&key, text, Origin::Environment(name.clone()), problems);
            }
        }
        for (key, text) in &sources.flags {
            layers.add_text(key, text, Origin::Flag, problems);
        }
        layers
    }

    /// The value of a key of the embedded defaults.
    pub(super) fn entry(&self, key: &str) -> &Entry {
        self.entries
            .get(key)
            .expect("every key that is read has a default, held by a test")
    }

    /// Keys whose values are others there, sorted.
    pub(super) fn differences(&self, other: &Layers) -> Vec<String> {
        let differs = |(key, entry): (&String, &Entry)| {
            (other.entries.get(key).map(|there| &there.value) != Some(&entry.value)).then(|| key.clone())
        };
        self.entries.iter().filter_map(differs).collect()
    }

    /// All keys, sorted.
    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    fn add_file(&mut self, path: &Path, problems: &mut Vec<Problem>) {
        match read_table(path) {
            Ok(table) => {
                for (key, value) in flatten(table) {
                    self.set(&key, value, Origin::File(path.to_owned()), problems);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }

    /// A value that arrived as text takes the type its default has; text that cannot is left for the reader to refuse.
    fn add_text(&mut self, key: &str, text: &str, origin: Origin, problems: &mut Vec<Problem>) {
        let default = self.entries.get(key).map(|entry| &entry.value);
        let typed = match default {
            Some(Value::Boolean(_)) => text.parse().ok().map(Value::Boolean),
            Some(Value::Integer(_)) => text.parse().ok().map(Value::Integer),
            Some(Value::Array(_)) => format!("list = {text}")
                .parse::<Table>()
                .ok()
                .and_then(|mut table| table.remove("list")),
            Some(Value::String(_) | Value::Float(_) | Value::Datetime(_) | Value::Table(_)) | None => None,
        };
        self.set(
            key,
            typed.unwrap_or_else(|| Value::String(text.to_owned())),
            origin,
            problems,
        );
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin, problems: &mut Vec<Problem>) {
        match self.entries.get_mut(key) {
            Some(entry) => *entry = Entry { value, origin },
            None => problems.push(Problem {
                key: key.to_owned(),
                value: None,
                origin,
                expected: format!("there is no such key; {}", self.neighbours(key)),
            }),
        }
    }

    /// The keys that stand where the unknown one was looked for.
    fn neighbours(&self, key: &str) -> String {
        let section = key.split_once('.').map_or("", |(section, _)| section);
        let beside = |section: &str| -> Vec<&str> {
            let of_section = |known: &&str| known.split_once('.').map_or("", |(of, _)| of) == section;
            self.entries.keys().map(String::as_str).filter(of_section).collect()
        };
        match beside(section).as_slice() {
            [] => format!("the keys outside sections are {}", beside("").join(", ")),
            keys if section.is_empty() => format!("the keys outside sections are {}", keys.join(", ")),
            keys => format!("the keys of [{section}] are {}", keys.join(", ")),
        }
    }

    /// The values in force, keys outside sections first, `keys` last and without their secrets.
    pub(super) fn to_toml(&self, keys: &[Key]) -> String {
        let mut text = String::new();
        let mut in_section = "";
        let (outside, inside): (Vec<_>, Vec<_>) = self.entries.iter().partition(|(key, _)| !key.contains('.'));
        for (key, entry) in outside.into_iter().chain(inside).filter(|(key, _)| *key != "keys") {
            let (section, name) = key.split_once('.').unwrap_or(("", key));
            if section != in_section {
                text.push_str(&format!("\n[{section}]\n"));
                in_section = section;
            }
            let is_empty = entry.value.as_str() == Some("");
            let shown = if is_secret(key) && !is_empty {
                "\"[redacted]\"".to_owned()
            } else {
                entry.value.to_string()
            };
            text.push_str(&format!("{name} = {shown}  # {}\n", entry.origin));
        }
        for key in keys {
            let id = Value::String(key.id.clone());
            text.push_str(&format!(
                "\n[[keys]]  # {}\nid = {id}\nsecret = \"[redacted]\"\n",
                self.entry("keys").origin
            ));
        }
        text
    }
}

/// Reads a TOML file. The problem never quotes the file, which may hold secrets.
pub(super) fn read_table(path: &Path) -> Result<Table, Problem> {
    let problem = |expected: String| Problem {
        key: String::new(),
        value: None,
        origin: Origin::File(path.to_owned()),
        expected,
    };
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    text.parse::<Table>().map_err(|error| {
        let line = error
            .span()
            .map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        problem(format!("is not TOML: line {line}: {}", error.message()))
    })
}

/// `{http: {listen: ..}}` becomes `http.listen`; lists stay whole.
fn flatten(table: Table) -> Vec<(String, Value)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(section) => {
                flat.extend(
                    section
                        .into_iter()
                        .map(|(name, value)| (format!("{key}.{name}"), value)),
                );
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => flat.push((key, value)),
        }
    }
    flat
}

/// `ENFILADE_HTTP__LISTEN` names `http.listen`. `None` for variables that are not ours.
fn key_of_variable(name: &str) -> Option<String> {
    let rest = name.strip_prefix(PREFIX)?;
    // Kubernetes describes a service called "enfilade" to every pod beside it by variables of this form.
    let of_kubernetes = rest.ends_with("SERVICE_HOST") || rest.contains("SERVICE_PORT") || rest.starts_with("PORT");
    if name == FILE_VARIABLE || (of_kubernetes && !rest.contains("__")) {
        return None;
    }
    Some(rest.to_ascii_lowercase().replacen("__", ".", 1))
}
