//! What a packet costs.

use anyhow::ensure;
use serde_json::Value;

use super::{BUILD_LIMIT, Bench, Goal, ROUNDS, cost, median, number};
use crate::process::{cargo, run};

impl Bench<'_> {
    /// The benchmark of everything but the system call.
    pub(super) fn in_memory(&mut self) -> anyhow::Result<()> {
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

    /// Cost per packet beside that of the floor, at two fan-outs, with a core busy for a tenth to a half of the time: at less it is
    /// waking up that is measured, which depends on the machine below.
    pub(super) fn beside_floor(&mut self, name: &str, shape: &[&str], gso: bool, goal: f64) -> anyhow::Result<()> {
        for (subscribers, rate) in [("50", "4"), ("200", "2")] {
            let figure = format!("cost/{name}/fan-out-{subscribers}");
            if !self.wants(&figure) {
                continue;
            }
            let audience = ["--mute", "--subscribers", subscribers, "--rate", rate, "--seconds", "3"];
            let arguments = [&audience[..], shape].concat();
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
            // Of each pair, because the machine may be slower in one round than in another.
            let ratios = ours.iter().zip(&floors).map(|(ours, floor)| ours / floor).collect();
            self.add(format!("{figure}/floor"), median(floors), "us", Goal::None);
            self.add(format!("{figure}/enfilade"), median(ours), "us", Goal::None);
            if self.choice.janus {
                self.add(format!("{figure}/janus"), median(others), "us", Goal::None);
            }
            self.add(figure, median(ratios), "of the floor", Goal::AtMost(goal));
        }
        Ok(())
    }

    /// Many small rooms, with and without what makes packets leave together.
    pub(super) fn small_rooms(&mut self) -> anyhow::Result<()> {
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
        let ratios = with
            .iter()
            .zip(&without)
            .map(|(with, without)| with / without)
            .collect();
        self.add("small-rooms/one-by-one", median(without), "us", Goal::None);
        self.add("small-rooms/enfilade", median(with), "us", Goal::None);
        self.add("small-rooms", median(ratios), "of one by one", Goal::AtMost(0.5));
        Ok(())
    }

    /// Cost per packet of one camera for 50 and for 1 000 who watch it.
    pub(super) fn growth(&mut self) -> anyhow::Result<()> {
        if !self.wants("growth") {
            return Ok(());
        }
        let mut costs = Vec::new();
        for subscribers in ["50", "200", "1000"] {
            let arguments = [
                "--mute",
                "--subscribers",
                subscribers,
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
    pub(super) fn scale(&mut self) -> anyhow::Result<()> {
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
            let ratios = ones.iter().zip(&twos).map(|(one, two)| 2.0 * one / two).collect();
            self.add(format!("{name}/one-thread"), median(ones), "us", Goal::None);
            self.add(format!("{name}/two-threads"), median(twos), "us", Goal::None);
            self.add(name, median(ratios), "times one thread", Goal::AtLeast(1.8));
        }
        Ok(())
    }

    /// From the sender's socket to the reader's.
    pub(super) fn latency(&mut self) -> anyhow::Result<()> {
        if !self.wants("latency") {
            return Ok(());
        }
        const EVEN: [&str; 6] = ["--mute", "--pace", "even", "--packets-per-frame", "1", "--spin"];
        let server = self.server(&[])?;
        let play = |subscribers, rate: f64| {
            let rate = rate.to_string();
            let own = ["--subscribers", subscribers, "--rate", &rate];
            self.play(&server, &[&EVEN[..], &own].concat())
        };
        let quantile = |report: &Value, name| number(&report["latencyMilliseconds"][name]);
        let load = |report: &Value| number(&report["server"]["cores"]);
        let idle = play("5", 0.2)?;
        // What is half of a core, on this machine today.
        let half = play("200", 0.5 / load(&play("200", 1.0)?)?)?;
        self.add("latency/idle/p50", quantile(&idle, "p50")?, "ms", Goal::AtMost(0.3));
        self.add("latency/idle/p99", quantile(&idle, "p99")?, "ms", Goal::AtMost(2.0));
        self.add("latency/half/load", load(&half)?, "cores", Goal::None);
        self.add("latency/half/p50", quantile(&half, "p50")?, "ms", Goal::None);
        self.add("latency/half/p99", quantile(&half, "p99")?, "ms", Goal::AtMost(5.0));
        Ok(())
    }

    /// Most packets a second on one core with less than 1 % lost.
    pub(super) fn capacity(&mut self, name: &str, shape: &[&str], gso: bool, goal: f64) -> anyhow::Result<()> {
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
