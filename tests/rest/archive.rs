//! Sessions in PostgreSQL: those of all nodes, and a database that is away, slow or wrong.

use std::time::Duration;

use enfilade::records::{
    Archive, EndWord, PostgresConfig, PostgresUrl, RecordsConfig, SessionRecord, StayRecord, Store, WebhooksConfig,
};
use enfilade::room::{EndReason, Happening, RoomEvent, Sample};
use enfilade::wire::signal::{LeaveReason, LinkCloseReason, Mode, SourceKind};
use enfilade::wire::{ParticipantId, PublicationId, RoomId};
use serde_json::json;
use testkit::{Folder, Postgres};
use tokio_postgres::{Client, NoTls};

use super::stage::Stage;

/// Somebody else at the same database.
async fn client(postgres: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&postgres.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn all(page: &serde_json::Value) -> usize {
    page["data"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn every_node_lists_the_sessions_of_all() {
    let postgres = Postgres::start().await.unwrap();
    // Both at once: one of them makes the tables.
    let (one, other) = tokio::join!(Stage::set_on(&postgres, &[]), Stage::set_on(&postgres, &[]));
    let _ann = one.join("east", "ann").await;
    let _bob = other.join("west", "bob").await;
    for stage in [&one, &other] {
        let page = stage.until("/v2/sessions", |page| all(page) == 2).await;
        let mut rooms: Vec<&str> = page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["roomId"].as_str().unwrap())
            .collect();
        rooms.sort_unstable();
        assert_eq!(rooms, ["east", "west"]);
    }
    let page = one.until("/v2/sessions?roomId=west", |page| all(page) == 1).await;
    let path = format!("/v2/sessions/{}/participants", page["data"][0]["id"].as_str().unwrap());
    let there = one.until(&path, |page| all(page) == 1).await;
    assert_eq!(there["data"][0]["participantId"], "bob");
}

#[tokio::test]
async fn a_database_that_dies_harms_no_call_and_gets_everything_when_it_is_back() {
    let mut postgres = Postgres::start().await.unwrap();
    let kept = Folder::new();
    let settings = [("ENFILADE_RECORDS__DIRECTORY", kept.text())];
    let stage = Stage::set_on(&postgres, &settings).await;
    let mut ann = stage.join("talk", "ann").await;
    stage.until("/v2/sessions", |page| all(page) == 1).await;
    postgres.end();
    let mut bob = stage.join("talk", "bob").await;
    bob.request("chat", json!({"text": "hello"})).await.unwrap();
    assert_eq!(ann.event("chat").await.unwrap()["text"], "hello");
    let _carl = stage.join("meanwhile", "carl").await;
    stage.server.logged("PostgreSQL does not take records").await.unwrap();
    assert_eq!(stage.get("/v2/sessions").await.0, 503, "it says that it does not know");
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_postgres_up", ""), 0.0);
    postgres.begin().await.unwrap();
    let page = stage.until("/v2/sessions", |page| all(page) == 2).await;
    assert_eq!(page["data"][0]["roomId"], "meanwhile");
    let path = format!("/v2/sessions/{}", page["data"][1]["id"].as_str().unwrap());
    stage.until(&path, |session| all_of(session) == 2).await;
    let metrics = stage.server.metrics().await.unwrap();
    assert_eq!(metrics.sum("enfilade_postgres_up", ""), 1.0);
    assert_eq!(metrics.sum("enfilade_records_dropped_total", ""), 0.0);
}

fn all_of(session: &serde_json::Value) -> usize {
    session["participants"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn what_a_server_could_not_write_before_it_stopped_is_written_by_the_next() {
    let mut postgres = Postgres::start().await.unwrap();
    let kept = Folder::new();
    let settings = [("ENFILADE_RECORDS__DIRECTORY", kept.text())];
    let mut stage = Stage::set_on(&postgres, &settings).await;
    let ann = stage.join("talk", "ann").await;
    stage.until("/v2/sessions", |page| all(page) == 1).await;
    postgres.end();
    drop(ann);
    stage.server.terminate().unwrap();
    assert!(stage.server.ended().await.unwrap().success());
    postgres.begin().await.unwrap();
    let stage = Stage::set_on(&postgres, &settings).await;
    let ended = stage
        .until("/v2/sessions", |page| page["data"][0]["status"] == "ended")
        .await;
    assert_eq!(ended["data"][0]["reason"], "moved");
}

#[tokio::test]
async fn a_server_that_stops_has_written_the_end_of_its_sessions() {
    let postgres = Postgres::start().await.unwrap();
    let mut stage = Stage::set_on(&postgres, &[("ENFILADE_SHUTDOWN__GRACE", "0s")]).await;
    let _ann = stage.join("talk", "ann").await;
    stage.until("/v2/sessions", |page| all(page) == 1).await;
    stage.server.terminate().unwrap();
    assert!(stage.server.ended().await.unwrap().success());
    let row = client(&postgres).await;
    let row = row
        .query_one("SELECT reason FROM enfilade_sessions", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, String>(0), "moved");
}

#[tokio::test]
async fn a_database_that_stands_still_harms_no_call() {
    let postgres = Postgres::start().await.unwrap();
    let stage = Stage::set_on(&postgres, &[]).await;
    let mut ann = stage.join("talk", "ann").await;
    stage.until("/v2/sessions", |page| all(page) == 1).await;
    let mut other = client(&postgres).await;
    let lock = other.transaction().await.unwrap();
    lock.batch_execute("LOCK TABLE enfilade_stays IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let mut bob = stage.join("talk", "bob").await;
    bob.request("chat", json!({"text": "hello"})).await.unwrap();
    assert_eq!(ann.event("chat").await.unwrap()["text"], "hello");
    let page = stage.get("/v2/sessions").await.1;
    assert_eq!(all_of(&page["data"][0]), 1, "what it has is still shown");
    lock.rollback().await.unwrap();
    let two = |page: &serde_json::Value| all_of(&page["data"][0]) == 2;
    stage.until("/v2/sessions", two).await;
}

#[tokio::test]
async fn a_wrong_password_is_named_in_the_log_and_is_not_in_it() {
    let postgres = Postgres::start().await.unwrap();
    let url = postgres.url_with("wrong-and-secret");
    let stage = Stage::set(&[("ENFILADE_RECORDS__POSTGRES", &url)]).await;
    let line = stage
        .server
        .logged("password authentication failed for user")
        .await
        .unwrap();
    assert!(line.contains("enfilade"), "{line}");
    let _ann = stage.join("talk", "ann").await;
    assert_eq!(stage.get("/v2/sessions").await.0, 503);
    assert!(stage.server.log().iter().all(|line| !line.contains("wrong-and-secret")));
}

#[tokio::test]
async fn tables_of_a_newer_server_are_left_alone() {
    let postgres = Postgres::start().await.unwrap();
    let newer = "CREATE TABLE enfilade_schema (version integer NOT NULL); INSERT INTO enfilade_schema VALUES (99)";
    client(&postgres).await.batch_execute(newer).await.unwrap();
    let stage = Stage::set_on(&postgres, &[]).await;
    stage.server.logged("its tables are of version 99").await.unwrap();
    let _ann = stage.join("talk", "ann").await;
}

#[tokio::test]
async fn a_record_that_the_database_refuses_holds_up_no_other() {
    let postgres = Postgres::start().await.unwrap();
    let stage = Stage::set_on(&postgres, &[]).await;
    let _ann = stage.join("talk", "ann").await;
    stage.until("/v2/sessions", |page| all(page) == 1).await;
    let taboo = "ALTER TABLE enfilade_stays ADD CHECK (participant <> 'bob')";
    client(&postgres).await.batch_execute(taboo).await.unwrap();
    let _bob = stage.join("talk", "bob").await;
    let _carl = stage.join("talk", "carl").await;
    let page = stage.until("/v2/sessions", |page| all_of(&page["data"][0]) == 2).await;
    assert_eq!(page["data"][0]["participants"][1]["participantId"], "carl");
    let metrics = stage.server.metrics().await.unwrap();
    assert!(metrics.sum("enfilade_records_dropped_total", "refused") >= 1.0);
}

#[tokio::test]
async fn over_tls_the_certificate_of_the_database_is_checked() {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (pem, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let files = [
        ("ssl_cert_file", "server.pem", pem.as_str()),
        ("ssl_key_file", "server.key", key.as_str()),
    ];
    let postgres = Postgres::start_with(&files).await.unwrap();
    let kept = Folder::new();
    let url = kept.path().join("url");
    std::fs::write(&url, format!("{}?sslmode=verify-full\n", postgres.url())).unwrap();
    for (name, pem, words) in [
        ("right", pem.clone(), None),
        ("wrong", other.cert.pem(), Some("invalid peer certificate")),
    ] {
        let authorities = kept.path().join(name);
        std::fs::write(&authorities, pem).unwrap();
        let settings = [
            ("ENFILADE_RECORDS__POSTGRES_FILE", url.to_str().unwrap()),
            ("ENFILADE_RECORDS__POSTGRES_CA_FILE", authorities.to_str().unwrap()),
        ];
        let stage = Stage::set(&settings).await;
        let _ann = stage.join("talk", "ann").await;
        match words {
            None => drop(stage.until("/v2/sessions", |page| all(page) == 1).await),
            Some(words) => drop(stage.server.logged(words).await.unwrap()),
        }
    }
}

fn store(postgres: &Postgres) -> (Store, PostgresConfig) {
    let postgres = PostgresConfig {
        url: PostgresUrl::new(&postgres.url()).unwrap(),
        authorities: None,
        node: "here".to_owned(),
    };
    let records = RecordsConfig {
        directory: None,
        retention: Duration::from_secs(60),
        max_sessions: 100,
        max_rooms: 1,
        postgres: Some(postgres.clone()),
    };
    let webhooks = WebhooksConfig {
        endpoints: Vec::new(),
        secret: None,
        signing_key: None,
        allow_private: true,
        max_waiting: 1,
        retry_for: Duration::from_secs(60),
        timeout: Duration::from_secs(1),
    };
    (Store::open(records, webhooks).unwrap(), postgres)
}

async fn archive(config: &PostgresConfig, writer: &str) -> (Archive, bool) {
    let (mut archive, line) = Archive::connect(config, writer).await.unwrap();
    tokio::spawn(line);
    let is_new = archive.prepare().await.unwrap();
    (archive, is_new)
}

fn event(room: &str, session: &str, at_ms: u64, what: Happening) -> RoomEvent {
    RoomEvent {
        room: RoomId::new(room).unwrap(),
        session: session.into(),
        sequence: 0,
        at_ms,
        what,
    }
}

fn joined(stay: u32, name: &str) -> Happening {
    Happening::Joined {
        stay,
        participant: ParticipantId::new(&format!("p{stay}")).unwrap(),
        display_name: name.to_owned(),
        mode: Mode::ReceiveOnly,
    }
}

/// Something of every kind, in three sessions of two rooms.
fn a_day(start: u64) -> Vec<RoomEvent> {
    let published = Happening::Published {
        stay: 1,
        publication: PublicationId(7),
        source: SourceKind::ScreenAudio,
    };
    let left = Happening::Left {
        stay: 2,
        participant: ParticipantId::new("p2").unwrap(),
        display_name: "later".to_owned(),
        reason: LeaveReason::Timeout,
    };
    let measured = Happening::Measured {
        samples: vec![Sample {
            stay: 1,
            loss_up: 0.125,
            loss_down: 0.25,
            round_trip: Some(Duration::from_millis(35)),
            score: 4,
        }],
    };
    let link = || RoomId::new("r2").unwrap();
    let reason = LinkCloseReason::ClosedRemote;
    vec![
        event("r1", "s1", start, Happening::SessionStarted),
        event("r1", "s1", start + 1, joined(1, "Ann \u{1f600} O'Neill \\ \"quoted\"")),
        event("r1", "s1", start + 2, joined(2, "with\ttab")),
        event("r1", "s1", start + 3, published),
        event("r1", "s1", start + 4, measured),
        event("r1", "s1", start + 5, Happening::LinkOpened { link: link() }),
        event("r1", "s1", start + 6, left),
        event("r1", "s1", start + 7, Happening::LinkClosed { link: link(), reason }),
        event("r2", "s2", start + 8, Happening::SessionStarted),
        event("r2", "s2", start + 8, joined(1, "")),
        event(
            "r1",
            "s1",
            start + 9,
            Happening::SessionEnded {
                reason: EndReason::Closed,
            },
        ),
        event("r1", "s3", start + 10, Happening::SessionStarted),
    ]
}

/// Writes what happened here, and what is marked of it there.
async fn keep(store: &Store, archive: &mut Archive, events: &[RoomEvent]) {
    let mut batch = store.write(1).unwrap();
    for event in events {
        batch.event(event).unwrap();
    }
    batch.commit().unwrap();
    let pieces = store.pieces(1_000).unwrap();
    let marks: Vec<_> = pieces.iter().map(|piece| piece.mark.clone()).collect();
    archive.put(pieces).await.unwrap();
    let mut batch = store.write(2).unwrap();
    batch.archived(&marks).unwrap();
    batch.commit().unwrap();
    assert_eq!(store.marks().unwrap(), 0);
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

#[tokio::test]
async fn both_stores_answer_every_question_alike() {
    let postgres = Postgres::start().await.unwrap();
    let (store, config) = store(&postgres);
    let (mut archive, _) = archive(&config, store.writer()).await;
    let day = a_day(now_ms());
    for events in day.chunks(3) {
        keep(&store, &mut archive, events).await;
        for room in [None, Some("r1"), Some("r2"), Some("r3")] {
            for (skip, take) in [(0, 9), (1, 1), (9, 9)] {
                let mut here = store.sessions_before(room, None, skip + take).unwrap();
                here.items.drain(..skip.min(here.items.len()));
                let there = archive.sessions(room, None, skip, take, 1).await.unwrap();
                let sessions: Vec<SessionRecord> = there.items.iter().map(|(session, _)| session.clone()).collect();
                assert_eq!((here.items, here.total), (sessions, there.total));
                for (session, stays) in there.items {
                    let expected: Vec<StayRecord> = store.stays(&session.session, 1).unwrap();
                    assert_eq!(stays, expected);
                }
            }
        }
        for id in ["s1", "s2", "s3", "s4", "\0", "'; DROP TABLE enfilade_stays; --"] {
            assert_eq!(archive.session(id).await.unwrap(), store.session(id).unwrap());
            assert_eq!(archive.stays(id, 9).await.unwrap(), store.stays(id, 9).unwrap());
            assert_eq!(archive.links(id).await.unwrap(), store.links(id).unwrap());
        }
    }
}

#[tokio::test]
async fn sessions_of_a_node_that_died_for_good_ended_when_it_was_heard_of_last() {
    let postgres = Postgres::start().await.unwrap();
    let (store, config) = store(&postgres);
    let (mut archive, is_new) = archive(&config, store.writer()).await;
    assert!(is_new, "nobody has written under this name");
    keep(&store, &mut archive, &a_day(1_000)).await;
    let client = client(&postgres).await;
    client
        .batch_execute("UPDATE enfilade_writers SET seen_at = now() - interval '5 minutes'")
        .await
        .unwrap();
    let lost = archive.session("s2").await.unwrap().unwrap();
    assert_eq!(lost.reason, Some(EndWord::NodeLost));
    assert!(lost.end_ms.unwrap() < now_ms() - 299_000);
    assert_eq!(archive.stays("s2", 9).await.unwrap()[0].end_ms, lost.end_ms);
    let (archive, is_new) = self::archive(&config, store.writer()).await;
    assert!(!is_new);
    assert_eq!(
        archive.session("s2").await.unwrap().unwrap().end_ms,
        None,
        "it was not dead at all"
    );
}

#[tokio::test]
async fn what_is_too_old_is_forgotten_there_whoever_wrote_it() {
    let postgres = Postgres::start().await.unwrap();
    let (store, config) = store(&postgres);
    let (mut one, _) = archive(&config, store.writer()).await;
    keep(&store, &mut one, &a_day(now_ms() - 3_600_000)).await;
    let (other, _) = archive(&config, "another").await;
    assert!(!other.forget(Duration::from_secs(7_200)).await.unwrap());
    assert_eq!(other.sessions(None, None, 0, 9, 9).await.unwrap().total, 3);
    other.forget(Duration::from_secs(1_800)).await.unwrap();
    let left = other.sessions(None, None, 0, 9, 9).await.unwrap();
    let left: Vec<&str> = left.items.iter().map(|(session, _)| session.session.as_str()).collect();
    assert_eq!(left, ["s3", "s2"], "those that go on are not too old");
    assert!(other.stays("s1", 9).await.unwrap().is_empty() && other.links("s1").await.unwrap().is_empty());
}
