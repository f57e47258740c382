//! Handshakes against the library's own client, over a network that loses, repeats, reorders and bends.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use proptest::prelude::*;

use super::*;

/// A browser in one struct.
struct Client {
    endpoint: Endpoint,
    fingerprint: Fingerprint,
    connected: bool,
    received: Vec<Vec<u8>>,
    failed: bool,
    flight: Vec<Vec<u8>>,
    repeat_at: Instant,
}

impl Client {
    fn new(now: Instant, profiles: &[u16]) -> Client {
        let crypto: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["client".to_owned()], crypto.crypto()).unwrap();
        let fingerprint = Fingerprint::of_certificate(&certificate.certificate[0]);
        let config = ConfigBuilder::default()
            .with_crypto_provider(crypto)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles.iter().map(|id| SrtpProtectionProfile::from(*id)).collect())
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_flight_interval(Duration::from_millis(300))
            .build(true, None)
            .unwrap();
        let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        endpoint.connect(now, PEER, Arc::new(config), None).unwrap();
        Client {
            endpoint,
            fingerprint,
            connected: false,
            received: Vec::new(),
            failed: false,
            flight: Vec::new(),
            repeat_at: now,
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) {
        match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => self.connected = true,
                        EndpointEvent::ApplicationData(data) => self.received.push(data.to_vec()),
                        _ => self.failed = true,
                    }
                }
            }
            Err(_) => self.failed = true,
        }
    }

    fn transmits(&mut self) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| self.endpoint.poll_transmit())
            .map(|transmit| transmit.message.to_vec())
            .collect()
    }

    /// The library's client stops repeating once it heard anything. Browsers do not, so this does it for them.
    fn transmits_or_repeats(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let _ = self.endpoint.handle_timeout(PEER, now);
        let fresh = self.transmits();
        if !fresh.is_empty() {
            self.flight.clone_from(&fresh);
        } else if self.connected || now < self.repeat_at {
            return Vec::new();
        }
        self.repeat_at = now + Duration::from_millis(250);
        self.flight.clone()
    }

    fn exported(&self, profile: Profile) -> Vec<u8> {
        let state = self.endpoint.get_connection_state(PEER).unwrap();
        state
            .export_keying_material(EXPORTER_LABEL, &[], profile.exporter_len())
            .unwrap()
            .as_ref()
            .to_vec()
    }
}

/// Both ends and the clock between them.
struct Pair {
    now: Instant,
    client: Client,
    server: Dtls,
    keys: Option<Option<KeyingMaterial>>,
    closed: Option<DtlsClosed>,
    data: Vec<Bytes>,
}

/// What the network does to a datagram: everything that arrives instead of it, at once.
type Network<'a> = dyn FnMut(To, Vec<u8>) -> Vec<Vec<u8>> + 'a;

#[derive(Clone, Copy)]
enum To {
    Server,
    Client,
}

fn faithful(_: To, datagram: Vec<u8>) -> Vec<Vec<u8>> {
    vec![datagram]
}

impl Pair {
    fn new(profiles: &[u16]) -> Pair {
        let identity = Arc::new(DtlsIdentity::generate().unwrap());
        let now = Instant::now();
        let client = Client::new(now, profiles);
        let server = Dtls::new(&identity, client.fingerprint);
        Pair {
            now,
            client,
            server,
            keys: None,
            closed: None,
            data: Vec::new(),
        }
    }

    /// Virtual milliseconds in steps of ten, until both are connected or either is closed.
    fn run(&mut self, milliseconds: u64, network: &mut Network<'_>) {
        for _ in 0..milliseconds / 10 {
            for datagram in self
                .client
                .transmits_or_repeats(self.now)
                .into_iter()
                .flat_map(|datagram| network(To::Server, datagram))
            {
                self.server.handle_datagram(self.now, &datagram);
            }
            self.drain(network);
            if self.closed.is_some() || self.client.failed || self.client.connected && self.keys.is_some() {
                return;
            }
            self.now += Duration::from_millis(10);
            let due = self.server.poll_timeout().is_some_and(|at| at <= self.now);
            if due {
                self.server.handle_timeout(self.now);
                assert!(
                    self.server.poll_timeout().is_none_or(|at| at > self.now),
                    "a timer that is always due"
                );
            }
        }
    }

    fn drain(&mut self, network: &mut Network<'_>) {
        while let Some(output) = self.server.poll_output() {
            match output {
                DtlsOutput::Transmit(datagram) => {
                    for datagram in network(To::Client, datagram.to_vec()) {
                        self.client.read(self.now, &datagram);
                    }
                }
                DtlsOutput::Connected(keys) => self.keys = Some(keys),
                DtlsOutput::ApplicationData(data) => self.data.push(data),
                DtlsOutput::Closed(reason) => self.closed = Some(reason),
            }
        }
    }
}

#[test]
fn each_profile_is_agreed_and_both_ends_hold_the_same_keys() {
    for (offered, agreed) in [
        (&[1, 8, 7][..], Profile::AeadAes128Gcm),
        (&[1, 8], Profile::AeadAes256Gcm),
        (&[7], Profile::AeadAes128Gcm),
        (&[2, 1], Profile::Aes128CmHmacSha1_80),
    ] {
        let mut pair = Pair::new(offered);
        pair.run(2_000, &mut faithful);
        let keys = pair.keys.expect("connected").expect("with keys");
        assert_eq!(
            keys,
            KeyingMaterial::from_exporter(agreed, &pair.client.exported(agreed)).unwrap()
        );
        assert_eq!(keys.profile(), agreed);
    }
}

#[test]
fn a_client_without_srtp_connects_without_keys() {
    let mut pair = Pair::new(&[]);
    pair.run(2_000, &mut faithful);
    assert_eq!(pair.keys, Some(None));
}

#[test]
fn a_client_with_no_profile_of_ours_is_refused() {
    let mut pair = Pair::new(&[2]);
    pair.run(2_000, &mut faithful);
    assert!(matches!(pair.closed, Some(DtlsClosed::Failed(_))), "{:?}", pair.closed);
    assert_eq!(pair.keys, None);
}

#[test]
fn data_flows_both_ways_and_goodbye_is_heard() {
    let mut pair = Pair::new(&[7]);
    assert_eq!(pair.server.write(pair.now, b"early"), Err(DtlsError::NotConnected));
    pair.run(2_000, &mut faithful);
    pair.server.write(pair.now, b"to client").unwrap();
    pair.client.endpoint.write(pair.now, PEER, b"to server").unwrap();
    for datagram in pair.client.transmits() {
        pair.server.handle_datagram(pair.now, &datagram);
        pair.server.handle_datagram(pair.now, &datagram); // a replay
    }
    pair.drain(&mut faithful);
    assert_eq!(pair.client.received, [b"to client"]);
    assert_eq!(pair.data, [&b"to server"[..]]);

    // Plaintext from whoever knows the address changes nothing (T21).
    for content_type in [20, 21, 23] {
        pair.server.handle_datagram(
            pair.now,
            &[content_type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, 9, 0, 2, 2, 40],
        );
    }
    pair.drain(&mut faithful);
    assert!(pair.server.is_connected() && pair.data.len() == 1);

    let _ = pair.client.endpoint.close(pair.now);
    for datagram in pair.client.transmits() {
        pair.server.handle_datagram(pair.now, &datagram);
    }
    pair.drain(&mut faithful);
    assert_eq!(pair.closed, Some(DtlsClosed::ByPeer));
    assert_eq!(pair.server.write(pair.now, b"late"), Err(DtlsError::NotConnected));
}

#[test]
fn another_certificate_ends_it_and_no_key_leaves() {
    let mut pair = Pair::new(&[7]);
    pair.server = Dtls::new(&Arc::new(DtlsIdentity::generate().unwrap()), Fingerprint([0; 32]));
    pair.run(2_000, &mut faithful);
    assert_eq!(pair.closed, Some(DtlsClosed::FingerprintMismatch));
    assert_eq!(pair.keys, None);
    pair.client.endpoint.write(pair.now, PEER, b"hello?").unwrap_or(());
    for datagram in pair.client.transmits() {
        pair.server.handle_datagram(pair.now, &datagram);
    }
    assert_eq!(pair.server.poll_output(), None);
    assert_eq!(pair.server.poll_timeout(), None);
}

#[test]
fn any_one_lost_datagram_is_repeated() {
    for lost in 0..12 {
        let mut pair = Pair::new(&[1, 7]);
        let mut count = 0;
        pair.run(5_000, &mut |_, datagram| {
            count += 1;
            if count == lost + 1 { vec![] } else { vec![datagram] }
        });
        assert!(pair.client.connected && pair.keys.is_some(), "datagram {lost} lost");
    }
}

/// A client that repeats its hello before our timer is due must not silence us.
#[test]
fn an_impatient_client_does_not_stop_our_repetitions() {
    let mut pair = Pair::new(&[7]);
    let mut lost = 0;
    pair.run(5_000, &mut |_, datagram| match (datagram[0], datagram[13]) {
        (22, 2) if lost < 3 => {
            lost += 1;
            vec![]
        }
        (22, 1) => vec![datagram.clone(), datagram],
        _ => vec![datagram],
    });
    assert_eq!(lost, 3);
    assert!(pair.client.connected && pair.keys.is_some());
}

#[test]
fn an_abandoned_handshake_ends_after_a_while() {
    let mut pair = Pair::new(&[7]);
    let (mut passed, mut sent) = (0, 0);
    pair.run(40_000, &mut |_, datagram| {
        passed += 1;
        sent += usize::from(datagram[13] == 2);
        if passed <= 3 { vec![datagram] } else { vec![] }
    });
    assert_eq!(pair.closed, Some(DtlsClosed::TimedOut));
    assert!((10..20).contains(&sent), "a flight repeated {sent} times");
}

#[test]
fn garbage_before_the_hello_costs_nothing() {
    let mut pair = Pair::new(&[7]);
    for byte in 0..=255u8 {
        for length in [0, 1, 12, 13, 14, 60, 1200] {
            pair.server.handle_datagram(pair.now, &vec![byte; length]);
        }
    }
    assert_eq!(pair.server.poll_output(), None);
    pair.run(2_000, &mut faithful);
    assert!(pair.keys.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A third of everything lost, some of it twice, some of it late.
    #[test]
    fn handshakes_survive_loss_repetition_and_reordering(seed in any::<u64>()) {
        let mut pair = Pair::new(&[1, 8, 7]);
        let mut random = seed | 1;
        let mut held: [Option<Vec<u8>>; 2] = [None, None];
        let mut verified = false;
        pair.run(29_000, &mut |to, datagram| {
            // The library's client sends a fatal alert when it gets HelloVerifyRequest twice.
            if datagram[0] == 22 && datagram[13] == 3 {
                return if std::mem::replace(&mut verified, true) { vec![] } else { vec![datagram] };
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match random >> 60 {
                0..=4 => vec![],
                5..=6 => vec![datagram.clone(), datagram],
                7..=9 => held[to as usize].replace(datagram).into_iter().collect(),
                _ => std::iter::once(datagram).chain(held[to as usize].take()).collect(),
            }
        });
        // The library's client gives up after seven repetitions: that is its own affair.
        prop_assert!(pair.keys.is_some() || pair.client.failed, "{:?}", pair.closed);
    }

    /// Bits flipped in every flight (T9): this handshake may fail, the process may not.
    #[test]
    fn bent_flights_end_in_an_error_at_worst(flips in proptest::collection::vec((0..12usize, any::<u16>(), any::<u8>()), 1..20)) {
        let mut pair = Pair::new(&[1, 7]);
        let mut count = 0;
        pair.run(3_000, &mut |_, mut datagram| {
            for (_, at, bits) in flips.iter().filter(|(which, ..)| *which == count) {
                let at = usize::from(*at) % datagram.len();
                datagram[at] ^= bits;
            }
            count += 1;
            vec![datagram]
        });
        prop_assert!(pair.server.outputs.is_empty());
    }
}
