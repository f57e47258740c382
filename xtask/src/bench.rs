//! `cargo xtask bench`: what forwarding costs the server, beside the least that it can cost on this machine in the same run.
//!
//! The server (or the floor program) is pinned to one core and the generator to the other. Rounds alternate, and medians
//! count, so that other work on the machine hits both alike.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::Context;
use crate::figures::{self, Figure};
use crate::install::{self, System};
use crate::process::{cargo, run};

const BUILD_LIMIT: Duration = Duration::from_secs(1500);
const BENCH_LIMIT: Duration = Duration::from_secs(300);
/// How long a program may take until it can be played to.
const START_LIMIT: Duration = Duration::from_secs(10);
const ROUNDS: usize = 3;
const HTTP: &str = "127.0.0.1:7979";
const FLOOR: &str = "127.0.0.1:7978";
const MEDIA_PORT: u16 = 7_977;

const JANUS_PORT: u16 = 7_976;
const JANUS: System = System::new(("janus", "--version"), "janus");
/// One event loop, as suits one core, and nothing loaded but what is played to.
const JANUS_CONFIG: &str = r#"general: { session_timeout = 0; event_loops = 1; debug_level = 2 }
nat: { ice_lite = true }
plugins: { disable = "libjanus_audiobridge.so,libjanus_echotest.so,libjanus_nosip.so,libjanus_recordplay.so,libjanus_sip.so,libjanus_streaming.so,libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,libjanus_duktape.so,libjanus_lua.so" }
transports: { disable = "libjanus_mqtt.so,libjanus_nanomsg.so,libjanus_pfunix.so,libjanus_rabbitmq.so,libjanus_websockets.so" }
"#;

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Names, or beginnings of names, of figures; none: all.
    only: Vec<String>,
    /// Debian's Janus in the same rounds.
    janus: bool,
}

impl Choice {
    pub(crate) fn read(mut arguments: &[&str]) -> anyhow::Result<Self> {
        let mut choice = Self::default();
        while let Some((first, behind)) = arguments.split_first() {
            arguments = behind;
            match (*first, behind.split_first()) {
                ("--with-janus", _) => choice.janus = true,
                ("--only", Some((name, behind))) => {
                    choice.only.push((*name).to_owned());
                    arguments = behind;
                }
                (other, _) => bail!("{other} is not known, or lacks what should follow it"),
            }
        }
        Ok(choice)
    }
}

/// Measures everything; the results are also in `target/bench.json`.
pub(crate) fn measure(context: &Context, choice: &Choice) -> anyhow::Result<Vec<Figure>> {
    if choice.janus {
        install::system_packages([JANUS].iter());
        ensure!(install::missing(&[JANUS]).is_none(), "Janus is not installed");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| context.root.join("target"), PathBuf::from);
    let target = context.root.join(target);
    let programs = [
        "build",
        "--locked",
        "--release",
        "--package",
        "enfilade",
        "--package",
        "loadtest",
    ];
    ensure!(
        run(cargo(&programs, &context.root), BUILD_LIMIT).success,
        "server and generator could not be built"
    );
    let mut bench = Bench {
        context,
        programs: target.join("release"),
        figures: Vec::new(),
        choice: choice.clone(),
        target: target.clone(),
    };
    bench.in_memory()?;
    bench.beside_floor("even", &["--pace", "even", "--packets-per-frame", "1"], false, 1.2)?;
    bench.beside_floor(
        "frames-of-4",
        &["--pace", "frames", "--packets-per-frame", "4"],
        true,
        1.3,
    )?;
    bench.beside_floor(
        "frames-of-10",
        &["--pace", "frames", "--packets-per-frame", "10"],
        true,
        1.3,
    )?;
    bench.small_rooms()?;
    bench.growth()?;
    bench.scale()?;
    bench.latency()?;
    bench.participants()?;
    bench.joins()?;
    bench.comings_and_goings()?;
    bench.capacity(
        "even",
        &["--pace", "even", "--packets-per-frame", "1"],
        false,
        280_000.0,
    )?;
    bench.capacity(
        "frames-of-10",
        &["--pace", "frames", "--packets-per-frame", "10"],
        true,
        500_000.0,
    )?;
    figures::write(&bench.figures, &target.join("bench.json")).map_err(anyhow::Error::msg)?;
    Ok(bench.figures)
}

struct Bench<'a> {
    context: &'a Context,
    programs: PathBuf,
    figures: Vec<Figure>,
    choice: Choice,
    target: PathBuf,
}

/// What plays the server, on a core of its own.
struct Running {
    child: Child,
    url: String,
    /// Of the generator's protocols.
    protocol: &'static str,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// A goal.
#[derive(Clone, Copy)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
    None,
}

impl Bench<'_> {
    fn wants(&self, name: &str) -> bool {
        self.choice.only.is_empty() || self.choice.only.iter().any(|only| name.starts_with(only.as_str()))
    }

    fn add(&mut self, figure: impl Into<String>, value: f64, unit: &str, goal: Goal) {
        let (goal, ok) = match goal {
            Goal::AtMost(most) => (format!("<= {most}"), value <= most),
            Goal::AtLeast(least) => (format!(">= {least}"), value >= least),
            Goal::None => ("none".to_owned(), true),
        };
        let figure = Figure {
            figure: figure.into(),
            value: Some((value * 1_000.0).round() / 1_000.0),
            unit: unit.to_owned(),
            goal,
            ok,
        };
        eprintln!("{}", figure.line());
        self.figures.push(figure);
    }

    fn server(&self, settings: &[&str]) -> anyhow::Result<Running> {
        self.server_on("0", &[&["media.shards=1"], settings].concat())
    }

    fn server_on(&self, cores: &str, settings: &[&str]) -> anyhow::Result<Running> {
        let mut command = pinned(cores, &self.programs.join("enfilade"));
        command.args(["--http-listen", HTTP]);
        command.args(["--set", &format!("media.first_port={MEDIA_PORT}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running {
            child,
            url: format!("http://{HTTP}"),
            protocol: "signal",
        };
        wait_for(HTTP)?;
        Ok(running)
    }

    fn floor(&self, gso: bool) -> anyhow::Result<Running> {
        let mut command = pinned("0", &self.programs.join("loadtest"));
        command.args(["floor", "--listen", FLOOR]);
        if gso {
            command.arg("--gso");
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        // It says so when it listens.
        let mut line = String::new();
        let said = child.stdout.take().context("the floor says nothing")?;
        BufReader::new(said).read_line(&mut line)?;
        Ok(Running {
            child,
            url: format!("udp://{FLOOR}"),
            protocol: "floor",
        })
    }

    fn janus(&self) -> anyhow::Result<Running> {
        let folder = self.target.join("bench-janus");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("janus.jcfg"), JANUS_CONFIG)?;
        let http = format!("general: {{ json = \"plain\"; http = true; port = {JANUS_PORT}; ip = \"127.0.0.1\" }}\n");
        fs::write(folder.join("janus.transport.http.jcfg"), http)?;
        fs::write(folder.join("janus.plugin.videoroom.jcfg"), "general: { }\n")?;
        let mut command = pinned("0", Path::new("janus"));
        command.arg("-F").arg(&folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let running = Running {
            child,
            url: format!("http://127.0.0.1:{JANUS_PORT}"),
            protocol: "janus",
        };
        wait_for(&format!("127.0.0.1:{JANUS_PORT}"))?;
        Ok(running)
    }

    /// One run of the generator, or two when it was late itself.
    fn play(&self, against: &Running, arguments: &[&str]) -> anyhow::Result<Value> {
        let report = self.play_once(against, arguments)?;
        if report["valid"] == true {
            return Ok(report);
        }
        let report = self.play_once(against, arguments)?;
        ensure!(
            report["valid"] == true,
            "void: the generator was late twice in {}",
            arguments.join(" ")
        );
        Ok(report)
    }

    fn play_once(&self, against: &Running, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = pinned("1", &self.programs.join("loadtest"));
        let pid = against.child.id().to_string();
        command.args(["--url", &against.url, "--pid", &pid, "--protocol", against.protocol]);
        let output = command.args(arguments).stderr(Stdio::inherit()).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("no report of loadtest {}", arguments.join(" ")))
    }

    /// The benchmark of everything but the system call.
    fn in_memory(&mut self) -> anyhow::Result<()> {
        if !self.wants("memory") {
            return Ok(());
        }
        let bench = run(
            cargo(&["bench", "--locked", "--bench", "forward"], &self.context.root),
            BUILD_LIMIT,
        );
        ensure!(bench.success, "the benchmark in memory failed");
        for line in bench.text.lines() {
            let fields: Vec<f64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
            if let [subscribers, bytes, together, _, _, ratio] = fields[..] {
                let goal = if bytes > 1_000.0 && together == 1.0 {
                    Goal::AtMost(1.2)
                } else {
                    Goal::None
                };
                let name = format!("memory/1-to-{subscribers}/{bytes}-bytes/{together}-together");
                self.add(name, ratio, "of the floor", goal);
            }
        }
        Ok(())
    }

    /// Cost per packet beside that of the floor, at two fan-outs.
    fn beside_floor(&mut self, name: &str, shape: &[&str], gso: bool, goal: f64) -> anyhow::Result<()> {
        for subscribers in ["50", "200"] {
            let figure = format!("cost/{name}/fan-out-{subscribers}");
            if !self.wants(&figure) {
                continue;
            }
            let arguments = [&["--mute", "--subscribers", subscribers, "--seconds", "3"], shape].concat();
            let (mut ours, mut floors, mut others) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                if self.choice.janus {
                    let janus = self.janus()?;
                    others.push(cost(&self.play(&janus, &arguments)?)?);
                }
                let floor = self.floor(gso)?;
                floors.push(cost(&self.play(&floor, &arguments)?)?);
                drop(floor);
                let server = self.server(&[])?;
                ours.push(cost(&self.play(&server, &arguments)?)?);
            }
            let (ours, floor) = (median(ours), median(floors));
            self.add(format!("{figure}/floor"), floor, "us", Goal::None);
            self.add(format!("{figure}/enfilade"), ours, "us", Goal::None);
            if self.choice.janus {
                self.add(format!("{figure}/janus"), median(others), "us", Goal::None);
            }
            self.add(figure, ours / floor, "of the floor", Goal::AtMost(goal));
        }
        Ok(())
    }

    /// Many small rooms, with and without what makes packets leave together.
    fn small_rooms(&mut self) -> anyhow::Result<()> {
        if !self.wants("small-rooms") {
            return Ok(());
        }
        let arguments = ["--scenario", "small-rooms", "--seconds", "3"];
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let server = self.server(&["media.gso=false", "media.moderation=0s"])?;
            without.push(cost(&self.play(&server, &arguments)?)?);
            drop(server);
            let server = self.server(&[])?;
            with.push(cost(&self.play(&server, &arguments)?)?);
        }
        let (with, without) = (median(with), median(without));
        self.add("small-rooms/one-by-one", without, "us", Goal::None);
        self.add("small-rooms/enfilade", with, "us", Goal::None);
        self.add("small-rooms", with / without, "of one by one", Goal::AtMost(0.5));
        Ok(())
    }

    /// Cost per packet for 50 and for 1 000 subscribers.
    fn growth(&mut self) -> anyhow::Result<()> {
        if !self.wants("growth") {
            return Ok(());
        }
        let mut costs = Vec::new();
        for (subscribers, rate) in [("50", "4"), ("200", "1"), ("1000", "0.2")] {
            let arguments = [
                "--mute",
                "--subscribers",
                subscribers,
                "--rate",
                rate,
                "--seconds",
                "3",
                "--joining",
                "16",
            ];
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                let server = self.server(&[])?;
                rounds.push(cost(&self.play(&server, &arguments)?)?);
            }
            let each = median(rounds);
            self.add(format!("growth/{subscribers}-subscribers"), each, "us", Goal::None);
            costs.push(each);
        }
        self.add("growth", costs[2] / costs[0], "of 50", Goal::AtMost(1.15));
        Ok(())
    }

    /// What a second thread gives: twice what one gives, less what each packet costs more. The generator has one of two cores to
    /// itself only half of the time then, so it is played softly and processor time is compared.
    fn scale(&mut self) -> anyhow::Result<()> {
        let rooms = &["--scenario", "video-meeting", "--rooms", "8", "--seconds", "3"][..];
        let one_room = &["--mute", "--subscribers", "200", "--rate", "0.5", "--seconds", "3"];
        for (name, arguments) in [("scale/many-rooms", rooms), ("scale/one-room", one_room)] {
            if !self.wants(name) {
                continue;
            }
            let (mut ones, mut twos) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                let server = self.server_on("0,1", &["media.shards=1"])?;
                ones.push(cost(&self.play(&server, arguments)?)?);
                drop(server);
                let server = self.server_on("0,1", &["media.shards=2", "media.room_spread=50"])?;
                twos.push(cost(&self.play(&server, arguments)?)?);
            }
            let (one, two) = (median(ones), median(twos));
            self.add(format!("{name}/one-thread"), one, "us", Goal::None);
            self.add(format!("{name}/two-threads"), two, "us", Goal::None);
            self.add(name, 2.0 * one / two, "times one thread", Goal::AtLeast(1.8));
        }
        Ok(())
    }

    /// A thousand people a second, for ten seconds.
    fn joins(&mut self) -> anyhow::Result<()> {
        if !self.wants("joins") {
            return Ok(());
        }
        let server = self.server(&[])?;
        let report = self.play_once(&server, &["joins"])?;
        let refused: f64 = count(&report["refused"]);
        self.add("joins/served", number(&report["served"])?, "of 10000", Goal::None);
        self.add("joins/refused", refused, "of 10000", Goal::None);
        self.add("joins/lost", count(&report["lost"]), "of 10000", Goal::AtMost(0.0));
        let answers = number(&report["answerMilliseconds"]["p99"])?;
        self.add("joins/answer-p99", answers, "ms", Goal::AtMost(1_000.0));
        Ok(())
    }

    /// Memory after a hundred thousand people were there, beside that after twenty thousand.
    fn comings_and_goings(&mut self) -> anyhow::Result<()> {
        if !self.wants("comings-and-goings") {
            return Ok(());
        }
        let server = self.server(&[])?;
        let rush = |seconds| {
            let arguments = [
                "joins",
                "--no-media",
                "--per-second",
                "1000",
                "--stay",
                "0.1",
                "--seconds",
            ];
            self.play_once(&server, &[&arguments[..], &[seconds]].concat())
        };
        let before = rush("20")?;
        let after = rush("80")?;
        let served = number(&before["served"])? + number(&after["served"])?;
        let memory = |report: &Value| number(&report["server"]["residentMiB"]);
        let grown = memory(&after)? / memory(&before)?;
        self.add("comings-and-goings/served", served, "people", Goal::AtLeast(95_000.0));
        self.add("comings-and-goings/memory", memory(&after)?, "MiB", Goal::None);
        self.add("comings-and-goings", grown, "of after 20000", Goal::AtMost(1.1));
        Ok(())
    }

    /// From the sender's socket to the reader's.
    fn latency(&mut self) -> anyhow::Result<()> {
        if !self.wants("latency") {
            return Ok(());
        }
        let server = self.server(&[])?;
        let idle = self.play(
            &server,
            &[
                "--mute",
                "--subscribers",
                "5",
                "--pace",
                "even",
                "--packets-per-frame",
                "1",
                "--rate",
                "0.2",
                "--spin",
            ],
        )?;
        self.add(
            "latency/idle/p50",
            number(&idle["latencyMilliseconds"]["p50"])?,
            "ms",
            Goal::AtMost(0.3),
        );
        self.add(
            "latency/idle/p99",
            number(&idle["latencyMilliseconds"]["p99"])?,
            "ms",
            Goal::AtMost(2.0),
        );
        let half = self.play(
            &server,
            &[
                "--mute",
                "--subscribers",
                "200",
                "--pace",
                "even",
                "--packets-per-frame",
                "1",
                "--rate",
                "2.8",
                "--spin",
            ],
        )?;
        self.add(
            "latency/half/load",
            number(&half["server"]["cores"])?,
            "cores",
            Goal::None,
        );
        self.add(
            "latency/half/p50",
            number(&half["latencyMilliseconds"]["p50"])?,
            "ms",
            Goal::None,
        );
        self.add(
            "latency/half/p99",
            number(&half["latencyMilliseconds"]["p99"])?,
            "ms",
            Goal::AtMost(5.0),
        );
        Ok(())
    }

    /// What people cost beside their packets.
    fn participants(&mut self) -> anyhow::Result<()> {
        if !self.wants("participant") {
            return Ok(());
        }
        let bench = run(
            cargo(&["bench", "--locked", "--bench", "participant"], &self.context.root),
            BENCH_LIMIT,
        );
        ensure!(bench.success, "the benchmark of a participant failed");
        let heap = bench
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .windows(2)
            .find_map(|pair| {
                if pair[1] == "bytes" {
                    pair[0].parse::<f64>().ok()
                } else {
                    None
                }
            })
            .context("no heap in the report")?;
        self.add("participant/heap-idle", heap / 1e3, "kB", Goal::AtMost(40.0));
        let server = self.server(&[])?;
        let report = self.play(
            &server,
            &["--mute", "--subscribers", "200", "--rate", "0.2", "--seconds", "3"],
        )?;
        self.add(
            "participant/resident",
            number(&report["server"]["residentKilobytesPerSubscriber"])?,
            "kB",
            Goal::AtMost(60.0),
        );
        self.add(
            "participant/join-cpu",
            number(&report["server"]["cpuMillisecondsPerJoin"])?,
            "ms",
            Goal::AtMost(0.5),
        );
        Ok(())
    }

    /// Most packets a second on one core with less than 1 % lost.
    fn capacity(&mut self, name: &str, shape: &[&str], gso: bool, goal: f64) -> anyhow::Result<()> {
        let figure = format!("capacity/{name}");
        if !self.wants(&figure) {
            return Ok(());
        }
        let arguments = [
            &[
                "--mute",
                "--subscribers",
                "200",
                "--seconds",
                "1",
                "--ramp",
                "--rate",
                "2",
            ],
            shape,
        ]
        .concat();
        let floor = self.floor(gso)?;
        let least = number(&self.play(&floor, &arguments)?["packetsReceivedPerSecond"])?;
        drop(floor);
        let server = self.server(&[])?;
        let ours = number(&self.play(&server, &arguments)?["packetsReceivedPerSecond"])?;
        self.add(format!("{figure}/floor"), least, "packets/s", Goal::None);
        self.add(figure, ours, "packets/s", Goal::AtLeast(goal));
        Ok(())
    }
}

fn pinned(cores: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(cores).arg(program).stdin(Stdio::null());
    command
}

/// Waits until somebody listens there.
fn wait_for(address: &str) -> anyhow::Result<()> {
    let address: SocketAddr = address.parse()?;
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        ensure!(begun.elapsed() < START_LIMIT, "nobody listens at {address}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn number(value: &Value) -> anyhow::Result<f64> {
    value.as_f64().context("a figure that is missing in the report")
}

/// All of a list of counts.
fn count(counts: &Value) -> f64 {
    let counts = counts.as_object().into_iter().flat_map(|counts| counts.values());
    counts.filter_map(Value::as_f64).sum()
}

fn cost(report: &Value) -> anyhow::Result<f64> {
    number(&report["server"]["cpuMicrosecondsPerForwardedPacket"])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read() {
        assert_eq!(Choice::read(&[]).unwrap(), Choice::default());
        let choice = Choice::read(&["--only", "cost/even", "--with-janus"]).unwrap();
        assert!(choice.janus && choice.only == ["cost/even"]);
        for wrong in [&["--only"][..], &["--fast"]] {
            assert!(Choice::read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_median_of_an_odd_number_of_rounds_is_one_of_them() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    }
}
