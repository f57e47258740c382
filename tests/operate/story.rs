//! An operator's first weeks: two keys, TLS, a room made by REST, a webhook, somebody who is put out, a certificate renewed, an upgrade.

use axum::Router;
use axum::extract::State;
use enfilade::api::token::Key;
use serde_json::{Value, json};
use testkit::{Folder, ProtocolError, Server, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::house::{ROOM, command, key, serve, token};
use super::tls::{Made, certificate, connect, put};

/// The server of a company: what is in its folder, and how it is started.
struct Company {
    folder: Folder,
    keys: String,
    hook: String,
    told: mpsc::Receiver<Value>,
}

type Heard = State<mpsc::Sender<Value>>;

impl Company {
    async fn new() -> Company {
        let folder = Folder::new();
        let keys: String = ["first", "second"].map(|id| entry(&key(id))).concat();
        let keys = folder.write("keys.toml", &keys);
        let (sender, told) = mpsc::channel(64);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hook = format!("http://{}/hook", listener.local_addr().unwrap());
        let hear = |State(sender): Heard, body: String| async move {
            let _nobody_listens = sender.send(serde_json::from_str(&body).unwrap()).await;
        };
        let router = Router::new().fallback(hear).with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Company {
            folder,
            keys,
            hook,
            told,
        }
    }

    async fn start(&self) -> Server {
        let path = |name: &str| self.folder.path().join("..data").join(name).display().to_string();
        let records = self.folder.path().join("records").display().to_string();
        let hooks = json!([self.hook]).to_string();
        serve(&[
            ("ENFILADE_MODE", "production"),
            ("ENFILADE_KEYS_FILE", &self.keys),
            ("ENFILADE_HTTP__TLS_CERTIFICATE", &path("tls.crt")),
            ("ENFILADE_HTTP__TLS_KEY", &path("tls.key")),
            ("ENFILADE_RECORDS__DIRECTORY", &records),
            ("ENFILADE_WEBHOOKS__ENDPOINTS", &hooks),
            ("ENFILADE_SHUTDOWN__GRACE", "20s"),
        ])
        .await
    }

    fn certify(&self, version: &str) -> Made {
        let made = certificate();
        put(
            self.folder.path(),
            version,
            &made.cert.pem(),
            &made.signing_key.serialize_pem(),
        );
        self.folder.write("ca.pem", &made.cert.pem());
        made
    }

    /// The command line, on the operator's own machine.
    async fn command(&self, server: &Server, arguments: &[&str]) -> String {
        let ca = self.folder.path().join("ca.pem").display().to_string();
        let tail = ["--server", &server.url, "--ca", &ca, "--key", "first"];
        let arguments: Vec<&str> = arguments.iter().chain(&tail).copied().collect();
        let output = command(server, &arguments, &[("ENFILADE_KEYS_FILE", &self.keys)]).await;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn heard(&mut self, word: &str) -> Value {
        let told = tokio::time::timeout(testkit::PATIENCE, self.told.recv()).await;
        let told = told.unwrap_or_else(|_| panic!("{word} is not told")).unwrap();
        assert_eq!(told["webhookType"], word, "{told}");
        told
    }
}

fn entry(key: &Key) -> String {
    format!(
        "[[keys]]\nid = {:?}\nsecret = {:?}\n",
        key.id,
        String::from_utf8_lossy(key.secret.expose())
    )
}

/// One request of the REST API.
async fn ask(server: &Server, trusted: &Made, request: &str, token: &str, body: &Value) -> (u16, Value) {
    let mut stream = connect(server, trusted).await.unwrap();
    let body = body.to_string();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn enter(server: &Server, trusted: &Made, key: &Key, participant: &str) -> Result<Signal, String> {
    let stream = connect(server, trusted).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async("wss://localhost/v1/signal", stream)
        .await
        .unwrap();
    let mut signal = Signal::over(socket);
    match signal.join(&token(key, participant, &["allow_join"]), json!({})).await {
        Ok(_) => Ok(signal),
        Err(error) => Err(error.downcast::<ProtocolError>().unwrap().code),
    }
}

#[tokio::test]
async fn from_the_first_certificate_to_the_first_upgrade() {
    let mut company = Company::new().await;
    let first_certificate = company.certify("first");
    let mut server = company.start().await;
    let admin = company.command(&server, &["rooms"]).await;
    assert_eq!(admin, "none\n");
    let admin = command(
        &server,
        &["token", "--admin", "--key", "first"],
        &[("ENFILADE_KEYS_FILE", &company.keys)],
    )
    .await;
    let admin = String::from_utf8(admin.stdout).unwrap().trim().to_owned();

    let wanted = json!({"customRoomId": ROOM, "maxParticipants": 2});
    let (status, made) = ask(&server, &first_certificate, "POST /v2/rooms", &admin, &wanted).await;
    assert_eq!((status, &made["roomId"]), (200, &json!(ROOM)), "{made}");
    let (status, _) = ask(&server, &first_certificate, "POST /v2/rooms", "nonsense", &wanted).await;
    assert_eq!(status, 401);

    // One service signs with the first key, another with the second.
    let mut ann = enter(&server, &first_certificate, &key("first"), "ann").await.unwrap();
    let mut bob = enter(&server, &first_certificate, &key("second"), "bob").await.unwrap();
    let crowded = enter(&server, &first_certificate, &key("second"), "eve").await;
    assert_eq!(crowded.err().as_deref(), Some("room-full"), "as the room was made");
    company.heard("session-started").await;
    company.heard("participant-joined").await;
    assert_eq!(
        company.heard("participant-joined").await["data"]["participantId"],
        "bob"
    );

    company.command(&server, &["kick", ROOM, "bob", "--for", "1h"]).await;
    assert_eq!(bob.event("bye").await.unwrap()["code"], "token-revoked");
    let back = enter(&server, &first_certificate, &key("second"), "bob").await;
    assert_eq!(back.err().as_deref(), Some("token-revoked"));
    company.heard("participant-left").await;

    let second_certificate = company.certify("second");
    server.logged("a new TLS certificate is in force").await.unwrap();
    ann.request("ping", json!({})).await.unwrap();
    let carol = enter(&server, &second_certificate, &key("first"), "carol")
        .await
        .unwrap();
    company.heard("participant-joined").await;
    drop(carol);

    // The upgrade: nobody new, everybody told, and the next release finds what this one kept.
    company.command(&server, &["drain"]).await;
    assert_eq!(ann.event("bye").await.unwrap()["code"], "node-draining");
    let late = enter(&server, &second_certificate, &key("first"), "late").await;
    assert_eq!(late.err().as_deref(), Some("node-draining"));
    ann.request("leave", json!({})).await.unwrap();
    drop(ann);
    assert!(server.ended().await.unwrap().success());

    let server = company.start().await;
    let (_, room) = ask(
        &server,
        &second_certificate,
        &format!("GET /v2/rooms/{ROOM}"),
        &admin,
        &Value::Null,
    )
    .await;
    assert_eq!(room["maxParticipants"], 2, "{room}");
    let path = format!("GET /v2/sessions?roomId={ROOM}");
    let (_, sessions) = ask(&server, &second_certificate, &path, &admin, &Value::Null).await;
    assert_eq!(sessions["data"][0]["status"], "ended", "{sessions}");
    enter(&server, &second_certificate, &key("second"), "ann")
        .await
        .unwrap();
}
