//! Topics: who receives them, and what is kept of them for those who come later.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::roster::MemberKey;
use crate::wire::{ErrorCode, signal::TopicMessage};

/// Topics of a room, by subscription or by kept messages.
const TOPICS_MAX: usize = 100;
/// Messages kept of one topic; the oldest go first.
const KEPT_MAX: usize = 200;
/// Bytes kept in a room, over all topics.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Default)]
struct Topic {
    subscribers: BTreeSet<MemberKey>,
    kept: VecDeque<TopicMessage>,
}

/// The topics of one room. A topic that nobody receives and of which nothing is kept is forgotten.
#[derive(Debug, Default)]
pub(super) struct Topics {
    topics: BTreeMap<String, Topic>,
    kept_bytes: usize,
}

fn bytes(message: &TopicMessage) -> usize {
    message.payload.as_str().len() + message.topic.len() + message.display_name.len() + 64
}

impl Topics {
    /// Begins to receive; what was kept comes back, oldest first.
    pub(super) fn subscribe(&mut self, name: &str, member: MemberKey) -> Result<Vec<TopicMessage>, ErrorCode> {
        if !self.topics.contains_key(name) && self.topics.len() >= TOPICS_MAX {
            return Err(ErrorCode::TooManyTopics);
        }
        let topic = self.topics.entry(name.to_owned()).or_default();
        topic.subscribers.insert(member);
        Ok(topic.kept.iter().cloned().collect())
    }

    /// Ends it; false if there was nothing to end.
    pub(super) fn unsubscribe(&mut self, name: &str, member: MemberKey) -> bool {
        let was = self
            .topics
            .get_mut(name)
            .is_some_and(|topic| topic.subscribers.remove(&member));
        self.forget_unused(name);
        was
    }

    /// Ends all of a member's.
    pub(super) fn leave(&mut self, member: MemberKey) {
        self.topics.retain(|_, topic| {
            topic.subscribers.remove(&member);
            !topic.subscribers.is_empty() || !topic.kept.is_empty()
        });
    }

    fn forget_unused(&mut self, name: &str) {
        if self
            .topics
            .get(name)
            .is_some_and(|topic| topic.subscribers.is_empty() && topic.kept.is_empty())
        {
            self.topics.remove(name);
        }
    }

    /// Who receives a topic, in join order.
    pub(super) fn subscribers(&self, name: &str) -> Vec<MemberKey> {
        self.topics
            .get(name)
            .map(|topic| topic.subscribers.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Keeps a message; the oldest of its topic make place for it.
    pub(super) fn keep(&mut self, message: TopicMessage) -> Result<(), ErrorCode> {
        let (name, size) = (message.topic.clone(), bytes(&message));
        if !self.topics.contains_key(&name) && self.topics.len() >= TOPICS_MAX {
            return Err(ErrorCode::TooManyTopics);
        }
        let topic = self.topics.entry(name.clone()).or_default();
        let own: usize = topic.kept.iter().map(bytes).sum();
        // A topic makes place with what is its own; it never pushes out another's messages.
        if self.kept_bytes - own + size > KEPT_BYTES_MAX {
            self.forget_unused(&name);
            return Err(ErrorCode::TooManyTopics);
        }
        while topic.kept.len() >= KEPT_MAX || self.kept_bytes + size > KEPT_BYTES_MAX {
            let Some(oldest) = topic.kept.pop_front() else { break };
            self.kept_bytes -= bytes(&oldest);
        }
        self.kept_bytes += size;
        topic.kept.push_back(message);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Json, ParticipantId};

    fn message(topic: &str, n: usize, len: usize) -> TopicMessage {
        TopicMessage {
            message: format!("m-{n}"),
            topic: topic.to_owned(),
            participant: ParticipantId::new("ann").unwrap(),
            display_name: "Ann".to_owned(),
            payload: Json::new(&serde_json::Value::String("x".repeat(len))),
            timestamp_ms: 0,
        }
    }

    #[test]
    fn later_subscribers_get_what_was_kept_oldest_first_and_bounded() {
        let mut topics = Topics::default();
        for n in 0..KEPT_MAX + 2 {
            topics.keep(message("POLL", n, 10)).unwrap();
        }
        let kept = topics.subscribe("POLL", MemberKey(1)).unwrap();
        let ids: Vec<String> = (2..KEPT_MAX + 2).map(|n| format!("m-{n}")).collect();
        assert_eq!(
            kept.iter().map(|message| message.message.clone()).collect::<Vec<_>>(),
            ids
        );
        assert_eq!(topics.subscribers("POLL"), [MemberKey(1)]);
        assert!(topics.unsubscribe("POLL", MemberKey(1)));
        assert!(!topics.unsubscribe("POLL", MemberKey(1)));
    }

    #[test]
    fn topics_and_bytes_are_limited() {
        let mut topics = Topics::default();
        for n in 0..TOPICS_MAX {
            topics.subscribe(&n.to_string(), MemberKey(1)).unwrap();
        }
        assert_eq!(topics.subscribe("more", MemberKey(1)), Err(ErrorCode::TooManyTopics));
        topics.leave(MemberKey(1));
        for n in 0..100 {
            topics.keep(message("big", n, 30_000)).unwrap();
            assert!(topics.kept_bytes() <= KEPT_BYTES_MAX);
        }
        assert_eq!(topics.keep(message("other", 0, 30_000)), Err(ErrorCode::TooManyTopics));
        assert_eq!(topics.subscribe("other", MemberKey(1)).unwrap(), []);
    }
}
