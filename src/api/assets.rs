//! The page at `/` and the SDK at `/sdk/`, compiled into the binary so that it is all there is to install.

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "web"]
#[exclude = "*.md"]
struct Page;

#[derive(RustEmbed)]
#[folder = "sdk/client"]
#[include = "*.js"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
struct Sdk;

#[derive(RustEmbed)]
#[folder = "sdk/rtcmulticonnection"]
#[include = "*.js"]
#[exclude = "test/*"]
#[exclude = "node_modules/*"]
struct RtcMultiConnection;

/// Pages written for RTCMultiConnection load this from their server; there is nothing to do for it here.
const NO_SOCKET_IO: &str = "// Signalling is built into rtcmulticonnection.js; socket.io is not used.\n";

/// Routes of everything a browser loads.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| async { file::<Page>("index.html") }))
        .route(
            "/sdk/rtcmulticonnection.js",
            get(|| async { file::<RtcMultiConnection>("rtcmulticonnection.js") }),
        )
        .route(
            "/sdk/rtcmulticonnection/{*path}",
            get(|Path(path): Path<String>| async move { file::<RtcMultiConnection>(&path) }),
        )
        .route(
            "/socket.io/socket.io.js",
            get(|| async { ([(header::CONTENT_TYPE, "text/javascript")], NO_SOCKET_IO) }),
        )
        .route(
            "/sdk/{*path}",
            get(|Path(path): Path<String>| async move { file::<Sdk>(&path) }),
        )
        .route(
            "/{*path}",
            get(|Path(path): Path<String>| async move { file::<Page>(&path) }),
        )
}

fn file<E: RustEmbed>(path: &str) -> Response {
    let Some(file) = E::get(path) else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..8]));
    let mime = file.metadata.mimetype().to_owned();
    // The names carry no version, so a browser asks each time and is told 304 by the cache in front, if any.
    (
        [
            (header::CONTENT_TYPE, mime),
            (header::ETAG, etag),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ],
        file.data,
    )
        .into_response()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
