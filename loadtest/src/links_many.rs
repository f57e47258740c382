//! A ring of linked rooms beside rooms without links.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde_json::{Value, json};
use testkit::Signal;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::measure::{LagMeter, ProcessTime, ServerClock, milliseconds, quantile, quantiles};
use crate::node::{Node, NodeArguments, join, leave};

#[derive(Debug, Args)]
pub(crate) struct LinksMany {
    #[command(flatten)]
    node: NodeArguments,
    /// Rooms in the ring. Each is linked with the next, so there are as many links, and two in each room.
    #[arg(long, default_value_t = 1_000)]
    rooms: usize,
    /// Rooms beside the ring, without links.
    #[arg(long, default_value_t = 100)]
    unlinked: usize,
    /// People in each room, in all the time.
    #[arg(long, default_value_t = 10)]
    people: usize,
    /// Joins measured, into each of the two kinds of room.
    #[arg(long, default_value_t = 200)]
    joins: usize,
    /// Joins and openings of links under way at the same time, while the scene is set.
    #[arg(long, default_value_t = 16)]
    joining: usize,
    /// How long the server is watched doing nothing, before and after the links are opened.
    #[arg(long, default_value_t = 10)]
    idle_seconds: u64,
}

/// One room's people; the first of them opens the link.
struct Room {
    name: String,
    token: String,
    people: Vec<Signal>,
}

async fn fill(node: Node, name: String, people: usize) -> anyhow::Result<Room> {
    let token = node.token(&name, None).await?;
    let mut room = Room {
        name,
        token,
        people: Vec::new(),
    };
    for n in 0..people {
        room.people.push(node.join(&room.token, &format!("person-{n}")).await?);
    }
    Ok(room)
}

async fn fill_rooms(arguments: &LinksMany, node: &Node, kind: &str, count: usize) -> anyhow::Result<Vec<Room>> {
    let gate = Arc::new(Semaphore::new(arguments.joining.max(1)));
    let mut filling = JoinSet::new();
    for n in 0..count {
        let (node, gate) = (node.clone(), Arc::clone(&gate));
        let (name, people) = (format!("{kind}-{n}"), arguments.people);
        filling.spawn(async move {
            let _turn = gate.acquire().await?;
            fill(node, name, people).await
        });
    }
    let mut rooms = Vec::new();
    while let Some(room) = filling.join_next().await {
        rooms.push(room??);
    }
    Ok(rooms)
}

/// Links each room with the next, and waits until the last person of each has seen both links. How long each opening took.
async fn link_ring(arguments: &LinksMany, rooms: Vec<Room>) -> anyhow::Result<(Vec<Room>, Vec<Duration>)> {
    let names: Vec<String> = rooms
        .iter()
        .cycle()
        .skip(1)
        .take(rooms.len())
        .map(|room| room.name.clone())
        .collect();
    let gate = Arc::new(Semaphore::new(arguments.joining.max(1)));
    let mut opening = JoinSet::new();
    for (n, (mut room, next)) in rooms.into_iter().zip(names).enumerate() {
        let gate = Arc::clone(&gate);
        opening.spawn(async move {
            let _turn = gate.acquire().await?;
            let began = Instant::now();
            if let Some(first) = room.people.first_mut() {
                first.request("link.open", json!({"room": next})).await?;
            }
            anyhow::Ok((n, room, began.elapsed()))
        });
    }
    let (mut rooms, mut took) = (Vec::new(), Vec::new());
    while let Some(opened) = opening.join_next().await {
        let (n, room, time) = opened??;
        rooms.push((n, room));
        took.push(time);
    }
    rooms.sort_by_key(|(n, _)| *n);
    let mut rooms: Vec<Room> = rooms.into_iter().map(|(_, room)| room).collect();
    for room in &mut rooms {
        if let Some(last) = room.people.last_mut() {
            last.event("link.opened").await?;
            last.event("link.opened").await?;
        }
    }
    Ok((rooms, took))
}

/// How long newcomers took.
#[derive(Default)]
struct Joins {
    /// From sending `join` on an open socket to `joined`.
    answered: Vec<Duration>,
    /// From the same to `link.roster` in a linked room.
    seen_over_link: Vec<Duration>,
}

/// Joins a room and leaves it again. `neighbour`: somebody in a room it is linked with.
async fn visit(node: &Node, room: &Room, neighbour: Option<&mut Signal>, joins: &mut Joins) -> anyhow::Result<()> {
    // A new name each time: of somebody who leaves and is back at once, linked rooms need not be told.
    let id = format!("newcomer-{}", joins.answered.len());
    let mut newcomer = node.connect().await?;
    let began = Instant::now();
    join(&mut newcomer, &room.token, &id).await?;
    joins.answered.push(began.elapsed());
    if let Some(neighbour) = neighbour {
        neighbour
            .event_where("the newcomer in the linked room", |event| {
                event["type"] == "link.roster"
                    && event["link"] == room.name.as_str()
                    && event["joined"][0]["id"] == id.as_str()
            })
            .await?;
        joins.seen_over_link.push(began.elapsed());
    }
    leave([newcomer]).await;
    Ok(())
}

/// Visits to both kinds of room in turn, so that both are measured in the same weather.
async fn visits(
    arguments: &LinksMany,
    node: &Node,
    linked: &mut [Room],
    unlinked: &[Room],
) -> anyhow::Result<(Joins, Joins)> {
    let (mut to_linked, mut to_unlinked) = (Joins::default(), Joins::default());
    let count = linked.len();
    let stride = (count / unlinked.len()).max(1);
    for n in 0..arguments.joins {
        // As many different rooms of either kind: one visited before is quicker, its memory being in the caches.
        let at = n % unlinked.len() * stride % count;
        // The neighbour is borrowed from its room for the time of the visit.
        let mut neighbour = linked[(at + 1) % count].people.pop();
        let quiet = &unlinked[n % unlinked.len()];
        if n % 2 == 0 {
            visit(node, &linked[at], neighbour.as_mut(), &mut to_linked).await?;
            visit(node, quiet, None, &mut to_unlinked).await?;
        } else {
            visit(node, quiet, None, &mut to_unlinked).await?;
            visit(node, &linked[at], neighbour.as_mut(), &mut to_linked).await?;
        }
        linked[(at + 1) % count].people.extend(neighbour);
    }
    Ok((to_linked, to_unlinked))
}

/// What the server uses while nobody asks for anything.
async fn idle(arguments: &LinksMany) -> anyhow::Result<Option<ProcessTime>> {
    let before = arguments.node.clock()?;
    tokio::time::sleep(Duration::from_secs(arguments.idle_seconds)).await;
    Ok(arguments
        .node
        .clock()?
        .zip(before)
        .map(|(after, before)| after.since(before)))
}

fn ratio(linked: &[Duration], unlinked: &[Duration], share: f64) -> f64 {
    let of = |times: &[Duration]| {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        milliseconds(quantile(&sorted, share))
    };
    (of(linked) / of(unlinked) * 100.0).round() / 100.0
}

fn server(links: usize, empty: Option<ProcessTime>, before: Option<ProcessTime>, after: Option<ProcessTime>) -> Value {
    let (Some(empty), Some(before), Some(after)) = (empty, before, after) else {
        return Value::Null;
    };
    json!({
        "residentMiBEmpty": empty.resident_mib,
        "residentMiBWithoutLinks": before.resident_mib,
        "residentMiBWithLinks": after.resident_mib,
        "residentKiBPerLink": ((after.resident_mib - before.resident_mib) * 1024.0 / links as f64 * 10.0).round() / 10.0,
        "idleCpuSecondsWithoutLinks": before.cpu_seconds,
        "idleCpuSecondsWithLinks": after.cpu_seconds,
    })
}

pub(crate) async fn run(arguments: LinksMany) -> anyhow::Result<Outcome> {
    ensure!(arguments.rooms >= 3, "a ring of links takes three rooms");
    ensure!(
        arguments.unlinked >= 1 && arguments.people >= 1,
        "there must be somebody in a room without links"
    );
    let node = Node::new(&arguments.node);
    let empty = arguments.node.clock()?.map(|now| now.since(now));
    let unlinked = fill_rooms(&arguments, &node, "unlinked", arguments.unlinked).await?;
    let ring = fill_rooms(&arguments, &node, "linked", arguments.rooms).await?;
    let before = idle(&arguments).await?;
    let (mut ring, opened) = link_ring(&arguments, ring).await?;
    let after = idle(&arguments).await?;

    let own_before = ServerClock::read(std::process::id())?;
    let lag = LagMeter::start();
    let (to_linked, to_unlinked) = visits(&arguments, &node, &mut ring, &unlinked).await?;
    let lag = lag.stop().await;
    let own = ServerClock::read(std::process::id())?.since(own_before);

    let links = ring.len();
    leave(ring.into_iter().chain(unlinked).flat_map(|room| room.people)).await;
    let json = json!({
        "scenario": "links-many",
        "valid": lag.is_valid(),
        "links": links,
        "rooms": links + arguments.unlinked,
        "participants": (links + arguments.unlinked) * arguments.people,
        "openMilliseconds": quantiles(opened.into_iter()),
        "joinRatio": {
            "p50": ratio(&to_linked.answered, &to_unlinked.answered, 0.5),
            "p99": ratio(&to_linked.answered, &to_unlinked.answered, 0.99),
        },
        "joinLinkedMilliseconds": quantiles(to_linked.answered.into_iter()),
        "joinUnlinkedMilliseconds": quantiles(to_unlinked.answered.into_iter()),
        "seenOverLinkMilliseconds": quantiles(to_linked.seen_over_link.into_iter()),
        "idleSeconds": arguments.idle_seconds,
        "server": server(links, empty, before, after),
        "generator": lag.generator(own),
    });
    Ok((json, lag.is_valid()))
}
