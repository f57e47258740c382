//! From a byte stream to the way of all datagrams, and what a transport hears when its connection ends.

use std::net::SocketAddr;
use std::time::Instant;

use super::connection::Brought;
use super::framing::{self, Next};
use super::{CloseReason, READ_BUFFER_BYTES};
use crate::media::TransportSlot;
use crate::shard::{Arrival, Shard, Via};
use crate::transport::ice::{ConnectionId, Forgotten};

impl Shard {
    /// Accepts newcomers and reads what has come, one buffer of each connection.
    pub(in crate::shard) fn read_connections(&mut self, now: Instant) {
        self.ways.tcp().accept(now);
        let ready = self.ways.tcp().take_ready();
        if !ready.is_empty() {
            // Taken out for the time of the call, so that the datagrams in it may borrow the shard.
            let mut buffer = std::mem::take(&mut self.tcp_buffer);
            buffer.resize(READ_BUFFER_BYTES, 0);
            for id in &ready {
                self.read_connection(now, *id, &mut buffer);
            }
            self.tcp_buffer = buffer;
        }
        self.ways.tcp().return_ready(ready);
        let broken = self.ways.tcp().take_broken();
        broken
            .into_iter()
            .for_each(|id| self.close_connection(now, id, CloseReason::Broken));
    }

    fn read_connection(&mut self, now: Instant, id: ConnectionId, buffer: &mut [u8]) {
        let Some((from, brought)) = self.ways.tcp().read(now, id, buffer) else {
            return;
        };
        match brought {
            Brought::Bytes(len) => self.handle_stream(now, id, from, &mut buffer[..len]),
            Brought::Nothing => {}
            Brought::End => self.close_connection(now, id, CloseReason::ByClient),
            Brought::Broken => self.close_connection(now, id, CloseReason::Broken),
        }
    }

    fn handle_stream(&mut self, now: Instant, id: ConnectionId, from: SocketAddr, bytes: &mut [u8]) {
        let arrival = Arrival {
            from,
            via: Via::Tcp(id),
        };
        let mut at = 0;
        loop {
            match framing::next(bytes, at) {
                Next::Frame(range) => {
                    at = range.end;
                    if !range.is_empty() {
                        self.handle_datagram(now, arrival, &mut bytes[range]);
                    }
                    // What was in it may have closed the connection.
                    let tolerated = self.ways.tcp().tolerates(id);
                    match tolerated {
                        Some(true) => {}
                        Some(false) => return self.close_connection(now, id, CloseReason::Strange),
                        None => return,
                    }
                }
                Next::Partial => return self.ways.tcp().keep(id, &bytes[at..]),
                Next::TooLarge => return self.close_connection(now, id, CloseReason::FrameTooLarge),
            }
        }
    }

    /// Closes a connection, and tells its transport.
    pub(in crate::shard) fn close_connection(&mut self, now: Instant, id: ConnectionId, why: CloseReason) {
        let Some(ended) = self.ways.tcp().close(id, why) else {
            return;
        };
        let Some(slot) = ended.slot else { return };
        let Some(entry) = self.transports.get_mut(slot.0 as usize) else {
            return;
        };
        match entry.ice.forget(now, ended.remote) {
            Forgotten::Spare => {}
            Forgotten::Selected { instead: None } => self.interrupt(slot),
            Forgotten::Selected { instead: Some(remote) } => {
                let to = Arrival::from_remote(remote);
                let before = self.egress.address(slot);
                self.egress.set_address(slot, Some(to));
                if before.is_none_or(|before| !before.is_like(&to)) {
                    self.change_path(now, slot);
                }
            }
        }
    }

    /// The transport is gone.
    pub(in crate::shard) fn close_connections_of(&mut self, now: Instant, slot: TransportSlot) {
        let left = self.ways.tcp().of(slot);
        left.into_iter()
            .for_each(|id| self.close_connection(now, id, CloseReason::TransportGone));
    }

    /// Closes what has had its time. Called every tick; `thoroughly` now and then.
    pub(in crate::shard) fn tidy_connections(&mut self, now: Instant, thoroughly: bool) {
        let overdue = self.ways.tcp().overdue(now);
        overdue
            .into_iter()
            .for_each(|id| self.close_connection(now, id, CloseReason::Unproven));
        if thoroughly {
            let idle = self.ways.tcp().idle(now);
            idle.into_iter()
                .for_each(|id| self.close_connection(now, id, CloseReason::Idle));
        }
    }
}
