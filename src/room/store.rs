//! Small values that everybody in the room shares.

use std::{collections::BTreeMap, time::Instant};

use super::{
    Room,
    rate::Talk,
    requests::{Answer, Refusal, ok},
    roster::MemberKey,
};
use crate::wire::{
    ErrorCode,
    limits::STORE_KEYS_MAX,
    signal::{OkFields, ServerMessage},
};

/// The values of one room session. Sizes of keys and values were checked at the door.
#[derive(Debug, Default)]
pub(super) struct Store {
    values: BTreeMap<String, String>,
}

impl Store {
    /// Sets a value, or takes it out. True if it is otherwise now.
    fn set(&mut self, key: &str, value: Option<&str>) -> Result<bool, ErrorCode> {
        if self.values.get(key).map(String::as_str) == value {
            return Ok(false);
        }
        match value {
            None => drop(self.values.remove(key)),
            Some(value) => {
                if self.values.len() >= STORE_KEYS_MAX && !self.values.contains_key(key) {
                    return Err(ErrorCode::StoreFull);
                }
                self.values.insert(key.to_owned(), value.to_owned());
            }
        }
        Ok(true)
    }
}

impl Room {
    pub(super) fn store_set(&mut self, now: Instant, member: MemberKey, key: String, value: Option<String>) -> Answer {
        self.talk_allowed(member)?;
        self.pace(now, member, Talk::Topic)?;
        let full = |code| Refusal::field(code, "key", "the room keeps all the values it may keep");
        if self.store.set(&key, value.as_deref()).map_err(full)?
            && let Some(participant) = self.roster.id(member)
        {
            let changed = ServerMessage::StoreChanged {
                key,
                value,
                participant,
            };
            self.tell_others(Some(member), &changed);
        }
        Ok(ok())
    }

    pub(super) fn store_get(&mut self, now: Instant, member: MemberKey, key: Option<&str>) -> Answer {
        self.pace(now, member, Talk::Topic)?;
        Ok(ServerMessage::Ok(match key {
            Some(key) => OkFields {
                value: Some(self.store.values.get(key).cloned()),
                ..OkFields::default()
            },
            None => OkFields {
                values: Some(self.store.values.clone()),
                ..OkFields::default()
            },
        }))
    }
}
