//! What the subcommands do.

use std::io::{IsTerminal, Write};
use std::time::SystemTime;

use anyhow::{Context, bail};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, reload};

use super::TokenArgs;
use crate::api::token::{Key, Permissions, TokenRequest, issue};
use crate::config::{Config, LogConfig, LogFormat, Sources, load};
use crate::node::{Configuration, SetLog};

pub(super) fn serve(sources: &Sources) -> anyhow::Result<()> {
    let loaded = load(sources)?;
    let set_log = start_logging(&loaded.config.log)?;
    let config = &loaded.config;
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let sources = sources.clone();
    let configuration = Configuration::new(loaded, Box::new(move || load(&sources)), set_log);
    runtime.block_on(crate::node::serve(configuration))
}

pub(super) fn token(args: &TokenArgs, sources: &Sources) -> anyhow::Result<()> {
    let config = load(sources)?.config;
    let key = signing_key(&config, args.key.as_deref())?;
    let words = if args.admin {
        vec!["allow_mod"]
    } else if args.permissions.is_empty() {
        vec!["allow_join"]
    } else {
        args.permissions.iter().map(String::as_str).collect()
    };
    let request = TokenRequest {
        room: args.room.clone(),
        participant: args.participant.clone(),
        permissions: Permissions::from_words(words),
        ttl: args.ttl,
        token_id: None,
        rest_only: args.admin,
    };
    print_line(&issue(key, &request, SystemTime::now())?)
}

pub(super) fn check(sources: &Sources) -> anyhow::Result<()> {
    let config = load(sources)?.config;
    for warning in config.warnings() {
        eprintln!("enfilade: warning: {warning}");
    }
    print_line(&format!("the configuration is lawful (mode {})", config.mode.as_str()))
}

pub(super) fn print(sources: &Sources) -> anyhow::Result<()> {
    print_line(load(sources)?.to_toml().trim_end())
}

/// The named key; without a name the only one.
pub(super) fn signing_key<'a>(config: &'a Config, id: Option<&str>) -> anyhow::Result<&'a Key> {
    let ids = || {
        config
            .keys
            .iter()
            .map(|key| key.id.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match (id, config.keys.as_slice()) {
        (None, [key]) => Ok(key),
        (None, _) => bail!("several keys are configured; choose one by --key: {}", ids()),
        (Some(id), keys) => match keys.iter().find(|key| key.id == id) {
            Some(key) => Ok(key),
            None => bail!("there is no key {id:?}; the keys are {}", ids()),
        },
    }
}

/// Libraries that write below `info` what crosses the wire: tokens and passwords among it.
const INDISCREET: [&str; 5] = ["tungstenite", "tokio_tungstenite", "hyper", "h2", "async_nats"];

fn filter_of(log: &LogConfig) -> anyhow::Result<EnvFilter> {
    let filter = EnvFilter::builder().parse(&log.filter).context("log.filter")?;
    INDISCREET.iter().try_fold(filter, |filter, library| {
        let directive = format!("{library}=info").parse().context("log.filter")?;
        anyhow::Ok(filter.add_directive(directive))
    })
}

/// Logs go to standard error: standard output belongs to what a command was asked for. Answers the way to change the filter.
fn start_logging(log: &LogConfig) -> anyhow::Result<SetLog> {
    let (filter, handle) = reload::Layer::new(filter_of(log)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match log.format {
        LogFormat::Text => registry
            .with(lines.with_ansi(std::io::stderr().is_terminal()))
            .try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot be started: {error}"))?;
    Ok(Box::new(move |log| {
        let filter = filter_of(log).map_err(|error| format!("{error:#}"))?;
        handle.reload(filter).map_err(|error| error.to_string())
    }))
}

/// A reader that went away, such as `head`, is no error of ours.
pub(super) fn print_line(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("standard output"),
        Ok(()) | Err(_) => Ok(()),
    }
}
