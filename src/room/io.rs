//! What a room is told and what it wants done. Data only.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::{Grant, Lookup, LookupKey, Manage, Pass, Revocation, RoomEvent};
use crate::{
    recording::{Order, RecorderNews, Subject},
    shard::{
        command::{ShardCommand, ShardId, TransportKey},
        event::ShardEvent,
    },
    transport::{fingerprint::Fingerprint, ice::Credentials, negotiation::LocalTransport, turn::TurnServers},
    wire::{
        ErrorCode, ParticipantId, ResumeKey, RoomId,
        link::LinkFrame,
        signal::{
            Envelope, JoinRequest, LinkInfo, ParticipantInfo, ParticipantStats, Presence, RecordingInfo, ServerMessage,
            SignalError,
        },
    },
};

/// One WebSocket. Never used twice in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketKey(pub u64);

/// One HTTP request that waits for its reply. Never used twice in a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpKey(pub u64);

/// Something that happened.
#[derive(Debug)]
pub enum Input {
    /// A socket's `join`, its token already verified.
    Join {
        /// Which socket.
        socket: SocketKey,
        /// The message's id.
        request: u32,
        /// The message. `participant` is the token's where that names one; `token` and `room` are not looked at.
        join: Box<JoinRequest>,
        /// What the token allows.
        grant: Grant,
        /// What names the token.
        pass: Pass,
        /// Where the participant's media will live.
        shard: ShardId,
        /// Our side of that path.
        local: LocalTransport,
    },
    /// A socket's `resume`.
    Resume {
        /// Which socket.
        socket: SocketKey,
        /// The message's id.
        request: u32,
        /// Versions the client speaks.
        versions: Vec<u32>,
        /// Read by [`ResumeKey::parse`]; its room number led here.
        key: ResumeKey,
        /// The last `seq` the client saw.
        last_seq: u64,
    },
    /// A later message of a socket that was let in, or why it could not be read.
    Message {
        /// Which socket.
        socket: SocketKey,
        /// From [`crate::wire::signal::decode`].
        message: Result<Envelope, SignalError>,
    },
    /// A socket is gone. The session may come back on another, unless the page itself went away.
    SocketClosed {
        /// Which socket.
        socket: SocketKey,
        /// It was closed with 1001, as browsers do when the page it belongs to is closed, reloaded or left.
        going_away: bool,
    },
    /// From a shard.
    Shard {
        /// What.
        event: ShardEvent,
    },
    /// DTLS failed or the client closed it. (That it succeeded is told by the shard's `Connected`.)
    HandshakeClosed {
        /// Whose.
        transport: TransportKey,
    },
    /// From a data channel.
    Data {
        /// Whose.
        transport: TransportKey,
        /// What.
        event: DataEvent,
    },
    /// `POST /whip/{room}`: publish what the offer sends.
    Whip {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
        /// From the token.
        participant: ParticipantId,
        /// The rest.
        offer: Box<HttpOffer>,
    },
    /// `POST /whep/{room}/{participant}`: receive what that participant publishes, now or later.
    Whep {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
        /// Whom to watch; need not be there yet.
        publisher: ParticipantId,
        /// The rest.
        offer: Box<HttpOffer>,
    },
    /// `DELETE` on what a WHIP or WHEP request made.
    HttpDelete {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
        /// The name in [`HttpReply::Created`].
        resource: String,
    },
    /// `PATCH` of what a WHIP or WHEP request made (RFC 9725 section 4.3).
    HttpPatch {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
        /// The name in [`HttpReply::Created`].
        resource: String,
        /// What.
        patch: HttpPatch,
    },
    /// `GET /v1/rooms/{room}/stats`: how everybody's connection is doing.
    HttpStats {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
    },
    /// Something was revoked: whom it concerns goes.
    Revoked {
        /// What.
        revocation: Arc<Revocation>,
    },
    /// The configuration has other TURN servers, or another secret for them.
    Turn {
        /// What counts from now on.
        servers: Vec<TurnServers>,
    },
    /// From whoever may manage the room without being in it.
    Manage {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
        /// What.
        manage: Box<Manage>,
    },
    /// `POST` of a recording.
    HttpRecordingStart {
        /// Answered by [`Output::HttpReply`], when it has begun.
        request: HttpKey,
    },
    /// `DELETE` of a recording: it ends, and stays.
    HttpRecordingStop {
        /// Answered by [`Output::HttpReply`], when all of it is written.
        request: HttpKey,
        /// Its name.
        recording: String,
    },
    /// `GET` of the recordings of this session.
    HttpRecordings {
        /// Answered by [`Output::HttpReply`].
        request: HttpKey,
    },
    /// From the recorder that [`Output::RecordingBegin`] began.
    Recorder {
        /// Of which recording.
        recording: String,
        /// What.
        news: RecorderNews,
    },
    /// From another room.
    Link {
        /// What it says.
        frame: Box<LinkFrame>,
    },
    /// There is nobody to take what [`Output::ToRoom`] sent.
    LinkUnreachable {
        /// To which room.
        room: RoomId,
        /// Of which session that is said; `None`: of any.
        session: Option<Arc<str>>,
        /// What is known of the room.
        code: ErrorCode,
    },
    /// The answer to [`Output::LookUp`].
    Found {
        /// Whose.
        key: LookupKey,
        /// What.
        answer: Box<ServerMessage>,
    },
    /// The node is going away: nobody new, everybody told.
    Drain,
    /// Another node has the room by now: everybody joins it there.
    Superseded,
    /// The room is closed: everybody out.
    Close,
    /// [`super::Room::poll_timeout`] has come.
    Tick,
}

/// The body of a WHIP or WHEP request and what the node adds.
#[derive(Debug)]
pub struct HttpOffer {
    /// The offer.
    pub sdp: String,
    /// What the token allows.
    pub grant: Grant,
    /// What names the token.
    pub pass: Pass,
    /// Where its media will live.
    pub shard: ShardId,
    /// Our side of that path.
    pub local: LocalTransport,
}

/// What a `PATCH` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpPatch {
    /// Candidates: nothing to do for an ICE-lite node but to say whether the resource is there.
    Candidates {
        /// Only if this is the ICE session (`If-Match`).
        session: Option<String>,
    },
    /// Another ICE session on the same path.
    Restart {
        /// The client's new credentials.
        remote: Credentials,
    },
}

/// Something on a data channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataEvent {
    /// The client opened it.
    Opened {
        /// SCTP stream.
        channel: u16,
        /// Its label.
        label: String,
        /// Its protocol.
        protocol: String,
    },
    /// The client sent on it.
    Message {
        /// SCTP stream.
        channel: u16,
        /// One message.
        data: Bytes,
    },
    /// It is closed.
    Closed {
        /// SCTP stream.
        channel: u16,
    },
}

/// A text frame for a socket. It may hold what is meant for its reader alone, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(String);

impl Frame {
    /// A frame of this text.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text, to be written.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.0.len())
    }
}

/// Something to do, in this order.
#[derive(Debug)]
pub enum Output {
    /// Write a text frame.
    Send {
        /// Which socket.
        socket: SocketKey,
        /// One JSON object.
        frame: Frame,
    },
    /// Answer a `join` or `resume` that failed. The socket is not of this room; its client may try again on it.
    Refuse {
        /// Which socket.
        socket: SocketKey,
        /// One JSON object.
        frame: Frame,
    },
    /// Close the socket after what was sent. No [`Input::SocketClosed`] is needed, and none does harm.
    CloseSocket {
        /// Which socket.
        socket: SocketKey,
        /// RFC 6455 section 7.4; ours from 4000.
        code: u16,
        /// A word for the log.
        reason: &'static str,
    },
    /// Tell a shard.
    Shard {
        /// Which.
        shard: ShardId,
        /// What.
        command: ShardCommand,
    },
    /// Start DTLS (as server) and SCTP for a transport.
    StartHandshake {
        /// Whose.
        transport: TransportKey,
        /// Where it is.
        shard: ShardId,
        /// Of the client's certificate.
        fingerprint: Fingerprint,
    },
    /// Forget them.
    StopHandshake {
        /// Whose.
        transport: TransportKey,
    },
    /// Send on a data channel, as binary.
    SendData {
        /// Whose.
        transport: TransportKey,
        /// SCTP stream.
        channel: u16,
        /// One message.
        data: Bytes,
    },
    /// Answer an HTTP request.
    HttpReply {
        /// Which.
        request: HttpKey,
        /// How.
        reply: HttpReply,
    },
    /// Give this to another room. It may be lost; if nobody is there, [`Input::LinkUnreachable`] says so.
    ToRoom {
        /// Which.
        room: RoomId,
        /// What.
        frame: Box<LinkFrame>,
    },
    /// Answer this by [`Input::Found`]: before anything else comes in if the answer is at hand.
    LookUp {
        /// To be named in the answer.
        key: LookupKey,
        /// What is asked.
        lookup: Lookup,
    },
    /// Show this to those outside who ask. Comes before whatever else the same input leads to.
    Presence {
        /// What.
        presence: Box<Presence>,
        /// The word by which the room is found.
        listing: Option<String>,
    },
    /// Put this on record, and tell those outside who want to know.
    Event(Box<RoomEvent>),
    /// Begin a recording.
    RecordingBegin {
        /// Of what.
        subject: Box<Subject>,
    },
    /// Something for the recording that was begun last.
    Record {
        /// What.
        order: Box<Order>,
    },
    /// It ends.
    RecordingEnd,
    /// Nobody is left, nor has been for the departure time, or the room is closed: it may be dropped.
    Empty,
}

/// The answer to an HTTP request.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpReply {
    /// 201, with the SDP answer as its body.
    Created {
        /// The last part of the `Location`.
        resource: String,
        /// The answer.
        sdp: String,
        /// Name of its ICE session.
        ice_session: String,
    },
    /// 200, with an SDP fragment as its body.
    Restarted {
        /// Our side of the path.
        fragment: String,
        /// Name of the new ICE session.
        ice_session: String,
    },
    /// 200 or 204.
    Done,
    /// 412: the resource has another ICE session by now.
    OtherSession,
    /// 200, with how everybody is connected, by their ids.
    Stats {
        /// One entry for each participant.
        participants: Vec<ParticipantStats>,
    },
    /// 200, with who is here.
    Participants {
        /// In the order in which they came.
        participants: Vec<ParticipantInfo>,
    },
    /// 200, with the links.
    Links {
        /// One for each room.
        links: Vec<LinkInfo>,
    },
    /// 200 or 201, with a recording.
    Recording(Box<RecordingInfo>),
    /// 200, with all recordings of the session.
    Recordings {
        /// The latest last.
        recordings: Vec<RecordingInfo>,
    },
    /// 404: no such resource.
    NotFound,
    /// Anything else, by the code.
    Refused {
        /// Stable.
        code: ErrorCode,
        /// A sentence for a person.
        message: String,
    },
}
