//! The database: opening it, reading it, and one transaction for whatever has happened since the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::InMemoryBackend;
use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::room::RoomRecord;
use super::session::{LinkRecord, SessionRecord, StayRecord};
use super::table::{
    BY_ROOM, BY_START, LINKS, META, OPEN, OUTBOX, REVOCATIONS, ROOMS, SESSIONS, SPOOL, STAYS, bytes, get,
};
use super::webhook::Letter;
use super::{RecordsConfig, RecordsError, Waiting, WebhooksConfig};

mod outbox;
mod shared;
mod write;

pub use outbox::{Mark, Piece, What};

/// Of the format of the records.
const VERSION: u64 = 1;
/// Memory for pages of the database.
const CACHE_BYTES: usize = 16 << 20;
/// Where the version stands in the table of everything there is one of.
const META_VERSION: &str = "version";
/// The last time anything was written.
const META_LAST: &str = "last-ms";
/// The key pair that signs webhooks.
const META_KEY: &str = "signing-key";
/// Under which name this database writes into the archive.
const META_WRITER: &str = "writer";

/// What is kept, on a disk or in memory.
pub struct Store {
    database: Database,
    config: RecordsConfig,
    webhooks: WebhooksConfig,
    next_letter: AtomicU64,
    next_mark: AtomicU64,
    writer: String,
}

/// Changes that are kept together or not at all.
pub struct Batch<'a> {
    store: &'a Store,
    transaction: WriteTransaction,
    now_ms: u64,
    applied: Applied,
}

/// What came of a batch, once it is kept.
#[derive(Debug, Default, PartialEq)]
pub struct Applied {
    /// Webhooks that wait to be sent from now on.
    pub queued: Vec<Waiting>,
    /// Webhooks that had to make room for newer ones.
    pub crowded_out: Vec<u64>,
    /// Stays and links that are not kept, because their session has too many.
    pub not_kept: u64,
    /// Changes that the archive has to hear of.
    pub marked: u64,
    /// What was forgotten here before the archive had it.
    pub not_archived: u64,
    /// Rooms made ahead that have changed by what happened in them.
    pub rooms: Vec<RoomRecord>,
}

/// A change of a room that was made ahead, or is made now.
#[derive(Clone, Debug)]
pub struct Edit {
    /// As it is to be; its version and times are set when it is kept.
    pub record: RoomRecord,
    /// The version that was changed; `None`: the room is made, if it is not there.
    pub before: Option<u64>,
}

/// What became of an [`Edit`].
#[derive(Clone, Debug, PartialEq)]
pub enum Edited {
    /// It is kept.
    Kept(RoomRecord),
    /// This is there, made or changed by somebody else.
    Other(RoomRecord),
    /// There is no such room to be changed.
    Missing,
    /// There are as many rooms as there may be.
    Full,
}

/// Some of a longer list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// These.
    pub items: Vec<T>,
    /// Of so many.
    pub total: u64,
}

impl Store {
    /// Opens what is there, or begins anew.
    ///
    /// # Errors
    /// When the file cannot be opened (another process has it, for one) or is of another version.
    pub fn open(config: RecordsConfig, webhooks: WebhooksConfig) -> Result<Self, RecordsError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = match &config.directory {
            Some(directory) => {
                std::fs::create_dir_all(directory)?;
                builder.create(directory.join("records.redb"))?
            }
            None => builder.create_with_backend(InMemoryBackend::new())?,
        };
        let transaction = database.begin_write()?;
        let (next, next_mark, writer) = {
            // Opening makes them, so that whoever reads finds all of them.
            transaction.open_table(ROOMS)?;
            transaction.open_table(SESSIONS)?;
            transaction.open_table(BY_START)?;
            transaction.open_table(BY_ROOM)?;
            transaction.open_table(OPEN)?;
            transaction.open_table(STAYS)?;
            transaction.open_table(LINKS)?;
            transaction.open_table(REVOCATIONS)?;
            let mut meta = transaction.open_table(META)?;
            let version = get::<u64>(&meta, META_VERSION)?;
            match version {
                Some(VERSION) => {}
                None => drop(meta.insert(META_VERSION, bytes(&VERSION)?.as_slice())?),
                Some(other) => return Err(RecordsError::Version(other, VERSION)),
            }
            let writer = match get::<String>(&meta, META_WRITER)? {
                Some(known) => known,
                None => {
                    let made = outbox::new_writer();
                    meta.insert(META_WRITER, bytes(&made)?.as_slice())?;
                    made
                }
            };
            let next_mark = outbox::open(&transaction, config.postgres.is_some())?;
            let spool = transaction.open_table(SPOOL)?;
            let next = spool.last()?.map_or(1, |(id, _)| id.value() + 1);
            (next, next_mark, writer)
        };
        transaction.commit()?;
        Ok(Self {
            database,
            config,
            webhooks,
            next_letter: AtomicU64::new(next),
            next_mark: AtomicU64::new(next_mark),
            writer,
        })
    }

    /// Begins a batch, at this time (milliseconds since 1970). There is one at a time.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn write(&self, now_ms: u64) -> Result<Batch<'_>, RecordsError> {
        Ok(Batch {
            store: self,
            transaction: self.database.begin_write()?,
            now_ms,
            applied: Applied::default(),
        })
    }

    /// Every webhook that waits, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn waiting(&self) -> Result<Vec<Waiting>, RecordsError> {
        let spool = self.database.begin_read()?.open_table(SPOOL)?;
        let mut waiting = Vec::new();
        for entry in spool.iter()? {
            let (id, letter) = entry?;
            let letter: Letter = serde_json::from_slice(letter.value())?;
            waiting.push(waiting_of(id.value(), &letter));
        }
        Ok(waiting)
    }

    /// A webhook that waits.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn letter(&self, id: u64) -> Result<Option<Letter>, RecordsError> {
        let spool = self.database.begin_read()?.open_table(SPOOL)?;
        match spool.get(id)? {
            Some(letter) => Ok(Some(serde_json::from_slice(letter.value())?)),
            None => Ok(None),
        }
    }

    /// A room that was made ahead, and whether anybody has been in it.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn room(&self, room: &str) -> Result<Option<(RoomRecord, bool)>, RecordsError> {
        let read = self.database.begin_read()?;
        let Some(record) = get::<RoomRecord>(&read.open_table(ROOMS)?, room)? else {
            return Ok(None);
        };
        let by_room = read.open_table(BY_ROOM)?;
        let was_used = record.used || by_room.range((room, 0, "")..(room, u64::MAX, ""))?.next().is_some();
        Ok(Some((record, was_used)))
    }

    /// Whether nobody who reads waits for a disk.
    pub fn is_in_memory(&self) -> bool {
        self.config.directory.is_none()
    }

    /// Rooms that were made ahead, by their ids.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rooms(&self, skip: usize, take: usize) -> Result<Page<RoomRecord>, RecordsError> {
        let rooms = self.database.begin_read()?.open_table(ROOMS)?;
        let mut items = Vec::new();
        for entry in rooms.iter()?.skip(skip).take(take) {
            items.push(serde_json::from_slice(entry?.1.value())?);
        }
        let total = rooms.len()?;
        Ok(Page { items, total })
    }

    /// A session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn session(&self, session: &str) -> Result<Option<SessionRecord>, RecordsError> {
        get(&self.database.begin_read()?.open_table(SESSIONS)?, session)
    }

    /// Who was in a session, in the order in which they came; at most so many stays.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn stays(&self, session: &str, most: usize) -> Result<Vec<StayRecord>, RecordsError> {
        let stays = self.database.begin_read()?.open_table(STAYS)?;
        let mut found = Vec::new();
        for entry in stays.range((session, 0)..=(session, u32::MAX))?.take(most) {
            found.push(serde_json::from_slice(entry?.1.value())?);
        }
        Ok(found)
    }

    /// The links of a session, in the order in which they opened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn links(&self, session: &str) -> Result<Vec<LinkRecord>, RecordsError> {
        let links = self.database.begin_read()?.open_table(LINKS)?;
        let mut found = Vec::new();
        for entry in links.range((session, 0)..=(session, u32::MAX))? {
            found.push(serde_json::from_slice(entry?.1.value())?);
        }
        Ok(found)
    }

    /// What was revoked and has not ended at this time (seconds since 1970): names, ends, and what was kept with them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn revocations(&self, now: u64) -> Result<Vec<(String, u64, Vec<u8>)>, RecordsError> {
        let revocations = self.database.begin_read()?.open_table(REVOCATIONS)?;
        let mut found = Vec::new();
        for entry in revocations.iter()? {
            let (name, value) = entry?;
            let (until, what) = value.value();
            if until > now {
                found.push((name.value().to_owned(), until, what.to_owned()));
            }
        }
        Ok(found)
    }

    /// How long webhooks may take, and whom they may reach.
    pub const fn webhooks(&self) -> &WebhooksConfig {
        &self.webhooks
    }

    fn next_letter(&self) -> u64 {
        self.next_letter.fetch_add(1, Ordering::Relaxed)
    }
}

fn waiting_of(id: u64, letter: &Letter) -> Waiting {
    Waiting {
        id,
        endpoint: Arc::from(letter.endpoint.as_str()),
        session: Arc::from(letter.session.as_str()),
    }
}
