//! A shard that only keeps books, and complains about what a shard could not do.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    media::{EgressKey, Limits, SourceKey},
    shard::command::{ShardCommand, ShardId, TransportKey},
};

/// Keeps the books a shard would keep and complains about what a shard could not do.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) transports: BTreeMap<TransportKey, ShardId>,
    pub(super) handshakes: BTreeSet<TransportKey>,
    /// With the transport at home, `None` for a replica.
    pub(super) sources: BTreeMap<(ShardId, SourceKey), Option<TransportKey>>,
    pub(super) relays: BTreeSet<(ShardId, SourceKey, ShardId)>,
    pub(super) egresses: BTreeMap<EgressKey, (ShardId, TransportKey)>,
    pub(super) bound: BTreeMap<EgressKey, (SourceKey, Limits)>,
    pub(super) muted: BTreeSet<SourceKey>,
    /// How many voices each shard lets through; 0: all.
    pub(super) loudest: BTreeMap<ShardId, usize>,
    /// Questions that were not answered yet.
    pub(super) asked: Vec<u32>,
    pub(super) commands: usize,
    /// ICE restarts.
    pub(super) restarts: usize,
}

impl Books {
    pub(super) fn apply(&mut self, shard: ShardId, command: ShardCommand) {
        self.commands += 1;
        match command {
            ShardCommand::AddTransport { transport, .. } => {
                assert!(self.transports.insert(transport, shard).is_none());
            }
            ShardCommand::SetIce { transport, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                self.restarts += 1;
            }
            ShardCommand::SetReceive { transport, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
            }
            ShardCommand::RemoveTransport { transport } => {
                assert_eq!(self.transports.remove(&transport), Some(shard));
                self.egresses.retain(|_, (_, of)| *of != transport);
                let egresses = &self.egresses;
                self.bound.retain(|egress, _| egresses.contains_key(egress));
            }
            ShardCommand::InstallKeys { .. } | ShardCommand::SendDtls { .. } => unreachable!("not the room's"),
            ShardCommand::Publish { transport, source, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                assert!(self.sources.insert((shard, source), Some(transport)).is_none());
            }
            ShardCommand::AddReplica { source, home, .. } => {
                assert!(self.sources.contains_key(&(home, source)), "a replica of nothing");
                assert!(
                    self.sources.insert((shard, source), None).is_none(),
                    "one replica per shard"
                );
            }
            ShardCommand::SetSize { source, .. } => assert!(self.sources.contains_key(&(shard, source))),
            ShardCommand::RemoveSource { source } => {
                assert!(self.sources.remove(&(shard, source)).is_some());
                assert!(
                    !self
                        .bound
                        .iter()
                        .any(|(e, (s, _))| *s == source && self.egresses[e].0 == shard)
                );
            }
            ShardCommand::SetMuted { source, muted } => {
                assert!(self.sources.get(&(shard, source)).is_some_and(Option::is_some));
                if muted {
                    self.muted.insert(source)
                } else {
                    self.muted.remove(&source)
                };
            }
            ShardCommand::SetLoudest { most, .. } => drop(self.loudest.insert(shard, most)),
            ShardCommand::Relay { source, to, on: true } => {
                assert!(self.sources.contains_key(&(to, source)), "the replica is there first");
                assert!(self.relays.insert((shard, source, to)));
            }
            ShardCommand::Relay { source, to, on: false } => assert!(self.relays.remove(&(shard, source, to))),
            ShardCommand::AddEgress { transport, egress, .. } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                assert!(self.egresses.insert(egress, (shard, transport)).is_none());
            }
            ShardCommand::RemoveEgress { egress } => {
                assert!(self.egresses.remove(&egress).is_some());
                self.bound.remove(&egress);
            }
            ShardCommand::Bind { egress, source, limits } => {
                assert_eq!(self.egresses[&egress].0, shard);
                assert!(
                    self.sources.contains_key(&(shard, source)),
                    "bound to a source that is not there"
                );
                self.bound.insert(egress, (source, limits));
            }
            ShardCommand::Explain { transport, ask } => {
                assert_eq!(self.transports.get(&transport), Some(&shard));
                self.asked.push(ask);
            }
            ShardCommand::Unbind { egress } => assert!(self.bound.remove(&egress).is_some()),
            ShardCommand::SetLimits { egress, limits } => self.bound.get_mut(&egress).expect("bound").1 = limits,
        }
    }
}
