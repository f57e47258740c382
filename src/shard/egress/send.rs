//! Seals packets and sends them, run by run.

use std::io;

use super::plain::Plain;
use super::{Wire, burst, header};
use crate::media::Traffic;
use crate::media::estimate::{Departure, ProbeCluster, SentLog, SentPacket};
use crate::shard::counters::{DoorReason, ShardCounters};
use crate::shard::socket::Arrival;
use crate::transport::srtp::Sealer;

/// Where packets of one transport go, with which keys, and which have gone.
#[derive(Default)]
pub(super) struct Way {
    pub(super) to: Option<Arrival>,
    pub(super) sealer: Option<Sealer>,
    /// The next transport-wide number.
    next: u16,
    /// By that number.
    pub(super) sent: SentLog,
    /// What leaves belongs to this probe.
    pub(super) probe: Option<ProbeCluster>,
    /// What has left for it and was not told yet.
    pub(super) probe_sent: ProbeSent,
}

/// What left for a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeSent {
    /// Packets, media among them.
    pub packets: usize,
    /// Their bytes as UDP payload.
    pub bytes: usize,
}

/// What sending needs beside the path.
pub(super) struct Out<'a, W> {
    pub(super) burst: &'a mut [u8],
    /// When all this leaves.
    pub(super) at: Departure,
    pub(super) segments_max: usize,
    pub(super) wire: &'a W,
    pub(super) counters: &'a ShardCounters,
}

impl Way {
    /// True when media could be sent now.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.to.is_some() && self.sealer.is_some()
    }

    /// Bytes that sealing adds.
    #[inline]
    pub(super) fn overhead(&self) -> usize {
        self.sealer.as_ref().map_or(0, Sealer::rtp_overhead)
    }

    /// Seals and sends packets of a store, in their order.
    pub(super) fn send<W: Wire>(&mut self, store: &[u8], packets: &[Plain], out: &mut Out<'_, W>) {
        let (Some(to), Some(sealer)) = (self.to, self.sealer.as_ref()) else {
            return out
                .counters
                .turn_away_many(DoorReason::NotConnected, packets.len() as u64);
        };
        let overhead = sealer.rtp_overhead();
        let sealed_len = |packet: &Plain| (packet.len() + overhead) as u16;
        let (mut count, mut bytes, mut resent, mut padding) = (0, 0, 0, 0);
        let mut rest = packets;
        while let Some(run) = burst::next_run(rest.iter().map(sealed_len), out.segments_max) {
            let (leaving, later) = rest.split_at(run.count);
            let mut filled = 0;
            for (at, packet) in leaving.iter().enumerate() {
                // Only the last of a run may be smaller.
                let missing = if at + 1 < run.count {
                    run.segment - sealed_len(packet)
                } else {
                    0
                };
                let len = seal(sealer, store, packet, missing, self.next, &mut out.burst[filled..]);
                if len > 0 && packet.number_at > 0 {
                    let packet = SentPacket {
                        at: out.at,
                        bytes: len as u16,
                        probe: self.probe,
                    };
                    self.sent.record(self.next, packet);
                    self.next = self.next.wrapping_add(1);
                }
                filled += len;
                match packet.traffic {
                    Traffic::Audio | Traffic::Video => {}
                    Traffic::Resent => resent += 1,
                    Traffic::Padding => padding += len as u64,
                }
            }
            let segment = (run.count > 1).then_some(usize::from(run.segment));
            send(out.wire, to, &out.burst[..filled], segment, out.counters);
            count += run.count;
            bytes += filled;
            rest = later;
        }
        if self.probe.is_some() {
            self.probe_sent.packets += count;
            self.probe_sent.bytes += bytes;
        }
        out.counters.packets_out.add(count as u64);
        out.counters.bytes_out.add(bytes as u64);
        out.counters.retransmissions.add(resent);
        out.counters.probe_bytes.add(padding);
    }
}

/// Seals one packet into the front of `out`, with `missing` octets of padding more than its own. Answers its length.
#[inline]
fn seal(sealer: &Sealer, store: &[u8], packet: &Plain, missing: u16, number: u16, out: &mut [u8]) -> usize {
    let head = packet.head(store);
    out[..head.len()].copy_from_slice(head);
    if packet.number_at > 0 {
        header::number(out, packet.number_at, number);
    }
    let padding = packet.padding + missing as u8;
    if padding > 0 {
        header::set_padding(out);
    }
    sealer.seal_rtp_gather(
        out,
        usize::from(packet.header_len),
        head.len(),
        packet.body(store),
        padding,
        packet.rollover,
    )
}

/// One send of one datagram, or of several of `segment` bytes.
pub(super) fn send(wire: &impl Wire, to: Arrival, bytes: &[u8], segment: Option<usize>, counters: &ShardCounters) {
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
