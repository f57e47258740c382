//! Rooms on a bus that loses, repeats, reorders and delays; that is cut and mended; and whose rooms crash and come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    host::{Checked, Host, Said, ensure},
    support::Dice,
};
use crate::{
    federation::{LinkInput, LinkLimits},
    wire::{
        ErrorCode, RoomId,
        link::{LinkFrame, LinkId},
    },
};

/// How bad the bus is. Percent, and milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    pub(super) loss: usize,
    pub(super) twice: usize,
    pub(super) delay: usize,
    /// How many of the notices that a room is not there get through.
    pub(super) notices: usize,
}

#[derive(Clone, Debug)]
enum Arrival {
    Frame(Box<LinkFrame>),
    Gone(RoomId, Option<String>, ErrorCode),
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) dice: Dice,
    pub(super) now: Instant,
    pub(super) names: Vec<RoomId>,
    pub(super) hosts: BTreeMap<RoomId, Host>,
    pub(super) weather: Weather,
    /// Pairs that do not hear each other, the first not being heard by the second.
    pub(super) cuts: BTreeSet<(RoomId, RoomId)>,
    pub(super) said: Vec<Said>,
    pub(super) limits: LinkLimits,
    /// What is on its way: when it comes, and to whom.
    bus: BTreeMap<(Instant, u64), (RoomId, Arrival)>,
    /// Links that were open at the side that asked for them.
    opened: BTreeSet<LinkId>,
    count: u64,
    sessions: u32,
    pub(super) handled: u64,
}

impl World {
    pub(super) fn new(seed: u64, rooms: usize, limits: LinkLimits) -> Self {
        let names = ["a", "b", "c", "d", "e", "f"];
        let mut world = Self {
            seed,
            dice: Dice(seed),
            now: Instant::now(),
            names: names[..rooms].iter().map(|name| super::support::room(name)).collect(),
            hosts: BTreeMap::new(),
            weather: Weather::default(),
            cuts: BTreeSet::new(),
            said: Vec::new(),
            limits,
            bus: BTreeMap::new(),
            opened: BTreeSet::new(),
            count: 0,
            sessions: 0,
            handled: 0,
        };
        for name in world.names.clone() {
            world.start(&name);
        }
        world
    }

    /// A new session of a room that is not there.
    pub(super) fn start(&mut self, name: &RoomId) {
        self.sessions += 1;
        let session = format!("{name}-{}", self.sessions);
        let host = Host::new(name, session, self.limits.clone(), self.seed);
        self.hosts.insert(name.clone(), host);
    }

    /// A room vanishes without a word. Others may be told.
    pub(super) fn crash(&mut self, name: &RoomId) {
        if let Some(host) = self.hosts.remove(name) {
            let code = [ErrorCode::RoomNotLive, ErrorCode::NodeLost][self.dice.roll(2)];
            for other in self.names.clone() {
                if self.dice.percent(self.weather.notices) {
                    let delay = self.dice.roll(5_000);
                    let gone = Arrival::Gone(name.clone(), Some(host.session.clone()), code);
                    self.schedule(delay, other, gone);
                }
            }
        }
    }

    fn schedule(&mut self, delay_ms: usize, to: RoomId, arrival: Arrival) {
        self.count += 1;
        let at = self.now + Duration::from_millis(delay_ms as u64);
        self.bus.insert((at, self.count), (to, arrival));
    }

    fn send(&mut self, frame: LinkFrame) {
        let cut = self.cuts.contains(&(frame.from.room.clone(), frame.to.clone()));
        if cut || self.dice.percent(self.weather.loss) {
            return;
        }
        let copies = 1 + usize::from(self.dice.percent(self.weather.twice));
        for _ in 0..copies {
            let delay = self.dice.roll(self.weather.delay + 1);
            self.schedule(delay, frame.to.clone(), Arrival::Frame(Box::new(frame.clone())));
        }
    }

    /// Something happens in a room, if it is there.
    pub(super) fn put(&mut self, name: &RoomId, input: LinkInput) -> Checked {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(host) = self.hosts.get_mut(name) else {
                return Ok(());
            };
            self.handled += 1;
            let (frames, answers) = host.put(self.now, input, &mut self.said, self.seed)?;
            for (id, ours) in host.open_ids() {
                let known = self.opened.contains(&id) || ours && self.opened.insert(id);
                ensure!(known, "{name}: open before the side that asked for it (F10)");
            }
            for frame in frames {
                self.send(frame);
            }
            inputs.extend(answers.into_iter().rev());
        }
        if self.hosts.get(name).is_some_and(|host| host.ending) {
            self.end(name)?;
        }
        Ok(())
    }

    /// A room ends as it should: it says so.
    pub(super) fn end(&mut self, name: &RoomId) -> Checked {
        let Some(mut host) = self.hosts.remove(name) else {
            return Ok(());
        };
        host.links.handle(self.now, LinkInput::Ended);
        while let Some(output) = host.links.poll_output() {
            if let crate::federation::LinkOutput::Send { frame, .. } = output {
                self.send(*frame);
            }
        }
        ensure!(
            host.links.poll_timeout().is_none(),
            "{name}: wants something after its end"
        );
        Ok(())
    }

    fn arrive(&mut self, to: &RoomId, arrival: Arrival) -> Checked {
        match arrival {
            Arrival::Frame(frame) if self.hosts.contains_key(to) => self.put(to, LinkInput::Frame { frame: *frame }),
            Arrival::Frame(frame) => {
                if self.dice.percent(self.weather.notices) {
                    let delay = self.dice.roll(self.weather.delay + 1);
                    let gone = Arrival::Gone(to.clone(), None, ErrorCode::RoomNotLive);
                    self.schedule(delay, frame.from.room.clone(), gone);
                }
                Ok(())
            }
            Arrival::Gone(room, session, code) => {
                // A notice of no session in particular is dropped by the bus if there is one again.
                if session.is_none() && self.hosts.contains_key(&room) {
                    return Ok(());
                }
                let input = LinkInput::Unreachable {
                    room,
                    session: session.map(Into::into),
                    code,
                };
                self.put(to, input)
            }
        }
    }

    /// Lets time pass, with everything it brings, in order.
    pub(super) fn wait(&mut self, time: Duration) -> Checked {
        let until = self.now + time;
        loop {
            let timer = self
                .hosts
                .values()
                .filter_map(|host| Some((host.links.poll_timeout()?, host.name.clone())))
                .min();
            let arrival = self.bus.first_key_value().map(|((at, _), _)| *at);
            let next = [timer.as_ref().map(|(at, _)| *at), arrival].into_iter().flatten().min();
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            if arrival == Some(at) {
                if let Some((_, (to, arrival))) = self.bus.pop_first() {
                    self.arrive(&to, arrival)?;
                }
            } else if let Some((_, name)) = timer {
                self.put(&name, LinkInput::Tick)?;
            }
        }
        self.now = until;
        Ok(())
    }
}
