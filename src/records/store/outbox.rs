//! What the archive has not heard of yet. A mark says which record changed; what it says is read when it goes, so that ten changes of one
//! stay go as one, and there are never more marks than records.

use std::sync::atomic::Ordering;

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use super::{Batch, LINKS, OUTBOX, SESSIONS, STAYS, Store};
use crate::records::RecordsError;
use crate::records::session::{LinkRecord, SessionRecord, StayRecord};

const SESSION: u8 = 0;
const STAY: u8 = 1;
const LINK: u8 = 2;

/// That a record has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    session: String,
    kind: u8,
    number: u32,
    /// Which change it was: a later one has a mark of its own.
    change: u64,
}

/// A record that the archive is to have.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// What to strike off once it has it.
    pub mark: Mark,
    /// Of which session.
    pub session: String,
    /// What it is, as it is now.
    pub what: What,
}

/// One of the kinds of records there are.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The session itself.
    Session(SessionRecord),
    /// A stay, with its number.
    Stay(u32, StayRecord),
    /// A link, with its number.
    Link(u32, LinkRecord),
}

/// Makes the table, and gives the number of the next mark. Without an archive there are no marks.
pub(super) fn open(transaction: &WriteTransaction, is_wanted: bool) -> Result<u64, RecordsError> {
    let mut outbox = transaction.open_table(OUTBOX)?;
    if !is_wanted {
        outbox.retain(|_, _| false)?;
    }
    let mut last = 0;
    for entry in outbox.iter()? {
        last = last.max(entry?.1.value());
    }
    Ok(last + 1)
}

/// A name that no other database has.
pub(super) fn new_writer() -> String {
    let mut bytes = [0_u8; 12];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Store {
    /// Under which name this database writes into the archive.
    pub fn writer(&self) -> &str {
        &self.writer
    }

    /// How many marks there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn marks(&self) -> Result<u64, RecordsError> {
        use redb::ReadableDatabase;
        Ok(self.database.begin_read()?.open_table(OUTBOX)?.len()?)
    }

    /// Records that the archive is to have, at most so many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn pieces(&self, most: usize) -> Result<Vec<Piece>, RecordsError> {
        use redb::ReadableDatabase;
        let read = self.database.begin_read()?;
        let (sessions, stays, links) = (
            read.open_table(SESSIONS)?,
            read.open_table(STAYS)?,
            read.open_table(LINKS)?,
        );
        let mut pieces = Vec::new();
        for entry in read.open_table(OUTBOX)?.iter()?.take(most) {
            let (key, change) = entry?;
            let (session, kind, number) = key.value();
            let what = match kind {
                STAY => match stays.get((session, number))? {
                    Some(record) => Some(What::Stay(number, serde_json::from_slice(record.value())?)),
                    None => None,
                },
                LINK => match links.get((session, number))? {
                    Some(record) => Some(What::Link(number, serde_json::from_slice(record.value())?)),
                    None => None,
                },
                _ => match sessions.get(session)? {
                    Some(record) => Some(What::Session(serde_json::from_slice(record.value())?)),
                    None => None,
                },
            };
            let mark = Mark {
                session: session.to_owned(),
                kind,
                number,
                change: change.value(),
            };
            // What is forgotten takes its marks with it.
            pieces.extend(what.map(|what| Piece {
                mark,
                session: session.to_owned(),
                what,
            }));
        }
        Ok(pieces)
    }
}

impl Batch<'_> {
    /// The archive has these. What has changed meanwhile stays marked.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn archived(&mut self, marks: &[Mark]) -> Result<(), RecordsError> {
        let mut outbox = self.transaction.open_table(OUTBOX)?;
        for mark in marks {
            let key = (mark.session.as_str(), mark.kind, mark.number);
            let is_same = outbox.get(key)?.is_some_and(|change| change.value() == mark.change);
            if is_same {
                outbox.remove(key)?;
            }
        }
        Ok(())
    }

    /// The archive knows nothing of this database: everything is marked.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn mark_all(&mut self) -> Result<(), RecordsError> {
        let mut outbox = self.transaction.open_table(OUTBOX)?;
        let change = self.store.next_mark.fetch_add(1, Ordering::Relaxed);
        for entry in self.transaction.open_table(SESSIONS)?.iter()? {
            outbox.insert((entry?.0.value(), SESSION, 0), change)?;
            self.applied.marked += 1;
        }
        for (table, kind) in [(STAYS, STAY), (LINKS, LINK)] {
            for entry in self.transaction.open_table(table)?.iter()? {
                let key = entry?.0;
                outbox.insert((key.value().0, kind, key.value().1), change)?;
                self.applied.marked += 1;
            }
        }
        Ok(())
    }

    pub(super) fn mark_session(&mut self, session: &str) -> Result<(), RecordsError> {
        self.mark(session, SESSION, 0)
    }

    pub(super) fn mark_stay(&mut self, session: &str, number: u32) -> Result<(), RecordsError> {
        self.mark(session, STAY, number)
    }

    pub(super) fn mark_link(&mut self, session: &str, number: u32) -> Result<(), RecordsError> {
        self.mark(session, LINK, number)
    }

    fn mark(&mut self, session: &str, kind: u8, number: u32) -> Result<(), RecordsError> {
        if self.store.config.postgres.is_none() {
            return Ok(());
        }
        let change = self.store.next_mark.fetch_add(1, Ordering::Relaxed);
        let mut outbox = self.transaction.open_table(OUTBOX)?;
        outbox.insert((session, kind, number), change)?;
        self.applied.marked += 1;
        Ok(())
    }

    /// A session is forgotten, and its marks with it.
    pub(super) fn unmark(&mut self, session: &str) -> Result<(), RecordsError> {
        if self.store.config.postgres.is_none() {
            return Ok(());
        }
        let mut outbox = self.transaction.open_table(OUTBOX)?;
        let before = outbox.len()?;
        outbox.retain_in((session, 0, 0)..=(session, u8::MAX, u32::MAX), |_, _| false)?;
        self.applied.not_archived += before - outbox.len()?;
        Ok(())
    }
}
