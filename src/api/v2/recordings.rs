//! Recordings that lie on this node: which there are, what is in them, their files, and removing them.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::services::ServeFile;

use super::asked::{Asked, PageInfo};
use super::{Api, Refusal, document, problem};
use crate::node::{Recorded, RecordingId, Removed, Shelf};
use crate::packet::Codec;
use crate::recording::Manifest;
use crate::records::rfc3339;
use crate::wire::signal::{RecordingEnd, SourceKind};
use crate::wire::{ErrorCode, ParticipantId, RoomId};

/// A recording.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingSummary {
    id: String,
    #[schema(value_type = String)]
    room_id: RoomId,
    session_id: String,
    start: String,
    end: Option<String>,
    status: RecordingStatus,
    /// Why it ended: stopped, room-closed, too-long, too-large, disk-full, disk-failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<RecordingEnd>,
    /// Of all its files.
    bytes: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum RecordingStatus {
    /// It is being made.
    Ongoing,
    Ended,
    /// Its server died; its files play up to where they go.
    Unfinished,
}

/// What is in a recording.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingDetails {
    #[serde(flatten)]
    summary: RecordingSummary,
    files: Vec<RecordingFile>,
    participants: Vec<RecordedPerson>,
    /// What was published and not recorded.
    skipped: Vec<RecordingSkipped>,
    /// Rooms that were linked.
    links: Vec<RecordingLink>,
}

/// A file of a recording.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingFile {
    /// Under `files/` of its recording.
    name: String,
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    tracks: Vec<RecordingTrack>,
    /// When it begins, since the recording began.
    start_ms: u64,
    duration_ms: u64,
    bytes: u64,
    /// Whether it was written to its end.
    complete: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct RecordingTrack {
    /// microphone, camera, screen, screenAudio.
    #[schema(value_type = String)]
    source: SourceKind,
    #[schema(value_type = String)]
    codec: Codec,
}

/// Somebody who was in the room.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordedPerson {
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    name: String,
    start: String,
    end: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingSkipped {
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    #[schema(value_type = String)]
    source: SourceKind,
    reason: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingLink {
    #[schema(value_type = String)]
    room_id: RoomId,
    start: String,
    end: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RecordingPage {
    page_info: PageInfo,
    data: Vec<RecordingSummary>,
}

impl RecordingSummary {
    fn new(recorded: Recorded) -> Self {
        Self {
            start: rfc3339(recorded.started_at_ms),
            end: recorded.ended_at_ms.map(rfc3339),
            status: match (recorded.end, recorded.is_living) {
                (Some(_), _) => RecordingStatus::Ended,
                (None, true) => RecordingStatus::Ongoing,
                (None, false) => RecordingStatus::Unfinished,
            },
            reason: recorded.end,
            bytes: recorded.bytes,
            id: recorded.id,
            room_id: recorded.room,
            session_id: recorded.session,
        }
    }
}

impl RecordingDetails {
    fn new(recorded: Recorded, manifest: Manifest) -> Self {
        let files = manifest.files.into_iter().map(|file| RecordingFile {
            name: file.file,
            participant_id: file.participant,
            tracks: file
                .tracks
                .iter()
                .map(|track| RecordingTrack {
                    source: track.source,
                    codec: track.codec,
                })
                .collect(),
            start_ms: file.start_ms,
            duration_ms: file.duration_ms,
            bytes: file.bytes,
            complete: file.complete,
        });
        let people = manifest.participants.into_iter().map(|person| RecordedPerson {
            participant_id: person.participant,
            name: person.display_name,
            start: rfc3339(person.joined_at_ms),
            end: person.left_at_ms.map(rfc3339),
        });
        let skipped = manifest.skipped.into_iter().map(|one| RecordingSkipped {
            participant_id: one.participant,
            source: one.source,
            reason: one.reason.into_owned(),
        });
        let links = manifest.links.into_iter().map(|link| RecordingLink {
            room_id: link.room,
            start: rfc3339(link.opened_at_ms),
            end: link.closed_at_ms.map(rfc3339),
        });
        Self {
            summary: RecordingSummary::new(recorded),
            files: files.collect(),
            participants: people.collect(),
            skipped: skipped.collect(),
            links: links.collect(),
        }
    }
}

fn unreadable(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "the folder of recordings cannot be read or written");
    let sentence = "the recordings cannot be read or written now; try again";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Overloaded, sentence)
}

fn no_recording() -> Refusal {
    let sentence = "there is no such recording";
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::NoSuchRecording, sentence)
}

/// The recording that the path names, if whoever asks may know of it.
async fn find<'a>(api: &'a Api, asked: &Asked) -> Result<(&'a Shelf, RecordingId, Recorded, Manifest), Refusal> {
    asked.govern()?;
    let id: RecordingId = asked.named("recording")?;
    // A server that does not record has none.
    let shelf = api.node.shelf().ok_or_else(no_recording)?;
    let found = shelf.find(&id).await.map_err(|error| unreadable(&error))?;
    let found = found.filter(|(found, _)| asked.is_for(&found.room).is_ok());
    let (recorded, manifest) = found.ok_or_else(no_recording)?;
    Ok((shelf, id, recorded, manifest))
}

/// Recordings, the newest first
///
/// Those that lie on the server that is asked.
#[utoipa::path(get, path = "/v2/recordings", tag = "recordings",
    params(("roomId" = Option<String>, Query), ("sessionId" = Option<String>, Query),
        ("page" = Option<u64>, Query, minimum = 1), ("perPage" = Option<u64>, Query, minimum = 1, maximum = 100)), responses(
    (status = 200, body = RecordingPage),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn list(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let listed = async {
        let room = asked.room_to_list()?;
        let session: Option<String> = asked.query("sessionId")?;
        let paging = asked.paging()?;
        let Some(shelf) = api.node.shelf() else {
            let (page_info, data) = (paging.info(0, None), Vec::new());
            return Ok(RecordingPage { page_info, data });
        };
        let page = shelf.list(room.as_ref(), session.as_deref(), paging.skip(), paging.take());
        let page = page.await.map_err(|error| unreadable(&error))?;
        Ok::<_, Refusal>(RecordingPage {
            page_info: paging.info(page.total, None),
            data: page.items.into_iter().map(RecordingSummary::new).collect(),
        })
    };
    match listed.await {
        Ok(page) => Json(page).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// One recording
#[utoipa::path(get, path = "/v2/recordings/{recording}", tag = "recordings", params(("recording" = String, Path)), responses(
    (status = 200, body = RecordingDetails),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn show(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    match find(&api, &asked).await {
        Ok((_, _, recorded, manifest)) => Json(RecordingDetails::new(recorded, manifest)).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// A file of a recording
///
/// Or `manifest.json`. Parts are had with `Range`; of a recording that goes on, what there is so far.
#[utoipa::path(get, path = "/v2/recordings/{recording}/files/{file}", tag = "recordings",
    params(("recording" = String, Path), ("file" = String, Path), ("Range" = Option<String>, Header)), responses(
    (status = 200, content((Vec<u8> = "video/webm"), (Vec<u8> = "video/x-matroska"), (Vec<u8> = "application/json"))),
    (status = 206, content((Vec<u8> = "video/webm"), (Vec<u8> = "video/x-matroska"), (Vec<u8> = "application/json"))),
    (status = 304),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn download(State(api): State<Arc<Api>>, asked: Asked, request: Request) -> Response {
    let served = async {
        let (shelf, _, _, manifest) = find(&api, &asked).await?;
        let name: String = asked.named("file")?;
        let path = shelf.path(&manifest, &name).ok_or_else(missing_file)?;
        let kind = match path.extension().and_then(|extension| extension.to_str()) {
            Some("webm") => "video/webm",
            Some("json") => "application/json",
            Some(_) | None => "video/x-matroska",
        };
        let mut file = ServeFile::new(&path);
        let mut response = file.try_call(request).await.map_err(|error| unreadable(&error))?;
        match response.status() {
            StatusCode::NOT_FOUND => return Err(missing_file()),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let mut refused = problem(&Refusal::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    ErrorCode::InvalidField,
                    "Range names one part, within the file",
                ));
                if let Some(range) = response.headers().get(header::CONTENT_RANGE) {
                    refused.headers_mut().insert(header::CONTENT_RANGE, range.clone());
                }
                return Ok(refused);
            }
            _ => {}
        }
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        // It is what people have sent: nothing that a browser should guess about.
        let (name, value) = (HeaderName::from_static("x-content-type-options"), "nosniff");
        headers.insert(name, HeaderValue::from_static(value));
        Ok::<_, Refusal>(response.map(Body::new))
    };
    served.await.unwrap_or_else(|refusal| problem(&refusal))
}

fn missing_file() -> Refusal {
    let sentence = "there is no such file in this recording";
    Refusal::new(StatusCode::NOT_FOUND, ErrorCode::NoSuchRecording, sentence)
}

/// Remove a recording with its files
///
/// One that goes on has to be stopped before (409).
#[utoipa::path(delete, path = "/v2/recordings/{recording}", tag = "recordings", params(("recording" = String, Path)), responses(
    (status = 204),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn remove(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let removed = async {
        let (shelf, id, ..) = find(&api, &asked).await?;
        match shelf.remove(&id).await.map_err(|error| unreadable(&error))? {
            Removed::Gone => {
                tracing::info!(recording = %id, "a recording is removed");
                Ok(())
            }
            Removed::Living => {
                let sentence = "the recording goes on; stop it before it is removed";
                Err(Refusal::new(StatusCode::CONFLICT, ErrorCode::RecordingRuns, sentence))
            }
            Removed::Missing => Err(no_recording()),
        }
    };
    match removed.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refusal) => problem(&refusal),
    }
}
