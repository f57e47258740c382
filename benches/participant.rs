//! What a participant costs before any media: processor time of a DTLS handshake on the server's side, and the heap that its
//! transport and eight empty seats keep. `cargo bench --bench participant`.

// A counting allocator is the only way to see the heap, and implementing one is unsafe by nature.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

mod heap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use enfilade::media::{EgressConfig, EgressKey, Forwarder, PayloadTypes, TransportSlot};
use enfilade::packet::Kind;
use enfilade::transport::dtls::{Dtls, DtlsIdentity, DtlsOutput};
use enfilade::transport::fingerprint::Fingerprint;
use enfilade::transport::ice::{Credentials, IceLite};
use enfilade::transport::sctp::Sctp;
use enfilade::transport::srtp::{Opener, Sealer};
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::{ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;

const PARTICIPANTS: usize = 200;
/// What the SDK offers at first.
const SEATS: u32 = 8;

/// Processor time of this thread.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Runs the server's side of something: its time and its heap are what is measured.
fn server<T>(spent: &mut Duration, run: impl FnOnce() -> T) -> T {
    let started = cpu();
    let result = heap::counted(run);
    *spent += cpu() - started;
    result
}

/// What the media and handshake planes keep of one person who listens to nobody yet.
struct Transport {
    dtls: Dtls,
    _sctp: Sctp,
    _ice: IceLite,
    _keys: Option<(Opener, Sealer)>,
    _seats: Vec<Forwarder>,
}

/// Both halves of a seat, empty.
fn seat(number: u32) -> [Forwarder; 2] {
    [Kind::Audio, Kind::Video].map(|kind| {
        Forwarder::new(EgressConfig {
            key: EgressKey(u64::from(number)),
            transport: TransportSlot(0),
            kind,
            ssrc: number,
            rtx_ssrc: Some(number),
            payload_types: PayloadTypes::default(),
            first_sequence: 1,
            first_timestamp: 1,
        })
    })
}

fn connect(identity: &Arc<DtlsIdentity>, spent: &mut Duration) -> Box<Transport> {
    let peer: SocketAddr = ([127, 0, 0, 1], 1).into();
    let now = Instant::now();
    let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
    let certificate = Certificate::generate_self_signed(vec!["client".to_owned()], crypto.crypto()).unwrap();
    let fingerprint = Fingerprint::of_certificate(&certificate.certificate[0]);
    let config = ConfigBuilder::default()
        .with_crypto_provider(crypto)
        .with_certificates(vec![certificate])
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_insecure_skip_verify(true)
        .with_extended_master_secret(ExtendedMasterSecretType::Require)
        .build(true, None)
        .unwrap();
    let mut client = Endpoint::new(peer, TransportProtocol::UDP, None);
    client.connect(now, peer, Arc::new(config), None).unwrap();
    let mut transport = server(spent, || {
        Box::new(Transport {
            dtls: Dtls::new(identity, fingerprint),
            _sctp: Sctp::new(256 << 10),
            _ice: IceLite::new(Credentials::random()),
            _keys: None,
            _seats: (0..SEATS).flat_map(seat).collect(),
        })
    });
    let mut done = false;
    while !done {
        while let Some(transmit) = client.poll_transmit() {
            server(spent, || transport.dtls.handle_datagram(now, &transmit.message));
        }
        while let Some(output) = server(spent, || transport.dtls.poll_output()) {
            match output {
                DtlsOutput::Transmit(datagram) => {
                    let events = client.read(now, peer, None, BytesMut::from(&datagram[..])).unwrap();
                    done |= events
                        .iter()
                        .any(|event| matches!(event, EndpointEvent::HandshakeComplete));
                    server(spent, || drop(datagram));
                }
                DtlsOutput::Connected(keys) => {
                    let keys = keys.unwrap();
                    server(spent, || {
                        transport._keys = Some((Opener::new(&keys), Sealer::new(&keys)))
                    });
                }
                DtlsOutput::ApplicationData(_) => {}
                DtlsOutput::Closed(why) => panic!("{why}"),
            }
        }
    }
    assert!(transport.dtls.is_connected());
    transport
}

fn main() {
    let identity = Arc::new(DtlsIdentity::generate().unwrap());
    let mut spent = Duration::ZERO;
    let transports: Vec<Box<Transport>> = (0..PARTICIPANTS).map(|_| connect(&identity, &mut spent)).collect();
    let heap = heap::live() as f64 / transports.len() as f64;
    let each = spent.as_secs_f64() * 1_000.0 / transports.len() as f64;
    println!(
        "{PARTICIPANTS} transports with {SEATS} empty seats: {each:.3} ms of processor time a handshake, {heap:.0} bytes of heap each"
    );
}
