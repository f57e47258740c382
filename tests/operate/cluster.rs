//! What is revoked on one node is revoked on all, those that start later among them.

use serde_json::Value;
use testkit::{Nats, Server};

use super::house::{ROOM, development, enter, printed, serve};

async fn nodes(server: &Server, count: f64) {
    for _ in 0..1_000 {
        if server.metrics().await.unwrap().sum("enfilade_cluster_nodes", "") == count {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it does not come to know {count} nodes");
}

#[tokio::test]
async fn a_revocation_reaches_every_node_and_whoever_is_on_another() {
    let nats = Nats::start().await.unwrap();
    let url = nats.url();
    let names = ["one", "two", "three"];
    let settings = names.map(|name| {
        [
            ("ENFILADE_CLUSTER__NATS", url.as_str()),
            ("ENFILADE_CLUSTER__NAME", name),
        ]
    });
    let (one, two) = (serve(&settings[0]).await, serve(&settings[1]).await);
    for node in [&one, &two] {
        nodes(node, 2.0).await;
    }
    let key = development();
    let _ann = enter(&one, &key, "ann").await.unwrap();
    let mut bob = enter(&two, &key, "bob").await.unwrap();
    // Whichever node has the room, each tells who is in it.
    for node in [&one, &two] {
        let shown: Value = serde_json::from_str(&printed(node, &["participants", ROOM, "--json"]).await).unwrap();
        assert_eq!(shown["participants"].as_array().unwrap().len(), 2);
    }
    // The room is on the first, where it began.
    printed(&two, &["kick", ROOM, "bob", "--for", "1h"]).await;
    assert_eq!(bob.event("bye").await.unwrap()["code"], "token-revoked");
    let three = serve(&settings[2]).await;
    nodes(&three, 3.0).await;
    for node in [&one, &two, &three] {
        node.logged("is revoked").await.unwrap();
        let refused = enter(node, &key, "bob").await.err();
        assert_eq!(refused.as_deref(), Some("token-revoked"));
    }
    let list: Value = serde_json::from_str(&printed(&three, &["revocations", "--json"]).await).unwrap();
    let id = list["revocations"][0]["id"].as_str().unwrap();
    printed(&three, &["unrevoke", id]).await;
    one.logged("is taken back").await.unwrap();
    enter(&one, &key, "bob").await.unwrap();
}
