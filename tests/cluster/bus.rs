//! What every bus promises, asked of the one inside a process and of NATS.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use enfilade::cluster::{Bus, BusError, EmbeddedBus, Hub, NatsBus, NatsConfig, Table, WriteError};
use futures_util::StreamExt;
use testkit::Nats;

const SOON: Duration = Duration::from_secs(2);

/// Asks it of both kinds, each with two ends.
async fn of_both<F: Future<Output = ()>>(promise: impl Fn(Arc<dyn Bus>, Arc<dyn Bus>) -> F) {
    let hub: Arc<Hub> = Arc::default();
    let embedded = || Arc::new(EmbeddedBus::new(Arc::clone(&hub)));
    promise(embedded(), embedded()).await;

    let server = Nats::start().await.unwrap();
    let one = connected(&server.url(), "test").await;
    let other = connected(&server.url(), "test").await;
    promise(one, other).await;
}

/// A connection that has been made.
pub(crate) async fn connected(url: &str, prefix: &str) -> Arc<dyn Bus> {
    let config = NatsConfig {
        servers: vec![url.to_owned()],
        credentials: None,
        authorities: None,
        replicas: 1,
        prefix: prefix.to_owned(),
    };
    let bus = NatsBus::connect(config, "a test").await.unwrap();
    let answers = async {
        while bus.read(Table::Nodes, "a".to_owned()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(testkit::PATIENCE, answers).await.unwrap();
    Arc::new(bus)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

#[tokio::test]
async fn what_is_published_comes_in_order_to_who_listens_there_and_to_nobody_else() {
    of_both(|one, other| async move {
        let mut here = other.listen("node.a".to_owned()).await.unwrap();
        let mut there = other.listen("node.b".to_owned()).await.unwrap();
        // What listens is known everywhere when a question that was asked afterwards is answered.
        let _nobody = other.ask("node.none".to_owned(), Bytes::new(), SOON).await;
        for number in 0..100 {
            one.publish("node.a".to_owned(), bytes(&number.to_string()))
                .await
                .unwrap();
        }
        one.publish("node.b".to_owned(), bytes("last")).await.unwrap();
        for number in 0..100 {
            assert_eq!(here.next().await.unwrap().payload, number.to_string());
        }
        assert_eq!(there.next().await.unwrap().payload, "last");
    })
    .await;
}

#[tokio::test]
async fn a_question_is_answered_or_it_is_known_that_nobody_listens_or_answers() {
    of_both(|one, other| async move {
        let mut asked = other.listen("ask.a".to_owned()).await.unwrap();
        let _nobody = other.ask("ask.none".to_owned(), Bytes::new(), SOON).await;
        let (answer, ()) = tokio::join!(one.ask("ask.a".to_owned(), bytes("who?"), SOON), async {
            let question = asked.next().await.unwrap();
            assert_eq!(question.payload, "who?");
            other.publish(question.reply.unwrap(), bytes("me")).await.unwrap();
        });
        assert_eq!(answer.unwrap(), "me");
        let nobody = one.ask("ask.b".to_owned(), Bytes::new(), SOON).await;
        assert_eq!(nobody, Err(BusError::Nobody));
        let late = one
            .ask("ask.a".to_owned(), Bytes::new(), Duration::from_millis(50))
            .await;
        assert_eq!(late, Err(BusError::Late));
    })
    .await;
}

#[tokio::test]
async fn an_entry_is_written_by_who_knows_its_revision_and_by_nobody_else() {
    of_both(|one, other| async move {
        let (table, key) = (Table::Rooms, || "6161".to_owned());
        assert_eq!(one.read(table, key()).await, Ok(None));
        let first = one.write(table, key(), bytes("one"), None).await.unwrap();
        assert_eq!(
            other.write(table, key(), bytes("other"), None).await,
            Err(WriteError::Conflict)
        );
        let second = other.write(table, key(), bytes("other"), Some(first)).await.unwrap();
        assert!(second > first);
        assert_eq!(
            one.write(table, key(), bytes("one"), Some(first)).await,
            Err(WriteError::Conflict)
        );
        assert_eq!(one.remove(table, key(), first).await, Err(WriteError::Conflict));
        let entry = one.read(table, key()).await.unwrap().unwrap();
        assert_eq!((entry.value, entry.revision), (bytes("other"), second));

        one.remove(table, key(), second).await.unwrap();
        assert_eq!(other.read(table, key()).await, Ok(None));
        assert_eq!(
            other.write(table, key(), bytes("late"), Some(second)).await,
            Err(WriteError::Conflict)
        );
        let again = other.write(table, key(), bytes("again"), None).await.unwrap();
        assert!(again > second);
        assert_eq!(one.read(Table::Nodes, key()).await, Ok(None), "another table");
    })
    .await;
}

#[tokio::test]
async fn of_many_who_write_at_once_one_succeeds() {
    of_both(|one, other| async move {
        for round in 0..20 {
            let key = || format!("{round:04x}");
            let writes = [&one, &other, &one, &other].map(|bus| bus.write(Table::Rooms, key(), bytes("x"), None));
            let written = futures_util::future::join_all(writes).await;
            assert_eq!(written.iter().filter(|write| write.is_ok()).count(), 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_watch_tells_what_is_there_and_then_what_changes() {
    of_both(|one, other| async move {
        let key = |text: &str| text.to_owned();
        let first = one.write(Table::Nodes, key("a"), bytes("1"), None).await.unwrap();
        let mut changes = other.watch(Table::Nodes).await.unwrap();
        let mut next = async || {
            let change = tokio::time::timeout(testkit::PATIENCE, changes.next()).await;
            let change = change.unwrap().unwrap();
            (change.key, change.entry.map(|entry| (entry.value, entry.revision)))
        };
        assert_eq!(next().await, (key("a"), Some((bytes("1"), first))));
        let second = one
            .write(Table::Nodes, key("a"), bytes("2"), Some(first))
            .await
            .unwrap();
        assert_eq!(next().await, (key("a"), Some((bytes("2"), second))));
        let third = one.write(Table::Nodes, key("b"), bytes("3"), None).await.unwrap();
        assert_eq!(next().await, (key("b"), Some((bytes("3"), third))));
        one.remove(Table::Nodes, key("a"), second).await.unwrap();
        assert_eq!(next().await, (key("a"), None));
    })
    .await;
}
