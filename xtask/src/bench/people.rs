//! What people cost beside their packets, and what very many of them do to a server.

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{BENCH_LIMIT, Bench, Goal, number};
use crate::process::{cargo, run};

impl Bench<'_> {
    /// What people cost beside their packets.
    pub(super) fn participants(&mut self) -> anyhow::Result<()> {
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

    /// A thousand people a second, for ten seconds.
    pub(super) fn joins(&mut self) -> anyhow::Result<()> {
        if !self.wants("joins") {
            return Ok(());
        }
        let server = self.server(&[])?;
        let report = self.play_command(&server, &["joins"])?;
        let refused = report["refused"]["overloaded"].as_f64().unwrap_or_default();
        let otherwise = count(&report["refused"]) - refused + count(&report["lost"]);
        self.add("joins/served", number(&report["served"])?, "of 10000", Goal::None);
        self.add("joins/refused", refused, "of 10000", Goal::None);
        self.add("joins/neither", otherwise, "of 10000", Goal::AtMost(0.0));
        let answers = number(&report["answerMilliseconds"]["p99"])?;
        self.add("joins/answer-p99", answers, "ms", Goal::AtMost(1_000.0));
        Ok(())
    }

    /// Memory after a hundred thousand people were there, beside that after thirty thousand: what outlasts a visit, by some twenty
    /// seconds, is there by then. Few sessions are kept on record, because those would grow for longer, up to the number that is configured.
    pub(super) fn comings_and_goings(&mut self) -> anyhow::Result<()> {
        if !self.wants("comings-and-goings") {
            return Ok(());
        }
        let server = self.server(&["records.max_sessions=1000"])?;
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
            self.play_command(&server, &[&arguments[..], &[seconds]].concat())
        };
        let before = rush("30")?;
        let after = rush("70")?;
        let served = number(&before["served"])? + number(&after["served"])?;
        let memory = |report: &Value| number(&report["server"]["residentMiB"]);
        let grown = memory(&after)? / memory(&before)?;
        self.add("comings-and-goings/served", served, "people", Goal::AtLeast(95_000.0));
        self.add("comings-and-goings/memory", memory(&after)?, "MiB", Goal::None);
        self.add("comings-and-goings", grown, "of after 30000", Goal::AtMost(1.1));
        Ok(())
    }
}

/// All of a list of counts.
fn count(counts: &Value) -> f64 {
    let counts = counts.as_object().into_iter().flat_map(|counts| counts.values());
    counts.filter_map(Value::as_f64).fold(0.0, |all, count| all + count)
}
