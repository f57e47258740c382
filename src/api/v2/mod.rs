//! The REST API: rooms made ahead, sessions that are or were, and what is done to a room from outside (`docs/REST.md`).

mod asked;
mod body;
mod document;
mod live;
mod recordings;
mod rooms;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use serde::Serialize;

use super::Api;
use super::whip::{Refusal, problem, status_of};
use crate::cluster::NodeId;
use crate::node::{EditError, RecordsClosed};
use crate::room::HttpReply;
use crate::wire::ErrorCode;

/// Everything below `/v2`.
pub(super) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let living = axum::middleware::from_fn_with_state(Arc::clone(api), super::elsewhere::hand_on_living);
    Router::new()
        .route("/v2/rooms/{room}/links", get(live::links).post(live::open_link))
        .route("/v2/rooms/{room}/links/{link}", delete(live::close_link))
        .route("/v2/rooms/{room}/participants", get(live::participants))
        .route("/v2/rooms/{room}/mute", post(live::mute))
        .route("/v2/rooms/{room}/move", post(live::move_to))
        .route("/v2/rooms/{room}/send", post(live::send))
        .route("/v2/sessions/end", post(live::end))
        .route("/v2/sessions/participants/remove", post(live::remove))
        // Settings are the same everywhere; whoever is in the room has heard of them when they are answered.
        .route("/v2/rooms/deactivate", post(rooms::deactivate))
        .route("/v2/rooms/{room}", post(rooms::switch).patch(rooms::change))
        .route_layer(living)
        .route("/v2/rooms", get(rooms::list).post(rooms::make))
        .route("/v2/rooms/validate/{room}", get(rooms::validate))
        .route("/v2/rooms/{room}", get(rooms::show))
        .route("/v2/sessions", get(sessions::list))
        .route("/v2/sessions/{session}", get(sessions::show))
        .route("/v2/sessions/{session}/participants", get(sessions::participants))
        .route("/v2/sessions/{session}/participants/active", get(sessions::active))
        .route("/v2/sessions/{session}/links", get(sessions::links))
        .route("/v2/sessions/{session}/stats", get(sessions::stats))
        .route(
            "/v2/sessions/{session}/participant/{participant}/stats",
            get(sessions::participant_stats),
        )
        .route("/v2/recordings", get(recordings::list))
        .route(
            "/v2/recordings/{recording}",
            get(recordings::show).delete(recordings::remove),
        )
        .route("/v2/recordings/{recording}/files/{file}", get(recordings::download))
        .route("/v2/public/rsa-public-key", get(public_key))
        .route("/v2/openapi.json", get(document::json))
        .route("/v2/docs", get(document::page))
}

/// Nobody without a token for this API makes nodes talk to each other. It is judged again where the room is.
pub(super) fn may_ask(api: &Api, headers: &HeaderMap) -> Result<(), Refusal> {
    asked::authorise(api, headers).map(drop)
}

/// The room that a body names.
pub(super) fn room_of(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        room_id: String,
    }
    serde_json::from_slice(body).ok().map(|named: Named| named.room_id)
}

/// The key by which webhooks are verified
///
/// RSA, for `RSA-SHA256` over the body of a webhook (header `videosdk-signature`, base64).
#[utoipa::path(get, path = "/v2/public/rsa-public-key", tag = "webhooks", security(()),
    responses((status = 200, body = PublicKey), (status = 503, response = document::Problem)))]
pub(super) async fn public_key(State(api): State<Arc<Api>>) -> Response {
    match api.node.records().public_key().await {
        Ok(public_key) => axum::Json(PublicKey { public_key }).into_response(),
        Err(closed) => problem(&closed.into()),
    }
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublicKey {
    /// SubjectPublicKeyInfo in PEM.
    public_key: String,
}

impl From<RecordsClosed> for Refusal {
    fn from(closed: RecordsClosed) -> Self {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Overloaded,
            closed.to_string(),
        )
    }
}

impl From<EditError> for Refusal {
    fn from(error: EditError) -> Self {
        let (status, code) = match error {
            EditError::Records(closed) => return closed.into(),
            EditError::Cut => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ClusterUnreachable),
            EditError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge),
        };
        Refusal::new(status, code, error.to_string())
    }
}

/// Nodes that were asked and did not answer.
fn silent(nodes: &[NodeId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

fn missing(what: &str) -> Refusal {
    let sentence = format!("there is no such {what}");
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, sentence)
}

fn invalid(sentence: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidField, sentence)
}

/// What a room that was asked to do something has answered.
fn done(reply: HttpReply) -> Result<(), Refusal> {
    match reply {
        HttpReply::Done => Ok(()),
        HttpReply::Refused { code, message } => Err(Refusal::new(status(code), code, message)),
        HttpReply::NotFound
        | HttpReply::Created { .. }
        | HttpReply::Restarted { .. }
        | HttpReply::OtherSession
        | HttpReply::Participants { .. }
        | HttpReply::Links { .. }
        | HttpReply::Recording(_)
        | HttpReply::Recordings { .. }
        | HttpReply::Stats { .. } => Err(nobody()),
    }
}

fn nobody() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, "nobody is in the room")
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named here is as for WHIP and WHEP"
)]
fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::NoSuchParticipant | ErrorCode::NoSuchLink | ErrorCode::RoomNotFound | ErrorCode::RoomNotLive => {
            StatusCode::NOT_FOUND
        }
        ErrorCode::LinkDenied
        | ErrorCode::LinkLimit
        | ErrorCode::LinkTimeout
        | ErrorCode::LinkClosed
        | ErrorCode::SameRoom => StatusCode::CONFLICT,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TokenInvalid | ErrorCode::TokenExpired | ErrorCode::TokenRoom | ErrorCode::TokenRole => {
            StatusCode::BAD_REQUEST
        }
        other => status_of(other),
    }
}
