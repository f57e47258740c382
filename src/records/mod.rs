//! What is kept beyond the life of a room: rooms that were made ahead, sessions and who was in them, and webhooks that wait to be taken.
//!
//! [`Store`] is the database (redb: one file, pure Rust, every change a transaction) and has one writer, the keeper of
//! [`crate::node`]; any number may read. [`Courier`] decides which webhook goes when. Neither waits, and nothing here comes near media.
//!
//! Sessions may be kept in PostgreSQL as well, those of all nodes together ([`Archive`]). What happens is written here first, with a mark that it
//! is not there yet; whenever the other database can be reached, marks are worked off. So it may be away for as long as it likes.

mod archive;
mod config;
mod courier;
mod room;
mod session;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod webhook;

pub use archive::{Archive, ArchiveError, Line};
pub use config::{PostgresConfig, PostgresUrl, RecordsConfig, WebhookKey, WebhookSecret, WebhooksConfig};
pub use courier::{Courier, Outcome, Waiting};
pub use room::{AutoClose, RoomRecord, RoomSettings, RoomWebhook};
pub use session::{EndWord, LinkRecord, MediaRecord, SampleRecord, SessionRecord, StayRecord};
pub use store::{Applied, Batch, Edit, Edited, Mark, Page, Piece, Store, What};
pub use table::rfc3339;
pub use webhook::{Letter, WEBHOOK_TYPES};

/// Why something cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// The database said no.
    #[error("the records cannot be read or written: {0}")]
    Database(#[from] redb::Error),
    /// What is written there is not what this version writes.
    #[error("a record cannot be understood: {0}")]
    Damaged(#[from] serde_json::Error),
    /// The file is of another version.
    #[error("the records were written by version {0} of their format; this server reads version {1}")]
    Version(u64, u64),
    /// Where to keep them.
    #[error("the folder of the records cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// What is counted of them has no place.
    #[error("metrics cannot be registered: {0}")]
    Metrics(String),
}

macro_rules! from_redb {
    ($($error:ident),*) => {
        $(impl From<redb::$error> for RecordsError {
            fn from(error: redb::$error) -> Self {
                RecordsError::Database(error.into())
            }
        })*
    };
}

from_redb!(CommitError, DatabaseError, StorageError, TableError, TransactionError);
