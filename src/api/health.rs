//! Health, metrics, and the development token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Api;
use super::token::{Permissions, TokenRequest, issue};
use crate::wire::{ParticipantId, RoomId};

/// How long a development token lives: a working day.
const DEVELOPMENT_TOKEN_TTL: Duration = Duration::from_secs(12 * 3_600);

/// 200 as long as the process answers at all.
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// 200 while new participants are let in, 503 while draining.
pub(super) async fn ready(State(api): State<Arc<Api>>) -> (StatusCode, &'static str) {
    if api.node.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    }
}

/// Prometheus' text format.
pub(super) async fn metrics(State(api): State<Arc<Api>>) -> Response {
    match api.node.metrics().render() {
        Ok(page) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct TokenAsk {
    room: RoomId,
    participant: Option<ParticipantId>,
    /// Words of the claim `permissions`; absent: `allow_join` and `allow_mod`.
    permissions: Option<Vec<String>>,
}

#[derive(Serialize)]
struct TokenAnswer {
    token: String,
}

/// A token for whoever asks. The route answers 404 outside development mode.
pub(super) async fn development_token(
    State(api): State<Arc<Api>>,
    ask: Result<Json<TokenAsk>, JsonRejection>,
) -> Response {
    let Some(key) = &api.development_key else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let ask = match ask {
        Ok(Json(ask)) => ask,
        Err(refused) => return bad_request("invalid-field", refused.body_text()),
    };
    let request = TokenRequest {
        room: Some(ask.room),
        participant: ask.participant,
        permissions: match &ask.permissions {
            Some(words) => Permissions::from_words(words.iter().map(String::as_str)),
            None => Permissions::from_words(["allow_join", "allow_mod"]),
        },
        ttl: DEVELOPMENT_TOKEN_TTL,
        token_id: None,
        rest_only: false,
    };
    match issue(key, &request, SystemTime::now()) {
        Ok(token) => Json(TokenAnswer { token }).into_response(),
        Err(error) => bad_request(error.code().as_str(), error.to_string()),
    }
}

fn bad_request(code: &str, message: String) -> Response {
    let body = serde_json::json!({ "code": code, "message": message });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
