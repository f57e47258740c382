//! What is read: the same records as the store of one node has, of all of them.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_postgres::Row;

use super::{Archive, ArchiveError, LOST_SECS, millis, of_word};
use crate::records::Page;
use crate::records::session::{EndWord, LinkRecord, SessionRecord, StayRecord};

/// With when the writer of a session that goes on was heard of last, if it is taken for dead.
const COLUMNS: &str =
    "s.session, s.room, s.started_at, s.ended_at, s.reason, s.webhooks, s.stays, s.stays_lost, s.links,
    CASE WHEN s.ended_at IS NULL AND w.seen_at < now() - make_interval(secs => $1) THEN w.seen_at END AS lost_at
    FROM enfilade_sessions s LEFT JOIN enfilade_writers w USING (writer)";

impl Archive {
    /// Sessions of a room, or all, the newest first, each with at most so many of its stays.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sessions(
        &self,
        room: Option<&str>,
        before: Option<(u64, &str)>,
        skip: usize,
        take: usize,
        stays_most: usize,
    ) -> Result<Page<(SessionRecord, Vec<StayRecord>)>, ArchiveError> {
        let since = before.map(|(start_ms, _)| UNIX_EPOCH + Duration::from_millis(start_ms));
        let last = before.map(|(_, id)| id);
        let count = "SELECT count(*) FROM enfilade_sessions WHERE $1::text IS NULL OR room = $1";
        let total: i64 = self.client.query_one(count, &[&room]).await?.try_get(0)?;
        let list = format!(
            "SELECT {COLUMNS} WHERE ($2::text IS NULL OR s.room = $2)
            AND ($5::timestamptz IS NULL OR (s.started_at, s.session) < ($5, $6::text))
            ORDER BY s.started_at DESC, s.session DESC OFFSET $3 LIMIT $4"
        );
        let (skip, take) = (small(skip), small(take));
        let rows = self
            .client
            .query(&list, &[&LOST_SECS, &room, &skip, &take, &since, &last])
            .await?;
        let mut sessions = Vec::new();
        for row in rows {
            let lost: Option<SystemTime> = row.try_get("lost_at")?;
            sessions.push((session(&row)?, lost));
        }
        let ids: Vec<&str> = sessions.iter().map(|(one, _)| one.session.as_str()).collect();
        let some = "SELECT t.* FROM unnest($1::text[]) AS wanted(session) CROSS JOIN LATERAL
            (SELECT * FROM enfilade_stays WHERE session = wanted.session ORDER BY number LIMIT $2) t";
        let mut stays: HashMap<String, Vec<(i64, Row)>> = HashMap::new();
        for row in self.client.query(some, &[&ids, &small(stays_most)]).await? {
            let number: i64 = row.try_get("number")?;
            stays.entry(row.try_get("session")?).or_default().push((number, row));
        }
        let mut items = Vec::new();
        for (session, lost) in sessions {
            let mut rows = stays.remove(&session.session).unwrap_or_default();
            rows.sort_by_key(|(number, _)| *number);
            let stays: Result<_, ArchiveError> = rows.iter().map(|(_, row)| stay(row, lost)).collect();
            items.push((session, stays?));
        }
        let total = total.cast_unsigned();
        Ok(Page { items, total })
    }

    /// A session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn session(&self, id: &str) -> Result<Option<SessionRecord>, ArchiveError> {
        let row = self.find(id).await?;
        row.map(|row| session(&row)).transpose()
    }

    /// Who was in a session, in the order in which they came; at most so many stays.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn stays(&self, id: &str, most: usize) -> Result<Vec<StayRecord>, ArchiveError> {
        let Some(found) = self.find(id).await? else {
            return Ok(Vec::new());
        };
        let lost = found.try_get("lost_at")?;
        let list = "SELECT * FROM enfilade_stays WHERE session = $1 ORDER BY number LIMIT $2";
        let rows = self.client.query(list, &[&id, &small(most)]).await?;
        rows.iter().map(|row| stay(row, lost)).collect()
    }

    /// The links of a session, in the order in which they opened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn links(&self, id: &str) -> Result<Vec<LinkRecord>, ArchiveError> {
        let Some(found) = self.find(id).await? else {
            return Ok(Vec::new());
        };
        let lost = found.try_get("lost_at")?;
        let list = "SELECT * FROM enfilade_links WHERE session = $1 ORDER BY number";
        let rows = self.client.query(list, &[&id]).await?;
        rows.iter().map(|row| link(row, lost)).collect()
    }

    async fn find(&self, id: &str) -> Result<Option<Row>, ArchiveError> {
        if id.contains('\0') {
            return Ok(None);
        }
        let one = format!("SELECT {COLUMNS} WHERE s.session = $2");
        Ok(self.client.query_opt(&one, &[&LOST_SECS, &id]).await?)
    }
}

fn small(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn session(row: &Row) -> Result<SessionRecord, ArchiveError> {
    let (start_ms, end_ms) = span(row, row.try_get("lost_at")?)?;
    let is_lost = row.try_get::<_, Option<SystemTime>>("lost_at")?.is_some();
    let reason: Option<EndWord> = row.try_get::<_, Option<String>>("reason")?.map(of_word).transpose()?;
    Ok(SessionRecord {
        session: row.try_get("session")?,
        room: of_word(row.try_get("room")?)?,
        start_ms,
        end_ms,
        reason: if is_lost { Some(EndWord::NodeLost) } else { reason },
        webhooks: row.try_get::<_, i64>("webhooks")?.cast_unsigned(),
        stays: row.try_get::<_, i32>("stays")?.cast_unsigned(),
        stays_lost: row.try_get::<_, i64>("stays_lost")?.cast_unsigned(),
        links: row.try_get::<_, i32>("links")?.cast_unsigned(),
    })
}

fn stay(row: &Row, lost: Option<SystemTime>) -> Result<StayRecord, ArchiveError> {
    let (start_ms, end_ms) = span(row, lost)?;
    let reason: Option<String> = row.try_get("reason")?;
    let mut record = StayRecord {
        participant: of_word(row.try_get("participant")?)?,
        name: row.try_get("name")?,
        mode: of_word(row.try_get("mode")?)?,
        start_ms,
        end_ms,
        reason: reason.map(of_word).transpose()?,
        media: json(row, "media")?,
        samples: json(row, "samples")?,
    };
    for one in record.media.iter_mut().filter(|one| one.end_ms.is_none()) {
        one.end_ms = end_ms;
    }
    Ok(record)
}

fn link(row: &Row, lost: Option<SystemTime>) -> Result<LinkRecord, ArchiveError> {
    let (start_ms, end_ms) = span(row, lost)?;
    let reason: Option<String> = row.try_get("reason")?;
    Ok(LinkRecord {
        link: of_word(row.try_get("room")?)?,
        start_ms,
        end_ms,
        reason: reason.map(of_word).transpose()?,
    })
}

/// From when to when; what a dead node left open ended with it.
fn span(row: &Row, lost: Option<SystemTime>) -> Result<(u64, Option<u64>), ArchiveError> {
    let start = millis(row.try_get("started_at")?);
    let end: Option<SystemTime> = row.try_get("ended_at")?;
    let end = end.or(lost).map(|end| millis(end).max(start));
    Ok((start, end))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> Result<T, ArchiveError> {
    let value: super::Json = row.try_get(column)?;
    Ok(serde_json::from_str(&value.0)?)
}
