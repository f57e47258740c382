//! The load generator: many clients of one running node, and one JSON report of what it did for them.

mod clients;
mod links_chat;
mod links_many;
mod measure;
mod node;
mod report;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use clients::Scene;
use measure::{LagMeter, ServerClock};
use node::NodeArguments;

/// Joins a running node with many clients and prints one JSON report. Without a command: media, from publishers to
/// subscribers of one room.
#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    scenario: Option<Scenario>,
    #[command(flatten)]
    media: MediaArguments,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Chat across links, without media: how long it takes, and how much of it there is.
    LinksChat(links_chat::LinksChat),
    /// Many linked rooms, without media: what a link costs a join, the memory and the processor.
    LinksMany(links_many::LinksMany),
}

#[derive(Clone, Debug, Args)]
struct MediaArguments {
    #[command(flatten)]
    node: NodeArguments,
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
}

/// A report, and whether it says something about the server.
type Outcome = (serde_json::Value, bool);

async fn media(arguments: MediaArguments) -> anyhow::Result<Outcome> {
    let mut scene = Scene::join(&arguments).await?;
    scene.everybody_has_media().await?;

    let lag = LagMeter::start();
    let server_before = arguments.node.clock()?;
    let own_before = ServerClock::read(std::process::id())?;
    let before = scene.count();
    tokio::time::sleep(Duration::from_secs(arguments.seconds)).await;
    let after = scene.count();
    let own_after = ServerClock::read(std::process::id())?;
    let server_after = arguments.node.clock()?;
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
    let json = report.json();
    scene.leave().await;
    Ok((json, lag.is_valid()))
}

async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    match arguments.scenario {
        None => media(arguments.media).await,
        Some(Scenario::LinksChat(scenario)) => links_chat::run(scenario).await,
        Some(Scenario::LinksMany(scenario)) => links_many::run(scenario).await,
    }
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
