//! A client of the same library at the other end of a wire that can lose.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names what it looks for")]

use std::time::Duration;

use proptest::prelude::*;
use sctp_proto::{ClientConfig, PayloadProtocolIdentifier as Ppi};

use super::*;

struct Pair {
    now: Instant,
    server: Sctp,
    endpoint: Endpoint,
    handle: AssociationHandle,
    client: Association,
    /// What the client got: stream, kind, bytes.
    received: Vec<(u16, Ppi, Vec<u8>)>,
    outputs: Vec<SctpOutput>,
    /// Every n-th packet is lost, in both directions.
    lose: Option<usize>,
    packets: usize,
    /// The client takes nothing off the wire.
    stalled: bool,
}

impl Pair {
    fn new() -> Pair {
        let now = Instant::now();
        let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None);
        let transport = TransportConfig::default()
            .with_max_send_message_size(1 << 20)
            .with_max_receive_message_size(1 << 20);
        let mut config = ClientConfig::new();
        config.transport = Arc::new(transport);
        let (handle, client) = endpoint.connect(config, PEER).unwrap();
        let mut pair = Pair {
            now,
            server: Sctp::new(MAX_MESSAGE_BYTES),
            endpoint,
            handle,
            client,
            received: Vec::new(),
            outputs: Vec::new(),
            lose: None,
            packets: 0,
            stalled: false,
        };
        pair.run(50);
        assert!(!pair.client.is_handshaking());
        pair
    }

    fn lost(&mut self) -> bool {
        self.packets += 1;
        self.lose.is_some_and(|n| self.packets.is_multiple_of(n))
    }

    /// Virtual milliseconds in steps of five.
    fn run(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / 5 {
            while let Some(transmit) = self.client.poll_transmit(self.now) {
                let Payload::RawEncode(packets) = transmit.payload else {
                    continue;
                };
                for packet in packets {
                    if !self.lost() {
                        self.server.handle_datagram(self.now, packet);
                    }
                }
            }
            self.drain();
            self.now += Duration::from_millis(5);
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now);
            }
            self.client.handle_timeout(self.now);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                SctpOutput::Transmit(packet) if self.stalled || self.lost() => drop(packet),
                SctpOutput::Transmit(packet) => {
                    if let Some((handle, DatagramEvent::AssociationEvent(event))) =
                        self.endpoint.handle(self.now, PEER, None, None, packet)
                    {
                        assert_eq!(handle, self.handle);
                        self.client.handle_event(event);
                    }
                }
                other => self.outputs.push(other),
            }
        }
        while let Some(event) = self.client.poll() {
            if let Event::Stream(StreamEvent::Readable { id }) = event {
                while let Ok(Some(chunks)) = self.client.stream(id).and_then(|mut stream| stream.read_sctp()) {
                    let mut data = vec![0; chunks.len()];
                    chunks.read(&mut data).unwrap();
                    self.received.push((id, chunks.ppi, data));
                }
            }
        }
    }

    fn open(&mut self, id: u16, label: &str, ordered: bool, reliability: Reliability) {
        let open = Open {
            label: label.to_owned(),
            protocol: String::new(),
            ordered,
            reliability,
        };
        let mut stream = self.client.open_stream(id, Ppi::Binary).unwrap();
        stream.write_with_ppi(&Dcep::Open(open).encode(), Ppi::Dcep).unwrap();
    }

    fn write(&mut self, id: u16, data: &[u8], ppi: Ppi) {
        self.client.stream(id).unwrap().write_with_ppi(data, ppi).unwrap();
    }

    /// A channel that is open at both ends.
    fn opened(id: u16, reliability: Reliability) -> Pair {
        let mut pair = Pair::new();
        pair.open(id, "chat", true, reliability);
        pair.run(100);
        let opened = SctpOutput::ChannelOpened {
            channel: id,
            label: "chat".into(),
            protocol: String::new(),
            ordered: true,
            reliability,
        };
        assert_eq!(std::mem::take(&mut pair.outputs), [opened]);
        assert_eq!(std::mem::take(&mut pair.received), [(id, Ppi::Dcep, vec![2])]);
        pair
    }
}

#[test]
fn text_bytes_and_nothing_travel_both_ways() {
    let mut pair = Pair::opened(0, Reliability::Reliable);
    pair.write(0, "héllo".as_bytes(), Ppi::String);
    pair.write(0, &[0, 1, 2], Ppi::Binary);
    pair.write(0, &[0], Ppi::StringEmpty);
    pair.write(0, &[0], Ppi::BinaryEmpty);
    pair.run(300);
    let message = |data: &'static [u8], binary| SctpOutput::Message {
        channel: 0,
        data: Bytes::from_static(data),
        binary,
    };
    assert_eq!(
        pair.outputs,
        [
            message("héllo".as_bytes(), false),
            message(&[0, 1, 2], true),
            message(&[], false),
            message(&[], true)
        ]
    );

    for (data, binary) in [(&b"text"[..], false), (&[9], true), (&[], false), (&[], true)] {
        assert_eq!(pair.server.send(pair.now, 0, data, binary), Ok(Sent::Queued));
    }
    pair.run(300);
    assert_eq!(
        pair.received,
        [
            (0, Ppi::String, b"text".to_vec()),
            (0, Ppi::Binary, vec![9]),
            (0, Ppi::StringEmpty, vec![0]),
            (0, Ppi::BinaryEmpty, vec![0])
        ]
    );
}

#[test]
fn the_largest_message_passes_and_no_larger_one() {
    let mut pair = Pair::opened(2, Reliability::Reliable);
    let largest = vec![7; MAX_MESSAGE_BYTES];
    assert_eq!(
        pair.server.send(pair.now, 2, &vec![7; MAX_MESSAGE_BYTES + 1], true),
        Err(SctpError::TooLarge)
    );
    pair.server.send(pair.now, 2, &largest, true).unwrap();
    pair.write(2, &largest, Ppi::Binary);
    pair.run(3_000);
    assert_eq!(pair.outputs.len(), 2, "the message, and the low mark passed");
    assert!(
        matches!(&pair.outputs[..], outputs if outputs.iter().any(|output| matches!(output, SctpOutput::Message { data, .. } if data.len() == MAX_MESSAGE_BYTES)))
    );
    assert_eq!(pair.received, [(2, Ppi::Binary, largest)]);
    pair.outputs.clear();

    pair.write(2, &vec![7; MAX_MESSAGE_BYTES + 1], Ppi::Binary);
    pair.run(3_000);
    assert!(
        !pair
            .outputs
            .iter()
            .any(|output| matches!(output, SctpOutput::Message { .. }))
    );
}

#[test]
fn the_clients_own_limit_is_kept() {
    let mut sctp = Sctp::new(1_000);
    sctp.channels.insert(1, Reliability::Reliable);
    assert_eq!(
        sctp.send(Instant::now(), 1, &[0; 1_001], true),
        Err(SctpError::TooLarge)
    );
    assert_eq!(sctp.send(Instant::now(), 3, &[0; 10], true), Err(SctpError::NoChannel));
}

#[test]
fn everything_arrives_in_order_over_a_bad_wire() {
    let mut pair = Pair::opened(4, Reliability::Reliable);
    pair.lose = Some(7);
    for number in 0..200u32 {
        pair.write(4, &number.to_be_bytes(), Ppi::Binary);
        pair.server.send(pair.now, 4, &number.to_be_bytes(), true).unwrap();
        pair.run(10);
    }
    pair.run(20_000);
    let expected: Vec<Vec<u8>> = (0..200u32).map(|number| number.to_be_bytes().to_vec()).collect();
    let at_server: Vec<Vec<u8>> = pair
        .outputs
        .iter()
        .filter_map(|output| match output {
            SctpOutput::Message { data, .. } => Some(data.to_vec()),
            _ => None,
        })
        .collect();
    let at_client: Vec<Vec<u8>> = pair.received.iter().map(|(_, _, data)| data.clone()).collect();
    assert_eq!((at_server, at_client), (expected.clone(), expected));
}

#[test]
fn unreliable_messages_are_given_up_and_the_channel_lives() {
    let mut pair = Pair::new();
    pair.open(6, "positions", false, Reliability::MaxRetransmits(0));
    pair.run(100);
    pair.received.clear();
    pair.lose = Some(3);
    for number in 0..100u8 {
        pair.server.send(pair.now, 6, &[number; 900], true).unwrap();
        pair.run(20);
    }
    pair.lose = None;
    pair.run(5_000);
    pair.server.send(pair.now, 6, b"last", false).unwrap();
    pair.run(1_000);
    assert!((40..101).contains(&pair.received.len()), "{}", pair.received.len());
    assert_eq!(pair.received.last().unwrap().2, b"last");
}

#[test]
fn closing_works_from_both_ends_and_ids_come_back() {
    let mut pair = Pair::opened(8, Reliability::Reliable);
    for round in 0..5 {
        if round % 2 == 0 {
            pair.client.stream(8).unwrap().close().unwrap();
            pair.run(3_000);
            assert_eq!(
                std::mem::take(&mut pair.outputs),
                [SctpOutput::ChannelClosed { channel: 8 }]
            );
        } else {
            pair.server.close(pair.now, 8);
            pair.run(3_000);
            assert_eq!(pair.outputs, []);
        }
        assert_eq!(pair.server.send(pair.now, 8, b"gone", false), Err(SctpError::NoChannel));
        pair.open(8, &format!("again {round}"), true, Reliability::Reliable);
        pair.run(200);
        assert!(matches!(&pair.outputs[..], [SctpOutput::ChannelOpened { label, .. }] if label.starts_with("again")));
        pair.outputs.clear();
        pair.write(8, b"x", Ppi::String);
        pair.run(200);
        assert_eq!(pair.outputs.len(), 1);
        pair.outputs.clear();
    }
}

#[test]
fn a_second_open_closes_the_channel() {
    let mut pair = Pair::opened(10, Reliability::Reliable);
    let open = Open {
        label: String::new(),
        protocol: String::new(),
        ordered: true,
        reliability: Reliability::Reliable,
    };
    pair.write(10, &Dcep::Open(open).encode(), Ppi::Dcep);
    pair.run(1_000);
    assert_eq!(pair.outputs, [SctpOutput::ChannelClosed { channel: 10 }]);
}

#[test]
fn data_on_a_stream_nobody_opened_is_not_heard() {
    let mut pair = Pair::new();
    pair.client.open_stream(12, Ppi::Binary).unwrap();
    pair.write(12, b"hello?", Ppi::String);
    pair.run(500);
    assert_eq!(pair.outputs, []);
}

#[test]
fn a_stream_beyond_the_agreed_number_ends_the_association() {
    let mut pair = Pair::opened(0, Reliability::Reliable);
    pair.open(MAX_CHANNELS as u16, "too far", true, Reliability::Reliable);
    pair.run(200);
    assert_eq!(pair.outputs, [SctpOutput::Closed]);
    assert_eq!(pair.server.send(pair.now, 0, b"x", false), Err(SctpError::NoChannel));
    assert_eq!(pair.server.poll_timeout(), None);
}

/// T24: a client that stops reading costs a bounded amount, is told apart by error, and recovers.
#[test]
fn what_waits_for_a_slow_client_is_bounded() {
    for (reliability, refused) in [
        (Reliability::Reliable, Err(SctpError::Full)),
        (Reliability::MaxRetransmits(3), Ok(Sent::Dropped)),
    ] {
        let mut pair = Pair::opened(14, reliability);
        pair.stalled = true;
        let message = [1; 50_000];
        let taken = (0..100)
            .filter(|_| pair.server.send(pair.now, 14, &message, true) == Ok(Sent::Queued))
            .count();
        assert_eq!(taken, MAX_CHANNEL_BUFFER_BYTES / message.len());
        assert_eq!(pair.server.send(pair.now, 14, &message, true), refused);
        pair.run(500);
        assert!(pair.server.buffered_bytes(14) <= MAX_CHANNEL_BUFFER_BYTES);
        pair.stalled = false;
        pair.run(60_000);
        assert!(
            pair.outputs.contains(&SctpOutput::BufferedLow { channel: 14 }),
            "{reliability:?} {:?}",
            pair.outputs
        );
        assert_eq!(pair.server.send(pair.now, 14, &message, true), Ok(Sent::Queued));
    }
}

#[test]
fn all_channels_together_are_bounded_too() {
    let mut pair = Pair::new();
    for id in 0..8 {
        pair.open(2 * id, "bulk", true, Reliability::Reliable);
    }
    pair.run(500);
    pair.stalled = true;
    let message = [1; 100_000];
    let taken: usize = (0..8)
        .map(|id| {
            (0..20)
                .take_while(|_| pair.server.send(pair.now, 2 * id, &message, true).is_ok())
                .count()
        })
        .sum();
    assert_eq!(taken, MAX_BUFFER_BYTES / message.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_survived(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..50)) {
        let mut sctp = Sctp::new(MAX_MESSAGE_BYTES);
        for packet in packets {
            sctp.handle_datagram(Instant::now(), Bytes::from(packet));
            while sctp.poll_output().is_some() {}
        }
        prop_assert!(sctp.channels.is_empty());
    }

    /// Packets of a real association with bytes changed and the checksum made right again (T23).
    #[test]
    fn bent_chunks_are_survived(bends in proptest::collection::vec((0..40usize, 12..200usize, any::<u8>()), 1..30)) {
        let mut pair = Pair::opened(0, Reliability::Reliable);
        for (index, (_, at, value)) in bends.iter().enumerate() {
            // The client may have been told off for what we did to it.
            let _ = pair.client.stream(0).and_then(|mut stream| stream.write_with_ppi(&[index as u8; 60], Ppi::Binary));
            while let Some(transmit) = pair.client.poll_transmit(pair.now) {
                let Payload::RawEncode(packets) = transmit.payload else { continue };
                for packet in packets {
                    let mut bent = packet.to_vec();
                    let place = at % bent.len();
                    if place >= 12 {
                        bent[place] = *value;
                    }
                    bent[8..12].fill(0);
                    let checksum = crc32c(&bent);
                    bent[8..12].copy_from_slice(&checksum.to_le_bytes());
                    pair.server.handle_datagram(pair.now, Bytes::from(bent));
                }
            }
            pair.drain();
        }
        pair.run(200);
    }
}

/// RFC 9260 appendix A, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
