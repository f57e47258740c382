//! What a room tells over HTTP, and what an operator does to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::token::TokenError;
use super::whip::{Refusal, authorise_or_admin, id, problem};
use crate::room::{HttpKey, HttpReply, Input, Manage};
use crate::wire::{ErrorCode, ParticipantId, RoomId};

/// `GET /v1/rooms/{room}/stats`: how everybody in the room is connected, for holders of `allow_mod`.
pub(super) async fn stats(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    let result = async {
        let named = id::<RoomId>(&room, "room")?;
        moderated(
            &api,
            &named,
            &headers,
            "the token does not allow to see how others are connected",
        )?;
        ask(&api, &named, |request| Input::HttpStats { request }).await
    };
    show(result.await, &room)
}

/// `GET /v1/rooms/{room}/participants`: who is here and what they publish.
pub(super) async fn participants(
    State(api): State<Arc<Api>>,
    Path(room): Path<String>,
    headers: HeaderMap,
) -> Response {
    show(manage(&api, &room, &headers, Manage::Participants).await, &room)
}

/// `GET /v1/rooms/{room}/links`: the rooms it is linked with.
pub(super) async fn links(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    show(manage(&api, &room, &headers, Manage::Links).await, &room)
}

/// `DELETE /v1/rooms/{room}/participants/{participant}`: puts somebody out, who may come again unless that is revoked.
pub(super) async fn remove(
    State(api): State<Arc<Api>>,
    Path((room, participant)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let result = async {
        let participant = id::<ParticipantId>(&participant, "participant")?;
        manage(&api, &room, &headers, Manage::Remove { participant }).await
    };
    show(result.await, &room)
}

/// `DELETE /v1/rooms/{room}`: closes the room for everybody.
pub(super) async fn end(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    show(manage(&api, &room, &headers, Manage::Close).await, &room)
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
        other => show(other, &room),
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
    show(recording(&api, &room, &headers, ask).await, &room)
}

/// `GET /v1/rooms/{room}/recordings`: those of the room's session.
pub(super) async fn recordings(State(api): State<Arc<Api>>, Path(room): Path<String>, headers: HeaderMap) -> Response {
    let ask = |request| Input::HttpRecordings { request };
    show(recording(&api, &room, &headers, ask).await, &room)
}

async fn recording(
    api: &Api,
    room: &str,
    headers: &HeaderMap,
    input: impl Fn(HttpKey) -> Input,
) -> Result<HttpReply, Refusal> {
    let room = id::<RoomId>(room, "room")?;
    moderated(api, &room, headers, "the token does not allow recording (allow_mod)")?;
    ask(api, &room, input).await
}

/// May whoever asks act on the room?
fn moderated(api: &Api, room: &RoomId, headers: &HeaderMap, sentence: &'static str) -> Result<(), Refusal> {
    if authorise_or_admin(api, headers, room)?.permissions.allow_mod {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, sentence))
}

async fn manage(api: &Api, room: &str, headers: &HeaderMap, manage: Manage) -> Result<HttpReply, Refusal> {
    let room = admitted(api, room, headers)?;
    ask(api, &room, |request| Input::Manage {
        request,
        manage: Box::new(manage.clone()),
    })
    .await
}

/// The room, if the request is an operator's.
fn admitted(api: &Api, room: &str, headers: &HeaderMap) -> Result<RoomId, Refusal> {
    let room = id::<RoomId>(room, "room")?;
    if authorise_or_admin(api, headers, &room)?.is_admin() {
        Ok(room)
    } else {
        Err(TokenError::WrongRole.into())
    }
}

async fn ask(api: &Api, room: &RoomId, input: impl Fn(HttpKey) -> Input) -> Result<HttpReply, Refusal> {
    if !api.node.has(room) {
        let sentence = "nobody is in the room";
        return Err(Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, sentence));
    }
    Ok(api.node.ask(room, false, |request, _| input(request)).await?)
}

fn show(result: Result<HttpReply, Refusal>, room: &str) -> Response {
    match result {
        Ok(HttpReply::Stats { participants }) => {
            Json(json!({ "room": room, "participants": participants })).into_response()
        }
        Ok(HttpReply::Participants { participants }) => {
            Json(json!({ "room": room, "participants": participants })).into_response()
        }
        Ok(HttpReply::Recording(info)) => Json(info).into_response(),
        Ok(HttpReply::Recordings { recordings }) => Json(json!({ "recordings": recordings })).into_response(),
        Ok(HttpReply::Links { links }) => Json(json!({ "room": room, "links": links })).into_response(),
        Ok(HttpReply::Done) => StatusCode::NO_CONTENT.into_response(),
        Ok(HttpReply::Refused { code, message }) => {
            let statuses = [
                (ErrorCode::NoSuchParticipant, StatusCode::NOT_FOUND),
                (ErrorCode::RecordingRuns, StatusCode::CONFLICT),
                (ErrorCode::RecordingOff, StatusCode::NOT_IMPLEMENTED),
                (ErrorCode::RecordingFailed, StatusCode::INSUFFICIENT_STORAGE),
                (ErrorCode::NoSuchRecording, StatusCode::NOT_FOUND),
            ];
            let known = statuses.into_iter().find(|(known, _)| *known == code);
            let status = known.map_or(StatusCode::TOO_MANY_REQUESTS, |(_, status)| status);
            problem(&Refusal::new(status, code, message))
        }
        Ok(HttpReply::NotFound | HttpReply::Created { .. } | HttpReply::Restarted { .. } | HttpReply::OtherSession) => {
            let sentence = "nobody is in the room";
            problem(&Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, sentence))
        }
        Err(refusal) => problem(&refusal),
    }
}
