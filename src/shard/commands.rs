//! Carries out what the other planes say.

use std::time::Instant;

use super::command::{ShardCommand, TransportKey, room_of};
use super::counters::DoorReason;
use super::demand::Away;
use super::downlinks::NOTHING_YET;
use super::event::ShardEvent;
use super::sources::{Home, SourceEntry};
use super::transports::{EgressEntry, Seat, TransportEntry};
use super::{Mail, Shard};
use crate::media::feedback::ArrivalRecorder;
use crate::media::{
    EgressConfig, EgressKey, Forwarder, Limits, Source, SourceConfig, SourceKey, Target, TransportSlot,
};
use crate::packet::Kind;
use crate::packet::extension::ExtensionMap;
use crate::transport::ice::IceLite;
use crate::transport::negotiation::ReceiveLine;
use crate::transport::srtp::{KeyingMaterial, Opener, Sealer};

impl Shard {
    pub(super) fn handle_mail(&mut self, now: Instant, mail: Mail) {
        match mail {
            Mail::RoomOpened { number, events } => self.post.open(number, events),
            Mail::RoomClosed { number } => self.close_room(number),
            Mail::Handshake { transport, datagrams } => {
                if let Some(entry) = self
                    .table
                    .slot(transport)
                    .and_then(|slot| self.transports.get_mut(slot.0 as usize))
                {
                    entry.datagrams = Some(datagrams);
                }
            }
            Mail::Command(command) => self.handle_command(now, command),
            Mail::KeyframeWanted { source, encoding } => {
                if let Some(entry) = self.sources.get_mut(source).filter(|entry| entry.is_watched()) {
                    entry.source.request_keyframe_of(now, usize::from(encoding));
                    self.keyframes_due.push(source);
                }
            }
            Mail::Demand { source, from, demand } => self.handle_demand(source, from, demand),
            Mail::Tap(mail) => self.handle_tap(now, mail),
            // Handled by the loop.
            Mail::Stop => {}
        }
    }

    fn handle_command(&mut self, now: Instant, command: ShardCommand) {
        match command {
            ShardCommand::AddTransport { transport, ice } => {
                let ufrag = ice.ufrag.clone();
                self.remove_transport(now, transport);
                let ice = IceLite::new(ice).with_consent_timeout(self.consent_timeout);
                let slot = TransportSlot(self.transports.insert(TransportEntry::new(transport, ice)) as u32);
                self.egress.reset(slot, &self.counters);
                self.table.insert(transport, &ufrag, slot);
                self.counters.transports.set(self.transports.len() as u64);
            }
            ShardCommand::SetIce { transport, ice } => {
                let Some(slot) = self.table.slot(transport) else { return };
                self.table.add_ufrag(&ice.ufrag, slot);
                if let Some(retired) = self.transports[slot.0 as usize].ice.set_local(ice) {
                    self.table.forget_ufrag(&retired);
                }
            }
            ShardCommand::RemoveTransport { transport } => self.remove_transport(now, transport),
            ShardCommand::InstallKeys { transport, keys } => self.install_keys(now, transport, &keys),
            ShardCommand::SendDtls { transport, datagram } => {
                let Some(slot) = self.table.slot(transport) else { return };
                // Before ICE has an address there is nobody to send to; DTLS itself sends again.
                if let Some(to) = self.egress.address(slot) {
                    egress_raw(self, to, &datagram);
                }
            }
            ShardCommand::SetReceive {
                transport,
                lines,
                extensions,
            } => self.set_receive(transport, lines, extensions),
            ShardCommand::Publish {
                transport,
                mid,
                source,
                kind,
                is_voice,
                encodings,
            } => {
                let Some(slot) = self.table.slot(transport) else { return };
                if self.transports[slot.0 as usize].receive.publish(&mid, source) {
                    self.add_source(source, kind, is_voice, encodings, Home::Here(slot));
                }
            }
            ShardCommand::AddReplica {
                source,
                kind,
                is_voice,
                encodings,
                extensions,
                home,
            } => {
                self.add_source(source, kind, is_voice, encodings, Home::Shard(home, extensions));
            }
            ShardCommand::SetSize { source, size } => {
                if let Some(entry) = self.sources.get_mut(source) {
                    entry.source.announce_size(size);
                }
            }
            ShardCommand::RemoveSource { source } => self.remove_source(now, source),
            ShardCommand::SetMuted { source, muted } => {
                let Some(entry) = self.sources.get_mut(source) else {
                    return;
                };
                if std::mem::replace(&mut entry.muted, muted) && !muted {
                    // The picture moved on while nobody saw it; and what was not forwarded is no loss.
                    entry.resumed += 1;
                    entry.request_keyframes(now);
                    self.keyframes_due.push(source);
                }
                self.stir_subscribers(source);
            }
            ShardCommand::SetLoudest { room, most } => self.loudest.set(room, most),
            ShardCommand::Relay { source, to, on } => {
                if let Some(entry) = self.sources.get_mut(source) {
                    let bit = 1 << (to.0 % 64);
                    entry.relay_to = if on {
                        entry.relay_to | bit
                    } else {
                        entry.away.remove(to);
                        entry.relay_to & !bit
                    };
                }
            }
            ShardCommand::AddEgress {
                transport,
                egress,
                kind,
                ssrc,
                rtx_ssrc,
                cname,
                payload_types,
                feedback,
            } => {
                let Some(slot) = self.table.slot(transport) else { return };
                let entry = &mut self.transports[slot.0 as usize];
                if entry.egress_mut(egress).is_some() {
                    return;
                }
                let config = EgressConfig {
                    key: egress,
                    transport: slot,
                    kind,
                    ssrc,
                    rtx_ssrc,
                    payload_types,
                    // Known plaintext helps nobody with AEAD, and a small start leaves the roll-over far away; RFC 3550's
                    // random start is kept below 2^15 so that the first packets cannot straddle a roll-over (RFC 3711 3.3.1).
                    first_sequence: (ssrc as u16) & 0x7fff,
                    first_timestamp: ssrc.rotate_left(13),
                };
                let forwarder = match entry.take_retired(ssrc) {
                    Some(mut forwarder) => {
                        forwarder.renew(egress, rtx_ssrc, config.payload_types);
                        forwarder
                    }
                    None => Forwarder::new(config),
                };
                entry.agree(feedback);
                let seat = Seat::Empty(Box::new(forwarder));
                entry.egresses.push(EgressEntry {
                    key: egress,
                    kind,
                    ssrc,
                    rtx_ssrc,
                    cname,
                    seat,
                    limits: Limits::default(),
                    target: NOTHING_YET,
                    reported: 0,
                });
                self.egress_slots.insert(egress, slot);
            }
            ShardCommand::RemoveEgress { egress } => {
                self.unbind(now, egress);
                if let Some(slot) = self.egress_slots.remove(&egress) {
                    let entry = &mut self.transports[slot.0 as usize];
                    if let Some(at) = entry.egresses.iter().position(|entry| entry.key == egress)
                        && let Seat::Empty(forwarder) = entry.egresses.remove(at).seat
                    {
                        entry.retire(*forwarder);
                    }
                }
            }
            ShardCommand::Bind { egress, source, limits } => self.bind(now, egress, source, limits),
            ShardCommand::Unbind { egress } => self.unbind(now, egress),
            ShardCommand::Explain { transport, ask } => self.explain(transport, ask),
            ShardCommand::SetLimits { egress, limits } => {
                if let Some(source) = self.bound_source(egress)
                    && let Some(entry) = self.sources.get_mut(source)
                {
                    entry.source.set_limits(now, egress, limits);
                    self.keyframes_due.push(source);
                    self.note_limits(egress, limits);
                }
            }
        }
    }

    fn close_room(&mut self, number: u32) {
        let now = Instant::now();
        let left: Vec<TransportKey> = self
            .transports
            .iter()
            .map(|(_, entry)| entry.key)
            .filter(|key| key.room() == number)
            .collect();
        left.into_iter().for_each(|key| self.remove_transport(now, key));
        let left: Vec<SourceKey> = self.sources.keys().filter(|key| room_of(*key) == number).collect();
        left.into_iter().for_each(|key| self.remove_source(now, key));
        self.loudest.set(number, 0);
        self.post.close(number);
    }

    /// The client did DTLS again: both sides count roll-overs from 0, so every stream of the transport begins anew.
    fn rekey(&mut self, now: Instant, slot: TransportSlot) {
        let entry = &mut self.transports[slot.0 as usize];
        entry.receive.streams.clear();
        entry.retired.iter_mut().for_each(Forwarder::rekey);
        for egress in &mut entry.egresses {
            match &mut egress.seat {
                Seat::Empty(forwarder) => forwarder.rekey(),
                Seat::Taken(source) => {
                    if let Some(entry) = self.sources.get_mut(*source) {
                        entry.source.rekey(now, egress.key);
                        self.keyframes_due.push(*source);
                    }
                }
            }
        }
    }

    fn install_keys(&mut self, now: Instant, transport: TransportKey, keys: &KeyingMaterial) {
        let Some(slot) = self.table.slot(transport) else { return };
        let renewed = self.transports[slot.0 as usize]
            .opener
            .replace(Opener::new(keys))
            .is_some();
        // What was sealed with the old keys leaves before the new ones count from 0 again.
        self.flush();
        self.egress.set_sealer(slot, Some(Sealer::new(keys)), &self.counters);
        if renewed {
            self.rekey(now, slot);
        }
        self.tell_if_connected(slot);
    }

    /// Media can flow once there is an address and a key; the room hears of it once.
    pub(super) fn tell_if_connected(&mut self, slot: TransportSlot) {
        let entry = &mut self.transports[slot.0 as usize];
        if !entry.connected && self.egress.is_open(slot) {
            entry.connected = true;
            entry.interrupted = false;
            let transport = entry.key;
            self.post.send(transport.room(), ShardEvent::Connected { transport });
            self.set_flowing(slot, true);
        }
    }

    /// Lets the seats of a transport wait while nothing can be sent there: a keyframe must not pass unseen. When
    /// they flow again each picture begins with a fresh one.
    pub(super) fn set_flowing(&mut self, slot: TransportSlot, flowing: bool) {
        let now = Instant::now();
        for egress in &mut self.transports[slot.0 as usize].egresses {
            // What of a video flows is decided at the end of the turn.
            egress.target = match egress.kind {
                Kind::Audio => target(flowing),
                Kind::Video => NOTHING_YET,
            };
            if let Seat::Taken(source) = egress.seat
                && let Some(entry) = self.sources.get_mut(source)
            {
                entry.source.set_target(now, egress.key, egress.target);
                self.keyframes_due.push(source);
            }
        }
        self.stir(slot);
    }

    fn set_receive(&mut self, transport: TransportKey, lines: Vec<ReceiveLine>, extensions: ExtensionMap) {
        let Some(slot) = self.table.slot(transport) else { return };
        let entry = &mut self.transports[slot.0 as usize];
        let wants_transport_cc = lines.iter().any(|line| line.transport_cc);
        match (&entry.transport_cc, wants_transport_cc) {
            (None, true) => entry.transport_cc = Some(ArrivalRecorder::default()),
            (Some(_), false) => entry.transport_cc = None,
            (None, false) | (Some(_), true) => {}
        }
        entry.receive.set_lines(lines);
        entry.extensions = extensions;
        self.egress.set_extensions(slot, extensions);
    }

    fn add_source(&mut self, key: SourceKey, kind: Kind, is_voice: bool, encodings: usize, home: Home) {
        if self.sources.contains(key) {
            return;
        }
        let encodings = encodings.clamp(1, crate::media::ENCODINGS_MAX);
        let entry = SourceEntry {
            source: Source::new(SourceConfig {
                key,
                kind,
                encodings,
                history: self.history,
            }),
            home,
            muted: false,
            relay_to: 0,
            runs: Default::default(),
            resumed: 0,
            is_voice,
            away: Away::default(),
            tap: None,
            told: None,
            codecs: Default::default(),
            descriptors: Default::default(),
            attached: Vec::new(),
            last_level: 0,
        };
        self.sources.insert(key, entry);
        self.counters.sources.set(self.sources.len() as u64);
    }

    fn remove_source(&mut self, now: Instant, key: SourceKey) {
        let Some(entry) = self.sources.get_mut(key) else { return };
        if let Home::Here(slot) = entry.home
            && let Some(publisher) = self.transports.get_mut(slot.0 as usize)
        {
            publisher.receive.unpublish(key);
        }
        for egress in std::mem::take(&mut entry.attached) {
            self.unbind(now, egress);
        }
        self.sources.remove(key);
        self.loudest.remove(key);
        self.counters.sources.set(self.sources.len() as u64);
    }

    fn remove_transport(&mut self, now: Instant, transport: TransportKey) {
        let Some(slot) = self.table.remove(transport) else {
            return;
        };
        let published: Vec<SourceKey> = self.transports[slot.0 as usize]
            .receive
            .lines
            .iter()
            .filter_map(|line| line.source)
            .collect();
        published.into_iter().for_each(|source| self.remove_source(now, source));
        let egresses: Vec<EgressKey> = self.transports[slot.0 as usize]
            .egresses
            .iter()
            .map(|egress| egress.key)
            .collect();
        for egress in egresses {
            self.unbind(now, egress);
            self.egress_slots.remove(&egress);
        }
        let entry = self.transports.remove(slot.0 as usize);
        let over_udp = entry.ice.validated().filter(|remote| remote.connection.is_none());
        over_udp.for_each(|remote| self.table.forget_address(remote.address, slot));
        self.close_connections_of(now, slot);
        for ufrag in entry.ice.ufrags() {
            self.table.forget_ufrag(ufrag);
        }
        self.egress.reset(slot, &self.counters);
        self.counters.transports.set(self.transports.len() as u64);
    }

    fn bound_source(&self, egress: EgressKey) -> Option<SourceKey> {
        let slot = self.egress_slots.get(&egress)?;
        let entry = self.transports.get(slot.0 as usize)?;
        match entry.egresses.iter().find(|entry| entry.key == egress)?.seat {
            Seat::Taken(source) => Some(source),
            Seat::Empty(_) => None,
        }
    }

    fn bind(&mut self, now: Instant, egress: EgressKey, source: SourceKey, limits: Limits) {
        if self.bound_source(egress) != Some(source) {
            self.unbind(now, egress);
            let Some(slot) = self.egress_slots.get(&egress) else {
                return;
            };
            let entry = &mut self.transports[slot.0 as usize];
            let flowing = entry.connected;
            let Some(seat) = entry.egress_mut(egress) else {
                return;
            };
            let Some(to) = self.sources.get_mut(source) else { return };
            let Seat::Empty(mut forwarder) = std::mem::replace(&mut seat.seat, Seat::Taken(source)) else {
                return;
            };
            // Before it is attached: or the keyframe asked for at once would be the one that passes unseen. Of a video it is
            // decided at the end of the turn what goes out.
            seat.target = match seat.kind {
                Kind::Audio => target(flowing),
                Kind::Video => NOTHING_YET,
            };
            forwarder.set_target(seat.target);
            to.source.attach(now, *forwarder);
            to.attached.push(egress);
        }
        self.note_limits(egress, limits);
        if let Some(entry) = self.sources.get_mut(source) {
            entry.source.set_limits(now, egress, limits);
            self.keyframes_due.push(source);
        }
    }

    /// Remembers what the subscriber asked for, to share out its bandwidth by.
    fn note_limits(&mut self, egress: EgressKey, limits: Limits) {
        let Some(&slot) = self.egress_slots.get(&egress) else {
            return;
        };
        if let Some(seat) = self.transports[slot.0 as usize].egress_mut(egress) {
            seat.limits = limits;
            self.stir(slot);
        }
    }

    fn unbind(&mut self, now: Instant, egress: EgressKey) {
        let Some(from) = self.bound_source(egress) else { return };
        let Some(entry) = self.sources.get_mut(from) else {
            return;
        };
        entry.attached.retain(|attached| *attached != egress);
        let Some(forwarder) = entry.source.detach(now, egress) else {
            return;
        };
        if let Some(slot) = self.egress_slots.get(&egress)
            && let Some(seat) = self.transports[slot.0 as usize].egress_mut(egress)
        {
            seat.seat = Seat::Empty(Box::new(forwarder));
            self.stir(*slot);
        }
    }
}

fn egress_raw(shard: &Shard, to: super::Arrival, datagram: &[u8]) {
    use super::egress::Wire;
    if shard.ways.send(to, datagram, None).is_err() {
        shard.counters.turn_away(DoorReason::SocketError);
    }
}

/// Everything or nothing.
fn target(flowing: bool) -> Target {
    Target {
        paused: !flowing,
        ..Target::default()
    }
}
