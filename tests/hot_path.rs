//! The hot loop allocates nothing.

// A counting allocator is the only way to see allocations, and implementing one is unsafe by nature.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use enfilade::media::{
    DropReason, EgressConfig, EgressKey, Forwarder, Inbound, Outbound, PayloadTypes, Sink, Source, SourceConfig,
    SourceKey, TransportSlot,
};
use enfilade::packet::extension::{ExtensionKind, ExtensionMap};
use enfilade::packet::frame::{PictureField, PictureId};
use enfilade::packet::{Codec, Extensions, FrameInfo, Kind, Picture, RtpHeader};
use enfilade::shard::egress::{Egress, Wire};
use enfilade::shard::{Arrival, ShardCounters};
use enfilade::transport::srtp::{KeyingMaterial, Profile, Sealer};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system allocator unchanged; the counter is a plain thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps dealloc's contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Stands for the shard's egress arena: copies and patches.
struct Arena {
    bytes: [u8; 1500],
    sent: u64,
    dropped: u64,
}

impl<'p> Sink<'p> for Arena {
    fn send(&mut self, to: TransportSlot, packet: &Outbound<'p>) {
        let payload = &mut self.bytes[..packet.payload.len()];
        payload.copy_from_slice(packet.payload);
        packet.patch.apply(payload);
        self.sent += u64::from(to.0 > 0) + std::hint::black_box(packet.sequence) / u64::MAX;
    }

    fn dropped(&mut self, _reason: DropReason) {
        self.dropped += 1;
    }
}

fn camera(subscribers: u64, now: Instant) -> Source {
    let mut source = Source::new(SourceConfig {
        key: SourceKey(1),
        kind: Kind::Video,
        encodings: 1,
        history: enfilade::media::HistoryLimits::default(),
    });
    for subscriber in 1..=subscribers {
        let mut payload_types = PayloadTypes::default();
        payload_types.add(Codec::Vp8, 96, Some(97));
        source.attach(
            now,
            Forwarder::new(EgressConfig {
                key: EgressKey(subscriber),
                transport: TransportSlot(subscriber as u32),
                kind: Kind::Video,
                ssrc: subscriber as u32,
                rtx_ssrc: Some(1 << 20 | subscriber as u32),
                payload_types,
                first_sequence: 1,
                first_timestamp: 2,
            }),
        );
    }
    source
}

/// Four packets per frame, every other frame of the upper temporal layer, one in fifty packets late.
fn packet(now: Instant, number: u64, payload: &[u8]) -> Inbound<'_> {
    let index = match number % 50 {
        10 => number + 1,
        11 => number - 1,
        _ => number,
    };
    let frame = index / 4;
    Inbound {
        now: now + Duration::from_micros(number * 10_000),
        header: RtpHeader {
            marker: index % 4 == 3,
            padding: false,
            payload_type: 96,
            sequence_number: index as u16,
            timestamp: (frame * 3600) as u32,
            ssrc: 1,
            header_len: 12,
            extension: None,
        },
        index,
        payload,
        extensions: Extensions::default(),
        codec: Codec::Vp8,
        frame: FrameInfo {
            starts_frame: index.is_multiple_of(4),
            ends_frame: index % 4 == 3,
            keyframe: index == 0,
            temporal: (frame % 2) as u8,
            picture: Picture::Vp8 {
                picture_id: Some(PictureId {
                    value: (frame & 0x7fff) as u16,
                    wide: true,
                    offset: 2,
                }),
                tl0_pic_idx: Some(PictureField {
                    value: (frame / 2) as u8,
                    offset: 4,
                }),
                key_idx: Some(PictureField { value: 0, offset: 5 }),
            },
            ..FrameInfo::default()
        },
        encoding: 0,
    }
}

#[test]
fn five_hundred_forwarders_forward_without_an_allocation() {
    let (now, payload) = (Instant::now(), [7; 1150]);
    let mut source = camera(500, now);
    let mut arena = Arena {
        bytes: [0; 1500],
        sent: 0,
        dropped: 0,
    };
    // Until the history has the size it stays at.
    for number in 0..3000 {
        source.forward(&packet(now, number, &payload), &mut arena);
    }
    let (allocations, sent) = (ALLOCATIONS.with(Cell::get), arena.sent);
    for number in 3000..6000 {
        source.forward(&packet(now, number, &payload), &mut arena);
    }
    assert_eq!(ALLOCATIONS.with(Cell::get), allocations);
    assert_eq!(arena.sent - sent, 3000 * 500);
    assert_eq!(arena.dropped, 0);
}

/// Counts datagrams instead of sending them.
#[derive(Default)]
struct Scale(Cell<u64>);

impl Wire for Scale {
    fn segments_max(&self) -> usize {
        64
    }

    fn send(&self, _to: Arrival, contents: &[u8], segment: Option<usize>) -> std::io::Result<()> {
        let datagrams = contents.len().div_ceil(segment.unwrap_or(contents.len()));
        self.0.set(self.0.get() + datagrams as u64);
        Ok(())
    }
}

/// Paths to so many subscribers. Every other one is so slow that the end of each frame waits.
fn paths(subscribers: u32, now: Instant) -> Egress {
    let (mut egress, counters) = (Egress::new(true), ShardCounters::default());
    let mut extensions = ExtensionMap::default();
    extensions.set(ExtensionKind::TransportCc, 3);
    let profile = Profile::AeadAes128Gcm;
    let keys = KeyingMaterial::from_exporter(profile, &vec![7; profile.exporter_len()]).expect("the length it wants");
    for slot in 0..=subscribers {
        let slot = TransportSlot(slot);
        egress.reset(slot, &counters);
        egress.set_address(slot, Some(Arrival::udp(([127, 0, 0, 1], 9).into())));
        egress.set_sealer(slot, Some(Sealer::new(&keys)), &counters);
        egress.set_extensions(slot, extensions);
        egress.set_pacing(now, slot, slot.0.is_multiple_of(2).then_some(1_100_000));
    }
    egress
}

#[test]
fn frames_are_held_queued_padded_sealed_and_logged_without_an_allocation() {
    const SUBSCRIBERS: u32 = 50;
    let (start, counters, wire) = (Instant::now(), ShardCounters::default(), Scale::default());
    let mut source = camera(u64::from(SUBSCRIBERS), start);
    let mut egress = paths(SUBSCRIBERS, start);
    let payload = [7; 1150];
    let (mut told, mut waited) = (0, 0);
    let mut run = |numbers: std::ops::Range<u64>| {
        for number in numbers {
            // The last packet of a frame is a byte longer.
            let packet = packet(start, number, &payload[..1149 + usize::from(number % 4 == 3)]);
            while let Some(at) = egress.poll_timeout().filter(|at| *at <= packet.now) {
                egress.flush(at, &wire, &counters);
            }
            source.forward(&packet, &mut egress.sink(packet.now, &wire, &counters));
            // Two reads of the socket in a row; the second brings the end of the frame.
            if number % 4 >= 2 {
                egress.flush(packet.now, &wire, &counters);
            }
            waited += u64::from(number % 4 == 3 && egress.waiting(TransportSlot(2)) > 0);
            if number % 50 == 49 {
                for slot in (1..=SUBSCRIBERS).map(TransportSlot) {
                    for number in 0..50 {
                        egress.sent_log(slot).take(u16::wrapping_add(told, number));
                    }
                }
                told = told.wrapping_add(50);
            }
        }
    };
    run(0..3000);
    let (allocations, sent) = (ALLOCATIONS.with(Cell::get), wire.0.get());
    run(3000..6000);
    assert_eq!(ALLOCATIONS.with(Cell::get), allocations);
    let sent = wire.0.get() - sent;
    assert!(
        sent.abs_diff(3000 * u64::from(SUBSCRIBERS)) < 10 * u64::from(SUBSCRIBERS),
        "{sent}"
    );
    assert!(waited > 1_000, "the end of a frame waits where the path is slow");
    assert!(
        counters.sends.get() * 2 <= counters.packets_out.get(),
        "packets leave together"
    );
}
