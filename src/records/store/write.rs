//! What is written when something happens.

use redb::{ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Applied, Batch, Edit, Edited, META_KEY, META_LAST, waiting_of};
use crate::records::session::{EndWord, LinkRecord, SessionRecord, StayRecord};
use crate::records::table::{
    BY_ROOM, BY_START, LINKS, META, OPEN, REVOCATIONS, ROOMS, SESSIONS, SPOOL, STAYS, bytes, get,
};
use crate::records::webhook::{Letter, Told};
use crate::records::{RecordsError, RoomRecord};
use crate::room::{Happening, RoomEvent};

/// Stays kept of one session.
const STAYS_MAX: u32 = 10_000;
/// Links kept of one session.
const LINKS_MAX: u32 = 1_000;
/// Sessions that are forgotten at a time.
const FORGET_MAX: usize = 256;

type Numbered = TableDefinition<'static, (&'static str, u32), &'static [u8]>;

impl Batch<'_> {
    /// Something happened in a room. What does not fit, because something before it was lost, changes nothing.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn event(&mut self, event: &RoomEvent) -> Result<(), RecordsError> {
        let at_ms = event.at_ms;
        let known = self.session(&event.session)?;
        if let (Happening::Recording(info), Some(mut session)) = (&event.what, known.clone()) {
            self.tell(&mut session, &Told::Recording(info))?;
            return self.put_session(&session);
        }
        let Some(mut session) = known.filter(|known| known.end_ms.is_none()) else {
            return match &event.what {
                Happening::SessionStarted => self.start(event),
                Happening::SessionEnded { .. }
                | Happening::Joined { .. }
                | Happening::Left { .. }
                | Happening::Published { .. }
                | Happening::Unpublished { .. }
                | Happening::LinkOpened { .. }
                | Happening::LinkClosed { .. }
                | Happening::Recording(_)
                | Happening::Measured { .. } => Ok(()),
            };
        };
        match &event.what {
            Happening::SessionStarted | Happening::Recording(_) => {}
            Happening::SessionEnded { reason } => return self.end(session, at_ms, (*reason).into()),
            Happening::Joined {
                stay,
                participant,
                display_name,
                mode,
            } => {
                let record = StayRecord {
                    participant: participant.clone(),
                    name: display_name.clone(),
                    mode: *mode,
                    start_ms: at_ms,
                    end_ms: None,
                    reason: None,
                    media: Vec::new(),
                    samples: Vec::new(),
                };
                if session.stays < STAYS_MAX {
                    session.stays += 1;
                    self.put_stay(&session.session, *stay, &record)?;
                } else {
                    session.stays_lost += 1;
                    self.applied.not_kept += 1;
                }
                self.tell(&mut session, &Told::Joined(&record))?;
            }
            Happening::Left {
                stay,
                participant,
                display_name,
                reason,
            } => {
                let mut record = match self.numbered(STAYS, &session.session, *stay)? {
                    Some(record) => record,
                    // One of too many: those outside were told that it came.
                    None if session.stays_lost > 0 => StayRecord {
                        participant: participant.clone(),
                        name: display_name.clone(),
                        mode: crate::wire::signal::Mode::default(),
                        start_ms: at_ms,
                        end_ms: None,
                        reason: None,
                        media: Vec::new(),
                        samples: Vec::new(),
                    },
                    None => return Ok(()),
                };
                record.name.clone_from(display_name);
                record.end(at_ms, Some(*reason));
                self.put_if_there(&session.session, *stay, &record)?;
                self.tell(&mut session, &Told::Left(&record))?;
            }
            Happening::Published {
                stay,
                publication,
                source,
            } => return self.change(&session, *stay, |one| one.publish(*publication, *source, at_ms)),
            Happening::Unpublished { stay, publication } => {
                return self.change(&session, *stay, |one| one.unpublish(*publication, at_ms));
            }
            Happening::LinkOpened { link } => {
                let record = LinkRecord {
                    link: link.clone(),
                    start_ms: at_ms,
                    end_ms: None,
                    reason: None,
                };
                if session.links < LINKS_MAX {
                    self.put_link(&session.session, session.links, &record)?;
                    session.links += 1;
                } else {
                    self.applied.not_kept += 1;
                }
                self.tell(&mut session, &Told::LinkOpened(&record))?;
            }
            Happening::LinkClosed { link, reason } => {
                let open = self
                    .open_of::<LinkRecord>(LINKS, &session.session, |one| one.end_ms.is_none() && one.link == *link)?;
                for (number, mut record) in open {
                    record.end_ms = Some(at_ms);
                    record.reason = Some(*reason);
                    self.put_link(&session.session, number, &record)?;
                    self.tell(&mut session, &Told::LinkClosed(&record))?;
                }
            }
            Happening::Measured { samples } => {
                for sample in samples {
                    self.change(&session, sample.stay, |one| one.measure(sample, at_ms))?;
                }
                return Ok(());
            }
        }
        self.put_session(&session)
    }

    /// A room is over without having said so: its task died, or its node did.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn lost(&mut self, session: &str) -> Result<(), RecordsError> {
        match self.session(session)? {
            Some(session) if session.end_ms.is_none() => self.end(session, self.now_ms, EndWord::NodeLost),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends every session that goes on: when the last process died, as far as it is known, or now that this one stops.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_all(&mut self, reason: EndWord) -> Result<usize, RecordsError> {
        let at_ms = match reason {
            EndWord::NodeLost => get(&self.transaction.open_table(META)?, META_LAST)?.unwrap_or(0),
            EndWord::Empty | EndWord::Closed | EndWord::Timeout | EndWord::Moved => self.now_ms,
        };
        let mut open = Vec::new();
        for entry in self.transaction.open_table(OPEN)?.iter()? {
            open.push(entry?.0.value().to_owned());
        }
        for session in &open {
            if let Some(session) = self.session(session)? {
                self.end(session, at_ms, reason)?;
            }
        }
        Ok(open.len())
    }

    /// A webhook was taken, or is given up.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn settled(&mut self, letter: u64) -> Result<(), RecordsError> {
        self.transaction.open_table(SPOOL)?.remove(letter)?;
        Ok(())
    }

    /// Something is revoked until then (seconds since 1970). What has ended makes room.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn revoke(&mut self, name: &str, until: u64, what: &[u8]) -> Result<(), RecordsError> {
        let mut revocations = self.transaction.open_table(REVOCATIONS)?;
        let now = self.now_ms / 1_000;
        revocations.retain(|_, (until, _)| until > now)?;
        revocations.insert(name, (until, what))?;
        Ok(())
    }

    /// A revocation is taken back.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn unrevoke(&mut self, name: &str) -> Result<(), RecordsError> {
        self.transaction.open_table(REVOCATIONS)?.remove(name)?;
        Ok(())
    }

    /// Makes a room, or changes it.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn edit(&mut self, edit: Edit) -> Result<Edited, RecordsError> {
        let mut rooms = self.transaction.open_table(ROOMS)?;
        let known: Option<RoomRecord> = get(&rooms, edit.record.room.as_str())?;
        let is_full = rooms.len()? >= self.store.config.max_rooms as u64;
        let edited = edit.onto(known, is_full, self.now_ms);
        if let Edited::Kept(record) = &edited {
            rooms.insert(record.room.as_str(), bytes(record)?.as_slice())?;
        }
        Ok(edited)
    }

    /// The key pair that signs webhooks (PKCS #8), kept from the first time it is asked for.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn signing_key<E>(
        &mut self,
        make: impl FnOnce() -> Result<Vec<u8>, E>,
    ) -> Result<Option<Vec<u8>>, RecordsError> {
        let mut meta = self.transaction.open_table(META)?;
        if let Some(known) = meta.get(META_KEY)? {
            return Ok(Some(known.value().to_vec()));
        }
        let Ok(made) = make() else { return Ok(None) };
        meta.insert(META_KEY, made.as_slice())?;
        Ok(Some(made))
    }

    /// Forgets sessions that ended long ago. True: there are more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn forget_old(&mut self) -> Result<bool, RecordsError> {
        let retention = u64::try_from(self.store.config.retention.as_millis()).unwrap_or(u64::MAX);
        let before = self.now_ms.saturating_sub(retention);
        let is_old = |session: &SessionRecord| session.end_ms.is_some_and(|end| end < before);
        self.forget_first(before, FORGET_MAX, is_old)
    }

    /// Keeps it all.
    ///
    /// # Errors
    /// When the database cannot be written: then nothing of the batch is kept.
    pub fn commit(mut self) -> Result<Applied, RecordsError> {
        self.transaction
            .open_table(META)?
            .insert(META_LAST, bytes(&self.now_ms)?.as_slice())?;
        self.crowd_out()?;
        self.transaction.commit()?;
        Ok(self.applied)
    }

    fn start(&mut self, event: &RoomEvent) -> Result<(), RecordsError> {
        let most = self.store.config.max_sessions as u64;
        if self.transaction.open_table(SESSIONS)?.len()? >= most {
            self.forget_first(u64::MAX, 1, |session| session.end_ms.is_some())?;
        }
        let id = &*event.session;
        let mut session = SessionRecord {
            session: id.to_owned(),
            room: event.room.clone(),
            start_ms: event.at_ms,
            end_ms: None,
            reason: None,
            webhooks: 0,
            stays: 0,
            stays_lost: 0,
            links: 0,
        };
        let room = event.room.as_str();
        self.transaction.open_table(BY_START)?.insert((event.at_ms, id), ())?;
        self.transaction
            .open_table(BY_ROOM)?
            .insert((room, event.at_ms, id), ())?;
        self.transaction.open_table(OPEN)?.insert(id, ())?;
        self.use_room(room)?;
        self.tell(&mut session, &Told::SessionStarted)?;
        self.put_session(&session)
    }

    /// Whoever is still there has left, and links that are open are over: those outside hear of that first.
    fn end(&mut self, mut session: SessionRecord, at_ms: u64, reason: EndWord) -> Result<(), RecordsError> {
        let open = |one: &StayRecord| one.end_ms.is_none();
        for (number, mut record) in self.open_of::<StayRecord>(STAYS, &session.session, open)? {
            record.end(at_ms.max(record.start_ms), None);
            self.put_stay(&session.session, number, &record)?;
            self.tell(&mut session, &Told::Left(&record))?;
        }
        let open = |one: &LinkRecord| one.end_ms.is_none();
        for (number, mut record) in self.open_of::<LinkRecord>(LINKS, &session.session, open)? {
            record.end_ms = Some(at_ms.max(record.start_ms));
            self.put_link(&session.session, number, &record)?;
            self.tell(&mut session, &Told::LinkClosed(&record))?;
        }
        session.end_ms = Some(at_ms.max(session.start_ms));
        session.reason = Some(reason);
        self.transaction.open_table(OPEN)?.remove(session.session.as_str())?;
        self.tell(&mut session, &Told::SessionEnded)?;
        self.put_session(&session)?;
        let mut rooms = self.transaction.open_table(ROOMS)?;
        if let Some(mut room) = get::<RoomRecord>(&rooms, session.room.as_str())?
            && room.settings.auto_close.is_some_and(|close| close.deactivate)
        {
            room.deactivated = true;
            room.version += 1;
            rooms.insert(room.room.as_str(), bytes(&room)?.as_slice())?;
            self.applied.rooms.push(room);
        }
        Ok(())
    }

    /// Puts a webhook into the spool for everybody who wants it.
    fn tell(&mut self, session: &mut SessionRecord, told: &Told<'_>) -> Result<(), RecordsError> {
        session.webhooks += 1;
        let webhooks = &self.store.webhooks;
        let mut endpoints: Vec<(String, bool)> = webhooks.endpoints.iter().map(|url| (url.clone(), true)).collect();
        let room: Option<RoomRecord> = get(&self.transaction.open_table(ROOMS)?, session.room.as_str())?;
        if let Some(webhook) = room.and_then(|room| room.settings.webhook)
            && (webhook.events.is_empty() || webhook.events.iter().any(|word| word == told.word()))
            && !webhooks.endpoints.contains(&webhook.endpoint)
        {
            endpoints.push((webhook.endpoint, false));
        }
        if endpoints.is_empty() {
            return Ok(());
        }
        let body = told.body(session);
        let mut spool = self.transaction.open_table(SPOOL)?;
        for (endpoint, trusted) in endpoints {
            let letter = Letter {
                endpoint,
                trusted,
                session: session.session.clone(),
                at_ms: self.now_ms,
                body: body.clone(),
            };
            let id = self.store.next_letter();
            spool.insert(id, bytes(&letter)?.as_slice())?;
            self.applied.queued.push(waiting_of(id, &letter));
        }
        Ok(())
    }

    /// The oldest make room: they are those nobody has taken for longest.
    fn crowd_out(&mut self) -> Result<(), RecordsError> {
        let mut spool = self.transaction.open_table(SPOOL)?;
        while spool.len()? > self.store.webhooks.max_waiting as u64 {
            let Some((id, _)) = spool.pop_first()? else { break };
            self.applied.crowded_out.push(id.value());
        }
        Ok(())
    }

    /// Forgets at most so many sessions, of those that began first.
    fn forget_first(
        &mut self,
        before: u64,
        most: usize,
        may: impl Fn(&SessionRecord) -> bool,
    ) -> Result<bool, RecordsError> {
        let mut found = Vec::new();
        {
            let (by_start, sessions) = (
                self.transaction.open_table(BY_START)?,
                self.transaction.open_table(SESSIONS)?,
            );
            for entry in by_start.range((0, "")..(before, ""))?.take(most + FORGET_MAX) {
                let key = entry?.0;
                let session = get::<SessionRecord>(&sessions, key.value().1)?;
                found.extend(session.filter(&may));
                if found.len() >= most {
                    break;
                }
            }
        }
        for session in &found {
            let (id, room) = (session.session.as_str(), session.room.as_str());
            self.transaction.open_table(SESSIONS)?.remove(id)?;
            self.transaction.open_table(BY_START)?.remove((session.start_ms, id))?;
            self.transaction
                .open_table(BY_ROOM)?
                .remove((room, session.start_ms, id))?;
            for table in [STAYS, LINKS] {
                let mut table = self.transaction.open_table(table)?;
                table.retain_in((id, 0)..=(id, u32::MAX), |_, _| false)?;
            }
            self.unmark(id)?;
        }
        Ok(found.len() >= most)
    }

    fn session(&self, session: &str) -> Result<Option<SessionRecord>, RecordsError> {
        get(&self.transaction.open_table(SESSIONS)?, session)
    }

    fn put_session(&mut self, session: &SessionRecord) -> Result<(), RecordsError> {
        self.transaction
            .open_table(SESSIONS)?
            .insert(session.session.as_str(), bytes(session)?.as_slice())?;
        self.mark_session(&session.session)
    }

    fn put_stay(&mut self, session: &str, stay: u32, record: &StayRecord) -> Result<(), RecordsError> {
        self.put(STAYS, session, stay, record)?;
        self.mark_stay(session, stay)
    }

    fn put_link(&mut self, session: &str, link: u32, record: &LinkRecord) -> Result<(), RecordsError> {
        self.put(LINKS, session, link, record)?;
        self.mark_link(session, link)
    }

    fn put(&self, table: Numbered, session: &str, number: u32, value: &impl Serialize) -> Result<(), RecordsError> {
        let mut table = self.transaction.open_table(table)?;
        table.insert((session, number), bytes(value)?.as_slice())?;
        Ok(())
    }

    fn put_if_there(&mut self, session: &str, stay: u32, record: &StayRecord) -> Result<(), RecordsError> {
        let is_there = self.transaction.open_table(STAYS)?.get((session, stay))?.is_some();
        if is_there {
            self.put_stay(session, stay, record)
        } else {
            Ok(())
        }
    }

    fn numbered<T: DeserializeOwned>(
        &self,
        table: Numbered,
        session: &str,
        number: u32,
    ) -> Result<Option<T>, RecordsError> {
        let table = self.transaction.open_table(table)?;
        match table.get((session, number))? {
            Some(value) => Ok(Some(serde_json::from_slice(value.value())?)),
            None => Ok(None),
        }
    }

    fn change(
        &mut self,
        session: &SessionRecord,
        stay: u32,
        change: impl FnOnce(&mut StayRecord),
    ) -> Result<(), RecordsError> {
        if let Some(mut record) = self.numbered::<StayRecord>(STAYS, &session.session, stay)? {
            change(&mut record);
            self.put_stay(&session.session, stay, &record)?;
        }
        Ok(())
    }

    fn open_of<T: DeserializeOwned>(
        &self,
        table: Numbered,
        session: &str,
        is_open: impl Fn(&T) -> bool,
    ) -> Result<Vec<(u32, T)>, RecordsError> {
        let table = self.transaction.open_table(table)?;
        let mut found = Vec::new();
        for entry in table.range((session, 0)..=(session, u32::MAX))? {
            let (key, value) = entry?;
            let value: T = serde_json::from_slice(value.value())?;
            if is_open(&value) {
                found.push((key.value().1, value));
            }
        }
        Ok(found)
    }
}
