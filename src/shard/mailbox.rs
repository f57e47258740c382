//! The shard's mailbox: how the other planes reach it, and how it answers.
//!
//! | queue | capacity | when full |
//! |---|---|---|
//! | mail (control and handshake → shard) | 4 096 | the sender waits; the shard drains it in every turn, before its socket |
//! | events (shard → room) | given by the room's task | levels and statistics are dropped (the next ones replace them); state changes are kept and tried again |
//! | datagrams (shard → handshake) | given by the handshake task | dropped and counted: DTLS retransmits |
//! | tapped (shard → recorder) | given by the recorder | dropped and counted: the recording has a gap, and goes on with the next keyframe |

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::mpsc as light;
use tokio::sync::mpsc;

use super::command::{ShardCommand, ShardId, TransportKey};
use super::counters::ShardCounters;
use super::event::ShardEvent;
use super::tap::TapMail;
use crate::media::{Demand, SourceKey};

/// How many messages wait for a shard before senders do.
const MAIL_CAPACITY: usize = 4_096;

/// What a shard is told.
#[derive(Debug)]
pub enum Mail {
    /// A room begins; its number is the high half of its keys.
    RoomOpened {
        /// The node-unique number of the room.
        number: u32,
        /// Where its events go.
        events: mpsc::Sender<ShardEvent>,
    },
    /// A room is over: whatever it left behind is removed.
    RoomClosed {
        /// The node-unique number of the room.
        number: u32,
    },
    /// Where the DTLS datagrams of a transport go.
    Handshake {
        /// The transport.
        transport: TransportKey,
        /// The handshake task's inbox.
        datagrams: light::Sender<Bytes>,
    },
    /// From a room or a handshake task.
    Command(ShardCommand),
    /// From another shard: its replica of this source needs a keyframe.
    KeyframeWanted {
        /// The source, at home here.
        source: SourceKey,
        /// Which encoding.
        encoding: u8,
    },
    /// From another shard: what is wanted there of this source.
    Demand {
        /// The source, at home here.
        source: SourceKey,
        /// Which shard.
        from: ShardId,
        /// All that is wanted there, in place of what it said before.
        demand: Demand,
    },
    /// From a room or a recorder.
    Tap(TapMail),
    /// Finish.
    Stop,
}

/// A shard seen from outside: cheap to clone.
#[derive(Clone, Debug)]
pub struct ShardHandle {
    /// Which shard.
    pub id: ShardId,
    /// The port its clients send to.
    pub local_addr: SocketAddr,
    /// What it counts.
    pub counters: Arc<ShardCounters>,
    mail: mpsc::Sender<Mail>,
    waker: Arc<mio::Waker>,
}

/// The shard is gone (the node is stopping).
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the shard has stopped")]
pub struct Stopped;

impl ShardHandle {
    pub(super) fn new(
        id: ShardId,
        local_addr: SocketAddr,
        counters: Arc<ShardCounters>,
        waker: Arc<mio::Waker>,
    ) -> (Self, mpsc::Receiver<Mail>) {
        let (mail, inbox) = mpsc::channel(MAIL_CAPACITY);
        (
            Self {
                id,
                local_addr,
                counters,
                mail,
                waker,
            },
            inbox,
        )
    }

    /// Delivers one message, waiting while the mailbox is full.
    pub async fn send(&self, mail: Mail) -> Result<(), Stopped> {
        self.mail.send(mail).await.map_err(|_| Stopped)?;
        self.wake();
        Ok(())
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.mail.max_capacity() - self.mail.capacity()
    }

    /// Delivers one message if there is room, for senders that may not wait.
    pub fn try_send(&self, mail: Mail) -> bool {
        let sent = self.mail.try_send(mail).is_ok();
        if sent {
            self.wake();
        }
        sent
    }

    fn wake(&self) {
        // Fails only when the shard's poll is gone, and then nobody waits for the message.
        let _ = self.waker.wake();
    }
}
