//! Reading the archive: one connection, opened when somebody asks.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};

use super::patient;
use crate::records::{Archive, ArchiveError, PostgresConfig};

/// Questions at a time; who asks beyond that is told to come again.
const QUESTIONS_MAX: usize = 16;

/// Whoever reads the archive. Cheap to clone.
#[derive(Clone)]
pub(in crate::node) struct Reading {
    config: PostgresConfig,
    writer: Arc<str>,
    archive: Arc<Mutex<Option<Arc<Archive>>>>,
    places: Arc<Semaphore>,
}

impl Reading {
    pub(in crate::node) fn new(config: PostgresConfig, writer: &str) -> Self {
        Self {
            config,
            writer: writer.into(),
            archive: Arc::default(),
            places: Arc::new(Semaphore::new(QUESTIONS_MAX)),
        }
    }

    /// What is found there; `None`: it cannot be read now.
    pub(in crate::node) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&Archive) -> Result<T, ArchiveError>,
    ) -> Option<T> {
        let _place = self.places.try_acquire().ok()?;
        let asked = patient(async {
            let archive = self.open().await?;
            question(&archive).await
        });
        match asked.await {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::warn!(%error, "PostgreSQL cannot be read");
                // One that does not answer is not asked again.
                self.archive.lock().await.take();
                None
            }
        }
    }

    async fn open(&self) -> Result<Arc<Archive>, ArchiveError> {
        let mut open = self.archive.lock().await;
        if let Some(archive) = open.as_ref().filter(|archive| !archive.is_closed()) {
            return Ok(Arc::clone(archive));
        }
        let (archive, line) = Archive::connect(&self.config, &self.writer).await?;
        tokio::spawn(line);
        archive.bound().await?;
        let archive = Arc::new(archive);
        *open = Some(Arc::clone(&archive));
        Ok(archive)
    }
}
