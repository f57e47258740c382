//! The queue from a room to one socket, bounded in messages and in bytes. The room never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

use crate::room::Frame;

/// Frames that wait for one slow socket before it is closed.
const FRAMES_MAX: usize = 1_024;
/// And their bytes. The welcome into a large room alone may be more; a frame is let into an empty queue whatever its size.
const BYTES_MAX: usize = 2 << 20;

/// What a socket writes.
#[derive(Debug)]
pub enum SocketFrame {
    /// A text frame.
    Text(Frame),
    /// The answer to a `join` or `resume` that failed; the client may try again on the same socket.
    Refused(Frame),
    /// A close frame, the last.
    Close {
        /// RFC 6455 section 7.4.
        code: u16,
        /// A word.
        reason: &'static str,
    },
}

impl SocketFrame {
    fn len(&self) -> usize {
        match self {
            SocketFrame::Text(text) | SocketFrame::Refused(text) => text.as_str().len(),
            SocketFrame::Close { .. } => 0,
        }
    }
}

/// The room's end.
#[derive(Debug)]
pub(super) struct FrameSender {
    frames: mpsc::Sender<SocketFrame>,
    queued_bytes: Arc<AtomicUsize>,
}

/// The socket's end.
#[derive(Debug)]
pub struct FrameReceiver {
    frames: mpsc::Receiver<SocketFrame>,
    queued_bytes: Arc<AtomicUsize>,
}

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// The socket does not read as fast as the room speaks.
    TooSlow,
    /// The socket is gone.
    Gone,
}

/// A new queue.
pub(super) fn queue() -> (FrameSender, FrameReceiver) {
    let (sender, receiver) = mpsc::channel(FRAMES_MAX);
    let queued_bytes = Arc::new(AtomicUsize::new(0));
    let frames = FrameSender {
        frames: sender,
        queued_bytes: Arc::clone(&queued_bytes),
    };
    let socket = FrameReceiver {
        frames: receiver,
        queued_bytes,
    };
    (frames, socket)
}

impl FrameSender {
    /// Takes the frame, or says why not. Never waits.
    pub(super) fn send(&self, frame: SocketFrame) -> Result<(), NotTaken> {
        let bytes = frame.len();
        let queued = self.queued_bytes.load(Relaxed);
        if queued > 0 && queued + bytes > BYTES_MAX {
            return Err(NotTaken::TooSlow);
        }
        // Before the frame can be taken out again, so that the count never falls below what is there.
        self.queued_bytes.fetch_add(bytes, Relaxed);
        self.frames.try_send(frame).map_err(|error| {
            self.queued_bytes.fetch_sub(bytes, Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => NotTaken::TooSlow,
                mpsc::error::TrySendError::Closed(_) => NotTaken::Gone,
            }
        })
    }
}

impl FrameSender {
    /// How many frames wait.
    pub(super) fn waiting(&self) -> usize {
        self.frames.max_capacity() - self.frames.capacity()
    }
}

impl FrameReceiver {
    /// The next frame; `None` when the room has let go of the socket.
    pub async fn recv(&mut self) -> Option<SocketFrame> {
        let frame = self.frames.recv().await?;
        self.queued_bytes.fetch_sub(frame.len(), Relaxed);
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: usize) -> SocketFrame {
        SocketFrame::Text(Frame::new("x".repeat(bytes)))
    }

    #[tokio::test]
    async fn a_queue_holds_so_many_bytes_and_has_room_again_when_they_are_read() {
        let (room, mut socket) = queue();
        assert_eq!(room.send(text(BYTES_MAX)), Ok(()));
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
        assert!(socket.recv().await.is_some());
        assert_eq!(room.send(text(1)), Ok(()));
    }

    #[tokio::test]
    async fn a_single_frame_may_be_larger_than_the_queue() {
        let (room, _socket) = queue();
        assert_eq!(room.send(text(BYTES_MAX * 2)), Ok(()));
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
    }

    #[tokio::test]
    async fn a_queue_holds_so_many_frames() {
        let (room, socket) = queue();
        for _ in 0..FRAMES_MAX {
            assert_eq!(room.send(text(1)), Ok(()));
        }
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
        drop(socket);
        assert_eq!(room.send(text(1)), Err(NotTaken::Gone));
    }
}
