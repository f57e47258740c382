//! Frames of links on their way to rooms of other nodes, and what comes of nodes that go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::node_subject;
use crate::cluster::{Directory, NodeId, Note, pack};
use crate::wire::link::{LinkBody, LinkFrame, encode};
use crate::wire::{ErrorCode, RoomId};

/// Frames that wait for their way. What finds no place is lost, and the link sends it again.
pub(super) const WAITING_MAX: usize = 4_096;
/// Two rooms that have not spoken for so long are not told of each other's nodes: longer than a link may be silent.
const REMEMBERED: Duration = Duration::from_secs(90);

/// A frame, and the room that sent it.
pub(super) struct Outgoing {
    pub(super) from: RoomId,
    pub(super) to: RoomId,
    pub(super) frame: Box<LinkFrame>,
}

/// Which of our rooms speak with rooms of which nodes.
#[derive(Debug, Default)]
pub(super) struct Talks {
    talks: Mutex<HashMap<(RoomId, RoomId), Talk>>,
}

#[derive(Clone, Debug)]
struct Talk {
    /// `None`: it is gone, and the room may begin anew elsewhere.
    with: Option<NodeId>,
    at: Instant,
}

impl Talks {
    /// A room here and a room there have something to do with each other.
    pub(super) fn note(&self, here: &RoomId, there: &RoomId, node: &NodeId) {
        let mut talks = self.lock();
        let at = Instant::now();
        let with = Some(node.clone());
        talks.insert((here.clone(), there.clone()), Talk { with, at });
        if talks.len().is_power_of_two() {
            talks.retain(|_, talk| at.saturating_duration_since(talk.at) < REMEMBERED);
        }
    }

    /// A node is gone: who here spoke with whom there.
    pub(super) fn gone(&self, node: &NodeId) -> Vec<(RoomId, RoomId)> {
        let mut talks = self.lock();
        let of_node = talks.iter_mut().filter(|(_, talk)| talk.with.as_ref() == Some(node));
        of_node
            .map(|(rooms, talk)| {
                talk.with = None;
                rooms.clone()
            })
            .collect()
    }

    /// How many rooms here have something to do with a room elsewhere, or had a moment ago.
    pub(super) fn with(&self, there: &RoomId) -> usize {
        let now = Instant::now();
        let is_fresh = |talk: &Talk| now.saturating_duration_since(talk.at) < REMEMBERED;
        let talks = self.lock();
        talks
            .iter()
            .filter(|((_, room), talk)| room == there && is_fresh(talk))
            .count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(RoomId, RoomId), Talk>> {
        // Nothing in here can leave it half changed.
        self.talks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends frames in the order they come. `nobody` tells a room that there is nobody to take its frame.
pub(super) async fn carry<N>(
    directory: Arc<Directory>,
    talks: Arc<Talks>,
    mut frames: mpsc::Receiver<Outgoing>,
    nobody: impl Fn(RoomId, RoomId, ErrorCode) -> N,
) where
    N: Future<Output = ()>,
{
    while let Some(Outgoing { from, to, frame }) = frames.recv().await {
        match directory.find(&to).await {
            Ok(Some(node)) if node != *directory.own() => {
                talks.note(&from, &to, &node);
                let packed = pack(directory.own(), Note::Link, encode(&frame).as_bytes());
                // A frame that is lost is sent again by its link.
                let _lost = directory.bus().publish(node_subject(&node), packed).await;
            }
            // It was ours, and has just ended.
            Ok(_) => nobody(from, to, ErrorCode::RoomNotFound).await,
            // Nothing is known of the room. Whoever asks for a link is told so; an open link goes on until its silence is too long.
            Err(_) if matches!(frame.body, LinkBody::Request { .. }) => {
                nobody(from, to, ErrorCode::ClusterUnreachable).await;
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_spoke_with_a_room_of_a_node_that_is_gone_is_told_once_and_stays_near_it() {
        let talks = Talks::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| RoomId::new(name).unwrap());
        let node = NodeId::new("x").unwrap();
        talks.note(&a, &c, &node);
        talks.note(&b, &c, &NodeId::new("y").unwrap());
        assert_eq!(talks.gone(&node), [(a, c.clone())]);
        assert!(talks.gone(&node).is_empty());
        assert_eq!((talks.with(&c), talks.with(&b)), (2, 0));
    }
}
