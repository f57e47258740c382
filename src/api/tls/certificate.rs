//! A certificate and its key as they stand in files, and whether they can be used.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Largest file that is read: a chain of certificates is some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// HTTP/1.1 (RFC 7301 section 6): signalling is a WebSocket of that version.
const ALPN: &[u8] = b"http/1.1";

/// SHA-256 of what both files hold.
pub(super) type Digest = [u8; 32];

/// `[http] tls_certificate` and `tls_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those above it, in PEM, the server's own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be used. Never quotes what the files hold.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A file is far larger than any certificate.
    #[error("{0} is larger than 1 MiB")]
    TooLarge(PathBuf),
    /// There is no certificate in the file.
    #[error("{0} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate(PathBuf),
    /// There is no private key in the file.
    #[error("{0} holds no private key in PEM (-----BEGIN PRIVATE KEY-----), or one with a password")]
    NoKey(PathBuf),
    /// The certificate is no certificate.
    #[error("the certificate in {0} cannot be read")]
    Malformed(PathBuf),
    /// Its time is over.
    #[error("the certificate in {0} has ended")]
    Ended(PathBuf),
    /// The library refuses the two: the key belongs to another certificate, or is of a kind that nobody uses.
    #[error("the certificate and its key do not go together: {0}")]
    Refused(rustls::Error),
}

/// What the files hold.
pub(super) struct Read {
    certificate: Vec<u8>,
    key: Vec<u8>,
    pub(super) digest: Digest,
}

/// A certificate that can be used.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) config: Arc<ServerConfig>,
    /// When it ends.
    pub ends_at: SystemTime,
}

impl TlsFiles {
    /// Reads and checks both files, as a server does that starts.
    ///
    /// # Errors
    /// When it would not start.
    pub fn check(&self) -> Result<Certificate, TlsError> {
        Certificate::of(self, &self.read()?)
    }

    pub(super) fn read(&self) -> Result<Read, TlsError> {
        let (certificate, key) = (bytes_of(&self.certificate)?, bytes_of(&self.key)?);
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&(certificate.len() as u64).to_be_bytes());
        hash.update(&certificate);
        hash.update(&key);
        let mut digest = Digest::default();
        digest.copy_from_slice(hash.finish().as_ref());
        Ok(Read {
            certificate,
            key,
            digest,
        })
    }
}

impl Certificate {
    pub(super) fn of(files: &TlsFiles, read: &Read) -> Result<Certificate, TlsError> {
        let none = || TlsError::NoCertificate(files.certificate.clone());
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(&read.certificate).collect();
        let chain = chain.map_err(|_| none())?;
        let own = chain.first().ok_or_else(none)?;
        let ends_at = end_of(own).ok_or_else(|| TlsError::Malformed(files.certificate.clone()))?;
        if ends_at <= SystemTime::now() {
            return Err(TlsError::Ended(files.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&read.key).map_err(|_| TlsError::NoKey(files.key.clone()))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(TlsError::Refused)?;
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(Certificate {
            config: Arc::new(config),
            ends_at,
        })
    }
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable(path.to_owned(), error);
    if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
        return Err(TlsError::TooLarge(path.to_owned()));
    }
    std::fs::read(path).map_err(unreadable)
}

/// `notAfter` (RFC 5280 section 4.1.2.5).
fn end_of(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let seconds = u64::try_from(parsed.validity().not_after.timestamp()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}
