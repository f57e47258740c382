//! Nodes that die, stand still or are cut off, and a NATS that does.

use std::time::{Duration, Instant};

use enfilade::cluster::Table;
use serde_json::json;
use testkit::{Folder, Nats, NatsSettings, Signal};

use crate::house::{Cluster, code, gauge_is, token, try_join};
use crate::proxy::Way;

/// A node's death is known everywhere within it.
const NOTICED: Duration = Duration::from_secs(5);
/// What a busy machine adds.
const SLACK: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_is_noticed_its_rooms_begin_elsewhere_and_its_links_close() {
    let mut cluster = Cluster::of(3).await;
    let mut ann = cluster.join(0, "a", "ann").await;
    let mut ben = cluster.join(1, "b", "ben").await;
    let mut carried = cluster.join(2, "b", "carried").await;
    ann.ask("link.open", json!({"room": "b"})).await.unwrap();
    ann.event("link.opened").await;

    let died = Instant::now();
    drop(cluster.nodes.remove(1));
    let closed = ann.event("link.closed").await;
    assert_eq!(closed["reason"], "node-lost", "{closed}");
    assert_eq!(closed["link"], "b");
    assert!(died.elapsed() < NOTICED + SLACK, "{:?}", died.elapsed());
    let (close, _) = carried.signal.closed().await.unwrap();
    assert_eq!(close, Some(1012), "told to come again");
    assert!(ben.signal.closed().await.is_ok() || ben.signal.closed().await.is_err());

    // The nodes that are left are 0 and 1 by now.
    let again = cluster.join(1, "b", "carried").await;
    assert!(again.met().is_empty(), "a new session, without ghosts");
    assert_ne!(again.joined["session"], carried.joined["session"]);
    let opened = ann.event("link.opened").await;
    assert_eq!(opened["link"], "b", "the link comes back by itself: {opened}");
    assert_eq!(opened["participants"][0]["id"], "carried");
    ann.ask("chat", json!({"text": "and ours goes on"})).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_gives_up_the_rooms_that_others_took_over() {
    let cluster = Cluster::of(2).await;
    let mut old = cluster.join(0, "r", "old").await;
    let mut kept = cluster.join(0, "kept", "kept").await;
    cluster.nodes[0].freeze(true).unwrap();
    gauge_is(&cluster.nodes[1], "enfilade_cluster_nodes", 1.0).await;
    let new = cluster.join(1, "r", "new").await;
    assert!(new.met().is_empty());

    cluster.nodes[0].freeze(false).unwrap();
    let bye = old.event("bye").await;
    assert_eq!(bye["code"], "node-draining", "{bye}");
    let back = cluster.join(0, "r", "old").await;
    assert_eq!(back.met(), ["new"], "carried to the room that there is now");
    kept.ask("chat", json!({"text": "still here"})).await.unwrap();
    let visitor = cluster.join(1, "kept", "visitor").await;
    assert_eq!(visitor.met(), ["kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_nats_calls_go_on_people_come_in_and_links_outlive_its_restart() {
    let mut cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "a", "ann").await;
    let mut ben = cluster.join(1, "b", "ben").await;
    ann.ask("link.open", json!({"room": "b"})).await.unwrap();
    ben.event("link.opened").await;

    cluster.nats.end();
    ann.ask("chat", json!({"text": "in the room"})).await.unwrap();
    let guest = cluster.join(0, "a", "guest").await;
    assert_eq!(guest.met(), ["ann"]);
    let fresh = cluster.join(1, "fresh", "fresh").await;
    let asked = Instant::now();
    let unreachable = ann.ask("link.open", json!({"room": "fresh"})).await.unwrap_err();
    assert_eq!(code(&unreachable), "cluster-unreachable");
    assert!(asked.elapsed() < Duration::from_secs(3) + SLACK);
    let said = ann.ask("link.chat", json!({"link": "b", "text": "held back"}));

    cluster.nats.begin().await.unwrap();
    said.await.unwrap();
    assert_eq!(ben.event("link.chat").await["text"], "held back");
    cluster.everybody_knows(2).await;
    // The room that began meanwhile is known to all now.
    let mut other = None;
    for _ in 0..100 {
        let joined = cluster.join(0, "fresh", "other").await;
        if joined.met() == ["fresh"] {
            other = Some(joined);
            break;
        }
        drop(joined);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(other.is_some(), "the two never meet");
    drop((fresh, guest));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_of_nats_calls_go_on_and_people_come_in_and_all_is_well_when_it_has_room() {
    let small = NatsSettings {
        disk: Some(200_000),
        ..NatsSettings::default()
    };
    let mut cluster = Cluster::on(Nats::start_with(small).await.unwrap(), 2, &[]).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let bus = crate::bus::connected(&cluster.nats.url(), "others").await;
    let mut written = 0;
    loop {
        let bytes = bytes::Bytes::from(vec![7; 20_000]);
        match bus.write(Table::Rooms, format!("other-{written}"), bytes, None).await {
            Ok(_) => written += 1,
            Err(_) => break,
        }
        assert!(written < 20, "it is never full");
    }
    gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 1.0).await;

    ann.ask("chat", json!({"text": "nothing is written for this"}))
        .await
        .unwrap();
    let guest = cluster.join(0, "r", "guest").await;
    assert_eq!(guest.met(), ["ann"]);
    let fresh = cluster.join(0, "fresh", "fresh").await;
    assert!(fresh.met().is_empty());

    cluster.nats.end();
    cluster.nats.set(NatsSettings::default());
    cluster.nats.begin().await.unwrap();
    gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 0.0).await;
    cluster.everybody_knows(2).await;
    let other = cluster.join(1, "r", "other").await;
    assert_eq!(other.met(), ["ann", "guest"]);
    assert_eq!(
        other.joined["session"], ann.joined["session"],
        "the same call all along"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_reach_a_nats_with_a_certificate_and_a_password_and_none_without_them() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let settings = NatsSettings {
        more: format!(
            "tls {{ cert_file: {certificate:?}, key_file: {key:?} }}\nauthorization {{ user: node, password: \"secr:t&\" }}\n"
        ),
        ..NatsSettings::default()
    };
    let nats = Nats::start_with(settings).await.unwrap();
    let url = |who: &str| format!("tls://{who}localhost:{}", nats.port());
    let (right, wrong, none) = (url("node:secr%3At%26@"), url("node:guessed@"), url(""));
    let ca = ("ENFILADE_CLUSTER__CA_FILE", certificate.to_str().unwrap());
    let mut cluster = Cluster {
        nats,
        nodes: Vec::new(),
    };
    cluster.add_at(&right, &[ca]).await;
    cluster.add_at(&right, &[ca]).await;
    cluster.everybody_knows(2).await;
    for (url, settings) in [(&wrong, &[ca][..]), (&none, &[ca]), (&right, &[])] {
        cluster.add_at(url, settings).await;
        let stranger = cluster.nodes.pop().unwrap();
        gauge_is(&stranger, "enfilade_cluster_cut_off", 1.0).await;
        let log = stranger.log().join("\n");
        assert!(
            log.contains("NATS") && !log.contains("secr") && !log.contains("guessed"),
            "{log}"
        );
    }
    cluster.everybody_knows(2).await;
    let ann = cluster.join(0, "r", "ann").await;
    let ben = cluster.join(1, "r", "ben").await;
    assert_eq!(ben.met(), ["ann"]);
    drop(ann);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_that_forgets_everything_is_told_again() {
    let mut cluster = Cluster::of(2).await;
    let ann = cluster.join(0, "r", "ann").await;
    cluster.nats.end();
    cluster.nats.forget();
    cluster.nats.begin().await.unwrap();
    let mut asker = Signal::connect(&cluster.nodes[1].url).await.unwrap();
    let mut exists = false;
    for _ in 0..100 {
        let asked = json!({"room": "r", "token": token("r", "ben")});
        let presence = asker.request("presence", asked).await;
        exists = presence.is_ok_and(|presence| presence["exists"] == true);
        if exists {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        asker = Signal::connect(&cluster.nodes[1].url).await.unwrap();
    }
    assert!(exists, "the room is not known any more");
    let ben = cluster.join(1, "r", "ben").await;
    assert_eq!(ben.met(), ["ann"]);
    drop(ann);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_hands_its_people_to_the_others() {
    let mut cluster = Cluster::with(2, &[("ENFILADE_SHUTDOWN__GRACE", "20s")]).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    cluster.nodes[0].terminate().unwrap();
    assert_eq!(ann.event("bye").await["code"], "node-draining");
    // The room goes on for who is still there, and begins on the other node for who comes.
    let ben = cluster.join(1, "r", "ben").await;
    assert!(ben.met().is_empty());
    let carried = try_join(&cluster.nodes[0], "r", "ann").await.unwrap();
    assert_eq!(
        carried.met(),
        ["ben"],
        "the node that goes carries to the one that stays"
    );
    drop((ann, carried));
    assert!(cluster.nodes[0].ended().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_in_both_ways_or_one_serves_alone_and_then_there_is_one_room() {
    for way in [Way::Cut, Way::OnlyOut] {
        let (cluster, proxy) = Cluster::with_a_way_to_cut(&[]).await;
        let mut ann = cluster.join(0, "r", "ann").await;
        ann.ask("chat", json!({"text": "before"})).await.unwrap();
        proxy.set(way);
        gauge_is(&cluster.nodes[1], "enfilade_cluster_nodes", 1.0).await;
        gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 1.0).await;
        // Each half has people who can reach it and nobody else.
        let guest = cluster.join(0, "r", "guest").await;
        assert_eq!(guest.met(), ["ann"], "{way:?}");
        let ben = cluster.join(1, "r", "ben").await;
        assert!(ben.met().is_empty(), "{way:?}");

        proxy.set(Way::Open);
        assert_eq!(ann.event("bye").await["code"], "node-draining");
        cluster.everybody_knows(2).await;
        let again = cluster.join(0, "r", "ann").await;
        assert_eq!(again.met(), ["ben"], "{way:?}");
        drop((guest, ann));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_may_not_serve_alone_begins_no_room_while_it_is_cut_off() {
    let (cluster, proxy) = Cluster::with_a_way_to_cut(&[("ENFILADE_CLUSTER__ALONE", "refuse")]).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    proxy.set(Way::Cut);
    gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 1.0).await;
    ann.ask("chat", json!({"text": "calls go on"})).await.unwrap();
    let refused = try_join(&cluster.nodes[0], "new", "ben").await;
    assert_eq!(code(&refused.err().unwrap()), "cluster-unreachable");
    let ben = cluster.join(0, "r", "ben").await;
    assert_eq!(ben.met(), ["ann"], "of a room that is there people come in");
    proxy.set(Way::Open);
    gauge_is(&cluster.nodes[0], "enfilade_cluster_cut_off", 0.0).await;
    let late = cluster.join(0, "new", "late").await;
    assert!(late.met().is_empty());
}
