//! The load generator: many clients of one running node, and one JSON report of what it did for them.

mod carried;
mod engine;
mod floor;
mod joins;
mod links_chat;
mod links_many;
mod measure;
mod media;
mod node;
mod scenario;
mod sdp;
mod table;
mod target;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use media::MediaArguments;

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
    /// Forwards as cheaply as this machine can, for comparison: `--protocol floor` plays to it.
    Floor(floor::Floor),
    /// Very many people come in at the same time: they are let in, or told that there is no room for them now.
    Joins(joins::Joins),
    /// Chat across links, without media: how long it takes, and how much of it there is.
    LinksChat(links_chat::LinksChat),
    /// Many linked rooms, without media: what a link costs a join, the memory and the processor.
    LinksMany(links_many::LinksMany),
    /// Joins by way of a node of a cluster that has not the room, beside joins at the one that has
    Carried(carried::Carried),
}

/// A report, and whether it says something about the server.
type Outcome = (serde_json::Value, bool);

async fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    match arguments.scenario {
        None => media::run(arguments.media).await,
        Some(Scenario::Floor(floor)) => {
            tokio::task::spawn_blocking(move || floor::run(floor)).await??;
            anyhow::bail!("it runs until it is killed")
        }
        Some(Scenario::Joins(scenario)) => joins::run(scenario).await,
        Some(Scenario::LinksChat(scenario)) => links_chat::run(scenario).await,
        Some(Scenario::LinksMany(scenario)) => links_many::run(scenario).await,
        Some(Scenario::Carried(scenario)) => carried::run(scenario).await,
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
            // Standard output is for machines, and may be a terminal as well.
            if std::io::stderr().is_terminal() {
                let _closed_pipe = write!(std::io::stderr(), "\n{}", table::table(&report));
            }
            if valid { ExitCode::SUCCESS } else { ExitCode::from(2) }
        }
        Err(error) => {
            let _closed_pipe = writeln!(std::io::stderr(), "loadtest: {error:#}");
            ExitCode::FAILURE
        }
    }
}
