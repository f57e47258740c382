//! As much of Helm as the chart uses: Go's templates, and a few of the functions that Helm adds to them.

use std::path::{Path, PathBuf};

use gotmpl::Value as Data;
use serde_json::{Value, json};

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/helm/enfilade")
}

/// What Kubernetes would be told for these values. Also written to `target/deploy/NAME.yaml`.
pub(crate) fn render(name: &str, values: Value) -> Vec<Value> {
    let text = |file: &str| std::fs::read_to_string(chart().join(file)).unwrap();
    let mut all: Value = yaml(&text("values.yaml"));
    merge(&mut all, values);
    let about: Value = yaml(&text("Chart.yaml"));
    let data = json!({
        "Values": all,
        "Release": {"Name": "meet", "Namespace": "default"},
        "Chart": {"Name": about["name"], "AppVersion": about["appVersion"], "Version": about["version"]},
    });
    let data = gotmpl::to_value(&data).unwrap();
    let helpers = text("templates/_helpers.tpl");
    let mut files: Vec<PathBuf> = std::fs::read_dir(chart().join("templates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    files.sort();
    let mut objects = Vec::new();
    let mut written = String::new();
    for file in files {
        let source = std::fs::read_to_string(&file).unwrap();
        let rendered = template(&helpers, &source, &data).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        if !rendered.trim().is_empty() {
            let object: Value = serde_norway::from_str(&rendered)
                .unwrap_or_else(|error| panic!("{}: {error}\n{rendered}", file.display()));
            objects.push(object);
            written += &format!("---\n{rendered}\n");
        }
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("deploy");
    std::fs::create_dir_all(&target).unwrap();
    std::fs::write(target.join(format!("{name}.yaml")), written).unwrap();
    objects
}

/// TOML as JSON.
pub(crate) fn value(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Value>(toml).unwrap()).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_norway::from_str(text).unwrap()
}

/// As Helm lays given values over those of the chart.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

fn template(helpers: &str, source: &str, data: &Data) -> gotmpl::Result<String> {
    let of_helpers = helpers.to_owned();
    functions(gotmpl::Template::new("chart"))
        .func("include", move |given| {
            let (name, data) = (plain(&given[0]), &given[1]);
            let call = format!("{of_helpers}{{{{ template \"{name}\" . }}}}");
            let text = functions(gotmpl::Template::new("include"))
                .parse(&call)?
                .execute_to_string(data)?;
            Ok(string(text.trim()))
        })
        .parse(&format!("{helpers}{source}"))?
        .execute_to_string(data)
}

fn functions(template: gotmpl::Template) -> gotmpl::Template {
    template
        .func("quote", |given| Ok(string(&format!("{:?}", plain(&given[0])))))
        .func("int", |given| Ok(Data::Int(number(&given[0]))))
        .func("add", |given| Ok(Data::Int(given.iter().map(number).sum())))
        .func("until", |given| {
            Ok(Data::List((0..number(&given[0])).map(Data::Int).collect()))
        })
        .func("contains", |given| {
            Ok(Data::Bool(plain(&given[1]).contains(&plain(&given[0]))))
        })
        .func("default", |given| {
            let given_one = plain(&given[1]);
            Ok(if given_one.is_empty() {
                given[0].clone()
            } else {
                given[1].clone()
            })
        })
        .func("nindent", |given| {
            let margin = " ".repeat(number(&given[0]) as usize);
            let text = plain(&given[1]);
            let lines = text.lines().map(|line| format!("\n{margin}{line}"));
            Ok(string(&lines.collect::<String>()))
        })
        .func("toYaml", |given| {
            let text = serde_norway::to_string(&as_json(&given[0])).unwrap_or_default();
            Ok(string(text.trim_end()))
        })
}

fn string(text: &str) -> Data {
    Data::String(text.into())
}

fn plain(value: &Data) -> String {
    value.to_string()
}

fn number(value: &Data) -> i64 {
    plain(value).parse().unwrap()
}

fn as_json(value: &Data) -> Value {
    match value {
        Data::Bool(value) => json!(value),
        Data::Int(value) => json!(value),
        Data::Uint(value) => json!(value),
        Data::Float(value) => json!(value),
        Data::List(values) => values.iter().map(as_json).collect(),
        Data::Map(values) => values
            .iter()
            .map(|(key, value)| (key.to_string(), as_json(value)))
            .collect(),
        Data::String(text) => json!(text),
        Data::Nil | Data::Function(_) => Value::Null,
    }
}
