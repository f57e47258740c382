//! A room as simulations know it: who is here, what it was told, and whether it could be true.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::support::{Dice, address, person};
use crate::{
    federation::{Ask, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links, RequestId},
    wire::{
        ErrorCode, ParticipantId, RoomId,
        link::{LinkFrame, LinkId, Person, Rights},
        signal::LinkCloseReason,
    },
};

/// What a room does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Auto,
    Ask,
    Deny,
}

/// What was asked of the links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Open,
    /// The number of the chat message.
    Chat(usize),
    Other,
}

/// A link as the room was told of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    pub(super) held: Rights,
    pub(super) people: BTreeMap<ParticipantId, Person>,
    pub(super) stale: bool,
    /// The last chat of each sender.
    last: BTreeMap<ParticipantId, usize>,
}

/// A chat message, from when it was said.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) from: RoomId,
    pub(super) session: String,
    pub(super) to: RoomId,
    pub(super) delivered: usize,
}

/// What a check found.
pub(super) type Checked = Result<(), String>;

macro_rules! ensure {
    ($condition:expr, $($said:tt)*) => {
        if !$condition {
            return Err(format!($($said)*));
        }
    };
}
pub(super) use ensure;

#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: RoomId,
    pub(super) session: String,
    pub(super) links: Links,
    pub(super) limits: LinkLimits,
    pub(super) policy: Policy,
    /// What linked rooms may do here. The same in every session of a room.
    pub(super) given: Rights,
    pub(super) people: BTreeMap<ParticipantId, Person>,
    pub(super) told: BTreeMap<RoomId, Told>,
    pub(super) asks: BTreeMap<Ask, Asked>,
    pub(super) undecided: BTreeSet<RequestId>,
    /// Somebody over there has ended this room.
    pub(super) ending: bool,
    last_ask: u64,
}

/// With this seed every room gives every right.
pub(super) const OPEN_HANDED: u64 = u64::MAX;

/// What a room may do to another, by the other's name: odd rooms are less open.
pub(super) fn rights_of(name: &RoomId, seed: u64) -> Rights {
    let mut dice = Dice(seed ^ u64::from(name.as_str().as_bytes()[0]));
    if seed == OPEN_HANDED || dice.percent(60) {
        return Rights::ALL;
    }
    Rights {
        roster: dice.percent(50),
        chat: dice.percent(50),
        switch: dice.percent(50),
        end: dice.percent(50),
    }
}

impl Host {
    pub(super) fn new(name: &RoomId, session: String, limits: LinkLimits, seed: u64) -> Self {
        Self {
            links: Links::new(address(name.as_str(), &session), limits.clone()),
            name: name.clone(),
            session,
            limits,
            policy: Policy::Auto,
            given: rights_of(name, seed),
            people: BTreeMap::new(),
            told: BTreeMap::new(),
            asks: BTreeMap::new(),
            undecided: BTreeSet::new(),
            ending: false,
            last_ask: 0,
        }
    }

    pub(super) fn next_ask(&mut self, asked: Asked) -> Ask {
        self.last_ask += 1;
        let ask = Ask(self.last_ask);
        self.asks.insert(ask, asked);
        ask
    }

    /// Something happens; gives back what is to be sent, and what the room says to what it is told.
    pub(super) fn put(
        &mut self,
        now: Instant,
        input: LinkInput,
        said: &mut [Said],
        seed: u64,
    ) -> Result<(Vec<LinkFrame>, Vec<LinkInput>), String> {
        self.links.handle(now, input);
        let (mut frames, mut inputs) = (Vec::new(), Vec::new());
        while let Some(output) = self.links.poll_output() {
            match output {
                LinkOutput::Send { to, frame } => {
                    ensure!(to == frame.to && to != self.name, "{} writes to {to}", self.name);
                    frames.push(*frame);
                }
                LinkOutput::Event(event) => {
                    let shown = event.clone();
                    let answer = self.hear(event, said, seed);
                    inputs.extend(answer.map_err(|what| format!("{what}: {shown:?}"))?);
                }
            }
        }
        self.compare()?;
        if let Some(at) = self.links.poll_timeout() {
            ensure!(at > now, "{}: wants to be woken in the past", self.name);
        }
        Ok((frames, inputs))
    }

    fn hear(&mut self, event: LinkEvent, said: &mut [Said], seed: u64) -> Result<Option<LinkInput>, String> {
        let own = self.name.clone();
        let given = self.given;
        let reply = |room, question, result| Ok(Some(LinkInput::Reply { room, question, result }));
        match event {
            LinkEvent::Answered { ask, result } => {
                let Some(asked) = self.asks.remove(&ask) else {
                    return Err(format!("{own}: a second answer"));
                };
                if let Asked::Chat(n) = asked {
                    let delivered = said[n].delivered;
                    match result {
                        Ok(()) => ensure!(delivered == 1, "{own}: said to have come, but came {delivered} times"),
                        Err(ErrorCode::LinkClosed) => {}
                        Err(_) => ensure!(delivered == 0, "{own}: said not to have come, but it did"),
                    }
                }
            }
            LinkEvent::Requested { request, room, .. } => {
                ensure!(room != own, "{own}: asked by itself");
                let decision = match self.policy {
                    Policy::Auto => crate::federation::Decision::Accept { rights: given },
                    Policy::Deny => crate::federation::Decision::Refuse {
                        code: ErrorCode::LinkDenied,
                    },
                    Policy::Ask => {
                        self.undecided.insert(request);
                        crate::federation::Decision::Ask
                    }
                };
                return Ok(Some(LinkInput::Decide { request, decision }));
            }
            LinkEvent::RequestEnded { request, .. } => {
                ensure!(self.undecided.remove(&request), "{own}: ended twice");
            }
            LinkEvent::Opened {
                room,
                rights,
                participants,
                ..
            } => {
                ensure!(!self.told.contains_key(&room), "{own}: opened twice");
                ensure!(rights == rights_of(&room, seed), "{own}: rights that were not given");
                ensure!(
                    rights.roster || participants.is_empty(),
                    "{own}: sees people without the right"
                );
                let third = participants
                    .iter()
                    .find(|one| !one.id.as_str().starts_with(room.as_str()));
                ensure!(third.is_none(), "{own}: {third:?} is of a third room (I2)");
                let told = Told {
                    held: rights,
                    people: participants.into_iter().map(|one| (one.id.clone(), one)).collect(),
                    ..Told::default()
                };
                self.told.insert(room, told);
            }
            LinkEvent::Closed { room, reason, .. } => {
                ensure!(self.told.remove(&room).is_some(), "{own}: closed what was not open");
                if reason == LinkCloseReason::NodeLost && self.policy != Policy::Deny {
                    return Ok(Some(LinkInput::Reopen {
                        room,
                        payload: None,
                        by: person("again"),
                        within: Duration::from_secs(20),
                        rights: given,
                    }));
                }
            }
            LinkEvent::Roster { room, joined, left } => {
                let told = self.told.get_mut(&room).ok_or_else(|| format!("{own}: no link"))?;
                ensure!(told.held.roster, "{own}: sees people without the right");
                for id in left {
                    ensure!(told.people.remove(&id).is_some(), "{own}: {id} goes unknown");
                }
                for person in joined {
                    let home = person.id.as_str().starts_with(room.as_str());
                    ensure!(home, "{own}: {} is of a third room (I2)", person.id);
                    let before = told.people.insert(person.id.clone(), person.clone());
                    ensure!(before.as_ref() != Some(&person), "{own}: {} comes twice", person.id);
                }
            }
            LinkEvent::Chat { room, question, chat } => {
                let told = self.told.get_mut(&room).ok_or_else(|| format!("{own}: no link"))?;
                ensure!(given.chat, "{own}: hears what it does not let in (I8)");
                let n: usize = chat.message.parse().map_err(|_| "no number".to_owned())?;
                ensure!(
                    said[n].from == room && said[n].to == own,
                    "{own}: of or for a third room (I2)"
                );
                ensure!(said[n].delivered == 0, "{own}: came again (I3)");
                let link = self.links.pairs.get(&room).and_then(|pair| pair.link.as_ref());
                let same = link.is_some_and(|link| *link.terms.session == said[n].session);
                ensure!(same, "{own}: of another session than the link is with");
                said[n].delivered += 1;
                let last = told.last.insert(chat.from.id.clone(), n);
                ensure!(last.is_none_or(|last| last < n), "{own}: out of order (I4)");
                let in_order = self.limits.queue == LinkLimits::default().queue && told.held.roster;
                let known = told.people.contains_key(&chat.from.id);
                ensure!(
                    !in_order || known,
                    "{own}: {} speaks and is not there (I4)",
                    chat.from.id
                );
                return reply(room, question, Ok(()));
            }
            LinkEvent::Gap { room, .. } => {
                ensure!(self.told.contains_key(&room), "{own}: no link");
            }
            LinkEvent::Switch { room, question, .. } => {
                ensure!(self.told.contains_key(&room), "{own}: no link");
                ensure!(given.switch, "{own}: does what it does not let others do (I8)");
                return reply(room, question, Ok(()));
            }
            LinkEvent::End { room, question, .. } => {
                ensure!(self.told.contains_key(&room), "{own}: no link");
                ensure!(given.end, "{own}: does what it does not let others do (I8)");
                self.ending = true;
                return reply(room, question, Ok(()));
            }
            LinkEvent::State { room, stale } => {
                let told = self.told.get_mut(&room).ok_or_else(|| format!("{own}: no link"))?;
                ensure!(told.stale != stale, "{own}: no news");
                told.stale = stale;
            }
        }
        Ok(None)
    }

    /// What the links say of themselves is what the room was told, and within bounds (I9).
    fn compare(&self) -> Checked {
        let (own, limits) = (&self.name, &self.limits);
        ensure!(self.links.len() <= limits.links, "{own}: too many links (I9)");
        let mut count = 0;
        for view in self.links.views() {
            count += 1;
            let Some(told) = self.told.get(view.room) else {
                return Err(format!("{own}: an open link to {} that nobody was told of", view.room));
            };
            ensure!(
                told.stale == view.stale && told.held == view.rights,
                "{own}: another state"
            );
            ensure!(view.participants().eq(told.people.values()), "{own}: other people");
            let load = view.load();
            let most = limits.queue + limits.questions;
            let within = load.waiting <= most
                && load.on_the_way <= limits.window
                && load.early < limits.window
                && load.questions <= limits.questions;
            ensure!(within, "{own}: out of bounds (I9): {load:?}");
        }
        ensure!(count == self.told.len(), "{own}: ghosts of a link that is over (I6)");
        Ok(())
    }

    /// The ids of the open links, and whether we asked for them.
    pub(super) fn open_ids(&self) -> impl Iterator<Item = (LinkId, bool)> {
        let own = format!("{}.", self.session);
        let links = self.links.pairs.values().filter_map(|pair| pair.link.as_ref());
        links.map(move |link| (link.terms.id.clone(), link.terms.id.0.starts_with(&own)))
    }

    /// The session of the other room that a link is with.
    fn linked_session(&self, room: &RoomId) -> Option<&str> {
        let link = self.links.pairs.get(room)?.link.as_ref()?;
        Some(&link.terms.session)
    }

    /// The far end of time for a link of this room.
    pub(super) fn patience(&self) -> Duration {
        self.limits.give_up + self.limits.dead
    }
}

/// Rooms that are open to each other see each other as they are (I5); with `healed`, nothing else is left of bad times.
pub(super) fn agree(hosts: &BTreeMap<RoomId, Host>, healed: bool) -> Checked {
    for host in hosts.values() {
        for (room, told) in &host.told {
            let other = hosts.get(room).filter(|other| other.told.contains_key(&host.name));
            let Some(other) = other else {
                ensure!(!healed, "{} still sees {room}, which does not (I6)", host.name);
                continue;
            };
            let nobody = BTreeMap::new();
            let people = if told.held.roster { &other.people } else { &nobody };
            ensure!(
                *people == told.people,
                "{} sees in {room} {:?} (I5)",
                host.name,
                told.people.keys()
            );
            let same = host.linked_session(room) == Some(&other.session);
            ensure!(
                !healed || same,
                "{} is linked with a session of {room} that is over",
                host.name
            );
        }
        if healed {
            let open = host.told.len();
            ensure!(host.links.len() == open, "{}: something is still being made", host.name);
            ensure!(host.asks.is_empty(), "{}: never answered: {:?}", host.name, host.asks);
            ensure!(host.undecided.is_empty(), "{}: never settled", host.name);
            ensure!(host.told.values().all(|told| !told.stale), "{}: stale", host.name);
        }
    }
    Ok(())
}
