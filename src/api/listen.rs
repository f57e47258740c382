//! Accepts connections. Slow and oversized request heads end here.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::ServiceExt;

use super::HttpConfig;
use super::tls::Tls;

/// Serves until `stop` is done, then lets go of the listener; open connections end with the process.
///
/// # Errors
/// Never for what a client does; only when the listener itself fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    config: HttpConfig,
    tls: Option<Tls>,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let config = Arc::new(config);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return Ok(()),
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(greet(
                    stream,
                    peer.ip(),
                    tls.clone(),
                    router.clone(),
                    Arc::clone(&config),
                ));
            }
            // Out of file descriptors, or a client that went away in the queue: neither ends the listener.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Out of descriptors, accepting again at once would only burn the processor.
const ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// From the end of a request's head to its answer. A body that trickles in ends here; a signalling socket is answered at once
/// and goes on.
const REQUEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

async fn greet(stream: TcpStream, peer: IpAddr, tls: Option<Tls>, router: Router, config: Arc<HttpConfig>) {
    // Signalling messages are small and wanted now. A socket that cannot be set is served all the same.
    let _ = stream.set_nodelay(true);
    match tls {
        None => connection(stream, peer, router, config).await,
        Some(tls) => match Box::pin(tls.accept(stream, config.first_message_timeout)).await {
            Ok(stream) => connection(stream, peer, router, config).await,
            Err(error) => tracing::debug!(%error, %peer, "a TLS handshake failed"),
        },
    }
}

async fn connection<S>(stream: S, peer: IpAddr, router: Router, config: Arc<HttpConfig>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (header_read_timeout, max_header) = (config.first_message_timeout, config.max_header);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let router = router.clone();
        let mut request = request.map(Body::new);
        let client = config.trusted_proxies.client(peer, request.headers());
        request.extensions_mut().insert(client);
        async move {
            let answered = timeout(REQUEST_TIMEOUT, router.oneshot(request)).await;
            Ok::<_, Infallible>(match answered {
                Ok(response) => response.unwrap_or_else(|never| match never {}),
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_read_timeout)
        .max_buf_size(max_header)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %peer, "a connection ended early");
    }
}
