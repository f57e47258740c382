//! Requests of users: allocations, how long they live, whom they may reach.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rtc_stun::attributes::{ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_REQUESTED_TRANSPORT};
use rtc_turn::proto::PROTO_UDP;
use rtc_turn::proto::channum::ChannelNumber;
use rtc_turn::proto::lifetime::DEFAULT_LIFETIME;

use super::allocation::{Allocation, Refusal, User};
use super::message::{Answer, Received};
use super::{
    ALLOCATIONS_PER_USER_MAX, BAD_REQUEST, Client, FAMILY_MISMATCH, FORBIDDEN, INSUFFICIENT_CAPACITY, LIFETIME_MAX,
    MISMATCH, Output, QUOTA_REACHED, Turn, UNSUPPORTED_FAMILY, UNSUPPORTED_TRANSPORT, canonical,
};

/// What a request comes to.
type Answered = Result<Answer, u16>;

impl Turn {
    /// `None`: the answer comes when the socket is open.
    pub(super) fn allocate(
        &mut self,
        now: Instant,
        client: Client,
        message: &Received,
        user: &User,
    ) -> Result<Option<Answer>, u16> {
        if let Some(allocation) = self.allocations.get(&client) {
            if allocation.transaction != message.transaction() {
                return Err(MISMATCH);
            }
            let answer = || describe(message.success(), client, allocation);
            return Ok(allocation.relayed.map(|_| answer()));
        }
        match message.first_of_four(ATTR_REQUESTED_TRANSPORT) {
            None => return Err(BAD_REQUEST),
            Some(protocol) if protocol != PROTO_UDP.0 => return Err(UNSUPPORTED_TRANSPORT),
            Some(_) => {}
        }
        if message.wants_reservation() {
            return Err(INSUFFICIENT_CAPACITY);
        }
        let is_ipv6 = match message.value(ATTR_REQUESTED_ADDRESS_FAMILY) {
            None => false,
            Some(_) => match message.first_of_four(ATTR_REQUESTED_ADDRESS_FAMILY) {
                Some(1) => false,
                Some(2) => true,
                Some(_) | None => return Err(UNSUPPORTED_FAMILY),
            },
        };
        if self.relayed[usize::from(is_ipv6)].is_none() {
            return Err(UNSUPPORTED_FAMILY);
        }
        if self
            .users
            .get(&user.name)
            .is_some_and(|count| *count >= ALLOCATIONS_PER_USER_MAX)
        {
            return Err(QUOTA_REACHED);
        }
        if self.allocations.len() >= self.max_allocations {
            return Err(INSUFFICIENT_CAPACITY);
        }
        self.last_id += 1;
        let mut allocation = Allocation::new(self.last_id, user.clone(), message.transaction(), is_ipv6, now);
        allocation.lifetime = lifetime(message.lifetime());
        allocation.ends_at = now + allocation.lifetime;
        *self.users.entry(user.name.clone()).or_default() += 1;
        self.clients.insert(allocation.id, client);
        let allocation_id = allocation.id;
        self.allocations.insert(client, allocation);
        self.outputs.push_back(Output::Open {
            allocation: allocation_id,
            is_ipv6,
            is_even: message.wants_even_port(),
        });
        Ok(None)
    }

    pub(super) fn refresh(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if let Some(family) = message.first_of_four(ATTR_REQUESTED_ADDRESS_FAMILY)
            && (family == 2) != allocation.is_ipv6
        {
            return Err(FAMILY_MISMATCH);
        }
        if message.lifetime() == Some(Duration::ZERO) {
            self.remove(client);
            return Ok(message.success().lifetime(Duration::ZERO));
        }
        allocation.lifetime = lifetime(message.lifetime());
        allocation.ends_at = now + allocation.lifetime;
        Ok(message.success().lifetime(allocation.lifetime))
    }

    pub(super) fn create_permission(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let peers = message.peers().filter(|peers| !peers.is_empty()).ok_or(BAD_REQUEST)?;
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if peers.iter().any(|peer| peer.is_ipv6() != allocation.is_ipv6) {
            return Err(FAMILY_MISMATCH);
        }
        if !peers.iter().all(|peer| self.peers.allows_address(peer.ip())) {
            return Err(FORBIDDEN);
        }
        let ips: Vec<IpAddr> = peers.iter().map(SocketAddr::ip).collect();
        allocation.permit(now, &ips).map_err(code_of)?;
        Ok(message.success())
    }

    pub(super) fn bind_channel(&mut self, now: Instant, client: Client, message: &Received) -> Answered {
        let peers = message.peers().ok_or(BAD_REQUEST)?;
        let (Some(number), [peer]) = (message.channel(), peers.as_slice()) else {
            return Err(BAD_REQUEST);
        };
        if !ChannelNumber(number).valid() {
            return Err(BAD_REQUEST);
        }
        let allocation = self.allocations.get_mut(&client).ok_or(MISMATCH)?;
        if peer.is_ipv6() != allocation.is_ipv6 {
            return Err(FAMILY_MISMATCH);
        }
        if !self.peers.allows(*peer) {
            return Err(FORBIDDEN);
        }
        allocation.bind(now, number, *peer).map_err(code_of)?;
        Ok(message.success())
    }
}

/// What an answer to Allocate says (RFC 8656 section 7.3).
pub(super) fn describe(answer: Answer, client: Client, allocation: &Allocation) -> Answer {
    let answer = match allocation.relayed {
        Some(relayed) => answer.relayed(relayed),
        None => answer,
    };
    answer.lifetime(allocation.lifetime).mapped(canonical(client.address))
}

/// RFC 8656 section 7.2: not less than the default, not more than our longest.
fn lifetime(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(DEFAULT_LIFETIME).clamp(DEFAULT_LIFETIME, LIFETIME_MAX)
}

fn code_of(refusal: Refusal) -> u16 {
    match refusal {
        Refusal::Taken => BAD_REQUEST,
        Refusal::Full => INSUFFICIENT_CAPACITY,
    }
}
