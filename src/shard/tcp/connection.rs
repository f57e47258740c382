//! One TCP connection: what waits to be completed, what waits to be sent.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use super::framing::{self, FRAME_BYTES_MAX, LENGTH_BYTES};
use crate::media::TransportSlot;

/// Most bytes that wait for a client that does not read fast enough: half a second of a small video. Media is better
/// dropped than late, so what does not fit is dropped, in whole frames.
pub(super) const QUEUE_BYTES_MAX: usize = 64 << 10;

/// The kernel takes no more than this ahead of what it can send at once (`TCP_NOTSENT_LOWAT`): what waits should wait in our
/// queue, which is bounded, and not in a buffer that grows to seconds of media.
#[cfg(target_os = "linux")]
const KERNEL_UNSENT_BYTES: u32 = 32 << 10;

/// One connection. Until a valid check has come over it, it is nothing but itself.
pub(super) struct Connection {
    stream: mio::net::TcpStream,
    /// The client's address.
    pub(super) from: SocketAddr,
    pub(super) generation: u32,
    /// Whose datagrams come over it, once a check has shown it.
    pub(super) slot: Option<TransportSlot>,
    /// When it was accepted, or something came over it once it was proven.
    pub(super) alive_at: Instant,
    /// Frames before the first valid check.
    pub(super) strange: u16,
    /// Noted as having something to read.
    pub(super) is_ready: bool,
    /// The beginning of a frame, less than [`FRAME_BYTES_MAX`] long.
    partial: Vec<u8>,
    /// Whole frames behind the rest of the one that is being sent. Empty: the kernel takes more.
    queue: Vec<u8>,
    /// How much of `queue` is sent.
    sent: usize,
}

/// What became of a frame on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// Sent, or queued whole.
    Taken,
    /// The queue has no room for all frames; so many were dropped.
    Dropped(u64),
    /// The connection is broken.
    Broken,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// The buffer begins with so many bytes of the stream, the earlier partial frame first. There may be more.
    Bytes(usize),
    /// Nothing more for now.
    Nothing,
    /// The client has closed it.
    End,
    /// It is broken.
    Broken,
}

impl Connection {
    pub(super) fn new(stream: mio::net::TcpStream, from: SocketAddr, generation: u32, now: Instant) -> Self {
        // What cannot be set costs latency and no more.
        let _ = stream.set_nodelay(true);
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES);
        Self {
            stream,
            from,
            generation,
            slot: None,
            alive_at: now,
            strange: 0,
            is_ready: false,
            partial: Vec::new(),
            queue: Vec::new(),
            sent: 0,
        }
    }

    pub(super) fn source(&mut self) -> &mut mio::net::TcpStream {
        &mut self.stream
    }

    /// Reads into `buffer`, which is larger than a frame, behind what is left from before.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Brought {
        let kept = self.partial.len();
        buffer[..kept].copy_from_slice(&self.partial);
        loop {
            return match self.stream.read(&mut buffer[kept..]) {
                Ok(0) => Brought::End,
                Ok(len) => {
                    self.partial.clear();
                    Brought::Bytes(kept + len)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Brought::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => Brought::Broken,
            };
        }
    }

    /// Keeps the beginning of a frame until the rest comes.
    pub(super) fn keep(&mut self, partial: &[u8]) {
        debug_assert!(
            partial.len() < LENGTH_BYTES + FRAME_BYTES_MAX,
            "or it would be a whole frame"
        );
        self.partial.extend_from_slice(partial);
    }

    /// Sends `contents`, cut into frames of `segment` bytes (the last may be shorter). `scratch` is replaced.
    pub(super) fn send(&mut self, contents: &[u8], segment: usize, scratch: &mut Vec<u8>) -> Sent {
        if !self.queue.is_empty() {
            return self.queue_frames(contents, segment);
        }
        scratch.clear();
        for frame in contents.chunks(segment.max(1)) {
            framing::push(scratch, frame);
        }
        match write(&mut self.stream, scratch) {
            Ok(sent) => {
                // Less than one batch of the egress, which fits.
                self.queue.extend_from_slice(&scratch[sent..]);
                Sent::Taken
            }
            Err(_) => Sent::Broken,
        }
    }

    fn queue_frames(&mut self, contents: &[u8], segment: usize) -> Sent {
        let mut dropped = 0;
        for frame in contents.chunks(segment.max(1)) {
            let waiting = self.queue.len() - self.sent;
            if waiting + LENGTH_BYTES + frame.len() > QUEUE_BYTES_MAX {
                dropped += 1;
                continue;
            }
            if self.queue.len() + LENGTH_BYTES + frame.len() > QUEUE_BYTES_MAX {
                self.queue.drain(..self.sent);
                self.sent = 0;
            }
            framing::push(&mut self.queue, frame);
        }
        if dropped > 0 {
            Sent::Dropped(dropped)
        } else {
            Sent::Taken
        }
    }

    /// The kernel takes more: sends what waits. False when the connection is broken.
    pub(super) fn flush(&mut self) -> bool {
        if self.queue.is_empty() {
            return true;
        }
        match write(&mut self.stream, &self.queue[self.sent..]) {
            Ok(sent) => {
                self.sent += sent;
                if self.sent == self.queue.len() {
                    // Given back: most connections never wait again.
                    self.queue = Vec::new();
                    self.sent = 0;
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// Writes until everything is taken or the kernel takes no more; how much it took.
fn write(stream: &mut mio::net::TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match stream.write(&bytes[sent..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => sent += len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}
