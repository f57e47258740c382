//! Two to seven nodes that claim and give back rooms, lose their leases, are cut off and come back, all at the same time, in an order
//! that a seed decides. Whatever happens, a room has one owner that the others believe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::nodes::tests::info;
use super::super::*;
use super::{id, room};

const ROOMS: [&str; 3] = ["x", "y", "z"];

/// A bus that lets others go first, now and then.
#[derive(Clone, Debug)]
struct Slow {
    bus: EmbeddedBus,
    /// A generator of Lehmer's, one for all ends.
    dice: Arc<Mutex<u64>>,
}

impl Slow {
    async fn wait(&self) {
        let times = {
            let mut dice = self.dice.lock().unwrap();
            *dice = dice
                .wrapping_mul(0x5851_f42d_4c95_7f2d)
                .wrapping_add(0x1405_7b7e_f767_814f);
            (*dice >> 33) % 4
        };
        for _ in 0..times {
            tokio::task::yield_now().await;
        }
    }
}

/// Each thing that is done waits before it happens, and before its answer is known.
macro_rules! slowly {
    ($self:ident, $doing:expr) => {
        Box::pin(async move {
            $self.wait().await;
            let done = $doing.await;
            $self.wait().await;
            done
        })
    };
}

impl Bus for Slow {
    fn publish(&self, subject: String, payload: Bytes) -> Doing<'_, Result<(), BusError>> {
        slowly!(self, self.bus.publish(subject, payload))
    }
    fn ask(&self, subject: String, payload: Bytes, patience: Duration) -> Doing<'_, Result<Bytes, BusError>> {
        slowly!(self, self.bus.ask(subject, payload, patience))
    }
    fn listen(&self, subject: String) -> Doing<'_, Result<Deliveries, BusError>> {
        slowly!(self, self.bus.listen(subject))
    }
    fn read(&self, table: Table, key: String) -> Doing<'_, Result<Option<Entry>, BusError>> {
        slowly!(self, self.bus.read(table, key))
    }
    fn write(&self, table: Table, key: String, value: Bytes, after: Option<u64>) -> Doing<'_, Result<u64, WriteError>> {
        slowly!(self, self.bus.write(table, key, value, after))
    }
    fn remove(&self, table: Table, key: String, after: u64) -> Doing<'_, Result<(), WriteError>> {
        slowly!(self, self.bus.remove(table, key, after))
    }
    fn watch(&self, table: Table) -> Doing<'_, Result<Changes, BusError>> {
        slowly!(self, self.bus.watch(table))
    }
}

struct Node {
    directory: Directory,
    bus: Slow,
    epoch: Mutex<u64>,
    /// Rooms that live here, as whoever runs them counts.
    lives: Mutex<BTreeMap<&'static str, usize>>,
}

/// What happens at one node.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Somebody comes in.
    Enter(usize),
    /// Somebody comes in, and goes away before it is known whose the room is.
    Hesitate(usize),
    /// The last one leaves.
    Empty(usize),
    /// The others give this node up.
    GivenUp,
    Cut,
    /// The way is free again, and the lease is looked after.
    Back,
}

impl Node {
    fn new(hub: &Arc<Hub>, name: &str, dice: &Arc<Mutex<u64>>) -> Self {
        let bus = Slow {
            bus: EmbeddedBus::new(Arc::clone(hub)),
            dice: Arc::clone(dice),
        };
        Node {
            directory: Directory::new(Arc::new(bus.clone()), id(name)),
            bus,
            epoch: Mutex::default(),
            lives: Mutex::default(),
        }
    }

    fn key(&self) -> String {
        self.directory.own().as_str().to_owned()
    }

    /// As the lease task does it: a lease that is gone is made anew, under another epoch, and everything is claimed again.
    async fn look_after(&self) {
        self.directory.is_reachable();
        let Ok(lease) = self.bus.bus.read(Table::Nodes, self.key()).await else {
            return;
        };
        if lease.is_none() {
            let epoch = {
                let mut epoch = self.epoch.lock().unwrap();
                *epoch += 1;
                *epoch
            };
            self.directory.set_epoch(epoch);
            let value = Bytes::from(serde_json::to_vec(&info(epoch)).unwrap());
            if self.bus.bus.write(Table::Nodes, self.key(), value, None).await.is_err() {
                return;
            }
        }
        for (room, _) in self.directory.reclaim().await {
            // Its people are told to go; then it ends here.
            let name = ROOMS.into_iter().find(|name| *name == room.as_str()).unwrap();
            let times = self.lives.lock().unwrap().remove(name).unwrap_or_default();
            for _ in 0..times {
                self.directory.release(&room).await;
            }
        }
    }

    async fn act(&self, act: Act) {
        match act {
            Act::Enter(at) => {
                self.directory.is_reachable();
                let lives = |node: &Node| node.lives.lock().unwrap().get(ROOMS[at]).copied().unwrap_or_default();
                if lives(self) > 0 {
                    return;
                }
                if self.directory.claim(&room(ROOMS[at]), true).await == Ok(Claim::Ours) {
                    *self.lives.lock().unwrap().entry(ROOMS[at]).or_default() += 1;
                }
            }
            Act::Hesitate(at) => {
                self.directory.is_reachable();
                let name = room(ROOMS[at]);
                let claim = std::pin::pin!(self.directory.claim(&name, true));
                let first = std::pin::pin!(self.bus.wait());
                if let futures_util::future::Either::Left((Ok(Claim::Ours), _)) =
                    futures_util::future::select(claim, first).await
                {
                    self.directory.release(&name).await;
                }
            }
            Act::Empty(at) => {
                let lived = self.lives.lock().unwrap().remove(ROOMS[at]);
                for _ in 0..lived.unwrap_or_default() {
                    self.directory.release(&room(ROOMS[at])).await;
                }
            }
            Act::GivenUp => {
                if let Ok(Some(lease)) = self.bus.bus.read(Table::Nodes, self.key()).await {
                    let _renewed = self.bus.bus.remove(Table::Nodes, self.key(), lease.revision).await;
                }
            }
            Act::Cut => self.bus.bus.cut(true),
            Act::Back => {
                self.bus.bus.cut(false);
                self.look_after().await;
            }
        }
    }
}

fn acts() -> impl Strategy<Value = Vec<Vec<(usize, Act)>>> {
    let act = prop_oneof![
        6 => (0..ROOMS.len()).prop_map(Act::Enter),
        2 => (0..ROOMS.len()).prop_map(Act::Hesitate),
        3 => (0..ROOMS.len()).prop_map(Act::Empty),
        1 => Just(Act::GivenUp),
        1 => Just(Act::Cut),
        2 => Just(Act::Back),
    ];
    // Some things happen at the same time, then come the next.
    prop::collection::vec(prop::collection::vec((0..7_usize, act), 1..6), 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_room_has_one_owner_that_all_believe(nodes in 2..8_usize, acts in acts(), seed: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(play(nodes, acts, seed))?;
    }
}

async fn play(count: usize, acts: Vec<Vec<(usize, Act)>>, seed: u64) -> Result<(), TestCaseError> {
    let (hub, dice) = (Arc::default(), Arc::new(Mutex::new(seed)));
    let nodes: Vec<Node> = (0..count).map(|at| Node::new(&hub, &format!("n{at}"), &dice)).collect();
    for node in &nodes {
        node.look_after().await;
    }
    for together in acts {
        // One thing at a time happens at one node.
        let mut by_node: BTreeMap<usize, Vec<Act>> = BTreeMap::new();
        for (at, act) in together {
            by_node.entry(at % count).or_default().push(act);
        }
        let doing = by_node.into_iter().map(|(at, acts)| {
            let node = &nodes[at];
            async move {
                for act in acts {
                    node.act(act).await;
                }
            }
        });
        futures_util::future::join_all(doing).await;
    }
    // The storm is over: everybody is back and looks after what is there, twice, as the lease task does every second.
    for node in &nodes {
        node.bus.bus.cut(false);
    }
    for _ in 0..2 {
        futures_util::future::join_all(nodes.iter().map(Node::look_after)).await;
    }
    for name in ROOMS {
        let living: Vec<&Node> = nodes
            .iter()
            .filter(|node| node.lives.lock().unwrap().get(name).is_some_and(|lives| *lives > 0))
            .collect();
        prop_assert!(living.len() <= 1, "{} lives on {} nodes", name, living.len());
        let owner = living.first().map(|node| node.directory.own().clone());
        for node in &nodes {
            node.directory.forget(&room(name));
            let found = node.directory.find(&room(name)).await;
            prop_assert_eq!(&found, &Ok(owner.clone()), "{} at {}", name, node.directory.own());
        }
    }
    Ok(())
}
