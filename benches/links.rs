//! What a link between two rooms costs, in memory: a chat message across it, a person who joins a room with many, and the
//! heap that it keeps. `cargo bench --bench links`.

// A counting allocator is the only way to see the heap, and implementing one is unsafe by nature.
#![allow(
    unsafe_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops when it cannot go on"
)]

mod heap;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enfilade::federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links};
use enfilade::wire::link::{LinkChat, LinkFrame, Person, Rights, RoomAddress, decode, encode};
use enfilade::wire::{ParticipantId, RoomId};

/// Rounds are repeated this often, and the median is printed.
const REPEATS: usize = 15;
const CHATS: u32 = 2_000;
const JOINS: u32 = 500;
const LINKS: usize = 16;
/// People of each room while the heap is counted.
const PEOPLE: usize = 20;

fn room(n: usize) -> RoomId {
    RoomId::new(&format!("room-{n}")).unwrap()
}

fn person(n: usize) -> Person {
    Person {
        id: ParticipantId::new(&format!("participant-{n}")).unwrap(),
        display_name: format!("Participant {n}"),
    }
}

/// Rooms on a bus that delivers at once.
struct Rooms {
    now: Instant,
    links: BTreeMap<RoomId, Links>,
    bus: VecDeque<LinkFrame>,
    frames: u64,
    chats: u64,
    as_text: bool,
}

impl Rooms {
    fn new(count: usize, as_text: bool) -> Self {
        // No rate limits: they are what would be measured.
        let limits = LinkLimits {
            chats_per_second: 1_000_000,
            chats_burst: 1_000_000,
            opens_per_second: 1_000,
            requests_burst: 1_000,
            links: 1_000,
            ..LinkLimits::default()
        };
        let own = |room: RoomId| RoomAddress {
            session: Arc::from(format!("{room}-session-of-thirty-two-digits")),
            room,
        };
        Self {
            now: Instant::now(),
            links: (0..count)
                .map(|n| (room(n), Links::new(own(room(n)), limits.clone())))
                .collect(),
            bus: VecDeque::new(),
            frames: 0,
            chats: 0,
            as_text,
        }
    }

    fn put(&mut self, to: &RoomId, input: LinkInput) {
        self.handle(to, input);
        while let Some(frame) = self.bus.pop_front() {
            let to = frame.to.clone();
            let frame = if self.as_text {
                decode(&encode(&frame)).unwrap()
            } else {
                frame
            };
            self.handle(&to, LinkInput::Frame { frame });
        }
    }

    fn handle(&mut self, to: &RoomId, input: LinkInput) {
        let Some(links) = self.links.get_mut(to) else { return };
        links.handle(self.now, input);
        while let Some(output) = links.poll_output() {
            match output {
                LinkOutput::Send { frame, .. } => {
                    self.frames += 1;
                    self.bus.push_back(*frame);
                }
                LinkOutput::Event(LinkEvent::Requested { request, .. }) => {
                    let decision = Decision::Accept { rights: Rights::ALL };
                    links.handle(self.now, LinkInput::Decide { request, decision });
                }
                LinkOutput::Event(LinkEvent::Chat { room, question, .. }) => {
                    self.chats += 1;
                    let result = Ok(());
                    links.handle(self.now, LinkInput::Reply { room, question, result });
                }
                LinkOutput::Event(_) => {}
            }
        }
    }

    fn open(&mut self, from: usize, to: usize) {
        let open = LinkInput::Open {
            ask: Ask(to as u64),
            room: room(to),
            payload: None,
            by: person(0),
            wait: Duration::ZERO,
            rights: Rights::ALL,
        };
        self.put(&room(from), open);
        self.now += Duration::from_millis(100);
    }

    fn join(&mut self, at: usize, who: usize) {
        self.put(&room(at), LinkInput::Joined { person: person(who) });
        self.now += Duration::from_millis(60);
    }
}

fn median(mut round: impl FnMut() -> f64) -> f64 {
    let mut rounds: Vec<f64> = (0..REPEATS).map(|_| round()).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[REPEATS / 2]
}

/// Nanoseconds of one chat message and its reply.
fn chat(as_text: bool) -> f64 {
    let mut rooms = Rooms::new(2, as_text);
    rooms.open(0, 1);
    let here = room(0);
    let each = median(|| {
        let started = Instant::now();
        for n in 0..CHATS {
            let chat = LinkChat {
                message: format!("m-{n}"),
                from: person(0),
                text: "How is the weather over there?".to_owned(),
                timestamp_ms: 1_700_000_000_000,
            };
            let (ask, room) = (Ask(u64::from(n) + 10), room(1));
            rooms.put(&here, LinkInput::Chat { ask, room, chat });
        }
        started.elapsed().as_nanos() as f64 / f64::from(CHATS)
    });
    assert_eq!(rooms.chats, u64::from(CHATS) * REPEATS as u64);
    each
}

/// Nanoseconds of one person who comes into a room with so many links, all other rooms included.
fn join(links: usize) -> f64 {
    let mut rooms = Rooms::new(1 + links, false);
    for other in 1..=links {
        rooms.open(0, other);
    }
    let mut who = 0;
    median(|| {
        let started = Instant::now();
        for _ in 0..JOINS {
            who += 1;
            rooms.join(0, who);
        }
        started.elapsed().as_nanos() as f64 / f64::from(JOINS)
    })
}

/// Bytes that one side of a link keeps, with so many people on the other.
fn kept_by_a_side(people: usize) -> f64 {
    let mut rooms = Rooms::new(1 + LINKS, false);
    for at in 0..=LINKS {
        for who in 0..people {
            rooms.join(at, who);
        }
    }
    let before = heap::live();
    heap::counted(|| {
        for other in 1..=LINKS {
            rooms.open(0, other);
        }
    });
    let kept = heap::live() - before;
    assert!(
        rooms.links[&room(0)]
            .views()
            .all(|view| view.participants().count() == people)
    );
    kept as f64 / (2 * LINKS) as f64
}

fn main() {
    let (value, text) = (chat(false), chat(true));
    println!(
        "a chat message over a link and its reply: {value:.0} ns as values, {text:.0} ns as JSON ({:.1} times)",
        text / value
    );
    let (none, one, many) = (join(0), join(1), join(LINKS));
    println!(
        "somebody joins: {none:.0} ns without a link, {one:.0} ns with one, {many:.0} ns with {LINKS} ({:.0} ns a link)",
        (many - none) / LINKS as f64
    );
    let (empty, full) = (kept_by_a_side(0), kept_by_a_side(PEOPLE));
    println!(
        "heap of one side of a link: {empty:.0} bytes, and {:.0} for each person over there",
        (full - empty) / PEOPLE as f64
    );
}
