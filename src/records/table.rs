//! The tables, and small things about writing in them.

use redb::{ReadableTable, TableDefinition};
use serde::{Serialize, de::DeserializeOwned};

use super::RecordsError;

/// Rooms made ahead, by id.
pub(super) const ROOMS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("rooms");
/// Sessions, by id.
pub(super) const SESSIONS: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("sessions");
/// Every session by its start.
pub(super) const BY_START: TableDefinition<'static, (u64, &str), ()> = TableDefinition::new("sessions-by-start");
/// The sessions of a room by their start.
pub(super) const BY_ROOM: TableDefinition<'static, (&str, u64, &str), ()> = TableDefinition::new("sessions-by-room");
/// Sessions that go on.
pub(super) const OPEN: TableDefinition<'static, &str, ()> = TableDefinition::new("sessions-open");
/// Stays, by session and number.
pub(super) const STAYS: TableDefinition<'static, (&str, u32), &[u8]> = TableDefinition::new("stays");
/// Links, by session and number.
pub(super) const LINKS: TableDefinition<'static, (&str, u32), &[u8]> = TableDefinition::new("links");
/// Webhooks that wait, oldest first.
pub(super) const SPOOL: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("webhooks");
/// What is not in the archive yet, as it is now: session, kind and number, and which change of it that is.
pub(super) const OUTBOX: TableDefinition<'static, (&str, u8, u32), u64> = TableDefinition::new("to-archive");
/// What was revoked, by name: until when (seconds since 1970), and what.
pub(super) const REVOCATIONS: TableDefinition<'static, &str, (u64, &[u8])> = TableDefinition::new("revocations");
/// Everything there is one of.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");

pub(super) fn get<T: DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    key: &str,
) -> Result<Option<T>, RecordsError> {
    match table.get(key)? {
        Some(value) => Ok(Some(serde_json::from_slice(value.value())?)),
        None => Ok(None),
    }
}

pub(super) fn bytes(value: &impl Serialize) -> Result<Vec<u8>, RecordsError> {
    Ok(serde_json::to_vec(value)?)
}

/// A time for people, in UTC with milliseconds (RFC 3339): days since 1970 by the civil calendar.
pub fn rfc3339(unix_ms: u64) -> String {
    let (seconds, millis) = (unix_ms / 1_000, unix_ms % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Counted from 1 March of the year 0, so that leap days come last; 146 097 days are 400 years.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_399_999), "2000-02-28T23:59:59.999Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(4_107_542_400_000), "2100-03-01T00:00:00.000Z");
    }
}
