//! The ways out of a shard: its UDP socket and its TCP connections.

use std::cell::{RefCell, RefMut};
use std::io;
use std::sync::Arc;

use super::egress::Wire;
use super::socket::{Arrival, MediaSocket, Via};
use super::tcp::Connections;

/// Sends wherever an arrival came from.
pub(super) struct Ways {
    udp: Arc<MediaSocket>,
    /// In a cell, because sending over UDP changes nothing here and bursts leave while much else of the shard is borrowed.
    /// Whoever borrows it calls nothing that could send.
    tcp: RefCell<Connections>,
}

impl Ways {
    pub(super) fn new(udp: Arc<MediaSocket>, tcp: Connections) -> Self {
        let tcp = RefCell::new(tcp);
        Self { udp, tcp }
    }

    /// The connections, for the time of one call.
    pub(super) fn tcp(&self) -> RefMut<'_, Connections> {
        self.tcp.borrow_mut()
    }
}

impl Wire for Ways {
    fn segments_max(&self) -> usize {
        self.udp.segments_max()
    }

    #[inline]
    fn send(&self, to: Arrival, contents: &[u8], segment: Option<usize>) -> io::Result<()> {
        match to.via {
            Via::Udp { local_ip: _ } => self.udp.send(to, contents, segment),
            Via::Tcp(connection) => self.tcp().send(connection, contents, segment),
        }
    }
}
