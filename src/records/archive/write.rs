//! What is written: records as they are now, whether they were there before or not.

use std::time::{Duration, SystemTime};

use tokio_postgres::Transaction;

use super::{Archive, ArchiveError, LOST_SECS, time, word};
use crate::records::session::{LinkRecord, SessionRecord, StayRecord};
use crate::records::store::{Piece, What};

/// Sessions that are forgotten at a time.
const FORGET_MAX: i64 = 500;

const SESSIONS: &str = "INSERT INTO enfilade_sessions
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::bigint[], $8::integer[],
        $9::bigint[], $10::integer[])
    ON CONFLICT (session) DO UPDATE SET writer = excluded.writer, ended_at = excluded.ended_at, reason = excluded.reason,
        webhooks = excluded.webhooks, stays = excluded.stays, stays_lost = excluded.stays_lost, links = excluded.links";
const STAYS: &str = "INSERT INTO enfilade_stays
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[],
        $9::text[]::jsonb[], $10::text[]::jsonb[])
    ON CONFLICT (session, number) DO UPDATE SET name = excluded.name, ended_at = excluded.ended_at, reason = excluded.reason,
        media = excluded.media, samples = excluded.samples";
const LINKS: &str = "INSERT INTO enfilade_links
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[])
    ON CONFLICT (session, number) DO UPDATE SET ended_at = excluded.ended_at, reason = excluded.reason";
/// A session that a dead node left open ended when the node was heard of last.
const FORGET: &str = "WITH old AS (
        SELECT s.session FROM enfilade_sessions s LEFT JOIN enfilade_writers w USING (writer)
        WHERE s.ended_at < now() - make_interval(secs => $1::float8)
            OR (s.ended_at IS NULL AND w.seen_at < now() - make_interval(secs => greatest($1::float8, $2::float8)))
        LIMIT $3 FOR UPDATE OF s SKIP LOCKED),
    stays AS (DELETE FROM enfilade_stays t USING old WHERE t.session = old.session),
    links AS (DELETE FROM enfilade_links l USING old WHERE l.session = old.session)
    DELETE FROM enfilade_sessions s USING old WHERE s.session = old.session";
const FORGET_WRITERS: &str =
    "DELETE FROM enfilade_writers w WHERE w.seen_at < now() - make_interval(secs => greatest($1::float8, $2::float8))
    AND NOT EXISTS (SELECT 1 FROM enfilade_sessions s WHERE s.writer = w.writer)";

#[derive(Default)]
struct SessionRows {
    session: Vec<String>,
    writer: Vec<String>,
    room: Vec<String>,
    started: Vec<SystemTime>,
    ended: Vec<Option<SystemTime>>,
    reason: Vec<Option<String>>,
    webhooks: Vec<i64>,
    stays: Vec<i32>,
    stays_lost: Vec<i64>,
    links: Vec<i32>,
}

#[derive(Default)]
struct StayRows {
    session: Vec<String>,
    number: Vec<i64>,
    participant: Vec<String>,
    name: Vec<String>,
    mode: Vec<String>,
    started: Vec<SystemTime>,
    ended: Vec<Option<SystemTime>>,
    reason: Vec<Option<String>>,
    media: Vec<String>,
    samples: Vec<String>,
}

#[derive(Default)]
struct LinkRows {
    session: Vec<String>,
    number: Vec<i64>,
    room: Vec<String>,
    started: Vec<SystemTime>,
    ended: Vec<Option<SystemTime>>,
    reason: Vec<Option<String>>,
}

impl Archive {
    /// Writes all of these, or none. No record may be among them twice.
    ///
    /// # Errors
    /// When the database cannot be written; [`ArchiveError::Refused`] when it does not like what is written.
    pub async fn put(&mut self, pieces: Vec<Piece>) -> Result<(), ArchiveError> {
        let (mut sessions, mut stays, mut links) = (SessionRows::default(), StayRows::default(), LinkRows::default());
        for piece in pieces {
            match piece.what {
                What::Session(record) => sessions.add(&self.writer, record)?,
                What::Stay(number, record) => stays.add(piece.session, number, record)?,
                What::Link(number, record) => links.add(piece.session, number, record)?,
            }
        }
        let written = async {
            let transaction = self.client.transaction().await?;
            sessions.write(&transaction).await?;
            stays.write(&transaction).await?;
            links.write(&transaction).await?;
            transaction.commit().await
        };
        written.await.map_err(judged)
    }

    /// Forgets sessions that ended longer ago than this, whoever wrote them. True: there may be more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn forget(&self, retention: Duration) -> Result<bool, ArchiveError> {
        let seconds = retention.as_secs_f64();
        let forgotten = self
            .client
            .execute(FORGET, &[&seconds, &LOST_SECS, &FORGET_MAX])
            .await?;
        self.client.execute(FORGET_WRITERS, &[&seconds, &LOST_SECS]).await?;
        Ok(forgotten >= FORGET_MAX as u64)
    }
}

/// Data that it finds wrong (SQLSTATE classes 22 and 23) is wrong the next time, too.
fn judged(error: tokio_postgres::Error) -> ArchiveError {
    let class = error.code().map(|code| code.code().get(..2).unwrap_or_default());
    match class {
        Some("22" | "23") => ArchiveError::Refused(error),
        Some(_) | None => ArchiveError::Database(error),
    }
}

impl SessionRows {
    fn add(&mut self, writer: &str, record: SessionRecord) -> Result<(), ArchiveError> {
        self.session.push(record.session);
        self.writer.push(writer.to_owned());
        self.room.push(record.room.to_string());
        self.started.push(time(record.start_ms));
        self.ended.push(record.end_ms.map(time));
        self.reason.push(record.reason.map(|reason| word(&reason)).transpose()?);
        self.webhooks.push(record.webhooks.cast_signed());
        self.stays.push(record.stays.cast_signed());
        self.stays_lost.push(record.stays_lost.cast_signed());
        self.links.push(record.links.cast_signed());
        Ok(())
    }

    async fn write(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        let rows: super::Parameters<'_> = &[
            &self.session,
            &self.writer,
            &self.room,
            &self.started,
            &self.ended,
            &self.reason,
            &self.webhooks,
            &self.stays,
            &self.stays_lost,
            &self.links,
        ];
        write(transaction, SESSIONS, self.session.len(), rows).await
    }
}

impl StayRows {
    fn add(&mut self, session: String, number: u32, record: StayRecord) -> Result<(), ArchiveError> {
        self.session.push(session);
        self.number.push(number.into());
        self.participant.push(record.participant.to_string());
        // The one character that its texts cannot hold.
        self.name.push(record.name.replace('\0', "\u{fffd}"));
        self.mode.push(word(&record.mode)?);
        self.started.push(time(record.start_ms));
        self.ended.push(record.end_ms.map(time));
        self.reason.push(record.reason.map(|reason| word(&reason)).transpose()?);
        self.media.push(serde_json::to_string(&record.media)?);
        self.samples.push(serde_json::to_string(&record.samples)?);
        Ok(())
    }

    async fn write(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        let rows: super::Parameters<'_> = &[
            &self.session,
            &self.number,
            &self.participant,
            &self.name,
            &self.mode,
            &self.started,
            &self.ended,
            &self.reason,
            &self.media,
            &self.samples,
        ];
        write(transaction, STAYS, self.session.len(), rows).await
    }
}

impl LinkRows {
    fn add(&mut self, session: String, number: u32, record: LinkRecord) -> Result<(), ArchiveError> {
        self.session.push(session);
        self.number.push(number.into());
        self.room.push(record.link.to_string());
        self.started.push(time(record.start_ms));
        self.ended.push(record.end_ms.map(time));
        self.reason.push(record.reason.map(|reason| word(&reason)).transpose()?);
        Ok(())
    }

    async fn write(&self, transaction: &Transaction<'_>) -> Result<(), tokio_postgres::Error> {
        let rows: super::Parameters<'_> = &[
            &self.session,
            &self.number,
            &self.room,
            &self.started,
            &self.ended,
            &self.reason,
        ];
        write(transaction, LINKS, self.session.len(), rows).await
    }
}

async fn write(
    transaction: &Transaction<'_>,
    statement: &str,
    rows: usize,
    columns: super::Parameters<'_>,
) -> Result<(), tokio_postgres::Error> {
    if rows > 0 {
        transaction.execute(statement, columns).await?;
    }
    Ok(())
}
