//! TLS of the HTTP side: the certificate is read from files, and read again while the server runs.
//!
//! The files are looked at every few seconds rather than watched: that also sees what Kubernetes and certbot do, who put new
//! files in place by moving a symbolic link. A new certificate counts for new connections; those that are open keep the one
//! they began with. One that cannot be used changes nothing but the log and a counter.

mod certificate;
mod figures;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use certificate::{Certificate, TlsError, TlsFiles};
pub use figures::TlsFigures;

use certificate::Digest;

/// RFC 7443 section 6.
const TURN_ALPN: &[u8] = b"stun.turn";
/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// A certificate that ends sooner than this is warned of, once for each certificate.
const SOON: Duration = Duration::from_secs(7 * 24 * 3_600);

/// The certificate in force, and the way to have its files looked at. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    files: Arc<TlsFiles>,
    current: watch::Receiver<Arc<ServerConfig>>,
    look: Arc<Notify>,
    figures: TlsFigures,
}

/// What keeps the certificate fresh: to be run beside the server.
pub struct Watching {
    tls: Tls,
    taken: watch::Sender<Arc<ServerConfig>>,
    ends_at: SystemTime,
    /// What was judged last, and not again until the files hold something else. `None`: they could not be read.
    judged: Option<Digest>,
    /// What could not be used when it was first seen.
    doubted: Option<Option<Digest>>,
}

impl Tls {
    /// Reads the certificate for the first time.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn start(files: TlsFiles, figures: TlsFigures) -> Result<(Tls, Watching), TlsError> {
        let read = files.read()?;
        let certificate = Certificate::of(&files, &read)?;
        let (taken, current) = watch::channel(certificate.config);
        let tls = Tls {
            files: Arc::new(files),
            current,
            look: Arc::default(),
            figures,
        };
        let watching = Watching {
            tls: tls.clone(),
            taken,
            ends_at: certificate.ends_at,
            judged: Some(read.digest),
            doubted: None,
        };
        watching.tell_end(SystemTime::now());
        Ok((tls, watching))
    }

    /// Has the files looked at without waiting for the next time.
    pub fn look_now(&self) {
        self.look.notify_one();
    }

    /// The handshake of one connection, with the certificate that is in force now.
    pub(super) async fn accept(&self, stream: TcpStream, patience: Duration) -> io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.borrow());
        self.greet(stream, config, patience).await
    }

    /// The same for the TURN server, which is called otherwise (RFC 7443).
    ///
    /// # Errors
    /// When the handshake fails or takes too long.
    pub async fn accept_turn(&self, stream: TcpStream, patience: Duration) -> io::Result<TlsStream<TcpStream>> {
        let mut config = ServerConfig::clone(&self.current.borrow());
        config.alpn_protocols = vec![TURN_ALPN.to_vec()];
        self.greet(stream, Arc::new(config), patience).await
    }

    async fn greet(
        &self,
        stream: TcpStream,
        config: Arc<ServerConfig>,
        patience: Duration,
    ) -> io::Result<TlsStream<TcpStream>> {
        let accepted = timeout(patience, TlsAcceptor::from(config).accept(stream)).await;
        let result = accepted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if result.is_err() {
            self.figures.handshake_failures.inc();
        }
        result
    }
}

impl Watching {
    /// Looks at the files for as long as it is let.
    pub async fn run(mut self) {
        loop {
            // An early look is as good as one in time.
            let _early = timeout(LOOK_INTERVAL, self.tls.look.notified()).await;
            self.look(SystemTime::now());
        }
    }

    /// Certificate and key are written one after the other: what cannot be used is judged when it is seen the second time.
    fn look(&mut self, now: SystemTime) {
        let read = self.tls.files.read();
        let seen = read.as_ref().ok().map(|read| read.digest);
        if seen == self.judged {
            self.doubted = None;
        } else {
            match read.and_then(|read| Certificate::of(&self.tls.files, &read)) {
                Ok(certificate) => {
                    self.judged = seen;
                    self.take(certificate, now);
                }
                Err(_) if self.doubted.replace(seen) != Some(seen) => {}
                Err(error) => {
                    self.judged = seen;
                    self.tls.figures.reloads.with_label_values(&["refused"]).inc();
                    tracing::warn!(%error, "the new TLS certificate cannot be used; the one in force stays");
                }
            }
        }
        self.tell_end(now);
    }

    fn take(&mut self, certificate: Certificate, now: SystemTime) {
        let seconds_left = seconds_between(now, certificate.ends_at);
        self.ends_at = certificate.ends_at;
        self.taken.send_replace(certificate.config);
        self.tls.figures.reloads.with_label_values(&["ok"]).inc();
        tracing::info!(days_left = seconds_left / 86_400, "a new TLS certificate is in force");
        if certificate.ends_at < now + SOON {
            tracing::warn!(seconds_left, "the new TLS certificate ends soon");
        }
    }

    fn tell_end(&self, now: SystemTime) {
        self.tls.figures.seconds_left.set(seconds_between(now, self.ends_at));
    }
}

/// Below zero when the end has passed.
fn seconds_between(now: SystemTime, end: SystemTime) -> i64 {
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => seconds(left),
        Err(passed) => -seconds(passed.duration()),
    }
}
