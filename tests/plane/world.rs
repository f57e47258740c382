//! The model: a table of leases and one of rooms as NATS keeps them, nodes that renew and look at their own times, and people who come in by
//! any node and come again when theirs is gone. What is decided is decided by `Nodes` and `place`; what nodes hear of each other is
//! a tick late.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use enfilade::cluster::{LEASE, Load, NodeId, NodeInfo, Nodes, PROTOCOL, RENEW, place};
use enfilade::wire::RoomId;

/// Everything within it happens at once, as far as anybody can tell.
const TICK: Duration = Duration::from_millis(10);
/// How often nodes look whose lease is over, and ask for one that nobody answers for (`node/cluster`).
const LOOK_TICKS: u64 = 25;
const ASK_TICKS: u64 = 23;
const RENEW_TICKS: u64 = 100;
/// A room lasts for half an hour, and has so many people.
const ROOM_LASTS: f64 = 1_800.0;
const PEOPLE: u32 = 3;
const SHARDS: u32 = 4;
/// Somebody who lost a node comes to another after so long, and then again.
const COMES_AGAIN_TICKS: (u64, u64) = (20, 150);
/// What a lease is wrapped in: subject, headers, the watch's own.
const WRAPPING_BYTES: usize = 120;
/// Of rooms of a region that is split off, one in so many is wanted from the other side.
const WANTED_ACROSS: usize = 100;

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) rooms: usize,
    pub(crate) regions: usize,
    /// Share of new rooms that are linked with the one before.
    pub(crate) linked: f64,
    /// Whether that is known when they begin.
    pub(crate) hints: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            nodes: 0,
            rooms: 0,
            regions: 1,
            linked: 0.0,
            hints: false,
        }
    }
}

struct Node {
    id: NodeId,
    region: usize,
    phase: u64,
    alive: bool,
    cut: bool,
    /// Whether its lease stands in the table, as it knows.
    leased: bool,
    epoch: u64,
    rooms: u32,
    revision: u64,
    begun: usize,
}

/// Where a room lives, and what the table says of it.
#[derive(Clone, Copy, Debug)]
struct Room {
    entry: (usize, u64),
    /// The node on the other side of a split where it lives as well.
    other: Option<usize>,
    linked: Option<usize>,
}

/// Somebody whose node is gone.
struct Waiting {
    room: usize,
    at: usize,
    due: u64,
}

/// What was counted since the run began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    lasted: Duration,
    into: u64,
    out: u64,
    bytes_out: u64,
    pub(crate) most_into_in_a_tick: u64,
    pub(crate) fullest: f64,
    pub(crate) removals_tried: usize,
    pub(crate) removed_alive: usize,
    pub(crate) last_removed: Option<Duration>,
    pub(crate) most_begun: usize,
    pub(crate) most_begun_on_one: usize,
    pub(crate) last_begun_again: Option<Duration>,
    pub(crate) still_lost: usize,
    pub(crate) begun_twice: usize,
    pub(crate) given_back: usize,
    pub(crate) last_settled: Option<Duration>,
    pub(crate) owners_wrong: usize,
    pub(crate) linked_together: f64,
}

impl Figures {
    pub(crate) fn per_second_into(&self) -> f64 {
        self.into as f64 / self.lasted.as_secs_f64()
    }

    pub(crate) fn per_second_out(&self) -> f64 {
        self.out as f64 / self.lasted.as_secs_f64()
    }

    pub(crate) fn bytes_per_second_out(&self) -> f64 {
        self.bytes_out as f64 / self.lasted.as_secs_f64()
    }
}

pub(crate) struct World {
    plan: Plan,
    start: Instant,
    tick: u64,
    dice: u64,
    nodes: Vec<Node>,
    /// What all nodes that reach NATS see of each other.
    view: Nodes,
    /// The table of leases: epoch and revision.
    table: BTreeMap<usize, (u64, u64)>,
    revision: u64,
    rooms: Vec<Room>,
    waiting: Vec<Waiting>,
    churn: f64,
    begun_now: usize,
    into_now: [u64; 10],
    figures: Figures,
}

impl World {
    pub(crate) fn new(plan: Plan) -> World {
        let mut world = World {
            start: Instant::now(),
            tick: 0,
            dice: 7,
            nodes: Vec::new(),
            view: Nodes::default(),
            table: BTreeMap::new(),
            revision: 0,
            rooms: Vec::new(),
            waiting: Vec::new(),
            churn: 0.0,
            begun_now: 0,
            into_now: [0; 10],
            figures: Figures::default(),
            plan: plan.clone(),
        };
        world.add_nodes(plan.nodes);
        for _ in 0..plan.rooms {
            let owner = world.roll(plan.nodes);
            world.nodes[owner].rooms += 1;
            let entry = (owner, 1);
            world.rooms.push(Room {
                entry,
                other: None,
                linked: None,
            });
        }
        for at in 0..plan.nodes {
            world.renew(at);
        }
        world
    }

    pub(crate) fn add_nodes(&mut self, count: usize) {
        for at in self.nodes.len()..self.nodes.len() + count {
            let phase = self.roll(RENEW_TICKS as usize) as u64;
            self.nodes.push(Node {
                id: NodeId::new(&format!("n{at:05}")).unwrap(),
                region: at % self.plan.regions,
                phase,
                alive: true,
                cut: false,
                leased: true,
                epoch: 1,
                rooms: 0,
                revision: 0,
                begun: 0,
            });
        }
    }

    /// Kills so many, all at once. How many rooms were theirs.
    pub(crate) fn kill(&mut self, count: usize) -> usize {
        (0..count).for_each(|at| self.nodes[at].alive = false);
        let lost: Vec<usize> = (0..self.rooms.len())
            .filter(|room| self.rooms[*room].entry.0 < count)
            .collect();
        for room in &lost {
            for _ in 0..PEOPLE {
                let due = self.tick + COMES_AGAIN_TICKS.0 + self.roll(COMES_AGAIN_TICKS.1 as usize) as u64;
                let at = self.somewhere(0);
                self.waiting.push(Waiting { room: *room, at, due });
            }
        }
        lost.len()
    }

    /// Nodes of this region do not reach NATS any more, and some people of the other want to be in rooms of theirs.
    pub(crate) fn cut_region(&mut self, region: usize) {
        self.nodes
            .iter_mut()
            .filter(|node| node.region == region)
            .for_each(|node| node.cut = true);
        for room in (0..self.rooms.len()).step_by(WANTED_ACROSS) {
            if self.nodes[self.rooms[room].entry.0].cut {
                let due = self.tick + COMES_AGAIN_TICKS.0 + self.roll(COMES_AGAIN_TICKS.1 as usize) as u64;
                let at = self.somewhere(1 - region);
                self.waiting.push(Waiting { room, at, due });
            }
        }
    }

    pub(crate) fn mend(&mut self) {
        self.nodes.iter_mut().for_each(|node| node.cut = false);
    }

    pub(crate) fn run(&mut self, lasts: Duration) -> Figures {
        let begin = self.tick;
        self.figures = Figures::default();
        let ticks = (lasts.as_millis() / TICK.as_millis()) as u64;
        for _ in 0..ticks {
            self.tick += 1;
            self.step(begin);
        }
        let mut figures = std::mem::take(&mut self.figures);
        figures.lasted = lasts;
        let living = || self.nodes.iter().filter(|node| node.alive);
        let sum: u32 = living().map(|node| node.rooms).sum();
        let most = living().map(|node| node.rooms).max().unwrap_or_default();
        figures.fullest = f64::from(most) / (f64::from(sum) / living().count() as f64);
        figures.still_lost = self.rooms.iter().filter(|room| !self.nodes[room.entry.0].alive).count();
        let epoch = |at: usize| self.table.get(&at).map(|(epoch, _)| *epoch);
        let is_wrong = |room: &&Room| room.other.is_some() || epoch(room.entry.0) != Some(room.entry.1);
        figures.owners_wrong = self.rooms.iter().filter(is_wrong).count();
        let linked = self
            .rooms
            .iter()
            .filter_map(|room| Some((room.entry.0, self.rooms[room.linked?].entry.0)));
        let (together, all) = linked.fold((0_u32, 0_u32), |(same, all), (one, other)| {
            (same + u32::from(one == other), all + 1)
        });
        figures.linked_together = f64::from(together) / f64::from(all.max(1_u32));
        figures
    }

    fn step(&mut self, begin: u64) {
        let since = TICK * u32::try_from(self.tick - begin).unwrap();
        let into = self.figures.into;
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            if node.alive && !node.cut && (self.tick + node.phase).is_multiple_of(RENEW_TICKS) && self.renew(at) {
                self.figures.last_settled = Some(since);
            }
        }
        self.give_up(since);
        self.churn += self.plan.rooms as f64 / ROOM_LASTS * TICK.as_secs_f64();
        let mut wants: Vec<(usize, usize)> = Vec::new();
        while self.churn >= 1.0 {
            self.churn -= 1.0;
            wants.push(self.replace_a_room());
        }
        let churned = wants.len();
        self.come_again(&mut wants, since);
        self.begin(&wants, churned, since);
        let slot = (self.tick % 10) as usize;
        self.into_now[slot] = self.figures.into - into;
        self.figures.most_into_in_a_tick = self.figures.most_into_in_a_tick.max(self.into_now.iter().sum());
        if self.tick.is_multiple_of(RENEW_TICKS) {
            self.figures.most_begun = self.figures.most_begun.max(std::mem::take(&mut self.begun_now));
            let most = self.nodes.iter_mut().map(|node| std::mem::take(&mut node.begun)).max();
            self.figures.most_begun_on_one = self.figures.most_begun_on_one.max(most.unwrap_or_default());
        }
    }

    /// As the lease task does it. True: the lease had been removed, and the rooms are claimed again.
    fn renew(&mut self, at: usize) -> bool {
        self.figures.into += 1;
        let kept = self.table.get(&at).copied();
        let node = &mut self.nodes[at];
        let is_first = node.revision == 0;
        if !is_first && kept.is_none_or(|(_, revision)| revision != node.revision) && node.leased {
            // It was given up; the next renewal makes a new one.
            self.figures.into += 1;
            (node.leased, node.epoch) = (false, node.epoch + 1);
            return false;
        }
        self.revision += 1;
        (node.revision, node.leased) = (self.revision, true);
        self.table.insert(at, (node.epoch, self.revision));
        let info = NodeInfo {
            protocol: PROTOCOL,
            version: "0.1.0".to_owned(),
            epoch: node.epoch,
            tag: at as u32,
            region: format!("region-{}", node.region),
            draining: false,
            load: Load {
                rooms: node.rooms,
                transports: node.rooms * PEOPLE,
                shards: SHARDS,
                late: false,
            },
        };
        let bytes = serde_json::to_vec(&info).unwrap().len() + WRAPPING_BYTES;
        let id = node.id.clone();
        self.told(bytes);
        let (now, revision) = (self.now(), self.revision);
        self.view.observe(now, id, Some((info, revision)));
        let anew = !is_first && kept.is_none();
        if anew {
            self.claim_again(at);
        }
        anew
    }

    fn claim_again(&mut self, at: usize) {
        let epoch = self.nodes[at].epoch;
        for room in &mut self.rooms {
            if room.other == Some(at) {
                // Somebody else has it by now: it ends here, and its people go there.
                self.figures.into += 1;
                self.figures.given_back += 1;
                room.other = None;
                self.nodes[at].rooms -= 1;
            } else if room.entry.0 == at {
                self.figures.into += 2;
                room.entry.1 = epoch;
            }
        }
    }

    /// Who looks now removes what is over; what others have removed in the same moment is tried in vain.
    fn give_up(&mut self, since: Duration) {
        let now = self.now();
        let is_over = |node: &Node| self.view.silence(now, &node.id).is_some_and(|silence| silence >= LEASE);
        if !self.nodes.iter().any(is_over) {
            return;
        }
        let mut removed: Vec<usize> = Vec::new();
        for at in 0..self.nodes.len() {
            let node = &self.nodes[at];
            if !node.alive || node.cut || !(self.tick + node.phase).is_multiple_of(LOOK_TICKS) {
                continue;
            }
            let over: Vec<usize> = self
                .view
                .over(self.now(), &node.id)
                .map(|(node, _)| index(node))
                .collect();
            for gone in over {
                self.try_to_remove(gone);
                removed.push(gone);
            }
        }
        self.forget(removed, since);
    }

    fn try_to_remove(&mut self, gone: usize) {
        self.figures.removals_tried += 1;
        let is_gone = self.table.remove(&gone).is_none();
        // In vain: it is read what is there. Otherwise the mark is looked for and swept.
        self.figures.into += if is_gone { 2 } else { 3 };
        let node = &self.nodes[gone];
        self.figures.removed_alive += usize::from(!is_gone && node.alive && !node.cut);
    }

    /// All hear of it at the end of the tick.
    fn forget(&mut self, removed: Vec<usize>, since: Duration) {
        let now = self.now();
        for gone in removed {
            if self.view.observe(now, self.nodes[gone].id.clone(), None).is_some() {
                self.told(WRAPPING_BYTES);
                self.figures.last_removed = Some(since);
            }
        }
    }

    /// A room ends, and another begins: who wants it, and where they come in.
    fn replace_a_room(&mut self) -> (usize, usize) {
        let room = self.roll(self.rooms.len());
        let Room { entry: (owner, _), .. } = self.rooms[room];
        let region = self.nodes[owner].region;
        if self.nodes[owner].alive && self.rooms[room].other.is_none() {
            self.nodes[owner].rooms -= 1;
            self.figures.into += 3;
        }
        let is_linked = (self.roll(1_000) as f64) < self.plan.linked * 1_000.0;
        let partner = self.roll(self.rooms.len());
        self.rooms[room].linked = (is_linked && partner != room).then_some(partner);
        (room, self.somewhere(region))
    }

    /// People whose node is gone ask for it until its lease is removed, some of them having it removed; then their room begins anew.
    fn come_again(&mut self, wants: &mut Vec<(usize, usize)>, since: Duration) {
        let (now, tick) = (self.now(), self.tick);
        let mut removed = Vec::new();
        for mut one in std::mem::take(&mut self.waiting) {
            if one.due > tick {
                self.waiting.push(one);
                continue;
            }
            let (owner, epoch) = self.rooms[one.room].entry;
            let id = &self.nodes[owner].id;
            if self.nodes[owner].alive && !self.nodes[owner].cut {
                // Somebody was quicker: it lives.
                self.figures.into += 1;
                continue;
            }
            match self.view.silence(now, id) {
                None => {
                    debug_assert_ne!(self.table.get(&owner).map(|(epoch, _)| *epoch), Some(epoch));
                    wants.push((one.room, one.at));
                    continue;
                }
                Some(silence) => {
                    // Who has it, and is that node there?
                    self.figures.into += 2;
                    // A node that is only cut off is silent on the bus as well.
                    if silence > RENEW * 2 {
                        self.try_to_remove(owner);
                        removed.push(owner);
                    }
                }
            }
            one.due = tick + ASK_TICKS;
            self.waiting.push(one);
        }
        self.forget(removed, since);
    }

    fn begin(&mut self, wants: &[(usize, usize)], churned: usize, since: Duration) {
        if wants.is_empty() {
            return;
        }
        let list: Vec<_> = self.view.iter().collect();
        let chosen: Vec<usize> = wants
            .iter()
            .map(|(room, here)| {
                let name = RoomId::new(&format!("room-{room}")).unwrap();
                let here = &self.nodes[*here];
                let linked = self.rooms[*room].linked.filter(|_| self.plan.hints);
                let near: Vec<NodeId> = linked
                    .iter()
                    .map(|near| self.nodes[self.rooms[*near].entry.0].id.clone())
                    .collect();
                let region = format!("region-{}", here.region);
                match here.cut {
                    // It serves alone.
                    true => index(&here.id),
                    false => place(&list, &name, &here.id, &region, &near).map_or(index(&here.id), index),
                }
            })
            .collect();
        drop(list);
        for (at, ((room, here), owner)) in wants.iter().zip(chosen).enumerate() {
            let again = at >= churned;
            let before = self.rooms[*room].entry.0;
            let lives = self.nodes[before].alive && !self.nodes[before].cut;
            if again && lives {
                // Two who came at once: the second learns who has it.
                self.figures.into += 3;
                continue;
            }
            // Asked for and claimed: its entry, the lease it names, what it was made with, and the write.
            self.figures.into += 6 + if *here == owner { 0 } else { 4 };
            if again && self.nodes[before].alive {
                self.rooms[*room].other = Some(before);
                self.figures.begun_twice += 1;
            }
            if again {
                self.figures.last_begun_again = Some(since);
            }
            self.rooms[*room].entry = (owner, self.nodes[owner].epoch);
            self.nodes[owner].rooms += 1;
            self.nodes[owner].begun += 1;
            self.begun_now += 1;
            // The others who come to it ask for it.
            self.figures.into += u64::from(PEOPLE - 1);
        }
    }

    fn told(&mut self, bytes: usize) {
        let count = self.view.iter().count() as u64;
        self.figures.out += count;
        self.figures.bytes_out += count * bytes as u64;
    }

    /// A node of this region that takes people.
    fn somewhere(&mut self, region: usize) -> usize {
        loop {
            let at = self.roll(self.nodes.len());
            if self.nodes[at].alive && self.nodes[at].region == region {
                return at;
            }
        }
    }

    fn now(&self) -> Instant {
        self.start + TICK * u32::try_from(self.tick).unwrap()
    }

    /// Below this, each as often.
    fn roll(&mut self, below: usize) -> usize {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice % below as u64) as usize
    }
}

fn index(node: &NodeId) -> usize {
    node.as_str()[1..].parse().unwrap()
}
