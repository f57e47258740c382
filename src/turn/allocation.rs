//! One relayed address and what may pass through it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::AllocationId;
use super::message::Key;

/// RFC 8656 section 9.
const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 section 12.
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Peers of one allocation: a node has a handful of addresses.
const PERMISSIONS_MAX: usize = 32;
const CHANNELS_MAX: usize = 32;

/// Why something cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The number belongs to another peer, or the peer has another number.
    Taken,
    /// There are too many.
    Full,
}

/// Who has shown credentials.
#[derive(Clone)]
pub(super) struct User {
    /// The part of the user name that does not end, by which allocations are counted.
    pub(super) name: String,
    pub(super) username: String,
    pub(super) key: Key,
}

pub(super) struct Allocation {
    pub(super) id: AllocationId,
    pub(super) user: User,
    /// Of the request that made it: sent again, it is answered again.
    pub(super) transaction: [u8; 12],
    pub(super) lifetime: Duration,
    pub(super) ends_at: Instant,
    pub(super) is_ipv6: bool,
    /// `None` until its socket is open.
    pub(super) relayed: Option<SocketAddr>,
    permissions: HashMap<IpAddr, Instant>,
    channels: Vec<Channel>,
}

struct Channel {
    number: u16,
    peer: SocketAddr,
    ends_at: Instant,
}

impl Allocation {
    /// Nothing passes through it before [`Allocation::permit`] or [`Allocation::bind`].
    pub(super) fn new(id: AllocationId, user: User, transaction: [u8; 12], is_ipv6: bool, now: Instant) -> Allocation {
        Allocation {
            id,
            user,
            transaction,
            lifetime: Duration::ZERO,
            ends_at: now,
            is_ipv6,
            relayed: None,
            permissions: HashMap::new(),
            channels: Vec::new(),
        }
    }

    pub(super) fn permits(&self, now: Instant, ip: IpAddr) -> bool {
        self.permissions.get(&ip).is_some_and(|ends_at| now < *ends_at)
    }

    /// All of them or none.
    pub(super) fn permit(&mut self, now: Instant, ips: &[IpAddr]) -> Result<(), Refusal> {
        self.permissions.retain(|_, ends_at| now < *ends_at);
        let new = ips.iter().filter(|ip| !self.permissions.contains_key(ip)).count();
        if self.permissions.len() + new > PERMISSIONS_MAX {
            return Err(Refusal::Full);
        }
        for ip in ips {
            self.permissions.insert(*ip, now + PERMISSION_LIFETIME);
        }
        Ok(())
    }

    /// Binds a channel, which gives the permission as well.
    pub(super) fn bind(&mut self, now: Instant, number: u16, peer: SocketAddr) -> Result<(), Refusal> {
        self.channels.retain(|channel| now < channel.ends_at);
        let mut taken = self.channels.iter();
        if taken.any(|channel| (channel.number == number) != (channel.peer == peer)) {
            return Err(Refusal::Taken);
        }
        let ends_at = now + CHANNEL_LIFETIME;
        if !self.channels.iter().any(|channel| channel.number == number) && self.channels.len() >= CHANNELS_MAX {
            return Err(Refusal::Full);
        }
        self.permit(now, &[peer.ip()])?;
        match self.channels.iter_mut().find(|channel| channel.number == number) {
            Some(channel) => channel.ends_at = ends_at,
            None => self.channels.push(Channel { number, peer, ends_at }),
        }
        Ok(())
    }

    pub(super) fn peer_of(&self, now: Instant, number: u16) -> Option<SocketAddr> {
        let mut channels = self.channels.iter();
        let channel = channels.find(|channel| channel.number == number && now < channel.ends_at)?;
        Some(channel.peer)
    }

    pub(super) fn channel_of(&self, now: Instant, peer: SocketAddr) -> Option<u16> {
        let mut channels = self.channels.iter();
        let channel = channels.find(|channel| channel.peer == peer && now < channel.ends_at)?;
        Some(channel.number)
    }
}
