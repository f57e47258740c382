//! What several nodes need of each other's records: rooms that are the same on all of them, and lists that are put together.

use std::ops::Bound;

use redb::{ReadableDatabase, ReadableTableMetadata};

use super::{Batch, Edit, Edited, META_KEY, Page, Store};
use crate::records::session::SessionRecord;
use crate::records::table::{BY_ROOM, BY_START, META, ROOMS, SESSIONS, bytes, get};
use crate::records::{RecordsError, RoomRecord};

impl Edit {
    /// What comes of it where this is known of the room, at this time.
    pub fn onto(self, known: Option<RoomRecord>, is_full: bool, now_ms: u64) -> Edited {
        let Edit { mut record, before } = self;
        match (known, before) {
            (Some(known), Some(before)) if known.version == before => {
                record.created_ms = known.created_ms;
                record.used |= known.used;
                record.version = before + 1;
            }
            (Some(known), _) => return Edited::Other(known),
            (None, Some(_)) => return Edited::Missing,
            (None, None) if is_full => return Edited::Full,
            (None, None) => {
                record.created_ms = now_ms;
                record.version = 1;
            }
        }
        record.updated_ms = now_ms;
        Edited::Kept(record)
    }
}

impl Batch<'_> {
    /// Takes in a room as all nodes keep it. Answers how it is now, and whether anything has changed by it here; what finds no place is
    /// as it came.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt(&mut self, kept: RoomRecord) -> Result<(RoomRecord, bool), RecordsError> {
        let mut rooms = self.transaction.open_table(ROOMS)?;
        let known: Option<RoomRecord> = get(&rooms, kept.room.as_str())?;
        if known.is_none() && rooms.len()? >= self.store.config.max_rooms as u64 {
            self.applied.not_kept += 1;
            return Ok((kept, false));
        }
        let room = match &known {
            Some(known) => RoomRecord::together(kept, known.clone()),
            None => kept,
        };
        let changed = known.as_ref() != Some(&room);
        if changed {
            rooms.insert(room.room.as_str(), bytes(&room)?.as_slice())?;
        }
        Ok((room, changed))
    }

    /// Takes in the key pair that signs the webhooks of all nodes.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt_key(&mut self, key: &[u8]) -> Result<(), RecordsError> {
        self.transaction.open_table(META)?.insert(META_KEY, key)?;
        Ok(())
    }

    /// Somebody is in a room. Other nodes cannot see that in their own sessions.
    pub(super) fn use_room(&mut self, room: &str) -> Result<(), RecordsError> {
        let mut rooms = self.transaction.open_table(ROOMS)?;
        if let Some(mut record) = get::<RoomRecord>(&rooms, room)?
            && !record.used
        {
            record.used = true;
            rooms.insert(room, bytes(&record)?.as_slice())?;
            self.applied.rooms.push(record);
        }
        Ok(())
    }
}

impl Store {
    /// Whether no more rooms may be made.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn is_full(&self) -> Result<bool, RecordsError> {
        let rooms = self.database.begin_read()?.open_table(ROOMS)?;
        Ok(rooms.len()? >= self.config.max_rooms as u64)
    }

    /// Rooms that were made ahead, by their ids, after this one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rooms_after(&self, after: Option<&str>, most: usize) -> Result<Page<RoomRecord>, RecordsError> {
        let rooms = self.database.begin_read()?.open_table(ROOMS)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut items = Vec::new();
        for entry in rooms.range::<&str>((from, Bound::Unbounded))?.take(most) {
            items.push(serde_json::from_slice(entry?.1.value())?);
        }
        let total = rooms.len()?;
        Ok(Page { items, total })
    }

    /// Sessions of a room, or all, the newest first, of those that are older than this one (its start and its id).
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn sessions_before(
        &self,
        room: Option<&str>,
        before: Option<(u64, &str)>,
        most: usize,
    ) -> Result<Page<SessionRecord>, RecordsError> {
        let read = self.database.begin_read()?;
        let (start, id) = before.unwrap_or((u64::MAX, ""));
        let mut found: Vec<String> = Vec::new();
        let total = match room {
            Some(room) => {
                let by_room = read.open_table(BY_ROOM)?;
                for entry in by_room.range((room, 0, "")..(room, start, id))?.rev().take(most) {
                    found.push(entry?.0.value().2.to_owned());
                }
                by_room.range((room, 0, "")..(room, u64::MAX, ""))?.count() as u64
            }
            None => {
                let by_start = read.open_table(BY_START)?;
                for entry in by_start.range((0, "")..(start, id))?.rev().take(most) {
                    found.push(entry?.0.value().1.to_owned());
                }
                by_start.len()?
            }
        };
        let sessions = read.open_table(SESSIONS)?;
        let mut items = Vec::new();
        for session in found {
            items.extend(get::<SessionRecord>(&sessions, &session)?);
        }
        Ok(Page { items, total })
    }
}
