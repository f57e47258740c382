//! The videoroom of Janus over its HTTP interface, with `ice_lite = true` in its configuration: somebody has to lead, and it is us.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use enfilade::packet::ExtensionKind;
use serde_json::{Value, json};

use super::{Guest, Person, Stay, Target, lines_of, streams};
use crate::engine::{Credentials, Engine, PeerConfig, Receiving, Security};
use crate::sdp::{self, Answer};

/// Longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(20);
const PLUGIN: &str = "janus.plugin.videoroom";
const ROOM_EXISTS: u64 = 427;

/// One session with one handle.
struct Handle {
    http: reqwest::Client,
    session: String,
    url: String,
}

impl Handle {
    async fn attach(url: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::new();
        let base = format!("{url}/janus");
        let created = post(&http, &base, json!({"janus": "create"})).await?;
        let session = format!("{base}/{}", created["data"]["id"].as_u64().context("no session")?);
        let attached = post(&http, &session, json!({"janus": "attach", "plugin": PLUGIN})).await?;
        let url = format!("{session}/{}", attached["data"]["id"].as_u64().context("no handle")?);
        Ok(Self { http, session, url })
    }

    /// A request that is answered at once.
    async fn ask(&self, body: Value) -> anyhow::Result<Value> {
        let answer = post(&self.http, &self.url, json!({"janus": "message", "body": body})).await?;
        Ok(answer["plugindata"]["data"].clone())
    }

    /// A request that is answered by an event.
    async fn tell(&self, body: Value, jsep: Option<Value>) -> anyhow::Result<Value> {
        let mut message = json!({"janus": "message", "body": body});
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        post(&self.http, &self.url, message).await?;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let event: Value = self.http.get(&self.session).send().await?.json().await?;
            let data = &event["plugindata"]["data"];
            ensure!(data.get("error").is_none(), "Janus says {data}");
            if event["janus"] == "event" {
                return Ok(event);
            }
        }
        bail!("no event within {PATIENCE:?}")
    }
}

async fn post(http: &reqwest::Client, url: &str, mut body: Value) -> anyhow::Result<Value> {
    body["transaction"] = json!("load");
    let answer: Value = http.post(url).json(&body).send().await?.json().await?;
    ensure!(answer["janus"] != "error", "Janus says {}", answer["error"]);
    Ok(answer)
}

/// A number of its own for each room.
fn room_of(person: &Person) -> u64 {
    let bytes = person.room.bytes();
    bytes.fold(7, |hash: u64, byte| {
        hash.wrapping_mul(131).wrapping_add(u64::from(byte)) % 0x1fff_ffff
    })
}

/// And for each publisher of a room.
fn feed_of(id: &str) -> u64 {
    let digits: String = id.chars().filter(char::is_ascii_digit).collect();
    1 + digits.parse::<u64>().unwrap_or_default()
}

pub(super) async fn join(target: &Target, engine: &Engine, person: &Person) -> anyhow::Result<Guest> {
    ensure!(
        person.sends.is_empty() || person.seats == 0,
        "in Janus somebody either sends or receives: take a scenario without meetings"
    );
    let began = Instant::now();
    let handle = Handle::attach(&target.url).await?;
    let own = Credentials::random(person.number);
    let room = room_of(person);
    let config = if person.sends.is_empty() {
        subscribe(target, engine, person, &handle, room, own).await?
    } else {
        publish(target, engine, person, &handle, room, own).await?
    };
    let peer = engine.connect(config).await?;
    Ok(Guest {
        peer,
        stay: Stay::Session(handle.session.clone()),
        joined_in: began.elapsed(),
        began,
    })
}

async fn publish(
    target: &Target,
    engine: &Engine,
    person: &Person,
    handle: &Handle,
    room: u64,
    own: Credentials,
) -> anyhow::Result<PeerConfig> {
    let made = handle
        .ask(json!({"request": "create", "room": room, "publishers": 100, "bitrate": 0, "videocodec": "vp8", "audiocodec": "opus",
            "playoutdelay_ext": true, "transport_wide_cc_ext": target.wishes.feedback}))
        .await?;
    let refused = made["error_code"].as_u64();
    ensure!(refused.is_none_or(|code| code == ROOM_EXISTS), "Janus says {made}");
    let feed = feed_of(&person.id);
    handle
        .tell(
            json!({"request": "join", "ptype": "publisher", "room": room, "id": feed}),
            None,
        )
        .await?;
    let lines = lines_of(person);
    let offer = sdp::offer(&own, engine.fingerprint(), &lines, target.wishes);
    let jsep = json!({"type": "offer", "sdp": offer});
    let event = handle.tell(json!({"request": "publish"}), Some(jsep)).await?;
    let answer = event["jsep"]["sdp"].as_str().context("no answer")?;
    let answer = Answer::read(answer, target.near())?;
    Ok(PeerConfig {
        remote: answer.remote,
        streams: streams(person, &lines, &answer),
        security: Some(Security {
            own,
            server: answer.server,
            fingerprint: answer.fingerprint,
        }),
        receiving: Receiving::default(),
    })
}

async fn subscribe(
    target: &Target,
    engine: &Engine,
    person: &Person,
    handle: &Handle,
    room: u64,
    own: Credentials,
) -> anyhow::Result<PeerConfig> {
    let feed = feed_of(person.watches.as_deref().unwrap_or_default());
    let streams = json!([{"feed": feed}]);
    let event = handle
        .tell(
            json!({"request": "join", "ptype": "subscriber", "room": room, "streams": streams}),
            None,
        )
        .await?;
    let offer = event["jsep"]["sdp"].as_str().context("no offer")?;
    let answer = sdp::answer(offer, &own, engine.fingerprint());
    let offered = Answer::read(offer, target.near())?;
    let jsep = json!({"type": "answer", "sdp": answer});
    handle.tell(json!({"request": "start"}), Some(jsep)).await?;
    let stamp = offered
        .extensions
        .iter()
        .find_map(|map| map.id(ExtensionKind::PlayoutDelay));
    Ok(PeerConfig {
        remote: offered.remote,
        streams: Vec::new(),
        security: Some(Security {
            own,
            server: offered.server,
            fingerprint: offered.fingerprint,
        }),
        receiving: Receiving {
            rtx: sdp::rtx_of(offer),
            stamp,
            transport_cc: None,
        },
    })
}

pub(super) async fn leave(session: &str) -> anyhow::Result<()> {
    post(&reqwest::Client::new(), session, json!({"janus": "destroy"})).await?;
    Ok(())
}
