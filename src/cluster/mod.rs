//! Reaches other nodes: how they talk ([`Bus`]), which of them are alive ([`Nodes`]), which owns which room ([`Directory`]), and
//! where a new room goes ([`place`]). One node alone needs none of this.
//!
//! **Leases.** A node writes its entry in the table of nodes once a second, each time naming the revision it wrote before. Whoever has not
//! seen it change for [`LEASE`], by its own clock, removes it, naming the revision it saw last: of two that race, one wins, and a node that
//! is still alive loses nothing, because its entry has another revision by then. So there is one truth about who is alive, no clock is
//! compared with another, and a node that was given up finds that out when it writes next.
//!
//! **Rooms.** A room belongs to the node that its entry names, as long as that node's lease has the epoch that the entry names. Entries
//! are made and taken over by compare-and-set, so two halves of a split never both write one. A node whose lease was removed
//! gets a new epoch and claims its rooms again; those that meanwhile belong to others end here, and their people join them there.

mod bus;
mod directory;
mod embedded;
mod id;
mod message;
mod nats;
mod nodes;
mod placement;
#[cfg(test)]
mod tests;

pub use bus::{Bus, BusError, Change, Changes, Deliveries, Delivery, Doing, Entry, Table, WriteError};
pub use directory::{Claim, Directory, room_key};
pub use embedded::{EmbeddedBus, Hub};
pub use id::NodeId;
pub use message::{
    Answer, Head, HttpAnswer, HttpQuestion, MessageError, Note, PROTOCOL, Question, RelayEnd, RelayNote, pack, unpack,
};
pub use nats::{NatsBus, NatsConfig};
pub use nodes::{Load, NodeEvent, NodeInfo, Nodes};
pub use placement::place;

use std::time::Duration;

/// How often a node renews its lease.
pub const RENEW: Duration = Duration::from_secs(1);
/// A node that has not renewed its lease for so long is given up. With what renewing and noticing take, within 5 s of its death.
pub const LEASE: Duration = Duration::from_millis(3_500);
