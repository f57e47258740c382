//! Every order of few events: from each state everything that can happen next happens, breadth first, and what should
//! always be true is checked in each. Frames come in any order, some are lost or come twice, clocks run ahead of frames,
//! rooms crash and come back. From every state in which nothing is on its way, all heals.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

use super::{
    host::{Asked, Checked, Host, OPEN_HANDED, Said, agree, ensure},
    support::{chat, person, room},
};
use crate::{
    federation::{LinkInput, LinkLimits, LinkOutput},
    wire::{
        ErrorCode, RoomId,
        link::{LinkFrame, LinkId, Rights},
    },
};

/// What somebody in a room does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Open(&'static str),
    Close(&'static str),
    Join(&'static str),
    Leave(&'static str),
    Chat(&'static str),
    End,
    /// The room vanishes and is back as another session.
    Restart,
}

/// How much goes wrong at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Luck {
    lost: u8,
    twice: u8,
    /// How often a clock is ahead of what is on its way.
    ticks: u8,
}

/// Few and coarse timers: they differ in their order, and only that matters here.
fn limits() -> LinkLimits {
    let secs = Duration::from_secs;
    LinkLimits {
        repeat_first: secs(1),
        repeat_max: secs(1),
        resend_first: secs(1),
        resend_max: secs(1),
        heartbeat: secs(2),
        stale: secs(5),
        dead: secs(6),
        accept: secs(3),
        decide: secs(4),
        give_up: secs(5),
        roster_pause: Duration::ZERO,
        tomb: secs(20),
        ..LinkLimits::default()
    }
}

/// A set of plans with more states than this takes too long for every run of the tests.
const STATES_MAX: usize = 150_000;

#[derive(Clone)]
struct State {
    hosts: BTreeMap<RoomId, Host>,
    /// What each room still does, in order.
    plans: BTreeMap<RoomId, VecDeque<Act>>,
    frames: Vec<LinkFrame>,
    luck: Luck,
    said: Vec<Said>,
    opened: BTreeSet<LinkId>,
    sessions: u32,
}

/// What can happen next.
#[derive(Clone, Copy, Debug)]
enum Next<'a> {
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    Act(&'a RoomId),
    Tick,
}

impl State {
    fn new(plans: &[(&'static str, &[Act])], luck: Luck) -> Self {
        let mut state = Self {
            hosts: BTreeMap::new(),
            plans: BTreeMap::new(),
            frames: Vec::new(),
            luck,
            said: Vec::new(),
            opened: BTreeSet::new(),
            sessions: 0,
        };
        for (name, acts) in plans {
            state.plans.insert(room(name), acts.iter().copied().collect());
            state.start(&room(name));
        }
        state
    }

    fn start(&mut self, name: &RoomId) {
        self.sessions += 1;
        let session = format!("{name}-{}", self.sessions);
        let host = Host::new(name, session, limits(), OPEN_HANDED);
        self.hosts.insert(name.clone(), host);
    }

    /// Time stands still: instead everything else moves back.
    fn put(&mut self, now: Instant, name: &RoomId, input: LinkInput) -> Checked {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let Some(host) = self.hosts.get_mut(name) else {
                return Ok(());
            };
            let (frames, answers) = host.put(now, input, &mut self.said, OPEN_HANDED)?;
            for (id, ours) in host.open_ids() {
                let known = self.opened.contains(&id) || ours && self.opened.insert(id);
                ensure!(known, "{name}: open before the side that asked for it (F10)");
            }
            self.send(frames);
            inputs.extend(answers.into_iter().rev());
        }
        Ok(())
    }

    /// Of two like frames on the way one is enough: that one may come twice is seen to elsewhere.
    fn send(&mut self, frames: Vec<LinkFrame>) {
        for frame in frames {
            if !self.frames.contains(&frame) {
                self.frames.push(frame);
            }
        }
    }

    fn deliver(&mut self, now: Instant, frame: LinkFrame) -> Checked {
        let to = frame.to.clone();
        if self.hosts.contains_key(&to) {
            return self.put(now, &to, LinkInput::Frame { frame });
        }
        let gone = LinkInput::Unreachable {
            room: to,
            session: None,
            code: ErrorCode::RoomNotLive,
        };
        self.put(now, &frame.from.room, gone)
    }

    fn act(&mut self, now: Instant, name: &RoomId) -> Checked {
        let Some(act) = self.plans.get_mut(name).and_then(VecDeque::pop_front) else {
            return Ok(());
        };
        let Some(host) = self.hosts.get_mut(name) else {
            return Ok(());
        };
        let input = match act {
            Act::Open(other) => LinkInput::Open {
                ask: host.next_ask(Asked::Open),
                room: room(other),
                payload: None,
                by: person("opener"),
                wait: Duration::ZERO,
                rights: Rights::ALL,
            },
            Act::Close(other) => LinkInput::Close { room: room(other) },
            Act::Join(who) => {
                host.people.insert(person(who).id, person(who));
                LinkInput::Joined { person: person(who) }
            }
            Act::Leave(who) => {
                host.people.remove(&person(who).id);
                LinkInput::Left {
                    participant: person(who).id,
                }
            }
            Act::Chat(other) => {
                let n = self.said.len();
                self.said.push(Said {
                    from: name.clone(),
                    session: host.session.clone(),
                    to: room(other),
                    delivered: 0,
                });
                let by = host.people.values().next().cloned().unwrap_or_else(|| person("nobody"));
                LinkInput::Chat {
                    ask: host.next_ask(Asked::Chat(n)),
                    room: room(other),
                    chat: chat(by, &n.to_string()),
                }
            }
            Act::End => {
                if let Some(mut host) = self.hosts.remove(name) {
                    host.links.handle(now, LinkInput::Ended);
                    while let Some(output) = host.links.poll_output() {
                        if let LinkOutput::Send { frame, .. } = output {
                            self.send(vec![*frame]);
                        }
                    }
                }
                return Ok(());
            }
            Act::Restart => {
                self.hosts.remove(name);
                self.start(name);
                return Ok(());
            }
        };
        self.put(now, name, input)
    }

    /// The next timer, wherever it is.
    fn tick(&mut self, now: Instant) -> Checked {
        let due = self
            .hosts
            .values()
            .filter_map(|host| Some((host.links.poll_timeout()?, host.name.clone())))
            .min();
        let Some((at, name)) = due else {
            return Ok(());
        };
        let passed = at.saturating_duration_since(now);
        for host in self.hosts.values_mut() {
            host.links.shift(at.max(now), passed);
        }
        self.put(now, &name, LinkInput::Tick)
    }

    fn nexts(&self) -> Vec<Next<'_>> {
        let mut nexts: Vec<Next<'_>> = self
            .plans
            .iter()
            .filter(|(_, plan)| !plan.is_empty())
            .map(|(name, _)| Next::Act(name))
            .collect();
        for n in 0..self.frames.len() {
            nexts.push(Next::Deliver(n));
            if self.luck.lost > 0 {
                nexts.push(Next::Lose(n));
            }
            if self.luck.twice > 0 {
                nexts.push(Next::Repeat(n));
            }
        }
        if self.luck.ticks > 0 {
            nexts.push(Next::Tick);
        }
        nexts
    }

    fn go(&self, now: Instant, next: Next<'_>) -> Result<Self, String> {
        let mut state = self.clone();
        match next {
            Next::Deliver(n) => {
                let frame = state.frames.remove(n);
                state.deliver(now, frame)?;
            }
            Next::Lose(n) => {
                state.luck.lost -= 1;
                state.frames.remove(n);
            }
            Next::Repeat(n) => {
                state.luck.twice -= 1;
                let frame = state.frames[n].clone();
                state.deliver(now, frame)?;
            }
            Next::Act(name) => state.act(now, name)?,
            Next::Tick => {
                state.luck.ticks -= 1;
                state.tick(now)?;
            }
        }
        Ok(state)
    }

    /// Two states in which the same can happen have the same digest. The order of frames is none: they come in any.
    fn digest(&self) -> u64 {
        let mut frames: Vec<String> = self.frames.iter().map(|frame| format!("{frame:?}")).collect();
        frames.sort_unstable();
        let mut hasher = DefaultHasher::new();
        frames.hash(&mut hasher);
        for host in self.hosts.values() {
            host.links.digest().hash(&mut hasher);
            format!("{:?} {:?}", host.told, host.asks).hash(&mut hasher);
        }
        let delivered: Vec<usize> = self.said.iter().map(|said| said.delivered).collect();
        format!("{:?} {:?} {delivered:?} {}", self.plans, self.luck, self.sessions).hash(&mut hasher);
        hasher.finish()
    }

    /// From here on nothing goes wrong any more.
    fn heal(mut self, now: Instant) -> Checked {
        for _ in 0..60 {
            while !self.frames.is_empty() {
                let frame = self.frames.remove(0);
                self.deliver(now, frame)?;
            }
            self.tick(now)?;
        }
        while !self.frames.is_empty() {
            let frame = self.frames.remove(0);
            self.deliver(now, frame)?;
        }
        agree(&self.hosts, true)
    }
}

/// Goes through all states. Gives back how many there are, and how many of them were healed.
fn explore(plans: &[(&'static str, &[Act])], luck: Luck) -> Result<(usize, usize), String> {
    let now = Instant::now() + Duration::from_secs(1_000);
    let first = State::new(plans, luck);
    let mut seen = HashSet::from([first.digest()]);
    let (mut frontier, mut healed) = (VecDeque::from([first]), 0);
    while let Some(state) = frontier.pop_front() {
        if state.frames.is_empty() && state.plans.values().all(VecDeque::is_empty) {
            healed += 1;
            state.clone().heal(now)?;
        }
        if seen.len() > STATES_MAX {
            return Err(format!("more than {STATES_MAX} states"));
        }
        for next in state.nexts() {
            let reached = state.go(now, next).map_err(|what| format!("{what} after {next:?}"))?;
            if seen.insert(reached.digest()) {
                frontier.push_back(reached);
            }
        }
    }
    Ok((seen.len(), healed))
}

fn all_states(name: &str, plans: &[(&'static str, &[Act])], lucks: &[Luck]) {
    let mut all = 0;
    for luck in lucks {
        let started = Instant::now();
        let (states, healed) = explore(plans, *luck).unwrap_or_else(|what| panic!("{name}, {luck:?}: {what}"));
        let seconds = started.elapsed().as_secs_f64();
        super::support::show(format_args!(
            "{name}, {luck:?}: {states} states, {healed} of them healed, in {seconds:.1} s"
        ));
        all += states;
    }
    assert!(all > 10_000, "{name}: {all} states are hardly all");
}

const fn luck(lost: u8, twice: u8, ticks: u8) -> Luck {
    Luck { lost, twice, ticks }
}

use Act::{Chat, Close, End, Join, Leave, Open, Restart};

#[test]
fn every_order_of_opening_talking_and_closing_is_right() {
    all_states(
        "open, chat, close",
        &[
            ("a", &[Join("a1"), Open("b"), Chat("b"), Close("b")]),
            ("b", &[Join("b1"), Leave("b1")]),
        ],
        &[luck(1, 0, 0)],
    );
}

#[test]
fn every_order_of_both_asking_is_right() {
    all_states(
        "both ask",
        &[("a", &[Open("b")]), ("b", &[Open("a"), Join("b1")])],
        &[luck(1, 1, 0), luck(1, 0, 1), luck(0, 0, 2)],
    );
}

#[test]
fn every_order_of_a_crash_and_a_return_is_right() {
    all_states(
        "crash and return",
        &[("a", &[Join("a1"), Open("b"), Chat("b")]), ("b", &[Restart, Open("a")])],
        &[luck(0, 1, 0), luck(1, 0, 0), luck(0, 0, 1)],
    );
}

#[test]
fn every_order_of_an_end_while_a_link_is_made_is_right() {
    all_states(
        "end meanwhile",
        &[("a", &[Open("b"), Open("b")]), ("b", &[Open("a"), End])],
        &[luck(1, 1, 1)],
    );
}

#[test]
fn every_order_of_three_rooms_in_a_row_is_right() {
    all_states(
        "three rooms",
        &[
            ("a", &[Open("b")]),
            ("b", &[Join("b1"), Open("c")]),
            ("c", &[Join("c1")]),
        ],
        &[luck(1, 1, 0)],
    );
}
