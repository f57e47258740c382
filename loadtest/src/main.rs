//! The load generator: publishers and subscribers of one room, and one JSON report of what came through.

mod clients;
mod measure;
mod report;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use clients::Scene;
use measure::{LagMeter, ServerClock};

/// Joins a running node with many clients and prints one JSON report.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Base URL of the node, which must accept the development key.
    #[arg(long, default_value = "http://127.0.0.1:7880")]
    url: String,
    /// Room to join. It should be empty.
    #[arg(long, default_value = "loadtest")]
    room: String,
    /// Clients that send a voice and a camera.
    #[arg(long, default_value_t = 1)]
    publishers: u32,
    /// Clients that only receive.
    #[arg(long, default_value_t = 50)]
    subscribers: u32,
    /// How long to measure, once everybody has media.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Joins under way at the same time.
    #[arg(long, default_value_t = 4)]
    joining: usize,
    /// Pictures per second of each camera.
    #[arg(long, default_value_t = 30)]
    frames_per_second: u32,
    /// Packets of 1100 bytes in each picture.
    #[arg(long, default_value_t = 4)]
    packets_per_frame: u16,
    /// Process id of the server, to report its processor time.
    #[arg(long)]
    pid: Option<u32>,
}

async fn run(arguments: Arguments) -> anyhow::Result<(serde_json::Value, bool)> {
    let mut scene = Scene::join(&arguments).await?;
    scene.everybody_has_media().await?;

    let lag = LagMeter::start();
    let server_before = arguments.pid.map(ServerClock::read).transpose()?;
    let own_before = ServerClock::read(std::process::id())?;
    let before = scene.count();
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let after = scene.count();
    let own_after = ServerClock::read(std::process::id())?;
    let server_after = arguments.pid.map(ServerClock::read).transpose()?;
    let lag = lag.stop().await;

    let report = report::Report {
        arguments: &arguments,
        joins: scene.joins(),
        before,
        after,
        lag: &lag,
        server_cpu: server_after
            .zip(server_before)
            .map(|(after, before)| after.since(before)),
        own_cpu: own_after.since(own_before),
    };
    let (json, valid) = (report.json(), report.is_valid());
    scene.leave().await;
    Ok((json, valid))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(arguments)));
    match outcome {
        Ok((report, valid)) => {
            let _closed_pipe = writeln!(std::io::stdout(), "{report:#}");
            if valid { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(error) => {
            let _closed_pipe = writeln!(std::io::stderr(), "loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
