//! A signalling socket, held by this node or by another.

use axum::extract::ws::{Message, WebSocket};

use crate::cluster::RelayEnd;
use crate::node::{Relay, RelayEvent};

/// What a browser closes with when the page of the socket is closed, reloaded or left (RFC 6455 section 7.4.1).
const GOING_AWAY: u16 = 1001;
/// A close frame without a code (RFC 6455 section 7.4.1).
const NO_CODE: u16 = 1005;

/// Where texts come from and go to.
pub(super) enum Line {
    /// Our own socket.
    Socket(Box<WebSocket>),
    /// One that another node holds; nothing once it is over.
    Relay(Option<Relay>),
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
            Line::Socket(socket) => match socket.recv().await {
                Some(Ok(Message::Text(text))) => Frame::Text(text.to_string()),
                Some(Ok(Message::Binary(_))) => Frame::Binary,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => Frame::Alive,
                Some(Err(error)) if error.to_string().contains("too long") => Frame::TooBig,
                Some(Ok(Message::Close(Some(close)))) if close.code == GOING_AWAY => Frame::GoingAway,
                Some(Ok(Message::Close(_)) | Err(_)) | None => Frame::Closed,
            },
            Line::Relay(None) => Frame::Closed,
            Line::Relay(Some(relay)) => match relay.recv().await {
                RelayEvent::Text(text) => Frame::Text(text),
                RelayEvent::End(RelayEnd::Gone { going_away: true }) => Frame::GoingAway,
                RelayEvent::End(_) => Frame::Closed,
            },
        }
    }

    /// False when it is gone.
    pub(super) async fn write(&mut self, message: Message) -> bool {
        match (self, message) {
            (Line::Socket(socket), message) => socket.send(message).await.is_ok(),
            (Line::Relay(None), _) => false,
            (Line::Relay(Some(relay)), Message::Text(text)) => relay.send(&text).await.is_ok(),
            (line, Message::Close(close)) => {
                let named = |close: axum::extract::ws::CloseFrame| (close.code, close.reason.to_string());
                let (code, reason) = close.map_or((NO_CODE, String::new()), named);
                line.end(RelayEnd::Close { code, reason }).await;
                true
            }
            // Pings are the business of who holds the socket.
            (Line::Relay(Some(_)), Message::Ping(_) | Message::Pong(_) | Message::Binary(_)) => true,
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
