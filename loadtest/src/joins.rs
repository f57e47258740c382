//! A rush: people come in at a steady rate, whether or not the server keeps up, and somebody who is in a call meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use enfilade::packet::Kind;
use serde_json::json;
use testkit::{ProtocolError, Signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::engine::{Engine, Pace, Shape, Waiting};
use crate::measure::{LagMeter, ServerClock, quantile, quantiles};
use crate::node::{Node, NodeArguments, join, leave};
use crate::sdp::Wishes;
use crate::target::{Person, Protocol, Source, Target};

/// How often the witness asks for something.
const ASKS_EVERY: Duration = Duration::from_millis(50);
/// What signalling may take in a rush.
const ANSWER_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Joins {
    #[command(flatten)]
    node: NodeArguments,
    /// People who come in each second.
    #[arg(long, default_value_t = 1_000)]
    per_second: u32,
    /// For so many seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// People of each room.
    #[arg(long, default_value_t = 5)]
    people: u32,
    /// They leave after so many seconds.
    #[arg(long, default_value_t = 2.0)]
    stay: f64,
    /// Packets of sound that each sends a second: by default a microphone that is open in silence, since it is coming in that is
    /// measured, and not media.
    #[arg(long, default_value_t = 2.0)]
    sound: f64,
    /// Signalling alone; otherwise each of them negotiates, has keys, and sends a little sound.
    #[arg(long)]
    no_media: bool,
}

/// What became of one.
enum Fate {
    /// In, after this time: with media, until keys were there.
    Served(Duration),
    /// The server said why not, after this time.
    Refused(String, Duration),
    /// Neither.
    Lost(String),
}

fn person(arguments: &Joins, nth: u32, token: String) -> Person {
    let voice = Source {
        kind: Kind::Audio,
        encodings: vec![Shape {
            frames_per_second: arguments.sound,
            packets_per_frame: 1,
            payload_len: 80,
            pace: Pace::Even,
        }],
    };
    Person {
        room: room(nth / arguments.people),
        id: format!("person-{nth}"),
        sends: vec![voice],
        seats: arguments.people as usize - 1,
        watches: None,
        number: nth,
        token: Some(token),
    }
}

fn room(number: u32) -> String {
    format!("rush-{number}")
}

/// One comes in, stays, and goes.
async fn visit(target: Arc<Target>, engine: Engine, person: Person, media: bool, stay: Duration) -> Fate {
    let began = Instant::now();
    let entered = if media {
        target.join(&engine, &person).await.map(Ok)
    } else {
        join_signalling(&target, &person).await.map(Err)
    };
    let took = began.elapsed();
    match entered {
        Ok(guest) => {
            tokio::time::sleep(stay).await;
            match guest {
                Ok(guest) => target.leave(&engine, guest).await,
                Err(signal) => leave([signal]).await,
            }
            Fate::Served(took)
        }
        Err(error) => match error.downcast::<ProtocolError>() {
            Ok(refused) => Fate::Refused(refused.code, took),
            Err(error) => Fate::Lost(format!("{error:#}")),
        },
    }
}

async fn join_signalling(target: &Target, person: &Person) -> anyhow::Result<Signal> {
    let mut signal = target.node.connect().await?;
    let token = person.token.as_deref().unwrap_or_default();
    join(&mut signal, token, &person.id).await?;
    Ok(signal)
}

/// Somebody in a call: how long answers take, until it is over.
async fn witness(mut signal: Signal, mut over: watch::Receiver<bool>) -> anyhow::Result<Vec<Duration>> {
    let mut answers = Vec::new();
    while !*over.borrow() {
        let began = Instant::now();
        signal.request("ping", json!({})).await.context("in a call meanwhile")?;
        answers.push(began.elapsed());
        let _over = tokio::time::timeout(ASKS_EVERY, over.wait_for(|over| *over)).await;
    }
    leave([signal]).await;
    Ok(answers)
}

pub(crate) async fn run(arguments: Joins) -> anyhow::Result<Outcome> {
    ensure!(arguments.per_second > 0 && arguments.people > 0, "nobody would come");
    let count = arguments.per_second * arguments.seconds;
    let node = Node::new(&arguments.node);
    let tokens = node.tokens((0..count.div_ceil(arguments.people)).map(room)).await?;
    let seen = node.token("rush-witness", None).await?;
    let (end, over) = watch::channel(false);
    let witness = tokio::spawn(witness(node.join(&seen, "witness").await?, over));
    let engine = Engine::start(Waiting::Ticks)?;
    let target = Arc::new(Target {
        protocol: Protocol::Signal,
        url: arguments.node.url.clone(),
        node,
        wishes: Wishes {
            feedback: false,
            rtx: true,
        },
        whip_path: String::new(),
        whep_path: String::new(),
    });
    let lag = LagMeter::start();
    let server_before = arguments.node.clock()?;
    let own_before = ServerClock::read(std::process::id())?;
    let begun = Instant::now();
    let mut visits = JoinSet::new();
    let (media, stay) = (!arguments.no_media, Duration::from_secs_f64(arguments.stay));
    for nth in 0..count {
        let due = begun + Duration::from_secs_f64(f64::from(nth) / f64::from(arguments.per_second));
        tokio::time::sleep_until(due.into()).await;
        let token = tokens[(nth / arguments.people) as usize].clone();
        let person = person(&arguments, nth, token);
        visits.spawn(visit(target.clone(), engine.clone(), person, media, stay));
    }
    let offered_in = begun.elapsed();
    let fates = visits.join_all().await;
    end.send_replace(true);
    let server = arguments
        .node
        .clock()?
        .zip(server_before)
        .map(|(after, before)| after.since(before));
    let own = ServerClock::read(std::process::id())?.since(own_before);
    let lag = lag.stop().await;
    let mut answers = witness.await??;
    answers.sort_unstable();

    let (mut served, mut refusals) = (Vec::new(), Vec::new());
    let (mut refused, mut lost) = (BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new());
    for fate in fates {
        match fate {
            Fate::Served(took) => served.push(took),
            Fate::Refused(code, took) => {
                refusals.push(took);
                *refused.entry(code).or_default() += 1;
            }
            Fate::Lost(why) => *lost.entry(why).or_default() += 1,
        }
    }
    let report = json!({
        "scenario": "joins",
        // Where both share the cores, a rush makes the generator late as well; what counts here is that everybody was answered.
        "valid": true,
        "offered": count,
        "offeredPerSecond": (f64::from(count) / offered_in.as_secs_f64()).round(),
        "served": served.len(),
        "refused": refused,
        "lost": lost,
        "joinMilliseconds": quantiles(served.iter().copied()),
        "refusalMilliseconds": quantiles(refusals.into_iter()),
        "answerMilliseconds": quantiles(answers.iter().copied()),
        "answersInTime": quantile(&answers, 0.99) <= ANSWER_MAX,
        "server": server.map(|time| json!({
            "cpuSeconds": time.cpu_seconds,
            "cpuMillisecondsPerJoin": time.cpu_seconds * 1e3 / f64::from(count),
            "residentMiB": time.resident_mib,
        })),
        "generator": lag.generator(own),
    });
    Ok((report, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_of_a_room_come_one_after_the_other() {
        let arguments = Joins {
            node: NodeArguments {
                url: String::new(),
                pid: None,
            },
            per_second: 1,
            seconds: 1,
            people: 3,
            stay: 0.0,
            sound: 2.0,
            no_media: false,
        };
        let rooms: Vec<String> = (0..4).map(|nth| person(&arguments, nth, String::new()).room).collect();
        assert_eq!(rooms, ["rush-0", "rush-0", "rush-0", "rush-1"]);
    }
}
