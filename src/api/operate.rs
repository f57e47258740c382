//! What an operator asks of the whole node: a token of the role `crawler` alone, with `allow_mod` and bound to no room.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};

use super::Api;
use super::token::{Grant, TokenError};
use super::whip::{Refusal, bearer, problem};
use crate::cluster::NodeId;
use crate::node::Closed;
use crate::wire::RoomId;
use crate::wire::signal::Presence;

/// Most rooms in one answer.
const ROOMS_MAX: usize = 1_000;

/// Where orders go: to whoever runs the node. A full queue is answered with 503.
pub type Orders = mpsc::Sender<Order>;

/// What only whoever runs the node can do.
#[derive(Debug)]
pub enum Order {
    /// Stop in good order, as on SIGTERM.
    Drain,
    /// Read the configuration again, as on SIGHUP.
    Reload {
        /// What came of it.
        reply: oneshot::Sender<Reloaded>,
    },
}

/// What came of reading the configuration again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// Keys whose new values count from now on.
    pub applied: Vec<String>,
    /// Keys whose new values count once the node is started again.
    pub needs_restart: Vec<String>,
    /// What is wrong with it; nothing has changed then.
    pub problems: Vec<String>,
}

/// A token of an operator that is bound to no room.
pub(super) fn admin(api: &Api, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let grant = bearer(api, headers)?;
    if !grant.is_admin() {
        return Err(TokenError::WrongRole.into());
    }
    match grant.room {
        Some(_) => Err(TokenError::WrongRoom.into()),
        None => Ok(grant),
    }
}

/// `GET /v1/node`: how the node is.
pub(super) async fn node(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    let metrics = api.node.metrics();
    let shards: Vec<_> = api
        .node
        .shards()
        .map(|(port, transports)| json!({ "port": port, "transports": transports }))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "node": api.node.cluster().map(|cluster| cluster.own().to_string()),
        "draining": !api.node.is_ready(),
        "rooms": metrics.rooms.get(),
        "sockets": metrics.sockets.get(),
        "linkEnds": metrics.link_ends.get(),
        "shards": shards,
    }))
    .into_response()
}

/// A room that lives, and where.
#[derive(Serialize)]
struct LivingRoom {
    #[serde(flatten)]
    shown: Presence,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeId>,
}

#[derive(Deserialize)]
pub(super) struct Page {
    /// The last room of the page before.
    after: Option<RoomId>,
}

/// `GET /v1/rooms?after=`: the rooms of all nodes, by name, a thousand at a time, and nodes that did not answer.
pub(super) async fn rooms(State(api): State<Arc<Api>>, page: Query<Page>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    let living = api.node.living(page.after.as_ref(), ROOMS_MAX).await;
    let rooms = living.rooms.into_iter().map(|(node, shown)| LivingRoom { shown, node });
    let rooms: Vec<LivingRoom> = rooms.collect();
    Json(json!({ "rooms": rooms, "next": living.next, "unanswered": living.silent })).into_response()
}

/// `POST /v1/drain`: stop in good order.
pub(super) async fn drain(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    match api.orders.try_send(Order::Drain) {
        Ok(()) => (StatusCode::ACCEPTED, Json(json!({ "draining": true }))).into_response(),
        Err(_) if !api.node.is_ready() => (StatusCode::ACCEPTED, Json(json!({ "draining": true }))).into_response(),
        Err(_) => problem(&Closed::Busy.into()),
    }
}

/// `POST /v1/reload`: read the configuration again. 422 when it is not lawful.
pub(super) async fn reload(State(api): State<Arc<Api>>, headers: HeaderMap) -> Response {
    if let Err(refusal) = admin(&api, &headers) {
        return problem(&refusal);
    }
    // Whoever takes orders is busy with the end, and would never answer.
    if !api.node.is_ready() {
        return problem(&Closed::Draining.into());
    }
    let (reply, answer) = oneshot::channel();
    if api.orders.try_send(Order::Reload { reply }).is_err() {
        return problem(&Closed::Busy.into());
    }
    match answer.await {
        Ok(reloaded) if reloaded.problems.is_empty() => Json(reloaded).into_response(),
        Ok(reloaded) => (StatusCode::UNPROCESSABLE_ENTITY, Json(reloaded)).into_response(),
        Err(_) => problem(&Closed::Draining.into()),
    }
}
