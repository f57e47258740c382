//! What waits on a path until the pacer lets it go. In the clear: it is numbered and sealed when it leaves.

use crate::media::Traffic;

use super::plain::Plain;

/// Bytes in front that have left are given back when there are so many of them, or when all have left.
const COMPACT_BYTES: usize = 64 << 10;

/// Packets of one kind, first in, first out.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    packets: Vec<Plain>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn first(&self) -> Option<&Plain> {
        self.packets.first()
    }

    /// Takes a packet out of a store.
    pub(super) fn push(&mut self, packet: &Plain, store: &[u8]) {
        let head = self.bytes.len();
        self.bytes.extend_from_slice(packet.head(store));
        let body = self.bytes.len();
        self.bytes.extend_from_slice(packet.body(store));
        self.packets.push(Plain {
            head: head as u32,
            body: body as u32,
            ..*packet
        });
    }

    /// Those in front for which `leaves` says yes go through `send`, with the store they are in.
    pub(super) fn release(&mut self, mut leaves: impl FnMut(&Plain) -> bool, send: impl FnOnce(&[u8], &[Plain])) {
        let count = self.packets.iter().take_while(|packet| leaves(packet)).count();
        if count == 0 {
            return;
        }
        send(&self.bytes, &self.packets[..count]);
        self.packets.drain(..count);
        let Some(first) = self.packets.first() else {
            self.bytes.clear();
            return;
        };
        let gone = first.head;
        if gone as usize >= COMPACT_BYTES {
            self.bytes.drain(..gone as usize);
            for packet in &mut self.packets {
                packet.head -= gone;
                packet.body -= gone;
            }
        }
    }

    /// Forgets the packets of these SSRCs: how many they were, and their bytes.
    fn forget(&mut self, ssrcs: &[u32]) -> (usize, usize) {
        let Self { bytes, packets } = self;
        let (count, mut len) = (packets.len(), 0);
        packets.retain(|packet| {
            let goes = packet.ssrc(bytes).is_some_and(|ssrc| ssrcs.contains(&ssrc));
            len += if goes { packet.len() } else { 0 };
            !goes
        });
        let gone = count - packets.len();
        if packets.is_empty() {
            bytes.clear();
        }
        (gone, len)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
        self.bytes.shrink_to(COMPACT_BYTES);
    }
}

/// All that waits on one path.
#[derive(Debug, Default)]
pub(super) struct Queue {
    resent: Backlog,
    video: Backlog,
    /// Bytes as UDP payload, nearly.
    len: usize,
}

/// What may wait, in the order it leaves.
pub(super) const WAITING: [Traffic; 2] = [Traffic::Resent, Traffic::Video];

impl Queue {
    /// Bytes of all that waits.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The next to leave.
    pub(super) fn first(&self) -> Option<&Plain> {
        self.resent.first().or(self.video.first())
    }

    /// Whether anything of this kind, which may wait, does.
    pub(super) fn has(&self, traffic: Traffic) -> bool {
        match traffic {
            Traffic::Resent => !self.resent.is_empty(),
            Traffic::Video => !self.video.is_empty(),
            Traffic::Audio | Traffic::Padding => false,
        }
    }

    /// Takes a packet out of a store.
    pub(super) fn push(&mut self, packet: &Plain, store: &[u8]) {
        self.len += packet.len();
        match packet.traffic {
            Traffic::Resent => self.resent.push(packet, store),
            Traffic::Video | Traffic::Audio | Traffic::Padding => self.video.push(packet, store),
        }
    }

    /// See [`Backlog::release`].
    pub(super) fn release(
        &mut self,
        traffic: Traffic,
        mut leaves: impl FnMut(&Plain) -> bool,
        send: impl FnOnce(&[u8], &[Plain]),
    ) {
        let mut gone = 0;
        let leaves = |packet: &Plain| {
            let yes = leaves(packet);
            gone += if yes { packet.len() } else { 0 };
            yes
        };
        match traffic {
            Traffic::Resent => self.resent.release(leaves, send),
            Traffic::Video => self.video.release(leaves, send),
            Traffic::Audio | Traffic::Padding => {}
        }
        self.len -= gone;
    }

    /// Forgets the packets of these SSRCs, and says how many they were.
    pub(super) fn forget(&mut self, ssrcs: &[u32]) -> usize {
        let (resent, resent_len) = self.resent.forget(ssrcs);
        let (video, video_len) = self.video.forget(ssrcs);
        self.len -= resent_len + video_len;
        resent + video
    }

    /// Packets that wait.
    pub(super) fn packets(&self) -> usize {
        self.resent.packets.len() + self.video.packets.len()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.resent.clear();
        self.video.clear();
        self.len = 0;
    }
}
