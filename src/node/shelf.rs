//! The recordings that lie in the folder: which there are, where their files are, and taking them away.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{IntCounterVec, Opts};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::{Metrics, RecordingConfig, unix_ms};
use crate::recording::Manifest;
use crate::records::Page;
use crate::wire::RoomId;
use crate::wire::signal::RecordingEnd;

/// The file that says what is in a folder.
pub(super) const MANIFEST: &str = "manifest.json";
/// What is about to be removed is called this first, so that nobody finds half of it.
const REMOVED: &str = ".removed-";
/// A larger manifest is none of ours.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// A recording without an end that was written to so lately is being made, on whichever node.
const LIVING: Duration = Duration::from_secs(60);
/// How often it is looked for recordings that are too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// Longest id that is looked for; ours have half of that.
const ID_LEN_MAX: usize = 64;

/// The id of a recording: letters and digits, and so never a way to another folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingId(String);

/// Not an id of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id of a recording has 1 to {ID_LEN_MAX} lower-case letters and digits")]
pub struct NoRecordingId;

impl FromStr for RecordingId {
    type Err = NoRecordingId;

    fn from_str(text: &str) -> Result<Self, NoRecordingId> {
        let lawful = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if (1..=ID_LEN_MAX).contains(&text.len()) && text.bytes().all(lawful) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NoRecordingId)
        }
    }
}

impl fmt::Display for RecordingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A recording in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub id: String,
    /// Of which room.
    pub room: RoomId,
    /// Of which session of it.
    pub session: String,
    /// In milliseconds since 1970.
    pub started_at_ms: u64,
    /// In milliseconds since 1970.
    pub ended_at_ms: Option<u64>,
    /// Why it ended; `None` without an end.
    pub end: Option<RecordingEnd>,
    /// How large its files are together.
    pub bytes: u64,
    /// Whether it is being made.
    pub is_living: bool,
    written: SystemTime,
}

/// What became of a recording that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone.
    Gone,
    /// It is being made, and stays.
    Living,
    /// There is none.
    Missing,
}

/// The folder of recordings. Clones share what is known of it.
#[derive(Clone)]
pub struct Shelf {
    directory: Arc<Path>,
    retention: Duration,
    /// What was read of each manifest, and which writing of it that was. Whoever has it reads the folder; others wait.
    known: Arc<AsyncMutex<HashMap<String, Recorded>>>,
    /// Those that are made on this node.
    living: Arc<Mutex<BTreeSet<String>>>,
    removed: IntCounterVec,
}

/// That a recording is being made, for as long as this is there.
pub(super) struct Making {
    id: String,
    shelf: Shelf,
}

impl Drop for Making {
    fn drop(&mut self) {
        self.shelf.living().remove(&self.id);
    }
}

impl Shelf {
    pub(super) fn new(config: &RecordingConfig, metrics: &Metrics) -> Self {
        let removed = Opts::new("enfilade_recordings_removed_total", "Recordings removed, by why");
        let removed = IntCounterVec::new(removed, &["why"]).expect("the name of a metric is lawful");
        // A second node in one process counts with the first.
        let _twice = metrics.register(Box::new(removed.clone()));
        Self {
            directory: config.directory.as_path().into(),
            retention: config.retention,
            known: Arc::default(),
            living: Arc::default(),
            removed,
        }
    }

    /// A recording is being made from now on.
    pub(super) fn begin(&self, id: &str) -> Making {
        self.living().insert(id.to_owned());
        Making {
            id: id.to_owned(),
            shelf: self.clone(),
        }
    }

    /// Removes what is too old, for as long as it runs.
    pub(super) async fn sweep(self) {
        if self.retention.is_zero() {
            return;
        }
        let mut again = tokio::time::interval(SWEEP_INTERVAL);
        loop {
            again.tick().await;
            let before = unix_ms().saturating_sub(u64::try_from(self.retention.as_millis()).unwrap_or(u64::MAX));
            let Ok(all) = self.all().await else { continue };
            let is_old = |one: &&Recorded| {
                let end = one.ended_at_ms.unwrap_or_else(|| millis(one.written));
                !one.is_living && end < before
            };
            for old in all.iter().filter(is_old) {
                match self.take_away(&RecordingId(old.id.clone())).await {
                    Ok(Removed::Gone) => {
                        self.removed.with_label_values(&["age"]).inc();
                        tracing::info!(recording = old.id, "a recording that is too old is removed");
                    }
                    Ok(Removed::Living | Removed::Missing) => {}
                    Err(error) => tracing::warn!(%error, recording = old.id, "a recording cannot be removed"),
                }
            }
        }
    }

    /// Recordings of a room and of a session, or all, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn list(
        &self,
        room: Option<&RoomId>,
        session: Option<&str>,
        skip: usize,
        take: usize,
    ) -> io::Result<Page<Recorded>> {
        let mut all = self.all().await?;
        all.retain(|one| {
            room.is_none_or(|room| one.room == *room) && session.is_none_or(|session| one.session == session)
        });
        all.sort_by(|one, other| (other.started_at_ms, &other.id).cmp(&(one.started_at_ms, &one.id)));
        let total = all.len() as u64;
        let items = all.into_iter().skip(skip).take(take).collect();
        Ok(Page { items, total })
    }

    /// A recording: how it stands in the list, and its whole manifest.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find(&self, id: &RecordingId) -> io::Result<Option<(Recorded, Manifest)>> {
        let folder = self.directory.join(&id.0);
        let read = blocking(move || read(&folder)).await?;
        Ok(read.map(|(mut recorded, manifest)| {
            recorded.is_living |= self.living().contains(&recorded.id);
            (recorded, manifest)
        }))
    }

    /// Where a file of a recording lies; only what its manifest names is found.
    pub fn path(&self, manifest: &Manifest, name: &str) -> Option<PathBuf> {
        let is_there = name == MANIFEST || manifest.files.iter().any(|file| file.file == name);
        let id = manifest.recording.parse::<RecordingId>().ok()?;
        (is_there && is_plain(name)).then(|| self.directory.join(id.0).join(name))
    }

    /// Removes a recording because somebody asks for it.
    ///
    /// # Errors
    /// When its files cannot be removed.
    pub async fn remove(&self, id: &RecordingId) -> io::Result<Removed> {
        let removed = self.take_away(id).await?;
        if removed == Removed::Gone {
            self.removed.with_label_values(&["request"]).inc();
        }
        Ok(removed)
    }

    async fn take_away(&self, id: &RecordingId) -> io::Result<Removed> {
        match self.find(id).await? {
            None => return Ok(Removed::Missing),
            Some((recorded, _)) if recorded.is_living => return Ok(Removed::Living),
            Some(_) => {}
        }
        let (from, to) = (
            self.directory.join(&id.0),
            self.directory.join(format!("{REMOVED}{id}")),
        );
        let gone = blocking(move || match fs::rename(&from, &to) {
            Ok(()) => fs::remove_dir_all(&to).map(|()| Removed::Gone),
            // Somebody else was quicker.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Removed::Missing),
            Err(error) => Err(error),
        });
        gone.await
    }

    /// Everything in the folder. A manifest is read again only when it was written again.
    async fn all(&self) -> io::Result<Vec<Recorded>> {
        let known = Arc::clone(&self.known).lock_owned().await;
        let directory = Arc::clone(&self.directory);
        let mut all = blocking(move || look(&directory, known)).await?;
        let living = self.living();
        for one in &mut all {
            one.is_living |= living.contains(&one.id);
        }
        Ok(all)
    }

    fn living(&self) -> MutexGuard<'_, BTreeSet<String>> {
        // Nothing in here can leave it half changed.
        self.living.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(directory: &Path, mut known: OwnedMutexGuard<HashMap<String, Recorded>>) -> io::Result<Vec<Recorded>> {
    let folders = match fs::read_dir(directory) {
        Ok(folders) => folders,
        // It is made with the first recording.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = HashMap::new();
    for folder in folders {
        let folder = folder?;
        let name = folder.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(REMOVED)) {
            // What a server that died could not remove to the end. It is tried again the next time.
            let _again = fs::remove_dir_all(folder.path());
            continue;
        }
        let Some(id) = name.to_str().and_then(|name| name.parse::<RecordingId>().ok()) else {
            continue;
        };
        let Ok(written) = fs::metadata(folder.path().join(MANIFEST)).and_then(|file| file.modified()) else {
            continue;
        };
        // One without an end may grow.
        let same = known.remove(&id.0);
        let same = same.filter(|one| one.end.is_some() && one.written == written);
        let found = same.or_else(|| read(&folder.path()).ok().flatten().map(|(one, _)| one));
        all.extend(found.map(|one| (id.0, one)));
    }
    *known = all;
    Ok(known.values().cloned().collect())
}

/// What is in a folder; `None`: no recording.
fn read(folder: &Path) -> io::Result<Option<(Recorded, Manifest)>> {
    let path = folder.join(MANIFEST);
    let file = match fs::metadata(&path) {
        Ok(file) if file.len() <= MANIFEST_BYTES_MAX => file,
        Ok(_) => return Ok(None),
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut written = file.modified()?;
    let Ok(mut manifest) = serde_json::from_slice::<Manifest>(&fs::read(&path)?) else {
        return Ok(None);
    };
    // A folder that somebody has copied is another's.
    if folder.file_name().and_then(|name| name.to_str()) != Some(&manifest.recording) {
        return Ok(None);
    }
    if manifest.end.is_none() {
        // The manifest is written when a file begins or ends; meanwhile the files themselves tell.
        for file in manifest.files.iter_mut().filter(|file| is_plain(&file.file)) {
            if let Ok(found) = fs::metadata(folder.join(&file.file)) {
                file.bytes = found.len();
                written = found.modified().map_or(written, |at| at.max(written));
            }
        }
    }
    let recorded = Recorded {
        id: manifest.recording.clone(),
        room: manifest.room.clone(),
        session: manifest.session.clone(),
        started_at_ms: manifest.started_at_ms,
        ended_at_ms: manifest.ended_at_ms,
        end: manifest.end,
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        is_living: is_living(manifest.end, written),
        written,
    };
    Ok(Some((recorded, manifest)))
}

/// The manifest is a file, too, and may have been written by somebody else.
fn is_plain(name: &str) -> bool {
    !name.contains(['/', '\\', '\0']) && !name.starts_with('.')
}

fn is_living(end: Option<RecordingEnd>, written: SystemTime) -> bool {
    // A disk of another machine may be a little ahead.
    end.is_none() && written.elapsed().map_or(true, |since| since < LIVING)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(io::Error::other("whoever reads the disk died")))
}
