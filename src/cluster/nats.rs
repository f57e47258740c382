//! The bus over NATS: core messages, and JetStream's key-value buckets for the tables.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::kv::{CreateErrorKind, Operation, Store, UpdateErrorKind};
use async_nats::jetstream::stream::{self, DiscardPolicy, LastRawMessageErrorKind, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, Event, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use futures_util::StreamExt;

use super::bus::{Bus, BusError, Change, Changes, Deliveries, Delivery, Doing, Entry, Table, WriteError};

/// How long a table may take to answer. Renewing a lease must fail and be tried again within it.
const TABLE_PATIENCE: Duration = Duration::from_millis(1_500);
/// Reconnecting is tried after a random part of this.
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Nodes remove their own leases and those of the dead; what is left over goes by itself.
const NODES_MAX_AGE: Duration = Duration::from_secs(3_600);
/// No revocation is longer; nodes remove those that have ended.
const REVOCATIONS_MAX_AGE: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Messages that wait to be taken in. Beyond that they are lost, which relays and links notice.
const SUBSCRIPTION_MAX: usize = 8_192;
/// How long NATS remembers ids of messages; ours have none.
const DUPLICATES: Duration = Duration::from_secs(120);

/// Where NATS is and how it lets us in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatsConfig {
    /// Addresses, as `nats://host:4222`, `tls://host:4222` or `tls://user:password@host:4222`.
    pub servers: Vec<String>,
    /// A `.creds` file.
    pub credentials: Option<PathBuf>,
    /// Certificates in PEM of authorities that are trusted instead of those of the system.
    pub authorities: Option<PathBuf>,
    /// How many servers of NATS keep each table.
    pub replicas: usize,
    /// Several clusters may share one NATS: the first word of all subjects and of the names of the buckets.
    pub prefix: String,
}

/// A connection to NATS.
pub struct NatsBus {
    client: Client,
    context: Context,
    config: NatsConfig,
    stores: Mutex<HashMap<Table, Store>>,
}

impl fmt::Debug for NatsBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsBus")
            // Without the addresses: they may hold a password.
            .field("prefix", &self.config.prefix)
            .finish_non_exhaustive()
    }
}

/// Why there is no connection, and none is being made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file of credentials.
    #[error("the credentials of NATS cannot be used: {0}")]
    Credentials(#[from] std::io::Error),
    /// An address, or how to get there.
    #[error("NATS: {0}")]
    Nats(#[from] async_nats::ConnectError),
}

impl NatsBus {
    /// A connection, which is made in the background and made again whenever it breaks. `name` is shown by NATS.
    ///
    /// # Errors
    /// When it cannot even be tried.
    pub async fn connect(config: NatsConfig, name: &str) -> Result<Self, ConnectError> {
        let mut options = ConnectOptions::new()
            .name(name)
            .retry_on_initial_connect()
            .max_reconnects(None)
            .request_timeout(Some(TABLE_PATIENCE))
            .connection_timeout(Duration::from_secs(2))
            .subscription_capacity(SUBSCRIPTION_MAX)
            // A node that is cut off without a word has to notice it before its lease is over.
            .ping_interval(Duration::from_secs(2))
            .reconnect_delay_callback(|attempt| {
                let random = f64::from(fraction());
                RECONNECT_MAX.mul_f64(random * (attempt as f64 / 4.0).min(1.0))
            });
        let last = Mutex::new(String::new());
        options = options.event_callback(move |event| {
            tell(&last, &event);
            std::future::ready(())
        });
        if let Some(credentials) = &config.credentials {
            let text = tokio::fs::read_to_string(credentials).await?;
            options = options.credentials(&text)?;
        }
        if let Some((user, password)) = config.servers.iter().find_map(|server| user_of(server)) {
            options = options.user_and_password(user, password);
        }
        if let Some(authorities) = &config.authorities {
            options = options.add_root_certificates(authorities.clone());
        }
        let client = options.connect(config.servers.clone()).await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(TABLE_PATIENCE);
        Ok(Self {
            client,
            context,
            config,
            stores: Mutex::default(),
        })
    }

    fn subject(&self, subject: &str) -> String {
        format!("{}.{subject}", self.config.prefix)
    }

    /// Without a connection everything would wait for one, in one queue: nothing is even asked.
    fn is_connected(&self) -> Result<(), BusError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            State::Pending | State::Disconnected => Err(BusError::Unreachable),
        }
    }

    fn stores(&self) -> MutexGuard<'_, HashMap<Table, Store>> {
        // Nothing in here can leave it half changed.
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bucket of a table, made if there is none.
    async fn store(&self, table: Table) -> Result<Store, BusError> {
        self.is_connected()?;
        let known = self.stores().get(&table).cloned();
        if let Some(store) = known {
            return Ok(store);
        }
        let (name, max_age) = match table {
            Table::Nodes => ("nodes", NODES_MAX_AGE),
            Table::Rooms => ("rooms", Duration::ZERO),
            Table::Revocations => ("revocations", REVOCATIONS_MAX_AGE),
            Table::Made => ("made", Duration::ZERO),
            Table::Keys => ("keys", Duration::ZERO),
        };
        let bucket = format!("{}-{name}", self.config.prefix);
        let store = match self.context.get_key_value(&bucket).await {
            Ok(store) => store,
            Err(_) => {
                // As the library makes buckets, but without asking for the account first, whose form differs between releases of
                // NATS, and so that marks can be swept.
                let config = stream::Config {
                    name: format!("KV_{bucket}"),
                    subjects: vec![format!("$KV.{bucket}.>")],
                    max_messages_per_subject: 1,
                    max_age,
                    storage: StorageType::File,
                    num_replicas: self.config.replicas.max(1),
                    discard: DiscardPolicy::New,
                    duplicate_window: DUPLICATES,
                    allow_rollup: true,
                    allow_direct: true,
                    ..stream::Config::default()
                };
                let made = self.context.create_stream(config).await;
                made.map_err(|error| unreachable("a bucket cannot be made", &error))?;
                let store = self.context.get_key_value(&bucket).await;
                store.map_err(|error| unreachable("a bucket was made and cannot be found", &error))?
            }
        };
        self.stores().insert(table, store.clone());
        Ok(store)
    }

    /// The bucket may be gone, with all that NATS remembered: it is looked for anew.
    fn forget(&self, table: Table, what: &str, error: &dyn std::error::Error) -> BusError {
        self.stores().remove(&table);
        unreachable(what, error)
    }

    /// Of a removed entry a mark is left, which nobody needs: names of rooms are without number.
    async fn sweep(&self, store: &Store, key: &str) {
        let subject = format!("{}{key}", store.prefix);
        if let Ok(last) = store.stream.get_last_raw_message_by_subject(&subject).await
            && is_mark(&last.headers)
        {
            // By its own number, so that an entry made meanwhile stays.
            let _swept = store.stream.delete_message(last.sequence).await;
        }
    }
}

fn unreachable(what: &str, error: &dyn std::error::Error) -> BusError {
    tracing::debug!(%error, "{what}");
    BusError::Unreachable
}

/// Whom an address names: `tls://user:password@host`. The library does not look at it.
fn user_of(server: &str) -> Option<(String, String)> {
    let address: ServerAddr = server.parse().ok()?;
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some((
        plain(address.username()?),
        plain(address.password().unwrap_or_default()),
    ))
}

/// An operator has to learn why there is no connection, once and not at each attempt. These texts hold no password.
fn tell(last: &Mutex<String>, event: &Event) {
    let text = event.to_string();
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    if *last == text {
        return;
    }
    match event {
        Event::Connected => tracing::info!("NATS is connected"),
        Event::Disconnected | Event::ClientError(_) | Event::ServerError(_) | Event::LameDuckMode | Event::Closed => {
            tracing::warn!("NATS: {text}");
        }
        Event::Draining | Event::SlowConsumer(_) => tracing::debug!("NATS: {text}"),
    }
    *last = text;
}

/// Whether a message of a bucket says that there is nothing.
fn is_mark(headers: &async_nats::HeaderMap) -> bool {
    headers.get("KV-Operation").is_some()
}

/// From 0 to 1.
fn fraction() -> f32 {
    let mut byte = [0];
    // Without randomness all reconnect at the same moment, which is no worse than without a delay.
    let _unfilled = aws_lc_rs::rand::fill(&mut byte);
    f32::from(byte[0]) / 255.0
}

/// A connection that stands still answers nothing, and is noticed to only after a while.
fn in_time<'a, T, E: From<BusError> + 'a>(
    doing: impl Future<Output = Result<T, E>> + Send + 'a,
) -> Doing<'a, Result<T, E>> {
    Box::pin(async move {
        let done = tokio::time::timeout(TABLE_PATIENCE, doing).await;
        done.unwrap_or_else(|_| Err(BusError::Unreachable.into()))
    })
}

impl Bus for NatsBus {
    fn publish(&self, subject: String, payload: Bytes) -> Doing<'_, Result<(), BusError>> {
        in_time(async move {
            self.is_connected()?;
            let subject = if subject.starts_with("_INBOX.") {
                subject
            } else {
                self.subject(&subject)
            };
            if payload.len() > self.client.server_info().max_payload.max(64 << 10) {
                return Err(BusError::TooLarge);
            }
            let published = self.client.publish(subject, payload).await;
            published.map_err(|error| unreachable("a message cannot be sent", &error))
        })
    }

    fn ask(&self, subject: String, payload: Bytes, patience: Duration) -> Doing<'_, Result<Bytes, BusError>> {
        Box::pin(async move {
            self.is_connected()?;
            let request = async_nats::Request::new().payload(payload).timeout(Some(patience));
            match self.client.send_request(self.subject(&subject), request).await {
                Ok(message) => Ok(message.payload),
                Err(error) => Err(match error.kind() {
                    RequestErrorKind::NoResponders => BusError::Nobody,
                    RequestErrorKind::TimedOut => BusError::Late,
                    RequestErrorKind::MaxPayloadExceeded => BusError::TooLarge,
                    RequestErrorKind::InvalidSubject | RequestErrorKind::Other => {
                        unreachable("a question cannot be asked", &error)
                    }
                }),
            }
        })
    }

    fn listen(&self, subject: String) -> Doing<'_, Result<Deliveries, BusError>> {
        in_time(async move {
            let subscriber = self.client.subscribe(self.subject(&subject)).await;
            let subscriber = subscriber.map_err(|error| unreachable("a subject cannot be listened to", &error))?;
            Ok(Box::pin(subscriber.map(|message| Delivery {
                payload: message.payload,
                reply: message.reply.map(|reply| reply.to_string()),
            })) as Deliveries)
        })
    }

    fn read(&self, table: Table, key: String) -> Doing<'_, Result<Option<Entry>, BusError>> {
        in_time(async move {
            let store = self.store(table).await?;
            // Asked of the leader: a replica may not have heard yet.
            let subject = format!("{}{key}", store.prefix);
            match store.stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) if is_mark(&message.headers) => Ok(None),
                Ok(message) => Ok(Some(Entry {
                    value: message.payload,
                    revision: message.sequence,
                })),
                Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
                Err(error) => Err(self.forget(table, "an entry cannot be read", &error)),
            }
        })
    }

    fn write(&self, table: Table, key: String, value: Bytes, after: Option<u64>) -> Doing<'_, Result<u64, WriteError>> {
        in_time(async move {
            let store = self.store(table).await?;
            match after {
                None => match store.create(&key, value).await {
                    Ok(revision) => Ok(revision),
                    Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Err(WriteError::Conflict),
                    Err(error) => Err(self.forget(table, "an entry cannot be made", &error).into()),
                },
                Some(after) => match store.update(&key, value, after).await {
                    Ok(revision) => Ok(revision),
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(WriteError::Conflict),
                    Err(error) => Err(self.forget(table, "an entry cannot be written", &error).into()),
                },
            }
        })
    }

    fn remove(&self, table: Table, key: String, after: u64) -> Doing<'_, Result<(), WriteError>> {
        in_time(async move {
            let store = self.store(table).await?;
            match store.delete_expect_revision(&key, Some(after)).await {
                Ok(()) => {
                    self.sweep(&store, &key).await;
                    Ok(())
                }
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Err(WriteError::Conflict),
                Err(error) => Err(self.forget(table, "an entry cannot be removed", &error).into()),
            }
        })
    }

    fn watch(&self, table: Table) -> Doing<'_, Result<Changes, BusError>> {
        in_time(async move {
            let store = self.store(table).await?;
            let watch = match store.watch_with_history(">").await {
                Ok(watch) => watch,
                Err(error) => return Err(self.forget(table, "a table cannot be watched", &error)),
            };
            let changes = watch
                .take_while(|change| std::future::ready(change.is_ok()))
                .filter_map(|change| std::future::ready(change.ok()))
                .map(|entry| Change {
                    key: entry.key,
                    entry: match entry.operation {
                        Operation::Put => Some(Entry {
                            value: entry.value,
                            revision: entry.revision,
                        }),
                        Operation::Delete | Operation::Purge => None,
                    },
                });
            Ok(Box::pin(changes) as Changes)
        })
    }
}
