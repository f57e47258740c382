//! Sessions that are or were, and who was in them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::asked::{Asked, PageInfo};
use super::{Api, Refusal, document, invalid, missing, problem, silent};
use crate::node::{Found, Home};
use crate::records::{LinkRecord, SampleRecord, SessionRecord, StayRecord, rfc3339};
use crate::wire::signal::SourceKind;
use crate::wire::{ErrorCode, ParticipantId, RoomId};

/// Stays shown with a session in a list, and with one that is asked for by itself.
const STAYS_IN_LIST: usize = 200;
const STAYS_MAX: usize = 10_000;
/// Longest id of a session that is looked for.
const SESSION_BYTES_MAX: usize = 128;

/// A session.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionInfo {
    id: String,
    #[schema(value_type = String)]
    room_id: RoomId,
    start: String,
    end: Option<String>,
    status: Status,
    /// Why it ended: empty, closed, timeout, moved, node-lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    reason: Option<crate::records::EndWord>,
    participants: Vec<Attendance>,
    /// Stays that are not kept, because there were too many.
    #[serde(skip_serializing_if = "is_zero")]
    stays_lost: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ongoing,
    Ended,
}

/// Where a page of sessions begins: behind this start and id.
struct Cursor(u64, String);

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('-')
            .and_then(|(start, id)| Some((start.parse().ok()?, id)));
        let (start, id) = parts.ok_or("not a next of a page")?;
        Ok(Self(start, id.chars().take(SESSION_BYTES_MAX).collect()))
    }
}

/// When somebody was there.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attendance {
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    name: String,
    timelog: Vec<While>,
}

/// From when to when; no end: it goes on.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct While {
    start: String,
    end: Option<String>,
    /// Why it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl While {
    fn new(start_ms: u64, end_ms: Option<u64>, reason: Option<String>) -> Self {
        Self {
            start: rfc3339(start_ms),
            end: end_ms.map(rfc3339),
            reason,
        }
    }
}

/// Somebody who was there, and what they sent.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attendee {
    #[serde(flatten)]
    attendance: Attendance,
    /// SEND_AND_RECV, RECV_ONLY or SIGNALLING_ONLY, as they came last.
    mode: &'static str,
    mic: Vec<While>,
    webcam: Vec<While>,
    screen_share: Vec<While>,
    screen_share_audio: Vec<While>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionPage {
    page_info: PageInfo,
    data: Vec<SessionInfo>,
    /// Nodes that did not answer; what they keep is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanswered: Vec<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AttendeePage {
    page_info: PageInfo,
    data: Vec<Attendee>,
}

/// A link of a session.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PastLink {
    /// The other room.
    #[schema(value_type = String)]
    room_id: RoomId,
    #[serde(flatten)]
    open: While,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct PastLinks {
    data: Vec<PastLink>,
}

/// How somebody was connected.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Quality {
    #[schema(value_type = String)]
    participant_id: ParticipantId,
    /// Mean of the scores, 5 (excellent) to 1 (bad).
    quality_score: Option<f32>,
    /// Some twice a minute; fewer for a long stay.
    stats: Vec<Moment>,
}

/// How a connection was over a while.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Moment {
    /// The end of the while.
    at: String,
    /// Share of the client's packets that did not arrive here, before repair.
    loss_up: f32,
    /// Share of our packets that did not arrive there, before repair.
    loss_down: f32,
    /// The longest.
    round_trip_ms: Option<u32>,
    /// The worst, 5 (excellent) to 1 (bad).
    score: u8,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SessionStats {
    data: Vec<Quality>,
}

impl SessionInfo {
    fn new(session: SessionRecord, stays: Vec<StayRecord>) -> Self {
        let people = gather(stays);
        Self {
            start: rfc3339(session.start_ms),
            end: session.end_ms.map(rfc3339),
            status: if session.end_ms.is_none() {
                Status::Ongoing
            } else {
                Status::Ended
            },
            reason: session.reason,
            participants: people.into_iter().map(|(id, stays)| attendance(id, &stays)).collect(),
            stays_lost: session.stays_lost,
            id: session.session,
            room_id: session.room,
        }
    }
}

/// Stays by participant, in the order in which they first came.
fn gather(stays: Vec<StayRecord>) -> Vec<(ParticipantId, Vec<StayRecord>)> {
    let mut people: Vec<(ParticipantId, Vec<StayRecord>)> = Vec::new();
    let mut places: BTreeMap<ParticipantId, usize> = BTreeMap::new();
    for stay in stays {
        let place = *places.entry(stay.participant.clone()).or_insert(people.len());
        match people.get_mut(place) {
            Some((_, known)) => known.push(stay),
            None => people.push((stay.participant.clone(), vec![stay])),
        }
    }
    people
}

fn attendance(participant_id: ParticipantId, stays: &[StayRecord]) -> Attendance {
    let timelog = stays.iter().map(|stay| {
        let reason = stay.reason.and_then(|reason| serde_json::to_value(reason).ok());
        let reason = reason.and_then(|reason| reason.as_str().map(str::to_owned));
        While::new(stay.start_ms, stay.end_ms, reason)
    });
    Attendance {
        participant_id,
        name: stays.last().map(|stay| stay.name.clone()).unwrap_or_default(),
        timelog: timelog.collect(),
    }
}

fn attendee(id: ParticipantId, stays: &[StayRecord]) -> Attendee {
    let of = |source: SourceKind| {
        let media = stays.iter().flat_map(|stay| &stay.media);
        let media = media.filter(|media| media.source == source);
        media
            .map(|media| While::new(media.start_ms, media.end_ms, None))
            .collect()
    };
    Attendee {
        attendance: attendance(id, stays),
        mode: stays.last().map_or("SEND_AND_RECV", |stay| match stay.mode {
            crate::wire::signal::Mode::SendAndReceive => "SEND_AND_RECV",
            crate::wire::signal::Mode::ReceiveOnly => "RECV_ONLY",
            crate::wire::signal::Mode::SignallingOnly => "SIGNALLING_ONLY",
        }),
        mic: of(SourceKind::Microphone),
        webcam: of(SourceKind::Camera),
        screen_share: of(SourceKind::Screen),
        screen_share_audio: of(SourceKind::ScreenAudio),
    }
}

fn quality(participant_id: ParticipantId, stays: &[StayRecord]) -> Quality {
    let samples: Vec<&SampleRecord> = stays.iter().flat_map(|stay| &stay.samples).collect();
    let sum: u32 = samples.iter().map(|sample| u32::from(sample.score)).sum();
    let moment = |sample: &&SampleRecord| Moment {
        at: rfc3339(sample.at_ms),
        loss_up: sample.loss_up,
        loss_down: sample.loss_down,
        round_trip_ms: sample.round_trip_ms,
        score: sample.score,
    };
    Quality {
        participant_id,
        quality_score: (!samples.is_empty()).then(|| sum as f32 / samples.len() as f32),
        stats: samples.iter().map(moment).collect(),
    }
}

/// The session that the path names, if whoever asks may know of it, and where it is kept.
async fn find(api: &Api, asked: &Asked) -> Result<(Home, SessionRecord), Refusal> {
    asked.govern()?;
    let session: String = asked.named("session")?;
    if session.len() > SESSION_BYTES_MAX {
        return Err(missing("session"));
    }
    match api.node.session(&session).await? {
        Found::At(home, found) if asked.is_for(&found.room).is_ok() => Ok((home, *found)),
        Found::At(..) | Found::Nowhere => Err(missing("session")),
        Found::Unsure(nodes) => {
            let nodes = silent(&nodes).join(", ");
            let sentence = format!("no node that answers has this session; these do not answer: {nodes}");
            let (status, code) = (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ClusterUnreachable);
            Err(Refusal::new(status, code, sentence))
        }
    }
}

async fn stays(api: &Api, home: &Home, session: &SessionRecord) -> Result<Vec<StayRecord>, Refusal> {
    Ok(api.node.stays(home, &session.session, STAYS_MAX, false).await?)
}

fn respond<T: Serialize>(result: Result<T, Refusal>) -> Response {
    match result {
        Ok(found) => Json(found).into_response(),
        Err(refusal) => problem(&refusal),
    }
}

/// Sessions, the newest first
///
/// Of each, at most 200 stays are shown; all of them are found under its `participants`. By `page`, or each time `after` the `next` of the
/// page before, which holds while sessions begin.
#[utoipa::path(get, path = "/v2/sessions", tag = "sessions",
    params(("roomId" = Option<String>, Query),
        ("after" = Option<String>, Query, description = "`next` of the page before"), ("page" = Option<u64>, Query, minimum = 1),
        ("perPage" = Option<u64>, Query, minimum = 1, maximum = 100)), responses(
    (status = 200, body = SessionPage),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn list(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let listed = async {
        let room = asked.room_to_list()?;
        let paging = asked.paging()?;
        let after: Option<Cursor> = asked.query("after")?;
        let skip = if after.is_some() { 0 } else { paging.skip() };
        let before = after.map(|Cursor(start, id)| (start, id));
        if let Some(most) = api.node.skip_max().filter(|most| skip > *most) {
            return Err(invalid(format!(
                "page: of many nodes the first {most} sessions have pages by number; go on with after"
            )));
        }
        let found = api
            .node
            .sessions(room.as_ref(), before, skip, paging.take(), STAYS_IN_LIST);
        let sessions = found.await?;
        let data = sessions.items.into_iter();
        let data = data.map(|(session, stays)| SessionInfo::new(session, stays)).collect();
        Ok(SessionPage {
            page_info: paging.info(sessions.total, sessions.next.map(|(start, id)| format!("{start}-{id}"))),
            data,
            unanswered: silent(&sessions.silent),
        })
    };
    respond(listed.await)
}

/// One session
#[utoipa::path(get, path = "/v2/sessions/{session}", tag = "sessions", params(("session" = String, Path)), responses(
    (status = 200, body = SessionInfo),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn show(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let (home, session) = find(&api, &asked).await?;
        let stays = stays(&api, &home, &session).await?;
        Ok(SessionInfo::new(session, stays))
    };
    respond(found.await)
}

/// Who was in a session
#[utoipa::path(get, path = "/v2/sessions/{session}/participants", tag = "sessions",
    params(("session" = String, Path), ("page" = Option<u64>, Query, minimum = 1),
        ("perPage" = Option<u64>, Query, minimum = 1, maximum = 100)), responses(
    (status = 200, body = AttendeePage),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn participants(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    respond(attendees(&api, &asked, |_| true).await)
}

/// Who is in a session that goes on
#[utoipa::path(get, path = "/v2/sessions/{session}/participants/active", tag = "sessions",
    params(("session" = String, Path), ("page" = Option<u64>, Query, minimum = 1),
        ("perPage" = Option<u64>, Query, minimum = 1, maximum = 100)), responses(
    (status = 200, body = AttendeePage),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn active(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let is_here = |stays: &[StayRecord]| stays.iter().any(|stay| stay.end_ms.is_none());
    respond(attendees(&api, &asked, is_here).await)
}

async fn attendees(api: &Api, asked: &Asked, which: impl Fn(&[StayRecord]) -> bool) -> Result<AttendeePage, Refusal> {
    let (home, session) = find(api, asked).await?;
    let paging = asked.paging()?;
    let mut people = gather(stays(api, &home, &session).await?);
    people.retain(|(_, stays)| which(stays));
    let total = people.len() as u64;
    let page = people.into_iter().skip(paging.skip()).take(paging.take());
    Ok(AttendeePage {
        page_info: paging.info(total, None),
        data: page.map(|(id, stays)| attendee(id, &stays)).collect(),
    })
}

/// The links of a session, those that are over among them
#[utoipa::path(get, path = "/v2/sessions/{session}/links", tag = "links", params(("session" = String, Path)), responses(
    (status = 200, body = PastLinks),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn links(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let (home, session) = find(&api, &asked).await?;
        let links = api.node.past_links(&home, &session.session).await?;
        let link = |link: LinkRecord| {
            let reason = link.reason.and_then(|reason| serde_json::to_value(reason).ok());
            let reason = reason.and_then(|reason| reason.as_str().map(str::to_owned));
            PastLink {
                room_id: link.link,
                open: While::new(link.start_ms, link.end_ms, reason),
            }
        };
        Ok(PastLinks {
            data: links.into_iter().map(link).collect(),
        })
    };
    respond(found.await)
}

/// How everybody in a session was connected
#[utoipa::path(get, path = "/v2/sessions/{session}/stats", tag = "sessions", params(("session" = String, Path)), responses(
    (status = 200, body = SessionStats),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn stats(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let (home, session) = find(&api, &asked).await?;
        let people = gather(stays(&api, &home, &session).await?);
        let data = people.into_iter().map(|(id, stays)| quality(id, &stays)).collect();
        Ok(SessionStats { data })
    };
    respond(found.await)
}

/// How one participant was connected
#[utoipa::path(get, path = "/v2/sessions/{session}/participant/{participant}/stats", tag = "sessions",
    params(("session" = String, Path), ("participant" = String, Path)), responses(
    (status = 200, body = Quality),
    (status = "4XX", response = document::Problem), (status = 503, response = document::Problem)))]
pub(super) async fn participant_stats(State(api): State<Arc<Api>>, asked: Asked) -> Response {
    let found = async {
        let (home, session) = find(&api, &asked).await?;
        let id: ParticipantId = asked.named("participant")?;
        let people = gather(stays(&api, &home, &session).await?);
        let one = people.into_iter().find(|(one, _)| *one == id);
        let (id, stays) = one.ok_or_else(|| missing("participant"))?;
        Ok(quality(id, &stays))
    };
    respond(found.await)
}
