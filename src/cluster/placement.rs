//! Where a room that is not there yet begins. Pure.

use super::{NodeId, NodeInfo};

/// A node is chosen over the one that the client came to only when it is so much emptier, in hundredths: a relay costs a hop for
/// each message of signalling.
const WORTH_A_HOP: u64 = 150;
/// Below this, in hundredths of a transport for each media thread, no node counts as fuller than another.
const IDLE: u64 = 2_000;

/// The node for a new room: of `region` if one there takes rooms (and can be spoken with), and of those `here`, where its first client came in, unless another
/// is emptier by half. `None`: nobody takes rooms.
pub fn place<'a>(nodes: &[(&'a NodeId, &'a NodeInfo)], here: &NodeId, region: &str) -> Option<&'a NodeId> {
    let open = nodes
        .iter()
        .filter(|(_, info)| !info.draining && !info.load.late && info.understands_us());
    open.min_by_key(|(node, info)| {
        let away = *node != here;
        let load = info.load.per_shard().max(IDLE) * if away { WORTH_A_HOP } else { 100 };
        // Of equals the one at hand, then by name: the same question has the same answer.
        (info.region != region, load, away, *node)
    })
    .map(|(node, _)| *node)
}

#[cfg(test)]
mod tests {
    use super::super::nodes::tests::info;
    use super::super::{Load, NodeInfo};
    use super::*;

    fn node(name: &str, transports: u32) -> (NodeId, NodeInfo) {
        let load = Load {
            transports,
            shards: 1,
            ..Load::default()
        };
        (NodeId::new(name).unwrap(), NodeInfo { load, ..info(1) })
    }

    fn placed(nodes: &[(NodeId, NodeInfo)], here: &str) -> Option<String> {
        let here = NodeId::new(here).unwrap();
        let nodes: Vec<_> = nodes.iter().map(|(node, info)| (node, info)).collect();
        place(&nodes, &here, "").map(|node| node.as_str().to_owned())
    }

    #[test]
    fn a_room_begins_where_its_first_client_is_unless_another_node_is_emptier_by_half() {
        let nodes = [node("a", 100), node("b", 70), node("c", 120)];
        assert_eq!(placed(&nodes, "a").as_deref(), Some("a"));
        assert_eq!(placed(&nodes, "c").as_deref(), Some("b"));
        let idle = [node("a", 0), node("b", 15), node("c", 3)];
        assert_eq!(placed(&idle, "b").as_deref(), Some("b"), "all are idle");
    }

    #[test]
    fn another_region_comes_last_and_who_drains_or_is_late_takes_nothing() {
        let mut nodes = [node("a", 900), node("b", 0), node("c", 700)];
        nodes[1].1.region = "far".to_owned();
        assert_eq!(placed(&nodes, "a").as_deref(), Some("a"));
        nodes[0].1.draining = true;
        assert_eq!(placed(&nodes, "a").as_deref(), Some("c"));
        nodes[2].1.protocol += 1;
        assert_eq!(placed(&nodes, "a").as_deref(), Some("c"), "of the next release");
        nodes[2].1.protocol += 1;
        assert_eq!(
            placed(&nodes, "a").as_deref(),
            Some("b"),
            "of one that nobody here can know"
        );
        nodes[2].1.load.late = true;
        assert_eq!(placed(&nodes, "a").as_deref(), Some("b"));
        nodes[1].1.draining = true;
        assert_eq!(placed(&nodes, "a"), None);
    }
}
