//! Plays a scenario against a server.

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::engine::{Engine, Pace, Tally, Waiting};
use crate::measure::{LAG_MAX, ServerClock, milliseconds, quantiles};
use crate::node::{Node, NodeArguments};
use crate::scenario::Scenario;
use crate::sdp::Wishes;
use crate::target::{Guest, Person, Protocol, Target};

/// How long everybody may take until media comes.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// A ramp rises by so much with each step, and ends when two in a row lose more than this.
const RAMP_STEP: f64 = 1.07;
const RAMP_LOSS: f64 = 0.01;
const RAMP_STEPS_MAX: usize = 80;

#[derive(Clone, Debug, Args)]
pub(crate) struct MediaArguments {
    #[command(flatten)]
    pub(crate) node: NodeArguments,
    /// What is played: `webinar`, `video-meeting`, `audio-meeting`, `small-rooms`, `churn`, or a file.
    #[arg(long, default_value = "webinar")]
    scenario: String,
    /// Rooms, instead of the scenario's.
    #[arg(long)]
    rooms: Option<u32>,
    /// People of each room who send, instead of the scenario's.
    #[arg(long)]
    publishers: Option<u32>,
    /// People of each room who only receive, instead of the scenario's.
    #[arg(long)]
    subscribers: Option<u32>,
    /// How the packets of a picture leave, instead of the scenario's.
    #[arg(long, value_enum)]
    pace: Option<Pace>,
    /// Packets of a picture (of each encoding), instead of the scenario's; as many bits a second, so fewer pictures.
    #[arg(long)]
    packets_per_frame: Option<u16>,
    /// Without voices.
    #[arg(long)]
    mute: bool,
    /// So many times the rate of the scenario.
    #[arg(long, default_value_t = 1.0)]
    rate: f64,
    /// How long to measure, once everybody has media.
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Before that.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Joins under way at the same time.
    #[arg(long, default_value_t = 8)]
    joining: usize,
    /// Raises the rate until packets are lost.
    #[arg(long)]
    ramp: bool,
    /// Subscribers answer with transport-wide feedback, as browsers do; the server paces then.
    #[arg(long)]
    feedback: bool,
    /// No retransmission is asked for.
    #[arg(long)]
    no_rtx: bool,
    /// Takes a whole core, for exact latencies.
    #[arg(long)]
    spin: bool,
    /// How people get in.
    #[arg(long, value_enum, default_value_t)]
    protocol: Protocol,
    /// Where WHIP is.
    #[arg(long, default_value = "/whip/{room}")]
    whip_path: String,
    /// Where WHEP is.
    #[arg(long, default_value = "/whep/{room}/{publisher}")]
    whep_path: String,
    /// Tells on the terminal what it is doing.
    #[arg(long)]
    verbose: bool,
}

/// A report, and whether it says something about the server.
type Outcome = (Value, bool);

struct Stage {
    arguments: MediaArguments,
    scenario: Scenario,
    engine: Engine,
    target: Arc<Target>,
    prefix: String,
    /// By room, where people need one.
    tokens: HashMap<String, String>,
    publishers: Vec<Guest>,
    subscribers: VecDeque<Guest>,
    next_subscriber: u32,
    joined_in: Vec<Duration>,
    first_media_in: Vec<Duration>,
    /// The server before the first subscriber came, and when all of them had media.
    filled: Option<(ServerClock, ServerClock)>,
}

pub(crate) async fn run(arguments: MediaArguments) -> anyhow::Result<Outcome> {
    let mut stage = Stage::set(arguments)?;
    stage.gather().await?;
    tokio::time::sleep(Duration::from_secs_f64(stage.arguments.warm_up)).await;
    let outcome = if stage.arguments.ramp {
        stage.ramp().await
    } else {
        stage.measure_once().await
    };
    stage.leave().await;
    outcome
}

impl Stage {
    fn set(arguments: MediaArguments) -> anyhow::Result<Self> {
        let mut scenario = Scenario::load(&arguments.scenario)?;
        scenario.rooms = arguments.rooms.unwrap_or(scenario.rooms).max(1);
        scenario.publishers = arguments.publishers.unwrap_or(scenario.publishers).max(1);
        scenario.subscribers = arguments.subscribers.unwrap_or(scenario.subscribers);
        scenario.pace = arguments.pace.unwrap_or(scenario.pace);
        if arguments.mute {
            scenario.voice = None;
        }
        if let Some(packets) = arguments.packets_per_frame {
            for encoding in &mut scenario.camera {
                encoding.frames_per_second *= f64::from(encoding.packets_per_frame) / f64::from(packets.max(1));
                encoding.packets_per_frame = packets.max(1);
            }
        }
        ensure!(
            scenario.voice.is_some() || !scenario.camera.is_empty(),
            "nobody would send anything"
        );
        let waiting = if arguments.spin { Waiting::Spins } else { Waiting::Ticks };
        let target = Target {
            protocol: arguments.protocol,
            url: arguments.node.url.clone(),
            node: Node::new(&arguments.node),
            wishes: Wishes {
                feedback: arguments.feedback,
                rtx: !arguments.no_rtx,
            },
            whip_path: arguments.whip_path.clone(),
            whep_path: arguments.whep_path.clone(),
        };
        let engine = Engine::start(waiting)?;
        engine.set_rate(arguments.rate);
        Ok(Self {
            scenario,
            engine,
            target: Arc::new(target),
            prefix: format!("load{}", std::process::id()),
            tokens: HashMap::new(),
            publishers: Vec::new(),
            subscribers: VecDeque::new(),
            next_subscriber: 0,
            joined_in: Vec::new(),
            first_media_in: Vec::new(),
            filled: None,
            arguments,
        })
    }

    fn tell(&self, words: std::fmt::Arguments<'_>) {
        if self.arguments.verbose {
            let _closed_pipe = writeln!(std::io::stderr(), "{words}");
        }
    }

    /// Brings everybody in: who sends first, then who receives, a few at a time.
    async fn gather(&mut self) -> anyhow::Result<()> {
        if matches!(self.target.protocol, Protocol::Signal) {
            let rooms = self.scenario.rooms(&self.prefix);
            let tokens = self.target.node.tokens(rooms.clone()).await?;
            self.tokens = rooms.into_iter().zip(tokens).collect();
        }
        let people = self.scenario.publishers(&self.prefix);
        let people = people
            .into_iter()
            .map(|person| self.admitted(person))
            .collect::<Vec<_>>();
        self.tell(format_args!("{}: {}", self.arguments.scenario, self.scenario.about));
        self.tell(format_args!("{} who send come in", people.len()));
        self.publishers = self.join_all(people).await?;
        let count = self.scenario.rooms * self.scenario.subscribers;
        let people = (0..count)
            .map(|nth| self.admitted(self.scenario.subscriber(&self.prefix, nth)))
            .collect();
        self.next_subscriber = count;
        self.tell(format_args!("{count} who only receive come in"));
        let before = self.arguments.node.clock()?;
        let guests = self.join_all(people).await?;
        self.joined_in.extend(guests.iter().map(|guest| guest.joined_in));
        self.subscribers = guests.into();
        self.everybody_has_media().await?;
        self.filled = before.zip(self.arguments.node.clock()?);
        Ok(())
    }

    fn admitted(&self, person: Person) -> Person {
        let token = self.tokens.get(&person.room).cloned();
        Person { token, ..person }
    }

    async fn join_all(&self, people: Vec<Person>) -> anyhow::Result<Vec<Guest>> {
        let gate = Arc::new(Semaphore::new(self.arguments.joining.max(1)));
        let mut joins = JoinSet::new();
        for person in people {
            let (target, engine, gate) = (self.target.clone(), self.engine.clone(), gate.clone());
            joins.spawn(async move {
                let _turn = gate.acquire().await?;
                target.join(&engine, &person).await
            });
        }
        let mut guests = Vec::new();
        while let Some(joined) = joins.join_next().await {
            guests.push(joined??);
        }
        Ok(guests)
    }

    async fn everybody_has_media(&mut self) -> anyhow::Result<()> {
        let receivers = self
            .subscribers
            .iter()
            .chain(self.publishers.iter().filter(|_| self.scenario.meeting));
        let end = Instant::now() + PATIENCE;
        let mut first_media_in = Vec::new();
        for guest in receivers {
            let first = loop {
                if let Some(at) = self.engine.first_media(guest.peer).await? {
                    break at;
                }
                ensure!(Instant::now() < end, "somebody got no media within {PATIENCE:?}");
                tokio::time::sleep(LOOK).await;
            };
            first_media_in.push(first.saturating_duration_since(guest.began));
        }
        self.first_media_in = first_media_in;
        Ok(())
    }

    /// What is counted in so many seconds, while people come and go.
    async fn window(&mut self, seconds: f64) -> anyhow::Result<Window> {
        let server_before = self.arguments.node.clock()?;
        let own_before = ServerClock::read(std::process::id())?;
        let before = self.engine.count().await?;
        let (begun, end) = (Instant::now(), Duration::from_secs_f64(seconds));
        let mut churned = 0_u32;
        if self.scenario.churn_per_second > 0.0 {
            let mut joins = JoinSet::new();
            while begun.elapsed() < end {
                churned += 1;
                let due = Duration::from_secs_f64(f64::from(churned) / self.scenario.churn_per_second).min(end);
                tokio::time::sleep_until((begun + due).into()).await;
                if let Some(guest) = self.subscribers.pop_front() {
                    self.target.leave(&self.engine, guest).await;
                }
                let person = self.admitted(self.scenario.subscriber(&self.prefix, self.next_subscriber));
                self.next_subscriber += 1;
                let (target, engine) = (self.target.clone(), self.engine.clone());
                joins.spawn(async move { target.join(&engine, &person).await });
                while let Some(joined) = joins.try_join_next() {
                    let guest = joined??;
                    self.joined_in.push(guest.joined_in);
                    self.subscribers.push_back(guest);
                }
            }
            while let Some(joined) = joins.join_next().await {
                self.subscribers.push_back(joined??);
            }
        } else {
            tokio::time::sleep(end).await;
        }
        let after = self.engine.count().await?;
        let seconds = begun.elapsed().as_secs_f64();
        let own = ServerClock::read(std::process::id())?.since(own_before);
        let server = self.arguments.node.clock()?.zip(server_before);
        Ok(Window {
            seconds,
            tally: after.since(&before)?,
            server: server.map(|(after, before)| after.since(before)),
            own,
            churned,
        })
    }

    async fn measure_once(&mut self) -> anyhow::Result<Outcome> {
        let seconds = self.arguments.seconds;
        let window = self.window(seconds).await?;
        let valid = window.is_valid();
        let mut report = window.json();
        self.add_context(&mut report);
        self.tell(format_args!("{}", window.line()));
        Ok((report, valid))
    }

    /// Raises the rate until packets are lost.
    async fn ramp(&mut self) -> anyhow::Result<Outcome> {
        let (mut rate, mut bad) = (self.arguments.rate, 0);
        let (mut best, mut steps) = (None::<Window>, Vec::new());
        for _ in 0..RAMP_STEPS_MAX {
            self.engine.set_rate(rate);
            tokio::time::sleep(Duration::from_millis(300)).await;
            let window = self.window(self.arguments.seconds).await?;
            self.tell(format_args!("rate {rate:.2}: {}", window.line()));
            steps.push(json!({
                "rate": rate,
                "packetsReceivedPerSecond": window.received_per_second(),
                "loss": window.tally.peers.loss(),
                "valid": window.is_valid(),
            }));
            if window.tally.peers.loss() < RAMP_LOSS && window.is_valid() {
                bad = 0;
                best = Some(window);
            } else {
                bad += 1;
                if bad == 2 {
                    break;
                }
            }
            rate *= RAMP_STEP;
        }
        let Some(window) = best else {
            anyhow::bail!("the first step lost more than {RAMP_LOSS} already");
        };
        let valid = window.is_valid();
        let mut report = window.json();
        report["steps"] = Value::Array(steps);
        self.add_context(&mut report);
        Ok((report, valid))
    }

    fn add_context(&self, report: &mut Value) {
        let joins = f64::from(self.scenario.rooms * self.scenario.subscribers);
        if let Some((before, after)) = self.filled.filter(|_| joins > 0.0) {
            report["server"]["residentKilobytesPerSubscriber"] = json!(after.grown_kb(before) / joins);
            report["server"]["cpuMillisecondsPerJoin"] = json!(after.since(before).cpu_seconds * 1e3 / joins);
        }
        report["scenario"] = json!(self.arguments.scenario);
        report["rooms"] = json!(self.scenario.rooms);
        report["publishersPerRoom"] = json!(self.scenario.publishers);
        report["subscribersPerRoom"] = json!(self.scenario.subscribers);
        report["joinMilliseconds"] = quantiles(self.joined_in.iter().copied());
        report["firstMediaMilliseconds"] = quantiles(self.first_media_in.iter().copied());
    }

    /// Leaves in good order, so that the server's next run starts empty.
    async fn leave(&mut self) {
        for guest in self.subscribers.drain(..).chain(self.publishers.drain(..)) {
            self.target.leave(&self.engine, guest).await;
        }
    }
}

/// What was counted in some time.
struct Window {
    seconds: f64,
    tally: Tally,
    server: Option<crate::measure::ProcessTime>,
    own: crate::measure::ProcessTime,
    churned: u32,
}

impl Window {
    /// A generator that was late itself has measured itself.
    fn is_valid(&self) -> bool {
        let lag = Duration::from_micros(self.tally.lag_us.value_at_quantile(0.99));
        lag <= LAG_MAX && self.tally.peers.refused == 0
    }

    fn received_per_second(&self) -> f64 {
        (self.tally.peers.received as f64 / self.seconds).round()
    }

    fn per_packet_us(&self) -> Option<f64> {
        let server = self.server.as_ref()?;
        Some(server.cpu_seconds * 1e6 / self.tally.peers.received.max(1) as f64)
    }

    /// One line for people.
    fn line(&self) -> String {
        let cost = self
            .per_packet_us()
            .map_or_else(String::new, |us| format!(", {us:.2} us of the server each"));
        format!(
            "{:.0} packets/s received{cost}, loss {:.4}, latency p50 {:.2} ms p99 {:.2} ms{}",
            self.received_per_second(),
            self.tally.peers.loss(),
            self.tally.latency_us.value_at_quantile(0.5) as f64 / 1e3,
            self.tally.latency_us.value_at_quantile(0.99) as f64 / 1e3,
            if self.is_valid() {
                ""
            } else {
                " (VOID: the generator was late)"
            },
        )
    }

    fn json(&self) -> Value {
        let peers = &self.tally.peers;
        let server = self.server.as_ref().map(|time| {
            json!({
                "cpuSeconds": time.cpu_seconds,
                "cores": time.cpu_seconds / self.seconds,
                "cpuMicrosecondsPerForwardedPacket": self.per_packet_us(),
                "residentMiB": time.resident_mib,
            })
        });
        let us = |us: u64| milliseconds(Duration::from_micros(us));
        let histogram = |values: &hdrhistogram::Histogram<u64>| {
            json!({
                "p50": us(values.value_at_quantile(0.5)),
                "p99": us(values.value_at_quantile(0.99)),
                "max": us(values.max()),
            })
        };
        json!({
            "valid": self.is_valid(),
            "seconds": self.seconds,
            "packetsSent": peers.sent,
            "packetsReceived": peers.received,
            "packetsReceivedPerSecond": self.received_per_second(),
            "megabitsReceivedPerSecond": (peers.received_bytes as f64 * 8.0 / self.seconds / 1e4).round() / 100.0,
            "packetsRetransmitted": peers.resent,
            "packetsMissing": peers.missing,
            "loss": peers.loss(),
            "keyframesAsked": peers.keyframes_asked,
            "churned": self.churned,
            "latencyMilliseconds": histogram(&self.tally.latency_us),
            "server": server,
            "generator": {
                "lagMilliseconds": histogram(&self.tally.lag_us),
                "lagLimitMilliseconds": milliseconds(LAG_MAX),
                "packetsRefused": peers.refused,
                "cpuSeconds": self.own.cpu_seconds,
                "residentMiB": self.own.resident_mib,
            },
        })
    }
}
