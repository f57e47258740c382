//! Revocations over HTTP, and how the nodes of a cluster hear of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::json;

use super::Api;
use super::operate::admin;
use super::token::{Entry, Keyring, Revocations};
use super::whip::{Refusal, problem};
use crate::cluster::{Bus, Change, Table};
use crate::node::{Closed, Node, Records, RecordsClosed};
use crate::room::{Input, Revocation};
use crate::wire::{ErrorCode, ParticipantId, RoomId};

/// How long a revocation holds that does not say.
const USUAL: u64 = 24 * 3_600;
/// And how long at most.
const LONGEST: u64 = 366 * 24 * 3_600;
/// Longest name of a key or a token that is looked at: no token has a longer one.
const NAME_BYTES_MAX: usize = 128;
/// A bus that does not answer is asked again this often.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Ask {
    key: Option<String>,
    jti: Option<String>,
    room: Option<RoomId>,
    participant: Option<ParticipantId>,
    issued_before: Option<u64>,
    until: Option<u64>,
}

/// `GET /v1/revocations`.
pub(super) async fn list(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    let shown = |(name, entry): (String, Entry)| shown(&name, &entry);
    let entries = api.keys.revocations().list(unix_seconds());
    let shown: Vec<_> = entries.into_iter().map(shown).collect();
    Json(json!({ "revocations": shown })).into_response()
}

/// `POST /v1/revocations`: whom it concerns is put out and let in no more.
pub(super) async fn revoke(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Response {
    match begin(&api, &headers, &body).await {
        Ok((name, entry)) => (StatusCode::CREATED, Json(shown(&name, &entry))).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// `DELETE /v1/revocations/{name}`.
pub(super) async fn take_back(State(api): State<Arc<Api>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    if !api.keys.revocations().has(&name) {
        let sentence = "there is no such revocation";
        let refusal = Refusal::new(StatusCode::NOT_FOUND, ErrorCode::NoSuchRequest, sentence);
        return problem(&refusal);
    }
    if let Some(cluster) = api.node.cluster()
        && forget(&*cluster.bus(), &name).await.is_none()
    {
        return problem(&Closed::Cut.into());
    }
    if api.node.cluster().is_none()
        && let Err(closed) = api.node.records().unrevoke(name.clone()).await
    {
        return problem(&closed.into());
    }
    // The bus may have told of it already.
    api.keys.revocations().remove(&name);
    StatusCode::NO_CONTENT.into_response()
}

async fn begin(api: &Api, headers: &HeaderMap, body: &[u8]) -> Result<(String, Entry), Refusal> {
    admin(api, headers)?;
    let invalid = |sentence: String| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidField, sentence);
    let ask: Ask = serde_json::from_slice(body).map_err(|error| invalid(format!("the body: {error}")))?;
    let now = unix_seconds();
    let revocation = Revocation {
        key: ask.key,
        jti: ask.jti,
        room: ask.room,
        participant: ask.participant,
        issued_before: ask.issued_before,
    };
    if !revocation.is_lawful() {
        let sentence = "one of jti, participant and issuedBefore has to be there";
        return Err(invalid(sentence.to_owned()));
    }
    let names = [&revocation.key, &revocation.jti];
    if names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(invalid("key and jti are 128 bytes at most".to_owned()));
    }
    let until = ask.until.unwrap_or(now + USUAL);
    if until <= now || until > now + LONGEST {
        let sentence = "until is in seconds since 1970, in the future, and a year away at most";
        return Err(invalid(sentence.to_owned()));
    }
    let (name, entry) = (new_name(), Entry { revocation, until });
    if api.keys.revocations().add(name.clone(), entry.clone(), now).is_err() {
        let sentence =
            "there are as many revocations as there may be; end some, or revoke more at once by issuedBefore";
        let code = ErrorCode::StoreFull;
        return Err(Refusal::new(StatusCode::INSUFFICIENT_STORAGE, code, sentence));
    }
    // Here it counts at once, whether the others can be told or not.
    tell_rooms(&api.node, &entry.revocation).await;
    if api.node.cluster().is_none() {
        // In a cluster it comes back over the bus, here as everywhere, and the bus keeps it.
        tracing::info!(revocation = %name, until, "something is revoked");
        let value = serde_json::to_vec(&entry).unwrap_or_default();
        if api.node.records().revoke(name.clone(), until, value).await.is_err() {
            let sentence = "it counts, but cannot be kept: it would be gone after a restart";
            let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Overloaded);
            return Err(Refusal::new(status, code, sentence));
        }
    }
    if let Some(cluster) = api.node.cluster() {
        let value = serde_json::to_vec(&entry).unwrap_or_default();
        let bus = cluster.bus();
        let written = bus.write(Table::Revocations, name.clone(), value.into(), None);
        if written.await.is_err() {
            let sentence = "it counts on this node; the other nodes cannot be reached now";
            let code = ErrorCode::ClusterUnreachable;
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, code, sentence));
        }
    }
    Ok((name, entry))
}

/// Takes in what was revoked before this process began. In a cluster the bus tells of it.
///
/// # Errors
/// When it cannot be read: nobody shall come in who was put out.
pub async fn restore_revocations(records: &Records, keys: &Keyring) -> Result<(), RecordsClosed> {
    let now = unix_seconds();
    for (name, _, value) in records.read(move |store| store.revocations(now)).await? {
        match serde_json::from_slice::<Entry>(&value) {
            Ok(entry) => {
                if keys.revocations().add(name, entry, now).is_err() {
                    tracing::error!("a revocation that was kept finds no place");
                }
            }
            Err(error) => tracing::warn!(%error, "a revocation that was kept cannot be read"),
        }
    }
    Ok(())
}

/// Takes in what is revoked on other nodes, for as long as the process runs.
pub(super) async fn follow(node: Node, revocations: Revocations, bus: Arc<dyn Bus>) {
    loop {
        if let Ok(mut changes) = bus.watch(Table::Revocations).await {
            while let Some(change) = changes.next().await {
                take_in(&node, &revocations, &*bus, change).await;
            }
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn take_in(node: &Node, revocations: &Revocations, bus: &dyn Bus, change: Change) {
    let Some(kept) = change.entry else {
        if revocations.remove(&change.key).is_some() {
            tracing::info!(revocation = %change.key, "a revocation is taken back");
        }
        return;
    };
    let now = unix_seconds();
    match serde_json::from_slice::<Entry>(&kept.value) {
        Ok(entry) if entry.until > now => {
            let (revocation, until) = (entry.revocation.clone(), entry.until);
            tracing::info!(revocation = %change.key, until, "something is revoked");
            if revocations.add(change.key, entry, now).is_err() {
                tracing::error!("a revocation of another node finds no place here");
            }
            tell_rooms(node, &revocation).await;
        }
        // It has ended: who sees it first removes it.
        Ok(_) => {
            let _removed = bus.remove(Table::Revocations, change.key, kept.revision).await;
        }
        Err(error) => tracing::warn!(%error, "a revocation of another node cannot be read"),
    }
}

async fn tell_rooms(node: &Node, revocation: &Revocation) {
    let revocation = Arc::new(revocation.clone());
    let told = node.tell_rooms(revocation.room.as_ref(), || Input::Revoked {
        revocation: Arc::clone(&revocation),
    });
    told.await;
}

/// `None`: the others cannot be reached.
async fn forget(bus: &dyn Bus, name: &str) -> Option<()> {
    let kept = bus.read(Table::Revocations, name.to_owned()).await.ok()?;
    if let Some(kept) = kept {
        bus.remove(Table::Revocations, name.to_owned(), kept.revision)
            .await
            .ok()?;
    }
    Some(())
}

fn shown(name: &str, entry: &Entry) -> serde_json::Value {
    let mut shown = serde_json::to_value(entry).unwrap_or_default();
    shown["id"] = name.into();
    shown
}

fn new_name() -> String {
    let mut bytes = [0_u8; 8];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}
