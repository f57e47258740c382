//! The codes of the client protocol's errors. A code is stable; the sentence beside it is for a person.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a request was not done. The table in `docs/PROTOCOL.md` lists the same codes (a test compares them).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ErrorCode {
            /// Every code there is.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// Not one JSON object, or one nested too deep.
    InvalidJson = "invalid-json",
    /// A binary frame.
    BinaryNotSupported = "binary-not-supported",
    /// Above the limit for its type.
    MessageTooLarge = "message-too-large",
    /// No message of this type.
    UnknownType = "unknown-type",
    /// A field that has to be there is not.
    MissingField = "missing-field",
    /// A field has the wrong type or a value outside its range, or is there twice.
    InvalidField = "invalid-field",
    /// A request id not larger than the last one.
    OutOfOrder = "out-of-order",
    /// No common version.
    UnsupportedVersion = "unsupported-version",
    /// The first message is neither `join` nor `resume`.
    JoinFirst = "join-first",
    /// A second `join` or `resume` on one socket.
    AlreadyJoined = "already-joined",
    /// No token.
    TokenMissing = "token-missing",
    /// A token that is none, or whose signature is wrong.
    TokenInvalid = "token-invalid",
    /// Too late.
    TokenExpired = "token-expired",
    /// Too early.
    TokenNotYetValid = "token-not-yet-valid",
    /// Signed with a key this node does not have.
    TokenUnknownKey = "token-unknown-key",
    /// Permissions that are unknown or exclude each other.
    TokenPermissions = "token-permissions",
    /// For another room.
    TokenRoom = "token-room",
    /// For another participant.
    TokenParticipant = "token-participant",
    /// For another use.
    TokenRole = "token-role",
    /// Good for one join, which has been.
    TokenUsed = "token-used",
    /// The token, or whom it is for, was revoked.
    TokenRevoked = "token-revoked",
    /// Above the limit.
    TokenTooLarge = "token-too-large",
    /// The room has all the participants it may have.
    RoomFull = "room-full",
    /// The node has all the rooms it may have.
    RoomLimit = "room-limit",
    /// The node is going away.
    NodeDraining = "node-draining",
    /// The node that had the room is gone.
    NodeLost = "node-lost",
    /// Other nodes cannot be reached now, so that it is not known where the room is.
    ClusterUnreachable = "cluster-unreachable",
    /// The node has too much to do.
    Overloaded = "overloaded",
    /// No session with this key (any more).
    ResumeUnknown = "resume-unknown",
    /// More was missed than is kept.
    ResumeGap = "resume-gap",
    /// The token does not allow it.
    Forbidden = "forbidden",
    /// Not in the room.
    NoSuchParticipant = "no-such-participant",
    /// Not in the room.
    NoSuchPublication = "no-such-publication",
    /// No negotiated sending m-line with this mid.
    NoSuchLine = "no-such-line",
    /// The m-line carries another publication, or another kind of media.
    LineInUse = "line-in-use",
    /// A publication of somebody else.
    NotYours = "not-yours",
    /// Above the limit of publications.
    TooManyPublications = "too-many-publications",
    /// Above the limit of topics, or of what they keep.
    TooManyTopics = "too-many-topics",
    /// Not subscribed to this topic.
    NotSubscribed = "not-subscribed",
    /// Slow down.
    RateLimited = "rate-limited",
    /// Somebody is in the room that was to be opened.
    RoomExists = "room-exists",
    /// Nobody is in the room that was to be entered or linked with.
    RoomNotFound = "room-not-found",
    /// The room to be linked with is known, but nobody is in it.
    RoomNotLive = "room-not-live",
    /// The room has a password, and none was given.
    PasswordRequired = "password-required",
    /// Another password.
    PasswordWrong = "password-wrong",
    /// Somebody inside said no.
    EntryDenied = "entry-denied",
    /// Nobody inside said anything.
    EntryTimeout = "entry-timeout",
    /// Too many wait already.
    LobbyFull = "lobby-full",
    /// Above the limit of shared values.
    StoreFull = "store-full",
    /// A link of a room with itself.
    SameRoom = "same-room",
    /// The room was deactivated.
    RoomDisabled = "room-disabled",
    /// The other room does not want the link.
    LinkDenied = "link-denied",
    /// Nobody over there said anything.
    LinkTimeout = "link-timeout",
    /// One of the rooms has all the links it may have.
    LinkLimit = "link-limit",
    /// Not linked with that room.
    NoSuchLink = "no-such-link",
    /// Settled already, or never asked.
    NoSuchRequest = "no-such-request",
    /// The other room does not allow this over the link.
    LinkRight = "link-right",
    /// The link closed before the answer came.
    LinkClosed = "link-closed",
    /// The link carries no more at present.
    LinkOverflow = "link-overflow",
    /// A switch to a room that is neither end of the link.
    SwitchRoom = "switch-room",
    /// This server does not record.
    RecordingOff = "recording-off",
    /// The room is recorded already.
    RecordingRuns = "recording-runs",
    /// The room has no such recording.
    NoSuchRecording = "no-such-recording",
    /// The recording could not begin.
    RecordingFailed = "recording-failed",
    /// The offer is above the limit.
    SdpTooLarge = "sdp-too-large",
    /// The offer cannot be read.
    SdpInvalid = "sdp-invalid",
    /// The offer has no fingerprint.
    SdpNoFingerprint = "sdp-no-fingerprint",
    /// The offer asks for what is not done here.
    SdpUnsupported = "sdp-unsupported",
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ErrorCode;

    #[test]
    fn the_page_lists_exactly_these_codes() {
        let page = include_str!("../../docs/PROTOCOL.md");
        let table = page.split("## Error codes").nth(1).unwrap();
        let first_column = table
            .lines()
            .filter(|line| line.starts_with('|'))
            .skip(2)
            .filter_map(|line| line.split('|').nth(1));
        let written: BTreeSet<&str> = first_column
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        let ours: BTreeSet<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(written, ours);
    }

    #[test]
    fn serde_and_as_str_agree() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
