//! `[records]` and `[webhooks]`: what is kept, and who is told.

use std::path::Path;

use super::{Mode, Secret, count, hours, secs};
use crate::config::reader::Reader;
use crate::node::{check_endpoint, read_signing_key};
use crate::records::{PostgresConfig, PostgresUrl, RecordsConfig, WebhookKey, WebhookSecret, WebhooksConfig};

pub(super) fn records(reader: &mut Reader<'_>) -> RecordsConfig {
    let directory = reader.text(
        "records.directory",
        String::new(),
        "expected an absolute path like \"/var/lib/enfilade\", or nothing",
        |text| (text.is_empty() || Path::new(text).is_absolute()).then(|| text.to_owned()),
    );
    RecordsConfig {
        directory: (!directory.is_empty()).then(|| directory.into()),
        retention: reader.duration("records.retention", secs(60)..=hours(24 * 3_660)),
        max_sessions: count(reader, "records.max_sessions", 1, 100_000_000),
        max_rooms: count(reader, "records.max_rooms", 1, 100_000_000),
        postgres: postgres(reader),
    }
}

fn postgres(reader: &mut Reader<'_>) -> Option<PostgresConfig> {
    let problems_before = reader.problems.len();
    let (key, file_key) = ("records.postgres", "records.postgres_file");
    let text = text_or_file(reader, key, file_key);
    let any = |text: &str| Some(text.to_owned());
    let authorities = reader.text("records.postgres_ca_file", String::new(), "expected text", any);
    if let Err(error) = (!authorities.is_empty())
        .then(|| std::fs::read(&authorities))
        .transpose()
    {
        let expected = format!("expected a file that can be read: {error}");
        reader.refuse("records.postgres_ca_file", &expected, ());
    }
    let node = reader.text("cluster.name", String::new(), "expected text", any);
    if text.is_empty() || reader.problems.len() > problems_before {
        return None;
    }
    let at = if reader.layers.entry(file_key).value.as_str() == Some("") {
        key
    } else {
        file_key
    };
    match PostgresUrl::new(&text) {
        Ok(url) => Some(PostgresConfig {
            url,
            authorities: (!authorities.is_empty()).then(|| authorities.into()),
            node,
        }),
        Err(error) => {
            let expected = format!("expected a URL like \"postgres://user:password@host/database\": {error}");
            reader.refuse(at, &expected, None)
        }
    }
}

pub(super) fn webhooks(reader: &mut Reader<'_>, mode: Mode) -> WebhooksConfig {
    let endpoints = reader.list(
        "webhooks.endpoints",
        "expected a list of URLs like [\"https://app.example.org/hooks\"]",
        |text| check_endpoint(text, true).is_ok().then(|| text.to_owned()),
    );
    let secret = text_or_file(reader, "webhooks.secret", "webhooks.secret_file");
    let lawful = (Secret::LEN_MIN..=Secret::LEN_MAX).contains(&secret.len());
    if !secret.is_empty() && !lawful {
        let expected = format!("expected nothing, or {} to {} bytes", Secret::LEN_MIN, Secret::LEN_MAX);
        let of_file = reader.layers.entry("webhooks.secret").value.as_str() == Some("");
        let key = if of_file {
            "webhooks.secret_file"
        } else {
            "webhooks.secret"
        };
        reader.refuse(key, &expected, ());
    }
    let signing_key = signing_key(reader);
    let allow = reader.choice(
        "webhooks.allow_private",
        &[("auto", None), ("on", Some(true)), ("off", Some(false))],
    );
    WebhooksConfig {
        endpoints,
        secret: lawful.then(|| WebhookSecret::new(secret)),
        signing_key,
        allow_private: allow.unwrap_or(mode == Mode::Development),
        max_waiting: count(reader, "webhooks.max_waiting", 1, 10_000_000),
        retry_for: reader.duration("webhooks.retry_for", secs(60)..=hours(24 * 30)),
        timeout: reader.duration("webhooks.timeout", secs(1)..=secs(60)),
    }
}

fn signing_key(reader: &mut Reader<'_>) -> Option<WebhookKey> {
    let key = "webhooks.signing_key_file";
    let any = |text: &str| Some(text.to_owned());
    let file = reader.text(key, String::new(), "expected the path of a file, or nothing", any);
    if file.is_empty() {
        return None;
    }
    let read = std::fs::read(&file).map_err(|error| error.to_string());
    match read.and_then(|pem| read_signing_key(&pem).map_err(str::to_owned)) {
        Ok(key) => Some(key),
        Err(error) => {
            let expected = format!("expected a file with the key pair that signs, RSA in PKCS #8 and PEM: {error}");
            reader.refuse(key, &expected, None)
        }
    }
}

/// Text, or what a file holds in its place, without the end of its last line.
pub(super) fn text_or_file(reader: &mut Reader<'_>, key: &str, file_key: &str) -> String {
    let any = |text: &str| Some(text.to_owned());
    let text = reader.text(key, String::new(), "expected text", any);
    let expected = "expected the path of a file, or nothing";
    let file = reader.text(file_key, String::new(), expected, any);
    if file.is_empty() {
        return text;
    }
    if !text.is_empty() {
        reader.refuse(file_key, &format!("expected nothing, because {key} is given"), ());
    }
    match std::fs::read_to_string(&file) {
        Ok(text) if text.trim().is_empty() => {
            reader.refuse(file_key, "expected a file that is not empty", String::new())
        }
        Ok(text) => text.trim_end_matches(['\r', '\n']).to_owned(),
        Err(error) => reader.refuse(
            file_key,
            &format!("expected a file that can be read: {error}"),
            String::new(),
        ),
    }
}
