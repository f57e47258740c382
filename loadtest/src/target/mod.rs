//! Ways into servers: each turns an offer into an answer.

mod enfilade;
mod floor;
mod janus;
mod whip;

use std::net::IpAddr;

use ::enfilade::packet::{ExtensionKind, Kind};
use clap::ValueEnum;
use testkit::Signal;

use crate::engine::{Credentials, Engine, PeerConfig, PeerId, Receiving, Security, Shape, StreamConfig};
use crate::sdp::{self, Answer, Direction, Line, Wishes};

/// How endpoints get in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// The signalling protocol of Enfilade: everybody hears and sees everybody.
    #[default]
    Signal,
    /// WHIP for who sends, WHEP for who receives: one publisher each.
    Whip,
    /// The videoroom of Janus: one publisher each.
    Janus,
    /// Not a server but `loadtest floor`, at `--url udp://ADDRESS:PORT`.
    Floor,
}

/// A server under load.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) protocol: Protocol,
    pub(crate) url: String,
    /// Asked for tokens.
    pub(crate) node: crate::node::Node,
    pub(crate) wishes: Wishes,
    /// Where WHIP and WHEP are. `{room}` and `{publisher}` are replaced.
    pub(crate) whip_path: String,
    pub(crate) whep_path: String,
}

/// One source of a publisher.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) kind: Kind,
    /// Low to high; more than one is simulcast.
    pub(crate) encodings: Vec<Shape>,
}

/// Who comes in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) room: String,
    pub(crate) id: String,
    pub(crate) sends: Vec<Source>,
    /// So many others can be received at a time.
    pub(crate) seats: usize,
    /// Whom a WHEP viewer watches.
    pub(crate) watches: Option<String>,
    /// Different for everybody.
    pub(crate) number: u32,
    /// For the room, where Enfilade's own signalling wants one.
    pub(crate) token: Option<String>,
}

/// What keeps somebody in a room.
pub(crate) enum Stay {
    Signalling(Box<Signal>),
    /// Ended by `DELETE`.
    Resource(String),
    /// A session of Janus.
    Session(String),
    /// Nobody knows.
    Nothing,
}

/// Somebody who is in.
pub(crate) struct Guest {
    pub(crate) peer: PeerId,
    pub(crate) stay: Stay,
    /// From the first message until keys were there.
    pub(crate) joined_in: std::time::Duration,
    pub(crate) began: std::time::Instant,
}

/// SSRCs of a person: one for each encoding, in the order of sources.
fn ssrcs(person: &Person) -> impl Iterator<Item = u32> {
    // Audio and video of the same person differ in the lower bits, and persons in the upper ones.
    let first = (person.number + 1) << 8;
    (0..).map(move |at| first + at)
}

const RIDS: [&str; 3] = ["q", "h", "f"];

impl Target {
    /// Brings somebody in.
    pub(crate) async fn join(&self, engine: &Engine, person: &Person) -> anyhow::Result<Guest> {
        let began = std::time::Instant::now();
        let own = Credentials::random(person.number);
        let lines = lines_of(person);
        let offer = sdp::offer(&own, engine.fingerprint(), &lines, self.wishes);
        let (sdp, stay) = match self.protocol {
            Protocol::Signal => enfilade::exchange(self, person, &lines, &offer).await?,
            Protocol::Whip => whip::exchange(self, person, &offer).await?,
            Protocol::Janus => return janus::join(self, engine, person).await,
            Protocol::Floor => return floor::join(self, engine, person).await,
        };
        let answer = Answer::read(&sdp, self.near())?;
        let streams = streams(person, &lines, &answer);
        let video = |kind| {
            let map = lines
                .iter()
                .zip(&answer.extensions)
                .find(|(line, _)| line.kind == Kind::Video);
            map.and_then(|(_, map)| map.id(kind))
        };
        let receiving = Receiving {
            rtx: self.wishes.rtx.then_some(sdp::RTX),
            stamp: video(ExtensionKind::PlayoutDelay),
            transport_cc: if self.wishes.feedback {
                video(ExtensionKind::TransportCc)
            } else {
                None
            },
        };
        let config = PeerConfig {
            remote: answer.remote,
            security: Some(Security {
                own,
                server: answer.server,
                fingerprint: answer.fingerprint,
            }),
            streams,
            receiving,
        };
        let peer = engine.connect(config).await?;
        Ok(Guest {
            peer,
            stay,
            joined_in: began.elapsed(),
            began,
        })
    }

    /// Lets somebody go in good order.
    pub(crate) async fn leave(&self, engine: &Engine, guest: Guest) {
        engine.remove(guest.peer);
        match guest.stay {
            Stay::Signalling(mut signal) => {
                // The report stands whether or not the goodbye arrives.
                let _answer = signal.request("leave", serde_json::json!({})).await;
            }
            Stay::Nothing => {}
            Stay::Session(url) => {
                let _answer = janus::leave(&url).await;
            }
            Stay::Resource(url) => {
                let _answer = whip::delete(&url).await;
            }
        }
    }

    /// The server's address, where the URL names it by number.
    fn near(&self) -> Option<IpAddr> {
        let (_, rest) = self.url.split_once("://")?;
        let host = rest.split(['/', ':']).next()?;
        host.parse().ok()
    }
}

/// The m-lines of a person: what is sent first, then places for others.
fn lines_of(person: &Person) -> Vec<Line> {
    let mut numbers = ssrcs(person);
    let mut lines = Vec::new();
    for source in &person.sends {
        let count = source.encodings.len();
        let rids = if count > 1 { &RIDS[..count.min(RIDS.len())] } else { &[] };
        lines.push(Line {
            kind: source.kind,
            direction: Direction::Sends {
                ssrcs: numbers.by_ref().take(count).collect(),
                rids: rids.iter().map(|rid| (*rid).to_owned()).collect(),
            },
        });
    }
    for _ in 0..person.seats {
        for kind in [Kind::Audio, Kind::Video] {
            lines.push(Line {
                kind,
                direction: Direction::Receives,
            });
        }
    }
    lines
}

/// What is sent on which m-line.
fn streams(person: &Person, lines: &[Line], answer: &Answer) -> Vec<StreamConfig> {
    let mut streams = Vec::new();
    for (mid, (source, (line, extensions))) in person
        .sends
        .iter()
        .zip(lines.iter().zip(&answer.extensions))
        .enumerate()
    {
        let Direction::Sends { ssrcs, rids } = &line.direction else {
            continue;
        };
        for (at, (ssrc, shape)) in ssrcs.iter().zip(&source.encodings).enumerate() {
            streams.push(StreamConfig {
                kind: source.kind,
                ssrc: *ssrc,
                payload_type: match source.kind {
                    Kind::Audio => sdp::OPUS,
                    Kind::Video => sdp::VP8,
                },
                mid: mid.to_string(),
                rid: rids.get(at).cloned(),
                shape: *shape,
                extensions: *extensions,
            });
        }
    }
    streams
}
