//! Each fault, once: what is done, what has to hold, and how long it took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use testkit::{Nats, NatsSettings, Server, Signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::house::{Cluster, Person, gauge_is, token, try_join};
use crate::namespace::{Namespace, Way};
use crate::rounds::Tally;

const BINARY: &str = env!("CARGO_BIN_EXE_enfilade");
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const NODES: &str = "enfilade_cluster_nodes";
const CUT_OFF: &str = "enfilade_cluster_cut_off";

/// A node's end is known everywhere within it; what a busy machine adds is in it.
const GIVEN_UP_MS: u64 = 6_000;
/// People meet in one room again within it, once all is well.
const MET_MS: u64 = 10_000;
/// A line of chat of people whom it does not concern takes no longer.
const CHAT_MS: u64 = 1_000;

/// Two people whom it does not concern, who chat all the while.
struct Others {
    stop: watch::Sender<bool>,
    /// The longest that a line took.
    chat: JoinHandle<Duration>,
}

impl Others {
    async fn at(cluster: &Cluster, node: usize) -> Others {
        let mut ann = cluster.join(node, "others", "ann").await;
        let mut ben = cluster.join(node, "others", "ben").await;
        let (stop, stopped) = watch::channel(false);
        let chat = tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !*stopped.borrow() {
                let said = Instant::now();
                ann.ask("chat", json!({"text": "all is well"})).await.unwrap();
                ben.event("chat").await;
                longest = longest.max(said.elapsed());
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            longest
        });
        Others { stop, chat }
    }

    async fn are_well(self, tally: &mut Tally) {
        self.stop.send_replace(true);
        let longest = self.chat.await.unwrap();
        tally.note_ms("longest-chat-of-others", CHAT_MS, longest.as_millis() as u64);
    }
}

/// Comes in as soon as the node takes them.
async fn come_in(node: &Server, room: &str, id: &str) -> Person {
    let began = Instant::now();
    loop {
        match try_join(node, room, id).await {
            Ok(person) => return person,
            Err(error) if began.elapsed() > testkit::PATIENCE => panic!("{id} does not come in: {error:#}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Comes in again and again until this one is met.
async fn meet(node: &Server, room: &str, id: &str, whom: &str) -> Person {
    let began = Instant::now();
    loop {
        let person = come_in(node, room, id).await;
        if person.met().iter().any(|met| met == whom) {
            return person;
        }
        drop(person);
        assert!(began.elapsed() < testkit::PATIENCE, "{id} and {whom} never meet");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn stopped(tally: &mut Tally) {
    let cluster = Cluster::of(2).await;
    let mut old = cluster.join(0, "r", "old").await;
    let others = Others::at(&cluster, 1).await;
    let frozen = Instant::now();
    cluster.nodes[0].freeze(true).unwrap();
    gauge_is(&cluster.nodes[1], NODES, 1.0).await;
    tally.note("given-up", GIVEN_UP_MS, frozen);
    let new = come_in(&cluster.nodes[1], "r", "new").await;
    assert!(new.met().is_empty());
    let thawed = Instant::now();
    cluster.nodes[0].freeze(false).unwrap();
    assert_eq!(old.event("bye").await["code"], "node-draining");
    let _back = meet(&cluster.nodes[0], "r", "old", "new").await;
    tally.note("met-again", MET_MS, thawed);
    others.are_well(tally).await;
}

pub(crate) async fn nats_restarted(tally: &mut Tally) {
    let mut cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "a", "ann").await;
    let mut ben = cluster.join(1, "b", "ben").await;
    ann.ask("link.open", json!({"room": "b"})).await.unwrap();
    ben.event("link.opened").await;
    let others = Others::at(&cluster, 0).await;
    cluster.nats.end();
    for node in &cluster.nodes {
        gauge_is(node, CUT_OFF, 1.0).await;
    }
    let alone = come_in(&cluster.nodes[0], "a", "guest").await;
    assert_eq!(alone.met(), ["ann"]);
    let said = ann.ask("link.chat", json!({"link": "b", "text": "held back"}));
    let began = Instant::now();
    cluster.nats.begin().await.unwrap();
    let (said, ()) = tokio::join!(said, async {
        assert_eq!(ben.event("link.chat").await["text"], "held back");
    });
    said.unwrap();
    tally.note("link-goes-on", MET_MS, began);
    cluster.everybody_knows(2).await;
    let _carried = meet(&cluster.nodes[1], "a", "carried", "ann").await;
    tally.note("met-again", MET_MS, began);
    others.are_well(tally).await;
}

pub(crate) async fn cut(tally: &mut Tally, way: Way) {
    let namespace = Namespace::make().unwrap();
    let nats = Nats::start_with(NatsSettings {
        open: true,
        ..NatsSettings::default()
    })
    .await
    .unwrap();
    let port = nats.port();
    let mut cluster = Cluster {
        nats,
        nodes: Vec::new(),
    };
    let (url, listen) = (
        format!("nats://{}:{port}", namespace.here),
        format!("{}:7880", namespace.there),
    );
    let advertised = json!([namespace.there]).to_string();
    let settings = [
        ("ENFILADE_CLUSTER__NATS", url.as_str()),
        ("ENFILADE_CLUSTER__NAME", "cut"),
        ("ENFILADE_HTTP__LISTEN", &listen),
        ("ENFILADE_MEDIA__ADVERTISED", &advertised),
    ];
    cluster
        .nodes
        .push(Server::start(namespace.wrapper(BINARY), &settings).await.unwrap());
    cluster.add(&[]).await;
    cluster.everybody_knows(2).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut far = cluster.join(1, "far", "far").await;
    ann.ask("link.open", json!({"room": "far"})).await.unwrap();
    far.event("link.opened").await;
    let others = Others::at(&cluster, 1).await;

    let began = Instant::now();
    namespace.cut(port, way).unwrap();
    gauge_is(&cluster.nodes[1], NODES, 1.0).await;
    tally.note("given-up", GIVEN_UP_MS, began);
    assert_eq!(far.event("link.closed").await["reason"], "node-lost");
    let new = come_in(&cluster.nodes[1], "r", "new").await;
    assert!(new.met().is_empty(), "it begins anew");
    gauge_is(&cluster.nodes[0], CUT_OFF, 1.0).await;
    let alone = come_in(&cluster.nodes[0], "r", "alone").await;
    assert_eq!(alone.met(), ["ann"], "the call goes on there");
    ann.ask("chat", json!({"text": "and they talk"})).await.unwrap();

    let mended = Instant::now();
    namespace.mend();
    cluster.everybody_knows(2).await;
    tally.note("known-again", MET_MS, mended);
    assert_eq!(ann.event("bye").await["code"], "node-draining");
    let _back = meet(&cluster.nodes[0], "r", "ann", "new").await;
    tally.note("met-again", MET_MS, mended);
    others.are_well(tally).await;
}

pub(crate) fn lacks_faketime(_: &str) -> Option<String> {
    (!Path::new(FAKETIME).exists()).then(|| "libfaketime is not there (package libfaketime)".to_owned())
}

/// By its own clock, as it stands in the head of an answer: seconds of the day.
async fn clock_of(node: &Server) -> i64 {
    let answer = reqwest::get(format!("{}/healthz", node.url)).await.unwrap();
    let date = answer.headers()["date"].to_str().unwrap();
    let time: Vec<i64> = date
        .split(' ')
        .nth(4)
        .unwrap()
        .split(':')
        .map(|part| part.parse().unwrap())
        .collect();
    time[0] * 3_600 + time[1] * 60 + time[2]
}

pub(crate) async fn clock(tally: &mut Tally, skew: i64) {
    let mut cluster = Cluster {
        nats: Nats::start().await.unwrap(),
        nodes: Vec::new(),
    };
    let wrong = format!("{skew:+}s");
    let settings = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME", wrong.as_str()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    cluster.add(&settings).await;
    cluster.add(&[]).await;
    cluster.everybody_knows(2).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
    let ahead = (clock_of(&cluster.nodes[0]).await - now).rem_euclid(86_400);
    let ahead = if ahead > 43_200 { ahead - 86_400 } else { ahead };
    assert!((ahead - skew).abs() <= 3, "its clock is {ahead} s ahead");

    // Tokens that were just issued are good on both, on whichever node the room is.
    let began = Instant::now();
    let mut ann = cluster.join(0, "r", "ann").await;
    let ben = cluster.join(1, "r", "ben").await;
    assert_eq!(ben.met(), ["ann"]);
    let mut far = cluster.join(1, "far", "far").await;
    let carried = cluster.join(0, "far", "carried").await;
    assert_eq!(carried.met(), ["far"]);
    ann.ask("link.open", json!({"room": "far"})).await.unwrap();
    far.event("link.opened").await;
    tally.note("all-meet", MET_MS, began);
    // Leases know no clocks: nobody is given up while they would be over, twice.
    let until = Instant::now() + Duration::from_secs(7);
    while Instant::now() < until {
        for node in &cluster.nodes {
            let known = node.metrics().await.unwrap().sum(NODES, "");
            assert!(known >= 2.0, "somebody was given up");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let said = Instant::now();
    ann.ask("link.chat", json!({"link": "far", "text": "what time is it?"}))
        .await
        .unwrap();
    far.event("link.chat").await;
    tally.note("link-chat", CHAT_MS, said);
}

/// What a process has mapped for its own data, in bytes.
fn data_of(node: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1_024
}

/// Somebody who brings much along.
async fn heavy(node: &Server, number: usize) -> anyhow::Result<Signal> {
    let mut signal = Signal::connect(&node.url).await?;
    let room = token(&format!("x{}", number / 20), &format!("p{number}"));
    signal.join(&room, json!({"metadata": "x".repeat(8_000)})).await?;
    Ok(signal)
}

pub(crate) async fn memory(tally: &mut Tally) {
    let mut cluster = Cluster::of(2).await;
    let _old = cluster.join(0, "r", "old").await;
    let others = Others::at(&cluster, 1).await;
    let most = data_of(&cluster.nodes[0]) + (4 << 20);
    let limited = Command::new("prlimit")
        .args([
            "--pid",
            &cluster.nodes[0].process_id().to_string(),
            &format!("--data={most}"),
        ])
        .status();
    assert!(limited.unwrap().success());
    // As many as it takes.
    let mut crowd = Vec::new();
    let mut came = 0;
    while cluster.nodes[0].is_alive() {
        assert!(came < 10_000, "there is always more memory");
        let node = &cluster.nodes[0];
        let joins = (came..came + 20).map(|number| async move {
            // A node that has died answers nobody.
            tokio::time::timeout(Duration::from_secs(2), heavy(node, number)).await
        });
        let joined = futures_util::future::join_all(joins).await;
        crowd.extend(joined.into_iter().filter_map(|joined| joined.ok()?.ok()));
        came += 20;
    }
    let died = Instant::now();
    let _new = come_in(&cluster.nodes[1], "r", "new").await;
    tally.note("room-begins-elsewhere", GIVEN_UP_MS, died);
    gauge_is(&cluster.nodes[1], NODES, 1.0).await;
    tally.note("given-up", GIVEN_UP_MS, died);
    others.are_well(tally).await;
}

pub(crate) async fn busy(tally: &mut Tally) {
    let cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut ben = cluster.join(1, "r", "ben").await;
    let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut stress = Command::new("stress-ng")
        .args(["--cpu", &(processors * 2).to_string(), "--timeout", "8s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while stress.try_wait().unwrap().is_none() {
        let said = Instant::now();
        ann.ask("chat", json!({"text": "is it hot here?"})).await.unwrap();
        ben.event("chat").await;
        tally.note("chat-to-a-carried-client", CHAT_MS, said);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for node in &cluster.nodes {
        let log = node.log().join("\n");
        assert!(!log.contains("given up"), "leases are kept: {log}");
    }
}
