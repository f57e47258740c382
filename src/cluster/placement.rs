//! Where a room that is not there yet begins. Pure.

use std::cmp::Reverse;

use super::id::blend;
use super::{NodeId, NodeInfo};
use crate::wire::RoomId;

/// A node is chosen over the one that the client came to only when it is so much emptier, in hundredths: a relay costs a hop for
/// each message of signalling.
const WORTH_A_HOP: u64 = 150;
/// Below this, in hundredths of a transport for each media thread, no node counts as fuller than another.
const IDLE: u64 = 2_000;

/// The node of a room that the new one is linked with is chosen until it is so much fuller than another, in hundredths: what a link says
/// stays on one node.
const WORTH_A_LINK: u64 = 50;

/// So many nodes are looked at beside those that have a reason to be chosen. What is known of loads is up to a second old: if everybody
/// looked for the emptiest of all, everything that begins within a second would begin there.
const CHALLENGERS: usize = 4;

/// The node for a new room: of `region` if one there takes rooms (and can be spoken with). Looked at are `here`, where its first client came
/// in, the nodes of rooms it is linked with (`near`, a node for each), and a few others, which the room's name decides, so that all who
/// ask for one room look at the same. Of these, one that is near is chosen unless another is emptier by half; then `here`, unless another
/// is emptier by a third. `None`: nobody takes rooms.
pub fn place<'a>(
    nodes: &[(&'a NodeId, &'a NodeInfo)],
    room: &RoomId,
    here: &NodeId,
    region: &str,
    near: &[NodeId],
) -> Option<&'a NodeId> {
    let is_open = |info: &NodeInfo| !info.draining && !info.load.late && info.understands_us();
    let open = || nodes.iter().filter(|(_, info)| is_open(info));
    let in_region = open().any(|(_, info)| info.region == region);
    let mut challengers: [Option<(u64, usize)>; CHALLENGERS] = [None; CHALLENGERS];
    let mut best = None;
    let look = |at: usize| {
        let (node, info) = nodes[at];
        let away = node != here;
        let links = near.iter().filter(|near| *near == node).count();
        let worth = match (links, away) {
            (1.., _) => WORTH_A_LINK,
            (0, false) => 100,
            (0, true) => WORTH_A_HOP,
        };
        let load = info.load.per_shard().max(IDLE) * worth;
        // Of equals the one with most linked rooms, then the one at hand, then by name: the same question has the same answer.
        (load, Reverse(links), away, node)
    };
    for (at, (node, info)) in nodes.iter().enumerate() {
        if !is_open(info) || (in_region && info.region != region) {
            continue;
        }
        if *node == here || near.contains(node) {
            best = best.into_iter().chain([look(at)]).min();
            continue;
        }
        let mut challenger = Some((blend(room.as_str(), node.as_str()), at));
        for known in &mut challengers {
            if known.is_none() || challenger < *known {
                std::mem::swap(known, &mut challenger);
            }
        }
    }
    let challengers = challengers.into_iter().flatten().map(|(_, at)| look(at));
    best.into_iter().chain(challengers).min().map(|(.., node)| node)
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
        placed_near(nodes, here, &[])
    }

    fn placed_near(nodes: &[(NodeId, NodeInfo)], here: &str, near: &[&str]) -> Option<String> {
        let here = NodeId::new(here).unwrap();
        let near: Vec<NodeId> = near.iter().map(|near| NodeId::new(near).unwrap()).collect();
        let nodes: Vec<_> = nodes.iter().map(|(node, info)| (node, info)).collect();
        place(&nodes, &RoomId::new("r").unwrap(), &here, "", &near).map(|node| node.as_str().to_owned())
    }

    #[test]
    fn a_room_begins_on_the_node_of_a_room_it_is_linked_with_while_that_has_place() {
        let mut nodes = [node("a", 60), node("b", 110), node("c", 60)];
        assert_eq!(placed(&nodes, "a").as_deref(), Some("a"));
        assert_eq!(placed_near(&nodes, "a", &["b"]).as_deref(), Some("b"));
        assert_eq!(placed_near(&nodes, "a", &["gone"]).as_deref(), Some("a"));
        nodes[1].1.load.transports = 130;
        assert_eq!(
            placed_near(&nodes, "a", &["b"]).as_deref(),
            Some("a"),
            "more than twice as full"
        );
        nodes[1].1.load.transports = 60;
        assert_eq!(
            placed_near(&nodes, "a", &["b", "c", "c"]).as_deref(),
            Some("c"),
            "two of three are there"
        );
        nodes[2].1.region = "far".to_owned();
        assert_eq!(
            placed_near(&nodes, "a", &["c"]).as_deref(),
            Some("a"),
            "people are near, too"
        );
        nodes[1].1.load.late = true;
        assert_eq!(
            placed_near(&nodes, "a", &["b"]).as_deref(),
            Some("a"),
            "it takes nothing"
        );
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
    fn what_begins_together_does_not_all_begin_on_the_emptiest_node_of_many() {
        let mut nodes: Vec<_> = (0..100).map(|at| node(&format!("n{at:02}"), 1_000)).collect();
        nodes[7].1.load.transports = 0;
        let borrowed: Vec<_> = nodes.iter().map(|(node, info)| (node, info)).collect();
        let here = NodeId::new("n50").unwrap();
        let on_the_empty = (0..1_000).filter(|at| {
            let room = RoomId::new(&format!("room-{at}")).unwrap();
            let placed = place(&borrowed, &room, &here, "", &[]);
            assert_eq!(
                placed,
                place(&borrowed, &room, &here, "", &[]),
                "all who ask get the same answer"
            );
            placed.is_some_and(|placed| placed.as_str() == "n07")
        });
        let count = on_the_empty.count();
        assert!((20..=80).contains(&count), "{count} of 1000: some four in a hundred");
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
