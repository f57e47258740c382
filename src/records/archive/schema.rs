//! The tables, and how they came to be what they are. People and their tools read them, so times are times and words are words.

use super::{Archive, ArchiveError, STATEMENT_MS_MAX};

/// Each brings the tables from the version before to the next. What stands here is never changed, only added to.
const STEPS: [&str; 1] = ["
    CREATE TABLE enfilade_writers (
        writer text PRIMARY KEY,
        node text NOT NULL,
        seen_at timestamptz NOT NULL
    );
    CREATE TABLE enfilade_sessions (
        session text PRIMARY KEY,
        writer text NOT NULL,
        room text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz,
        reason text,
        webhooks bigint NOT NULL,
        stays integer NOT NULL,
        stays_lost bigint NOT NULL,
        links integer NOT NULL
    );
    CREATE INDEX enfilade_sessions_by_start ON enfilade_sessions (started_at, session);
    CREATE INDEX enfilade_sessions_by_room ON enfilade_sessions (room, started_at, session);
    CREATE INDEX enfilade_sessions_by_end ON enfilade_sessions (ended_at);
    CREATE INDEX enfilade_sessions_by_writer ON enfilade_sessions (writer);
    CREATE TABLE enfilade_stays (
        session text NOT NULL,
        number bigint NOT NULL,
        participant text NOT NULL,
        name text NOT NULL,
        mode text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz,
        reason text,
        media jsonb NOT NULL,
        samples jsonb NOT NULL,
        PRIMARY KEY (session, number)
    );
    CREATE INDEX enfilade_stays_by_participant ON enfilade_stays (participant, started_at);
    CREATE TABLE enfilade_links (
        session text NOT NULL,
        number bigint NOT NULL,
        room text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz,
        reason text,
        PRIMARY KEY (session, number)
    );
"];

/// Any number that nobody else locks by.
const LOCK: i64 = 0x656e_6669_6c61_6465;

impl Archive {
    /// Makes the tables, or brings them up to date, and says that this node lives. True: nobody has written under its name before.
    ///
    /// # Errors
    /// When the database does not let us, or its tables are newer than this server.
    pub async fn prepare(&mut self) -> Result<bool, ArchiveError> {
        self.bound().await?;
        let transaction = self.client.transaction().await?;
        // Nodes start together; one of them makes the tables.
        transaction
            .execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
            .await?;
        let known = transaction
            .query_one("SELECT to_regclass('enfilade_schema') IS NOT NULL", &[])
            .await?;
        let version: i32 = if known.try_get(0)? {
            let row = transaction
                .query_one("SELECT version FROM enfilade_schema", &[])
                .await?;
            row.try_get(0)?
        } else {
            let make =
                "CREATE TABLE enfilade_schema (version integer NOT NULL); INSERT INTO enfilade_schema VALUES (0)";
            transaction.batch_execute(make).await?;
            0
        };
        let newest = STEPS.len() as i32;
        if version > newest {
            return Err(ArchiveError::Version(version, newest));
        }
        for step in STEPS.iter().skip(version as usize) {
            transaction.batch_execute(step).await?;
        }
        if version < newest {
            let update = "UPDATE enfilade_schema SET version = $1";
            transaction.execute(update, &[&newest]).await?;
        }
        transaction.commit().await?;
        self.live().await
    }

    /// Has the database give up what takes it too long.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn bound(&self) -> Result<(), ArchiveError> {
        let timeout = format!("SET statement_timeout = {STATEMENT_MS_MAX}");
        Ok(self.client.batch_execute(&timeout).await?)
    }

    /// Says that this node lives. True: nobody has written under its name before, or what was written is gone.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn live(&self) -> Result<bool, ArchiveError> {
        let statement = "INSERT INTO enfilade_writers VALUES ($1, $2, now())
            ON CONFLICT (writer) DO UPDATE SET node = excluded.node, seen_at = excluded.seen_at
            RETURNING xmax = 0";
        let row = self.client.query_one(statement, &[&self.writer, &self.node]).await?;
        Ok(row.try_get(0)?)
    }
}
