//! Whatever comes over the bus: nonsense, other versions, somebody who speaks for rooms that are not his.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use enfilade::cluster::{Bus, HttpQuestion, NodeId, Note, Question, RelayEnd, RelayNote, Table, pack};
use futures_util::StreamExt;
use serde_json::json;

use crate::house::Cluster;

/// Somebody on the same NATS who is no node.
async fn stranger(cluster: &Cluster) -> Arc<dyn Bus> {
    crate::bus::connected(&cluster.nats.url(), "enfilade").await
}

async fn nodes(bus: &dyn Bus, count: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut changes = bus.watch(Table::Nodes).await.unwrap();
    while names.len() < count {
        let change = changes.next().await.unwrap();
        if !names.contains(&change.key) {
            names.push(change.key);
        }
    }
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_on_the_bus_harms_nobody() {
    let cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "r", "ann").await;
    let mut ben = cluster.join(1, "r", "ben").await;
    let bus = stranger(&cluster).await;
    let me = NodeId::new("stranger").unwrap();
    let relay = |relay, seq, part| Note::Relay {
        relay,
        holder: true,
        seq,
        part,
    };
    let mut newer = vec![0, 0, 0, 33];
    newer.extend_from_slice(br#"{"v":9,"from":"a","what":{"x":1}}"#);
    let messages = [
        Bytes::new(),
        Bytes::from_static(b"\xff\xff\xff\xff"),
        Bytes::from_static(b"\0\0\0\x02{}"),
        Bytes::from(vec![0; 100_000]),
        Bytes::from(newer),
        pack(&me, Note::Link, b"{}"),
        pack(&me, Note::Link, b"\xff"),
        // A relay that begins in the middle, one that begins with no join, one whose text never ends, and ends of nothing.
        pack(&me, relay(1, 5, RelayNote::Text { more: false }), b"{}"),
        pack(&me, relay(2, 0, RelayNote::Text { more: false }), b"no message"),
        pack(&me, relay(3, 0, RelayNote::Text { more: false }), b"\xff\xfe"),
        pack(&me, relay(4, 0, RelayNote::End(RelayEnd::Broken)), b""),
        pack(&me, relay(5, 0, RelayNote::End(RelayEnd::Refused)), b""),
        pack(&me, relay(6, 0, RelayNote::Text { more: true }), &vec![b'x'; 500_000]),
    ];
    let questions = [
        pack(
            &me,
            Question::Http(HttpQuestion {
                method: "NO METHOD".to_owned(),
                path: "not a path".to_owned(),
                headers: vec![("bad header".to_owned(), "\n".to_owned())],
            }),
            b"",
        ),
        pack(
            &me,
            Question::Http(HttpQuestion {
                method: "GET".to_owned(),
                path: "/v1/rooms/r/stats".to_owned(),
                headers: Vec::new(),
            }),
            b"",
        ),
        Bytes::from_static(b"\0\0\0\x01"),
    ];
    for node in nodes(&*bus, 2).await {
        for message in &messages {
            bus.publish(format!("node.{node}"), message.clone()).await.unwrap();
        }
        for question in &questions {
            let answer = bus
                .ask(format!("ask.{node}"), question.clone(), Duration::from_secs(5))
                .await;
            let answer = String::from_utf8_lossy(&answer.unwrap()).into_owned();
            assert!(
                !answer.contains("\"participants\""),
                "no token, no statistics: {answer}"
            );
        }
    }
    ann.ask("chat", json!({"text": "still here"})).await.unwrap();
    assert_eq!(ben.event("chat").await["text"], "still here");
    for node in &cluster.nodes {
        assert_eq!(node.metrics().await.unwrap().sum("enfilade_panics_total", ""), 0.0);
        assert!(!node.log().join("\n").contains("panicked"), "{:?}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_believed_for_the_rooms_it_owns_and_no_others() {
    let cluster = Cluster::of(2).await;
    let mut ann = cluster.join(0, "a", "ann").await;
    let mut ben = cluster.join(1, "b", "ben").await;
    ann.ask("link.open", json!({"room": "b"})).await.unwrap();
    ben.event("link.opened").await;
    let bus = stranger(&cluster).await;
    let session = ann.joined["session"].as_str().unwrap();
    let forged = json!({
        "v": 1, "link": format!("{session}.1"), "from": {"room": "a", "session": session}, "to": "b",
        "body": {"type": "close", "reason": "ended"},
    });
    for node in nodes(&*bus, 2).await {
        // Under a name of its own, and under that of the node that has not the room.
        for name in ["stranger", node.as_str()] {
            let message = pack(&NodeId::new(name).unwrap(), Note::Link, forged.to_string().as_bytes());
            bus.publish(format!("node.{node}"), message).await.unwrap();
        }
    }
    ann.ask("link.chat", json!({"link": "b", "text": "we are still linked"}))
        .await
        .unwrap();
    assert_eq!(ben.event("link.chat").await["text"], "we are still linked");
}

/// What a node of the next release writes: what is known here, and more.
fn of_the_next_release(what: serde_json::Value) -> Bytes {
    let mut what = what;
    what["somethingNew"] = json!({"of": ["which", "nothing", "is", "known"]});
    Bytes::from(what.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_release_is_seen_its_words_are_left_aside_and_its_rooms_begin_elsewhere_when_it_is_gone() {
    let cluster = Cluster::of(2).await;
    let bus = stranger(&cluster).await;
    let known = nodes(&*bus, 2).await;
    let info = json!({"protocol": 2, "version": "99.0.0", "epoch": 1, "tag": 77, "load": {"shards": 64, "gpus": 3}});
    let lease = of_the_next_release(info);
    bus.write(Table::Nodes, "later".to_owned(), lease, None).await.unwrap();
    let owned = of_the_next_release(json!({"room": "r9", "node": "later", "epoch": 1}));
    bus.write(Table::Rooms, "7239".to_owned(), owned, None).await.unwrap();
    cluster.everybody_knows(3).await;

    for node in &known {
        let head = json!({"v": 2, "from": "later", "what": {"type": "unheard-of"}}).to_string();
        let mut message = u32::try_from(head.len()).unwrap().to_be_bytes().to_vec();
        message.extend_from_slice(head.as_bytes());
        bus.publish(format!("node.{node}"), Bytes::from(message)).await.unwrap();
    }
    // It renews its lease no more, so it is given up, and whoever wants its room begins it.
    let mut last = None;
    for _ in 0..30 {
        match crate::house::try_join(&cluster.nodes[0], "r9", "ann").await {
            Ok(ann) => {
                assert!(ann.met().is_empty());
                last = None;
                break;
            }
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(last.is_none(), "{last:?}");
    cluster.everybody_knows(2).await;
    let ben = cluster.join(1, "r9", "ben").await;
    assert_eq!(ben.joined["room"], "r9");
}
