//! What the owner of a room decided about it.

use subtle::ConstantTimeEq;

use crate::wire::{
    Json,
    link::Rights,
    signal::{LinkPolicy, Settings, SettingsInfo, Token},
};
use crate::{packet::Codec, transport::negotiation::CodecPolicy};

use super::RoomConfig;

/// The settings in force.
#[derive(Debug)]
pub(super) struct RoomSettings {
    pub(super) password: Option<Token>,
    pub(super) max_participants: Option<u32>,
    pub(super) close_with_owner: bool,
    pub(super) keep_empty: bool,
    pub(super) listing: Option<String>,
    pub(super) info: Option<Json>,
    pub(super) lobby: bool,
    pub(super) codecs: Option<Vec<Codec>>,
    pub(super) last_n: Option<u32>,
    pub(super) link_policy: LinkPolicy,
    pub(super) link_rights: Rights,
}

impl RoomSettings {
    /// As the configuration has it.
    pub(super) fn new(config: &RoomConfig) -> Self {
        Self {
            password: None,
            max_participants: None,
            close_with_owner: false,
            keep_empty: true,
            listing: None,
            info: None,
            lobby: false,
            codecs: None,
            last_n: None,
            link_policy: config.links.policy,
            link_rights: config.links.rights,
        }
    }

    /// Does this open the room? Compared in constant time, so that the answer tells nothing about how much was right.
    pub(super) fn is_password(&self, given: &Token) -> bool {
        let password = self.password.as_ref();
        password.is_some_and(|password| bool::from(password.0.as_bytes().ct_eq(given.0.as_bytes())))
    }

    /// Is it not for everybody who has a token?
    pub(super) const fn is_private(&self) -> bool {
        self.password.is_some() || self.lobby
    }

    /// Does it want no links?
    pub(super) const fn denies_links(&self) -> bool {
        matches!(self.link_policy, LinkPolicy::Deny)
    }

    /// Does it want the same of links as the room before it?
    pub(super) fn links_as(&self, before: &Self) -> bool {
        (self.link_policy, self.link_rights) == (before.link_policy, before.link_rights)
    }

    /// What may be sent on m-lines that are agreed from now on.
    pub(super) fn policy(&self, config: &RoomConfig) -> CodecPolicy {
        match &self.codecs {
            None => config.codecs.clone(),
            Some(codecs) => CodecPolicy::new(codecs.iter().copied()).within(&config.codecs),
        }
    }

    /// Takes over what is there. More participants than the server allows are as many as it allows.
    pub(super) fn change(&mut self, change: Settings, participants_max: usize) {
        let Settings {
            password,
            max_participants,
            close_with_owner,
            keep_empty,
            listing,
            info,
            lobby,
            codecs,
            last_n,
            link_policy,
            link_rights,
        } = change;
        set(&mut self.password, password);
        let most = u32::try_from(participants_max).unwrap_or(u32::MAX);
        set(
            &mut self.max_participants,
            max_participants.map(|max| max.map(|max| max.min(most))),
        );
        set(&mut self.close_with_owner, close_with_owner);
        set(&mut self.keep_empty, keep_empty);
        set(&mut self.listing, listing);
        set(&mut self.info, info.map(|info| Some(info).filter(Json::is_something)));
        set(&mut self.lobby, lobby);
        set(&mut self.codecs, codecs);
        set(&mut self.last_n, last_n);
        set(&mut self.link_policy, link_policy);
        set(&mut self.link_rights, link_rights);
    }

    /// As everybody may see them.
    pub(super) fn info(&self) -> SettingsInfo {
        SettingsInfo {
            password_protected: self.password.is_some(),
            max_participants: self.max_participants,
            close_with_owner: self.close_with_owner,
            keep_empty: self.keep_empty,
            listing: self.listing.clone(),
            info: self.info.clone(),
            lobby: self.lobby,
            codecs: self.codecs.clone(),
            last_n: self.last_n,
            link_policy: self.link_policy,
            link_rights: self.link_rights,
        }
    }
}

fn set<T>(field: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *field = value;
    }
}
