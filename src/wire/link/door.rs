//! The door between the text of a frame and its type, and the lengths that every frame has to keep.

use std::sync::Arc;

use super::{LinkBody, LinkChat, LinkFrame, LinkMessage, LinkSwitch, Person};
use crate::wire::{
    Json,
    json::{ShapeError, check_shape},
    limits::{CHAT_BYTES_MAX, DISPLAY_NAME_BYTES_MAX, TOKEN_BYTES_MAX},
};

pub use crate::wire::limits::PAYLOAD_BYTES_MAX;

/// Bytes of a frame, as JSON.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// People in one message.
pub const PEOPLE_MAX: usize = 500;
/// Bytes of the ids of links, room sessions and chat messages.
pub const NAME_BYTES_MAX: usize = 128;

/// Why a frame is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More than [`FRAME_BYTES_MAX`].
    #[error("the frame has more than {FRAME_BYTES_MAX} bytes")]
    TooLarge,
    /// Too deep or too many values.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// No JSON, or not that of a frame.
    #[error("this is no frame of the link protocol")]
    NoFrame,
    /// A part of it is longer than it may be.
    #[error("{0} is too long")]
    TooLong(&'static str),
}

/// Reads a frame.
///
/// # Errors
/// [`FrameError`]: it is too large, misshapen, no frame, or keeps no lengths.
pub fn decode(text: &str) -> Result<LinkFrame, FrameError> {
    if text.len() > FRAME_BYTES_MAX {
        return Err(FrameError::TooLarge);
    }
    check_shape(text)?;
    let frame: LinkFrame = serde_json::from_str(text).map_err(|_| FrameError::NoFrame)?;
    frame.check()?;
    Ok(frame)
}

/// Writes a frame.
pub fn encode(frame: &LinkFrame) -> Arc<str> {
    Arc::from(serde_json::to_string(frame).expect("frames have only string keys, so they can be written"))
}

fn at_most(limit: usize, len: usize, what: &'static str) -> Result<(), FrameError> {
    if len > limit {
        return Err(FrameError::TooLong(what));
    }
    Ok(())
}

fn payload(payload: Option<&Json>) -> Result<(), FrameError> {
    at_most(
        PAYLOAD_BYTES_MAX,
        payload.map_or(0, |json| json.as_str().len()),
        "payload",
    )
}

impl LinkFrame {
    /// Does every part keep its length? Frames that never were text are checked by this alone.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] with the part that does not.
    pub fn check(&self) -> Result<(), FrameError> {
        at_most(NAME_BYTES_MAX, self.link.0.len(), "link")?;
        at_most(NAME_BYTES_MAX, self.from.session.len(), "session")?;
        at_most(
            NAME_BYTES_MAX,
            self.to_session.as_ref().map_or(0, |session| session.len()),
            "toSession",
        )?;
        match &self.body {
            LinkBody::Request { payload: told, by, .. } => {
                payload(told.as_ref())?;
                by.check()
            }
            LinkBody::Data { message, .. } => message.check(),
            LinkBody::Pending
            | LinkBody::Accept { .. }
            | LinkBody::Refuse { .. }
            | LinkBody::Ack { .. }
            | LinkBody::Close { .. } => Ok(()),
        }
    }
}

impl LinkMessage {
    fn check(&self) -> Result<(), FrameError> {
        match self {
            LinkMessage::Snapshot { participants, .. } => {
                at_most(PEOPLE_MAX, participants.len(), "participants")?;
                participants.iter().try_for_each(Person::check)
            }
            LinkMessage::Roster { joined, left } => {
                at_most(PEOPLE_MAX, joined.len().max(left.len()), "joined")?;
                joined.iter().try_for_each(Person::check)
            }
            LinkMessage::Chat(chat) => chat.check(),
            LinkMessage::Switch(switch) => switch.check(),
            LinkMessage::End { by } => by.check(),
            LinkMessage::Gap { .. } | LinkMessage::Reply { .. } => Ok(()),
        }
    }
}

impl Person {
    fn check(&self) -> Result<(), FrameError> {
        at_most(DISPLAY_NAME_BYTES_MAX, self.display_name.len(), "displayName")
    }
}

impl LinkChat {
    /// Does every part keep its length?
    ///
    /// # Errors
    /// [`FrameError::TooLong`] with the part that does not.
    pub fn check(&self) -> Result<(), FrameError> {
        at_most(NAME_BYTES_MAX, self.message.len(), "message")?;
        at_most(CHAT_BYTES_MAX, self.text.len(), "text")?;
        self.from.check()
    }
}

impl LinkSwitch {
    /// Does every part keep its length?
    ///
    /// # Errors
    /// [`FrameError::TooLong`] with the part that does not.
    pub fn check(&self) -> Result<(), FrameError> {
        at_most(TOKEN_BYTES_MAX, self.token.0.len(), "token")?;
        payload(self.payload.as_ref())?;
        self.by.check()
    }
}
