//! Whose room it is, who may come in, and when it closes.

use std::time::Instant;

use super::{Grant, Output, Room, close, participant::Participant, requests::Refusal, roster::MemberKey};
use crate::federation::LinkInput;
use crate::wire::{
    ErrorCode, ParticipantId,
    signal::{ByeCode, Intent, LeaveReason, Presence, PresenceOwner, ServerMessage, Settings, Token},
};

/// Why the room closes after this input.
#[derive(Debug)]
pub(super) struct Closing {
    /// Whoever said so, if somebody here did.
    pub(super) by: Option<ParticipantId>,
}

impl Participant {
    /// Who cannot signal cannot govern; who had to ask is a guest.
    fn can_own(&self) -> bool {
        self.session.is_some() && !self.grant.ask
    }
}

impl Room {
    /// Most participants there may be now.
    pub(super) fn participants_max(&self) -> usize {
        let own = self.settings.max_participants.map_or(usize::MAX, |max| max as usize);
        own.min(self.config.max_participants)
    }

    /// May somebody with this token come in?
    pub(super) fn check_entry(
        &self,
        id: Option<&ParticipantId>,
        grant: Grant,
        intent: Intent,
        password: Option<&Token>,
    ) -> Result<(), (ErrorCode, &'static str)> {
        if self.draining {
            return Err((ErrorCode::NodeDraining, "this node is going away; join again elsewhere"));
        }
        if id.is_some_and(|id| self.blocked.keeps_out(id, self.unix_ms)) {
            return Err((ErrorCode::EntryDenied, "a moderator put you out, for a while"));
        }
        self.check_preset(id, grant)?;
        // What an empty room was set to counts no longer: whoever comes begins anew.
        let there = self.roster.len() > 0;
        match intent {
            Intent::Open if there => return Err((ErrorCode::RoomExists, "somebody is in the room already")),
            Intent::Open if grant.ask => {
                return Err((ErrorCode::Forbidden, "a token with ask_join opens no room"));
            }
            Intent::Join if !there => return Err((ErrorCode::RoomNotFound, "nobody is in the room")),
            Intent::Any | Intent::Open | Intent::Join => {}
        }
        if there && !grant.moderate && self.settings.password.is_some() {
            match password {
                None => return Err((ErrorCode::PasswordRequired, "the room has a password")),
                Some(password) if !self.settings.is_password(password) => {
                    return Err((ErrorCode::PasswordWrong, "the room has another password"));
                }
                Some(_) => {}
            }
        }
        if id.is_some_and(|id| self.is_somebody_elses(id, grant)) {
            let sentence = "this id is in the room by a token that names it, and yours does not";
            return Err((ErrorCode::TokenParticipant, sentence));
        }
        if there && !self.is_place_for(id) {
            return Err((ErrorCode::RoomFull, "the room has all the participants it may have"));
        }
        Ok(())
    }

    /// A token that names nobody takes nobody's place who was named: not the session, and not the room that is theirs.
    fn is_somebody_elses(&self, id: &ParticipantId, grant: Grant) -> bool {
        let there = self.roster.find(id).and_then(|member| self.roster.get(member));
        !grant.named && there.is_some_and(|one| one.grant.named)
    }

    /// Who is in already comes in again.
    pub(super) fn is_place_for(&self, id: Option<&ParticipantId>) -> bool {
        let replaces = id.is_some_and(|id| self.roster.find(id).is_some());
        replaces || self.roster.len() < self.participants_max()
    }

    /// Somebody comes into a room where nobody is: nothing is left of what it was set to. What a private room kept goes too,
    /// since whoever begins it now may not know who was meant to read it.
    pub(super) fn begin(&mut self, now: Instant, settings: Option<Settings>) {
        let before = std::mem::replace(&mut self.settings, super::settings::RoomSettings::new(&self.config));
        let is_forgotten = before.is_private() || !before.keep_empty;
        if is_forgotten {
            self.topics = super::topic::Topics::default();
            self.store = super::store::Store::default();
        }
        self.settings
            .change(settings.unwrap_or_default(), self.config.max_participants);
        self.hold_preset();
        self.watch_duration(now);
        // Linked rooms see who is here, and do what they were allowed by whoever was here before.
        if is_forgotten || self.settings.is_private() || !self.settings.links_as(&before) {
            self.link_input(now, LinkInput::CloseAll);
        }
        if self.settings.is_private() {
            // They came while it was open to all.
            for viewer in self.viewers.keys() {
                self.drop_viewer(viewer);
            }
        }
        self.owner = None;
        self.closed = false;
    }

    /// Makes sure that the room has an owner, if there is anybody who can be it. `newcomer` comes first in line: a vacant place
    /// is theirs, and so is that of a former session under the same id. True if others have to be told.
    pub(super) fn settle_owner(&mut self, newcomer: Option<MemberKey>) -> bool {
        let can_own = |key: &MemberKey| self.roster.get(*key).is_some_and(Participant::can_own);
        let before = self.owner;
        if before.as_ref().is_some_and(can_own) {
            return false;
        }
        let mut others = self.roster.iter().filter(|one| one.can_own()).map(|one| one.key);
        self.owner = newcomer.filter(can_own).or_else(|| others.next());
        // To all appearance, who came back under the same id owned it all the time.
        let came_back = before.is_some() && newcomer.is_some() && self.owner == newcomer;
        before != self.owner && !came_back
    }

    /// Somebody left.
    pub(super) fn owner_left(&mut self, member: MemberKey, reason: LeaveReason) {
        // Somebody with the same id is about to take the place.
        if self.owner != Some(member) || reason == LeaveReason::Duplicate {
            return;
        }
        if self.settings.close_with_owner && !self.draining {
            self.owner = None;
            self.closing = Some(Closing { by: None });
        } else if self.settle_owner(None) {
            self.tell_room(None);
        }
    }

    /// The owner's id.
    pub(super) fn owner_id(&self) -> Option<ParticipantId> {
        self.owner.and_then(|owner| self.roster.id(owner))
    }

    /// Tells everybody but one who owns the room and how it is set.
    pub(super) fn tell_room(&mut self, but: Option<MemberKey>) {
        self.presence_changed = true;
        let message = ServerMessage::RoomUpdated {
            owner: self.owner_id(),
            settings: Box::new(self.settings.info()),
        };
        self.tell_others(but, &message);
    }

    fn governs(&self, member: MemberKey) -> bool {
        self.owner == Some(member) || self.roster.get(member).is_some_and(|one| one.grant.moderate)
    }

    pub(super) fn room_update(
        &mut self,
        now: Instant,
        unix_ms: u64,
        member: MemberKey,
        settings: Settings,
    ) -> Result<(), Refusal> {
        if !self.governs(member) {
            let sentence = "only the owner of the room and its moderators (allow_mod) may change it";
            return Err(Refusal::new(ErrorCode::Forbidden, sentence));
        }
        self.pace(now, member, super::rate::Talk::State)?;
        let denied = self.settings.denies_links();
        let last_n = self.settings.last_n;
        self.settings.change(settings, self.config.max_participants);
        self.settings_changed(now, denied, last_n);
        if !self.settings.lobby {
            let by = self.roster.id(member);
            self.open_lobby(now, unix_ms, by);
        }
        Ok(())
    }

    pub(super) fn room_close(&mut self, member: MemberKey) -> Result<(), Refusal> {
        let everybody = self.config.links.open_to_all;
        let may = |one: &Participant| everybody && !one.grant.ask;
        if !self.governs(member) && !self.roster.get(member).is_some_and(may) {
            let sentence = "only the owner of the room and its moderators (allow_mod) may close it";
            return Err(Refusal::new(ErrorCode::Forbidden, sentence));
        }
        self.closing = Some(Closing {
            by: self.roster.id(member),
        });
        Ok(())
    }

    /// Everybody out.
    pub(super) fn handle_close(&mut self, now: Instant, closing: Closing) {
        self.link_input(now, LinkInput::Ended);
        self.closed = true;
        self.owner = None;
        let bye = ServerMessage::Bye {
            code: ByeCode::RoomClosed,
            message: "the room was closed".to_owned(),
            reconnect: false,
            after_ms: None,
            by: closing.by,
        };
        self.tell_others(None, &bye);
        self.turn_everybody_away(ErrorCode::EntryDenied, "the room was closed");
        for viewer in self.viewers.keys() {
            self.drop_viewer(viewer);
        }
        for member in self.roster.keys() {
            // What the others would be told of each other's leaving nobody hears any more.
            if let Some(socket) = self.roster.get(member).and_then(|one| one.session.as_ref()?.socket) {
                let (code, reason) = (close::ROOM_CLOSED, "room closed");
                self.outputs.push_back(Output::CloseSocket { socket, code, reason });
                self.roster.detach(socket);
            }
        }
        for member in self.roster.keys() {
            self.depart(now, member, LeaveReason::Closed, None);
        }
    }

    /// As those outside see it.
    pub fn presence(&self) -> Presence {
        let participants = self.roster.len();
        let mut presence = Presence::nobody(self.id.clone(), self.config.max_participants);
        if participants == 0 {
            return presence;
        }
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        presence.exists = true;
        presence.participants = small(participants);
        presence.max_participants = small(self.participants_max());
        presence.full = participants >= self.participants_max();
        presence.password_protected = self.settings.password.is_some();
        let owner = self.owner.and_then(|owner| self.roster.get(owner));
        presence.owner = owner.map(|owner| PresenceOwner {
            id: owner.id.clone(),
            display_name: owner.display_name.clone(),
            metadata: owner.metadata.clone(),
        });
        presence.info = self.settings.info.clone();
        presence
    }

    /// Shows those outside what has changed, before anybody inside hears of it: who was told may ask at once.
    pub(super) fn show_presence(&mut self) {
        if std::mem::take(&mut self.presence_changed) {
            let presence = Box::new(self.presence());
            let listing = self.settings.listing.clone().filter(|_| presence.exists);
            self.outputs.push_front(Output::Presence { presence, listing });
        }
    }
}
