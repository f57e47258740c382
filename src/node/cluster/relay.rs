//! A signalling socket that one node holds and another, which has the room, speaks through. Both ends are the same.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::node_subject;
use crate::cluster::{BusError, Directory, NodeId, Note, RelayEnd, RelayNote, pack};
use crate::wire::limits::OFFER_BYTES_MAX;

/// Texts that wait at one end. Whoever is slower than that loses the socket, and resumes.
const WAITING_MAX: usize = 256;
/// And their bytes; a text is let in where nothing waits, whatever its size.
const WAITING_BYTES_MAX: usize = 4 << 20;
/// A text is cut into parts of this many bytes: buses carry no more than a megabyte at once.
const PART_BYTES: usize = 256 << 10;
/// No text is longer: what a client may send, and what a room says to somebody who comes into a large one.
const TEXT_BYTES_MAX: usize = OFFER_BYTES_MAX * 4;

/// What comes out at one end.
#[derive(Debug, PartialEq, Eq)]
pub enum RelayEvent {
    /// The other end says this.
    Text(String),
    /// It is over. The last.
    End(RelayEnd),
}

/// Which relay, seen from one of its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RelayKey {
    other: NodeId,
    relay: u64,
    /// Whether this end holds the socket.
    holder: bool,
}

/// One end of a relay.
#[derive(Debug)]
pub struct Relay {
    key: RelayKey,
    next: u64,
    events: mpsc::Receiver<RelayEvent>,
    /// Bytes of texts that wait in there.
    waiting: Arc<AtomicUsize>,
    relays: Arc<Relays>,
    ended: bool,
}

/// All ends at this node.
#[derive(Debug)]
pub(super) struct Relays {
    directory: Arc<Directory>,
    last: AtomicU64,
    ends: Mutex<HashMap<RelayKey, Inlet>>,
}

/// Where what comes in for one end is put in order.
#[derive(Debug)]
struct Inlet {
    next: u64,
    text: Vec<u8>,
    events: mpsc::Sender<RelayEvent>,
    waiting: Arc<AtomicUsize>,
}

/// Something that came in was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Parts are missing, or make no text.
    Broken,
    /// This end does not keep up.
    TooSlow,
}

impl Inlet {
    /// Takes in one part. True when it was the last.
    fn take(&mut self, seq: u64, part: RelayNote, body: &[u8]) -> Result<bool, Fault> {
        if seq != self.next {
            return Err(Fault::Broken);
        }
        self.next += 1;
        match part {
            RelayNote::Text { more } => {
                if self.text.len() + body.len() > TEXT_BYTES_MAX {
                    return Err(Fault::Broken);
                }
                self.text.extend_from_slice(body);
                if !more {
                    let text = String::from_utf8(std::mem::take(&mut self.text)).map_err(|_| Fault::Broken)?;
                    let before = self.waiting.fetch_add(text.len(), Ordering::Relaxed);
                    if before > 0 && before + text.len() > WAITING_BYTES_MAX {
                        return Err(Fault::TooSlow);
                    }
                    self.events
                        .try_send(RelayEvent::Text(text))
                        .map_err(|_| Fault::TooSlow)?;
                }
                Ok(false)
            }
            RelayNote::End(end) => {
                self.events.try_send(RelayEvent::End(end)).map_err(|_| Fault::TooSlow)?;
                Ok(true)
            }
        }
    }
}

impl Relays {
    pub(super) fn new(directory: Arc<Directory>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            last: AtomicU64::new(0),
            ends: Mutex::default(),
        })
    }

    /// A new relay from here to the node that has, or is to have, the room.
    pub(super) fn open(self: &Arc<Self>, to: NodeId) -> Relay {
        let key = RelayKey {
            other: to,
            relay: self.last.fetch_add(1, Ordering::Relaxed),
            holder: true,
        };
        self.end(key)
    }

    fn end(self: &Arc<Self>, key: RelayKey) -> Relay {
        let (sender, events) = mpsc::channel(WAITING_MAX);
        let waiting = Arc::<AtomicUsize>::default();
        let inlet = Inlet {
            next: 0,
            text: Vec::new(),
            events: sender,
            waiting: Arc::clone(&waiting),
        };
        self.ends().insert(key.clone(), inlet);
        Relay {
            key,
            next: 0,
            events,
            waiting,
            relays: Arc::clone(self),
            ended: false,
        }
    }

    /// A part came in. `Ok(Some)`: of a relay that begins with it. `Err`: the other end has to be told that it is over.
    pub(super) fn take(
        self: &Arc<Self>,
        from: NodeId,
        relay: u64,
        from_holder: bool,
        (seq, part, body): (u64, RelayNote, &[u8]),
    ) -> Result<Option<Relay>, ()> {
        let key = RelayKey {
            other: from,
            relay,
            holder: !from_holder,
        };
        let is_end = matches!(part, RelayNote::End(_));
        let known = self.ends().contains_key(&key);
        let begun = match known {
            true => None,
            false if from_holder && seq == 0 && !is_end => Some(self.end(key.clone())),
            // What is over is not told so once more.
            false if is_end => return Ok(None),
            false => return Err(()),
        };
        let mut ends = self.ends();
        let Some(inlet) = ends.get_mut(&key) else {
            return Ok(begun);
        };
        match inlet.take(seq, part, body) {
            Ok(false) => Ok(begun),
            Ok(true) => {
                ends.remove(&key);
                Ok(begun)
            }
            Err(fault) => {
                // Its receiver sees the end of the queue behind what is in it.
                ends.remove(&key);
                tracing::info!(?fault, "a relayed socket is let go of");
                Err(())
            }
        }
    }

    /// The end of a part that belongs to nothing here.
    pub(super) async fn refuse(&self, to: NodeId, relay: u64, from_holder: bool) {
        let note = Note::Relay {
            relay,
            holder: !from_holder,
            // Whatever number it waits for: an end without a place is taken for one all the same.
            seq: u64::MAX,
            part: RelayNote::End(RelayEnd::Broken),
        };
        let packed = pack(self.directory.own(), note, &[]);
        // The other end notices by silence, or when it speaks again.
        let _lost = self.directory.bus().publish(node_subject(&to), packed).await;
    }

    /// The other end says that nothing is known of this relay.
    pub(super) fn broken(&self, from: NodeId, relay: u64, from_holder: bool) {
        let key = RelayKey {
            other: from,
            relay,
            holder: !from_holder,
        };
        self.ends().remove(&key);
    }

    /// A node is gone, and all relays to it with it.
    pub(super) fn gone(&self, node: &NodeId) {
        self.ends().retain(|key, _| key.other != *node);
    }

    pub(super) fn len(&self) -> usize {
        self.ends().len()
    }

    fn ends(&self) -> MutexGuard<'_, HashMap<RelayKey, Inlet>> {
        // Nothing in here can leave it half changed.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay {
    /// What the other end says next. When the way is lost: [`RelayEnd::Broken`].
    pub async fn recv(&mut self) -> RelayEvent {
        let Some(event) = self.events.recv().await else {
            // Let go of here: the other end has still to be told.
            return RelayEvent::End(RelayEnd::Broken);
        };
        match &event {
            RelayEvent::Text(text) => drop(self.waiting.fetch_sub(text.len(), Ordering::Relaxed)),
            RelayEvent::End(_) => self.ended = true,
        }
        event
    }

    /// Says a text.
    ///
    /// # Errors
    /// When the bus does not take it; then the relay is of no use any more.
    pub async fn send(&mut self, text: &str) -> Result<(), BusError> {
        let mut parts = text.as_bytes().chunks(PART_BYTES).peekable();
        while let Some(part) = parts.next() {
            let more = parts.peek().is_some();
            self.say(RelayNote::Text { more }, part).await?;
        }
        Ok(())
    }

    /// Says that it is over.
    pub async fn end(mut self, end: RelayEnd) {
        if !self.ended {
            self.ended = true;
            // The other end notices by silence.
            let _lost = self.say(RelayNote::End(end), &[]).await;
        }
    }

    async fn say(&mut self, part: RelayNote, body: &[u8]) -> Result<(), BusError> {
        let note = Note::Relay {
            relay: self.key.relay,
            holder: self.key.holder,
            seq: self.next,
            part,
        };
        self.next += 1;
        let directory = &self.relays.directory;
        let packed: Bytes = pack(directory.own(), note, body);
        directory.bus().publish(node_subject(&self.key.other), packed).await
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.relays.ends().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inlet() -> (Inlet, mpsc::Receiver<RelayEvent>) {
        let (sender, events) = mpsc::channel(2);
        let inlet = Inlet {
            next: 0,
            text: Vec::new(),
            events: sender,
            waiting: Arc::default(),
        };
        (inlet, events)
    }

    #[tokio::test]
    async fn parts_become_texts_again_and_a_missing_one_is_noticed() {
        let (mut inlet, mut events) = inlet();
        let text = |more| RelayNote::Text { more };
        assert_eq!(inlet.take(0, text(true), b"gr\xc3"), Ok(false));
        assert_eq!(inlet.take(1, text(false), b"\xbcn"), Ok(false));
        assert_eq!(events.recv().await, Some(RelayEvent::Text("grün".to_owned())));
        assert_eq!(inlet.take(3, text(false), b"lost one"), Err(Fault::Broken));
        assert_eq!(inlet.take(2, text(false), b"\xff"), Err(Fault::Broken), "no text");
        assert_eq!(inlet.take(3, text(false), b"a"), Ok(false));
        assert_eq!(inlet.take(4, text(false), b"b"), Ok(false));
        assert_eq!(inlet.take(5, text(false), b"c"), Err(Fault::TooSlow));
    }
}
