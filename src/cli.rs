//! The command line: reads flags and environment, once, and hands a checked configuration to what it starts.

mod admin;
mod commands;
mod doctor;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use admin::AdminCommand;
use doctor::DoctorArgs;

use crate::config::{Sources, parse_duration};
use crate::wire::{ParticipantId, RoomId};

/// A media SFU whose rooms open onto each other.
///
/// Without a subcommand the server is started; without any configuration it runs in development mode on loopback.
#[derive(Debug, Parser)]
#[command(name = "enfilade", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ConfigArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server until SIGTERM or Ctrl-C (the default)
    Serve(ConfigArgs),
    /// Print one token for a participant of a room, and nothing else, on standard output
    Token(TokenArgs),
    /// Look at the configuration without starting anything
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Look at this machine with the configuration in hand, and say what to change; fails when something is bad
    Doctor(DoctorArgs),
    #[command(flatten)]
    Admin(AdminCommand),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration is lawful, and everything that is wrong with it
    Check(ConfigArgs),
    /// Print every value in force and where it came from; secrets are redacted
    Print(ConfigArgs),
}

/// Where the configuration comes from. Common to all subcommands.
#[derive(Args, Debug, Default)]
struct ConfigArgs {
    /// Configuration file; wins over the environment variable ENFILADE_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Same as --mode development
    #[arg(long, conflicts_with = "mode")]
    dev: bool,
    /// development or production
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Address and port of the HTTP side, such as 0.0.0.0:7880
    #[arg(long, value_name = "ADDRESS:PORT")]
    http_listen: Option<String>,
    /// Address at which clients reach the media ports; may be given several times, best first
    #[arg(long, value_name = "ADDRESS")]
    advertise: Vec<String>,
    /// Any key of the configuration; may be given several times, and wins over the flags above
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

/// What `enfilade token` puts into the token.
#[derive(Args, Debug)]
struct TokenArgs {
    /// Room the token is for
    #[arg(long, required_unless_present = "admin")]
    room: Option<RoomId>,
    /// Id of the participant the token is for
    #[arg(long, value_name = "ID", required_unless_present = "admin")]
    participant: Option<ParticipantId>,
    /// A token for whoever runs the server: good for the REST API and for no call; with --room only for that room's affairs
    #[arg(long, conflicts_with_all = ["participant", "permissions"])]
    admin: bool,
    /// What the holder may do: allow_join, ask_join or allow_mod; may be given several times [default: allow_join]
    #[arg(long = "permission", value_name = "PERMISSION", value_parser = crate::api::token::Permissions::WORDS)]
    permissions: Vec<String>,
    /// How long the token lives
    #[arg(long, default_value = "1h", value_parser = ttl)]
    ttl: Duration,
    /// Id of the key that signs; needed when several are configured
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Runs the program with the arguments and environment of the process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    let result = match cli.command {
        None => commands::serve(&cli.serve.sources(environment)),
        Some(Command::Serve(args)) => commands::serve(&args.sources(environment)),
        Some(Command::Token(args)) => commands::token(&args, &args.config.sources(environment)),
        Some(Command::Doctor(args)) => match doctor::run(&args, environment) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Some(Command::Admin(command)) => command.run(environment),
        Some(Command::Config {
            command: ConfigCommand::Check(args),
        }) => commands::check(&args.sources(environment)),
        Some(Command::Config {
            command: ConfigCommand::Print(args),
        }) => commands::print(&args.sources(environment)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("enfilade: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The environment of the process, read in one place.
struct Environment {
    file: Option<PathBuf>,
    variables: Vec<(String, String)>,
}

impl Environment {
    fn of_process() -> Environment {
        let file = std::env::var_os("ENFILADE_CONFIG")
            .filter(|path| !path.is_empty())
            .map(PathBuf::from);
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Environment {
            file,
            variables: std::env::vars_os().filter_map(text).collect(),
        }
    }
}

impl ConfigArgs {
    fn sources(&self, environment: Environment) -> Sources {
        let mut flags = Vec::new();
        let mode = if self.dev {
            Some("development".to_owned())
        } else {
            self.mode.clone()
        };
        flags.extend(mode.map(|mode| ("mode".to_owned(), mode)));
        flags.extend(
            self.http_listen
                .clone()
                .map(|listen| ("http.listen".to_owned(), listen)),
        );
        if !self.advertise.is_empty() {
            // Debug of a str is a TOML string for every address, and unlawful TOML at worst for anything else.
            flags.push(("media.advertised".to_owned(), format!("{:?}", self.advertise)));
        }
        flags.extend(self.set.iter().cloned());
        Sources {
            file: self.config.clone().or(environment.file),
            environment: environment.variables,
            flags,
        }
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, like http.listen=0.0.0.0:7880")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn ttl(text: &str) -> Result<Duration, String> {
    let lawful = Duration::from_secs(1)..=Duration::from_secs(10 * 365 * 24 * 3600);
    parse_duration(text)
        .filter(|ttl| lawful.contains(ttl))
        .ok_or_else(|| "expected a duration of 1s to ten years, like 1h".to_owned())
}
