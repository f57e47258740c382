//! Sends webhooks: signed, one after the other for each endpoint and session, and again until they are taken.

mod endpoint;
mod signature;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub(super) use endpoint::trust_of_the_machine;
pub use endpoint::{EndpointError, check_endpoint};
pub(super) use signature::SigningKey;
pub use signature::read_signing_key;

use super::records::{Delivery, Note, Signing};
use super::room_task::sleep_until;
use super::{Metrics, chance, unix_ms};
use crate::records::{Applied, Courier, Letter, Outcome, Store, Waiting, WebhookSecret};
use endpoint::Clients;

/// Requests on their way at a time, to all endpoints together.
const FLIGHTS_MAX: usize = 256;
/// How often it is looked for records that are too old.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);
/// How soon it is tried again to get ready for sending.
const TOOLS_PAUSE: Duration = Duration::from_secs(1);

/// Everything that sends.
pub(super) struct Post {
    store: Arc<Store>,
    /// Weak: sending must not keep the keeper alive.
    notes: mpsc::WeakSender<Note>,
    metrics: Metrics,
    told: watch::Sender<Delivery>,
    signing: watch::Receiver<Signing>,
    /// Counts the keys that there were; 0: it is not known yet with which to sign.
    key_number: watch::Receiver<u64>,
}

/// What all requests need.
#[derive(Clone)]
struct Tools {
    clients: Arc<Clients>,
    key: Arc<SigningKey>,
    secret: Option<WebhookSecret>,
}

/// What one request needs.
struct Flight {
    store: Arc<Store>,
    notes: mpsc::WeakSender<Note>,
    metrics: Metrics,
    tools: Tools,
}

impl Post {
    pub(super) const fn new(
        store: Arc<Store>,
        notes: mpsc::WeakSender<Note>,
        metrics: Metrics,
        told: watch::Sender<Delivery>,
        signing: watch::Receiver<Signing>,
        key_number: watch::Receiver<u64>,
    ) -> Self {
        Self {
            store,
            notes,
            metrics,
            told,
            signing,
            key_number,
        }
    }

    /// Sends what waits and what comes, until the keeper ends.
    pub(super) async fn run(mut self, waiting: Vec<Waiting>, mut arrivals: mpsc::Receiver<Applied>) {
        let mut courier = Courier::default();
        for one in waiting {
            courier.add(one);
        }
        let mut tools: Option<Tools> = None;
        let mut flights: JoinSet<Outcome> = JoinSet::new();
        let mut ids = HashMap::new();
        let mut forget = tokio::time::interval(FORGET_INTERVAL);
        loop {
            self.show(&courier);
            if *self.key_number.borrow() > 0 && !courier.is_empty() && tools.is_none() {
                tools = self.tools().await;
            }
            let now = Instant::now();
            if let Some(tools) = &tools {
                for id in courier.due(now, FLIGHTS_MAX.saturating_sub(ids.len())) {
                    let flight = Flight {
                        store: Arc::clone(&self.store),
                        notes: self.notes.clone(),
                        metrics: self.metrics.clone(),
                        tools: tools.clone(),
                    };
                    ids.insert(flights.spawn(flight.send(id)).id(), id);
                }
            }
            let next = match &tools {
                Some(_) if ids.len() < FLIGHTS_MAX => courier.next_timeout(now),
                Some(_) => None,
                None => (!courier.is_empty()).then(|| now + TOOLS_PAUSE),
            };
            tokio::select! {
                arrived = arrivals.recv() => {
                    let Some(applied) = arrived else { return };
                    for one in applied.queued {
                        courier.add(one);
                    }
                    let crowded_out = self.metrics.webhooks.with_label_values(&["crowded-out"]);
                    crowded_out.inc_by(applied.crowded_out.len() as u64);
                    for id in applied.crowded_out {
                        courier.forget(id);
                    }
                }
                Some(ended) = flights.join_next_with_id() => {
                    let (task, outcome) = match ended {
                        Ok((task, outcome)) => (task, outcome),
                        // A panic is a bug of ours; what it was about is tried again.
                        Err(error) => (error.id(), Outcome::Unreachable),
                    };
                    if let Some(id) = ids.remove(&task) {
                        courier.done(id, outcome, Instant::now(), chance());
                    }
                }
                () = sleep_until(next), if next.is_some() => {}
                // Other keys: what goes from now on is signed with them.
                Ok(()) = self.signing.changed() => tools = None,
                // Whoever changes it is a part of the node, and ends with the keeper.
                Ok(()) = self.key_number.changed() => tools = None,
                _ = forget.tick() => {
                    // A queue that is full has other things to do; there is a next time.
                    let _full = self.notes.upgrade().map(|notes| notes.try_send(Note::Forget));
                }
            }
        }
    }

    fn show(&self, courier: &Courier) {
        let delivery = Delivery {
            waiting: courier.len(),
            failing: courier.failing(),
        };
        let small = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.metrics.webhooks_waiting.set(small(delivery.waiting));
        self.metrics.webhook_endpoints_failing.set(small(delivery.failing));
        self.told
            .send_if_modified(|told| std::mem::replace(told, delivery) != delivery);
    }

    /// Made when there is something to send: most nodes send nothing.
    async fn tools(&self) -> Option<Tools> {
        let Signing { key, secret } = self.signing.borrow().clone();
        let key = match key {
            Some(given) => SigningKey::read(given.expose())?,
            None => self.own_key().await?,
        };
        let webhooks = self.store.webhooks().clone();
        let clients = Clients::new(&webhooks);
        match clients {
            Ok(clients) => Some(Tools {
                clients: Arc::new(clients),
                key: Arc::new(key),
                secret,
            }),
            Err(error) => {
                tracing::error!(%error, "webhooks cannot be sent");
                None
            }
        }
    }

    /// The pair that is kept in the records.
    async fn own_key(&self) -> Option<SigningKey> {
        let (reply, answer) = oneshot::channel();
        // Not awaited: the keeper may be waiting for us to take its news.
        self.notes.upgrade()?.try_send(Note::Key(reply)).ok()?;
        let key = tokio::time::timeout(Duration::from_secs(5), answer).await.ok()?.ok()?;
        SigningKey::read(&key)
    }
}

impl Flight {
    /// Sends one and says what came of it; whatever is settled is struck off before the next of its lane goes.
    async fn send(self, id: u64) -> Outcome {
        let store = Arc::clone(&self.store);
        let read = tokio::task::spawn_blocking(move || store.letter(id)).await;
        let (outcome, result) = match read {
            Ok(Ok(Some(letter))) => self.post(id, &letter).await,
            Ok(Ok(None)) => return Outcome::Settled,
            Ok(Err(_)) | Err(_) => (Outcome::Unreachable, "unreadable"),
        };
        self.metrics.webhooks.with_label_values(&[result]).inc();
        if outcome == Outcome::Settled
            && let Some(notes) = self.notes.upgrade()
        {
            // Without a keeper it is sent once more after the next start: at least once.
            let _stopped = notes.send(Note::Settled(id)).await;
        }
        outcome
    }

    async fn post(&self, id: u64, letter: &Letter) -> (Outcome, &'static str) {
        let (now_ms, webhooks) = (unix_ms(), self.store.webhooks());
        if u128::from(now_ms.saturating_sub(letter.at_ms)) > webhooks.retry_for.as_millis() {
            tracing::warn!(id, "a webhook is given up: its endpoint did not take it in time");
            return (Outcome::Settled, "expired");
        }
        let signature = self.tools.key.sign(letter.body.as_bytes());
        let secret = self.tools.secret.as_ref().filter(|_| letter.trusted);
        let stamp = secret.map(|secret| signature::stamp(secret.expose(), now_ms / 1_000, &letter.body));
        let headers = [("videosdk-signature", signature), ("enfilade-signature", stamp)];
        let headers = headers
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| (name, value)));
        let Ok(request) = self.tools.clients.request(letter, headers) else {
            // The rules have changed since it was made.
            return (Outcome::Settled, "forbidden");
        };
        let sent = tokio::time::timeout(webhooks.timeout, self.tools.clients.send(letter, request)).await;
        let status = match sent {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => {
                tracing::debug!(id, %error, "a webhook was not taken");
                return (Outcome::Unreachable, "unreachable");
            }
            Err(_) => return (Outcome::Unreachable, "unreachable"),
        };
        let is_busy = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&status);
        if status.is_success() {
            (Outcome::Settled, "taken")
        } else if status.is_server_error() || is_busy {
            (Outcome::Unreachable, "unreachable")
        } else {
            (Outcome::Refused, "refused")
        }
    }
}
