//! Spans as OTLP in JSON (opentelemetry-proto 1.x, `ExportTraceServiceRequest`): ids in hex, times and all large numbers as text.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::Span;

/// `SPAN_KIND_INTERNAL`, `SPAN_KIND_SERVER`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// What is posted. `now` is the same moment on both clocks; `ids` gives names to spans that are no roots.
pub(super) fn request(
    spans: &[Span],
    instance: &str,
    now: (Instant, SystemTime),
    ids: &mut dyn FnMut() -> [u8; 8],
) -> Value {
    let spans: Vec<Value> = spans.iter().map(|span| one(span, now, ids)).collect();
    let resource = [
        ("service.name", "enfilade"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", instance),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": resource.map(|(key, value)| attribute(key, value))},
        "scopeSpans": [{"scope": {"name": "enfilade"}, "spans": spans}],
    }]})
}

fn one(span: &Span, now: (Instant, SystemTime), ids: &mut dyn FnMut() -> [u8; 8]) -> Value {
    let attributes = span.attributes.iter().map(|(key, value)| attribute(key, value));
    let mut value = json!({
        "traceId": hex(&span.trace.id),
        "spanId": hex(&if span.is_root { span.trace.root } else { ids() }),
        "name": span.name,
        "kind": if span.is_root { SERVER } else { INTERNAL },
        "startTimeUnixNano": nanos(span.began, now),
        "endTimeUnixNano": nanos(span.ended, now),
        "attributes": attributes.collect::<Vec<_>>(),
    });
    if !span.is_root {
        value["parentSpanId"] = hex(&span.trace.root).into();
    }
    if let Some(error) = &span.error {
        value["status"] = json!({"code": ERROR, "message": error});
    }
    value
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

fn nanos(at: Instant, now: (Instant, SystemTime)) -> String {
    let unix = now.1.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = unix.checked_sub(now.0.saturating_duration_since(at));
    at.unwrap_or(Duration::ZERO).as_nanos().to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Trace;
    use super::*;

    #[test]
    fn spans_are_told_as_the_protocol_has_them() {
        let trace = Trace {
            id: [0xab; 16],
            root: [1; 8],
        };
        let began = Instant::now();
        let now = (began + Duration::from_secs(2), UNIX_EPOCH + Duration::from_secs(100));
        let ended = began + Duration::from_millis(500);
        let root = Span {
            ended,
            ..Span::root(trace, "join", began)
                .with("enfilade.room", "r")
                .failed(Some("token-expired"))
        };
        let part = Span {
            ended,
            ..Span::part(trace, "token", began)
        };
        let request = request(&[root, part], "a", now, &mut || [2; 8]);
        let spans = &request["resourceSpans"][0]["scopeSpans"][0]["spans"];
        assert_eq!(
            spans[0],
            json!({
                "traceId": "ab".repeat(16), "spanId": "01".repeat(8), "name": "join", "kind": 2,
                "startTimeUnixNano": "98000000000", "endTimeUnixNano": "98500000000",
                "attributes": [{"key": "enfilade.room", "value": {"stringValue": "r"}}],
                "status": {"code": 2, "message": "token-expired"},
            })
        );
        assert_eq!(
            spans[1],
            json!({
                "traceId": "ab".repeat(16), "spanId": "02".repeat(8), "parentSpanId": "01".repeat(8), "name": "token", "kind": 1,
                "startTimeUnixNano": "98000000000", "endTimeUnixNano": "98500000000", "attributes": [],
            })
        );
        let resource = &request["resourceSpans"][0]["resource"]["attributes"];
        assert_eq!(resource[2]["value"]["stringValue"], "a");
    }
}
