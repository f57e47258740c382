//! Joins by way of a node that has the room, and by way of one that has not, in turn: what being carried costs.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;

use crate::Outcome;
use crate::measure::{LagMeter, quantiles};
use crate::node::{Node, NodeArguments, join, leave};

#[derive(Debug, Args)]
pub(crate) struct Carried {
    /// The node where the rooms begin.
    #[command(flatten)]
    node: NodeArguments,
    /// Base URL of another node of the cluster.
    #[arg(long)]
    other: String,
    /// Joins of each kind.
    #[arg(long, default_value_t = 500)]
    joins: u32,
    /// People in a room before it is left for the next.
    #[arg(long, default_value_t = 10)]
    people: u32,
}

pub(crate) async fn run(arguments: Carried) -> anyhow::Result<Outcome> {
    let (direct, carried) = (Node::new(&arguments.node), Node::at(&arguments.other));
    let (mut directly, mut by_the_other) = (Vec::new(), Vec::new());
    let mut asked = Vec::new();
    let lag = LagMeter::start();
    let mut room = 0;
    while by_the_other.len() < arguments.joins as usize {
        let name = format!("carried-{}-{room}", std::process::id());
        room += 1;
        let token = direct.token(&name, None).await?;
        let mut people = vec![direct.join(&token, "first").await?];
        for at in 0..arguments.people {
            for (node, times) in [(&direct, &mut directly), (&carried, &mut by_the_other)] {
                let mut signal = node.connect().await?;
                let begun = Instant::now();
                join(&mut signal, &token, &format!("{at}-{}", people.len())).await?;
                times.push(begun.elapsed());
                people.push(signal);
            }
        }
        if let Some(last) = people.last_mut() {
            for _ in 0..10 {
                let begun = Instant::now();
                last.request("topic.subscribe", json!({"topic": "t"})).await?;
                asked.push(begun.elapsed());
            }
        }
        leave(people).await;
    }
    let lag = lag.stop().await;
    let valid = lag.is_valid();
    let milliseconds = |times: Vec<Duration>| quantiles(times.into_iter());
    let report = json!({
        "scenario": "carried",
        "valid": valid,
        "joinMilliseconds": milliseconds(directly),
        "carriedJoinMilliseconds": milliseconds(by_the_other),
        "carriedRequestMilliseconds": milliseconds(asked),
    });
    Ok((report, valid))
}
