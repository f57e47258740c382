//! One-shot tokens that were used: those that somebody is handed with a request to switch rooms, and that must open that
//! room once, for whoever was meant.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::{Grant, LEEWAY, TokenError};

/// Used tokens remembered at the same time. A full memory lets no further one-shot token in: forgetting one would let it in twice.
const SPENT_MAX: usize = 100_000;

/// Issuer and `jti`.
type Name = (String, String);

/// Which one-shot tokens were used, each until it has expired.
#[derive(Debug, Default)]
pub struct Spent {
    used: Mutex<BTreeMap<Name, SystemTime>>,
}

impl Spent {
    /// Uses a token up. One that is not one-shot never is.
    ///
    /// # Errors
    /// [`TokenError::Used`].
    pub fn spend(&self, grant: &Grant, now: SystemTime) -> Result<(), TokenError> {
        let Some(name) = name(grant) else { return Ok(()) };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= SPENT_MAX {
            used.retain(|_, expires_at| expires_at.checked_add(LEEWAY).is_none_or(|end| end > now));
        }
        if used.len() >= SPENT_MAX || used.contains_key(&name) {
            return Err(TokenError::Used);
        }
        used.insert(name, grant.expires_at);
        Ok(())
    }

    /// It opened nothing: the room refused its holder.
    pub fn give_back(&self, grant: &Grant) {
        if let Some(name) = name(grant) {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
        }
    }
}

fn name(grant: &Grant) -> Option<Name> {
    let id = grant.token_id.as_ref().filter(|_| grant.one_shot)?;
    Some((grant.key_id.clone(), id.clone()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::api::token::Permissions;

    fn grant(id: Option<&str>, one_shot: bool) -> Grant {
        Grant {
            key_id: "k".to_owned(),
            room: None,
            participant: None,
            permissions: Permissions::default(),
            may_join: true,
            may_call_rest: true,
            issued_at: None,
            expires_at: UNIX_EPOCH + Duration::from_secs(60),
            token_id: id.map(str::to_owned),
            one_shot,
        }
    }

    #[test]
    fn a_one_shot_token_is_used_once_and_others_as_often_as_one_likes() {
        let spent = Spent::default();
        let once = grant(Some("t1"), true);
        assert_eq!(spent.spend(&once, UNIX_EPOCH), Ok(()));
        assert_eq!(spent.spend(&once, UNIX_EPOCH), Err(TokenError::Used));
        assert_eq!(spent.spend(&grant(Some("t2"), true), UNIX_EPOCH), Ok(()));
        for other in [grant(Some("t1"), false), grant(None, true)] {
            assert_eq!(spent.spend(&other, UNIX_EPOCH), Ok(()));
            assert_eq!(spent.spend(&other, UNIX_EPOCH), Ok(()));
        }
        spent.give_back(&once);
        assert_eq!(spent.spend(&once, UNIX_EPOCH), Ok(()));
    }

    #[test]
    fn a_full_memory_lets_none_in_until_some_have_expired() {
        let spent = Spent::default();
        for n in 0..SPENT_MAX {
            assert_eq!(spent.spend(&grant(Some(&n.to_string()), true), UNIX_EPOCH), Ok(()));
        }
        assert_eq!(
            spent.spend(&grant(Some("more"), true), UNIX_EPOCH),
            Err(TokenError::Used)
        );
        let later = UNIX_EPOCH + Duration::from_secs(91);
        assert_eq!(spent.spend(&grant(Some("more"), true), later), Ok(()));
    }

    #[test]
    fn a_token_that_ends_with_the_clock_can_be_remembered() {
        let spent = Spent::default();
        let forever = Grant {
            expires_at: UNIX_EPOCH + Duration::from_secs(i64::MAX.unsigned_abs()),
            ..grant(Some("forever"), true)
        };
        assert_eq!(spent.spend(&forever, UNIX_EPOCH), Ok(()));
        for n in 1..SPENT_MAX {
            assert_eq!(spent.spend(&grant(Some(&n.to_string()), true), UNIX_EPOCH), Ok(()));
        }
        let later = UNIX_EPOCH + Duration::from_secs(91);
        assert_eq!(spent.spend(&grant(Some("more"), true), later), Ok(()));
        assert_eq!(spent.spend(&forever, later), Err(TokenError::Used));
    }
}
