//! Who asks, for what: the token is judged before anything else is looked at.

use std::collections::HashMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Api, Refusal, invalid, problem};
use crate::api::token::{Grant, TokenError};
use crate::wire::json::check_shape;
use crate::wire::{ErrorCode, RoomId};

/// Most entries of a page.
const PER_PAGE_MAX: u64 = 100;
/// Entries of a page when nothing else is asked for.
const PER_PAGE: u64 = 20;

/// A request of somebody whose token is for this API.
pub(super) struct Asked {
    grant: Grant,
    pub(super) headers: HeaderMap,
    path: HashMap<String, String>,
    query: HashMap<String, String>,
}

impl FromRequestParts<Arc<Api>> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Response> {
        let grant = authorise(api, &parts.headers).map_err(|refusal| problem(&refusal))?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, api).await;
        let Path(path) = path.map_err(|_| problem(&invalid("the path is not UTF-8")))?;
        let query = Query::<HashMap<String, String>>::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|_| problem(&invalid("the query cannot be read")))?;
        Ok(Self {
            grant,
            headers: parts.headers.clone(),
            path,
            query,
        })
    }
}

/// `Authorization: <token>`, as the documents of the API have it, or `Authorization: Bearer <token>`.
pub(super) fn authorise(api: &Api, headers: &HeaderMap) -> Result<Grant, Refusal> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        Some(_) => return Err(TokenError::Missing.into()),
        None => value,
    };
    let grant = api.keys.verify(token, SystemTime::now())?;
    if !grant.may_call_rest || grant.one_shot {
        return Err(TokenError::WrongRole.into());
    }
    if grant.permissions.ask_join {
        let sentence = "the token only allows asking to come in";
        return Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, sentence));
    }
    Ok(grant)
}

impl Asked {
    /// Checks that whoever asks is a server or a moderator: a token with the role `crawler` and no other, or with `allow_mod`.
    pub(super) fn govern(&self) -> Result<(), Refusal> {
        if !self.grant.may_join || self.grant.permissions.allow_mod {
            return Ok(());
        }
        let sentence = "this takes a token with roles [\"crawler\"], or with the permission allow_mod";
        Err(Refusal::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, sentence))
    }

    /// Checks that the token is not for one room alone.
    pub(super) fn govern_all(&self) -> Result<(), Refusal> {
        self.govern()?;
        match self.grant.room {
            Some(_) => Err(TokenError::WrongRoom.into()),
            None => Ok(()),
        }
    }

    /// The room that a list is of: the one that is named, which the token has to be for, or all.
    pub(super) fn room_to_list(&self) -> Result<Option<RoomId>, Refusal> {
        self.govern()?;
        let room: Option<RoomId> = self.query("roomId")?;
        match &room {
            Some(room) => self.is_for(room)?,
            None => self.govern_all()?,
        }
        Ok(room)
    }

    /// Checks that the token is for this room, or any.
    pub(super) fn is_for(&self, room: &RoomId) -> Result<(), Refusal> {
        match &self.grant.room {
            Some(bound) if bound != room => Err(TokenError::WrongRoom.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Both: whoever asks governs this room.
    pub(super) fn governs(&self, room: &RoomId) -> Result<(), Refusal> {
        self.govern()?;
        self.is_for(room)
    }

    /// A part of the path.
    pub(super) fn named<I: FromStr>(&self, name: &str) -> Result<I, Refusal>
    where
        I::Err: std::fmt::Display,
    {
        let text = self.path.get(name).map(String::as_str).unwrap_or_default();
        text.parse()
            .map_err(|error| invalid(format!("the {name} in the path: {error}")))
    }

    /// A part of the query.
    pub(super) fn query<I: FromStr>(&self, name: &str) -> Result<Option<I>, Refusal>
    where
        I::Err: std::fmt::Display,
    {
        let parse = |text: &String| text.parse().map_err(|error| invalid(format!("{name}: {error}")));
        self.query.get(name).map(parse).transpose()
    }

    /// Which page is wanted.
    pub(super) fn paging(&self) -> Result<Paging, Refusal> {
        let page: u64 = self.query("page")?.unwrap_or(1);
        let per_page: u64 = self.query("perPage")?.unwrap_or(PER_PAGE);
        if page == 0 || !(1..=PER_PAGE_MAX).contains(&per_page) {
            return Err(invalid("page counts from 1, and perPage is 1 to 100"));
        }
        Ok(Paging { page, per_page })
    }
}

/// A page of a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paging {
    page: u64,
    per_page: u64,
}

/// Where in a list a page is.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    current_page: u64,
    per_page: u64,
    last_page: u64,
    total: u64,
    /// `after` of the next page, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Paging {
    pub(super) fn skip(self) -> usize {
        let skip = (self.page - 1).saturating_mul(self.per_page);
        usize::try_from(skip).unwrap_or(usize::MAX)
    }

    pub(super) const fn take(self) -> usize {
        self.per_page as usize
    }

    pub(super) fn info(self, total: u64, next: Option<String>) -> PageInfo {
        PageInfo {
            current_page: self.page,
            per_page: self.per_page,
            last_page: total.div_ceil(self.per_page).max(1),
            total,
            next,
        }
    }
}

/// A body of JSON.
pub(super) struct Sent(Bytes);

impl FromRequest<Arc<Api>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Response> {
        match Bytes::from_request(request, api).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(_) => {
                let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge);
                Err(problem(&Refusal::new(status, code, "the body is too large")))
            }
        }
    }
}

impl Sent {
    /// Reads it; nothing at all is an empty object.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let bytes = if self.0.trim_ascii().is_empty() {
            b"{}".as_slice()
        } else {
            &self.0
        };
        let refuse = |sentence: String| Refusal::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidJson, sentence);
        let text = std::str::from_utf8(bytes).map_err(|_| refuse("the body is not UTF-8".to_owned()))?;
        check_shape(text).map_err(|error| refuse(error.to_string()))?;
        // The derived reader would also take an array for a struct.
        if !text.trim_start().starts_with('{') {
            return Err(refuse("the body is not a JSON object".to_owned()));
        }
        serde_json::from_str(text).map_err(|error| invalid(format!("the body: {error}")))
    }
}
