//! A socket in a room, as `api` holds it; and why there may be none.

use super::directory::RoomHandle;
use super::room_task::RoomMessage;
use super::{FrameReceiver, SocketFrame};
use crate::cluster::NodeId;
use crate::room::{Frame, Input};
use crate::wire::ErrorCode;

/// Why nobody is let in now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The node is going away.
    #[error("this node is shutting down; connect again")]
    Draining,
    /// The node has as many rooms as it may have.
    #[error("this server has as many rooms as it may have; try again later")]
    Full,
    /// Nobody is in the room, and it was not to begin.
    #[error("nobody is in the room")]
    NoRoom,
    /// What is there already keeps the node busy.
    #[error("this server has no time for somebody new; try again in a moment")]
    Late,
    /// The room ended again and again while it was being entered.
    #[error("the room could not be entered; try again")]
    Busy,
    /// Another node has the room.
    #[error("the room is on another node; try again")]
    Elsewhere(NodeId),
    /// Who has the room cannot be asked.
    #[error("the other nodes cannot be reached; try again in a moment")]
    Cut,
}

impl Closed {
    /// The code of the client protocol.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Closed::Draining => ErrorCode::NodeDraining,
            Closed::Full => ErrorCode::RoomLimit,
            Closed::NoRoom => ErrorCode::RoomNotFound,
            Closed::Late | Closed::Busy | Closed::Elsewhere(_) => ErrorCode::Overloaded,
            Closed::Cut => ErrorCode::ClusterUnreachable,
        }
    }
}

/// The node's side of a socket: where its frames come from, and where its messages go.
pub struct Attached {
    /// Already taken out of the queue: the room's answer, or what came behind the last text.
    pub(super) next: Option<SocketFrame>,
    pub(super) frames: FrameReceiver,
    /// The room it belongs to.
    pub(super) room: RoomHandle,
}

impl Attached {
    /// The next frame to write; `None` when the room has let go of the socket.
    pub async fn next_frame(&mut self) -> Option<SocketFrame> {
        match self.next.take() {
            Some(next) => Some(next),
            None => self.frames.recv().await,
        }
    }

    /// The next frame, if it is there already and a text, so that it can be written with the one before.
    pub fn next_text(&mut self) -> Option<Frame> {
        if self.next.is_none() {
            self.next = self.frames.ready();
        }
        match self.next.take()? {
            SocketFrame::Text(text) => Some(text),
            other @ (SocketFrame::Refused(_) | SocketFrame::Close { .. }) => {
                self.next = Some(other);
                None
            }
        }
    }

    /// Whether the room is over, so that it can let go of nobody for being slow.
    pub fn is_over(&self) -> bool {
        self.room.inbox.is_closed()
    }

    /// Passes on what the client sent. Waits while the room is busy.
    ///
    /// # Errors
    /// When the room is gone.
    pub async fn send(&self, input: Input) -> Result<(), Closed> {
        self.room
            .inbox
            .send(RoomMessage::Input(input))
            .await
            .map_err(|_| Closed::Busy)
    }
}
