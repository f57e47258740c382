//! What is not let through whatever the links would do: whole protocols, or the flows seen so far.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use serde::Deserialize;

/// More flows than any run has; beyond it they are not remembered, and so not blocked.
const FLOWS_MAX: usize = 16_384;

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What shall not pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Block {
    /// Everything passes.
    #[default]
    None,
    /// No UDP, as in an office that allows only the web.
    Udp,
    /// No TCP: media alone.
    Tcp,
    /// No UDP between ports that have exchanged packets before this was said, as when a NAT forgets: who begins anew from
    /// another port passes.
    UdpFlows,
}

/// Decides who passes. IPv4 only: the namespaces have nothing else.
#[derive(Debug, Default)]
pub(super) struct Firewall {
    block: Block,
    seen: HashSet<Flow>,
    blocked: HashSet<Flow>,
}

/// The two ends of a UDP flow, the smaller first: both directions are one flow.
type Flow = [(Ipv4Addr, u16); 2];

impl Firewall {
    pub(super) fn set(&mut self, block: Block) {
        self.block = block;
        self.blocked = match block {
            Block::UdpFlows => std::mem::take(&mut self.seen),
            Block::None | Block::Udp | Block::Tcp => HashSet::new(),
        };
    }

    pub(super) fn lets_pass(&mut self, packet: &[u8]) -> bool {
        let Some(header) = Header::of(packet) else {
            return false;
        };
        // A browser asks servers on the internet for this and that; nobody answers here, and the question shall not use
        // up the link.
        if !header.destination.is_private() {
            return false;
        }
        let flow = (header.protocol == UDP).then(|| header.flow(packet)).flatten();
        if let Some(flow) = flow
            && self.seen.len() < FLOWS_MAX
        {
            self.seen.insert(flow);
        }
        match self.block {
            Block::None => true,
            Block::Udp => header.protocol != UDP,
            Block::Tcp => header.protocol != TCP,
            Block::UdpFlows => flow.is_none_or(|flow| !self.blocked.contains(&flow)),
        }
    }
}

/// As much of an IPv4 header (RFC 791) as is asked for here.
struct Header {
    length: usize,
    protocol: u8,
    source: Ipv4Addr,
    destination: Ipv4Addr,
}

impl Header {
    fn of(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; 20] = packet.first_chunk()?;
        let address = |at: usize| Ipv4Addr::new(fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]);
        (fixed[0] >> 4 == 4).then(|| Self {
            length: usize::from(fixed[0] & 0xf) * 4,
            protocol: fixed[9],
            source: address(12),
            destination: address(16),
        })
    }

    fn flow(&self, packet: &[u8]) -> Option<Flow> {
        let ports: &[u8; 4] = packet.get(self.length..)?.first_chunk()?;
        let mut flow = [
            (self.source, u16::from_be_bytes([ports[0], ports[1]])),
            (self.destination, u16::from_be_bytes([ports[2], ports[3]])),
        ];
        flow.sort_unstable();
        Some(flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(protocol: u8, from: (u8, u16), to: (u8, u16)) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 77, 0, from.0, 10, 77, 0, to.0,
        ];
        packet.extend(from.1.to_be_bytes());
        packet.extend(to.1.to_be_bytes());
        packet.extend([0; 4]);
        packet
    }

    #[test]
    fn protocols_are_blocked_and_let_through_again() {
        let mut firewall = Firewall::default();
        let (udp, tcp) = (packet(UDP, (1, 5), (2, 6)), packet(TCP, (1, 5), (2, 6)));
        let mut passing = |block| {
            firewall.set(block);
            [&udp, &tcp].map(|packet| firewall.lets_pass(packet))
        };
        assert_eq!(passing(Block::Udp), [false, true]);
        assert_eq!(passing(Block::Tcp), [true, false]);
        assert_eq!(passing(Block::None), [true, true]);
    }

    #[test]
    fn flows_that_were_seen_stay_blocked_both_ways_and_new_ones_pass() {
        let mut firewall = Firewall::default();
        assert!(firewall.lets_pass(&packet(UDP, (1, 5), (2, 6))));
        firewall.set(Block::UdpFlows);
        assert!(!firewall.lets_pass(&packet(UDP, (1, 5), (2, 6))));
        assert!(!firewall.lets_pass(&packet(UDP, (2, 6), (1, 5))));
        assert!(firewall.lets_pass(&packet(UDP, (2, 7), (1, 5))));
        assert!(firewall.lets_pass(&packet(TCP, (2, 6), (1, 5))));
        firewall.set(Block::None);
        assert!(firewall.lets_pass(&packet(UDP, (1, 5), (2, 6))));
    }

    #[test]
    fn what_leads_to_the_internet_or_is_no_ipv4_does_not_pass() {
        let mut outward = packet(UDP, (2, 6), (0, 53));
        outward[16..20].copy_from_slice(&[8, 8, 8, 8]);
        for wrong in [&outward[..], &[], &[0x60; 40], &packet(UDP, (2, 6), (1, 5))[..19]] {
            assert!(!Firewall::default().lets_pass(wrong));
        }
    }
}
