//! Traces: what a collector hears of a join and of a link, and what happens without a collector.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::State;
use enfilade::api::token::{Permissions, TokenRequest, issue};
use serde_json::{Value, json};
use testkit::{Codec, Participant, Signal};
use tokio::sync::mpsc;

use super::house::{development, serve};

type Heard = State<mpsc::Sender<Value>>;

/// A collector, and the spans that it is sent.
struct Collector {
    url: String,
    heard: mpsc::Receiver<Value>,
    spans: Vec<Value>,
}

impl Collector {
    async fn new() -> Collector {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, heard) = mpsc::channel(64);
        let hear = |State(sender): Heard, body: String| async move {
            let _nobody_listens = sender.send(serde_json::from_str(&body).unwrap()).await;
        };
        let router = Router::new()
            .route("/v1/traces", axum::routing::post(hear))
            .with_state(sender);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let spans = Vec::new();
        Collector { url, heard, spans }
    }

    /// The span of this name, once it has come.
    async fn span(&mut self, name: &str) -> Value {
        loop {
            if let Some(span) = self.spans.iter().find(|span| span["name"] == name) {
                return span.clone();
            }
            let request = tokio::time::timeout(testkit::PATIENCE, self.heard.recv()).await;
            let request = request
                .unwrap_or_else(|_| panic!("no span {name} among {:?}", self.spans))
                .unwrap();
            let resource = &request["resourceSpans"][0];
            assert_eq!(
                resource["resource"]["attributes"][0]["value"]["stringValue"],
                "enfilade"
            );
            self.spans
                .extend(resource["scopeSpans"][0]["spans"].as_array().unwrap().iter().cloned());
        }
    }
}

fn token(room: &str, participant: &str) -> String {
    let request = TokenRequest {
        room: Some(room.parse().unwrap()),
        participant: Some(participant.parse().unwrap()),
        permissions: Permissions::from_words(["allow_join", "link", "link_accept"]),
        ttl: Duration::from_secs(600),
        token_id: None,
        rest_only: false,
    };
    issue(&development(), &request, SystemTime::now()).unwrap()
}

fn nanos(span: &Value, name: &str) -> u128 {
    span[name].as_str().unwrap().parse().unwrap()
}

/// A part of that root, in its place in time.
fn assert_part_of(part: &Value, root: &Value) {
    assert_eq!(part["traceId"], root["traceId"], "{part}");
    assert_eq!(part["parentSpanId"], root["spanId"], "{part}");
    assert_ne!(part["spanId"], root["spanId"], "{part}");
    assert!(
        nanos(part, "startTimeUnixNano") >= nanos(root, "startTimeUnixNano"),
        "{part}"
    );
    assert!(
        nanos(part, "endTimeUnixNano") >= nanos(part, "startTimeUnixNano"),
        "{part}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_is_one_trace_from_its_token_to_its_keys() {
    let mut collector = Collector::new().await;
    let server = serve(&[("ENFILADE_TELEMETRY__OTLP_ENDPOINT", &collector.url)]).await;
    let mut ann = Participant::join(&server.url, &token("a", "ann"), json!({"room": "a"}))
        .await
        .unwrap();
    ann.send("microphone", Codec::Opus, &[], 1).unwrap();
    ann.negotiate().await.unwrap();
    let root = collector.span("join").await;
    assert!(
        root.get("parentSpanId").is_none() && root.get("status").is_none(),
        "{root}"
    );
    assert_eq!(root["attributes"][0]["value"]["stringValue"], "a");
    for name in ["token", "room", "negotiation", "connectivity", "dtls"] {
        assert_part_of(&collector.span(name).await, &root);
    }

    // Somebody whom the room does not exist for is a trace of one's own, which says why.
    collector.spans.clear();
    let mut bob = Signal::connect(&server.url).await.unwrap();
    let refused = json!({"room": "other"});
    assert!(bob.join(&token("a", "bob"), refused).await.is_err());
    let other = collector.span("join").await;
    assert_ne!(other["traceId"], root["traceId"]);
    assert_eq!(other["status"]["code"], 2, "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_rooms_of_a_link_tell_their_parts_of_one_trace() {
    let mut collector = Collector::new().await;
    let server = serve(&[("ENFILADE_TELEMETRY__OTLP_ENDPOINT", &collector.url)]).await;
    let mut ann = Signal::connect(&server.url).await.unwrap();
    ann.join(&token("a", "ann"), json!({})).await.unwrap();
    let mut bob = Signal::connect(&server.url).await.unwrap();
    bob.join(&token("b", "bob"), json!({})).await.unwrap();
    ann.request("link.open", json!({"room": "b"})).await.unwrap();
    let root = collector.span("link.open").await;
    assert!(
        root.get("parentSpanId").is_none() && root.get("status").is_none(),
        "{root}"
    );
    let places: Vec<&Value> = root["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["value"]["stringValue"])
        .collect();
    assert_eq!(places, ["a", "b"]);
    assert_part_of(&collector.span("link.answer").await, &root);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_people_come_in_and_what_is_lost_is_counted() {
    // Nobody listens there.
    let server = serve(&[("ENFILADE_TELEMETRY__OTLP_ENDPOINT", "http://127.0.0.1:9")]).await;
    let mut ann = Signal::connect(&server.url).await.unwrap();
    ann.join(&token("a", "ann"), json!({})).await.unwrap();
    let told = tokio::time::timeout(testkit::PATIENCE, async {
        while server
            .metrics()
            .await
            .unwrap()
            .sum("enfilade_spans_total", "unreachable")
            < 1.0
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    told.await.expect("spans that nobody takes are counted");
    ann.request("ping", json!({})).await.unwrap();
}
