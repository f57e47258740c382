//! WHIP (RFC 9725) and WHEP: one HTTP exchange instead of signalling. The same answerer, the same rooms.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::elsewhere::IsElsewhere;
use super::signal::room_grant;
use super::token::{Grant, TokenError};
use crate::cluster::NodeId;
use crate::node::{Closed, Place};
use crate::room::{HttpKey, HttpOffer, HttpPatch, HttpReply, Input};
use crate::transport::ice::Credentials;
use crate::transport::negotiation::credentials_of;
use crate::transport::turn::TurnCredentials;
use crate::wire::limits::SDP_BYTES_MAX;
use crate::wire::signal::SignalError;
use crate::wire::{ErrorCode, ParticipantId, RoomId};

const SDP: &str = "application/sdp";
const TRICKLE: &str = "application/trickle-ice-sdpfrag";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// `POST /whip/{room}`: publish. The publisher's id is the token's `participantId`.
pub(super) async fn publish(
    State(api): State<Arc<Api>>,
    Path(room): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let location = format!("/whip/{}", segment(&room));
    let mut links = Vec::new();
    let result = async {
        let room = id::<RoomId>(&room, "room")?;
        let grant = authorise(&api, &headers, &room)?;
        let Some(participant) = grant.participant.clone() else {
            return Err(Refusal::token(
                TokenError::WrongParticipant,
                "the token names no participantId to publish as",
            ));
        };
        api.keys
            .check_revoked(&grant, &room, Some(&participant), SystemTime::now())?;
        let (permissions, pass) = (room_grant(&grant), grant.pass());
        links = ice_servers(&api, &room, &grant);
        let sdp = offer(&headers, &body)?;
        let make = |request, place: Place| Input::Whip {
            request,
            participant: participant.clone(),
            offer: Box::new(HttpOffer {
                sdp: sdp.clone(),
                grant: permissions,
                pass: pass.clone(),
                shard: place.shard,
                local: place.local,
            }),
        };
        enter(&api, &room, &grant, make).await
    };
    let result = result.await;
    with_links(finish(&api, "whip", &location, result), &links)
}

/// `POST /whep/{room}/{participant}`: receive what that participant publishes, now or later.
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    Path((room, publisher)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let location = format!("/whep/{}/{}", segment(&room), segment(&publisher));
    let mut links = Vec::new();
    let result = async {
        let room = id::<RoomId>(&room, "room")?;
        let publisher = id::<ParticipantId>(&publisher, "participant")?;
        let grant = authorise(&api, &headers, &room)?;
        let (permissions, pass) = (room_grant(&grant), grant.pass());
        links = ice_servers(&api, &room, &grant);
        let sdp = offer(&headers, &body)?;
        let make = |request, place: Place| Input::Whep {
            request,
            publisher: publisher.clone(),
            offer: Box::new(HttpOffer {
                sdp: sdp.clone(),
                grant: permissions,
                pass: pass.clone(),
                shard: place.shard,
                local: place.local,
            }),
        };
        enter(&api, &room, &grant, make).await
    };
    let result = result.await;
    with_links(finish(&api, "whep", &location, result), &links)
}

pub(super) async fn end_publishing(
    State(api): State<Arc<Api>>,
    Path((room, resource)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    end(&api, "whip", &room, resource, &headers).await
}

pub(super) async fn end_watching(
    State(api): State<Arc<Api>>,
    Path((room, _, resource)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    end(&api, "whep", &room, resource, &headers).await
}

pub(super) async fn patch_publishing(
    State(api): State<Arc<Api>>,
    Path((room, resource)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    patch(&api, "whip", &room, resource, &headers, &body).await
}

pub(super) async fn patch_watching(
    State(api): State<Arc<Api>>,
    Path((room, _, resource)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    patch(&api, "whep", &room, resource, &headers, &body).await
}

/// Asks a room to make a resource. A token that is good for one join is used up by it, unless nothing was made.
async fn enter(
    api: &Api,
    room: &RoomId,
    grant: &Grant,
    make: impl Fn(HttpKey, Place) -> Input,
) -> Result<HttpReply, Refusal> {
    api.spent.spend(grant, SystemTime::now())?;
    let reply = api.node.ask(room, true, make).await;
    if !matches!(reply, Ok(HttpReply::Created { .. })) {
        api.spent.give_back(grant);
    }
    Ok(reply?)
}

async fn end(api: &Arc<Api>, kind: &str, room: &str, resource: String, headers: &HeaderMap) -> Response {
    let result = async {
        let room = id::<RoomId>(room, "room")?;
        authorise(api, headers, &room)?;
        let make = |request, _| Input::HttpDelete {
            request,
            resource: resource.clone(),
        };
        Ok(api.node.ask(&room, false, make).await?)
    };
    match result.await {
        Ok(HttpReply::Done) => counted(api, kind, StatusCode::OK.into_response()),
        other => finish(api, kind, "", other),
    }
}

/// Trickled candidates are not needed by an ICE-lite server: they are acknowledged, if they are of the resource's ICE session.
/// With `If-Match: *` it is an ICE restart (RFC 9725 section 4.3.3): the answer has our new credentials.
async fn patch(
    api: &Arc<Api>,
    kind: &str,
    room: &str,
    resource: String,
    headers: &HeaderMap,
    body: &Bytes,
) -> Response {
    let result = async {
        let room = id::<RoomId>(room, "room")?;
        authorise(api, headers, &room)?;
        if content_type(headers) != TRICKLE {
            return Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                ErrorCode::InvalidField,
                "PATCH takes application/trickle-ice-sdpfrag",
            ));
        }
        if body.len() > SDP_BYTES_MAX {
            let sentence = "the fragment is too large";
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                ErrorCode::SdpTooLarge,
                sentence,
            ));
        }
        let patch = match headers.get(header::IF_MATCH).map(header::HeaderValue::as_bytes) {
            Some(b"*") => {
                let fragment = std::str::from_utf8(body).ok();
                let remote = fragment.and_then(credentials_of).ok_or_else(|| {
                    let sentence = "an ICE restart names the new a=ice-ufrag and a=ice-pwd";
                    Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::SdpInvalid, sentence)
                })?;
                HttpPatch::Restart { remote }
            }
            Some(tag) => HttpPatch::Candidates {
                session: Some(session_of(tag)),
            },
            None => HttpPatch::Candidates { session: None },
        };
        let make = |request, _| Input::HttpPatch {
            request,
            resource: resource.clone(),
            patch: patch.clone(),
        };
        Ok(api.node.ask(&room, false, make).await?)
    };
    finish(api, kind, "", result.await)
}

/// The entity tag of an ICE session (RFC 9725 section 4.3.1).
fn etag(ice_session: &str) -> String {
    format!("\"{ice_session}\"")
}

/// The ICE session that an entity tag names; one of somebody else's making names none of ours.
fn session_of(tag: &[u8]) -> String {
    let tag = std::str::from_utf8(tag).unwrap_or_default();
    let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    inner.unwrap_or_default().to_owned()
}

/// TURN servers for whoever asks, as RFC 9725 section 4.6 has them: one `Link` each.
fn ice_servers(api: &Api, room: &RoomId, grant: &Grant) -> Vec<String> {
    let unix_secs = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    // A TURN server may count by user: those without a name are not all the same one.
    let nobody = || format!("viewer-{}", Credentials::random().ufrag);
    let user = grant
        .participant
        .as_ref()
        .map_or_else(nobody, |id| id.as_str().to_owned());
    let mut links = Vec::new();
    for turn in api.node.turn() {
        let TurnCredentials { username, credential } = turn.credentials(unix_secs, room.as_str(), &user);
        links.extend(turn.urls.iter().map(|url| {
            format!(
                "<{url}>; rel=\"ice-server\"; username=\"{username}\"; credential=\"{credential}\"; credential-type=\"password\""
            )
        }));
    }
    links
}

/// Adds the TURN servers to the answer that made a resource.
fn with_links(mut response: Response, links: &[String]) -> Response {
    if response.status() == StatusCode::CREATED {
        for link in links {
            if let Ok(mut value) = header::HeaderValue::from_str(link) {
                value.set_sensitive(true);
                response.headers_mut().append(header::LINK, value);
            }
        }
    }
    response
}

/// One segment of a path as it stands in a URL (RFC 3986 section 3.3): ids may hold anything but white space and controls.
pub(super) fn segment(id: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    let escape = |byte: u8| {
        if keep(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    id.bytes().map(escape).collect()
}

/// A request that is not served.
pub(super) struct Refusal {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    /// Another node has the room.
    elsewhere: Option<NodeId>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            elsewhere: None,
        }
    }

    fn token(error: TokenError, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        Self::new(status, error.code(), message)
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::token(error, error.to_string())
    }
}

impl From<SignalError> for Refusal {
    fn from(error: SignalError) -> Self {
        Self::new(status_of(error.code), error.code, error.message)
    }
}

impl From<Closed> for Refusal {
    fn from(closed: Closed) -> Self {
        let refusal = Self::new(StatusCode::SERVICE_UNAVAILABLE, closed.code(), closed.to_string());
        let elsewhere = match closed {
            Closed::Elsewhere(node) => Some(node),
            Closed::Draining | Closed::Full | Closed::NoRoom | Closed::Late | Closed::Busy | Closed::Cut => None,
        };
        Self { elsewhere, ..refusal }
    }
}

pub(super) fn id<I: FromStr>(text: &str, what: &str) -> Result<I, Refusal>
where
    I::Err: std::fmt::Display,
{
    text.parse().map_err(|error| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidField,
            format!("the {what} in the path: {error}"),
        )
    })
}

/// A token that leads into this room, or one of an operator, which leads into no call but to every room's affairs.
pub(super) fn authorise_or_admin(api: &Api, headers: &HeaderMap, room: &RoomId) -> Result<Grant, Refusal> {
    let grant = bearer(api, headers)?;
    if grant.is_admin() {
        grant.check_bound(room)?;
    } else {
        grant.check_room(room)?;
        api.keys.check_revoked(&grant, room, None, SystemTime::now())?;
    }
    Ok(grant)
}

pub(super) fn authorise(api: &Api, headers: &HeaderMap, room: &RoomId) -> Result<Grant, Refusal> {
    let grant = bearer(api, headers)?;
    grant.check_room(room)?;
    api.keys.check_revoked(&grant, room, None, SystemTime::now())?;
    Ok(grant)
}

/// The token of a request, verified; what it is for is not looked at.
pub(super) fn bearer(api: &Api, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) | None => return Err(TokenError::Missing.into()),
    };
    Ok(api.keys.verify(token, SystemTime::now())?)
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn offer(headers: &HeaderMap, body: &Bytes) -> Result<String, Refusal> {
    if content_type(headers) != SDP {
        let sentence = "an offer is posted as application/sdp";
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::InvalidField,
            sentence,
        ));
    }
    if body.len() > SDP_BYTES_MAX {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::SdpTooLarge,
            "the offer is too large",
        ));
    }
    String::from_utf8(body.to_vec())
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::SdpInvalid, "the offer is not UTF-8"))
}

fn finish(api: &Api, kind: &str, location: &str, result: Result<HttpReply, Refusal>) -> Response {
    let response = match result {
        Ok(HttpReply::Created {
            resource,
            sdp,
            ice_session,
        }) => (
            StatusCode::CREATED,
            [
                (header::CONTENT_TYPE, SDP.to_owned()),
                (header::LOCATION, format!("{location}/{resource}")),
                (header::ETAG, etag(&ice_session)),
                (ACCEPT_PATCH, TRICKLE.to_owned()),
            ],
            sdp,
        )
            .into_response(),
        Ok(HttpReply::Restarted { fragment, ice_session }) => (
            [
                (header::CONTENT_TYPE, TRICKLE.to_owned()),
                (header::ETAG, etag(&ice_session)),
            ],
            fragment,
        )
            .into_response(),
        Ok(HttpReply::Done) => StatusCode::NO_CONTENT.into_response(),
        Ok(HttpReply::OtherSession) => {
            let sentence = "If-Match does not name the ICE session of this resource";
            problem(&Refusal::new(
                StatusCode::PRECONDITION_FAILED,
                ErrorCode::InvalidField,
                sentence,
            ))
        }
        Ok(
            HttpReply::Stats { .. }
            | HttpReply::Participants { .. }
            | HttpReply::Links { .. }
            | HttpReply::Recording(_)
            | HttpReply::Recordings { .. }
            | HttpReply::NotFound,
        ) => {
            let sentence = "there is no such resource";
            problem(&Refusal::new(
                StatusCode::NOT_FOUND,
                ErrorCode::NoSuchPublication,
                sentence,
            ))
        }
        Ok(HttpReply::Refused { code, message }) => problem(&Refusal::new(status_of(code), code, message)),
        Err(refusal) => problem(&refusal),
    };
    counted(api, kind, response)
}

fn counted(api: &Api, kind: &str, response: Response) -> Response {
    api.node
        .metrics()
        .http_ingest
        .with_label_values(&[kind, response.status().as_str()])
        .inc();
    response
}

/// RFC 9457, with the code of the client protocol.
pub(super) fn problem(refusal: &Refusal) -> Response {
    let body = json!({ "status": refusal.status.as_u16(), "code": refusal.code.as_str(), "detail": refusal.message });
    let mut response = (
        refusal.status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response();
    if let Some(node) = &refusal.elsewhere {
        response.extensions_mut().insert(IsElsewhere(node.clone()));
    }
    if refusal.status == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    if refusal.status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
    }
    response
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what is not named here is the request's fault"
)]
pub(super) fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Forbidden
        | ErrorCode::PasswordRequired
        | ErrorCode::RoomDisabled
        | ErrorCode::TokenRoom
        | ErrorCode::TokenParticipant
        | ErrorCode::TokenRole => StatusCode::FORBIDDEN,
        ErrorCode::RoomFull
        | ErrorCode::RoomLimit
        | ErrorCode::Overloaded
        | ErrorCode::NodeDraining
        | ErrorCode::ClusterUnreachable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::SdpTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::SdpUnsupported => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_whatever_the_room_is_called() {
        assert_eq!(segment("stage-1"), "stage-1");
        assert_eq!(segment("a/b?c#d%\""), "a%2Fb%3Fc%23d%25%22");
        assert_eq!(segment("grün"), "gr%C3%BCn");
    }
}
