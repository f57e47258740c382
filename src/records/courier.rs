//! Decides which webhook goes when. Pure: time and chance are arguments.
//!
//! What belongs to one session and one endpoint is a lane: one after the other, the next only when the one before was taken. Lanes go beside
//! each other, so a room that says much holds up no other. An endpoint that cannot be reached is left alone for a while as a whole, longer each
//! time; one that answers but refuses holds up only the lane it refuses, since what it does not like may be one message.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Requests to one endpoint at a time.
const PARALLEL_MAX: usize = 8;
/// The first pause after a failure; doubled each time.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// A webhook that waits, by its number in the spool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its number: lower ones were made earlier.
    pub id: u64,
    /// Where it goes.
    pub endpoint: Arc<str>,
    /// Of which session it is.
    pub session: Arc<str>,
}

/// What came of sending one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, or is given up: the next of its lane may go.
    Settled,
    /// The endpoint answered that it does not want it.
    Refused,
    /// The endpoint did not answer, or has no time.
    Unreachable,
}

/// Every lane of every endpoint.
#[derive(Debug, Default)]
pub struct Courier {
    endpoints: BTreeMap<Arc<str>, Endpoint>,
    lanes: HashMap<u64, (Arc<str>, Arc<str>)>,
    /// The endpoint that was served last: the others come first next time.
    last: Option<Arc<str>>,
}

#[derive(Debug, Default)]
struct Endpoint {
    lanes: BTreeMap<Arc<str>, Lane>,
    /// Lanes of which something may go now.
    ready: VecDeque<Arc<str>>,
    /// Lanes that were refused, and until when they wait.
    paused: BTreeSet<(Instant, Arc<str>)>,
    in_flight: usize,
    failures: u32,
    /// Nothing goes before.
    until: Option<Instant>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<u64>,
    failures: u32,
    /// Its first is on its way.
    flying: bool,
}

impl Courier {
    /// Something new waits. Numbers of one lane come in order.
    pub fn add(&mut self, waiting: Waiting) {
        let Waiting { id, endpoint, session } = waiting;
        let entry = self.endpoints.entry(Arc::clone(&endpoint)).or_default();
        let lane = entry.lanes.entry(Arc::clone(&session)).or_default();
        if lane.queue.is_empty() {
            entry.ready.push_back(Arc::clone(&session));
        }
        lane.queue.push_back(id);
        self.lanes.insert(id, (endpoint, session));
    }

    /// How many wait, those on their way among them.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How many endpoints could not be reached the last time.
    pub fn failing(&self) -> usize {
        self.endpoints.values().filter(|one| one.failures > 0).count()
    }

    /// At most so many that are to be sent now. Each has to be settled by [`Courier::done`].
    pub fn due(&mut self, now: Instant, most: usize) -> Vec<u64> {
        let mut due = Vec::new();
        let names: Vec<Arc<str>> = match &self.last {
            None => self.endpoints.keys().cloned().collect(),
            Some(last) => {
                let after = self.endpoints.keys().filter(|name| *name > last);
                let before = self.endpoints.keys().filter(|name| *name <= last);
                after.chain(before).cloned().collect()
            }
        };
        for name in names {
            if due.len() >= most {
                break;
            }
            let Some(endpoint) = self.endpoints.get_mut(&name) else {
                continue;
            };
            let before = due.len();
            endpoint.take(now, most, &mut due);
            if due.len() > before {
                self.last = Some(name);
            }
        }
        due
    }

    /// One that was due has come to an end. `chance`, from 0 to 1, spreads what is tried again.
    pub fn done(&mut self, id: u64, outcome: Outcome, now: Instant, chance: f64) {
        let Some((name, session)) = self.lanes.get(&id).cloned() else {
            return;
        };
        let Some(endpoint) = self.endpoints.get_mut(&name) else {
            return;
        };
        endpoint.in_flight = endpoint.in_flight.saturating_sub(1);
        let Some(lane) = endpoint.lanes.get_mut(&session) else {
            return;
        };
        lane.flying = false;
        match outcome {
            Outcome::Settled => {
                lane.queue.pop_front();
                lane.failures = 0;
                endpoint.failures = 0;
                endpoint.until = None;
                self.lanes.remove(&id);
                if lane.queue.is_empty() {
                    endpoint.lanes.remove(&session);
                } else {
                    endpoint.ready.push_back(session);
                }
                if endpoint.lanes.is_empty() {
                    self.endpoints.remove(&name);
                }
            }
            Outcome::Refused => {
                lane.failures += 1;
                endpoint.failures = 0;
                endpoint.until = None;
                endpoint.paused.insert((now + pause(lane.failures, chance), session));
            }
            Outcome::Unreachable => {
                // Those that were on their way at the same time tell nothing new.
                if endpoint.until.is_none_or(|until| until <= now) {
                    endpoint.failures += 1;
                    endpoint.until = Some(now + pause(endpoint.failures, chance));
                }
                endpoint.ready.push_front(session);
            }
        }
    }

    /// It is not kept any more: somebody else needed the place. One that is on its way still has to be settled.
    pub fn forget(&mut self, id: u64) {
        let Some((name, session)) = self.lanes.get(&id) else {
            return;
        };
        let Some(endpoint) = self.endpoints.get_mut(name) else {
            return;
        };
        let Some(lane) = endpoint.lanes.get_mut(session) else {
            return;
        };
        if lane.flying && lane.queue.front() == Some(&id) {
            return;
        }
        lane.queue.retain(|one| *one != id);
        if lane.queue.is_empty() {
            endpoint.lanes.remove(session);
        }
        if endpoint.lanes.is_empty() {
            let name = Arc::clone(name);
            self.endpoints.remove(&name);
        }
        self.lanes.remove(&id);
    }

    /// When to ask again if nothing else happens.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let next = |endpoint: &Endpoint| {
            let ready = (!endpoint.ready.is_empty() && endpoint.in_flight < endpoint.parallel()).then_some(now);
            let paused = endpoint.paused.first().map(|(at, _)| *at);
            let first = ready.into_iter().chain(paused).min()?;
            Some(endpoint.until.map_or(first, |until| until.max(first)))
        };
        self.endpoints.values().filter_map(next).min()
    }
}

impl Endpoint {
    /// One is enough to find out whether it is back.
    const fn parallel(&self) -> usize {
        if self.failures > 0 { 1 } else { PARALLEL_MAX }
    }

    fn take(&mut self, now: Instant, most: usize, due: &mut Vec<u64>) {
        while self.paused.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, session)) = self.paused.pop_first() {
                self.ready.push_back(session);
            }
        }
        if self.until.is_some_and(|until| until > now) {
            return;
        }
        while due.len() < most && self.in_flight < self.parallel() {
            let Some(session) = self.ready.pop_front() else { return };
            // A lane may be named twice after something was forgotten.
            let Some(lane) = self.lanes.get_mut(&session).filter(|lane| !lane.flying) else {
                continue;
            };
            let Some(id) = lane.queue.front() else { continue };
            due.push(*id);
            lane.flying = true;
            self.in_flight += 1;
        }
    }
}

/// Between half and all of the doubled pause.
fn pause(failures: u32, chance: f64) -> Duration {
    let whole = PAUSE_MIN
        .saturating_mul(1 << failures.saturating_sub(1).min(16))
        .min(PAUSE_MAX);
    whole.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [u64; 0] = [];

    fn waiting(id: u64, endpoint: &str, session: &str) -> Waiting {
        Waiting {
            id,
            endpoint: endpoint.into(),
            session: session.into(),
        }
    }

    fn courier(all: &[(u64, &str, &str)]) -> Courier {
        let mut courier = Courier::default();
        for (id, endpoint, session) in all {
            courier.add(waiting(*id, endpoint, session));
        }
        courier
    }

    #[test]
    fn one_session_goes_in_order_and_others_beside_it() {
        let now = Instant::now();
        let mut courier = courier(&[(1, "e", "s"), (2, "e", "s"), (3, "e", "t")]);
        assert_eq!(courier.due(now, 9), [1, 3]);
        assert_eq!(courier.due(now, 9), NONE);
        courier.done(1, Outcome::Settled, now, 0.0);
        assert_eq!(courier.due(now, 9), [2]);
        courier.done(3, Outcome::Settled, now, 0.0);
        courier.done(2, Outcome::Settled, now, 0.0);
        assert!(courier.is_empty() && courier.endpoints.is_empty());
    }

    #[test]
    fn who_cannot_be_reached_is_tried_with_one_and_ever_more_seldom_and_holds_up_nobody() {
        let start = Instant::now();
        let mut courier = courier(&[(1, "dead", "s"), (2, "dead", "t"), (3, "well", "s")]);
        assert_eq!(courier.due(start, 9), [1, 2, 3]);
        for id in [1, 2] {
            courier.done(id, Outcome::Unreachable, start, 1.0);
        }
        courier.done(3, Outcome::Settled, start, 0.0);
        assert_eq!((courier.failing(), courier.due(start, 9)), (1, vec![]));
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..11 {
            let at = courier.next_timeout(now).unwrap();
            pauses.push((at - now).as_secs());
            now = at;
            let [id] = courier.due(now, 9)[..] else {
                panic!("one to find out")
            };
            courier.done(id, Outcome::Unreachable, now, 1.0);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        now = courier.next_timeout(now).unwrap();
        let [id] = courier.due(now, 9)[..] else {
            panic!("one to find out")
        };
        courier.done(id, Outcome::Settled, now, 0.0);
        assert_eq!((courier.failing(), courier.due(now, 9).len()), (0, 1));
    }

    #[test]
    fn what_is_refused_holds_up_its_own_session_alone() {
        let start = Instant::now();
        let mut courier = courier(&[(1, "e", "s"), (2, "e", "s"), (3, "e", "t"), (4, "e", "t")]);
        assert_eq!(courier.due(start, 9), [1, 3]);
        courier.done(1, Outcome::Refused, start, 0.0);
        courier.done(3, Outcome::Settled, start, 0.0);
        assert_eq!(courier.due(start, 9), [4]);
        assert_eq!(courier.next_timeout(start), Some(start + PAUSE_MIN / 2));
        assert_eq!(
            courier.due(start + PAUSE_MIN, 9),
            [1],
            "never the second before the first"
        );
    }

    #[test]
    fn what_is_forgotten_is_not_sent_and_breaks_no_order() {
        let now = Instant::now();
        let mut courier = courier(&[(1, "e", "s"), (2, "e", "s"), (3, "e", "t")]);
        courier.forget(1);
        courier.forget(3);
        courier.add(waiting(4, "e", "t"));
        assert_eq!(courier.due(now, 9), [2, 4]);
        courier.forget(2);
        courier.add(waiting(5, "e", "s"));
        assert_eq!(
            courier.due(now, 9),
            NONE,
            "the second waits for the first, though it is forgotten"
        );
        courier.done(2, Outcome::Settled, now, 0.0);
        assert_eq!((courier.due(now, 9), courier.len()), (vec![5], 2));
    }

    #[test]
    fn no_endpoint_gets_everything_at_once_and_each_has_its_turn() {
        let now = Instant::now();
        let sessions: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
        let all: Vec<(u64, &str, &str)> = (0..20)
            .flat_map(|n| {
                [
                    (n, "a", sessions[n as usize].as_str()),
                    (100 + n, "b", sessions[n as usize].as_str()),
                ]
            })
            .collect();
        let mut courier = courier(&all);
        assert!(courier.due(now, 8).iter().all(|id| *id < 100));
        assert!(courier.due(now, 8).iter().all(|id| *id >= 100));
        assert_eq!(courier.due(now, 8), NONE);
    }
}
