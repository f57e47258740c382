//! Whom a request is from, behind proxies that are trusted and others.

use testkit::Server;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::house::serve;

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

async fn open(server: &Server, forwarded_for: &str) -> Result<Socket, u16> {
    let url = format!("{}/v1/signal", server.url.replacen("http", "ws", 1));
    let mut request = url.into_client_request().unwrap();
    let headers: &mut tungstenite::http::HeaderMap = request.headers_mut();
    headers.insert("x-forwarded-for", forwarded_for.parse().unwrap());
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(Response::status(&response).as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn sockets_are_counted_by_the_client_that_a_trusted_proxy_names() {
    let settings = [
        ("ENFILADE_HTTP__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#),
        ("ENFILADE_HTTP__MAX_SOCKETS_PER_CLIENT", "1"),
    ];
    let server = serve(&settings).await;
    let _first = open(&server, "203.0.113.7").await.unwrap();
    let _another = open(&server, "203.0.113.8").await.unwrap();
    assert_eq!(open(&server, "203.0.113.7").await.err(), Some(429));
    assert_eq!(
        open(&server, "1.2.3.4, 203.0.113.7").await.err(),
        Some(429),
        "made up by the client"
    );
    let untrusting = serve(&settings[1..]).await;
    let _first = open(&untrusting, "203.0.113.7").await.unwrap();
    assert_eq!(
        open(&untrusting, "203.0.113.8").await.err(),
        Some(429),
        "anybody can write a header"
    );
}
