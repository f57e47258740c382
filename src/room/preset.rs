//! What a room was made with, before anybody came: whoever made it says what nobody in it can change.

use std::{collections::BTreeSet, time::Duration, time::Instant};

use super::{Grant, Room, agenda::Timer, owner::Closing};
use crate::{
    federation::LinkInput,
    wire::{ErrorCode, ParticipantId, signal::Settings},
};

/// Settings of a room from outside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preset {
    /// Nobody is let in.
    pub disabled: bool,
    /// Hold whatever its participants say; what is `None` is theirs to decide.
    pub settings: Settings,
    /// Only they may come in, by tokens that name them; `None`: everybody with a token.
    pub allowed: Option<BTreeSet<ParticipantId>>,
    /// How long it outlives its last participant; `None`: as the configuration says.
    pub departure_timeout: Option<Duration>,
    /// A session ends after this time; `None`: when everybody has left.
    pub session_max: Option<Duration>,
}

impl Room {
    /// Says what the room was made with. To be called before anything happens in it.
    pub fn prepare(&mut self, preset: Preset) {
        self.preset = preset;
    }

    pub(super) fn check_preset(
        &self,
        id: Option<&ParticipantId>,
        grant: Grant,
    ) -> Result<(), (ErrorCode, &'static str)> {
        if self.preset.disabled {
            return Err((ErrorCode::RoomDisabled, "the room was deactivated"));
        }
        match &self.preset.allowed {
            Some(allowed) if !(grant.named && id.is_some_and(|id| allowed.contains(id))) => Err((
                ErrorCode::Forbidden,
                "the room is for certain people, and the token names none of them",
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// The settings that nobody inside decides are as they were made, whatever was just changed.
    pub(super) fn hold_preset(&mut self) {
        let settings = self.preset.settings.clone();
        self.settings.change(settings, self.config.max_participants);
    }

    /// Settings were changed, by whoever may: what is held stays, everybody is told, and what no longer fits ends. `denied` and `last_n` are
    /// what they were before.
    pub(super) fn settings_changed(&mut self, now: Instant, denied: bool, last_n: Option<u32>) {
        self.hold_preset();
        self.tell_room(None);
        if self.settings.last_n != last_n {
            self.look_at_every_view();
        }
        if self.settings.denies_links() && !denied {
            self.link_input(now, LinkInput::CloseAll);
        }
    }

    pub(super) fn departure_timeout(&self) -> Duration {
        self.preset.departure_timeout.unwrap_or(self.config.departure_timeout)
    }

    /// A session begins, or its longest duration is another.
    pub(super) fn watch_duration(&mut self, now: Instant) {
        match self.preset.session_max {
            Some(most) => {
                let began = *self.began_at.get_or_insert(now);
                self.agenda.set(Timer::SessionEnd, began + most);
            }
            None => {
                self.began_at.get_or_insert(now);
                self.agenda.cancel(Timer::SessionEnd);
            }
        }
    }

    pub(super) fn handle_session_end(&mut self) {
        self.journal.is_overdue = true;
        self.closing = Some(Closing { by: None });
    }

    /// The preset is another one while people are here.
    pub(super) fn change_preset(&mut self, now: Instant, preset: Preset) {
        let (denied, last_n, lobby) = (self.settings.denies_links(), self.settings.last_n, self.settings.lobby);
        let disabled = preset.disabled;
        self.preset = preset;
        if disabled {
            self.closing = Some(Closing { by: None });
            return;
        }
        self.settings_changed(now, denied, last_n);
        if lobby && !self.settings.lobby {
            self.open_lobby(now, self.unix_ms, None);
        }
        self.watch_duration(now);
    }
}
