//! Everything of forwarding but the system call, and beside it a minimal loop that does nothing but open once, copy, change the
//! header and seal.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "it stops when it cannot go on, and is a part of whoever measures"
)]

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use enfilade::media::{
    EgressConfig, EgressKey, Forwarder, HistoryLimits, Inbound, Limits, PayloadTypes, Source, SourceConfig, SourceKey,
    TransportSlot,
};
use enfilade::packet::av1::DependencyDescriptorReader;
use enfilade::packet::extension::{ExtensionKind, ExtensionMap, read_extensions};
use enfilade::packet::rtp::{RtpHeader, payload_len_without_padding};
use enfilade::packet::{Codec, Kind, codec};
use enfilade::shard::egress::{Egress, Wire};
use enfilade::shard::{Arrival, ShardCounters};
use enfilade::transport::srtp::{KeyingMaterial, Opener, Profile, Sealer};

const HEADER_LEN: usize = 24;
const TAG_LEN: usize = 16;
/// Before the first measured round: more than a forwarder remembers, so that all memory has been touched.
const WARM_UP_PACKETS: usize = 1_200;

/// Feedback comes every so many packets, some 100 ms of a camera.
const FEEDBACK_PACKETS: usize = 32;

/// Bursts end here: what is measured is everything before the system call.
struct Nowhere;

impl Wire for Nowhere {
    fn segments_max(&self) -> usize {
        64
    }

    fn send(&self, _: Arrival, contents: &[u8], _: Option<usize>) -> io::Result<()> {
        black_box(contents);
        Ok(())
    }
}

fn keys(seed: u8) -> KeyingMaterial {
    let block: Vec<u8> = (0..56).map(|i: u8| i.wrapping_mul(7).wrapping_add(seed)).collect();
    KeyingMaterial::from_exporter(Profile::AeadAes128Gcm, &block).unwrap()
}

/// A VP8 packet of a keyframe, its last with `marker`, with mid and transport-wide number, `len` bytes before the tag.
fn packet(sequence: u16, len: usize, marker: bool) -> Vec<u8> {
    let mut packet = vec![0x90, if marker { 0x80 | 96 } else { 96 }];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence / 4) * 3_000).to_be_bytes());
    packet.extend_from_slice(&0x1122_3344_u32.to_be_bytes());
    packet.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x40, b'1', 0x31, 0, 1, 0, 0, 0]);
    // RFC 7741: extended, start of partition in every fourth, 15 bit picture id; then a keyframe's first byte.
    let start = if sequence.is_multiple_of(4) { 0x10 } else { 0 };
    packet.extend_from_slice(&[
        0x80 | start,
        0x80,
        0x80 | ((sequence / 4) >> 8) as u8 & 0x7f,
        (sequence / 4) as u8,
        0x00,
    ]);
    packet.resize(len, 0x5a);
    packet
}

fn extensions() -> ExtensionMap {
    let mut map = ExtensionMap::default();
    map.set(ExtensionKind::Mid, 4);
    map.set(ExtensionKind::TransportCc, 3);
    map
}

/// Ours, whole: open, read, forward to all subscribers, flush. Lives over all rounds: a server's memory is warm.
pub struct Enfilade {
    counters: ShardCounters,
    egress: Egress,
    source: Source,
    client: Sealer,
    opener: Opener,
    map: ExtensionMap,
    descriptors: DependencyDescriptorReader,
    subscribers: usize,
    len: usize,
    /// Packets that arrive together, and leave together; all but the last are a byte shorter than it.
    batch: usize,
    next: u64,
    /// The first transport-wide number of which nothing was told yet.
    told: u16,
}

impl Enfilade {
    pub fn new(subscribers: usize, len: usize, batch: usize) -> Self {
        let now = Instant::now();
        let (mut egress, counters) = (Egress::new(true), ShardCounters::default());
        let mut source = Source::new(SourceConfig {
            key: SourceKey(1),
            kind: Kind::Video,
            encodings: 1,
            history: HistoryLimits::default(),
        });
        for at in 0..subscribers {
            let slot = TransportSlot(at as u32);
            egress.reset(slot, &counters);
            egress.set_address(slot, Some(Arrival::udp(([127, 0, 0, 1], 9).into())));
            egress.set_sealer(slot, Some(Sealer::new(&keys(at as u8))), &counters);
            egress.set_extensions(slot, extensions());
            let mut payload_types = PayloadTypes::default();
            payload_types.add(Codec::Vp8, 96, Some(97));
            let forwarder = Forwarder::new(EgressConfig {
                key: EgressKey(at as u64),
                transport: slot,
                kind: Kind::Video,
                ssrc: 0x1000 + at as u32,
                rtx_ssrc: Some(0x9000 + at as u32),
                payload_types,
                first_sequence: at as u16,
                first_timestamp: at as u32,
            });
            source.attach(now, forwarder);
            source.set_limits(now, EgressKey(at as u64), Limits::default());
        }
        let publisher = keys(200);
        let client = Sealer::new(&publisher.mirrored());
        let mut this = Self {
            counters,
            egress,
            source,
            client,
            opener: Opener::new(&publisher),
            map: extensions(),
            descriptors: DependencyDescriptorReader::default(),
            subscribers,
            len,
            batch,
            next: 0,
            told: 0,
        };
        this.run(WARM_UP_PACKETS, || Duration::ZERO);
        this
    }

    /// The time for the next `packets` by this clock; making them is not counted.
    pub fn run(&mut self, packets: usize, clock: impl Fn() -> Duration) -> Duration {
        let mut sealed: Vec<Vec<u8>> = (0..packets as u64)
            .map(|at| {
                let index = self.next + at;
                let last = (at as usize + 1).is_multiple_of(self.batch);
                let len = self.len - usize::from(!last);
                let mut bytes = packet(index as u16, len, last);
                bytes.resize(len + TAG_LEN, 0);
                self.client.seal_rtp(&mut bytes, HEADER_LEN, len, (index >> 16) as u32);
                bytes
            })
            .collect();
        self.next += packets as u64;
        let before = self.counters.packets_out.get();
        let now = Instant::now();
        let mut took = Duration::ZERO;
        for datagrams in sealed.chunks_mut(FEEDBACK_PACKETS) {
            let started = clock();
            for batch in datagrams.chunks_mut(self.batch) {
                for datagram in batch {
                    self.forward(now, datagram);
                }
                self.egress.flush(now, &Nowhere, &self.counters);
            }
            took += clock() - started;
            self.feedback(datagrams.len());
        }
        let sent = self.counters.packets_out.get() - before;
        assert_eq!(
            sent,
            (packets * self.subscribers) as u64,
            "every packet goes to everybody"
        );
        took
    }

    fn forward(&mut self, now: Instant, datagram: &mut [u8]) {
        let header = RtpHeader::parse(datagram).unwrap();
        let opened = self.opener.open_rtp(datagram, &header).unwrap();
        let plain = &datagram[..opened.len];
        let extensions = read_extensions(plain, &header, &self.map);
        let payload_len = payload_len_without_padding(&header, plain).unwrap();
        let payload = &plain[header.header_len..header.header_len + payload_len];
        let frame = codec::frame_info(Codec::Vp8, payload, header.marker, &extensions, &mut self.descriptors).unwrap();
        let inbound = Inbound {
            now,
            header,
            index: opened.index,
            payload,
            extensions,
            codec: Codec::Vp8,
            frame,
            encoding: 0,
        };
        self.source
            .forward(&inbound, &mut self.egress.sink(now, &Nowhere, &self.counters));
    }

    /// Everybody tells of the latest packets.
    fn feedback(&mut self, packets: usize) {
        for at in 0..self.subscribers {
            let log = self.egress.sent_log(TransportSlot(at as u32));
            for number in 0..packets as u16 {
                assert!(log.take(self.told.wrapping_add(number)).is_some());
            }
        }
        self.told = self.told.wrapping_add(packets as u16);
    }
}

/// The floor: decrypt once; per subscriber copy, change sequence number, timestamp and SSRC, seal.
pub fn floor(subscribers: usize, len: usize, packets: usize, clock: impl Fn() -> Duration) -> Duration {
    struct Subscriber {
        key: LessSafeKey,
        salt: [u8; 12],
        ssrc: u32,
    }
    let key = |byte| LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[byte; 16]).unwrap());
    let subscribers: Vec<Subscriber> = (0..subscribers)
        .map(|at| Subscriber {
            key: key(at as u8),
            salt: [at as u8; 12],
            ssrc: at as u32,
        })
        .collect();
    let receive = key(99);
    let mut sealed = packet(0, len, true);
    let header: Vec<u8> = sealed[..HEADER_LEN].to_vec();
    let nonce = || Nonce::assume_unique_for_key([1; 12]);
    let tag = receive
        .seal_in_place_separate_tag(nonce(), Aad::from(&header), &mut sealed[HEADER_LEN..])
        .unwrap();
    sealed.extend_from_slice(tag.as_ref());
    let stride = len + TAG_LEN;
    let mut arena = vec![0; subscribers.len() * stride];
    let mut plain = vec![0; len];
    let started = clock();
    for sequence in 0..packets {
        plain[..HEADER_LEN].copy_from_slice(&sealed[..HEADER_LEN]);
        let (body, tag) = sealed[HEADER_LEN..].split_at(len - HEADER_LEN);
        receive
            .open_separate_gather(nonce(), Aad::from(&header), body, tag, &mut plain[HEADER_LEN..])
            .unwrap();
        for (at, subscriber) in subscribers.iter().enumerate() {
            let out = &mut arena[at * stride..(at + 1) * stride];
            out[..len].copy_from_slice(&plain);
            out[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
            out[4..8].copy_from_slice(&(sequence as u32).to_be_bytes());
            out[8..12].copy_from_slice(&subscriber.ssrc.to_be_bytes());
            let mut iv = subscriber.salt;
            iv.iter_mut()
                .skip(2)
                .zip(&out[8..12])
                .for_each(|(iv, byte)| *iv ^= byte);
            iv[10] ^= out[2];
            iv[11] ^= out[3];
            let (head, rest) = out.split_at_mut(HEADER_LEN);
            let (body, tag_out) = rest.split_at_mut(len - HEADER_LEN);
            let nonce = Nonce::assume_unique_for_key(iv);
            let tag = subscriber
                .key
                .seal_in_place_separate_tag(nonce, Aad::from(&*head), body)
                .unwrap();
            tag_out.copy_from_slice(tag.as_ref());
        }
        black_box(&arena);
    }
    clock() - started
}
