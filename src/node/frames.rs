//! The queue from a room to one socket, bounded in messages and in bytes. The room never waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_channel::mpsc;
use futures_util::StreamExt as _;

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

/// What waits in one.
#[derive(Debug, Default)]
struct Queued {
    frames: AtomicUsize,
    bytes: AtomicUsize,
}

impl Queued {
    fn add(&self, bytes: usize) {
        self.frames.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn sub(&self, bytes: usize) {
        self.frames.fetch_sub(1, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }
}

/// The room's end.
#[derive(Debug)]
pub(super) struct FrameSender {
    frames: mpsc::Sender<SocketFrame>,
    queued: Arc<Queued>,
}

/// The socket's end.
#[derive(Debug)]
pub struct FrameReceiver {
    frames: mpsc::Receiver<SocketFrame>,
    queued: Arc<Queued>,
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
    // A sender has one place beside those of the channel.
    let (sender, receiver) = mpsc::channel(FRAMES_MAX - 1);
    let queued = Arc::new(Queued::default());
    let frames = FrameSender {
        frames: sender,
        queued: Arc::clone(&queued),
    };
    let socket = FrameReceiver {
        frames: receiver,
        queued,
    };
    (frames, socket)
}

impl FrameSender {
    /// Takes the frame, or says why not. Never waits.
    pub(super) fn send(&mut self, frame: SocketFrame) -> Result<(), NotTaken> {
        let bytes = frame.len();
        let queued = self.queued.bytes.load(Relaxed);
        if queued > 0 && queued + bytes > BYTES_MAX {
            return Err(NotTaken::TooSlow);
        }
        // Before the frame can be taken out again, so that the count never falls below what is there.
        self.queued.add(bytes);
        self.frames.try_send(frame).map_err(|error| {
            self.queued.sub(bytes);
            if error.is_full() {
                NotTaken::TooSlow
            } else {
                NotTaken::Gone
            }
        })
    }

    /// How many frames wait.
    pub(super) fn waiting(&self) -> usize {
        self.queued.frames.load(Relaxed)
    }
}

impl FrameReceiver {
    /// The next frame; `None` when the room has let go of the socket.
    pub async fn recv(&mut self) -> Option<SocketFrame> {
        let frame = self.frames.next().await?;
        self.queued.sub(frame.len());
        Some(frame)
    }

    /// The next frame, if it is there already.
    pub(super) fn ready(&mut self) -> Option<SocketFrame> {
        let frame = self.frames.try_recv().ok()?;
        self.queued.sub(frame.len());
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
        let (mut room, mut socket) = queue();
        assert_eq!(room.send(text(BYTES_MAX)), Ok(()));
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
        assert!(socket.recv().await.is_some());
        assert_eq!(room.send(text(1)), Ok(()));
    }

    #[tokio::test]
    async fn a_single_frame_may_be_larger_than_the_queue() {
        let (mut room, _socket) = queue();
        assert_eq!(room.send(text(BYTES_MAX * 2)), Ok(()));
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
    }

    #[tokio::test]
    async fn a_queue_holds_so_many_frames() {
        let (mut room, socket) = queue();
        for _ in 0..FRAMES_MAX {
            assert_eq!(room.send(text(1)), Ok(()));
        }
        assert_eq!(room.send(text(1)), Err(NotTaken::TooSlow));
        drop(socket);
        assert_eq!(room.send(text(1)), Err(NotTaken::Gone));
    }
}
