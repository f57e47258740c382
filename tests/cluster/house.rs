//! What every test needs: nodes, tokens, people.

use std::time::{Duration, SystemTime};

use enfilade::api::token::{Permissions, TokenRequest, issue};
use enfilade::config::Config;
use serde_json::{Value, json};
use testkit::signal::Signal;
use testkit::{Nats, ProtocolError, Server};

use crate::proxy::Proxy;

/// Some nodes and what joins them.
pub(crate) struct Cluster {
    pub(crate) nats: Nats,
    pub(crate) nodes: Vec<Server>,
}

/// Somebody with a socket in a room.
pub(crate) struct Person {
    pub(crate) signal: Signal,
    pub(crate) joined: Value,
}

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// A token for a room, for this participant, who may do everything there.
pub(crate) fn token(room: &str, participant: &str) -> String {
    token_with(room, participant, &["allow_join", "allow_mod"])
}

pub(crate) fn token_with(room: &str, participant: &str, words: &[&str]) -> String {
    let request = TokenRequest {
        room: Some(room.parse().unwrap()),
        participant: Some(participant.parse().unwrap()),
        permissions: Permissions::from_words(words.iter().copied()),
        ttl: HOUR,
        token_id: None,
        rest_only: false,
    };
    issue(&Config::development().keys[0], &request, SystemTime::now()).unwrap()
}

/// A token of an operator's server.
pub(crate) fn server_token() -> String {
    let request = TokenRequest {
        room: None,
        participant: None,
        permissions: Permissions::from_words(["allow_join", "allow_mod"]),
        ttl: HOUR,
        token_id: None,
        rest_only: true,
    };
    issue(&Config::development().keys[0], &request, SystemTime::now()).unwrap()
}

impl Cluster {
    /// So many nodes who know each other.
    pub(crate) async fn of(count: usize) -> Cluster {
        Cluster::with(count, &[]).await
    }

    pub(crate) async fn with(count: usize, settings: &[(&str, &str)]) -> Cluster {
        Cluster::on(Nats::start().await.unwrap(), count, settings).await
    }

    /// On a NATS that was started already.
    pub(crate) async fn on(nats: Nats, count: usize, settings: &[(&str, &str)]) -> Cluster {
        let mut cluster = Cluster {
            nats,
            nodes: Vec::new(),
        };
        for _ in 0..count {
            cluster.add(settings).await;
        }
        cluster.everybody_knows(count).await;
        cluster
    }

    /// One node whose way to NATS can be cut, and one more.
    pub(crate) async fn with_a_way_to_cut(settings: &[(&str, &str)]) -> (Cluster, Proxy) {
        let nats = Nats::start().await.unwrap();
        let proxy = Proxy::to(&nats.url()).await;
        let mut cluster = Cluster {
            nats,
            nodes: Vec::new(),
        };
        cluster.add_at(&proxy.url, settings).await;
        cluster.add(settings).await;
        cluster.everybody_knows(2).await;
        (cluster, proxy)
    }

    /// One more node.
    pub(crate) async fn add(&mut self, settings: &[(&str, &str)]) {
        let url = self.nats.url();
        self.add_at(&url, settings).await;
    }

    pub(crate) async fn add_at(&mut self, url: &str, settings: &[(&str, &str)]) {
        let name = format!("node-{}", self.nodes.len());
        // What is given later counts.
        let mut all = vec![("ENFILADE_CLUSTER__NATS", url), ("ENFILADE_CLUSTER__NAME", &name)];
        all.extend_from_slice(settings);
        let server = Server::start(env!("CARGO_BIN_EXE_enfilade"), &all).await.unwrap();
        self.nodes.push(server);
    }

    /// Waits until each node knows so many, itself among them.
    pub(crate) async fn everybody_knows(&self, count: usize) {
        for node in &self.nodes {
            gauge_is(node, "enfilade_cluster_nodes", count as f64).await;
        }
    }

    pub(crate) async fn join(&self, node: usize, room: &str, id: &str) -> Person {
        try_join(&self.nodes[node], room, id).await.unwrap()
    }
}

/// Waits until a node's metric has this value.
pub(crate) async fn gauge_is(node: &Server, name: &str, value: f64) {
    let mut last = f64::NAN;
    for _ in 0..1_000 {
        last = node.metrics().await.unwrap().sum(name, "");
        if last == value {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} is {last} and not {value}:\n{}", node.log().join("\n"));
}

pub(crate) async fn try_join(node: &Server, room: &str, id: &str) -> anyhow::Result<Person> {
    let mut signal = Signal::connect(&node.url).await?;
    let joined = signal
        .join(&token(room, id), json!({"displayName": id.to_uppercase()}))
        .await?;
    Ok(Person { signal, joined })
}

impl Person {
    pub(crate) async fn ask(&mut self, kind: &str, fields: Value) -> anyhow::Result<Value> {
        self.signal.request(kind, fields).await
    }

    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        self.signal.event(kind).await.unwrap()
    }

    /// Who was in the room when this one came.
    pub(crate) fn met(&self) -> Vec<String> {
        let people = self.joined["participants"].as_array().unwrap();
        people
            .iter()
            .map(|person| person["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(crate) fn code(error: &anyhow::Error) -> String {
    error.downcast_ref::<ProtocolError>().map_or_else(
        || format!("not a protocol error: {error:#}"),
        |error| error.code.clone(),
    )
}
