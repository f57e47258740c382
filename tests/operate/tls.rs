//! TLS in the server: a certificate that is renewed while somebody is connected, and one that cannot be used.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use testkit::server::Metrics;
use testkit::{Folder, Server, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::house::{command, development, serve, token};

pub(super) type Made = rcgen::CertifiedKey<rcgen::KeyPair>;

pub(super) fn certificate() -> Made {
    rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

/// Puts certificate and key in place as Kubernetes does: a folder of their own, and a symbolic link moved to it.
pub(super) fn put(folder: &Path, name: &str, certificate: &str, key: &str) {
    let of_version = folder.join(name);
    std::fs::create_dir_all(&of_version).unwrap();
    std::fs::write(of_version.join("tls.crt"), certificate).unwrap();
    std::fs::write(of_version.join("tls.key"), key).unwrap();
    let link = folder.join("..next");
    std::os::unix::fs::symlink(name, &link).unwrap();
    std::fs::rename(link, folder.join("..data")).unwrap();
}

async fn start(folder: &Folder, made: &Made) -> Server {
    put(
        folder.path(),
        "first",
        &made.cert.pem(),
        &made.signing_key.serialize_pem(),
    );
    let path = |name: &str| folder.path().join("..data").join(name).display().to_string();
    serve(&[
        ("ENFILADE_HTTP__TLS_CERTIFICATE", &path("tls.crt")),
        ("ENFILADE_HTTP__TLS_KEY", &path("tls.key")),
    ])
    .await
}

/// A connection of somebody who trusts this certificate and no other.
pub(super) async fn connect(server: &Server, trusted: &Made) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.url.split_once("://").unwrap().1).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn metrics(server: &Server, trusted: &Made) -> Metrics {
    let mut stream = connect(server, trusted).await.unwrap();
    let request = "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    Metrics(page)
}

#[tokio::test]
async fn a_renewed_certificate_counts_for_new_connections_and_cuts_nobody_off() {
    let (folder, old, new) = (Folder::new(), certificate(), certificate());
    let server = start(&folder, &old).await;
    let stream = connect(&server, &old).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async("wss://localhost/v1/signal", stream)
        .await
        .unwrap();
    let mut ann = Signal::over(socket);
    ann.join(&token(&development(), "ann", &["allow_join"]), json!({}))
        .await
        .unwrap();
    assert!(connect(&server, &new).await.is_err());

    put(
        folder.path(),
        "second",
        &new.cert.pem(),
        &new.signing_key.serialize_pem(),
    );
    server.logged("a new TLS certificate is in force").await.unwrap();
    connect(&server, &new).await.unwrap();
    assert!(
        connect(&server, &old).await.is_err(),
        "the old one is shown to nobody new"
    );
    ann.request("ping", json!({})).await.unwrap();

    let metrics = metrics(&server, &new).await;
    assert!(metrics.sum("enfilade_tls_certificate_seconds_left", "") > 86_400.0);
    assert_eq!(metrics.sum("enfilade_tls_reloads_total", "ok"), 1.0);
    assert!(metrics.sum("enfilade_tls_handshake_failures_total", "") >= 1.0);
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_is_refused_and_the_old_one_stays() {
    let (folder, old, new) = (Folder::new(), certificate(), certificate());
    let server = start(&folder, &old).await;
    put(
        folder.path(),
        "wrong",
        &new.cert.pem(),
        &old.signing_key.serialize_pem(),
    );
    // The first look doubts, the second judges.
    server.hang_up().unwrap();
    let line = server.logged("the one in force stays").await.unwrap();
    assert!(line.contains("do not go together"), "{line}");
    let shown = metrics(&server, &old).await;
    assert_eq!(shown.sum("enfilade_tls_reloads_total", "refused"), 1.0);
    put(
        folder.path(),
        "right",
        &new.cert.pem(),
        &new.signing_key.serialize_pem(),
    );
    server.logged("a new TLS certificate is in force").await.unwrap();
    connect(&server, &new).await.unwrap();
}

#[tokio::test]
async fn the_command_line_asks_over_tls_whom_it_is_told_to_trust() {
    let (folder, made) = (Folder::new(), certificate());
    let server = start(&folder, &made).await;
    let ca = folder.write("ca.pem", &made.cert.pem());
    let trusted = ["rooms", "--server", &server.url, "--ca", &ca];
    let output = command(&server, &trusted, &[]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = command(&server, &["rooms", "--server", &server.url], &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("TLS"));
}
