//! Brings sessions into the archive (PostgreSQL), and reads them there. Nothing of a call waits for it: what it is to have is marked in the records,
//! which are on this machine, and worked off whenever it can be reached.

mod reading;

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

pub(super) use reading::Reading;

use super::Metrics;
use super::records::Note;
use crate::records::{Archive, ArchiveError, Mark, PostgresConfig, Store};

/// Records that go at a time.
const PIECES_MAX: usize = 256;
/// How often this node says that it lives; others wait much longer before they take it for dead.
const LIVE_INTERVAL: Duration = Duration::from_secs(20);
/// How often it is looked for sessions that are too old.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);
/// How long one exchange with the database may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// The first pause after a failure; doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The longest.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How the rest of the node speaks to the clerk. Cheap to clone.
#[derive(Clone)]
pub(super) struct Desk {
    news: Arc<Notify>,
    /// Each is answered when nothing waits any more, or the database cannot be reached.
    flushes: mpsc::Sender<oneshot::Sender<()>>,
}

/// The task that writes.
pub(super) struct Clerk {
    config: PostgresConfig,
    retention: Duration,
    store: Arc<Store>,
    /// Weak: it must not keep the keeper alive.
    notes: mpsc::WeakSender<Note>,
    metrics: Metrics,
    waiting: IntGauge,
    is_up: IntGauge,
    news: Arc<Notify>,
    flushes: mpsc::Receiver<oneshot::Sender<()>>,
}

/// Why a connection is over.
enum Over {
    /// The node ends.
    Node,
    /// It has to be tried again.
    Failed(String),
}

impl Desk {
    /// Something is marked.
    pub(super) fn tell(&self) {
        self.news.notify_one();
    }

    /// Waits until the archive has everything, unless it cannot be reached.
    pub(super) async fn flush(&self) {
        let (reply, answer) = oneshot::channel();
        if self.flushes.send(reply).await.is_ok() {
            // Without an answer there is nobody left to wait for.
            let _gone = answer.await;
        }
    }
}

impl Clerk {
    pub(super) fn new(
        config: PostgresConfig,
        retention: Duration,
        store: Arc<Store>,
        notes: mpsc::WeakSender<Note>,
        metrics: Metrics,
    ) -> prometheus::Result<(Self, Desk)> {
        let waiting = IntGauge::new(
            "enfilade_postgres_waiting",
            "Records that PostgreSQL does not have as they are now",
        )?;
        let is_up = IntGauge::new("enfilade_postgres_up", "1 while PostgreSQL takes records")?;
        metrics.register(Box::new(waiting.clone()))?;
        metrics.register(Box::new(is_up.clone()))?;
        let news = Arc::new(Notify::new());
        let (asked, flushes) = mpsc::channel(4);
        let desk = Desk {
            news: Arc::clone(&news),
            flushes: asked,
        };
        let clerk = Self {
            config,
            retention,
            store,
            notes,
            metrics,
            waiting,
            is_up,
            news,
            flushes,
        };
        Ok((clerk, desk))
    }

    /// Writes for as long as the node lives.
    pub(super) async fn run(mut self) {
        let mut said: Option<String> = None;
        let mut failures = 0_u32;
        loop {
            let started = Instant::now();
            let over = self.serve(&mut said).await;
            self.is_up.set(0);
            let why = match over {
                Over::Node => return,
                Over::Failed(why) => why,
            };
            // The same again is not said again: it may be away for hours.
            if said.as_ref() != Some(&why) {
                tracing::warn!(why, "PostgreSQL does not take records; they wait, and calls go on");
                said = Some(why);
            }
            failures = if started.elapsed() > PAUSE_MAX { 0 } else { failures + 1 };
            self.show().await;
            let pause = PAUSE_MIN.saturating_mul(1 << failures.min(10)).min(PAUSE_MAX);
            if !self.pause(pause.mul_f64(0.5 + 0.5 * super::chance())).await {
                return;
            }
        }
    }

    /// False: the node ends. Whoever waits for everything to be written is sent away.
    async fn pause(&mut self, pause: Duration) -> bool {
        let end = Instant::now() + pause;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(end) => return self.notes.upgrade().is_some(),
                asked = self.flushes.recv() => match asked {
                    Some(reply) => drop(reply),
                    None => return false,
                },
            }
        }
    }

    /// One connection, from its opening to its end.
    async fn serve(&mut self, said: &mut Option<String>) -> Over {
        match self.write_on(said).await {
            Ok(()) => Over::Node,
            Err(error) => Over::Failed(error.to_string()),
        }
    }

    async fn write_on(&mut self, said: &mut Option<String>) -> Result<(), ServeError> {
        let (mut archive, line) = patient(Archive::connect(&self.config, self.store.writer())).await?;
        tokio::spawn(line);
        if patient(archive.prepare()).await? {
            self.note(Note::MarkAll).await;
        }
        self.is_up.set(1);
        if said.take().is_some() {
            tracing::info!("PostgreSQL takes records again");
        }
        let mut live = tokio::time::interval(LIVE_INTERVAL);
        live.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forget = tokio::time::interval(FORGET_INTERVAL);
        let mut waiters = Vec::new();
        let mut most = PIECES_MAX;
        loop {
            // What came while nobody looked is found here; what comes from now on wakes.
            while self.write_some(&mut archive, &mut most).await? {}
            waiters.clear();
            tokio::select! {
                () = self.news.notified() => {}
                asked = self.flushes.recv() => match asked {
                    Some(reply) => waiters.push(reply),
                    None => return Ok(()),
                },
                _ = live.tick() => if patient(archive.live()).await? {
                    self.note(Note::MarkAll).await;
                },
                _ = forget.tick() => self.forget(&archive).await,
            }
            if self.notes.upgrade().is_none() {
                return Ok(());
            }
        }
    }

    /// True: there may be more.
    async fn write_some(&self, archive: &mut Archive, most: &mut usize) -> Result<bool, ServeError> {
        let (store, count) = (Arc::clone(&self.store), *most);
        let read = tokio::task::spawn_blocking(move || store.pieces(count));
        let Ok(Ok(pieces)) = read.await else {
            return Err(ServeError::Records);
        };
        self.show().await;
        if pieces.is_empty() {
            return Ok(false);
        }
        let marks: Vec<Mark> = pieces.iter().map(|piece| piece.mark.clone()).collect();
        match patient(archive.put(pieces)).await {
            Ok(()) => *most = PIECES_MAX,
            Err(ServeError::Archive(ArchiveError::Refused(_))) if marks.len() > 1 => {
                // One of them is at fault; the others shall not wait behind it.
                *most = 1;
                return Ok(true);
            }
            Err(ServeError::Archive(error @ ArchiveError::Refused(_))) => {
                self.metrics.records_dropped.with_label_values(&["refused"]).inc();
                tracing::error!(%error, "PostgreSQL refuses a record, which is left out");
            }
            Err(error) => return Err(error),
        }
        let (reply, written) = oneshot::channel();
        self.note(Note::Archived(marks, reply)).await;
        // What cannot be struck off goes once more, after a pause.
        written.await.map_err(|_| ServeError::Records)?;
        self.show().await;
        Ok(true)
    }

    /// A database that does not let us forget still takes what is new.
    async fn forget(&self, archive: &Archive) {
        loop {
            match patient(archive.forget(self.retention)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => return tracing::warn!(%error, "PostgreSQL does not forget what is too old"),
            }
        }
    }

    async fn note(&self, note: Note) {
        if let Some(notes) = self.notes.upgrade() {
            // Without a keeper the node is at its end.
            let _stopped = notes.send(note).await;
        }
    }

    async fn show(&self) {
        let store = Arc::clone(&self.store);
        if let Ok(Ok(marks)) = tokio::task::spawn_blocking(move || store.marks()).await {
            self.waiting.set(i64::try_from(marks).unwrap_or(i64::MAX));
        }
    }
}

/// Why the archive is not written or read.
#[derive(Debug, thiserror::Error)]
enum ServeError {
    /// It says so.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// It does not answer.
    #[error("it does not answer")]
    Silent,
    /// What is to be written cannot be read, or that it was cannot be noted.
    #[error("the records of this node cannot be read or written")]
    Records,
}

async fn patient<T>(work: impl Future<Output = Result<T, ArchiveError>>) -> Result<T, ServeError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(ServeError::Silent),
    }
}
