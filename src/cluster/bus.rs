//! What nodes need of whatever joins them: messages, questions, and tables with compare-and-set.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

/// Something that is being done.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// What comes in at a subject.
pub type Deliveries = Pin<Box<dyn Stream<Item = Delivery> + Send>>;
/// What happens in a table.
pub type Changes = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// How nodes reach each other. Subjects are words joined by dots, letters, digits, `-` and `_`; whoever names one names it exactly.
pub trait Bus: Send + Sync + fmt::Debug {
    /// Gives this to whoever listens at the subject. In order, but it may get lost.
    fn publish(&self, subject: String, payload: Bytes) -> Doing<'_, Result<(), BusError>>;
    /// The same, and waits for an answer to it.
    fn ask(&self, subject: String, payload: Bytes, patience: Duration) -> Doing<'_, Result<Bytes, BusError>>;
    /// What comes in at the subject from now on. Ends when the bus has lost its way and it has to be asked for anew.
    fn listen(&self, subject: String) -> Doing<'_, Result<Deliveries, BusError>>;
    /// An entry as it is now, not as it was for somebody else.
    fn read(&self, table: Table, key: String) -> Doing<'_, Result<Option<Entry>, BusError>>;
    /// Writes an entry whose revision is `after`, or that is not there (`None`). Answers its new revision.
    fn write(&self, table: Table, key: String, value: Bytes, after: Option<u64>) -> Doing<'_, Result<u64, WriteError>>;
    /// Removes an entry whose revision is `after`.
    fn remove(&self, table: Table, key: String, after: u64) -> Doing<'_, Result<(), WriteError>>;
    /// What is in a table, then what changes. Ends as [`Bus::listen`] does.
    fn watch(&self, table: Table) -> Doing<'_, Result<Changes, BusError>>;
}

/// The tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// Leases of nodes, by node.
    Nodes,
    /// Owners of rooms, by room.
    Rooms,
    /// What was revoked, by the name of the revocation.
    Revocations,
    /// Rooms that were made ahead, by room.
    Made,
    /// Keys that all nodes sign with, by what for.
    Keys,
}

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What.
    pub payload: Bytes,
    /// Where an answer is to be published, if one is waited for.
    pub reply: Option<String>,
}

/// What a table holds under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What.
    pub value: Bytes,
    /// Goes up with each change.
    pub revision: u64,
}

/// A table has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub key: String,
    /// What is there now.
    pub entry: Option<Entry>,
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BusError {
    /// The bus does not answer.
    #[error("the bus cannot be reached")]
    Unreachable,
    /// Nobody listens there.
    #[error("nobody listens there")]
    Nobody,
    /// Nobody answered in time.
    #[error("nobody answered in time")]
    Late,
    /// More than a message may hold.
    #[error("too large for a message")]
    TooLarge,
}

/// Why nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The entry is another than was named.
    #[error("somebody else wrote it meanwhile")]
    Conflict,
    /// It may have been written or not.
    #[error(transparent)]
    Bus(#[from] BusError),
}
