//! What a room tells over HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::whip::{Refusal, authorise, id, problem};
use crate::room::{HttpReply, Input};
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
    let room = id::<RoomId>(room, "room")?;
    let grant = authorise(api, headers, &room)?;
    if !grant.permissions.allow_mod {
        let sentence = "the token does not allow to see how others are connected";
        return Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, sentence));
    }
    let reply = api.node.ask(&room, false, |request, _| Input::HttpStats { request });
    match reply.await? {
        HttpReply::Stats { participants } => Ok(participants),
        HttpReply::Refused { code, message } => Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, code, message)),
        HttpReply::NotFound
        | HttpReply::Created { .. }
        | HttpReply::Restarted { .. }
        | HttpReply::Done
        | HttpReply::Participants { .. }
        | HttpReply::Links { .. }
        | HttpReply::OtherSession => {
            let sentence = "nobody is in the room";
            Err(Refusal::new(StatusCode::NOT_FOUND, ErrorCode::RoomNotFound, sentence))
        }
    }
}
