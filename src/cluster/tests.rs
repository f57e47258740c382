//! Owners of rooms, with several nodes on one embedded bus.

mod simulation;

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::nodes::tests::info;
use super::*;
use crate::wire::RoomId;

struct Node {
    directory: Directory,
    bus: EmbeddedBus,
    revision: u64,
}

fn id(text: &str) -> NodeId {
    NodeId::new(text).unwrap()
}

fn room(text: &str) -> RoomId {
    RoomId::new(text).unwrap()
}

impl Node {
    async fn begin(hub: &Arc<Hub>, name: &str) -> Self {
        let bus = EmbeddedBus::new(Arc::clone(hub));
        let directory = Directory::new(Arc::new(bus.clone()), id(name));
        let mut node = Node {
            directory,
            bus,
            revision: 0,
        };
        node.lease(1).await;
        node
    }

    /// A new lease, of this epoch.
    async fn lease(&mut self, epoch: u64) {
        let value = Bytes::from(serde_json::to_vec(&info(epoch)).unwrap());
        let key = self.directory.own().as_str().to_owned();
        self.revision = self.bus.write(Table::Nodes, key, value, None).await.unwrap();
        self.directory.set_epoch(epoch);
    }

    async fn is_given_up_by(&self, other: &Node) {
        let key = self.directory.own().as_str().to_owned();
        other.bus.remove(Table::Nodes, key, self.revision).await.unwrap();
    }

    async fn claim(&self, name: &str) -> Claim {
        self.directory.claim(&room(name), false).await.unwrap()
    }
}

#[tokio::test]
async fn of_all_who_claim_a_room_at_once_one_gets_it_and_the_others_learn_who() {
    let hub = Arc::default();
    let (a, b, c) = (
        Node::begin(&hub, "a").await,
        Node::begin(&hub, "b").await,
        Node::begin(&hub, "c").await,
    );
    let claims = futures_util::future::join_all([&a, &b, &c].map(|node| node.claim("r"))).await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Ours).count(), 1);
    let winner = ["a", "b", "c"][claims.iter().position(|claim| *claim == Claim::Ours).unwrap()];
    assert_eq!(
        claims
            .iter()
            .filter(|claim| **claim == Claim::Theirs(id(winner)))
            .count(),
        2
    );
    for node in [&a, &b, &c] {
        assert_eq!(node.directory.find(&room("r")).await, Ok(Some(id(winner))));
    }
}

#[tokio::test]
async fn a_room_that_ends_is_nobodys_unless_it_lives_again_by_then() {
    let hub = Arc::default();
    let (a, b) = (Node::begin(&hub, "a").await, Node::begin(&hub, "b").await);
    assert_eq!(a.claim("r").await, Claim::Ours);
    assert_eq!(a.claim("r").await, Claim::Ours, "its next occurrence");
    a.directory.release(&room("r")).await;
    assert_eq!(b.claim("r").await, Claim::Theirs(id("a")));
    a.directory.release(&room("r")).await;
    b.directory.forget(&room("r"));
    assert_eq!(b.directory.find(&room("r")).await, Ok(None));
    assert_eq!(b.claim("r").await, Claim::Ours);
}

#[tokio::test]
async fn rooms_of_a_node_that_was_given_up_are_taken_over_and_not_given_back() {
    let hub = Arc::default();
    let (mut a, b) = (Node::begin(&hub, "a").await, Node::begin(&hub, "b").await);
    for name in ["taken", "kept"] {
        assert_eq!(a.claim(name).await, Claim::Ours);
    }
    a.bus.cut(true);
    assert_eq!(b.claim("taken").await, Claim::Theirs(id("a")), "its lease stands");
    a.is_given_up_by(&b).await;
    assert_eq!(b.claim("taken").await, Claim::Ours);

    a.bus.cut(false);
    a.directory.is_reachable();
    a.lease(2).await;
    assert_eq!(a.directory.reclaim().await, [(room("taken"), id("b"))]);
    assert_eq!(b.claim("kept").await, Claim::Theirs(id("a")));
    a.directory.release(&room("taken")).await;
    assert_eq!(
        a.directory.find(&room("taken")).await,
        Ok(Some(id("b"))),
        "it is not ours to remove"
    );
}

#[tokio::test]
async fn a_node_that_is_cut_off_may_begin_rooms_and_claims_them_when_it_is_back() {
    let hub = Arc::default();
    let (a, b) = (Node::begin(&hub, "a").await, Node::begin(&hub, "b").await);
    a.bus.cut(true);
    assert!(a.directory.claim(&room("r"), false).await.is_err());
    assert_eq!(a.directory.claim(&room("r"), true).await, Ok(Claim::Ours));
    assert_eq!(a.directory.claim(&room("s"), true).await, Ok(Claim::Ours));
    assert!(!a.directory.is_claimed());
    assert_eq!(b.claim("s").await, Claim::Ours);
    a.bus.cut(false);
    assert!(
        a.directory.reclaim().await.is_empty() && !a.directory.is_claimed(),
        "it has just failed"
    );
    a.directory.is_reachable();
    assert_eq!(a.directory.reclaim().await, [(room("s"), id("b"))]);
    assert!(a.directory.is_claimed());
    assert_eq!(b.claim("r").await, Claim::Theirs(id("a")));
}

#[tokio::test]
async fn a_node_is_believed_to_be_there_until_its_lease_is_removed() {
    let hub: Arc<Hub> = Arc::default();
    let (a, b) = (Node::begin(&hub, "a").await, Node::begin(&hub, "b").await);
    assert_eq!(a.claim("r").await, Claim::Ours);
    // What b has heard of nodes is late: it asks the table before it takes anything.
    assert_eq!(b.directory.nodes().iter().count(), 0);
    assert_eq!(b.claim("r").await, Claim::Theirs(id("a")));
    let came = b
        .directory
        .nodes()
        .observe(Instant::now(), id("a"), Some((info(1), a.revision)));
    assert_eq!(came, Some(NodeEvent::Came(id("a"))));
    assert_eq!(b.directory.find(&room("r")).await, Ok(Some(id("a"))));
}
