//! The DTLS 1.2 server of one transport (RFC 5764, RFC 6347, RFC 8827), on `rtc-dtls`.
//!
//! Three things are ours and not the library's. [`records`] decides what of a datagram the library gets to see.
//! [`clienthello`] picks the SRTP profile, AES-GCM first. And flights are repeated from here: the library stops
//! repeating as soon as it hears anything, even a packet that tells it nothing new, and gives up after a second.
//!
//! The client shows a certificate, and no key leaves before its SHA-256 is what signalling promised.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

use super::fingerprint::Fingerprint;
use super::srtp::{KeyingMaterial, Profile};

pub mod clienthello;
pub mod records;
#[cfg(test)]
mod tests;

/// First repetition of an unanswered flight; each further one waits twice as long, up to [`LONGEST_FLIGHT_INTERVAL`].
pub const FLIGHT_INTERVAL: Duration = Duration::from_millis(150);
/// Longest wait between repetitions.
pub const LONGEST_FLIGHT_INTERVAL: Duration = Duration::from_secs(3);
/// From the first datagram to a finished handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// The library keeps associations by address. A transport has one, and addresses are the shard's business.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Who we are in every handshake: a self-signed P-256 certificate, made when the node starts.
pub struct DtlsIdentity {
    fingerprint: Fingerprint,
    /// For each of [`Profile::ALL`] a configuration that knows no other.
    by_profile: [Arc<HandshakeConfig>; Profile::ALL.len()],
}

impl std::fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DtlsIdentity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl DtlsIdentity {
    /// A new key and certificate.
    ///
    /// # Errors
    /// The cryptographic library failed; nothing can work then.
    pub fn generate() -> Result<DtlsIdentity, DtlsError> {
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["enfilade".to_owned()], crypto.crypto()).map_err(failed)?;
        let der = certificate
            .certificate
            .first()
            .ok_or_else(|| failed("no certificate"))?;
        let fingerprint = Fingerprint::of_certificate(der);
        let config = |profile: Profile| {
            ConfigBuilder::default()
                .with_crypto_provider(crypto.clone())
                .with_certificates(vec![certificate.clone()])
                // RFC 8827 section 6.5 asks for the first; the other is for devices without AES in hardware.
                .with_cipher_suites(vec![
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
                    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
                ])
                .with_srtp_protection_profiles(vec![SrtpProtectionProfile::from(profile.dtls_id())])
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .build(false, None)
                .map(Arc::new)
                .map_err(failed)
        };
        let [gcm_128, gcm_256, cm] = Profile::ALL;
        Ok(DtlsIdentity {
            fingerprint,
            by_profile: [config(gcm_128)?, config(gcm_256)?, config(cm)?],
        })
    }

    /// What answers promise.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn config(&self, profile: Profile) -> Arc<HandshakeConfig> {
        let index = Profile::ALL
            .iter()
            .position(|other| *other == profile)
            .unwrap_or_default();
        self.by_profile[index].clone()
    }
}

/// What the caller has to do or know.
#[derive(Debug, PartialEq, Eq)]
pub enum DtlsOutput {
    /// Send this datagram to the client.
    Transmit(Bytes),
    /// The handshake is done and the certificate is the promised one. Without keys when the client has no SRTP, as
    /// some that only want data channels.
    Connected(Option<KeyingMaterial>),
    /// Decrypted: an SCTP packet.
    ApplicationData(Bytes),
    /// The association is gone; nothing follows.
    Closed(DtlsClosed),
}

/// Why an association ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsClosed {
    /// The client said goodbye.
    #[error("closed by the client")]
    ByPeer,
    /// [`Dtls::close`] was called.
    #[error("closed by the server")]
    ByUs,
    /// The certificate is not the one of the offer (RFC 8122 section 6.2). No keys were exported.
    #[error("the client's certificate is not the one its offer promised")]
    FingerprintMismatch,
    /// [`HANDSHAKE_TIMEOUT`] passed.
    #[error("the handshake was not finished in time")]
    TimedOut,
    /// The handshake broke, or the client sent a fatal alert.
    #[error("the handshake failed: {0}")]
    Failed(String),
}

/// A call that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    /// Not connected yet, or not any more.
    #[error("there is no DTLS association")]
    NotConnected,
    /// From the cryptographic library.
    #[error("DTLS failed: {0}")]
    Failed(String),
}

fn failed(error: impl ToString) -> DtlsError {
    DtlsError::Failed(error.to_string())
}

/// One association. Give it every datagram of class DTLS from a validated 5-tuple.
pub struct Dtls {
    identity: Arc<DtlsIdentity>,
    expected: Fingerprint,
    phase: Phase,
    endpoint: Endpoint,
    inbound: records::Inbound,
    outbound: records::Outbound,
    outputs: VecDeque<DtlsOutput>,
    /// What we sent last, until the client's answer to it is complete.
    flight: Vec<BytesMut>,
    repetitions: u32,
    repeated_at: Option<Instant>,
    repeat_at: Option<Instant>,
    give_up_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The ClientHello is not complete: no configuration is chosen.
    AwaitingHello,
    Handshaking,
    Connected,
    Closed,
}

impl std::fmt::Debug for Dtls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dtls")
            .field("expected", &self.expected)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl Dtls {
    /// Waits for a client whose certificate is `expected`.
    pub fn new(identity: &Arc<DtlsIdentity>, expected: Fingerprint) -> Dtls {
        Dtls {
            identity: identity.clone(),
            expected,
            phase: Phase::AwaitingHello,
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, None),
            inbound: records::Inbound::default(),
            outbound: records::Outbound::default(),
            outputs: VecDeque::new(),
            flight: Vec::new(),
            repetitions: 0,
            repeated_at: None,
            repeat_at: None,
            give_up_at: None,
        }
    }

    /// Whether [`Dtls::write`] works.
    pub fn is_connected(&self) -> bool {
        self.phase == Phase::Connected
    }

    /// Takes a datagram. Anything may be in it.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        if self.phase == Phase::Closed {
            return;
        }
        let accepted = self.inbound.filter(datagram);
        if self.phase != Phase::Connected {
            self.give_up_at.get_or_insert(now + HANDSHAKE_TIMEOUT);
        }
        if self.phase == Phase::AwaitingHello {
            // Messages come in order, so nothing but the ClientHello can be the first to get through. Records that
            // overtook it are dropped; the client will repeat them.
            let Some(hello) = self.inbound.take_client_hello() else {
                return;
            };
            // Without a profile in common any configuration will do: the library then refuses `use_srtp`, and says
            // nothing about it when the client did not ask.
            let profile = clienthello::best_profile(&hello).unwrap_or(Profile::AeadAes128Gcm);
            self.endpoint.set_server_config(Some(self.identity.config(profile)));
            self.phase = Phase::Handshaking;
        }
        if self.inbound.repeats() && self.phase == Phase::Handshaking && self.may_repeat(now) {
            self.send_flight(now);
        }
        if accepted.is_empty() {
            return;
        }
        match self.guarded(|endpoint| endpoint.read(now, PEER, None, accepted)) {
            Ok(events) => {
                self.collect_transmits(now);
                for event in events {
                    self.handle_event(now, event);
                }
            }
            Err(reason) => {
                self.collect_transmits(now);
                self.end(DtlsClosed::Failed(reason));
            }
        }
    }

    /// Repeats or gives up what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.give_up_at.is_some_and(|at| at <= now) {
            self.end(DtlsClosed::TimedOut);
        } else if self.repeat_at.is_some_and(|at| at <= now) {
            self.repetitions += 1;
            self.send_flight(now);
        }
    }

    /// When [`Dtls::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.repeat_at, self.give_up_at].into_iter().flatten().min()
    }

    /// What to do next; `None` when there is nothing more.
    pub fn poll_output(&mut self) -> Option<DtlsOutput> {
        self.outputs.pop_front()
    }

    /// Encrypts and sends one SCTP packet. `data` should fit a datagram with 37 bytes to spare.
    ///
    /// # Errors
    /// Not connected, or the library failed.
    pub fn write(&mut self, now: Instant, data: &[u8]) -> Result<(), DtlsError> {
        if self.phase != Phase::Connected {
            return Err(DtlsError::NotConnected);
        }
        let written = self.guarded(|endpoint| endpoint.write(now, PEER, data));
        self.collect_transmits(now);
        written.map_err(DtlsError::Failed)
    }

    /// Says goodbye, if there is anybody to say it to.
    pub fn close(&mut self, now: Instant) {
        if self.phase != Phase::Closed {
            self.say_goodbye(now);
            self.end(DtlsClosed::ByUs);
        }
    }

    fn handle_event(&mut self, now: Instant, event: EndpointEvent) {
        match event {
            _ if self.phase == Phase::Closed => {}
            EndpointEvent::HandshakeComplete => self.finish_handshake(now),
            EndpointEvent::ApplicationData(data) => {
                self.outputs.push_back(DtlsOutput::ApplicationData(data.freeze()));
            }
            EndpointEvent::PeerClosed => self.end(DtlsClosed::ByPeer),
            // The enum is the library's and may grow; what it adds cannot matter to us unseen.
            _ => {}
        }
    }

    fn finish_handshake(&mut self, now: Instant) {
        match self.authenticated_keys() {
            Ok(keys) => {
                self.phase = Phase::Connected;
                self.inbound.set_established();
                self.flight.clear();
                self.repeat_at = None;
                self.give_up_at = None;
                self.outputs.push_back(DtlsOutput::Connected(keys));
            }
            Err(reason) => {
                self.say_goodbye(now);
                self.end(reason);
            }
        }
    }

    /// The keys, once the certificate is known to be the right one.
    fn authenticated_keys(&self) -> Result<Option<KeyingMaterial>, DtlsClosed> {
        let lost = || DtlsClosed::Failed("the association is gone".to_owned());
        let state = self.endpoint.get_connection_state(PEER).ok_or_else(lost)?;
        let shown = state
            .peer_certificates
            .first()
            .map(|der| Fingerprint::of_certificate(der));
        if shown != Some(self.expected) {
            return Err(DtlsClosed::FingerprintMismatch);
        }
        let Some(profile) = Profile::from_dtls_id(state.srtp_protection_profile() as u16) else {
            return Ok(None);
        };
        let exported = state
            .export_keying_material(EXPORTER_LABEL, &[], profile.exporter_len())
            .map_err(|error| DtlsClosed::Failed(error.to_string()))?;
        KeyingMaterial::from_exporter(profile, exported.as_ref())
            .map(Some)
            .map_err(|error| DtlsClosed::Failed(error.to_string()))
    }

    fn say_goodbye(&mut self, now: Instant) {
        // Failing to say goodbye is as good as gone.
        let _ = self.guarded(|endpoint| {
            endpoint.stop(now, PEER);
            Ok(())
        });
        self.collect_transmits(now);
    }

    fn end(&mut self, reason: DtlsClosed) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            // The library's state, keys included, goes now and not when the transport does.
            self.endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
            self.inbound = records::Inbound::default();
            self.flight.clear();
            self.repeat_at = None;
            self.give_up_at = None;
            self.outputs.push_back(DtlsOutput::Closed(reason));
        }
    }

    /// The library parses what strangers send. Should it panic, one transport ends and nothing else: it shares no
    /// state with any other, and is thrown away in [`Dtls::end`] without being asked again.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut Endpoint) -> rtc_shared::error::Result<T>) -> Result<T, String> {
        match catch_unwind(AssertUnwindSafe(|| call(&mut self.endpoint))) {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err("the DTLS library panicked".to_owned()),
        }
    }

    /// Takes what the library wants sent. During the handshake that is the next flight, and the proof that the
    /// client's last one was complete.
    fn collect_transmits(&mut self, now: Instant) {
        let datagrams: Vec<BytesMut> = std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| transmit.message)
            .collect();
        if datagrams.is_empty() {
            return;
        }
        if self.phase == Phase::Handshaking {
            self.repeated_at = None;
            self.repetitions = 0;
            self.flight = datagrams;
            self.send_flight(now);
        } else {
            for mut datagram in datagrams {
                self.outbound.number(&mut datagram);
                self.outputs.push_back(DtlsOutput::Transmit(datagram.freeze()));
            }
        }
    }

    /// A client that repeats itself is answered again, but not for every copy of what it says.
    fn may_repeat(&mut self, now: Instant) -> bool {
        let soon = self.repeated_at.is_some_and(|at| now < at + FLIGHT_INTERVAL / 3);
        if !soon {
            self.repeated_at = Some(now);
        }
        !soon
    }

    fn send_flight(&mut self, now: Instant) {
        let is_hello_verify = self
            .flight
            .first()
            .is_some_and(|datagram| records::is_hello_verify_request(datagram));
        for datagram in &mut self.flight {
            self.outbound.number(datagram);
            self.outputs
                .push_back(DtlsOutput::Transmit(Bytes::copy_from_slice(datagram)));
        }
        let wait = FLIGHT_INTERVAL
            .saturating_mul(1 << self.repetitions.min(16))
            .min(LONGEST_FLIGHT_INTERVAL);
        // Repeated when the client repeats its hello and never by the clock (RFC 6347 section 4.2.4).
        self.repeat_at = (!is_hello_verify).then_some(now + wait);
    }
}
