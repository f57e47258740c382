//! From a datagram to the hot loop.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::counters::DoorReason;
use super::egress::Wire;
use super::event::ShardEvent;
use super::receive::{Format, Place, format_on};
use super::relay::{RELAYED_BYTES_MAX, Relayed};
use super::socket::{Arrival, ReceiveBuffers, Via};
use super::sources::{Home, Run};
use super::tap::TapPacket;
use super::tcp::CloseReason;
use super::{Shard, command};
use crate::media::{DropReason, Inbound, SourceKey, TransportSlot, stream};
use crate::packet::extension::read_extensions;
use crate::packet::rtp::{RtpHeader, payload_len_without_padding};
use crate::packet::{Codec, FrameInfo, Kind, Picture, codec};
use crate::transport::demux::{Class, classify};
use crate::transport::ice::{BindingOutcome, is_keepalive, username_local_ufrag};
use crate::transport::srtp::SrtpError;

impl Shard {
    pub(super) fn receive_batch(&mut self, now: Instant, buffers: &mut ReceiveBuffers) -> io::Result<usize> {
        // Shared with the shard itself, so that a datagram can be answered while the batch is being read.
        let socket = Arc::clone(&self.socket);
        socket.receive(buffers, |arrival, datagram| {
            self.handle_datagram(now, arrival, datagram)
        })
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, arrival: Arrival, datagram: &mut [u8]) {
        self.counters.datagrams_in.add(1);
        self.counters.bytes_in.add(datagram.len() as u64);
        let class = classify(datagram);
        match class {
            Class::Stun => return self.handle_stun(now, arrival, datagram),
            Class::Drop(_) => return self.counters.turn_away(DoorReason::UnknownProtocol),
            Class::Dtls | Class::Rtp | Class::Rtcp => {}
        }
        // Whatever is not STUN must come from where a STUN check has come from (T6, T13).
        let Some(slot) = self.proven(arrival) else {
            return self.counters.turn_away(DoorReason::UnknownAddress);
        };
        match class {
            Class::Dtls => self.handle_dtls(slot, datagram),
            Class::Rtp => match self.handle_rtp(now, slot, datagram) {
                Ok(()) => self.transports[slot.0 as usize].ice.heard_media(now, arrival.remote()),
                Err(reason) => self.counters.turn_away(reason),
            },
            Class::Rtcp => match self.handle_rtcp(now, slot, datagram) {
                Ok(()) => self.transports[slot.0 as usize].ice.heard(now, arrival.remote()),
                Err(reason) => self.counters.turn_away(reason),
            },
            Class::Stun | Class::Drop(_) => {}
        }
    }

    /// The transport to which a check from there has belonged.
    fn proven(&self, arrival: Arrival) -> Option<TransportSlot> {
        match arrival.via {
            Via::Udp { local_ip: _ } => self.table.by_address(&arrival.from),
            Via::Tcp(connection) => self.ways.tcp().slot(connection),
        }
    }

    fn handle_stun(&mut self, now: Instant, arrival: Arrival, datagram: &[u8]) {
        if is_keepalive(datagram)
            && let Some(slot) = self.proven(arrival)
        {
            return self.transports[slot.0 as usize].ice.heard(now, arrival.remote());
        }
        let known = username_local_ufrag(datagram).and_then(|ufrag| self.table.by_ufrag(ufrag));
        let Some(slot) = known else {
            return self.counters.turn_away(DoorReason::StunRefused);
        };
        let entry = &mut self.transports[slot.0 as usize];
        let outcome = entry
            .ice
            .handle_binding(now, arrival.remote(), datagram, &mut self.scratch);
        if !self.scratch.is_empty() && self.ways.send(arrival, &self.scratch, None).is_err() {
            self.counters.turn_away(DoorReason::SocketFull);
        }
        match outcome {
            BindingOutcome::Ignored(_) | BindingOutcome::Refused(_) => self.counters.turn_away(DoorReason::StunRefused),
            BindingOutcome::Answered {
                validated: _,
                evicted,
                selected_changed: _,
                retired_ufrag,
            } => {
                match arrival.via {
                    Via::Udp { local_ip: _ } => {
                        self.table.validate(arrival.from, slot);
                    }
                    Via::Tcp(connection) => self.ways.tcp().prove(now, connection, slot),
                }
                match evicted.map(|evicted| (evicted.address, evicted.connection)) {
                    Some((address, None)) => self.table.forget_address(address, slot),
                    Some((_, Some(connection))) => self.close_connection(now, connection, CloseReason::Evicted),
                    None => {}
                }
                if let Some(ufrag) = &retired_ufrag {
                    self.table.forget_ufrag(ufrag);
                }
                let is_selected = self.transports[slot.0 as usize].ice.selected() == Some(arrival.remote());
                let before = self.egress.address(slot);
                if is_selected && before != Some(arrival) {
                    self.egress.set_address(slot, Some(arrival));
                }
                let is_another_way = before.is_none_or(|before| !before.is_like(&arrival));
                let entry = &mut self.transports[slot.0 as usize];
                entry.restarted |= retired_ufrag.is_some();
                if is_selected && (std::mem::take(&mut entry.restarted) | is_another_way) {
                    self.change_path(now, slot);
                }
                self.tell_if_connected(slot);
            }
        }
    }

    fn handle_dtls(&mut self, slot: TransportSlot, datagram: &[u8]) {
        let Some(datagrams) = &mut self.transports[slot.0 as usize].datagrams else {
            return self.counters.turn_away(DoorReason::HandshakeQueueFull);
        };
        if datagrams.try_send(Bytes::copy_from_slice(datagram)).is_err() {
            self.counters.turn_away(DoorReason::HandshakeQueueFull);
        }
    }

    /// Opens, recognises, unwraps and forwards one media packet.
    fn handle_rtp(&mut self, now: Instant, slot: TransportSlot, datagram: &mut [u8]) -> Result<(), DoorReason> {
        let entry = &mut self.transports[slot.0 as usize];
        let mut header = RtpHeader::parse(datagram).map_err(|_| DoorReason::Malformed)?;
        let opener = entry.opener.as_mut().ok_or(DoorReason::NoKeys)?;
        let opened = opener.open_rtp(datagram, &header).map_err(door_reason)?;
        let packet = &mut datagram[..opened.len];
        let extensions = read_extensions(packet, &header, &entry.extensions);
        // Everything authentic counts for congestion control, whatever else is wrong with it.
        if let (Some(recorder), Some(sequence)) = (entry.transport_cc.as_mut(), extensions.transport_cc) {
            recorder.record(now, sequence, header.ssrc);
        }
        let at = entry
            .receive
            .stream(&header, &extensions)
            .ok_or(DoorReason::UnknownStream)?;
        let place = entry.receive.streams[at].place;
        let line = &entry.receive.lines[place.line];
        let source = line.source.ok_or(DoorReason::UnknownStream)?;
        let format = format_on(&line.line, header.payload_type).ok_or(DoorReason::UnknownPayloadType)?;
        let payload_len = payload_len_without_padding(&header, packet).map_err(|_| DoorReason::Malformed)?;
        let received = &mut entry.receive.streams[at].stream;
        let arrival = received.receive(now, opened.index, header.timestamp);
        if let Some(due) = received.poll_timeout() {
            let due = due.max(self.nacks_from);
            self.nacks_at = Some(self.nacks_at.map_or(due, |at| at.min(due)));
        }
        entry.remb.receive(packet.len());
        self.counters.packets_in.add(1);
        let mut run = entry.receive.streams[at].run;
        let (codec, index, payload) = match format {
            // Repaired meanwhile, or given up: forwarding it would send a number twice.
            Format::Media(_) if arrival == stream::Arrival::Useless => return Err(DoorReason::Replayed),
            Format::Media(codec) => (codec, opened.index, header.header_len..header.header_len + payload_len),
            Format::Rtx { codec, payload_type } => {
                let payload = header.header_len..header.header_len + payload_len;
                // Without an original inside it is a probe, and has done its work.
                let Some((sequence, original_payload)) = stream::unwrap_rtx(&packet[payload.clone()]) else {
                    return Ok(());
                };
                let payload = payload.end - original_payload.len()..payload.end;
                let original = Place { rtx: false, ..place };
                let media = entry.receive.at(original).ok_or(DoorReason::UnknownStream)?;
                let index = media.stream.repair(now, sequence).ok_or(DoorReason::Replayed)?;
                header.sequence_number = sequence;
                header.payload_type = payload_type;
                header.ssrc = media.ssrc;
                run = media.run;
                (codec, index, payload)
            }
        };
        let packet = Received {
            source,
            encoding: place.encoding,
            codec,
            index,
            run: Run {
                stream: run,
                resumed: 0,
            },
        };
        let frame = self.forward(now, &packet, header, payload, datagram);
        if frame.keyframe && frame.starts_frame {
            let media = self.transports[slot.0 as usize]
                .receive
                .at(Place { rtx: false, ..place });
            if let Some(media) = media {
                media.stream.handle_keyframe(index);
            }
        }
        Ok(())
    }

    /// The common end of packets from the socket and from other shards.
    fn forward(
        &mut self,
        now: Instant,
        packet: &Received,
        header: RtpHeader,
        payload: std::ops::Range<usize>,
        bytes: &[u8],
    ) -> FrameInfo {
        let Some(entry) = self.sources.get_mut(packet.source) else {
            return FrameInfo::default();
        };
        if entry.muted {
            return FrameInfo::default();
        }
        let map = match &entry.home {
            Home::Here(slot) => &self.transports[slot.0 as usize].extensions,
            Home::Shard(_, map) => map,
        };
        let extensions = read_extensions(bytes, &header, map);
        let payload = &bytes[payload];
        let descriptors = &mut entry.descriptors[packet.encoding];
        // Unreadable: encrypted end to end, or of an encoder that knows better. It is forwarded for what its marker says.
        let frame =
            codec::frame_info(packet.codec, payload, header.marker, &extensions, descriptors).unwrap_or(FrameInfo {
                ends_frame: header.marker,
                picture: Picture::None.or_described(extensions.dependency_descriptor),
                ..FrameInfo::default()
            });
        let inbound = Inbound {
            now,
            header,
            index: packet.index,
            payload,
            extensions,
            codec: packet.codec,
            frame,
            encoding: packet.encoding,
        };
        let is_heard = entry.source.kind() == Kind::Video || self.loudest.admit(entry, &inbound);
        let run = match entry.home {
            Home::Here(_) => Run {
                resumed: entry.resumed,
                ..packet.run
            },
            Home::Shard(..) => packet.run,
        };
        entry.enter_run(packet.encoding, run);
        let mut sink = self.egress.sink(now, &self.ways, &self.counters);
        match &entry.tap {
            None => entry.source.forward(&inbound, &mut sink),
            Some(tap) => {
                let tapped = TapPacket {
                    source: packet.source,
                    at: now,
                    codec: packet.codec,
                    frame,
                };
                let mut sink = tap.sink(tapped, sink, &self.counters);
                entry.source.forward(&inbound, &mut sink);
            }
        }
        if entry.is_new_codec(packet.encoding, packet.codec, packet.index) {
            let event = ShardEvent::StreamStarted {
                source: packet.source,
                encoding: packet.encoding as u8,
                codec: packet.codec,
            };
            if matches!(entry.home, Home::Here(_)) {
                self.post.send(command::room_of(packet.source), event);
            }
        }
        let mut shards = entry.relay_to;
        if !is_heard {
            self.counters.drop_packet(DropReason::NotLoudest);
            shards &= entry.away.pinned();
        }
        if shards != 0 {
            let packet = Received { run, ..*packet };
            self.relay(&packet, shards, header, bytes, inbound.payload);
        }
        frame
    }

    /// Hands the packet to the other shards that have subscribers: as a plain RTP packet without padding or RTX.
    fn relay(&mut self, packet: &Received, mut shards: u64, header: RtpHeader, original: &[u8], payload: &[u8]) {
        let len = header.header_len + payload.len();
        while shards != 0 {
            let to = shards.trailing_zeros() as usize;
            shards &= shards - 1;
            if len > RELAYED_BYTES_MAX {
                self.counters.turn_away(DoorReason::TooLarge);
                continue;
            }
            let mut relayed = Relayed {
                source: packet.source,
                encoding: packet.encoding as u8,
                codec: packet.codec,
                index: packet.index,
                run: packet.run,
                header,
                len: len as u16,
                bytes: [0; RELAYED_BYTES_MAX],
            };
            relayed.bytes[..header.header_len].copy_from_slice(&original[..header.header_len]);
            relayed.bytes[header.header_len..len].copy_from_slice(payload);
            if self.relay.push(to, relayed) {
                self.counters.relayed.add(1);
            } else {
                self.counters.turn_away(DoorReason::RelayFull);
            }
        }
    }

    /// Forwards what other shards left for this one.
    pub(super) fn read_relay(&mut self, now: Instant) {
        // The ends are taken out for the time of the call, so that forwarding may borrow the shard.
        let mut ends = std::mem::take(&mut self.relay);
        ends.drain(|relayed| {
            let packet = Received {
                source: relayed.source,
                encoding: usize::from(relayed.encoding),
                codec: relayed.codec,
                index: relayed.index,
                run: relayed.run,
            };
            let len = usize::from(relayed.len);
            self.forward(
                now,
                &packet,
                relayed.header,
                relayed.header.header_len..len,
                &relayed.bytes[..len],
            );
        });
        self.relay = ends;
    }
}

/// What is known of a packet before its payload is read.
#[derive(Clone, Copy)]
struct Received {
    source: SourceKey,
    encoding: usize,
    codec: Codec,
    index: u64,
    run: Run,
}

fn door_reason(error: SrtpError) -> DoorReason {
    match error {
        SrtpError::TooShort => DoorReason::Malformed,
        SrtpError::Replayed => DoorReason::Replayed,
        SrtpError::Authentication | SrtpError::Exhausted | SrtpError::KeyLength { .. } => DoorReason::Unauthentic,
    }
}
