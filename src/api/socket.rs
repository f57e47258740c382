//! WebSockets (RFC 6455), from the request that asks for one.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_websockets::{Limits, ServerBuilder, WebSocketStream};

/// An open one. What it writes is not copied, so it keeps no buffer as large as its largest message.
pub(super) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// RFC 6455 section 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const VERSION: &str = "13";

/// A request for a WebSocket.
pub(super) struct Upgrade {
    on_upgrade: OnUpgrade,
    accept: HeaderValue,
}

/// Why a request does not lead to a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoUpgrade {
    /// It asks for something else.
    NotAsked,
    /// In another version of the protocol.
    Version,
    /// Without a key of sixteen bytes.
    Key,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = NoUpgrade;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, NoUpgrade> {
        let accept = accept(&parts.method, &parts.headers)?;
        let on_upgrade = parts.extensions.remove().ok_or(NoUpgrade::NotAsked)?;
        Ok(Upgrade { on_upgrade, accept })
    }
}

impl Upgrade {
    /// Lets it open, for messages of so many bytes, and hands it to `run` in a task of its own.
    pub(super) fn accept<F>(self, message_max: usize, run: impl FnOnce(WebSocket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let on_upgrade = self.on_upgrade;
        tokio::spawn(async move {
            match on_upgrade.await {
                Ok(stream) => {
                    let limits = Limits::default().max_payload_len(Some(message_max));
                    run(ServerBuilder::new().limits(limits).serve(TokioIo::new(stream))).await;
                }
                Err(error) => tracing::debug!(%error, "a client was gone before its socket was open"),
            }
        });
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, self.accept),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
    }
}

/// The answer to the key of an opening handshake (RFC 6455 section 4.2).
fn accept(method: &Method, headers: &HeaderMap) -> Result<HeaderValue, NoUpgrade> {
    let asked = method == Method::GET
        && lists(headers, &header::CONNECTION, "upgrade")
        && lists(headers, &header::UPGRADE, "websocket");
    if !asked {
        return Err(NoUpgrade::NotAsked);
    }
    if !lists(headers, &header::SEC_WEBSOCKET_VERSION, VERSION) {
        return Err(NoUpgrade::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(NoUpgrade::Key)?.as_bytes();
    if BASE64_STANDARD.decode(key).map_err(|_| NoUpgrade::Key)?.len() != 16 {
        return Err(NoUpgrade::Key);
    }
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    HeaderValue::from_str(&BASE64_STANDARD.encode(hash)).map_err(|_| NoUpgrade::Key)
}

/// Whether a word is in a header's list.
fn lists(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|entry| entry.trim().eq_ignore_ascii_case(word))
}

impl IntoResponse for NoUpgrade {
    fn into_response(self) -> Response {
        match self {
            NoUpgrade::NotAsked => (StatusCode::BAD_REQUEST, "this is for WebSockets alone\n").into_response(),
            NoUpgrade::Version => {
                let version = [(header::SEC_WEBSOCKET_VERSION, VERSION)];
                (
                    StatusCode::UPGRADE_REQUIRED,
                    version,
                    "version 13 of the protocol is spoken here\n",
                )
                    .into_response()
            }
            NoUpgrade::Key => (
                StatusCode::BAD_REQUEST,
                "Sec-WebSocket-Key has to be sixteen bytes as base64\n",
            )
                .into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut HeaderMap)) -> Result<HeaderValue, NoUpgrade> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
        change(&mut headers);
        accept(&Method::GET, &headers)
    }

    #[test]
    fn the_key_of_the_standard_has_the_answer_of_the_standard() {
        let answer = asked(|_| {}).expect("a browser asks so");
        assert_eq!(answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_opening_handshake_is_refused_by_what_it_lacks() {
        for (name, error) in [
            (header::CONNECTION, NoUpgrade::NotAsked),
            (header::UPGRADE, NoUpgrade::NotAsked),
            (header::SEC_WEBSOCKET_VERSION, NoUpgrade::Version),
            (header::SEC_WEBSOCKET_KEY, NoUpgrade::Key),
        ] {
            let without = asked(|headers| drop(headers.remove(&name)));
            assert_eq!(without, Err(error), "without {name}");
            let other = asked(|headers| drop(headers.insert(&name, HeaderValue::from_static("8"))));
            assert_eq!(other, Err(error), "another {name}");
        }
        let posted = accept(&Method::POST, &HeaderMap::new());
        assert_eq!(posted, Err(NoUpgrade::NotAsked));
    }
}
