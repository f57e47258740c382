//! What those outside are told, in which words.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::session::{EndWord, LinkRecord, SessionRecord, StayRecord};
use crate::wire::signal::{RecordingInfo, RecordingState};

/// Everything an endpoint can be told.
pub const WEBHOOK_TYPES: [&str; 11] = [
    "session-started",
    "session-ended",
    "participant-joined",
    "participant-left",
    "link-opened",
    "link-closed",
    "recording-starting",
    "recording-started",
    "recording-stopping",
    "recording-stopped",
    "recording-failed",
];

/// A webhook as it is kept until it is taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The URL.
    pub endpoint: String,
    /// Named by the configuration: it may be on a private network.
    pub trusted: bool,
    /// Of which session: those of one session go in order.
    pub session: String,
    /// When it was made, in milliseconds since 1970.
    pub at_ms: u64,
    /// What is sent, as it is signed.
    pub body: String,
}

/// One thing to tell, with what is particular about it.
pub(super) enum Told<'a> {
    SessionStarted,
    SessionEnded,
    Joined(&'a StayRecord),
    Left(&'a StayRecord),
    LinkOpened(&'a LinkRecord),
    LinkClosed(&'a LinkRecord),
    Recording(&'a RecordingInfo),
}

impl Told<'_> {
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Told::SessionStarted => WEBHOOK_TYPES[0],
            Told::SessionEnded => WEBHOOK_TYPES[1],
            Told::Joined(_) => WEBHOOK_TYPES[2],
            Told::Left(_) => WEBHOOK_TYPES[3],
            Told::LinkOpened(_) => WEBHOOK_TYPES[4],
            Told::LinkClosed(_) => WEBHOOK_TYPES[5],
            Told::Recording(info) => match info.state {
                RecordingState::Starting => WEBHOOK_TYPES[6],
                RecordingState::Started => WEBHOOK_TYPES[7],
                RecordingState::Stopping => WEBHOOK_TYPES[8],
                RecordingState::Stopped => WEBHOOK_TYPES[9],
                RecordingState::Failed => WEBHOOK_TYPES[10],
            },
        }
    }

    /// The body, with the number that the session's count has reached.
    pub(super) fn body(&self, session: &SessionRecord) -> String {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("meetingId", json!(session.room));
        put("sessionId", json!(session.session));
        match self {
            Told::SessionStarted => put("start", time(session.start_ms)),
            Told::SessionEnded => {
                put("start", time(session.start_ms));
                put("end", session.end_ms.map_or(Value::Null, time));
                put("reason", json!(session.reason.unwrap_or(EndWord::NodeLost)));
            }
            Told::Joined(stay) | Told::Left(stay) => {
                put("participantId", json!(stay.participant));
                put("participantName", json!(stay.name));
                put("start", time(stay.start_ms));
                if let Some(end) = stay.end_ms {
                    put("end", time(end));
                    put("reason", stay.reason.map_or(json!("nodeLost"), |reason| json!(reason)));
                }
            }
            Told::Recording(info) => {
                put("recordingId", json!(info.recording));
                put("start", time(info.started_at_ms));
                if let (Some(reason), Some(length_ms)) = (info.reason, info.length_ms) {
                    put("end", time(info.started_at_ms + length_ms));
                    put("reason", json!(reason));
                    put("bytes", json!(info.bytes));
                    // Below the server's recording.directory.
                    put("filePath", json!(format!("{}/manifest.json", info.recording)));
                }
            }
            Told::LinkOpened(link) | Told::LinkClosed(link) => {
                put("linkedMeetingId", json!(link.link));
                put("start", time(link.start_ms));
                if let Some(end) = link.end_ms {
                    put("end", time(end));
                    put("reason", link.reason.map_or(json!("node-lost"), |reason| json!(reason)));
                }
            }
        }
        json!({
            "webhookType": self.word(),
            "data": data,
            "id": format!("{}-{}", session.session, session.webhooks),
            "sequence": session.webhooks,
        })
        .to_string()
    }
}

/// RFC 3339 in UTC with milliseconds, as the documented events have it.
fn time(unix_ms: u64) -> Value {
    Value::String(super::table::rfc3339(unix_ms))
}
