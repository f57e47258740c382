//! A room that was made ahead, and what it was made with.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::packet::Codec;
use crate::room::Preset;
use crate::wire::link::Rights;
use crate::wire::signal::{LinkPolicy, Settings};
use crate::wire::{ParticipantId, RoomId};

/// A room that somebody made over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RoomRecord {
    /// Its name.
    pub room: RoomId,
    /// It was chosen by whoever made it.
    pub custom: bool,
    /// Milliseconds since 1970.
    pub created_ms: u64,
    /// Milliseconds since 1970.
    pub updated_ms: u64,
    /// Counts changes, from 1.
    pub version: u64,
    /// Nobody is let in.
    pub disabled: bool,
    /// It is never enabled again.
    pub deactivated: bool,
    /// Somebody has been in it.
    #[serde(default)]
    pub used: bool,
    /// What it was made with.
    pub settings: RoomSettings,
}

/// What a room is made with. What is `None` is as the configuration and the people in it say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RoomSettings {
    /// Whom to tell what happens in it.
    pub webhook: Option<RoomWebhook>,
    /// When its sessions end.
    pub auto_close: Option<AutoClose>,
    /// Who may come in.
    pub allowed: Option<BTreeSet<ParticipantId>>,
    /// Most participants.
    pub max_participants: Option<u32>,
    /// Codecs that may be sent, best first.
    pub codecs: Option<Vec<Codec>>,
    /// What becomes of rooms that ask for a link.
    pub link_policy: Option<LinkPolicy>,
    /// What linked rooms may do.
    pub link_rights: Option<Rights>,
    /// Newcomers wait to be let in.
    pub lobby: Option<bool>,
    /// How long it outlives its last participant.
    pub departure_timeout_ms: Option<u64>,
    /// Rooms that it is linked with as a rule: it begins near them.
    #[serde(default)]
    pub near: Option<BTreeSet<RoomId>>,
    /// How long it may wait for its first participant, counted from when it was made.
    pub empty_timeout_ms: Option<u64>,
}

/// An endpoint of one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomWebhook {
    /// Its URL.
    pub endpoint: String,
    /// What it wants to be told; empty: everything.
    pub events: Vec<String>,
}

/// When a session ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoClose {
    /// After this many minutes.
    pub minutes: u32,
    /// And the room with it, for good.
    pub deactivate: bool,
}

impl RoomRecord {
    /// What two copies of a room that several nodes keep say together. Of two of one version `kept`, which is the one that was there first,
    /// stands; that somebody has been in it, and that it is off for good, is not taken back by either.
    pub fn together(kept: Self, other: Self) -> Self {
        let (used, deactivated) = (kept.used || other.used, kept.deactivated || other.deactivated);
        let mut newer = if other.version > kept.version { other } else { kept };
        newer.used = used;
        if deactivated && !newer.deactivated {
            newer.deactivated = true;
            newer.version += 1;
        }
        newer
    }

    /// As the room takes it, at this time.
    pub fn preset(&self, unix_ms: u64, was_used: bool) -> Preset {
        let settings = &self.settings;
        Preset {
            disabled: self.is_disabled(unix_ms, was_used),
            settings: Settings {
                max_participants: settings.max_participants.map(Some),
                codecs: settings.codecs.clone().map(Some),
                link_policy: settings.link_policy,
                link_rights: settings.link_rights,
                lobby: settings.lobby,
                ..Settings::default()
            },
            allowed: settings.allowed.clone(),
            departure_timeout: settings.departure_timeout_ms.map(Duration::from_millis),
            session_max: settings
                .auto_close
                .map(|close| Duration::from_secs(u64::from(close.minutes) * 60)),
        }
    }

    /// Was it switched off, or did nobody come in time?
    pub fn is_disabled(&self, unix_ms: u64, was_used: bool) -> bool {
        let late = |timeout: u64| unix_ms > self.created_ms.saturating_add(timeout);
        self.disabled || self.deactivated || (!was_used && self.settings.empty_timeout_ms.is_some_and(late))
    }
}
