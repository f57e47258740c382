//! What a room tells over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::whip::{Refusal, authorise, id, problem};
use crate::room::{HttpKey, HttpReply, Input};
use crate::wire::signal::ParticipantStats;
use crate::wire::{ErrorCode, RoomId};

/// `GET /v1/rooms/{room}/stats`: how everybody in the room is connected, for holders of `allow_mod`.
pub(super) async fn stats(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    match ask(&api, &room, &headers).await {
        Ok(participants) => Json(json!({ "room": room, "participants": participants })).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

async fn ask(api: &Api, room: &str, headers: &HeaderMap) -> Result<Vec<ParticipantStats>, Refusal> {
    let sentence = "the token does not allow to see how others are connected";
    let room = moderated(api, room, headers, sentence)?;
    let reply = api.node.ask(&room, false, |request, _| Input::HttpStats { request });
    let reply = reply.await?;
    if let HttpReply::Stats { participants } = reply {
        Ok(participants)
    } else {
        Err(refusal(reply))
    }
}

/// `POST /v1/rooms/{room}/recordings`: records the room; answered when it has begun.
pub(super) async fn start_recording(
    State(api): State<Arc<Api>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Response {
    let ask = |request| Input::HttpRecordingStart { request };
    match recording(&api, &room, &headers, ask).await {
        Ok(HttpReply::Recording(info)) => (StatusCode::CREATED, Json(info)).into_response(),
        Ok(other) => problem(&refusal(other)),
        Err(refusal) => problem(&refusal),
    }
}

/// `DELETE /v1/rooms/{room}/recordings/{recording}`: ends it; answered when all of it is written.
pub(super) async fn stop_recording(
    State(api): State<Arc<Api>>,
    Path((room, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let ask = |request| Input::HttpRecordingStop {
        request,
        recording: name.clone(),
    };
    match recording(&api, &room, &headers, ask).await {
        Ok(HttpReply::Recording(info)) => Json(info).into_response(),
        Ok(other) => problem(&refusal(other)),
        Err(refusal) => problem(&refusal),
    }
}

/// `GET /v1/rooms/{room}/recordings`: those of the room's session.
pub(super) async fn recordings(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    let ask = |request| Input::HttpRecordings { request };
    match recording(&api, &room, &headers, ask).await {
        Ok(HttpReply::Recordings { recordings }) => Json(json!({ "recordings": recordings })).into_response(),
        Ok(other) => problem(&refusal(other)),
        Err(refusal) => problem(&refusal),
    }
}

async fn recording(
    api: &Api,
    room: &str,
    headers: &HeaderMap,
    ask: impl Fn(HttpKey) -> Input,
) -> Result<HttpReply, Refusal> {
    let room = moderated(api, room, headers, "the token does not allow recording (allow_mod)")?;
    Ok(api.node.ask(&room, false, |request, _| ask(request)).await?)
}

/// The room, if the token may act on it.
fn moderated(api: &Api, room: &str, headers: &HeaderMap, sentence: &str) -> Result<RoomId, Refusal> {
    let room = id::<RoomId>(room, "room")?;
    let grant = authorise(api, headers, &room)?;
    if grant.permissions.allow_mod {
        return Ok(room);
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, sentence))
}

/// What else a room may answer.
fn refusal(reply: HttpReply) -> Refusal {
    match reply {
        HttpReply::Refused { code, message } => {
            let statuses = [
                (ErrorCode::RecordingRuns, StatusCode::CONFLICT),
                (ErrorCode::RecordingOff, StatusCode::NOT_IMPLEMENTED),
                (ErrorCode::RecordingFailed, StatusCode::INSUFFICIENT_STORAGE),
                (ErrorCode::NoSuchRecording, StatusCode::NOT_FOUND),
            ];
            let known = statuses.into_iter().find(|(known, _)| *known == code);
            let status = known.map_or(StatusCode::TOO_MANY_REQUESTS, |(_, status)| status);
            Refusal::new(status, code, message)
        }
        HttpReply::NotFound
        | HttpReply::Created { .. }
        | HttpReply::Restarted { .. }
        | HttpReply::Stats { .. }
        | HttpReply::Recording(_)
        | HttpReply::Recordings { .. }
        | HttpReply::Done
        | HttpReply::OtherSession => {
            let sentence = "nobody is in the room";
            Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, sentence)
        }
    }
}
