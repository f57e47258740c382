//! Outgoing media: one path per transport, packets sealed in place behind each other, sent in bursts.
//!
//! Within one receive batch everything for one destination gathers in one buffer; [`Egress::flush`] then sends runs of
//! equal size as one segmented datagram each. Nothing is kept longer than the batch that caused it.

use std::io;
use std::time::Instant;

use arrayvec::ArrayVec;

use super::counters::{DoorReason, ShardCounters};
use super::socket::{Arrival, MAX_SEGMENTS};
use crate::media::estimate::{SentLog, SentPacket};
use crate::media::{DropReason, OutExtensions, Outbound, Sink, TransportSlot};
use crate::packet::extension::{ExtensionForm, ExtensionKind, ExtensionMap, ExtensionWriter};
use crate::packet::rtp::{FIXED_HEADER_LEN, FixedHeader};
use crate::transport::srtp::Sealer;

/// Room for what one batch may hold for one destination: a dozen full packets, more than a frame of most cameras. What
/// does not fit goes out in a second send; a larger buffer would be paid for by every destination of a batch.
const BATCH_BYTES: usize = 16 << 10;
/// Header, extensions and tag beside the payload: 12 + 4 + 255 (largest descriptor) + 16, rounded up.
const OVERHEAD_BYTES: usize = 320;
/// No datagram leaves larger than this (an Ethernet frame less IPv6 and UDP headers, plus some for jumbo paths is not assumed).
const DATAGRAM_BYTES_MAX: usize = 1_500;

/// Where bursts leave. The socket in a shard; nothing at all in a benchmark of everything before it.
pub trait Wire {
    /// How many segments one send may hold now; 1 where the kernel does not segment.
    fn segments_max(&self) -> usize;
    /// Sends `contents`, cut into datagrams of `segment` bytes (the last may be shorter) when it is given.
    fn send(&self, to: Arrival, contents: &[u8], segment: Option<usize>) -> io::Result<()>;
}

/// The way to one transport's device.
#[derive(Default)]
struct Path {
    to: Option<Arrival>,
    sealer: Option<Sealer>,
    extensions: ExtensionMap,
    transport_cc: Option<u8>,
    transport_cc_next: u16,
    sent: SentLog,
    batch: Option<Batch>,
}

struct Batch {
    bytes: Box<[u8]>,
    len: usize,
    segments: ArrayVec<u16, MAX_SEGMENTS>,
}

impl Batch {
    fn new() -> Self {
        Self {
            bytes: vec![0; BATCH_BYTES].into_boxed_slice(),
            len: 0,
            segments: ArrayVec::new(),
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        !self.segments.is_full() && self.len + bytes <= self.bytes.len()
    }

    fn clear(&mut self) {
        self.len = 0;
        self.segments.clear();
    }
}

/// All paths of a shard and the buffers they share.
pub struct Egress {
    paths: Vec<Path>,
    /// Slots with something to send, in the order they got it.
    dirty: Vec<TransportSlot>,
    /// Buffers nobody uses now. Grows to the largest number of destinations of one batch and stays there.
    spare: Vec<Batch>,
    segmentation: bool,
    now: Option<Instant>,
}

impl Egress {
    /// Without any path yet. `segmentation` off sends every packet by itself.
    pub fn new(segmentation: bool) -> Self {
        Self {
            paths: Vec::new(),
            dirty: Vec::new(),
            spare: Vec::new(),
            segmentation,
            now: None,
        }
    }

    /// Makes the slot an empty path.
    pub fn reset(&mut self, slot: TransportSlot) {
        let index = slot.0 as usize;
        if index >= self.paths.len() {
            self.paths.resize_with(index + 1, Path::default);
        }
        let mut old = std::mem::take(&mut self.paths[index]);
        if let Some(mut batch) = old.batch.take() {
            batch.clear();
            self.spare.push(batch);
            self.dirty.retain(|dirty| *dirty != slot);
        }
    }

    /// Where media goes from now on; `None`: nowhere.
    pub fn set_address(&mut self, slot: TransportSlot, to: Option<Arrival>) {
        self.paths[slot.0 as usize].to = to;
    }

    /// With which keys.
    pub fn set_sealer(&mut self, slot: TransportSlot, sealer: Option<Sealer>) {
        self.paths[slot.0 as usize].sealer = sealer;
    }

    /// Under which ids header extensions go out.
    pub fn set_extensions(&mut self, slot: TransportSlot, extensions: ExtensionMap) {
        let path = &mut self.paths[slot.0 as usize];
        path.transport_cc = extensions.id(ExtensionKind::TransportCc);
        path.extensions = extensions;
    }

    /// It is now so late: for the packets that leave from here on.
    pub fn set_now(&mut self, now: Instant) {
        self.now = Some(now);
    }

    /// What left for a transport, for its feedback.
    pub fn sent_log(&mut self, slot: TransportSlot) -> &mut SentLog {
        &mut self.paths[slot.0 as usize].sent
    }

    /// How fast packets leave for a transport, in bits per second; `None`: as they come.
    pub fn set_pacing(&mut self, now: Instant, slot: TransportSlot, bps: Option<u64>) {
        let _ = (now, slot, bps);
    }

    /// The address media goes to, once ICE has one.
    pub fn address(&self, slot: TransportSlot) -> Option<Arrival> {
        self.paths[slot.0 as usize].to
    }

    /// True when media could be sent now.
    pub fn is_open(&self, slot: TransportSlot) -> bool {
        let path = &self.paths[slot.0 as usize];
        path.to.is_some() && path.sealer.is_some()
    }

    /// Seals an RTCP compound and sends it at once.
    pub fn send_rtcp(
        &mut self,
        slot: TransportSlot,
        compound: &mut Vec<u8>,
        wire: &impl Wire,
        counters: &ShardCounters,
    ) {
        let path = &mut self.paths[slot.0 as usize];
        let (Some(to), Some(sealer)) = (path.to, path.sealer.as_mut()) else {
            return;
        };
        if sealer.seal_rtcp(compound).is_ok() {
            send(wire, to, compound, None, counters);
        }
    }

    /// Borrowed for the time of one hot loop.
    pub fn sink<'a, W: Wire>(&'a mut self, wire: &'a W, counters: &'a ShardCounters) -> EgressSink<'a, W> {
        EgressSink {
            egress: self,
            wire,
            counters,
            packets: 0,
            bytes: 0,
        }
    }

    /// Sends everything gathered.
    pub fn flush(&mut self, wire: &impl Wire, counters: &ShardCounters) {
        let segments_max = if self.segmentation { wire.segments_max() } else { 1 };
        for index in 0..self.dirty.len() {
            let slot = self.dirty[index];
            let path = &mut self.paths[slot.0 as usize];
            let Some(mut batch) = path.batch.take() else { continue };
            if let Some(to) = path.to {
                send_batch(wire, to, &batch, segments_max, counters);
            }
            batch.clear();
            self.spare.push(batch);
        }
        self.dirty.clear();
    }
}

/// Where the hot loop's packets go.
pub struct EgressSink<'a, W> {
    egress: &'a mut Egress,
    wire: &'a W,
    counters: &'a ShardCounters,
    /// Counted here and told once, when the loop is done.
    packets: u64,
    bytes: u64,
}

impl<W> Drop for EgressSink<'_, W> {
    fn drop(&mut self) {
        self.counters.packets_out.add(self.packets);
        self.counters.bytes_out.add(self.bytes);
    }
}

impl<W: Wire> Sink for EgressSink<'_, W> {
    #[inline]
    fn send(&mut self, slot: TransportSlot, packet: Outbound<'_>) {
        let egress = &mut *self.egress;
        let path = &mut egress.paths[slot.0 as usize];
        let (Some(to), Some(sealer)) = (path.to, path.sealer.as_ref()) else {
            self.counters.turn_away(DoorReason::NotConnected);
            return;
        };
        let body = packet.prefix.len() + packet.payload.len();
        // A fragmented datagram may carry more than a batch holds: what cannot leave must not reach the buffer.
        if body > DATAGRAM_BYTES_MAX {
            self.counters.turn_away(DoorReason::TooLarge);
            return;
        }
        let room = body + OVERHEAD_BYTES;
        if path.batch.is_none() {
            path.batch = Some(egress.spare.pop().unwrap_or_else(Batch::new));
            egress.dirty.push(slot);
        }
        let Some(batch) = path.batch.as_mut() else { return };
        if !batch.has_room(room) {
            let segments_max = if egress.segmentation {
                self.wire.segments_max()
            } else {
                1
            };
            send_batch(self.wire, to, batch, segments_max, self.counters);
            batch.clear();
        }
        let transport_cc = path.transport_cc.map(|id| {
            let sequence = path.transport_cc_next;
            path.transport_cc_next = sequence.wrapping_add(1);
            (id, sequence)
        });
        let out = &mut batch.bytes[batch.len..];
        let header_len = write_header(out, &packet, &path.extensions, transport_cc);
        let payload_at = header_len + packet.prefix.len();
        let plain_len = payload_at + packet.payload.len();
        out[header_len..payload_at].copy_from_slice(packet.prefix);
        out[payload_at..plain_len].copy_from_slice(packet.payload);
        packet.patch.apply(&mut out[payload_at..plain_len]);
        let sealed_len = sealer.seal_rtp(out, header_len, plain_len, (packet.sequence >> 16) as u32);
        if sealed_len == 0 || sealed_len > DATAGRAM_BYTES_MAX {
            self.counters.turn_away(DoorReason::TooLarge);
            return;
        }
        if let (Some((_, sequence)), Some(at)) = (transport_cc, egress.now) {
            let sent = SentPacket {
                at,
                bytes: sealed_len as u16,
                probe: None,
            };
            path.sent.record(sequence, sent);
        }
        batch.len += sealed_len;
        batch.segments.push(sealed_len as u16);
        self.packets += 1;
        self.bytes += sealed_len as u64;
    }

    #[inline]
    fn dropped(&mut self, reason: DropReason) {
        self.counters.drop_packet(reason);
    }
}

/// Writes the RTP header with its extensions (RFC 3550 section 5.1, RFC 8285) and returns its length.
#[inline]
fn write_header(out: &mut [u8], packet: &Outbound<'_>, map: &ExtensionMap, transport_cc: Option<(u8, u16)>) -> usize {
    let fixed = FixedHeader {
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence_number: packet.sequence as u16,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
    };
    out[..FIXED_HEADER_LEN].copy_from_slice(&fixed.to_bytes());
    let extensions = &packet.extensions;
    if *extensions == OutExtensions::default() {
        return write_transport_cc(out, transport_cc);
    }
    let descriptor = extensions
        .dependency_descriptor
        .and_then(|descriptor| Some((map.id(ExtensionKind::DependencyDescriptor)?, descriptor)));
    // Ids above 14 are never agreed for the short elements (the answer maps what the client offered, and browsers number from
    // 1), so only a long descriptor needs the two-byte form.
    let form = match &descriptor {
        Some((id, descriptor)) if *id > 14 || descriptor.len() > 16 => ExtensionForm::TwoByte,
        Some(_) | None => ExtensionForm::OneByte,
    };
    let mut writer = ExtensionWriter::new(out, form);
    if let Some((id, sequence)) = transport_cc {
        writer.push(id, &sequence.to_be_bytes());
    }
    if let (Some(level), Some(id)) = (extensions.audio_level, map.id(ExtensionKind::AudioLevel)) {
        writer.push(id, &[level.to_byte()]);
    }
    if let (Some(orientation), Some(id)) = (extensions.video_orientation, map.id(ExtensionKind::VideoOrientation)) {
        writer.push(id, &[orientation]);
    }
    if let (Some(delay), Some(id)) = (extensions.playout_delay, map.id(ExtensionKind::PlayoutDelay)) {
        writer.push(id, &delay);
    }
    if let Some((id, descriptor)) = descriptor {
        let mut value = [0; 255];
        let len = descriptor.len();
        if len <= value.len() {
            value[..3].copy_from_slice(&descriptor.head);
            value[3..len].copy_from_slice(descriptor.rest);
            writer.push(id, &value[..len]);
        }
    }
    writer.finish()
}

/// The common case of video: nothing but the transport-wide number, so the block is eight known bytes.
#[inline]
fn write_transport_cc(out: &mut [u8], transport_cc: Option<(u8, u16)>) -> usize {
    const END: usize = FIXED_HEADER_LEN + 8;
    match transport_cc {
        Some((id @ 1..=14, sequence)) => {
            let [high, low] = sequence.to_be_bytes();
            out[0] |= 0x10;
            out[FIXED_HEADER_LEN..END].copy_from_slice(&[0xbe, 0xde, 0, 1, (id << 4) | 1, high, low, 0]);
            END
        }
        // An id above 14 needs the two-byte form, which no browser makes us use here; the number is left out.
        Some(_) | None => FIXED_HEADER_LEN,
    }
}

fn send_batch(wire: &impl Wire, to: Arrival, batch: &Batch, segments_max: usize, counters: &ShardCounters) {
    let mut rest = &batch.bytes[..batch.len];
    let mut segments = batch.segments.as_slice();
    while let Some(run) = next_run(segments, segments_max) {
        let (burst, after) = rest.split_at(run.bytes);
        let segment = (run.count > 1).then_some(segments[0] as usize);
        send(wire, to, burst, segment, counters);
        rest = after;
        segments = &segments[run.count..];
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Run {
    count: usize,
    bytes: usize,
}

/// The longest run the kernel can segment: equal sizes, of which only the last may be smaller.
fn next_run(segments: &[u16], segments_max: usize) -> Option<Run> {
    let first = *segments.first()?;
    let mut run = Run {
        count: 1,
        bytes: first as usize,
    };
    for &size in segments[1..].iter().take(segments_max.saturating_sub(1)) {
        if size > first {
            break;
        }
        run.count += 1;
        run.bytes += size as usize;
        if size < first {
            break;
        }
    }
    Some(run)
}

fn send(wire: &impl Wire, to: Arrival, bytes: &[u8], segment: Option<usize>, counters: &ShardCounters) {
    counters.sends.add(1);
    let Err(error) = wire.send(to, bytes, segment) else {
        return;
    };
    if error.kind() == io::ErrorKind::WouldBlock {
        counters.turn_away(DoorReason::SocketFull);
        return;
    }
    // A device that cannot segment says so once; quinn-udp has switched it off by now, so go one by one.
    match segment {
        Some(size) => bytes
            .chunks(size)
            .for_each(|datagram| send(wire, to, datagram, None, counters)),
        None => counters.turn_away(DoorReason::SocketError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{OutExtensions, Patch};
    use crate::transport::srtp::{KeyingMaterial, Profile};
    use std::cell::Cell;

    /// Counts bytes instead of sending them.
    #[derive(Default)]
    struct Scale(Cell<usize>);

    impl Wire for Scale {
        fn segments_max(&self) -> usize {
            1
        }

        fn send(&self, _to: Arrival, contents: &[u8], _segment: Option<usize>) -> io::Result<()> {
            self.0.set(self.0.get() + contents.len());
            Ok(())
        }
    }

    #[test]
    fn a_payload_larger_than_any_datagram_is_turned_away() {
        let (mut egress, wire, counters) = (Egress::new(true), Scale::default(), ShardCounters::default());
        let slot = TransportSlot(0);
        egress.reset(slot);
        let profile = Profile::AeadAes128Gcm;
        let keys = KeyingMaterial::from_exporter(profile, &vec![7; profile.exporter_len()]).unwrap();
        egress.set_sealer(slot, Some(Sealer::new(&keys)));
        egress.set_address(slot, Some(Arrival::udp("127.0.0.1:9".parse().unwrap())));
        for len in [1_200, 1_500, 60_000, BATCH_BYTES, 65_479] {
            let packet = Outbound {
                marker: false,
                payload_type: 96,
                sequence: 1,
                timestamp: 1,
                ssrc: 1,
                extensions: OutExtensions::default(),
                prefix: &[],
                payload: &vec![0; len],
                patch: Patch::default(),
                ends_frame: true,
            };
            egress.sink(&wire, &counters).send(slot, packet);
        }
        egress.flush(&wire, &counters);
        assert_eq!(counters.packets_out.get(), 1);
        assert!((1_200..1_300).contains(&wire.0.get()));
    }

    #[test]
    fn a_run_is_equal_sizes_and_at_most_one_smaller_at_its_end() {
        assert_eq!(next_run(&[100, 100, 100], 64), Some(Run { count: 3, bytes: 300 }));
        assert_eq!(next_run(&[100, 100, 40, 40], 64), Some(Run { count: 3, bytes: 240 }));
        assert_eq!(next_run(&[100, 101], 64), Some(Run { count: 1, bytes: 100 }));
        assert_eq!(next_run(&[100, 100, 100], 2), Some(Run { count: 2, bytes: 200 }));
        assert_eq!(next_run(&[100, 100], 1), Some(Run { count: 1, bytes: 100 }));
        assert_eq!(next_run(&[], 64), None);
    }
}
