//! Asking somebody to go to another room: of this room, or over a link.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Room,
    link_requests::sentence,
    links::{Asker, Wanted},
    requests::{Refusal, ok},
    roster::MemberKey,
};
use crate::{
    federation::LinkInput,
    wire::{
        ErrorCode, ParticipantId, RoomId,
        link::LinkSwitch,
        signal::{ServerMessage, Switch, SwitchRequest},
    },
};

/// One addressee is asked to switch so often by one room or sender.
const SWITCHES_MAX: usize = 3;
/// In this time.
const SWITCHES_WINDOW: Duration = Duration::from_secs(60);
/// Addressees and askers that are counted at the same time; the longest silent are forgotten first.
const SWITCHERS_MAX: usize = 1_000;

/// Who asked whom to switch, and when.
#[derive(Default)]
pub(super) struct Switches(BTreeMap<(Source, ParticipantId), VecDeque<Instant>>);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// Whoever manages the room.
    Outside,
    Here(ParticipantId),
    Linked(RoomId),
}

impl Switches {
    fn allow(&mut self, now: Instant, asker: Source, whom: &ParticipantId) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < SWITCHES_WINDOW;
        if self.0.len() >= SWITCHERS_MAX {
            self.0.retain(|_, times| times.back().is_some_and(is_recent));
        }
        let key = (asker, whom.clone());
        if self.0.len() >= SWITCHERS_MAX && !self.0.contains_key(&key) {
            return false;
        }
        let times = self.0.entry(key).or_default();
        while times.front().is_some_and(|at| !is_recent(at)) {
            times.pop_front();
        }
        let allowed = times.len() < SWITCHES_MAX;
        if allowed {
            times.push_back(now);
        }
        allowed
    }
}

impl Room {
    pub(super) fn switch(
        &mut self,
        now: Instant,
        (member, request): (MemberKey, u32),
        switch: SwitchRequest,
    ) -> Result<Option<ServerMessage>, Refusal> {
        let SwitchRequest {
            participant,
            link,
            room,
            token,
            payload,
        } = switch;
        let check_token = |this: &Self| {
            let refused = |(code, sentence): (ErrorCode, String)| Refusal::field(code, "token", sentence);
            (this.linking.verify)(&token, &room, this.unix_ms).map_err(refused)
        };
        let Some(link) = link else {
            let sender = self.roster.get(member).filter(|one| one.grant.moderate);
            let Some(sender) = sender.map(|one| one.id.clone()) else {
                let sentence = "the token does not allow asking others to switch (allow_mod)";
                return Err(Refusal::new(ErrorCode::Forbidden, sentence));
            };
            check_token(self)?;
            let switch = Switch {
                room,
                token,
                payload,
                participant: sender.clone(),
                link: None,
            };
            self.hand_over(now, Source::Here(sender), &participant, switch)
                .map_err(|code| Refusal::field(code, "participant", sentence(code)))?;
            return Ok(Some(ok()));
        };
        let by = self.link_allowed(member)?;
        self.link_there(&link)?;
        if room != self.id && room != link {
            return Err(Refusal::field(
                ErrorCode::SwitchRoom,
                "room",
                sentence(ErrorCode::SwitchRoom),
            ));
        }
        check_token(self)?;
        let ask = self.linking.ask(Asker::Member(member, request), Wanted::Switch);
        let switch = LinkSwitch {
            participant,
            by,
            room,
            token,
            payload,
        };
        let input = LinkInput::Switch {
            ask,
            room: link,
            switch,
        };
        self.link_input(now, input);
        Ok(None)
    }

    /// Somebody over there asks somebody here. The far room checked all of this too; we trust only ourselves.
    pub(super) fn switch_here(&mut self, now: Instant, link: &RoomId, switch: LinkSwitch) -> Result<(), ErrorCode> {
        let LinkSwitch {
            participant,
            by,
            room,
            token,
            payload,
        } = switch;
        if room != self.id && room != *link {
            return Err(ErrorCode::SwitchRoom);
        }
        (self.linking.verify)(&token, &room, self.unix_ms).map_err(|(code, _)| code)?;
        let switch = Switch {
            room,
            token,
            payload,
            participant: by.id,
            link: Some(link.clone()),
        };
        self.hand_over(now, Source::Linked(link.clone()), &participant, switch)
    }

    /// In the name of whoever manages the room.
    pub(super) fn hand_over_from_outside(
        &mut self,
        now: Instant,
        whom: &ParticipantId,
        switch: Switch,
    ) -> Result<(), Refusal> {
        self.hand_over(now, Source::Outside, whom, switch)
            .map_err(|code| Refusal::field(code, "participant", sentence(code)))
    }

    /// To the addressee's session and nowhere else.
    fn hand_over(
        &mut self,
        now: Instant,
        asker: Source,
        whom: &ParticipantId,
        switch: Switch,
    ) -> Result<(), ErrorCode> {
        let member = self.roster.find(whom).ok_or(ErrorCode::NoSuchParticipant)?;
        if self.roster.get(member).is_none_or(|one| one.session.is_none()) {
            // A WHIP publisher has nobody to ask.
            return Err(ErrorCode::NoSuchParticipant);
        }
        if !self.linking.switches.allow(now, asker, whom) {
            return Err(ErrorCode::RateLimited);
        }
        self.tell(member, &ServerMessage::Switch(switch));
        Ok(())
    }
}
