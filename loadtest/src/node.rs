//! The node under load, and people who have a signalling socket and nothing else.

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};
use testkit::Signal;
use tokio::task::JoinSet;

use crate::measure::ServerClock;

/// Tokens that are asked for at the same time.
const TOKENS_TOGETHER: usize = 16;

/// Which node.
#[derive(Clone, Debug, Args)]
pub(crate) struct NodeArguments {
    /// Base URL of the node, which must accept the development key.
    #[arg(long, default_value = "http://127.0.0.1:7880")]
    pub(crate) url: String,
    /// Process id of the server, to report its processor time and memory.
    #[arg(long)]
    pub(crate) pid: Option<u32>,
}

impl NodeArguments {
    /// The server's clock, if its process id is known.
    pub(crate) fn clock(&self) -> anyhow::Result<Option<ServerClock>> {
        self.pid.map(ServerClock::read).transpose()
    }
}

/// A node that gives tokens.
#[derive(Clone)]
pub(crate) struct Node {
    url: String,
    http: reqwest::Client,
}

impl Node {
    pub(crate) fn new(arguments: &NodeArguments) -> Self {
        Self::at(&arguments.url)
    }

    /// The node of this base URL.
    pub(crate) fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            http: reqwest::Client::new(),
        }
    }

    /// A token for one room, and for anybody or one participant.
    pub(crate) async fn token(&self, room: &str, participant: Option<&str>) -> anyhow::Result<String> {
        let url = format!("{}/v1/dev/token", self.url);
        let answer = self
            .http
            .post(&url)
            .json(&json!({"room": room, "participant": participant}))
            .send()
            .await
            .with_context(|| format!("asking {url} for a token"))?;
        ensure!(
            answer.status().is_success(),
            "{url} says {}: is the node in development mode?",
            answer.status()
        );
        let body: Value = answer.json().await?;
        body["token"]
            .as_str()
            .map(str::to_owned)
            .context("no token in the answer")
    }

    /// A token for anybody for each of these rooms, asked for before anything is measured: elsewhere the node makes none, the operator's
    /// own service does.
    pub(crate) async fn tokens(&self, rooms: impl IntoIterator<Item = String>) -> anyhow::Result<Vec<String>> {
        let rooms: Vec<String> = rooms.into_iter().collect();
        let mut tokens = Vec::new();
        for some in rooms.chunks(TOKENS_TOGETHER) {
            let mut asked = JoinSet::new();
            for (nth, room) in some.iter().enumerate() {
                let (node, room) = (self.clone(), room.clone());
                asked.spawn(async move { (nth, node.token(&room, None).await) });
            }
            let mut answers = asked.join_all().await;
            answers.sort_by_key(|(nth, _)| *nth);
            for (_, token) in answers {
                tokens.push(token?);
            }
        }
        Ok(tokens)
    }

    /// A token for one room, or nothing where the server gives none: it may want none.
    pub(crate) async fn token_if_there(&self, room: &str, participant: Option<&str>) -> String {
        self.token(room, participant).await.unwrap_or_default()
    }

    /// An open socket that has not joined.
    pub(crate) async fn connect(&self) -> anyhow::Result<Signal> {
        Signal::connect(&self.url)
            .await
            .context("each socket is a file: is `ulimit -n` high enough, here and at the server?")
    }

    /// Somebody in a room, without media.
    pub(crate) async fn join(&self, token: &str, participant: &str) -> anyhow::Result<Signal> {
        let mut signal = self.connect().await?;
        join(&mut signal, token, participant).await?;
        Ok(signal)
    }
}

/// Joins over an open socket, without media.
pub(crate) async fn join(signal: &mut Signal, token: &str, participant: &str) -> anyhow::Result<Value> {
    signal
        .join(token, json!({"participant": participant, "mode": "signallingOnly"}))
        .await
}

/// Everybody leaves in good order, so that the next run finds no rooms.
pub(crate) async fn leave(people: impl IntoIterator<Item = Signal>) {
    for mut person in people {
        // The report stands whether or not the goodbye arrives.
        let _answer = person.request("leave", json!({})).await;
    }
}
