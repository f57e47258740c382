//! A shard's TCP connections: real sockets on loopback, the time of the shard given by the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::sync::mpsc;

use super::*;
use crate::shard::{CloseReason, DoorReason, ShardEvent};
use crate::transport::stun::tests::{CONTROLLING, Check, judge};

const USE_CANDIDATE: (u16, &[u8]) = (0x0025, &[]);

/// A shard with a TCP port. The kernel chooses the UDP port, and now and then somebody has that number for TCP.
fn shard() -> Ready {
    let config = ShardConfig { tcp: true, ..config(1) };
    (0..20).find_map(|_| assemble(&config).ok()).unwrap().1.remove(0)
}

impl Ready {
    fn address(&self) -> SocketAddr {
        self.shard.socket.local_addr().unwrap()
    }

    /// Turns of the loop until `done`, all at the same moment.
    fn serve_until<T>(&mut self, now: Instant, mut done: impl FnMut(&mut Ready) -> Option<T>) -> T {
        let mut events = mio::Events::with_capacity(16);
        for _ in 0..5_000 {
            if let Some(result) = done(self) {
                return result;
            }
            self.poll.poll(&mut events, Some(Duration::from_millis(1))).unwrap();
            self.shard.heed(&events);
            self.shard.read_connections(now);
            self.shard.flush();
        }
        panic!("never done");
    }

    fn closed(&self, why: CloseReason) -> u64 {
        self.shard
            .counters
            .tcp
            .closed()
            .find(|(reason, _)| *reason == why)
            .unwrap()
            .1
    }

    fn turned_away(&self, why: DoorReason) -> u64 {
        self.shard
            .counters
            .turned_away()
            .find(|(reason, _)| *reason == why)
            .unwrap()
            .1
    }

    fn open(&self) -> u64 {
        self.shard.counters.tcp.open.get()
    }

    fn events(&mut self) -> mpsc::Receiver<ShardEvent> {
        let (events, inbox) = mpsc::channel(64);
        let opened = Mail::RoomOpened { number: 1, events };
        self.shard.handle_mail(Instant::now(), opened);
        inbox
    }
}

/// A client that has only TCP.
struct Caller {
    transport: TransportKey,
    credentials: Credentials,
    stream: TcpStream,
    received: Vec<u8>,
}

fn connect(shard: &Ready) -> TcpStream {
    let stream = TcpStream::connect(shard.address()).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

impl Caller {
    fn new(shard: &mut Ready, nth: u32) -> Caller {
        let (transport, credentials) = (TransportKey::new(1, nth), Credentials::random());
        let ice = credentials.clone();
        shard.tell(ShardCommand::AddTransport { transport, ice });
        Caller {
            transport,
            credentials,
            stream: connect(shard),
            received: Vec::new(),
        }
    }

    /// Connected, checked and with keys.
    fn ready(shard: &mut Ready, nth: u32) -> Caller {
        let mut caller = Caller::new(shard, nth);
        let now = Instant::now();
        caller.check(shard, now);
        shard.tell(ShardCommand::InstallKeys {
            transport: caller.transport,
            keys: keys(1),
        });
        caller
    }

    fn again(&mut self, shard: &Ready) {
        self.stream = connect(shard);
        self.received.clear();
    }

    fn checked(&self) -> Vec<u8> {
        Check {
            username: &format!("{}:far", self.credentials.ufrag),
            pwd: &self.credentials.pwd,
            extra: &[CONTROLLING, USE_CANDIDATE],
            behind: &[],
        }
        .build()
    }

    /// A check and its answer.
    fn check(&mut self, shard: &mut Ready, now: Instant) {
        let check = self.checked();
        self.stream.write_all(&framed(&check)).unwrap();
        let answer = shard.serve_until(now, |_| self.frame());
        let from = self.stream.local_addr().unwrap();
        assert_eq!(
            judge(&answer, &check, &self.credentials.pwd),
            (None, vec![], Some(from))
        );
    }

    /// The next whole frame, if it is there.
    fn frame(&mut self) -> Option<Vec<u8>> {
        let mut buffer = [0; 65_536];
        match self.stream.read(&mut buffer) {
            Ok(len) => self.received.extend_from_slice(&buffer[..len]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        let len = usize::from(u16::from_be_bytes(*self.received.first_chunk()?));
        if self.received.len() < 2 + len {
            return None;
        }
        let frame = self.received[2..2 + len].to_vec();
        self.received.drain(..2 + len);
        Some(frame)
    }

    fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    let mut frame = (datagram.len() as u16).to_be_bytes().to_vec();
    frame.extend_from_slice(datagram);
    frame
}

fn sealed(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let header = FixedHeader {
        marker: true,
        payload_type: 111,
        sequence_number: sequence,
        timestamp: 0,
        ssrc: 7,
    };
    let mut packet = header.to_bytes().to_vec();
    packet.extend_from_slice(payload);
    let plain = packet.len();
    packet.resize(plain + 16, 0);
    let sealer = Sealer::new(&keys(1).mirrored());
    assert_eq!(sealer.seal_rtp(&mut packet, FIXED_HEADER_LEN, plain, 0), packet.len());
    packet
}

#[test]
fn checks_and_media_pass_over_a_connection_both_ways_however_the_stream_is_cut() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::ready(&mut shard, 1);
    let mut bob = Caller::ready(&mut shard, 2);
    let voice = Client::of(ann.transport);
    voice.publish(&mut shard, Kind::Audio);
    Client::of(bob.transport).add_seat(&mut shard, Kind::Audio, EGRESS);
    let mut stream = Vec::new();
    for sequence in 0..20 {
        stream.extend(framed(&[]));
        stream.extend(framed(&sealed(sequence, b"twenty milliseconds")));
    }
    for piece in stream.chunks(7) {
        ann.stream.write_all(piece).unwrap();
        shard.serve_until(now, |_| Some(()));
    }
    let mut opener = Opener::new(&keys(1).mirrored());
    let mut numbers = Vec::new();
    while numbers.len() < 20 {
        let mut packet = shard.serve_until(now, |_| bob.frame());
        if !(192..=223).contains(&packet[1]) {
            let header = RtpHeader::parse(&packet).unwrap();
            opener.open_rtp(&mut packet, &header).unwrap();
            numbers.push(header.sequence_number);
        }
    }
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    ann.check(&mut shard, now);
}

/// T6, T13: over TCP as well nothing but a check is looked at before a check.
#[test]
fn before_a_valid_check_nothing_is_believed_and_little_is_tolerated() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::new(&mut shard, 1);
    let hello = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    for _ in 0..256 {
        ann.stream.write_all(&framed(&hello)).unwrap();
        ann.stream.write_all(&framed(&sealed(1, b"voice"))).unwrap();
    }
    shard.serve_until(now, |shard| {
        (shard.turned_away(DoorReason::UnknownAddress) == 512).then_some(())
    });
    assert_eq!(shard.open(), 1, "an answer may still be under way");
    let mut wrong = ann.checked();
    *wrong.last_mut().unwrap() ^= 1;
    ann.stream.write_all(&framed(&wrong)).unwrap();
    shard.serve_until(now, |_| ann.is_closed().then_some(()));
    assert_eq!((shard.closed(CloseReason::Strange), shard.open()), (1, 0));
}

#[test]
fn a_connection_without_a_valid_check_lives_ten_seconds() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::ready(&mut shard, 1);
    let mut silent = connect(&shard);
    shard.serve_until(now, |shard| (shard.open() == 2).then_some(()));
    shard.shard.tidy_connections(now + Duration::from_secs(9), true);
    assert_eq!(shard.open(), 2);
    shard.shard.tidy_connections(now + Duration::from_secs(11), true);
    assert_eq!((shard.closed(CloseReason::Unproven), shard.open()), (1, 1));
    shard.serve_until(now, |_| matches!(silent.read(&mut [0]), Ok(0)).then_some(()));
    // The proven one lives on checks.
    let later = now + Duration::from_secs(50);
    ann.check(&mut shard, later);
    shard.shard.tidy_connections(later + Duration::from_secs(59), true);
    assert_eq!(shard.open(), 1);
    shard.shard.tidy_connections(later + Duration::from_secs(60), true);
    assert_eq!((shard.closed(CloseReason::Idle), shard.open()), (1, 0));
}

#[test]
fn a_frame_larger_than_any_datagram_closes_even_a_proven_connection() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::ready(&mut shard, 1);
    ann.stream.write_all(&2_048_u16.to_be_bytes()).unwrap();
    ann.stream.write_all(&[0; 2_048]).unwrap();
    ann.check(&mut shard, now);
    ann.stream.write_all(&[0xff, 0xff]).unwrap();
    shard.serve_until(now, |_| ann.is_closed().then_some(()));
    assert_eq!(shard.closed(CloseReason::FrameTooLarge), 1);
}

#[test]
fn one_source_cannot_take_all_places_and_many_push_out_the_oldest() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::ready(&mut shard, 1);
    let address = shard.address();
    let from = |host: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, host], 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        socket
    };
    let mut strangers = Vec::new();
    for host in 2..=12_u8 {
        strangers.extend((0..65).map(|_| from(host)));
        let come = 1 + strangers.len() as u64;
        shard.serve_until(now, |shard| {
            (shard.shard.counters.tcp.accepted.get() == come).then_some(())
        });
    }
    assert_eq!(shard.closed(CloseReason::SourceFull), 11, "64 of each are taken");
    assert_eq!(shard.closed(CloseReason::CrowdedOut), 11 * 64 - 512);
    assert_eq!(shard.open(), 513);
    ann.check(&mut shard, now);
    drop(strangers);
    shard.serve_until(now, |shard| (shard.open() == 1).then_some(()));
    let mut bob = Caller::ready(&mut shard, 2);
    bob.check(&mut shard, now);
}

/// T5.
#[test]
fn a_transport_keeps_its_eight_newest_connections() {
    let mut shard = shard();
    let now = Instant::now();
    let mut ann = Caller::ready(&mut shard, 1);
    let mut earlier = Vec::new();
    for _ in 0..20 {
        let fresh = connect(&shard);
        earlier.push(std::mem::replace(&mut ann.stream, fresh));
        ann.check(&mut shard, now);
    }
    assert_eq!((shard.open(), shard.closed(CloseReason::Evicted)), (8, 13));
    shard.tell(ShardCommand::RemoveTransport {
        transport: ann.transport,
    });
    assert_eq!((shard.open(), shard.closed(CloseReason::TransportGone)), (0, 8));
}

#[test]
fn what_a_slow_reader_cannot_take_is_dropped_in_whole_frames() {
    let mut shard = shard();
    let now = Instant::now();
    let ann = Caller::ready(&mut shard, 1);
    let mut bob = Caller::ready(&mut shard, 2);
    let voice = Client::of(ann.transport);
    voice.publish(&mut shard, Kind::Audio);
    Client::of(bob.transport).add_seat(&mut shard, Kind::Audio, EGRESS);
    let arrival = {
        let slot = shard.shard.table.slot(ann.transport).unwrap();
        shard.shard.egress.address(slot).unwrap()
    };
    let mut sent = 0;
    while shard.turned_away(DoorReason::ConnectionFull) < 100 {
        assert!(sent < 60_000, "the queue never fills");
        let mut packet = sealed(sent as u16, &[sent as u8; 1_000]);
        shard.shard.handle_datagram(now, arrival, &mut packet);
        shard.shard.flush();
        sent += 1;
    }
    let mut opener = Opener::new(&keys(1).mirrored());
    let mut received = 0;
    let dropped = shard.turned_away(DoorReason::ConnectionFull);
    while received < sent - dropped {
        let mut packet = shard.serve_until(now, |_| bob.frame());
        let header = RtpHeader::parse(&packet).unwrap();
        opener.open_rtp(&mut packet, &header).unwrap();
        received += 1;
    }
    // Then it flows again.
    let mut packet = sealed(sent as u16, b"again");
    shard.shard.handle_datagram(now, arrival, &mut packet);
    shard.shard.flush();
    shard.serve_until(now, |_| bob.frame());
    assert_eq!(shard.turned_away(DoorReason::ConnectionFull), dropped);
}

#[test]
fn a_connection_that_breaks_is_told_at_once_and_the_next_one_takes_over() {
    let mut shard = shard();
    let now = Instant::now();
    let mut events = shard.events();
    let mut ann = Caller::ready(&mut shard, 1);
    let transport = ann.transport;
    assert_eq!(events.try_recv().unwrap(), ShardEvent::Connected { transport });
    ann.again(&shard);
    shard.serve_until(now, |shard| (shard.closed(CloseReason::ByClient) == 1).then_some(()));
    assert_eq!(events.try_recv().unwrap(), ShardEvent::Interrupted { transport });
    let slot = shard.shard.table.slot(transport).unwrap();
    assert_eq!(shard.shard.egress.address(slot), None, "nothing is sent into the void");
    ann.check(&mut shard, now);
    assert_eq!(events.try_recv().unwrap(), ShardEvent::Connected { transport });

    // Who does not come back is lost when consent is over.
    drop(ann);
    shard.serve_until(now, |shard| (shard.open() == 0).then_some(()));
    assert_eq!(events.try_recv().unwrap(), ShardEvent::Interrupted { transport });
    for half_second in 1..=62 {
        shard.shard.ticks = 25 * half_second - 1;
        shard.shard.next_tick = now;
        shard
            .shard
            .run_ticks(now + Duration::from_millis(500) * half_second as u32);
        let told = events.try_recv().ok();
        let lost = (half_second == 60).then_some(ShardEvent::Lost { transport });
        assert_eq!(told, lost, "after {half_second} half seconds");
    }
}
