//! A signalling socket, held by this node or by another.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::AsyncReadExt as _;
use tokio_websockets::{CloseCode, Error, Message};

use super::socket::WebSocket;
use crate::cluster::RelayEnd;
use crate::node::{Relay, RelayEvent};

/// What a browser closes with when the page of the socket is closed, reloaded or left (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// Most bytes of a reason to close (RFC 6455 section 5.5).
const REASON_LEN_MAX: usize = 123;

/// Where texts come from and go to.
pub(super) enum Line {
    /// Our own socket.
    Socket(Box<WebSocket>),
    /// One that another node holds; nothing once it is over.
    Relay(Option<Relay>),
}

/// What a client is written.
pub(super) enum Written {
    Text(String),
    Ping,
    Close { code: u16, reason: String },
}

/// What a client's frame is.
pub(super) enum Frame {
    Text(String),
    Binary,
    /// Ping, pong: alive, nothing else.
    Alive,
    TooBig,
    /// The page is going away (1001): nobody will resume.
    GoingAway,
    Closed,
}

impl Line {
    pub(super) fn is_relay(&self) -> bool {
        matches!(self, Line::Relay(_))
    }

    pub(super) async fn read(&mut self) -> Frame {
        match self {
            Line::Socket(socket) => {
                // Answers to its pings are gone before more is read: of whoever asks and does not read, nothing piles up here.
                if socket.flush().await.is_err() {
                    return Frame::Closed;
                }
                match socket.next().await {
                    Some(Ok(message)) => frame(&message),
                    Some(Err(Error::PayloadTooLong { .. })) => Frame::TooBig,
                    Some(Err(_)) | None => Frame::Closed,
                }
            }
            Line::Relay(None) => Frame::Closed,
            Line::Relay(Some(relay)) => match relay.recv().await {
                RelayEvent::Text(text) => Frame::Text(text),
                RelayEvent::End(RelayEnd::Gone { going_away: true }) => Frame::GoingAway,
                RelayEvent::End(_) => Frame::Closed,
            },
        }
    }

    /// False when it is gone.
    pub(super) async fn write(&mut self, written: Written) -> bool {
        match (self, written) {
            (Line::Socket(socket), written) => socket.send(message(written)).await.is_ok(),
            (Line::Relay(None), Written::Text(_) | Written::Ping) => false,
            (Line::Relay(Some(relay)), Written::Text(text)) => relay.send(&text).await.is_ok(),
            (line @ Line::Relay(_), Written::Close { code, reason }) => {
                line.end(RelayEnd::Close { code, reason }).await;
                true
            }
            // Pings are the business of who holds the socket.
            (Line::Relay(Some(_)), Written::Ping) => true,
        }
    }

    /// Several texts, with as few writes as hold them. False when it is gone.
    pub(super) async fn write_texts(&mut self, texts: impl Iterator<Item = String>) -> bool {
        match self {
            Line::Socket(socket) => {
                for text in texts {
                    if socket.feed(Message::text(text)).await.is_err() {
                        return false;
                    }
                }
                socket.flush().await.is_ok()
            }
            Line::Relay(None) => false,
            Line::Relay(Some(relay)) => {
                for text in texts {
                    if relay.send(&text).await.is_err() {
                        return false;
                    }
                }
                true
            }
        }
    }

    /// Reads what a client of a socket of our own still sends, until it stops.
    pub(super) async fn drain(&mut self) {
        if let Line::Socket(socket) = self {
            let mut waste = vec![0; 4096];
            while matches!(socket.get_mut().read(&mut waste).await, Ok(1..)) {}
        }
    }

    /// Ends a relay; a socket of our own is closed by a message.
    pub(super) async fn end(&mut self, end: RelayEnd) {
        if let Line::Relay(relay) = self
            && let Some(relay) = relay.take()
        {
            relay.end(end).await;
        }
    }
}

fn frame(message: &Message) -> Frame {
    if let Some(text) = message.as_text() {
        return Frame::Text(text.to_owned());
    }
    match message.as_close() {
        Some((code, _)) if u16::from(code) == GOING_AWAY => Frame::GoingAway,
        Some(_) => Frame::Closed,
        None if message.is_binary() => Frame::Binary,
        None => Frame::Alive,
    }
}

fn message(written: Written) -> Message {
    match written {
        Written::Text(text) => Message::text(text),
        Written::Ping => Message::ping(""),
        Written::Close { code, reason } => {
            let code = CloseCode::try_from(code).ok().filter(|code| !code.is_reserved());
            let end = (0..=REASON_LEN_MAX.min(reason.len()))
                .rev()
                .find(|at| reason.is_char_boundary(*at));
            Message::close(code, &reason[..end.unwrap_or_default()])
        }
    }
}
