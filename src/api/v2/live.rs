//! What is done to a room that people are in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::asked::{Asked, Sent};
use super::body::{LinkBody, MoveBody, MuteBody, NamedParticipant, NamedRoom, SendBody};
use super::{Api, Refusal, document, done, invalid, missing, nobody, problem};
use crate::room::{HttpReply, Manage};
use crate::wire::limits::{CHAT_BYTES_MAX, METADATA_BYTES_MAX, PAYLOAD_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::wire::signal::{LinkInfo, ParticipantInfo, Token};
use crate::wire::{Json as AnyJson, ParticipantId, RoomId};

/// Most addressees of one message.
const TO_MAX: usize = 1_000;
/// In whose name things are done when nobody is named.
const SERVER: &str = "server";

fn in_the_name_of(from: Option<ParticipantId>) -> Result<ParticipantId, Refusal> {
    from.map_or_else(
        || ParticipantId::new(SERVER).map_err(|error| invalid(error.to_string())),
        Ok,
    )
}

fn small(name: &str, payload: Option<&AnyJson>, bytes_max: usize) -> Result<(), Refusal> {
    if payload.is_some_and(|payload| payload.as_str().len() > bytes_max) {
        return Err(invalid(format!("{name} has at most {bytes_max} bytes")));
    }
    Ok(())
}

/// The session that the request names has to be the one that goes on.
async fn check_session(api: &Api, room: &RoomId, session: Option<String>) -> Result<(), Refusal> {
    let Some(session) = session else { return Ok(()) };
    let found = api.node.records().read(move |store| store.session(&session)).await?;
    match found {
        Some(found) if found.room == *room && found.end_ms.is_none() => Ok(()),
        Some(_) | None => Err(missing("session in this room, or it has ended")),
    }
}

async fn manage(api: &Api, room: &RoomId, manage: Manage) -> Result<(), Refusal> {
    done(api.node.manage(room, manage).await?)
}

/// Nothing to say but that it is done.
fn finish(result: Result<(), Refusal>) -> Response {
    match result {
        Ok(()) => Json(Done { message: "done" }).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct Done {
    message: &'static str,
}

/// Put somebody out
#[utoipa::path(post, path = "/v2/sessions/participants/remove", tag = "live", request_body = NamedParticipant, responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn remove(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let removed = async {
        asked.govern()?;
        let NamedParticipant {
            room_id,
            participant_id,
            session_id,
        } = sent.read()?;
        asked.is_for(&room_id)?;
        check_session(&api, &room_id, session_id).await?;
        let participant = participant_id;
        manage(&api, &room_id, Manage::Remove { participant }).await
    };
    finish(removed.await)
}

/// End a session for all
#[utoipa::path(post, path = "/v2/sessions/end", tag = "live", request_body = NamedRoom, responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn end(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let ended = async {
        asked.govern()?;
        let NamedRoom { room_id, session_id } = sent.read()?;
        asked.is_for(&room_id)?;
        check_session(&api, &room_id, session_id).await?;
        manage(&api, &room_id, Manage::Close).await
    };
    finish(ended.await)
}

/// Mute what somebody publishes
///
/// Off is done at once; with `on` they are asked.
#[utoipa::path(post, path = "/v2/rooms/{room}/mute", tag = "live", request_body = MuteBody, params(("room" = String, Path)), responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn mute(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let muted = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let body: MuteBody = sent.read()?;
        let mute = Manage::Mute {
            participant: body.participant_id,
            source: body.source,
            on: body.on,
            from: in_the_name_of(body.from)?,
        };
        manage(&api, &room, mute).await
    };
    finish(muted.await)
}

/// Ask somebody to go to another room
///
/// `token` is for that room; its holder joins there with it.
#[utoipa::path(post, path = "/v2/rooms/{room}/move", tag = "live", request_body = MoveBody, params(("room" = String, Path)), responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn move_to(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let moved = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let body: MoveBody = sent.read()?;
        small("payload", body.payload.as_ref(), METADATA_BYTES_MAX)?;
        if body.token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(format!("token has at most {TOKEN_BYTES_MAX} bytes")));
        }
        let move_to = Manage::Move {
            participant: body.participant_id,
            room: body.room_id,
            token: Token(body.token),
            payload: body.payload,
            from: in_the_name_of(body.from)?,
        };
        manage(&api, &room, move_to).await
    };
    finish(moved.await)
}

/// Say something to those in a room
///
/// `text` comes as chat, `payload` on a `topic`.
#[utoipa::path(post, path = "/v2/rooms/{room}/send", tag = "live", request_body = SendBody, params(("room" = String, Path)), responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn send(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let said = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let SendBody {
            text,
            topic,
            payload,
            to,
            from,
        } = sent.read()?;
        let from = in_the_name_of(from)?;
        if to.as_ref().is_some_and(|to| to.len() > TO_MAX) {
            return Err(invalid(format!("to has at most {TO_MAX} entries")));
        }
        small("payload", payload.as_ref(), PAYLOAD_BYTES_MAX)?;
        let say = match (text, topic, payload) {
            (Some(text), None, None) if text.len() <= CHAT_BYTES_MAX => Manage::Chat { text, to, from },
            (Some(_), None, None) => return Err(invalid(format!("text has at most {CHAT_BYTES_MAX} bytes"))),
            (None, Some(topic), Some(payload)) if (1..=128).contains(&topic.len()) => Manage::Topic {
                topic,
                payload,
                to,
                from,
            },
            _ => return Err(invalid("either text, or topic (1 to 128 bytes) and payload")),
        };
        manage(&api, &room, say).await
    };
    finish(said.await)
}

/// Who is in a room now
#[utoipa::path(get, path = "/v2/rooms/{room}/participants", tag = "live", params(("room" = String, Path)), responses(
    (status = 200, body = People),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn participants(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let reply = api.node.manage(&room, Manage::Participants).await?;
        if let HttpReply::Participants { participants } = reply {
            return Ok(People { data: participants });
        }
        Err(done(reply).err().unwrap_or_else(nobody))
    };
    match found.await {
        Ok(people) => Json(people).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// As the client protocol describes participants.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct People {
    #[schema(value_type = Vec<Object>)]
    data: Vec<ParticipantInfo>,
}

/// The links of a room now
#[utoipa::path(get, path = "/v2/rooms/{room}/links", tag = "links", params(("room" = String, Path)), responses(
    (status = 200, body = OpenLinks),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn links(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let reply = api.node.manage(&room, Manage::Links).await?;
        if let HttpReply::Links { links } = reply {
            return Ok(OpenLinks { data: links });
        }
        Err(done(reply).err().unwrap_or_else(nobody))
    };
    match found.await {
        Ok(links) => Json(links).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// As the client protocol describes links.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct OpenLinks {
    #[schema(value_type = Vec<Object>)]
    data: Vec<LinkInfo>,
}

/// Open a link
///
/// Answered when it is open, or refused by the other room.
#[utoipa::path(post, path = "/v2/rooms/{room}/links", tag = "links", request_body = LinkBody, params(("room" = String, Path)), responses(
    (status = 200, body = Done),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn open_link(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let opened = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let body: LinkBody = sent.read()?;
        small("payload", body.payload.as_ref(), METADATA_BYTES_MAX)?;
        let open = Manage::OpenLink {
            room: body.room_id,
            payload: body.payload,
            from: in_the_name_of(body.from)?,
        };
        manage(&api, &room, open).await
    };
    finish(opened.await)
}

/// Close a link
#[utoipa::path(delete, path = "/v2/rooms/{room}/links/{link}", tag = "links",
    params(("room" = String, Path), ("link" = String, Path, description = "The other room")), responses(
    (status = 204),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn close_link(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let closed = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let link: RoomId = asked.named("link")?;
        manage(&api, &room, Manage::CloseLink { room: link }).await
    };
    match closed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => problem(&refusal),
    }
}
