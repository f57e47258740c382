//! A floor program: packets in the clear, ids of header extensions as everybody knows them.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Context;
use enfilade::packet::{ExtensionKind, ExtensionMap, Kind};

use super::{Guest, Person, Stay, Target, ssrcs};
use crate::engine::{Engine, PeerConfig, Receiving, StreamConfig};
use crate::sdp;

/// Id of the stamp.
const STAMP: u8 = 5;

pub(super) async fn join(target: &Target, engine: &Engine, person: &Person) -> anyhow::Result<Guest> {
    let began = Instant::now();
    let address = target
        .url
        .strip_prefix("udp://")
        .context("a floor is at udp://ADDRESS:PORT")?;
    let remote: SocketAddr = address.parse()?;
    let mut extensions = ExtensionMap::default();
    extensions.set(ExtensionKind::PlayoutDelay, STAMP);
    let encodings = person
        .sends
        .iter()
        .flat_map(|source| source.encodings.iter().map(|shape| (source.kind, *shape)));
    let streams = encodings.zip(ssrcs(person)).map(|((kind, shape), ssrc)| StreamConfig {
        kind,
        ssrc,
        payload_type: match kind {
            Kind::Audio => sdp::OPUS,
            Kind::Video => sdp::VP8,
        },
        mid: String::new(),
        rid: None,
        shape,
        extensions,
    });
    let config = PeerConfig {
        remote,
        security: None,
        streams: streams.collect(),
        receiving: Receiving {
            stamp: Some(STAMP),
            ..Receiving::default()
        },
    };
    let peer = engine.connect(config).await?;
    Ok(Guest {
        peer,
        stay: Stay::Nothing,
        joined_in: began.elapsed(),
        began,
    })
}
