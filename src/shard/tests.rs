//! Shards without threads: commands and datagrams in, datagrams out on loopback sockets. ICE and DTLS are taken as done.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use super::command::ShardCommand;
use super::start::{Ready, assemble};
use super::{Arrival, Mail, MailLeft, ShardConfig, ShardId, TransportKey};
use crate::media::{EgressKey, Feedback, HistoryLimits, Limits, PayloadTypes, SourceKey};
use crate::packet::extension::ExtensionMap;
use crate::packet::rtcp::{RtcpBlock, blocks};
use crate::packet::rtp::{FIXED_HEADER_LEN, FixedHeader, RtpHeader};
use crate::packet::{Codec, Kind};
use crate::transport::ice::Credentials;
use crate::transport::negotiation::{CodecLine, ReceiveLine};
use crate::transport::srtp::{KeyingMaterial, Opener, Profile, Sealer};

mod consent;
mod large;
mod probe;
mod repair;

const SOURCE: SourceKey = SourceKey(1 << 32 | 1);
const EGRESS: EgressKey = EgressKey(1 << 32 | 1);
const SEAT_SSRC: u32 = 0x5ea7;
const KINDS: [(Kind, Codec, u8); 2] = [(Kind::Audio, Codec::Opus, 111), (Kind::Video, Codec::Vp8, 96)];

mod tcp;

fn shards(count: usize) -> Vec<Ready> {
    assemble(&config(count)).unwrap().1
}

fn config(count: usize) -> ShardConfig {
    ShardConfig {
        shards: count,
        listen: "127.0.0.1".parse().unwrap(),
        first_port: 0,
        kernel_buffer_bytes: 1 << 16,
        consent_timeout: Duration::from_secs(30),
        history: HistoryLimits::default(),
        tcp: false,
        segmentation: false,
        moderation: Duration::ZERO,
    }
}

fn keys(seed: u8) -> KeyingMaterial {
    let profile = Profile::AeadAes128Gcm;
    KeyingMaterial::from_exporter(profile, &vec![seed; profile.exporter_len()]).unwrap()
}

impl Ready {
    fn tell(&mut self, command: ShardCommand) {
        let now = Instant::now();
        self.shard.handle_mail(now, Mail::Command(command));
        self.shard.share_out(now);
    }

    /// A turn of the loop, without the socket.
    fn turn(&mut self) {
        let now = Instant::now();
        self.shard.read_relay(now);
        let _left = self.shard.read_mail(now, &mut self.inbox);
        self.shard.next_tick = now;
        self.shard.run_ticks(now);
        self.shard.share_out(now);
        self.shard.request_keyframes(now);
        self.shard.flush();
    }
}

/// A client whose path is there.
struct Client {
    transport: TransportKey,
    socket: UdpSocket,
    sealer: Sealer,
    opener: Opener,
}

impl Client {
    fn connect(shard: &mut Ready, nth: u32) -> Client {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let transport = TransportKey::new(1, nth);
        shard.tell(ShardCommand::AddTransport {
            transport,
            ice: Credentials::random(),
        });
        let slot = shard.shard.table.slot(transport).unwrap();
        let from = socket.local_addr().unwrap();
        shard.shard.table.validate(from, slot);
        shard.shard.egress.set_address(slot, Some(Arrival::udp(from)));
        let mut client = Client {
            transport,
            socket,
            sealer: Sealer::new(&keys(1)),
            opener: Opener::new(&keys(1)),
        };
        client.shake_hands(shard, 1);
        client
    }

    /// One whose path somebody else looks after.
    fn of(transport: TransportKey) -> Client {
        Client {
            transport,
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            sealer: Sealer::new(&keys(1)),
            opener: Opener::new(&keys(1)),
        }
    }

    /// Another DTLS handshake with other keys.
    fn shake_hands(&mut self, shard: &mut Ready, seed: u8) {
        let (transport, keys) = (self.transport, keys(seed));
        self.sealer = Sealer::new(&keys.mirrored());
        self.opener = Opener::new(&keys.mirrored());
        shard.tell(ShardCommand::InstallKeys { transport, keys });
    }

    fn publish(&self, shard: &mut Ready, kind: Kind) {
        let (_, codec, payload_type) = KINDS[usize::from(kind == Kind::Video)];
        let line = ReceiveLine {
            mid: "0".to_owned(),
            kind,
            codecs: vec![CodecLine {
                payload_type,
                codec,
                rtx_payload_type: None,
                fmtp: String::new(),
            }],
            rids: Vec::new(),
            ssrcs: Vec::new(),
            nack: true,
            transport_cc: false,
            remb: false,
        };
        shard.tell(ShardCommand::SetReceive {
            transport: self.transport,
            lines: vec![line],
            extensions: ExtensionMap::default(),
        });
        shard.tell(ShardCommand::Publish {
            transport: self.transport,
            mid: "0".to_owned(),
            source: SOURCE,
            kind,
            is_voice: kind == Kind::Audio,
            encodings: 1,
        });
    }

    fn add_seat(&self, shard: &mut Ready, kind: Kind, egress: EgressKey) {
        let mut payload_types = PayloadTypes::default();
        KINDS
            .iter()
            .for_each(|(_, codec, number)| payload_types.add(*codec, *number, None));
        shard.tell(ShardCommand::AddEgress {
            transport: self.transport,
            egress,
            kind,
            ssrc: SEAT_SSRC,
            rtx_ssrc: None,
            cname: "test".to_owned(),
            payload_types,
            feedback: Feedback::None,
        });
        shard.tell(ShardCommand::Bind {
            egress,
            source: SOURCE,
            limits: Limits::default(),
        });
    }

    /// One packet of the microphone or camera, with its extended sequence number.
    fn send(&self, shard: &mut Ready, kind: Kind, ssrc: u32, index: u64, payload: &[u8]) {
        let header = FixedHeader {
            marker: true,
            payload_type: KINDS[usize::from(kind == Kind::Video)].2,
            sequence_number: index as u16,
            timestamp: index as u32 * 960,
            ssrc,
        };
        let mut datagram = header.to_bytes().to_vec();
        datagram.extend_from_slice(payload);
        let plain = datagram.len();
        datagram.resize(plain + 16, 0);
        let len = self
            .sealer
            .seal_rtp(&mut datagram, FIXED_HEADER_LEN, plain, (index >> 16) as u32);
        assert_eq!(len, datagram.len());
        let arrival = Arrival::udp(self.socket.local_addr().unwrap());
        shard.shard.handle_datagram(Instant::now(), arrival, &mut datagram);
        shard.shard.flush();
    }

    /// Sequence numbers of the media that came, and how many keyframes were asked for. What cannot be opened is a failure.
    fn receive(&mut self) -> (Vec<u16>, usize) {
        let (mut media, mut keyframes, mut buffer) = (Vec::new(), 0, [0; 2_000]);
        while let Ok(len) = self.socket.recv(&mut buffer) {
            let datagram = &mut buffer[..len];
            if (192..=223).contains(&datagram[1]) {
                let len = self.opener.open_rtcp(datagram).unwrap();
                let is_pli = |block: &RtcpBlock<'_>| matches!(block, RtcpBlock::Pli { .. });
                keyframes += blocks(&datagram[..len]).filter(is_pli).count();
            } else {
                let header = RtpHeader::parse(datagram).unwrap();
                self.opener.open_rtp(datagram, &header).unwrap();
                media.push(header.sequence_number);
            }
        }
        (media, keyframes)
    }
}

#[test]
fn a_source_that_is_only_watched_from_another_shard_is_asked_for_keyframes() {
    let mut shards = shards(2);
    let [home, away] = shards.as_mut_slice() else { panic!() };
    let mut ann = Client::connect(home, 1);
    let bob = Client::connect(away, 2);
    ann.publish(home, Kind::Video);
    away.tell(ShardCommand::AddReplica {
        source: SOURCE,
        kind: Kind::Video,
        is_voice: false,
        encodings: 1,
        extensions: ExtensionMap::default(),
        home: ShardId(0),
    });
    // Both had a picture before, so nothing is fresh.
    for index in 0..3 {
        ann.send(home, Kind::Video, 7, index, &[0x10, 1, 0, 0]);
    }
    home.turn();
    ann.receive();
    home.tell(ShardCommand::Relay {
        source: SOURCE,
        to: ShardId(1),
        on: true,
    });
    bob.add_seat(away, Kind::Video, EGRESS);
    away.turn();
    home.turn();
    assert_eq!(ann.receive().1, 1);
}

#[test]
fn a_seat_that_comes_back_never_uses_a_sequence_number_twice() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let ann = Client::connect(shard, 1);
    let mut bob = Client::connect(shard, 2);
    ann.publish(shard, Kind::Audio);
    let mut seen = Vec::new();
    for round in 0..3 {
        let egress = EgressKey(EGRESS.0 + round);
        bob.add_seat(shard, Kind::Audio, egress);
        for index in 0..5 {
            ann.send(shard, Kind::Audio, 7, round * 5 + index, b"voice");
        }
        seen.extend(bob.receive().0);
        shard.tell(ShardCommand::RemoveEgress { egress });
    }
    assert_eq!(seen.len(), 15);
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seen:?}");
}

#[test]
fn after_another_handshake_both_directions_count_rollovers_from_zero() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let mut ann = Client::connect(shard, 1);
    let mut bob = Client::connect(shard, 2);
    ann.publish(shard, Kind::Audio);
    bob.add_seat(shard, Kind::Audio, EGRESS);
    // Far enough for a second and third cycle of both.
    for index in 65_000..200_000 {
        ann.send(shard, Kind::Audio, 7, index, b"voice");
        if index % 50 == 0 {
            bob.receive();
        }
    }
    bob.receive();
    ann.shake_hands(shard, 2);
    bob.shake_hands(shard, 3);
    for index in (200_000 & 0xffff)..(200_000 & 0xffff) + 10 {
        ann.send(shard, Kind::Audio, 7, index, b"voice");
    }
    assert_eq!(bob.receive().0.len(), 10);
}

/// Browsers notice late that a path is dead; an SDK that counts on this notices soon.
#[test]
fn whoever_is_connected_hears_from_us_twice_a_second_whatever_happens() {
    let mut shards = shards(1);
    let shard = &mut shards[0];
    let ann = Client::connect(shard, 1);
    let mut heard = 0;
    for _ in 0..100 {
        shard.turn();
        let mut buffer = [0; 2_000];
        while let Ok(len) = ann.socket.recv(&mut buffer) {
            assert!(len > 0 && (192..=223).contains(&buffer[1]));
            heard += 1;
        }
    }
    assert_eq!(heard, 4, "in two seconds of ticks");
}

#[test]
fn a_long_mailbox_is_read_on_without_waiting_for_the_next_letter() {
    let mut ready = shards(1).remove(0);
    let handle = ready.shard.peers[0].clone();
    let due = ready.shard.next_tick;
    for number in 0..=super::MAIL_PER_TURN as u32 {
        assert!(handle.try_send(Mail::RoomClosed { number }));
    }
    let now = Instant::now();
    assert_eq!(ready.shard.read_mail(now, &mut ready.inbox), MailLeft::Some);
    assert_eq!(ready.shard.next_tick, due, "letters are no reason to tick");
    assert_eq!(ready.shard.read_mail(now, &mut ready.inbox), MailLeft::None);
}
