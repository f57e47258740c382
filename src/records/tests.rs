//! What is kept, and for how long.

use std::time::Duration;

use super::{Edit, Edited, EndWord, RecordsConfig, RoomRecord, RoomSettings, Store, WebhooksConfig};
use crate::room::{EndReason, Happening, RoomEvent, Sample};
use crate::wire::signal::{LeaveReason, Mode, SourceKind};
use crate::wire::{ParticipantId, PublicationId, RoomId};

fn store(max_waiting: usize, max_sessions: usize, endpoints: &[&str]) -> Store {
    let records = RecordsConfig {
        directory: None,
        retention: Duration::from_secs(60),
        max_sessions,
        max_rooms: 2,
        postgres: None,
    };
    let webhooks = WebhooksConfig {
        endpoints: endpoints.iter().map(|url| (*url).to_owned()).collect(),
        secret: None,
        signing_key: None,
        allow_private: true,
        max_waiting,
        retry_for: Duration::from_secs(60),
        timeout: Duration::from_secs(1),
    };
    Store::open(records, webhooks).unwrap()
}

fn event(session: &str, at_ms: u64, what: Happening) -> RoomEvent {
    RoomEvent {
        room: RoomId::new("r").unwrap(),
        session: session.into(),
        sequence: 0,
        at_ms,
        what,
    }
}

fn joined(stay: u32) -> Happening {
    Happening::Joined {
        stay,
        participant: ParticipantId::new(&format!("p{stay}")).unwrap(),
        display_name: "Name".to_owned(),
        mode: Mode::SendAndReceive,
    }
}

fn left(stay: u32) -> Happening {
    Happening::Left {
        stay,
        participant: ParticipantId::new(&format!("p{stay}")).unwrap(),
        display_name: "Name".to_owned(),
        reason: LeaveReason::Left,
    }
}

const END: Happening = Happening::SessionEnded {
    reason: EndReason::Empty,
};

fn write(store: &Store, now_ms: u64, events: Vec<RoomEvent>) -> super::Applied {
    let mut batch = store.write(now_ms).unwrap();
    for event in &events {
        batch.event(event).unwrap();
    }
    batch.commit().unwrap()
}

fn kinds(store: &Store) -> Vec<String> {
    let waiting = store.waiting().unwrap();
    let letters = waiting.iter().map(|one| store.letter(one.id).unwrap().unwrap());
    let kind = |letter: super::Letter| {
        let body: serde_json::Value = serde_json::from_str(&letter.body).unwrap();
        format!("{} {}", body["sequence"], body["webhookType"].as_str().unwrap())
    };
    letters.map(kind).collect()
}

#[test]
fn a_session_that_a_dead_process_left_open_ends_with_everybody_in_it() {
    let store = store(100, 100, &["http://e/"]);
    let published = Happening::Published {
        stay: 1,
        publication: PublicationId(1),
        source: SourceKind::Camera,
    };
    let events = [Happening::SessionStarted, joined(1), joined(2), published, left(2)];
    write(&store, 9_000, events.map(|what| event("s", 5_000, what)).into());
    let mut batch = store.write(99_000).unwrap();
    assert_eq!(batch.end_all(EndWord::NodeLost).unwrap(), 1);
    batch.commit().unwrap();
    let session = store.session("s").unwrap().unwrap();
    assert_eq!((session.end_ms, session.reason), (Some(9_000), Some(EndWord::NodeLost)));
    let stays = store.stays("s", 9).unwrap();
    assert_eq!(
        (stays[0].end_ms, stays[0].media[0].end_ms, stays[0].reason),
        (Some(9_000), Some(9_000), None)
    );
    let told = [
        "1 session-started",
        "2 participant-joined",
        "3 participant-joined",
        "4 participant-left",
        "5 participant-left",
        "6 session-ended",
    ];
    assert_eq!(kinds(&store), told);
}

#[test]
fn what_lost_its_beginning_is_not_told() {
    let store = store(100, 100, &["http://e/"]);
    write(
        &store,
        1,
        vec![event("s", 1, joined(1)), event("s", 1, left(1)), event("s", 1, END)],
    );
    assert!(store.session("s").unwrap().is_none() && kinds(&store).is_empty());
    write(
        &store,
        1,
        vec![event("s", 1, Happening::SessionStarted), event("s", 1, left(1))],
    );
    assert_eq!(kinds(&store), ["1 session-started"]);
}

#[test]
fn the_oldest_webhooks_make_room_and_are_named() {
    let store = store(3, 100, &["http://e/"]);
    let events = [Happening::SessionStarted, joined(1), left(1), END];
    let applied = write(&store, 1, events.map(|what| event("s", 1, what)).into());
    assert_eq!((applied.queued.len(), applied.crowded_out), (4, vec![1]));
    assert_eq!(
        kinds(&store),
        ["2 participant-joined", "3 participant-left", "4 session-ended"]
    );
    let mut batch = store.write(1).unwrap();
    batch.settled(2).unwrap();
    batch.commit().unwrap();
    assert_eq!(store.waiting().unwrap().len(), 2);
}

#[test]
fn sessions_are_forgotten_after_their_time_and_when_there_are_too_many() {
    let store = store(100, 3, &[]);
    for (number, name) in ["a", "b", "c"].iter().enumerate() {
        let at = number as u64 * 1_000;
        let events = [Happening::SessionStarted, joined(1), left(1), END];
        write(&store, at, events.map(|what| event(name, at, what)).into());
    }
    write(&store, 50_000, vec![event("open", 50_000, Happening::SessionStarted)]);
    let ids = |store: &Store| {
        let page = store.sessions_before(Some("r"), None, 9).unwrap();
        assert_eq!(page.total as usize, page.items.len());
        page.items.into_iter().map(|one| one.session).collect::<Vec<_>>()
    };
    assert_eq!(
        ids(&store),
        ["open", "c", "b"],
        "the fourth took the place of the first"
    );
    let mut batch = store.write(61_500).unwrap();
    assert!(!batch.forget_old().unwrap());
    batch.commit().unwrap();
    assert_eq!(ids(&store), ["open", "c"]);
    assert!(store.stays("b", 9).unwrap().is_empty() && store.stays("c", 9).unwrap().len() == 1);
    let mut batch = store.write(u64::MAX).unwrap();
    batch.forget_old().unwrap();
    batch.commit().unwrap();
    assert_eq!(ids(&store), ["open"], "what goes on is not forgotten");
}

#[test]
fn a_long_stay_is_kept_in_less_detail() {
    let store = store(100, 3, &[]);
    write(
        &store,
        0,
        vec![event("s", 0, Happening::SessionStarted), event("s", 0, joined(1))],
    );
    for at in 1..=1_000 {
        let sample = Sample {
            stay: 1,
            loss_up: 0.5,
            loss_down: 0.0,
            round_trip: Some(Duration::from_millis(at % 7)),
            score: if at == 3 { 1 } else { 5 },
        };
        let samples = vec![sample];
        write(&store, at, vec![event("s", at, Happening::Measured { samples })]);
    }
    let samples = &store.stays("s", 1).unwrap()[0].samples;
    assert!((60..=120).contains(&samples.len()));
    assert_eq!((samples[0].score, samples.last().unwrap().at_ms), (1, 1_000));
    assert!(samples.iter().all(|sample| sample.loss_up == 0.5) && samples.is_sorted_by_key(|sample| sample.at_ms));
}

#[test]
fn a_room_is_made_once_changed_by_who_saw_it_and_not_without_end() {
    let store = store(100, 3, &[]);
    let record = |room: &str| RoomRecord {
        room: RoomId::new(room).unwrap(),
        custom: true,
        created_ms: 0,
        updated_ms: 0,
        version: 0,
        disabled: false,
        deactivated: false,
        used: false,
        settings: RoomSettings::default(),
    };
    let edit = |room: &str, before, disabled| {
        let mut batch = store.write(7).unwrap();
        let record = RoomRecord {
            disabled,
            ..record(room)
        };
        let edited = batch.edit(Edit { record, before }).unwrap();
        batch.commit().unwrap();
        edited
    };
    assert!(matches!(edit("a", None, false), Edited::Kept(record) if (record.version, record.created_ms) == (1, 7)));
    assert!(matches!(edit("a", None, true), Edited::Other(record) if !record.disabled));
    assert!(matches!(edit("a", Some(1), true), Edited::Kept(record) if record.version == 2 && record.disabled));
    assert!(matches!(edit("a", Some(1), false), Edited::Other(record) if record.version == 2));
    assert_eq!(edit("b", Some(1), false), Edited::Missing);
    assert!(matches!(edit("b", None, false), Edited::Kept(_)));
    assert_eq!(edit("c", None, false), Edited::Full);
    assert_eq!(store.rooms(1, 9).unwrap().items[0].room.as_str(), "b");
}

#[test]
fn a_revocation_is_kept_until_its_end_or_until_it_is_taken_back() {
    let store = store(9, 9, &[]);
    let mut batch = store.write(1_000).unwrap();
    batch.revoke("a", 10, b"{}").unwrap();
    batch.revoke("b", 20, b"{}").unwrap();
    batch.revoke("c", 20, b"{}").unwrap();
    batch.unrevoke("c").unwrap();
    batch.commit().unwrap();
    let names = |now: u64| -> Vec<String> {
        let all = store.revocations(now).unwrap();
        all.into_iter().map(|(name, ..)| name).collect()
    };
    assert_eq!(names(9), ["a", "b"]);
    assert_eq!(names(10), ["b"]);
    let mut batch = store.write(15_000).unwrap();
    batch.revoke("d", 20, b"{}").unwrap();
    batch.commit().unwrap();
    assert_eq!(names(0), ["b", "d"], "what has ended is gone");
}

#[test]
fn copies_of_a_room_that_several_nodes_keep_come_together_in_any_order() {
    let made = RoomRecord {
        room: RoomId::new("r").unwrap(),
        custom: true,
        created_ms: 1,
        updated_ms: 1,
        version: 3,
        disabled: false,
        deactivated: false,
        used: false,
        settings: RoomSettings::default(),
    };
    let used = RoomRecord {
        used: true,
        ..made.clone()
    };
    let newer = RoomRecord {
        version: 4,
        disabled: true,
        ..made.clone()
    };
    let over = RoomRecord {
        version: 4,
        deactivated: true,
        used: true,
        ..made.clone()
    };
    let joined = |one: &RoomRecord, other: &RoomRecord| RoomRecord::together(one.clone(), other.clone());
    assert_eq!(joined(&made, &used), used);
    assert_eq!(
        joined(&used, &newer),
        RoomRecord {
            used: true,
            ..newer.clone()
        }
    );
    let whole = RoomRecord {
        version: 5,
        ..joined(&newer, &over)
    };
    assert!(
        whole.disabled && whole.deactivated && whole.used,
        "nothing is taken back"
    );
    assert_eq!(joined(&newer, &over), whole, "and that is a change of its own");
    for copy in [&made, &used, &newer, &over] {
        assert_eq!(
            (joined(&whole, copy), joined(copy, &whole)),
            (whole.clone(), whole.clone())
        );
    }
}

#[test]
fn a_room_that_somebody_has_been_in_on_one_node_counts_as_used_on_all() {
    let (here, there) = (store(9, 9, &[]), store(9, 9, &[]));
    let record = RoomRecord {
        room: RoomId::new("r").unwrap(),
        custom: true,
        created_ms: 0,
        updated_ms: 0,
        version: 0,
        disabled: false,
        deactivated: false,
        used: false,
        settings: RoomSettings {
            empty_timeout_ms: Some(1_000),
            ..RoomSettings::default()
        },
    };
    let mut batch = here.write(10).unwrap();
    let Edited::Kept(made) = batch.edit(Edit { record, before: None }).unwrap() else {
        unreachable!()
    };
    batch.commit().unwrap();
    let mut batch = there.write(10).unwrap();
    assert_eq!(batch.adopt(made.clone()).unwrap(), (made.clone(), true));
    assert!(!batch.adopt(made).unwrap().1, "it is known by now");
    batch.commit().unwrap();
    let disabled = |store: &Store| {
        let (record, was_used) = store.room("r").unwrap().unwrap();
        record.is_disabled(5_000, was_used)
    };
    assert!(disabled(&here) && disabled(&there), "nobody came in time");

    let applied = write(&here, 20, vec![event("s", 20, Happening::SessionStarted)]);
    let [changed] = &applied.rooms[..] else {
        panic!("{applied:?}")
    };
    let mut batch = there.write(30).unwrap();
    batch.adopt(changed.clone()).unwrap();
    batch.commit().unwrap();
    assert!(!disabled(&here) && !disabled(&there));
    assert!(
        write(&here, 40, vec![event("t", 40, Happening::SessionStarted)])
            .rooms
            .is_empty(),
        "told once"
    );
}

#[test]
fn sessions_are_paged_by_the_last_one_seen_and_rooms_by_their_ids() {
    let store = store(9, 9, &[]);
    let begin = |id: &str, at| event(id, at, Happening::SessionStarted);
    write(&store, 9, vec![begin("a", 5), begin("b", 5), begin("c", 7)]);
    for room in [None, Some("r")] {
        let page = |before, most| -> Vec<String> {
            let page = store.sessions_before(room, before, most).unwrap();
            assert_eq!(page.total, 3);
            page.items.into_iter().map(|session| session.session).collect()
        };
        assert_eq!(page(None, 2), ["c", "b"]);
        assert_eq!(page(Some((5, "b")), 2), ["a"]);
        assert!(page(Some((5, "a")), 2).is_empty());
    }
    assert!(store.sessions_before(Some("other"), None, 9).unwrap().items.is_empty());
}
