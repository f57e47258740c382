//! Traces of what people wait for, a join and a link that opens, for whoever collects them by OTLP. Off, they cost nothing; on, nobody
//! waits for them: spans that find no place, or nobody to take them, are dropped and counted.
//!
//! Which trace something belongs to is not carried along but follows from what it is about: the spans of a join from the name of its
//! socket, those of a link from the link's own name, which both rooms know, so that two nodes tell parts of one trace.

mod export;
mod links;
mod otlp;

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use prometheus::{IntCounterVec, Opts, Registry};
use tokio::sync::mpsc;

use super::webhooks::{EndpointError, check_endpoint};
use crate::room::SocketKey;
use crate::wire::link::LinkId;
use export::Exporter;

pub(super) use links::OpeningLinks;

/// Spans that wait to be sent.
const SPANS_CAPACITY: usize = 4_096;
const PATH: &str = "/v1/traces";

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesConfig {
    /// Where spans are posted.
    pub endpoint: TracesEndpoint,
    /// Of so many joins and links one is traced.
    pub one_in: u32,
}

/// The URL that takes spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracesEndpoint(String);

impl TracesEndpoint {
    /// A collector's address, with the path for traces or without.
    ///
    /// # Errors
    /// When it is no URL of HTTP.
    pub fn new(url: &str) -> Result<Self, EndpointError> {
        check_endpoint(url, true)?;
        let base = url.trim_end_matches('/').trim_end_matches(PATH);
        Ok(Self(format!("{base}{PATH}")))
    }
}

/// One trace, and the span that all others of it hang on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    root: [u8; 8],
}

impl Trace {
    fn of(parts: [&[u8]; 2]) -> Self {
        let hash = digest(&SHA256, &parts.concat());
        let (mut id, mut root) = ([0; 16], [0; 8]);
        id.copy_from_slice(&hash.as_ref()[..16]);
        root.copy_from_slice(&hash.as_ref()[16..24]);
        Self { id, root }
    }

    /// The same decision wherever it is made.
    fn is_one_in(&self, count: u32) -> bool {
        let [a, b, c, d, ..] = self.id;
        u32::from_be_bytes([a, b, c, d]).is_multiple_of(count.max(1))
    }
}

/// Something that took a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    trace: Trace,
    name: &'static str,
    is_root: bool,
    began: Instant,
    ended: Instant,
    attributes: Vec<(&'static str, String)>,
    error: Option<String>,
}

impl Span {
    /// What all other spans of the trace are a part of; it ends now.
    pub fn root(trace: Trace, name: &'static str, began: Instant) -> Self {
        Self {
            is_root: true,
            ..Self::part(trace, name, began)
        }
    }

    /// A part, which ends now.
    pub fn part(trace: Trace, name: &'static str, began: Instant) -> Self {
        Self {
            trace,
            name,
            is_root: false,
            began,
            ended: Instant::now(),
            attributes: Vec::new(),
            error: None,
        }
    }

    /// It ended then.
    #[must_use]
    pub fn until(mut self, ended: Instant) -> Self {
        self.ended = ended;
        self
    }

    /// Something to know of it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    /// It came to nothing, for this reason, if there is one.
    #[must_use]
    pub fn failed(mut self, error: Option<&str>) -> Self {
        self.error = error.map(str::to_owned);
        self
    }
}

/// Where spans go, if they go anywhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Traces {
    way: Option<Arc<Way>>,
    counted: IntCounterVec,
}

#[derive(Debug)]
struct Way {
    spans: mpsc::Sender<Span>,
    one_in: u32,
    /// So that sockets of two processes have nothing in common.
    seed: [u8; 16],
}

impl Traces {
    /// Nowhere yet.
    pub(super) fn new(registry: &Registry) -> prometheus::Result<Self> {
        let options = Opts::new("enfilade_spans_total", "Spans of traces by what became of them");
        let counted = IntCounterVec::new(options, &["result"])?;
        registry.register(Box::new(counted.clone()))?;
        Ok(Self { way: None, counted })
    }

    /// From now on there. Has to be called in a runtime.
    pub(super) fn begin(&mut self, config: &TracesConfig, instance: String) -> Result<(), rustls::Error> {
        let (spans, inbox) = mpsc::channel(SPANS_CAPACITY);
        let exporter = Exporter::new(config.endpoint.0.clone(), instance, self.counted.clone())?;
        tokio::spawn(exporter.run(inbox));
        let mut seed = [0; 16];
        aws_lc_rs::rand::fill(&mut seed).expect("the operating system gives random bytes");
        self.way = Some(Arc::new(Way {
            spans,
            one_in: config.one_in,
            seed,
        }));
        Ok(())
    }

    /// Whether anything is traced.
    pub(super) fn is_on(&self) -> bool {
        self.way.is_some()
    }

    /// The trace of who comes in by this socket, if it is one that is traced.
    pub fn of_socket(&self, socket: SocketKey) -> Option<Trace> {
        let way = self.way.as_ref()?;
        Some(Trace::of([&way.seed, &socket.0.to_be_bytes()])).filter(|trace| trace.is_one_in(way.one_in))
    }

    /// The trace of a link.
    fn of_link(&self, link: &LinkId) -> Option<Trace> {
        let way = self.way.as_ref()?;
        Some(Trace::of([b"link", link.0.as_bytes()])).filter(|trace| trace.is_one_in(way.one_in))
    }

    /// Takes a span, or drops it.
    pub fn tell(&self, span: Span) {
        if let Some(way) = &self.way
            && way.spans.try_send(span).is_err()
        {
            self.counted.with_label_values(&["full"]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_named_with_its_path_or_without() {
        for url in [
            "http://127.0.0.1:4318",
            "http://127.0.0.1:4318/",
            "http://127.0.0.1:4318/v1/traces",
        ] {
            let endpoint = TracesEndpoint::new(url).expect("a URL");
            assert_eq!(endpoint.0, "http://127.0.0.1:4318/v1/traces");
        }
        assert!(TracesEndpoint::new("collector:4317").is_err());
        assert!(TracesEndpoint::new("http://user:word@collector").is_err());
    }

    #[test]
    fn both_rooms_of_a_link_decide_alike_and_one_in_so_many_is_traced() {
        let trace = |number: u32| Trace::of([b"link", format!("link-{number}").as_bytes()]);
        assert_eq!(trace(7), trace(7));
        assert_ne!(trace(7), trace(8));
        let traced = (0..10_000).filter(|number| trace(*number).is_one_in(10)).count();
        assert!((800..1_200).contains(&traced), "{traced}");
        assert!((0..100).all(|number| trace(number).is_one_in(1)));
    }
}
