//! Who a datagram belongs to: by 5-tuple for everything over UDP (a TCP connection knows itself), by ICE user name for
//! the first checks.

use std::net::SocketAddr;

use ahash::AHashMap;

use super::command::TransportKey;
use crate::media::TransportSlot;

/// The lookups of a shard. One hash per datagram, none per subscriber.
#[derive(Default)]
pub(super) struct Table {
    by_address: AHashMap<SocketAddr, TransportSlot>,
    by_ufrag: AHashMap<String, TransportSlot>,
    by_key: AHashMap<TransportKey, TransportSlot>,
}

impl Table {
    pub(super) fn insert(&mut self, key: TransportKey, ufrag: &str, slot: TransportSlot) {
        self.by_key.insert(key, slot);
        self.by_ufrag.insert(ufrag.to_owned(), slot);
    }

    pub(super) fn remove(&mut self, key: TransportKey) -> Option<TransportSlot> {
        self.by_key.remove(&key)
    }

    pub(super) fn slot(&self, key: TransportKey) -> Option<TransportSlot> {
        self.by_key.get(&key).copied()
    }

    /// The transport whose ICE check validated this address: the only senders whose DTLS and media are looked at.
    #[inline]
    pub(super) fn by_address(&self, from: &SocketAddr) -> Option<TransportSlot> {
        self.by_address.get(from).copied()
    }

    /// An address that one transport validates is taken from any other: the newest proof of possession wins.
    /// Returns the transport that lost it.
    pub(super) fn validate(&mut self, from: SocketAddr, slot: TransportSlot) -> Option<TransportSlot> {
        self.by_address.insert(from, slot).filter(|before| *before != slot)
    }

    /// Forgets an address if it still belongs to this transport.
    pub(super) fn forget_address(&mut self, from: SocketAddr, slot: TransportSlot) {
        if self.by_address.get(&from) == Some(&slot) {
            self.by_address.remove(&from);
        }
    }

    pub(super) fn by_ufrag(&self, ufrag: &str) -> Option<TransportSlot> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(super) fn add_ufrag(&mut self, ufrag: &str, slot: TransportSlot) {
        self.by_ufrag.insert(ufrag.to_owned(), slot);
    }

    pub(super) fn forget_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }
}
