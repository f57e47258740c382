//! What a participant may do, decided by its token.

use crate::wire::signal::Permission;

/// Permissions only; whose token it was and for which room was checked at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Send audio and video.
    pub publish: bool,
    /// Receive audio and video.
    pub subscribe: bool,
    /// Send chat, topic and data channel messages.
    pub talk: bool,
    /// Act on others: remove them (`allow_mod`).
    pub moderate: bool,
    /// Enter only when somebody inside says yes (`ask_join`).
    pub ask: bool,
    /// Open and close links, act over them (`link`).
    pub link: bool,
    /// Answer rooms that ask for a link (`link_accept`, `allow_mod`).
    pub judge: bool,
    /// The token names the participant: the id is that person's, and nobody else's.
    pub named: bool,
}

impl Grant {
    /// `allow_join` without `allow_mod`.
    pub const JOIN: Grant = Grant {
        publish: true,
        subscribe: true,
        talk: true,
        moderate: false,
        ask: false,
        link: false,
        judge: false,
        named: false,
    };
    /// `allow_join` and `allow_mod`.
    pub const MODERATE: Grant = Grant {
        publish: true,
        subscribe: true,
        talk: true,
        moderate: true,
        ask: false,
        link: false,
        judge: true,
        named: false,
    };

    /// The same with everything that needs `link` or `link_accept`.
    pub(super) const fn with_links(self) -> Self {
        Grant {
            link: true,
            judge: true,
            ..self
        }
    }

    /// As the client is told.
    pub(super) fn permissions(self) -> Vec<Permission> {
        let held = [
            (self.publish, Permission::Publish),
            (self.subscribe, Permission::Subscribe),
            (self.talk, Permission::Talk),
            (self.moderate, Permission::Moderate),
            (self.link, Permission::Link),
            (self.judge, Permission::Judge),
        ];
        held.into_iter()
            .filter(|(held, _)| *held)
            .map(|(_, word)| word)
            .collect()
    }
}
