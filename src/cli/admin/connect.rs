//! One request over one connection, with TLS where the URL says so.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Largest answer: a thousand rooms with what their owners tell of them.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What a server answered.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Whom to trust.
pub(super) struct Connector {
    more_roots: Vec<CertificateDer<'static>>,
}

impl Connector {
    /// With `ca`, the certificates of that file are trusted beside the system's.
    pub(super) fn new(ca: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = ca else {
            return Ok(Self { more_roots: Vec::new() });
        };
        let of_file =
            || -> Result<Vec<_>, rustls::pki_types::pem::Error> { CertificateDer::pem_file_iter(path)?.collect() };
        let more_roots = of_file().map_err(|error| anyhow::anyhow!("--ca {}: {error}", path.display()))?;
        anyhow::ensure!(
            !more_roots.is_empty(),
            "--ca {}: it holds no certificate",
            path.display()
        );
        Ok(Self { more_roots })
    }

    pub(super) async fn ask(&self, method: Method, url: &Url, token: &str, body: Vec<u8>) -> anyhow::Result<Response> {
        let asked = tokio::time::timeout(PATIENCE, self.connect_and_ask(method, url, token, body)).await;
        asked.context("it does not answer in time")?
    }

    async fn connect_and_ask(&self, method: Method, url: &Url, token: &str, body: Vec<u8>) -> anyhow::Result<Response> {
        let host = url.host_str().context("the URL names no host")?;
        let port = url.port_or_known_default().context("the URL names no port")?;
        let path = url
            .query()
            .map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, url.authority())
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await?;
        match url.scheme() {
            "http" => exchange(stream, request).await,
            "https" => {
                let name = ServerName::try_from(bare.to_owned()).context("the host of the URL")?;
                let stream = TlsConnector::from(self.tls()?).connect(name, stream).await;
                exchange(stream.context("TLS")?, request).await
            }
            other => bail!("{other}: expected http or https"),
        }
    }

    fn tls(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        // Some of the system's may be odd, and there may be none.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in &self.more_roots {
            roots.add(certificate.clone()).context("--ca")?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> anyhow::Result<Response>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asked = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer: {error}"))?.to_bytes();
        anyhow::Ok(Response { status, body })
    };
    tokio::pin!(asked, connection);
    let mut is_open = true;
    loop {
        tokio::select! {
            answer = &mut asked => return answer,
            // What came before it ended is still read.
            _ended = &mut connection, if is_open => is_open = false,
        }
    }
}
