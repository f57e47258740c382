//! Where webhooks may go. Whoever may make rooms names endpoints, and this server reaches networks that they do not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower::Service;
use url::Url;

use crate::records::{Letter, WebhooksConfig};

/// As much of an answer is read, and not looked at.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// Longest URL of an endpoint.
const URL_BYTES_MAX: usize = 2_048;

/// Why nothing is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No absolute URL of HTTP.
    #[error("an endpoint is a URL that begins with https:// or http://")]
    NotHttp,
    /// Above the limit.
    #[error("the URL of an endpoint has at most {URL_BYTES_MAX} bytes")]
    TooLong,
    /// A password in a URL ends up in logs.
    #[error("the URL of an endpoint holds no user name and no password")]
    Credentials,
    /// Not on the public internet.
    #[error("the endpoint is on a private network (webhooks.allow_private)")]
    Private,
}

/// Looks at the URL of an endpoint. A name may still lead to a private network; that is seen when it is looked up.
///
/// # Errors
/// Why nothing would be sent there.
pub fn check_endpoint(url: &str, allow_private: bool) -> Result<(), EndpointError> {
    parse(url, allow_private).map(drop)
}

fn parse(text: &str, allow_private: bool) -> Result<Url, EndpointError> {
    if text.len() > URL_BYTES_MAX {
        return Err(EndpointError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NotHttp)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EndpointError::NotHttp);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    // Addresses are not looked up, so they are judged here. The parser has unified all their spellings.
    let host = url.host_str().ok_or(EndpointError::NotHttp)?;
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_private = address.is_ok_and(|address| !is_public(address)) || host == "localhost";
    if is_private && !allow_private {
        return Err(EndpointError::Private);
    }
    Ok(url)
}

/// Is it an address of the public internet?
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match (v6.to_ipv4_mapped(), v6.segments()) {
            (Some(v4), _) => is_public_v4(v4),
            // Through a translator (RFC 6052) it is the IPv4 address behind it that counts.
            (None, [0x64, 0xff9b, 0, 0, 0, 0, high, low]) => {
                is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            // Global unicast is 2000::/3; within it documentation, and 6to4 and Teredo, which hide IPv4 addresses.
            (None, [first, second, ..]) => {
                first & 0xe000 == 0x2000 && first != 0x2002 && !(first == 0x2001 && (second == 0xdb8 || second < 0x200))
            }
        },
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let is_shared = a == 100 && b & 0xc0 == 64;
    let is_special = a == 0 || a >= 240 || (a == 192 && b == 0 && c == 0) || (a == 198 && b & 0xfe == 18);
    !(v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || is_shared
        || is_special)
}

/// Looks names up and, unless it may, leaves out what is private.
#[derive(Clone, Copy)]
struct Resolver {
    allow_private: bool,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let lawful = found.filter(|address| allow_private || is_public(address.ip()));
            let lawful: Vec<SocketAddr> = lawful.collect();
            if lawful.is_empty() {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, EndpointError::Private));
            }
            Ok(lawful.into_iter())
        })
    }
}

type HttpClient = Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>;

/// TLS towards whoever the machine trusts.
pub(in crate::node) fn trust_of_the_machine() -> Result<rustls::ClientConfig, rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    // A machine without certificates still reaches whoever speaks no TLS.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// One for endpoints that the operator named, one for all others. Neither follows redirects: where an endpoint is was judged, where it
/// leads on to was not.
pub(super) struct Clients {
    trusted: HttpClient,
    guarded: HttpClient,
    allow_private: bool,
}

impl Clients {
    pub(super) fn new(config: &WebhooksConfig) -> Result<Self, rustls::Error> {
        let tls = trust_of_the_machine()?;
        let client = |allow_private| {
            let mut http = HttpConnector::new_with_resolver(Resolver { allow_private });
            http.enforce_http(false);
            let https = HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .enable_http1()
                .wrap_connector(http);
            Client::builder(TokioExecutor::new()).build(https)
        };
        Ok(Self {
            trusted: client(true),
            guarded: client(config.allow_private),
            allow_private: config.allow_private,
        })
    }

    /// What is to be sent, with these headers beside the usual ones.
    pub(super) fn request(
        &self,
        letter: &Letter,
        headers: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Result<Request<Full<Bytes>>, EndpointError> {
        let url = parse(&letter.endpoint, letter.trusted || self.allow_private)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("enfilade/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let body = Full::new(Bytes::from(letter.body.clone()));
        request.body(body).map_err(|_| EndpointError::NotHttp)
    }

    /// Sends it; the status, or why there is none.
    pub(super) async fn send(&self, letter: &Letter, request: Request<Full<Bytes>>) -> Result<StatusCode, String> {
        let client = if letter.trusted { &self.trusted } else { &self.guarded };
        let response = client.request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        // Only so that the connection is free again.
        let _unread = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_every_spelling() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://0x7f000001/",
            "http://2130706433/",
            "http://10.0.0.1:80/x",
            "http://172.31.255.255/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://198.19.0.1/",
            "http://255.255.255.255/",
            "http://224.0.0.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a00:1]/",
            "http://[64:ff9b::a00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001:db8::1]/",
            "http://[ff02::1]/",
            "http://localhost/",
            "http://LOCALHOST:8080/",
        ] {
            assert_eq!(check_endpoint(url, false), Err(EndpointError::Private), "{url}");
            assert_eq!(check_endpoint(url, true), Ok(()), "{url}");
        }
        for url in [
            "https://example.org/hook?a=b",
            "http://93.184.216.34/",
            "https://[2606:2800:220:1::1]/",
            "http://[64:ff9b::5db8:d822]/",
        ] {
            assert_eq!(check_endpoint(url, false), Ok(()), "{url}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for url in [
            "",
            "example.org",
            "ftp://example.org/",
            "file:///etc/passwd",
            "javascript:alert(1)",
        ] {
            assert_eq!(check_endpoint(url, true), Err(EndpointError::NotHttp), "{url}");
        }
        let credentials = check_endpoint("https://user:secret@example.org/", true);
        assert_eq!(credentials, Err(EndpointError::Credentials));
        let long = format!("https://example.org/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(check_endpoint(&long, true), Err(EndpointError::TooLong));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_a_private_network_leads_nowhere() {
        for (allow_private, is_found) in [(false, false), (true, true)] {
            let resolved = Resolver { allow_private }.call("localhost".parse().unwrap()).await;
            assert_eq!(resolved.is_ok(), is_found);
        }
    }
}
