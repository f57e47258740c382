//! What a node knows of itself and of all others together: rooms made ahead, rooms that live, sessions that are kept.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::cluster::tell_settings;
use super::records::RecordsClosed;
use super::{EditError, Node, unix_ms};
use crate::cluster::{NodeId, Question};
use crate::records::{Edit, Edited, LinkRecord, RoomRecord, SessionRecord, StayRecord, Store};
use crate::wire::RoomId;
use crate::wire::signal::Presence;

/// Stays that another node is asked for at once.
const STAYS_AT_ONCE: usize = 1_000;
/// So many sessions of many nodes are passed over to get to a page.
const SKIP_MAX: usize = 2_000;
/// Sessions of a page whose stays are looked up at the same time.
const LOOKS_AT_ONCE: usize = 8;

/// Which node keeps something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// This one.
    Here,
    /// Another.
    There(NodeId),
}

/// Rooms that live, by name.
#[derive(Debug, Default, PartialEq)]
pub struct LivingRooms {
    /// What they show, and who has them; `None`: this node, which is alone.
    pub rooms: Vec<(Option<NodeId>, Presence)>,
    /// There are more, after this one.
    pub next: Option<RoomId>,
    /// Nodes that did not answer: what they have is missing.
    pub silent: Vec<NodeId>,
}

/// Sessions that are kept, the newest first.
#[derive(Debug, Default, PartialEq)]
pub struct Sessions {
    /// These, each with some who were there.
    pub items: Vec<(SessionRecord, Vec<StayRecord>)>,
    /// Of so many.
    pub total: u64,
    /// There are more, older than this one.
    pub next: Option<(u64, String)>,
    /// Nodes that did not answer: what they have is missing.
    pub silent: Vec<NodeId>,
}

/// What was found of a session.
#[derive(Debug, PartialEq)]
pub enum Found {
    /// It is kept there.
    At(Home, Box<SessionRecord>),
    /// Nobody has it.
    Nowhere,
    /// Nobody who answered has it, and these did not.
    Unsure(Vec<NodeId>),
}

/// A part of a list, and whether more of it follows.
struct Part<N, T> {
    of: N,
    items: Vec<T>,
    more: bool,
}

impl Node {
    /// A room that was made ahead, and whether anybody has been in it.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn made_room(&self, room: &RoomId) -> Result<Option<(RoomRecord, bool)>, RecordsClosed> {
        if let Some(cluster) = self.cluster() {
            cluster.freshen(self.records(), room).await;
        }
        let id = room.clone();
        self.records().read(move |store| store.room(id.as_str())).await
    }

    /// Makes a room ahead, or changes one: on all nodes. A living room of this node is told.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn edit_room(&self, edit: Edit) -> Result<Edited, EditError> {
        let edited = match self.cluster() {
            Some(cluster) => cluster.edit(self.records(), edit).await?,
            None => self.records().edit(edit).await?,
        };
        if let Edited::Kept(record) = &edited {
            match self.cluster() {
                Some(cluster) => cluster.tell_settings(&self.inner, &record.room).await,
                None => tell_settings(&self.inner, &record.room).await,
            }
        }
        Ok(edited)
    }

    /// The rooms of all nodes after this one, by name: at most so many.
    pub async fn living(&self, after: Option<&RoomId>, most: usize) -> LivingRooms {
        let here = self.rooms(after, most);
        let more = here.len() >= most;
        let own = self.cluster().map(|cluster| cluster.own().clone());
        let mut parts = vec![Part {
            of: own,
            items: here,
            more,
        }];
        let mut silent = Vec::new();
        if let Some(cluster) = self.cluster() {
            let question = Question::Living {
                after: after.cloned(),
                most: u32::try_from(most).unwrap_or(u32::MAX),
            };
            let (others, missing) = cluster.ask_all::<Presence>(&question).await;
            parts.extend(others.into_iter().map(|part| Part {
                more: part.more || part.items.len() >= most,
                of: Some(part.node),
                items: part.items,
            }));
            silent = missing;
        }
        LivingRooms {
            silent,
            ..merge_living(parts, most)
        }
    }

    /// Behind how many sessions a list may begin; `None`: behind any number.
    pub fn skip_max(&self) -> Option<usize> {
        (self.cluster().is_some() && !self.records().is_archived()).then_some(SKIP_MAX)
    }

    /// Sessions that are kept by all nodes, of a room or all, older than this one: so many after so many, each with at most so many of
    /// its stays. PostgreSQL, where it is configured, has those of all nodes; otherwise each is asked.
    ///
    /// # Errors
    /// When those of this node, or of PostgreSQL, cannot be read.
    pub async fn sessions(
        &self,
        room: Option<&RoomId>,
        before: Option<(u64, String)>,
        skip: usize,
        take: usize,
        stays_most: usize,
    ) -> Result<Sessions, RecordsClosed> {
        let older = before.as_ref().map(|(start, id)| (*start, id.as_str()));
        // One more, so that it is known whether there are more.
        let archived = self
            .records()
            .archived(room, older, skip, take.saturating_add(1), stays_most);
        if let Some(page) = archived.await? {
            let (mut items, total) = (page.items, page.total);
            let more = items.len() > take;
            items.truncate(take);
            let next = items.last().filter(|_| more).map(|(last, _)| place(last));
            let silent = Vec::new();
            return Ok(Sessions {
                items,
                total,
                next,
                silent,
            });
        }
        let (parts, total, silent) = self.session_parts(room, before, skip.saturating_add(take)).await?;
        let merged = merge_sessions(parts, skip, take);
        let with_stays = stream::iter(merged.items).map(|(home, session)| async move {
            let stays = self.stays(&home, &session.session, stays_most, true).await?;
            Ok::<_, RecordsClosed>((session, stays))
        });
        Ok(Sessions {
            items: with_stays.buffered(LOOKS_AT_ONCE).try_collect().await?,
            total,
            next: merged.next,
            silent,
        })
    }

    /// Of each node at least so many of the newest sessions, how many there are of all, and who did not answer.
    async fn session_parts(
        &self,
        room: Option<&RoomId>,
        before: Option<(u64, String)>,
        most: usize,
    ) -> Result<(Vec<Part<Home, SessionRecord>>, u64, Vec<NodeId>), RecordsClosed> {
        let most = most.saturating_add(1);
        let (of, from) = (room.cloned(), before.clone());
        let here = self.records().read(move |store: &Store| {
            let before = from.as_ref().map(|(start, id)| (*start, id.as_str()));
            store.sessions_before(of.as_ref().map(RoomId::as_str), before, most)
        });
        let question = Question::Sessions {
            room: room.cloned(),
            before,
            most: u32::try_from(most).unwrap_or(u32::MAX),
        };
        let others = async {
            match self.cluster() {
                Some(cluster) => cluster.ask_all::<SessionRecord>(&question).await,
                None => (Vec::new(), Vec::new()),
            }
        };
        let (here, (others, silent)) = tokio::join!(here, others);
        let here = here?;
        let total = here.total + others.iter().map(|part| part.total).sum::<u64>();
        let own = Part {
            of: Home::Here,
            items: here.items,
            more: false,
        };
        let others = others.into_iter().map(|part| Part {
            of: Home::There(part.node),
            items: part.items,
            more: part.more,
        });
        Ok((std::iter::once(own).chain(others).collect(), total, silent))
    }

    /// Looks for a session here, then on all other nodes.
    ///
    /// # Errors
    /// When those of this node cannot be read.
    pub async fn session(&self, session: &str) -> Result<Found, RecordsClosed> {
        if let Some(found) = self.records().session(session.to_owned()).await? {
            return Ok(Found::At(Home::Here, Box::new(found)));
        }
        let Some(cluster) = self.cluster().filter(|_| !self.records().is_archived()) else {
            return Ok(Found::Nowhere);
        };
        let question = Question::Session {
            session: session.to_owned(),
        };
        let (parts, silent) = cluster.ask_all::<SessionRecord>(&question).await;
        let found = parts
            .into_iter()
            .find_map(|mut part| Some((part.node, part.items.pop()?)));
        Ok(match found {
            Some((node, found)) => Found::At(Home::There(node), Box::new(found)),
            None if silent.is_empty() => Found::Nowhere,
            None => Found::Unsure(silent),
        })
    }

    /// Who was in a session, in the order in which they came; at most so many stays. `bare`: only who and when.
    ///
    /// # Errors
    /// When whoever keeps them does not give them.
    pub async fn stays(
        &self,
        home: &Home,
        session: &str,
        most: usize,
        bare: bool,
    ) -> Result<Vec<StayRecord>, RecordsClosed> {
        let id = session.to_owned();
        let (Home::There(node), Some(cluster)) = (home, self.cluster()) else {
            return self.records().stays(id, most).await;
        };
        let mut stays: Vec<StayRecord> = Vec::new();
        while stays.len() < most {
            let at_once = STAYS_AT_ONCE.min(most - stays.len());
            let question = Question::Stays {
                session: id.clone(),
                from: u32::try_from(stays.len()).unwrap_or(u32::MAX),
                most: u32::try_from(at_once).unwrap_or(u32::MAX),
                bare,
            };
            let part = cluster
                .ask_for::<StayRecord>(node, question)
                .await
                .ok_or(RecordsClosed)?;
            let is_last = !part.more && part.items.len() < at_once || part.items.is_empty();
            stays.extend(part.items);
            if is_last {
                break;
            }
        }
        Ok(stays)
    }

    /// The links of a session, in the order in which they opened.
    ///
    /// # Errors
    /// When whoever keeps them does not give them.
    pub async fn past_links(&self, home: &Home, session: &str) -> Result<Vec<LinkRecord>, RecordsClosed> {
        let session = session.to_owned();
        match (home, self.cluster()) {
            (Home::There(node), Some(cluster)) => {
                let part = cluster.ask_for(node, Question::Links { session }).await;
                Ok(part.ok_or(RecordsClosed)?.items)
            }
            (Home::Here | Home::There(_), _) => self.records().links(session).await,
        }
    }

    /// Whether nobody is let into a room that was made ahead.
    pub fn is_disabled(record: &RoomRecord, was_used: bool) -> bool {
        record.is_disabled(unix_ms(), was_used)
    }
}

/// What is behind the end of a part that goes on is not known, so nothing behind it is shown. A room that is just moving from one node to
/// another is shown once, where more people are.
fn merge_living(parts: Vec<Part<Option<NodeId>, Presence>>, most: usize) -> LivingRooms {
    let ends = parts
        .iter()
        .filter(|part| part.more)
        .filter_map(|part| part.items.last());
    let end = ends.map(|last| last.room.clone()).min();
    let mut rooms: BTreeMap<RoomId, (Option<NodeId>, Presence)> = BTreeMap::new();
    for Part { of, items, .. } in parts {
        for presence in items {
            if end.as_ref().is_some_and(|end| presence.room > *end) {
                continue;
            }
            let known = rooms.get(&presence.room);
            if known.is_none_or(|(_, known)| known.participants < presence.participants) {
                rooms.insert(presence.room.clone(), (of.clone(), presence));
            }
        }
    }
    let more = end.is_some() || rooms.len() > most;
    let rooms: Vec<_> = rooms.into_values().take(most).collect();
    LivingRooms {
        next: rooms.last().filter(|_| more).map(|(_, last)| last.room.clone()),
        rooms,
        silent: Vec::new(),
    }
}

/// A page of sessions, and after which one there are more.
struct SessionPage {
    items: Vec<(Home, SessionRecord)>,
    next: Option<(u64, String)>,
}

/// By which sessions are in order.
fn place(session: &SessionRecord) -> (u64, String) {
    (session.start_ms, session.session.clone())
}

/// The same, newest first, of which so many are passed over.
fn merge_sessions(parts: Vec<Part<Home, SessionRecord>>, skip: usize, take: usize) -> SessionPage {
    let ends = parts
        .iter()
        .filter(|part| part.more)
        .filter_map(|part| part.items.last());
    let end = ends.map(place).max();
    let mut items: Vec<(Home, SessionRecord)> = Vec::new();
    for Part { of, items: some, .. } in parts {
        let known = some
            .into_iter()
            .filter(|session| end.as_ref().is_none_or(|end| place(session) >= *end));
        items.extend(known.map(|session| (of.clone(), session)));
    }
    items.sort_by_cached_key(|(_, session)| Reverse(place(session)));
    let more = end.is_some() || items.len() > skip.saturating_add(take);
    let items: Vec<_> = items.into_iter().skip(skip).take(take).collect();
    SessionPage {
        next: items.last().filter(|_| more).map(|(_, last)| place(last)),
        items,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(room: &str, participants: u32) -> Presence {
        Presence {
            exists: true,
            participants,
            ..Presence::nobody(RoomId::new(room).unwrap(), 9)
        }
    }

    fn part(node: &str, rooms: &[&str], more: bool) -> Part<Option<NodeId>, Presence> {
        Part {
            of: NodeId::new(node),
            items: rooms.iter().map(|room| shown(room, 1)).collect(),
            more,
        }
    }

    fn names(living: &LivingRooms) -> Vec<&str> {
        living
            .rooms
            .iter()
            .map(|(_, presence)| presence.room.as_str())
            .collect()
    }

    #[test]
    fn rooms_of_many_nodes_are_one_list_and_a_page_ends_where_a_node_has_more_to_tell() {
        let living = merge_living(
            vec![part("x", &["a", "c", "e"], false), part("y", &["b", "d"], false)],
            9,
        );
        assert_eq!((names(&living), &living.next), (vec!["a", "b", "c", "d", "e"], &None));
        let living = merge_living(
            vec![part("x", &["a", "c", "e"], false), part("y", &["b", "d"], true)],
            9,
        );
        assert_eq!(names(&living), ["a", "b", "c", "d"], "y may have one before e");
        assert_eq!(living.next, RoomId::new("d").ok());
        let living = merge_living(
            vec![part("x", &["a", "c", "e"], false), part("y", &["b", "d"], true)],
            2,
        );
        assert_eq!((names(&living), &living.next), (vec!["a", "b"], &RoomId::new("b").ok()));
    }

    #[test]
    fn a_room_that_two_nodes_show_is_listed_where_more_people_are() {
        let mut moved = part("y", &[], false);
        moved.items.push(shown("a", 5));
        let living = merge_living(vec![part("x", &["a"], false), moved], 9);
        assert_eq!(living.rooms, [(NodeId::new("y"), shown("a", 5))]);
    }

    fn session(start_ms: u64, id: &str) -> SessionRecord {
        SessionRecord {
            session: id.to_owned(),
            room: RoomId::new("r").unwrap(),
            start_ms,
            end_ms: None,
            reason: None,
            webhooks: 0,
            stays: 0,
            stays_lost: 0,
            links: 0,
        }
    }

    #[test]
    fn sessions_of_many_nodes_are_one_list_whose_pages_have_each_session_once() {
        let all = [(9, "i"), (8, "b"), (8, "a"), (5, "z"), (1, "c")];
        let mut seen: Vec<String> = Vec::new();
        let mut before: Option<(u64, String)> = None;
        loop {
            // Two nodes, of which each tells one more than a page, and one is cut short.
            let is_older = |start: u64, id: &str| before.as_ref().is_none_or(|before| (start, id.to_owned()) < *before);
            let of = |turn: usize| {
                let mine = all.iter().enumerate().filter(move |(at, _)| at % 2 == turn);
                mine.map(|(_, (start, id))| (*start, *id))
                    .filter(|(start, id)| is_older(*start, id))
            };
            let here: Vec<SessionRecord> = of(0).take(3).map(|(start, id)| session(start, id)).collect();
            let there: Vec<SessionRecord> = of(1).take(1).map(|(start, id)| session(start, id)).collect();
            let more = of(1).count() > 1;
            let parts = vec![
                Part {
                    of: Home::Here,
                    items: here,
                    more: false,
                },
                Part {
                    of: Home::There(NodeId::new("x").unwrap()),
                    items: there,
                    more,
                },
            ];
            let page = merge_sessions(parts, 0, 2);
            seen.extend(page.items.iter().map(|(_, session)| session.session.clone()));
            match page.next {
                Some(next) => before = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, ["i", "b", "a", "z", "c"]);
    }
}
