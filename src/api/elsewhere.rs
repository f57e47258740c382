//! Requests for rooms of other nodes are handed on to them, whole; those that others hand on are served like any.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::ServiceExt;

use super::Api;
use super::carry::relayed;
use super::whip::{Refusal, authorise_or_admin, problem};
use crate::cluster::{HttpAnswer, HttpQuestion, NodeId};
use crate::node::{Arrivals, Closed, HandedOn, Route};
use crate::wire::{ErrorCode, RoomId};

/// Largest body of a response that is handed back: an answer in SDP, or the statistics of a large room.
const RESPONSE_BYTES_MAX: usize = 900 << 10;
/// How often a request is led on to yet another node.
const HOPS_MAX: usize = 3;

/// On a request that another node handed on: it is not handed on again.
#[derive(Clone, Copy)]
struct IsHandedOn;

/// On a response: another node has the room.
#[derive(Clone)]
pub(super) struct IsElsewhere(pub(super) NodeId);

/// Serves what other nodes hand on, as long as the node lives.
pub(super) async fn attend(api: Arc<Api>, router: Router, mut arrivals: Arrivals) {
    loop {
        tokio::select! {
            Some(relay) = arrivals.sockets.recv() => {
                tokio::spawn(relayed(Arc::clone(&api), relay));
            }
            Some(handed) = arrivals.requests.recv() => {
                tokio::spawn(serve(router.clone(), handed));
            }
            else => return,
        }
    }
}

async fn serve(router: Router, handed: HandedOn) {
    let HandedOn { question, body, reply } = handed;
    let response = match request(&question, body) {
        Some(request) => match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        },
        None => StatusCode::BAD_REQUEST.into_response(),
    };
    let (head, body) = response.into_parts();
    if head.extensions.get::<IsElsewhere>().is_some() {
        let answer = HttpAnswer {
            status: StatusCode::MISDIRECTED_REQUEST.as_u16(),
            headers: Vec::new(),
        };
        // Whoever asked may have stopped waiting.
        let _late = reply.send((answer, Bytes::new()));
        return;
    }
    let (status, body) = match to_bytes(body, RESPONSE_BYTES_MAX).await {
        Ok(body) => (head.status, body),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Bytes::new()),
    };
    let headers = texts(&head.headers);
    let answer = HttpAnswer {
        status: status.as_u16(),
        headers,
    };
    // Whoever asked may have stopped waiting.
    let _late = reply.send((answer, body));
}

fn request(question: &HttpQuestion, body: Bytes) -> Option<Request> {
    let mut request = Request::builder()
        .method(Method::from_bytes(question.method.as_bytes()).ok()?)
        .uri(&question.path);
    for (name, value) in &question.headers {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::from(body)).ok()?;
    request.extensions_mut().insert(IsHandedOn);
    Some(request)
}

/// Headers that are texts, which all of ours are.
fn texts(headers: &axum::http::HeaderMap) -> Vec<(String, String)> {
    let text = |(name, value): (&HeaderName, &HeaderValue)| Some((name.to_string(), value.to_str().ok()?.to_owned()));
    headers.iter().filter_map(text).collect()
}

/// Hands requests on whose room is on another node.
pub(super) async fn hand_on(
    State(api): State<Arc<Api>>,
    Path(named): Path<HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    let room = named.get("room").and_then(|room| room.parse::<RoomId>().ok());
    let (Some(_), Some(room), None) = (api.node.cluster(), room, request.extensions().get::<IsHandedOn>()) else {
        return next.run(request).await;
    };
    // Nobody without a token makes nodes talk to each other. It is judged again, and used up, where the room is.
    if let Err(refusal) = authorise_or_admin(&api, request.headers(), &room) {
        return problem(&refusal);
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, api.config.max_body).await else {
        let refusal = Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::SdpTooLarge,
            "the body is too large",
        );
        return problem(&refusal);
    };
    let may_begin = head.method == Method::POST;
    lead(&api, &room, may_begin, head, body, next).await
}

/// The same for what is done to a living room, which the path or the body names; it begins for nobody.
pub(super) async fn hand_on_living(
    State(api): State<Arc<Api>>,
    Path(named): Path<HashMap<String, String>>,
    request: Request,
    next: Next,
) -> Response {
    if api.node.cluster().is_none() || request.extensions().get::<IsHandedOn>().is_some() {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    if let Err(refusal) = super::v2::may_ask(&api, &head.headers) {
        return problem(&refusal);
    }
    let Ok(body) = to_bytes(body, api.config.max_body).await else {
        let (status, code) = (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::MessageTooLarge);
        return problem(&Refusal::new(status, code, "the body is too large"));
    };
    let room = named.get("room").cloned().or_else(|| super::v2::room_of(&body));
    match room.and_then(|room| room.parse::<RoomId>().ok()) {
        Some(room) => lead(&api, &room, false, head, body, next).await,
        // What is wrong with it is said here.
        None => next.run(Request::from_parts(head, Body::from(body))).await,
    }
}

/// Finds the node that has the room, and lets it answer.
async fn lead(api: &Arc<Api>, room: &RoomId, may_begin: bool, head: Parts, body: Bytes, next: Next) -> Response {
    let question = HttpQuestion {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: texts(&head.headers),
    };
    let mut route = match api.node.route(room, may_begin).await {
        Ok(route) => route,
        Err(closed) => return problem(&closed.into()),
    };
    for _ in 0..HOPS_MAX {
        let node = match &route {
            Route::There(node) => node.clone(),
            Route::Here => {
                let request = Request::from_parts(head.clone(), Body::from(body.clone()));
                let response = next.clone().run(request).await;
                match response.extensions().get::<IsElsewhere>() {
                    None => return response,
                    // Somebody came into it over there at the same moment.
                    Some(IsElsewhere(node)) => node.clone(),
                }
            }
        };
        let Some(cluster) = api.node.cluster() else { break };
        match ask(api, &node, question.clone(), &body).await {
            // It has not the room any more.
            Some(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => {}
            Some(response) => return response,
            // It does not answer; a request that it may have got is not made twice.
            None if cluster.is_there(&node).await => break,
            None => {}
        }
        cluster.forget(room);
        match api.node.route(room, may_begin).await {
            Ok(again) => route = again,
            Err(closed) => return problem(&closed.into()),
        }
    }
    problem(&Closed::Busy.into())
}

/// The response of another node; `None`: it does not answer.
async fn ask(api: &Api, node: &NodeId, question: HttpQuestion, body: &[u8]) -> Option<Response> {
    let cluster = api.node.cluster()?;
    let (answer, body) = cluster.hand_request_on(node, question, body).await.ok()?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).ok()?;
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(&value)) {
            response.headers_mut().append(name, value);
        }
    }
    Some(response)
}
