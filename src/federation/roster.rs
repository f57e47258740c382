//! Who is here, and who is there as far as they told us.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use super::LinkLimits;
use crate::wire::{ParticipantId, link::Person};

/// Everybody of one room, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct People(BTreeMap<ParticipantId, Person>);

/// A part of everybody, and where it ends if it is not the last.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) people: Vec<Person>,
    pub(super) bytes: usize,
    /// The last of this page, when another follows.
    pub(super) continues: Option<ParticipantId>,
}

/// What became different.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) joined: Vec<Person>,
    pub(super) left: Vec<ParticipantId>,
}

/// Bytes of a text as JSON.
pub(super) fn text_bytes(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..=31 => 6,
        _ => 1,
    };
    2 + text.bytes().map(escaped).sum::<usize>()
}

/// Bytes of a person as JSON, with a comma.
pub(super) fn person_bytes(person: &Person) -> usize {
    r#"{"id":,"displayName":},"#.len() + text_bytes(person.id.as_str()) + text_bytes(&person.display_name)
}

impl People {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Person> {
        self.0.values()
    }

    /// False when that is known already.
    pub(super) fn insert(&mut self, person: &Person) -> bool {
        if self.0.get(&person.id) == Some(person) {
            return false;
        }
        self.0.insert(person.id.clone(), person.clone());
        true
    }

    /// False for somebody unknown.
    pub(super) fn remove(&mut self, participant: &ParticipantId) -> bool {
        self.0.remove(participant).is_some()
    }

    /// The people after this one, as many as go into one message.
    pub(super) fn page(&self, after: Option<&ParticipantId>, limits: &LinkLimits) -> Page {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self
            .0
            .range::<ParticipantId, _>((start, Bound::Unbounded))
            .map(|(_, person)| person)
            .peekable();
        let (mut people, mut bytes) = (Vec::new(), 0);
        while let Some(person) = rest.peek() {
            let more = person_bytes(person);
            if !people.is_empty() && (people.len() >= limits.page_people || bytes + more > limits.page_bytes) {
                break;
            }
            bytes += more;
            people.push((*person).clone());
            rest.next();
        }
        let continues = rest.peek().and(people.last()).map(|last| last.id.clone());
        Page {
            people,
            bytes,
            continues,
        }
    }
}

/// The people of the other room, turned from what it says into differences.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    people: People,
    /// Who was on the pages so far, while pages come.
    seen: Option<BTreeSet<ParticipantId>>,
}

impl Mirror {
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    /// A page of everybody. Whoever was on none is gone when the last has come.
    pub(super) fn page(&mut self, participants: Vec<Person>, more: bool) -> Difference {
        let mut seen = self.seen.take().unwrap_or_default();
        seen.extend(participants.iter().map(|person| person.id.clone()));
        let joined = self.add(participants);
        if more {
            self.seen = Some(seen);
            return Difference {
                joined,
                left: Vec::new(),
            };
        }
        let gone = self.people.iter().map(|person| &person.id);
        let gone: Vec<ParticipantId> = gone.filter(|id| !seen.contains(*id)).cloned().collect();
        let left = self.take_out(gone);
        Difference { joined, left }
    }

    /// Who came and who went.
    pub(super) fn change(&mut self, joined: Vec<Person>, left: Vec<ParticipantId>) -> Difference {
        let left = self.take_out(left);
        let joined = self.add(joined);
        Difference { joined, left }
    }

    fn add(&mut self, people: Vec<Person>) -> Vec<Person> {
        people.into_iter().filter(|person| self.people.insert(person)).collect()
    }

    fn take_out(&mut self, people: Vec<ParticipantId>) -> Vec<ParticipantId> {
        // So that nobody is remembered longer than as one of the people, who are limited.
        if let Some(seen) = &mut self.seen {
            people.iter().for_each(|id| _ = seen.remove(id));
        }
        people.into_iter().filter(|id| self.people.remove(id)).collect()
    }
}

impl Difference {
    pub(super) const fn is_empty(&self) -> bool {
        self.joined.is_empty() && self.left.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::tests::support::person;

    fn id(text: &str) -> ParticipantId {
        ParticipantId::new(text).unwrap()
    }

    #[test]
    fn bytes_are_those_of_the_written_json() {
        for name in ["Ann", "Zoë \"Z\" \\", "tab\there\u{1}\u{7f}\u{8}"] {
            let person = Person {
                id: id("ann"),
                display_name: name.to_owned(),
            };
            let written = serde_json::to_string(&person).unwrap();
            assert_eq!(person_bytes(&person), written.len() + 1, "{written}");
        }
    }

    #[test]
    fn pages_hold_so_many_people_or_bytes_and_together_everybody() {
        let limits = LinkLimits {
            page_people: 3,
            page_bytes: 200,
            ..LinkLimits::default()
        };
        let mut people = People::default();
        for n in 0..10 {
            let name = "x".repeat(if n < 5 { 1 } else { 100 });
            people.insert(&Person {
                id: id(&format!("p{n}")),
                display_name: name,
            });
        }
        let (mut after, mut sizes) = (None, Vec::new());
        loop {
            let page = people.page(after.as_ref(), &limits);
            sizes.push(page.people.len());
            after = page.continues;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(sizes, [3, 3, 1, 1, 1, 1]);
        assert_eq!(people.page(Some(&id("p9")), &limits).people, []);
    }

    #[test]
    fn nobody_comes_twice_or_goes_unknown_and_a_new_name_is_told() {
        let mut mirror = Mirror::default();
        let first = mirror.page(vec![person("ann"), person("bob")], false);
        assert_eq!(first.joined, [person("ann"), person("bob")]);
        assert!(mirror.change(vec![person("ann")], vec![id("eve")]).is_empty());
        let renamed = Person {
            id: id("ann"),
            display_name: "Anna".to_owned(),
        };
        assert_eq!(mirror.change(vec![renamed.clone()], vec![]).joined, [renamed]);
        assert_eq!(mirror.change(vec![], vec![id("bob"), id("bob")]).left, [id("bob")]);
    }

    #[test]
    fn whoever_goes_between_pages_is_forgotten() {
        let mut mirror = Mirror::default();
        for n in 0..100 {
            let name = format!("p{n}");
            mirror.page(vec![person(&name)], true);
            mirror.change(vec![], vec![id(&name)]);
        }
        assert_eq!(
            (mirror.people().len(), mirror.seen.as_ref().map(BTreeSet::len)),
            (0, Some(0))
        );
        mirror.page(vec![person("ann")], true);
        assert_eq!(mirror.page(vec![person("bob")], false).left, []);
        assert_eq!(mirror.people().len(), 2);
    }

    #[test]
    fn whoever_is_on_no_page_is_gone_after_the_last() {
        let mut mirror = Mirror::default();
        mirror.page(vec![person("ann"), person("bob"), person("cem")], false);
        assert!(mirror.page(vec![person("ann")], true).is_empty());
        let last = mirror.page(vec![person("dan")], false);
        assert_eq!(
            (last.joined, last.left),
            (vec![person("dan")], vec![id("bob"), id("cem")])
        );
        assert_eq!(mirror.people().len(), 2);
    }
}
