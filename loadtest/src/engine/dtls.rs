//! The client's side of DTLS, with one certificate for all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, anyhow, bail};
use bytes::BytesMut;
use enfilade::transport::fingerprint::Fingerprint;
use enfilade::transport::srtp::{KeyingMaterial, Profile};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

/// RFC 5764 section 4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// The library keeps associations by address, and each of ours has one.
const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Who all endpoints are.
pub(super) struct Identity {
    fingerprint: Fingerprint,
    config: Arc<HandshakeConfig>,
}

impl Identity {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["loadtest".to_owned()], crypto.crypto())?;
        let der = certificate.certificate.first().context("no certificate")?;
        let fingerprint = Fingerprint::of_certificate(der);
        let profiles = Profile::ALL.map(|profile| SrtpProtectionProfile::from(profile.dtls_id()));
        let config = ConfigBuilder::default()
            .with_crypto_provider(crypto)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)?;
        Ok(Self {
            fingerprint,
            config: Arc::new(config),
        })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// One handshake.
pub(super) struct Handshake {
    endpoint: Endpoint,
    expected: Fingerprint,
}

impl Handshake {
    pub(super) fn begin(identity: &Identity, expected: Fingerprint, now: Instant) -> anyhow::Result<Self> {
        let mut endpoint = Endpoint::new(SERVER, TransportProtocol::UDP, None);
        endpoint.connect(now, SERVER, identity.config.clone(), None)?;
        Ok(Self { endpoint, expected })
    }

    /// What to send next.
    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|transmit| transmit.message)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.poll_timeout(&SERVER)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> anyhow::Result<()> {
        Ok(self.endpoint.handle_timeout(SERVER, now)?)
    }

    /// The keys, once the handshake is done.
    pub(super) fn read(&mut self, now: Instant, datagram: &[u8]) -> anyhow::Result<Option<KeyingMaterial>> {
        let events = self.endpoint.read(now, SERVER, None, BytesMut::from(datagram))?;
        if events.iter().any(|event| matches!(event, EndpointEvent::PeerClosed)) {
            bail!("the server closed the association");
        }
        let done = events
            .iter()
            .any(|event| matches!(event, EndpointEvent::HandshakeComplete));
        done.then(|| self.keys()).transpose()
    }

    fn keys(&self) -> anyhow::Result<KeyingMaterial> {
        let state = self.endpoint.get_connection_state(SERVER).context("no association")?;
        let shown = state
            .peer_certificates
            .first()
            .map(|der| Fingerprint::of_certificate(der));
        if shown != Some(self.expected) {
            bail!("the server's certificate is not the one its answer promised");
        }
        let profile = Profile::from_dtls_id(state.srtp_protection_profile() as u16)
            .ok_or_else(|| anyhow!("no SRTP profile was agreed"))?;
        let exported = state.export_keying_material(EXPORTER_LABEL, &[], profile.exporter_len())?;
        let keys = KeyingMaterial::from_exporter(profile, exported.as_ref())?;
        // Ours are the client's, and the library that seals is the server's.
        Ok(keys.mirrored())
    }
}
