//! Raw TCP at the HTTP port.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::call::Call;

async fn connect(call: &Call) -> TcpStream {
    TcpStream::connect(call.server.url.trim_start_matches("http://"))
        .await
        .unwrap()
}

/// Reads until the server closes; what it said.
async fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let mut buffer = [0; 4_096];
    let _closed_or_late = tokio::time::timeout(Duration::from_secs(8), async {
        while let Ok(len) = stream.read(&mut buffer).await {
            if len == 0 {
                break;
            }
            said.extend_from_slice(&buffer[..len]);
        }
    })
    .await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn a_request_head_that_never_ends_is_cut_off() {
    let mut call = Call::begin(&[("ENFILADE_HTTP__FIRST_MESSAGE_TIMEOUT", "1s")]).await;
    let began = Instant::now();
    let mut slow = connect(&call).await;
    for byte in b"GET /v1/signal HTTP/1.1\r\nhost: x\r\nx-slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if slow.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = rest(slow).await;
    assert!(
        began.elapsed() < Duration::from_secs(6),
        "{:?}: {answer}",
        began.elapsed()
    );

    let mut large = connect(&call).await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "a".repeat(300_000));
    let _reset = large.write_all(head.as_bytes()).await;
    let answer = rest(large).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    call.everything_flows(5).await;
    call.assert_no_panic().await;
}

#[tokio::test]
async fn nonsense_on_the_http_port_harms_nobody() {
    let mut call = Call::begin(&[]).await;
    let cases: [&[u8]; 8] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /whip/r HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /whip/r HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"GET /v1/signal HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"\x00\x00\x00\x00",
    ];
    for case in cases {
        let mut stream = connect(&call).await;
        stream.write_all(case).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(stream).await;
        assert!(!answer.contains("root:"), "{answer}");
        assert!(!answer.starts_with("HTTP/1.1 5"), "{answer}");
    }
    call.everything_flows(5).await;
    call.assert_no_panic().await;
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_open_the_signalling_socket() {
    let call = Call::begin(&[]).await;
    let host = call.server.url.trim_start_matches("http://").to_owned();
    for (origin, allowed) in [
        ("https://evil.example".to_owned(), false),
        (format!("http://{host}.evil.example"), false),
        ("null".to_owned(), false),
        (format!("http://{host}"), true),
    ] {
        let mut stream = connect(&call).await;
        let head = format!(
            "GET /v1/signal HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut buffer = [0; 64];
        let len = stream.read(&mut buffer).await.unwrap();
        let answer = String::from_utf8_lossy(&buffer[..len]).into_owned();
        assert_eq!(answer.starts_with("HTTP/1.1 101"), allowed, "{origin}: {answer}");
    }
}
