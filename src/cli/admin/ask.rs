//! Asks a server over its REST, with a token that lives for a minute.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::{Value, json};
use url::Url;

use super::connect::{Connector, Response};
use crate::api::token::{Permissions, TokenRequest, issue};
use crate::cli::commands::signing_key;
use crate::config::{Config, Sources, load};

const TOKEN_TTL: Duration = Duration::from_secs(60);

/// A server and the right to ask it.
pub(super) struct Asking {
    connector: Connector,
    base: Url,
    token: String,
}

impl Asking {
    pub(super) fn new(
        sources: &Sources,
        server: Option<&str>,
        ca: Option<&Path>,
        key: Option<&str>,
    ) -> anyhow::Result<Self> {
        let config = load(sources)?.config;
        let request = TokenRequest {
            permissions: Permissions::from_words(["allow_mod"]),
            ttl: TOKEN_TTL,
            rest_only: true,
            ..TokenRequest::default()
        };
        let token = issue(signing_key(&config, key)?, &request, SystemTime::now())?;
        let base = match server {
            Some(server) => Url::parse(server).with_context(|| format!("--server {server}"))?,
            None => own_url(&config)?,
        };
        if base.cannot_be_a_base() {
            bail!("--server {base}: expected a URL like https://meet.example.org");
        }
        Ok(Self {
            connector: Connector::new(ca)?,
            base,
            token,
        })
    }

    pub(super) async fn get<S: AsRef<str>>(&self, path: &[S]) -> anyhow::Result<Value> {
        self.ask(Method::GET, self.url(path)?, Value::Null).await
    }

    pub(super) async fn delete<S: AsRef<str>>(&self, path: &[S]) -> anyhow::Result<Value> {
        self.ask(Method::DELETE, self.url(path)?, Value::Null).await
    }

    pub(super) async fn post<S: AsRef<str>>(&self, path: &[S], body: Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, self.url(path)?, body).await
    }

    /// All rooms, however many pages they are.
    pub(super) async fn pages(&self) -> anyhow::Result<Value> {
        let mut rooms: Vec<Value> = Vec::new();
        // Nodes that did not answer.
        let mut silent: BTreeSet<String> = BTreeSet::new();
        let mut after: Option<String> = None;
        loop {
            let mut url = self.url(&["v1", "rooms"])?;
            if let Some(after) = &after {
                url.query_pairs_mut().append_pair("after", after);
            }
            let page = self.ask(Method::GET, url, Value::Null).await?;
            rooms.extend(page["rooms"].as_array().into_iter().flatten().cloned());
            let unanswered = page["unanswered"].as_array().into_iter().flatten();
            silent.extend(unanswered.filter_map(Value::as_str).map(str::to_owned));
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(json!({ "rooms": rooms, "unanswered": silent }));
            }
        }
    }

    /// Below whatever path the server is at; each part may hold anything.
    fn url<S: AsRef<str>>(&self, path: &[S]) -> anyhow::Result<Url> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.pop_if_empty().extend(path);
            }
            Err(()) => bail!("{} cannot be asked", self.base),
        }
        Ok(url)
    }

    async fn ask(&self, method: Method, url: Url, body: Value) -> anyhow::Result<Value> {
        let body = if body.is_null() {
            Vec::new()
        } else {
            serde_json::to_vec(&body)?
        };
        let asked = self.connector.ask(method, &url, &self.token, body).await;
        let Response { status, body } = asked.with_context(|| format!("{} cannot be asked", self.base))?;
        let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(answer);
        }
        if let Some(problems) = answer["problems"].as_array() {
            let lines: Vec<String> = problems.iter().map(super::text).collect();
            bail!("the configuration is refused:\n  {}", lines.join("\n  "));
        }
        match (answer["code"].as_str(), answer["detail"].as_str()) {
            (Some(code), Some(detail)) => bail!("{code}: {detail}"),
            (Some(_), None) | (None, _) => bail!("the server says {status}"),
        }
    }
}

/// Where the server of this configuration is, seen from its own machine.
fn own_url(config: &Config) -> anyhow::Result<Url> {
    let listen = config.http.listen;
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    Url::parse(&format!("{scheme}://{}", SocketAddr::new(ip, listen.port()))).context("http.listen")
}
