//! The one writer of the records: a thread, because a disk makes it wait. Whatever has come meanwhile is one transaction.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::archive::{Clerk, Desk, Reading};
use super::webhooks::{self, SigningKey};
use super::{Metrics, Queue, unix_ms};
use crate::records::{
    Applied, Batch, Edit, Edited, EndWord, LinkRecord, Mark, Page, RecordsConfig, RecordsError, RoomRecord,
    SessionRecord, StayRecord, Store, WebhookKey, WebhookSecret, WebhooksConfig,
};
use crate::room::{Preset, RoomEvent};
use crate::wire::RoomId;

/// What rooms and HTTP say to the keeper. A room never waits: what finds no place is not recorded, and counted.
const NOTES_CAPACITY: usize = 65_536;
/// What the keeper says to those who send webhooks; it waits when this is full.
const NEWS_CAPACITY: usize = 1_024;
/// Notes of one transaction.
const BATCH_MAX: usize = 1_024;
/// How long what happens in rooms may wait to be written with more of it.
const GATHER: Duration = Duration::from_millis(10);
/// Rooms that have changed by what happened in them, and that other nodes have not been told of yet. Whoever is further behind looks at
/// all rooms.
const CHANGES_CAPACITY: usize = 1_024;

/// Something to be written.
pub(super) enum Note {
    /// Something happened in a room.
    Event(Box<RoomEvent>),
    /// A room is over, whether it said so or not.
    Over(String),
    /// A webhook was taken, or is given up.
    Settled(u64),
    /// A room is made or changed.
    Edit(Box<Edit>, oneshot::Sender<Edited>),
    /// Something is revoked: its name, until when, and what.
    Revoke(String, u64, Vec<u8>, oneshot::Sender<()>),
    /// A revocation is taken back.
    Unrevoke(String, oneshot::Sender<()>),
    /// The archive has these.
    Archived(Vec<Mark>, oneshot::Sender<()>),
    /// The archive knows nothing of what is kept here.
    MarkAll,
    /// A room is taken in as all nodes keep it.
    Adopt(Box<RoomRecord>, oneshot::Sender<(RoomRecord, bool)>),
    /// Who signs?
    Key(oneshot::Sender<Vec<u8>>),
    /// All nodes sign with this.
    AdoptKey(Vec<u8>, oneshot::Sender<Vec<u8>>),
    /// Look for what is too old.
    Forget,
    /// The node stops.
    Stop(oneshot::Sender<()>),
}

/// How many webhooks wait, and how many endpoints cannot be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) waiting: usize,
    pub(super) failing: usize,
}

/// What is kept beyond the life of a room. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    store: Arc<Store>,
    notes: mpsc::Sender<Note>,
    delivery: watch::Receiver<Delivery>,
    changes: broadcast::Sender<RoomRecord>,
    /// Counts the keys that webhooks were signed with; 0: it is not known yet with which.
    key_number: Arc<watch::Sender<u64>>,
    metrics: Metrics,
    archive: Option<(Desk, Reading)>,
    signing: watch::Sender<Signing>,
}

/// With what webhooks are signed, as the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Signing {
    /// `None`: the pair that is kept in the records.
    pub(super) key: Option<WebhookKey>,
    pub(super) secret: Option<WebhookSecret>,
}

impl Signing {
    fn of(webhooks: &WebhooksConfig) -> Self {
        Self {
            key: webhooks.signing_key.clone(),
            secret: webhooks.secret.clone(),
        }
    }
}

/// Why the records do not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the records cannot be read or written now; try again")]
pub struct RecordsClosed;

impl Records {
    /// Opens the records, ends the sessions that a process before this one left open, and begins to send what waits.
    ///
    /// # Errors
    /// When they cannot be opened, or the thread cannot be started.
    pub fn start(config: RecordsConfig, webhooks: WebhooksConfig, metrics: Metrics) -> Result<Self, RecordsError> {
        let signing = watch::Sender::new(Signing::of(&webhooks));
        let (postgres, retention) = (config.postgres.clone(), config.retention);
        let store = Arc::new(Store::open(config, webhooks)?);
        let mut batch = store.write(unix_ms())?;
        let ended = batch.end_all(EndWord::NodeLost)?;
        batch.commit()?;
        if ended > 0 {
            tracing::warn!(ended, "sessions of a process that died are closed");
        }
        let (notes, inbox) = mpsc::channel(NOTES_CAPACITY);
        let (news, arrivals) = mpsc::channel(NEWS_CAPACITY);
        let (told, delivery) = watch::channel(Delivery::default());
        let archive = match postgres {
            None => None,
            Some(config) => {
                let reading = Reading::new(config.clone(), store.writer());
                let own = Arc::clone(&store);
                let clerk = Clerk::new(config, retention, own, notes.downgrade(), metrics.clone());
                let (clerk, desk) = clerk.map_err(|error| RecordsError::Metrics(error.to_string()))?;
                tokio::spawn(clerk.run());
                Some((desk, reading))
            }
        };
        let (changes, _) = broadcast::channel(CHANGES_CAPACITY);
        let key_number = Arc::new(watch::Sender::new(1));
        let keeper = Keeper {
            store: Arc::clone(&store),
            news,
            changes: changes.clone(),
            metrics: metrics.clone(),
            desk: archive.as_ref().map(|(desk, _)| desk.clone()),
        };
        std::thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || keeper.run(inbox))?;
        let waiting = store.waiting()?;
        let key_numbers = key_number.subscribe();
        let post = webhooks::Post::new(
            Arc::clone(&store),
            notes.downgrade(),
            metrics.clone(),
            told,
            signing.subscribe(),
            key_numbers,
        );
        tokio::spawn(post.run(waiting, arrivals));
        Ok(Self {
            store,
            notes,
            delivery,
            changes,
            key_number,
            metrics,
            archive,
            signing,
        })
    }

    /// Puts something on record, if there is place. Never waits.
    pub(super) fn tell(&self, event: Box<RoomEvent>) {
        self.metrics.queues.filled(Queue::Records, &self.notes);
        if self.notes.try_send(Note::Event(event)).is_err() {
            self.metrics.records_dropped.with_label_values(&["full"]).inc();
        }
    }

    /// A room is over.
    pub(super) async fn over(&self, session: String) {
        // Without a keeper there are no records to be right.
        let _stopped = self.notes.send(Note::Over(session)).await;
    }

    /// What a room was made with, if it was made ahead. A room whose record cannot be read is like one that was not made.
    pub(super) async fn preset(&self, room: &RoomId) -> Option<Preset> {
        // Of every room that begins. One look into memory costs less than another thread to take it.
        let found = if self.store.is_in_memory() {
            self.store.room(room.as_str()).map_err(unreadable)
        } else {
            let id = room.clone();
            self.read(move |store| store.room(id.as_str())).await
        };
        let (record, was_used): (RoomRecord, bool) = found.ok().flatten()?;
        Some(record.preset(unix_ms(), was_used))
    }

    /// Reads something.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsClosed> {
        let store = Arc::clone(&self.store);
        let found = tokio::task::spawn_blocking(move || read(&store)).await;
        found.map_err(|_| RecordsClosed)?.map_err(unreadable)
    }

    /// Sessions of a room, or all, the newest first and older than this one, each with at most so many of its stays: those of all nodes, from
    /// PostgreSQL. `None`: there is no PostgreSQL.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn archived(
        &self,
        room: Option<&RoomId>,
        before: Option<(u64, &str)>,
        skip: usize,
        take: usize,
        stays_most: usize,
    ) -> Result<Option<Page<(SessionRecord, Vec<StayRecord>)>>, RecordsClosed> {
        let Some((_, reading)) = &self.archive else {
            return Ok(None);
        };
        let room = room.map(RoomId::as_str);
        let read = reading.ask(async |archive| archive.sessions(room, before, skip, take, stays_most).await);
        read.await.map(Some).ok_or(RecordsClosed)
    }

    /// Whether sessions are read from PostgreSQL, which has those of all nodes.
    pub(super) fn is_archived(&self) -> bool {
        self.archive.is_some()
    }

    /// A session.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn session(&self, id: String) -> Result<Option<SessionRecord>, RecordsClosed> {
        match &self.archive {
            Some((_, reading)) => {
                let read = reading.ask(async |archive| archive.session(&id).await);
                read.await.ok_or(RecordsClosed)
            }
            None => self.read(move |store| store.session(&id)).await,
        }
    }

    /// Who was in a session, in the order in which they came; at most so many stays.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn stays(&self, session: String, most: usize) -> Result<Vec<StayRecord>, RecordsClosed> {
        match &self.archive {
            Some((_, reading)) => {
                let read = reading.ask(async |archive| archive.stays(&session, most).await);
                read.await.ok_or(RecordsClosed)
            }
            None => self.read(move |store| store.stays(&session, most)).await,
        }
    }

    /// The links of a session, in the order in which they opened.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn links(&self, session: String) -> Result<Vec<LinkRecord>, RecordsClosed> {
        match &self.archive {
            Some((_, reading)) => {
                let read = reading.ask(async |archive| archive.links(&session).await);
                read.await.ok_or(RecordsClosed)
            }
            None => self.read(move |store| store.links(&session)).await,
        }
    }

    /// Makes a room ahead, or changes one.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn edit(&self, edit: Edit) -> Result<Edited, RecordsClosed> {
        let (reply, answer) = oneshot::channel();
        let note = Note::Edit(Box::new(edit), reply);
        self.notes.send(note).await.map_err(|_| RecordsClosed)?;
        answer.await.map_err(|_| RecordsClosed)
    }

    /// Keeps a revocation until its end, in seconds since 1970. Answered when it is on the disk.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn revoke(&self, name: String, until: u64, what: Vec<u8>) -> Result<(), RecordsClosed> {
        let (reply, answer) = oneshot::channel();
        let note = Note::Revoke(name, until, what, reply);
        self.notes.send(note).await.map_err(|_| RecordsClosed)?;
        answer.await.map_err(|_| RecordsClosed)
    }

    /// Takes in a room as all nodes keep it. Answers how it is now, and whether anything has changed by it here.
    pub(super) async fn adopt(&self, record: RoomRecord) -> Result<(RoomRecord, bool), RecordsClosed> {
        let (reply, answer) = oneshot::channel();
        let note = Note::Adopt(Box::new(record), reply);
        self.notes.send(note).await.map_err(|_| RecordsClosed)?;
        answer.await.map_err(|_| RecordsClosed)
    }

    /// Forgets a revocation.
    ///
    /// # Errors
    /// When it cannot be forgotten.
    pub async fn unrevoke(&self, name: String) -> Result<(), RecordsClosed> {
        let (reply, answer) = oneshot::channel();
        let note = Note::Unrevoke(name, reply);
        self.notes.send(note).await.map_err(|_| RecordsClosed)?;
        answer.await.map_err(|_| RecordsClosed)
    }

    /// Rooms that change from now on by what happens in them.
    pub(super) fn changes(&self) -> broadcast::Receiver<RoomRecord> {
        self.changes.subscribe()
    }

    /// The public key by which webhooks are verified, in PEM.
    ///
    /// # Errors
    /// When there is none.
    pub async fn public_key(&self) -> Result<String, RecordsClosed> {
        let given = self.signing.borrow().key.clone();
        if let Some(key) = given {
            let key = SigningKey::read(key.expose()).ok_or(RecordsClosed)?;
            return Ok(key.public_pem());
        }
        let mut number = self.key_number.subscribe();
        // The sender is a part of this.
        drop(number.wait_for(|number| *number > 0).await);
        let key = self.key().await?;
        SigningKey::read(&key).map(|key| key.public_pem()).ok_or(RecordsClosed)
    }

    /// The key pair by which webhooks are signed, made if there is none.
    pub(super) async fn key(&self) -> Result<Vec<u8>, RecordsClosed> {
        let (reply, answer) = oneshot::channel();
        self.notes.send(Note::Key(reply)).await.map_err(|_| RecordsClosed)?;
        answer.await.map_err(|_| RecordsClosed)
    }

    /// Nothing is signed until it is known with which key all nodes sign.
    pub(super) fn hold_key(&self) {
        // With a key of the operator's own there is nothing to agree on.
        if self.signing.borrow().key.is_none() {
            self.key_number.send_replace(0);
        }
    }

    /// With the key that is kept here, then.
    pub(super) fn settle_key(&self) {
        self.key_number.send_if_modified(|number| {
            *number == 0 && {
                *number = 1;
                true
            }
        });
    }

    /// Signs with this from now on.
    pub(super) async fn adopt_key(&self, key: Vec<u8>) -> Result<(), RecordsClosed> {
        if self.key().await? != key {
            let (reply, answer) = oneshot::channel();
            let note = Note::AdoptKey(key, reply);
            self.notes.send(note).await.map_err(|_| RecordsClosed)?;
            answer.await.map_err(|_| RecordsClosed)?;
            self.key_number.send_modify(|number| *number += 1);
        }
        self.settle_key();
        Ok(())
    }

    /// Webhooks are signed with what stands there from now on.
    pub(super) fn sign_with(&self, webhooks: &WebhooksConfig) {
        let new = Signing::of(webhooks);
        self.signing.send_if_modified(|now| {
            let differs = *now != new;
            *now = new;
            differs
        });
    }

    /// Whether rooms may name endpoints on private networks.
    pub fn allows_private_endpoints(&self) -> bool {
        self.store.webhooks().allow_private
    }

    /// Ends what goes on, and gives webhooks that can be delivered now a last moment.
    pub(super) async fn stop(&self, patience: std::time::Duration) {
        let (reply, answer) = oneshot::channel();
        let all = async {
            // A keeper that is gone has nothing to end.
            let _stopped = self.notes.send(Note::Stop(reply)).await;
            let _ended = answer.await;
            if let Some((desk, _)) = &self.archive {
                desk.flush().await;
            }
            let mut delivery = self.delivery.clone();
            let _gone = delivery.wait_for(|now| now.waiting == 0 || now.failing > 0).await;
        };
        // What is not taken by then is taken after the next start.
        let _late = tokio::time::timeout(patience, all).await;
    }
}

struct Keeper {
    store: Arc<Store>,
    news: mpsc::Sender<Applied>,
    changes: broadcast::Sender<RoomRecord>,
    metrics: Metrics,
    desk: Option<Desk>,
}

/// A room that was taken in, as it is now, and whether anything has changed by it.
type Adopted = (RoomRecord, bool);

/// Who waits for a batch to be kept.
#[derive(Default)]
struct Replies {
    edits: Vec<(Edited, oneshot::Sender<Edited>)>,
    adopted: Vec<(Adopted, oneshot::Sender<Adopted>)>,
    keys: Vec<(Vec<u8>, oneshot::Sender<Vec<u8>>)>,
    /// Whoever waits for no more than that it is done.
    done: Vec<oneshot::Sender<()>>,
}

fn unreadable(error: RecordsError) -> RecordsClosed {
    tracing::error!(%error, "the records cannot be read");
    RecordsClosed
}

impl Keeper {
    fn run(self, mut inbox: mpsc::Receiver<Note>) {
        let mut notes = Vec::new();
        while inbox.blocking_recv_many(&mut notes, BATCH_MAX) > 0 {
            gather(&mut notes, &mut inbox);
            let (count, mut replies) = (notes.len() as u64, Replies::default());
            match self.write(&mut notes, &mut replies) {
                Ok(mut applied) => {
                    for room in applied.rooms.drain(..) {
                        // One node alone has nobody to tell.
                        let _alone = self.changes.send(room);
                    }
                    let not_kept = self.metrics.records_dropped.with_label_values(&["too-many"]);
                    not_kept.inc_by(applied.not_kept);
                    let not_archived = self.metrics.records_dropped.with_label_values(&["not-archived"]);
                    not_archived.inc_by(applied.not_archived);
                    if let Some(desk) = self.desk.as_ref().filter(|_| applied.marked > 0) {
                        desk.tell();
                    }
                    // Without somebody who sends them, webhooks wait for the next start. News come before replies: whoever was
                    // answered may rely on what follows from it.
                    let _stopped = self.news.blocking_send(applied);
                    replies.send();
                }
                Err(error) => {
                    self.metrics
                        .records_dropped
                        .with_label_values(&["failed"])
                        .inc_by(count);
                    tracing::error!(%error, "records cannot be written");
                }
            }
            notes.clear();
        }
    }

    fn write(&self, notes: &mut Vec<Note>, replies: &mut Replies) -> Result<Applied, RecordsError> {
        let mut batch = self.store.write(unix_ms())?;
        for note in notes.drain(..) {
            note.write(&mut batch, replies)?;
        }
        batch.commit()
    }
}

/// A write costs as much as all that happens in it, so what nobody waits for waits for what comes right behind it.
fn gather(notes: &mut Vec<Note>, inbox: &mut mpsc::Receiver<Note>) {
    if notes.len() >= BATCH_MAX || notes.iter().any(Note::is_awaited) {
        return;
    }
    std::thread::sleep(GATHER);
    while notes.len() < BATCH_MAX
        && let Ok(note) = inbox.try_recv()
    {
        notes.push(note);
    }
}

impl Note {
    fn is_awaited(&self) -> bool {
        match self {
            Note::Event(_) | Note::Over(_) | Note::Settled(_) | Note::MarkAll | Note::Forget => false,
            Note::Edit(..)
            | Note::Adopt(..)
            | Note::AdoptKey(..)
            | Note::Key(_)
            | Note::Revoke(..)
            | Note::Unrevoke(..)
            | Note::Archived(..)
            | Note::Stop(_) => true,
        }
    }

    fn write(self, batch: &mut Batch<'_>, replies: &mut Replies) -> Result<(), RecordsError> {
        match self {
            Note::Event(event) => batch.event(&event)?,
            Note::Over(session) => batch.lost(&session)?,
            Note::Settled(letter) => batch.settled(letter)?,
            Note::Edit(edit, reply) => replies.edits.push((batch.edit(*edit)?, reply)),
            Note::Adopt(record, reply) => replies.adopted.push((batch.adopt(*record)?, reply)),
            Note::AdoptKey(key, reply) => {
                batch.adopt_key(&key)?;
                replies.keys.push((key, reply));
            }
            Note::Key(reply) => {
                if let Some(key) = batch.signing_key(SigningKey::generate)? {
                    replies.keys.push((key, reply));
                }
            }
            Note::Revoke(name, until, what, reply) => {
                batch.revoke(&name, until, &what)?;
                replies.done.push(reply);
            }
            Note::Unrevoke(name, reply) => {
                batch.unrevoke(&name)?;
                replies.done.push(reply);
            }
            Note::Archived(marks, reply) => {
                batch.archived(&marks)?;
                replies.done.push(reply);
            }
            Note::MarkAll => batch.mark_all()?,
            Note::Forget => while batch.forget_old()? {},
            Note::Stop(reply) => {
                batch.end_all(EndWord::Moved)?;
                replies.done.push(reply);
            }
        }
        Ok(())
    }
}

impl Replies {
    /// Whoever asked may have gone away meanwhile.
    fn send(self) {
        for (edited, reply) in self.edits {
            let _gone = reply.send(edited);
        }
        for (adopted, reply) in self.adopted {
            let _gone = reply.send(adopted);
        }
        for (key, reply) in self.keys {
            let _gone = reply.send(key);
        }
        for reply in self.done {
            let _gone = reply.send(());
        }
    }
}
