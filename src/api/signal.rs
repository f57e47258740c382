//! The signalling socket: text frames in, text frames out. What they mean is the room's affair.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::Api;
use super::client::ClientAddress;
use super::line::{Frame, Line, Written};
use super::socket::Upgrade;
use super::token::{Grant, TokenError};
use crate::cluster::NodeId;
use crate::node::{Attached, Closed, Route, SocketFrame, Span, Trace};
use crate::room::{self, Input, SocketKey};
use crate::wire::limits::OFFER_BYTES_MAX;
use crate::wire::signal::{
    ClientMessage, Intent, JoinRequest, ResumeRequest, ServerMessage, SignalError, decode, encode, frame,
};
use crate::wire::{ErrorCode, ParticipantId, ResumeKey};

/// A client that does not take a frame for this long is gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Texts that are written with another one, if they wait already: what a join tells is several.
const TEXTS_AT_ONCE: usize = 15;
/// How long a client may take to answer a close before the socket is dropped.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
// WebSocket close codes (RFC 6455 section 7.4); ours from 4000.
const POLICY: u16 = 1008;
pub(super) const TOO_BIG: u16 = 1009;
/// What a socket may ask before it joins.
const LOOKUPS_MAX: u32 = 20;
pub(super) const RESTART: u16 = 1012;
const TOO_SLOW: u16 = 4008;

pub(super) async fn upgrade(
    State(api): State<Arc<Api>>,
    Extension(client): Extension<ClientAddress>,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Response {
    if !api.allows_origin(&headers) {
        return (StatusCode::FORBIDDEN, "pages of this origin may not connect\n").into_response();
    }
    let Some(open) = api.open_sockets.open(client, api.config.max_sockets_per_client) else {
        api.node.metrics().joins.with_label_values(&["too-many-sockets"]).inc();
        let sentence = "so many signalling sockets of one address are too many\n";
        return (StatusCode::TOO_MANY_REQUESTS, sentence).into_response();
    };
    tracing::debug!(client = %client.0, "a signalling socket opens");
    // Twice the limit, so that a message a little too large is answered rather than cut off.
    upgrade.accept(OFFER_BYTES_MAX * 2, move |socket| async move {
        let _counted = open;
        api.node.metrics().sockets.inc();
        Box::new(Socket::new(&api, Line::Socket(Box::new(socket)))).run().await;
        api.node.metrics().sockets.dec();
    })
}

pub(super) struct Socket {
    pub(super) api: Arc<Api>,
    pub(super) line: Line,
    key: SocketKey,
    /// By which it tries to join; given back if the room says no.
    grant: Option<Grant>,
    /// Questions answered before the join.
    lookups: u32,
}

/// What a message before the join leads to.
pub(super) enum First {
    /// A room took the socket.
    Entered(Attached),
    /// The room is, or is to begin, on another node.
    Elsewhere(NodeId),
    /// An answer, and nothing else.
    Answered { re: u32, message: ServerMessage },
}

impl Socket {
    pub(super) fn new(api: &Arc<Api>, line: Line) -> Self {
        Socket {
            api: Arc::clone(api),
            line,
            key: api.node.socket_key(),
            grant: None,
            lookups: 0,
        }
    }

    /// What is done once is boxed: a socket lives as long as a call, and would otherwise be as large as all that it may ever do.
    async fn run(mut self: Box<Self>) {
        while let Some((first, text)) = Box::pin(self.admit()).await {
            let may_try_again = match first {
                First::Entered(attached) => self.converse(attached).await,
                First::Elsewhere(node) => Box::pin(self.lead_on(node, &text)).await,
                First::Answered { .. } => true,
            };
            if !may_try_again {
                return;
            }
            // The room did not let the client in; it may try again on the same socket, under a new name.
            self.key = self.api.node.socket_key();
        }
    }

    /// Reads until a `join` or `resume` leads into a room.
    async fn admit(&mut self) -> Option<(First, String)> {
        let mut deadline = Instant::now() + self.api.config.first_message_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(frame) = timeout(left, self.line.read()).await else {
                self.close(POLICY, "join or resume expected").await;
                return None;
            };
            let text = match frame {
                Frame::Text(text) => text,
                Frame::Alive => continue,
                Frame::Binary => {
                    self.refuse(&binary_refused(), None).await?;
                    continue;
                }
                Frame::TooBig => {
                    self.close(TOO_BIG, "message too large").await;
                    return None;
                }
                Frame::GoingAway | Frame::Closed => return None,
            };
            match self.first_message(&text, true).await {
                Ok(first @ (First::Entered(_) | First::Elsewhere(_))) => return Some((first, text)),
                Ok(First::Answered { re, message }) => {
                    self.answer(Some(re), &message).await?;
                    if !matches!(message, ServerMessage::Pong) {
                        deadline = Instant::now() + self.api.config.first_message_timeout;
                    }
                }
                Err(error) => {
                    self.count_join(error.code.as_str());
                    let id = error.id;
                    self.refuse(&error, id).await?;
                }
            }
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever comes later in a session is out of place here"
    )]
    pub(super) async fn first_message(&mut self, text: &str, may_lead_on: bool) -> Result<First, SignalError> {
        let envelope = decode(text)?;
        let id = envelope.id;
        let with_id = |error: SignalError| SignalError { id: Some(id), ..error };
        let (began, api) = (Instant::now(), Arc::clone(&self.api));
        let entered = |first: First| {
            if let First::Entered(_) = &first {
                api.node.metrics().calls.joined(began.elapsed());
            }
            first
        };
        match envelope.message {
            ClientMessage::Join(join) => self.join(id, join, may_lead_on).await.map(entered).map_err(with_id),
            ClientMessage::Resume(resume) => self.resume(id, resume, may_lead_on).await.map(entered).map_err(with_id),
            ClientMessage::Ping { .. } => Ok(First::Answered {
                re: id,
                message: ServerMessage::Pong,
            }),
            ClientMessage::Presence(_) | ClientMessage::Rooms(_) if self.lookups >= LOOKUPS_MAX => {
                Err(with_id(SignalError::new(
                    ErrorCode::RateLimited,
                    "so many questions are for those who have joined",
                )))
            }
            ClientMessage::Presence(asked) => {
                let answer = self.api.presence(asked).await;
                self.answered(id, answer).map_err(with_id)
            }
            ClientMessage::Rooms(asked) => {
                let answer = self.api.rooms(asked).await;
                self.answered(id, answer).map_err(with_id)
            }
            _ => Err(with_id(SignalError::new(
                ErrorCode::JoinFirst,
                "the first message has to be join, resume, presence or rooms",
            ))),
        }
    }

    fn answered(&mut self, re: u32, answer: Result<ServerMessage, SignalError>) -> Result<First, SignalError> {
        self.lookups += 1;
        answer.map(|message| First::Answered { re, message })
    }

    async fn join(&mut self, request: u32, join: JoinRequest, may_lead_on: bool) -> Result<First, SignalError> {
        let traces = self.api.node.metrics().traces.clone();
        let Some(trace) = traces.of_socket(self.key) else {
            return self.enter(request, join, may_lead_on, None).await;
        };
        let began = Instant::now();
        let mut span = Span::root(trace, "join", began);
        let names = [
            ("enfilade.room", join.room.as_ref().map(ToString::to_string)),
            (
                "enfilade.participant",
                join.participant.as_ref().map(ToString::to_string),
            ),
        ];
        for (name, value) in names {
            span = value.into_iter().fold(span, |span, value| span.with(name, value));
        }
        let joined = Box::pin(self.enter(request, join, may_lead_on, Some(trace))).await;
        let span = match &joined {
            Ok(First::Elsewhere(node)) => span.with("enfilade.led_to", node.to_string()),
            Ok(First::Entered(_) | First::Answered { .. }) => span,
            Err(error) => span.failed(Some(error.code.as_str())),
        };
        traces.tell(span.until(Instant::now()));
        joined
    }

    async fn enter(
        &mut self,
        request: u32,
        mut join: JoinRequest,
        may_lead_on: bool,
        trace: Option<Trace>,
    ) -> Result<First, SignalError> {
        let began = Instant::now();
        let part = |name, began| trace.map(|trace| Span::part(trace, name, began));
        let traces = self.api.node.metrics().traces.clone();
        let tell = |span: Option<Span>| span.into_iter().for_each(|span| traces.tell(span));
        let token = join.token.take().ok_or_else(|| refused(TokenError::Missing))?;
        let grant = self.api.keys.verify(&token.0, SystemTime::now()).map_err(refused)?;
        tell(part("token", began));
        let Some(room) = join.room.clone().or_else(|| grant.room.clone()) else {
            return Err(SignalError {
                field: Some("room".to_owned()),
                ..SignalError::new(
                    ErrorCode::MissingField,
                    "neither the message nor the token names a room",
                )
            });
        };
        grant.check_room(&room).map_err(refused)?;
        let revoked = |participant: Option<&ParticipantId>| {
            self.api
                .keys
                .check_revoked(&grant, &room, participant, SystemTime::now())
        };
        revoked(join.participant.as_ref()).map_err(refused)?;
        let may_begin = join.intent != Intent::Join;
        let began = Instant::now();
        let closed = |closed: Closed| SignalError::new(closed.code(), closed.to_string());
        if may_lead_on && let Route::There(node) = self.api.node.route(&room, may_begin).await.map_err(closed)? {
            return Ok(First::Elsewhere(node));
        }
        if let Some(participant) = &join.participant {
            grant.check_join(&room, participant).map_err(refused)?;
        }
        join.participant = grant.participant.clone().or(join.participant);
        let (permissions, pass) = (room_grant(&grant), grant.pass());
        self.api.spent.spend(&grant, SystemTime::now()).map_err(refused)?;
        self.grant = Some(grant);
        let key = self.key;
        let entered = self
            .api
            .node
            .join(&room, key, may_begin, |place| Input::Join {
                socket: key,
                request,
                join: Box::new(join.clone()),
                grant: permissions,
                pass: pass.clone(),
                shard: place.shard,
                local: place.local,
            })
            .await;
        tell(part("room", began));
        match entered {
            Ok(attached) => {
                // What was revoked while it came in was not told to a room that did not know it yet.
                if let Some(grant) = &self.grant
                    && let Some(revocation) =
                        self.api
                            .keys
                            .revocation(grant, &room, join.participant.as_ref(), SystemTime::now())
                {
                    let revocation = Arc::new(revocation);
                    // A room that has ended has let everybody go.
                    let _ended = attached.send(Input::Revoked { revocation }).await;
                }
                Ok(First::Entered(attached))
            }
            Err(why) => {
                self.give_token_back();
                // Somebody came into it over there at the same moment.
                if let Closed::Elsewhere(node) = why {
                    return Ok(First::Elsewhere(node));
                }
                Err(closed(why))
            }
        }
    }

    /// It let nobody in.
    fn give_token_back(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.api.spent.give_back(&grant);
        }
    }

    async fn resume(&mut self, request: u32, resume: ResumeRequest, may_lead_on: bool) -> Result<First, SignalError> {
        let unknown = || SignalError::new(ErrorCode::ResumeUnknown, "this session is over; join again");
        let key = ResumeKey::parse(&resume.key.0).ok_or_else(unknown)?;
        if let (true, Route::There(node)) = (may_lead_on, self.api.node.route_of(&key)) {
            return Ok(First::Elsewhere(node));
        }
        let named = key.clone();
        let input = Input::Resume {
            socket: self.key,
            request,
            versions: resume.versions,
            key,
            last_seq: resume.last_seq,
        };
        self.api
            .node
            .resume(&named, self.key, input)
            .await
            .map(First::Entered)
            .ok_or_else(unknown)
    }

    /// Carries frames both ways. True when the room refused the client, who may try again.
    pub(super) async fn converse(&mut self, mut attached: Attached) -> bool {
        let mut pings = tokio::time::interval(self.api.config.ping_interval);
        pings.reset();
        let mut silent_pings = 0;
        let mut going_away = false;
        let mut is_answered = false;
        loop {
            tokio::select! {
                frame = attached.next_frame() => match frame {
                    Some(SocketFrame::Text(text)) => {
                        if !std::mem::replace(&mut is_answered, true) {
                            self.count_join("ok");
                        }
                        let behind = std::iter::from_fn(|| attached.next_text()).take(TEXTS_AT_ONCE);
                        let texts = std::iter::once(text).chain(behind).map(room::Frame::into_text);
                        if !matches!(timeout(WRITE_TIMEOUT, self.line.write_texts(texts)).await, Ok(true)) {
                            break;
                        }
                    }
                    Some(SocketFrame::Refused(text)) => {
                        self.count_join("refused");
                        self.give_token_back();
                        return self.write(Written::Text(text.into_text())).await;
                    }
                    Some(SocketFrame::Close { code, reason }) => {
                        self.close(code, reason).await;
                        return false;
                    }
                    None if attached.is_over() => {
                        self.close(RESTART, "the room has ended").await;
                        return false;
                    }
                    // The room let go of the socket without a word: it was too slow to be told more.
                    None => {
                        self.close(TOO_SLOW, "too slow").await;
                        return false;
                    }
                },
                frame = self.line.read() => {
                    silent_pings = 0;
                    let message = match frame {
                        Frame::Text(text) => decode(&text),
                        Frame::Binary => Err(binary_refused()),
                        Frame::Alive => continue,
                        Frame::TooBig => {
                            self.close(TOO_BIG, "message too large").await;
                            break;
                        }
                        Frame::GoingAway => {
                            going_away = true;
                            break;
                        }
                        Frame::Closed => break,
                    };
                    let result = message.as_ref().map_or_else(|error| error.code.as_str(), |_| "ok");
                    self.api.node.metrics().messages.with_label_values(&[result]).inc();
                    // A room that takes no more has ended; what it said last, and why, is still to be written.
                    let _ = attached.send(Input::Message { socket: self.key, message }).await;
                }
                // A socket that another node holds is watched over there.
                _ = pings.tick(), if !self.line.is_relay() => {
                    silent_pings += 1;
                    if silent_pings > 2 || !self.write(Written::Ping).await {
                        break;
                    }
                }
            }
        }
        // A room that has ended needs no telling.
        let closed = Input::SocketClosed {
            socket: self.key,
            going_away,
        };
        let _ = attached.send(closed).await;
        false
    }

    pub(super) fn count_join(&self, result: &str) {
        self.api.node.metrics().joins.with_label_values(&[result]).inc();
    }

    pub(super) async fn write(&mut self, written: Written) -> bool {
        matches!(timeout(WRITE_TIMEOUT, self.line.write(written)).await, Ok(true))
    }

    /// Answers without a session. `None` when the socket is gone.
    pub(super) async fn refuse(&mut self, error: &SignalError, re: Option<u32>) -> Option<()> {
        self.answer(re, &error.to_message()).await
    }

    /// The same with any message.
    async fn answer(&mut self, re: Option<u32>, message: &ServerMessage) -> Option<()> {
        let text = frame(None, re, &encode(message));
        self.write(Written::Text(text)).await.then_some(())
    }

    pub(super) async fn close(&mut self, code: u16, reason: &str) {
        let reason = reason.to_owned();
        self.write(Written::Close { code, reason }).await;
        // What the client is still sending is read and thrown away: a socket that is dropped with unread bytes is reset, and
        // what was written last may be lost with it.
        let line = &mut self.line;
        let farewell = async {
            while matches!(line.read().await, Frame::Text(_) | Frame::Binary | Frame::Alive) {}
            if code == TOO_BIG {
                line.drain().await;
            }
        };
        let _ = timeout(FAREWELL_TIMEOUT, farewell).await;
    }
}

pub(super) fn binary_refused() -> SignalError {
    SignalError::new(
        ErrorCode::BinaryNotSupported,
        "signalling is text; binary frames are not read",
    )
}

pub(super) fn refused(error: TokenError) -> SignalError {
    SignalError::new(error.code(), error.to_string())
}

/// What the room has to know of a token's permissions.
pub(super) fn room_grant(grant: &Grant) -> room::Grant {
    let permissions = &grant.permissions;
    let base = if permissions.allow_mod {
        room::Grant::MODERATE
    } else {
        room::Grant::JOIN
    };
    // A token that could be verified allows one of the three ways in.
    room::Grant {
        ask: !permissions.allow_mod && !permissions.allow_join,
        link: permissions.link,
        judge: base.judge || permissions.link_accept,
        named: grant.participant.is_some(),
        ..base
    }
}
