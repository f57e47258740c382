//! Stories told by a seed: rooms that open and close links, talk, come and go, end, crash and come back, on a bad bus.
//! What should always be true is checked after each step ([`super::host`]), and at the end that everything has healed.

use std::time::{Duration, Instant};

use super::{
    host::{Asked, Checked, Policy, Said, agree, ensure},
    support::{chat, switch},
    world::{Weather, World},
};
use crate::{
    federation::{Decision, LinkInput, LinkLimits},
    wire::{ErrorCode, ParticipantId, RoomId, link::Person},
};

/// Stories in a run of the tests.
const SEEDS: u64 = 10_000;
/// Steps of a story.
const STEPS: usize = 50;

/// Limits so small that all of them are met.
fn small() -> LinkLimits {
    LinkLimits {
        links: 3,
        window: 3,
        queue: 5,
        queue_bytes: 4_000,
        questions: 12,
        page_people: 2,
        chats_burst: 20,
        opens_per_second: 2,
        tombs: 8,
        ..LinkLimits::default()
    }
}

fn story(seed: u64) -> World {
    let mut dice = super::support::Dice(!seed);
    let narrow = LinkLimits {
        window: 2,
        ..LinkLimits::default()
    };
    let limits = [small(), narrow, LinkLimits::default(), LinkLimits::default()][dice.roll(4)].clone();
    let mut world = World::new(seed, 2 + dice.roll(dice_sides(seed)), limits);
    world.weather = Weather {
        loss: [0, 5, 20, 50][dice.roll(4)],
        twice: [0, 10, 50][dice.roll(3)],
        delay: [1, 50, 400, 3_000][dice.roll(4)],
        notices: [0, 50, 100][dice.roll(3)],
    };
    if is_restless(seed) {
        world.weather = Weather {
            loss: 0,
            twice: 50,
            delay: 3_000,
            notices: 0,
        };
    }
    world
}

/// Some stories have rooms that come back at once, while what was meant for the old ones is still on its way.
const fn is_restless(seed: u64) -> bool {
    seed % 4 == 3
}

/// Most stories have few rooms: what goes wrong, goes wrong between two or three.
const fn dice_sides(seed: u64) -> usize {
    match seed % 4 {
        0 => 5,
        3 => 1,
        _ => 2,
    }
}

fn somebody(world: &mut World, name: &RoomId) -> Option<Person> {
    let people: Vec<Person> = world.hosts.get(name)?.people.values().cloned().collect();
    (!people.is_empty()).then(|| people[world.dice.roll(people.len())].clone())
}

fn come_or_go(world: &mut World, name: &RoomId) -> Checked {
    let n = world.dice.roll(5);
    let id = ParticipantId::new(&format!("{name}{n}")).expect("an id");
    let names = ["x", "y"];
    let person = Person {
        id: id.clone(),
        display_name: names[world.dice.roll(2)].to_owned(),
    };
    let leaves = world.dice.percent(40);
    let Some(host) = world.hosts.get_mut(name) else {
        return Ok(());
    };
    if leaves {
        host.people.remove(&id);
        world.put(name, LinkInput::Left { participant: id })
    } else {
        host.people.insert(id, person.clone());
        world.put(name, LinkInput::Joined { person })
    }
}

fn speak(world: &mut World, name: &RoomId, other: RoomId) -> Checked {
    let Some(by) = somebody(world, name) else {
        return Ok(());
    };
    let what = world.dice.roll(12);
    let n = world.said.len();
    let Some(host) = world.hosts.get_mut(name) else {
        return Ok(());
    };
    let input = match what {
        0 => LinkInput::End {
            ask: host.next_ask(Asked::Other),
            room: other,
            by,
        },
        1 => LinkInput::Switch {
            ask: host.next_ask(Asked::Other),
            switch: switch(&format!("{other}0"), name.as_str()),
            room: other,
        },
        _ => {
            world.said.push(Said {
                from: name.clone(),
                session: host.session.clone(),
                to: other.clone(),
                delivered: 0,
            });
            LinkInput::Chat {
                ask: host.next_ask(Asked::Chat(n)),
                room: other,
                chat: chat(by, &n.to_string()),
            }
        }
    };
    world.put(name, input)
}

fn open(world: &mut World, name: &RoomId, other: RoomId) -> Checked {
    let wait = Duration::from_millis([0, 0, 3_000, 60_000][world.dice.roll(4)]);
    let Some(host) = world.hosts.get_mut(name) else {
        return Ok(());
    };
    let input = LinkInput::Open {
        ask: host.next_ask(Asked::Open),
        room: other,
        payload: None,
        by: super::support::person("opener"),
        wait,
        rights: host.given,
    };
    world.put(name, input)
}

fn decide(world: &mut World, name: &RoomId) -> Checked {
    let accept = world.dice.percent(60);
    let Some(host) = world.hosts.get_mut(name) else {
        return Ok(());
    };
    let Some(request) = host.undecided.first().copied() else {
        return Ok(());
    };
    let decision = if accept {
        Decision::Accept { rights: host.given }
    } else {
        Decision::Refuse {
            code: ErrorCode::LinkDenied,
        }
    };
    world.put(name, LinkInput::Decide { request, decision })
}

fn change_rules(world: &mut World, name: &RoomId) -> Checked {
    let policy = [Policy::Auto, Policy::Auto, Policy::Ask, Policy::Deny][world.dice.roll(4)];
    let Some(host) = world.hosts.get_mut(name) else {
        return Ok(());
    };
    host.policy = policy;
    if policy == Policy::Deny {
        return world.put(name, LinkInput::CloseAll);
    }
    Ok(())
}

/// A room that this one has a link with, mostly.
fn linked(world: &mut World, name: &RoomId) -> Option<RoomId> {
    let linked: Vec<RoomId> = world.hosts.get(name)?.told.keys().cloned().collect();
    (!linked.is_empty() && world.dice.percent(90)).then(|| linked[world.dice.roll(linked.len())].clone())
}

fn step(world: &mut World) -> Checked {
    let name = world.names[world.dice.roll(world.names.len())].clone();
    let other = world.names[world.dice.roll(world.names.len())].clone();
    let restless = is_restless(world.seed) && world.dice.percent(60);
    match world.dice.roll(if restless { 36 } else { 100 }) {
        0..8 if restless => {
            world.crash(&name);
            world.start(&name);
            come_or_go(world, &name)?;
        }
        8..20 if restless => open(world, &name, other)?,
        0..25 => come_or_go(world, &name)?,
        25..60 => {
            let other = linked(world, &name).unwrap_or(other);
            for _ in 0..=[0, 1, 4, 12][world.dice.roll(4)] {
                speak(world, &name, other.clone())?;
            }
            if world.dice.percent(30) {
                come_or_go(world, &name)?;
            }
        }
        60..70 => open(world, &name, other)?,
        70..75 => world.put(&name, LinkInput::Close { room: other })?,
        75..80 => decide(world, &name)?,
        80..82 => change_rules(world, &name)?,
        82..84 => world.end(&name)?,
        84..86 => world.crash(&name),
        86..88 => {
            world.crash(&name);
            world.start(&name);
        }
        88..94 if !world.hosts.contains_key(&name) => world.start(&name),
        88..91 => _ = world.cuts.insert((name, other)),
        91..94 => {
            world.cuts.insert((name.clone(), other.clone()));
            world.cuts.insert((other, name));
        }
        _ => world.cuts.clear(),
    }
    let pauses = if restless {
        [0, 100, 300, 600, 1_000, 2_000]
    } else {
        [0, 10, 100, 500, 3_000, 9_000]
    };
    let pause = pauses[world.dice.roll(6)];
    let pause = if world.dice.percent(2) { 36_000 } else { pause };
    world.wait(Duration::from_millis(pause))
}

/// Tells the story of a seed: to replay one that failed, call this with it.
pub(super) fn replay(seed: u64) -> Result<u64, String> {
    let mut world = story(seed);
    for name in world.names.clone() {
        come_or_go(&mut world, &name)?;
        let other = world.names[world.dice.roll(world.names.len())].clone();
        open(&mut world, &name, other)?;
    }
    for _ in 0..STEPS {
        step(&mut world)?;
    }
    world.weather = Weather {
        delay: 20,
        notices: 100,
        ..Weather::default()
    };
    world.cuts.clear();
    // What was on its way in bad weather may still come.
    world.wait(Duration::from_millis(3_000))?;
    world.wait(Duration::from_millis(2_500))?;
    agree(&world.hosts, false)?;
    let patience = world
        .hosts
        .values()
        .next()
        .map_or(Duration::ZERO, |host| host.patience());
    world.wait(patience + Duration::from_secs(5))?;
    agree(&world.hosts, true)?;
    for said in &world.said {
        ensure!(said.delivered <= 1, "{} of {} came again", said.from, said.session);
    }
    Ok(world.handled)
}

#[test]
fn ten_thousand_stories_end_well() {
    let started = Instant::now();
    let mut handled = 0;
    for seed in 0..SEEDS {
        handled += replay(seed).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
    }
    let seconds = started.elapsed().as_secs_f64();
    super::support::show(format_args!(
        "{SEEDS} stories, {handled} steps checked in {seconds:.1} s"
    ));
}
