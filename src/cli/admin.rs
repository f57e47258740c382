//! Commands that ask a running server: a token is made of a key of the configuration, and the answer shown as a table.

mod ask;
mod connect;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::commands::print_line;
use super::{ConfigArgs, Environment, ttl};
use crate::wire::{ParticipantId, RoomId};
use ask::Asking;
use table::{count, table, text, time};

/// Commands for a running server.
#[derive(Debug, Subcommand)]
pub(super) enum AdminCommand {
    /// List the rooms of all nodes
    Rooms(AdminArgs),
    /// List who is in a room, and what they publish
    Participants(RoomArgs),
    /// List the rooms that a room is linked with
    Links(RoomArgs),
    /// How a node is, or how everybody in a room is connected
    Stats {
        /// The room; without one the node
        room: Option<RoomId>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Put somebody out of a room; with --for they cannot come back for a while
    Kick {
        /// The room
        room: RoomId,
        /// Whom
        participant: ParticipantId,
        /// For how long they are let in no more
        #[arg(long = "for", value_name = "TIME", value_parser = ttl)]
        duration: Option<Duration>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Close a room for everybody in it
    End(RoomArgs),
    /// Revoke tokens or people: they are put out and let in no more
    Revoke(RevokeArgs),
    /// List what is revoked
    Revocations(AdminArgs),
    /// Take a revocation back
    Unrevoke {
        /// Its id, as `revocations` shows it
        id: String,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Have a node stop in good order, as on SIGTERM
    Drain(AdminArgs),
    /// Have a node read its configuration again, as on SIGHUP
    Reload(AdminArgs),
}

/// How the server is reached and asked.
#[derive(Args, Debug)]
pub(super) struct AdminArgs {
    /// The server, such as https://meet.example.org [default: where http.listen of the configuration says]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// A certificate in PEM to trust, beside those that the system trusts
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print what the server answered, as JSON
    #[arg(long)]
    json: bool,
    /// Id of the key that signs; needed when several are configured
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// A command about one room.
#[derive(Args, Debug)]
pub(super) struct RoomArgs {
    /// The room
    room: RoomId,
    #[command(flatten)]
    admin: AdminArgs,
}

/// What `enfilade revoke` revokes. All that is given has to be met.
#[derive(Args, Debug)]
pub(super) struct RevokeArgs {
    /// The token of this id (its claim `jti`)
    #[arg(long, value_name = "ID")]
    jti: Option<String>,
    /// Whoever has this id
    #[arg(long, value_name = "ID")]
    participant: Option<ParticipantId>,
    /// Only in this room
    #[arg(long)]
    room: Option<RoomId>,
    /// Tokens issued before this, in seconds since 1970, or `now`
    #[arg(long, value_name = "SECONDS", value_parser = moment)]
    issued_before: Option<u64>,
    /// Only tokens signed by the key of this id
    #[arg(long, value_name = "ID")]
    signed_by: Option<String>,
    /// How long it holds
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = ttl)]
    duration: Duration,
    #[command(flatten)]
    admin: AdminArgs,
}

impl AdminCommand {
    pub(super) fn run(&self, environment: Environment) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("no runtime")?;
        runtime.block_on(self.perform(environment))
    }

    fn admin(&self) -> &AdminArgs {
        match self {
            AdminCommand::Rooms(admin)
            | AdminCommand::Revocations(admin)
            | AdminCommand::Drain(admin)
            | AdminCommand::Reload(admin)
            | AdminCommand::Stats { admin, .. }
            | AdminCommand::Kick { admin, .. }
            | AdminCommand::Unrevoke { admin, .. } => admin,
            AdminCommand::Participants(args) | AdminCommand::Links(args) | AdminCommand::End(args) => &args.admin,
            AdminCommand::Revoke(args) => &args.admin,
        }
    }

    async fn perform(&self, environment: Environment) -> anyhow::Result<()> {
        let args = self.admin();
        let sources = args.config.sources(environment);
        let asking = Asking::new(
            &sources,
            args.server.as_deref(),
            args.ca.as_deref(),
            args.key.as_deref(),
        )?;
        let room = |room: &RoomId, rest: &[&str]| {
            let mut path = vec!["v1".to_owned(), "rooms".to_owned(), room.as_str().to_owned()];
            path.extend(rest.iter().map(|part| (*part).to_owned()));
            path
        };
        let answer = match self {
            AdminCommand::Rooms(_) => asking.pages().await?,
            AdminCommand::Participants(args) => asking.get(&room(&args.room, &["participants"])).await?,
            AdminCommand::Links(args) => asking.get(&room(&args.room, &["links"])).await?,
            AdminCommand::Stats { room: None, .. } => asking.get(&["v1", "node"]).await?,
            AdminCommand::Stats { room: Some(of), .. } => asking.get(&room(of, &["stats"])).await?,
            AdminCommand::Kick {
                room: of,
                participant,
                duration,
                ..
            } => kick(&asking, of, participant, *duration).await?,
            AdminCommand::End(args) => asking.delete(&room(&args.room, &[])).await?,
            AdminCommand::Revoke(args) => asking.post(&["v1", "revocations"], args.body()).await?,
            AdminCommand::Revocations(_) => asking.get(&["v1", "revocations"]).await?,
            AdminCommand::Unrevoke { id, .. } => asking.delete(&["v1", "revocations", id]).await?,
            AdminCommand::Drain(_) => asking.post(&["v1", "drain"], Value::Null).await?,
            AdminCommand::Reload(_) => asking.post(&["v1", "reload"], Value::Null).await?,
        };
        if args.json {
            return print_line(&answer.to_string());
        }
        print_line(self.show(&answer).trim_end())
    }

    fn show(&self, answer: &Value) -> String {
        match self {
            AdminCommand::Rooms(_) => rooms(answer),
            AdminCommand::Participants(_) => table(&answer["participants"], &PARTICIPANTS),
            AdminCommand::Links(_) => table(&answer["links"], &LINKS),
            AdminCommand::Stats { room: Some(_), .. } => table(&answer["participants"], &STATS),
            AdminCommand::Stats { room: None, .. } => node(answer),
            AdminCommand::Revocations(_) => table(&answer["revocations"], &REVOCATIONS),
            AdminCommand::Revoke(_) => format!("revoked: {}", text(&answer["id"])),
            AdminCommand::Kick { .. } => "gone".to_owned(),
            AdminCommand::End(_) => "closed".to_owned(),
            AdminCommand::Unrevoke { .. } => "taken back".to_owned(),
            AdminCommand::Drain(_) => "the node stops when its calls have ended, or their time is over".to_owned(),
            AdminCommand::Reload(_) => {
                let list = |value: &Value| match text(value) {
                    none if none.is_empty() => "nothing".to_owned(),
                    some => some,
                };
                let applied = format!("changed: {}", list(&answer["applied"]));
                match text(&answer["needsRestart"]) {
                    none if none.is_empty() => applied,
                    some => format!("{applied}\nneeds a restart: {some}"),
                }
            }
        }
    }
}

impl RevokeArgs {
    fn body(&self) -> Value {
        let mut body = json!({ "until": unix_seconds() + self.duration.as_secs() });
        let given = [
            ("jti", self.jti.as_deref()),
            ("participant", self.participant.as_ref().map(ParticipantId::as_str)),
            ("room", self.room.as_ref().map(RoomId::as_str)),
            ("key", self.signed_by.as_deref()),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        if let Some(before) = self.issued_before {
            body["issuedBefore"] = before.into();
        }
        body
    }
}

/// A revocation puts out whoever is here; without one they are put out and may come back.
async fn kick(
    asking: &Asking,
    room: &RoomId,
    participant: &ParticipantId,
    duration: Option<Duration>,
) -> anyhow::Result<Value> {
    let Some(duration) = duration else {
        let path = ["v1", "rooms", room.as_str(), "participants", participant.as_str()];
        return asking.delete(&path).await;
    };
    let until = unix_seconds() + duration.as_secs();
    let body = json!({ "room": room, "participant": participant, "until": until });
    asking.post(&["v1", "revocations"], body).await
}

fn rooms(answer: &Value) -> String {
    let table = table(&answer["rooms"], &ROOMS);
    match text(&answer["unanswered"]) {
        none if none.is_empty() => table,
        silent => format!("{table}\nwithout the rooms of nodes that do not answer: {silent}"),
    }
}

fn node(answer: &Value) -> String {
    let figures = ["version", "node", "draining", "rooms", "sockets", "linkEnds"];
    let lines = figures.iter().filter(|name| !answer[**name].is_null());
    let lines: String = lines
        .map(|name| format!("{name}: {}\n", text(&answer[*name])))
        .collect();
    format!("{lines}\n{}", table(&answer["shards"], &SHARDS))
}

fn kilobits(bps: &Value) -> String {
    bps.as_u64().map_or_else(String::new, |bps| (bps / 1_000).to_string())
}

fn percent(share: &Value) -> String {
    share
        .as_f64()
        .map_or_else(String::new, |share| format!("{:.1} %", share * 100.0))
}

type Column = (&'static str, fn(&Value) -> String);

const ROOMS: [Column; 5] = [
    ("ROOM", |one| text(&one["room"])),
    ("PARTICIPANTS", |one| text(&one["participants"])),
    ("OF", |one| text(&one["maxParticipants"])),
    ("OWNER", |one| text(&one["owner"]["id"])),
    ("NODE", |one| text(&one["node"])),
];
const PARTICIPANTS: [Column; 4] = [
    ("ID", |one| text(&one["id"])),
    ("NAME", |one| text(&one["displayName"])),
    ("HERE SINCE", |one| {
        time(one["joinedAtMs"].as_u64().map(|ms| ms / 1_000))
    }),
    ("PUBLISHES", |one| {
        let sources = one["publications"].as_array().into_iter().flatten();
        sources.map(|one| text(&one["source"])).collect::<Vec<_>>().join(", ")
    }),
];
const LINKS: [Column; 4] = [
    ("ROOM", |one| text(&one["link"])),
    ("PARTICIPANTS", |one| count(&one["participants"])),
    ("RIGHTS", |one| text(&one["rights"])),
    ("STALE", |one| text(&one["stale"])),
];
const STATS: [Column; 9] = [
    ("ID", |one| text(&one["participant"])),
    ("SENDS kb/s", |one| kilobits(&one["up"]["receivedBps"])),
    ("LOST", |one| percent(&one["up"]["loss"])),
    ("RTT ms", |one| text(&one["up"]["roundTripMs"])),
    ("GETS kb/s", |one| kilobits(&one["down"]["sentBps"])),
    ("OF", |one| kilobits(&one["down"]["estimateBps"])),
    ("LIMIT", |one| text(&one["down"]["limitedBy"])),
    ("LOST", |one| percent(&one["down"]["loss"])),
    ("PICTURES", |one| {
        let pictures = one["subscriptions"].as_array().into_iter().flatten();
        let shown = pictures.map(|one| {
            let size = [&one["width"], &one["height"]].map(Value::as_u64);
            let size = if let [Some(width), Some(height)] = size {
                format!("{width}x{height} ")
            } else {
                String::new()
            };
            size + &text(&one["reason"])
        });
        shown.collect::<Vec<_>>().join(", ")
    }),
];
const SHARDS: [Column; 2] = [
    ("PORT", |one| text(&one["port"])),
    ("TRANSPORTS", |one| text(&one["transports"])),
];
const REVOCATIONS: [Column; 7] = [
    ("ID", |one| text(&one["id"])),
    ("TOKEN", |one| text(&one["jti"])),
    ("ROOM", |one| text(&one["room"])),
    ("PARTICIPANT", |one| text(&one["participant"])),
    ("ISSUED BEFORE", |one| time(one["issuedBefore"].as_u64())),
    ("KEY", |one| text(&one["key"])),
    ("UNTIL", |one| time(one["until"].as_u64())),
];

fn moment(text: &str) -> Result<u64, String> {
    if text == "now" {
        return Ok(unix_seconds());
    }
    text.parse()
        .map_err(|_| "expected seconds since 1970, or now".to_owned())
}

fn unix_seconds() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs()
}
