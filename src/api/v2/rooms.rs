//! Rooms that are made ahead.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, Sent};
use super::body::{NamedRoom, RoomBody, RoomInfo, RoomPage, RoomStatus, StatusBody};
use super::{Api, Refusal, document, invalid, missing, problem};
use crate::node::Node;
use crate::records::{Edit, Edited, RoomRecord, RoomSettings, Store};
use crate::room::Lookup;
use crate::wire::signal::ServerMessage;
use crate::wire::{ErrorCode, RoomId};

/// How often a change is tried again that somebody else's change came before.
const CHANGE_ATTEMPTS: usize = 8;
/// Words of paths, which no room is called.
const RESERVED: [&str; 2] = ["validate", "deactivate"];

/// Make a room
///
/// The same `customRoomId` again gives the room that is there, unchanged. Needs no more than a token that may join, but `webhook` takes
/// one that may manage.
#[utoipa::path(post, path = "/v2/rooms", tag = "rooms", request_body = RoomBody, responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn make(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    answer(make_room(&api, &asked, &sent).await, &asked)
}

async fn make_room(api: &Api, asked: &Asked, sent: &Sent) -> Result<(RoomRecord, bool), Refusal> {
    let mut body: RoomBody = sent.read()?;
    if body.is_privileged() {
        asked.govern()?;
    }
    let custom = body.custom_room_id.take();
    let room = match &custom {
        Some(room) if RESERVED.contains(&room.as_str()) => {
            return Err(invalid("customRoomId: this is a word of the API"));
        }
        Some(room) => room.clone(),
        None => made_up()?,
    };
    asked.is_for(&room)?;
    let mut settings = RoomSettings::default();
    body.apply(&mut settings, api.node.records().allows_private_endpoints())?;
    let record = RoomRecord {
        room,
        custom: custom.is_some(),
        created_ms: 0,
        updated_ms: 0,
        version: 0,
        disabled: false,
        deactivated: false,
        used: false,
        settings,
    };
    match api.node.edit_room(Edit { record, before: None }).await? {
        Edited::Kept(record) | Edited::Other(record) => {
            let disabled = record.disabled || record.deactivated;
            Ok((record, disabled))
        }
        Edited::Full => {
            let sentence = "there are as many rooms as may be made (records.max_rooms)";
            Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorCode::RoomLimit,
                sentence,
            ))
        }
        Edited::Missing => Err(missing("room")),
    }
}

/// `xxxx-xxxx-xxxx`, of letters and digits that are not mistaken for each other.
fn made_up() -> Result<RoomId, Refusal> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; 12];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| invalid("no random bytes"))?;
    let letters: Vec<char> = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let parts: Vec<String> = letters.chunks(4).map(|part| part.iter().collect()).collect();
    RoomId::new(&parts.join("-")).map_err(|error| invalid(error.to_string()))
}

/// Rooms that were made, by id
///
/// By `page`, or each time `after` the `next` of the page before, which holds while rooms are made.
#[utoipa::path(get, path = "/v2/rooms", tag = "rooms",
    params(("after" = Option<String>, Query, description = "`next` of the page before"),
        ("page" = Option<u64>, Query, minimum = 1), ("perPage" = Option<u64>, Query, minimum = 1, maximum = 100)), responses(
    (status = 200, body = RoomPage),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn list(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let listed = async {
        asked.govern_all()?;
        let paging = asked.paging()?;
        let after: Option<RoomId> = asked.query("after")?;
        let read_page = move |store: &Store| match &after {
            Some(after) => store.rooms_after(Some(after.as_str()), paging.take() + 1),
            None => store.rooms(paging.skip(), paging.take() + 1),
        };
        // One more than are shown, so that it is known whether there are more.
        let mut page = api.node.records().read(read_page).await?;
        let more = page.items.len() > paging.take();
        page.items.truncate(paging.take());
        let next = page.items.last().filter(|_| more).map(|last| last.room.to_string());
        let info = |record: &RoomRecord| RoomInfo::new(record, record.disabled || record.deactivated, true);
        let data = page.items.iter().map(info).collect();
        Ok::<RoomPage, Refusal>(RoomPage {
            page_info: paging.info(page.total, next),
            data,
        })
    };
    match listed.await {
        Ok(page) => Json(page).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// One room that was made
#[utoipa::path(get, path = "/v2/rooms/{room}", tag = "rooms", params(("room" = String, Path)), responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn show(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let room: RoomId = asked.named("room")?;
        asked.is_for(&room)?;
        find(&api, &room).await?.ok_or_else(|| missing("room"))
    };
    answer(found.await, &asked)
}

/// May people come into this room?
///
/// 200 for a room that was made and is enabled, and for one that somebody is in.
#[utoipa::path(get, path = "/v2/rooms/validate/{room}", tag = "rooms", params(("room" = String, Path)), responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn validate(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let room: RoomId = asked.named("room")?;
        asked.is_for(&room)?;
        match find(&api, &room).await? {
            Some((_, true)) => {
                let (status, code) = (StatusCode::FORBIDDEN, ErrorCode::RoomDisabled);
                Err(Refusal::new(status, code, "the room was deactivated"))
            }
            Some(found) => Ok((room, Some(found))),
            None => {
                let shown = api.node.look_up(Lookup::Presence(room.clone())).await;
                if matches!(shown, ServerMessage::Presence(presence) if presence.exists) {
                    Ok((room, None))
                } else {
                    Err(missing("room"))
                }
            }
        }
    };
    match found.await {
        Ok((_, Some(found))) => answer(Ok(found), &asked),
        Ok((room, None)) => Json(RoomInfo::living(room)).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// Change what a room was made with
///
/// Holds at once, for those who are in it as well. With `If-Match` only if the room still has that version.
#[utoipa::path(patch, path = "/v2/rooms/{room}", tag = "rooms", request_body = RoomBody,
    params(("room" = String, Path), ("If-Match" = Option<String>, Header)), responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn change(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let changed = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let allow_private = api.node.records().allows_private_endpoints();
        edit(&api, &room, &asked.headers, |record| {
            let body: RoomBody = sent.read()?;
            if body.custom_room_id.is_some() {
                return Err(invalid("customRoomId is chosen when the room is made"));
            }
            body.apply(&mut record.settings, allow_private)
        })
        .await
    };
    answer(changed.await, &asked)
}

/// Switch a room off, or on again
///
/// Whoever is in a room that is switched off is put out.
#[utoipa::path(post, path = "/v2/rooms/{room}", tag = "rooms", request_body = StatusBody,
    params(("room" = String, Path), ("If-Match" = Option<String>, Header)), responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn switch(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let changed = async {
        let room: RoomId = asked.named("room")?;
        asked.governs(&room)?;
        let StatusBody { status } = sent.read()?;
        edit(&api, &room, &asked.headers, |record| {
            if status == RoomStatus::Enabled && record.deactivated {
                let (status, code) = (StatusCode::CONFLICT, ErrorCode::RoomDisabled);
                return Err(Refusal::new(status, code, "a room that was deactivated stays so"));
            }
            record.disabled = status == RoomStatus::Disabled;
            Ok(())
        })
        .await
    };
    answer(changed.await, &asked)
}

/// Deactivate a room for good
///
/// Whoever is in it is put out.
#[utoipa::path(post, path = "/v2/rooms/deactivate", tag = "rooms", request_body = NamedRoom, responses(
    (status = 200, body = RoomInfo, headers(("ETag" = String, description = "The version of the room"))),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn deactivate(State(api): State<Arc<Api>>, asked: Asked, sent: Sent) -> Response {
    let changed = async {
        asked.govern()?;
        let NamedRoom { room_id, .. } = sent.read()?;
        asked.is_for(&room_id)?;
        edit(&api, &room_id, &HeaderMap::new(), |record| {
            record.deactivated = true;
            Ok(())
        })
        .await
    };
    answer(changed.await, &asked)
}

async fn find(api: &Api, room: &RoomId) -> Result<Option<(RoomRecord, bool)>, Refusal> {
    let found = api.node.made_room(room).await?;
    Ok(found.map(|(record, was_used)| {
        let disabled = Node::is_disabled(&record, was_used);
        (record, disabled)
    }))
}

/// Changes a record, unless somebody else has meanwhile, and tells the living room.
async fn edit(
    api: &Api,
    room: &RoomId,
    headers: &HeaderMap,
    change: impl Fn(&mut RoomRecord) -> Result<(), Refusal>,
) -> Result<(RoomRecord, bool), Refusal> {
    let wanted = headers.get(header::IF_MATCH).filter(|tag| tag.as_bytes() != b"*");
    for _ in 0..CHANGE_ATTEMPTS {
        let Some((mut record, was_used)) = api.node.made_room(room).await? else {
            return Err(missing("room"));
        };
        let before = record.version;
        if wanted.is_some_and(|wanted| wanted.as_bytes() != etag(before).as_bytes()) {
            let sentence = "If-Match does not name the version of the room as it is now";
            let (status, code) = (StatusCode::PRECONDITION_FAILED, ErrorCode::InvalidField);
            return Err(Refusal::new(status, code, sentence));
        }
        change(&mut record)?;
        let edit = Edit {
            record,
            before: Some(before),
        };
        match api.node.edit_room(edit).await? {
            Edited::Kept(record) => {
                let disabled = Node::is_disabled(&record, was_used);
                return Ok((record, disabled));
            }
            Edited::Other(_) => {}
            Edited::Missing | Edited::Full => return Err(missing("room")),
        }
    }
    let sentence = "others change the room at the same time; try again";
    Err(Refusal::new(StatusCode::CONFLICT, ErrorCode::Overloaded, sentence))
}

fn etag(version: u64) -> String {
    format!("\"v{version}\"")
}

fn answer(result: Result<(RoomRecord, bool), Refusal>, asked: &Asked) -> Response {
    match result {
        Ok((record, disabled)) => {
            let info = RoomInfo::new(&record, disabled, asked.govern().is_ok());
            let mut response = Json(info).into_response();
            if let Ok(tag) = HeaderValue::from_str(&etag(record.version)) {
                response.headers_mut().insert(header::ETAG, tag);
            }
            response
        }
        Err(refusal) => problem(&refusal),
    }
}
