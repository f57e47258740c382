//! Our stream to the other room: what waits for a place, and what is on its way and not yet acknowledged.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use super::{
    Ask, LinkLimits,
    fault::Fault,
    pace::Repeat,
    roster::{People, person_bytes, text_bytes},
};
use crate::wire::{
    ParticipantId,
    link::{LinkMessage, Person},
};

/// Bytes of a message besides its texts, generously.
const MESSAGE_BYTES: usize = 256;

#[derive(Clone, Debug)]
enum Item {
    /// Everybody, as of when it is sent; `after`: the pages up to this one are sent.
    Snapshot { after: Option<ParticipantId> },
    /// Who came and who went, the last of each.
    Roster(BTreeMap<ParticipantId, Option<Person>>),
    /// Anything else. `ask`: who waits for its reply.
    Message { ask: Option<Ask>, message: LinkMessage },
}

#[derive(Clone, Debug)]
struct Queued {
    item: Item,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct Sent {
    seq: u64,
    message: LinkMessage,
    bytes: usize,
}

/// A message that has just been numbered.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) seq: u64,
    pub(super) message: LinkMessage,
    pub(super) ask: Option<Ask>,
}

/// Never was anything sent with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NeverSent;

#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// Number of the last message that was sent.
    last: u64,
    flight: VecDeque<Sent>,
    flight_bytes: usize,
    queue: VecDeque<Queued>,
    queue_bytes: usize,
    resend: Option<Repeat>,
    /// When the other side last took something, or the first of what is on the way went out.
    moved_at: Option<Instant>,
    /// Not before this the next message about who came and went.
    roster_at: Option<Instant>,
}

impl Outbox {
    /// Everybody, again or for the first time.
    pub(super) fn push_snapshot(&mut self) {
        self.push(Item::Snapshot { after: None }, 0);
    }

    /// Somebody came (or has a new name) or went.
    pub(super) fn push_change(&mut self, id: &ParticipantId, person: Option<&Person>, limits: &LinkLimits) {
        let bytes = change_bytes(id, person);
        match self.queue.back_mut() {
            // It will say so itself.
            Some(Queued {
                item: Item::Snapshot { after: None },
                ..
            }) => {}
            Some(Queued {
                item: Item::Roster(changes),
                bytes: sum,
            }) if changes.len() < limits.page_people && *sum + bytes <= limits.page_bytes => {
                let before = changes.insert(id.clone(), person.cloned());
                let freed = before.map_or(0, |before| change_bytes(id, before.as_ref()));
                *sum = *sum + bytes - freed;
                self.queue_bytes = self.queue_bytes + bytes - freed;
            }
            Some(_) | None => {
                let changes = BTreeMap::from([(id.clone(), person.cloned())]);
                self.push(Item::Roster(changes), bytes);
                if Fault::RosterFirst.is_planted() {
                    self.queue.rotate_right(1);
                }
            }
        }
    }

    /// Anything else.
    pub(super) fn push_message(&mut self, ask: Option<Ask>, message: LinkMessage) {
        let bytes = message_bytes(&message);
        self.push(Item::Message { ask, message }, bytes);
    }

    fn push(&mut self, item: Item, bytes: usize) {
        self.queue_bytes += bytes;
        self.queue.push_back(Queued { item, bytes });
    }

    /// Takes a question back that has no number yet. False if it is not there.
    pub(super) fn withdraw(&mut self, ask: Ask) -> bool {
        let Some(at) = self.queue.iter().position(|queued| queued.ask() == Some(ask)) else {
            return false;
        };
        self.queue_bytes -= self.queue.remove(at).map_or(0, |queued| queued.bytes);
        true
    }

    /// Does more wait than may?
    pub(super) fn is_over(&self, limits: &LinkLimits) -> bool {
        self.queue.len() > limits.queue || self.queue_bytes > limits.queue_bytes
    }

    /// Makes room: one snapshot for all changes of the roster, then the oldest chat messages go, and a gap tells of them.
    /// Returns whose messages went.
    pub(super) fn shrink(&mut self, limits: &LinkLimits) -> Vec<Ask> {
        let mut lost = Vec::new();
        if !self.is_over(limits) {
            return lost;
        }
        let waiting = self.queue.len();
        self.queue
            .retain(|queued| !matches!(queued.item, Item::Roster(_) | Item::Snapshot { after: None }));
        let resync = self.queue.len() < waiting;
        while self.queue.len() + usize::from(resync) > limits.queue || self.bytes_waiting() > limits.queue_bytes {
            let Some(oldest) = self.queue.iter().position(Queued::is_chat) else {
                break;
            };
            lost.extend(self.drop_chat(oldest));
        }
        if resync {
            self.push_snapshot();
        }
        self.queue_bytes = self.bytes_waiting();
        lost
    }

    fn bytes_waiting(&self) -> usize {
        self.queue.iter().map(|queued| queued.bytes).sum()
    }

    fn drop_chat(&mut self, at: usize) -> Option<Ask> {
        let gap = self.queue.iter_mut().find_map(Queued::gap);
        let counted = gap.map(|lost| *lost = lost.saturating_add(1)).is_some();
        if counted {
            return self.queue.remove(at)?.ask();
        }
        let gap = Queued {
            item: Item::Message {
                ask: None,
                message: LinkMessage::Gap { lost: 1 },
            },
            bytes: MESSAGE_BYTES,
        };
        std::mem::replace(self.queue.get_mut(at)?, gap).ask()
    }

    /// The next message, numbered, if there is a place on the way.
    pub(super) fn next(&mut self, now: Instant, people: &People, limits: &LinkLimits) -> Option<Numbered> {
        if self.is_window_full(limits) || self.waits_until(limits).is_some_and(|at| at > now) {
            return None;
        }
        let (message, bytes, ask) = match &mut self.queue.front_mut()?.item {
            Item::Snapshot { after } => {
                let page = people.page(after.as_ref(), limits);
                let more = page.continues.is_some();
                if more {
                    *after = page.continues;
                } else {
                    self.queue.pop_front();
                }
                let participants = page.people;
                (LinkMessage::Snapshot { participants, more }, page.bytes, None)
            }
            Item::Roster(_) | Item::Message { .. } => {
                let Queued { item, bytes } = self.queue.pop_front()?;
                self.queue_bytes -= bytes;
                match item {
                    Item::Message { ask, message } => (message, bytes, ask),
                    Item::Roster(changes) => {
                        self.roster_at = Some(now + limits.roster_pause);
                        (roster(changes), bytes, None)
                    }
                    Item::Snapshot { .. } => return None,
                }
            }
        };
        self.last += 1;
        if self.flight.is_empty() {
            self.moved_at = Some(now);
            self.resend = Some(Repeat::new(now, limits.resend_first, limits.resend_max));
        }
        self.flight_bytes += bytes;
        self.flight.push_back(Sent {
            seq: self.last,
            message: message.clone(),
            bytes,
        });
        Some(Numbered {
            seq: self.last,
            message,
            ask,
        })
    }

    fn is_window_full(&self, limits: &LinkLimits) -> bool {
        self.flight.len() >= limits.window || self.flight_bytes >= limits.window_bytes
    }

    /// Who came and went waits a little for more of its kind, but nothing waits behind it.
    fn waits_until(&self, limits: &LinkLimits) -> Option<Instant> {
        let alone = self.queue.len() == 1 && matches!(self.queue[0].item, Item::Roster(_));
        self.roster_at.filter(|_| alone && !self.is_window_full(limits))
    }

    /// The other side has everything up to here. True if that is news.
    pub(super) fn acknowledge(&mut self, now: Instant, ack: u64, limits: &LinkLimits) -> Result<bool, NeverSent> {
        if ack > self.last {
            return Err(NeverSent);
        }
        let before = self.flight.len();
        while self.flight.front().is_some_and(|sent| sent.seq <= ack) {
            self.flight_bytes -= self.flight.pop_front().map_or(0, |sent| sent.bytes);
        }
        let news = self.flight.len() < before;
        if news {
            self.moved_at = Some(now);
            self.resend = (!self.flight.is_empty()).then(|| Repeat::new(now, limits.resend_first, limits.resend_max));
        }
        Ok(news)
    }

    /// Everything that is on the way, if it is time to send it again.
    pub(super) fn resend(&mut self, now: Instant) -> Vec<(u64, LinkMessage)> {
        if !self.resend.as_mut().is_some_and(|resend| resend.is_due(now)) || Fault::NoResend.is_planted() {
            return Vec::new();
        }
        self.flight
            .iter()
            .map(|sent| (sent.seq, sent.message.clone()))
            .collect()
    }

    /// Has the other side taken nothing for so long, while something was on the way?
    pub(super) fn is_stuck(&self, now: Instant, limit: Duration) -> bool {
        !self.flight.is_empty() && self.moved_at.is_some_and(|at| now >= at + limit)
    }

    /// When something has to be done.
    pub(super) fn timeout(&self, limits: &LinkLimits) -> Option<Instant> {
        let stuck = self
            .moved_at
            .filter(|_| !self.flight.is_empty())
            .map(|at| at + limits.dead);
        let resend = self.resend.map(|resend| resend.next);
        [stuck, resend, self.waits_until(limits)].into_iter().flatten().min()
    }

    /// Everybody who waits for a message that has no number yet.
    pub(super) fn asks(&self) -> impl Iterator<Item = Ask> {
        self.queue.iter().filter_map(Queued::ask)
    }

    /// Messages that wait, and messages on the way.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.queue.len(), self.flight.len())
    }
}

impl Queued {
    const fn ask(&self) -> Option<Ask> {
        match self.item {
            Item::Message { ask, .. } => ask,
            Item::Snapshot { .. } | Item::Roster(_) => None,
        }
    }

    const fn is_chat(&self) -> bool {
        matches!(
            self.item,
            Item::Message {
                message: LinkMessage::Chat(_),
                ..
            }
        )
    }

    const fn gap(&mut self) -> Option<&mut u32> {
        match &mut self.item {
            Item::Message {
                message: LinkMessage::Gap { lost },
                ..
            } => Some(lost),
            Item::Message { .. } | Item::Snapshot { .. } | Item::Roster(_) => None,
        }
    }
}

fn roster(changes: BTreeMap<ParticipantId, Option<Person>>) -> LinkMessage {
    let (mut joined, mut left) = (Vec::new(), Vec::new());
    for (id, person) in changes {
        match person {
            Some(person) => joined.push(person),
            None => left.push(id),
        }
    }
    LinkMessage::Roster { joined, left }
}

fn change_bytes(id: &ParticipantId, person: Option<&Person>) -> usize {
    person.map_or_else(|| text_bytes(id.as_str()) + 1, person_bytes)
}

fn message_bytes(message: &LinkMessage) -> usize {
    let texts = match message {
        LinkMessage::Chat(chat) => text_bytes(&chat.text) + text_bytes(&chat.message) + person_bytes(&chat.from),
        LinkMessage::Switch(switch) => {
            let payload = switch.payload.as_ref().map_or(0, |json| json.as_str().len());
            text_bytes(&switch.token.0) + payload + person_bytes(&switch.by)
        }
        LinkMessage::End { by } => person_bytes(by),
        LinkMessage::Snapshot { participants, .. } => participants.iter().map(person_bytes).sum(),
        LinkMessage::Roster { joined, .. } => joined.iter().map(person_bytes).sum(),
        LinkMessage::Gap { .. } | LinkMessage::Reply { .. } => 0,
    };
    MESSAGE_BYTES + texts
}

#[cfg(test)]
impl Outbox {
    /// Moves everything back in time: for comparing states that differ in nothing else.
    pub(super) fn shift(&mut self, now: Instant, back: Duration) {
        if let Some(resend) = &mut self.resend {
            resend.shift(back);
        }
        self.moved_at = self.moved_at.filter(|_| !self.flight.is_empty()).map(|at| at - back);
        self.roster_at = self.roster_at.filter(|at| *at > now).map(|at| at - back);
    }
}
