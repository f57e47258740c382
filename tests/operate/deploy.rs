//! What operators take from `deploy/` speaks of metrics that there are.

use std::collections::BTreeSet;
use std::path::Path;

/// Words that begin as our metrics do.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = text.split(|c| !is_word(c)).filter(|word| word.starts_with("enfilade_"));
    let bare = |word: &str| {
        let of_histogram = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| word.strip_suffix(end));
        of_histogram.unwrap_or(word).to_owned()
    };
    words.map(bare).collect()
}

fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
    text
}

#[test]
fn alerts_and_dashboard_name_metrics_that_the_server_has() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let known = metrics_in(&sources(&root.join("src")));
    for (file, fewest) in [
        ("deploy/prometheus/alerts.yml", 7),
        ("deploy/prometheus/upkeep.yml", 4),
        ("deploy/grafana/enfilade.json", 20),
    ] {
        let named = metrics_in(&std::fs::read_to_string(root.join(file)).unwrap());
        assert!(named.len() >= fewest, "{file}: {named:?}");
        let unknown: Vec<&String> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names what is not counted: {unknown:?}");
    }
    let dashboard = std::fs::read_to_string(root.join("deploy/grafana/enfilade.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 5);
}
