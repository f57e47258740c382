//! A bus inside one process: for several nodes of a test or a simulation. It keeps the same promises as the real one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::mpsc;

use super::bus::{Bus, BusError, Change, Changes, Deliveries, Delivery, Doing, Entry, Table, WriteError};

/// A listener that is so far behind loses what comes.
const LISTENER_CAPACITY: usize = 1_024;

/// What all nodes share.
#[derive(Debug, Default)]
pub struct Hub {
    inside: Mutex<Inside>,
}

/// Where something goes, and whether that end is cut off.
type Ear<T> = (mpsc::Sender<T>, Arc<AtomicBool>);

#[derive(Debug, Default)]
struct Inside {
    listeners: HashMap<String, Vec<Ear<Delivery>>>,
    watchers: HashMap<Table, Vec<Ear<Change>>>,
    tables: HashMap<(Table, String), Entry>,
    revision: u64,
    replies: u64,
}

/// One node's end of the bus.
#[derive(Clone, Debug)]
pub struct EmbeddedBus {
    hub: Arc<Hub>,
    /// Nothing gets through.
    cut: Arc<AtomicBool>,
}

impl EmbeddedBus {
    /// An end of this hub.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            cut: Arc::default(),
        }
    }

    /// Cuts this node off, or lets it back. What is sent meanwhile is lost.
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    fn inside(&self) -> Result<MutexGuard<'_, Inside>, BusError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(BusError::Unreachable);
        }
        // Nothing in here can leave it half changed.
        Ok(self.hub.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inside {
    fn deliver(&mut self, subject: &str, delivery: &Delivery) -> usize {
        let Some(listeners) = self.listeners.get_mut(subject) else {
            return 0;
        };
        listeners.retain(|(listener, _)| !listener.is_closed());
        let mut reached = 0;
        for (listener, _) in listeners.iter().filter(|(_, cut)| !cut.load(Ordering::SeqCst)) {
            reached += 1;
            // Who is too far behind loses it, as on any bus.
            let _lost = listener.try_send(delivery.clone());
        }
        reached
    }

    fn change(&mut self, table: Table, key: String, value: Option<Bytes>) -> u64 {
        self.revision += 1;
        let entry = value.map(|value| Entry {
            value,
            revision: self.revision,
        });
        let place = (table, key.clone());
        match &entry {
            Some(entry) => self.tables.insert(place, entry.clone()),
            None => self.tables.remove(&place),
        };
        let change = Change { key, entry };
        let watchers = self.watchers.entry(table).or_default();
        // A watcher that misses a change has to begin anew, and so has one that is cut off.
        watchers.retain(|(watcher, cut)| !cut.load(Ordering::SeqCst) && watcher.try_send(change.clone()).is_ok());
        self.revision
    }

    fn is_at(&self, table: Table, key: &str, after: Option<u64>) -> bool {
        self.tables.get(&(table, key.to_owned())).map(|entry| entry.revision) == after
    }
}

impl Bus for EmbeddedBus {
    fn publish(&self, subject: String, payload: Bytes) -> Doing<'_, Result<(), BusError>> {
        Box::pin(async move {
            self.inside()?.deliver(&subject, &Delivery { payload, reply: None });
            Ok(())
        })
    }

    fn ask(&self, subject: String, payload: Bytes, patience: Duration) -> Doing<'_, Result<Bytes, BusError>> {
        Box::pin(async move {
            let (answer, mut answers) = mpsc::channel(1);
            let reply = {
                let mut inside = self.inside()?;
                inside.replies += 1;
                let reply = format!("reply.{}", inside.replies);
                let here = (answer, Arc::clone(&self.cut));
                inside.listeners.insert(reply.clone(), vec![here]);
                let delivery = Delivery {
                    payload,
                    reply: Some(reply.clone()),
                };
                if inside.deliver(&subject, &delivery) == 0 {
                    inside.listeners.remove(&reply);
                    return Err(BusError::Nobody);
                }
                reply
            };
            let answered = tokio::time::timeout(patience, answers.recv()).await;
            self.hub
                .inside
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .listeners
                .remove(&reply);
            match answered {
                Ok(Some(Delivery { payload, .. })) => Ok(payload),
                Ok(None) | Err(_) => Err(BusError::Late),
            }
        })
    }

    fn listen(&self, subject: String) -> Doing<'_, Result<Deliveries, BusError>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(LISTENER_CAPACITY);
            let here = (sender, Arc::clone(&self.cut));
            self.inside()?.listeners.entry(subject).or_default().push(here);
            Ok(Box::pin(stream::unfold(receiver, |mut receiver| async {
                let delivery = receiver.recv().await?;
                Some((delivery, receiver))
            })) as Deliveries)
        })
    }

    fn read(&self, table: Table, key: String) -> Doing<'_, Result<Option<Entry>, BusError>> {
        Box::pin(async move { Ok(self.inside()?.tables.get(&(table, key)).cloned()) })
    }

    fn write(&self, table: Table, key: String, value: Bytes, after: Option<u64>) -> Doing<'_, Result<u64, WriteError>> {
        Box::pin(async move {
            let mut inside = self.inside()?;
            if !inside.is_at(table, &key, after) {
                return Err(WriteError::Conflict);
            }
            Ok(inside.change(table, key, Some(value)))
        })
    }

    fn remove(&self, table: Table, key: String, after: u64) -> Doing<'_, Result<(), WriteError>> {
        Box::pin(async move {
            let mut inside = self.inside()?;
            if !inside.is_at(table, &key, Some(after)) {
                return Err(WriteError::Conflict);
            }
            inside.change(table, key, None);
            Ok(())
        })
    }

    fn watch(&self, table: Table) -> Doing<'_, Result<Changes, BusError>> {
        Box::pin(async move {
            let (sender, receiver) = mpsc::channel(LISTENER_CAPACITY);
            let mut inside = self.inside()?;
            let there: Vec<Change> = inside
                .tables
                .iter()
                .filter(|((of, _), _)| *of == table)
                .map(|((_, key), entry)| Change {
                    key: key.clone(),
                    entry: Some(entry.clone()),
                })
                .collect();
            let here = (sender, Arc::clone(&self.cut));
            inside.watchers.entry(table).or_default().push(here);
            drop(inside);
            let later = stream::unfold(receiver, |mut receiver| async {
                let change = receiver.recv().await?;
                Some((change, receiver))
            });
            Ok(Box::pin(stream::iter(there).chain(later)) as Changes)
        })
    }
}
