//! Names, people, chance, and two rooms on a bus that can be told what to lose.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    federation::{Ask, Decision, LinkEvent, LinkInput, LinkLimits, LinkOutput, Links},
    wire::{
        ParticipantId, RoomId,
        link::{LinkBody, LinkChat, LinkFrame, LinkSwitch, Person, Rights, RoomAddress},
        signal::Token,
    },
};

pub(crate) fn person(id: &str) -> Person {
    Person {
        id: ParticipantId::new(id).unwrap(),
        display_name: id.to_uppercase(),
    }
}

pub(crate) fn room(id: &str) -> RoomId {
    RoomId::new(id).unwrap()
}

pub(crate) fn address(id: &str, session: &str) -> RoomAddress {
    RoomAddress {
        room: room(id),
        session: Arc::from(session),
    }
}

/// What [`Bench::open`] tells both rooms.
pub(crate) fn by_payload(by: &str) -> crate::wire::Json {
    serde_json::from_str(&format!("\"by {by}\"")).unwrap()
}

pub(crate) fn chat(from: Person, text: &str) -> LinkChat {
    LinkChat {
        message: text.to_owned(),
        from,
        text: text.to_owned(),
        timestamp_ms: 1,
    }
}

pub(crate) fn switch(participant: &str, to: &str) -> LinkSwitch {
    LinkSwitch {
        participant: ParticipantId::new(participant).unwrap(),
        by: person("asker"),
        room: room(to),
        token: Token("secret".to_owned()),
        payload: None,
    }
}

/// SplitMix64: one seed, one story.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides.max(1) as u64) as usize
    }

    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }
}

/// Some rooms, each accepting whoever asks unless told otherwise, on a bus that delivers at once and in order.
pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) rooms: Vec<(RoomAddress, Links)>,
    pub(crate) decision: Decision,
    /// What happens to a frame: it comes, unless this says no.
    pub(crate) pass: Box<dyn FnMut(&LinkFrame) -> bool>,
    pub(crate) bus: VecDeque<LinkFrame>,
    /// Everything that was sent, lost or not.
    pub(crate) sent: Vec<LinkFrame>,
    pub(crate) events: Vec<(String, LinkEvent)>,
    asks: u64,
}

impl Bench {
    pub(crate) fn new(names: &[&str]) -> Self {
        Self::with_limits(names, &LinkLimits::default())
    }

    pub(crate) fn with_limits(names: &[&str], limits: &LinkLimits) -> Self {
        let rooms = names.iter().map(|name| {
            let own = address(name, &format!("{name}-1"));
            (own.clone(), Links::new(own, limits.clone()))
        });
        Self {
            now: Instant::now(),
            rooms: rooms.collect(),
            decision: Decision::Accept { rights: Rights::ALL },
            pass: Box::new(|_| true),
            bus: VecDeque::new(),
            sent: Vec::new(),
            events: Vec::new(),
            asks: 0,
        }
    }

    pub(crate) fn links(&mut self, name: &str) -> &mut Links {
        let found = self.rooms.iter_mut().find(|(own, _)| own.room.as_str() == name);
        &mut found.unwrap().1
    }

    /// Something happens in a room, and all that follows from it at this time.
    pub(crate) fn put(&mut self, name: &str, input: LinkInput) {
        let now = self.now;
        self.links(name).handle(now, input);
        self.drain(name);
        self.settle();
    }

    fn drain(&mut self, name: &str) {
        let now = self.now;
        while let Some(output) = self.links(name).poll_output() {
            match output {
                LinkOutput::Send { frame, .. } => {
                    self.sent.push((*frame).clone());
                    if (self.pass)(&frame) {
                        self.bus.push_back(*frame);
                    }
                }
                LinkOutput::Event(event) => {
                    let reply = |room: &RoomId, question| LinkInput::Reply {
                        room: room.clone(),
                        question,
                        result: Ok(()),
                    };
                    let answer = match &event {
                        LinkEvent::Requested { request, .. } => Some(LinkInput::Decide {
                            request: *request,
                            decision: self.decision,
                        }),
                        LinkEvent::Chat { room, question, .. }
                        | LinkEvent::Switch { room, question, .. }
                        | LinkEvent::End { room, question, .. } => Some(reply(room, *question)),
                        _ => None,
                    };
                    self.events.push((name.to_owned(), event));
                    if let Some(answer) = answer {
                        self.links(name).handle(now, answer);
                    }
                }
            }
        }
    }

    fn settle(&mut self) {
        while let Some(frame) = self.bus.pop_front() {
            let name = frame.to.as_str().to_owned();
            if self.rooms.iter().any(|(own, _)| own.room == frame.to) {
                let now = self.now;
                self.links(&name).handle(now, LinkInput::Frame { frame });
                self.drain(&name);
            }
        }
    }

    /// Lets time pass, with everything it brings.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let next = self
                .rooms
                .iter()
                .filter_map(|(own, links)| Some((links.poll_timeout()?, own.room.as_str().to_owned())));
            match next.min() {
                Some((at, name)) if at <= until => {
                    self.now = self.now.max(at);
                    self.put(&name, LinkInput::Tick);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    pub(crate) fn open(&mut self, from: &str, to: &str) -> Ask {
        self.open_with(from, to, Rights::ALL, Duration::ZERO)
    }

    pub(crate) fn open_with(&mut self, from: &str, to: &str, rights: Rights, wait: Duration) -> Ask {
        let ask = self.next_ask();
        self.put(
            from,
            LinkInput::Open {
                ask,
                room: room(to),
                payload: Some(by_payload(from)),
                by: person("opener"),
                wait,
                rights,
            },
        );
        ask
    }

    pub(crate) fn chat(&mut self, from: &str, to: &str, text: &str) -> Ask {
        let ask = self.next_ask();
        let chat = chat(person("ann"), text);
        self.put(
            from,
            LinkInput::Chat {
                ask,
                room: room(to),
                chat,
            },
        );
        ask
    }

    pub(crate) fn next_ask(&mut self) -> Ask {
        self.asks += 1;
        Ask(self.asks)
    }

    /// What a room was told since last asked.
    pub(crate) fn told(&mut self, name: &str) -> Vec<LinkEvent> {
        let (told, rest) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|(to, _)| to == name);
        self.events = rest;
        let told: Vec<(String, LinkEvent)> = told;
        told.into_iter().map(|(_, event)| event).collect()
    }

    pub(crate) fn join(&mut self, name: &str, who: &str) {
        self.put(name, LinkInput::Joined { person: person(who) });
    }

    pub(crate) fn leave(&mut self, name: &str, who: &str) {
        let participant = ParticipantId::new(who).unwrap();
        self.put(name, LinkInput::Left { participant });
    }

    /// Who is seen of a linked room; `None` without a link.
    pub(crate) fn seen(&mut self, name: &str, other: &str) -> Option<Vec<String>> {
        let links = self.links(name);
        let view = links.views().find(|view| view.room.as_str() == other)?;
        Some(view.participants().map(|person| person.display_name.clone()).collect())
    }

    /// Kinds of the frames sent since last asked, `a>data` and the like.
    pub(crate) fn kinds(&mut self) -> Vec<String> {
        let kind = |frame: LinkFrame| format!("{}>{}", frame.from.room, kind(&frame.body));
        std::mem::take(&mut self.sent).into_iter().map(kind).collect()
    }
}

pub(crate) fn kind(body: &LinkBody) -> &'static str {
    match body {
        LinkBody::Request { .. } => "request",
        LinkBody::Pending => "pending",
        LinkBody::Accept { .. } => "accept",
        LinkBody::Refuse { .. } => "refuse",
        LinkBody::Data { .. } => "data",
        LinkBody::Ack { .. } => "ack",
        LinkBody::Close { .. } => "close",
    }
}

/// Prints a line that is seen though the test passes: how much was tried is part of what it says.
pub(crate) fn show(line: std::fmt::Arguments<'_>) {
    use std::io::Write;
    // Where standard error is closed nobody wants to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}
