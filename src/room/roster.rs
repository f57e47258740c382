//! Who is here, in join order, and by which names they are found.

use std::{collections::BTreeMap, ops::Bound};

use super::{SocketKey, participant::Participant, session::Session};
use crate::{shard::command::TransportKey, wire::ParticipantId};

/// A participant by its rank in join order; never used twice in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct MemberKey(pub(super) u32);

/// A WHEP viewer by its rank in join order; never used twice in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ViewerKey(pub(super) u32);

/// Whose a transport, a resource or a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    Member(MemberKey),
    Viewer(ViewerKey),
}

/// Participants in join order.
#[derive(Debug, Default)]
pub(super) struct Roster {
    members: BTreeMap<MemberKey, Participant>,
    by_id: BTreeMap<ParticipantId, MemberKey>,
    by_socket: BTreeMap<SocketKey, MemberKey>,
    by_transport: BTreeMap<TransportKey, Owner>,
    by_resource: BTreeMap<String, Owner>,
}

impl Roster {
    pub(super) fn insert(&mut self, participant: Participant) {
        self.by_id.insert(participant.id.clone(), participant.key);
        self.members.insert(participant.key, participant);
    }

    /// Takes a participant out, with its id and its socket.
    pub(super) fn remove(&mut self, key: MemberKey) -> Option<Participant> {
        let participant = self.members.remove(&key)?;
        self.by_id.remove(&participant.id);
        if let Some(socket) = participant.session.as_ref().and_then(|session| session.socket) {
            self.by_socket.remove(&socket);
        }
        Some(participant)
    }

    pub(super) fn get(&self, key: MemberKey) -> Option<&Participant> {
        self.members.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: MemberKey) -> Option<&mut Participant> {
        self.members.get_mut(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.members.values()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.members.values_mut()
    }

    pub(super) fn keys(&self) -> Vec<MemberKey> {
        self.members.keys().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// The sessions of those who came after this one, or of all.
    pub(super) fn sessions_after(
        &mut self,
        member: Option<MemberKey>,
    ) -> impl Iterator<Item = (MemberKey, &mut Session)> {
        let first = member.map_or(Bound::Unbounded, Bound::Excluded);
        let members = self.members.range_mut((first, Bound::Unbounded));
        members.filter_map(|(key, participant)| participant.session.as_mut().map(|session| (*key, session)))
    }

    pub(super) fn find(&self, id: &ParticipantId) -> Option<MemberKey> {
        self.by_id.get(id).copied()
    }

    pub(super) fn id(&self, key: MemberKey) -> Option<ParticipantId> {
        self.members.get(&key).map(|participant| participant.id.clone())
    }

    pub(super) fn at_socket(&self, socket: SocketKey) -> Option<MemberKey> {
        self.by_socket.get(&socket).copied()
    }

    /// Gives a session its socket and returns the one it had.
    pub(super) fn attach(&mut self, key: MemberKey, socket: SocketKey) -> Option<SocketKey> {
        let session = self.members.get_mut(&key)?.session.as_mut()?;
        let before = session.socket.replace(socket).filter(|before| *before != socket);
        if let Some(before) = before {
            self.by_socket.remove(&before);
        }
        self.by_socket.insert(socket, key);
        before
    }

    /// A socket is gone. Whose session it was.
    pub(super) fn detach(&mut self, socket: SocketKey) -> Option<MemberKey> {
        let key = self.by_socket.remove(&socket)?;
        if let Some(session) = self
            .members
            .get_mut(&key)
            .and_then(|participant| participant.session.as_mut())
        {
            session.socket = None;
        }
        Some(key)
    }

    pub(super) fn own_transport(&mut self, transport: TransportKey, owner: Owner) {
        self.by_transport.insert(transport, owner);
    }

    pub(super) fn disown_transport(&mut self, transport: TransportKey) {
        self.by_transport.remove(&transport);
    }

    pub(super) fn owner(&self, transport: TransportKey) -> Option<Owner> {
        self.by_transport.get(&transport).copied()
    }

    pub(super) fn own_resource(&mut self, resource: String, owner: Owner) {
        self.by_resource.insert(resource, owner);
    }

    pub(super) fn disown_resource(&mut self, resource: &str) {
        self.by_resource.remove(resource);
    }

    pub(super) fn resource(&self, resource: &str) -> Option<Owner> {
        self.by_resource.get(resource).copied()
    }
}
