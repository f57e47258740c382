//! Signalling messages: what a client asks ([`ClientMessage`]), what the server answers and tells ([`ServerMessage`]),
//! and the door between text and types ([`decode`], [`encode`], [`frame`]).

mod decode;
mod event;
mod fields;
mod info;
mod recording;
mod request;
mod sdp;
mod settings;
mod stats;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

pub use decode::{SignalError, decode};
pub use event::ServerMessage;
pub use info::{
    AnswerPublication, AnswerSeat, ByeCode, IceServer, Joined, JoinedLimits, LeaveReason, LinkChatInfo,
    LinkCloseReason, LinkInfo, OkFields, ParticipantInfo, Permission, Pin, Presence, PresenceOwner, PublicationInfo,
    QualityEntry, ResumeInfo, SeatEntry, SpeakerEntry, SubscriptionReason, SubscriptionState, Switch, TopicMessage,
    TransportState,
};
pub use recording::{RecordingEnd, RecordingInfo, RecordingState};
pub use request::{
    ClientMessage, Envelope, Intent, JoinRequest, Mode, PresenceRequest, Priority, PublishLine, Quality, ResumeRequest,
    RoomsRequest, SourceKind, SwitchRequest, Token, WishRequest,
};
pub use sdp::Sdp;
pub use settings::{LinkPolicy, Settings, SettingsInfo};
pub use stats::{
    DownStats, EncodingStats, ParticipantStats, PathLimit, PublicationStats, Stats, SubscriptionStats, UpStats,
};

/// Writes the message as a JSON object without `seq` and `re`. Done once, however many sessions it goes to.
pub fn encode(message: &ServerMessage) -> Arc<str> {
    Arc::from(serde_json::to_string(message).expect("our messages have only string keys, so they can be written"))
}

/// One frame for one session: the encoded message with its place in the session and the request it answers.
pub fn frame(seq: Option<u64>, re: Option<u32>, body: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(body.len() + 48);
    text.push('{');
    if let Some(seq) = seq {
        let _ = write!(text, "\"seq\":{seq},");
    }
    if let Some(re) = re {
        let _ = write!(text, "\"re\":{re},");
    }
    text.push_str(body.strip_prefix('{').unwrap_or(body));
    text
}

impl SignalError {
    /// The answer to the message that this is about.
    pub fn to_message(&self) -> ServerMessage {
        ServerMessage::Error {
            code: self.code,
            message: self.message.clone(),
            field: self.field.clone(),
        }
    }
}
