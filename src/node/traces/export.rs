//! Sends spans, many at a time.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prometheus::IntCounterVec;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Span, otlp};
use crate::node::webhooks::trust_of_the_machine;

/// How long spans are gathered.
const GATHER: Duration = Duration::from_secs(1);
/// As many go in one request.
const BATCH_MAX: usize = 512;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// As much of an answer is read, and not looked at.
const ANSWER_BYTES_MAX: usize = 16 << 10;

pub(super) struct Exporter {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    instance: String,
    counted: IntCounterVec,
    /// What became of the last batch, so that the log says it once.
    last: &'static str,
}

impl Exporter {
    pub(super) fn new(url: String, instance: String, counted: IntCounterVec) -> Result<Self, rustls::Error> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trust_of_the_machine()?)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            url,
            instance,
            counted,
            last: "sent",
        })
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Span>) {
        let mut spans = Vec::new();
        while inbox.recv_many(&mut spans, 1).await > 0 {
            tokio::time::sleep(GATHER).await;
            while spans.len() < BATCH_MAX
                && let Ok(span) = inbox.try_recv()
            {
                spans.push(span);
            }
            let result = self.send(&spans).await;
            self.counted.with_label_values(&[result]).inc_by(spans.len() as u64);
            if std::mem::replace(&mut self.last, result) != result {
                tracing::warn!(result, url = self.url, "traces (telemetry.otlp_endpoint)");
            }
            spans.clear();
        }
    }

    async fn send(&self, spans: &[Span]) -> &'static str {
        let now = (Instant::now(), SystemTime::now());
        let mut id = || {
            let mut id = [0; 8];
            aws_lc_rs::rand::fill(&mut id).expect("the operating system gives random bytes");
            id
        };
        let body = otlp::request(spans, &self.instance, now, &mut id).to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)));
        let Ok(request) = request else { return "refused" };
        let answer = timeout(REQUEST_TIMEOUT, async {
            let response = self.client.request(request).await.ok()?;
            let status = response.status();
            // Only so that the connection is free again.
            let _unread = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Some(status)
        });
        match answer.await {
            Ok(Some(status)) if status.is_success() => "sent",
            Ok(Some(_)) => "refused",
            Ok(None) | Err(_) => "unreachable",
        }
    }
}
