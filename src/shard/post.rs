//! The way from a shard to its rooms. Never waits.

use std::collections::VecDeque;

use ahash::AHashMap;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::event::ShardEvent;

/// State changes kept for a room that is behind. A room further behind than this is not running any more.
const KEPT_MAX: usize = 4_096;

struct Room {
    events: mpsc::Sender<ShardEvent>,
    /// State changes that found the queue full, in order.
    kept: VecDeque<ShardEvent>,
}

/// Rooms by their number.
#[derive(Default)]
pub(super) struct Post {
    rooms: AHashMap<u32, Room>,
}

impl Post {
    pub(super) fn open(&mut self, number: u32, events: mpsc::Sender<ShardEvent>) {
        self.rooms.insert(
            number,
            Room {
                events,
                kept: VecDeque::new(),
            },
        );
    }

    pub(super) fn close(&mut self, number: u32) {
        self.rooms.remove(&number);
    }

    /// Delivers, or keeps, or drops what the next one replaces.
    pub(super) fn send(&mut self, room: u32, event: ShardEvent) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let replaceable = match event {
            ShardEvent::Levels { .. } | ShardEvent::Stats { .. } => true,
            ShardEvent::Connected { .. }
            | ShardEvent::Interrupted { .. }
            | ShardEvent::Lost { .. }
            | ShardEvent::StreamStarted { .. }
            | ShardEvent::Demand { .. }
            | ShardEvent::Served { .. }
            | ShardEvent::Explained { .. } => false,
        };
        if replaceable && !room.kept.is_empty() {
            return;
        }
        if room.kept.is_empty() {
            let Err(TrySendError::Full(event)) = room.events.try_send(event) else {
                return;
            };
            if !replaceable {
                room.kept.push_back(event);
            }
        } else if room.kept.len() < KEPT_MAX {
            room.kept.push_back(event);
        }
    }

    /// Tries again what was kept. Called every tick.
    pub(super) fn retry(&mut self) {
        for room in self.rooms.values_mut() {
            while let Some(event) = room.kept.pop_front() {
                if let Err(TrySendError::Full(event)) = room.events.try_send(event) {
                    room.kept.push_front(event);
                    break;
                }
            }
        }
    }
}
