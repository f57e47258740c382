//! The control plane of many nodes in virtual time: thousands of nodes that renew leases, give up the dead and place rooms, with the very
//! code that decides it (`Nodes`, `place`), beside a model of NATS and of people who come.
//!
//! `cargo test --test plane` tries it small. `PLANE=full cargo test --test plane -- --nocapture` makes the table of `docs/SCALING.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "what it says is what it is for")]

mod world;

use std::time::Duration;

use world::{Figures, Plan, World};

const SMALL: [(usize, usize); 2] = [(20, 4_000), (100, 20_000)];
const FULL: [(usize, usize); 3] = [(100, 100_000), (1_000, 1_000_000), (5_000, 1_000_000)];

fn sizes() -> Vec<(usize, usize)> {
    match std::env::var("PLANE") {
        Ok(full) if full == "full" => FULL.to_vec(),
        Ok(_) | Err(_) => SMALL.to_vec(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// A line of a table, in Markdown.
fn line(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn traffic(nodes: usize, rooms: usize, figures: &Figures) {
    line(&[
        nodes.to_string(),
        rooms.to_string(),
        format!("{:.0}", figures.per_second_into()),
        format!("{:.0}", figures.per_second_out()),
        format!("{:.1} MB", figures.bytes_per_second_out() / 1e6),
        format!("{:.0} kB", figures.bytes_per_second_out() / nodes as f64 / 1e3),
        format!("{:.2}", figures.fullest),
    ]);
}

#[test]
fn rooms_come_and_go_and_no_node_gets_many_more_than_its_share() {
    println!(
        "| nodes | rooms | messages into NATS a second | out of it | bytes out | for each node | fullest node, of the mean |"
    );
    for (nodes, rooms) in sizes() {
        let mut world = World::new(Plan {
            nodes,
            rooms,
            ..Plan::default()
        });
        let figures = world.run(Duration::from_secs(20));
        traffic(nodes, rooms, &figures);
        assert!(figures.fullest < 1.5, "{figures:?}");
        assert_eq!(figures.removed_alive, 0, "{figures:?}");
    }
}

#[test]
fn nodes_that_join_empty_are_filled_and_not_flooded() {
    println!(
        "| nodes | empty ones that join | fullest after, of the mean | most rooms begun on one node in a second |"
    );
    for (nodes, rooms) in sizes() {
        let mut world = World::new(Plan {
            nodes,
            rooms,
            ..Plan::default()
        });
        world.run(Duration::from_secs(2));
        world.add_nodes(nodes / 10);
        let figures = world.run(Duration::from_secs(20));
        line(&[
            nodes.to_string(),
            (nodes / 10).to_string(),
            format!("{:.2}", figures.fullest),
            figures.most_begun_on_one.to_string(),
        ]);
        assert!(figures.fullest < 1.5, "{figures:?}");
        let share = rooms / nodes;
        assert!(figures.most_begun_on_one < share.max(20), "{figures:?}");
    }
}

#[test]
fn when_a_tenth_of_the_nodes_dies_their_rooms_are_back_within_seconds_and_nobody_is_flooded() {
    println!(
        "| nodes | rooms lost | removed from the table after | tries to remove one | rooms begun again: most in a second | last after | messages into NATS: most in 100 ms | fullest node, of the mean |"
    );
    for (nodes, rooms) in sizes() {
        let mut world = World::new(Plan {
            nodes,
            rooms,
            ..Plan::default()
        });
        world.run(Duration::from_secs(3));
        let lost = world.kill(nodes / 10);
        let figures = world.run(Duration::from_secs(15));
        line(&[
            nodes.to_string(),
            lost.to_string(),
            seconds(figures.last_removed.unwrap()),
            format!("{:.1}", figures.removals_tried as f64 / (nodes / 10) as f64),
            figures.most_begun.to_string(),
            seconds(figures.last_begun_again.unwrap()),
            figures.most_into_in_a_tick.to_string(),
            format!("{:.2}", figures.fullest),
        ]);
        assert_eq!((figures.still_lost, figures.removed_alive), (0, 0), "{figures:?}");
        assert!(figures.last_removed.unwrap() < Duration::from_secs(5), "{figures:?}");
        assert!(figures.fullest < 1.6, "{figures:?}");
        // By a few nodes, and now and then by one that somebody waits at.
        let most = 25 * (nodes / 10) + lost / 5;
        assert!(figures.removals_tried < most, "{figures:?}");
    }
}

#[test]
fn a_region_that_is_split_off_lives_on_and_each_room_has_one_owner_afterwards() {
    println!(
        "| nodes | split off | given up after | their rooms begun twice | given back when it is back | all settled after |"
    );
    for (nodes, rooms) in sizes() {
        let mut world = World::new(Plan {
            nodes,
            rooms,
            regions: 2,
            ..Plan::default()
        });
        world.run(Duration::from_secs(3));
        world.cut_region(1);
        let apart = world.run(Duration::from_secs(15));
        world.mend();
        let figures = world.run(Duration::from_secs(15));
        line(&[
            nodes.to_string(),
            (nodes / 2).to_string(),
            seconds(apart.last_removed.unwrap()),
            apart.begun_twice.to_string(),
            figures.given_back.to_string(),
            seconds(figures.last_settled.unwrap()),
        ]);
        assert!(apart.last_removed.unwrap() < Duration::from_secs(6), "{apart:?}");
        assert_eq!(figures.owners_wrong, 0, "{figures:?}");
        assert_eq!(apart.begun_twice, figures.given_back, "the later one ends");
    }
}

#[test]
fn rooms_that_are_linked_live_together_where_there_is_place() {
    println!("| nodes | linked rooms on one node, without the hint | with it | fullest node, of the mean |");
    for (nodes, rooms) in sizes() {
        let without = World::new(Plan {
            nodes,
            rooms,
            linked: 0.2,
            ..Plan::default()
        })
        .run(Duration::from_secs(20));
        let plan = Plan {
            nodes,
            rooms,
            linked: 0.2,
            hints: true,
            ..Plan::default()
        };
        let with = World::new(plan).run(Duration::from_secs(20));
        let percent = |figures: &Figures| format!("{:.0} %", figures.linked_together * 100.0);
        line(&[
            nodes.to_string(),
            percent(&without),
            percent(&with),
            format!("{:.2}", with.fullest),
        ]);
        assert!(
            with.linked_together > 0.9 && without.linked_together < 0.5,
            "{with:?} {without:?}"
        );
        assert!(with.fullest < 1.6, "{with:?}");
    }
}
