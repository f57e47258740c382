//! Chat from one room to people of a linked one, many such pairs at the same time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::{Value, json};
use testkit::{ProtocolError, Signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::measure::{LagMeter, ServerClock, quantiles};
use crate::node::{Node, NodeArguments, leave};

#[derive(Debug, Args)]
pub(crate) struct LinksChat {
    #[command(flatten)]
    node: NodeArguments,
    /// Pairs of linked rooms.
    #[arg(long, default_value_t = 50)]
    pairs: u32,
    /// People of each pair who write, all in its first room.
    #[arg(long, default_value_t = 10)]
    senders: u32,
    /// People of each pair who read, all in its second room.
    #[arg(long, default_value_t = 4)]
    receivers: u32,
    /// What each sender writes. The server takes 3 a second from one person and 50 over one link.
    #[arg(long, default_value_t = 2.5)]
    chats_per_second: f64,
    /// Length of each text.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// How long to measure.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Base URL of another node of a cluster, where the people of the second rooms come in.
    #[arg(long)]
    there: Option<String>,
}

/// What one sender saw.
#[derive(Default)]
struct Sent {
    answers: Vec<Duration>,
    refused: BTreeMap<String, u64>,
}

/// When the senders write. Texts say when they were sent, in nanoseconds after `start`.
#[derive(Clone, Copy)]
struct Plan {
    start: Instant,
    interval: Duration,
    length: Duration,
    bytes: usize,
}

struct Scene {
    /// Each with the room at the other end of the link.
    senders: Vec<(Signal, String)>,
    receivers: Vec<Signal>,
}

async fn link_rooms(arguments: &LinksChat, node: &Node) -> anyhow::Result<Scene> {
    let other = arguments.there.as_deref().map_or_else(|| node.clone(), Node::at);
    let mut scene = Scene {
        senders: Vec::new(),
        receivers: Vec::new(),
    };
    for pair in 0..arguments.pairs {
        let (here, there) = (format!("chat-{pair}-here"), format!("chat-{pair}-there"));
        let token = node.token(&there, None).await?;
        for n in 0..arguments.receivers {
            scene
                .receivers
                .push(other.join(&token, &format!("receiver-{n}")).await?);
        }
        let token = node.token(&here, None).await?;
        for n in 0..arguments.senders {
            let mut sender = node.join(&token, &format!("sender-{n}")).await?;
            if n == 0 {
                sender.request("link.open", json!({"room": there})).await?;
            }
            scene.senders.push((sender, there.clone()));
        }
    }
    Ok(scene)
}

async fn send(signal: &mut Signal, link: &str, plan: Plan, first: Duration) -> anyhow::Result<Sent> {
    let mut sent = Sent::default();
    let mut due = first;
    while due < plan.length {
        tokio::time::sleep_until((plan.start + due).into()).await;
        let now = Instant::now();
        let mut text = format!("{} ", now.duration_since(plan.start).as_nanos());
        while text.len() < plan.bytes {
            text.push('.');
        }
        match signal
            .request("link.chat", json!({"link": link, "text": text}))
            .await
            .map_err(|error| error.downcast::<ProtocolError>())
        {
            Ok(_) => sent.answers.push(now.elapsed()),
            Err(Ok(refused)) => *sent.refused.entry(refused.code).or_default() += 1,
            Err(Err(error)) => return Err(error),
        }
        due += plan.interval;
    }
    Ok(sent)
}

fn delay(event: &Value, start: Instant) -> Option<Duration> {
    let arrived = start.elapsed();
    let sent: u64 = event["text"].as_str()?.split(' ').next()?.parse().ok()?;
    Some(arrived.saturating_sub(Duration::from_nanos(sent)))
}

async fn receive(
    signal: &mut Signal,
    start: Instant,
    delivered: &AtomicU64,
    mut done: watch::Receiver<bool>,
) -> anyhow::Result<Vec<Duration>> {
    let mut delays = Vec::new();
    loop {
        tokio::select! {
            event = signal.event_where("a chat", |_| true) => {
                let event = event?;
                if event["type"] == "link.chat" {
                    delays.push(delay(&event, start).context("a text that nobody sent")?);
                    delivered.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ = done.wait_for(|done| *done) => return Ok(delays),
        }
    }
}

pub(crate) async fn run(arguments: LinksChat) -> anyhow::Result<Outcome> {
    ensure!(arguments.chats_per_second > 0.0, "chats per second must be more than 0");
    let scene = link_rooms(&arguments, &Node::new(&arguments.node)).await?;
    let interval = Duration::from_secs_f64(1.0 / arguments.chats_per_second);
    let plan = Plan {
        start: Instant::now() + Duration::from_millis(100),
        interval,
        length: Duration::from_secs(arguments.seconds),
        bytes: arguments.bytes,
    };
    let (done, is_done) = watch::channel(false);
    let delivered = Arc::new(AtomicU64::new(0));
    let mut receiving = JoinSet::new();
    for mut receiver in scene.receivers {
        let (delivered, is_done) = (Arc::clone(&delivered), is_done.clone());
        receiving.spawn(async move {
            let delays = receive(&mut receiver, plan.start, &delivered, is_done).await;
            (receiver, delays)
        });
    }
    let lag = LagMeter::start();
    let server_before = arguments.node.clock()?;
    let own_before = ServerClock::read(std::process::id())?;
    let mut sending = JoinSet::new();
    let (count, per_pair) = (scene.senders.len(), arguments.senders as usize);
    for (n, (mut sender, link)) in scene.senders.into_iter().enumerate() {
        // Spread over one interval, the people of one room as far apart as can be: they do not write in step.
        let (pair, rank) = (n / per_pair, n % per_pair);
        let first = interval.mul_f64((rank * arguments.pairs as usize + pair) as f64 / count as f64);
        sending.spawn(async move {
            let sent = send(&mut sender, &link, plan, first).await;
            (sender, sent)
        });
    }
    let (mut people, mut sent) = (Vec::new(), Sent::default());
    while let Some(sender) = sending.join_next().await {
        let (sender, one) = sender?;
        let one = one?;
        people.push(sender);
        sent.answers.extend(one.answers);
        for (code, times) in one.refused {
            *sent.refused.entry(code).or_default() += times;
        }
    }
    let elapsed = plan.start.elapsed().as_secs_f64();
    let server = arguments
        .node
        .clock()?
        .zip(server_before)
        .map(|(after, before)| after.since(before));
    let own = ServerClock::read(std::process::id())?.since(own_before);
    let lag = lag.stop().await;
    let expected = sent.answers.len() as u64 * u64::from(arguments.receivers);
    // What does not come now is counted as missing below.
    let _all_or_not = testkit::eventually("every delivery", || {
        (delivered.load(Ordering::Relaxed) >= expected).then_some(())
    })
    .await;
    done.send_replace(true);
    let mut delays = Vec::new();
    while let Some(receiver) = receiving.join_next().await {
        let (receiver, one) = receiver?;
        delays.extend(one?);
        people.push(receiver);
    }
    leave(people).await;

    let chats = sent.answers.len();
    let json = json!({
        "scenario": "links-chat",
        "valid": lag.is_valid(),
        "pairs": arguments.pairs,
        "sendersPerPair": arguments.senders,
        "receiversPerPair": arguments.receivers,
        "seconds": (elapsed * 100.0).round() / 100.0,
        "chats": chats,
        "chatsPerSecond": (chats as f64 / elapsed).round(),
        "chatsRefused": sent.refused,
        "deliveriesPerSecond": (delays.len() as f64 / elapsed).round(),
        "deliveriesMissing": expected.saturating_sub(delays.len() as u64),
        "answerMilliseconds": quantiles(sent.answers.into_iter()),
        "deliveryMilliseconds": quantiles(delays.into_iter()),
        "server": server.map(|time| json!({
            "cpuSeconds": time.cpu_seconds,
            "cores": (time.cpu_seconds / elapsed * 1e3).round() / 1e3,
            "cpuMicrosecondsPerChat": (time.cpu_seconds * 1e6 / chats.max(1) as f64).round(),
            "residentMiB": time.resident_mib,
        })),
        "generator": lag.generator(own),
    });
    Ok((json, lag.is_valid()))
}
