//! What passes through: from clients to peers and back.

use std::net::SocketAddr;
use std::time::Instant;

use rtc_stun::attributes::ATTR_DATA;
use rtc_stun::message::{CLASS_INDICATION, METHOD_DATA, MessageType};

use super::message::{Answer, Received};
use super::{AllocationId, Client, Output, Turn, TurnDrop, Way, canonical};

const CHANNEL_HEADER_LEN: usize = 4;

impl Turn {
    /// Something came to the socket of an allocation.
    ///
    /// # Errors
    /// It was dropped.
    pub fn handle_peer(
        &mut self,
        now: Instant,
        id: AllocationId,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), TurnDrop> {
        let client = *self.clients.get(&id).ok_or(TurnDrop::NoAllocation)?;
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        let peer = self.peers.known_as(canonical(from));
        let channel = allocation.channel_of(now, peer);
        let bytes = match channel {
            Some(number) => {
                let len = u16::try_from(bytes.len()).map_err(|_| TurnDrop::Malformed)?;
                let mut framed = Vec::with_capacity(CHANNEL_HEADER_LEN + bytes.len() + 3);
                framed.extend_from_slice(&number.to_be_bytes());
                framed.extend_from_slice(&len.to_be_bytes());
                framed.extend_from_slice(bytes);
                if client.way != Way::Udp {
                    // RFC 8656 section 12.5: in a stream the next message begins at a multiple of four.
                    framed.resize(framed.len().next_multiple_of(4), 0);
                }
                framed
            }
            None if allocation.permits(now, peer.ip()) => {
                let kind = MessageType::new(METHOD_DATA, CLASS_INDICATION);
                let mut transaction = [0; 12];
                // Nobody answers an indication: the name of it matters to nobody.
                transaction[..8].copy_from_slice(&id.to_be_bytes());
                Answer::new(kind, transaction, CLASS_INDICATION)
                    .peer(peer)
                    .data(bytes)
                    .unsigned()
            }
            None => return Err(TurnDrop::NoPermission),
        };
        self.outputs.push_back(Output::ToClient { client, bytes });
        Ok(())
    }

    /// RFC 8656 section 11.2.
    pub(super) fn send(&mut self, now: Instant, client: Client, message: &Received) -> Result<(), TurnDrop> {
        let peers = message.peers().ok_or(TurnDrop::Malformed)?;
        let (Some(data), [peer]) = (message.value(ATTR_DATA), peers.as_slice()) else {
            return Err(TurnDrop::Malformed);
        };
        self.relay(now, client, *peer, data, true)
    }

    pub(super) fn channel_data(&mut self, now: Instant, client: Client, bytes: &[u8]) -> Result<(), TurnDrop> {
        let (header, rest) = bytes
            .split_first_chunk::<CHANNEL_HEADER_LEN>()
            .ok_or(TurnDrop::Malformed)?;
        let number = u16::from_be_bytes([header[0], header[1]]);
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let data = rest.get(..len).ok_or(TurnDrop::Malformed)?;
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        let peer = allocation.peer_of(now, number).ok_or(TurnDrop::NoPermission)?;
        self.relay(now, client, peer, data, false)
    }

    fn relay(
        &mut self,
        now: Instant,
        client: Client,
        peer: SocketAddr,
        data: &[u8],
        ask: bool,
    ) -> Result<(), TurnDrop> {
        let allocation = self.allocations.get(&client).ok_or(TurnDrop::NoAllocation)?;
        if allocation.relayed.is_none() || allocation.ends_at <= now {
            return Err(TurnDrop::NoAllocation);
        }
        // A permission is for all ports of an address, but of ours only the media ports are reached.
        if !self.peers.allows(peer) {
            return Err(TurnDrop::Forbidden);
        }
        if ask && !allocation.permits(now, peer.ip()) {
            return Err(TurnDrop::NoPermission);
        }
        self.outputs.push_back(Output::ToPeer {
            allocation: allocation.id,
            to: self.peers.inside(peer),
            bytes: data.to_vec(),
        });
        Ok(())
    }
}
