//! The TURN server inside: coturn's client against it, and clients that come and go until nothing may be left of them.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_stun::attributes::{ATTR_NONCE, ATTR_REALM, ATTR_USERNAME};
use rtc_stun::error_code::ErrorCodeAttribute;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{
    CLASS_REQUEST, Getter, METHOD_ALLOCATE, METHOD_CHANNEL_BIND, METHOD_REFRESH, Message, MessageType, Method, Setter,
    TransactionId,
};
use rtc_stun::textattrs::TextAttribute;
use rtc_turn::proto::PROTO_UDP;
use rtc_turn::proto::channum::ChannelNumber;
use rtc_turn::proto::lifetime::Lifetime;
use rtc_turn::proto::peeraddr::PeerAddress;
use rtc_turn::proto::reqtrans::RequestedTransport;
use serde_json::Value;
use testkit::{Folder, Server, Signal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::house::{ROOM, development, enter, serve, token};
use super::tls::certificate;

/// A port that nobody listens at, for UDP or TCP.
fn free_port() -> u16 {
    loop {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

struct Stage {
    server: Server,
    address: SocketAddr,
    username: String,
    password: String,
}

impl Stage {
    async fn new(settings: &[(&str, &str)]) -> Stage {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let listen = address.to_string();
        let mut all = vec![("ENFILADE_TURN_SERVER__LISTEN", listen.as_str())];
        all.extend_from_slice(settings);
        let server = serve(&all).await;
        let mut ann = Signal::connect(&server.url).await.unwrap();
        let joined = ann
            .join(&token(&development(), "ann", &["allow_join"]), serde_json::json!({}))
            .await;
        let told = joined.unwrap()["iceServers"][0].clone();
        let url = |transport: &str| format!("turn:{address}?transport={transport}");
        assert_eq!(told["urls"], serde_json::json!([url("udp"), url("tcp")]));
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Stage {
            server,
            address,
            username: text("username"),
            password: text("credential"),
        }
    }

    async fn caller(&self, over_tcp: bool) -> Caller {
        let way = if over_tcp {
            Way::Tcp(TcpStream::connect(self.address).await.unwrap())
        } else {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(self.address).await.unwrap();
            Way::Udp(socket)
        };
        Caller {
            way,
            username: self.username.clone(),
            password: self.password.clone(),
            nonce: String::new(),
        }
    }

    async fn sum(&self, name: &str, labels: &str) -> f64 {
        self.server.metrics().await.unwrap().sum(name, labels)
    }

    async fn until_no_allocation_is_left(&self) {
        for _ in 0..1_000 {
            if self.sum("enfilade_turn_allocations", "").await == 0.0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("allocations are left");
    }
}

enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

struct Caller {
    way: Way,
    username: String,
    password: String,
    nonce: String,
}

impl Caller {
    /// The code of the answer; 0: it is a success.
    async fn ask(&mut self, method: Method, with: &[&dyn Setter]) -> u16 {
        loop {
            let answer = self.exchange(&self.request(method, with)).await;
            let mut code = ErrorCodeAttribute::default();
            let code = code.get_from(&answer).map_or(0, |()| code.code.0);
            if code != 401 || !self.nonce.is_empty() {
                return code;
            }
            self.nonce = TextAttribute::get_from_as(&answer, ATTR_NONCE).unwrap().text;
        }
    }

    async fn allocate(&mut self) -> u16 {
        self.ask(METHOD_ALLOCATE, &[&RequestedTransport { protocol: PROTO_UDP }])
            .await
    }

    async fn release(&mut self) -> u16 {
        self.ask(METHOD_REFRESH, &[&Lifetime(Duration::ZERO)]).await
    }

    fn request(&self, method: Method, with: &[&dyn Setter]) -> Vec<u8> {
        let mut message = Message::new();
        message.transaction_id = TransactionId::new();
        message.typ = MessageType::new(method, CLASS_REQUEST);
        message.write_header();
        with.iter().for_each(|setter| setter.add_to(&mut message).unwrap());
        if !self.nonce.is_empty() {
            let text = |kind, text: &str| TextAttribute::new(kind, text.to_owned());
            text(ATTR_USERNAME, &self.username).add_to(&mut message).unwrap();
            text(ATTR_REALM, "enfilade").add_to(&mut message).unwrap();
            text(ATTR_NONCE, &self.nonce).add_to(&mut message).unwrap();
            let provider = AwsLcRsProvider::new();
            let (username, password) = (self.username.clone(), self.password.clone());
            let crypto = provider.crypto();
            let integrity = MessageIntegrity::new_long_term_integrity_with_provider(
                username,
                "enfilade".to_owned(),
                password,
                crypto,
            );
            integrity.unwrap().add_to(&mut message).unwrap();
        }
        message.raw
    }

    async fn exchange(&mut self, request: &[u8]) -> Message {
        let mut bytes = vec![0; 2_048];
        let len = match &mut self.way {
            Way::Udp(socket) => {
                socket.send(request).await.unwrap();
                socket.recv(&mut bytes).await.unwrap()
            }
            Way::Tcp(stream) => {
                stream.write_all(request).await.unwrap();
                stream.read_exact(&mut bytes[..20]).await.unwrap();
                let len = 20 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
                stream.read_exact(&mut bytes[20..len]).await.unwrap();
                len
            }
        };
        let mut message = Message::new();
        message.unmarshal_binary(&bytes[..len]).unwrap();
        message
    }
}

/// S29: coturn's own client, which keeps to RFC 8656, and its echo behind the relay.
#[tokio::test]
async fn the_client_of_coturn_relays_over_udp_tcp_and_tls() {
    if Command::new("turnutils_uclient")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        assert!(std::env::var_os("CI").is_none(), "coturn is not installed");
        return eprintln!("skipped: coturn is not installed");
    }
    let (folder, made) = (Folder::new(), certificate());
    let (tls_port, echo_port) = (free_port(), free_port());
    let mut echo = Command::new("turnutils_peer");
    echo.args(["-L", "127.0.0.1", "-p", &echo_port.to_string()]);
    let mut echo = echo.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let server = serve(&[
        ("ENFILADE_TURN_SERVER__LISTEN", &address.to_string()),
        ("ENFILADE_TURN_SERVER__TLS_LISTEN", &format!("127.0.0.1:{tls_port}")),
        ("ENFILADE_TURN_SERVER__ALLOW_PEERS", r#"["127.0.0.1/32"]"#),
        (
            "ENFILADE_HTTP__TLS_CERTIFICATE",
            &folder.write("tls.crt", &made.cert.pem()),
        ),
        (
            "ENFILADE_HTTP__TLS_KEY",
            &folder.write("tls.key", &made.signing_key.serialize_pem()),
        ),
    ])
    .await;
    let stream = super::tls::connect(&server, &made).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async("wss://localhost/v1/signal", stream)
        .await
        .unwrap();
    let mut ann = Signal::over(socket);
    let joined = ann
        .join(&token(&development(), "ann", &["allow_join"]), serde_json::json!({}))
        .await
        .unwrap();
    let told: &Value = &joined["iceServers"][0];
    assert_eq!(told["urls"][2], format!("turns:127.0.0.1:{tls_port}?transport=tcp"));
    let (username, password) = (told["username"].as_str().unwrap(), told["credential"].as_str().unwrap());
    for (way, flags, port) in [
        ("UDP, channels", &[][..], address.port()),
        ("UDP, indications", &["-s"], address.port()),
        ("TCP", &["-t"], address.port()),
        ("TLS", &["-t", "-S"], tls_port),
    ] {
        let mut client = Command::new("turnutils_uclient");
        client.args([
            "-c",
            "-u",
            username,
            "-w",
            password,
            "-e",
            "127.0.0.1",
            "-n",
            "20",
            "-m",
            "2",
            "-l",
            "700",
        ]);
        client
            .args(["-r", &echo_port.to_string(), "-p", &port.to_string()])
            .args(flags)
            .arg("127.0.0.1");
        let output = tokio::task::spawn_blocking(move || client.output())
            .await
            .unwrap()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{way}: {said}");
        assert!(said.contains("tot_recv_msgs=40"), "{way}: {said}");
    }
    echo.kill().unwrap();
    echo.wait().unwrap();
}

/// T38.
#[tokio::test]
async fn ports_and_memory_return_however_a_client_leaves() {
    // As few ports as one round needs: one that does not return is missed in the next.
    let first = 32_000 + u32::from(free_port()) % 700;
    let (first, last) = (first.to_string(), (first + 11).to_string());
    let stage = Stage::new(&[
        ("ENFILADE_TURN_SERVER__FIRST_PORT", &first),
        ("ENFILADE_TURN_SERVER__LAST_PORT", &last),
    ])
    .await;
    let mut resident = 0;
    for round in 0..60 {
        let mut callers = Vec::new();
        for at in 0..8 {
            let mut caller = stage.caller(at % 2 == 1).await;
            assert_eq!(caller.allocate().await, 0, "round {round}, caller {at}");
            callers.push(caller);
        }
        for caller in &mut callers {
            // Half of those over TCP just go.
            if matches!(caller.way, Way::Udp(_)) || round % 2 == 0 {
                assert_eq!(caller.release().await, 0);
            }
        }
        drop(callers);
        stage.until_no_allocation_is_left().await;
        if round == 20 {
            resident = stage.server.resident_bytes().unwrap();
        }
    }
    let grown = stage.server.resident_bytes().unwrap().saturating_sub(resident);
    assert!(grown < 4 << 20, "{grown} bytes more after 320 allocations");
    assert_eq!(stage.sum("enfilade_turn_requests_total", "ok").await, 480.0 + 360.0);
}

#[tokio::test]
async fn a_user_has_twelve_relays_and_none_into_the_network_of_the_server() {
    let stage = Stage::new(&[]).await;
    let mut callers = Vec::new();
    for at in 0..12 {
        let mut caller = stage.caller(at % 2 == 1).await;
        assert_eq!(caller.allocate().await, 0);
        callers.push(caller);
    }
    assert_eq!(stage.caller(true).await.allocate().await, 486);
    let peer = |port| PeerAddress {
        ip: "127.0.0.1".parse().unwrap(),
        port,
    };
    let http: u16 = stage.server.url.rsplit_once(':').unwrap().1.parse().unwrap();
    for (number, port, wanted) in [
        (0x4000, http, 403),
        (0x4001, 22, 403),
        (0x4002, stage.server.media_port, 0),
    ] {
        let with: [&dyn Setter; 2] = [&ChannelNumber(number), &peer(port)];
        assert_eq!(callers[0].ask(METHOD_CHANNEL_BIND, &with).await, wanted, "{port}");
    }
    let enough = stage.sum("enfilade_turn_requests_total", "403").await;
    assert_eq!((enough, stage.sum("enfilade_turn_allocations", "").await), (2.0, 12.0));
}

#[tokio::test]
async fn connections_that_say_nothing_sensible_end_and_others_go_on() {
    let stage = Stage::new(&[]).await;
    let mut good = stage.caller(true).await;
    assert_eq!(good.allocate().await, 0);
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 1, 0xff, 0xff]] {
        let mut stream = TcpStream::connect(stage.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut rest = Vec::new();
        // Closed or reset.
        let _ended = stream.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "{rest:?}");
    }
    assert_eq!(good.release().await, 0);
}

#[tokio::test]
async fn without_the_section_there_is_no_turn_server() {
    let server = serve(&[]).await;
    let _ann = enter(&server, &development(), "ann").await.unwrap();
    assert!(
        !server.metrics().await.unwrap().has("enfilade_turn_allocations"),
        "{ROOM}"
    );
}
