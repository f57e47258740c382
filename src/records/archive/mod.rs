//! The archive: a PostgreSQL database in which every node keeps its sessions, and from which any of them reads all.
//!
//! Each node writes only what is its own, under the name of its own database (its *writer*), and says every few seconds that it lives. So sessions
//! of a node that died for good are shown as ended when it was heard of last, by whoever reads, and nobody has to put anything right.

mod read;
mod schema;
mod write;

use std::error::Error;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio_postgres::tls::NoTls;
use tokio_postgres::{Client, Connection, types};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresConfig;

/// How long connecting may take, for each of the addresses.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the database works at one statement before it gives up, in milliseconds.
const STATEMENT_MS_MAX: u32 = 10_000;
/// A node that has said nothing for so long is taken for dead, in seconds.
const LOST_SECS: f64 = 120.0;

/// An open connection to the archive.
pub struct Archive {
    client: Client,
    writer: String,
    node: String,
}

/// What moves the bytes of a connection. It ends with it.
pub type Line = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Why the archive does not do what it is to do.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It cannot be reached, refuses us, or cannot do it.
    #[error("{}", explain(.0))]
    Database(#[from] tokio_postgres::Error),
    /// What is to be written is not to its taste: trying again does not help.
    #[error("{}", explain(.0))]
    Refused(tokio_postgres::Error),
    /// Its tables were made by a newer server.
    #[error("its tables are of version {0}, and this server knows version {1}")]
    Version(i32, i32),
    /// The certificates of those who vouch for it.
    #[error("records.postgres_ca_file cannot be read: {0}")]
    Authorities(#[from] rustls::pki_types::pem::Error),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// What stands there is not what a server writes.
    #[error("a row cannot be understood: {0}")]
    Damaged(#[from] serde_json::Error),
}

/// An error with what is behind it. The library puts no password into any of these.
pub(super) fn explain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        text.push_str(": ");
        text.push_str(&behind.to_string());
        source = behind.source();
    }
    text
}

impl Archive {
    /// Opens a connection. Whoever calls runs the line; nothing else happens without it.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let us in.
    pub async fn connect(config: &PostgresConfig, writer: &str) -> Result<(Self, Line), ArchiveError> {
        let mut parsed = config.url.parsed();
        parsed.connect_timeout(CONNECT_TIMEOUT);
        parsed.tcp_user_timeout(Duration::from_secs(15));
        if parsed.get_application_name().is_none() {
            parsed.application_name("enfilade");
        }
        let (client, line) = if config.url.wants_tls() {
            let tls = MakeRustlsConnect::new(tls(config.authorities.as_deref())?);
            let (client, connection) = parsed.connect(tls).await?;
            (client, line(connection))
        } else {
            let (client, connection) = parsed.connect(NoTls).await?;
            (client, line(connection))
        };
        let archive = Self {
            client,
            writer: writer.to_owned(),
            node: config.node.clone(),
        };
        Ok((archive, line))
    }

    /// Whether the connection is gone.
    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }
}

fn line<S, T>(connection: Connection<S, T>) -> Line
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    // Whoever waits for an answer hears of the end as well.
    Box::pin(async move { drop(connection.await) })
}

fn tls(authorities: Option<&Path>) -> Result<rustls::ClientConfig, ArchiveError> {
    let mut roots = rustls::RootCertStore::empty();
    match authorities {
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path)? {
                roots.add(certificate?)?;
            }
        }
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// A time as the database has it.
fn time(unix_ms: u64) -> std::time::SystemTime {
    let since = Duration::from_millis(unix_ms);
    std::time::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(std::time::UNIX_EPOCH)
}

/// And back.
fn millis(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The word of one of our enums, as everywhere in JSON.
fn word(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let value = serde_json::to_value(value)?;
    Ok(value.as_str().unwrap_or_default().to_owned())
}

fn of_word<T: serde::de::DeserializeOwned>(text: String) -> Result<T, serde_json::Error> {
    serde_json::from_value(serde_json::Value::String(text))
}

/// What a statement takes.
type Parameters<'a> = &'a [&'a (dyn types::ToSql + Sync)];

/// A value of `jsonb` as the text that it stands for.
struct Json(String);

impl<'a> types::FromSql<'a> for Json {
    fn from_sql(_: &types::Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        // The form that is sent begins with its version, which is 1.
        let text = raw.strip_prefix(&[1]).ok_or("a form of jsonb that is not known")?;
        Ok(Self(std::str::from_utf8(text)?.to_owned()))
    }

    fn accepts(found: &types::Type) -> bool {
        *found == types::Type::JSONB
    }
}
