//! WHEP viewers: they watch one participant and nobody knows of them. Kept small, because there may be thousands.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, participant::Path, roster::ViewerKey, seat::Half};
use crate::{
    packet::Kind,
    wire::{ParticipantId, signal::SourceKind},
};

/// One viewer.
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) publisher: ParticipantId,
    /// By which it came.
    pub(super) pass: Pass,
    pub(super) resource: String,
    pub(super) path: Path,
    pub(super) audio: Option<Half>,
    pub(super) video: Option<Half>,
}

impl Viewer {
    pub(super) fn halves(&self) -> impl Iterator<Item = &Half> {
        self.audio.iter().chain(self.video.iter())
    }
}

/// What a viewer is shown of each kind, best first.
pub(super) const fn preference(kind: Kind) -> [SourceKind; 2] {
    match kind {
        Kind::Audio => [SourceKind::Microphone, SourceKind::ScreenAudio],
        Kind::Video => [SourceKind::Camera, SourceKind::Screen],
    }
}

/// All viewers of a room, and whom they watch (who need not be there).
#[derive(Debug, Default)]
pub(super) struct Viewers {
    by_key: BTreeMap<ViewerKey, Viewer>,
    by_publisher: BTreeMap<ParticipantId, BTreeSet<ViewerKey>>,
}

impl Viewers {
    pub(super) fn insert(&mut self, key: ViewerKey, viewer: Viewer) {
        self.by_publisher
            .entry(viewer.publisher.clone())
            .or_default()
            .insert(key);
        self.by_key.insert(key, viewer);
    }

    pub(super) fn remove(&mut self, key: ViewerKey) -> Option<Viewer> {
        let viewer = self.by_key.remove(&key)?;
        if let Some(watching) = self.by_publisher.get_mut(&viewer.publisher) {
            watching.remove(&key);
            if watching.is_empty() {
                self.by_publisher.remove(&viewer.publisher);
            }
        }
        Some(viewer)
    }

    pub(super) fn get(&self, key: ViewerKey) -> Option<&Viewer> {
        self.by_key.get(&key)
    }

    pub(super) fn get_mut(&mut self, key: ViewerKey) -> Option<&mut Viewer> {
        self.by_key.get_mut(&key)
    }

    /// Who watches this participant.
    pub(super) fn of(&self, publisher: &ParticipantId) -> impl Iterator<Item = ViewerKey> {
        self.by_publisher.get(publisher).into_iter().flatten().copied()
    }

    pub(super) fn keys(&self) -> Vec<ViewerKey> {
        self.by_key.keys().copied().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (ViewerKey, &Viewer)> {
        self.by_key.iter().map(|(key, viewer)| (*key, viewer))
    }
}
