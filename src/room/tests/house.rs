//! Several rooms of one node, and the way between them.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    canned::canned,
    client::Client,
    support::{World, code, config},
};
use crate::{
    room::{Grant, Input, LinksConfig, RoomConfig},
    wire::{
        ErrorCode, RoomId,
        signal::{LinkPolicy, ServerMessage},
    },
};

pub(super) const LINKER: Grant = Grant {
    link: true,
    ..Grant::JOIN
};

pub(super) fn with_policy(policy: LinkPolicy) -> RoomConfig {
    let links = LinksConfig {
        policy,
        ..config().links
    };
    RoomConfig { links, ..config() }
}

/// Rooms of one node.
#[derive(Default)]
pub(super) struct House {
    rooms: BTreeMap<RoomId, World>,
    made: u32,
}

impl House {
    pub(super) fn of(names: &[&str]) -> Self {
        names
            .iter()
            .fold(Self::default(), |house, name| house.with(name, config()))
    }

    pub(super) fn with(mut self, name: &str, config: RoomConfig) -> Self {
        self.made += 1;
        let mut world = World::named(name, self.made, config, canned);
        if let Some(first) = self.rooms.values().next() {
            (world.now, world.start) = (first.now, first.start);
        }
        self.rooms.insert(RoomId::new(name).unwrap(), world);
        self
    }

    /// A room is gone without a word, and others are told that its node is.
    pub(super) fn node_lost(&mut self, name: &str) {
        let room = RoomId::new(name).unwrap();
        self.rooms.remove(&room);
        for world in self.rooms.values_mut() {
            world.input(Input::LinkUnreachable {
                room: room.clone(),
                session: None,
                code: ErrorCode::NodeLost,
            });
        }
        self.settle();
    }

    pub(super) fn room(&mut self, name: &str) -> &mut World {
        self.rooms.get_mut(&RoomId::new(name).unwrap()).unwrap()
    }

    pub(super) fn join(&mut self, room: &str, name: &str, grant: Grant) -> usize {
        let client = self.room(room).join_with(name, grant, 0, |join| {
            join.display_name = Some(name.to_uppercase());
        });
        self.settle();
        client
    }

    /// Carries everything that is on its way between rooms.
    pub(super) fn settle(&mut self) {
        while let Some((from, to, frame)) = self.rooms.iter_mut().find_map(|(from, world)| {
            let (to, frame) = world.to_rooms.pop_front()?;
            Some((from.clone(), to, frame))
        }) {
            match self.rooms.get_mut(&to).filter(|world| world.empty == 0) {
                Some(world) => world.input(Input::Link { frame }),
                None => self.room(from.as_str()).input(Input::LinkUnreachable {
                    room: to,
                    session: None,
                    code: ErrorCode::RoomNotFound,
                }),
            }
        }
        let clients = self.rooms.values_mut().flat_map(|world| &mut world.clients);
        clients.for_each(Client::read_all);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let step = Duration::from_millis(100);
        for _ in 0..time.as_millis().div_ceil(step.as_millis()) {
            self.rooms.values_mut().for_each(|world| world.pass(step));
            self.settle();
        }
    }

    /// Asks, carries what comes of it, and returns the answer, if there is one yet.
    pub(super) fn ask(&mut self, room: &str, client: usize, mut fields: Value) -> Option<ServerMessage> {
        let world = self.room(room);
        let request = world.clients[client].next_request;
        world.clients[client].next_request += 1;
        world.clients[client].asked.insert(request);
        fields["id"] = request.into();
        let message = crate::wire::signal::decode(&fields.to_string());
        let socket = world.clients[client].socket.unwrap();
        world.input(Input::Message { socket, message });
        self.settle();
        self.room(room).clients[client].answers.get(&request).cloned()
    }

    pub(super) fn link(&mut self, from: &str, client: usize, to: &str) {
        let answer = self.ask(from, client, json!({"type":"link.open","room":to,"payload":"hello"}));
        assert!(matches!(answer, Some(ServerMessage::Ok(_))), "{answer:?}");
    }

    pub(super) fn log(&self, room: &str, client: usize) -> &[ServerMessage] {
        &self.rooms[&RoomId::new(room).unwrap()].clients[client].log
    }

    /// What somebody was told of links, as JSON without `type`.
    pub(super) fn told(&self, room: &str, client: usize, kind: &str) -> Vec<Value> {
        let values = self
            .log(room, client)
            .iter()
            .map(|message| serde_json::to_value(message).unwrap());
        values
            .filter(|value| value["type"] == kind)
            .map(|mut value| {
                value.as_object_mut().unwrap().remove("type");
                value
            })
            .collect()
    }
}

pub(super) fn refused(answer: Option<ServerMessage>) -> ErrorCode {
    code(&answer.expect("an answer")).expect("an error")
}

pub(super) fn linked() -> (House, usize, usize) {
    let mut house = House::of(&["a", "b"]);
    let ann = house.join("a", "ann", LINKER);
    let bob = house.join("b", "bob", LINKER);
    house.link("a", ann, "b");
    (house, ann, bob)
}
