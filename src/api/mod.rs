//! Speaks HTTP: signalling socket, WHIP and WHEP, tokens, health, metrics, the page. The only home of axum.

mod assets;
mod carry;
mod client;
mod config;
mod elsewhere;
mod health;
mod line;
mod listen;
mod lookup;
mod operate;
mod revoked;
mod rooms;
mod signal;
mod socket;
mod tls;
pub mod token;
mod v2;
mod whip;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

pub use client::{ClientHeader, TrustedProxies};
pub use config::HttpConfig;
pub use listen::serve;
pub use operate::{Order, Orders, Reloaded};
pub use revoked::restore_revocations;
pub use tls::{Certificate, Tls, TlsError, TlsFigures, TlsFiles, Watching};

use crate::node::{Arrivals, Node};
use client::OpenSockets;
use token::{Key, Keyring, Spent};

/// What every route needs.
struct Api {
    node: Node,
    keys: Keyring,
    spent: Spent,
    config: HttpConfig,
    /// Of whom there are how many.
    open_sockets: OpenSockets,
    /// Signs tokens for the page; only in development mode.
    development_key: Option<Key>,
    /// What an operator wants of the whole node.
    orders: Orders,
}

/// Everything the node serves over HTTP. With `development_key`, whoever asks gets a token signed by it.
///
/// With `arrivals` it serves those that other nodes hand on, too, in a task that ends with them.
pub fn router(
    node: Node,
    keys: Keyring,
    config: HttpConfig,
    development_key: Option<Key>,
    arrivals: Option<Arrivals>,
    orders: Orders,
) -> Router {
    if let Some(cluster) = node.cluster() {
        tokio::spawn(revoked::follow(node.clone(), keys.revocations().clone(), cluster.bus()));
    }
    let api = Arc::new(Api {
        node,
        keys,
        spent: Spent::default(),
        config,
        open_sockets: OpenSockets::default(),
        development_key,
        orders,
    });
    let here_or_elsewhere = axum::middleware::from_fn_with_state(Arc::clone(&api), elsewhere::hand_on);
    // Whoever asks an ingest endpoint for its options, from a page or not, learns what it takes (RFC 9725 section 4.2).
    let ingest = Router::new()
        .route("/whip/{room}", post(whip::publish))
        .route("/whep/{room}/{participant}", post(whip::watch))
        .route_layer(here_or_elsewhere.clone())
        .layer(cors(&api.config))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::HeaderName::from_static("accept-post"),
            HeaderValue::from_static("application/sdp"),
        ));
    let rooms = Router::new()
        .route("/v1/rooms/{room}", delete(rooms::end))
        .route("/v1/rooms/{room}/stats", get(rooms::stats))
        .route("/v1/rooms/{room}/links", get(rooms::links))
        .route("/v1/rooms/{room}/participants", get(rooms::participants))
        .route("/v1/rooms/{room}/participants/{participant}", delete(rooms::remove))
        .route(
            "/v1/rooms/{room}/recordings",
            get(rooms::recordings).post(rooms::start_recording),
        )
        .route("/v1/rooms/{room}/recordings/{recording}", delete(rooms::stop_recording))
        .route(
            "/whip/{room}/{resource}",
            delete(whip::end_publishing).patch(whip::patch_publishing),
        )
        .route(
            "/whep/{room}/{participant}/{resource}",
            delete(whip::end_watching).patch(whip::patch_watching),
        )
        .route_layer(here_or_elsewhere);
    let router = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/v1/signal", get(signal::upgrade))
        .route("/v1/dev/token", post(health::development_token))
        .route("/v1/node", get(operate::node))
        .route("/v1/rooms", get(operate::rooms))
        .route("/v1/drain", post(operate::drain))
        .route("/v1/reload", post(operate::reload))
        .route("/v1/revocations", get(revoked::list).post(revoked::revoke))
        .route("/v1/revocations/{name}", delete(revoked::take_back))
        .merge(rooms)
        .merge(v2::routes(&api))
        .merge(assets::routes())
        .layer(cors(&api.config))
        .merge(ingest)
        .layer(DefaultBodyLimit::max(api.config.max_body))
        .layer(axum::middleware::map_response(close_after_unread_body))
        .with_state(Arc::clone(&api));
    if let Some(arrivals) = arrivals {
        tokio::spawn(elsewhere::attend(api, router.clone(), arrivals));
    }
    router
}

/// What is left of a body that is too large is not read, so nothing can follow it on its connection; the client has to know.
async fn close_after_unread_body(mut response: Response) -> Response {
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// WHIP and WHEP are used from other origins; which ones is the operator's to say.
fn cors(config: &HttpConfig) -> CorsLayer {
    let origins: Vec<HeaderValue> = config
        .allowed_origins
        .iter()
        .filter(|origin| *origin != "*")
        .filter_map(|origin| origin.parse().ok())
        .collect();
    let allow = if config.allowed_origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins)
    };
    CorsLayer::new()
        .allow_origin(allow)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::RANGE,
        ])
        .expose_headers([header::LOCATION, header::LINK, header::ETAG, header::CONTENT_RANGE])
}

impl Api {
    /// Whether a browser page of this origin may open the signalling socket. Programs that are no browsers send no origin; they
    /// need a token like everybody.
    fn allows_origin(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return true;
        };
        let Ok(origin) = origin.to_str() else { return false };
        if self
            .config
            .allowed_origins
            .iter()
            .any(|allowed| allowed == "*" || allowed == origin)
        {
            return true;
        }
        // The server's own page. Behind a TLS proxy the scheme differs from ours, so only host and port are compared.
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        host.is_some() && host == own
    }
}
