//! The section `[room]` of the configuration.

use std::time::Duration;

use crate::transport::{negotiation::CodecPolicy, turn::TurnServers};
use crate::wire::{link::Rights, signal::LinkPolicy};

/// What a room allows. Defaults and ranges: `config/default.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// How long a participant whose socket broke counts as present and may resume.
    pub resume_window: Duration,
    /// How long an empty room keeps its session and chat before it closes.
    pub departure_timeout: Duration,
    /// Most rooms of one node at one time, at least 1.
    pub max_rooms: usize,
    /// Nobody new is let in while the node's tasks run later than this; 0: everybody always.
    pub max_delay: Duration,
    /// Most participants in one room, at least 1.
    pub max_participants: usize,
    /// Most sources one participant publishes at the same time, at least 1.
    pub max_publications: usize,
    /// Most seats of one participant, 1 to 50.
    pub max_seats: usize,
    /// How long something that nobody receives is still sent to us.
    pub dynacast_delay: Duration,
    /// Most voices that are forwarded at a time in a large room; 0: all, however large.
    pub loudest: usize,
    /// A room with more participants than this is large.
    pub loudest_above: usize,
    /// Most pictures sent to one participant who does not say otherwise; 0: as many as it has seats.
    pub last_n: usize,
    /// How long somebody waits to be let in.
    pub lobby_timeout: Duration,
    /// Most who wait at the same time, at least 1.
    pub max_lobby: usize,
    /// Codecs that may be sent (`[media] codecs` and `audio_codecs`).
    pub codecs: CodecPolicy,
    /// TURN servers for clients that cannot reach the node by themselves: those of the operator, and the one of the node. Each has
    /// its own secret.
    pub turn: Vec<TurnServers>,
    /// What rooms do to each other.
    pub links: LinksConfig,
    /// Rooms may be recorded. Not configured here: a folder for recordings is (`[recording]`).
    pub recording: bool,
    /// By which the keys of resumable sessions name this process. Not configured: random.
    pub node_tag: u32,
}

/// The section `[links]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinksConfig {
    /// What becomes of a room that asks for a link, unless the room's owner said otherwise.
    pub policy: LinkPolicy,
    /// What linked rooms may do, unless the room's owner said otherwise.
    pub rights: Rights,
    /// Everybody who may join may do what needs the permission `link` or `judge`, and may close the room.
    pub open_to_all: bool,
    /// Most links of one room, 1 to 1000.
    pub max_links: usize,
    /// Silence after which a linked room counts as stale.
    pub stale_after: Duration,
    /// Silence after which a link is over.
    pub lost_after: Duration,
    /// For how long a link is tried again whose other room's node died; zero: not at all.
    pub reopen_within: Duration,
}
