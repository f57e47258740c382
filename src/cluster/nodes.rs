//! Which nodes are alive, as seen from one of them. Pure: it is told what the table says and what time it is here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::id::blend;
use super::{LEASE, NodeId, PROTOCOL};

/// What a node says of itself with each renewal of its lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeInfo {
    /// Of the messages between nodes.
    pub protocol: u32,
    /// The release it runs.
    pub version: String,
    /// Changes when a lease was lost: what was owned under another epoch has to be claimed again.
    pub epoch: u64,
    /// By which clients' keys name this process.
    pub tag: u32,
    /// As its operator calls the place; empty when all places are the same.
    #[serde(default)]
    pub region: String,
    /// Takes no new rooms.
    #[serde(default)]
    pub draining: bool,
    /// How busy it is.
    #[serde(default)]
    pub load: Load,
}

impl NodeInfo {
    /// Can the two understand each other? A release reads the version before its own, so only neighbours may.
    pub const fn understands_us(&self) -> bool {
        self.protocol.abs_diff(PROTOCOL) <= 1
    }
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Load {
    /// Rooms.
    pub rooms: u32,
    /// Transports of participants.
    pub transports: u32,
    /// Media threads.
    pub shards: u32,
    /// It has no time for anybody new.
    pub late: bool,
}

impl Load {
    /// Transports and rooms for each media thread, in hundredths: what placement compares.
    pub fn per_shard(self) -> u64 {
        let all = u64::from(self.transports) + u64::from(self.rooms);
        all * 100 / u64::from(self.shards.max(1))
    }
}

/// So many nodes, about, remove the lease of one that is over.
const FIRST: u64 = 8;
/// The others do so when nobody has for so long.
const OTHERS_WAIT: Duration = Duration::from_secs(1);

/// Whether a node is one of those that remove the lease of another first.
fn is_first(own: &NodeId, node: &NodeId, count: u64) -> bool {
    count <= FIRST || blend(node.as_str(), own.as_str()) % count < FIRST
}

/// Somebody came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeEvent {
    /// A node is there.
    Came(NodeId),
    /// A node is no longer there, or was given up.
    Went(NodeId),
}

#[derive(Clone, Debug)]
struct Seen {
    info: NodeInfo,
    revision: u64,
    /// When its lease changed last.
    at: Instant,
}

/// The nodes that have leases.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    seen: BTreeMap<NodeId, Seen>,
}

impl Nodes {
    /// The table says that this node's lease is now this; `None`: it has none.
    pub fn observe(&mut self, now: Instant, node: NodeId, lease: Option<(NodeInfo, u64)>) -> Option<NodeEvent> {
        let Some((info, revision)) = lease else {
            return self.seen.remove(&node).map(|_| NodeEvent::Went(node));
        };
        // What a watch tells again is no sign of life. Revisions begin anew where the table was lost, and epochs change with it.
        let told_again = |seen: &Seen| seen.info.epoch == info.epoch && seen.revision >= revision;
        if self.seen.get(&node).is_some_and(told_again) {
            return None;
        }
        let seen = Seen {
            info,
            revision,
            at: now,
        };
        let known = self.seen.insert(node.clone(), seen).is_some();
        (!known).then_some(NodeEvent::Came(node))
    }

    /// Nodes whose leases are over, with the revisions by which `own` is to remove them. Of many nodes a few, which the names decide,
    /// do so first; the others wait whether it is done, so that not all ask at once where one is enough.
    pub fn over(&self, now: Instant, own: &NodeId) -> impl Iterator<Item = (&NodeId, u64)> {
        let count = self.seen.len() as u64;
        let is_over = move |node: &NodeId, seen: &Seen| {
            let silence = now.saturating_duration_since(seen.at);
            silence >= LEASE && (is_first(own, node, count) || silence >= LEASE + OTHERS_WAIT)
        };
        self.seen
            .iter()
            .filter(move |(node, seen)| is_over(node, seen))
            .map(|(node, seen)| (node, seen.revision))
    }

    /// It was us who heard nothing: nobody's silence counts until now.
    pub fn excuse(&mut self, now: Instant) {
        self.seen.values_mut().for_each(|seen| seen.at = now);
    }

    /// What a node that has a lease says of itself.
    pub fn info(&self, node: &NodeId) -> Option<&NodeInfo> {
        self.seen.get(node).map(|seen| &seen.info)
    }

    /// How long nothing was heard of a node that has a lease.
    pub fn silence(&self, now: Instant, node: &NodeId) -> Option<Duration> {
        self.seen.get(node).map(|seen| now.saturating_duration_since(seen.at))
    }

    /// Of the lease of a node, as it was seen last.
    pub fn revision(&self, node: &NodeId) -> Option<u64> {
        self.seen.get(node).map(|seen| seen.revision)
    }

    /// The node whose clients' keys begin with this.
    pub fn by_tag(&self, tag: u32) -> Option<&NodeId> {
        let found = self.seen.iter().find(|(_, seen)| seen.info.tag == tag);
        found.map(|(node, _)| node)
    }

    /// All that have leases, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&NodeId, &NodeInfo)> {
        self.seen.iter().map(|(node, seen)| (node, &seen.info))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cluster) fn info(epoch: u64) -> NodeInfo {
        NodeInfo {
            protocol: 1,
            version: "0".to_owned(),
            epoch,
            tag: 7,
            region: String::new(),
            draining: false,
            load: Load::default(),
        }
    }

    fn id(text: &str) -> NodeId {
        NodeId::new(text).unwrap()
    }

    #[test]
    fn a_node_is_alive_while_its_lease_changes_and_given_up_by_its_last_revision() {
        let start = Instant::now();
        let mut nodes = Nodes::default();
        let came = nodes.observe(start, id("a"), Some((info(1), 5)));
        assert_eq!(came, Some(NodeEvent::Came(id("a"))));
        let later = start + LEASE;
        assert_eq!(nodes.over(later, &id("b")).collect::<Vec<_>>(), [(&id("a"), 5)]);
        assert_eq!(nodes.observe(later, id("a"), Some((info(1), 5))), None, "told again");
        assert_eq!(nodes.over(later, &id("b")).count(), 1);
        assert_eq!(nodes.observe(later, id("a"), Some((info(1), 6))), None);
        assert_eq!(nodes.over(later, &id("b")).count(), 0);
        assert_eq!(nodes.over(later + LEASE, &id("b")).count(), 1);
        nodes.excuse(later + LEASE / 2);
        assert_eq!(
            nodes.over(later + LEASE, &id("b")).count(),
            0,
            "we were cut off meanwhile"
        );
        assert_eq!(
            nodes.observe(later, id("a"), Some((info(2), 1))),
            None,
            "the table was lost"
        );
        assert_eq!(nodes.revision(&id("a")), Some(1));
        let went = nodes.observe(later, id("a"), None);
        assert_eq!(went, Some(NodeEvent::Went(id("a"))));
        assert_eq!(nodes.observe(later, id("a"), None), None);
    }

    #[test]
    fn of_many_nodes_a_few_give_up_a_dead_one_first_and_the_others_a_second_later() {
        let start = Instant::now();
        let mut nodes = Nodes::default();
        let all: Vec<NodeId> = (0..500).map(|at| id(&format!("n{at}"))).collect();
        for node in &all {
            nodes.observe(start, node.clone(), Some((info(1), 5)));
        }
        let alive = start + LEASE;
        for node in &all[1..] {
            nodes.observe(alive, node.clone(), Some((info(1), 6)));
        }
        let removing = |now| all.iter().filter(|own| nodes.over(now, own).count() > 0).count();
        let first = removing(start + LEASE);
        assert!((1..=20).contains(&first), "{first}");
        assert_eq!(removing(start + LEASE + OTHERS_WAIT), 500);
    }
}
